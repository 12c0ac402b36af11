//! Which encoding a message is in (CSP 15.1).

use imps_proto::wire::{Form, PtsCodes};

/// The form of a message: by its first bytes, since clients and gateways mislabel, then by its content type. `None` when
/// neither says CSP.
pub(crate) fn form_of(content_type: Option<&str>, body: &[u8], codes: PtsCodes) -> Option<Form> {
    let start = body.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(body.len());
    match body.get(start..).unwrap_or_default() {
        [b'{', ..] | [0xef, 0xbb, 0xbf, b'{', ..] => return Some(Form::Json),
        [b'<', ..] | [0xef, 0xbb, 0xbf, ..] | [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => return Some(Form::Xml),
        _ => {}
    }
    match body {
        [0x00..=0x03, ..] => return Some(Form::Wbxml),
        [b'W', b'V', b'0'..=b'9', ..] | [b'W', b'V', b'X', b'X', ..] => return Some(Form::Pts(codes)),
        _ => {}
    }
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    if content_type.contains("wbxml") {
        Some(Form::Wbxml)
    } else if content_type.contains("xml") {
        Some(Form::Xml)
    } else if content_type.contains("json") {
        Some(Form::Json)
    } else if content_type.contains("csp.sms") || content_type.contains("csp.plain") {
        Some(Form::Pts(codes))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decide_then_the_content_type() {
        const PTS: Form = Form::Pts(PtsCodes::Attested);
        for (content_type, body, form) in [
            (Some("application/vnd.wv.csp.xml"), &b"<WV-CSP-Message/>"[..], Some(Form::Xml)),
            (Some("application/vnd.wv.csp+xml; charset=utf-8"), b"\x03\x11\x6a\x00", Some(Form::Wbxml)),
            (Some("application/vnd.wv.csp.wbxml"), b"\r\n<a/>", Some(Form::Xml)),
            (Some("text/plain"), b"\xef\xbb\xbf<a/>", Some(Form::Xml)),
            (None, b"\x01\x10\x6a\x00", Some(Form::Wbxml)),
            (Some("application/vnd.wv.csp.wbxml"), b"", Some(Form::Wbxml)),
            (Some("text/xml"), b"hello", Some(Form::Xml)),
            (Some("application/json"), b" {}", Some(Form::Json)),
            (Some("application/vnd.wv.csp.xml"), b"{\"WV-CSP-Message\":{}}", Some(Form::Json)),
            (None, b"\xef\xbb\xbf{}", Some(Form::Json)),
            (Some("application/vnd.hamlet.csp+json"), b"[]", Some(Form::Json)),
            (Some("text/plain"), b"[]", None),
            (Some("application/vnd.wv.csp.sms"), b"WV13PO0", Some(PTS)),
            (Some("application/vnd.wv.csp.xml"), b"WV12PO0", Some(PTS)),
            (None, b"WVXXVD1", Some(PTS)),
            (Some("Application/vnd.wv.csp.plain"), b"wv13PO0", Some(PTS)),
            (Some("application/vnd.wv.csp.sms; charset=utf-8"), b"", Some(PTS)),
            (Some("application/vnd.wv.csp.sms"), b"<a/>", Some(Form::Xml)),
            (None, b"WVALUE", None),
            (None, b"", None),
        ] {
            assert_eq!(form_of(content_type, body, PtsCodes::Attested), form, "{content_type:?} {body:?}");
        }
    }
}
