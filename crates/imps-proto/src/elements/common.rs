//! Search, invitations, names to verify, public profiles. CSP 7.

use crate::element::Element;
use crate::elements::people::names_users;
use crate::grammar::{Codec, Decode, Encode, Put, bad_value, codec, items, next_child};
use crate::wire::{DecodeError, Reader, Writer};
use imps_types::element::{IdList, Property, PublicProfile, ScreenName, SearchPair, SearchResult, Sender, User};
use imps_types::{Address, Version};

/// The criteria of a search: a SearchPairList each. In 1.3 one list may hold several, with or without a SearchPair
/// around each (CSP 18, row 10).
pub(crate) struct SearchPairs;

/// Takes one of the children of a criterion. One that is there already begins the next criterion.
fn take_part(
    pairs: &mut Vec<SearchPair>,
    open: &mut Option<[bool; 3]>,
    element: Element,
    reader: &mut dyn Reader<'_>,
) -> Result<(), DecodeError> {
    let part = match element {
        Element::SearchElement => 0,
        Element::SearchString => 1,
        _ => 2,
    };
    let seen = match open {
        Some(seen) if !seen.get(part).copied().unwrap_or(true) => seen,
        _ => {
            pairs.push(SearchPair::default());
            open.insert([false; 3])
        }
    };
    if let Some(seen) = seen.get_mut(part) {
        *seen = true;
    }
    let Some(pair) = pairs.last_mut() else { return reader.skip() };
    match element {
        Element::SearchElement => pair.element = Box::decode(reader)?,
        Element::SearchString => pair.string = Some(Box::decode(reader)?),
        _ => pair.pair_id = u32::decode_optional(reader)?,
    }
    Ok(())
}

fn is_part(element: Element) -> bool {
    matches!(element, Element::SearchElement | Element::SearchString | Element::PairId)
}

impl Codec for SearchPairs {
    type Slot = Vec<SearchPair>;
    type Value = Vec<SearchPair>;

    fn takes(element: Element) -> bool {
        element == Element::SearchPairList
    }

    fn take(slot: &mut Self::Slot, _: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        let mut open = None;
        while let Some(element) = next_child(reader)? {
            match element {
                Element::SearchPair => {
                    open = None;
                    while let Some(part) = next_child(reader)? {
                        if is_part(part) { take_part(slot, &mut open, part, reader)? } else { reader.skip()? }
                    }
                    open = None;
                }
                part if is_part(part) => take_part(slot, &mut open, part, reader)?,
                _ => reader.skip()?,
            }
        }
        Ok(())
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        for pair in value {
            writer.start(Element::SearchPairList);
            pair.element.encode(Element::SearchElement, writer);
            pair.string.put(Element::SearchString, writer);
            if writer.version() >= Version::V1_3 {
                pair.pair_id.put(Element::PairId, writer);
            }
            writer.end(Element::SearchPairList);
        }
    }
}

impl Decode for SearchResult {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.position();
        Self::decode_optional(reader)?.ok_or(bad_value("search result", at))
    }

    fn decode_optional(reader: &mut dyn Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let mut result = None;
        while let Some(element) = next_child(reader)? {
            match element {
                Element::UserList => {
                    let mut users: Vec<User> = Vec::new();
                    items(reader, &mut users, names_users)?;
                    result = Some(Self::Users(users.into_iter().map(|user| user.user_id).collect()));
                }
                Element::GroupList => {
                    let mut groups = Vec::new();
                    items(reader, &mut groups, |element| element == Element::GroupId)?;
                    result = Some(Self::Groups(groups));
                }
                _ => reader.skip()?,
            }
        }
        Ok(result)
    }
}

impl Encode for SearchResult {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        match self {
            Self::Users(users) => {
                writer.start(Element::UserList);
                for user in users {
                    writer.start(Element::User);
                    user.encode(Element::UserId, writer);
                    writer.end(Element::User);
                }
                writer.end(Element::UserList);
            }
            Self::Groups(groups) => {
                writer.start(Element::GroupList);
                groups.put(Element::GroupId, writer);
                writer.end(Element::GroupList);
            }
        }
    }
}

/// What is shared, by its addresses: all in one URLList, which is written if there are any.
pub(crate) struct Urls;

impl Codec for Urls {
    type Slot = Vec<Box<str>>;
    type Value = Vec<Box<str>>;

    fn takes(element: Element) -> bool {
        element == Element::UrlList
    }

    fn take(slot: &mut Self::Slot, _: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        items(reader, slot, |element| element == Element::Url)
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        if !value.is_empty() {
            writer.start(Element::UrlList);
            value.put(Element::Url, writer);
            writer.end(Element::UrlList);
        }
    }
}

/// Whom the answer to an invitation names: a Sender since 1.2, nobody in 1.1; Android writes a bare User (CSP 18, row 28).
pub(crate) struct AnswerSender;

impl Codec for AnswerSender {
    type Slot = Option<Sender>;
    type Value = Option<Sender>;

    fn takes(element: Element) -> bool {
        matches!(element, Element::Sender | Element::User)
    }

    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        let sender = match element {
            Element::User => Some(Sender::User(User::decode(reader)?)),
            _ => Sender::decode_optional(reader)?,
        };
        *slot = sender.or(slot.take());
        Ok(())
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        if writer.version() > Version::V1_1 {
            value.put(Element::Sender, writer);
        }
    }
}

codec! {
    IdList {
        many user_ids: Address = UserId | User as alias,
        many contact_lists: Address = ContactList,
        many group_ids: Address = GroupId,
        many screen_names: ScreenName = ScreenName,
        many domains: Box<str> = Domain,
    }
}

codec! {
    PublicProfile {
        optional user_id: Address = UserId | User as alias,
        many properties: Property = Property,
    }
}

/// Users by address alone, without a list around them; every way to name them is read.
pub(crate) struct BareUserIds;

impl Codec for BareUserIds {
    type Slot = Vec<Address>;
    type Value = Vec<Address>;

    fn takes(element: Element) -> bool {
        names_users(element)
    }

    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        super::UserIds::take(slot, element, reader)
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        value.put(Element::UserId, writer);
    }
}
