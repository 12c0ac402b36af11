//! Block and grant lists (CSP 12.5): who may reach a user, and who may not.

use super::people::ScreenName;
use crate::address::Address;

/// Whom a block or grant list names (`EntityList`, `AddList`, `RemoveList`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct EntityList {
    /// `UserID`.
    pub user_ids: Vec<Address>,
    /// `ScreenName`: somebody in a group.
    pub screen_names: Vec<ScreenName>,
    /// `GroupID`: everything that comes from a group.
    pub group_ids: Vec<Address>,
    /// `ContactList`: everybody on it, 1.3.
    pub contact_lists: Vec<Address>,
    /// `ApplicationID`, 1.3.
    pub application_ids: Vec<Box<str>>,
    /// `Domain`: every user of it, 1.3.
    pub domains: Vec<Box<str>>,
}

impl EntityList {
    /// Users by address alone.
    pub fn users(users: impl IntoIterator<Item = Address>) -> Self {
        Self { user_ids: users.into_iter().collect(), ..Self::default() }
    }

    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are named.
    pub fn len(&self) -> usize {
        self.user_ids.len()
            + self.screen_names.len()
            + self.group_ids.len()
            + self.contact_lists.len()
            + self.application_ids.len()
            + self.domains.len()
    }

    /// Puts the entities of another list behind these.
    pub fn append(&mut self, mut other: Self) {
        self.user_ids.append(&mut other.user_ids);
        self.screen_names.append(&mut other.screen_names);
        self.group_ids.append(&mut other.group_ids);
        self.contact_lists.append(&mut other.contact_lists);
        self.application_ids.append(&mut other.application_ids);
        self.domains.append(&mut other.domains);
    }
}

/// One of the two lists (`BlockList`, `GrantList`), as it is told or as it is to be changed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AccessList {
    /// `InUse`, or `BlockListInUse` and `GrantListInUse` in 1.3; absent: as it was.
    pub in_use: Option<bool>,
    /// `EntityList`: who is on it.
    pub entities: Option<EntityList>,
    /// `AddList`: who is put on it.
    pub add: Option<EntityList>,
    /// `RemoveList`: who is taken off it.
    pub remove: Option<EntityList>,
}

/// Both lists.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AccessLists {
    /// `BlockList`: whoever is on it is refused.
    pub block: Option<AccessList>,
    /// `GrantList`: whoever is not on it is refused.
    pub grant: Option<AccessList>,
}
