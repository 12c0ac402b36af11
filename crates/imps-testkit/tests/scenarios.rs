//! Every scenario, in every combination that applies.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use imps_proto::wire::Form;
use imps_testkit::scenario::{self, Combination, Place, Scenario};
use imps_testkit::server::{EngineKind, Server};
use imps_types::Version;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Stories that are told at the same time.
const AT_ONCE: usize = 6;

fn scenarios() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    scenario::read_folder(&folder).unwrap_or_else(|mistake| panic!("{mistake}"))
}

fn place() -> Place {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Place { raw: here.join("scenarios/raw"), vectors: here.join("../../spec/vectors") }
}

/// Whether `SCENARIO` asks for others only.
fn is_left_out(scenario: &Scenario) -> bool {
    std::env::var("SCENARIO").is_ok_and(|wanted| !scenario.name.contains(&wanted))
}

fn run(combination: Combination) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let failures = runtime.block_on(run_all(combination));
    assert!(failures.is_empty(), "{} scenarios failed:\n\n{}", failures.len(), failures.join("\n"));
}

async fn run_all(combination: Combination) -> Vec<String> {
    let place = Arc::new(place());
    let applies = |one: &Scenario| !is_left_out(one) && scenario::why_not(one, combination).is_none();
    let scenarios: Vec<Scenario> = scenarios().into_iter().filter(applies).collect();
    // Where the server is dear to start, those who do it no harm share one.
    let shared = match combination.engine {
        EngineKind::Sqlite => match Server::start(combination.engine, &[]).await {
            Ok(server) => Some(Arc::new(server)),
            Err(error) => return vec![error],
        },
        EngineKind::Memory => None,
    };
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for scenario in scenarios {
        let (seats, shared, place) = (seats.clone(), shared.clone(), place.clone());
        running.spawn(async move {
            let _seat = seats.acquire_owned().await;
            scenario::run(&scenario, combination, shared, &place).await
        });
    }
    let mut failures = Vec::new();
    while let Some(outcome) = running.join_next().await {
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => failures.push(failure),
            Err(error) => failures.push(format!("a scenario panicked: {error}")),
        }
    }
    failures.sort();
    failures
}

macro_rules! combinations {
    ($($name:ident $engine:ident $version:ident $form:ident;)*) => {
        $(#[test] fn $name() {
            run(Combination { engine: EngineKind::$engine, version: Version::$version, form: Form::$form });
        })*

        const COMBINATIONS: &[Combination] = &[$(
            Combination { engine: EngineKind::$engine, version: Version::$version, form: Form::$form },
        )*];
    };
}

combinations! {
    memory_11_xml Memory V1_1 Xml;
    memory_11_wbxml Memory V1_1 Wbxml;
    memory_12_xml Memory V1_2 Xml;
    memory_12_wbxml Memory V1_2 Wbxml;
    memory_13_xml Memory V1_3 Xml;
    memory_13_wbxml Memory V1_3 Wbxml;
    sqlite_11_xml Sqlite V1_1 Xml;
    sqlite_11_wbxml Sqlite V1_1 Wbxml;
    sqlite_12_xml Sqlite V1_2 Xml;
    sqlite_12_wbxml Sqlite V1_2 Wbxml;
    sqlite_13_xml Sqlite V1_3 Xml;
    sqlite_13_wbxml Sqlite V1_3 Wbxml;
}

/// What does not run: scenario, in how many combinations, and why. In the order of the names.
const EXCEPTIONS: &[(&str, usize, &str)] = &[
    ("block_by_list_of_13", 8, "ContactList and Domain in a block list came with 1.3"),
    ("capabilities_of_11", 8, "from 1.2 on the answer has only what the server decides"),
    ("content_types", 6, "its labels are those of XML"),
    ("life_of_a_nokia", 2, "its phones name their encodings"),
    ("life_of_a_nokia", 8, "its phones name their versions"),
    ("life_of_an_android", 2, "its phones name their encodings"),
    ("life_of_an_android", 8, "its phones name their versions"),
    ("list_managed_without_receiving", 4, "ReceiveList came with 1.2"),
    ("login_failures_are_throttled", 6, "needs clock"),
    ("login_negotiates_of_13", 2, "its phones name their encodings"),
    ("login_negotiates_of_13", 8, "its phones name their versions"),
    ("login_nonce_expires", 6, "needs clock"),
    ("malformed_in_a_session", 8, "its phones name their versions"),
    ("message_binary_opaque", 6, "XML cannot carry bare bytes"),
    ("message_default_validity", 6, "needs clock"),
    ("message_expires", 6, "needs clock"),
    ("message_redelivered", 6, "needs clock"),
    ("message_rejected_in_part", 4, "a DetailedResult of 1.1 cannot hold MessageIDs"),
    ("notifications_of_13", 8, "general notifications came with 1.3"),
    ("notifications_priority_of_13", 8, "general notifications came with 1.3"),
    ("presence_asked", 4, "1.3 has notifications instead of PresenceAuth-Request"),
    ("presence_asked_in_part", 8, "only 1.2 decides about single attributes"),
    ("presence_asked_offline", 4, "1.3 has notifications instead of PresenceAuth-Request"),
    ("presence_auto_subscribe", 4, "AutoSubscribe came with 1.2"),
    ("presence_expiry", 6, "needs clock"),
    ("presence_info_link", 4, "1.1 has no InfoLink to give"),
    ("resume_of_13", 8, "only 1.3 names a session in Login-Request"),
    ("services_of_11", 8, "since 1.2 Functions is required, and nobody is named"),
    ("session_expires", 6, "needs clock"),
    ("session_expiry_is_told", 6, "needs clock"),
    ("version_discovery", 4, "version discovery came with 1.2"),
    ("watcher_list_grows_old", 6, "needs clock"),
    ("watcher_list_history", 4, "HistoryPeriod came with 1.2"),
];

#[test]
fn every_combination_runs_or_is_listed_with_its_reason() {
    assert_eq!(COMBINATIONS.len(), Combination::all().count());
    assert_eq!(COMBINATIONS.iter().collect::<HashSet<_>>().len(), COMBINATIONS.len());
    let scenarios = scenarios();
    let mut left_out: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut runs = 0;
    for scenario in &scenarios {
        let before = runs;
        for combination in Combination::all() {
            match scenario::why_not(scenario, combination) {
                None => runs += 1,
                Some(reason) => *left_out.entry((scenario.name.clone(), reason)).or_default() += 1,
            }
        }
        assert!(runs > before, "{} runs nowhere", scenario.file);
    }
    println!("{} scenarios in {} combinations: {runs} runs", scenarios.len(), COMBINATIONS.len());
    for ((name, reason), count) in &left_out {
        println!("    (\"{name}\", {count}, \"{reason}\"),");
    }
    assert!(scenarios.len() >= 40, "{} scenarios", scenarios.len());
    let listed: BTreeMap<(String, String), usize> =
        EXCEPTIONS.iter().map(|(name, count, reason)| (((*name).to_owned(), (*reason).to_owned()), *count)).collect();
    assert_eq!(left_out, listed, "the list of exceptions (EXCEPTIONS in this file) is not up to date");
}
