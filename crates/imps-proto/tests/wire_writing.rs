//! What the writers write, byte for byte, and fragments.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod wire_support;

use imps_proto::wire::{self, Form, Fragment, Limits, Namespace, RawContent, Reader, Token, Writer};
use imps_proto::{Element, Space};
use imps_types::{DateTime, Version};
use wire_support::decode;

/// A message around what `content` writes.
fn message(form: Form, version: Version, content: impl FnOnce(&mut dyn Writer)) -> Vec<u8> {
    let mut writer = wire::writer(form, version, Vec::new());
    let out = writer.as_dyn();
    out.start_with_namespace(Element::WvCspMessage, Namespace::of(Space::Csp, version));
    out.start(Element::Session);
    out.start(Element::SessionDescriptor);
    out.element_text(Element::SessionType, "Inband");
    out.element_text(Element::SessionId, "s17");
    out.end(Element::SessionDescriptor);
    out.start(Element::Transaction);
    out.start(Element::TransactionDescriptor);
    out.element_text(Element::TransactionMode, "Request");
    out.element_text(Element::TransactionId, "1");
    out.end(Element::TransactionDescriptor);
    out.start_with_namespace(Element::TransactionContent, Namespace::of(Space::Trc, version));
    content(out);
    out.end(Element::TransactionContent);
    out.end(Element::Transaction);
    out.end(Element::Session);
    out.end(Element::WvCspMessage);
    writer.finish()
}

fn keep_alive(out: &mut dyn Writer) {
    out.start(Element::KeepAliveRequest);
    out.element_integer(Element::KeepAliveTime, 1200);
    out.end(Element::KeepAliveRequest);
}

#[test]
fn the_worked_example_of_the_specification() {
    // Encoding 1.8.
    let expected = [
        &[0x03, 0x11, 0x6A, 0x00][..],
        &[0xC9, 0x08, 0x03, 0x31, 0x2E, 0x32, 0x00, 0x01],
        &[0x6D, 0x6E, 0x70, 0x80, 0x11, 0x01, 0x6F, 0x03, 0x73, 0x31, 0x37, 0x00, 0x01, 0x01],
        &[0x72, 0x74, 0x76, 0x80, 0x20, 0x01, 0x75, 0x03, 0x31, 0x00, 0x01, 0x01],
        &[0xF3, 0x0A, 0x03, 0x31, 0x2E, 0x32, 0x00, 0x01],
        &[0x00, 0x01, 0x5B, 0x5C, 0xC3, 0x02, 0x04, 0xB0, 0x01, 0x01],
        &[0x01, 0x01, 0x01, 0x01],
    ]
    .concat();
    assert_eq!(message(Form::Wbxml, Version::V1_2, keep_alive), expected);
}

#[test]
fn xml_is_compact() {
    let bytes = message(Form::Xml, Version::V1_3, |out| {
        out.start(Element::PollingRequest);
        out.text("");
        out.end(Element::PollingRequest);
    });
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <WV-CSP-Message xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-CSP1.3\"><Session><SessionDescriptor>\
         <SessionType>Inband</SessionType><SessionID>s17</SessionID></SessionDescriptor><Transaction>\
         <TransactionDescriptor><TransactionMode>Request</TransactionMode><TransactionID>1</TransactionID>\
         </TransactionDescriptor>\
         <TransactionContent xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-TRC1.3\"><Polling-Request/>\
         </TransactionContent></Transaction></Session></WV-CSP-Message>"
    );
}

/// The bytes of one element in a WBXML document of its own, without the header.
fn wbxml(version: Version, write: impl FnOnce(&mut dyn Writer)) -> Vec<u8> {
    let mut writer = wire::writer(Form::Wbxml, version, b"former content".to_vec());
    write(writer.as_dyn());
    let bytes = writer.finish();
    assert_eq!(bytes[..3], [0x03, 0x10 + version as u8, 0x6A]);
    bytes[3..].to_vec()
}

fn xml(write: impl FnOnce(&mut dyn Writer)) -> String {
    let mut writer = wire::writer(Form::Xml, Version::V1_2, b"former content".to_vec());
    write(writer.as_dyn());
    let text = String::from_utf8(writer.finish()).unwrap();
    text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").unwrap().to_owned()
}

#[test]
fn integers_take_no_more_bytes_than_needed() {
    for (number, bytes) in [
        (0, &[0x00][..]),
        (200, &[0xC8]),
        (401, &[0x01, 0x91]),
        (65_536, &[0x01, 0x00, 0x00]),
        (u32::MAX, &[0xFF, 0xFF, 0xFF, 0xFF]),
    ] {
        let expected = [&[0x00, 0x4B, 0xC3, bytes.len() as u8], bytes, &[0x01]].concat();
        assert_eq!(wbxml(Version::V1_2, |out| out.element_integer(Element::Code, number)), expected);
        assert_eq!(wbxml(Version::V1_2, |out| out.element_text(Element::Code, &number.to_string())), expected);
    }
    // What would not come back as the same text stays text.
    assert_eq!(wbxml(Version::V1_2, |out| out.element_text(Element::Code, "007")), b"\x00\x4B\x03007\0\x01");
    // An identifier is no number, whatever it looks like.
    assert_eq!(wbxml(Version::V1_2, |out| out.element_integer(Element::SearchId, 7)), b"\x00\x00\x01\x66\x037\0\x01");
}

#[test]
fn words_booleans_and_dates() {
    assert_eq!(wbxml(Version::V1_1, |out| out.element_boolean(Element::Poll, true)), b"\x00\x61\x80\x2C\x01");
    assert_eq!(wbxml(Version::V1_1, |out| out.element_text(Element::Poll, "F")), b"\x00\x61\x80\x0B\x01");
    assert_eq!(
        wbxml(Version::V1_3, |out| out.element_text(Element::SupportedCirMethod, "SSMS")),
        b"\x00\x00\x03\x50\x80\x81\x24\x01"
    );
    // A note that happens to be a word is still a note.
    assert_eq!(wbxml(Version::V1_2, |out| out.element_text(Element::ContentData, "T")), b"\x00\x4D\x03T\0\x01");
    let date = DateTime::parse("2025-11-23T08:45:01+02:00").unwrap();
    assert_eq!(
        wbxml(Version::V1_2, |out| out.element_date(Element::DateTime, date)),
        b"\x00\x51\x0320251123T064501Z\0\x01"
    );
    assert_eq!(xml(|out| out.element_date(Element::DateTime, date)), "<DateTime>20251123T064501Z</DateTime>");
    assert_eq!(xml(|out| out.element_boolean(Element::Poll, false)), "<Poll>F</Poll>");
    assert_eq!(xml(|out| out.element_integer(Element::Code, 0)), "<Code>0</Code>");
}

#[test]
fn only_what_must_be_is_escaped() {
    let written = xml(|out| out.element_text(Element::ContentData, "a<b&c>d\"e'f]]>g\r\nh\ti"));
    assert_eq!(written, "<ContentData>a&lt;b&amp;c>d\"e'f]]&gt;g&#13;\nh\ti</ContentData>");
    let written = xml(|out| out.element_text(Element::ContentData, "a\0b\u{1B}c\u{FFFF}d"));
    assert_eq!(written, "<ContentData>a\u{FFFD}b\u{FFFD}c\u{FFFD}d</ContentData>");
    let bytes = wbxml(Version::V1_2, |out| out.element_text(Element::ContentData, "a\0b"));
    assert_eq!(bytes, "\0\x4D\x03a\u{FFFD}b\0\x01".as_bytes());
    let written = xml(|out| {
        out.start_unknown("A b='c'><D", Some(Namespace::new("x\"<&>\n")));
        out.end_unknown("A b='c'><D");
    });
    assert_eq!(written, "<Unknown xmlns=\"x&quot;&lt;&amp;>&#10;\"/>");
}

#[test]
fn content_is_base64_unless_it_is_text() {
    let bytes = RawContent::Bytes(&[0, 1, 2, 255]);
    assert_eq!(xml(|out| out.element_content(Element::ContentData, &bytes)), "<ContentData>AAEC/w==</ContentData>");
    assert_eq!(
        wbxml(Version::V1_2, |out| out.element_content(Element::ContentData, &bytes)),
        b"\x00\x4D\x03AAEC/w==\0\x01"
    );
    let opaque = wbxml(Version::V1_2, |out| {
        out.start(Element::ContentData);
        out.opaque(&[0, 1, 2, 255]);
        out.end(Element::ContentData);
    });
    assert_eq!(opaque, b"\x00\x4D\xC3\x04\x00\x01\x02\xFF\x01");
    let text = RawContent::Text("Text".into());
    assert_eq!(wbxml(Version::V1_2, |out| out.element_content(Element::ContentData, &text)), b"\x00\x4D\x03Text\0\x01");
}

#[test]
fn names_without_a_token_go_into_the_string_table() {
    let bytes = wbxml(Version::V1_3, |out| {
        out.start_unknown("Acme", None);
        out.start_unknown("Other", Some(Namespace::new("urn:x")));
        out.text("T");
        out.end_unknown("Other");
        out.start_unknown("Acme", None);
        out.end_unknown("Acme");
        out.end_unknown("Acme");
    });
    assert_eq!(bytes, b"\x11Acme\0Other\0xmlns\0\x44\x00\xC4\x05\x04\x0B\x03urn:x\0\x01\x03T\0\x01\x04\x00\x01");
    // 1.3 withdrew the token of AutoSubscribe: the name is written, and read as the same element.
    let mut writer = wire::writer(Form::Wbxml, Version::V1_3, Vec::new());
    writer.element_boolean(Element::AutoSubscribe, true);
    let bytes = writer.finish();
    assert_eq!(bytes, b"\x03\x12\x6A\x0EAutoSubscribe\0\x44\x00\x80\x2C\x01");
    let mut reader = wire::reader(Form::Wbxml, &bytes, &Limits::default()).unwrap();
    assert!(matches!(reader.next(), Ok(Token::Start(start)) if start.tag.known() == Some(Element::AutoSubscribe)));
    assert_eq!(reader.boolean(), Ok(true));
}

#[test]
fn a_namespace_of_a_newer_version_has_no_token_for_an_older_phone() {
    let newer = Namespace::of(Space::Csp, Version::V1_3);
    let bytes = wbxml(Version::V1_2, |out| {
        out.start_with_namespace(Element::WvCspMessage, newer.clone());
        out.end(Element::WvCspMessage);
    });
    assert!(bytes.starts_with(b"\x06xmlns\0\x89\x04\x00\x03http://"));
    let mut reader = wire::reader(
        Form::Xml,
        b"<WV-CSP-Message xmlns='http://www.wireless-village.org/CSP1.1'/>",
        &Limits::default(),
    )
    .unwrap();
    let mut writer = wire::writer(Form::Wbxml, Version::V1_1, Vec::new());
    wire::transcode(reader.as_dyn(), writer.as_dyn()).unwrap();
    assert_eq!(writer.finish(), b"\x03\x10\x6A\x00\x89\x05\x031.1\0\x01");
}

#[test]
fn a_fragment_is_as_if_written_in_its_place() {
    let contents: [fn(&mut dyn Writer); 4] = [
        keep_alive,
        |out| out.empty(Element::PollingRequest),
        |_| {},
        |out| {
            out.start(Element::ExtendedRequest);
            out.start_unknown("AcmeThing", Some(Namespace::new("urn:acme")));
            out.element_text(Element::UserId, "wv:bob@example.org");
            out.start_unknown("AcmeThing", None);
            out.text("<&>");
            out.end_unknown("AcmeThing");
            out.end_unknown("AcmeThing");
            out.end(Element::ExtendedRequest);
        },
    ];
    for content in contents {
        for (form, version) in
            [Form::Xml, Form::Wbxml, Form::Json].into_iter().flat_map(|form| Version::ALL.map(|v| (form, v)))
        {
            let fragment = Fragment::new(form, version, content);
            assert_eq!((fragment.form(), fragment.version()), (form, version));
            let around = |content: &dyn Fn(&mut dyn Writer)| {
                message(form, version, |out| {
                    content(out);
                    // What follows must begin on the page where the fragment ended.
                    out.empty(Element::PollingRequest);
                    out.start_unknown("AcmeThing", None);
                    out.end_unknown("AcmeThing");
                    out.empty(Element::Poll);
                })
            };
            let spliced = around(&|out: &mut dyn Writer| out.fragment(&fragment));
            assert_eq!(spliced, around(&|out: &mut dyn Writer| content(out)), "{form:?} {version}");
            decode(form, &spliced).unwrap();
            // Twice in a message, as no child of TransactionContent is, but any other may be.
            let twice = around(&|out: &mut dyn Writer| {
                out.fragment(&fragment);
                out.fragment(&fragment);
            });
            let written = around(&|out: &mut dyn Writer| {
                content(out);
                content(out);
            });
            assert_eq!(decode(form, &twice).unwrap(), decode(form, &written).unwrap(), "{form:?} {version}");
        }
    }
}
