//! What CSP looks like on the wire: elements, encodings, primitives. No I/O: bytes in, values out, and back.
//!
//! The way in is [`wire::utf8`], [`wire::reader`] and a primitive's decoder; the way out is [`wire::writer`].

pub mod element;
mod names;
pub mod values;
pub mod wire;

pub use element::{Element, Kind, Space};
