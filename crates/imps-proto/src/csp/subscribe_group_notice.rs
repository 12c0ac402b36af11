//! *SubscribeGroupNotice-Request* and *-Response*: whether a client is told of changes of a group. CSP 13.2.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::SubscribeType;

primitive! {
    /// A client asks whether it is told of changes, or wants to be, or no longer.
    SubscribeGroupNoticeRequest {
        /// Of which group.
        required group_id: Address = GroupId,
        /// Get, set or unset.
        required subscribe_type: SubscribeType = SubscribeType,
    }
}

primitive! {
    /// Whether it is told.
    SubscribeGroupNoticeResponse {
        /// T or F.
        required value: bool = Value,
    }
}
