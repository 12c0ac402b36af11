//! Keys and ranges of keys. Keys are compared as octets, so that every engine has the same order.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

/// The key of a row: octets, ordered as octets.
#[derive(Clone)]
pub struct Key(Octets);

/// Keys are made on one thread and let go of on another, each row of a batch with its own, so most need no allocation.
#[derive(Clone)]
enum Octets {
    Short { length: u8, octets: [u8; SHORT] },
    Long(Bytes),
}

/// As long as a key with the address of a user and a number usually is.
const SHORT: usize = 46;

impl Key {
    /// A key of several parts whose order is the order of the parts.
    ///
    /// ```
    /// use imps_service::seam::Key;
    ///
    /// let earlier = Key::build().u16(7).text("wv:alice").u64(255).done();
    /// let later = Key::build().u16(7).text("wv:alice").u64(256).done();
    /// assert!(earlier < later);
    /// ```
    pub fn build() -> KeyBuilder {
        KeyBuilder { length: 0, short: [0; SHORT], long: Vec::new() }
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Octets::Short { length, octets } => octets.get(..usize::from(*length)).unwrap_or_default(),
            Octets::Long(octets) => octets,
        }
    }

    fn short(octets: &[u8]) -> Option<Self> {
        let mut short = [0; SHORT];
        short.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(Self(Octets::Short { length: u8::try_from(octets.len()).ok()?, octets: short }))
    }

    /// Takes a key that was built of parts apart again.
    pub fn read(&self) -> KeyReader<'_> {
        KeyReader(self.as_bytes())
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl From<Bytes> for Key {
    fn from(bytes: Bytes) -> Self {
        Self::short(&bytes).unwrap_or(Self(Octets::Long(bytes)))
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Self::short(&bytes).unwrap_or_else(|| Self(Octets::Long(bytes.into())))
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self::short(bytes).unwrap_or_else(|| Self(Octets::Long(Bytes::copy_from_slice(bytes))))
    }
}

impl<const N: usize> From<&[u8; N]> for Key {
    fn from(bytes: &[u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Self {
        key.clone()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(\"{}\")", self.as_bytes().escape_ascii())
    }
}

// A text in a key ends with these two octets; a NUL inside it is written as NUL and 0xFF. So no text can run into what
// follows it, and a text that is the beginning of another one comes before it.
const TEXT_END: u8 = 0x01;
const TEXT_NUL: u8 = 0xff;

/// Writes the parts of a key one after the other; made by [`Key::build`].
#[derive(Clone, Debug)]
pub struct KeyBuilder {
    length: usize,
    short: [u8; SHORT],
    /// All of it, as soon as it is too long to be short.
    long: Vec<u8>,
}

impl KeyBuilder {
    fn octets(&self) -> &[u8] {
        if self.long.is_empty() { self.short.get(..self.length).unwrap_or_default() } else { &self.long }
    }

    fn add(&mut self, octets: &[u8]) {
        let end = self.length + octets.len();
        match self.short.get_mut(self.length..end) {
            Some(place) => place.copy_from_slice(octets),
            None => {
                if self.long.is_empty() {
                    self.long.reserve_exact(end);
                    self.long.extend(self.short.iter().take(self.length));
                }
                self.long.extend_from_slice(octets);
            }
        }
        self.length = end;
    }

    /// A number of one octet.
    pub fn u8(mut self, number: u8) -> Self {
        self.add(&[number]);
        self
    }

    /// A number of two octets, such as a slot.
    pub fn u16(mut self, number: u16) -> Self {
        self.add(&number.to_be_bytes());
        self
    }

    /// A number of four octets.
    pub fn u32(mut self, number: u32) -> Self {
        self.add(&number.to_be_bytes());
        self
    }

    /// A number of eight octets, such as a sequence number or a time.
    pub fn u64(mut self, number: u64) -> Self {
        self.add(&number.to_be_bytes());
        self
    }

    /// A text, closed, so that another part may follow.
    pub fn text(mut self, text: &str) -> Self {
        if memchr::memchr(0, text.as_bytes()).is_none() {
            self.add(text.as_bytes());
        } else {
            for byte in text.bytes() {
                self.add(&[byte]);
                if byte == 0 {
                    self.add(&[TEXT_NUL]);
                }
            }
        }
        self.add(&[0, TEXT_END]);
        self
    }

    /// Octets as they are. Only of one length everywhere, or as the last part.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.add(bytes);
        self
    }

    /// The finished key.
    pub fn done(self) -> Key {
        match u8::try_from(self.length) {
            Ok(length) if self.long.is_empty() => Key(Octets::Short { length, octets: self.short }),
            // Exactly as large as it is: a buffer with room to spare would cost a second allocation for the counting.
            _ => Key(Octets::Long(self.long.into_boxed_slice().into())),
        }
    }

    /// All keys that begin with the parts so far.
    pub fn range(self) -> KeyRange {
        KeyRange::prefix(self.octets())
    }
}

/// Reads the parts of a key in the order they were written. What does not fit is `None`.
#[derive(Clone, Debug)]
pub struct KeyReader<'a>(&'a [u8]);

impl<'a> KeyReader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// A number of one octet.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number of two octets.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// A number of four octets.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A number of eight octets.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A text.
    pub fn text(&mut self) -> Option<Cow<'a, str>> {
        let mut whole = Vec::new();
        loop {
            let nul = self.0.iter().position(|byte| *byte == 0)?;
            let (head, rest) = self.0.split_at_checked(nul)?;
            let mark = *rest.get(1)?;
            self.0 = rest.get(2..)?;
            match mark {
                TEXT_END if whole.is_empty() => return std::str::from_utf8(head).ok().map(Cow::Borrowed),
                TEXT_END => {
                    whole.extend_from_slice(head);
                    return String::from_utf8(whole).ok().map(Cow::Owned);
                }
                TEXT_NUL => {
                    whole.extend_from_slice(head);
                    whole.push(0);
                }
                _ => return None,
            }
        }
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// Keys from one that is included to one that is not, or to the end of the space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRange {
    /// The first key of the range.
    pub start: Key,
    /// The first key behind the range; none: the range goes to the end of the space.
    pub end: Option<Key>,
}

impl KeyRange {
    /// Every key of a space.
    pub fn all() -> Self {
        Self { start: Key::from(&[]), end: None }
    }

    /// From `start`, included, to `end`, excluded.
    pub fn new(start: impl Into<Key>, end: impl Into<Key>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// From `start`, included, to the end of the space.
    pub fn from(start: impl Into<Key>) -> Self {
        Self { start: start.into(), end: None }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        // The first key behind them is the prefix without its trailing 0xFF octets, and the last octet left one higher.
        let end = prefix.iter().rposition(|byte| *byte != 0xff).and_then(|last| {
            let mut end = prefix.get(..=last)?.to_vec();
            *end.last_mut()? += 1;
            Some(Key::from(end))
        });
        Self { start: Key::from(prefix), end }
    }

    /// The same range without the keys up to `key`, which is the last one seen: the next page, forwards.
    pub fn after(&self, key: &Key) -> Self {
        // The least key that is greater than another is that one with a NUL behind it.
        let mut next = key.as_bytes().to_vec();
        next.push(0);
        Self { start: Key::from(next), end: self.end.clone() }
    }

    /// The same range without the keys from `key` on, which is the last one seen: the next page, backwards.
    pub fn before(&self, key: &Key) -> Self {
        Self { start: self.start.clone(), end: Some(key.clone()) }
    }

    /// Whether the key lies in the range.
    pub fn contains(&self, key: &Key) -> bool {
        self.start <= *key && self.end.as_ref().is_none_or(|end| key < end)
    }

    /// Whether no key can lie in the range.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_behind_its_last_key() {
        let check = |prefix: &[u8], end: Option<&[u8]>| {
            assert_eq!(KeyRange::prefix(prefix).end.as_ref().map(Key::as_bytes), end, "{prefix:?}");
        };
        check(b"ab", Some(b"ac"));
        check(b"a\xff", Some(b"b"));
        check(b"\xff\xff", None);
        check(b"", None);
        assert!(KeyRange::prefix(b"a\xff").contains(&Key::from(b"a\xff\xff\xff")));
        assert!(!KeyRange::prefix(b"a\xff").contains(&Key::from(b"b")));
    }

    #[test]
    fn parts_come_back_and_keep_their_order() {
        let texts = ["", "\0", "\0\0", "a", "a\0", "a\0b", "aa", "ab", "b", "\u{ff}"];
        let mut last: Option<Key> = None;
        for text in texts {
            let key = Key::build().u16(9).text(text).u64(u64::MAX).u8(1).u32(5).bytes(b"end").done();
            let mut parts = key.read();
            assert_eq!(parts.u16(), Some(9));
            assert_eq!(parts.text().as_deref(), Some(text));
            assert_eq!((parts.u64(), parts.u8(), parts.u32()), (Some(u64::MAX), Some(1), Some(5)));
            assert_eq!(parts.rest(), b"end");
            assert!(last.is_none_or(|last| last < key), "{text:?} is out of order");
            last = Some(key);
        }
    }

    #[test]
    fn keys_are_the_same_however_long_they_are() {
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 255, 256, 300] {
            let octets = vec![7; length];
            let built = (0..length).fold(Key::build(), |key, _| key.u8(7)).done();
            let at_once = Key::build().bytes(&octets).done();
            for key in [
                built,
                at_once,
                Key::from(&octets[..]),
                Key::from(octets.clone()),
                Key::from(Bytes::from(octets.clone())),
            ] {
                assert_eq!((key.as_bytes(), &key), (&octets[..], &Key::from(&octets[..])), "{length}");
            }
            let parts = Key::build().bytes(&octets).u64(5);
            assert!(parts.clone().range().contains(&parts.done()), "{length}");
        }
        let (short, long) = (Key::from(&[9; SHORT]), Key::from(&[9; SHORT + 1]));
        assert!(short < long && Key::from(b"\x0a") > long);
    }

    #[test]
    fn a_broken_key_is_read_as_nothing() {
        assert_eq!(Key::from(b"a").read().u16(), None);
        assert_eq!(Key::from(b"abc").read().text(), None);
        assert_eq!(Key::from(b"abc\0").read().text(), None);
        assert_eq!(Key::from(b"abc\0\x05").read().text(), None);
        assert_eq!(Key::from(b"\xc3\0\x01").read().text(), None);
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        let range = KeyRange::new("a", "d");
        assert_eq!(range.after(&Key::from("b")).start, Key::from(b"b\0"));
        assert_eq!(range.before(&Key::from("b")), KeyRange::new("a", "b"));
        assert!(range.before(&Key::from("a")).is_empty());
    }
}
