//! Who: users, screen names, groups, contacts.

use crate::address::Address;
use crate::id::ClientId;

/// A user, and perhaps one of his clients (`User`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct User {
    /// `UserID`.
    pub user_id: Address,
    /// `FriendlyName`, 1.3.
    pub friendly_name: Option<Box<str>>,
    /// `ClientID`.
    pub client_id: Option<ClientId>,
    /// `ApplicationID`, 1.3.
    pub application_id: Option<Box<str>>,
}

impl User {
    /// A user by address alone.
    pub fn of(user_id: impl Into<Address>) -> Self {
        Self { user_id: user_id.into(), ..Self::default() }
    }
}

/// A name that is valid inside one group (`ScreenName`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ScreenName {
    /// `SName`.
    pub name: Box<str>,
    /// `GroupID`.
    pub group_id: Address,
}

/// A group, or somebody in it by screen name (`Group`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// `GroupID`.
    Id(Address),
    /// `ScreenName`.
    ScreenName(ScreenName),
}

/// Whom something is for (`Recipient`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Recipient {
    /// `User`.
    pub users: Vec<User>,
    /// `Group`.
    pub groups: Vec<Group>,
    /// `ContactList`.
    pub contact_lists: Vec<Address>,
}

impl Recipient {
    /// One user.
    pub fn user(user: User) -> Self {
        Self { users: vec![user], ..Self::default() }
    }

    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty() && self.contact_lists.is_empty()
    }
}

/// Whom something comes from (`Sender`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// `User`.
    User(User),
    /// `Group`: a group, or somebody in it.
    Group(Group),
}

/// A contact, with the name that the list's owner gave him (`NickName`, or a bare `UserID`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NickEntry {
    /// `Name`; absent where only the `UserID` stands.
    pub name: Option<Box<str>>,
    /// `UserID`.
    pub user_id: Address,
}

/// A name and its value (`Property`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Property {
    /// `Name`.
    pub name: Box<str>,
    /// `Value`.
    pub value: Option<Box<str>>,
}

impl Property {
    /// A property with a value.
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }
}
