//! A message and what is known of it (CSP 12).

use bytes::Bytes;

use super::people::{Recipient, Sender};
use super::words;
use crate::date_time::DateTime;
use crate::presence::Extension;

words! {
    /// How ContentData is written (`ContentEncoding`).
    ContentEncoding { None = "None", Base64 = "BASE64" }
}

/// What a message consists of: always the decoded octets, whatever the encoding was on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Content {
    /// The octets themselves: UTF-8 where the type is text.
    pub data: Bytes,
    /// Whether the sender had to encode them: they are written as BASE64 in XML again.
    pub binary: bool,
}

impl Content {
    /// Text.
    pub fn text(text: &str) -> Self {
        Self { data: Bytes::copy_from_slice(text.as_bytes()), binary: false }
    }
}

/// How text is shown, 1.3 (`Font`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Font {
    /// `Size`.
    pub size: Option<Box<str>>,
    /// `Style`.
    pub styles: Vec<Box<str>>,
    /// `Color`.
    pub color: Option<Box<str>>,
}

/// What is known of a message (`MessageInfo`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MessageInfo {
    /// `MessageID`; as text, since in requests it is whatever the client wrote.
    pub message_id: Option<Box<str>>,
    /// `MessageURI`.
    pub message_uri: Option<Box<str>>,
    /// `ContentType`; absent means `text/plain`.
    pub content_type: Option<Box<str>>,
    /// `ContentEncoding`; absent means `None`.
    pub content_encoding: Option<ContentEncoding>,
    /// `ContentSize`: bytes of the decoded content. Not to be relied upon in requests.
    pub content_size: u32,
    /// `ContentName`, 1.3.
    pub content_name: Option<Box<str>>,
    /// `Recipient`.
    pub recipient: Recipient,
    /// `Sender`; absent means the session's user.
    pub sender: Option<Sender>,
    /// `DateTime`.
    pub date_time: Option<DateTime>,
    /// `Font`, 1.3.
    pub font: Option<Font>,
    /// `Validity`: seconds.
    pub validity: Option<u32>,
    /// `ExtBlockETEM`, 1.3; in 1.2 the `ExtBlock` of the transaction that the message is in: what clients put there of
    /// their own making. The name says which of the two it was.
    pub ext_blocks: Vec<Extension>,
}
