//! The vectors of the specification: every pair is one document, and every malformed file is a clean error.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod wire_support;

use imps_proto::wire::{DecodeErrorKind, Form};
use imps_types::Version;
use std::collections::BTreeSet;
use wire_support::{
    assert_same, decode, form_of, index, transcode, vector, vectors, version, without_namespaces, xml_of,
};

fn is_well_formed(name: &str) -> bool {
    name.starts_with('v') || name.starts_with('h')
}

#[test]
fn both_encodings_are_one_document() {
    let mut pairs = 0;
    for name in vectors(".wbxml").into_iter().filter(|name| is_well_formed(name)) {
        let bytes = vector(&name);
        let mut xml = decode(Form::Xml, &vector(&xml_of(&name))).unwrap();
        let wbxml = decode(Form::Wbxml, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        // xml2wbxml, which made these, leaves the namespaces out.
        if without_namespaces(wbxml.clone()) == wbxml {
            xml = without_namespaces(xml);
        }
        assert_same(&name, &wbxml, &xml);
        pairs += 1;
    }
    assert_eq!(pairs, index().iter().filter(|row| is_well_formed(&row[0])).count());
    assert!(pairs > 120, "{pairs}");
}

#[test]
fn the_version_is_that_of_the_namespace_or_else_of_the_header() {
    for row in index().into_iter().filter(|row| is_well_formed(&row[0])) {
        let expected = row[2].parse::<Version>().unwrap();
        assert_eq!(version(Form::Wbxml, &vector(&row[0])), Some(expected), "{}", row[0]);
        assert_eq!(version(Form::Xml, &vector(&xml_of(&row[0]))), Some(expected), "{}", row[0]);
    }
}

#[test]
fn what_is_encoded_again_is_the_same_document() {
    for name in vectors("").into_iter().filter(|name| is_well_formed(name)) {
        let (form, bytes) = (form_of(&name), vector(&name));
        let original = decode(form, &bytes).unwrap();
        let version = version(form, &bytes).unwrap();
        for to in [Form::Xml, Form::Wbxml] {
            let again = transcode(form, &bytes, to, version).unwrap();
            assert_same(&format!("{name} as {to:?}"), &decode(to, &again).unwrap(), &original);
            // Written a second time nothing moves any more.
            assert_eq!(transcode(to, &again, to, version).unwrap(), again, "{name} as {to:?}");
        }
    }
}

/// Vectors made by the reference encoder whose bytes are not ours, and why.
const OTHER_BYTES: [(&str, &str); 7] = [
    ("v11-send-message-text.ns.wbxml", TEXT_DATE),
    ("v12-delivery-report.ns.wbxml", TEXT_DATE),
    ("v12-new-message-unicode.ns.wbxml", TEXT_DATE),
    ("v12-send-message-base64.ns.wbxml", TEXT_DATE),
    ("v13-new-message-date.wbxml", TEXT_DATE),
    ("v13-send-message-font.wbxml", TEXT_DATE),
    ("v13-send-message-binary.wbxml", "content as base64 text, the form that every client reads (Encoding 1.5)"),
];
const TEXT_DATE: &str = "a date as text, since Android loses an opaque one (Encoding 1.5)";

#[test]
fn our_bytes_are_those_of_the_reference_encoder() {
    let made_by_it: Vec<String> =
        index().into_iter().filter(|row| row[3] == "refcodec.py").map(|row| row[0].clone()).collect();
    let exceptions: BTreeSet<&str> = OTHER_BYTES.iter().map(|(name, _)| *name).collect();
    let mut differing = BTreeSet::new();
    for name in &made_by_it {
        let xml = vector(&xml_of(name));
        let version = version(Form::Xml, &xml).unwrap();
        let ours = transcode(Form::Xml, &xml, Form::Wbxml, version).unwrap();
        if ours != vector(name) {
            differing.insert(name.as_str());
        }
    }
    assert_eq!(differing, exceptions);
    assert!(made_by_it.len() > 65, "{}", made_by_it.len());
}

#[test]
fn malformed_documents_are_clean_errors() {
    use DecodeErrorKind::{BadText, Malformed, TooDeep, TooLarge, TooManyElements, Truncated, UnsupportedVersion};
    for (name, expected) in [
        ("m01-empty", Truncated),
        ("m02-header-only", Truncated),
        ("m03-string-table-huge", TooLarge("string table")),
        ("m04-mb-uint32-six-bytes", Malformed("number of more than five bytes")),
        ("m05-mb-uint32-overflow", Malformed("number of more than 32 bits")),
        ("m06-wbxml-version", Malformed("WBXML version")),
        ("m07-charset-ucs2", BadText("unsupported character set")),
        ("m08-page-12", Malformed("unknown element token")),
        ("m09-unknown-token", Malformed("unknown element token")),
        ("m10-str-t-outside", Malformed("reference outside the string table")),
        ("m11-literal-outside", Malformed("reference outside the string table")),
        ("m12-unterminated-str-i", Truncated),
        ("m13-opaque-huge", Truncated),
        ("m14-opaque-one-too-long", Truncated),
        ("m15-missing-ends", Truncated),
        ("m16-deep-recursion", TooDeep),
        ("m17-deep-recursion-closed", TooDeep),
        ("m18-trailing-bytes", Malformed("bytes after the message")),
        ("m19-entity-too-big", Malformed("entity that is no character")),
        ("m20-entity-surrogate", Malformed("entity that is no character")),
        ("m21-unknown-value-token", Malformed("unknown value token")),
        ("m22-invalid-utf8", BadText("not UTF-8")),
        ("m23-attribute-bit-empty", Malformed("attribute bit without attributes")),
        ("m24-integer-nine-bytes", Malformed("integer of more than 32 bits")),
        ("m25-date-five-bytes", Malformed("opaque date")),
        ("m26-date-month-15", Malformed("opaque date")),
        ("m27-root-is-end", Malformed("token where the root should be")),
        ("m28-ext-t-1", Malformed("token that CSP does not use")),
        ("m29-literal-public-id-outside", Malformed("reference outside the string table")),
        ("m30-element-flood", TooManyElements),
        ("m31-unknown-attribute-token", Malformed("unknown attribute token")),
        ("m32-processing-instruction", Malformed("token where the root should be")),
        ("m33-csp-10", UnsupportedVersion),
    ] {
        let error = decode(Form::Wbxml, &vector(&format!("{name}.wbxml"))).expect_err(name);
        assert_eq!(error.kind, expected, "{name}: {error}");
    }
    assert_eq!(vectors(".wbxml").iter().filter(|name| name.starts_with('m')).count(), 33);
}

#[test]
fn a_document_cut_short_is_truncated_wherever_it_is_cut() {
    for name in ["v13-system-message.wbxml", "h01-literal-public-id-and-str-t.wbxml"] {
        let bytes = vector(name);
        for end in 0..bytes.len() {
            let error = decode(Form::Wbxml, &bytes[..end]).expect_err(name);
            assert_eq!(error.kind, DecodeErrorKind::Truncated, "{name} cut at {end}");
        }
    }
    let xml = vector("v12-login-request.xml");
    let end = xml.iter().rposition(|&byte| byte == b'>').unwrap();
    for end in 0..=end {
        let error = decode(Form::Xml, &xml[..end]).expect_err("cut");
        assert_eq!(error.kind, DecodeErrorKind::Truncated, "cut at {end}: {error}");
    }
}
