//! XML to tokens. quick-xml finds the markup; here it is held to what CSP needs.
//!
//! There are no document types: a DOCTYPE is passed over, one with declarations of its own is refused, and with it every
//! entity but the five of XML itself. Comments and processing instructions are passed over.

use super::namespace::Namespace;
use super::{DecodeError, DecodeErrorKind, Form, Limits, Reader, Start, Tag, Token, text};
use crate::element::{Element, Kind, Space};
use imps_types::Version;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader as Events, XmlVersion};
use std::borrow::Cow;

/// Reads XML that is UTF-8.
pub struct XmlReader<'a> {
    events: Events<&'a [u8]>,
    input: &'a [u8],
    /// The elements that are open; None for one that is not in the table.
    open: Vec<Option<Element>>,
    /// An empty element has begun, and ends next.
    ends: bool,
    stage: Stage,
    version: Option<Version>,
    elements_left: usize,
    depth: usize,
    attributes: usize,
    /// Whether a document type is refused.
    strict: bool,
    /// Of the last start that had attributes: where it ended, its text, and the length of its name.
    described: (usize, &'a str, usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was read.
    Beginning,
    /// Before the root.
    Prologue,
    /// Inside the root.
    Root,
    /// After the root.
    Epilogue,
}

impl<'a> XmlReader<'a> {
    /// Begins at the first byte, which may be a byte order mark.
    pub fn new(input: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        let input = input.strip_prefix(MARK).unwrap_or(input);
        if input.starts_with(MARK) {
            return Err(malformed("two byte order marks", 0));
        }
        if text::declared_encoding(input).is_some_and(|name| !text::is_utf8_compatible(name)) {
            return Err(DecodeError::new(DecodeErrorKind::BadText("unsupported character set"), 0));
        }
        let mut events = Events::from_reader(input);
        let config = events.config_mut();
        config.check_comments = true;
        config.trim_text_start = true;
        Ok(Self {
            events,
            input,
            open: Vec::with_capacity(16),
            ends: false,
            stage: Stage::Beginning,
            version: None,
            elements_left: limits.elements,
            depth: limits.depth,
            attributes: limits.attributes,
            strict: false,
            described: (usize::MAX, "", 0),
        })
    }

    /// The same for a peer that has no business to send a document type (SSP 15).
    pub fn strict(input: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        if input.len() > limits.bytes {
            return Err(DecodeError::new(DecodeErrorKind::TooLarge("message"), limits.bytes));
        }
        Ok(Self { strict: true, ..Self::new(input, limits)? })
    }

    /// The attributes of the element whose start was taken last, while nothing after it was read. CSP has none but
    /// `xmlns`; in SSP they say half of everything.
    pub fn attributes(&self) -> XmlAttributes<'a> {
        let (position, content, name) = self.described;
        let is_here = position == self.position();
        XmlAttributes(is_here.then(|| Attributes::new(content, name)))
    }

    fn end(&mut self) -> Token<'a> {
        self.open.pop();
        self.watch_space();
        if self.open.is_empty() {
            self.stage = Stage::Epilogue;
        }
        Token::End
    }

    /// Between the children of a structure, and outside the root, white space is layout: quick-xml drops it.
    #[inline]
    fn watch_space(&mut self) {
        let is_layout = match self.open.last() {
            Some(&Some(element)) => element.kind() == Kind::Struct,
            Some(None) => false,
            None => true,
        };
        self.events.config_mut().trim_text_start = is_layout;
    }

    fn start(&mut self, event: &BytesStart<'a>, is_empty: bool) -> Result<Start<'a>, DecodeError> {
        let position = self.position();
        if self.stage == Stage::Epilogue {
            return Err(malformed("second root element", position));
        }
        if self.open.len() >= self.depth {
            return Err(DecodeError::new(DecodeErrorKind::TooDeep, position));
        }
        self.elements_left =
            self.elements_left.checked_sub(1).ok_or(DecodeError::new(DecodeErrorKind::TooManyElements, position))?;

        let is_root = self.open.is_empty();
        let name = event.name();
        let name = name.as_ref();
        let within = self.open.last().and_then(|parent| parent.map(Element::space)).unwrap_or(Space::Trc);
        // Prefixes are rare: most names are found as they stand.
        let known = Element::by_name(name, within).or_else(|| Element::by_name(text::local_name(name), within));

        let (mut tag, mut xmlns) = (Tag::Unknown(""), None);
        if known.is_none() || event.len() > name.len() {
            // The event lends its text for a moment only; the same text is still in the input.
            let end = position.checked_sub(if is_empty { 2 } else { 1 });
            let content = end.and_then(|end| self.input.get(end.checked_sub(event.len())?..end));
            let content = content.and_then(|content| std::str::from_utf8(content).ok()).unwrap_or_default();
            let (name, _) = content.split_at_checked(name.len()).unwrap_or_default();
            let local = text::local_name(name);
            if known.is_none() {
                if !text::is_name(local) {
                    return Err(malformed("name of an element", position));
                }
                tag = Tag::Unknown(local);
            }
            if content.len() > name.len() {
                self.described = (position, content, name.len());
                let prefix = name.get(..name.len() - local.len()).unwrap_or_default();
                xmlns = self.xmlns(content, name.len(), prefix.strip_suffix(':'))?;
            }
        }
        if is_root {
            self.stage = Stage::Root;
            if let Some(namespace) = xmlns.as_ref().filter(|namespace| namespace.space() == Some(Space::Csp)) {
                self.version = namespace.version();
            }
        }
        let known = match (known, self.version) {
            (Some(element), Some(version)) => Some(element.in_version(version)),
            _ => known,
        };
        if let Some(element) = known {
            tag = Tag::Known(element);
        }
        self.open.push(known);
        if is_empty {
            self.ends = true;
        } else {
            self.watch_space();
        }
        Ok(Start { tag, xmlns })
    }

    /// Checks the attributes and finds the namespace that the element declares for itself.
    fn xmlns(&self, content: &'a str, name: usize, prefix: Option<&str>) -> Result<Option<Namespace<'a>>, DecodeError> {
        let position = self.position();
        let mut xmlns = None;
        for (count, attribute) in Attributes::new(content, name).enumerate() {
            let attribute = attribute.map_err(|_| malformed("attribute", position))?;
            if count >= self.attributes {
                return Err(DecodeError::new(DecodeErrorKind::TooLarge("attributes"), position));
            }
            if memchr::memchr(b'<', attribute.value.as_bytes()).is_some() || !text::is_legal(&attribute.value) {
                return Err(malformed("value of an attribute", position));
            }
            let value = if memchr::memchr(b'&', attribute.value.as_bytes()).is_some() {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                value.map_err(|_| malformed("value of an attribute", position))?
            } else {
                attribute.value
            };
            let declares = match prefix {
                None => attribute.key.as_ref() == "xmlns",
                Some(prefix) => attribute.key.as_ref().strip_prefix("xmlns:") == Some(prefix),
            };
            if declares && text::is_legal(&value) {
                xmlns = Some(Namespace::from_value(value));
            }
        }
        Ok(xmlns)
    }

    fn reference(&self, reference: &BytesRef<'a>) -> Result<Cow<'a, str>, DecodeError> {
        let plain = match reference.as_ref() {
            "lt" => "<",
            "gt" => ">",
            "amp" => "&",
            "quot" => "\"",
            "apos" => "'",
            other => {
                let number = match other.strip_prefix('#') {
                    Some(number) => match number.strip_prefix('x') {
                        Some(digits) => text::integer(&format!("0x{digits}")),
                        None => text::decimal(number),
                    },
                    None => return Err(malformed("entity that is not declared", self.position())),
                };
                let character = number.and_then(text::character).ok_or_else(|| text::forbidden(self.position()))?;
                return Ok(Cow::Owned(character.to_string()));
            }
        };
        Ok(Cow::Borrowed(plain))
    }

    fn doctype(&mut self, doctype: &str) -> Result<(), DecodeError> {
        if self.strict {
            return Err(malformed("document type", self.position()));
        }
        if self.stage != Stage::Prologue && self.stage != Stage::Beginning {
            return Err(malformed("document type after the root", self.position()));
        }
        if memchr::memchr(b'[', doctype.as_bytes()).is_some() {
            return Err(malformed("document type with declarations", self.position()));
        }
        self.version = doctype.split_once("CSP ").and_then(|(_, rest)| Version::parse(rest.get(..3)?));
        Ok(())
    }

    fn error(&self, error: &Error) -> DecodeError {
        let position = usize::try_from(self.events.error_position()).unwrap_or(usize::MAX);
        let kind = match error {
            // All its syntax errors are markup that is not closed before the end; save this one, if the end is far.
            Error::Syntax(SyntaxError::InvalidBangMarkup) if position.saturating_add(9) <= self.input.len() => {
                DecodeErrorKind::Malformed("markup")
            }
            Error::Syntax(_) => DecodeErrorKind::Truncated,
            Error::IllFormed(IllFormedError::MismatchedEndTag { .. } | IllFormedError::UnmatchedEndTag(_)) => {
                DecodeErrorKind::Malformed("end tag that does not match")
            }
            Error::IllFormed(IllFormedError::UnclosedReference) => DecodeErrorKind::Malformed("lone ampersand"),
            Error::Encoding(_) => DecodeErrorKind::BadText("not UTF-8"),
            _ => DecodeErrorKind::Malformed("markup"),
        };
        DecodeError::new(kind, position)
    }

    /// Text in its place, or nothing to show for it.
    fn chars(&mut self, raw: Cow<'a, str>) -> Result<Option<Token<'a>>, DecodeError> {
        let position = self.position();
        if self.open.is_empty() {
            let blank = text::is_blank(&raw);
            return if blank { Ok(None) } else { Err(malformed("text outside the root", position)) };
        }
        let text = match raw {
            Cow::Borrowed(raw) => text::from_xml(raw, position)?,
            Cow::Owned(raw) => Cow::Owned(text::from_xml(&raw, position)?.into_owned()),
        };
        // Text where layout was expected: what follows it belongs to it, white space included.
        self.events.config_mut().trim_text_start = false;
        Ok((!text.is_empty()).then_some(Token::Text(text)))
    }
}

/// The attributes of an element, in order: names as they stand, values without references.
#[derive(Clone)]
pub struct XmlAttributes<'a>(Option<Attributes<'a>>);

impl<'a> Iterator for XmlAttributes<'a> {
    type Item = (&'a str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        // The reader has checked all of them when it took the start.
        let attribute = self.0.as_mut()?.next()?.ok()?;
        let value = if memchr::memchr(b'&', attribute.value.as_bytes()).is_some() {
            attribute.normalized_value(XmlVersion::Implicit1_0).ok()?
        } else {
            attribute.value
        };
        Some((attribute.key.into_inner(), value))
    }
}

impl<'a> Reader<'a> for XmlReader<'a> {
    fn next(&mut self) -> Result<Token<'a>, DecodeError> {
        if self.ends {
            self.ends = false;
            return Ok(self.end());
        }
        loop {
            match self.events.read_event() {
                Ok(Event::Start(event)) => return Ok(Token::Start(self.start(&event, false)?)),
                Ok(Event::Empty(event)) => return Ok(Token::Start(self.start(&event, true)?)),
                Ok(Event::End(_)) => return Ok(self.end()),
                Ok(Event::Text(chars)) => {
                    if let Some(token) = self.chars(chars.into_inner())? {
                        return Ok(token);
                    }
                }
                Ok(Event::CData(chars)) if !self.open.is_empty() => {
                    if let Some(token) = self.chars(chars.into_inner())? {
                        return Ok(token);
                    }
                }
                Ok(Event::GeneralRef(reference)) if !self.open.is_empty() => {
                    self.events.config_mut().trim_text_start = false;
                    return Ok(Token::Text(self.reference(&reference)?));
                }
                Ok(Event::CData(_) | Event::GeneralRef(_)) => {
                    return Err(malformed("text outside the root", self.position()));
                }
                Ok(Event::Decl(_)) if self.stage != Stage::Beginning => {
                    return Err(malformed("declaration after the beginning", self.position()));
                }
                Ok(Event::DocType(doctype)) => self.doctype(&doctype)?,
                Ok(Event::Decl(_) | Event::Comment(_) | Event::PI(_)) => {}
                Ok(Event::Eof) if self.stage == Stage::Epilogue => return Ok(Token::Eof),
                Ok(Event::Eof) => return Err(DecodeError::new(DecodeErrorKind::Truncated, self.position())),
                Err(error) => return Err(self.error(&error)),
            }
            if self.stage == Stage::Beginning {
                self.stage = Stage::Prologue;
            }
        }
    }

    fn form(&self) -> Form {
        Form::Xml
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
        usize::try_from(self.events.buffer_position()).unwrap_or(usize::MAX)
    }
}

const fn malformed(what: &'static str, position: usize) -> DecodeError {
    DecodeError::new(DecodeErrorKind::Malformed(what), position)
}
