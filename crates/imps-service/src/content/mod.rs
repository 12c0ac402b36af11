//! The Shared Content service element: what users show each other by its address (imps-features 8).
//!
//! Content is shared by an invitation of type SC that lists its URLs: [`common`](crate::common) brings it, keeps it until
//! it is cancelled or over, and routes the answers. Here is what can be shared. In a group, content is offered to those
//! who have joined it, since an invitation to a group goes to them alone.

use crate::error::Error;

/// Addresses of one invitation.
const URLS_MAX: usize = 32;
/// Bytes of one address.
const URL_MAX: usize = 2048;

/// The addresses of what is to be shared, each absolute.
///
/// # Errors
/// `BadParameter` when there is none, or one of them is not absolute or too long, or there are too many.
pub(crate) fn shareable(urls: &[Box<str>]) -> Result<Vec<Box<str>>, Error> {
    let urls: Vec<&str> = urls.iter().map(|url| url.trim()).filter(|url| !url.is_empty()).collect();
    if urls.is_empty() {
        return Err(Error::BadParameter("the invitation lists no content: URLList is missing"));
    }
    if urls.len() > URLS_MAX || urls.iter().any(|url| url.len() > URL_MAX) {
        return Err(Error::BadParameter("the invitation lists too much content"));
    }
    if !urls.iter().all(|url| is_absolute(url)) {
        return Err(Error::BadParameter("content is shared by absolute URLs"));
    }
    Ok(urls.into_iter().map(Into::into).collect())
}

/// A scheme, a colon, and something behind it; no blanks.
fn is_absolute(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let mut letters = scheme.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && !rest.trim_start_matches('/').is_empty()
        && !url.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(urls: &[&str], expected: Option<&[&str]>) {
        let urls: Vec<Box<str>> = urls.iter().map(|url| (*url).into()).collect();
        let expected = expected.map(|urls| urls.iter().map(|url| Box::from(*url)).collect::<Vec<Box<str>>>());
        assert_eq!(shareable(&urls).ok(), expected, "{urls:?}");
    }

    #[test]
    fn absolute_urls_can_be_shared() {
        check(&["http://a.example/p.jpg", " "], Some(&["http://a.example/p.jpg"]));
        check(&["urn:x:1", "mailto:a@b"], Some(&["urn:x:1", "mailto:a@b"]));
        for bad in ["", "picture.jpg", "/p.jpg", "http:", "http://", "1x://a", "http://a b", ":x"] {
            check(&[bad], None);
        }
        check(&["http://a.example", "picture.jpg"], None);
        check(&["http://a.example"; 33], None);
        check(&[&format!("http://a.example/{}", "x".repeat(2048))], None);
    }
}
