//! Tokens to JSON: compact, straight into the buffer. `docs/json.md` describes the form.
//!
//! What an element becomes is known by the table: an object, a string, a number, a flag; and whether it is an item of a
//! list, by what its parent may have several of. What is said in an order that objects do not have (a NickName, a UserID,
//! and another NickName) is put in order when the object ends.

use super::json_reader::{TEXT, VERSION, XMLNS, declared_space, past_value};
use super::{Form, Fragment, Namespace, RawContent, Writer, text};
use crate::element::{Element, Kind, Space};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use imps_types::{DateTime, Version};
use std::io::Write as _;

/// Writes JSON.
pub struct JsonWriter {
    out: Vec<u8>,
    version: Version,
    /// What is around the root, and the elements that are open.
    open: Vec<Open>,
    /// Where the keys of the open objects stand, the innermost object's last.
    keys: Vec<Key>,
}

/// Where a key begins and ends.
type Key = (usize, usize);

/// An element that was begun.
struct Open {
    element: Option<Element>,
    /// Where its value begins.
    start: usize,
    value: Value,
    /// Where its keys begin among those of all.
    keys: usize,
    has_members: bool,
    /// The key of the list that is still open.
    list: Option<Key>,
    /// It has members whose keys are not known.
    is_spliced: bool,
    /// A key may stand twice.
    is_tangled: bool,
}

impl Open {
    fn new(element: Option<Element>, start: usize, value: Value, keys: usize) -> Self {
        Self { element, start, value, keys, has_members: false, list: None, is_spliced: false, is_tangled: false }
    }

    fn kind(&self) -> Kind {
        self.element.map_or(Kind::Any, Element::kind)
    }
}

/// What was written of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Nothing,
    /// A string that is not closed yet.
    Text,
    /// A number or a flag.
    Word,
    /// An object that is not closed yet.
    Object,
}

impl JsonWriter {
    /// Begins a message in `buffer`, whose former content is dropped.
    pub fn new(version: Version, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.push(b'{');
        Self::with(version, buffer)
    }

    pub(super) fn fragment_of(version: Version) -> Self {
        Self::with(version, Vec::new())
    }

    fn with(version: Version, out: Vec<u8>) -> Self {
        let mut open = Vec::with_capacity(16);
        open.push(Open::new(None, out.len(), Value::Object, 0));
        Self { out, version, open, keys: Vec::with_capacity(32) }
    }

    /// The whole message.
    pub fn finish(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    pub(super) fn finish_fragment(self) -> Vec<u8> {
        self.out
    }

    fn is(&self, key: Key, name: &str) -> bool {
        self.out.get(key.0..key.1) == Some(name.as_bytes())
    }

    /// A member of the innermost element begins: its comma, its key, the bracket of its list.
    fn member(&mut self, name: &str, child: Option<Element>) {
        self.make_object();
        let Some(parent) = self.open.last() else { return };
        if let Some(list) = parent.list {
            if self.is(list, name) {
                return self.out.push(b',');
            }
            self.out.push(b']');
        }
        let own = self.keys.get(parent.keys..).unwrap_or_default();
        let mut is_known = own.iter().any(|&key| self.is(key, name));
        if is_known && parent.element == Some(Element::SearchPairList) && child.is_some() {
            is_known = !self.split();
        }
        let Some(parent) = self.open.last_mut() else { return };
        if parent.has_members {
            self.out.push(b',');
        }
        parent.has_members = true;
        parent.is_tangled |= is_known || parent.is_spliced;
        self.out.push(b'"');
        let start = self.out.len();
        self.out.extend_from_slice(name.as_bytes());
        let key = (start, self.out.len());
        self.out.extend_from_slice(b"\":");
        if !is_known {
            self.keys.push(key);
        }
        let repeats = |(child, parent): (Element, Element)| child.repeats_in(parent);
        let is_repeated = child.zip(parent.element).is_some_and(repeats);
        parent.list = is_repeated.then_some(key);
        if is_repeated {
            self.out.push(b'[');
        }
    }

    /// Goes on with another of the same element, if it stands in a list: the next criterion of a search.
    fn split(&mut self) -> bool {
        let [.., outer, parent] = self.open.as_mut_slice() else { return false };
        if outer.list.is_none() {
            return false;
        }
        self.out.extend_from_slice(b"},{");
        self.keys.truncate(parent.keys);
        *parent = Open::new(parent.element, self.out.len() - 1, Value::Object, parent.keys);
        true
    }

    /// The innermost element has children: what was written of it as text becomes one of them.
    fn make_object(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        match open.value {
            Value::Object => return,
            Value::Nothing => self.out.push(b'{'),
            Value::Text | Value::Word => {
                if open.value == Value::Text {
                    self.out.push(b'"');
                }
                let key = open.start + 2;
                self.out.splice(open.start..open.start, format!("{{\"{TEXT}\":").into_bytes());
                self.keys.push((key, key + TEXT.len()));
                open.has_members = true;
            }
        }
        open.value = Value::Object;
    }

    fn begin(&mut self, name: &str, element: Option<Element>) {
        self.member(name, element);
        self.open.push(Open::new(element, self.out.len(), Value::Nothing, self.keys.len()));
    }

    fn namespace(&mut self, element: Option<Element>, namespace: &Namespace<'_>) {
        let is_root = self.open.len() == 2;
        let (name, value) = match namespace.version_text() {
            Some(version) if is_root && namespace.space() == Some(Space::Csp) => (VERSION, version.to_owned()),
            // What the version of the message says need not be said.
            Some(version)
                if version == self.version.as_str()
                    && element.is_some_and(|element| declared_space(element) == namespace.space()) =>
            {
                return;
            }
            _ => (XMLNS, namespace.to_string()),
        };
        self.member(name, None);
        self.string(&value);
    }

    fn string(&mut self, text: &str) {
        self.out.push(b'"');
        escape(&mut self.out, text);
        self.out.push(b'"');
    }

    fn close(&mut self) {
        // What is around the root stays.
        if self.open.len() < 2 {
            return;
        }
        let Some(open) = self.open.pop() else { return };
        self.keys.truncate(open.keys);
        match open.value {
            Value::Nothing => {
                let is_text = !matches!(open.kind(), Kind::Struct | Kind::Empty | Kind::Any);
                self.out.extend_from_slice(if is_text { b"\"\"" } else { b"{}" });
            }
            Value::Text => {
                self.out.push(b'"');
                self.give_type(&open);
            }
            Value::Word => {}
            Value::Object => {
                if open.list.is_some() {
                    self.out.push(b']');
                }
                self.out.push(b'}');
                if open.is_tangled {
                    self.untangle(open.start);
                }
            }
        }
    }

    /// Text becomes what its element contains: a number, a flag, a date.
    fn give_type(&mut self, open: &Open) {
        let kind = open.kind();
        if !matches!(kind, Kind::Integer | Kind::Boolean | Kind::Date) {
            return;
        }
        let text = self.out.get(open.start + 1..self.out.len() - 1).unwrap_or_default();
        let text = std::str::from_utf8(text).unwrap_or_default().trim_ascii();
        let typed = match (kind, text) {
            (Kind::Integer, _) => text::integer(text).map(|number| number.to_string()),
            (Kind::Boolean, "T" | "t") => Some(String::from("true")),
            (Kind::Boolean, "F" | "f") => Some(String::from("false")),
            (Kind::Date, _) => DateTime::parse(text).map(|date| format!("\"{}\"", date.to_extended())),
            _ => None,
        };
        if let Some(typed) = typed {
            self.out.truncate(open.start);
            self.out.extend_from_slice(typed.as_bytes());
        }
    }

    /// Puts the members of the object together that begins at `start` and goes to the end: each key once.
    fn untangle(&mut self, start: usize) {
        let object = self.out.split_off(start);
        let mut members: Vec<(&[u8], Vec<&[u8]>)> = Vec::new();
        let mut at = 1;
        while let Ok(colon) = past_value(&object, at)
            && let Ok(end) = past_value(&object, colon + 1)
        {
            let (key, value) = (object.get(at..colon), object.get(colon + 1..end).unwrap_or_default());
            let Some(key) = key.filter(|key| !key.is_empty()) else { break };
            match members.iter_mut().find(|(known, _)| *known == key) {
                Some((_, values)) => values.push(value),
                None => members.push((key, vec![value])),
            }
            at = end + 1;
        }
        self.out.push(b'{');
        for (number, (key, values)) in members.iter().enumerate() {
            if number > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(key);
            self.out.push(b':');
            if let [value] = values.as_slice() {
                self.out.extend_from_slice(value);
                continue;
            }
            let items = values.iter().map(|value| {
                let list = value.strip_prefix(b"[").and_then(|value| value.strip_suffix(b"]"));
                list.unwrap_or(value)
            });
            self.out.push(b'[');
            for (number, item) in items.filter(|item| !item.is_empty()).enumerate() {
                if number > 0 {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(item);
            }
            self.out.push(b']');
        }
        self.out.push(b'}');
    }
}

/// What must not stand in a string as it is, or may have to be replaced.
#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | 0xEF)
}

#[inline]
fn escape(out: &mut Vec<u8>, text: &str) {
    // No early exit: this way the compiler looks at many bytes at once.
    if text.bytes().fold(false, |seen, byte| seen | is_special(byte)) {
        escape_each(out, text);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cold]
fn escape_each(out: &mut Vec<u8>, text: &str) {
    // What is left of the controls has an escape of its own.
    let text = text::sanitized(text);
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => out.push(byte),
        }
    }
}

impl Writer for JsonWriter {
    fn start(&mut self, element: Element) {
        let is_root = self.open.len() == 1;
        self.begin(element.in_version(self.version).name(), Some(element));
        if is_root && element.space() == Space::Csp {
            self.member(VERSION, None);
            self.string(self.version.as_str());
        }
    }

    fn start_with_namespace(&mut self, element: Element, namespace: Namespace<'_>) {
        self.begin(element.in_version(self.version).name(), Some(element));
        self.namespace(Some(element), &namespace);
    }

    fn start_unknown(&mut self, name: &str, namespace: Option<Namespace<'_>>) {
        // The root has a member of its own of that name.
        let is_taken = self.open.len() == 2 && name == VERSION;
        // A name that CSP has is typed as it is everywhere, or its reader could not take it: Qualifier in a foreign attribute.
        let typed = Element::by_name(name, Space::Pa)
            .filter(|element| matches!(element.kind(), Kind::Integer | Kind::Boolean | Kind::Date));
        self.begin(if is_taken { "Unknown" } else { text::name_or_unknown(name) }, typed);
        if let Some(namespace) = namespace {
            self.namespace(None, &namespace);
        }
    }

    #[inline]
    fn end(&mut self, _: Element) {
        self.close();
    }

    fn end_unknown(&mut self, _: &str) {
        self.close();
    }

    #[inline]
    fn text(&mut self, text: &str) {
        if text.is_empty() || self.open.len() < 2 {
            return;
        }
        let Some(open) = self.open.last_mut() else { return };
        match open.value {
            Value::Nothing => {
                open.value = Value::Text;
                self.out.push(b'"');
                escape(&mut self.out, text);
            }
            Value::Text => escape(&mut self.out, text),
            Value::Word => {
                open.value = Value::Text;
                self.out.insert(open.start, b'"');
                escape(&mut self.out, text);
            }
            Value::Object if text::is_blank(text) => {}
            Value::Object => {
                self.member(TEXT, None);
                self.string(text);
            }
        }
    }

    fn integer(&mut self, number: u32) {
        match self.open.last_mut() {
            Some(open) if open.value == Value::Nothing && open.kind() == Kind::Integer => {
                open.value = Value::Word;
                // Writing into a Vec cannot fail.
                let _ = write!(self.out, "{number}");
            }
            _ => self.text(&number.to_string()),
        }
    }

    fn boolean(&mut self, value: bool) {
        match self.open.last_mut() {
            Some(open) if open.value == Value::Nothing && open.kind() == Kind::Boolean => {
                open.value = Value::Word;
                self.out.extend_from_slice(if value { b"true" } else { b"false" });
            }
            _ => self.text(if value { "T" } else { "F" }),
        }
    }

    fn date(&mut self, date: DateTime) {
        // It gets its form when the element ends.
        self.text(&date.to_basic());
    }

    fn content(&mut self, content: &RawContent<'_>) {
        match content {
            RawContent::Text(text) => self.text(text),
            RawContent::Bytes(bytes) => self.opaque(bytes),
        }
    }

    fn opaque(&mut self, bytes: &[u8]) {
        self.text(&BASE64.encode(bytes));
    }

    fn fragment(&mut self, fragment: &Fragment) {
        debug_assert_eq!((fragment.form, fragment.version), (Form::Json, self.version), "fragment of another encoding");
        if fragment.bytes.is_empty() {
            return;
        }
        self.make_object();
        let Some(open) = self.open.last_mut() else { return };
        if open.list.take().is_some() {
            self.out.push(b']');
        }
        if open.has_members {
            self.out.push(b',');
            open.is_tangled = true;
        }
        open.has_members = true;
        open.is_spliced = true;
        self.out.extend_from_slice(&fragment.bytes);
    }

    fn version(&self) -> Version {
        self.version
    }

    fn form(&self) -> Form {
        Form::Json
    }
}
