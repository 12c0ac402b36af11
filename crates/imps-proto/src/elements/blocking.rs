//! BlockList and GrantList. CSP 12.5.
//!
//! In 1.1 and 1.2 `InUse` stands inside the list; in 1.3 it stands beside it, under a name of its own. Every version's
//! form is read in every version, in any order (CSP 18, row 9).

use crate::element::Element;
use crate::grammar::{Codec, Decode, Encode, Put, encode, next_child};
use crate::wire::{DecodeError, Reader, Writer};
use imps_types::element::{AccessList, AccessLists, EntityList, ScreenName};
use imps_types::{Address, Version};

/// AddList and RemoveList have their entities in them, or in an EntityList inside (the examples of some documents).
impl Decode for EntityList {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut list = Self::default();
        let mut inner = 0;
        loop {
            let Some(element) = next_child(reader)? else {
                if inner == 0 {
                    return Ok(list);
                }
                inner -= 1;
                continue;
            };
            match element {
                // The depth of a message is bounded by the reader.
                Element::EntityList => inner += 1,
                Element::UserId => list.user_ids.extend(Address::decode_optional(reader)?),
                Element::ScreenName => list.screen_names.extend(ScreenName::decode_optional(reader)?),
                Element::GroupId => list.group_ids.extend(Address::decode_optional(reader)?),
                Element::ContactList => list.contact_lists.extend(Address::decode_optional(reader)?),
                Element::ApplicationId => list.application_ids.extend(Box::decode_optional(reader)?),
                Element::Domain => list.domains.extend(Box::decode_optional(reader)?),
                _ => reader.skip()?,
            }
        }
    }
}

encode! {
    EntityList {
        many user_ids: Address = UserId,
        many screen_names: ScreenName = ScreenName,
        many group_ids: Address = GroupId,
        many contact_lists: Address = ContactList since V1_3,
        many application_ids: Box<str> = ApplicationId since V1_3,
        many domains: Box<str> = Domain since V1_3,
    }
}

impl AccessListForm for AccessList {
    fn read(&mut self, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        while let Some(element) = next_child(reader)? {
            let list = match element {
                Element::InUse => {
                    self.in_use = bool::decode_optional(reader)?.or(self.in_use);
                    continue;
                }
                Element::EntityList => &mut self.entities,
                Element::AddList => &mut self.add,
                Element::RemoveList => &mut self.remove,
                _ => {
                    reader.skip()?;
                    continue;
                }
            };
            let read = EntityList::decode(reader)?;
            list.get_or_insert_default().append(read);
        }
        Ok(())
    }

    fn write(&self, element: Element, in_use: Element, writer: &mut dyn Writer) {
        let newest = writer.version() >= Version::V1_3;
        let has_entities = self.entities.is_some() || self.add.is_some() || self.remove.is_some();
        if !newest || has_entities {
            writer.start(element);
            if !newest {
                self.in_use.put(Element::InUse, writer);
            }
            match &self.entities {
                Some(entities) => entities.encode(Element::EntityList, writer),
                None => {
                    self.add.put(Element::AddList, writer);
                    self.remove.put(Element::RemoveList, writer);
                }
            }
            writer.end(element);
        }
        if newest {
            self.in_use.put(in_use, writer);
        }
    }
}

/// How one of the lists is read into what is known of it, and written with its flag where the version has that.
trait AccessListForm {
    fn read(&mut self, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError>;
    fn write(&self, element: Element, in_use: Element, writer: &mut dyn Writer);
}

/// Both lists, and in 1.3 their flags.
pub(crate) struct BlockAndGrant;

impl Codec for BlockAndGrant {
    type Slot = AccessLists;
    type Value = AccessLists;

    fn takes(element: Element) -> bool {
        matches!(element, Element::BlockList | Element::BlockListInUse | Element::GrantList | Element::GrantListInUse)
    }

    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        match element {
            Element::BlockList => slot.block.get_or_insert_default().read(reader),
            Element::GrantList => slot.grant.get_or_insert_default().read(reader),
            flag => {
                let list = if flag == Element::BlockListInUse { &mut slot.block } else { &mut slot.grant };
                if let Some(in_use) = bool::decode_optional(reader)? {
                    list.get_or_insert_default().in_use = Some(in_use);
                }
                Ok(())
            }
        }
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        if let Some(block) = &value.block {
            block.write(Element::BlockList, Element::BlockListInUse, writer);
        }
        if let Some(grant) = &value.grant {
            grant.write(Element::GrantList, Element::GrantListInUse, writer);
        }
    }
}
