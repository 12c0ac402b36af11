//! What a generator of load needs to know of an answer, read in one pass over its WBXML and borrowed from it.
//!
//! It knows the format, not our decoder: elements by page and token, text, numbers and value tokens. What the server is
//! never to send (string tables, literals, entities in what is looked at) makes an answer wrong.

use imps_proto::Element;

use super::template::VERSION;

/// What an answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Seen<'a> {
    /// The first primitive.
    pub(crate) primitive: Option<Element>,
    /// Whether the server asks.
    pub(crate) is_request: bool,
    pub(crate) transaction_id: &'a [u8],
    /// The first Code.
    pub(crate) code: u32,
    pub(crate) session_id: &'a [u8],
    pub(crate) nonce: &'a [u8],
    pub(crate) message_id: &'a [u8],
    pub(crate) content: &'a [u8],
    /// The first UserID.
    pub(crate) user: &'a [u8],
    /// The PresenceValue of StatusText.
    pub(crate) status_text: &'a [u8],
    pub(crate) poll: bool,
}

/// Likewise, of a message in JSON as the server writes it: names are looked for, not parsed, and what is escaped makes an
/// answer wrong.
pub(crate) fn scan_json<'a>(_: &Scanner, message: &'a [u8], seen: &mut Vec<Seen<'a>>) -> Option<()> {
    // A transaction has one descriptor, before its content.
    let mut places = memchr::memmem::find_iter(message, b"\"TransactionDescriptor\":").peekable();
    while let Some(start) = places.next() {
        let end = places.peek().copied().unwrap_or(message.len());
        seen.push(scan_json_transaction(message.get(start..end)?)?);
    }
    Some(())
}

fn scan_json_transaction(message: &[u8]) -> Option<Seen<'_>> {
    let after = |name: &str| {
        let at = memchr::memmem::find(message, name.as_bytes())?;
        message.get(at + name.len()..)
    };
    let text = |name: &str| {
        let rest = after(name)?;
        rest.get(..memchr::memchr(b'"', rest)?)
    };
    let primitive = text("\"TransactionContent\":{\"")?;
    let code = after("\"Code\":").map_or(0, |rest| {
        rest.iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |code, digit| code * 10 + u32::from(digit - b'0'))
    });
    Some(Seen {
        primitive: Element::ALL.iter().copied().find(|element| element.name().as_bytes() == primitive),
        is_request: text("\"TransactionMode\":\"")? == b"Request",
        transaction_id: text("\"TransactionID\":\"").unwrap_or_default(),
        code,
        message_id: text("\"MessageID\":\"").unwrap_or_default(),
        content: text("\"ContentData\":\"").unwrap_or_default(),
        ..Seen::default()
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Other,
    Transaction,
    TransactionContent,
    TransactionMode,
    TransactionId,
    Code,
    SessionId,
    Nonce,
    MessageId,
    Content,
    UserId,
    Value,
    Poll,
}

const ROLES: &[(Element, Role)] = &[
    (Element::Transaction, Role::Transaction),
    (Element::TransactionContent, Role::TransactionContent),
    (Element::TransactionMode, Role::TransactionMode),
    (Element::TransactionId, Role::TransactionId),
    (Element::Code, Role::Code),
    (Element::SessionId, Role::SessionId),
    (Element::Nonce, Role::Nonce),
    (Element::MessageId, Role::MessageId),
    (Element::ContentData, Role::Content),
    (Element::UserId, Role::UserId),
    (Element::PresenceValue, Role::Value),
    (Element::Poll, Role::Poll),
];

const PAGES: usize = 12;
const TOKENS: usize = 64;
const DEPTH: usize = 32;
/// Indexes of value tokens: Encoding 1.4.
const VALUE_TRUE: u32 = 0x2C;
const VALUE_REQUEST: u32 = 0x20;

/// The table of roles.
pub(crate) struct Scanner {
    roles: [[Role; TOKENS]; PAGES],
    status_text: (u8, u8),
}

impl Scanner {
    pub(crate) fn new() -> Self {
        let mut roles = [[Role::Other; TOKENS]; PAGES];
        for (element, role) in ROLES {
            if let Some((page, token)) = element.token(VERSION)
                && let Some(place) =
                    roles.get_mut(usize::from(page)).and_then(|tokens| tokens.get_mut(usize::from(token)))
            {
                *place = *role;
            }
        }
        Self { roles, status_text: Element::StatusText.token(VERSION).unwrap_or_default() }
    }

    /// What a message of one transaction says. `None` when it is no message as the server writes them.
    pub(crate) fn scan<'a>(&self, message: &'a [u8]) -> Option<Seen<'a>> {
        self.walk(message, |_| {})
    }

    /// What each transaction of a message says. `None` likewise.
    pub(crate) fn scan_all<'a>(&self, message: &'a [u8], seen: &mut Vec<Seen<'a>>) -> Option<()> {
        self.walk(message, |one| seen.push(std::mem::take(one))).map(drop)
    }

    /// Calls `ends` at the end of each transaction. What is left of the last one is the result.
    fn walk<'a>(&self, message: &'a [u8], mut ends: impl FnMut(&mut Seen<'a>)) -> Option<Seen<'a>> {
        let mut bytes = Bytes(message.strip_prefix(&[0x03, 0x11, 0x6A, 0x00])?);
        let mut seen = Seen::default();
        let mut open = [(Role::Other, 0_u8, 0_u8); DEPTH];
        let (mut depth, mut page) = (0_usize, 0_u8);
        let mut in_value_of_status_text = false;
        loop {
            match bytes.next()? {
                0x00 => page = bytes.next()?,
                0x01 => {
                    depth = depth.checked_sub(1)?;
                    if open.get(depth)?.0 == Role::Transaction {
                        ends(&mut seen);
                    }
                    if depth == 0 {
                        return bytes.0.is_empty().then_some(seen);
                    }
                }
                0x03 => {
                    let text = bytes.text()?;
                    let (role, ..) = *open.get(depth.checked_sub(1)?)?;
                    let place = match role {
                        Role::TransactionId => &mut seen.transaction_id,
                        Role::SessionId => &mut seen.session_id,
                        Role::Nonce => &mut seen.nonce,
                        Role::MessageId => &mut seen.message_id,
                        Role::Content => &mut seen.content,
                        Role::UserId => &mut seen.user,
                        Role::Value if in_value_of_status_text => &mut seen.status_text,
                        _ => continue,
                    };
                    // The first counts, but of the SessionID: the envelope's comes before that of a login.
                    if place.is_empty() || role == Role::SessionId {
                        *place = text;
                    }
                }
                0x80 => {
                    let value = bytes.number()?;
                    match open.get(depth.checked_sub(1)?)?.0 {
                        Role::Poll => seen.poll = value == VALUE_TRUE,
                        Role::TransactionMode => seen.is_request = value == VALUE_REQUEST,
                        _ => {}
                    }
                }
                0xC3 => {
                    let length = usize::try_from(bytes.number()?).ok()?;
                    let data = bytes.take(length)?;
                    if open.get(depth.checked_sub(1)?)?.0 == Role::Code && seen.code == 0 {
                        seen.code = data.iter().fold(0, |number, &byte| number << 8 | u32::from(byte));
                    }
                }
                tag => {
                    let token = tag & 0x3F;
                    if token < 0x05 {
                        return None;
                    }
                    if tag & 0x80 != 0 {
                        bytes.attributes()?;
                    }
                    let role = *self.roles.get(usize::from(page))?.get(usize::from(token))?;
                    if let Some((parent, parent_page, parent_token)) = depth.checked_sub(1).and_then(|at| open.get(at))
                    {
                        if *parent == Role::TransactionContent && seen.primitive.is_none() {
                            seen.primitive = Some(Element::by_token(VERSION, page, token)?);
                        }
                        in_value_of_status_text = (*parent_page, *parent_token) == self.status_text;
                    }
                    if tag & 0x40 != 0 {
                        *open.get_mut(depth)? = (role, page, token);
                        depth += 1;
                    }
                }
            }
        }
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    #[inline]
    fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|&byte| byte == 0)?;
        let text = self.0.get(..end)?;
        self.0 = self.0.get(end + 1..)?;
        Some(text)
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = 0_u32;
        for _ in 0..5 {
            let byte = self.next()?;
            number = number.checked_shl(7)? | u32::from(byte & 0x7F);
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn attributes(&mut self) -> Option<()> {
        loop {
            match self.next()? {
                0x01 => return Some(()),
                0x03 => {
                    self.text()?;
                }
                0x05..=0x3F => {}
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_proto::csp::{
        LoginResponse, MessageWriter, Mode, Namespaces, NewMessage, PresenceNotificationRequest, ServerRequest,
        StatusPrimitive,
    };
    use imps_proto::elements::Message;
    use imps_proto::grammar::Primitive;
    use imps_proto::wire::{Form, Writer};
    use imps_types::element::{Content, MessageInfo, Recipient, ResultInfo, User};
    use imps_types::presence::{Attribute, PresenceAttribute, PresenceInfo, PresenceSubList};
    use imps_types::{Address, Status};

    fn message(session: Option<&str>, mode: Mode, poll: bool, write: impl FnOnce(&mut dyn Writer)) -> Vec<u8> {
        let namespaces = Namespaces::default();
        let mut message = MessageWriter::new(Form::Wbxml, VERSION, &namespaces, session, Vec::new());
        message.transaction(mode, "t7", None, write);
        message.finish(Some(poll))
    }

    #[test]
    fn a_new_message_is_seen() {
        let info = MessageInfo {
            message_id: Some("m1".into()),
            recipient: Recipient::user(User::of(Address::new("wv:bob@localhost"))),
            ..MessageInfo::default()
        };
        let new = NewMessage { message: Message { info, content: Some(Content::text("hello")) } };
        let bytes = message(Some("s1"), Mode::Request, true, |writer| ServerRequest::from(new).write(writer));
        let seen = Scanner::new().scan(&bytes).unwrap();
        let expected = Seen {
            primitive: Some(Element::NewMessage),
            is_request: true,
            transaction_id: b"t7",
            session_id: b"s1",
            message_id: b"m1",
            content: b"hello",
            user: b"wv:bob@localhost",
            poll: true,
            ..Seen::default()
        };
        assert_eq!(seen, expected);
        for end in 0..bytes.len() {
            assert_eq!(Scanner::new().scan(&bytes[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn codes_values_and_new_sessions_are_seen() {
        let scanner = Scanner::new();
        let status = StatusPrimitive::of(Status::NOT_LOGGED_IN);
        let bytes = message(Some("s1"), Mode::Response, false, |writer| status.write(writer));
        let seen = scanner.scan(&bytes).unwrap();
        assert_eq!((seen.primitive, seen.code, seen.poll), (Some(Element::Status), 604, false));

        let response = LoginResponse {
            user_id: None,
            client_id: None,
            password: None,
            result: ResultInfo::of(Status::SUCCESSFUL),
            nonce: Some("n9".into()),
            digest_schema: None,
            session_id: Some("new".into()),
            keep_alive_time: None,
            capability_request: Some(true),
            functions: None,
            agreed_capability_list: None,
        };
        let bytes = message(None, Mode::Response, false, |writer| response.write(writer));
        let seen = scanner.scan(&bytes).unwrap();
        assert_eq!((seen.session_id, seen.nonce, seen.code), (&b"new"[..], &b"n9"[..], 200));

        let attributes = [(Attribute::UserAvailability, "AVAILABLE"), (Attribute::StatusText, "v12")]
            .map(|(attribute, value)| PresenceAttribute::with_value(attribute, value));
        let presence = PresenceInfo {
            user_id: Some(Address::new("wv:p@localhost")),
            lists: vec![PresenceSubList { attributes: attributes.into(), ..PresenceSubList::default() }],
            ..PresenceInfo::default()
        };
        let notification = PresenceNotificationRequest { presence: vec![presence] };
        let bytes = message(Some("s"), Mode::Request, false, |writer| notification.write(writer));
        let seen = scanner.scan(&bytes).unwrap();
        assert_eq!((seen.status_text, seen.user), (&b"v12"[..], &b"wv:p@localhost"[..]));
    }
}
