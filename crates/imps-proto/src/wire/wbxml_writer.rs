//! Tokens to WBXML. Encoding 1.7 says what we write; the reasons lie in what old phones accept.

use super::namespace::{KNOWN, Namespace};
use super::{Form, Fragment, RawContent, Writer, text};
use crate::element::Element;
use crate::values;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use imps_types::{DateTime, Version};
use std::io::Write as _;

const SWITCH_PAGE: u8 = 0x00;
const END: u8 = 0x01;
const STR_I: u8 = 0x03;
const LITERAL: u8 = 0x04;
const EXT_T_0: u8 = 0x80;
const OPAQUE: u8 = 0xC3;

const HAS_CONTENT: u8 = 0x40;
const HAS_ATTRIBUTES: u8 = 0x80;

/// WBXML 1.3, a public identifier, UTF-8, and a string table of no bytes.
const HEADER: [u8; 4] = [0x03, 0x10, 0x6A, 0x00];

/// Writes WBXML.
pub struct WbxmlWriter {
    out: Vec<u8>,
    version: Version,
    page: u8,
    /// Where the last tag stands, as long as nothing followed: only content shows that it is not empty.
    tag: Option<usize>,
    /// The element that text belongs to, as long as it has no children.
    leaf: Option<Element>,
    /// Names that have no token, each ended by a zero.
    table: Vec<u8>,
    /// A fragment does not know the string table it will meet. See [`Fragment::literals`].
    literals: Option<Vec<(usize, String)>>,
}

impl WbxmlWriter {
    /// Begins a message in `buffer`, whose former content is dropped.
    pub fn new(version: Version, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        let [wbxml, first_id, charset, table] = HEADER;
        buffer.extend_from_slice(&[wbxml, first_id + version as u8, charset, table]);
        Self { out: buffer, version, page: 0, tag: None, leaf: None, table: Vec::new(), literals: None }
    }

    pub(super) fn fragment_of(version: Version) -> Self {
        Self { out: Vec::new(), version, page: 0, tag: None, leaf: None, table: Vec::new(), literals: Some(Vec::new()) }
    }

    pub(super) fn finish_fragment(self) -> Fragment {
        Fragment {
            form: Form::Wbxml,
            version: self.version,
            bytes: self.out,
            end_page: self.page,
            literals: self.literals.unwrap_or_default(),
            nodes: Vec::new(),
        }
    }

    /// The whole message.
    pub fn finish(mut self) -> Vec<u8> {
        if !self.table.is_empty() {
            let mut table = Vec::with_capacity(self.table.len() + 2);
            number(&mut table, self.table.len());
            table.append(&mut self.table);
            // In place of the length that said: no bytes.
            self.out.splice(HEADER.len() - 1..HEADER.len(), table);
        }
        self.out
    }

    /// Content follows: the tag before it gets its bit.
    #[inline]
    fn content_follows(&mut self) {
        if let Some(at) = self.tag.take()
            && let Some(tag) = self.out.get_mut(at)
        {
            *tag |= HAS_CONTENT;
        }
    }

    #[inline]
    fn turn_to(&mut self, page: u8) {
        if self.page != page {
            self.out.extend_from_slice(&[SWITCH_PAGE, page]);
            self.page = page;
        }
    }

    #[inline]
    fn open(&mut self, element: Element, bits: u8) {
        self.content_follows();
        match element.token(self.version) {
            Some((page, token)) => {
                self.turn_to(page);
                self.tag = Some(self.out.len());
                self.out.push(token | bits);
            }
            None => self.open_literal(element.name(), bits),
        }
        self.leaf = Some(element);
    }

    fn open_literal(&mut self, name: &str, bits: u8) {
        self.content_follows();
        self.tag = Some(self.out.len());
        self.out.push(LITERAL | bits);
        self.literal(name);
        self.leaf = None;
    }

    /// The place of `name` in the string table.
    fn literal(&mut self, name: &str) {
        if let Some(literals) = &mut self.literals {
            literals.push((self.out.len(), name.to_owned()));
        } else {
            let offset = self.offset_of(name);
            number(&mut self.out, offset);
        }
    }

    fn offset_of(&mut self, name: &str) -> usize {
        let mut offset = 0;
        for entry in self.table.split_inclusive(|&byte| byte == 0) {
            if entry.strip_suffix(&[0]) == Some(name.as_bytes()) {
                return offset;
            }
            offset += entry.len();
        }
        self.table.extend_from_slice(name.as_bytes());
        self.table.push(0);
        offset
    }

    fn attributes(&mut self, namespace: &Namespace<'_>) {
        // A phone of 1.1 or 1.2 refuses a whole message for a token of 1.3.
        let known = KNOWN.iter().find(|known| known.prefix == namespace.prefix && known.version <= self.version);
        if let Some(known) = known {
            self.out.push(known.token);
            self.inline(&namespace.rest);
        } else {
            self.out.push(LITERAL);
            self.literal("xmlns");
            self.inline(&namespace.to_string());
        }
        self.out.push(END);
    }

    #[inline]
    fn inline(&mut self, text: &str) {
        if !text.is_empty() {
            self.out.push(STR_I);
            self.out.extend_from_slice(text::sanitized(text).as_bytes());
            self.out.push(0);
        }
    }

    #[inline]
    fn value(&mut self, token: u16) {
        self.out.push(EXT_T_0);
        number(&mut self.out, usize::from(token));
    }
}

/// An mb_u_int32.
#[inline]
fn number(out: &mut Vec<u8>, value: usize) {
    for group in (1..5).rev() {
        let rest = value >> (7 * group);
        if rest > 0 {
            out.push((rest & 0x7F) as u8 | 0x80);
        }
    }
    out.push((value & 0x7F) as u8);
}

impl Writer for WbxmlWriter {
    #[inline]
    fn start(&mut self, element: Element) {
        self.open(element.in_version(self.version), 0);
    }

    fn start_with_namespace(&mut self, element: Element, namespace: Namespace<'_>) {
        self.open(element.in_version(self.version), HAS_ATTRIBUTES);
        self.attributes(&namespace);
    }

    fn start_unknown(&mut self, name: &str, namespace: Option<Namespace<'_>>) {
        let name = text::name_or_unknown(name);
        match namespace {
            Some(namespace) => {
                self.open_literal(name, HAS_ATTRIBUTES);
                self.attributes(&namespace);
            }
            None => self.open_literal(name, 0),
        }
    }

    #[inline]
    fn end(&mut self, _element: Element) {
        if self.tag.take().is_none() {
            self.out.push(END);
        }
        self.leaf = None;
    }

    fn end_unknown(&mut self, _name: &str) {
        if self.tag.take().is_none() {
            self.out.push(END);
        }
        self.leaf = None;
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        // Only a whole text can be a number or a word, so only the first piece is looked at.
        if let (Some(element), true) = (self.leaf, self.tag.is_some()) {
            if element.writes_opaque_integer()
                && let Some(number) = text::canonical_decimal(text)
            {
                return self.integer(number);
            }
            if element.writes_value_tokens()
                && let Some(token) = values::token(text, self.version, element)
            {
                self.content_follows();
                return self.value(token);
            }
        }
        self.content_follows();
        self.inline(text);
    }

    fn integer(&mut self, value: u32) {
        self.content_follows();
        if self.leaf.is_some_and(Element::writes_opaque_integer) {
            let bytes = value.to_be_bytes();
            // At least one byte: tshark does not read a number of none.
            let zeros = bytes.iter().take(3).take_while(|&&byte| byte == 0).count();
            let bytes = bytes.get(zeros..).unwrap_or_default();
            self.out.push(OPAQUE);
            number(&mut self.out, bytes.len());
            self.out.extend_from_slice(bytes);
        } else {
            self.out.push(STR_I);
            // Writing into a Vec cannot fail.
            let _ = write!(self.out, "{value}");
            self.out.push(0);
        }
    }

    fn boolean(&mut self, value: bool) {
        self.content_follows();
        self.value(values::boolean(value));
    }

    fn date(&mut self, date: DateTime) {
        // As text: Android loses an opaque date.
        self.content_follows();
        self.out.push(STR_I);
        let _ = write!(self.out, "{date}");
        self.out.push(0);
    }

    fn content(&mut self, content: &RawContent<'_>) {
        match content {
            RawContent::Text(text) if !text.is_empty() => {
                self.content_follows();
                self.inline(text);
            }
            RawContent::Bytes(bytes) if !bytes.is_empty() => {
                self.content_follows();
                self.inline(&BASE64.encode(bytes));
            }
            RawContent::Text(_) | RawContent::Bytes(_) => {}
        }
    }

    fn opaque(&mut self, bytes: &[u8]) {
        self.content_follows();
        self.out.push(OPAQUE);
        number(&mut self.out, bytes.len());
        self.out.extend_from_slice(bytes);
    }

    fn fragment(&mut self, fragment: &Fragment) {
        debug_assert_eq!(
            (fragment.form, fragment.version),
            (Form::Wbxml, self.version),
            "fragment of another encoding"
        );
        if fragment.bytes.is_empty() {
            return;
        }
        self.content_follows();
        self.turn_to(0);
        let mut rest = fragment.bytes.as_slice();
        let mut done = 0;
        for (at, name) in &fragment.literals {
            let (before, after) = rest.split_at_checked(at - done).unwrap_or((rest, &[]));
            self.out.extend_from_slice(before);
            self.literal(name);
            (rest, done) = (after, *at);
        }
        self.out.extend_from_slice(rest);
        self.page = fragment.end_page;
        self.leaf = None;
    }

    fn version(&self) -> Version {
        self.version
    }

    fn form(&self) -> Form {
        Form::Wbxml
    }
}
