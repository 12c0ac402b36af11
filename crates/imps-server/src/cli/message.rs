//! `hamlet message`.

use clap::Subcommand;

use super::broadcast::{self, SayIt};
use super::{Common, Done, Format, UserName, desk, output};
use crate::command::{Command, MessageView, Outcome};

#[derive(Subcommand, Debug)]
#[command(after_help = "\
Nobody sees what a message of a user says: who it waits for, how large it is, and until when it is kept.

Examples:
  hamlet message list
  hamlet message list alice --json
  hamlet message broadcast \"We move at noon\" --text fin=\"Muutamme keskipäivällä\"
  hamlet message answers 1")]
pub(super) enum MessageCommand {
    /// List the messages and reports that wait, also for other domains: all or one user's
    List {
        /// Only those that wait for this user
        name: Option<String>,
        /// So many at most
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "COUNT")]
        limit: u32,
        #[command(flatten)]
        format: Format,
    },
    /// Say something to the users: as a system message, or as a message where phones know none
    Broadcast(Box<SayIt>),
    /// List what was said
    Broadcasts {
        #[command(flatten)]
        format: Format,
    },
    /// List to whom something was said, and what they answered
    Answers {
        /// Its number, as `hamlet message broadcasts` shows it
        number: u32,
        #[command(flatten)]
        format: Format,
    },
    /// Say something to nobody any more
    Withdraw {
        /// Its number, as `hamlet message broadcasts` shows it
        number: u32,
        /// Forget what was answered, too
        #[arg(long)]
        forget: bool,
        #[command(flatten)]
        format: Format,
    },
}

impl MessageCommand {
    pub(super) fn run(self, common: &Common) -> Done {
        match self {
            Self::List { name, limit, format } => list(name, limit, format, common),
            Self::Broadcast(say) => say.run(common),
            Self::Broadcasts { format } => broadcast::list(format, common),
            Self::Answers { number, format } => broadcast::answers(number, format, common),
            Self::Withdraw { number, forget, format } => broadcast::end(number, forget, format, common),
        }
    }
}

fn list(name: Option<String>, limit: u32, format: Format, common: &Common) -> Done {
    let who = name.map(|name| UserName { name }.who(common));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let first = Command::MessageList { who, after: None, limit };
    let mut all: Vec<MessageView> = Vec::new();
    desk::Desk::open(common.load(&[])?, &first)?.ask_all(first, |outcome| {
        let Outcome::Messages { messages, next } = outcome else { return None };
        all.extend(messages);
        let left = limit.saturating_sub(all.len());
        next.filter(|_| left > 0).map(|after| Command::MessageList { who: None, after: Some(after), limit: left })
    })?;
    if format.json {
        output::json(&all);
        return Ok(());
    }
    if all.len() == limit {
        output::note(&format!("there may be more than these {limit}: --limit COUNT"));
    }
    let rows: Vec<_> =
        all.into_iter().map(|one| [one.message, one.user, one.kind, one.size.to_string(), one.expires]).collect();
    output::table(["MESSAGE", "WAITS FOR", "KIND", "BYTES", "KEPT UNTIL"], &rows);
    Ok(())
}
