//! What is said of groups and of those in them (CSP 13).

use super::message::Content;
use super::people::{Property, ScreenName, User};
use super::words;
use crate::address::Address;

words! {
    /// What somebody may do in a group (`PrivilegeLevel`), the least first.
    Role { User = "User", Mod = "Mod", Admin = "Admin" }
}
words! {
    /// What is wanted of a subscription to changes of a group (`SubscribeType`): get, set, unset.
    SubscribeType { Get = "G", Set = "S", Unset = "U" }
}

/// What is shown to those who join (`WelcomeNote`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WelcomeNote {
    /// `ContentType`.
    pub content_type: Box<str>,
    /// `ContentData`: the decoded octets.
    pub content: Content,
}

/// What a group is like (`GroupProperties`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct GroupProperties {
    /// `Property`.
    pub properties: Vec<Property>,
    /// `WelcomeNote`.
    pub welcome_note: Option<WelcomeNote>,
}

/// Users, by address or by screen name (`UserList`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UserList {
    /// `User`.
    pub users: Vec<User>,
    /// `ScreenName`.
    pub screen_names: Vec<ScreenName>,
}

impl UserList {
    /// Whether nobody is on it.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.screen_names.is_empty()
    }
}

/// A screen name, and whose it is if that is shown (`Mapping`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Mapping {
    /// `SName`.
    pub name: Box<str>,
    /// `UserID`.
    pub user_id: Option<Address>,
}

/// The joined users by what they may do (`AdminMapList`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AdminMapList {
    /// `AdminMapping`.
    pub admins: Vec<Mapping>,
    /// `ModMapping`.
    pub mods: Vec<Mapping>,
    /// `UserMapping`.
    pub users: Vec<Mapping>,
}
