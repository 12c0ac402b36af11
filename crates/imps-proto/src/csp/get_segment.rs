//! *GetSegment-Request* and *-Response*: the next piece of a message, whoever sent it. CSP 3, "Segmentation", 1.3.

use crate::elements::{SegmentContent, SegmentId, SegmentInfo};
use crate::grammar::primitive;

primitive! {
    /// Asks for a piece.
    GetSegmentRequest {
        /// Which.
        required segment_id: SegmentId = SegmentId,
    }
}

primitive! {
    /// A piece. The first one comes by itself, in place of the primitive that was too large.
    GetSegmentResponse {
        /// What it consists of.
        required content: SegmentContent = SegmentContent,
        /// Which it is, where that does not stand in TransactionDescriptor.
        optional info: SegmentInfo = SegmentInfo,
    }
}
