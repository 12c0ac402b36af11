//! What CSP and SSP look like on the wire: elements, encodings, primitives; and CLP, which is lines of text. No I/O: bytes
//! in, values out, and back.
//!
//! The way in is [`wire::utf8`], [`wire::reader`] and a primitive's decoder; the way out is [`wire::writer`].

pub mod clp;
pub mod csp;
pub mod element;
pub mod elements;
pub mod grammar;
mod names;
pub mod quirks;
mod repeats;
pub mod ssp;
pub mod values;
pub mod wire;

pub use element::{Element, Kind, Space};
