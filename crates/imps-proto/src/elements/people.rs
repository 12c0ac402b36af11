//! Who: users, clients, screen names, groups, contacts. CSP 1, 8, 10.

use crate::element::Element;
use crate::grammar::{Codec, Decode, Encode, Put, bad_value, codec, items, mixed, next_child};
use crate::quirks;
use crate::wire::{DecodeError, Reader, Writer};
use imps_types::element::{Group, NickEntry, Property, Recipient, ScreenName, Sender, User};
use imps_types::{Address, ClientId, Version};

impl Decode for ClientId {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut id = Self::default();
        let text = mixed(reader, &mut |element, reader| {
            match element {
                Element::Url => id.url = Some(Box::decode(reader)?),
                Element::Msisdn => id.msisdn = Some(Box::decode(reader)?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        if id.is_empty() && !text.is_empty() {
            id.url = Some(text.into());
        }
        Ok(id)
    }
}

impl Encode for ClientId {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        self.url.put(Element::Url, writer);
        self.msisdn.put(Element::Msisdn, writer);
    }
}

impl Decode for User {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut user = Self::default();
        let mut named = false;
        let text = mixed(reader, &mut |element, reader| {
            match element {
                Element::UserId => {
                    user.user_id = Address::decode(reader)?;
                    named = true;
                }
                Element::FriendlyName => user.friendly_name = Some(Box::decode(reader)?),
                Element::ClientId => user.client_id = Some(ClientId::decode(reader)?),
                Element::ApplicationId => user.application_id = Some(Box::decode(reader)?),
                Element::Property => {
                    if let Some(user_id) = quirks::user_id_of_property(&Property::decode(reader)?) {
                        user.user_id = user_id;
                        named = true;
                    }
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        if !named {
            user.user_id = Address::new(&text);
        }
        Ok(user)
    }
}

impl Encode for User {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        self.user_id.encode(Element::UserId, writer);
        let newest = writer.version() >= Version::V1_3;
        if newest {
            self.friendly_name.put(Element::FriendlyName, writer);
        }
        self.client_id.put(Element::ClientId, writer);
        if newest && self.client_id.is_none() {
            self.application_id.put(Element::ApplicationId, writer);
        }
    }
}

codec! {
    ScreenName {
        default name: Box<str> = SName,
        default group_id: Address = GroupId,
    }
}

impl Decode for Group {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.position();
        Self::decode_optional(reader)?.ok_or(bad_value("group", at))
    }

    fn decode_optional(reader: &mut dyn Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let mut group = None;
        while let Some(element) = next_child(reader)? {
            match element {
                Element::GroupId => group = Some(Self::Id(Address::decode(reader)?)),
                Element::ScreenName => group = Some(Self::ScreenName(ScreenName::decode(reader)?)),
                _ => reader.skip()?,
            }
        }
        Ok(group)
    }
}

impl Encode for Group {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        match self {
            Self::Id(id) => id.encode(Element::GroupId, writer),
            Self::ScreenName(name) => name.encode(Element::ScreenName, writer),
        }
    }
}

impl Decode for Sender {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.position();
        Self::decode_optional(reader)?.ok_or(bad_value("sender", at))
    }

    fn decode_optional(reader: &mut dyn Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let mut sender = None;
        while let Some(element) = next_child(reader)? {
            match element {
                Element::User | Element::UserId => sender = Some(Self::User(User::decode(reader)?)),
                Element::Group => sender = Group::decode_optional(reader)?.map(Self::Group),
                _ => reader.skip()?,
            }
        }
        Ok(sender)
    }
}

impl Encode for Sender {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        match self {
            Self::User(user) => user.encode(Element::User, writer),
            Self::Group(group) => group.encode(Element::Group, writer),
        }
    }
}

codec! {
    Recipient {
        many users: User = User | UserId as alias,
        many groups: Group = Group,
        many contact_lists: Address = ContactList,
    }
}

codec! {
    Property {
        default name: Box<str> = Name,
        optional value: Box<str> = Value,
    }
}

impl Decode for Vec<Property> {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut properties = Self::new();
        items(reader, &mut properties, |element| element == Element::Property)?;
        Ok(properties)
    }
}

impl Encode for Vec<Property> {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        self.put(Element::Property, writer);
    }
}

/// NickName, or a bare UserID.
impl Decode for NickEntry {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut entry = Self::default();
        let mut named = false;
        let text = mixed(reader, &mut |element, reader| {
            match element {
                Element::Name => entry.name = Some(Box::decode(reader)?),
                // Android wraps the address in CreateList-Request (CSP 17).
                Element::UserId | Element::User => {
                    entry.user_id = User::decode(reader)?.user_id;
                    named = true;
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        if !named {
            entry.user_id = Address::new(&text);
        }
        Ok(entry)
    }
}

impl Decode for Vec<NickEntry> {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut entries = Self::new();
        let wanted = |element| matches!(element, Element::NickName | Element::UserId | Element::User);
        items(reader, &mut entries, wanted)?;
        Ok(entries)
    }
}

impl Encode for Vec<NickEntry> {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        for entry in self {
            match &entry.name {
                Some(name) => {
                    writer.start(Element::NickName);
                    name.encode(Element::Name, writer);
                    entry.user_id.encode(Element::UserId, writer);
                    writer.end(Element::NickName);
                }
                None => entry.user_id.encode(Element::UserId, writer),
            }
        }
    }
}

/// Addresses inside RemoveNickList, UserIDList, ContactListIDList.
impl Decode for Vec<Address> {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut addresses = Self::new();
        let wanted =
            |element| matches!(element, Element::UserId | Element::User | Element::NickName | Element::ContactList);
        items(reader, &mut addresses, wanted)?;
        Ok(addresses)
    }
}

impl Encode for Vec<Address> {
    fn encode_content(&self, element: Element, writer: &mut dyn Writer) {
        let item = if element == Element::ContactListIdList { Element::ContactList } else { Element::UserId };
        self.put(item, writer);
    }
}

/// Every way to name a user among the children of a primitive.
pub(super) fn names_users(element: Element) -> bool {
    matches!(element, Element::User | Element::UserId | Element::UserIdList | Element::UserList)
}

/// Users: `User` each in 1.1 and 1.2, UserIDList in 1.3. All forms are read in all versions (CSP 17).
pub(crate) struct Users;

impl Codec for Users {
    type Slot = Vec<User>;
    type Value = Vec<User>;

    fn takes(element: Element) -> bool {
        names_users(element)
    }

    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        match element {
            Element::UserIdList | Element::UserList => items(reader, slot, names_users),
            _ => User::decode(reader).map(|user| slot.push(user)),
        }
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        if writer.version() < Version::V1_3 {
            value.put(Element::User, writer);
        } else if !value.is_empty() {
            writer.start(Element::UserIdList);
            for user in value {
                user.user_id.encode(Element::UserId, writer);
            }
            writer.end(Element::UserIdList);
        }
    }
}

/// Users by address alone: `UserID` each in 1.1 and 1.2, UserIDList in 1.3.
pub(crate) struct UserIds;

impl Codec for UserIds {
    type Slot = Vec<Address>;
    type Value = Vec<Address>;

    fn takes(element: Element) -> bool {
        names_users(element)
    }

    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        let mut users = Vec::new();
        Users::take(&mut users, element, reader)?;
        slot.extend(users.into_iter().map(|user| user.user_id));
        Ok(())
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        put_addresses(value, Element::UserId, Element::UserIdList, writer);
    }
}

/// Contact lists: `ContactList` each in 1.1 and 1.2, ContactListIDList in 1.3.
pub(crate) struct ContactLists;

impl Codec for ContactLists {
    type Slot = Vec<Address>;
    type Value = Vec<Address>;

    fn takes(element: Element) -> bool {
        matches!(element, Element::ContactList | Element::ContactListIdList)
    }

    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        match element {
            Element::ContactListIdList => slot.append(&mut Vec::decode(reader)?),
            _ => slot.push(Address::decode(reader)?),
        }
        Ok(())
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        put_addresses(value, Element::ContactList, Element::ContactListIdList, writer);
    }
}

fn put_addresses(value: &Vec<Address>, item: Element, list: Element, writer: &mut dyn Writer) {
    if writer.version() < Version::V1_3 {
        value.put(item, writer);
    } else if !value.is_empty() {
        value.encode(list, writer);
    }
}
