//! `hamlet invite`.

use clap::Subcommand;

use super::{Common, Done, Format, Refusal, desk, output};
use crate::command::{Command, Outcome};
use crate::config::{Kind, Value};

const YEAR: u64 = 366 * 86_400;

#[derive(Subcommand, Debug)]
#[command(after_help = "\
With a code users register themselves, where the setting registration.who is `invite`: docs/accounts.md says how.

Examples:
  hamlet invite create --uses 5 --note \"for the team\"
  hamlet invite list --json
  hamlet invite revoke k3jm9q2xw7pd")]
pub(super) enum InviteCommand {
    /// Make a code
    Create {
        /// So many users may register with it
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
        uses: u32,
        /// How long it is good
        #[arg(long, default_value = "30 d", value_name = "TIME")]
        valid: String,
        /// What it is for
        #[arg(long, default_value = "", value_name = "TEXT")]
        note: String,
        #[command(flatten)]
        format: Format,
    },
    /// List the codes, and who has used them
    List {
        #[command(flatten)]
        format: Format,
    },
    /// Make a code worthless
    Revoke {
        /// The code
        code: String,
        #[command(flatten)]
        format: Format,
    },
}

impl InviteCommand {
    pub(super) fn run(self, common: &Common) -> Done {
        let (command, format) = match self {
            Self::Create { uses, valid, note, format } => {
                let valid = match Kind::Seconds(60, 10 * YEAR).parse(&valid) {
                    Ok(Value::Number(seconds)) => seconds,
                    Ok(_) => return Err(Refusal::Usage(format!("--valid {valid}: write it as 7 d or 12 h"))),
                    Err(why) => return Err(Refusal::Usage(format!("--valid: {why}"))),
                };
                (Command::InviteCreate { uses, valid, note }, format)
            }
            Self::List { format } => (Command::InviteList, format),
            Self::Revoke { code, format } => (Command::InviteRevoke { code }, format),
        };
        let Outcome::Invites { codes } = desk::ask(common.load(&[])?, command)? else {
            return Err(desk::unexpected().into());
        };
        if format.json {
            output::json(&codes);
            return Ok(());
        }
        let rows: Vec<_> = codes
            .into_iter()
            .map(|one| [one.code, one.left.to_string(), one.expires, one.used_by.join(" "), one.note])
            .collect();
        output::table(["CODE", "LEFT", "GOOD UNTIL", "USED BY", "NOTE"], &rows);
        Ok(())
    }
}
