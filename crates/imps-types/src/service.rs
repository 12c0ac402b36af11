//! The services that domains provide to each other (SSP 11).

use std::fmt;

/// What two domains agree on (SSP 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Invitations, search, public profiles.
    Common,
    /// Contact lists and attribute lists.
    ContactList,
    /// Presence.
    Presence,
    /// Messages to users.
    Im,
    /// Groups, and messages in them.
    Group,
    /// Shared content.
    Content,
    /// User profiles.
    Profile,
}

impl Service {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::Common, Self::ContactList, Self::Presence, Self::Im, Self::Group, Self::Content, Self::Profile];

    /// As agreements name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Common => "COMMON",
            Self::ContactList => "CONTACTLIST",
            Self::Presence => "PRESENCE",
            Self::Im => "IM",
            Self::Group => "GROUP",
            Self::Content => "CONTENT",
            Self::Profile => "PROFILE",
        }
    }

    /// The one that has this name, in whatever case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|service| service.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
