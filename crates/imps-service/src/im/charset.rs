//! Text in other character sets (CSP 6, PlainTextCharset).
//!
//! Text in a message is characters: whoever can read the message has them, whatever the character set of its encoding. Only
//! what came as octets, with a `charset` in its type, can be in a character set that its recipient does not know; it is
//! turned into UTF-8 then, which is mandatory for everybody. What cannot be turned stays as it is.

use std::sync::Arc;

use imps_types::element::{ContentEncoding, MessageInfo};

use crate::event::Message;
use crate::session::Negotiated;

/// MIBenum of UTF-8.
const UTF_8: u32 = 106;

/// Character sets that are understood: their names, and their MIBenum.
const CHARSETS: &[(&str, u32)] = &[
    ("us-ascii", 3),
    ("ascii", 3),
    ("iso-8859-1", 4),
    ("latin1", 4),
    ("utf-8", UTF_8),
    ("utf8", UTF_8),
    ("iso-10646-ucs-2", 1000),
    ("ucs-2", 1000),
    ("utf-16be", 1013),
    ("utf-16le", 1014),
    ("utf-16", 1015),
];

/// The message as it is given to a client that agreed on this.
pub(super) fn for_client(message: &Arc<Message>, agreed: &Negotiated) -> Arc<Message> {
    match converted(message, agreed) {
        Some(converted) => Arc::new(converted),
        None => message.clone(),
    }
}

fn converted(message: &Message, agreed: &Negotiated) -> Option<Message> {
    if !message.binary {
        return None;
    }
    let content_type = message.info.content_type.as_deref()?;
    let (bare, charset) = split(content_type)?;
    let (_, number) = CHARSETS.iter().find(|(name, _)| charset.eq_ignore_ascii_case(name))?;
    if *number == UTF_8 || agreed.charsets.contains(number) {
        return None;
    }
    let text = decode(*number, &message.content)?;
    let binary = !text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..));
    let info = MessageInfo {
        content_type: Some(format!("{bare}; charset=utf-8").into()),
        content_encoding: binary.then_some(ContentEncoding::Base64),
        content_size: u32::try_from(text.len()).unwrap_or(u32::MAX),
        ..message.info.clone()
    };
    Some(Message { info, content: text.into(), binary, ..message.clone() })
}

/// A type of text without parameters, and its `charset`.
fn split(content_type: &str) -> Option<(&str, &str)> {
    let mut parts = content_type.split(';').map(str::trim);
    let bare = parts.next()?;
    let is_text = bare.get(..5).is_some_and(|class| class.eq_ignore_ascii_case("text/"));
    let charset = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })?;
    is_text.then_some((bare, charset))
}

fn decode(charset: u32, octets: &[u8]) -> Option<String> {
    match charset {
        3 => octets.is_ascii().then(|| octets.iter().map(|octet| char::from(*octet)).collect()),
        4 => Some(octets.iter().map(|octet| char::from(*octet)).collect()),
        1014 => utf_16(octets, u16::from_le_bytes),
        // Without a mark at its beginning it is big-endian.
        1000 | 1013 | 1015 => match octets {
            [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes),
            [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes),
            octets => utf_16(octets, u16::from_be_bytes),
        },
        _ => None,
    }
}

fn utf_16(octets: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, rest) = octets.as_chunks::<2>();
    let units = units.iter().map(|pair| unit(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use bytes::Bytes;
    use imps_types::{MessageId, UserId};

    fn message(content_type: &str, content: &'static [u8]) -> Message {
        let info = MessageInfo { content_type: Some(content_type.into()), ..MessageInfo::default() };
        Message {
            id: MessageId::new(1),
            sender: UserId::from_canonical("wv:a@x"),
            info,
            content: Bytes::from_static(content),
            binary: true,
            shared: false,
            report: false,
            expires: Timestamp(0),
            kept: Default::default(),
        }
    }

    #[test]
    fn what_a_client_does_not_read_becomes_utf_8() {
        let agreed = Negotiated::default();
        for (content_type, content, expected) in [
            ("text/plain; charset=iso-8859-1", &b"Gr\xfc\xdfe"[..], Some("Grüße")),
            ("text/plain;charset=\"UTF-16\"", b"\xff\xfeh\0i\0", Some("hi")),
            ("text/html; level=1; charset=utf-16be", b"\0h\0i", Some("hi")),
            ("text/plain; charset=utf-16", b"\xd8\x00", None),
            ("text/plain; charset=utf-16", b"\0h\0", None),
            ("text/plain; charset=us-ascii", b"h\xe4", None),
            ("text/plain; charset=utf-8", b"hi", None),
            ("text/plain; charset=koi8-r", b"hi", None),
            ("text/plain", b"hi", None),
            ("image/x; charset=iso-8859-1", b"hi", None),
        ] {
            let converted = converted(&message(content_type, content), &agreed);
            assert_eq!(converted.as_ref().map(|one| &one.content[..]), expected.map(str::as_bytes), "{content_type}");
            if let (Some(converted), Some(expected)) = (converted, expected) {
                let bare = content_type.split(';').next().unwrap();
                assert_eq!(converted.info.content_type, Some(format!("{bare}; charset=utf-8").into()));
                assert_eq!(converted.info.content_size as usize, expected.len());
                assert!(!converted.binary);
            }
        }
        let latin = Negotiated { charsets: vec![4], ..Negotiated::default() };
        assert_eq!(converted(&message("text/plain; charset=iso-8859-1", b"\xfc"), &latin), None);
        let bell = converted(&message("text/plain; charset=iso-8859-1", b"\x07\xfc"), &agreed).unwrap();
        assert!(bell.binary && bell.content == "\u{7}\u{fc}", "XML has no place for it");
    }
}
