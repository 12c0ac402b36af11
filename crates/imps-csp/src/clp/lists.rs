//! Contact lists (CLP 6.3).

use imps_proto::clp::{Arguments, Command, Reply, quoted};
use imps_proto::csp::catalogue::Response;
use imps_proto::csp::{CreateListRequest, DeleteListRequest, ListManageRequest};
use imps_proto::element::Element;
use imps_service::presence::WatchTargets;
use imps_types::Address;
use imps_types::element::{NickEntry, Property};
use imps_types::presence::AttributeSet;

use super::dialogue::{Dialogue, Failure, Outcome};
use super::elsewhere::reading;
use super::shown;
use super::texts::Say;

/// The properties of a contact list.
const DISPLAY_NAME: &str = "DisplayName";
const DEFAULT: &str = "Default";

impl Dialogue {
    pub(super) async fn lists(&mut self, command: Command, arguments: Arguments) -> Outcome {
        // What is not named is the default list; making and deleting one name it, by their usage.
        let named = || self.list(arguments.list.as_ref().and_then(|name| name.as_deref()));
        match command {
            Command::Lists => Ok(Reply::ok(self.say(Say::Ok, &[])).with(self.list_lines().await?)),
            Command::List => self.members(&named().await?).await,
            Command::NewList => {
                let name = arguments.list.clone().flatten().ok_or(Failure::Usage)?;
                let shown = arguments.text.as_deref().map(|text| Property::new(DISPLAY_NAME, text));
                let (contact_list, properties) = (self.own_list(&name)?, shown.into_iter().collect());
                self.told(CreateListRequest { contact_list, nick_list: Vec::new(), properties }).await
            }
            Command::DelList => self.told(DeleteListRequest { contact_list: named().await? }).await,
            Command::Add => {
                let user_id = self.one_user(arguments.targets.first()).await?;
                let name = arguments.text.as_deref().filter(|name| !name.is_empty()).map(Into::into);
                let add_nick_list = vec![NickEntry { name, user_id }];
                self.told(ListManageRequest { add_nick_list, ..changing(named().await?) }).await
            }
            Command::Rem => {
                let remove_nick_list = vec![self.one_user(arguments.targets.first()).await?];
                self.told(ListManageRequest { remove_nick_list, ..changing(named().await?) }).await
            }
            Command::NameList => {
                let properties = vec![Property::new(DISPLAY_NAME, arguments.text.as_deref().unwrap_or_default())];
                self.told(ListManageRequest { properties, ..changing(named().await?) }).await
            }
            Command::DefList => {
                let properties = vec![Property::new(DEFAULT, "T")];
                self.told(ListManageRequest { properties, ..changing(named().await?) }).await
            }
            _ => Err(Failure::Usage),
        }
    }

    /// The lists by name: the default one first.
    async fn list_lines(&self) -> Result<Vec<String>, Failure> {
        let line = |name: &str, display_name: &str, members: usize, is_default: bool| {
            let default = if is_default { " default" } else { "" };
            format!("{name} {} {members}{default}", quoted(display_name))
        };
        if let Some(kept) = self.lists_elsewhere().await? {
            let line = |list: &super::elsewhere::KeptList| {
                let property = list.properties.iter().find(|one| one.name.eq_ignore_ascii_case(DISPLAY_NAME));
                let display_name = property.and_then(|one| one.value.as_deref()).unwrap_or_default();
                line(&shown::list_name(list.id.as_str()), display_name, list.members.len(), list.is_default)
            };
            return Ok(kept.iter().map(line).collect());
        }
        let inner = self.person()?.session.user.lock();
        let mut lists: Vec<_> = inner.lists.iter().collect();
        lists.sort_by_key(|list| !list.is_default);
        let line = |list: &&imps_service::presence::ContactList| {
            line(&format!("~{}", list.id.name()), &list.display_name, list.members.len(), list.is_default)
        };
        Ok(lists.iter().map(line).collect())
    }

    /// Who is in a list, with the presence that is known.
    async fn members(&self, list: &Address) -> Outcome {
        let members = match self.ask(reading(list)).await? {
            (_, Response::ListManage(it)) => it.nick_list.unwrap_or_default(),
            _ => Vec::new(),
        };
        let targets = WatchTargets { users: Vec::new(), contact_lists: vec![list.clone()] };
        // Who may not ask for presence sees who is in it all the same.
        let is_seen = !members.is_empty() && self.agreed(Element::GetPresenceRequest).is_ok();
        let seen = if is_seen { self.presence_known(&targets, AttributeSet::ALL).await? } else { Vec::new() };
        let line = |member: NickEntry| {
            let user = |address: &Address| self.services().router.user(address).ok();
            let wanted = user(&member.user_id);
            let found = seen.iter().find(|(one, _)| wanted.is_some() && user(one) == wanted);
            let name = member.name.as_deref().map(|name| format!(" {}", quoted(name))).unwrap_or_default();
            let how = found.map_or_else(|| "?".to_owned(), |(_, list)| shown::presence(list));
            format!("{}{name} {how}", shown::address(member.user_id.as_str(), self.home()))
        };
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(members.into_iter().map(line).collect()))
    }
}

/// A request that changes a contact list, and does not ask how it is then.
fn changing(contact_list: Address) -> ListManageRequest {
    ListManageRequest { receive_list: Some(false), ..reading(&contact_list) }
}
