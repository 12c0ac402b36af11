//! The developer's commands: `cargo xtask run`, `check`, `bench`, `torture`, `soak`, `fuzz`, `generate`.
//!
//! Invariant: the standard library and `serde_json` only, so that this compiles in seconds on a clean clone.
//! Invariant: nothing here knows the server from inside; it runs the same programs that a developer would run by hand.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program talks to the person at the terminal")]

use std::process::ExitCode;

mod arrows;
mod bench;
mod check;
mod conformance;
mod demo;
mod fuzz;
mod generate;
mod hygiene;
mod licences;
mod metadata;
mod packages;
mod process;
mod schema;
mod toml;

/// What a subcommand comes back with: nothing, or a sentence for the person at the terminal.
type Outcome<T = ()> = Result<T, String>;

/// One subcommand: its name, a line for the overview, its own help, and what runs it.
struct Subcommand {
    name: &'static str,
    about: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Outcome,
}

/// All subcommands, in the order in which a newcomer wants them.
const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand { name: "run", about: "start a server with two demo users", help: demo::HELP, run: demo::run },
    Subcommand { name: "check", about: "everything that CI does", help: check::HELP, run: check::run },
    Subcommand {
        name: "bench",
        about: "measure the server beside its references",
        help: bench::BENCH_HELP,
        run: bench::bench,
    },
    Subcommand {
        name: "torture",
        about: "kill the server again and again; nothing may be lost or doubled",
        help: bench::TORTURE_HELP,
        run: bench::torture,
    },
    Subcommand {
        name: "soak",
        about: "an hour of mixed load; memory must stay as it is",
        help: bench::SOAK_HELP,
        run: bench::soak,
    },
    Subcommand { name: "fuzz", about: "feed the decoders with mutated input", help: fuzz::HELP, run: fuzz::run },
    Subcommand {
        name: "generate",
        about: "write the generated documents again",
        help: generate::HELP,
        run: generate::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nerror: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Outcome {
    let Some((name, rest)) = arguments.split_first() else {
        return Err(format!("which command?\n\n{}", overview()));
    };
    match name.as_str() {
        "-h" | "--help" | "help" => {
            match rest.first() {
                Some(topic) => println!("{}", subcommand(topic)?.help),
                None => println!("{}", overview()),
            }
            Ok(())
        }
        // Not for people: `run` starts itself under this name, see `demo`.
        demo::ANNOUNCE => demo::announce(rest),
        _ => {
            let subcommand = subcommand(name)?;
            // What stands behind `--` belongs to the program that is started.
            if rest.iter().take_while(|a| *a != "--").any(|a| a == "--help" || a == "-h") {
                println!("{}", subcommand.help);
                return Ok(());
            }
            (subcommand.run)(rest)
        }
    }
}

fn subcommand(name: &str) -> Outcome<&'static Subcommand> {
    SUBCOMMANDS
        .iter()
        .find(|subcommand| subcommand.name == name)
        .ok_or_else(|| format!("there is no command `{name}`\n\n{}", overview()))
}

fn overview() -> String {
    let mut text = String::from("Developer commands of Hamlet.\n\nUsage: cargo xtask COMMAND [OPTIONS]\n\nCommands:\n");
    for subcommand in SUBCOMMANDS {
        text.push_str(&format!("  {:<10}{}\n", subcommand.name, subcommand.about));
    }
    text.push_str("\n`cargo xtask COMMAND --help` says more about each.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_has_a_help_that_shows_its_usage() {
        for subcommand in SUBCOMMANDS {
            let usage = format!("Usage: cargo xtask {}", subcommand.name);
            assert!(subcommand.help.contains(&usage), "{} lacks `{usage}`", subcommand.name);
        }
    }

    #[test]
    fn an_unknown_command_is_named_beside_the_ones_that_exist() {
        let message = dispatch(&["chekc".to_owned()]).unwrap_err();
        assert!(message.contains("chekc") && message.contains("  check"), "{message}");
    }
}
