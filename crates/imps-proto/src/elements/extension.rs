//! What clients put into messages of their own making: passed on as it is, as far as there is room.
//!
//! Elements keep their names, namespaces and text; other attributes than `xmlns` have no place in the encodings of CSP.

use crate::element::Element;
use crate::grammar::{Encode, truncated};
use crate::wire::{DecodeError, Namespace, Reader, Start, Tag, Token, Writer};
use imps_types::presence::Extension;

/// The next child, known or not; `None` when the parent has ended. Text between children says nothing.
pub(crate) fn next_start<'a>(reader: &mut dyn Reader<'a>) -> Result<Option<Start<'a>>, DecodeError> {
    loop {
        match reader.next()? {
            Token::Start(start) => return Ok(Some(start)),
            Token::End => return Ok(None),
            Token::Eof => return Err(truncated(reader)),
            Token::Text(_) | Token::Integer(_) | Token::Date(_) | Token::Opaque(_) => {}
        }
    }
}

/// What extensions may take, those beside each other together.
pub(super) struct Room {
    elements: usize,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { elements: Extension::ELEMENTS_MAX, bytes: Extension::BYTES_MAX }
    }
}

impl Room {
    fn take(&mut self, elements: usize, bytes: usize) -> bool {
        match (self.elements.checked_sub(elements), self.bytes.checked_sub(bytes)) {
            (Some(elements), Some(bytes)) => {
                *self = Self { elements, bytes };
                true
            }
            _ => false,
        }
    }
}

/// Reads an element of somebody's own, through its end. `None` when there is no room for it, or it has what cannot be
/// passed on: elements of other places of the protocol, and bytes that are no text.
pub(super) fn decode_extension<'a>(
    start: Start<'a>,
    room: &mut Room,
    reader: &mut dyn Reader<'a>,
) -> Result<Option<Extension>, DecodeError> {
    let outside = reader.depth().saturating_sub(1);
    let is_foreign = !matches!(start.tag, Tag::Known(element) if element != Element::ExtendedData);
    let extension = if is_foreign { foreign(start, Extension::DEPTH_MAX, room, reader)? } else { None };
    // Whatever stopped it: the next sibling comes next.
    reader.unwind(outside)?;
    Ok(extension)
}

fn foreign<'a>(
    start: Start<'a>,
    depth: usize,
    room: &mut Room,
    reader: &mut dyn Reader<'a>,
) -> Result<Option<Extension>, DecodeError> {
    let namespace: Option<Box<str>> = start.xmlns.map(|namespace| namespace.to_string().into());
    let (name, declared) = (start.tag.name(), namespace.as_deref().map_or(0, str::len));
    let is_short = name.len() <= Extension::NAME_MAX && declared <= Extension::NAME_MAX;
    if depth == 0 || !is_short || !room.take(1, name.len() + declared) {
        return Ok(None);
    }
    let mut text = String::new();
    let mut children = Vec::new();
    loop {
        match reader.next()? {
            Token::Start(start) => match foreign(start, depth - 1, room, reader)? {
                Some(child) => children.push(child),
                None => return Ok(None),
            },
            Token::Text(more) => text.push_str(&more),
            Token::Integer(number) => text.push_str(&number.to_string()),
            Token::Date(date) => text.push_str(&date.to_string()),
            Token::Opaque(bytes) => match std::str::from_utf8(bytes) {
                Ok(more) => text.push_str(more),
                Err(_) => return Ok(None),
            },
            Token::End => break,
            Token::Eof => return Err(truncated(reader)),
        }
        if text.len() > Extension::BYTES_MAX {
            return Ok(None);
        }
    }
    // Beside children, text is the white space between them.
    let text: Box<str> = if children.is_empty() { text.trim().into() } else { "".into() };
    if !room.take(0, text.len()) {
        return Ok(None);
    }
    Ok(Some(Extension { name: name.into(), namespace, text, children }))
}

pub(super) fn encode_extension(one: &Extension, writer: &mut dyn Writer) {
    let namespace = one.namespace.as_deref().map(Namespace::new);
    writer.start_unknown(&one.name, namespace);
    if one.children.is_empty() {
        writer.text(&one.text);
    }
    one.children.iter().for_each(|child| encode_extension(child, writer));
    writer.end_unknown(&one.name);
}

/// ExtBlock and ExtBlockETEM that are kept of one message.
const BLOCKS_MAX: usize = 4;

/// Reads an ExtBlock or ExtBlockETEM whose start was taken, through its end. One that is too large is left out.
pub(crate) fn decode_block<'a>(
    start: Start<'a>,
    blocks: &mut Vec<Extension>,
    reader: &mut dyn Reader<'a>,
) -> Result<(), DecodeError> {
    let outside = reader.depth().saturating_sub(1);
    if blocks.len() < BLOCKS_MAX {
        // The block itself is no level of the client's own.
        blocks.extend(foreign(start, Extension::DEPTH_MAX + 1, &mut Room::default(), reader)?);
    }
    reader.unwind(outside)
}

/// Writes blocks as this element.
pub(crate) fn encode_blocks(blocks: &[Extension], element: Element, writer: &mut dyn Writer) {
    for block in blocks {
        match block.namespace.as_deref() {
            Some(namespace) => writer.start_with_namespace(element, Namespace::new(namespace)),
            None => writer.start(element),
        }
        if block.children.is_empty() {
            block.text.encode_content(element, writer);
        }
        block.children.iter().for_each(|child| encode_extension(child, writer));
        writer.end(element);
    }
}
