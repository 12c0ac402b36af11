//! Names as they were typed, as addresses (CLP 3).

use imps_proto::clp::{GroupName, Target, Who};
use imps_proto::csp::catalogue::Response;
use imps_proto::csp::{GetGroupPropsRequest, GetListRequest, GetListResponse};
use imps_service::Error;
use imps_service::terminal::{Item, ItemKind};
use imps_types::element::{Group, Recipient, ScreenName, User};
use imps_types::{Address, GroupId, Status, UserId};

use super::dialogue::{Dialogue, Failure};
use super::shown;
use super::texts::Say;

/// Users and contact lists.
#[derive(Default)]
pub(super) struct People {
    pub(super) users: Vec<Address>,
    pub(super) lists: Vec<Address>,
}

impl Dialogue {
    /// The item of a number.
    pub(super) fn item(&self, number: u16) -> Result<Item, Failure> {
        let found = self.services().terminals().item(&self.person()?.terminal, number);
        found.ok_or_else(|| Failure::Said(Status::INVALID_MESSAGE_ID, Say::NoItem, number.to_string()))
    }

    /// The item of a number, or the newest one that fits.
    pub(super) fn item_or_newest(
        &self,
        number: Option<u16>,
        fits: impl Fn(&Item) -> bool,
    ) -> Result<(u16, Item), Failure> {
        let missing = |number: u16| Failure::Said(Status::INVALID_MESSAGE_ID, Say::NoItem, number.to_string());
        match number {
            Some(number) => {
                let item = self.item(number)?;
                if fits(&item) { Ok((number, item)) } else { Err(missing(number)) }
            }
            None => {
                let newest = self.services().terminals().newest(&self.person()?.terminal, fits);
                newest.ok_or(Failure::Said(Status::INVALID_MESSAGE_ID, Say::Nothing, String::new()))
            }
        }
    }

    /// A user's address. What is no address and stands in a contact list as somebody's nickname, is he.
    pub(super) async fn user(&self, who: &Who) -> Result<Address, Failure> {
        let services = self.services();
        match who {
            Who::Number(digits) => match services.access().user_of_number(digits).await? {
                Some(user) => Ok(Address::from(&user)),
                None => Err(Failure::Said(Status::UNKNOWN_USER, Say::NoUser, format!("+{digits}"))),
            },
            Who::Nick(name) => match self.nickname(name).await? {
                Some(user) => Ok(user),
                None => Ok(Address::new(&format!("wv:{name}"))),
            },
            Who::Address { local, domain: Some(domain) } => Ok(Address::new(&format!("wv:{local}@{domain}"))),
            Who::Address { local, domain: None } => {
                let address = Address::new(&format!("wv:{local}@{}", self.home()));
                let is_far = self.are_lists_elsewhere();
                let nicknamed = if is_far { Ok(None) } else { self.nickname(local).await };
                if !is_far && matches!(nicknamed, Ok(None)) {
                    return Ok(address);
                }
                // Only who is in a list under this name is asked for in the store.
                let user = services.router.local_user(&address)?;
                if services.user_exists(&user).await? {
                    return Ok(address);
                }
                let nicknamed = if is_far { self.nickname(local).await } else { nicknamed };
                Ok(nicknamed?.unwrap_or(address))
            }
        }
    }

    /// Whom the person's contact lists call so.
    async fn nickname(&self, name: &str) -> Result<Option<Address>, Failure> {
        let Some(person) = &self.person else { return Ok(None) };
        let wanted = name.to_lowercase();
        let is_it = |nick: Option<&str>| nick.is_some_and(|nick| nick.to_lowercase() == wanted);
        let mut found: Vec<UserId> = match self.lists_elsewhere().await? {
            Some(lists) => {
                let members = lists.iter().flat_map(|list| &list.members);
                let named = members.filter(|member| is_it(member.name.as_deref()));
                named.filter_map(|member| self.services().router.user(&member.user_id).ok()).collect()
            }
            None => {
                let inner = person.session.user.lock();
                let members = inner.lists.iter().flat_map(|list| &list.members);
                members.filter(|member| is_it(member.name.as_deref())).map(|member| member.user.clone()).collect()
            }
        };
        found.sort_unstable();
        found.dedup();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(Address::from(one))),
            many => {
                let mut names: Vec<_> = many.iter().map(|user| shown::address(user.as_str(), self.home())).collect();
                names.sort_unstable();
                Err(Failure::Said(Status::BAD_PARAMETER, Say::Which, names.join(", ")))
            }
        }
    }

    /// A group: the joined one of that name, else the own one, else the public one of the home domain.
    pub(super) fn group(&self, name: &GroupName) -> Result<Address, Failure> {
        let home = self.home();
        let domain = name.domain.as_deref().unwrap_or(home);
        if let Some(owner) = &name.owner {
            return Ok(Address::new(&format!("wv:{owner}/{}@{domain}", name.name)));
        }
        let public = Address::new(&format!("wv:/{}@{domain}", name.name));
        let Some(person) = &self.person else { return Ok(public) };
        let wanted = name.name.to_lowercase();
        let is_it = |id: &GroupId| {
            id.name().to_lowercase() == wanted && name.domain.as_ref().is_none_or(|domain| id.domain() == &**domain)
        };
        let groups = self.services().group();
        let joined: Vec<_> = person.session.joined_groups().into_iter().filter(|group| is_it(&group.id)).collect();
        let found = match joined.is_empty() {
            false => joined,
            true => groups.owned_by(&person.session.user.id).into_iter().filter(|group| is_it(&group.id)).collect(),
        };
        let mut found: Vec<GroupId> = found.iter().map(|group| group.id.clone()).collect();
        found.extend(person.session.joined_abroad().into_iter().map(|one| one.group).filter(|id| is_it(id)));
        match found.as_slice() {
            [] => Ok(public),
            [one] => Ok(Address::from(one)),
            many => {
                let names: Vec<_> = many.iter().map(|group| shown::address(group.as_str(), home)).collect();
                Err(Failure::Said(Status::BAD_PARAMETER, Say::Which, names.join(", ")))
            }
        }
    }

    /// The same, where another domain has the groups of our users: their own ones are not known here before they join.
    pub(super) async fn group_meant(&self, name: &GroupName) -> Result<Address, Failure> {
        let found = self.group(name)?;
        let is_public = found.as_str().starts_with("wv:/");
        if !is_public || name.domain.is_some() {
            return Ok(found);
        }
        let own = self.own_group(name)?;
        match self.elsewhere(GetGroupPropsRequest { group_id: own.clone() }).await {
            Ok(Some(_)) => Ok(own),
            Ok(None) | Err(Failure::Elsewhere(..)) => Ok(found),
            Err(failure) => Err(failure),
        }
    }

    /// A group as it is shown: by its name alone where that means it.
    pub(super) fn group_shown(&self, id: &str) -> String {
        let short = shown::group_name(id);
        let is_it = GroupName::parse(&short).and_then(|name| self.group(&name).ok());
        let is_it = is_it.and_then(|address| self.services().router.group(&address).ok());
        if is_it.is_some_and(|found| found.as_str() == id) { short } else { shown::address(id, self.home()) }
    }

    /// A group that is yet to be made: one's own, unless it is said otherwise.
    pub(super) fn own_group(&self, name: &GroupName) -> Result<Address, Failure> {
        if name.owner.is_some() || name.domain.is_some() {
            return self.group(name);
        }
        let me = &self.person()?.session.user.id;
        Ok(Address::new(&format!("wv:{}/{}@{}", me.local(), name.name, me.domain())))
    }

    /// A contact list of one's own; none named: the default list.
    pub(super) async fn list(&self, name: Option<&str>) -> Result<Address, Failure> {
        match name {
            Some(name) => Ok(self.own_list(name)?),
            None => match self.ask(GetListRequest {}).await? {
                (_, Response::GetList(GetListResponse { default_contact_list: Some(default), .. })) => Ok(default),
                _ => Err(Error::UnknownList.into()),
            },
        }
    }

    pub(super) fn own_list(&self, name: &str) -> Result<Address, Failure> {
        let me = &self.person()?.session.user.id;
        Ok(Address::new(&format!("wv:{}/{name}@{}", me.local(), me.domain())))
    }

    /// One user, who may be named by the number of an item.
    pub(super) async fn one_user(&self, target: Option<&Target>) -> Result<Address, Failure> {
        match target.ok_or(Failure::Usage)? {
            Target::User(who) => self.user(who).await,
            Target::Item(number) => {
                let item = self.item(*number)?;
                if item.who.is_empty() || !item.screen_name.is_empty() {
                    return Err(Failure::Usage);
                }
                Ok(Address::new(&item.who))
            }
            Target::List(_) | Target::Group(_) | Target::ScreenName(..) => Err(Failure::Usage),
        }
    }

    /// Users, who may be named by the numbers of items.
    pub(super) async fn users_of(&self, targets: &[Target]) -> Result<Vec<Address>, Failure> {
        let mut users = Vec::with_capacity(targets.len());
        for target in targets {
            users.push(self.one_user(Some(target)).await?);
        }
        Ok(users)
    }

    /// Users and contact lists.
    pub(super) async fn people(&self, targets: &[Target]) -> Result<People, Failure> {
        let mut people = People::default();
        for target in targets {
            match target {
                Target::List(name) => people.lists.push(self.list(name.as_deref()).await?),
                other => people.users.push(self.one_user(Some(other)).await?),
            }
        }
        Ok(people)
    }

    /// Anybody and anything that a message goes to.
    pub(super) async fn recipient(&self, targets: &[Target]) -> Result<Recipient, Failure> {
        let mut recipient = Recipient::default();
        for target in targets {
            match target {
                Target::User(who) => recipient.users.push(User::of(self.user(who).await?)),
                Target::List(name) => recipient.contact_lists.push(self.list(name.as_deref()).await?),
                Target::Group(name) => recipient.groups.push(Group::Id(self.group_meant(name).await?)),
                Target::ScreenName(group, name) => {
                    let group_id = self.group_meant(group).await?;
                    let screen_name = ScreenName { name: name.clone(), group_id };
                    recipient.groups.push(Group::ScreenName(screen_name));
                }
                Target::Item(number) => self.back_to(&self.item(*number)?, *number, &mut recipient)?,
            }
        }
        Ok(recipient)
    }

    /// Where an answer to an item goes: to who sent it to this one alone, into the group if it was said to all of it.
    fn back_to(&self, item: &Item, number: u16, recipient: &mut Recipient) -> Result<(), Failure> {
        if !item.screen_name.is_empty() {
            let screen_name = ScreenName { name: item.screen_name.clone(), group_id: Address::new(&item.group) };
            recipient.groups.push(Group::ScreenName(screen_name));
        } else if !item.group.is_empty() && matches!(item.kind, ItemKind::Message | ItemKind::Waiting | ItemKind::Sent)
        {
            recipient.groups.push(Group::Id(Address::new(&item.group)));
        } else if !item.who.is_empty() {
            recipient.users.extend(item.who.split(',').map(|user| User::of(Address::new(user))));
        } else {
            return Err(Failure::Said(Status::INVALID_MESSAGE_ID, Say::NoItem, number.to_string()));
        }
        Ok(())
    }
}
