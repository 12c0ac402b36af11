//! What comes by HTTP and what it is answered; what is asked, and why there is no answer.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use imps_proto::ssp::Primitive;
use imps_types::{Status, TransactionId};

use crate::machine::{Failure, status};

/// A request came by HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its body.
    pub body: &'a Bytes,
    /// The header Content-Type.
    pub content_type: Option<&'a str>,
    /// Whether it came by TLS.
    pub secure: bool,
    /// Where the connection comes from.
    pub from: Option<IpAddr>,
}

/// What it is answered. The body is empty, or says in words what was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The HTTP status.
    pub status: u16,
    /// The header `x-wv-status`.
    pub wv_status: Option<u16>,
    /// The header Retry-After, seconds.
    pub retry_after: Option<u32>,
    /// What was wrong.
    pub why: &'static str,
}

impl Receipt {
    pub(super) const TAKEN: Self = Self { status: 200, wv_status: None, retry_after: None, why: "" };
    pub(super) const UNKNOWN: Self =
        Self { status: 401, wv_status: Some(604), retry_after: None, why: "no such session, or no such set-up" };

    pub(super) const fn refused(status: u16, why: &'static str) -> Self {
        Self { status, wv_status: None, retry_after: None, why }
    }

    pub(super) const fn later(seconds: u32, why: &'static str) -> Self {
        Self { status: 503, wv_status: None, retry_after: Some(seconds), why }
    }
}

/// Why there is no answer, and what whoever asked is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The status.
    pub status: Status,
    /// When to try again, where that is known.
    pub try_again: Option<Duration>,
    /// Whether the peer has taken the request, and only the answer is missing.
    pub taken: bool,
}

/// A request to a peer, and what is said of it.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What it says.
    pub primitive: Primitive,
    /// Its ID of an attempt before.
    pub id: Option<TransactionId>,
    /// Of all with the same one, one is under way at a time.
    pub lane: Option<u64>,
    /// How long it may take; none: T1.
    pub within: Option<Duration>,
    /// Whether somebody sits and waits: when the peer cannot be reached, he is told at once when that is tried again.
    pub hurries: bool,
}

impl Ask {
    /// A request about which nothing else is to be said.
    pub fn of(primitive: impl Into<Primitive>) -> Self {
        Self { primitive: primitive.into(), id: None, lane: None, within: None, hurries: false }
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        let try_again = match failure {
            Failure::NotSent(_, _, pause) => Some(pause),
            _ => None,
        };
        let taken = matches!(failure, Failure::NoAnswer | Failure::WrongAnswer(_));
        Self { status: failure.status(), try_again, taken }
    }
}

impl Unanswered {
    /// As the answer to somebody for whom it was asked.
    pub fn answer(&self) -> Primitive {
        let Primitive::Status(mut result) = status(self.status, "") else { return status(self.status, "") };
        result.try_again = self.try_again.map(|pause| u32::try_from(pause.as_secs().max(1)).unwrap_or(u32::MAX));
        Primitive::Status(result)
    }
}
