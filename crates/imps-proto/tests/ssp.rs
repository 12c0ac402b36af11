//! SSP as it stands on the wire: the forms that a working peer has, those it should not have, and what is refused.

use imps_proto::ssp::{self, Body, Dialect, Message, Mode, Primitive};
use imps_types::Status;
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ssp").join(folder);
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

fn read(text: &str) -> Result<Message, ssp::Error> {
    Message::read(text.as_bytes(), &ssp::limits(1 << 20))
}

/// Without the layout between elements.
fn compact(text: &str) -> String {
    text.lines().map(str::trim).collect()
}

#[test]
fn good_forms_are_read_and_written_as_they_are() {
    let files = files("good");
    assert_eq!(files.len(), 39);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let message = read(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(message.dialect, Dialect::V1_3);
        if let Body::Session { transactions, .. } = &message.body {
            assert!(transactions[0].content.is_ok(), "{}: {:?}", path.display(), transactions[0].content);
        }
        assert_eq!(String::from_utf8(message.write()).unwrap(), compact(&text), "{}", path.display());
    }
}

#[test]
fn odd_forms_mean_the_same() {
    let mut seen = 0;
    for path in files("odd") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let good = path.with_file_name("../good").join(format!("{}.xml", name.split('-').next().unwrap()));
        let mut odd = read(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        if name.ends_with("-misspelt") {
            // What the misspelt attribute says is kept apart, since it tells an old server.
            let Body::Setup { primitive, .. } = &mut odd.body else { panic!("{name}: not a set-up") };
            let Primitive::SendSecretToken(token) = primitive.as_mut() else { panic!("{name}: {primitive:?}") };
            token.protocol_version = token.misspelt_version.take();
            assert!(token.protocol_version.is_some());
        }
        let good = read(&fs::read_to_string(good).unwrap()).unwrap();
        assert_eq!(odd.body, good.body, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 16);
}

#[test]
fn every_namespace_is_taken_and_answered_in_kind() {
    for (namespace, dialect) in [
        (r#" xmlns="http://www.openmobilealliance.org/DTD/WV-SSP1.3""#, Dialect::V1_3),
        (r#" xmlns="http://www.openmobilealliance.org/DTD/WV-SSP1.2""#, Dialect::V1_2),
        (r#" xmlns="http://www.wireless-village.org/SSP1.1""#, Dialect::V1_1),
        ("", Dialect::Bare),
    ] {
        let text = format!(
            "<WV-SSP-Message{namespace}><Session sessionID=\"s\"><Transaction mode=\"Response\" transactionID=\"1\">\
             <Status code=\"200\"/></Transaction></Session></WV-SSP-Message>"
        );
        let message = read(&text).unwrap();
        assert_eq!(message.dialect, dialect);
        assert!(String::from_utf8(message.write()).unwrap().ends_with(&text));
    }
    let other = read(r#"<WV-SSP-Message xmlns="urn:x"><Session sessionID="s"/></WV-SSP-Message>"#).unwrap();
    assert_eq!(other.dialect, Dialect::V1_3, "one that nobody knows");
}

#[test]
fn presence_is_translated_for_an_older_peer() {
    let good = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ssp/good/presence_notification.xml");
    let mut message = read(&fs::read_to_string(good).unwrap()).unwrap();
    for (dialect, namespace) in [
        (Dialect::V1_2, "http://www.openmobilealliance.org/DTD/WV-PA1.2"),
        (Dialect::V1_1, "http://www.wireless-village.org/PA1.1"),
    ] {
        message.dialect = dialect;
        let text = String::from_utf8(message.write()).unwrap();
        assert!(text.contains(namespace), "{text}");
        assert_eq!(read(&text).unwrap().body, message.body, "and it says the same");
    }
}

#[test]
fn several_transactions_each_on_their_own() {
    let message = read(
        r#"<WV-SSP-Message><Session sessionID="s1@a.example">
        <Transaction mode="Request" transactionID="1"><KeepAliveRequest timeToLive="600"/></Transaction>
        <Noise/>
        <Transaction mode="Request" transactionID="2"><DanceRequest with="everybody"><A><B/></A></DanceRequest></Transaction>
        <Transaction mode="Request" transactionID="3"><JoinGroupRequest groupID="g"/></Transaction>
        <Transaction mode="Request" transactionID="4"><LeaveGroupRequest/></Transaction>
        <Transaction mode="Request" transactionID="5"/>
        <Transaction mode="Request" transactionID="6"><LoginResponse><Status code="200"/></LoginResponse></Transaction>
        <Transaction mode="Response" transactionID="7"><Status code="abc"/></Transaction>
        <Transaction mode="Response" transactionID="8"><Status code="200"/></Transaction>
        </Session></WV-SSP-Message>"#,
    )
    .unwrap();
    let Body::Session { id, transactions } = &message.body else { panic!("{message:?}") };
    assert_eq!(&**id, "s1@a.example");
    let said: Vec<_> = transactions
        .iter()
        .map(|it| match &it.content {
            Ok(primitive) => format!("{} {}", it.id.as_str(), primitive.name()),
            Err(refusal) => format!("{} {} {}: {}", it.id.as_str(), refusal.status, refusal.name, refusal.reason),
        })
        .collect();
    assert_eq!(
        said,
        [
            "1 KeepAliveRequest",
            "2 405 DanceRequest: it is not known here",
            "3 402 JoinGroupRequest: MetaInfo is missing",
            "4 402 LeaveGroupRequest: attribute groupID is missing",
            "5 402 : the transaction is empty",
            "6 402 LoginResponse: it belongs into a set-up",
            "7 402 Status: not a valid value of attribute code",
            "8 Status",
        ]
    );
    assert_eq!((transactions[0].mode, transactions[7].mode), (Mode::Request, Mode::Response));
    let answer = transactions[1].content.as_ref().unwrap_err().answer();
    let Primitive::Status(status) = &answer else { panic!("{answer:?}") };
    assert_eq!(status.status, Status::SERVICE_NOT_SUPPORTED);
    assert_eq!(status.description.as_deref(), Some("DanceRequest: it is not known here"));
}

#[test]
fn what_is_no_message_says_why() {
    let deep = format!("<WV-SSP-Message>{}{}</WV-SSP-Message>", "<a>".repeat(40), "</a>".repeat(40));
    let long = format!(
        "<WV-SSP-Message><Session sessionID=\"s\"><Transaction mode=\"Request\" transactionID=\"{}\"/></Session></WV-SSP-Message>",
        "7".repeat(129)
    );
    let many = format!(
        "<WV-SSP-Message><Session sessionID=\"s\">{}</Session></WV-SSP-Message>",
        "<Transaction mode=\"Request\" transactionID=\"1\"/>".repeat(1001)
    );
    let attributes: String = (0..17).map(|it| format!(" a{it}=\"\"")).collect();
    let attributes = format!("<WV-SSP-Message{attributes}/>");
    for (text, reason) in [
        ("", "message ends too early"),
        ("hello", "malformed: text outside the root"),
        ("<WV-CSP-Message/>", "not a WV-SSP-Message"),
        ("<WV-SSP-Message/>", "Session is missing"),
        ("<WV-SSP-Message><Session/></WV-SSP-Message>", "attribute sessionID is missing"),
        ("<WV-SSP-Message><Session sessionID=\"s\"></WV-SSP-Message>", "malformed: end tag that does not match"),
        (
            "<WV-SSP-Message><Session sessionID=\"s\"/><Session sessionID=\"t\"/></WV-SSP-Message>",
            "more than one Session",
        ),
        (
            "<WV-SSP-Message><Session sessionID=\"s\"><Transaction transactionID=\"1\"/></Session></WV-SSP-Message>",
            "attribute mode is missing",
        ),
        (
            "<WV-SSP-Message><Session sessionID=\"s\"><Transaction mode=\"Maybe\" transactionID=\"1\"/></Session></WV-SSP-Message>",
            "not a valid value of attribute mode",
        ),
        (
            "<WV-SSP-Message><SetupTransaction mode=\"Request\" transactionID=\"1\"/></WV-SSP-Message>",
            "SendSecretToken is missing",
        ),
        (
            "<WV-SSP-Message><SetupTransaction mode=\"Request\" transactionID=\"1\"><Status code=\"200\"/></SetupTransaction></WV-SSP-Message>",
            "not a valid SetupTransaction",
        ),
        ("<!DOCTYPE x><WV-SSP-Message/>", "malformed: document type"),
        ("<!DOCTYPE x [<!ENTITY a \"b\">]><WV-SSP-Message/>", "malformed: document type"),
        ("<WV-SSP-Message a=\"&b;\"/>", "malformed: value of an attribute"),
        (
            "<WV-SSP-Message><Session sessionID=\"s\">&b;</Session></WV-SSP-Message>",
            "malformed: entity that is not declared",
        ),
        (&deep, "elements nest too deeply"),
        (&long, "too large: transactionID"),
        (&many, "too large: transactions"),
        (&attributes, "too large: attributes"),
        // Baraza's own (SSP 17): `<Canceled/>` where the end tag should be.
        (
            "<WV-SSP-Message><Session sessionID=\"s\"><Transaction mode=\"Request\" transactionID=\"1\"><CancelInviteRequest inviteID=\"i\">\
             <Canceled><User userID=\"wv:a@b\"/><Canceled/></CancelInviteRequest></Transaction></Session></WV-SSP-Message>",
            "malformed: end tag that does not match",
        ),
    ] {
        let error = read(text).expect_err(text);
        assert_eq!(error.kind.to_string(), reason, "{text}");
    }
    let large = Message::read(&vec![b' '; 2000], &ssp::limits(1000)).unwrap_err();
    assert_eq!(large.kind.to_string(), "too large: message");
}
