//! What can be wrong with bytes that should be a message.

use crate::element::Element;
use std::fmt;

/// Why a message could not be read, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// The byte at which it was noticed.
    pub position: usize,
}

/// What is wrong with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeErrorKind {
    /// It ends before its end.
    Truncated,
    /// It breaks a rule of its encoding.
    Malformed(&'static str),
    /// Too many elements inside each other.
    TooDeep,
    /// Too many elements in all.
    TooManyElements,
    /// Something else is larger than the limits allow.
    TooLarge(&'static str),
    /// It is of a version whose tables are not known here. CSP 3 answers with status 505.
    UnsupportedVersion,
    /// Its text is no text: wrong bytes for its character set, or characters that XML does not allow.
    BadText(&'static str),
    /// It is in order, but the content of an element is not of its type: status 402, not 400.
    BadValue(&'static str),
    /// It is in order, but an element is not there without which nothing can be done.
    Missing(Element),
}

impl DecodeError {
    pub(crate) const fn new(kind: DecodeErrorKind, position: usize) -> Self {
        Self { kind, position }
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("message ends too early"),
            Self::Malformed(what) => write!(f, "malformed: {what}"),
            Self::TooDeep => f.write_str("elements nest too deeply"),
            Self::TooManyElements => f.write_str("too many elements"),
            Self::TooLarge(what) => write!(f, "too large: {what}"),
            Self::UnsupportedVersion => f.write_str("unsupported protocol version"),
            Self::BadText(what) => write!(f, "bad text: {what}"),
            Self::BadValue(what) => write!(f, "not a valid {what}"),
            Self::Missing(element) => write!(f, "{element} is missing"),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.position)
    }
}

impl std::error::Error for DecodeError {}
