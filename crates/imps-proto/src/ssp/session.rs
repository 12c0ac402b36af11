//! Trust and session: who is there, and proof of it. SSP 6, 9.1.

use super::common::MetaInfo;
use super::error::{Error, ErrorKind};
use super::grammar::{About, Part, primitive, structure};
use super::io::{In, Out, Start};
use crate::elements::{decode_base64, encode_base64};
use imps_types::element::ResultInfo;
use imps_types::{Address, Secret};

/// The longest token or digest that is taken, in bytes of its text.
const PROOF_MAX: usize = 1024;

/// A token, as the octets that are meant: what stands there, or what its BASE64 stands for (SSP 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(pub Secret<Box<[u8]>>);

impl Part for Token {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let is_base64 = start.attribute(&["encoding", "Encoding"]).is_some();
        let text = input.text()?;
        if text.len() > PROOF_MAX {
            return Err(input.error(ErrorKind::TooLarge("SecretToken")));
        }
        let octets = if is_base64 {
            decode_base64(&text).ok_or(input.error(ErrorKind::BadElement("SecretToken in BASE64")))?
        } else {
            text.as_bytes().to_vec()
        };
        if octets.is_empty() {
            return Err(input.error(ErrorKind::BadElement("SecretToken")));
        }
        Ok(Self(Secret::new(octets.into())))
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        let octets = self.0.expose();
        match std::str::from_utf8(octets) {
            Ok(text) if text.bytes().all(|it| it.is_ascii_graphic()) => out.text(text),
            _ => {
                out.attribute("encoding", "base64");
                out.base64(octets);
            }
        }
        out.end(name);
    }
}

/// The proof of knowing a token (`PasswordDigest`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordDigest {
    /// How it was made; absent: MD5 over the token.
    pub scheme: Option<Box<str>>,
    /// Its octets.
    pub octets: Box<[u8]>,
}

impl Part for PasswordDigest {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let scheme = super::grammar::optional(start, &["scheme"])?;
        let text = input.text()?;
        if text.len() > PROOF_MAX {
            return Err(input.error(ErrorKind::TooLarge("PasswordDigest")));
        }
        let octets = decode_base64(&text).ok_or(input.error(ErrorKind::BadElement("PasswordDigest in BASE64")))?;
        Ok(Self { scheme, octets: octets.into() })
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        if let Some(scheme) = &self.scheme {
            out.attribute("scheme", scheme);
        }
        out.attribute("encoding", "base64");
        out.text(&encode_base64(&self.octets));
        out.end(name);
    }
}

primitive! {
    /// A domain sends a token to where the other one is published.
    SendSecretToken [
        /// Who sends it.
        required service_id: Address = "serviceID",
        /// `WV-SSP`.
        optional protocol: Box<str> = "protocol",
        /// `1.3`.
        optional protocol_version: Box<str> = "protocolVersion",
        /// The same as some servers spell it; it is never written, and tells what they are (SSP 17).
        optional misspelt_version: Box<str> = "procotolVersion",
    ] {
        /// The token.
        required token: Token = "SecretToken",
    }
}

primitive! {
    /// A domain shows that it got the other one's token.
    LoginRequest [
        /// Who shows it.
        required service_id: Address = "serviceID",
        /// For how many seconds it wants a session.
        optional time_to_live: u32 = "timeToLive",
    ] {
        /// The proof.
        required digest: PasswordDigest = "PasswordDigest",
    }
}

structure! {
    /// Where else to log in (`RedirectList`).
    RedirectList [] {
        /// Addresses of the same domain.
        many urls: Box<str> = "RedirectURL" | "URL",
    }
}

primitive! {
    /// A domain gives its half of the session, or says no.
    LoginResponse [
        /// Its own ID of the session.
        optional session_id: Box<str> = "sessionID",
        /// For how many seconds it is good.
        optional time_to_live: u32 = "timeToLive",
    ] {
        /// How it went.
        required status: ResultInfo = "Status",
        /// Where to try instead.
        optional redirect: RedirectList = "RedirectList",
    }
}

primitive! {
    /// Is anybody there?
    KeepAliveRequest [
        /// Seconds until the next one, if nothing else is sent.
        optional time_to_live: u32 = "timeToLive",
    ] {}
}

primitive! {
    /// Yes.
    KeepAliveResponse [
        /// As asked, or less.
        optional time_to_live: u32 = "timeToLive",
    ] {
        /// How it went.
        required status: ResultInfo = "Status",
    }
}

primitive! {
    /// A domain ends the session.
    LogoutRequest (meta?) [] {}
}

primitive! {
    /// A domain goes down, and waits for no answer.
    Disconnect [] {
        /// Why.
        optional status: ResultInfo = "Status",
    }
}

/// The answer to all that needs no more than an outcome.
pub type Status = ResultInfo;

impl About for Status {
    fn meta(&self) -> Option<&MetaInfo> {
        None
    }

    fn meta_mut(&mut self) -> Option<&mut MetaInfo> {
        None
    }
}
