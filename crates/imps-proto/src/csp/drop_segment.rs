//! *DropSegment-Request*: the rest of a message is not wanted. CSP 3, "Segmentation", 1.3.

use crate::elements::SegmentId;
use crate::grammar::primitive;

primitive! {
    /// Gives a message up.
    DropSegmentRequest {
        /// One of its pieces.
        required segment_id: SegmentId = SegmentId,
    }
}
