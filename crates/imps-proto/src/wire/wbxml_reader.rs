//! WBXML to tokens. Encoding 1.1 to 1.6 and 1.9.
//!
//! What might surprise: the tag page is a property of the byte stream and stays in force when an element ends; the same
//! opaque bytes are a number, a date or content by the element they stand in; and the tables are those of the version
//! that the namespace of the root names, whatever the header says.

use super::namespace::{self, Namespace};
use super::{DecodeError, DecodeErrorKind, Form, Limits, Reader, Start, Tag, Token, text};
use crate::element::{Element, Kind, Space};
use crate::values;
use imps_types::{DateTime, Version};
use std::borrow::Cow;

const SWITCH_PAGE: u8 = 0x00;
const END: u8 = 0x01;
const ENTITY: u8 = 0x02;
const STR_I: u8 = 0x03;
const LITERAL: u8 = 0x04;
const EXT_T_0: u8 = 0x80;
const STR_T: u8 = 0x83;
const OPAQUE: u8 = 0xC3;

const HAS_CONTENT: u8 = 0x40;
const HAS_ATTRIBUTES: u8 = 0x80;
const TOKEN: u8 = 0x3F;

/// The root of CSP 1.0, whose numbers are others throughout.
const ROOT_OF_1_0: u8 = 0x3E;
/// What is longer is no name that we accept.
const LONGEST_LITERAL: usize = 128;

/// Reads WBXML.
pub struct WbxmlReader<'a> {
    input: &'a [u8],
    at: usize,
    table: &'a [u8],
    /// Whose tables are in use.
    tables: Version,
    /// What the message says its version is.
    version: Option<Version>,
    page: u8,
    /// The elements that are open; None for one that is not in the table.
    open: Vec<Option<Element>>,
    /// An element without content has begun, and ends next.
    ends: bool,
    is_over: bool,
    elements_left: usize,
    text_left: usize,
    depth: usize,
    attributes: usize,
}

impl<'a> WbxmlReader<'a> {
    /// Reads the header.
    pub fn new(input: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        let mut reader = Self {
            input,
            at: 0,
            table: &[],
            tables: Version::V1_2,
            version: None,
            page: 0,
            open: Vec::with_capacity(16),
            ends: false,
            is_over: false,
            elements_left: limits.elements,
            text_left: limits.text,
            depth: limits.depth,
            attributes: limits.attributes,
        };
        reader.header(limits)?;
        Ok(reader)
    }

    fn header(&mut self, limits: &Limits) -> Result<(), DecodeError> {
        let wbxml = self.byte()?;
        if wbxml > 0x03 {
            return Err(self.malformed("WBXML version"));
        }
        let public_id = self.number()?;
        let literal = if public_id == 0 { Some(self.number()?) } else { None };
        // WBXML 1.0 did not say its character set. 3 is US-ASCII, 106 UTF-8, 0 what the transport says: always UTF-8.
        if wbxml > 0 && !matches!(self.number()?, 0 | 3 | 106) {
            return Err(self.fail(DecodeErrorKind::BadText("unsupported character set")));
        }
        let length = self.length()?;
        if length > limits.string_table {
            return Err(self.fail(DecodeErrorKind::TooLarge("string table")));
        }
        self.table = self.take(length)?;
        self.version = match literal {
            None => self.version_of(public_id)?,
            Some(offset) => match self.table_bytes(offset)? {
                b"-//WIRELESSVILLAGE//DTD CSP 1.1//EN" | b"-//OMA//DTD WV-CSP 1.1//EN" => Some(Version::V1_1),
                b"-//OMA//DTD WV-CSP 1.2//EN" | b"-//OMA//DTD IMPS-CSP 1.2//EN" => Some(Version::V1_2),
                b"-//OMA//DTD IMPS-CSP 1.3//EN" => Some(Version::V1_3),
                b"-//WIRELESSVILLAGE//DTD CSP 1.0//EN" => return Err(self.fail(DecodeErrorKind::UnsupportedVersion)),
                _ => return Err(self.malformed("public identifier")),
            },
        };
        self.tables = self.version.unwrap_or(Version::V1_2);
        Ok(())
    }

    fn version_of(&self, public_id: u32) -> Result<Option<Version>, DecodeError> {
        match public_id {
            0x01 => Ok(None),
            0x0F => Err(self.fail(DecodeErrorKind::UnsupportedVersion)),
            0x10 => Ok(Some(Version::V1_1)),
            0x11 => Ok(Some(Version::V1_2)),
            0x12 => Ok(Some(Version::V1_3)),
            _ => Err(self.malformed("public identifier")),
        }
    }

    #[cold]
    fn fail(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind, self.at)
    }

    #[cold]
    fn malformed(&self, what: &'static str) -> DecodeError {
        self.fail(DecodeErrorKind::Malformed(what))
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = self.input.get(self.at).copied().ok_or_else(|| self.fail(DecodeErrorKind::Truncated))?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(length);
        let bytes = end.and_then(|end| self.input.get(self.at..end));
        let bytes = bytes.ok_or_else(|| self.fail(DecodeErrorKind::Truncated))?;
        self.at += length;
        Ok(bytes)
    }

    /// An mb_u_int32: groups of seven bits, at most five bytes and 32 bits.
    #[inline]
    fn number(&mut self) -> Result<u32, DecodeError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u32::from(first));
        }
        let mut value = u64::from(first & 0x7F);
        for _ in 0..4 {
            let byte = self.byte()?;
            value = value << 7 | u64::from(byte & 0x7F);
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| self.malformed("number of more than 32 bits"));
            }
        }
        Err(self.malformed("number of more than five bytes"))
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        let length = self.number()?;
        usize::try_from(length).map_err(|_| self.fail(DecodeErrorKind::Truncated))
    }

    /// The entry of the string table that begins at `offset`, which may be in the middle of another.
    fn table_bytes(&self, offset: u32) -> Result<&'a [u8], DecodeError> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.table.get(offset..)).filter(|r| !r.is_empty());
        let rest = rest.ok_or_else(|| self.malformed("reference outside the string table"))?;
        let end = memchr::memchr(0, rest).unwrap_or(rest.len());
        Ok(rest.get(..end).unwrap_or_default())
    }

    /// The name at `offset` of the string table, as far as names go.
    fn table_name(&self, offset: u32) -> Result<&'a str, DecodeError> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.table.get(offset..)).filter(|r| !r.is_empty());
        let rest = rest.ok_or_else(|| self.malformed("reference outside the string table"))?;
        // Only so far: thousands of references to one long entry must not be searched to its end each time.
        let rest = rest.get(..LONGEST_LITERAL).unwrap_or(rest);
        let end = memchr::memchr(0, rest).unwrap_or(rest.len());
        let name = rest.get(..end).and_then(|name| std::str::from_utf8(name).ok()).map(text::local_name);
        name.filter(|name| text::is_name(name)).ok_or_else(|| self.malformed("literal that is no name"))
    }

    /// One piece of text whose token is `token`, or None for a token that is none of text.
    #[inline]
    fn piece(&mut self, token: u8) -> Result<Option<Cow<'a, str>>, DecodeError> {
        let piece = match token {
            STR_I => {
                let start = self.at;
                let rest = self.input.get(start..).unwrap_or_default();
                let length = memchr::memchr(0, rest).ok_or_else(|| self.fail(DecodeErrorKind::Truncated))?;
                let text = text::check(rest.get(..length).unwrap_or_default(), start)?;
                self.at = start + length + 1;
                Cow::Borrowed(text)
            }
            STR_T => {
                let offset = self.number()?;
                Cow::Borrowed(text::check(self.table_bytes(offset)?, self.at)?)
            }
            EXT_T_0 => {
                let token = self.number()?;
                let (element, parent) = match self.open.as_slice() {
                    [.., parent, element] => (*element, *parent),
                    [element] => (*element, None),
                    [] => (None, None),
                };
                let word = values::word(token, self.tables, element, parent);
                Cow::Borrowed(word.ok_or_else(|| self.malformed("unknown value token"))?)
            }
            ENTITY => {
                let character = text::character(self.number()?);
                Cow::Owned(character.ok_or_else(|| self.malformed("entity that is no character"))?.to_string())
            }
            _ => return Ok(None),
        };
        let left = self.text_left.checked_sub(piece.len());
        self.text_left = left.ok_or_else(|| self.fail(DecodeErrorKind::TooLarge("text")))?;
        Ok(Some(piece))
    }

    /// The element that begins with the byte `tag`.
    fn element(&mut self, tag: u8) -> Result<Token<'a>, DecodeError> {
        if self.open.len() >= self.depth {
            return Err(self.fail(DecodeErrorKind::TooDeep));
        }
        let left = self.elements_left.checked_sub(1);
        self.elements_left = left.ok_or_else(|| self.fail(DecodeErrorKind::TooManyElements))?;

        let is_root = self.open.is_empty();
        let token = tag & TOKEN;
        if is_root && (self.page, token) == (0, ROOT_OF_1_0) {
            return Err(self.fail(DecodeErrorKind::UnsupportedVersion));
        }
        let within = self.open.last().and_then(|parent| parent.map(Element::space)).unwrap_or(Space::Trc);
        let mut name = match token {
            LITERAL => {
                let offset = self.number()?;
                let name = self.table_name(offset)?;
                match Element::by_name(name, within) {
                    Some(element) => Tag::Known(element),
                    None => Tag::Unknown(name),
                }
            }
            0..LITERAL => return Err(self.malformed("token where an element should be")),
            _ => match Element::by_token(self.tables, self.page, token) {
                Some(element) => Tag::Known(element.within(within)),
                None => return Err(self.malformed("unknown element token")),
            },
        };
        let xmlns = if tag & HAS_ATTRIBUTES == 0 { None } else { self.attributes()? };
        if is_root && let Some(namespace) = xmlns.as_ref().filter(|namespace| namespace.space() == Some(Space::Csp)) {
            let version = namespace.version().ok_or_else(|| self.fail(DecodeErrorKind::UnsupportedVersion))?;
            self.version = Some(version);
            self.tables = version;
        }
        if let Tag::Known(element) = name {
            name = Tag::Known(element.in_version(self.tables));
        }
        self.open.push(name.known());
        self.ends = tag & HAS_CONTENT == 0;
        Ok(Token::Start(Start { tag: name, xmlns }))
    }

    /// The attributes of an element, of which only its namespace matters.
    fn attributes(&mut self) -> Result<Option<Namespace<'a>>, DecodeError> {
        let mut xmlns = None;
        let mut count = 0;
        loop {
            let token = self.byte()?;
            let (is_xmlns, prefix) = match token {
                END if count == 0 => return Err(self.malformed("attribute bit without attributes")),
                END => return Ok(xmlns),
                SWITCH_PAGE => {
                    if self.byte()? != 0 {
                        return Err(self.malformed("attribute page"));
                    }
                    continue;
                }
                LITERAL => {
                    let offset = self.number()?;
                    (self.table_bytes(offset)? == b"xmlns", "")
                }
                _ => match namespace::prefix_of(token) {
                    Some(prefix) => (true, prefix),
                    None => return Err(self.malformed("unknown attribute token")),
                },
            };
            count += 1;
            if count > self.attributes {
                return Err(self.fail(DecodeErrorKind::TooLarge("attributes")));
            }
            let value = self.attribute_value()?;
            if is_xmlns {
                xmlns = Some(Namespace::from_pieces(prefix, value));
            }
        }
    }

    fn attribute_value(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let mut value = Cow::Borrowed("");
        while let Some(&token) = self.input.get(self.at) {
            if !matches!(token, STR_I | STR_T | EXT_T_0 | ENTITY) {
                break;
            }
            self.at += 1;
            if let Some(piece) = self.piece(token)? {
                text::append(&mut value, piece);
            }
        }
        Ok(value)
    }

    /// Opaque bytes, as what they are in the element they stand in.
    fn opaque(&mut self) -> Result<Token<'a>, DecodeError> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        match self.open.last() {
            Some(&Some(element)) if element.reads_opaque_integer() => {
                let number = bytes.iter().try_fold(0_u32, |number, &byte| {
                    // Leading zeros do not count, however many there are.
                    (number >> 24 == 0).then_some(number << 8 | u32::from(byte))
                });
                number.map(Token::Integer).ok_or_else(|| self.malformed("integer of more than 32 bits"))
            }
            Some(&Some(element)) if element.kind() == Kind::Date => {
                DateTime::from_opaque(bytes).map(Token::Date).ok_or_else(|| self.malformed("opaque date"))
            }
            _ => Ok(Token::Opaque(bytes)),
        }
    }

    /// Whether white space here is layout.
    fn is_layout(&self, text: &str) -> bool {
        text.is_empty()
            || matches!(self.open.last(), Some(&Some(e)) if e.kind() == Kind::Struct) && text::is_blank(text)
    }

    fn end(&mut self) -> Token<'a> {
        self.open.pop();
        self.is_over = self.open.is_empty();
        Token::End
    }

    fn root(&mut self) -> Result<Token<'a>, DecodeError> {
        if self.is_over {
            let is_end = self.at == self.input.len();
            return if is_end { Ok(Token::Eof) } else { Err(self.malformed("bytes after the message")) };
        }
        loop {
            match self.byte()? {
                SWITCH_PAGE => self.page = self.byte()?,
                tag if tag & TOKEN < LITERAL => return Err(self.malformed("token where the root should be")),
                tag => return self.element(tag),
            }
        }
    }
}

impl<'a> Reader<'a> for WbxmlReader<'a> {
    fn next(&mut self) -> Result<Token<'a>, DecodeError> {
        if self.ends {
            self.ends = false;
            return Ok(self.end());
        }
        if self.open.is_empty() {
            return self.root();
        }
        loop {
            let token = self.byte()?;
            match token {
                SWITCH_PAGE => self.page = self.byte()?,
                END => return Ok(self.end()),
                OPAQUE => return self.opaque(),
                _ if token & TOKEN >= LITERAL => return self.element(token),
                _ => match self.piece(token)? {
                    Some(text) if self.is_layout(&text) => {}
                    Some(text) => return Ok(Token::Text(text)),
                    None => return Err(self.malformed("token that CSP does not use")),
                },
            }
        }
    }

    fn form(&self) -> Form {
        Form::Wbxml
    }

    fn version(&self) -> Option<Version> {
        self.version
    }

    #[inline]
    fn depth(&self) -> usize {
        self.open.len()
    }

    #[inline]
    fn position(&self) -> usize {
        self.at
    }
}
