//! Text: which characters are allowed, how pieces become one, how it becomes bytes that can be read.

use super::{DecodeError, DecodeErrorKind, Form, Reader, Token};
use std::borrow::Cow;

/// The longest name of an element that is accepted from a peer.
const NAME_LIMIT: usize = 64;

/// Makes XML in another character set UTF-8. Everything else is left as it is.
///
/// Latin-1 is told by the XML declaration, UTF-16 by its byte order mark. The declaration is dropped when something had
/// to be changed, since it would be wrong afterwards.
pub fn utf8(form: Form, input: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    if form != Form::Xml {
        return Ok(Cow::Borrowed(input));
    }
    let text = match input {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ if declared_encoding(input).is_some_and(is_latin1) => input.iter().map(|&byte| char::from(byte)).collect(),
        _ => return Ok(Cow::Borrowed(input)),
    };
    let body = match text.strip_prefix("<?xml").filter(|rest| rest.starts_with([' ', '\t', '\r', '\n'])) {
        Some(rest) => rest.split_once("?>").map_or("", |(_, body)| body),
        None => &text,
    };
    Ok(Cow::Owned(body.as_bytes().to_vec()))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, DecodeError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(DecodeError::new(DecodeErrorKind::Truncated, bytes.len()));
    }
    char::decode_utf16(pairs.iter().map(|&pair| unit(pair)))
        .collect::<Result<String, _>>()
        .map_err(|_| DecodeError::new(DecodeErrorKind::BadText("not UTF-16"), 0))
}

/// The encoding named in the XML declaration, if there is one.
pub(super) fn declared_encoding(input: &[u8]) -> Option<&str> {
    let input = input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input);
    let declaration = input.strip_prefix(b"<?xml")?;
    let end = memchr::memchr(b'>', declaration.get(..256.min(declaration.len()))?)?;
    let declaration = declaration.get(..end)?;
    const NAME: &[u8] = b"encoding";
    let at = declaration.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let value = declaration.get(at..)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first().filter(|&(&quote, _)| quote == b'"' || quote == b'\'')?;
    let end = memchr::memchr(*quote, value)?;
    std::str::from_utf8(value.get(..end)?).ok()
}

fn is_latin1(name: &str) -> bool {
    ["ISO-8859-1", "ISO8859-1", "LATIN1", "ISO_8859-1"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether the bytes of a document that declares this encoding are UTF-8 as they stand.
pub(super) fn is_utf8_compatible(name: &str) -> bool {
    ["UTF-8", "UTF8", "US-ASCII", "ASCII"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether nothing in these bytes of a string needs a second look: no control, and nothing near U+FFFE.
#[inline]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    // No early exit: this way the compiler looks at many bytes at once.
    bytes.iter().fold(0, |seen, &byte| seen | u8::from(byte < 0x20) | u8::from(byte == 0xEF)) == 0
}

fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether XML can carry all of these characters.
#[inline]
pub(super) fn is_legal(text: &str) -> bool {
    is_plain(text.as_bytes()) || text.chars().all(is_allowed)
}

/// A character that XML can carry, by its number.
pub(super) fn character(number: u32) -> Option<char> {
    char::from_u32(number).filter(|&c| is_allowed(c))
}

/// Bytes as text that can be passed on in every encoding.
#[inline]
pub(super) fn check(bytes: &[u8], at: usize) -> Result<&str, DecodeError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| DecodeError::new(DecodeErrorKind::BadText("not UTF-8"), at + error.valid_up_to()))?;
    if is_legal(text) { Ok(text) } else { Err(forbidden(at)) }
}

pub(super) const fn forbidden(at: usize) -> DecodeError {
    DecodeError::new(DecodeErrorKind::BadText("control character"), at)
}

/// Text of an XML document: checked, and with the line ends that XML prescribes.
#[inline]
pub(super) fn from_xml(text: &str, at: usize) -> Result<Cow<'_, str>, DecodeError> {
    if is_plain(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    if !text.chars().all(is_allowed) {
        return Err(forbidden(at));
    }
    if memchr::memchr(b'\r', text.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")))
}

/// The same text with U+FFFD for what XML cannot carry.
#[inline]
pub(super) fn sanitized(text: &str) -> Cow<'_, str> {
    if is_legal(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect())
}

/// White space as XML defines it.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(is_space)
}

/// Without white space at both ends.
#[inline]
pub(super) fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    let edge = |byte: Option<&u8>| byte.is_some_and(|&byte| is_space(byte));
    if !edge(text.as_bytes().first()) && !edge(text.as_bytes().last()) {
        return text;
    }
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(is_space)),
        Cow::Owned(text) => Cow::Owned(text.trim_matches(is_space).to_owned()),
    }
}

/// Adds a piece; the first is taken as it is.
#[inline]
pub(super) fn append<'a>(content: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if content.is_empty() {
        *content = more;
    } else {
        content.to_mut().push_str(&more);
    }
}

/// All the text from `first` to the end of the element.
#[inline]
pub(super) fn rest<'a, R>(reader: &mut R, first: Token<'a>) -> Result<Cow<'a, str>, DecodeError>
where
    R: Reader<'a> + ?Sized,
{
    let mut content = Cow::Borrowed("");
    let mut token = first;
    loop {
        match token {
            Token::Text(more) => append(&mut content, more),
            Token::End => return Ok(content),
            Token::Integer(number) => append(&mut content, Cow::Owned(number.to_string())),
            Token::Date(date) => append(&mut content, Cow::Owned(date.to_basic())),
            Token::Opaque(bytes) => append(&mut content, Cow::Borrowed(check(bytes, reader.position())?)),
            Token::Start(_) => reader.skip()?,
            Token::Eof => return Err(DecodeError::new(DecodeErrorKind::Truncated, reader.position())),
        }
        token = reader.next()?;
    }
}

/// An unsigned number, decimal or hexadecimal after `0x`.
pub(super) fn integer(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => decimal(text),
    }
}

/// An unsigned number of digits only.
#[inline]
pub(super) fn decimal(text: &str) -> Option<u32> {
    // `parse` would take a plus sign.
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Whether this could be the name of an element, without a prefix. In ASCII as XML says, outside of it generous.
pub(super) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= NAME_LIMIT
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || !b.is_ascii())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-') || !b.is_ascii())
}

/// A number that, written again, gives the same text.
pub(super) fn canonical_decimal(text: &str) -> Option<u32> {
    if text.len() > 1 && text.starts_with('0') { None } else { decimal(text) }
}

/// A name that can be written in every encoding.
pub(super) fn name_or_unknown(name: &str) -> &str {
    if is_name(name) { name } else { "Unknown" }
}

/// A name without its prefix.
#[inline]
pub(super) fn local_name(name: &str) -> &str {
    match memchr::memchr(b':', name.as_bytes()) {
        Some(colon) => name.get(colon + 1..).unwrap_or(name),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_character_sets() {
        let latin1 = b"<?xml version='1.0' encoding='ISO-8859-1'?><Note>Gr\xFC\xDFe</Note>";
        assert_eq!(&*utf8(Form::Xml, latin1).unwrap(), "<Note>Grüße</Note>".as_bytes());
        let utf16: Vec<u8> = "\u{FEFF}<Note>Grüße</Note>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(&*utf8(Form::Xml, &utf16).unwrap(), "<Note>Grüße</Note>".as_bytes());
        assert!(utf8(Form::Xml, &utf16[..utf16.len() - 1]).is_err());
        let plain = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Note/>";
        assert!(matches!(utf8(Form::Xml, plain), Ok(Cow::Borrowed(bytes)) if bytes == plain));
        assert!(matches!(utf8(Form::Wbxml, latin1), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn numbers() {
        for (text, number) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("4294967295", Some(u32::MAX)),
            ("0xFF", Some(255)),
            ("4294967296", None),
            ("+1", None),
            ("-1", None),
            ("0x", None),
            ("0x+1", None),
            ("", None),
            ("1 2", None),
        ] {
            assert_eq!(integer(text), number, "{text}");
        }
    }

    #[test]
    fn characters_that_xml_cannot_carry() {
        assert!(is_legal("tab\t line\n return\r \u{7F}\u{85}\u{FFFD}\u{FF21}\u{1F600}"));
        for c in ['\0', '\u{1F}', '\u{FFFE}', '\u{FFFF}'] {
            let text = format!("a{c}b");
            assert!(!is_legal(&text));
            assert_eq!(sanitized(&text), "a\u{FFFD}b");
        }
    }
}
