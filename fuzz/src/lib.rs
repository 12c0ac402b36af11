//! What the fuzz targets demand of any bytes.

pub mod world;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use imps_proto::wire::{self, DecodeError, Form, Limits, PtsCodes, Reader, Tag, Token};
use imps_proto::{Element, Kind};
use imps_types::{DateTime, Version};
use std::fmt::Write as _;

/// Decodes. What decodes is encoded in every form, and must decode to the same document again.
pub fn decode_and_back(form: Form, bytes: &[u8]) {
    let Ok(bytes) = wire::utf8(form, bytes) else { return };
    let Ok((document, version)) = decode(form, &bytes) else { return };
    for to in [Form::Xml, Form::Wbxml, Form::Json, Form::Pts(PtsCodes::Project)] {
        let Ok(mut reader) = wire::reader(form, &bytes, &Limits::default()) else { unreachable!("it was read before") };
        let mut writer = wire::writer(to, version.unwrap_or(Version::V1_2), Vec::new());
        wire::transcode(reader.as_dyn(), writer.as_dyn()).expect("it was read before");
        let again = writer.finish();
        let is_pts = matches!(to, Form::Pts(_));
        // A document that is no message, which PTS has no words for.
        if is_pts && again.is_empty() {
            continue;
        }
        match decode(to, &again) {
            // Members of an object have no order between each other, and neither have parameters: what is said in these
            // must say the same again.
            Ok(_) if is_pts || to == Form::Json && form != to => {
                let mut reader = wire::reader(to, &again, &Limits::default()).expect("it was read before");
                let mut writer = wire::writer(to, version.unwrap_or(Version::V1_2), Vec::new());
                wire::transcode(reader.as_dyn(), writer.as_dyn()).expect("it was read before");
                assert_eq!(writer.finish(), again);
            }
            Ok(_) if to == Form::Json => {}
            Ok((decoded, _)) => assert_eq!(decoded, document, "as {to:?}"),
            // XML with a version that nobody speaks is readable, WBXML has no tables for it. And what fits as WBXML
            // may be too large as XML.
            Err(error) => {
                assert!(version.is_none() || is_too_much(&error), "{error}");
            }
        }
    }
}

fn is_too_much(error: &DecodeError) -> bool {
    use wire::DecodeErrorKind::{TooDeep, TooLarge, TooManyElements};
    matches!(error.kind, TooDeep | TooLarge(_) | TooManyElements)
}

/// A document as text that is the same for every encoding: layout dropped, pieces of text joined, dates by value.
fn decode(form: Form, bytes: &[u8]) -> Result<(String, Option<Version>), DecodeError> {
    let mut reader = wire::reader(form, bytes, &Limits::default())?;
    let mut version = None;
    let mut out = String::new();
    // Of each open element what it is, its text since the last child, and whether it has children.
    let mut open: Vec<(Option<Element>, String, bool)> = Vec::new();
    let flush = |out: &mut String, (element, text, has_children): &mut (Option<Element>, String, bool)| {
        let text = std::mem::take(text);
        let trimmed = text.trim_ascii();
        let text = match element.map(Element::kind) {
            _ if *has_children && trimmed.is_empty() => "",
            Some(Kind::Struct) => trimmed,
            Some(Kind::Date) => &DateTime::parse(trimmed).map_or(text.clone(), DateTime::to_basic),
            _ => &text,
        };
        if !text.is_empty() {
            let _ = write!(out, "{text:?}");
        }
    };
    loop {
        match reader.next()? {
            Token::Start(start) => {
                if let Some(parent) = open.last_mut() {
                    parent.2 = true;
                    flush(&mut out, parent);
                } else {
                    version = reader.version();
                }
                let name = match start.tag {
                    // One element whose name depends on a version that not every document gives.
                    Tag::Known(Element::CirHttpAddress) => Element::CirUrl.name(),
                    tag => tag.name(),
                };
                let _ = write!(out, "<{name} {:?}>", start.xmlns);
                open.push((start.tag.known(), String::new(), false));
            }
            Token::End => {
                let mut last = open.pop().expect("an end without a start");
                flush(&mut out, &mut last);
                out.push_str("</>");
            }
            Token::Eof => {
                assert!(open.is_empty());
                return Ok((out, version));
            }
            token => {
                let (_, text, _) = open.last_mut().expect("text outside the root");
                match token {
                    Token::Text(more) => text.push_str(&more),
                    Token::Integer(number) => text.push_str(&number.to_string()),
                    Token::Date(date) => text.push_str(&date.to_basic()),
                    Token::Opaque(bytes) => text.push_str(&BASE64.encode(bytes)),
                    Token::Start(_) | Token::End | Token::Eof => unreachable!("matched above"),
                }
            }
        }
    }
}
