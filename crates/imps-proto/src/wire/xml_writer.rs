//! Tokens to XML: compact, in UTF-8, and with as few entities as can be.
//!
//! Android cuts a text at every entity and keeps the last piece, so only `&` and `<` are escaped, and `>` where it would
//! close a CDATA section that nobody opened.

use super::{Form, Fragment, Namespace, RawContent, Writer, text};
use crate::element::Element;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use imps_types::{DateTime, Version};
use std::io::Write as _;

/// Writes XML.
pub struct XmlWriter {
    out: Vec<u8>,
    version: Version,
    /// The last start tag lacks its `>`: it may turn out to be empty.
    open: bool,
}

impl XmlWriter {
    /// Begins a message in `buffer`, whose former content is dropped.
    pub fn new(version: Version, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        Self { out: buffer, version, open: false }
    }

    pub(super) fn fragment_of(version: Version) -> Self {
        Self { out: Vec::new(), version, open: false }
    }

    /// How many bytes there are so far.
    #[allow(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// The whole message.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// An element begins that is in no table of CSP.
    pub fn begin(&mut self, name: &'static str) {
        self.open(name);
    }

    /// The element ends that began with [`begin`](Self::begin).
    pub fn finish_element(&mut self, name: &'static str) {
        self.end_name(name);
    }

    /// An attribute of the element that has just begun.
    pub fn attribute(&mut self, name: &'static str, value: &str) {
        debug_assert!(self.open, "attribute {name} after the start tag");
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"=\"");
        escape(&mut self.out, value, true);
        self.out.push(b'"');
    }

    /// Content follows: the start tag before it is complete.
    #[inline]
    fn close(&mut self) {
        if self.open {
            self.out.push(b'>');
            self.open = false;
        }
    }

    #[inline]
    fn open(&mut self, name: &str) {
        self.close();
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.open = true;
    }

    #[inline]
    fn end_name(&mut self, name: &str) {
        if self.open {
            self.out.extend_from_slice(b"/>");
            self.open = false;
        } else {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_slice(name.as_bytes());
            self.out.push(b'>');
        }
    }

    fn namespace(&mut self, namespace: &Namespace<'_>) {
        self.out.extend_from_slice(b" xmlns=\"");
        for piece in [namespace.prefix, &namespace.rest] {
            escape(&mut self.out, piece, true);
        }
        self.out.push(b'"');
    }
}

/// What must not stand in text as it is, or may have to be replaced.
#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'<' | b'&' | b'>' | b'"' | 0xEF)
}

fn escape(out: &mut Vec<u8>, text: &str, in_attribute: bool) {
    // No early exit: this way the compiler looks at many bytes at once.
    if text.bytes().fold(false, |seen, byte| seen | is_special(byte)) {
        escape_each(out, text, in_attribute);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

fn escape_each(out: &mut Vec<u8>, text: &str, in_attribute: bool) {
    let text = text::sanitized(text);
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| is_special(byte)) {
        let Some((plain, special)) = rest.split_at_checked(at) else { break };
        let Some((&special, after)) = special.split_first() else { break };
        out.extend_from_slice(plain);
        rest = after;
        match special {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'>' if out.ends_with(b"]]") => out.extend_from_slice(b"&gt;"),
            b'"' if in_attribute => out.extend_from_slice(b"&quot;"),
            // A bare one would be read as a line feed.
            b'\r' => out.extend_from_slice(b"&#13;"),
            b'\n' if in_attribute => out.extend_from_slice(b"&#10;"),
            b'\t' if in_attribute => out.extend_from_slice(b"&#9;"),
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

impl Writer for XmlWriter {
    #[inline]
    fn start(&mut self, element: Element) {
        self.open(element.in_version(self.version).name());
    }

    fn start_with_namespace(&mut self, element: Element, namespace: Namespace<'_>) {
        self.start(element);
        self.namespace(&namespace);
    }

    fn start_unknown(&mut self, name: &str, namespace: Option<Namespace<'_>>) {
        self.open(text::name_or_unknown(name));
        if let Some(namespace) = namespace {
            self.namespace(&namespace);
        }
    }

    #[inline]
    fn end(&mut self, element: Element) {
        self.end_name(element.in_version(self.version).name());
    }

    fn end_unknown(&mut self, name: &str) {
        self.end_name(text::name_or_unknown(name));
    }

    #[inline]
    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.close();
            escape(&mut self.out, text, false);
        }
    }

    fn integer(&mut self, number: u32) {
        self.close();
        // Writing into a Vec cannot fail.
        let _ = write!(self.out, "{number}");
    }

    fn boolean(&mut self, value: bool) {
        self.close();
        self.out.push(if value { b'T' } else { b'F' });
    }

    fn date(&mut self, date: DateTime) {
        self.close();
        let _ = write!(self.out, "{date}");
    }

    fn content(&mut self, content: &RawContent<'_>) {
        match content {
            RawContent::Text(text) => self.text(text),
            RawContent::Bytes(bytes) => self.opaque(bytes),
        }
    }

    fn opaque(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.close();
            self.out.extend_from_slice(BASE64.encode(bytes).as_bytes());
        }
    }

    fn fragment(&mut self, fragment: &Fragment) {
        debug_assert_eq!((fragment.form, fragment.version), (Form::Xml, self.version), "fragment of another encoding");
        if !fragment.bytes.is_empty() {
            self.close();
            self.out.extend_from_slice(&fragment.bytes);
        }
    }

    fn version(&self) -> Version {
        self.version
    }

    fn form(&self) -> Form {
        Form::Xml
    }
}
