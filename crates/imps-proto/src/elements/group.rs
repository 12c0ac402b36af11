//! Groups, their people, and who has joined. CSP 13.
//!
//! Who has joined is told in three ways: as a UserList of screen names in 1.1, as a UserMapList in 1.2, and as one inside
//! Joined in 1.3. All of them are read in every version.

use crate::element::Element;
use crate::elements::message::ContentField;
use crate::grammar::{Codec, Decode, Encode, Put, codec, items, missing, next_child};
use crate::wire::{DecodeError, Reader, Writer};
use imps_types::element::{
    AdminMapList, ContentEncoding, GroupProperties, Mapping, ScreenName, User, UserList, WelcomeNote,
};
use imps_types::{Address, Version};

impl Decode for WelcomeNote {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut slot = <ContentField as Codec>::Slot::default();
        while let Some(element) = next_child(reader)? {
            if ContentField::takes(element) {
                ContentField::take(&mut slot, element, reader)?;
            } else {
                reader.skip()?;
            }
        }
        let (content_type, content) = ContentField::finish(slot, reader.position())?;
        Ok(Self { content_type, content })
    }
}

impl Encode for WelcomeNote {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        self.content_type.encode(Element::ContentType, writer);
        if self.content.binary {
            ContentEncoding::Base64.encode(Element::ContentEncoding, writer);
        }
        self.content.encode(Element::ContentData, writer);
    }
}

codec! {
    GroupProperties {
        many properties: imps_types::element::Property = Property,
        optional welcome_note: WelcomeNote = WelcomeNote,
    }
}

fn names_users(element: Element) -> bool {
    matches!(element, Element::User | Element::UserId | Element::ScreenName)
}

/// Adds a child of UserList or UserIDList.
fn take_user(list: &mut UserList, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
    match element {
        Element::ScreenName => list.screen_names.extend(ScreenName::decode_optional(reader)?),
        Element::User | Element::UserId => list.users.extend(User::decode_optional(reader)?),
        _ => reader.skip()?,
    }
    Ok(())
}

/// UserList, or the UserIDList of 1.3.
impl Decode for UserList {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut list = Self::default();
        while let Some(element) = next_child(reader)? {
            take_user(&mut list, element, reader)?;
        }
        Ok(list)
    }
}

impl Encode for UserList {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        self.users.put(Element::User, writer);
        self.screen_names.put(Element::ScreenName, writer);
    }
}

/// Users in the way that requests name them: a UserList, in 1.3 a UserIDList.
pub(crate) struct NamedUsers;

impl Codec for NamedUsers {
    type Slot = Option<UserList>;
    type Value = UserList;

    fn takes(element: Element) -> bool {
        names_users(element) || matches!(element, Element::UserList | Element::UserIdList)
    }

    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        let list = slot.get_or_insert_default();
        if names_users(element) {
            return take_user(list, element, reader);
        }
        let mut read = UserList::decode(reader)?;
        list.users.append(&mut read.users);
        list.screen_names.append(&mut read.screen_names);
        Ok(())
    }

    fn finish(slot: Self::Slot, at: usize) -> Result<UserList, DecodeError> {
        slot.ok_or(missing(Element::UserList, at))
    }

    fn put(list: &UserList, writer: &mut dyn Writer) {
        // A screen name has no place among addresses.
        if writer.version() < Version::V1_3 || !list.screen_names.is_empty() {
            return list.encode(Element::UserList, writer);
        }
        writer.start(Element::UserIdList);
        for user in &list.users {
            user.user_id.encode(Element::UserId, writer);
        }
        writer.end(Element::UserIdList);
    }
}

/// An element with nothing in it but a UserList: Admin, Mod, Users, Left, JoinedBlocked, LeftBlocked.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Listed(pub UserList);

impl Decode for Listed {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut slot = None;
        while let Some(element) = next_child(reader)? {
            if NamedUsers::takes(element) {
                NamedUsers::take(&mut slot, element, reader)?;
            } else {
                reader.skip()?;
            }
        }
        Ok(Self(slot.unwrap_or_default()))
    }
}

impl Encode for Listed {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        self.0.encode(Element::UserList, writer);
    }
}

/// Members without a special role: Users(UserList), in 1.3 a UserList (CSP 18, row 11).
pub(crate) struct PlainMembers;

impl Codec for PlainMembers {
    type Slot = Option<UserList>;
    type Value = Option<UserList>;

    fn takes(element: Element) -> bool {
        element == Element::Users || NamedUsers::takes(element)
    }

    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        if element == Element::Users {
            let mut read = Listed::decode(reader)?.0;
            let list = slot.get_or_insert_default();
            list.users.append(&mut read.users);
            list.screen_names.append(&mut read.screen_names);
            return Ok(());
        }
        NamedUsers::take(slot, element, reader)
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Option<UserList>, DecodeError> {
        Ok(slot)
    }

    fn put(list: &Option<UserList>, writer: &mut dyn Writer) {
        let Some(list) = list else { return };
        if writer.version() < Version::V1_3 {
            writer.start(Element::Users);
            list.encode(Element::UserList, writer);
            writer.end(Element::Users);
        } else {
            list.encode(Element::UserList, writer);
        }
    }
}

codec! {
    Mapping {
        default name: Box<str> = SName,
        optional user_id: Address = UserId,
    }
}

impl Decode for Vec<Mapping> {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut mappings = Self::new();
        items(reader, &mut mappings, |element| element == Element::Mapping)?;
        Ok(mappings)
    }
}

impl Encode for Vec<Mapping> {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        self.put(Element::Mapping, writer);
    }
}

codec! {
    AdminMapList {
        list admins: Mapping = AdminMapping,
        list mods: Mapping = ModMapping,
        list users: Mapping = UserMapping,
    }
}

/// Screen names of joined users, with the addresses that are shown (`UserMapList`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UserMapList {
    /// `Mapping`.
    pub mappings: Vec<Mapping>,
    /// Without UserMapping between the list and its items, as Android 1.x reads it (CSP 18, row 7).
    pub two_levels: bool,
}

impl Decode for UserMapList {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut list = Self::default();
        while let Some(element) = next_child(reader)? {
            match element {
                Element::UserMapping | Element::ModMapping | Element::AdminMapping => {
                    list.mappings.append(&mut Vec::decode(reader)?);
                }
                Element::Mapping => {
                    list.two_levels = true;
                    list.mappings.extend(Mapping::decode_optional(reader)?);
                }
                _ => reader.skip()?,
            }
        }
        Ok(list)
    }
}

impl Encode for UserMapList {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        if self.two_levels {
            self.mappings.put(Element::Mapping, writer);
        } else if !self.mappings.is_empty() {
            self.mappings.encode(Element::UserMapping, writer);
        }
    }
}

/// Who has joined.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct JoinedUsers {
    /// The group in which the names are valid: written in 1.1 only, beside each.
    pub group_id: Address,
    /// The users.
    pub list: UserMapList,
}

impl JoinedUsers {
    fn take(&mut self, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        match element {
            Element::UserMapList => {
                let mut read = UserMapList::decode(reader)?;
                self.list.two_levels |= read.two_levels;
                self.list.mappings.append(&mut read.mappings);
            }
            Element::UserList | Element::UserIdList => {
                let read = UserList::decode(reader)?;
                for name in read.screen_names {
                    self.group_id = name.group_id;
                    self.list.mappings.push(Mapping { name: name.name, user_id: None });
                }
                // Somebody without a name.
                let named = |user: User| Mapping { name: Box::default(), user_id: Some(user.user_id) };
                self.list.mappings.extend(read.users.into_iter().map(named));
            }
            _ => reader.skip()?,
        }
        Ok(())
    }

    /// As a UserList of screen names, or as a UserMapList.
    fn put(&self, writer: &mut dyn Writer) {
        if writer.version() > Version::V1_1 {
            return self.list.encode(Element::UserMapList, writer);
        }
        writer.start(Element::UserList);
        for mapping in &self.list.mappings {
            let name = ScreenName { name: mapping.name.clone(), group_id: self.group_id.clone() };
            name.encode(Element::ScreenName, writer);
        }
        writer.end(Element::UserList);
    }
}

/// `Joined` of GroupChangeNotice, and of JoinGroup-Response in 1.3.
impl Decode for JoinedUsers {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut joined = Self::default();
        while let Some(element) = next_child(reader)? {
            joined.take(element, reader)?;
        }
        Ok(joined)
    }
}

impl Encode for JoinedUsers {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        self.put(writer);
    }
}

/// Who has joined, in JoinGroup-Response: UserList in 1.1, UserMapList in 1.2, Joined in 1.3.
pub(crate) struct JoinedOfResponse;

impl Codec for JoinedOfResponse {
    type Slot = Option<JoinedUsers>;
    type Value = Option<JoinedUsers>;

    fn takes(element: Element) -> bool {
        matches!(element, Element::UserList | Element::UserMapList | Element::Joined)
    }

    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        if element == Element::Joined {
            *slot = Some(JoinedUsers::decode(reader)?);
            return Ok(());
        }
        slot.get_or_insert_default().take(element, reader)
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Option<JoinedUsers>, DecodeError> {
        Ok(slot)
    }

    fn put(joined: &Option<JoinedUsers>, writer: &mut dyn Writer) {
        match joined {
            Some(joined) if writer.version() >= Version::V1_3 => joined.encode(Element::Joined, writer),
            Some(joined) => joined.put(writer),
            None => {}
        }
    }
}
