//! `cargo xtask check`: everything that CI does, in one command, on a bare machine.

use std::time::Duration;

use crate::metadata::{Metadata, host};
use crate::process::{cargo, now, spoken, stream, succeeds};
use crate::{Outcome, arrows, generate, hygiene, licences, packages};

pub(crate) const HELP: &str = "\
Everything that CI does; passing here is passing there.

Usage: cargo xtask check [--only STEP]... [--skip STEP]... [--list]

Options:
  --only STEP   run this step alone (may be repeated, or a list: --only format,lints)
  --skip STEP   leave this step out
  --list        show the steps

Steps, in this order:
  setup      install what is missing: Debian packages by apt-get (as root or by sudo), crates by cargo
  format     rustfmt
  arrows     which crate may use which (the table in xtask/src/arrows.rs)
  licences   licences and duplicate crates (deny.toml)
  hygiene    big files, tests that do not run, lints that are not inherited, broken links
  lints      clippy; a warning is an error
  build      the programs, which the tests start
  generated  documents that are made from tables are up to date
  doctests   the examples in the documentation
  tests      all other tests: cargo nextest where it is installed, else cargo test; and docs/conformance.md is what
             the scenarios among them have shown

It needs git and Rust, and a network only for what setup installs. The last lines are the test runner's own summary.";

/// One step.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn() -> Outcome,
}

const STEPS: &[Step] = &[
    Step { name: "setup", about: "install what is missing", run: setup },
    Step { name: "format", about: "rustfmt", run: || stream(cargo().args(["fmt", "--all", "--check"])) },
    Step { name: "arrows", about: "which crate may use which", run: || none(arrows::violations(&Metadata::read()?)) },
    Step { name: "licences", about: "licences, duplicates", run: || none(licences::violations(&Metadata::read()?)?) },
    Step { name: "hygiene", about: "what may not be here", run: || none(hygiene::violations(&Metadata::read()?)?) },
    Step { name: "lints", about: "clippy", run: lints },
    Step { name: "build", about: "the programs", run: build },
    Step { name: "generated", about: "documents from tables", run: || none(generate::stale(&Metadata::read()?)?) },
    Step { name: "doctests", about: "examples in the documentation", run: doctests },
    // Last, since its summary is to be the last that is seen.
    Step { name: "tests", about: "all other tests", run: other_tests },
];

/// The subcommand.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let Some(chosen) = choose(arguments)? else {
        for step in STEPS {
            println!("{:<11}{}", step.name, step.about);
        }
        return Ok(());
    };
    let began = now();
    let mut durations: Vec<(&str, Duration)> = Vec::new();
    for (index, step) in chosen.iter().enumerate() {
        let last = index + 1 == chosen.len();
        if last && !durations.is_empty() {
            let each: Vec<String> = durations.iter().map(|(name, took)| format!("{name} {}", spoken(*took))).collect();
            println!("\nPassed in {}: {}", spoken(now() - began), each.join(", "));
        }
        println!("\n==> {}: {}", step.name, step.about);
        let start = now();
        (step.run)().map_err(|message| {
            format!(
                "step `{}` failed after {}: {message}\n       run it alone with: cargo xtask check --only {}",
                step.name,
                spoken(now() - start),
                step.name
            )
        })?;
        durations.push((step.name, now() - start));
        if !last {
            println!("    {} took {}", step.name, spoken(now() - start));
        }
    }
    Ok(())
}

/// The steps that the arguments ask for; none when they ask for the list.
fn choose(arguments: &[String]) -> Outcome<Option<Vec<&'static Step>>> {
    let (mut only, mut skip) = (Vec::new(), Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let (option, inline) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (argument.as_str(), None),
        };
        let into = match option {
            "--list" => return Ok(None),
            "--only" => &mut only,
            "--skip" => &mut skip,
            _ => return Err(format!("check does not know `{argument}`\n\n{HELP}")),
        };
        let value = inline.or_else(|| arguments.next().map(String::as_str));
        for name in value.ok_or_else(|| format!("{option} needs the name of a step"))?.split(',') {
            if STEPS.iter().all(|step| step.name != name) {
                let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
                return Err(format!("there is no step `{name}`; there are: {}", known.join(", ")));
            }
            into.push(name.to_owned());
        }
    }
    let wanted = |step: &&Step| {
        let named = |names: &[String]| names.iter().any(|name| name == step.name);
        (only.is_empty() || named(&only)) && !named(&skip)
    };
    Ok(Some(STEPS.iter().filter(wanted).collect()))
}

/// Turns a list of findings into an outcome.
fn none(found: Vec<String>) -> Outcome {
    if found.is_empty() { Ok(()) } else { Err(format!("\n       {}\n", found.join("\n       "))) }
}

fn setup() -> Outcome {
    packages::install(packages::FOR_TESTS)?;
    for component in ["fmt", "clippy"] {
        if !succeeds(cargo().args([component, "--version"])) {
            return Err(format!("cargo {component} is missing: rustup component add rustfmt clippy"));
        }
    }
    // From here on no step needs a network: what the lock file names is either here already, or fetched now.
    if Metadata::read().is_err() {
        stream(cargo().args(["fetch", "--locked", "--target", &host()?]))?;
    }
    Metadata::read().map(drop)
}

fn lints() -> Outcome {
    stream(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

fn build() -> Outcome {
    stream(cargo().args(["build", "--workspace", "--bins", "--locked"]))
}

fn doctests() -> Outcome {
    stream(cargo().args(["test", "--doc", "--workspace", "--locked"]))
}

fn other_tests() -> Outcome {
    let metadata = Metadata::read()?;
    generate::forget_scenarios(&metadata);
    run_other_tests()?;
    // Only a whole run of the scenarios, which these tests have, says what is in the document.
    none(generate::conformance_violations(&metadata)?)
}

fn run_other_tests() -> Outcome {
    if succeeds(cargo().args(["nextest", "--version"])) {
        return stream(cargo().args(["nextest", "run", "--workspace", "--locked"]));
    }
    // `--tests` and not everything: the documentation tests have run.
    stream(cargo().args(["test", "--workspace", "--tests", "--locked"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Outcome<Vec<&'static str>> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Ok(choose(&arguments)?.unwrap_or_default().iter().map(|step| step.name).collect())
    }

    #[test]
    fn steps_are_chosen_and_left_out_in_their_order() {
        assert_eq!(names(&["--only", "lints,format"]), Ok(vec!["format", "lints"]));
        assert_eq!(names(&["--only=tests", "--only", "setup"]), Ok(vec!["setup", "tests"]));
        let most = names(&["--skip", "setup", "--skip=tests"]).expect("known steps");
        assert_eq!((most.len(), most.first(), most.last()), (STEPS.len() - 2, Some(&"format"), Some(&"doctests")));
    }

    #[test]
    fn the_documentation_tests_come_before_the_runner_whose_summary_is_last() {
        let all = names(&[]).expect("no arguments");
        assert_eq!(all.last(), Some(&"tests"));
        assert!(all.contains(&"doctests"));
    }

    #[test]
    fn an_unknown_step_is_named_beside_the_ones_that_exist() {
        assert!(names(&["--only", "lint"]).is_err_and(|e| e.contains("`lint`") && e.contains("lints")));
        assert!(names(&["--only"]).is_err());
        assert!(names(&["--fast"]).is_err());
    }

    #[test]
    fn the_help_has_every_step() {
        for step in STEPS {
            assert!(HELP.contains(&format!("\n  {:<11}", step.name)), "{}", step.name);
        }
    }
}
