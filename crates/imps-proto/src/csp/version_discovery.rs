//! *WV-CSP-VersionDiscovery-Request* and *-Response*: which versions both sides speak, since 1.2. CSP 3.
//!
//! Outside any session, and without the envelope: see [`message`](super::message).

use crate::element::Element;
use crate::grammar::{Decode, Encode, element, next_child, primitive};
use crate::wire::{DecodeError, Reader, Writer};

element! {
    /// Namespaces of versions (`VersionList`).
    VersionList {
        /// Of the envelope (`SessionNSName`).
        many session: Box<str> = SessionNsName,
        /// Of TransactionContent (`TransactionNSName`).
        many transaction: Box<str> = TransactionNsName,
        /// Of PresenceSubList (`PresenceAttributeNSName`).
        many presence: Box<str> = PresenceAttributeNsName,
    }
}

/// A server for other versions (`OtherServer`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherServer {
    /// `URL`.
    Url(Box<str>),
    /// `MSISDN`.
    Msisdn(Box<str>),
}

impl Decode for OtherServer {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut server = Self::Url(Box::default());
        while let Some(element) = next_child(reader)? {
            match element {
                Element::Url => server = Self::Url(Box::decode(reader)?),
                Element::Msisdn => server = Self::Msisdn(Box::decode(reader)?),
                _ => reader.skip()?,
            }
        }
        Ok(server)
    }
}

impl Encode for OtherServer {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        match self {
            Self::Url(url) => url.encode(Element::Url, writer),
            Self::Msisdn(number) => number.encode(Element::Msisdn, writer),
        }
    }
}

primitive! {
    /// A client asks which versions the server speaks.
    VersionDiscoveryRequest = WvCspVersionDiscoveryRequest {
        /// What it speaks itself; absent: it wants to know all.
        optional version_list: VersionList = VersionList,
    }
}

primitive! {
    /// The versions that both speak, or all that the server speaks.
    VersionDiscoveryResponse = WvCspVersionDiscoveryResponse {
        /// Their namespaces.
        required version_list: VersionList = VersionList,
        /// Where others are spoken.
        many other_servers: OtherServer = OtherServer,
    }
}
