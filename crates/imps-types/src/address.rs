//! Addresses: users, contact lists, groups, domains (CSP 1).
//!
//! An [`Address`] is text as a peer wrote it; the other types exist only in canonical form: scheme present, lower case,
//! domain present. Comparing two of them is comparing bytes.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest address that is accepted, in bytes.
pub const ADDRESS_MAX: usize = 255;
/// The longest user-id, resource or screen name, in bytes.
pub const PART_MAX: usize = 128;

/// An address as it was received: not checked yet, white space at its ends removed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Address(Box<str>);

impl Address {
    /// Keeps the text.
    pub fn new(text: &str) -> Self {
        Self(text.trim().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&UserId> for Address {
    fn from(id: &UserId) -> Self {
        Self(id.as_str().into())
    }
}

impl From<&ContactListId> for Address {
    fn from(id: &ContactListId) -> Self {
        Self(id.as_str().into())
    }
}

impl From<&GroupId> for Address {
    fn from(id: &GroupId) -> Self {
        Self(id.as_str().into())
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// Longer than [`ADDRESS_MAX`], or a part longer than [`PART_MAX`].
    TooLong,
    /// A part that must be there is missing.
    MissingPart,
    /// A character that is not allowed there.
    BadCharacter,
    /// It is the address of something else: a list where a user was expected.
    WrongKind,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "address is too long",
            Self::MissingPart => "address lacks a part",
            Self::BadCharacter => "address holds a character that is not allowed",
            Self::WrongKind => "address is of another kind",
        })
    }
}

impl std::error::Error for AddressError {}

/// A domain name, lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Arc<str>);

impl Domain {
    /// Reads `example.org`, or `wv:@example.org`.
    ///
    /// # Errors
    /// When it is empty, longer than 253 bytes, or holds anything but letters, digits, `-`, `.`, `_`, `:` and brackets.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = strip_scheme(text.trim());
        let text = text.strip_prefix('@').unwrap_or(text);
        if text.is_empty() {
            return Err(AddressError::MissingPart);
        }
        if text.len() > 253 {
            return Err(AddressError::TooLong);
        }
        let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '[' | ']');
        if !text.chars().all(good) {
            return Err(AddressError::BadCharacter);
        }
        Ok(Self(text.to_lowercase().into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The pieces of an address: `[wv:][user-id][/resource][@domain]`.
struct Parts<'a> {
    user: &'a str,
    resource: Option<&'a str>,
    domain: Option<&'a str>,
}

fn strip_scheme(text: &str) -> &str {
    match text.get(..3) {
        Some(scheme) if scheme.eq_ignore_ascii_case("wv:") => text.get(3..).unwrap_or_default(),
        _ => text,
    }
}

impl<'a> Parts<'a> {
    /// The domain begins after the last `@`, the resource lies between the first `/` and it (CSP 1).
    fn split(text: &'a str) -> Result<Self, AddressError> {
        if text.len() > ADDRESS_MAX {
            return Err(AddressError::TooLong);
        }
        let text = strip_scheme(text.trim());
        let (local, domain) = match text.rsplit_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (text, None),
        };
        let (user, resource) = match local.split_once('/') {
            Some((user, resource)) => (user, Some(resource)),
            None => (local, None),
        };
        if user.len() > PART_MAX || resource.is_some_and(|r| r.len() > PART_MAX) {
            return Err(AddressError::TooLong);
        }
        if user.is_empty() && resource.is_none_or(str::is_empty) {
            return Err(AddressError::MissingPart);
        }
        if domain.is_some_and(str::is_empty) {
            return Err(AddressError::MissingPart);
        }
        // A leading + marks a mobile number: digits only after it.
        match user.strip_prefix('+') {
            Some(number) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {}
            Some(_) => return Err(AddressError::BadCharacter),
            None => check_part(user)?,
        }
        if let Some(resource) = resource {
            check_part(resource)?;
        }
        Ok(Self { user, resource, domain })
    }

    fn canonical(&self, home: &Domain) -> Result<Arc<str>, AddressError> {
        let domain = match self.domain {
            Some(domain) => Domain::parse(domain)?,
            None => home.clone(),
        };
        let mut text = String::with_capacity(8 + self.user.len() + domain.as_str().len());
        text.push_str("wv:");
        text.push_str(self.user);
        if let Some(resource) = self.resource {
            text.push('/');
            text.push_str(resource);
        }
        text.push('@');
        let mut text = if text.is_ascii() {
            text.make_ascii_lowercase();
            text
        } else {
            text.to_lowercase()
        };
        text.push_str(domain.as_str());
        Ok(text.into())
    }
}

fn check_part(part: &str) -> Result<(), AddressError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '+' | '"' | '<' | '>');
    if part.chars().any(bad) { Err(AddressError::BadCharacter) } else { Ok(()) }
}

macro_rules! address_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The canonical text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// What stands before the domain, without the scheme.
            pub fn local(&self) -> &str {
                let text = self.0.get(3..).unwrap_or_default();
                text.rsplit_once('@').map_or(text, |(local, _)| local)
            }

            /// The domain's name.
            pub fn domain(&self) -> &str {
                self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
            }

            /// Takes a text that is known to be canonical: one that came out of the store.
            pub fn from_canonical(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

address_type! {
    /// A user's address, `wv:alice@a.example`.
    UserId
}
address_type! {
    /// A contact list's address, `wv:alice/friends@a.example`.
    ContactListId
}
address_type! {
    /// A group's address: `wv:alice/party@a.example` of a user, or `wv:/lobby@a.example` of the provider.
    GroupId
}

impl UserId {
    /// Reads an address; `home` is the domain of an address that names none.
    ///
    /// # Errors
    /// When the text is no user's address.
    pub fn parse(text: &str, home: &Domain) -> Result<Self, AddressError> {
        let parts = Parts::split(text)?;
        if parts.resource.is_some() {
            return Err(AddressError::WrongKind);
        }
        Ok(Self(parts.canonical(home)?))
    }
}

impl ContactListId {
    /// Reads an address; `home` is the domain of an address that names none.
    ///
    /// # Errors
    /// When the text is no contact list's address.
    pub fn parse(text: &str, home: &Domain) -> Result<Self, AddressError> {
        let parts = Parts::split(text)?;
        if parts.user.is_empty() || parts.resource.is_none_or(str::is_empty) {
            return Err(AddressError::WrongKind);
        }
        Ok(Self(parts.canonical(home)?))
    }

    /// The user whose list it is.
    pub fn owner(&self) -> UserId {
        let user = self.local().split_once('/').map_or("", |(user, _)| user);
        UserId(format!("wv:{user}@{}", self.domain()).into())
    }

    /// The list's own name: what stands after the `/`.
    pub fn name(&self) -> &str {
        self.local().split_once('/').map_or("", |(_, name)| name)
    }
}

impl GroupId {
    /// Reads an address; `home` is the domain of an address that names none.
    ///
    /// # Errors
    /// When the text is no group's address.
    pub fn parse(text: &str, home: &Domain) -> Result<Self, AddressError> {
        let parts = Parts::split(text)?;
        if parts.resource.is_none_or(str::is_empty) {
            return Err(AddressError::WrongKind);
        }
        Ok(Self(parts.canonical(home)?))
    }

    /// The user under whose address it lies; none for a group of the provider.
    pub fn owner(&self) -> Option<UserId> {
        let (user, _) = self.local().split_once('/')?;
        (!user.is_empty()).then(|| UserId(format!("wv:{user}@{}", self.domain()).into()))
    }

    /// Whether it is a group of the provider.
    pub fn is_public(&self) -> bool {
        self.local().starts_with('/')
    }

    /// The group's own name: what stands after the `/`.
    pub fn name(&self) -> &str {
        self.local().split_once('/').map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Domain {
        Domain::parse("Home.Example").unwrap()
    }

    #[test]
    fn user_addresses_become_canonical() {
        for (text, canonical) in [
            ("wv:alice", "wv:alice@home.example"),
            ("Alice", "wv:alice@home.example"),
            (" WV:Alice@B.Example ", "wv:alice@b.example"),
            ("wv:+358401234567@operator.com", "wv:+358401234567@operator.com"),
            ("somebody@nowhere.com", "wv:somebody@nowhere.com"),
        ] {
            assert_eq!(UserId::parse(text, &home()).unwrap().as_str(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_user_is_refused() {
        for text in ["", "wv:", "wv:@a.example", "wv:+12ab", "wv:a b", "wv:alice/friends", "wv:alice@", "a\u{1}b"] {
            assert!(UserId::parse(text, &home()).is_err(), "{text:?}");
        }
        assert_eq!(UserId::parse(&"a".repeat(300), &home()), Err(AddressError::TooLong));
    }

    #[test]
    fn lists_know_owner_and_name() {
        let list = ContactListId::parse("wv:Alice/~PEP1.0_privatelist@home.example", &home()).unwrap();
        assert_eq!(list.owner().as_str(), "wv:alice@home.example");
        assert_eq!(list.name(), "~pep1.0_privatelist");
        assert!(ContactListId::parse("wv:/lobby", &home()).is_err());
    }

    #[test]
    fn groups_are_public_or_somebodys() {
        let lobby = GroupId::parse("wv:/Lobby", &home()).unwrap();
        assert!(lobby.is_public() && lobby.owner().is_none() && lobby.name() == "lobby");
        let party = GroupId::parse("Alice/Party@b.example", &home()).unwrap();
        assert_eq!(party.owner().unwrap().as_str(), "wv:alice@b.example");
        assert!(!party.is_public() && party.name() == "party");
        assert!(GroupId::parse("wv:alice", &home()).is_err());
    }
}
