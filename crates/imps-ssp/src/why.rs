//! Why a peer cannot be reached, in words for operators.

use std::error::Error;
use std::io;

use tokio_rustls::rustls::{self, CertificateError};

/// Why there is no connection.
pub(crate) fn no_connection(error: &(dyn Error + 'static)) -> String {
    if let Some(tls) = find::<rustls::Error>(error) {
        return no_tls(tls);
    }
    let io = find::<io::Error>(error);
    if has_text(error, "dns error") {
        return match io.map(io::Error::kind) {
            Some(io::ErrorKind::PermissionDenied) => "its name leads to an address that is not public".to_owned(),
            _ => "its host name is not found".to_owned(),
        };
    }
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "the connection is refused: nothing listens there".to_owned(),
        Some(io::ErrorKind::TimedOut) => "there is no connection to it: nobody answers there".to_owned(),
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            "the connection was closed before it was secure: is TLS spoken there?".to_owned()
        }
        _ => format!("there is no connection to it: {}", io.map_or_else(|| error.to_string(), ToString::to_string)),
    }
}

/// Why there is no answer on a connection that is there; none: it was closed, and nothing was said.
pub(crate) fn no_answer(error: &(dyn Error + 'static)) -> Option<String> {
    let hyper = find::<hyper::Error>(error)?;
    hyper.is_parse().then(|| "what answers there is no HTTP: is the URL to begin with https://?".to_owned())
}

fn no_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(said)) => said.0.to_string(),
        rustls::Error::InvalidCertificate(why) => format!("its certificate is not believed: {why}"),
        rustls::Error::InvalidMessage(_) => {
            "what answers there is no TLS: is the URL to begin with http://, or to have another port?".to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!("the other side ends TLS: {alert:?}"),
        other => format!("TLS: {other}"),
    }
}

/// The first of this kind among an error and its causes.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    // What an I/O error wraps is not its source, and counts more than the wrapping.
    let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let next = inside.map(|inside| inside as &(dyn Error + 'static)).or_else(|| error.source());
    next.and_then(find::<T>).or_else(|| error.downcast_ref::<T>())
}

fn has_text(error: &(dyn Error + 'static), text: &str) -> bool {
    error.to_string() == text || error.source().is_some_and(|cause| has_text(cause, text))
}

/// What is wrong with a certificate, as the verifier says it.
#[derive(Debug)]
pub(crate) struct Distrust(pub(crate) String);

impl std::fmt::Display for Distrust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Distrust {}

impl From<Distrust> for rustls::Error {
    fn from(why: Distrust) -> Self {
        Self::InvalidCertificate(CertificateError::Other(rustls::OtherError(std::sync::Arc::new(why))))
    }
}

/// One value of DER: its tag, what is in it, and what comes behind it.
fn der(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = octets.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |sum, &digit| (sum << 8) | usize::from(digit)), rest)
        }
        _ => return None,
    };
    let (inside, behind) = rest.split_at_checked(length)?;
    Some((tag, inside, behind))
}

/// The common name, or else the organisation, of whoever issued a certificate (RFC 5280, 4.1).
pub(crate) fn issuer(certificate: &[u8]) -> Option<String> {
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = der(certificate)?;
    let (_, mut fields, _) = der(certificate)?;
    if let (VERSION, _, behind) = der(fields)? {
        fields = behind;
    }
    // The serial number, and the algorithm.
    for _ in 0..2 {
        fields = der(fields)?.2;
    }
    let (_, mut names, _) = der(fields)?;
    let (mut common, mut organisation) = (None, None);
    while let Some((_, set, behind)) = der(names) {
        names = behind;
        let Some((kind, text)) = der(set).and_then(|(_, pair, _)| {
            let (_, kind, rest) = der(pair)?;
            Some((kind, der(rest)?.1))
        }) else {
            continue;
        };
        let text = String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(100).collect();
        match kind {
            [0x55, 4, 3] => common = Some(text),
            [0x55, 4, 10] => organisation = Some(text),
            _ => {}
        }
    }
    common.or(organisation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_found_wherever_they_are_wrapped() {
        let tls = rustls::Error::from(Distrust("nobody knows it".to_owned()));
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert_eq!(no_connection(&wrapped), "nobody knows it");
        for (kind, part) in [
            (io::ErrorKind::ConnectionRefused, "refused"),
            (io::ErrorKind::TimedOut, "nobody answers"),
            (io::ErrorKind::UnexpectedEof, "is TLS spoken there?"),
            (io::ErrorKind::HostUnreachable, "there is no connection to it: "),
        ] {
            let why = no_connection(&io::Error::other(io::Error::from(kind)));
            assert!(why.contains(part), "{why}");
        }
        assert_eq!(no_answer(&wrapped), None);
    }

    #[test]
    fn who_issued_a_certificate() {
        let made = rcgen::generate_simple_self_signed(vec!["b.example".to_owned()]).expect("a certificate");
        let whole = made.cert.der();
        assert_eq!(issuer(whole).as_deref(), Some("rcgen self signed cert"));
        for length in 0..whole.len() {
            // Cut off anywhere it is none, and nothing worse.
            assert!(issuer(&whole[..length]).is_none(), "{length}");
        }
    }
}
