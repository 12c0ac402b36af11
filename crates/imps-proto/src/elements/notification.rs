//! What general notifications carry beside elements of other places (CSP 4.10).

use crate::element::Element;
use crate::grammar::{Decode, Encode, Put, element, next_child};
use crate::wire::{DecodeError, Reader, Writer};
use imps_types::Address;
use imps_types::element::{NotificationType, ScreenName, User};

element! {
    /// Users and people in groups (`UserList`).
    UserList {
        /// Users.
        many users: User = User | UserId as alias,
        /// People in groups.
        many screen_names: ScreenName = ScreenName,
    }
}

element! {
    /// An address that nobody has, and the one that was meant (`UserIDPair`), 1.3.
    UserIdPair {
        /// The former.
        default unrecognized: Address = UnrecognizedUserId,
        /// The latter.
        default valid: Address = ValidUserId,
    }
}

/// A type that is not in the table is refused: nothing could ever be told of it.
impl Decode for Vec<NotificationType> {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut types = Self::new();
        while let Some(element) = next_child(reader)? {
            if element == Element::NotificationType {
                types.push(NotificationType::decode(reader)?);
            } else {
                reader.skip()?;
            }
        }
        Ok(types)
    }
}

impl Encode for Vec<NotificationType> {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        self.put(Element::NotificationType, writer);
    }
}
