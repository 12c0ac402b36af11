//! Requests that are encoded once: what changes is filled in.
//!
//! WBXML strings end with a zero and say no length before, so a text of any length fits where another one stood.

use imps_proto::csp::{
    ClientCapabilityRequest, CreateAttributeListRequest, CreateGroupRequest, GetPresenceRequest, JoinGroupRequest,
    LoginRequest, LogoutRequest, MessageDelivered, MessageWriter, Mode, Namespaces, PollingRequest, SearchRequest,
    SendMessageRequest, ServiceRequest, StatusPrimitive, SubscribePresenceRequest, UpdatePresenceRequest,
};
use imps_proto::elements::Message;
use imps_proto::grammar::Primitive;
use imps_proto::wire::{Form, Writer};
use imps_types::element::{
    Bearer, CapabilityList, ClientType, Content, DeliveryMethod, DigestSchema, Group, GroupProperties, MessageInfo,
    Recipient, ScreenName, SearchPair, User,
};
use imps_types::presence::{Attribute, AttributeSet, PresenceAttribute, PresenceSubList};
use imps_types::service_tree::{Function, FunctionSet};
use imps_types::{Address, ClientId, Status, Version};

/// The version that all load speaks.
pub(crate) const VERSION: Version = Version::V1_2;
const CONTENT_TYPE: &str = "application/vnd.wv.csp.wbxml";

/// A request with holes.
pub(crate) struct Template {
    pieces: Vec<Vec<u8>>,
    holes: Vec<usize>,
    length: usize,
}

/// What stands in the holes while the message is encoded: the number of a value.
fn hole(number: usize) -> String {
    format!("@{number}@")
}

/// The first value of every request in a session.
const SESSION: usize = 0;
/// The second.
const TRANSACTION: usize = 1;

impl Template {
    fn new(in_session: bool, mode: Mode, transaction: &str, write: impl FnOnce(&mut dyn Writer)) -> Self {
        Self::in_form(Form::Wbxml, in_session, mode, transaction, write)
    }

    fn in_form(
        form: Form,
        in_session: bool,
        mode: Mode,
        transaction: &str,
        write: impl FnOnce(&mut dyn Writer),
    ) -> Self {
        let (namespaces, session) = (Namespaces::default(), hole(SESSION));
        let session = in_session.then_some(session.as_str());
        let mut message = MessageWriter::new(form, VERSION, &namespaces, session, Vec::new());
        message.transaction(mode, transaction, None, write);
        Self::cut(&message.finish(None))
    }

    pub(crate) fn inband(write: impl FnOnce(&mut dyn Writer)) -> Self {
        Self::new(true, Mode::Request, &hole(TRANSACTION), write)
    }

    /// Cuts a message at its holes.
    fn cut(message: &[u8]) -> Self {
        let (mut pieces, mut holes, mut piece) = (Vec::new(), Vec::new(), Vec::new());
        let mut rest = message;
        while let Some((&byte, tail)) = rest.split_first() {
            if let [b'@', digit @ b'0'..=b'9', b'@', tail @ ..] = rest {
                holes.push(usize::from(digit - b'0'));
                pieces.push(std::mem::take(&mut piece));
                rest = tail;
            } else {
                piece.push(byte);
                rest = tail;
            }
        }
        pieces.push(piece);
        let length = pieces.iter().map(Vec::len).sum();
        Self { pieces, holes, length }
    }

    /// Appends the request with these values.
    pub(crate) fn render(&self, out: &mut Vec<u8>, values: &[&[u8]]) {
        let value = |hole: &usize| values.get(*hole).copied().unwrap_or_default();
        head(out, self.length + self.holes.iter().map(|hole| value(hole).len()).sum::<usize>());
        self.append(out, values);
    }

    /// Appends the message alone with these values.
    pub(crate) fn append(&self, out: &mut Vec<u8>, values: &[&[u8]]) {
        let value = |hole: &usize| values.get(*hole).copied().unwrap_or_default();
        let mut holes = self.holes.iter();
        for piece in &self.pieces {
            out.extend_from_slice(piece);
            if let Some(hole) = holes.next() {
                out.extend_from_slice(value(hole));
            }
        }
    }
}

/// A message of as many transactions of one kind as there are, each with values of its own.
pub(crate) struct Several {
    /// Up to the end of the first transaction.
    first: Template,
    /// Each further one.
    further: Template,
    /// What comes after the last.
    tail: Vec<u8>,
}

impl Several {
    fn in_form(form: Form, mode: Mode, write: &dyn Fn(&mut dyn Writer)) -> Self {
        let (namespaces, session, transaction) = (Namespaces::default(), hole(SESSION), hole(TRANSACTION));
        let message = |count: usize| {
            let mut message = MessageWriter::new(form, VERSION, &namespaces, Some(&session), Vec::new());
            for _ in 0..count {
                message.transaction(mode, &transaction, None, write);
            }
            message.finish(None)
        };
        // Two messages that differ by one transaction show what one is.
        let (one, two) = (message(1), message(2));
        let alike = one.iter().zip(&two).take_while(|(one, other)| one == other).count();
        let (head, tail) = one.split_at(alike);
        let further = two.get(alike..alike + two.len() - one.len()).unwrap_or_default();
        Self { first: Template::cut(head), further: Template::cut(further), tail: tail.to_vec() }
    }

    /// Appends a message with these transactions.
    pub(crate) fn append<'v>(&self, out: &mut Vec<u8>, transactions: impl IntoIterator<Item = [&'v [u8]; 4]>) {
        let mut template = &self.first;
        for values in transactions {
            template.append(out, &values);
            template = &self.further;
        }
        out.extend_from_slice(&self.tail);
    }

    /// Appends a request of HTTP with these transactions.
    pub(crate) fn render<'v>(&self, out: &mut Vec<u8>, transactions: impl IntoIterator<Item = [&'v [u8]; 4]>) {
        let mut message = Vec::with_capacity(512);
        self.append(&mut message, transactions);
        head(out, message.len());
        out.extend_from_slice(&message);
    }
}

/// Appends what stands before a message of this length.
fn head(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: ");
    out.extend_from_slice(CONTENT_TYPE.as_bytes());
    out.extend_from_slice(b"\r\nContent-Length: ");
    decimal(out, length);
    out.extend_from_slice(b"\r\n\r\n");
}

/// Appends a number.
pub(crate) fn decimal(out: &mut Vec<u8>, number: usize) {
    use std::io::Write as _;
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{number}");
}

/// Every request that is sent, with its values after SessionID and TransactionID.
pub(crate) struct Requests {
    /// Values 2: user.
    pub(crate) login: Template,
    /// Values 2, 3: user, digest.
    pub(crate) login_digest: Template,
    pub(crate) capability: Template,
    pub(crate) service: Template,
    pub(crate) logout: Template,
    /// No TransactionID.
    pub(crate) poll: Template,
    /// Values 2, 3: recipient, content.
    pub(crate) send: Template,
    /// Value 2: MessageID.
    pub(crate) delivered: Template,
    /// An answer: Status 200.
    pub(crate) done: Template,
    /// Value 2: the StatusText.
    pub(crate) update: Template,
    /// Value 2: the user.
    pub(crate) subscribe: Template,
    /// Value 2: the user.
    pub(crate) get_presence: Template,
    pub(crate) authorise: Template,
    /// Value 2: a part of a last name.
    pub(crate) search: Template,
    /// Values 2, 3: the group, the screen name of its maker, who joins.
    pub(crate) create_group: Template,
    /// Values 2, 3: the group, the screen name.
    pub(crate) join_group: Template,
}

/// The attributes that are published, authorised and watched.
pub(crate) fn attributes() -> PresenceSubList {
    let names = [Attribute::OnlineStatus, Attribute::UserAvailability, Attribute::StatusText];
    PresenceSubList::of_names(names.into_iter().collect::<AttributeSet>())
}

/// The request for a message to several users; no holes but SessionID, TransactionID and (3) the content.
pub(crate) fn send_to(recipients: &[String]) -> Template {
    let users = recipients.iter().map(|name| User::of(Address::new(name))).collect();
    send(Recipient { users, ..Recipient::default() })
}

/// What several go of in one message, in one encoding: over WebSocket, or by polling. Values that hold what JSON escapes do
/// not fit.
pub(crate) struct SocketRequests {
    /// As many transactions open as the server allows.
    pub(crate) capability: Template,
    /// Values 2, 3: recipient, content.
    pub(crate) send: Several,
    /// Values 2, 3: group, content.
    pub(crate) send_to_group: Several,
    /// Value 2: MessageID.
    pub(crate) delivered: Several,
}

impl SocketRequests {
    /// `open`: so many transactions may be open, and be in one message.
    pub(crate) fn new(form: Form, open: u32) -> Self {
        let capabilities = CapabilityList {
            client_type: Some(ClientType::Computer),
            any_content: Some(true),
            content_length: Some(102_400),
            multi_trans: Some(open),
            parser_size: Some(131_072),
            ..CapabilityList::default()
        };
        let capability = ClientCapabilityRequest { client_id: None, capability_list: Box::new(capabilities) };
        let delivered = MessageDelivered { message_id: hole(2).as_str().into() };
        let send = send_request(Recipient::user(User::of(Address::new(&hole(2)))));
        let group = Group::Id(hole(2).as_str().into());
        let to_group = send_request(Recipient { groups: vec![group], ..Recipient::default() });
        Self {
            capability: Template::in_form(form, true, Mode::Request, &hole(TRANSACTION), |writer| {
                capability.write(writer);
            }),
            send: Several::in_form(form, Mode::Request, &|writer| send.write(writer)),
            send_to_group: Several::in_form(form, Mode::Request, &|writer| to_group.write(writer)),
            delivered: Several::in_form(form, Mode::Response, &|writer| delivered.write(writer)),
        }
    }
}

fn send(recipient: Recipient) -> Template {
    let request = send_request(recipient);
    Template::inband(|writer| request.write(writer))
}

fn send_request(recipient: Recipient) -> SendMessageRequest {
    let info = MessageInfo {
        content_type: Some("text/plain".into()),
        recipient,
        validity: Some(86_400),
        ..MessageInfo::default()
    };
    let message = Message { info, content: Some(Content::text(&hole(3))) };
    SendMessageRequest { delivery_report: false, message }
}

impl Requests {
    pub(crate) fn new() -> Self {
        let login = |digest: Option<&str>| {
            let request = LoginRequest {
                user_id: Some(Address::new(&hole(2))),
                client_id: Some(ClientId::of_url("load")),
                application_id: None,
                password: None,
                digest_bytes: digest.map(Into::into),
                digest_schemas: if digest.is_none() { vec![DigestSchema::Md5] } else { Vec::new() },
                session_id: None,
                time_to_live: Some(3600),
                session_cookie: Some("load".into()),
                system_message_responses: Vec::new(),
                functions: None,
                capability_list: None,
            };
            Template::new(false, Mode::Request, &hole(TRANSACTION), |writer| request.write(writer))
        };
        let capabilities = CapabilityList {
            client_type: Some(ClientType::MobilePhone),
            initial_delivery_method: Some(DeliveryMethod::Push),
            any_content: Some(true),
            charsets: vec![106],
            transfer_encodings: vec!["BASE64".into()],
            content_length: Some(102_400),
            bearers: vec![Bearer::Http],
            multi_trans: Some(1),
            parser_size: Some(131_072),
            ..CapabilityList::default()
        };
        let capability = ClientCapabilityRequest { client_id: None, capability_list: Box::new(capabilities) };
        let functions: FunctionSet = [
            Function::WvCspFeat,
            Function::FundamentalFeat,
            Function::PresenceFeat,
            Function::ImFeat,
            Function::GroupFeat,
        ]
        .into_iter()
        .collect();
        let service = ServiceRequest {
            client_id: None,
            functions: Some(functions.expanded(VERSION)),
            all_functions_request: true,
        };
        let user = || vec![User::of(Address::new(&hole(2)))];
        let value = PresenceSubList {
            attributes: vec![PresenceAttribute::with_value(Attribute::StatusText, &hole(2))],
            ..PresenceSubList::default()
        };
        let subscribe = SubscribePresenceRequest {
            users: user(),
            contact_lists: Vec::new(),
            presence_sub_list: Some(attributes()),
            auto_subscribe: None,
        };
        let get_presence =
            GetPresenceRequest { users: user(), contact_lists: Vec::new(), presence_sub_list: Some(attributes()) };
        let authorise = CreateAttributeListRequest {
            presence_sub_list: attributes(),
            user_ids: Vec::new(),
            contact_lists: Vec::new(),
            default_list: true,
            default_notify: None,
            user_notify: None,
            contact_list_notify: None,
        };
        let part =
            SearchPair { element: "USER_LAST_NAME".into(), string: Some(hole(2).as_str().into()), pair_id: None };
        let search = SearchRequest {
            pairs: vec![part],
            advanced_criteria: None,
            search_limit: Some(10),
            search_id: None,
            search_index: None,
        };
        let delivered = MessageDelivered { message_id: hole(2).as_str().into() };
        let group = Address::new(&hole(2));
        let screen_name = Some(ScreenName { name: hole(3).as_str().into(), group_id: group.clone() });
        let create_group = CreateGroupRequest {
            group_id: group.clone(),
            group_properties: GroupProperties::default(),
            own_properties: Vec::new(),
            join_group: true,
            screen_name: screen_name.clone(),
            subscribe_notification: false,
        };
        let join_group = JoinGroupRequest {
            group_id: group.clone(),
            screen_name,
            joined_request: false,
            subscribe_notification: false,
            own_properties: Vec::new(),
        };
        Self {
            login: login(None),
            login_digest: login(Some(&hole(3))),
            capability: Template::inband(|writer| capability.write(writer)),
            service: Template::inband(|writer| service.write(writer)),
            logout: Template::inband(|writer| LogoutRequest {}.write(writer)),
            poll: Template::new(true, Mode::Request, "", |writer| PollingRequest {}.write(writer)),
            send: send(Recipient::user(User::of(Address::new(&hole(2))))),
            delivered: Template::new(true, Mode::Response, &hole(TRANSACTION), |writer| delivered.write(writer)),
            done: Template::new(true, Mode::Response, &hole(TRANSACTION), |writer| {
                StatusPrimitive::of(Status::SUCCESSFUL).write(writer);
            }),
            update: Template::inband(|writer| UpdatePresenceRequest { presence_sub_list: value }.write(writer)),
            subscribe: Template::inband(|writer| subscribe.write(writer)),
            get_presence: Template::inband(|writer| get_presence.write(writer)),
            authorise: Template::inband(|writer| authorise.write(writer)),
            search: Template::inband(|writer| search.write(writer)),
            create_group: Template::inband(|writer| create_group.write(writer)),
            join_group: Template::inband(|writer| join_group.write(writer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::scan::{Scanner, scan_json};

    /// What was rendered is what the encoder writes.
    #[test]
    fn several_transactions_are_as_the_encoder_writes_them() {
        for form in [Form::Wbxml, Form::Json] {
            let (delivered, namespaces) = (MessageDelivered { message_id: "m".into() }, Namespaces::default());
            let mut whole = MessageWriter::new(form, VERSION, &namespaces, Some("s"), Vec::new());
            for id in ["a", "b", "c"] {
                whole.transaction(Mode::Response, id, None, |writer| delivered.write(writer));
            }
            let whole = whole.finish(None);
            let requests = SocketRequests::new(form, 1);
            let mut out = Vec::new();
            let values = ["a", "b", "c"].map(|id| [b"s".as_slice(), id.as_bytes(), b"m", b""]);
            requests.delivered.append(&mut out, values);
            assert_eq!(out.escape_ascii().to_string(), whole.escape_ascii().to_string());
            let mut seen = Vec::new();
            match form {
                Form::Json => scan_json(&Scanner::new(), &out, &mut seen).unwrap(),
                _ => Scanner::new().scan_all(&out, &mut seen).unwrap(),
            }
            let ids: Vec<_> = seen.iter().map(|one| (one.transaction_id, one.message_id)).collect();
            assert_eq!(ids, [(b"a".as_slice(), b"m".as_slice()), (b"b", b"m"), (b"c", b"m")]);
        }
    }
}
