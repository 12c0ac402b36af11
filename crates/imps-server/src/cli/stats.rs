//! `hamlet stats`.

use clap::Args;

use super::{Common, Done, Format, desk, output};
use crate::command::{Command, Outcome};

/// Show what was counted: sessions, messages, logins, commits
#[derive(Args, Debug)]
#[command(after_help = "\
The same figures as GET /metrics has for Prometheus. Without a running server those that count since the start are 0.

Examples:
  hamlet stats
  hamlet stats --json")]
pub(super) struct Stats {
    #[command(flatten)]
    format: Format,
}

impl Stats {
    pub(super) fn run(self, common: &Common) -> Done {
        let mut desk = desk::Desk::open(common.load(&[])?, &Command::Statistics)?;
        let is_server = desk.is_server();
        let Outcome::Statistics { figures } = desk.ask(Command::Statistics)? else {
            return Err(desk::unexpected().into());
        };
        if !is_server {
            output::note("no server runs; nothing was counted");
        }
        if self.format.json {
            output::json(&figures);
            return Ok(());
        }
        let rows: Vec<_> = figures.into_iter().map(|one| [one.value.to_string(), one.meaning, one.name]).collect();
        output::table(["VALUE", "WHAT", "METRIC"], &rows);
        Ok(())
    }
}
