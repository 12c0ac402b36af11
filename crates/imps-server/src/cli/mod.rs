//! The command line: reads what was typed, asks, prints. The only place that prints.

mod backup;
mod block;
mod broadcast;
mod config;
mod desk;
mod doctor;
mod group;
mod invite;
mod list;
mod message;
mod output;
mod password;
mod peer;
mod serve;
mod session;
mod stats;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::command::{Failure, Who};
use crate::config::{Config, ConfigError, Flags};

/// Hamlet: instant messaging and presence for phones that speak OMA IMPS (Wireless Village).
#[derive(Parser, Debug)]
#[command(name = "hamlet", version, propagate_version = true, max_term_width = 110, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    group: Group,
    #[command(flatten)]
    common: Common,
}

const EXAMPLES: &str = "\
Examples:
  hamlet serve                                       serve this machine, data in ./hamlet-data
  hamlet serve --listen 0.0.0.0:8080 --domain example.org --data /var/lib/hamlet
  hamlet user add alice                              prints a phone password for alice's phone
  hamlet user list --json
  hamlet doctor                                      says what is wrong

Exit codes: 0 done, 1 refused or something is wrong, 2 not understood (options or settings).
Commands for users, groups, sessions and messages work while the server runs, and while it does not.";

#[derive(Subcommand, Debug)]
#[expect(clippy::enum_variant_names, reason = "one of the groups of commands is about groups")]
enum Group {
    Serve(serve::Serve),
    /// Add, show, change and remove users
    #[command(subcommand)]
    User(user::UserCommand),
    /// Show and close the sessions of phones that are logged in
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Show the messages that wait for their recipients, and say something to the users
    #[command(subcommand)]
    Message(message::MessageCommand),
    /// Make public groups, and show and manage all groups
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Speak with other domains
    #[command(subcommand)]
    Peer(peer::PeerCommand),
    /// Make, list and revoke codes with which users register themselves
    #[command(subcommand)]
    Invite(invite::InviteCommand),
    /// Show the contact lists of users
    #[command(subcommand)]
    List(list::ListCommand),
    /// Show whom users block or let through
    #[command(subcommand)]
    Block(block::BlockCommand),
    Stats(stats::Stats),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Export(backup::Export),
    Import(backup::Import),
    /// Explain the settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Doctor(doctor::Doctor),
}

/// What every command takes.
#[derive(Args, Debug, Clone)]
struct Common {
    /// The settings file [default: hamlet.toml in the data folder, else in the current folder]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// The data folder [default: ./hamlet-data]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Settings")]
    data: Option<String>,
    /// The domain of users who are named without one [default: localhost, or the one that was served last]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Settings")]
    domain: Option<String>,
    /// What is logged, such as info or warn,imps_csp=debug
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Settings")]
    log: Option<String>,
    /// Any setting, such as session.ttl_max=7200; may be repeated (see `hamlet config explain`)
    #[arg(long, global = true, value_name = "KEY=VALUE", help_heading = "Settings")]
    setting: Vec<String>,
}

/// For people, or for scripts.
#[derive(Args, Debug, Clone, Copy)]
struct Format {
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Which user is meant.
#[derive(Args, Debug, Clone)]
struct UserName {
    /// The user: alice, or wv:alice@example.org
    name: String,
}

impl UserName {
    fn who(&self, common: &Common) -> Who {
        Who { name: self.name.clone(), domain: common.domain.clone() }
    }
}

/// Why a command did not do what was asked.
enum Refusal {
    /// It is not understood: exit code 2.
    Usage(String),
    /// It is understood and refused: exit code 1.
    Refused(Failure),
    /// It has said so itself.
    Told,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

type Done = Result<(), Refusal>;

/// The program.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let common = &cli.common;
    let done = match cli.group {
        Group::Serve(serve) => serve.run(common),
        Group::User(command) => command.run(common),
        Group::Session(command) => command.run(common),
        Group::Message(command) => command.run(common),
        Group::Group(command) => group::run(command, common),
        Group::Peer(command) => command.run(common),
        Group::Invite(command) => command.run(common),
        Group::List(command) => command.run(common),
        Group::Block(command) => command.run(common),
        Group::Stats(stats) => stats.run(common),
        Group::Backup(backup) => backup.run(common),
        Group::Restore(restore) => restore.run(common),
        Group::Export(export) => export.run(common),
        Group::Import(import) => import.run(common),
        Group::Config(command) => command.run(common),
        Group::Doctor(doctor) => doctor.run(common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refusal::Told) => ExitCode::from(1),
        Err(Refusal::Refused(failure)) => {
            output::complain(&failure.message, failure.hint.as_deref());
            ExitCode::from(1)
        }
        Err(Refusal::Usage(message)) => {
            output::complain(&message, None);
            ExitCode::from(2)
        }
    }
}

impl Common {
    fn flags(&self) -> Result<Flags, ConfigError> {
        let mut values = Vec::new();
        for pair in &self.setting {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(ConfigError(vec![format!(
                    "--setting {pair}: write it as KEY=VALUE, such as session.ttl_max=7200"
                )]));
            };
            values.push((key.trim().to_owned(), "--setting".to_owned(), value.to_owned()));
        }
        for (key, value) in [("data", &self.data), ("domain", &self.domain), ("log", &self.log)] {
            if let Some(value) = value {
                values.push((key.to_owned(), format!("--{key}"), value.clone()));
            }
        }
        Ok(Flags { file: self.config.clone(), values })
    }

    /// The settings for a command; what looks like a mistake is said.
    fn load(&self, more: &[(&str, Option<&String>)]) -> Result<Config, ConfigError> {
        let mut flags = self.flags()?;
        for (key, value) in more {
            if let Some(value) = value {
                flags.values.push(((*key).to_owned(), format!("--{}", key.replace('.', "-")), (*value).clone()));
            }
        }
        let config = Config::load(&flags, std::env::vars_os())?;
        for warning in &config.warnings {
            output::warn(warning);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_says_what_it_does() {
        Cli::command().debug_assert();
        fn check(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "{path} says nothing of itself");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path}: {} says nothing of itself", argument.get_id());
            }
            for inner in command.get_subcommands() {
                check(inner, &format!("{path} {}", inner.get_name()));
            }
        }
        check(&Cli::command(), "hamlet");
    }

    #[test]
    fn options_stand_anywhere() {
        let cli =
            Cli::try_parse_from(["hamlet", "user", "show", "alice", "--data", "d", "--domain", "a.example"]).unwrap();
        assert_eq!(cli.common.data.as_deref(), Some("d"));
        assert_eq!(cli.common.domain.as_deref(), Some("a.example"));
        // Which domain is spoken with is not which one is served.
        let cli = Cli::try_parse_from(["hamlet", "peer", "show", "b.example", "--domain", "a.example"]).unwrap();
        assert_eq!(cli.common.domain.as_deref(), Some("a.example"));
        assert!(Cli::try_parse_from(["hamlet", "user", "phone-password", "alice"]).is_err());
        assert!(Cli::try_parse_from(["hamlet", "user", "add", "a", "--password", "x", "--password-stdin"]).is_err());
    }
}
