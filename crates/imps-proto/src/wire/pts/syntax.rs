//! Text to parameters. Encoding 2.1.

use super::MAX_TRANSACTION_ID;
use super::tables::{self, Code};
use crate::wire::{DecodeError, DecodeErrorKind, text};
use imps_types::Version;
use std::borrow::Cow;

/// Groups inside each other.
const DEPTH: usize = 16;
/// Parameters of one message.
const PARAMETERS: usize = 64;
/// Items of one group.
const ITEMS: usize = 1000;

/// The digits of a version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PtsVersion {
    /// One that is spoken here.
    Known(Version),
    /// `XX`: of version discovery.
    Discovery,
    /// Two other digits.
    Unknown([u8; 2]),
}

/// What a message begins with: `WV13PN12`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preamble {
    /// The version.
    pub version: PtsVersion,
    /// The transaction, in upper case.
    pub code: [u8; 2],
    /// The TransactionID, 0 to 999.
    pub transaction_id: u16,
    /// The number of this piece and the number of pieces, from 1, if the message was split.
    pub segment: Option<(u8, u8)>,
    /// How many bytes it takes up.
    pub length: usize,
}

impl Preamble {
    /// Reads the preamble of a message.
    ///
    /// # Errors
    /// When there is none: then nothing is known by which the message could be answered.
    pub fn read(input: &[u8]) -> Result<Self, DecodeError> {
        let end = input.iter().position(|&byte| text::is_space(byte)).unwrap_or(input.len());
        let word = input.get(..end).unwrap_or_default();
        let wrong = |at| DecodeError::new(DecodeErrorKind::Malformed("preamble"), at);
        let &[b'W', b'V', major, minor, a, b, ref rest @ ..] = word else { return Err(wrong(0)) };
        let version = match [major, minor] {
            [b'1', b'1'] => PtsVersion::Known(Version::V1_1),
            [b'1', b'2'] => PtsVersion::Known(Version::V1_2),
            [b'1', b'3'] => PtsVersion::Known(Version::V1_3),
            [b'X' | b'x', b'X' | b'x'] => PtsVersion::Discovery,
            other if other.iter().all(u8::is_ascii_digit) => PtsVersion::Unknown(other),
            _ => return Err(wrong(2)),
        };
        if !a.is_ascii_alphabetic() || !b.is_ascii_alphabetic() {
            return Err(wrong(4));
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, letters) = rest.split_at_checked(digits).unwrap_or_default();
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        let transaction_id = number.filter(|&number| number <= MAX_TRANSACTION_ID).ok_or(wrong(6))?;
        let letter = |byte: u8| byte.is_ascii_alphabetic().then(|| byte.to_ascii_lowercase() - b'a' + 1);
        let segment = match *letters {
            [] => None,
            [number, count] => match (letter(number), letter(count)) {
                (Some(number), Some(count)) if number <= count => Some((number, count)),
                _ => return Err(wrong(6 + digits)),
            },
            _ => return Err(wrong(6 + digits)),
        };
        let code = [a.to_ascii_uppercase(), b.to_ascii_uppercase()];
        Ok(Self { version, code, transaction_id, segment, length: end })
    }
}

/// `name=value`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    /// None: a name alone.
    pub(super) value: Option<Value<'a>>,
    /// Where it begins.
    pub(super) at: usize,
}

/// What a parameter says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value<'a> {
    Text(Text<'a>),
    /// At least one.
    Group(Vec<Value<'a>>),
}

/// Text, and whether it stood in quotes: only so can an empty text be told from an empty item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Text<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) is_quoted: bool,
}

impl<'a> Value<'a> {
    pub(super) fn text(&self) -> Option<&Text<'a>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Group(_) => None,
        }
    }

    /// The items of a group, or the value itself as the only one.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::Group(items) => items,
            Self::Text(_) => std::slice::from_ref(self),
        }
    }

    /// Whether it is an item that was left out: `()`, `(,x)`.
    pub(super) fn is_absent(&self) -> bool {
        self.text().is_some_and(Text::is_absent)
    }
}

impl Text<'_> {
    pub(super) fn is_absent(&self) -> bool {
        self.text.is_empty() && !self.is_quoted
    }
}

/// The parameters as far as they can be read, and what is wrong with the next.
#[derive(Debug)]
pub(super) struct Parameters<'a> {
    pub(super) list: Vec<Parameter<'a>>,
    pub(super) error: Option<DecodeError>,
}

/// Reads what stands behind a preamble that ends at `from`.
pub(super) fn parameters(input: &[u8], from: usize) -> Parameters<'_> {
    let rest = input.get(from..).unwrap_or_default();
    let (text, error) = match text::check(rest, from) {
        Ok(text) => (text, None),
        Err(error) => (before_damage(rest), Some(error)),
    };
    let text = text.trim_end_matches([' ', '\t', '\r', '\n']);
    let mut parser = Parser { text, at: 0, from };
    let mut list = Vec::new();
    let outcome = parser.parameters(&mut list);
    // Damage is told first: text was cut off there.
    Parameters { list, error: error.or(outcome.err()) }
}

/// The text before what is no text.
fn before_damage(bytes: &[u8]) -> &str {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default()
        }
    };
    let legal =
        text.char_indices().find(|&(at, c)| !text::is_legal(text.get(at..at + c.len_utf8()).unwrap_or_default()));
    legal.and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

struct Parser<'a> {
    text: &'a str,
    /// The next byte of the text.
    at: usize,
    /// Where the text begins in the message.
    from: usize,
}

/// What ends plain text, or must not stand in it.
fn is_special(c: char) -> bool {
    matches!(c, ' ' | '"' | ',' | '(' | ')' | '=' | '&') || c.is_ascii_control()
}

/// Whether a text has to stand in quotes.
pub(super) fn needs_quotes(text: &str) -> bool {
    text.is_empty() || text.contains(is_special)
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind, self.from + self.at)
    }

    fn malformed(&self, what: &'static str) -> DecodeError {
        self.error(DecodeErrorKind::Malformed(what))
    }

    /// Takes this byte if it is the next.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.next() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn parameters(&mut self, list: &mut Vec<Parameter<'a>>) -> Result<(), DecodeError> {
        while self.next().is_some() {
            if !self.takes(b' ') {
                return Err(self.malformed("a space was expected"));
            }
            if list.len() >= PARAMETERS {
                return Err(self.error(DecodeErrorKind::TooLarge("parameters")));
            }
            let parameter = self.parameter()?;
            if list.iter().any(|other| other.name.eq_ignore_ascii_case(parameter.name)) {
                return Err(self.malformed("a parameter twice"));
            }
            list.push(parameter);
        }
        Ok(())
    }

    fn parameter(&mut self) -> Result<Parameter<'a>, DecodeError> {
        let at = self.from + self.at;
        let rest = self.rest();
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let name = rest.get(..end).filter(|name| !needs_quotes(name));
        let name = name.ok_or_else(|| self.malformed("name of a parameter"))?;
        self.at += end;
        let value = if self.takes(b'=') { Some(self.value(0)?) } else { None };
        if value.as_ref().is_some_and(Value::is_absent) {
            return Err(self.malformed("a parameter without its value"));
        }
        Ok(Parameter { name, value, at })
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, DecodeError> {
        match self.next() {
            Some(b'(') => self.group(depth + 1),
            Some(b'"') => self.quoted(),
            _ => Ok(self.plain(depth > 0)),
        }
    }

    fn group(&mut self, depth: usize) -> Result<Value<'a>, DecodeError> {
        if depth > DEPTH {
            return Err(self.error(DecodeErrorKind::TooDeep));
        }
        self.at += 1;
        let mut items = Vec::new();
        loop {
            if items.len() >= ITEMS {
                return Err(self.error(DecodeErrorKind::TooLarge("group")));
            }
            items.push(self.value(depth)?);
            match self.next() {
                Some(b',') => self.at += 1,
                Some(b')') => {
                    self.at += 1;
                    return Ok(Value::Group(items));
                }
                Some(_) => return Err(self.malformed("group")),
                None => return Err(self.error(DecodeErrorKind::Truncated)),
            }
        }
    }

    fn quoted(&mut self) -> Result<Value<'a>, DecodeError> {
        self.at += 1;
        let mut text = Cow::Borrowed("");
        loop {
            let rest = self.rest();
            let Some(end) = memchr::memchr(b'"', rest.as_bytes()) else {
                return Err(self.error(DecodeErrorKind::Truncated));
            };
            let piece = rest.get(..end).unwrap_or_default();
            text::append(&mut text, Cow::Borrowed(piece));
            self.at += end + 1;
            if !self.takes(b'"') {
                return Ok(Value::Text(Text { text, is_quoted: true }));
            }
            // Two of them are one that was meant.
            text.to_mut().push('"');
        }
    }

    /// Inside a group a space can have no other meaning, and the known client does not quote it (Encoding 2.5).
    fn plain(&mut self, in_group: bool) -> Value<'a> {
        let rest = self.rest();
        let end = rest.find(|c| is_special(c) && !(in_group && c == ' ')).unwrap_or(rest.len());
        self.at += end;
        Value::Text(Text { text: Cow::Borrowed(rest.get(..end).unwrap_or_default()), is_quoted: false })
    }
}

impl Parameter<'_> {
    /// Its name as a code, if it is one.
    pub(super) fn code(&self) -> Option<Code> {
        tables::code(self.name)
    }
}
