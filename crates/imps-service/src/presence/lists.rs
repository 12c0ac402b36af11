//! Contact lists as they are kept (CSP 8): one row for each list.

use imps_types::element::{NickEntry, Property, ResultInfo};
use imps_types::{Address, ContactListId, UserId};
use rustc_hash::FxHashSet;

use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Key, Row};

pub(super) const DISPLAY_NAME: &str = "DisplayName";
pub(super) const DEFAULT: &str = "Default";

/// The contact lists of a session's user (*GetList-Request*).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ListNames {
    /// All but the default one.
    pub lists: Vec<ContactListId>,
    /// The default list.
    pub default: Option<ContactListId>,
}

/// What became of a *CreateList-Request*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOutcome {
    /// The list.
    pub id: ContactListId,
    /// Both properties.
    pub properties: Vec<Property>,
    /// 200, or 201 with the members that were refused.
    pub result: ResultInfo,
}

/// What a *ListManage-Request* asks for, in the order in which it is done.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ListChange {
    /// Members to add, or to give another nickname.
    pub add: Vec<NickEntry>,
    /// Members to remove.
    pub remove: Vec<Address>,
    /// Properties to set.
    pub properties: Vec<Property>,
    /// Whether the added members may at once see presence and send messages (1.3).
    pub authorise: bool,
}

/// What became of a *ListManage-Request*; the whole list after the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedList {
    /// How it went.
    pub result: ResultInfo,
    /// Every member.
    pub members: Vec<NickEntry>,
    /// Both properties.
    pub properties: Vec<Property>,
}

/// Somebody on a contact list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// How the list's owner calls him.
    pub name: Option<Box<str>>,
}

/// A contact list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactList {
    /// Its address.
    pub id: ContactListId,
    /// The property DisplayName.
    pub display_name: Box<str>,
    /// The property Default.
    pub is_default: bool,
    /// In the order in which they came.
    pub members: Vec<Member>,
}

impl ContactList {
    pub(super) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        writer.text(&self.display_name).flag(self.is_default);
        writer.list(self.members.iter(), |w, member| {
            w.text(member.user.as_str()).optional_text(member.name.as_deref());
        });
        writer.done()
    }

    fn from_record(id: ContactListId, record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let (display_name, is_default) = (reader.text()?.into(), reader.flag()?);
        let members =
            reader.list(|r| Ok(Member { user: UserId::from_canonical(r.text()?), name: r.optional_text()? }))?;
        Ok(Self { id, display_name, is_default, members })
    }

    /// Whether this user is on it.
    pub fn contains(&self, user: &UserId) -> bool {
        self.members.iter().any(|member| member.user == *user)
    }

    /// Adds members. One who is there already gets the new nickname, if there is one.
    pub(super) fn add(&mut self, members: Vec<Member>) {
        let mut known: FxHashSet<UserId> = self.members.iter().map(|member| member.user.clone()).collect();
        for member in members {
            if known.insert(member.user.clone()) {
                self.members.push(member);
            } else if member.name.is_some()
                && let Some(old) = self.members.iter_mut().find(|old| old.user == member.user)
            {
                old.name = member.name;
            }
        }
    }

    /// Both properties.
    pub fn properties(&self) -> Vec<Property> {
        let default = if self.is_default { "T" } else { "F" };
        vec![Property::new(DISPLAY_NAME, &self.display_name), Property::new(DEFAULT, default)]
    }

    /// The members as they are told.
    pub fn nick_list(&self) -> Vec<NickEntry> {
        let entry = |member: &Member| NickEntry { name: member.name.clone(), user_id: Address::from(&member.user) };
        self.members.iter().map(entry).collect()
    }
}

/// The contact lists of one user, ordered by address.
#[derive(Clone, Debug, Default)]
pub struct ContactLists(Vec<ContactList>);

pub(super) fn list_key(list: &ContactListId) -> Key {
    Key::build().text(list.owner().as_str()).text(list.name()).done()
}

impl ContactLists {
    /// A user's lists, by their rows.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn read(owner: &UserId, rows: &[Row]) -> Result<Self, RecordError> {
        let mut lists = Vec::with_capacity(rows.len());
        for row in rows {
            let mut parts = row.key.read();
            let (_, name) = (parts.text(), parts.text().ok_or(RecordError("key of a contact list"))?);
            let id = format!("wv:{}/{name}@{}", owner.local(), owner.domain());
            lists.push(ContactList::from_record(ContactListId::from_canonical(&id), &row.value)?);
        }
        lists.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(Self(lists))
    }

    /// The list with this address.
    pub fn find(&self, id: &ContactListId) -> Option<&ContactList> {
        self.0.binary_search_by(|list| list.id.cmp(id)).ok().and_then(|place| self.0.get(place))
    }

    /// The lists, ordered by address.
    pub fn iter(&self) -> impl Iterator<Item = &ContactList> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The default list.
    pub fn default_list(&self) -> Option<&ContactList> {
        self.0.iter().find(|list| list.is_default)
    }

    /// What must be written together with `list`: when it is the default one, the list that is that no longer.
    pub(super) fn together(&self, list: ContactList) -> Vec<ContactList> {
        let former = self.default_list().filter(|former| list.is_default && former.id != list.id);
        let former = former.map(|former| ContactList { is_default: false, ..former.clone() });
        former.into_iter().chain([list]).collect()
    }

    /// The list that becomes the default one when `gone` is deleted.
    pub(super) fn successor(&self, gone: &ContactListId) -> Option<ContactList> {
        if !self.find(gone)?.is_default {
            return None;
        }
        let next = self.0.iter().find(|list| list.id != *gone)?;
        Some(ContactList { is_default: true, ..next.clone() })
    }

    pub(super) fn put(&mut self, list: ContactList) {
        match self.0.binary_search_by(|old| old.id.cmp(&list.id)) {
            Ok(place) => {
                if let Some(old) = self.0.get_mut(place) {
                    *old = list;
                }
            }
            Err(place) => self.0.insert(place, list),
        }
    }

    pub(super) fn remove(&mut self, id: &ContactListId) {
        self.0.retain(|list| list.id != *id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_octets_of_version_1() {
        let list = ContactList {
            id: ContactListId::from_canonical("wv:a/f@x"),
            display_name: "F".into(),
            is_default: true,
            members: vec![
                Member { user: UserId::from_canonical("wv:b@x"), name: Some("B".into()) },
                Member { user: UserId::from_canonical("wv:c@x"), name: None },
            ],
        };
        let golden = b"\x01\x01F\x01\x02\x06wv:b@x\x01\x01B\x06wv:c@x\x00";
        assert_eq!(list.to_record(), golden);
        assert_eq!(ContactList::from_record(list.id.clone(), golden), Ok(list));
    }
}
