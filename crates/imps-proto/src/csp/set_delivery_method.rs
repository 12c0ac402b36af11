//! *SetDeliveryMethod-Request*: push, or notify and let the client fetch. CSP 12.2.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::DeliveryMethod;

primitive! {
    /// A client chooses how it gets messages.
    SetDeliveryMethodRequest {
        /// Push or notify; only 1.3 may leave it out.
        optional delivery_method: DeliveryMethod = DeliveryMethod,
        /// The largest content to push, bytes.
        optional accepted_content_length: u32 = AcceptedContentLength,
        /// Only for messages of this group.
        optional group_id: Address = GroupId,
        /// The largest content to push of this group, bytes, 1.3.
        optional group_content_limit: u32 = GroupContentLimit since V1_3,
    }
}
