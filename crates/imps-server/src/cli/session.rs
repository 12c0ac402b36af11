//! `hamlet session`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Common, Done, Format, UserName, desk, output};
use crate::command::{Command, Outcome, SessionView, Who};

#[derive(Subcommand, Debug)]
#[command(after_help = "\
Sessions outlive the server: without a running one these are the sessions that the next start takes up.

Examples:
  hamlet session list
  hamlet session list alice --json
  hamlet session close --user alice                  the phone is told at its next poll")]
pub(super) enum SessionCommand {
    /// List the sessions, all or one user's
    List {
        /// Only this user's
        name: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Show a session
    Show {
        /// The SessionID, as `session list` shows it
        id: String,
        #[command(flatten)]
        format: Format,
    },
    /// Close a session, or all of a user
    Close(Close),
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["id", "user"]))]
pub(super) struct Close {
    /// The SessionID, as `session list` shows it
    id: Option<String>,
    /// All sessions of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[command(flatten)]
    format: Format,
}

impl SessionCommand {
    pub(super) fn run(self, common: &Common) -> Done {
        match self {
            Self::List { name, format } => list(common, name.map(|name| UserName { name }.who(common)), format),
            Self::Show { id, format } => show(common, id, format),
            Self::Close(close) => close.run(common),
        }
    }
}

const NO_SERVER: &str = "no server runs; these are the sessions that the next start takes up";

fn list(common: &Common, who: Option<Who>, format: Format) -> Done {
    let first = Command::SessionList { who: who.clone(), after: None };
    let mut desk = desk::Desk::open(common.load(&[])?, &first)?;
    let mut all: Vec<SessionView> = Vec::new();
    desk.ask_all(first, |outcome| {
        let Outcome::Sessions { sessions, next, .. } = outcome else { return None };
        all.extend(sessions);
        next.map(|after| Command::SessionList { who: who.clone(), after: Some(after) })
    })?;
    if !desk.is_server() {
        output::note(NO_SERVER);
    }
    if format.json {
        output::json(&all);
        return Ok(());
    }
    let rows: Vec<_> = all
        .into_iter()
        .map(|one| {
            let seen = one.last_seen.unwrap_or_else(|| "-".to_owned());
            [one.session, one.user, one.version, one.client, seen, one.time_to_live.to_string()]
        })
        .collect();
    output::table(["SESSION", "USER", "CSP", "CLIENT", "LAST SEEN", "TTL"], &rows);
    Ok(())
}

fn show(common: &Common, id: String, format: Format) -> Done {
    let outcome = desk::ask(common.load(&[])?, Command::SessionShow { id })?;
    let Outcome::Sessions { sessions, running, .. } = outcome else { return Err(desk::unexpected().into()) };
    let [one] = sessions.as_slice() else { return Err(desk::unexpected().into()) };
    if !running {
        output::note(NO_SERVER);
    }
    if format.json {
        output::json(one);
        return Ok(());
    }
    for (name, value) in [
        ("session", one.session.clone()),
        ("user", one.user.clone()),
        ("client", one.client.clone()),
        ("CSP version", one.version.clone()),
        ("opened", one.opened.clone()),
        ("last seen", one.last_seen.clone().unwrap_or_else(|| "-".to_owned())),
        ("time to live", format!("{} s", one.time_to_live)),
        ("events waiting", one.waiting.to_string()),
        ("delivery", format!("{}, up to {} bytes", one.delivery, one.push_length)),
        ("parser size", format!("{} bytes", one.parser_size)),
        ("language", one.language.clone().unwrap_or_else(|| "-".to_owned())),
    ] {
        output::say(&format!("{name:<16}{value}"));
    }
    Ok(())
}

impl Close {
    fn run(self, common: &Common) -> Done {
        let command = match (self.id, self.user) {
            (_, Some(name)) => Command::SessionCloseAll { who: UserName { name }.who(common) },
            (id, None) => Command::SessionClose { id: id.unwrap_or_default() },
        };
        let outcome = desk::ask(common.load(&[])?, command)?;
        let Outcome::Closed { sessions } = outcome else { return Err(desk::unexpected().into()) };
        if self.format.json {
            output::json(&json!({ "closed": sessions }));
        } else {
            output::say(&format!("{sessions} session{} closed", if sessions == 1 { "" } else { "s" }));
        }
        Ok(())
    }
}
