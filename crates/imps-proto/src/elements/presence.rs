//! PresenceSubList and Presence: attributes with or without their values. CSP 10, 11.
//!
//! All is read from and written by the attribute table: fields come out in its order, and what a version does not have is
//! left out. What is in no table is kept as it is, as far as there is room ([`Extension`]), and passed on.

use super::extension::{Room, decode_extension, encode_extension, next_start};
use crate::element::{Element, Kind, Space};
use crate::elements::encode_base64;
use crate::grammar::{Decode, Encode, Put, codec, next_child};
use crate::wire::{DecodeError, Namespace, RawContent, Reader, Tag, Writer};
use imps_types::presence::{
    ATTRIBUTES, Attribute, Extension, Field, FieldKind, FieldRow, FieldValue, PresenceAttribute, PresenceInfo,
    PresenceSubList,
};
use imps_types::{Address, ClientId, Version};
use std::sync::LazyLock;

/// Both ways between elements and attributes or fields: they have the same names.
struct Names {
    attributes: Vec<Option<Attribute>>,
    fields: Vec<Option<Field>>,
    attribute_elements: Vec<Element>,
    field_elements: Vec<Element>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names {
        attributes: vec![None; Element::ALL.len()],
        fields: vec![None; Element::ALL.len()],
        attribute_elements: Vec::new(),
        field_elements: Vec::new(),
    };
    // A test holds the names against each other; these elements stand in for those that do not exist.
    for row in ATTRIBUTES {
        let element = Element::by_name(row.name, Space::Pa).unwrap_or(Element::PresenceSubList);
        if let Some(place) = names.attributes.get_mut(element as usize) {
            *place = Some(row.attribute);
        }
        names.attribute_elements.push(element);
    }
    for &field in Field::ALL {
        let element = Element::by_name(field.name(), Space::Pa).unwrap_or(Element::PresenceValue);
        if let Some(place) = names.fields.get_mut(element as usize) {
            *place = Some(field);
        }
        names.field_elements.push(element);
    }
    // The state of a contact has the name of a primitive.
    if let Some(place) = names.fields.get_mut(Element::Status as usize) {
        *place = Some(Field::Status);
    }
    names
});

fn attribute_of(element: Element) -> Option<Attribute> {
    NAMES.attributes.get(element as usize).copied().flatten()
}

fn field_of(element: Element) -> Option<Field> {
    NAMES.fields.get(element as usize).copied().flatten()
}

fn element_of_attribute(attribute: Attribute) -> Element {
    NAMES.attribute_elements.get(attribute as usize).copied().unwrap_or(Element::PresenceSubList)
}

fn element_of_field(field: Field) -> Element {
    NAMES.field_elements.get(field as usize).copied().unwrap_or(Element::PresenceValue)
}

codec! {
    PresenceInfo {
        optional user_id: Address = UserId | User as alias,
        optional user_notify: bool = UserNotify since V1_3,
        optional contact_list: Address = ContactList,
        optional contact_list_notify: bool = ContactListNotify since V1_3,
        many lists: PresenceSubList = PresenceSubList,
    }
}

impl Decode for PresenceSubList {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut list = Self::default();
        let mut room = Room::default();
        while let Some(start) = next_start(reader)? {
            match start.tag.known().and_then(attribute_of) {
                Some(attribute) => list.attributes.push(decode_attribute(attribute, reader)?),
                None => list.extensions.extend(decode_extension(start, &mut room, reader)?),
            }
        }
        if !list.attributes.is_sorted_by_key(|one| one.attribute) {
            list.sort();
        }
        Ok(list)
    }
}

fn decode_attribute(attribute: Attribute, reader: &mut dyn Reader<'_>) -> Result<PresenceAttribute, DecodeError> {
    let mut one = PresenceAttribute::name_only(attribute);
    let mut room = Room::default();
    let rows = attribute.row().fields;
    while let Some(start) = next_start(reader)? {
        match start.tag {
            Tag::Known(Element::Qualifier) => one.qualifier = bool::decode_optional(reader)?,
            Tag::Known(Element::ClientId) => one.client_id = Some(ClientId::decode(reader)?),
            Tag::Known(element) if element != Element::ExtendedData => {
                decode_field(rows, element, &mut one.fields, reader)?;
            }
            _ => one.extensions.extend(decode_extension(start, &mut room, reader)?),
        }
    }
    in_order(rows, &mut one.fields);
    Ok(one)
}

fn decode_field(
    rows: &[FieldRow],
    element: Element,
    fields: &mut Vec<(Field, FieldValue)>,
    reader: &mut dyn Reader<'_>,
) -> Result<(), DecodeError> {
    let row_of = |field: Field| rows.iter().find(|row| row.field == field);
    let row = match field_of(element) {
        // The state of a contact has one name in CommC and another in AddrPref; either is understood in both.
        Some(field @ (Field::Status | Field::Cstatus)) => {
            row_of(field).or_else(|| row_of(Field::Status)).or_else(|| row_of(Field::Cstatus))
        }
        field => field.and_then(row_of),
    };
    let Some(row) = row else { return reader.skip() };
    let value = match row.kind {
        FieldKind::Struct { fields: inner_rows, .. } => {
            let mut inner = Vec::new();
            while let Some(element) = next_child(reader)? {
                decode_field(inner_rows, element, &mut inner, reader)?;
            }
            in_order(inner_rows, &mut inner);
            FieldValue::Struct(inner)
        }
        FieldKind::Binary => FieldValue::Text(match reader.content()? {
            RawContent::Text(text) => text.trim().into(),
            RawContent::Bytes(bytes) => encode_base64(bytes).into(),
        }),
        _ => FieldValue::Text(reader.text()?.into()),
    };
    fields.push((row.field, value));
    Ok(())
}

/// Puts fields into the order of the table; they nearly always are.
fn in_order(rows: &[FieldRow], fields: &mut [(Field, FieldValue)]) {
    let place = |(field, _): &(Field, FieldValue)| rows.iter().position(|row| row.field == *field);
    if fields.len() > 1 && !fields.is_sorted_by_key(place) {
        fields.sort_by_key(place);
    }
}

/// Extensions came with 1.2, and so they go to no older receiver.
fn encode_extensions(extensions: &[Extension], writer: &mut dyn Writer) {
    if writer.version() > Version::V1_1 {
        extensions.iter().for_each(|one| encode_extension(one, writer));
    }
}

impl Encode for PresenceSubList {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        let version = writer.version();
        let mut last = None;
        for one in &self.attributes {
            // Client status comes once for each client in 1.3, and once in all before.
            let repeated = version < Version::V1_3 && last == Some(one.attribute);
            if one.attribute.row().since > version || repeated {
                continue;
            }
            last = Some(one.attribute);
            encode_attribute(one, writer);
        }
        encode_extensions(&self.extensions, writer);
    }

    fn encode(&self, element: Element, writer: &mut dyn Writer) {
        writer.start_with_namespace(element, Namespace::of(Space::Pa, writer.version()));
        self.encode_content(element, writer);
        writer.end(element);
    }
}

fn encode_attribute(one: &PresenceAttribute, writer: &mut dyn Writer) {
    let element = element_of_attribute(one.attribute);
    writer.start(element);
    one.qualifier.put(Element::Qualifier, writer);
    encode_fields(one.attribute.row().fields, &one.fields, writer);
    encode_extensions(&one.extensions, writer);
    if writer.version() >= Version::V1_3 {
        one.client_id.put(Element::ClientId, writer);
    }
    writer.end(element);
}

fn encode_fields(rows: &[FieldRow], fields: &[(Field, FieldValue)], writer: &mut dyn Writer) {
    let version = writer.version();
    for row in rows.iter().filter(|row| row.since <= version) {
        for (_, value) in fields.iter().filter(|(field, _)| *field == row.field) {
            let element = element_of_field(row.field);
            writer.start(element);
            match (value, row.kind) {
                (FieldValue::Struct(inner), FieldKind::Struct { fields: inner_rows, .. }) => {
                    encode_fields(inner_rows, inner, writer);
                }
                (FieldValue::Text(text), _) => encode_text(element, text, writer),
                (FieldValue::Struct(_), _) => {}
            }
            writer.end(element);
        }
    }
}

/// Text in the form that its element has: a number may be opaque bytes, a flag a token.
fn encode_text(element: Element, text: &str, writer: &mut dyn Writer) {
    let plain_number = || !text.starts_with('+') && (text == "0" || !text.starts_with('0'));
    match (element.kind(), text) {
        (Kind::Boolean, "T") => writer.boolean(true),
        (Kind::Boolean, "F") => writer.boolean(false),
        (Kind::Integer, _) => match text.parse() {
            Ok(number) if plain_number() => writer.integer(number),
            _ => writer.text(text),
        },
        _ => writer.text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_and_field_is_an_element() {
        for row in ATTRIBUTES {
            let element = element_of_attribute(row.attribute);
            assert_eq!(element.name(), row.name);
            assert_eq!(attribute_of(element), Some(row.attribute));
        }
        for &field in Field::ALL {
            let element = element_of_field(field);
            assert_eq!(element.name(), field.name());
            assert_eq!(field_of(element), Some(field));
        }
    }
}
