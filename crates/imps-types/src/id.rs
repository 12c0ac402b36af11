//! Identifiers that are not addresses (CSP 2, "Identifier rules"), and the slot.

use std::fmt;
use std::hash::{Hash, Hasher};

/// How many slots users and groups are spread over.
pub const SLOTS: u16 = 4096;

/// The share of the users and groups that one node looks after together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u16);

impl Slot {
    /// The slot of an address, the same on every node and in every version of the server.
    pub fn of(address: &str) -> Self {
        // FNV-1a: stable, and short texts spread well enough over 4096.
        let hash = address
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self(((hash ^ (hash >> 32)) % u64::from(SLOTS)) as u16)
    }

    /// The slot with this number, if there is one.
    pub fn new(number: u16) -> Option<Self> {
        (number < SLOTS).then_some(Self(number))
    }

    /// Its number, below [`SLOTS`].
    pub fn number(self) -> u16 {
        self.0
    }
}

const DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The name of a session: all that proves who sends. Case-sensitive, letters and digits, and its user's slot in front.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId([u8; SessionId::LENGTH]);

impl SessionId {
    /// Characters of a SessionID; phones take up to 50.
    pub const LENGTH: usize = 28;

    /// A new name from random octets.
    pub fn new(slot: Slot, random: [u8; 25]) -> Self {
        let mut text = [0; Self::LENGTH];
        let mut number = slot.number();
        for place in text.iter_mut().take(3).rev() {
            *place = DIGITS[usize::from(number % 32)];
            number /= 32;
        }
        for (place, byte) in text.iter_mut().skip(3).zip(random) {
            *place = DIGITS[usize::from(byte % 32)];
        }
        Self(text)
    }

    /// Reads a SessionID. What cannot be one of ours is `None`: no such session.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; Self::LENGTH] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(|byte| DIGITS.contains(byte)).then_some(Self(bytes))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The slot of the session's user.
    pub fn slot(&self) -> Option<Slot> {
        let digit = |byte: &u8| DIGITS.iter().position(|digit| digit == byte);
        let number = self.0.iter().take(3).try_fold(0, |number, byte| Some(number * 32 + digit(byte)?))?;
        Slot::new(u16::try_from(number).ok()?)
    }

    /// The octets of the text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // 40 random bits of a name that no peer chooses are hash enough.
        let mut tail = [0; 8];
        tail.copy_from_slice(&self.0[Self::LENGTH - 8..]);
        state.write_u64(u64::from_le_bytes(tail));
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A log must not give the session away.
        write!(f, "{}..", self.as_str().get(..6).unwrap_or_default())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(Box<str>);

        impl $name {
            /// Keeps the text as it is.
            pub fn new(text: &str) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

opaque_id! {
    /// Names a transaction among those that its initiator has open; opaque.
    TransactionId
}

/// Names a message everywhere: in the answer to its sender, in each delivery, in reports. Made of the sequence number
/// under which the store keeps it, so it stays short and finding the message needs no index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(u64);

impl MessageId {
    /// The ID of the message with this sequence number.
    pub fn new(sequence: u64) -> Self {
        Self(sequence)
    }

    /// The sequence number.
    pub fn sequence(self) -> u64 {
        self.0
    }

    /// Reads one of our MessageIDs; what cannot be one is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix('m')?;
        if digits.is_empty() || digits.len() > 13 {
            return None;
        }
        let value = digits.bytes().try_fold(0_u64, |value, byte| {
            let digit = DIGITS.iter().position(|digit| *digit == byte)?;
            value.checked_mul(32)?.checked_add(digit as u64)
        })?;
        Some(Self(value))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; 13];
        let mut start = text.len();
        let mut value = self.0;
        loop {
            start -= 1;
            text[start] = DIGITS[(value % 32) as usize];
            value /= 32;
            if value == 0 || start == 0 {
                break;
            }
        }
        f.write_str("m")?;
        f.write_str(std::str::from_utf8(&text[start..]).unwrap_or_default())
    }
}

/// Identifies the client software or the terminal; opaque, compared exactly (CSP 1). Text that stands directly inside
/// `ClientID` counts as its URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ClientId {
    /// `URL`.
    pub url: Option<Box<str>>,
    /// `MSISDN`.
    pub msisdn: Option<Box<str>>,
}

impl ClientId {
    /// A ClientID with just a URL.
    pub fn of_url(url: &str) -> Self {
        Self { url: Some(url.into()), msisdn: None }
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.url.is_none() && self.msisdn.is_none()
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_deref().or(self.msisdn.as_deref()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_carries_its_slot() {
        for number in [0, 1, 31, 32, 1023, 4095] {
            let slot = Slot::new(number).unwrap();
            let id = SessionId::new(slot, [7; 25]);
            assert_eq!(id.slot(), Some(slot));
            assert_eq!(SessionId::parse(id.as_str()), Some(id));
            assert!(!format!("{id:?}").contains(id.as_str()));
        }
        assert_eq!(SessionId::parse("im.user.com#48815@server.com"), None);
        assert_eq!(Slot::new(4096), None);
    }

    #[test]
    fn message_ids_read_back() {
        for sequence in [0, 1, 31, 32, 1 << 40, u64::MAX] {
            let id = MessageId::new(sequence);
            assert_eq!(MessageId::parse(&id.to_string()), Some(id), "{id}");
        }
        for text in ["", "m", "x1", "m!", "m99999999999999", "mzzzzzzzzzzzzz9"] {
            let _ = MessageId::parse(text);
        }
        assert_eq!(MessageId::parse("m-1"), None);
    }
}
