//! `hamlet group`: public groups are the operator's, and those of users can be seen and managed too.

use clap::{Args, Subcommand};

use super::{Common, Done, Format, Refusal, desk, output};
use crate::command::{Command, Outcome, Who};
use crate::group::{Change, GroupView, Like, PersonView, Wish};

#[derive(Subcommand, Debug)]
pub(super) enum GroupCommand {
    /// Make a public group
    #[command(after_help = "\
Examples:
  hamlet group add lobby --name \"The lobby\" --note \"Be nice\"
  hamlet group add staff --set Accesstype=Restricted --set Searchable=F")]
    Add {
        /// Its name: lobby makes wv:/lobby@domain
        group: String,
        #[command(flatten)]
        like: LikeArgs,
        #[command(flatten)]
        format: Format,
    },
    /// Remove a group; whoever is in it is told
    Remove {
        /// lobby for a public group, alice/party for a user's
        group: String,
        #[command(flatten)]
        format: Format,
    },
    /// List all groups, those of users too
    List {
        #[command(flatten)]
        format: Format,
    },
    /// Show what a group is like, and who is in it
    Show {
        /// lobby for a public group, alice/party for a user's
        group: String,
        #[command(flatten)]
        format: Format,
    },
    /// Change what a group is like
    #[command(after_help = "\
Examples:
  hamlet group set lobby --topic \"Tonight: chess\"
  hamlet group set alice/party --set MaxActiveUsers=20")]
    Set {
        /// lobby for a public group, alice/party for a user's
        group: String,
        #[command(flatten)]
        like: LikeArgs,
        #[command(flatten)]
        format: Format,
    },
    /// Show and change the members of a group, and who is not let in
    #[command(after_help = "\
Each option may be repeated. Without any the members are shown.

Examples:
  hamlet group members lobby --admin alice --mod bob --add carol
  hamlet group members lobby --reject mallory")]
    Members {
        /// lobby for a public group, alice/party for a user's
        group: String,
        /// Make this user a member
        #[arg(long, value_name = "NAME")]
        add: Vec<String>,
        /// Make this user an administrator
        #[arg(long, value_name = "NAME")]
        admin: Vec<String>,
        /// Make this user a moderator
        #[arg(long = "mod", value_name = "NAME")]
        moderator: Vec<String>,
        /// Make this user a plain member
        #[arg(long, value_name = "NAME")]
        user: Vec<String>,
        /// This user is a member no longer
        #[arg(long, value_name = "NAME")]
        remove: Vec<String>,
        /// Do not let this user in any more; he is forced out
        #[arg(long, value_name = "NAME")]
        reject: Vec<String>,
        /// Let this user in again
        #[arg(long, value_name = "NAME")]
        accept: Vec<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Force a user out of a group; he may come again
    Kick {
        /// lobby for a public group, alice/party for a user's
        group: String,
        /// Who
        user: String,
        #[command(flatten)]
        format: Format,
    },
}

#[derive(Args, Debug)]
pub(super) struct LikeArgs {
    /// Name
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Topic
    #[arg(long, value_name = "TEXT")]
    topic: Option<String>,
    /// The welcome note, shown to those who join; an empty one removes it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Any other property, as in CSP: MaxActiveUsers=50
    #[arg(long = "set", value_name = "NAME=VALUE")]
    properties: Vec<String>,
}

impl LikeArgs {
    fn read(self) -> Result<Like, Refusal> {
        let mut properties = Vec::new();
        for (name, value) in [("Name", self.name), ("Topic", self.topic)] {
            properties.extend(value.map(|value| (name.to_owned(), value)));
        }
        for given in &self.properties {
            let Some((name, value)) = given.split_once('=') else {
                return Err(Refusal::Usage(format!(
                    "--set {given}: write it as NAME=VALUE, such as MaxActiveUsers=50"
                )));
            };
            properties.push((name.trim().to_owned(), value.to_owned()));
        }
        Ok(Like { properties, note: self.note })
    }
}

pub(super) fn run(command: GroupCommand, common: &Common) -> Done {
    let who = |names: Vec<String>| -> Vec<Who> {
        names.into_iter().map(|name| Who { name, domain: common.domain.clone() }).collect()
    };
    let (wish, format) = match command {
        GroupCommand::Add { group, like, format } => (Wish::Add { group, like: like.read()? }, format),
        GroupCommand::Remove { group, format } => {
            let outcome = desk::ask(common.load(&[])?, Command::Group(Wish::Remove { group }))?;
            let Outcome::GroupRemoved { group } = outcome else { return Err(desk::unexpected().into()) };
            if format.json {
                output::json(&serde_json::json!({ "group": group }));
            } else {
                output::say(&format!("{group} is removed"));
            }
            return Ok(());
        }
        GroupCommand::List { format } => return list(format, common),
        GroupCommand::Show { group, format } => (Wish::Show { group }, format),
        GroupCommand::Set { group, like, format } => (Wish::Set { group, like: like.read()? }, format),
        GroupCommand::Members { group, add, admin, moderator, user, remove, reject, accept, format } => {
            let change = Change {
                add: who(add),
                admins: who(admin),
                mods: who(moderator),
                users: who(user),
                remove: who(remove),
                reject: who(reject),
                accept: who(accept),
            };
            (Wish::People { group, change }, format)
        }
        GroupCommand::Kick { group, user, format } => {
            let who = Who { name: user, domain: common.domain.clone() };
            (Wish::Kick { group, who }, format)
        }
    };
    let outcome = desk::ask(common.load(&[])?, Command::Group(wish))?;
    let Outcome::Groups { groups, .. } = outcome else { return Err(desk::unexpected().into()) };
    let Some(group) = groups.into_iter().next() else { return Err(desk::unexpected().into()) };
    if format.json {
        output::json(&group);
    } else {
        show(group);
    }
    Ok(())
}

fn list(format: Format, common: &Common) -> Done {
    let first = Command::Group(Wish::List { after: None });
    let mut all: Vec<GroupView> = Vec::new();
    desk::Desk::open(common.load(&[])?, &first)?.ask_all(first, |outcome| {
        let Outcome::Groups { groups, next } = outcome else { return None };
        all.extend(groups);
        next.map(|after| Command::Group(Wish::List { after: Some(after) }))
    })?;
    if format.json {
        output::json(&all);
        return Ok(());
    }
    let row = |one: GroupView| {
        let owner = one.owner.unwrap_or_else(|| "-".to_owned());
        [one.group, owner, one.joined.to_string(), output::yes(one.searchable), one.name, one.topic]
    };
    let rows: Vec<_> = all.into_iter().map(row).collect();
    output::table(["GROUP", "OWNER", "JOINED", "FOUND", "NAME", "TOPIC"], &rows);
    Ok(())
}

fn show(group: GroupView) {
    let owner = group.owner.unwrap_or_else(|| "the operator".to_owned());
    let mut facts = vec![("Group".to_owned(), group.group), ("Owner".to_owned(), owner)];
    facts.extend(group.properties.into_iter().map(|property| (property.name, property.value)));
    facts.extend(group.note.map(|note| ("Welcome note".to_owned(), note)));
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in &facts {
        output::say(&format!("{name:<width$}  {value}"));
    }
    let people = group.people.unwrap_or_default();
    if people.is_empty() {
        return;
    }
    output::say("");
    let row = |one: PersonView| {
        let mut marks = Vec::new();
        for (is_so, mark) in [(one.rejected, "rejected"), (one.invited, "invited"), (one.auto_join, "joins at login")] {
            if is_so {
                marks.push(mark);
            }
        }
        [
            one.user,
            one.role.unwrap_or_else(|| "-".to_owned()),
            one.screen_name.unwrap_or_else(|| "-".to_owned()),
            marks.join(", "),
        ]
    };
    let rows: Vec<_> = people.into_iter().map(row).collect();
    output::table(["USER", "MEMBER AS", "JOINED AS", ""], &rows);
}
