//! XML as peers write it, and XML that nobody should write.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod wire_support;

use imps_proto::wire::{self, DecodeErrorKind, Form, Limits, RawContent, Reader, Tag, Token};
use imps_proto::{Element, Space};
use imps_types::{DateTime, Version};
use wire_support::{Piece, decode};

fn start(name: &str) -> Piece {
    Piece::Start(name.to_owned())
}

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

/// Decodes to one element UserID with this text.
#[track_caller]
fn is_user(xml: &[u8], user: &str) {
    let expected = [start("UserID"), text(user), Piece::End];
    assert_eq!(decode(Form::Xml, xml).unwrap(), expected, "{}", String::from_utf8_lossy(xml));
}

#[test]
fn what_clients_put_around_their_messages() {
    for xml in [
        "<UserID>bob</UserID>",
        "\u{FEFF}<UserID>bob</UserID>",
        "\u{FEFF}<?xml version=\"1.0\"?><UserID>bob</UserID>\r\n",
        "<?xml version='1.0' encoding='utf-8' standalone=\"yes\"?>\n<UserID>bob</UserID>",
        "<?xml version='1.0' encoding='US-ASCII'?><UserID>bob</UserID>",
        "<?xml version=\"1.0\"?><!DOCTYPE WV-CSP-Message PUBLIC \"-//OMA//DTD WV-CSP 1.1//EN\" \"http://x/\"><UserID>bob</UserID>",
        "<!-- c - c --><UserID>b<!-- in -->o<?pi data?>b</UserID><!-- after --><?pi?> \n",
        "<UserID><![CDATA[bob]]></UserID>",
        "<UserID>b&#111;&#x62;</UserID>",
        "<UserID xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type=\"a'b\" >bob</UserID  >",
        "<ns:UserID>bob</ns:UserID>",
    ] {
        is_user(xml.as_bytes(), "bob");
    }
}

#[test]
fn text_and_markup_in_it() {
    is_user(b"<UserID>&lt;&amp;&gt;&quot;&apos;</UserID>", "<&>\"'");
    is_user(b"<UserID>a&amp;b<![CDATA[<c>&amp;]]>d</UserID>", "a&b<c>&amp;d");
    is_user(b"<UserID>line\r\nline\rline\n</UserID>", "line\nline\nline\n");
    is_user("<UserID>Grüße \u{1F600} \u{FF21}</UserID>".as_bytes(), "Grüße \u{1F600} \u{FF21}");
    is_user(b"<UserID>a]]>b > c</UserID>", "a]]>b > c");
    is_user(b"<?xml version='1.0' encoding='iso-8859-1'?><UserID>Gr\xFC\xDFe</UserID>", "Grüße");
}

#[test]
fn malformed_documents_are_clean_errors() {
    use DecodeErrorKind::{BadText, Malformed, Truncated};
    let mismatch = Malformed("end tag that does not match");
    let control = BadText("control character");
    let outside = Malformed("text outside the root");
    for (xml, expected) in [
        (&b""[..], Truncated),
        (b" ", Truncated),
        (b"<?xml version='1.0'?>", Truncated),
        (b"<!-- ", Truncated),
        (b"<A", Truncated),
        (b"<A b='>", Truncated),
        (b"<A>", Truncated),
        (b"<A><B></B>", Truncated),
        (b"<A><![CDATA[x]]</A>", Truncated),
        (b"</A>", mismatch),
        (b"<A></B>", mismatch),
        (b"<A><B></A></B>", mismatch),
        (b"<a:A></b:A>", mismatch),
        (b"<A></A b='c'>", mismatch),
        (b"<A/></A>", mismatch),
        (b"<A/><B/>", Malformed("second root element")),
        (b"<A/>x", outside),
        (b"x<A/>", outside),
        (b"<A/>&amp;", outside),
        (b"<A/><![CDATA[ ]]>", outside),
        (b"<>x</>", Malformed("name of an element")),
        (b"<1/>", Malformed("name of an element")),
        (b"<a:/>", Malformed("name of an element")),
        (b"<A=/>", Malformed("name of an element")),
        (b"<A b/>", Malformed("attribute")),
        (b"<A b=c/>", Malformed("attribute")),
        (b"<A b='c' b='d'/>", Malformed("attribute")),
        (b"<A b='<'/>", Malformed("value of an attribute")),
        (b"<A b='&nope;'/>", Malformed("value of an attribute")),
        (b"<A b='\x01'/>", Malformed("value of an attribute")),
        (b"<A>&nope;</A>", Malformed("entity that is not declared")),
        (b"<A>&</A>", Malformed("lone ampersand")),
        (b"<A>&amp</A>", Malformed("lone ampersand")),
        (b"<A>&;</A>", Malformed("entity that is not declared")),
        (b"<A>&#;</A>", control),
        (b"<A>&#0;</A>", control),
        (b"<A>&#x1F;</A>", control),
        (b"<A>&#xD800;</A>", control),
        (b"<A>&#x110000;</A>", control),
        (b"<A>&#99999999999;</A>", control),
        (b"<A>\x00</A>", control),
        (b"<A>\x1B[0m</A>", control),
        (b"<A>\xEF\xBF\xBF</A>", control),
        (b"<A><![CDATA[\x08]]></A>", control),
        (b"<A>\xFF</A>", BadText("not UTF-8")),
        (b"<\xC3/>", BadText("not UTF-8")),
        (b"<A><!-- a -- b --></A>", Malformed("markup")),
        (b"<A><!ELEMENT b></A>", Malformed("markup")),
        (b"<A><?xml version='1.0'?></A>", Malformed("declaration after the beginning")),
        (b"<!-- c --><?xml version='1.0'?><A/>", Malformed("declaration after the beginning")),
        (b"<A/><!DOCTYPE A>", Malformed("document type after the root")),
        (b"<A><!DOCTYPE A></A>", Malformed("document type after the root")),
        (b"<!DOCTYPE A [<!ENTITY lol 'lol'>]><A>&lol;</A>", Malformed("document type with declarations")),
        (b"<?xml version='1.0' encoding='UTF-16'?><A/>", BadText("unsupported character set")),
        (b"<?xml version='1.0' encoding='windows-1251'?><A/>", BadText("unsupported character set")),
        (b"\xEF\xBB\xBF\xEF\xBB\xBF<A/>", Malformed("two byte order marks")),
    ] {
        let shown = String::from_utf8_lossy(xml).into_owned();
        let error = decode(Form::Xml, xml).expect_err(&shown);
        assert_eq!(error.kind, expected, "{shown}");
        assert!(error.position <= xml.len(), "{shown}");
    }
}

#[test]
fn limits_hold() {
    let limits = Limits { bytes: 4000, depth: 4, elements: 20, attributes: 2, ..Limits::default() };
    let read = |xml: &str| {
        let mut reader = wire::reader(Form::Xml, xml.as_bytes(), &limits)?;
        wire_support::pieces(&mut reader)
    };
    let nested = |depth: usize| format!("{}{}", "<A>".repeat(depth), "</A>".repeat(depth));
    assert!(read(&nested(4)).is_ok());
    assert_eq!(read(&nested(5)).unwrap_err().kind, DecodeErrorKind::TooDeep);
    assert_eq!(read("<A><A><A><A><A/></A></A></A></A>").unwrap_err().kind, DecodeErrorKind::TooDeep);
    let flat = |count: usize| format!("<A>{}</A>", "<B/>".repeat(count - 1));
    assert!(read(&flat(20)).is_ok());
    assert_eq!(read(&flat(21)).unwrap_err().kind, DecodeErrorKind::TooManyElements);
    assert!(read("<A a='1' b='2'/>").is_ok());
    assert_eq!(read("<A a='1' b='2' c='3'/>").unwrap_err().kind, DecodeErrorKind::TooLarge("attributes"));
    let long = |length: usize| format!("<A>{}</A>", "x".repeat(length - 7));
    assert!(read(&long(4000)).is_ok());
    assert_eq!(read(&long(4001)).unwrap_err().kind, DecodeErrorKind::TooLarge("message"));
    // Unclosed elements, as deep as the message is long, cost no more than the limit.
    assert_eq!(read(&"<A>".repeat(1000)).unwrap_err().kind, DecodeErrorKind::TooDeep);
}

#[test]
fn names_and_namespaces() {
    let xml = b"<w:WV-CSP-Message xmlns:w='http://www.openmobilealliance.org/DTD/IMPS-CSP1.3' xmlns='x'>\
        <Session><NobodyKnows xmlns='www.example.org/a&amp;b'/><BlockUser-Request/><CIRURL/></Session>\
        </w:WV-CSP-Message>";
    let mut reader = wire::reader(Form::Xml, xml, &Limits::default()).unwrap();
    assert_eq!(reader.version(), None);
    let Token::Start(root) = reader.next().unwrap() else { panic!() };
    assert_eq!(root.tag, Tag::Known(Element::WvCspMessage));
    let namespace = root.xmlns.unwrap();
    assert_eq!((namespace.space(), namespace.version()), (Some(Space::Csp), Some(Version::V1_3)));
    assert_eq!(reader.version(), Some(Version::V1_3));
    reader.next().unwrap();
    let Token::Start(unknown) = reader.next().unwrap() else { panic!() };
    assert_eq!(unknown.tag, Tag::Unknown("NobodyKnows"));
    assert_eq!(unknown.xmlns.unwrap().to_string(), "www.example.org/a&b");
    reader.skip().unwrap();
    let Token::Start(alias) = reader.next().unwrap() else { panic!() };
    assert_eq!(alias.tag, Tag::Known(Element::BlockEntityRequest));
    reader.skip().unwrap();
    let Token::Start(renamed) = reader.next().unwrap() else { panic!() };
    assert_eq!(renamed.tag, Tag::Known(Element::CirHttpAddress));
    reader.unwind(0).unwrap();
    assert_eq!(reader.next(), Ok(Token::Eof));
    assert_eq!(reader.next(), Ok(Token::Eof));
}

#[test]
fn status_has_two_meanings() {
    let xml =
        b"<PresenceSubList><CommCap><CommC><Cap>IM</Cap><Status>OPEN</Status></CommC></CommCap></PresenceSubList>";
    let mut reader = wire::reader(Form::Xml, xml, &Limits::default()).unwrap();
    let mut found = Vec::new();
    loop {
        match reader.next().unwrap() {
            Token::Start(start) => found.extend(start.tag.known()),
            Token::Eof => break,
            _ => {}
        }
    }
    assert_eq!(found.last(), Some(&Element::CommCStatus));
    let mut reader = wire::reader(Form::Xml, b"<Status><Result/></Status>", &Limits::default()).unwrap();
    assert!(matches!(reader.next(), Ok(Token::Start(start)) if start.tag == Tag::Known(Element::Status)));
}

#[test]
fn a_version_nobody_speaks_is_left_to_the_caller() {
    let xml = b"<WV-CSP-Message xmlns='http://www.openmobilealliance.org/DTD/IMPS-CSP1.4'/>";
    let mut reader = wire::reader(Form::Xml, xml, &Limits::default()).unwrap();
    let Token::Start(root) = reader.next().unwrap() else { panic!() };
    assert_eq!(root.xmlns.unwrap().version_text(), Some("1.4"));
    assert_eq!(reader.version(), None);
    // Without a namespace the document type tells.
    let xml = b"<!DOCTYPE WV-CSP-Message PUBLIC '-//OMA//DTD WV-CSP 1.1//EN' 'http://x'><WV-CSP-Message/>";
    let mut reader = wire::reader(Form::Xml, xml, &Limits::default()).unwrap();
    reader.next().unwrap();
    assert_eq!(reader.version(), Some(Version::V1_1));
}

#[test]
fn content_of_each_type() {
    // Calls `read` on the content of an element, and demands that the reader stands behind its end whatever came.
    fn check<T: PartialEq + std::fmt::Debug>(
        content: &str,
        read: impl Fn(&mut dyn Reader<'_>) -> Result<T, wire::DecodeError>,
        expected: Result<T, DecodeErrorKind>,
    ) {
        let xml = format!("<List><Value>{content}</Value><Name/></List>");
        let mut reader = wire::reader(Form::Xml, xml.as_bytes(), &Limits::default()).unwrap();
        reader.next().unwrap();
        reader.next().unwrap();
        assert_eq!(read(reader.as_dyn()).map_err(|error| error.kind), expected, "{content}");
        let next = reader.next().unwrap();
        assert!(matches!(&next, Token::Start(start) if start.tag == Tag::Known(Element::Name)), "{content}: {next:?}");
    }
    check(" a b \n", |r| r.text().map(|t| t.into_owned()), Ok("a b".to_owned()));
    check(" &amp; ", |r| r.text().map(|t| t.into_owned()), Ok("&".to_owned()));
    check("a<X>no</X>b", |r| r.text().map(|t| t.into_owned()), Ok("ab".to_owned()));
    check("", |r| r.text().map(|t| t.into_owned()), Ok(String::new()));
    check(" a ", |r| r.raw_text().map(|t| t.into_owned()), Ok(" a ".to_owned()));
    check(" 17 ", |r| r.integer(), Ok(17));
    check("0x1f", |r| r.integer(), Ok(31));
    for bad in ["", "x", "-1", "4294967296", "1 2"] {
        check(bad, |r| r.integer(), Err(DecodeErrorKind::BadValue("integer")));
    }
    check("T", |r| r.boolean(), Ok(true));
    check(" f ", |r| r.boolean(), Ok(false));
    check("true", |r| r.boolean(), Err(DecodeErrorKind::BadValue("boolean")));
    check("2001-09-25T13:40:13+01:00", |r| r.date(), Ok(DateTime::parse("20010925T124013Z").unwrap()));
    check("today", |r| r.date(), Err(DecodeErrorKind::BadValue("date")));
    check(
        " <![CDATA[ <b> ]]>&lt;",
        |r| match r.content()? {
            RawContent::Text(text) => Ok(text.into_owned()),
            RawContent::Bytes(_) => panic!(),
        },
        Ok("  <b> <".to_owned()),
    );
    check("<A><B>deep</B></A>x<A/>", |r| r.skip(), Ok(()));
}
