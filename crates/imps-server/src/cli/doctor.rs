//! `hamlet doctor`.

use clap::Args;

use super::desk::Desk;
use super::{Common, Done, Format, Refusal, output};
use crate::command::{Command, Failure, Outcome};
use crate::config::{Config, ConfigError};
use crate::doctor::{Finding, Patient, examine};
use crate::wire::{Opening, Purpose};

/// Look at settings, data folder, store, key, disk, limits, clock, ports and certificate, and say what is wrong
#[derive(Args, Debug)]
#[command(after_help = "\
Works while the server runs, and while it does not. Exit code 1 when something is wrong. Each line begins with ✔ (right) or ✘ (wrong, with what to do below it).")]
pub(super) struct Doctor {
    #[command(flatten)]
    format: Format,
}

impl Doctor {
    pub(super) fn run(self, common: &Common) -> Done {
        let config = common.flags().and_then(|flags| Config::load(&flags, std::env::vars_os()));
        let findings = findings(config);
        if self.format.json {
            output::json(&findings);
        } else {
            for finding in &findings {
                let mark = if finding.ok { "✔" } else { "✘" };
                output::say(&format!("{mark} {:<12}{}", finding.check, finding.text.replace('\n', "\n              ")));
                if let Some(advice) = &finding.advice {
                    output::say(&format!("  {:<12}-> {advice}", ""));
                }
            }
            let wrong = findings.iter().filter(|finding| !finding.ok).count();
            output::say(&match wrong {
                0 => "\nNothing is wrong.".to_owned(),
                1 => "\n1 check failed.".to_owned(),
                more => format!("\n{more} checks failed."),
            });
        }
        if findings.iter().all(|finding| finding.ok) { Ok(()) } else { Err(Refusal::Told) }
    }
}

fn findings(config: Result<Config, ConfigError>) -> Vec<Finding> {
    match config {
        Ok(config) => {
            let patient = patient(&config);
            examine(&config, &patient)
        }
        Err(error) => vec![Finding::wrong("settings", error.to_string(), "correct it; nothing else was looked at")],
    }
}

/// What the running server, or the folder opened here, says of itself.
fn patient(config: &Config) -> Patient {
    if !config.settings.data.join(imps_store::DATABASE).exists() {
        return Patient::New;
    }
    let checked = |mut desk: Desk| {
        let is_server = desk.is_server();
        (is_server, desk.ask(Command::Check))
    };
    match Desk::find(config.clone(), Purpose::Look).map(checked) {
        Ok((is_server, Ok(Outcome::Checked { listen, https, cir, process, problems, key_fits }))) => {
            let process = is_server.then_some(process);
            let address = |text: Option<String>| text.and_then(|address| address.parse().ok());
            Patient::Open {
                process,
                listen: address(listen),
                https: address(https),
                cir: address(cir),
                problems,
                key_fits,
            }
        }
        Ok((_, Ok(_))) => Patient::Closed(super::desk::unexpected()),
        Ok((_, Err(failure))) | Err(Opening::Failed(failure)) => Patient::Closed(failure),
        Err(Opening::Locked(failure)) => {
            Patient::Closed(Failure { hint: Some("that process does not answer; stop it".to_owned()), ..failure })
        }
    }
}
