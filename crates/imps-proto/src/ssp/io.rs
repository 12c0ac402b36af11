//! Elements with attributes, in and out: a thin layer over the XML that CSP has too.
//!
//! Names of elements are found without regard to case, names of attributes exactly (SSP 17). White space around text
//! and values says nothing.

use super::error::{Error, ErrorKind};
use crate::grammar::{Decode, Encode};
use crate::wire::{DecodeError, DecodeErrorKind, Limits, Reader, Token, Writer, XmlAttributes, XmlReader, XmlWriter};
use imps_types::Version;
use std::borrow::Cow;

/// What is read.
pub(crate) struct In<'a> {
    xml: XmlReader<'a>,
}

/// The beginning of an element.
#[derive(Clone)]
pub(crate) struct Start<'a> {
    name: &'a str,
    attributes: XmlAttributes<'a>,
    at: usize,
}

impl<'a> Start<'a> {
    /// Its name, as it stands, without a prefix.
    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    /// Where it stands.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Whether it has one of these names.
    pub(crate) fn is(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }

    /// The value of the attribute that has one of these names; the first of them that is there.
    pub(crate) fn attribute(&self, names: &[&str]) -> Option<Cow<'a, str>> {
        let find = |name: &&str| self.attributes.clone().find(|(key, _)| key == name);
        names.iter().find_map(find).map(|(_, value)| trimmed(value))
    }
}

/// Without white space at both ends.
fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

impl<'a> In<'a> {
    /// Begins to read a message, which must be UTF-8.
    pub(crate) fn new(input: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        Ok(Self { xml: XmlReader::strict(input, limits)? })
    }

    /// The root, and the namespace it declares for itself.
    pub(super) fn root(&mut self) -> Result<(Start<'a>, Option<String>), Error> {
        match self.xml.next()? {
            Token::Start(start) => {
                let namespace = start.xmlns.as_ref().map(ToString::to_string);
                Ok((self.start(start.tag.name()), namespace))
            }
            _ => Err(self.truncated()),
        }
    }

    /// The next child of the element that is open; `None` when that has ended. Text between children says nothing.
    pub(crate) fn child(&mut self) -> Result<Option<Start<'a>>, Error> {
        loop {
            match self.xml.next()? {
                Token::Start(start) => return Ok(Some(self.start(start.tag.name()))),
                Token::End => return Ok(None),
                Token::Eof => return Err(self.truncated()),
                Token::Text(_) | Token::Integer(_) | Token::Date(_) | Token::Opaque(_) => {}
            }
        }
    }

    fn start(&self, name: &'a str) -> Start<'a> {
        Start { name, attributes: self.xml.attributes(), at: self.xml.position() }
    }

    fn truncated(&self) -> Error {
        DecodeError::new(DecodeErrorKind::Truncated, self.xml.position()).into()
    }

    /// The text of the element that is open, without white space at both ends; elements inside are skipped.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        Ok(trimmed(self.xml.text()?))
    }

    /// The text of the element that is open, and its children: `child` reads or skips each.
    pub(crate) fn mixed(
        &mut self,
        child: &mut dyn FnMut(Start<'a>, &mut Self) -> Result<(), Error>,
    ) -> Result<Cow<'a, str>, Error> {
        let mut content = Cow::Borrowed("");
        loop {
            match self.xml.next()? {
                Token::Start(start) => {
                    let start = self.start(start.tag.name());
                    child(start, self)?;
                }
                Token::Text(text) if content.is_empty() => content = text,
                Token::Text(text) => content.to_mut().push_str(&text),
                Token::End => return Ok(trimmed(content)),
                Token::Eof => return Err(self.truncated()),
                Token::Integer(_) | Token::Date(_) | Token::Opaque(_) => {}
            }
        }
    }

    /// An element of CSP, whose start was taken, through its end.
    pub(crate) fn csp<T: Decode>(&mut self) -> Result<T, Error> {
        Ok(T::decode(&mut self.xml)?)
    }

    /// Past the end of the element whose start was taken.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        Ok(self.xml.skip()?)
    }

    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.xml.depth()
    }

    /// Out to where only `depth` elements are open.
    pub(crate) fn unwind(&mut self, depth: usize) -> Result<(), Error> {
        Ok(self.xml.unwind(depth)?)
    }

    /// To the end of the message, which must be well-formed up to there.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        while !matches!(self.xml.next()?, Token::Eof) {}
        Ok(())
    }

    /// Where the next piece begins.
    pub(crate) fn position(&self) -> usize {
        self.xml.position()
    }

    pub(super) fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.position())
    }
}

/// What is written.
pub(crate) struct Out {
    xml: XmlWriter,
}

impl Out {
    /// Begins a message in which the elements of CSP have the form of this version.
    pub(crate) fn new(version: Version, buffer: Vec<u8>) -> Self {
        Self { xml: XmlWriter::new(version, buffer) }
    }

    /// How many bytes there are so far.
    pub(crate) fn len(&self) -> usize {
        self.xml.len()
    }

    /// The whole message.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.xml.finish()
    }

    /// An element begins.
    pub(crate) fn begin(&mut self, name: &'static str) {
        self.xml.begin(name);
    }

    /// An attribute of the element that has just begun.
    pub(crate) fn attribute(&mut self, name: &'static str, value: &str) {
        self.xml.attribute(name, value);
    }

    /// The element ends.
    pub(crate) fn end(&mut self, name: &'static str) {
        self.xml.finish_element(name);
    }

    /// The content of an element.
    pub(crate) fn text(&mut self, text: &str) {
        self.xml.text(text);
    }

    /// Octets as BASE64.
    pub(crate) fn base64(&mut self, bytes: &[u8]) {
        self.xml.opaque(bytes);
    }

    /// An element of CSP.
    pub(crate) fn csp<T: Encode>(&mut self, element: crate::Element, value: &T) {
        value.encode(element, &mut self.xml);
    }

    /// The children of an element of CSP, inside an element of our own.
    pub(crate) fn csp_content<T: Encode>(&mut self, element: crate::Element, value: &T) {
        value.encode_content(element, &mut self.xml);
    }
}
