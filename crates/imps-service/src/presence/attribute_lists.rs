//! Attribute lists (CSP 9): which attributes a user, the members of a contact list, or everybody may see.

use imps_types::element::{Authorization, Notification, NotificationType, ResultInfo};
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{Address, ContactListId, UserId};

use super::Presence;
use super::outcomes::Outcomes;
use crate::happening::Happening;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, Order, Space};
use crate::session::Session;
use crate::{Error, Services};

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

/// Attribute lists as *GetAttributeList-Response* tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAttributeLists {
    /// How it went.
    pub result: ResultInfo,
    /// The default one, if it was asked for and exists.
    pub default: Option<AttributeSet>,
    /// Those of users.
    pub users: Vec<(UserId, AttributeSet)>,
    /// Those of contact lists.
    pub contact_lists: Vec<(ContactListId, AttributeSet)>,
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

fn to_record(set: AttributeSet) -> Vec<u8> {
    let mut writer = RecordWriter::new(1);
    writer.number(set.bits().into());
    writer.done()
}

fn from_record(record: &[u8]) -> Result<AttributeSet, RecordError> {
    let (mut reader, _) = RecordReader::new(record, 1)?;
    Ok(AttributeSet::from_bits(reader.small()?))
}

/// The attribute lists of one user, ordered by target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeLists {
    default: Option<AttributeSet>,
    users: Vec<(UserId, AttributeSet)>,
    lists: Vec<(ContactListId, AttributeSet)>,
}

fn find<T: Ord>(rows: &[(T, AttributeSet)], target: &T) -> Option<AttributeSet> {
    let place = rows.binary_search_by(|(one, _)| one.cmp(target)).ok()?;
    rows.get(place).map(|(_, set)| *set)
}

fn change<T: Ord + Clone>(rows: &mut Vec<(T, AttributeSet)>, target: &T, set: Option<AttributeSet>) {
    rows.retain(|(one, _)| one != target);
    if let Some(set) = set {
        let place = rows.partition_point(|(one, _)| one < target);
        rows.insert(place, (target.clone(), set));
    }
}

impl AttributeLists {
    /// Reads a user's attribute lists.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn load(services: &Services, owner: &UserId) -> Result<Self, Error> {
        let range = Key::build().text(owner.as_str()).range();
        let rows = services.store.scan(Space::AttributeLists, range, Order::Forwards, usize::MAX).await?;
        let mut lists = Self::default();
        for row in rows {
            let mut parts = row.key.read();
            parts.text();
            let (kind, name) = (parts.u8(), parts.text().unwrap_or_default());
            let set = from_record(&row.value)?;
            // The rows come in the order of their keys, which is the order of the targets.
            match kind {
                Some(KIND_DEFAULT) => lists.default = Some(set),
                Some(KIND_USER) => lists.users.push((UserId::from_canonical(&name), set)),
                Some(KIND_LIST) => lists.lists.push((ContactListId::from_canonical(&name), set)),
                _ => return Err(RecordError("key of an attribute list").into()),
            }
        }
        lists.users.sort_by(|one, other| one.0.cmp(&other.0));
        lists.lists.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(lists)
    }

    /// The one for whoever has no other.
    pub fn default_set(&self) -> Option<AttributeSet> {
        self.default
    }

    /// The one attached to this user.
    pub fn of_user(&self, user: &UserId) -> Option<AttributeSet> {
        find(&self.users, user)
    }

    /// The one attached to this contact list.
    pub fn of_list(&self, list: &ContactListId) -> Option<AttributeSet> {
        find(&self.lists, list)
    }

    fn of(&self, target: &Target) -> Option<AttributeSet> {
        match target {
            Target::Default => self.default,
            Target::User(user) => self.of_user(user),
            Target::List(list) => self.of_list(list),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.default.is_some()) + self.users.len() + self.lists.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn set(&mut self, target: &Target, set: Option<AttributeSet>) {
        match target {
            Target::Default => self.default = set,
            Target::User(user) => change(&mut self.users, user, set),
            Target::List(list) => change(&mut self.lists, list, set),
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
        self.put_attribute_lists(session, all, Some(attributes), &mut outcomes).await?;
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
        self.known_users(others.into_iter(), &mut outcomes).await?;

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
        self.put_attribute_lists(session, all, None, &mut outcomes).await?;
        drop(change);
        self.0.tell(Happening::AuthorisationChanged { user: owner.clone() }).await;
        Ok(outcomes.done())
    }

    async fn put_attribute_lists(
        &self,
        session: &Session,
        mut targets: Vec<Target>,
        set: Option<AttributeSet>,
        outcomes: &mut Outcomes,
    ) -> Result<(), Error> {
        let owner = &session.user;
        targets.sort();
        targets.dedup();
        if targets.is_empty() {
            return Ok(());
        }
        outcomes.good();
        let mut batch = Batch::new();
        {
            let lists = &owner.lock().attribute_lists;
            let new = targets.iter().filter(|target| lists.of(target).is_none()).count();
            if set.is_some() && new > 0 && lists.len() + new > self.0.config.attribute_lists_max {
                return Err(Error::TooManyAttributeLists);
            }
            for target in targets.iter().filter(|target| lists.of(target) != set) {
                let key = attribute_list_key(&owner.id, target);
                match set {
                    Some(set) => batch.put(Space::AttributeLists, key, to_record(set)),
                    None => batch.delete(Space::AttributeLists, key),
                };
            }
        }
        if !batch.is_empty() {
            self.0.store.commit(batch).await?;
            {
                let mut inner = owner.lock();
                for target in &targets {
                    inner.attribute_lists.set(target, set);
                }
            }
            let what = Notification::of_authorization(NotificationType::AuthorizationChanged, told(&targets, set));
            self.0.access().notify(&owner.id, Some(session), what);
        }
        Ok(())
    }

    /// The attribute lists of these targets; without any user or contact list: all of them (CSP 18, row 32).
    ///
    /// # Errors
    /// None at present.
    pub fn attribute_lists(
        &self,
        session: &Session,
        targets: &AttributeListTargets,
    ) -> Result<FoundAttributeLists, Error> {
        let mut outcomes = Outcomes::default();
        let all = targets.users.is_empty() && targets.contact_lists.is_empty();
        let (mut users, mut lists) = (Vec::new(), Vec::new());
        for address in &targets.users {
            match self.0.router.local_user(address) {
                Ok(user) => users.push(user),
                Err(error) => outcomes.user(address, error)?,
            }
        }
        for address in &targets.contact_lists {
            match self.own_members(session, address) {
                Ok((list, _)) => lists.push(list),
                Err(error) => outcomes.list(address, error)?,
            }
        }
        if targets.default || !users.is_empty() || !lists.is_empty() {
            outcomes.good();
        }
        let found = session.user.lock().attribute_lists.clone();
        Ok(FoundAttributeLists {
            result: outcomes.done(),
            default: found.default.filter(|_| targets.default),
            users: found.users.into_iter().filter(|(user, _)| all || users.contains(user)).collect(),
            contact_lists: found.lists.into_iter().filter(|(list, _)| all || lists.contains(list)).collect(),
        })
    }
}

/// What the user's other clients are told of a change: for whom, and what is authorized now.
fn told(targets: &[Target], set: Option<AttributeSet>) -> Authorization {
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
    fn golden_octets_of_version_1() {
        let set: AttributeSet = [Attribute::OnlineStatus, Attribute::UserAvailability].into_iter().collect();
        assert_eq!(to_record(set), [1, 0x81, 4]);
        assert_eq!(from_record(&[1, 0x81, 4]), Ok(set));
        assert_eq!(from_record(&to_record(AttributeSet::EMPTY)), Ok(AttributeSet::EMPTY));
        assert!(from_record(&[]).is_err());
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
