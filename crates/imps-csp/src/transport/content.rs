//! Large contents by their URL (CSP 1, MessageURI).
//!
//! They come from anybody and are fetched by anything, a browser perhaps. So a content is said to be what its sender said,
//! and is nothing that a browser would run or show as a page of this server: it is kept apart, offered for keeping, and its
//! type is not guessed.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use imps_service::Services;

use super::http::{respond, text};

/// The longest type that is said.
const TYPE_MAX: usize = 128;
/// The longest name of a file that is said, in characters.
const NAME_MAX: usize = 100;

/// The content that a token names.
pub(super) async fn answer(services: &Services, token: &str) -> Response<Full<Bytes>> {
    let message = match services.im().content(token).await {
        Ok(Some(message)) => message,
        Ok(None) => return text(StatusCode::NOT_FOUND, "there is no such content, or no longer\n"),
        Err(error) => {
            tracing::warn!(%error, "a content could not be read");
            return text(StatusCode::SERVICE_UNAVAILABLE, "this cannot be read now, try again later\n");
        }
    };
    services.metrics.contents_downloaded.up();
    let info = &message.info;
    let content_type = header_type(info.content_type.as_deref().unwrap_or("text/plain"), message.binary);
    let mut response = respond(StatusCode::OK, content_type, message.content.clone());
    let headers = response.headers_mut();
    headers.insert(CONTENT_DISPOSITION, disposition(info.content_name.as_deref()));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// The type as its sender gave it, where it is one; text that came as text is UTF-8 here, whatever it was.
fn header_type(content_type: &str, binary: bool) -> HeaderValue {
    let unknown = HeaderValue::from_static("application/octet-stream");
    let bare = content_type.split(';').next().unwrap_or_default().trim();
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let is_type = bare.split_once('/').is_some_and(|(class, kind)| is_token(class) && is_token(kind));
    if !is_type || content_type.len() > TYPE_MAX {
        return unknown;
    }
    let is_text = bare.get(..5).is_some_and(|class| class.eq_ignore_ascii_case("text/"));
    let value = if is_text && !binary { format!("{bare}; charset=utf-8") } else { content_type.trim().to_owned() };
    HeaderValue::from_str(&value).unwrap_or(unknown)
}

/// A file to be kept, under the name that its sender gave it if that is one.
fn disposition(name: Option<&str>) -> HeaderValue {
    let plain = HeaderValue::from_static("attachment");
    // Whatever leads out of a folder, or is written otherwise in a header, is no part of a name.
    let Some(name) = name.and_then(|name| name.rsplit(['/', '\\']).next()).map(|name| name.trim_matches(['.', ' ']))
    else {
        return plain;
    };
    let mut encoded = String::new();
    for byte in name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect::<String>().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    if encoded.is_empty() {
        return plain;
    }
    HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{encoded}")).unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_said_if_it_is_one() {
        for (given, binary, said) in [
            ("text/plain", false, "text/plain; charset=utf-8"),
            ("text/html; charset=latin1", false, "text/html; charset=utf-8"),
            ("text/plain; charset=koi8-r", true, "text/plain; charset=koi8-r"),
            ("image/svg+xml", true, "image/svg+xml"),
            ("image", true, "application/octet-stream"),
            ("image/x\r\nSet-Cookie: a=b", true, "application/octet-stream"),
            ("image/x; a=\"\r\nb\"", true, "application/octet-stream"),
            ("", true, "application/octet-stream"),
        ] {
            assert_eq!(header_type(given, binary), said, "{given:?}");
        }
    }

    #[test]
    fn a_name_leads_nowhere() {
        for (given, said) in [
            (None, "attachment"),
            (Some("cat.gif"), "attachment; filename*=UTF-8''cat.gif"),
            (Some("../../etc/pass wd"), "attachment; filename*=UTF-8''pass%20wd"),
            (Some("C:\\temp\\Käse\r\n\".txt"), "attachment; filename*=UTF-8''K%C3%A4se%22.txt"),
            (Some(".."), "attachment"),
            (Some(""), "attachment"),
        ] {
            assert_eq!(disposition(given), said, "{given:?}");
        }
    }
}
