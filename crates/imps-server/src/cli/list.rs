//! `hamlet list`.

use clap::Subcommand;

use super::{Common, Done, Format, UserName, desk, output};
use crate::command::{Command, Outcome};

#[derive(Subcommand, Debug)]
#[command(after_help = "\
Contact lists belong to their users, who change them with their phones.

Examples:
  hamlet list show alice
  hamlet list show alice friends --json")]
pub(super) enum ListCommand {
    /// Show the contact lists of a user, or the members of one
    Show {
        #[command(flatten)]
        user: UserName,
        /// Only this one, with its members: friends, or wv:alice/friends@example.org
        list: Option<String>,
        #[command(flatten)]
        format: Format,
    },
}

impl ListCommand {
    pub(super) fn run(self, common: &Common) -> Done {
        let Self::Show { user, list, format } = self;
        let has_name = list.is_some();
        let outcome = desk::ask(common.load(&[])?, Command::Lists { who: user.who(common), list })?;
        let Outcome::Lists { lists } = outcome else { return Err(desk::unexpected().into()) };
        if format.json {
            output::json(&lists);
            return Ok(());
        }
        if has_name {
            let members = lists.into_iter().flat_map(|list| list.members);
            let rows: Vec<_> = members.map(|one| [one.user, one.name.unwrap_or_else(|| "-".to_owned())]).collect();
            output::table(["CONTACT", "NAME"], &rows);
        } else {
            let rows: Vec<_> = lists
                .into_iter()
                .map(|one| [one.list, one.name, output::yes(one.default), one.members.len().to_string()])
                .collect();
            output::table(["LIST", "NAME", "DEFAULT", "CONTACTS"], &rows);
        }
        Ok(())
    }
}
