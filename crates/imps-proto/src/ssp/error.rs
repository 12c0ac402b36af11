//! What can be wrong with a message of a peer.

use crate::wire::{DecodeError, DecodeErrorKind};
use imps_types::Status;
use std::fmt;

/// Why a message, or one primitive in it, could not be read, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// The byte at which it was noticed.
    pub position: usize,
}

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// With the XML, or with an element of CSP inside.
    Wire(DecodeErrorKind),
    /// The root is no `WV-SSP-Message`.
    NotSsp,
    /// An element is not there.
    MissingElement(&'static str),
    /// An attribute is not there.
    MissingAttribute(&'static str),
    /// An attribute says nothing that is known.
    BadAttribute(&'static str),
    /// An element says nothing that is known.
    BadElement(&'static str),
    /// Something stands twice that may stand once.
    Twice(&'static str),
    /// Something is longer, or there are more of it, than is taken.
    TooLarge(&'static str),
}

impl Error {
    pub(crate) const fn new(kind: ErrorKind, position: usize) -> Self {
        Self { kind, position }
    }

    /// Whether nothing sensible can be read after it: the whole message is answered with HTTP 400.
    pub fn is_fatal(&self) -> bool {
        match self.kind {
            ErrorKind::Wire(kind) => !matches!(kind, DecodeErrorKind::BadValue(_) | DecodeErrorKind::Missing(_)),
            ErrorKind::NotSsp | ErrorKind::Twice(_) => true,
            ErrorKind::MissingElement(_)
            | ErrorKind::MissingAttribute(_)
            | ErrorKind::BadAttribute(_)
            | ErrorKind::BadElement(_)
            | ErrorKind::TooLarge(_) => false,
        }
    }

    /// The status of a primitive that has it (SSP 7.3).
    pub fn status(&self) -> Status {
        if self.is_fatal() { Status::BAD_REQUEST } else { Status::BAD_PARAMETER }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(ErrorKind::Wire(error.kind), error.position)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(kind) => kind.fmt(f),
            Self::NotSsp => f.write_str("not a WV-SSP-Message"),
            Self::MissingElement(name) => write!(f, "{name} is missing"),
            Self::MissingAttribute(name) => write!(f, "attribute {name} is missing"),
            Self::BadAttribute(name) => write!(f, "not a valid value of attribute {name}"),
            Self::BadElement(name) => write!(f, "not a valid {name}"),
            Self::Twice(name) => write!(f, "more than one {name}"),
            Self::TooLarge(what) => write!(f, "too large: {what}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.position)
    }
}

impl std::error::Error for Error {}
