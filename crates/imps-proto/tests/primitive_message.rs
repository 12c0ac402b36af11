//! The message around primitives: what is in it, what may be wrong with it, and what an answer looks like.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use imps_proto::Element;
use imps_proto::csp::message::{encode_fragment, is_recoverable, refusal};
use imps_proto::csp::{
    Answer, Envelope, MessageWriter, Mode, Namespaces, NewMessage, Request, ServerRequest, Shape, StatusPrimitive,
    VersionDiscoveryRequest, VersionDiscoveryResponse, VersionList,
};
use imps_proto::grammar::Primitive;
use imps_proto::wire::{self, AnyReader, DecodeErrorKind, Form, Limits, Tag};
use imps_types::{Status, Version};
use std::fs;
use std::path::PathBuf;

const BLOCK: &str = r#"<ExtBlock xmlns="www.nokia.com/apiclient"><APIClient Type="x">chat &amp; more<!-- no --></APIClient><B/></ExtBlock>"#;

/// What a client put beside its message comes out of every other encoding as it went in, in 1.2 behind the content of the
/// transaction and in 1.3 inside the message.
#[test]
fn what_clients_put_beside_a_message_goes_along() {
    let send = "<SendMessage-Request><MessageInfo><ContentSize>2</ContentSize></MessageInfo><ContentData>hi</ContentData>\
                </SendMessage-Request>";
    let with =
        |after: &str| message(&transaction("1", send).replace("</Transaction>", &format!("{after}</Transaction>")));
    let read = |xml: &str| {
        let mut reader = reader(xml);
        let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
        envelope.next_transaction().unwrap().unwrap();
        let Request::SendMessage(send) = envelope.read_request().unwrap() else { panic!("{xml}") };
        assert_eq!(envelope.next_transaction().unwrap(), None, "it was read to its end");
        send.message
    };
    let sent = read(&with(&format!("<Unknown/>{BLOCK}<ExtBlock>bare</ExtBlock>")));
    assert_eq!(sent.info.ext_blocks.len(), 2);
    let namespaces = Namespaces::default();
    for version in Version::ALL {
        for form in [Form::Xml, Form::Wbxml, Form::Json] {
            let mut writer = MessageWriter::new(form, version, &namespaces, Some("s17"), Vec::new());
            writer.ext_blocks(&sent.info.ext_blocks);
            let new = NewMessage { message: sent.clone() };
            writer.transaction(Mode::Request, "1", None, |writer| new.write(writer));
            writer.transaction(Mode::Request, "2", None, |writer| new.write(writer));
            let bytes = writer.finish(None);
            let mut reader = wire::reader(form, &bytes, &Limits::default()).unwrap();
            let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
            for beside in [true, false] {
                envelope.next_transaction().unwrap().unwrap();
                let Some(ServerRequest::NewMessage(new)) = envelope.read_server_request().unwrap() else { panic!() };
                let has_blocks = version == Version::V1_3 || (version == Version::V1_2 && beside);
                let mut blocks = new.message.info.ext_blocks;
                // Only the name of the block itself differs.
                blocks.iter_mut().for_each(|block| block.name = "ExtBlock".into());
                let expected = if has_blocks { sent.info.ext_blocks.clone() } else { Vec::new() };
                assert_eq!(blocks, expected, "{version} {form:?}");
            }
        }
    }
    let large = format!("<ExtBlock>{}</ExtBlock>", "x".repeat(5000));
    let deep = format!("<ExtBlock>{}{}</ExtBlock>", "<A>".repeat(8), "</A>".repeat(8));
    let kept = read(&with(&format!("{large}{deep}{}", BLOCK.repeat(9)))).info.ext_blocks;
    assert_eq!(kept.len(), 4, "there are bounds");
    assert!(kept.iter().all(|block| *block == sent.info.ext_blocks[0]));
}

const CSP_12: &str = "http://www.openmobilealliance.org/DTD/WV-CSP1.2";

fn message(transactions: &str) -> String {
    format!(
        r#"<WV-CSP-Message xmlns="{CSP_12}"><Session><SessionDescriptor><SessionType>Inband</SessionType><SessionID>s17</SessionID></SessionDescriptor>{transactions}</Session></WV-CSP-Message>"#
    )
}

fn transaction(id: &str, primitive: &str) -> String {
    format!(
        "<Transaction><TransactionDescriptor><TransactionMode>Request</TransactionMode><TransactionID>{id}</TransactionID>\
         </TransactionDescriptor><TransactionContent>{primitive}</TransactionContent></Transaction>"
    )
}

fn reader(xml: &str) -> AnyReader<'_> {
    wire::reader(Form::Xml, xml.as_bytes(), &Limits::default()).unwrap()
}

/// What each transaction of a message is read as: its ID, and the primitive's element or the status that it gets.
fn outcomes(xml: &str) -> Vec<(String, Result<Option<Element>, Status>)> {
    let mut reader = reader(xml);
    let mut outcomes = Vec::new();
    let mut envelope = match Envelope::open(reader.as_dyn()) {
        Ok(envelope) => envelope,
        Err(error) => return vec![("no envelope".to_owned(), Err(refusal(&error).status))],
    };
    assert_eq!(envelope.session_id(), Some("s17"));
    loop {
        match envelope.next_transaction() {
            Ok(None) => return outcomes,
            Ok(Some(head)) => {
                let outcome = envelope.read_request();
                let outcome = outcome.map(|request| request.element()).map_err(|error| refusal(&error).status);
                outcomes.push((head.transaction_id.as_str().to_owned(), outcome));
            }
            Err(error) => {
                outcomes.push((String::new(), Err(refusal(&error).status)));
                if !is_recoverable(&error) {
                    return outcomes;
                }
            }
        }
    }
}

#[test]
fn one_that_is_wrong_leaves_the_others() {
    let xml = message(
        &[
            transaction("1", "<GetList-Request/>"),
            transaction("2", "<GetMessage-Request><MessageURI>x</MessageURI></GetMessage-Request>"),
            transaction("3", "<KeepAlive-Request><A><B/></A><TimeToLive>soon</TimeToLive><C/></KeepAlive-Request>"),
            transaction("4", "<Search-Request><SearchLimit>3</SearchLimit></Search-Request>"),
            transaction("5", "<Telepathy-Request><To>bob</To></Telepathy-Request>"),
            transaction("6", ""),
            "<Transaction><TransactionContent><GetList-Request/></TransactionContent></Transaction>".to_owned(),
            "<Transaction/>".to_owned(),
            transaction("7", "<Polling-Request/>"),
        ]
        .concat(),
    );
    let id = |id: &str| id.to_owned();
    assert_eq!(
        outcomes(&xml),
        [
            (id("1"), Ok(Some(Element::GetListRequest))),
            (id("2"), Err(Status::BAD_REQUEST)),
            (id("3"), Err(Status::BAD_PARAMETER)),
            (id("4"), Ok(Some(Element::SearchRequest))),
            (id("5"), Ok(None)),
            (id("6"), Err(Status::BAD_REQUEST)),
            (id(""), Err(Status::BAD_REQUEST)),
            (id(""), Err(Status::BAD_REQUEST)),
            (id("7"), Ok(Some(Element::PollingRequest))),
        ]
    );
}

#[test]
fn what_was_wrong_is_said() {
    let xml = message(&transaction("2", "<GetMessage-Request/>"));
    let mut reader = reader(&xml);
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    envelope.next_transaction().unwrap();
    let error = envelope.read_request().unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::Missing(Element::MessageId));
    let result = refusal(&error);
    assert_eq!((result.status, result.description.as_deref()), (Status::BAD_REQUEST, Some("MessageID is missing")));
}

#[test]
fn a_message_that_breaks_off_still_named_its_transaction() {
    let whole = message(&transaction("9", "<GetMessage-Request><MessageID>m1</MessageID></GetMessage-Request>"));
    let mut named = 0;
    for end in 0..whole.len() {
        let outcomes = outcomes(&whole[..end]);
        let (_, last) = outcomes.last().unwrap();
        assert_eq!(*last, Err(Status::BAD_REQUEST), "cut at {end}");
        named += usize::from(outcomes[0].0 == "9");
    }
    assert!(named > 60, "{named}");
    assert_eq!(outcomes(&whole).len(), 1);
}

#[test]
fn the_flags_of_the_session_may_come_first() {
    let xml = message(&format!("<Poll>T</Poll><CIR>F</CIR>{}", transaction("1", "<GetList-Request/>")));
    let mut reader = reader(&xml);
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    assert_eq!((envelope.poll(), envelope.cir(), envelope.is_inband()), (Some(true), Some(false), true));
    assert!(envelope.next_transaction().unwrap().is_some());
    assert!(envelope.next_transaction().unwrap().is_none());
}

#[test]
fn a_status_as_a_request_is_an_answer() {
    let xml = message(&transaction("77", "<Status><Result><Code>200</Code></Result></Status>"));
    let mut reader = reader(&xml);
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    let head = envelope.next_transaction().unwrap().unwrap();
    assert!(head.is_answer() && head.mode == Mode::Request);
    assert_eq!(envelope.read_answer().unwrap(), Some(Answer::Status(StatusPrimitive::of(Status::SUCCESSFUL))));
}

#[test]
fn an_answer_has_the_namespaces_of_its_request() {
    let csp = "http://www.openmobilealliance.org/WV-CSP1.2";
    let trc = "http://www.openmobilealliance.org/WV-TRC1.2";
    let xml = message(&transaction("1", "<GetList-Request/>"))
        .replace(CSP_12, csp)
        .replace("<TransactionContent>", &format!(r#"<TransactionContent xmlns="{trc}">"#));
    let mut reader = reader(&xml);
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    while envelope.next_transaction().unwrap().is_some() {}
    let namespaces = envelope.namespaces();
    for form in [Form::Xml, Form::Wbxml] {
        let mut writer = MessageWriter::new(form, envelope.version(), &namespaces, Some("s17"), b"rubbish".to_vec());
        writer.transaction(Mode::Response, "1", Some(true), |w| StatusPrimitive::of(Status::SUCCESSFUL).write(w));
        let bytes = writer.finish(Some(true));
        let mut reader = wire::reader(form, &bytes, &Limits::default()).unwrap();
        let mut again = Envelope::open(reader.as_dyn()).unwrap();
        while again.next_transaction().unwrap().is_some() {}
        assert_eq!(
            (again.namespaces(), again.version(), again.poll()),
            (namespaces.clone(), Version::V1_2, Some(true))
        );
    }
    assert_ne!(namespaces, Namespaces::default());
}

#[test]
fn the_poll_flag_stands_where_the_version_has_it() {
    for version in Version::ALL {
        let mut writer = MessageWriter::new(Form::Xml, version, Namespaces::standard(), Some("s17"), Vec::new());
        writer.transaction(Mode::Response, "1", Some(true), |w| StatusPrimitive::of(Status::SUCCESSFUL).write(w));
        let xml = String::from_utf8(writer.finish(Some(true))).unwrap();
        let in_descriptor = xml.contains("<Poll>T</Poll></TransactionDescriptor>");
        let in_session = xml.contains("</Transaction><Poll>T</Poll></Session>");
        assert_eq!((in_descriptor, in_session), (version == Version::V1_1, version != Version::V1_1), "{xml}");
    }
}

#[test]
fn a_fragment_is_what_would_have_been_written() {
    let status = StatusPrimitive::of(Status::UNKNOWN_USER);
    let namespaces = Namespaces::default();
    for version in Version::ALL {
        for form in [Form::Xml, Form::Wbxml, Form::Json] {
            let fragment = encode_fragment(form, version, |writer| status.write(writer));
            let mut once = MessageWriter::new(form, version, &namespaces, Some("s"), Vec::new());
            once.transaction(Mode::Request, "1", None, |writer| status.write(writer));
            let mut twice = MessageWriter::new(form, version, &namespaces, Some("s"), Vec::new());
            twice.transaction_with_fragment(Mode::Request, "1", None, &fragment);
            assert_eq!(twice.finish(Some(false)), once.finish(Some(false)));
        }
    }
}

#[test]
fn version_discovery_needs_no_session() {
    let request = VersionDiscoveryRequest { version_list: None };
    for shape in [Shape::Discovery, Shape::DiscoveryInMessage] {
        for form in [Form::Xml, Form::Wbxml, Form::Json] {
            let element = VersionDiscoveryRequest::ELEMENT;
            let namespaces = Namespaces::standard();
            let bytes = MessageWriter::discovery(form, Version::V1_2, namespaces, shape, element, &request, Vec::new());
            let mut reader = wire::reader(form, &bytes, &Limits::default()).unwrap();
            let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
            assert_eq!((envelope.shape(), envelope.version()), (shape, Version::V1_2));
            assert_eq!((envelope.session_id(), envelope.is_inband()), (None, false));
            let head = envelope.next_transaction().unwrap().unwrap();
            assert_eq!((head.mode, head.primitive), (Mode::Request, Some(Tag::Known(element))));
            assert_eq!(envelope.read_request().unwrap(), Request::VersionDiscovery(request.clone()));
            assert_eq!(envelope.next_transaction().unwrap(), None);
        }
    }
    let response = VersionDiscoveryResponse {
        version_list: VersionList { session: vec![CSP_12.into()], transaction: vec![], presence: vec![] },
        other_servers: vec![],
    };
    let xml = MessageWriter::discovery(
        Form::Xml,
        Version::V1_2,
        Namespaces::standard(),
        Shape::Discovery,
        VersionDiscoveryResponse::ELEMENT,
        &response,
        Vec::new(),
    );
    let xml = String::from_utf8(xml).unwrap();
    assert!(xml.contains("<WV-CSP-VersionDiscovery-Response xmlns="), "{xml}");
}

#[test]
fn an_older_name_of_version_discovery_is_understood() {
    let xml = format!(r#"<WV-CSP-NSDiscovery-Request xmlns="{CSP_12}"/>"#);
    let mut reader = reader(&xml);
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    envelope.next_transaction().unwrap();
    assert_eq!(envelope.read_request().unwrap().element(), Some(Element::WvCspVersionDiscoveryRequest));
}

#[test]
fn a_version_from_the_future_is_seen() {
    let xml = message(&transaction("1", "<GetList-Request/>")).replace("CSP1.2", "CSP1.9");
    let mut reader = reader(&xml);
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    assert!(envelope.is_unsupported() && !envelope.tells_version());
    assert_eq!(envelope.next_transaction().unwrap().unwrap().transaction_id.as_str(), "1");
    assert_eq!(envelope.namespaces(), Namespaces::default());
}

#[test]
fn malformed_vectors_are_clean_errors() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with('m') || !name.ends_with(".wbxml") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let outcome = || {
            let mut reader = wire::reader(Form::Wbxml, &bytes, &Limits::default())?;
            let mut envelope = Envelope::open(reader.as_dyn())?;
            while envelope.next_transaction()?.is_some() {
                envelope.read_request()?;
            }
            Ok::<_, wire::DecodeError>(())
        };
        assert!(outcome().is_err(), "{name}");
        count += 1;
    }
    assert_eq!(count, 33);
}
