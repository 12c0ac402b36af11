//! JSON: what it looks like, what is understood, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod wire_support;

use imps_proto::Element;
use imps_proto::csp::{Envelope, Mode, Request};
use imps_proto::wire::{self, DecodeErrorKind, Form, Limits, Namespace, Reader, Tag, Token, Writer};
use imps_types::{DateTime, Version};
use wire_support::{Piece, assert_same, canonical, decode, form_of, transcode, vector, vectors, version};

/// The pieces of a document as one line: elements, texts in quotes, ends as dots.
#[track_caller]
fn shown(json: &str) -> String {
    let pieces = decode(Form::Json, json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
    let show = |piece: &Piece| match piece {
        Piece::Start(name) => format!(" {name}"),
        Piece::Xmlns(name) => format!("[{name}]"),
        Piece::Text(text) => format!(" {text:?}"),
        Piece::End => " .".to_owned(),
    };
    pieces.iter().map(show).collect::<String>().trim_start().to_owned()
}

fn written(version: Version, write: impl Fn(&mut dyn Writer)) -> String {
    let mut writer = wire::writer(Form::Json, version, Vec::new());
    write(writer.as_dyn());
    String::from_utf8(writer.finish()).unwrap()
}

fn error(json: impl AsRef<[u8]>) -> DecodeErrorKind {
    let json = json.as_ref();
    match decode(Form::Json, json) {
        Ok(pieces) => panic!("{} is {pieces:?}", String::from_utf8_lossy(json)),
        Err(error) => error.kind,
    }
}

#[test]
fn every_vector_is_the_same_document_in_json() {
    let mut count = 0;
    for name in vectors("").into_iter().filter(|name| name.starts_with('v') || name.starts_with('h')) {
        let (form, bytes) = (form_of(&name), vector(&name));
        let original = decode(form, &bytes).unwrap();
        let version = version(form, &bytes).unwrap();
        let json = transcode(form, &bytes, Form::Json, version).unwrap();
        let text = String::from_utf8_lossy(&json);
        serde_json::from_slice::<serde_json::Value>(&json).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        assert_eq!(wire_support::version(Form::Json, &json), Some(version), "{name}: {text}");
        let decoded = decode(Form::Json, &json).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        assert_same(&format!("{name}: {text}"), &canonical(&decoded), &canonical(&original));
        assert_eq!(transcode(Form::Json, &json, Form::Json, version).unwrap(), json, "{name}: nothing moves any more");
        for to in [Form::Xml, Form::Wbxml] {
            let again = transcode(Form::Json, &json, to, version).unwrap();
            let again = decode(to, &again).unwrap();
            assert_same(&format!("{name} by JSON as {to:?}"), &canonical(&again), &canonical(&original));
        }
        count += 1;
    }
    assert!(count >= 216, "{count}");
}

#[test]
fn a_message() {
    let xml = vector("v12-send-message-base64.xml");
    let json = transcode(Form::Xml, &xml, Form::Json, Version::V1_2).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let message = &value["WV-CSP-Message"];
    assert_eq!(message["Version"], "1.2");
    let transaction = &message["Session"]["Transaction"][0];
    assert_eq!(transaction["TransactionDescriptor"]["TransactionMode"], "Request");
    let request = &transaction["TransactionContent"]["SendMessage-Request"];
    assert!(request["DeliveryReport"].is_boolean(), "{request}");
    assert!(request["MessageInfo"]["ContentSize"].is_u64(), "{request}");
    assert!(request["MessageInfo"]["Recipient"]["User"].is_array(), "{request}");
    assert!(request["MessageInfo"]["Sender"]["User"].is_object(), "{request}");
}

#[test]
fn values_have_their_types() {
    let json = written(Version::V1_3, |out| {
        out.start_with_namespace(Element::WvCspMessage, Namespace::of(imps_proto::Space::Csp, Version::V1_3));
        out.element_integer(Element::Code, 200);
        out.element_boolean(Element::Poll, true);
        out.element_date(Element::DateTime, DateTime::from_unix(1_700_000_000));
        out.element_text(Element::KeepAliveTime, "0300");
        out.element_text(Element::DeliveryReport, "F");
        out.element_text(Element::DeliveryTime, "20231114T231320+0100");
        out.element_text(Element::Validity, "a week");
        out.element_integer(Element::SearchId, 17);
        out.element_boolean(Element::Value, false);
        out.element_text(Element::Description, "\"a\\b\"\n\u{1}\u{20ac}\u{1f600}/");
        out.empty(Element::PollingRequest);
        out.empty(Element::SessionId);
        out.start(Element::ContentData);
        out.opaque(b"\xFF\x00");
        out.end(Element::ContentData);
        out.end(Element::WvCspMessage);
    });
    assert_eq!(
        json,
        "{\"WV-CSP-Message\":{\"Version\":\"1.3\",\"Code\":200,\"Poll\":true,\"DateTime\":\"2023-11-14T22:13:20Z\",\
         \"KeepAliveTime\":300,\"DeliveryReport\":false,\"DeliveryTime\":\"2023-11-14T22:13:20Z\",\
         \"Validity\":\"a week\",\"SearchID\":\"17\",\"Value\":\"F\",\
         \"Description\":\"\\\"a\\\\b\\\"\\n\u{fffd}\u{20ac}\u{1f600}/\",\"Polling-Request\":{},\"SessionID\":\"\",\
         \"ContentData\":\"/wA=\"}}"
    );
}

#[test]
fn what_may_repeat_is_a_list_always() {
    let recipients = |users: &[&str]| {
        written(Version::V1_2, |out| {
            out.start(Element::Recipient);
            for user in users {
                out.start(Element::User);
                out.element_text(Element::UserId, user);
                out.end(Element::User);
            }
            out.end(Element::Recipient);
        })
    };
    assert_eq!(recipients(&[]), r#"{"Recipient":{}}"#);
    assert_eq!(recipients(&["wv:a"]), r#"{"Recipient":{"User":[{"UserID":"wv:a"}]}}"#);
    assert_eq!(recipients(&["wv:a", "wv:b"]), r#"{"Recipient":{"User":[{"UserID":"wv:a"},{"UserID":"wv:b"}]}}"#);
}

#[test]
fn what_is_interleaved_is_put_together() {
    let json = written(Version::V1_2, |out| {
        out.start(Element::NickList);
        for (index, name) in [Some("Bob"), None, Some("Eve"), None].into_iter().enumerate() {
            match name {
                Some(name) => {
                    out.start(Element::NickName);
                    out.element_text(Element::Name, name);
                    out.end(Element::NickName);
                }
                None => out.element_text(Element::UserId, &format!("wv:{index}")),
            }
        }
        // And what should not come twice at all.
        out.element_text(Element::Description, "a, b");
        out.element_text(Element::Code, "1");
        out.element_text(Element::Description, "}]");
        out.end(Element::NickList);
    });
    assert_eq!(
        json,
        r#"{"NickList":{"NickName":[{"Name":"Bob"},{"Name":"Eve"}],"UserID":["wv:1","wv:3"],"Description":["a, b","}]"],"Code":1}}"#
    );
    decode(Form::Json, json.as_bytes()).unwrap();
}

#[test]
fn each_criterion_of_a_search_is_a_list_of_its_own() {
    let json = written(Version::V1_3, |out| {
        out.start(Element::SearchRequest);
        for lists in [&[("USER_ID", "bob")][..], &[("USER_ALIAS", "b"), ("USER_FIRST_NAME", "c")]] {
            out.start(Element::SearchPairList);
            for (element, string) in lists {
                out.element_text(Element::SearchElement, element);
                out.element_text(Element::SearchString, string);
            }
            out.end(Element::SearchPairList);
        }
        out.element_integer(Element::SearchLimit, 5);
        out.end(Element::SearchRequest);
    });
    assert_eq!(
        json,
        "{\"Search-Request\":{\"SearchPairList\":[{\"SearchElement\":\"USER_ID\",\"SearchString\":\"bob\"},\
         {\"SearchElement\":\"USER_ALIAS\",\"SearchString\":\"b\"},\
         {\"SearchElement\":\"USER_FIRST_NAME\",\"SearchString\":\"c\"}],\"SearchLimit\":5}}"
    );
}

#[test]
fn text_beside_children_and_foreign_namespaces() {
    let xml = b"<WV-CSP-Message xmlns='http://www.openmobilealliance.org/DTD/WV-CSP1.2'><Version>7</Version>\
        <ExtBlock xmlns='urn:a'>hello <B>big</B> world<B/></ExtBlock><ClientID>JiMMY</ClientID></WV-CSP-Message>";
    let json = transcode(Form::Xml, xml, Form::Json, Version::V1_2).unwrap();
    assert_eq!(
        String::from_utf8(json.clone()).unwrap(),
        "{\"WV-CSP-Message\":{\"Version\":\"1.2\",\"Unknown\":\"7\",\"ExtBlock\":{\"$xmlns\":\"urn:a\",\
         \"$text\":[\"hello \",\" world\"],\"B\":[\"big\",{}]},\"ClientID\":\"JiMMY\"}}"
    );
    assert_eq!(
        shown(std::str::from_utf8(&json).unwrap()),
        "WV-CSP-Message[http://www.openmobilealliance.org/DTD/WV-CSP1.2] Unknown \"7\" . ExtBlock[urn:a] \
         \"hello  world\" B \"big\" . B . . ClientID \"JiMMY\" . ."
    );
}

#[test]
fn what_is_understood() {
    for (json, expected) in [
        (r#"{"Result":{"Code":200}}"#, r#"Result Code "200" . ."#),
        (" {\n\t\"Result\" : { \"Code\" : \"200\" } } \r\n", r#"Result Code "200" . ."#),
        ("\u{feff}{\"Result\":{}}", "Result ."),
        (r#"{"Code":7}"#, r#"Code "7" ."#),
        (r#"{"$schema":"https://x/schema/csp.json","Result":{},"$comment":"done"}"#, "Result ."),
        // A single value where a list may stand, and a list where a single value may.
        (r#"{"Recipient":{"User":{"UserID":"a"}}}"#, r#"Recipient User UserID "a" . . ."#),
        (r#"{"Recipient":{"User":["a",{"UserID":"b"}]}}"#, r#"Recipient User "a" . User UserID "b" . . ."#),
        (r#"{"Recipient":{"User":[]}}"#, "Recipient ."),
        (r#"{"Result":{"Code":[1,2]}}"#, r#"Result Code "1" . Code "2" . ."#),
        // What is null is not there.
        (r#"{"Result":{"Code":null,"Description":[null,"a",null]}}"#, r#"Result Description "a" . ."#),
        // Flags: of elements without content, and as values.
        (
            r#"{"WVCSPFeat":{"GCLI":true,"CCLI":false,"DCLI":{},"Poll":true,"Value":false}}"#,
            r#"WVCSPFeat GCLI . DCLI . Poll "T" . Value "F" . ."#,
        ),
        // Numbers stand as they are spelled: whether they fit is asked by who reads them.
        (r#"{"Result":{"Code":-1.5e+3,"SessionID":17}}"#, r#"Result Code "-1.5e+3" . SessionID "17" . ."#),
        // Escapes, in keys too.
        (r#"{"Result":{"\u0043ode":"\u0032\u20AC\ud83d\ude00\/\\\"\n\t\r"}}"#, r#"Result Code "2€😀/\\\"\n\t\r" . ."#),
        // Strangers.
        (
            r#"{"Result":{"Acme":{"B":[1,{"C":"d"}]},"not a name":1,"$x":2,"\u0041b":3}}"#,
            r#"Result Acme B "1" . B C "d" . . . Unknown "1" . Unknown "2" . Unknown "3" . ."#,
        ),
        (r#"{"PresenceSubList":{"Status":"OPEN"}}"#, r#"PresenceSubList Status "OPEN" . ."#),
        (r#"{"Result":{"$text":" hi "}}"#, r#"Result "hi" ."#),
    ] {
        assert_eq!(shown(json), expected, "{json}");
    }
}

#[test]
fn what_is_refused() {
    use DecodeErrorKind::{BadText, Malformed, TooDeep, TooLarge, Truncated};
    for (json, expected) in [
        (&b""[..], Truncated),
        (b"  ", Truncated),
        (b"[]", Malformed("brace expected")),
        (b"null", Malformed("brace expected")),
        (b"{}", Malformed("string expected")),
        (b"{\"Result\":{}", Truncated),
        (b"{\"Result\":{}}}", Malformed("something after the message")),
        (b"{\"Result\":{}},{}", Malformed("something after the message")),
        (b"{\"Result\":{},\"Status\":{}}", Malformed("second root element")),
        (b"{\"Result\":[{}]}", Malformed("list where a value should be")),
        (b"{\"Result\":null}", Malformed("no root element")),
        (b"{\"Result\":{\"Code\":1,}}", Malformed("key expected")),
        (b"{\"Result\":{,\"Code\":1}}", Malformed("comma or brace expected")),
        (b"{\"Result\":{\"Code\":1 \"Description\":2}}", Malformed("comma or brace expected")),
        (b"{\"Result\":{\"Code\"}}", Malformed("colon expected")),
        (b"{\"Result\":{\"Code\":}}", Malformed("value")),
        (b"{\"Result\":{Code:1}}", Malformed("comma or brace expected")),
        (b"{\"Result\":{'Code':1}}", Malformed("comma or brace expected")),
        (b"{\"Result\":{\"Code\":[1,]}}", Malformed("value")),
        (b"{\"Result\":{\"Code\":[,1]}}", Malformed("value")),
        (b"{\"Result\":{\"Code\":[1 2]}}", Malformed("comma or bracket expected")),
        (b"{\"Result\":{\"Code\":[[1]]}}", Malformed("list where a value should be")),
        (b"{\"Result\":{\"Code\":1]}", Malformed("comma or brace expected")),
        (b"{\"Result\":{\"Code\":01}}", Malformed("number")),
        (b"{\"Result\":{\"Code\":1.}}", Malformed("number")),
        (b"{\"Result\":{\"Code\":-}}", Malformed("number")),
        (b"{\"Result\":{\"Code\":1e}}", Malformed("number")),
        (b"{\"Result\":{\"Code\":0x10}}", Malformed("number")),
        (b"{\"Result\":{\"Code\":.5}}", Malformed("value")),
        (b"{\"Result\":{\"Code\":NaN}}", Malformed("value")),
        (b"{\"Result\":{\"Code\":tru}}", Malformed("value")),
        (b"{\"Result\":{\"Code\":1,\"Code\":2}}", Malformed("key that stands twice")),
        (b"{\"Result\":{\"Acme\":1,\"Acme\":2}}", Malformed("key that stands twice")),
        (b"{\"Result\":{\"Code\":1,\"\\u0043ode\":2}}", Malformed("key that stands twice")),
        (b"{\"WV-CSP-Message\":{\"Version\":\"1.2\",\"Version\":\"1.3\"}}", Malformed("key that stands twice")),
        (b"{\"WV-CSP-Message\":{\"Version\":\"new\"}}", Malformed("version")),
        (b"{\"WV-CSP-Message\":{\"Version\":\"\"}}", Malformed("version")),
        (b"{\"Result\":{\"Code\":\"\\x41\"}}", Malformed("unknown escape")),
        (b"{\"Result\":{\"Code\":\"\\u12g4\"}}", Malformed("unknown escape")),
        (b"{\"Result\":{\"Code\":\"a\nb\"}}", Malformed("line end in a string")),
        (b"{\"Result\":{\"Code\":\"\\ud800\"}}", BadText("lone surrogate")),
        (b"{\"Result\":{\"Code\":\"\\ud800\\u0041\"}}", BadText("lone surrogate")),
        (b"{\"Result\":{\"Code\":\"\\udc00\"}}", BadText("lone surrogate")),
        (b"{\"Result\":{\"\\ud800\":1}}", BadText("lone surrogate")),
        (b"{\"Result\":{\"Code\":\"\\u0000\"}}", BadText("control character")),
        (b"{\"Result\":{\"Code\":\"\\b\"}}", BadText("control character")),
        (b"{\"Result\":{\"Code\":\"\\uffff\"}}", BadText("control character")),
        (b"{\"Result\":{\"Code\":\"\x01\"}}", BadText("control character")),
        (b"{\"Result\":{\"Code\":\"\xFF\"}}", BadText("not UTF-8")),
        (b"{\"Result\":{\"Code\":\"\xED\xA0\x80\"}}", BadText("not UTF-8")),
        (b"{\"Result\":{\"\xC3\":1}}", BadText("not UTF-8")),
        (b"{\"Result\":{\"$text\":{}}}", Malformed("text expected")),
        (b"\xFF\xFE{\0", Malformed("brace expected")),
    ] {
        assert_eq!(error(json), expected, "{}", String::from_utf8_lossy(json));
    }
    let nested = |depth: usize| format!("{{{}\"A\":1{}", "\"A\":{".repeat(depth), "}".repeat(depth + 1));
    decode(Form::Json, nested(31).as_bytes()).unwrap();
    assert_eq!(error(nested(32)), TooDeep);
    assert_eq!(error(nested(100_000)), TooDeep);
    assert_eq!(error(format!("{{\"A\":{{\"B\":[{}1]}}}}", "1,".repeat(10_000))), DecodeErrorKind::TooManyElements);
    let strangers: Vec<String> = (0..65).map(|number| format!("\"a{number}\":1")).collect();
    assert_eq!(error(format!("{{\"A\":{{{}}}}}", strangers.join(","))), TooLarge("object of unknown keys"));
    let small = Limits { bytes: 10, ..Limits::default() };
    assert!(wire::reader(Form::Json, b"{\"Result\":{}}", &small).is_err());
}

#[test]
fn numbers_that_do_not_fit_are_bad_values() {
    for number in ["4294967296", "-1", "1.0", "1e3", "99999999999999999999999", "\"\"", "true"] {
        let json = format!("{{\"Result\":{{\"Code\":{number},\"Description\":\"x\"}}}}");
        let mut reader = wire::reader(Form::Json, json.as_bytes(), &Limits::default()).unwrap();
        reader.next().unwrap();
        reader.next().unwrap();
        assert_eq!(reader.integer().unwrap_err().kind, DecodeErrorKind::BadValue("integer"), "{number}");
        // The reader stands behind it.
        assert!(matches!(reader.next(), Ok(Token::Start(start)) if start.tag == Tag::Known(Element::Description)));
        assert_eq!(reader.text().unwrap(), "x");
    }
    let json = br#"{"Result":{"Code":4294967295,"Poll":1}}"#;
    let mut reader = wire::reader(Form::Json, json, &Limits::default()).unwrap();
    reader.next().unwrap();
    reader.next().unwrap();
    assert_eq!(reader.integer(), Ok(u32::MAX));
    reader.next().unwrap();
    assert_eq!(reader.boolean().unwrap_err().kind, DecodeErrorKind::BadValue("boolean"));
}

#[test]
fn a_message_cut_short_is_truncated_wherever_it_is_cut() {
    let xml = vector("v13-system-message.xml");
    let json = transcode(Form::Xml, &xml, Form::Json, Version::V1_3).unwrap();
    // Members in another order are passed over first.
    let sorted = serde_json::to_vec(&serde_json::from_slice::<serde_json::Value>(&json).unwrap()).unwrap();
    for json in [json, sorted] {
        for end in 0..json.len() {
            let error = decode(Form::Json, &json[..end]).expect_err("cut");
            assert_eq!(error.kind, DecodeErrorKind::Truncated, "{}", String::from_utf8_lossy(&json[..end]));
        }
    }
}

#[test]
fn members_come_in_any_order() {
    let json = r#"{"WV-CSP-Message":{"Session":{"Poll":true,"Transaction":[
        {"TransactionContent":{"GetPresence-Request":{"User":[{"UserID":"wv:bob"}]}},
         "TransactionDescriptor":{"TransactionID":"7","TransactionMode":"Request"}},
        {"ExtBlock":[],"TransactionDescriptor":{"TransactionMode":"Response","TransactionID":8},
         "TransactionContent":{"Status":{"Result":{"Code":200}}}},
        {"TransactionContent":{"Logout-Request":{}},"TransactionDescriptor":{"TransactionMode":"Request"}}],
        "SessionDescriptor":{"SessionID":"s","SessionType":"Inband"}},"Version":"1.1"}}"#;
    let mut reader = wire::reader(Form::Json, json.as_bytes(), &Limits::default()).unwrap();
    let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
    assert_eq!((envelope.session_id(), envelope.version(), envelope.poll()), (Some("s"), Version::V1_1, Some(true)));
    let first = envelope.next_transaction().unwrap().unwrap();
    assert_eq!((first.mode, first.transaction_id.as_str()), (Mode::Request, "7"));
    let Request::GetPresence(request) = envelope.read_request().unwrap() else { panic!("another primitive") };
    assert_eq!(request.users.len(), 1);
    let second = envelope.next_transaction().unwrap().unwrap();
    assert_eq!((second.mode, second.transaction_id.as_str()), (Mode::Response, "8"));
    assert!(envelope.read_answer().unwrap().is_some());
    let third = envelope.next_transaction().unwrap().unwrap();
    assert!(third.transaction_id.as_str().is_empty());
    assert_eq!(envelope.read_request().unwrap().element(), Some(Element::LogoutRequest));
    assert_eq!(envelope.next_transaction().unwrap(), None);

    // What was passed over must be in order all the same.
    for (good, bad) in
        [("\"UserID\":\"wv:bob\"", "\"UserID\" \"wv:bob\""), ("[{\"UserID", "[[\"UserID"), ("{}}", "{]}")]
    {
        let bad = json.replacen(good, bad, 1);
        assert_ne!(json, bad);
        assert!(matches!(error(&bad), DecodeErrorKind::Malformed(_)), "{bad}");
    }
}

#[test]
fn versions() {
    let message = |members: &str| {
        format!(
            r#"{{"WV-CSP-Message":{{{members}"Session":{{"SessionDescriptor":{{"SessionType":"Outband"}},
            "Transaction":[{{"TransactionDescriptor":{{"TransactionMode":"Request","TransactionID":"1","Poll":false}},
            "TransactionContent":{{"Login-Request":{{}}}}}}]}}}}}}"#
        )
    };
    for (members, expected) in [
        (r#""Version":"1.1","#, (Version::V1_1, true, false)),
        (r#""Version":"1.2","#, (Version::V1_2, true, false)),
        (r#""Version":1.3,"#, (Version::V1_3, true, false)),
        // Absent: the newest, and a session knows better.
        ("", (Version::V1_3, false, false)),
        (r#""Version":"1.4","#, (Version::V1_3, false, true)),
    ] {
        let json = message(members);
        let mut reader = wire::reader(Form::Json, json.as_bytes(), &Limits::default()).unwrap();
        let mut envelope = Envelope::open(reader.as_dyn()).unwrap();
        while envelope.next_transaction().unwrap().is_some() {}
        assert_eq!((envelope.version(), envelope.tells_version(), envelope.is_unsupported()), expected, "{members}");
    }
}
