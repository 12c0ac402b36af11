//! Contact lists (CLP 6.3).

use imps_proto::clp::{Arguments, Command, Reply, quoted};
use imps_proto::element::Element;
use imps_service::presence::{ListChange, WatchTargets};
use imps_types::Address;
use imps_types::element::{NickEntry, Property};
use imps_types::presence::AttributeSet;

use super::dialogue::{Dialogue, Failure, Outcome};
use super::shown;
use super::texts::Say;

/// The properties of a contact list.
const DISPLAY_NAME: &str = "DisplayName";
const DEFAULT: &str = "Default";

impl Dialogue {
    pub(super) async fn lists(&mut self, command: Command, arguments: Arguments) -> Outcome {
        let session = &self.person()?.session;
        let presence = self.services().presence();
        // What is not named is the default list; making and deleting one name it, by their usage.
        let named = || self.list(arguments.list.clone().flatten().as_deref());
        match command {
            Command::Lists => Ok(Reply::ok(self.say(Say::Ok, &[])).with(self.list_lines()?)),
            Command::List => self.members(&named()?).await,
            Command::NewList => {
                let name = arguments.list.flatten().ok_or(Failure::Usage)?;
                let list = self.own_list(&name)?;
                let shown = arguments.text.as_deref().map(|text| Property::new(DISPLAY_NAME, text));
                let made = presence.create_list(session, &list, Vec::new(), shown.into_iter().collect()).await?;
                self.result(made.result, Say::Ok, &[])
            }
            Command::DelList => {
                let list = named()?;
                presence.delete_list(session, &list).await?;
                self.ok(Say::Ok, &[])
            }
            Command::Add => {
                let user = self.one_user(arguments.targets.first()).await?;
                let name = arguments.text.as_deref().filter(|name| !name.is_empty()).map(Into::into);
                let add = vec![NickEntry { name, user_id: user }];
                self.change(&named()?, ListChange { add, ..ListChange::default() }).await
            }
            Command::Rem => {
                let remove = vec![self.one_user(arguments.targets.first()).await?];
                self.change(&named()?, ListChange { remove, ..ListChange::default() }).await
            }
            Command::NameList => {
                let properties = vec![Property::new(DISPLAY_NAME, arguments.text.as_deref().unwrap_or_default())];
                self.change(&named()?, ListChange { properties, ..ListChange::default() }).await
            }
            Command::DefList => {
                let properties = vec![Property::new(DEFAULT, "T")];
                self.change(&named()?, ListChange { properties, ..ListChange::default() }).await
            }
            _ => Err(Failure::Usage),
        }
    }

    async fn change(&self, list: &Address, change: ListChange) -> Outcome {
        let changed = self.services().presence().manage_list(&self.person()?.session, list, change).await?;
        self.result(changed.result, Say::Ok, &[])
    }

    /// The lists by name: the default one first.
    fn list_lines(&self) -> Result<Vec<String>, Failure> {
        let inner = self.person()?.session.user.lock();
        let mut lists: Vec<_> = inner.lists.iter().collect();
        lists.sort_by_key(|list| !list.is_default);
        let line = |list: &&imps_service::presence::ContactList| {
            let default = if list.is_default { " default" } else { "" };
            format!("~{} {} {}{default}", list.id.name(), quoted(&list.display_name), list.members.len())
        };
        Ok(lists.iter().map(line).collect())
    }

    /// Who is in a list, with the presence that is known.
    async fn members(&self, list: &Address) -> Outcome {
        let session = &self.person()?.session;
        let presence = self.services().presence();
        let members = presence.manage_list(session, list, ListChange::default()).await?.members;
        let targets = WatchTargets { users: Vec::new(), contact_lists: vec![list.clone()] };
        // Who may not ask for presence sees who is in it all the same.
        let is_seen = !members.is_empty() && self.agreed(Element::GetPresenceRequest).is_ok();
        let seen = if is_seen { presence.get(session, &targets, AttributeSet::ALL).await?.1 } else { Vec::new() };
        let line = |member: NickEntry| {
            let user = self.services().router.user(&member.user_id).ok();
            let found = seen.iter().find(|(one, _)| user.as_ref() == Some(one));
            let name = member.name.as_deref().map(|name| format!(" {}", quoted(name))).unwrap_or_default();
            let how = found.map_or_else(|| "?".to_owned(), |(_, list)| shown::presence(list));
            format!("{}{name} {how}", shown::address(member.user_id.as_str(), self.home()))
        };
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(members.into_iter().map(line).collect()))
    }
}
