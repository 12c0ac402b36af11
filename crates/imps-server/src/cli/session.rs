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
  hamlet session show ID                             how its client is reached, and when it was called last
  hamlet session poke ID                             call its client now
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
    /// Call the client of a session now, whether something waits for it or not
    Poke {
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
            Self::Poke { id, format } => poke(common, id, format),
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
    for (name, value) in channels(one) {
        output::say(&format!("{name:<16}{value}"));
    }
    Ok(())
}

/// How the client is reached: what a person looks for whose phone gets nothing.
fn channels(one: &SessionView) -> Vec<(&'static str, String)> {
    let methods = match one.call_methods.as_slice() {
        [] => "none agreed: it polls".to_owned(),
        methods => methods.join(", "),
    };
    let Some(channels) = &one.channels else { return vec![("called by", methods)] };
    let together = |parts: [&Option<String>; 3], words: [&str; 2]| {
        let [what, when, result] = parts.map(|part| part.as_deref().unwrap_or("-"));
        format!("{what}{}{when}{}{result}", words[0], words[1])
    };
    let form = channels.data_form.as_deref().unwrap_or("-");
    let none = || "-".to_owned();
    vec![
        (
            "data channel",
            together([&channels.data, &channels.data_at, &channels.data_result], [&format!(", {form}, "), ": "]),
        ),
        ("from", channels.address.clone().unwrap_or_else(none)),
        ("called by", methods),
        ("open now", if channels.open.is_empty() { none() } else { channels.open.join(", ") }),
        (
            "last call",
            match channels.call {
                Some(_) => together([&channels.call, &channels.call_at, &channels.call_result], [", ", ": "]),
                None => none(),
            },
        ),
        ("told to poll", if channels.told { "yes, and it has not polled since" } else { "no" }.to_owned()),
    ]
}

fn poke(common: &Common, id: String, format: Format) -> Done {
    let outcome = desk::ask(common.load(&[])?, Command::SessionPoke { id })?;
    let Outcome::Poked { call, failure } = outcome else { return Err(desk::unexpected().into()) };
    if format.json {
        output::json(&json!({ "call": call, "failure": failure }));
        return Ok(());
    }
    output::say(&match (call.as_deref(), failure) {
        (Some("websocket"), _) => "it is connected by WebSocket: whatever waits is sent at once".to_owned(),
        (Some(way), _) => format!("called by {way}; `hamlet session show` tells whether it polls"),
        (None, Some(why)) => format!("not called: {why}"),
        (None, None) => "not called: there is no way to call it, it has to poll".to_owned(),
    });
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
