//! Pieces of a message that is too large for who must parse it. CSP 3, "Segmentation", 1.3.

use crate::element::Element;
use crate::grammar::{Decode, Encode, element};
use crate::wire::{DecodeError, Form, RawContent, Reader, Writer};
use bytes::Bytes;
use imps_types::TransactionId;
use std::borrow::Cow;

element! {
    /// Which piece, and how many there are (`SegmentInfo`).
    SegmentInfo {
        /// `SegmentCount`.
        optional count: u32 = SegmentCount,
        /// `SegmentID`.
        optional id: SegmentId = SegmentId,
    }
}

element! {
    /// A piece of a message (`SegmentID`).
    SegmentId {
        /// The transaction that the message belongs to.
        required transaction_id: TransactionId = TransactionId,
        /// `SegmentReference`: its number, from 1.
        default reference: u32 = SegmentReference,
    }
}

/// What a piece consists of (`SegmentContent`): octets of the message; in XML and JSON text, whole characters each.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SegmentContent(pub Bytes);

impl Decode for SegmentContent {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(match reader.content()? {
            RawContent::Text(text) => Bytes::from(text.into_owned()),
            RawContent::Bytes(bytes) => Bytes::copy_from_slice(bytes),
        }))
    }
}

impl Encode for SegmentContent {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        match std::str::from_utf8(&self.0) {
            // Pieces of WBXML look like text now and then; as such they would be read too.
            Ok(text) if writer.form() != Form::Wbxml || self.0.iter().all(|byte| *byte >= b' ') => {
                writer.content(&RawContent::Text(Cow::Borrowed(text)));
            }
            _ => writer.opaque(&self.0),
        }
    }
}
