//! MessageInfo, and the content that belongs to it. CSP 2, 12; Encoding 1.5.
//!
//! On the wire, ContentEncoding stands inside MessageInfo and ContentData beside it, in any order; so [`Message`] is
//! read as a whole and its content converted at the end. Inside the server content is always the decoded octets.

use super::extension::{decode_block, encode_blocks, next_start};
use crate::element::Element;
use crate::grammar::{Codec, Decode, Encode, Put, bad_value, codec, items, missing};
use crate::wire::{DecodeError, RawContent, Reader, Writer};
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use imps_types::Version;
use imps_types::element::{Content, ContentEncoding, Font, MessageInfo, Recipient};
use std::borrow::Cow;

/// Padding is written, but may be missing in what comes, and so may the bits after the end be anything.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The octets that BASE64 text stands for; `None` if it is none. Line breaks inside are no part of it.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text: Cow<'_, str> = if text.contains(char::is_whitespace) {
        Cow::Owned(text.split_whitespace().collect())
    } else {
        Cow::Borrowed(text)
    };
    BASE64.decode(text.as_bytes()).ok()
}

/// Octets as BASE64 text.
pub fn encode_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

codec! {
    Font {
        optional size: Box<str> = Size,
        many styles: Box<str> = Style,
        optional color: Box<str> = Color,
    }
}

/// By hand, since the namespace of a block stands in its start.
impl Decode for MessageInfo {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut info = Self::default();
        while let Some(start) = next_start(reader)? {
            let Some(element) = start.tag.known() else {
                reader.skip()?;
                continue;
            };
            match element {
                Element::MessageId => take(&mut info.message_id, reader)?,
                Element::MessageUri => take(&mut info.message_uri, reader)?,
                Element::ContentType => take(&mut info.content_type, reader)?,
                Element::ContentEncoding => take(&mut info.content_encoding, reader)?,
                Element::ContentSize => info.content_size = u32::decode_optional(reader)?.unwrap_or_default(),
                Element::ContentName => take(&mut info.content_name, reader)?,
                Element::Recipient => info.recipient = Recipient::decode(reader)?,
                Element::Sender => take(&mut info.sender, reader)?,
                Element::DateTime => take(&mut info.date_time, reader)?,
                Element::Font => take(&mut info.font, reader)?,
                Element::Validity => take(&mut info.validity, reader)?,
                Element::ExtBlockEtem => decode_block(start, &mut info.ext_blocks, reader)?,
                _ => reader.skip()?,
            }
        }
        Ok(info)
    }
}

/// Reads a child into its field; one that says nothing leaves it as it was.
fn take<T: Decode>(field: &mut Option<T>, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
    if let Some(value) = T::decode_optional(reader)? {
        *field = Some(value);
    }
    Ok(())
}

impl Encode for MessageInfo {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        put_info(self, self.content_encoding, self.content_size, writer);
    }
}

/// The children of MessageInfo, with the encoding and the size that its content has in this message.
fn put_info(info: &MessageInfo, encoding: Option<ContentEncoding>, size: u32, writer: &mut dyn Writer) {
    let newest = writer.version() >= Version::V1_3;
    info.message_id.put(Element::MessageId, writer);
    info.message_uri.put(Element::MessageUri, writer);
    info.content_type.put(Element::ContentType, writer);
    encoding.put(Element::ContentEncoding, writer);
    size.encode(Element::ContentSize, writer);
    if newest {
        info.content_name.put(Element::ContentName, writer);
    }
    if !info.recipient.is_empty() {
        info.recipient.encode(Element::Recipient, writer);
    }
    info.sender.put(Element::Sender, writer);
    info.date_time.put(Element::DateTime, writer);
    if newest {
        info.font.put(Element::Font, writer);
    }
    info.validity.put(Element::Validity, writer);
    if newest {
        encode_blocks(&info.ext_blocks, Element::ExtBlockEtem, writer);
    }
}

/// MessageInfo and ContentData: what SendMessage, NewMessage and GetMessage carry.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Message {
    /// What is known of it. With a content, its size and encoding are those of that content, whatever the sender wrote.
    pub info: MessageInfo,
    /// Its content: the decoded octets.
    pub content: Option<Content>,
}

/// Writes a message whose parts lie somewhere else.
pub(crate) fn put_message(info: &MessageInfo, content: Option<&Content>, writer: &mut dyn Writer) {
    let Some(content) = content else {
        return info.encode(Element::MessageInfo, writer);
    };
    let encoding = if content.binary { Some(ContentEncoding::Base64) } else { text_encoding(info) };
    writer.start(Element::MessageInfo);
    put_info(info, encoding, length(content), writer);
    writer.end(Element::MessageInfo);
    content.encode(Element::ContentData, writer);
}

/// A message of which not everything was read yet.
#[derive(Clone, Debug, Default)]
pub struct MessageSlot {
    info: Option<MessageInfo>,
    content: Option<Content>,
}

impl Codec for Message {
    type Slot = MessageSlot;
    type Value = Self;

    fn takes(element: Element) -> bool {
        matches!(element, Element::MessageInfo | Element::ContentData)
    }

    fn take(slot: &mut MessageSlot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        if element == Element::MessageInfo {
            slot.info = Some(MessageInfo::decode(reader)?);
        } else {
            slot.content = Some(Content::decode(reader)?);
        }
        Ok(())
    }

    fn finish(slot: MessageSlot, at: usize) -> Result<Self, DecodeError> {
        let mut info = slot.info.ok_or(missing(Element::MessageInfo, at))?;
        let Some(mut content) = slot.content else { return Ok(Self { info, content: None }) };
        let size = usize::try_from(info.content_size).unwrap_or(usize::MAX);
        settle(&mut content, info.content_encoding, size, info.content_type.as_deref(), at)?;
        info.content_size = length(&content);
        info.content_encoding = if content.binary { Some(ContentEncoding::Base64) } else { text_encoding(&info) };
        Ok(Self { info, content: Some(content) })
    }

    fn put(value: &Self, writer: &mut dyn Writer) {
        put_message(&value.info, value.content.as_ref(), writer);
    }
}

/// What is said of content that stands as it is: `None`, if anything.
fn text_encoding(info: &MessageInfo) -> Option<ContentEncoding> {
    info.content_encoding.map(|_| ContentEncoding::None)
}

fn length(content: &Content) -> u32 {
    u32::try_from(content.data.len()).unwrap_or(u32::MAX)
}

/// ContentData as it stands: whether it is BASE64 text is said elsewhere. `binary` where it came as octets.
impl Decode for Content {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let raw = reader.content()?;
        let binary = matches!(raw, RawContent::Bytes(_));
        let data = match raw {
            RawContent::Text(Cow::Owned(text)) => Bytes::from(text),
            other => Bytes::copy_from_slice(other.as_bytes()),
        };
        Ok(Self { data, binary })
    }
}

impl Encode for Content {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        match std::str::from_utf8(&self.data) {
            Ok(text) if !self.binary => writer.content(&RawContent::Text(Cow::Borrowed(text))),
            _ => writer.content(&RawContent::Bytes(&self.data)),
        }
    }
}

/// Turns content as it stood on the wire into the octets that were meant (Encoding 1.5, "Binary").
fn settle(
    content: &mut Content,
    encoding: Option<ContentEncoding>,
    size: usize,
    content_type: Option<&str>,
    at: usize,
) -> Result<(), DecodeError> {
    let is_base64 = encoding == Some(ContentEncoding::Base64);
    if !content.binary {
        if is_base64 {
            let text = std::str::from_utf8(&content.data).unwrap_or_default();
            content.data = decode_base64(text).ok_or(bad_value("ContentData in BASE64", at))?.into();
            content.binary = true;
        }
        return Ok(());
    }
    // Octets that are labelled BASE64 are the content itself, unless their number says that they are its BASE64.
    if is_base64 && content.data.len() != size {
        let decoded = std::str::from_utf8(&content.data).ok().and_then(decode_base64);
        if let Some(decoded) = decoded.filter(|decoded| decoded.len() == size) {
            content.data = decoded.into();
        }
    }
    content.binary = is_base64 || !is_plain_text(&content.data, content_type);
    Ok(())
}

/// Whether octets are text that can stand in XML, and are meant to be text.
pub(crate) fn is_plain_text(data: &[u8], content_type: Option<&str>) -> bool {
    let is_text_type = content_type.is_none_or(|kind| kind.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("text/")));
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    is_text_type && std::str::from_utf8(data).is_ok_and(|text| text.chars().all(allowed))
}

/// ContentType, ContentEncoding, ContentSize and ContentData beside each other: Logo, Map, WelcomeNote.
pub(crate) struct ContentField;

/// What was read of a [`ContentField`].
#[derive(Default)]
pub(crate) struct ContentSlot {
    content_type: Option<Box<str>>,
    encoding: Option<ContentEncoding>,
    size: u32,
    content: Option<Content>,
}

impl Codec for ContentField {
    type Slot = ContentSlot;
    /// The type, and the octets.
    type Value = (Box<str>, Content);

    fn takes(element: Element) -> bool {
        matches!(element, Element::ContentType | Element::ContentEncoding | Element::ContentSize | Element::ContentData)
    }

    fn take(slot: &mut ContentSlot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        match element {
            Element::ContentType => slot.content_type = Some(Box::decode(reader)?),
            Element::ContentEncoding => slot.encoding = ContentEncoding::decode_optional(reader)?,
            Element::ContentSize => slot.size = u32::decode_optional(reader)?.unwrap_or_default(),
            _ => slot.content = Some(Content::decode(reader)?),
        }
        Ok(())
    }

    fn finish(slot: ContentSlot, at: usize) -> Result<Self::Value, DecodeError> {
        let mut content = slot.content.unwrap_or_default();
        let size = usize::try_from(slot.size).unwrap_or(usize::MAX);
        settle(&mut content, slot.encoding, size, slot.content_type.as_deref(), at)?;
        Ok((slot.content_type.unwrap_or_default(), content))
    }

    fn put((content_type, content): &Self::Value, writer: &mut dyn Writer) {
        content_type.encode(Element::ContentType, writer);
        length(content).encode(Element::ContentSize, writer);
        let encoding = if content.binary { ContentEncoding::Base64 } else { ContentEncoding::None };
        encoding.encode(Element::ContentEncoding, writer);
        content.encode(Element::ContentData, writer);
    }
}

/// The same without ContentSize: Map, WelcomeNote.
pub(crate) struct SizelessContent;

impl Codec for SizelessContent {
    type Slot = ContentSlot;
    type Value = (Box<str>, Content);

    fn takes(element: Element) -> bool {
        ContentField::takes(element)
    }

    fn take(slot: &mut ContentSlot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        ContentField::take(slot, element, reader)
    }

    fn finish(slot: ContentSlot, at: usize) -> Result<Self::Value, DecodeError> {
        ContentField::finish(slot, at)
    }

    fn put((content_type, content): &Self::Value, writer: &mut dyn Writer) {
        content_type.encode(Element::ContentType, writer);
        if content.binary {
            ContentEncoding::Base64.encode(Element::ContentEncoding, writer);
        }
        content.encode(Element::ContentData, writer);
    }
}

/// Messages without their content: MessageInfo each in 1.1 and 1.2, inside MessageInfoList in 1.3.
pub(crate) struct MessageInfos;

impl Codec for MessageInfos {
    type Slot = Vec<MessageInfo>;
    type Value = Vec<MessageInfo>;

    fn takes(element: Element) -> bool {
        matches!(element, Element::MessageInfo | Element::MessageInfoList)
    }

    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        if element == Element::MessageInfo {
            slot.push(MessageInfo::decode(reader)?);
            return Ok(());
        }
        items(reader, slot, |element| element == Element::MessageInfo)
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        if writer.version() < Version::V1_3 {
            value.put(Element::MessageInfo, writer);
        } else if !value.is_empty() {
            writer.start(Element::MessageInfoList);
            value.put(Element::MessageInfo, writer);
            writer.end(Element::MessageInfoList);
        }
    }
}
