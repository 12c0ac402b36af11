//! *DeliveryReport-Request*: what became of a message. CSP 12.3.

use crate::grammar::primitive;
use imps_types::DateTime;
use imps_types::element::{MessageInfo, ResultInfo};

primitive! {
    /// A sender is told what became of his message for one recipient.
    DeliveryReportRequest {
        /// What became of it.
        required result: ResultInfo = Result,
        /// When that was known.
        optional delivery_time: DateTime = DeliveryTime,
        /// The original message, with the one recipient concerned.
        required message_info: MessageInfo = MessageInfo,
    }
}
