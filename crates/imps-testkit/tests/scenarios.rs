//! Every scenario, in every combination that applies.
//!
//! What a whole run has proven is written into `target/tmp/scenarios`, a file for each combination, from which
//! `cargo xtask generate` makes `docs/conformance.md`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use imps_proto::csp::CATALOGUE;
use imps_proto::wire::{Form, PtsCodes};
use imps_testkit::scenario::{self, Combination, Place, Proof, Scenario};
use imps_testkit::server::{EngineKind, Server};
use imps_types::Version;
use serde_json::{Value, json};
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
            let proofs = scenario::run(&scenario, combination, shared, &place).await?;
            Ok::<_, String>((scenario, proofs))
        });
    }
    let (mut failures, mut proven) = (Vec::new(), Vec::new());
    while let Some(outcome) = running.join_next().await {
        match outcome {
            Ok(Ok((scenario, proofs))) => proven.push((scenario, proofs)),
            Ok(Err(failure)) => failures.push(failure),
            Err(error) => failures.push(format!("a scenario panicked: {error}")),
        }
    }
    if failures.is_empty() && std::env::var_os("SCENARIO").is_none() {
        record(combination, &mut proven);
    }
    failures.sort();
    failures
}

/// Writes a file of what the run has shown.
fn write(name: &str, contents: &Value) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scenarios");
    std::fs::create_dir_all(&folder).expect("a folder for what was shown");
    std::fs::write(folder.join(name), contents.to_string()).expect("a file of what was shown");
}

/// Keeps what the scenarios of a combination have proven.
fn record(combination: Combination, proven: &mut [(Scenario, BTreeSet<Proof>)]) {
    proven.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let proof = |proof: &Proof| {
        json!({
            "by_server": proof.by_server,
            "request": proof.request,
            "version": proof.version.as_str(),
            "form": proof.form,
            "seen_by": proof.seen_by,
        })
    };
    let scenarios: Vec<Value> = proven
        .iter()
        .map(|(scenario, proofs)| {
            let proofs: Vec<Value> = proofs.iter().map(proof).collect();
            json!({"name": scenario.name, "shows": scenario.shows, "proofs": proofs})
        })
        .collect();
    write(&format!("{}.json", combination.to_string().replace(' ', "_")), &json!({ "scenarios": scenarios }));
}

/// PTS with all codes: scenarios' servers are set so.
const PTS: Form = Form::Pts(PtsCodes::Project);

macro_rules! form {
    (Pts) => {
        PTS
    };
    ($form:ident) => {
        Form::$form
    };
}

macro_rules! combinations {
    ($($name:ident $engine:ident $version:ident $form:ident;)*) => {
        $(#[test] fn $name() {
            run(Combination { engine: EngineKind::$engine, version: Version::$version, form: form!($form) });
        })*

        const COMBINATIONS: &[Combination] = &[$(
            Combination { engine: EngineKind::$engine, version: Version::$version, form: form!($form) },
        )*];
    };
}

combinations! {
    memory_11_xml Memory V1_1 Xml;
    memory_11_wbxml Memory V1_1 Wbxml;
    memory_11_json Memory V1_1 Json;
    memory_11_pts Memory V1_1 Pts;
    memory_12_xml Memory V1_2 Xml;
    memory_12_wbxml Memory V1_2 Wbxml;
    memory_12_json Memory V1_2 Json;
    memory_12_pts Memory V1_2 Pts;
    memory_13_xml Memory V1_3 Xml;
    memory_13_wbxml Memory V1_3 Wbxml;
    memory_13_json Memory V1_3 Json;
    memory_13_pts Memory V1_3 Pts;
    sqlite_11_xml Sqlite V1_1 Xml;
    sqlite_11_wbxml Sqlite V1_1 Wbxml;
    sqlite_11_json Sqlite V1_1 Json;
    sqlite_11_pts Sqlite V1_1 Pts;
    sqlite_12_xml Sqlite V1_2 Xml;
    sqlite_12_wbxml Sqlite V1_2 Wbxml;
    sqlite_12_json Sqlite V1_2 Json;
    sqlite_12_pts Sqlite V1_2 Pts;
    sqlite_13_xml Sqlite V1_3 Xml;
    sqlite_13_wbxml Sqlite V1_3 Wbxml;
    sqlite_13_json Sqlite V1_3 Json;
    sqlite_13_pts Sqlite V1_3 Pts;
}

#[test]
fn every_combination_runs_or_says_why_not() {
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
        println!("{name}: {count} not, {reason}");
        assert!(reason.len() > 8, "{name} does not say why it does not run everywhere");
    }
    assert!(scenarios.len() >= 40, "{} scenarios", scenarios.len());
    let combinations: Vec<String> = COMBINATIONS.iter().map(|one| one.to_string().replace(' ', "_")).collect();
    let unbuilt: Vec<&str> = CATALOGUE.iter().filter(|row| !row.built).map(|row| row.request.name()).collect();
    let left_out: Vec<Value> = left_out.iter().map(|((name, why), count)| json!([name, why, count])).collect();
    let titles: BTreeMap<&str, &str> = scenarios.iter().map(|one| (one.name.as_str(), one.title.as_str())).collect();
    write(
        "plan.json",
        &json!({"combinations": combinations, "unbuilt": unbuilt, "left_out": left_out, "titles": titles}),
    );
}
