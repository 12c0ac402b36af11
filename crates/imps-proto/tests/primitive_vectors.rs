//! The vectors of the specification as primitives: the encodings of one message have one value, and what we write of it
//! is read as that value again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use imps_proto::Element;
use imps_proto::csp::{
    Answer, CATALOGUE, Envelope, Initiator, MessageWriter, Mode, Namespaces, Request, Response, Row, ServerRequest,
    Shape,
};
use imps_proto::wire::{self, Form, Limits, Tag, Writer};
use imps_types::Version;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

#[derive(Debug, PartialEq)]
enum Primitive {
    Request(Request),
    Server(ServerRequest),
    Response(Response),
    Answer(Answer),
    /// Something that is not built here.
    Other(Element),
}

#[derive(Debug, PartialEq)]
struct Transaction {
    mode: Mode,
    transaction_id: String,
    poll: Option<bool>,
    primitive: Primitive,
}

#[derive(Debug, PartialEq)]
struct Message {
    shape: Shape,
    session_id: Option<String>,
    poll: Option<bool>,
    transactions: Vec<Transaction>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors")
}

fn file(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

/// The names of all well-formed messages.
fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(['v', 'h']) && (name.ends_with(".xml") || name.ends_with(".wbxml")))
        // A SetGroupProps-Request without GroupID: only its tokens are of interest.
        .filter(|name| !name.starts_with("h14-"))
        .collect();
    names.sort();
    names
}

fn form_of(name: &str) -> Form {
    if name.ends_with(".xml") { Form::Xml } else { Form::Wbxml }
}

/// Made of its parts as a client or a server would, whichever it is for.
fn read(form: Form, bytes: &[u8]) -> Result<(Version, Message), wire::DecodeError> {
    let mut reader = wire::reader(form, bytes, &Limits::default())?;
    let mut envelope = Envelope::open(reader.as_dyn())?;
    let mut transactions = Vec::new();
    while let Some(head) = envelope.next_transaction()? {
        let Some(Tag::Known(element)) = head.primitive else { panic!("{head:?}") };
        let is_client_request = head.mode == Mode::Request && Row::of_client(element).is_some_and(|row| row.built);
        let is_server_request = head.mode == Mode::Request && Row::of_server(element).is_some_and(|row| row.built);
        let primitive = if is_client_request {
            Primitive::Request(envelope.read_request()?)
        } else if is_server_request {
            Primitive::Server(envelope.read_server_request()?.unwrap())
        } else if matches!(element, Element::MessageDelivered | Element::InviteUserResponse) {
            Primitive::Answer(envelope.read_answer()?.unwrap())
        } else {
            envelope.read_response()?.map_or(Primitive::Other(element), Primitive::Response)
        };
        let transaction_id = head.transaction_id.as_str().to_owned();
        transactions.push(Transaction { mode: head.mode, transaction_id, poll: head.poll, primitive });
    }
    let session_id = envelope.session_id().map(ToOwned::to_owned);
    Ok((envelope.version(), Message { shape: envelope.shape(), session_id, poll: envelope.poll(), transactions }))
}

fn is_built(message: &Message) -> bool {
    message.transactions.iter().all(|transaction| !matches!(transaction.primitive, Primitive::Other(_)))
}

fn write(form: Form, version: Version, message: &Message) -> Vec<u8> {
    let namespaces = Namespaces::default();
    if message.shape != Shape::Session {
        let [Transaction { primitive: Primitive::Request(Request::VersionDiscovery(request)), .. }] =
            message.transactions.as_slice()
        else {
            panic!("{message:?}")
        };
        let element = Element::WvCspVersionDiscoveryRequest;
        return MessageWriter::discovery(form, version, &namespaces, message.shape, element, request, Vec::new());
    }
    let mut writer = MessageWriter::new(form, version, &namespaces, message.session_id.as_deref(), Vec::new());
    for one in &message.transactions {
        let content = |writer: &mut dyn Writer| match &one.primitive {
            Primitive::Request(primitive) => primitive.write(writer),
            Primitive::Server(primitive) => primitive.write(writer),
            Primitive::Response(primitive) => primitive.write(writer),
            Primitive::Answer(primitive) => primitive.write(writer),
            Primitive::Other(element) => panic!("{element}"),
        };
        writer.transaction(one.mode, &one.transaction_id, one.poll, content);
    }
    writer.finish(message.poll)
}

#[test]
fn both_encodings_have_one_value() {
    let mut pairs = 0;
    for name in names().into_iter().filter(|name| name.ends_with(".wbxml")) {
        let stem = name.trim_end_matches(".wbxml").trim_end_matches(".ns");
        let (_, from_wbxml) = read(Form::Wbxml, &file(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (_, from_xml) = read(Form::Xml, &file(&format!("{stem}.xml"))).unwrap();
        assert_eq!(from_wbxml, from_xml, "{name}");
        pairs += usize::from(is_built(&from_xml));
    }
    assert!(pairs >= 70, "{pairs} pairs of primitives that are built");
}

/// Vectors whose value cannot be written, and why.
const ONE_WAY: [(&str, &str); 4] = [
    ("v12-invite-user-response.", "Recipient, which the answer to an invitation has in 1.3 only"),
    ("v12-group-change-notice.", "Joined as 1.1 has it, with the GroupID beside each name"),
    (
        "v12-service-response.",
        "MF and its like together with the functions that they exclude, and in the wrong feature",
    ),
    ("v13-capability-request.", "UserSessionLimit in a request, where only answers have it"),
];

#[test]
fn what_is_written_is_read_again() {
    let mut count = 0;
    for name in names() {
        let (version, message) = read(form_of(&name), &file(&name)).unwrap();
        if !is_built(&message) || ONE_WAY.iter().any(|(stem, _)| name.starts_with(stem)) {
            continue;
        }
        for form in [Form::Xml, Form::Wbxml, Form::Json] {
            let bytes = write(form, version, &message);
            let (version_again, again) = read(form, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(version_again, version, "{name} as {form:?}");
            assert_eq!(again, message, "{name} as {form:?}");
            assert_eq!(write(form, version, &again), bytes, "{name} as {form:?}: nothing moves any more");
            count += 1;
        }
    }
    assert!(count >= 200, "{count}");
}

/// Vectors of the reference encoder that are not what we would write for their value, and why.
const OTHER_BYTES: &[(&str, &str)] = &[
    ("v11-block-entity.ns.wbxml", "AddList has its entities in it directly"),
    ("v11-capability-request.ns.wbxml", ORDER),
    ("v11-login-request-digest.ns.wbxml", "1.1 has one DigestSchema, with commas"),
    ("v11-polling.ns.wbxml", "an empty TransactionID where there is none, as Nokia writes it"),
    ("v11-send-message-text.ns.wbxml", DATE),
    ("v11-service-request.ns.wbxml", SHORT_TREE),
    ("v12-capability-request.ns.wbxml", ORDER),
    ("v12-capability-response-cirurl.wbxml", CIR_URL),
    ("v12-cir-in-session.ns.wbxml", "the CIR element is never sent (CSP 18, row 1)"),
    ("v12-delivery-report.ns.wbxml", "ContentSize is mandatory; and the date is text"),
    ("v12-getmessagelist-response.ns.wbxml", ORDER),
    ("v12-invite-user-response.ns.wbxml", "Recipient came with 1.3; and the order"),
    ("v12-group-change-notice.ns.wbxml", "Joined has a UserMapList since 1.2"),
    ("v12-new-message-unicode.ns.wbxml", "ContentSize is that of the content; and the date is text"),
    ("v12-send-message-base64.ns.wbxml", "ContentSize is that of the content; and the date is text"),
    ("v12-service-response.ns.wbxml", SHORT_TREE),
    ("v12-update-presence.ns.wbxml", ORDER),
    ("v12-watcherlist-response.ns.wbxml", "1.2 has a User around the UserID of a Watcher"),
    (
        "v13-block-entity.wbxml",
        "AddList has its entities in it directly, and the flag follows the list (CSP 18, row 9)",
    ),
    ("v13-capability-request.wbxml", "AcceptedContentType is a struct in 1.3; and the order"),
    ("v13-capability-response.wbxml", CIR_URL),
    ("v13-forward-response.wbxml", "ForwardMessage-Response has a MessageID only"),
    ("v13-invite-rejected.wbxml", "ExtendConversationID, which no grammar has there"),
    ("v13-group-change-blocked.wbxml", "JoinedBlocked and LeftBlocked have a UserList"),
    ("v13-new-message-date.wbxml", DATE),
    ("v13-presence-notification.wbxml", ORDER),
    ("v13-public-profile.wbxml", ORDER),
    ("v13-search-advanced.wbxml", "no SearchPair around the parts of a criterion (CSP 18, row 10)"),
    ("v13-send-message-binary.wbxml", "content as base64 text, which every client reads (Encoding 1.5)"),
    ("v13-send-message-font.wbxml", ORDER),
    ("v13-watcherlist.wbxml", ORDER),
    ("v13-system-message.wbxml", ORDER),
];
const ORDER: &str = "children in another order than the grammar's";
const DATE: &str = "a date as text, and always in UTC (Encoding 1.5)";
const SHORT_TREE: &str = "a node with all that is below it is written without children";
const CIR_URL: &str = "the address stands in a URL element";

#[test]
fn our_bytes_are_those_of_the_reference_encoder() {
    let index = String::from_utf8(file("INDEX.md")).unwrap();
    let by_reference: Vec<&str> = index
        .lines()
        .filter(|line| line.contains("| refcodec.py |"))
        .filter_map(|line| line.trim_start_matches("| ").split(" |").next())
        .collect();
    let mut same = 0;
    let mut other = BTreeSet::new();
    for name in by_reference {
        let (version, message) = read(Form::Wbxml, &file(name)).unwrap();
        if !is_built(&message) {
            continue;
        }
        if write(Form::Wbxml, version, &message) == file(name) {
            same += 1;
        } else {
            other.insert(name);
        }
    }
    let expected: BTreeSet<&str> = OTHER_BYTES.iter().map(|(name, _)| *name).collect();
    assert_eq!(other, expected);
    assert!(same >= 20, "{same}");
}

/// The client's requests of Appendix B.
#[test]
fn every_request_of_the_catalogue_is_recognised() {
    let mut seen = BTreeSet::new();
    for row in CATALOGUE.iter().filter(|row| row.initiator != Initiator::Server) {
        let element = row.request;
        assert_eq!(Element::by_name(element.name(), element.space()), Some(element));
        assert!(seen.insert(element), "{element} has two rows");
        assert_eq!((element.since(), element.until()), (row.since, row.until), "{element}");
        for form in [Form::Xml, Form::Wbxml, Form::Json] {
            // Empty, so that what has required elements is refused for that, and not for being unknown.
            let mut writer = wire::writer(form, row.until, Vec::new());
            writer.empty(element);
            let bytes = writer.finish();
            let mut reader = wire::reader(form, &bytes, &Limits::default()).unwrap();
            let reader = reader.as_dyn();
            let wire::Token::Start(start) = reader.next().unwrap() else { panic!("{element}") };
            match Request::decode(start.tag, reader) {
                Ok(request) => {
                    assert_eq!(request.element(), Some(element));
                    assert_eq!(matches!(request, Request::Unbuilt(_)), !row.built, "{element}");
                    assert_eq!(request.row().map(|row| row.request), Some(element));
                }
                Err(error) => {
                    assert!(row.built, "{element}: {error}");
                    assert!(matches!(error.kind, wire::DecodeErrorKind::Missing(_)), "{element}: {error}");
                }
            }
        }
    }
    assert_eq!(seen.len(), 60, "rows that clients begin");
    assert_eq!(CATALOGUE.len(), 73, "transactions of Appendix B");
}

macro_rules! names_of_rows {
    ($($prefix:literal;)? $($variant:ident $module:ident $type:ident;)*) => {
        [$((stringify!($module), <imps_proto::csp::$module::$type as imps_proto::grammar::Primitive>::ELEMENT)),*]
    };
}

/// What the face does with the catalogue can be done from outside.
#[test]
fn the_catalogue_can_be_expanded_elsewhere() {
    let rows = imps_proto::client_transactions!(names_of_rows);
    let with_argument = imps_proto::client_transactions!(names_of_rows! { "x" });
    assert_eq!(rows, with_argument);
    let built = CATALOGUE.iter().filter(|row| row.built && row.initiator != Initiator::Server);
    assert!(built.map(|row| row.request).eq(rows.iter().map(|(_, element)| *element)));
    assert!(rows.iter().any(|(module, _)| *module == "send_message"));
}
