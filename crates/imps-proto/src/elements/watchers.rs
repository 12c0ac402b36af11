//! Who watches a user, and what was decided about it. CSP 9, 10.

use crate::element::Element;
use crate::grammar::{Codec, Decode, Encode, Put, bad_value, codec, items, next_child};
use crate::wire::{DecodeError, Reader, Writer};
use imps_types::element::{ReactiveAuthState, ReactiveAuthStatus, User, Watcher};
use imps_types::presence::PresenceSubList;
use imps_types::{Address, Version};

impl Decode for Watcher {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.position();
        let mut watcher = Self::default();
        let mut named = false;
        while let Some(element) = next_child(reader)? {
            match element {
                // 1.3 has the address alone, and so have examples of 1.2.
                Element::User | Element::UserId => {
                    let user = User::decode(reader)?;
                    watcher.user_id = user.user_id;
                    watcher.friendly_name = user.friendly_name.or(watcher.friendly_name);
                    named = true;
                }
                Element::FriendlyName => watcher.friendly_name = Some(Box::decode(reader)?),
                Element::WatcherStatus => watcher.status = Decode::decode_optional(reader)?,
                _ => reader.skip()?,
            }
        }
        if named { Ok(watcher) } else { Err(bad_value("watcher", at)) }
    }
}

impl Encode for Watcher {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        if writer.version() < Version::V1_3 {
            User::of(self.user_id.clone()).encode(Element::User, writer);
        } else {
            self.user_id.encode(Element::UserId, writer);
            self.friendly_name.put(Element::FriendlyName, writer);
        }
        self.status.put(Element::WatcherStatus, writer);
    }
}

/// Watchers: `Watcher` each, in 1.1 only `User`. Both are read in all versions.
pub(crate) struct Watchers;

impl Codec for Watchers {
    type Slot = Vec<Watcher>;
    type Value = Vec<Watcher>;

    fn takes(element: Element) -> bool {
        matches!(element, Element::Watcher | Element::User | Element::UserId | Element::UserList | Element::UserIdList)
    }

    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        let watcher = |user: User| Watcher { user_id: user.user_id, friendly_name: user.friendly_name, status: None };
        match element {
            Element::Watcher => slot.push(Watcher::decode(reader)?),
            Element::User | Element::UserId => slot.push(watcher(User::decode(reader)?)),
            _ => {
                let mut users: Vec<User> = Vec::new();
                items(reader, &mut users, |element| matches!(element, Element::User | Element::UserId))?;
                slot.extend(users.into_iter().map(watcher));
            }
        }
        Ok(())
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        if writer.version() == Version::V1_1 {
            for watcher in value {
                User::of(watcher.user_id.clone()).encode(Element::User, writer);
            }
        } else {
            value.put(Element::Watcher, writer);
        }
    }
}

codec! {
    ReactiveAuthStatus {
        required user_id: Address = UserId | User as alias,
        required state: ReactiveAuthState = ReactiveAuthState,
        optional presence_sub_list: PresenceSubList = PresenceSubList,
    }
}

/// The states inside ReactiveAuthStatusList.
impl Decode for Vec<ReactiveAuthStatus> {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut states = Self::new();
        items(reader, &mut states, |element| element == Element::ReactiveAuthStatus)?;
        Ok(states)
    }
}

impl Encode for Vec<ReactiveAuthStatus> {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        self.put(Element::ReactiveAuthStatus, writer);
    }
}
