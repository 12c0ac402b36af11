//! PTS against the specification: its worked examples and vectors in both directions, what is malformed, what the known
//! client does and what it can read, and damage.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod wire_support;

use imps_proto::csp::message::is_recoverable;
use imps_proto::csp::{
    Envelope, GetSegmentResponse, LoginResponse, MessageWriter, Mode, Namespaces, PresenceNotificationRequest, Request,
    StatusPrimitive,
};
use imps_proto::elements::{SegmentId, SegmentInfo};
use imps_proto::grammar::Primitive;
use imps_proto::wire::pts::{Preamble, PtsVersion};
use imps_proto::wire::{self, DecodeErrorKind, Form, Limits, PtsCodes, Reader, Tag, Token};
use imps_proto::{Element, csp::Response};
use imps_types::{Status, TransactionId, Version};
use std::collections::BTreeSet;
use wire_support::{Piece, Xorshift, assert_same, canonical, damage, decode, open, transcode, vector, vectors};

const ATTESTED: Form = Form::Pts(PtsCodes::Attested);
const PROJECT: Form = Form::Pts(PtsCodes::Project);

const SESSION: &str =
    "<SessionDescriptor><SessionType>Inband</SessionType><SessionID>s17</SessionID></SessionDescriptor>";
const NO_SESSION: &str = "<SessionDescriptor><SessionType>Outband</SessionType></SessionDescriptor>";

fn xml(descriptor: &str, mode: &str, id: &str, content: &str) -> String {
    format!(
        "<WV-CSP-Message xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-CSP1.3\"><Session>{descriptor}<Transaction>\
         <TransactionDescriptor><TransactionMode>{mode}</TransactionMode><TransactionID>{id}</TransactionID>\
         </TransactionDescriptor><TransactionContent xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-TRC1.3\">{content}\
         </TransactionContent></Transaction></Session></WV-CSP-Message>"
    )
}

/// A message and what it says in XML, whose elements come in the order of the XML's grammar.
struct Example {
    pts: &'static str,
    codes: PtsCodes,
    xml: String,
}

/// The worked examples of Encoding 2.4.
fn examples() -> Vec<Example> {
    let example = |pts, xml| Example { pts, codes: PtsCodes::Attested, xml };
    let own = |pts, xml| Example { pts, codes: PtsCodes::Project, xml };
    vec![
        example(
            "WV13LR1 UI=wv:alice@example.org CI=urn:acme:phone:350001 PW=\"s3 cret\" TL=86400 SC=q1w2e3",
            xml(
                NO_SESSION,
                "Request",
                "1",
                "<Login-Request><UserID>wv:alice@example.org</UserID><ClientID><URL>urn:acme:phone:350001</URL></ClientID>\
                 <Password>s3 cret</Password><TimeToLive>86400</TimeToLive><SessionCookie>q1w2e3</SessionCookie>\
                 </Login-Request>",
            ),
        ),
        example(
            "WV13RL1 ST=(401,\"Further authorization needed\") CI=urn:acme:phone:350001 NO=e6b68ebd DI=MD5 CR=F",
            xml(
                NO_SESSION,
                "Response",
                "1",
                "<Login-Response><ClientID><URL>urn:acme:phone:350001</URL></ClientID><Result><Code>401</Code>\
                 <Description>Further authorization needed</Description></Result><Nonce>e6b68ebd</Nonce>\
                 <DigestSchema>MD5</DigestSchema><CapabilityRequest>F</CapabilityRequest></Login-Response>",
            ),
        ),
        example(
            "WV13RL2 ST=200 CI=urn:acme:phone:350001 SI=s17 KA=1200 CR=T",
            xml(
                NO_SESSION,
                "Response",
                "2",
                "<Login-Response><ClientID><URL>urn:acme:phone:350001</URL></ClientID><Result><Code>200</Code></Result>\
                 <SessionID>s17</SessionID><KeepAliveTime>1200</KeepAliveTime><CapabilityRequest>T</CapabilityRequest>\
                 </Login-Response>",
            ),
        ),
        example("WV13PO0 SI=s17", xml(SESSION, "Request", "0", "<Polling-Request/>")),
        example(
            "WV13PN12 SI=s17 PR=(wv:bob@example.org,((OS,T,T),(UA,T,AV),(ST,T,\"At lunch (back soon)\"),\
             (CF,T,((CT,MP),(CP,Acme)))))",
            xml(
                SESSION,
                "Request",
                "12",
                "<PresenceNotification-Request><Presence><UserID>wv:bob@example.org</UserID>\
                 <PresenceSubList xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-PA1.3\">\
                 <OnlineStatus><Qualifier>T</Qualifier><PresenceValue>T</PresenceValue></OnlineStatus>\
                 <UserAvailability><Qualifier>T</Qualifier><PresenceValue>AVAILABLE</PresenceValue></UserAvailability>\
                 <StatusText><Qualifier>T</Qualifier><PresenceValue>At lunch (back soon)</PresenceValue></StatusText>\
                 <ClientInfo><Qualifier>T</Qualifier><ClientType>MOBILE_PHONE</ClientType>\
                 <ClientProducer>Acme</ClientProducer></ClientInfo></PresenceSubList></Presence>\
                 </PresenceNotification-Request>",
            ),
        ),
        example(
            "WV13ST12 SI=s17 ST=200",
            xml(SESSION, "Response", "12", "<Status><Result><Code>200</Code></Result></Status>"),
        ),
        own(
            "WV13SM9 SI=s17 DR=T MF=wv:alice@example.org MT=wv:bob@example.org CT=text/plain CZ=13 MC=\"Hello, world!\"",
            xml(
                SESSION,
                "Request",
                "9",
                "<SendMessage-Request><DeliveryReport>T</DeliveryReport><MessageInfo><ContentType>text/plain</ContentType>\
                 <ContentSize>13</ContentSize><Recipient><User><UserID>wv:bob@example.org</UserID></User></Recipient>\
                 <Sender><User><UserID>wv:alice@example.org</UserID></User></Sender></MessageInfo>\
                 <ContentData>Hello, world!</ContentData></SendMessage-Request>",
            ),
        ),
        own(
            "WV13MS9 SI=s17 ST=200 MI=m42",
            xml(
                SESSION,
                "Response",
                "9",
                "<SendMessage-Response><Result><Code>200</Code></Result><MessageID>m42</MessageID></SendMessage-Response>",
            ),
        ),
        example(
            "WV13CL8 SI=s17 UN=((\"Bob B\",wv:bob@example.org),(,wv:carol@example.org)) \
             CP=((DN,\"My friends\"),(DE,T)) CL=wv:alice/friends@example.org",
            xml(
                SESSION,
                "Request",
                "8",
                "<CreateList-Request><ContactList>wv:alice/friends@example.org</ContactList><NickList>\
                 <NickName><Name>Bob B</Name><UserID>wv:bob@example.org</UserID></NickName>\
                 <UserID>wv:carol@example.org</UserID></NickList><ContactListProperties>\
                 <Property><Name>DisplayName</Name><Value>My friends</Value></Property>\
                 <Property><Name>Default</Name><Value>T</Value></Property></ContactListProperties></CreateList-Request>",
            ),
        ),
        example(
            "WV13CP2 SI=s17 CA=((CT,MP),(ID,P),(SB,HTTP),(SC,ST),(PS,32767))",
            xml(
                SESSION,
                "Request",
                "2",
                "<ClientCapability-Request><CapabilityList><ClientType>MOBILE_PHONE</ClientType>\
                 <InitialDeliveryMethod>P</InitialDeliveryMethod><SupportedBearer>HTTP</SupportedBearer>\
                 <SupportedCIRMethod>STCP</SupportedCIRMethod><ParserSize>32767</ParserSize></CapabilityList>\
                 </ClientCapability-Request>",
            ),
        ),
        example(
            "WV13SB6 SI=s17 PS=(OS,(CF,(CT,CV))) AS=T UI=(wv:bob@example.org,wv:carol@example.org)",
            xml(
                SESSION,
                "Request",
                "6",
                "<SubscribePresence-Request><UserIDList><UserID>wv:bob@example.org</UserID>\
                 <UserID>wv:carol@example.org</UserID></UserIDList>\
                 <PresenceSubList xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-PA1.3\"><OnlineStatus/>\
                 <ClientInfo><ClientType/><ClientVersion/></ClientInfo></PresenceSubList>\
                 <AutoSubscribe>T</AutoSubscribe></SubscribePresence-Request>",
            ),
        ),
        example(
            "WV13UP7 SI=s17 UV=((UA,T,DI))",
            xml(
                SESSION,
                "Request",
                "7",
                "<UpdatePresence-Request><PresenceSubList xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-PA1.3\">\
                 <UserAvailability><Qualifier>T</Qualifier><PresenceValue>DISCREET</PresenceValue></UserAvailability>\
                 </PresenceSubList></UpdatePresence-Request>",
            ),
        ),
    ]
}

/// The children of every element in an order of ours: that of parameters carries no meaning.
fn sorted(pieces: &[Piece]) -> Vec<String> {
    fn element(pieces: &mut std::iter::Peekable<std::slice::Iter<'_, Piece>>) -> String {
        let (mut name, mut children) = (String::new(), Vec::new());
        loop {
            match pieces.peek() {
                Some(Piece::Start(start)) if name.is_empty() => {
                    name.clone_from(start);
                    pieces.next();
                }
                Some(Piece::Start(_)) => children.push(element(pieces)),
                Some(Piece::End) | None => {
                    pieces.next();
                    break;
                }
                Some(other) => {
                    children.push(format!("{other:?}"));
                    pieces.next();
                }
            }
        }
        children.sort();
        format!("{name}[{}]", children.join(" "))
    }
    vec![element(&mut pieces.iter().peekable())]
}

fn parameters(message: &str) -> BTreeSet<String> {
    let mut in_quotes = false;
    let parts = message.split(|c| {
        in_quotes ^= c == '"';
        c == ' ' && !in_quotes
    });
    parts.map(str::to_owned).collect()
}

#[test]
fn the_worked_examples_both_ways() {
    for Example { pts, codes, xml } in examples() {
        for form in [Form::Pts(codes), PROJECT] {
            let ours = decode(form, pts.as_bytes()).unwrap_or_else(|error| panic!("{error}: {pts}"));
            assert_eq!(sorted(&ours), sorted(&decode(Form::Xml, xml.as_bytes()).unwrap()), "{pts}");
            let written = transcode(Form::Xml, xml.as_bytes(), form, Version::V1_3).unwrap();
            let written = String::from_utf8(written).unwrap();
            assert_eq!(parameters(&written), parameters(pts), "{written}");
            assert!(
                !written.contains(" SI=") || written.contains("RL2") || written.split(' ').nth(1).unwrap() == "SI=s17"
            );
        }
    }
}

#[test]
fn the_digits_tell_the_version() {
    for version in Version::ALL {
        let digits = version.as_str().replace('.', "");
        let message = format!("WV{digits}SB6 SI=s17 PS=OS UI=wv:bob@example.org");
        let mut reader = open(ATTESTED, message.as_bytes()).unwrap();
        let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
        assert_eq!((envelope.version(), envelope.tells_version()), (version, true));
        assert_eq!(envelope.namespaces(), Namespaces::default(), "spelled as the version has them");
        envelope.next_transaction().unwrap().unwrap();
        let Request::SubscribePresence(request) = envelope.read_request().unwrap() else { panic!("{version}") };
        assert_eq!(request.users[0].user_id.as_str(), "wv:bob@example.org");
        let pieces = decode(ATTESTED, message.as_bytes()).unwrap();
        let has = |name: &str| pieces.contains(&Piece::Start(name.to_owned()));
        assert_eq!((has("User"), has("UserIDList")), (version < Version::V1_3, version == Version::V1_3));
    }
}

#[test]
fn vectors_are_read() {
    let names = vectors(".pts");
    let sound: Vec<_> = names.iter().filter(|name| name.starts_with('p')).collect();
    assert!(sound.len() >= 16, "{sound:?}");
    for name in sound {
        // Unquoted parentheses: a message of the known client that is lost (Encoding 2.5).
        let is_lost = name.starts_with("p12");
        let outcome = decode(PROJECT, &vector(name));
        assert_eq!(outcome.is_err(), is_lost, "{name}: {outcome:?}");
        let own = name.starts_with("p16");
        let attested = decode(ATTESTED, &vector(name)).ok();
        assert_eq!(attested == outcome.clone().ok(), !own, "{name}");
        if let Ok(pieces) = outcome {
            let again = transcode(PROJECT, &vector(name), PROJECT, Version::V1_3).unwrap();
            assert_same(name, &decode(PROJECT, &again).unwrap(), &pieces);
        }
    }
}

/// What a server makes of a message: the TransactionID, and the error or the primitive.
fn received(codes: PtsCodes, message: &[u8]) -> Result<(String, Result<Tag<'_>, DecodeErrorKind>), DecodeErrorKind> {
    let reader = wire::reader(Form::Pts(codes), message, &Limits::default());
    let mut reader = reader.map_err(|error| error.kind)?;
    let mut envelope = Envelope::open(reader.as_dyn()).map_err(|error| error.kind)?;
    let head = envelope.next_transaction().map_err(|error| error.kind)?.unwrap();
    let primitive = head.primitive.unwrap();
    let outcome = envelope.read_request().map(|_| primitive).and_then(|primitive| {
        envelope.next_transaction()?;
        Ok(primitive)
    });
    Ok((head.transaction_id.as_str().to_owned(), outcome.map_err(|error| error.kind)))
}

#[test]
fn malformed_vectors_are_refused() {
    use DecodeErrorKind::{Malformed, TooDeep, TooLarge, Truncated};
    for (number, expected) in [
        (1, Err(Malformed("preamble"))),
        (2, Ok(Err(Malformed("name of a parameter")))),
        (3, Ok(Err(Malformed("a space was expected")))),
        (4, Ok(Err(Truncated))),
        (5, Ok(Err(Truncated))),
        (6, Ok(Ok(Tag::Unknown("XX")))),
        (7, Err(Malformed("preamble"))),
        (8, Ok(Err(TooLarge("message")))),
        (9, Ok(Err(Malformed("a space was expected")))),
    ] {
        let bytes = vector(&format!("q{number:02}-malformed.pts"));
        let outcome = received(PtsCodes::Attested, &bytes);
        assert_eq!(outcome, expected.map(|inner| ("7".to_owned(), inner)), "q{number:02}");
    }
    let deep = format!("WV13ST7 ST={}{}", "(".repeat(17), ")".repeat(17));
    assert_eq!(received(PtsCodes::Attested, deep.as_bytes()), Ok(("7".to_owned(), Err(TooDeep))));
}

#[test]
fn grammar() {
    use DecodeErrorKind::{BadText, Malformed, TooLarge, Truncated};
    let refused = |message: &str, kind: DecodeErrorKind| {
        let (id, outcome) =
            received(PtsCodes::Project, message.as_bytes()).unwrap_or_else(|kind| panic!("{message}: {kind}"));
        assert_eq!((&*id, outcome), ("7", Err(kind)), "{message}");
    };
    for message in [
        "WV13KA7 TL=60",
        "WV13ka7 tl=60",
        "WV13KA007 TL=60",
        "WV13KA7aa TL=60",
        "WV13KA7 TL=60 \r\n",
        "WV13KA7 TL=\"60\"",
    ] {
        let (id, outcome) = received(PtsCodes::Attested, message.as_bytes()).unwrap();
        assert_eq!((&*id, outcome), ("7", Ok(Tag::Known(Element::KeepAliveRequest))), "{message}");
    }
    refused("WV13KA7 TL=", Malformed("a parameter without its value"));
    refused("WV13KA7 TL=60 tl=70", Malformed("a parameter twice"));
    refused("WV13KA7 =60", Malformed("name of a parameter"));
    refused("WV13KA7 T(L=60", Malformed("name of a parameter"));
    refused("WV13KA7 TL=6&0", Malformed("a space was expected"));
    refused("WV13KA7 TL=(60)x", Malformed("a space was expected"));
    refused("WV13KA7 TL=\"60\"\"", Truncated);
    refused("WV13KA7 TL=(60,", Truncated);
    refused("WV13KA7 TL=(60=)", Malformed("group"));
    refused("WV13KA7 TL=6\n0", Malformed("a space was expected"));
    refused("WV13KA7 TL=\"6\u{1}0\"", BadText("control character"));
    refused("WV13KA7ab TL=60", Malformed("a piece of a message"));
    refused(&format!("WV13KA7{}", (0..65).map(|n| format!(" A{n}=1")).collect::<String>()), TooLarge("parameters"));
    refused(&format!("WV13KA7 TL=({}1)", "1,".repeat(1000)), TooLarge("group"));
    refused(&format!("WV13KA7 TL={}", "1".repeat(16 << 10)), TooLarge("message"));
    refused("WV13SB7 UI=((a))", Malformed("value of a parameter"));
    refused("WV13LR7 CI=(a,b)", Malformed("value of a parameter"));
    refused("WV13UP7 UV=((OS,T,T,T))", Malformed("value of a parameter"));
    refused("WV13CP7 CA=((CT,MP,1))", Malformed("value of a parameter"));
    refused("WV13SQ7 RF=(FF,XX)", Malformed("value of a parameter"));
    refused("WV13CG7 1x=2", Malformed("name of an element"));
    let wrong_preambles = [
        "",
        "WV",
        "WV13",
        "WV13KA",
        "WV1xKA7",
        "WV13K17",
        "WV13KA-1",
        "WV13KA7a",
        "WV13KA7abc",
        "WV13KA7ba",
        "XV13KA7",
        "WV13KA 7",
        "WV13KA1000",
    ];
    for message in wrong_preambles {
        assert_eq!(received(PtsCodes::Project, message.as_bytes()), Err(Malformed("preamble")), "{message}");
    }
    // What is no text is told under the TransactionID and in the session too.
    let bytes = b"WV13KA7 SI=s17 TL=\xFF";
    assert_eq!(received(PtsCodes::Attested, bytes), Ok(("7".to_owned(), Err(BadText("not UTF-8")))));
    let mut reader = open(ATTESTED, bytes).unwrap();
    assert_eq!(Envelope::open(reader.as_dyn()).unwrap().session_id(), Some("s17"));
}

#[test]
fn preambles() {
    let preamble = Preamble::read(b"WV13PN12bc x").unwrap();
    let expected = Preamble {
        version: PtsVersion::Known(Version::V1_3),
        code: *b"PN",
        transaction_id: 12,
        segment: Some((2, 3)),
        length: 10,
    };
    assert_eq!(preamble, expected);
    assert_eq!(Preamble::read(b"WVxxvd1").unwrap().version, PtsVersion::Discovery);
    assert_eq!(Preamble::read(b"WV14PO0").unwrap().version, PtsVersion::Unknown(*b"14"));
}

#[test]
fn a_version_that_nobody_speaks_is_told_as_such() {
    let mut reader = open(ATTESTED, b"WV14LR5 UI=wv:alice@example.org").unwrap();
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    assert!(envelope.is_unsupported());
    assert_eq!(envelope.next_transaction().unwrap().unwrap().transaction_id.as_str(), "5");
}

#[test]
fn codes_of_our_own_are_unknown_without_the_setting() {
    let message = b"WV13SM9 SI=s17 MF=wv:alice@example.org anything goes (here";
    assert_eq!(received(PtsCodes::Attested, message), Ok(("9".to_owned(), Ok(Tag::Unknown("SM")))));
    let mut reader = open(ATTESTED, message).unwrap();
    assert_eq!(Envelope::open(reader.as_dyn()).unwrap().session_id(), Some("s17"), "501 is told in the session");
    // A parameter that nobody knows is passed over, as an element would be.
    let pieces = decode(ATTESTED, b"WV13KA7 ZZ=1 GroupID=(x) TL=60").unwrap();
    assert_eq!(pieces, decode(ATTESTED, b"WV13KA7 TL=60").unwrap());
}

#[test]
fn what_android_writes() {
    // One attribute with parts, and without the parentheses around it.
    let bare = decode(ATTESTED, b"WV13GP6 SI=s17 PS=(CF,(CT,CV)) UI=wv:bob@example.org").unwrap();
    let right = decode(ATTESTED, b"WV13GP6 SI=s17 PS=((CF,(CT,CV))) UI=wv:bob@example.org").unwrap();
    assert_eq!(bare, right);
    assert!(bare.contains(&Piece::Start("ClientVersion".to_owned())));
    // Spaces without quotes.
    let bare = decode(ATTESTED, b"WV13UP7 SI=s17 UV=((ST,T,out to lunch),(OS,T))").unwrap();
    let right = decode(ATTESTED, b"WV13UP7 SI=s17 UV=((ST,T,\"out to lunch\"),(OS,T))").unwrap();
    assert_eq!(bare, right);
    assert!(bare.contains(&Piece::Text("out to lunch".to_owned())));
    // DL and DI by who writes them.
    let asked = decode(ATTESTED, b"WV13CA7 SI=s17 PS=OS DL=T").unwrap();
    assert!(asked.contains(&Piece::Start("DefaultList".to_owned())));
    let told = decode(ATTESTED, b"WV13LG7 SI=s17 DL=wv:alice/friends@example.org").unwrap();
    assert!(told.contains(&Piece::Start("DefaultContactList".to_owned())));
    // An MSISDN where there is no URL.
    let pieces = decode(ATTESTED, b"WV13LR1 UI=wv:a@b CI=+4915112345").unwrap();
    assert!(pieces.contains(&Piece::Start("MSISDN".to_owned())));
    // The code of a value in an attribute that has no such values.
    let pieces = decode(ATTESTED, b"WV13UP7 SI=s17 UV=((ST,T,na),(UA,T,na))").unwrap();
    let texts: Vec<_> =
        pieces.iter().filter(|it| matches!(it, Piece::Text(text) if text == "na" || text.len() > 9)).collect();
    assert!(texts.contains(&&Piece::Text("na".to_owned())), "{texts:?}");
    assert!(texts.contains(&&Piece::Text("NOT_AVAILABLE".to_owned())), "{texts:?}");
}

/// A message of the server with only what is attested.
fn told(version: Version, content: &str) -> String {
    let xml = xml(SESSION, "Response", "7", content);
    let written = transcode(Form::Xml, xml.as_bytes(), ATTESTED, version).unwrap();
    String::from_utf8(written).unwrap()
}

#[test]
fn what_android_cannot_read_is_not_sent() {
    const PA: &str = "xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-PA1.3\"";
    for (content, expected) in [
        // A Result is a code and a description.
        (
            "<Status><Result><Code>201</Code><Description>Partly</Description><DetailedResult><Code>531</Code>\
             <UserID>wv:x@y</UserID></DetailedResult></Result></Status>",
            "WV13ST7 SI=s17 ST=(201,Partly)",
        ),
        (
            "<Status><Result><Code>400</Code><Description>two\nlines</Description></Result></Status>",
            "WV13ST7 SI=s17 ST=(400,\"two lines\")",
        ),
        // There is no code for the response, and no more to say than that it went well.
        ("<CreateList-Response><ContactList>wv:a/b@c</ContactList></CreateList-Response>", "WV13ST7 SI=s17 ST=200"),
        ("<GetBlockedList-Response/>", "WV13ST7 SI=s17 ST=501"),
        ("<GetSPInfo-Response><Name>Hamlet</Name></GetSPInfo-Response>", "WV13ST7 SI=s17 ST=501"),
        // Attributes without a code, and a text that would be taken for a code.
        (
            &format!(
                "<GetPresence-Response><Result><Code>200</Code></Result><Presence><UserID>wv:b@c</UserID>\
                 <PresenceSubList {PA}><StatusMood><Qualifier>T</Qualifier><PresenceValue>HAPPY</PresenceValue></StatusMood>\
                 <StatusText><Qualifier>T</Qualifier><PresenceValue>NA</PresenceValue></StatusText>\
                 <UserAvailability><Qualifier>F</Qualifier></UserAvailability><ClientInfo><Qualifier>T</Qualifier>\
                 <ClientType>PDA</ClientType><Model>X1</Model></ClientInfo></PresenceSubList></Presence></GetPresence-Response>"
            ),
            "WV13PG7 SI=s17 ST=200 PR=(wv:b@c,((ST,T,\"NA \"),(UA,F,),(CF,T,((CT,PD)))))",
        ),
        // A contact list by the code that it reads, properties and capabilities that it knows.
        (
            "<GetList-Response><ContactListIDList><ContactList>wv:a/b@c</ContactList></ContactListIDList>\
             <DefaultContactList>wv:a/b@c</DefaultContactList></GetList-Response>",
            "WV13LG7 SI=s17 CL=wv:a/b@c DC=wv:a/b@c",
        ),
        (
            "<ListManage-Response><Result><Code>200</Code></Result><ContactListProperties><Property><Name>DisplayName</Name>\
             <Value>Us</Value></Property><Property><Name>Colour</Name><Value>red</Value></Property></ContactListProperties>\
             </ListManage-Response>",
            "WV13ML7 SI=s17 ST=200 CP=((DN,Us))",
        ),
        (
            "<ClientCapability-Response><AgreedCapabilityList><MultiTransPerMessage>1</MultiTransPerMessage>\
             <ServerPollMin>30</ServerPollMin><SupportedCIRMethod>STCP</SupportedCIRMethod></AgreedCapabilityList>\
             </ClientCapability-Response>",
            "WV13PC7 SI=s17 AP=((PM,30),(SC,ST))",
        ),
        // What is not to be had is told for whole features, what there is for all that have something.
        (
            "<Service-Response><Functions><WVCSPFeat><GroupFeat/><IMFeat><IMSendFunc><MM/></IMSendFunc></IMFeat></WVCSPFeat>\
             </Functions><AllFunctions><WVCSPFeat><FundamentalFeat/><IMFeat><IMSendFunc/></IMFeat></WVCSPFeat></AllFunctions>\
             </Service-Response>",
            "WV13QS7 SI=s17 NF=(GE) AF=(FF,IF)",
        ),
    ] {
        assert_eq!(told(Version::V1_3, content), expected);
    }
    let xml =
        xml(SESSION, "Request", "7", "<NewMessage><MessageInfo><MessageID>m1</MessageID></MessageInfo></NewMessage>");
    let written = transcode(Form::Xml, xml.as_bytes(), ATTESTED, Version::V1_3).unwrap();
    assert!(written.is_empty(), "there is no code for it");
}

#[test]
fn an_answer_in_the_face_of_it() {
    let status = |codes, poll| {
        let namespaces = Namespaces::default();
        let mut writer =
            MessageWriter::new(Form::Pts(codes), Version::V1_2, &namespaces, Some("s17"), b"former content".to_vec());
        writer.transaction(Mode::Response, "9", poll, |writer| StatusPrimitive::of(Status::SUCCESSFUL).write(writer));
        String::from_utf8(writer.finish(poll)).unwrap()
    };
    assert_eq!(status(PtsCodes::Attested, Some(true)), "WV12ST9 SI=s17 ST=200");
    assert_eq!(status(PtsCodes::Project, Some(true)), "WV12ST9 SI=s17 ST=200 Poll=T");
}

#[test]
fn the_mode_is_told_where_the_code_does_not() {
    let delivered = |mode: &str| {
        let xml = xml(SESSION, mode, "7", "<MessageDelivered><MessageID>m1</MessageID></MessageDelivered>");
        String::from_utf8(transcode(Form::Xml, xml.as_bytes(), PROJECT, Version::V1_3).unwrap()).unwrap()
    };
    assert_eq!(delivered("Response"), "WV13MD7 SI=s17 MI=m1");
    assert_eq!(delivered("Request"), "WV13MD7 SI=s17 MI=m1 TransactionMode=Request");
    let mode = |message: &str| {
        let mut reader = open(PROJECT, message.as_bytes()).unwrap();
        Envelope::open(reader.as_dyn()).unwrap().next_transaction().unwrap().unwrap().mode
    };
    assert_eq!(mode("WV13MD7 SI=s17 MI=m1"), Mode::Response);
    assert_eq!(mode("WV13MD7 SI=s17 MI=m1 transactionmode=Request"), Mode::Request);
    assert_eq!(mode("WV13UI7 SI=s17 IN=i1 AC=T"), Mode::Request, "InviteUser-Response begins a transaction");
}

#[test]
fn a_piece_says_which_it_is() {
    let message = "WV13ES7 SI=s17 SegmentContent=\"WV13SM7 SI=s17 MC=\"\"a b\" TransactionMode=Request \
                   SegmentInfo=((SegmentCount,3),(SegmentID,((TransactionID,7),(SegmentReference,1))))";
    let mut reader = open(PROJECT, message.as_bytes()).unwrap();
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    let head = envelope.next_transaction().unwrap().unwrap();
    let info = head.segment.unwrap();
    let id = SegmentId { transaction_id: TransactionId::new("7"), reference: 1 };
    assert_eq!((head.mode, &info), (Mode::Request, &SegmentInfo { count: Some(3), id: Some(id) }));
    let piece = envelope.read_segment().unwrap().unwrap();
    assert_eq!(piece.content.0, "WV13SM7 SI=s17 MC=\"a b");
    // Wherever it stands it is written so, and read in one place.
    let written = |with: Option<&SegmentInfo>, piece: &GetSegmentResponse| {
        let namespaces = Namespaces::default();
        let mut writer = MessageWriter::new(PROJECT, Version::V1_3, &namespaces, Some("s17"), Vec::new());
        writer.piece(Mode::Request, "7", None, with, |writer| piece.write(writer));
        String::from_utf8(writer.finish(None)).unwrap()
    };
    let inside = GetSegmentResponse { info: Some(info.clone()), ..piece.clone() };
    for told in [written(Some(&info), &piece), written(None, &inside), written(Some(&info), &inside)] {
        assert_eq!(parameters(&told), parameters(message));
    }
    let whole = written(None, &piece);
    assert!(!whole.contains("SegmentInfo"), "{whole}");
    // One that cannot be understood is told under its TransactionID.
    for wrong in ["(a,b,c)", "((SegmentCount,1,2))", "((SegmentID,((TransactionID,7),(SegmentReference,1,1))))"] {
        let message = format!("WV13ES7 SI=s17 SegmentContent=x SegmentInfo={wrong}");
        let mut reader = open(PROJECT, message.as_bytes()).unwrap();
        let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
        let head = envelope.next_transaction().unwrap().unwrap();
        assert_eq!((head.transaction_id.as_str(), head.segment), ("7", None));
        assert!(envelope.read_answer().is_err(), "{wrong}");
    }
    // So in every encoding, and then the rest of the message can be read.
    for wrong in ["((SegmentCount,many))", "((SegmentCount,2),(SegmentID,((SegmentReference,1))))"] {
        let message = format!("WV13ES7 SI=s17 SegmentContent=x SegmentInfo={wrong}");
        for form in [PROJECT, Form::Xml, Form::Wbxml, Form::Json] {
            let bytes = transcode(PROJECT, message.as_bytes(), form, Version::V1_3).unwrap();
            let mut reader = open(form, &bytes).unwrap();
            let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
            let head = envelope.next_transaction().unwrap().unwrap();
            assert_eq!((head.transaction_id.as_str(), head.segment), ("7", None), "{wrong} {form:?}");
            assert!(is_recoverable(&envelope.read_answer().unwrap_err()), "{wrong} {form:?}");
            assert!(envelope.next_transaction().unwrap().is_none());
        }
    }
}

#[test]
fn message_info_is_written_in_its_order() {
    let info = "<Sender><User><UserID>wv:a@b</UserID></User></Sender><Font><Size>Big</Size></Font><ContentName>n</ContentName>\
                <ContentType>text/plain</ContentType>";
    let content = format!("<NewMessage><MessageInfo>{info}</MessageInfo><ContentData>hi</ContentData></NewMessage>");
    let xml = xml(SESSION, "Request", "7", &content);
    let pts = transcode(Form::Xml, xml.as_bytes(), PROJECT, Version::V1_3).unwrap();
    let expected = "WV13NM7 SI=s17 CT=text/plain MF=wv:a@b MessageInfo=((ContentName,n),(Font,((Size,Big)))) MC=hi";
    assert_eq!(String::from_utf8_lossy(&pts), expected);
    assert_eq!(transcode(PROJECT, &pts, PROJECT, Version::V1_3).unwrap(), pts);
}

#[test]
fn a_name_in_another_case_is_not_taken_for_ours() {
    let info =
        "<contentSize>39</contentSize><ContentType>text/plain</ContentType><Font><size>Big</size><Own>1</Own></Font>";
    let content = format!("<NewMessage><MessageInfo>{info}</MessageInfo><ContentData>hi</ContentData></NewMessage>");
    let xml = xml(SESSION, "Request", "7", &content);
    let pts = transcode(Form::Xml, xml.as_bytes(), PROJECT, Version::V1_3).unwrap();
    let expected = "WV13NM7 SI=s17 CT=text/plain MessageInfo=((Font,((Own,1)))) MC=hi";
    assert_eq!(String::from_utf8_lossy(&pts), expected);
}

#[test]
fn version_discovery_has_no_version() {
    let message = b"WVXXVD5 VersionList=((SessionNSName,http://www.wireless-village.org/CSP1.1))";
    let mut reader = open(PROJECT, message).unwrap();
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    let head = envelope.next_transaction().unwrap().unwrap();
    assert_eq!(head.transaction_id.as_str(), "5");
    assert!(!envelope.tells_version());
    let Request::VersionDiscovery(request) = envelope.read_request().unwrap() else { panic!("no discovery") };
    assert_eq!(request.version_list.unwrap().session.len(), 1);
    let xml = "<WV-CSP-VersionDiscovery-Response xmlns=\"http://www.openmobilealliance.org/DTD/WV-CSP1.2\"><VersionList>\
               <SessionNSName>x</SessionNSName></VersionList></WV-CSP-VersionDiscovery-Response>";
    let written = transcode(Form::Xml, xml.as_bytes(), PROJECT, Version::V1_2).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), "WVXXDV0 VersionList=((SessionNSName,x))");
}

#[test]
fn one_message_is_one_transaction() {
    let two = vector("v12-two-transactions.xml");
    let pts = transcode(Form::Xml, &two, PROJECT, Version::V1_2).unwrap();
    let pieces = decode(PROJECT, &pts).unwrap();
    assert_eq!(pieces.iter().filter(|piece| **piece == Piece::Start("Transaction".to_owned())).count(), 1);
}

#[test]
fn foreign_elements_and_namespaces_survive() {
    let xml = xml(
        SESSION,
        "Request",
        "7",
        "<UpdatePresence-Request><PresenceSubList xmlns=\"http://imps.colibria.com/PA-ext-1.2\"><Shoes colour=\"1\">brown\
         </Shoes></PresenceSubList></UpdatePresence-Request>",
    );
    let pts = transcode(Form::Xml, xml.as_bytes(), PROJECT, Version::V1_3).unwrap();
    let expected = "WV13UP7 SI=s17 PresenceSubList=((xmlns,http://imps.colibria.com/PA-ext-1.2),(Shoes,brown))";
    assert_eq!(String::from_utf8_lossy(&pts), expected);
    assert_same("foreign", &decode(PROJECT, &pts).unwrap(), &decode(Form::Xml, xml.as_bytes()).unwrap());
}

#[test]
fn a_fragment_is_what_would_have_been_written() {
    let pts = vector("p07-presence-notification-two.pts");
    let mut reader = open(ATTESTED, &pts).unwrap();
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    envelope.next_transaction().unwrap();
    let request = envelope.read_server_request().unwrap().unwrap();
    let namespaces = Namespaces::default();
    let whole = |write: &dyn Fn(&mut MessageWriter<'_>)| {
        let mut writer = MessageWriter::new(ATTESTED, Version::V1_3, &namespaces, Some("s17"), Vec::new());
        write(&mut writer);
        writer.finish(Some(false))
    };
    let plain = whole(&|writer| writer.transaction(Mode::Request, "12", None, |writer| request.write(writer)));
    let fragment = wire::Fragment::new(ATTESTED, Version::V1_3, |writer| request.write(writer));
    assert!(!fragment.is_empty() && fragment.len() > 50);
    let spliced = whole(&|writer| writer.transaction_with_fragment(Mode::Request, "12", None, &fragment));
    assert_eq!(spliced, plain);
    assert_eq!(parameters(std::str::from_utf8(&plain).unwrap()), parameters(std::str::from_utf8(&pts).unwrap()));
    assert_eq!(PresenceNotificationRequest::ELEMENT, Element::PresenceNotificationRequest);
}

#[test]
fn a_login_response_is_read_by_clients() {
    let pts = vector("p02-login-response.pts");
    let mut reader = open(ATTESTED, &pts).unwrap();
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    assert!(!envelope.is_inband(), "SI is the new session");
    envelope.next_transaction().unwrap();
    let Some(Response::Login(LoginResponse { session_id, keep_alive_time, .. })) = envelope.read_response().unwrap()
    else {
        panic!("no Login-Response")
    };
    assert_eq!((session_id.as_deref(), keep_alive_time), (Some("s17"), Some(1200)));
}

/// Counts what a reader does until it is done.
fn work(form: Form, bytes: &[u8]) -> usize {
    let Ok(mut reader) = open(form, bytes) else { return 0 };
    let mut tokens = 0;
    while let Ok(token) = reader.next() {
        if token == Token::Eof {
            break;
        }
        tokens += 1;
    }
    tokens
}

/// 20,000 damaged messages: none may cause a panic or work out of proportion, and what is still a message is the same
/// after it was written and read again, in every encoding.
#[test]
fn a_mode_that_is_none_is_not_written() {
    let json = br#"{"WV-CSP-Message":{"Version":"1.3","Session":{"SessionDescriptor":{"SessionType":"Inband","SessionID":"s1"},
        "Transaction":[{"TransactionDescriptor":{"TransactionMode":"Respo,(se","TransactionID":"9"},
        "TransactionContent":{"Logout-Request":{}}}]}}}"#;
    let written = transcode(Form::Json, json, PROJECT, Version::V1_3).unwrap();
    let shown = String::from_utf8(written.clone()).unwrap();
    assert!(!shown.contains("Respo") && shown.contains("SI=s1"), "{shown}");
    decode(PROJECT, &written).unwrap();
}

#[test]
fn damaged_messages() {
    let mut seeds: Vec<Vec<u8>> =
        vectors(".pts").iter().map(|name| vector(name)).filter(|it| it.len() < 4096).collect();
    for name in vectors(".xml").iter().filter(|name| name.starts_with('v')) {
        let version = wire_support::version(Form::Xml, &vector(name)).unwrap_or(Version::V1_2);
        seeds.push(transcode(Form::Xml, &vector(name), PROJECT, version).unwrap());
    }
    assert!(seeds.len() > 70, "{}", seeds.len());
    let mut random = Xorshift(0x0DD_BA11_5EED);
    let mut survivors = 0;
    for _ in 0..20_000 {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        let other = &seeds[random.below(seeds.len())];
        damage(&mut bytes, other, &mut random);
        for form in [ATTESTED, PROJECT] {
            assert!(work(form, &bytes) <= 12 * bytes.len() + 60);
            let Ok(pieces) = decode(form, &bytes) else { continue };
            survivors += 1;
            let version = wire_support::version(form, &bytes);
            let shown = String::from_utf8_lossy(&bytes);
            for to in [Form::Xml, Form::Wbxml, Form::Json, PROJECT] {
                let again = transcode(form, &bytes, to, version.unwrap_or(Version::V1_2)).unwrap();
                let Some(version) = version.filter(|_| !again.is_empty()) else { continue };
                let decoded = decode(to, &again).unwrap_or_else(|error| panic!("{error}: {shown}"));
                let what = format!("{shown} in {version} as {to:?}: {}", String::from_utf8_lossy(&again));
                // Where text stands between children is not kept here and in JSON.
                let is_exact = matches!(to, Form::Xml | Form::Wbxml);
                let [ours, expected] =
                    [decoded, pieces.clone()].map(|pieces| trimmed(if is_exact { pieces } else { canonical(&pieces) }));
                assert_same(&what, &ours, &expected);
            }
        }
    }
    assert!(survivors > 7_000, "{survivors}");
}

/// Space around text says nothing.
fn trimmed(pieces: Vec<Piece>) -> Vec<Piece> {
    let trim = |piece| match piece {
        Piece::Text(text) => Piece::Text(text.trim().to_owned()),
        other => other,
    };
    pieces.into_iter().map(trim).filter(|piece| *piece != Piece::Text(String::new())).collect()
}
