//! `hamlet-soak`: scripted phones of all versions do, for an hour, what people do with phones, all of it mixed; memory,
//! latencies and errors are looked at minute by minute, and every message is accounted for.
//!
//! The phones look at each answer as closely as in the scenarios, so the load is not as high as the one of `hamlet-bench`:
//! this is about what grows, drifts and goes wrong once in a hundred thousand times.

mod actions;
mod ledger;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use imps_proto::wire::Form;
use imps_types::Version;
use serde_json::json;

use self::actions::Actor;
use self::ledger::{Ledger, Minute};
use super::server::{Folder, Hamlet, PASSWORD, address, default_folder, make_users};
use super::{Dice, Outcome, now};
use crate::phone::{Personality, Phone, Settings};

/// What `--help` says.
pub const HELP: &str = "\
Keep a server under mixed load: messages, presence, lists, groups, invitations, searches, logins, and rubbish.

Usage: hamlet-soak [OPTIONS]

Options:
  --minutes N     how long [default: 60]
  --warm-up N     minutes after which memory must not grow any more [default: a tenth, 1 at least]
  --phones N      how many phones, of CSP 1.1, 1.2 and 1.3 in XML and WBXML [default: 60]
  --rate N        what all of them together do in a second [default: 150]
  --hamlet PATH   the server [default: hamlet beside this program]
  --dir DIR       where the data folder is made [default: beside this program]
  --json          the figures of every minute as JSON

Exit code 1 when an answer was wrong, a message was lost or came twice, or memory grew after the warm-up by more than a
tenth.";

struct Options {
    minutes: u64,
    warm_up: u64,
    phones: usize,
    rate: u64,
    hamlet: PathBuf,
    folder: PathBuf,
    json: bool,
}

/// By how much memory may differ between the first and the last third after the warm-up.
const GROWTH_MAX: f64 = 1.10;

/// How long the phones may take at the end to fetch what waits.
const DRAIN: Duration = Duration::from_secs(60);

/// Runs the program; whether everything was found in order.
///
/// # Errors
/// When it could not be run to its end.
pub fn run(arguments: &[String]) -> Outcome<bool> {
    let Some(options) = Options::parse(arguments)? else {
        say(HELP);
        return Ok(true);
    };
    let folder = Folder::new(&options.folder, "soak")?;
    let data = folder.file("data");
    let names: Vec<String> = (0..options.phones).map(|number| format!("user{number}")).collect();
    make_users(&data, &names)?;
    let server = Hamlet::start(&options.hamlet, &data, &[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    tokio::task::LocalSet::new().block_on(&runtime, soak(&options, server))
}

#[expect(clippy::print_stdout, reason = "the output of the program")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "progress, for the person who waits")]
fn tell(text: &str) {
    eprintln!("{text}");
}

impl Options {
    fn parse(arguments: &[String]) -> Outcome<Option<Self>> {
        let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join("hamlet")));
        let mut options = Self {
            minutes: 60,
            warm_up: 0,
            phones: 60,
            rate: 150,
            hamlet: beside.unwrap_or_else(|| "hamlet".into()),
            folder: default_folder(),
            json: false,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, given) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = || given.clone().or_else(|| rest.next().cloned()).ok_or(format!("{name} needs a value"));
            let number = |text: String| text.parse::<u64>().map_err(|_| format!("{name}: `{text}` is no number"));
            match name {
                "--help" | "-h" => return Ok(None),
                "--minutes" => options.minutes = number(value()?)?.max(1),
                "--warm-up" => options.warm_up = number(value()?)?,
                "--phones" => options.phones = number(value()?)?.clamp(10, 10_000) as usize,
                "--rate" => options.rate = number(value()?)?.clamp(1, 100_000),
                "--hamlet" => options.hamlet = value()?.into(),
                "--dir" => options.folder = value()?.into(),
                "--json" => options.json = true,
                _ => return Err(format!("unknown option {argument}; see --help")),
            }
        }
        if options.warm_up == 0 {
            options.warm_up = (options.minutes / 10).max(1);
        }
        Ok(Some(options))
    }
}

/// The versions and encodings, in turn.
const KINDS: [(Version, Form); 6] = [
    (Version::V1_2, Form::Wbxml),
    (Version::V1_1, Form::Xml),
    (Version::V1_3, Form::Wbxml),
    (Version::V1_2, Form::Xml),
    (Version::V1_1, Form::Wbxml),
    (Version::V1_3, Form::Xml),
];

fn phone(number: usize, server: &Hamlet) -> Phone {
    let (version, form) = KINDS[number % KINDS.len()];
    let settings = Settings {
        version,
        form,
        personality: Personality::Plain,
        user: address(&format!("user{number}")),
        password: PASSWORD.to_owned(),
        client: None,
        content_type: None,
        is_silent: false,
        channel: crate::phone::Channel::Http,
        number: None,
    };
    Phone::new(settings, server.address)
}

async fn soak(options: &Options, mut server: Hamlet) -> Outcome<bool> {
    let ledger = Rc::new(RefCell::new(Ledger::default()));
    let until = now() + Duration::from_secs(60 * options.minutes);
    let pause = Duration::from_secs(1).mul_f64(options.phones as f64 / options.rate as f64);
    let actors: Vec<_> = (0..options.phones)
        .map(|number| {
            let actor = Actor::new(phone(number, &server), number, options.phones, ledger.clone());
            tokio::task::spawn_local(live(actor, pause, until))
        })
        .collect();
    let mut minutes: Vec<Minute> = Vec::new();
    for number in 1..=options.minutes {
        tokio::time::sleep_until((until - Duration::from_secs(60 * (options.minutes - number))).into()).await;
        let minute = ledger.borrow_mut().minute(number, server.memory()?);
        tell(&minute.line());
        minutes.push(minute);
    }
    let drained = tokio::time::timeout(DRAIN, async {
        for actor in actors {
            // One that ended by a defect of its own is an error too.
            if let Err(error) = actor.await {
                ledger.borrow_mut().fault(&format!("a phone gave up: {error}"));
            }
        }
    });
    let drained = drained.await.is_ok();
    let mut ledger = ledger.borrow_mut();
    if !drained {
        ledger.fault("the phones did not come to an end");
    }
    for name in ["hamlet_panics_total", "hamlet_store_failures_total"] {
        let count = server.metrics().get(name);
        if count > 0.0 {
            ledger.fault(&format!("{name} {count}"));
        }
    }
    server.stop()?;
    Ok(verdict(options, &minutes, &ledger))
}

/// A phone's life: does something, waits a while, and at the end fetches what is left.
async fn live(mut actor: Actor, pause: Duration, until: Instant) {
    let mut dice = Dice::new(0x9e37_79b9 * (actor.number as u64 + 1));
    while now() < until {
        actor.act(&mut dice).await;
        tokio::time::sleep(pause.mul_f64(dice.below(2000) as f64 / 1000.0)).await;
    }
    actor.drain().await;
}

fn median(mut values: Vec<u64>) -> f64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0) as f64
}

fn verdict(options: &Options, minutes: &[Minute], ledger: &Ledger) -> bool {
    // A run that is shorter than its warm-up is one to see that it runs.
    let warm_up = if options.warm_up < options.minutes { options.warm_up } else { 0 };
    let after: Vec<&Minute> = minutes.iter().filter(|minute| minute.number > warm_up).collect();
    let third = after.len().div_ceil(3);
    let memory = |minutes: &[&Minute]| median(minutes.iter().map(|minute| minute.memory).collect());
    let (early, late) = (memory(&after[..third.min(after.len())]), memory(&after[after.len().saturating_sub(third)..]));
    let growth = if early > 0.0 { late / early } else { 1.0 };
    let lost = ledger.lost();
    let is_good = ledger.faults == 0 && lost == 0 && ledger.doubled == 0 && growth <= GROWTH_MAX;
    if options.json {
        let lines: Vec<_> = minutes.iter().map(Minute::json).collect();
        say(&json!({ "minutes": lines, "errors": ledger.faults, "lost": lost, "doubled": ledger.doubled,
            "memory_early": early, "memory_late": late, "actions": ledger.totals })
        .to_string());
    } else {
        for (name, count) in &ledger.totals {
            say(&format!("{count:>9}  {name}"));
        }
        say(&format!(
            "{} minutes: {} messages accepted, {} delivered, {lost} lost, {} doubled, {} errors; memory {:.1} MiB early, \
             {:.1} MiB late ({:+.1} %): {}",
            options.minutes,
            ledger.accepted(),
            ledger.delivered,
            ledger.doubled,
            ledger.faults,
            early / 1_048_576.0,
            late / 1_048_576.0,
            (growth - 1.0) * 100.0,
            if is_good { "in order" } else { "NOT in order" }
        ));
    }
    is_good
}
