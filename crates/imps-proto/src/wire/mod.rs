//! Reading and writing messages, whatever their encoding. Encoding 1, CSP 3.
//!
//! A [`Reader`] is pulled for tokens that borrow from the input; a [`Writer`] is told elements and their content. Both
//! know every encoding, and nothing of what a message means.
//!
//! ```
//! use imps_proto::wire::{self, Form, Limits, Reader, Tag, Token};
//! use imps_proto::Element;
//!
//! let mut reader = wire::reader(Form::Xml, b"<Result><Code>200</Code></Result>", &Limits::default())?;
//! assert!(matches!(reader.next()?, Token::Start(start) if start.tag == Tag::Known(Element::Result)));
//! assert!(matches!(reader.next()?, Token::Start(start) if start.tag == Tag::Known(Element::Code)));
//! assert_eq!(reader.integer()?, 200);
//! assert!(matches!(reader.next()?, Token::End));
//! assert!(matches!(reader.next()?, Token::Eof));
//! # Ok::<(), imps_proto::wire::DecodeError>(())
//! ```

mod error;
mod fragment;
mod json_reader;
mod json_writer;
mod namespace;
pub mod pts;
mod text;
mod transcode;
mod wbxml_reader;
mod wbxml_writer;
mod xml_reader;
mod xml_writer;

use crate::element::Element;
use imps_types::{DateTime, Version};
use std::borrow::Cow;

pub use error::{DecodeError, DecodeErrorKind};
pub use fragment::Fragment;
pub use namespace::Namespace;
pub use pts::{PtsCodes, PtsReader, PtsWriter};
pub use text::utf8;
pub use transcode::transcode;

/// An encoding of messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// Text.
    Xml,
    /// Binary.
    Wbxml,
    /// Objects and lists, for developers.
    Json,
    /// One line of text, made for SMS.
    Pts(PtsCodes),
}

impl Form {
    /// The version of a message that does not say: JSON begins where the others end (CSP 3).
    pub fn default_version(self) -> Version {
        match self {
            Self::Xml | Self::Wbxml | Self::Pts(_) => Version::V1_2,
            Self::Json => Version::V1_3,
        }
    }
}

/// The name of an element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tag<'a> {
    /// One of the table.
    Known(Element),
    /// Somebody's own, without a prefix.
    Unknown(&'a str),
}

impl<'a> Tag<'a> {
    /// The element, if it is one of the table.
    #[inline]
    pub fn known(self) -> Option<Element> {
        match self {
            Self::Known(element) => Some(element),
            Self::Unknown(_) => None,
        }
    }

    /// As it stands in XML.
    pub fn name(self) -> &'a str {
        match self {
            Self::Known(element) => element.name(),
            Self::Unknown(name) => name,
        }
    }
}

/// The beginning of an element.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start<'a> {
    /// Its name.
    pub tag: Tag<'a>,
    /// The namespace it declares, if it does.
    pub xmlns: Option<Namespace<'a>>,
}

/// A piece of a message.
///
/// White space between the children of an element that has nothing but children is not shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Token<'a> {
    /// An element begins.
    Start(Start<'a>),
    /// Text. Several in a row belong together.
    Text(Cow<'a, str>),
    /// Opaque bytes that are a number.
    Integer(u32),
    /// Opaque bytes that are a date.
    Date(DateTime),
    /// Opaque bytes as they are.
    Opaque(&'a [u8]),
    /// The element ends that began last.
    End,
    /// The message ends. Comes again and again.
    Eof,
}

/// What is inside an element whose content is the user's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RawContent<'a> {
    /// Text, which may be base64: that is said in another element.
    Text(Cow<'a, str>),
    /// The bytes themselves. Only WBXML can carry them.
    Bytes(&'a [u8]),
}

impl RawContent<'_> {
    /// The bytes as they stand, text as UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// What a message may cost. Encoding 1.9 gives the reasons.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the message.
    pub bytes: usize,
    /// Elements inside each other. CSP needs about 15.
    pub depth: usize,
    /// Elements in all.
    pub elements: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Bytes of the string table.
    pub string_table: usize,
    /// Text in all, after references to the string table and to words are resolved.
    pub text: usize,
    /// Bytes of a message in PTS.
    pub pts_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        Self {
            bytes: 4 * MIB,
            depth: 32,
            elements: 10_000,
            attributes: 16,
            string_table: 64 << 10,
            text: 8 * MIB,
            pts_bytes: 16 << 10,
        }
    }
}

/// Yields the pieces of a message, in whichever encoding it is.
///
/// `next` is the whole encoding; the other methods are what decoders of elements need. They are called when the start of
/// an element was taken, and leave the reader behind its end, also when they fail with
/// [`DecodeErrorKind::BadValue`]. After any other error the message is lost and nothing sensible follows.
pub trait Reader<'a> {
    /// The next piece.
    fn next(&mut self) -> Result<Token<'a>, DecodeError>;

    /// The encoding that is read.
    fn form(&self) -> Form;

    /// The version of the message, known once the first start was taken: by its namespace, else by the public
    /// identifier. None: the message does not say.
    fn version(&self) -> Option<Version>;

    /// How many elements are open.
    fn depth(&self) -> usize;

    /// Where in the message the next piece begins, for errors.
    fn position(&self) -> usize;

    /// Past the end of the element that was begun last.
    fn skip(&mut self) -> Result<(), DecodeError> {
        let outside = self.depth().saturating_sub(1);
        self.unwind(outside)
    }

    /// Out to where only `depth` elements are open: past all that a failed decoder left unread.
    fn unwind(&mut self, depth: usize) -> Result<(), DecodeError> {
        while self.depth() > depth {
            if matches!(self.next()?, Token::Eof) {
                return Err(DecodeError::new(DecodeErrorKind::Truncated, self.position()));
            }
        }
        Ok(())
    }

    /// The content of an element of type String: all of its text, without white space at both ends. Elements inside
    /// are skipped.
    fn text(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        Ok(text::trimmed(self.raw_text()?))
    }

    /// All of its text as it stands. Opaque bytes count as text if they are UTF-8.
    fn raw_text(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let first = self.next()?;
        text::rest(self, first)
    }

    /// The content of an element of type Integer: decimal, or hexadecimal after `0x`.
    fn integer(&mut self) -> Result<u32, DecodeError> {
        let at = self.position();
        let bad = DecodeError::new(DecodeErrorKind::BadValue("integer"), at);
        match self.next()? {
            Token::Integer(number) => match self.next()? {
                Token::End => Ok(number),
                // A number in several pieces comes from no known peer.
                second => text::rest(self, second).and(Err(bad)),
            },
            first => text::integer(&text::trimmed(text::rest(self, first)?)).ok_or(bad),
        }
    }

    /// The content of an element of type Boolean.
    fn boolean(&mut self) -> Result<bool, DecodeError> {
        let at = self.position();
        match &*self.text()? {
            "T" | "t" => Ok(true),
            "F" | "f" => Ok(false),
            _ => Err(DecodeError::new(DecodeErrorKind::BadValue("boolean"), at)),
        }
    }

    /// The content of an element of type DateTime.
    fn date(&mut self) -> Result<DateTime, DecodeError> {
        let at = self.position();
        // Opaque dates go through their text: they are rare, and it is short.
        DateTime::parse(&self.text()?).ok_or(DecodeError::new(DecodeErrorKind::BadValue("date"), at))
    }

    /// The content of ContentData, DirectContent and their like: not trimmed, and bytes as bytes.
    fn content(&mut self) -> Result<RawContent<'a>, DecodeError> {
        match self.next()? {
            Token::Opaque(bytes) => match self.next()? {
                Token::End => Ok(RawContent::Bytes(bytes)),
                second => {
                    // Bytes and text mixed: only text can hold both.
                    let at = self.position();
                    let mut content = Cow::Borrowed(text::check(bytes, at)?);
                    text::append(&mut content, text::rest(self, second)?);
                    Ok(RawContent::Text(content))
                }
            },
            first => Ok(RawContent::Text(text::rest(self, first)?)),
        }
    }
}

/// Writes a message.
///
/// Starts and ends must pair, and text goes into elements without children; whoever writes a message sees to that.
/// Nothing can fail: characters that XML cannot carry become U+FFFD.
pub trait Writer {
    /// An element begins.
    fn start(&mut self, element: Element);

    /// An element begins that declares a namespace: WV-CSP-Message, TransactionContent, PresenceSubList.
    fn start_with_namespace(&mut self, element: Element, namespace: Namespace<'_>);

    /// An element begins that is not in the table. A name that XML cannot have becomes `Unknown`.
    fn start_unknown(&mut self, name: &str, namespace: Option<Namespace<'_>>);

    /// The element ends.
    fn end(&mut self, element: Element);

    /// The element ends that is not in the table.
    fn end_unknown(&mut self, name: &str);

    /// The content of an element, or a part of it.
    fn text(&mut self, text: &str);

    /// A number as the content of an element.
    fn integer(&mut self, number: u32);

    /// T or F.
    fn boolean(&mut self, value: bool);

    /// A date, in UTC.
    fn date(&mut self, date: DateTime);

    /// What the user sent. Text stays inline, bytes become base64: the only form that all clients read.
    fn content(&mut self, content: &RawContent<'_>);

    /// Bytes as they are, for peers that are known to read them. XML has base64 only.
    fn opaque(&mut self, bytes: &[u8]);

    /// Elements that were written before.
    fn fragment(&mut self, fragment: &Fragment);

    /// The version that is written.
    fn version(&self) -> Version;

    /// The encoding that is written.
    fn form(&self) -> Form;

    /// An element that only holds text.
    fn element_text(&mut self, element: Element, text: &str) {
        self.start(element);
        self.text(text);
        self.end(element);
    }

    /// An element that only holds a number.
    fn element_integer(&mut self, element: Element, number: u32) {
        self.start(element);
        self.integer(number);
        self.end(element);
    }

    /// An element that only holds T or F.
    fn element_boolean(&mut self, element: Element, value: bool) {
        self.start(element);
        self.boolean(value);
        self.end(element);
    }

    /// An element that only holds a date.
    fn element_date(&mut self, element: Element, date: DateTime) {
        self.start(element);
        self.date(date);
        self.end(element);
    }

    /// An element that only holds what the user sent.
    fn element_content(&mut self, element: Element, content: &RawContent<'_>) {
        self.start(element);
        self.content(content);
        self.end(element);
    }

    /// An element without content.
    fn empty(&mut self, element: Element) {
        self.start(element);
        self.end(element);
    }
}

/// A reader of any encoding. Decoders take `&mut dyn Reader`, which [`AnyReader::as_dyn`] gives without a detour.
pub enum AnyReader<'a> {
    /// Reads XML.
    Xml(XmlReader<'a>),
    /// Reads WBXML.
    Wbxml(WbxmlReader<'a>),
    /// Reads JSON.
    Json(JsonReader<'a>),
    /// Reads PTS.
    Pts(PtsReader<'a>),
}

pub use json_reader::JsonReader;
pub use json_writer::JsonWriter;
pub use wbxml_reader::WbxmlReader;
pub use wbxml_writer::WbxmlWriter;
pub use xml_reader::{XmlAttributes, XmlReader};
pub use xml_writer::XmlWriter;

/// Begins to read a message.
///
/// XML must be UTF-8: [`utf8`] makes it so.
pub fn reader<'a>(form: Form, input: &'a [u8], limits: &Limits) -> Result<AnyReader<'a>, DecodeError> {
    if input.len() > limits.bytes {
        return Err(DecodeError::new(DecodeErrorKind::TooLarge("message"), limits.bytes));
    }
    Ok(match form {
        Form::Xml => AnyReader::Xml(XmlReader::new(input, limits)?),
        Form::Wbxml => AnyReader::Wbxml(WbxmlReader::new(input, limits)?),
        Form::Json => AnyReader::Json(JsonReader::new(input, limits)),
        Form::Pts(codes) => AnyReader::Pts(PtsReader::new(codes, input, limits)?),
    })
}

impl<'a> AnyReader<'a> {
    /// The reader inside.
    pub fn as_dyn(&mut self) -> &mut dyn Reader<'a> {
        match self {
            Self::Xml(reader) => reader,
            Self::Wbxml(reader) => reader,
            Self::Json(reader) => reader,
            Self::Pts(reader) => reader,
        }
    }
}

macro_rules! delegate {
    ($self:ident, $enum:ident, $inner:ident => $call:expr) => {
        match $self {
            $enum::Xml($inner) => $call,
            $enum::Wbxml($inner) => $call,
            $enum::Json($inner) => $call,
            $enum::Pts($inner) => $call,
        }
    };
}

impl<'a> Reader<'a> for AnyReader<'a> {
    fn next(&mut self) -> Result<Token<'a>, DecodeError> {
        delegate!(self, Self, reader => reader.next())
    }

    fn form(&self) -> Form {
        delegate!(self, Self, reader => reader.form())
    }

    fn version(&self) -> Option<Version> {
        delegate!(self, Self, reader => reader.version())
    }

    fn depth(&self) -> usize {
        delegate!(self, Self, reader => reader.depth())
    }

    fn position(&self) -> usize {
        delegate!(self, Self, reader => reader.position())
    }

    fn skip(&mut self) -> Result<(), DecodeError> {
        delegate!(self, Self, reader => reader.skip())
    }

    fn raw_text(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        delegate!(self, Self, reader => reader.raw_text())
    }
}

/// A writer of any encoding. Encoders take `&mut dyn Writer`, which [`AnyWriter::as_dyn`] gives without a detour.
pub enum AnyWriter {
    /// Writes XML.
    Xml(XmlWriter),
    /// Writes WBXML.
    Wbxml(WbxmlWriter),
    /// Writes JSON.
    Json(JsonWriter),
    /// Writes PTS.
    Pts(PtsWriter),
}

/// Begins a message in `buffer`, whose former content is dropped and whose room is used.
pub fn writer(form: Form, version: Version, buffer: Vec<u8>) -> AnyWriter {
    match form {
        Form::Xml => AnyWriter::Xml(XmlWriter::new(version, buffer)),
        Form::Wbxml => AnyWriter::Wbxml(WbxmlWriter::new(version, buffer)),
        Form::Json => AnyWriter::Json(JsonWriter::new(version, buffer)),
        Form::Pts(codes) => AnyWriter::Pts(PtsWriter::new(codes, version, buffer)),
    }
}

impl AnyWriter {
    /// The writer inside.
    pub fn as_dyn(&mut self) -> &mut dyn Writer {
        match self {
            Self::Xml(writer) => writer,
            Self::Wbxml(writer) => writer,
            Self::Json(writer) => writer,
            Self::Pts(writer) => writer,
        }
    }

    /// The whole message.
    pub fn finish(self) -> Vec<u8> {
        delegate!(self, Self, writer => writer.finish())
    }
}

impl Writer for AnyWriter {
    fn start(&mut self, element: Element) {
        delegate!(self, Self, writer => writer.start(element));
    }

    fn start_with_namespace(&mut self, element: Element, namespace: Namespace<'_>) {
        delegate!(self, Self, writer => writer.start_with_namespace(element, namespace));
    }

    fn start_unknown(&mut self, name: &str, namespace: Option<Namespace<'_>>) {
        delegate!(self, Self, writer => writer.start_unknown(name, namespace));
    }

    fn end(&mut self, element: Element) {
        delegate!(self, Self, writer => writer.end(element));
    }

    fn end_unknown(&mut self, name: &str) {
        delegate!(self, Self, writer => writer.end_unknown(name));
    }

    fn text(&mut self, text: &str) {
        delegate!(self, Self, writer => writer.text(text));
    }

    fn integer(&mut self, number: u32) {
        delegate!(self, Self, writer => writer.integer(number));
    }

    fn boolean(&mut self, value: bool) {
        delegate!(self, Self, writer => writer.boolean(value));
    }

    fn date(&mut self, date: DateTime) {
        delegate!(self, Self, writer => writer.date(date));
    }

    fn content(&mut self, content: &RawContent<'_>) {
        delegate!(self, Self, writer => writer.content(content));
    }

    fn opaque(&mut self, bytes: &[u8]) {
        delegate!(self, Self, writer => writer.opaque(bytes));
    }

    fn fragment(&mut self, fragment: &Fragment) {
        delegate!(self, Self, writer => writer.fragment(fragment));
    }

    fn version(&self) -> Version {
        delegate!(self, Self, writer => writer.version())
    }

    fn form(&self) -> Form {
        delegate!(self, Self, writer => writer.form())
    }
}
