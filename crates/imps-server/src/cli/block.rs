//! `hamlet block`.

use clap::Subcommand;

use super::{Common, Done, Format, UserName, desk, output};
use crate::command::{Command, Outcome};

#[derive(Subcommand, Debug)]
#[command(after_help = "\
Who is on the block list in use is refused; with a grant list in use, whoever is not on it is refused too. Users change both with their phones.

Examples:
  hamlet block show alice
  hamlet block show alice --json")]
pub(super) enum BlockCommand {
    /// Show whom a user's block list and grant list name, and whether they are in use
    Show {
        #[command(flatten)]
        user: UserName,
        #[command(flatten)]
        format: Format,
    },
}

impl BlockCommand {
    pub(super) fn run(self, common: &Common) -> Done {
        let Self::Show { user, format } = self;
        let outcome = desk::ask(common.load(&[])?, Command::Blocking { who: user.who(common) })?;
        let Outcome::Blocking { block, grant } = outcome else { return Err(desk::unexpected().into()) };
        if format.json {
            output::json(&serde_json::json!({ "block": block, "grant": grant }));
            return Ok(());
        }
        for (name, list) in [("block list", &block), ("grant list", &grant)] {
            let in_use = if list.in_use { "in use" } else { "not in use" };
            output::say(&format!("{name}, {in_use}: {}", if list.entities.is_empty() { "nobody" } else { "" }));
            for entity in &list.entities {
                output::say(&format!("  {entity}"));
            }
        }
        Ok(())
    }
}
