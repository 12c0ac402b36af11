//! JSON to tokens. `docs/json.md` describes the form.
//!
//! A member of an object is a child element, and each item of its list is one. Members come in any order; where a decoder
//! needs one before another, the other is passed over and read later, so that nothing is kept but its place.
//!
//! What might surprise: `null` is as good as absent; `true` and `false` say whether an element without content is there;
//! and a key that stands twice in an object is refused, since readers differ in which of the two they believe.

use super::namespace::Namespace;
use super::{DecodeError, DecodeErrorKind, Form, Limits, Reader, Start, Tag, Token, text};
use crate::element::{Element, Kind, Space};
use imps_types::Version;
use std::borrow::Cow;

/// The member of the root that says the version of the message.
pub(super) const VERSION: &str = "Version";
/// Text of an element that has children too.
pub(super) const TEXT: &str = "$text";
/// A namespace that is not the one its element has in the version of the message.
pub(super) const XMLNS: &str = "$xmlns";

const TEXT_TAG: Tag<'static> = Tag::Unknown(TEXT);
/// The namespace that an element inside the root declares in XML, if it does.
pub(super) fn declared_space(element: Element) -> Option<Space> {
    match element {
        Element::TransactionContent => Some(Space::Trc),
        Element::PresenceSubList => Some(Space::Pa),
        _ => None,
    }
}

/// What a key is called that could not be the name of an element.
const NO_NAME: &str = "Unknown";
/// Keys of one object that are not in the table. What is compared with each other must be few.
const UNKNOWN_KEYS: usize = 64;

/// Reads JSON.
pub struct JsonReader<'a> {
    input: &'a [u8],
    at: usize,
    version: Option<Version>,
    /// The objects that are open.
    open: Vec<Open<'a>>,
    /// Their keys so far, the innermost object's last.
    keys: Vec<Tag<'a>>,
    leaf: Leaf<'a>,
    stage: Stage,
    elements_left: usize,
    depth: usize,
}

/// An object.
struct Open<'a> {
    element: Option<Element>,
    /// Where its keys begin.
    keys: usize,
    unknown_keys: usize,
    /// The member whose list is being read.
    list: Option<Tag<'a>>,
    /// Nothing was read yet of the object or list that is being read, so no comma may come.
    is_fresh: bool,
    /// A member that was passed over, and where its value begins.
    later: Option<(Tag<'a>, usize)>,
    /// Where the object ends, while the member is read that was passed over.
    end: Option<usize>,
}

/// An element whose value is no object: what is still to be shown of it.
enum Leaf<'a> {
    None,
    Text(Cow<'a, str>),
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the root.
    Before,
    /// Inside the root.
    Inside,
    /// After the root.
    After,
    /// All was read.
    Over,
}

impl<'a> JsonReader<'a> {
    /// Begins at the first byte, which may be a byte order mark.
    pub fn new(input: &'a [u8], limits: &Limits) -> Self {
        Self {
            input,
            at: if input.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 },
            version: None,
            open: Vec::with_capacity(16),
            keys: Vec::with_capacity(32),
            leaf: Leaf::None,
            stage: Stage::Before,
            elements_left: limits.elements,
            depth: limits.depth,
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

    /// The next byte that is not white space, which is not taken.
    #[inline]
    fn peek(&mut self) -> Result<u8, DecodeError> {
        loop {
            match self.input.get(self.at) {
                Some(byte) if text::is_space(*byte) => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(self.fail(DecodeErrorKind::Truncated)),
            }
        }
    }

    #[inline]
    fn take(&mut self, wanted: u8, what: &'static str) -> Result<(), DecodeError> {
        if self.peek()? != wanted {
            return Err(self.malformed(what));
        }
        self.at += 1;
        Ok(())
    }

    /// A string, at whose opening quote the reader stands.
    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        self.take(b'"', "string expected")?;
        let start = self.at;
        let rest = self.input.get(start..).unwrap_or_default();
        let stop = memchr::memchr2(b'"', b'\\', rest).ok_or_else(|| self.fail(DecodeErrorKind::Truncated))?;
        let piece = piece(rest.get(..stop).unwrap_or_default(), start)?;
        self.at = start + stop;
        if rest.get(stop) == Some(&b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(piece));
        }
        self.escaped(piece).map(Cow::Owned)
    }

    /// The rest of a string, from a backslash on.
    fn escaped(&mut self, first: &str) -> Result<String, DecodeError> {
        let mut text = String::from(first);
        loop {
            // Here stands a backslash.
            self.at += 1;
            text.push(self.escape()?);
            let start = self.at;
            let rest = self.input.get(start..).unwrap_or_default();
            let stop = memchr::memchr2(b'"', b'\\', rest).ok_or_else(|| self.fail(DecodeErrorKind::Truncated))?;
            text.push_str(piece(rest.get(..stop).unwrap_or_default(), start)?);
            self.at = start + stop;
            if rest.get(stop) == Some(&b'"') {
                self.at += 1;
                return Ok(text);
            }
        }
    }

    fn escape(&mut self) -> Result<char, DecodeError> {
        let byte = *self.input.get(self.at).ok_or_else(|| self.fail(DecodeErrorKind::Truncated))?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' => Ok(char::from(byte)),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            // Characters that no other encoding could carry.
            b'b' | b'f' => Err(text::forbidden(self.at)),
            b'u' => self.unicode(),
            _ => Err(self.malformed("unknown escape")),
        }
    }

    fn unicode(&mut self) -> Result<char, DecodeError> {
        let lone = DecodeErrorKind::BadText("lone surrogate");
        let number = match self.hex()? {
            high @ 0xD800..=0xDBFF => {
                if self.input.get(self.at..).is_none_or(|rest| !rest.starts_with(b"\\u")) {
                    return Err(self.fail(lone));
                }
                self.at += 2;
                match self.hex()? {
                    low @ 0xDC00..=0xDFFF => 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00),
                    _ => return Err(self.fail(lone)),
                }
            }
            0xDC00..=0xDFFF => return Err(self.fail(lone)),
            number => number,
        };
        text::character(number).ok_or_else(|| text::forbidden(self.at))
    }

    /// Four hexadecimal digits.
    fn hex(&mut self) -> Result<u32, DecodeError> {
        let end = self.at.saturating_add(4);
        let digits = self.input.get(self.at..end).ok_or_else(|| self.fail(DecodeErrorKind::Truncated))?;
        let number = digits.iter().try_fold(0, |number, &digit| Some(number << 4 | char::from(digit).to_digit(16)?));
        self.at = end;
        number.ok_or_else(|| self.malformed("unknown escape"))
    }

    /// A number, as it is spelled. Whether it fits is asked where its element is read.
    fn number(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.at;
        let rest = self.input.get(start..).unwrap_or_default();
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let number = std::str::from_utf8(rest.get(..length).unwrap_or_default()).unwrap_or_default();
        if length == rest.len() {
            return Err(DecodeError::new(DecodeErrorKind::Truncated, start + length));
        }
        if !is_number(number) {
            return Err(self.malformed("number"));
        }
        self.at += length;
        Ok(number)
    }

    fn word(&mut self, word: &str) -> Result<(), DecodeError> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            let is_cut = word.as_bytes().starts_with(rest);
            return Err(if is_cut { self.fail(DecodeErrorKind::Truncated) } else { self.malformed("value") });
        }
        self.at += word.len();
        Ok(())
    }

    /// A key, and the colon after it.
    fn key(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let key = self.string()?;
        self.take(b':', "colon expected")?;
        Ok(key)
    }

    /// The element that a key names inside an element of namespace `within`.
    fn tag(&self, key: Cow<'a, str>, within: Space) -> Tag<'a> {
        if let Some(element) = Element::by_name(&key, within) {
            return Tag::Known(self.version.map_or(element, |version| element.in_version(version)));
        }
        match key {
            Cow::Borrowed(name) if text::is_name(name) || name == TEXT => Tag::Unknown(name),
            _ => Tag::Unknown(NO_NAME),
        }
    }

    /// Counts an element that begins.
    fn count(&mut self) -> Result<(), DecodeError> {
        if self.open.len() >= self.depth {
            return Err(self.fail(DecodeErrorKind::TooDeep));
        }
        let left = self.elements_left.checked_sub(1);
        self.elements_left = left.ok_or_else(|| self.fail(DecodeErrorKind::TooManyElements))?;
        Ok(())
    }

    /// An element whose value is an object begins; its brace was taken.
    fn enter(&mut self, tag: Tag<'a>) -> Result<Token<'a>, DecodeError> {
        self.count()?;
        let is_root = self.open.is_empty();
        let element = tag.known();
        let mut open = Open {
            element,
            keys: self.keys.len(),
            unknown_keys: 0,
            list: None,
            is_fresh: true,
            later: None,
            end: None,
        };
        let mut xmlns = None;
        if is_root {
            xmlns = self.find_version()?;
        } else if let (Some(space), Some(version)) = (element.and_then(declared_space), self.version) {
            xmlns = Some(Namespace::of(space, version));
        }
        if self.peek()? == b'"' && self.input.get(self.at + 1..).is_some_and(|rest| rest.starts_with(b"$xmlns\"")) {
            self.key()?;
            xmlns = Some(Namespace::from_value(self.string()?));
            open.is_fresh = false;
        }
        self.open.push(open);
        Ok(Token::Start(Start { tag, xmlns }))
    }

    /// Looks for the version among the members of the root, where it may stand last.
    fn find_version(&mut self) -> Result<Option<Namespace<'a>>, DecodeError> {
        let start = self.at;
        let mut found = None;
        while self.peek()? == b'"' {
            if self.key()? == VERSION {
                let version = match self.peek()? {
                    b'"' => self.string()?,
                    _ => Cow::Borrowed(self.number()?),
                };
                if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
                    return Err(self.malformed("version"));
                }
                self.version = Version::parse(&version);
                let newest = Namespace::of(Space::Csp, Version::V1_3).prefix;
                found = Some(match self.version {
                    Some(version) => Namespace::of(Space::Csp, version),
                    None => Namespace { prefix: newest, rest: version },
                });
                break;
            }
            self.peek()?;
            self.at = past_value(self.input, self.at)?;
            match self.peek()? {
                b',' => self.at += 1,
                _ => break,
            }
            self.peek()?;
        }
        self.at = start;
        Ok(found)
    }

    /// An element whose value is text.
    fn begin(&mut self, tag: Tag<'a>, text: Cow<'a, str>) -> Result<Token<'a>, DecodeError> {
        if tag == TEXT_TAG {
            return Ok(Token::Text(text));
        }
        self.count()?;
        let is_layout = || tag.known().is_some_and(|element| element.kind() == Kind::Struct) && text::is_blank(&text);
        self.leaf = if text.is_empty() || is_layout() { Leaf::End } else { Leaf::Text(text) };
        Ok(Token::Start(Start { tag, xmlns: None }))
    }

    /// A value of the member `tag` that is no list. None: it says that there is none.
    fn value(&mut self, tag: Tag<'a>) -> Result<Option<Token<'a>>, DecodeError> {
        let is_flag = matches!(tag.known().map(Element::kind), Some(Kind::Struct | Kind::Empty));
        let text = match self.peek()? {
            b'{' if tag == TEXT_TAG => return Err(self.malformed("text expected")),
            b'{' => {
                self.at += 1;
                return self.enter(tag).map(Some);
            }
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => Cow::Borrowed(self.number()?),
            b't' => {
                self.word("true")?;
                Cow::Borrowed(if is_flag { "" } else { "T" })
            }
            b'f' => {
                self.word("false")?;
                if is_flag {
                    return Ok(None);
                }
                Cow::Borrowed("F")
            }
            b'n' => {
                self.word("null")?;
                return Ok(None);
            }
            b'[' => return Err(self.malformed("list where a value should be")),
            _ => return Err(self.malformed("value")),
        };
        self.begin(tag, text).map(Some)
    }

    /// The value of a member, which may be a list.
    fn values(&mut self, tag: Tag<'a>) -> Result<Option<Token<'a>>, DecodeError> {
        if self.peek()? != b'[' {
            return self.value(tag);
        }
        self.at += 1;
        if let Some(open) = self.open.last_mut() {
            open.list = Some(tag);
            open.is_fresh = true;
        }
        Ok(None)
    }

    /// One step inside the innermost object: perhaps there is something to show.
    fn step(&mut self) -> Result<Option<Token<'a>>, DecodeError> {
        let Some(open) = self.open.last_mut() else { return Ok(Some(Token::Eof)) };
        let was_fresh = std::mem::replace(&mut open.is_fresh, false);
        if let Some(tag) = open.list {
            return self.item(tag, was_fresh);
        }
        if let Some(end) = open.end.take() {
            self.at = end;
        }
        match self.peek()? {
            b'}' => return self.leave(),
            b'"' if was_fresh => {}
            b',' if !was_fresh => {
                self.at += 1;
                if self.peek()? != b'"' {
                    return Err(self.malformed("key expected"));
                }
            }
            _ => return Err(self.malformed("comma or brace expected")),
        }
        let key = self.key()?;
        self.member(key)
    }

    fn item(&mut self, tag: Tag<'a>, was_fresh: bool) -> Result<Option<Token<'a>>, DecodeError> {
        match self.peek()? {
            b']' => {
                self.at += 1;
                if let Some(open) = self.open.last_mut() {
                    open.list = None;
                }
                return Ok(None);
            }
            b',' if !was_fresh => self.at += 1,
            _ if was_fresh => {}
            _ => return Err(self.malformed("comma or bracket expected")),
        }
        self.value(tag)
    }

    fn member(&mut self, key: Cow<'a, str>) -> Result<Option<Token<'a>>, DecodeError> {
        let Some(open) = self.open.last() else { return Ok(Some(Token::Eof)) };
        let is_version = self.open.len() == 1 && key == VERSION;
        let tag = match open.element {
            _ if is_version => Tag::Unknown(VERSION),
            element => self.tag(key, element.map_or(Space::Trc, Element::space)),
        };
        let former = self.keys.get(open.keys..).unwrap_or_default();
        // What is no name is skipped all the same: there may be several.
        if tag != Tag::Unknown(NO_NAME) && former.contains(&tag) {
            return Err(self.malformed("key that stands twice"));
        }
        let is_later = self.must_wait(tag, former);
        self.keys.push(tag);
        let Some(open) = self.open.last_mut() else { return Ok(None) };
        if tag.known().is_none() {
            open.unknown_keys += 1;
            if open.unknown_keys > UNKNOWN_KEYS {
                return Err(self.fail(DecodeErrorKind::TooLarge("object of unknown keys")));
            }
        }
        if is_version {
            // It was read when the object began.
            self.peek()?;
            self.at = past_value(self.input, self.at)?;
            return Ok(None);
        }
        if is_later {
            self.peek()?;
            let start = self.at;
            self.at = past_value(self.input, self.at)?;
            if let Some(open) = self.open.last_mut() {
                open.later = Some((tag, start));
            }
            return Ok(None);
        }
        self.values(tag)
    }

    /// Whether something has to be read before this member that may still come: what describes a session or transaction
    /// before what is in it. Only in their places, so that nothing is passed over more than three times.
    fn must_wait(&self, tag: Tag<'a>, former: &[Tag<'a>]) -> bool {
        let first = match (self.open.as_slice(), tag) {
            ([_, Open { element: Some(Element::Session), .. }], Tag::Known(Element::Transaction)) => {
                Element::SessionDescriptor
            }
            ([_, _, Open { element: Some(Element::Transaction), .. }], Tag::Known(Element::TransactionContent)) => {
                Element::TransactionDescriptor
            }
            _ => return false,
        };
        !former.contains(&Tag::Known(first))
    }

    /// The object's brace: its end, save for what was passed over.
    fn leave(&mut self) -> Result<Option<Token<'a>>, DecodeError> {
        let Some(open) = self.open.last_mut() else { return Ok(None) };
        if let Some((tag, start)) = open.later.take() {
            open.end = Some(self.at);
            self.at = start;
            return self.values(tag);
        }
        self.at += 1;
        self.keys.truncate(open.keys);
        self.open.pop();
        if self.open.is_empty() {
            self.stage = Stage::After;
        }
        Ok(Some(Token::End))
    }

    /// The object around the root, which has nothing else but keys that begin with a dollar sign.
    fn outside(&mut self) -> Result<Token<'a>, DecodeError> {
        match self.stage {
            Stage::Before => {
                self.take(b'{', "brace expected")?;
                loop {
                    let key = self.key()?;
                    if !key.starts_with('$') {
                        let tag = self.tag(key, Space::Trc);
                        self.stage = Stage::Inside;
                        let token = self.value(tag)?;
                        if self.open.is_empty() {
                            self.stage = Stage::After;
                        }
                        return token.ok_or_else(|| self.malformed("no root element"));
                    }
                    self.string()?;
                    self.take(b',', "comma expected")?;
                }
            }
            Stage::After => {
                while self.peek()? == b',' {
                    self.at += 1;
                    if !self.key()?.starts_with('$') {
                        return Err(self.malformed("second root element"));
                    }
                    self.string()?;
                }
                self.take(b'}', "brace expected")?;
                let rest = self.input.get(self.at..).unwrap_or_default();
                if !rest.iter().all(|&byte| text::is_space(byte)) {
                    return Err(self.malformed("something after the message"));
                }
                self.stage = Stage::Over;
                Ok(Token::Eof)
            }
            Stage::Inside | Stage::Over => Ok(Token::Eof),
        }
    }
}

impl<'a> Reader<'a> for JsonReader<'a> {
    fn next(&mut self) -> Result<Token<'a>, DecodeError> {
        match std::mem::replace(&mut self.leaf, Leaf::None) {
            Leaf::Text(text) => {
                self.leaf = Leaf::End;
                return Ok(Token::Text(text));
            }
            Leaf::End => return Ok(Token::End),
            Leaf::None => {}
        }
        if self.open.is_empty() {
            return self.outside();
        }
        loop {
            if let Some(token) = self.step()? {
                return Ok(token);
            }
        }
    }

    fn form(&self) -> Form {
        Form::Json
    }

    fn version(&self) -> Option<Version> {
        self.version
    }

    #[inline]
    fn depth(&self) -> usize {
        self.open.len() + usize::from(!matches!(self.leaf, Leaf::None))
    }

    #[inline]
    fn position(&self) -> usize {
        self.at
    }
}

/// Where the value ends that begins at `at`. Whether it is in order is found out when it is read.
pub(super) fn past_value(input: &[u8], mut at: usize) -> Result<usize, DecodeError> {
    let mut nesting = 0_usize;
    loop {
        let byte = input.get(at).ok_or(DecodeError::new(DecodeErrorKind::Truncated, at))?;
        match byte {
            b'"' => {
                at = past_string(input, at + 1)?;
                if nesting == 0 {
                    return Ok(at);
                }
                continue;
            }
            b'{' | b'[' => nesting += 1,
            b'}' | b']' | b',' if nesting == 0 => return Ok(at),
            b'}' | b']' => {
                nesting -= 1;
                if nesting == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Where the string ends whose opening quote stands before `at`.
fn past_string(input: &[u8], mut at: usize) -> Result<usize, DecodeError> {
    let truncated = DecodeError::new(DecodeErrorKind::Truncated, input.len());
    loop {
        let rest = input.get(at..).ok_or(truncated)?;
        let stop = memchr::memchr2(b'"', b'\\', rest).ok_or(truncated)?;
        if rest.get(stop) == Some(&b'"') {
            return Ok(at + stop + 1);
        }
        at += stop + 2;
    }
}

/// A piece of a string without escapes.
#[inline]
fn piece(bytes: &[u8], at: usize) -> Result<&str, DecodeError> {
    let piece = text::check(bytes, at)?;
    if !text::is_plain(bytes) && bytes.iter().any(|&byte| byte < 0x20) {
        return Err(DecodeError::new(DecodeErrorKind::Malformed("line end in a string"), at));
    }
    Ok(piece)
}

/// Whether this is a number as JSON spells them.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, exponent)) => (text, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}
