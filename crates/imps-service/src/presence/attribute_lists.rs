//! Attribute lists (CSP 9): which attributes a user, the members of a contact list, or everybody may see.

use std::sync::Arc;

use imps_types::element::{Authorization, Notification, NotificationType, ResultInfo};
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{Address, ContactListId, UserId, Version};

use super::Presence;
use super::outcomes::Outcomes;
use crate::Error;
use crate::happening::Happening;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, Row, Space};
use crate::session::Session;
use crate::user::UserState;

/// To whom attribute lists are attached, as a request names them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AttributeListTargets {
    /// Users.
    pub users: Vec<Address>,
    /// Contact lists of the session's user.
    pub contact_lists: Vec<Address>,
    /// Whoever has no other attribute list (`DefaultList`).
    pub default: bool,
}

/// An attribute list: what those to whom it is attached may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AttributeList {
    /// The attributes; none: nothing is authorised.
    pub attributes: AttributeSet,
    /// Whether the owner's clients are told when somebody asks for more (1.3).
    pub notify: bool,
}

/// Whether the owner is told when somebody asks for more than an attribute list allows (1.3); `None`: as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NotifyFlags {
    /// `DefaultNotify`.
    pub default: Option<bool>,
    /// `UserNotify`, for each user who is named.
    pub users: Option<bool>,
    /// `ContactListNotify`, for each contact list that is named.
    pub contact_lists: Option<bool>,
}

impl NotifyFlags {
    fn of(self, target: &Target) -> Option<bool> {
        match target {
            Target::Default => self.default,
            Target::User(_) => self.users,
            Target::List(_) => self.contact_lists,
        }
    }
}

/// Attribute lists as *GetAttributeList-Response* tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAttributeLists {
    /// How it went.
    pub result: ResultInfo,
    /// The default one, if it was asked for and exists.
    pub default: Option<AttributeList>,
    /// Those of users.
    pub users: Vec<(UserId, AttributeList)>,
    /// Those of contact lists.
    pub contact_lists: Vec<(ContactListId, AttributeList)>,
}

/// To whom an attribute list is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Default,
    User(UserId),
    List(ContactListId),
}

const KIND_DEFAULT: u8 = 0;
const KIND_USER: u8 = 1;
const KIND_LIST: u8 = 2;

pub(super) fn attribute_list_key(owner: &UserId, target: &Target) -> Key {
    let (kind, name) = match target {
        Target::Default => (KIND_DEFAULT, ""),
        Target::User(user) => (KIND_USER, user.as_str()),
        Target::List(list) => (KIND_LIST, list.as_str()),
    };
    Key::build().text(owner.as_str()).u8(kind).text(name).done()
}

impl AttributeList {
    fn to_record(self) -> Vec<u8> {
        let mut writer = RecordWriter::with_capacity(2, 8);
        writer.number(self.attributes.bits().into()).flag(self.notify);
        writer.done()
    }

    fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, written) = RecordReader::new(record, 2)?;
        let attributes = AttributeSet::from_bits(reader.small()?);
        Ok(Self { attributes, notify: written >= 2 && reader.flag()? })
    }
}

/// The attribute lists of one user, ordered by target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeLists {
    default: Option<AttributeList>,
    users: Vec<(UserId, AttributeList)>,
    lists: Vec<(ContactListId, AttributeList)>,
}

fn find<T: Ord>(rows: &[(T, AttributeList)], target: &T) -> Option<AttributeList> {
    let place = rows.binary_search_by(|(one, _)| one.cmp(target)).ok()?;
    rows.get(place).map(|(_, list)| *list)
}

fn change<T: Ord + Clone>(rows: &mut Vec<(T, AttributeList)>, target: &T, list: Option<AttributeList>) {
    rows.retain(|(one, _)| one != target);
    if let Some(list) = list {
        let place = rows.partition_point(|(one, _)| one < target);
        rows.insert(place, (target.clone(), list));
    }
}

impl AttributeLists {
    /// A user's attribute lists, by their rows.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn read(rows: &[Row]) -> Result<Self, RecordError> {
        let mut lists = Self::default();
        for row in rows {
            let mut parts = row.key.read();
            parts.text();
            let (kind, name) = (parts.u8(), parts.text().unwrap_or_default());
            let list = AttributeList::from_record(&row.value)?;
            // The rows come in the order of their keys, which is the order of the targets.
            match kind {
                Some(KIND_DEFAULT) => lists.default = Some(list),
                Some(KIND_USER) => lists.users.push((UserId::from_canonical(&name), list)),
                Some(KIND_LIST) => lists.lists.push((ContactListId::from_canonical(&name), list)),
                _ => return Err(RecordError("key of an attribute list")),
            }
        }
        lists.users.sort_by(|one, other| one.0.cmp(&other.0));
        lists.lists.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(lists)
    }

    /// The one for whoever has no other.
    pub fn default_list(&self) -> Option<AttributeList> {
        self.default
    }

    /// The one attached to this user.
    pub fn of_user(&self, user: &UserId) -> Option<AttributeList> {
        find(&self.users, user)
    }

    /// The one attached to this contact list.
    pub fn of_list(&self, list: &ContactListId) -> Option<AttributeList> {
        find(&self.lists, list)
    }

    fn of(&self, target: &Target) -> Option<AttributeList> {
        match target {
            Target::Default => self.default,
            Target::User(user) => self.of_user(user),
            Target::List(list) => self.of_list(list),
        }
    }

    /// Whether the owner wants to hear of anybody who asks for more.
    pub(super) fn notifies(&self) -> bool {
        let rows = self.users.iter().map(|(_, list)| list).chain(self.lists.iter().map(|(_, list)| list));
        rows.chain(&self.default).any(|list| list.notify)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.default.is_some()) + self.users.len() + self.lists.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn set(&mut self, target: &Target, list: Option<AttributeList>) {
        match target {
            Target::Default => self.default = list,
            Target::User(user) => change(&mut self.users, user, list),
            Target::List(id) => change(&mut self.lists, id, list),
        }
    }
}

impl Ord for Target {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let text = |target: &Self| match target {
            Self::Default => (KIND_DEFAULT, String::new()),
            Self::User(user) => (KIND_USER, user.as_str().to_owned()),
            Self::List(list) => (KIND_LIST, list.as_str().to_owned()),
        };
        text(self).cmp(&text(other))
    }
}

impl Target {
    fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Default | Self::List(_) => None,
        }
    }
}

impl PartialOrd for Target {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Presence<'_> {
    /// Attaches an attribute list to each target, in place of an earlier one. An empty set authorises nothing.
    ///
    /// # Errors
    /// When no target is named (402), or there are too many lists (755).
    pub async fn create_attribute_list(
        &self,
        session: &Session,
        attributes: AttributeSet,
        targets: &AttributeListTargets,
        notify: NotifyFlags,
    ) -> Result<ResultInfo, Error> {
        if targets.users.is_empty() && targets.contact_lists.is_empty() && !targets.default {
            return Err(Error::BadParameter("no user, contact list or default is named"));
        }
        let owner = &session.user;
        let mut outcomes = Outcomes::default();
        let users = self.known_users(targets.users.iter(), &mut outcomes).await?;
        let mut all: Vec<_> = users.into_iter().flatten().map(Target::User).collect();

        let change = owner.change.lock().await;
        for address in &targets.contact_lists {
            match self.own_members(session, address) {
                Ok((list, _)) => all.push(Target::List(list)),
                Err(error) => outcomes.list(address, error)?,
            }
        }
        if targets.default {
            all.push(Target::Default);
        }
        self.put_attribute_lists(session, all, Some((attributes, notify)), &mut outcomes).await?;
        drop(change);
        self.0.tell(Happening::AuthorisationChanged { user: owner.clone() }).await;
        Ok(outcomes.done())
    }

    /// Takes the attribute lists of the targets away. One that is not there is no error.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn delete_attribute_list(
        &self,
        session: &Session,
        targets: &AttributeListTargets,
    ) -> Result<ResultInfo, Error> {
        let owner = &session.user;
        let mut outcomes = Outcomes::default();
        let mut all = Vec::new();
        // The account of somebody who has an attribute list may be gone since.
        let mut others = Vec::new();
        for address in &targets.users {
            match self.0.router.user(address) {
                Ok(user) if owner.lock().attribute_lists.of_user(&user).is_some() => all.push(Target::User(user)),
                _ => others.push(address),
            }
        }
        let others = self.known_users(others.into_iter(), &mut outcomes).await?;
        all.extend(others.into_iter().flatten().map(Target::User));

        let change = owner.change.lock().await;
        for address in &targets.contact_lists {
            match self.own_members(session, address) {
                Ok((list, _)) => all.push(Target::List(list)),
                Err(error) => outcomes.list(address, error)?,
            }
        }
        if targets.default {
            all.push(Target::Default);
        }
        let users: Vec<_> = all.iter().filter_map(Target::user).cloned().collect();
        self.put_attribute_lists(session, all, None, &mut outcomes).await?;
        drop(change);
        let mut forgotten = Ok(());
        if session.version >= Version::V1_3 {
            // Here it is the only way to take back what was granted or denied when the user was asked (CSP 9).
            forgotten = self.forget_decisions(owner, &users).await;
        }
        // The lists are gone, whatever became of the decisions.
        self.0.tell(Happening::AuthorisationChanged { user: owner.clone() }).await;
        forgotten.map(|()| outcomes.done())
    }

    async fn forget_decisions(&self, owner: &Arc<UserState>, users: &[UserId]) -> Result<(), Error> {
        for user in users {
            self.forget_decision(owner, user).await?;
        }
        Ok(())
    }

    pub(super) async fn put_attribute_lists(
        &self,
        session: &Session,
        mut targets: Vec<Target>,
        new: Option<(AttributeSet, NotifyFlags)>,
        outcomes: &mut Outcomes,
    ) -> Result<(), Error> {
        let owner = &session.user;
        targets.sort();
        targets.dedup();
        if targets.is_empty() {
            return Ok(());
        }
        outcomes.good();
        let changes: Vec<(Target, Option<AttributeList>)> = {
            let lists = &owner.lock().attribute_lists;
            let added = targets.iter().filter(|target| lists.of(target).is_none()).count();
            if new.is_some() && added > 0 && lists.len() + added > self.0.config.attribute_lists_max {
                return Err(Error::TooManyAttributeLists);
            }
            let list = |target: &Target| {
                let (attributes, flags) = new?;
                let notify = flags.of(target).or(lists.of(target).map(|old| old.notify)).unwrap_or(false);
                Some(AttributeList { attributes, notify })
            };
            let changes =
                targets.into_iter().map(|target| (list(&target), target)).map(|(list, target)| (target, list));
            changes.filter(|(target, list)| lists.of(target) != *list).collect()
        };
        if changes.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for (target, list) in &changes {
            let key = attribute_list_key(&owner.id, target);
            match list {
                Some(list) => batch.put(Space::AttributeLists, key, list.to_record()),
                None => batch.delete(Space::AttributeLists, key),
            };
        }
        self.0.store.commit(batch).await?;
        {
            let mut inner = owner.lock();
            for (target, list) in &changes {
                inner.attribute_lists.set(target, *list);
            }
        }
        let told = told(changes.iter().map(|(target, _)| target), new.map(|(attributes, _)| attributes));
        let what = Notification::of_authorization(NotificationType::AuthorizationChanged, told);
        self.0.access().notify(&owner.id, Some(session), what);
        Ok(())
    }

    /// The attribute lists of these targets; without any user or contact list: all of them (CSP 18, row 32).
    ///
    /// # Errors
    /// The store's failure.
    pub async fn attribute_lists(
        &self,
        session: &Session,
        targets: &AttributeListTargets,
    ) -> Result<FoundAttributeLists, Error> {
        let mut outcomes = Outcomes::default();
        let all = targets.users.is_empty() && targets.contact_lists.is_empty();
        let (mut users, mut lists) = (Vec::new(), Vec::new());
        // The account of somebody who has an attribute list may be gone since.
        let mut others = Vec::new();
        for address in &targets.users {
            match self.0.router.user(address) {
                Ok(user) if is_listed(session, &user) => users.push(user),
                _ => others.push(address),
            }
        }
        users.extend(self.known_users(others.into_iter(), &mut outcomes).await?.into_iter().flatten());
        for address in &targets.contact_lists {
            match self.own_members(session, address) {
                Ok((list, _)) => lists.push(list),
                Err(error) => outcomes.list(address, error)?,
            }
        }
        if targets.default || !users.is_empty() || !lists.is_empty() {
            outcomes.good();
        }
        let inner = session.user.lock();
        let found = &inner.attribute_lists;
        let mut found_users: Vec<_> =
            found.users.iter().filter(|(user, _)| all || users.contains(user)).cloned().collect();
        if session.version >= Version::V1_3 {
            // What was granted when the user was asked is an attribute list here: 1.3 knows of no other decision.
            let grants = inner.presence.reactive.grants().filter(|(user, _)| found.of_user(user).is_none());
            let grants = grants.filter(|(user, _)| all || users.contains(user));
            found_users
                .extend(grants.map(|(user, attributes)| (user.clone(), AttributeList { attributes, notify: false })));
            found_users.sort_by(|one, other| one.0.cmp(&other.0));
        }
        Ok(FoundAttributeLists {
            result: outcomes.done(),
            default: found.default.filter(|_| targets.default),
            users: found_users,
            contact_lists: found.lists.iter().filter(|(list, _)| all || lists.contains(list)).cloned().collect(),
        })
    }
}

/// Whether a session's user decided about somebody, as far as its client sees that in attribute lists.
fn is_listed(session: &Session, user: &UserId) -> bool {
    let inner = session.user.lock();
    inner.attribute_lists.of_user(user).is_some()
        || session.version >= Version::V1_3 && !inner.presence.reactive.granted(user).is_empty()
}

/// What the user's other clients are told of a change: for whom, and what is authorized now.
fn told<'a>(targets: impl Iterator<Item = &'a Target>, set: Option<AttributeSet>) -> Authorization {
    let mut told = Authorization { attributes: set.map(PresenceSubList::of_names), ..Authorization::default() };
    for target in targets {
        match target {
            Target::Default => told.default_list = Some(true),
            Target::User(user) => told.users.push(Address::from(user)),
            Target::List(list) => told.contact_lists.push(Address::from(list)),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::presence::Attribute;

    #[test]
    fn golden_octets_of_every_version() {
        let attributes: AttributeSet = [Attribute::OnlineStatus, Attribute::UserAvailability].into_iter().collect();
        let list = AttributeList { attributes, notify: true };
        assert_eq!(list.to_record(), [2, 0x81, 4, 1]);
        assert_eq!(AttributeList::from_record(&[2, 0x81, 4, 1]), Ok(list));
        assert_eq!(AttributeList::from_record(&[1, 0x81, 4]), Ok(AttributeList { notify: false, ..list }));
        let empty = AttributeList::default();
        assert_eq!(AttributeList::from_record(&empty.to_record()), Ok(empty));
        assert!(AttributeList::from_record(&[]).is_err() && AttributeList::from_record(&[2, 0]).is_err());
    }

    #[test]
    fn keys_keep_the_kinds_apart() {
        let owner = UserId::from_canonical("wv:a@x");
        let key = |target| attribute_list_key(&owner, &target);
        assert_eq!(key(Target::Default).as_bytes(), b"wv:a@x\0\x01\0\0\x01");
        let user = key(Target::User(UserId::from_canonical("wv:b@x")));
        assert_eq!(user.as_bytes(), b"wv:a@x\0\x01\x01wv:b@x\0\x01");
        let list = key(Target::List(ContactListId::from_canonical("wv:a/f@x")));
        assert_eq!(list.as_bytes(), b"wv:a@x\0\x01\x02wv:a/f@x\0\x01");
    }
}
