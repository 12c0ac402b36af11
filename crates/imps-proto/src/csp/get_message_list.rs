//! *GetMessageList-Request* and *-Response*: which messages wait. CSP 12.2.

use crate::elements::MessageInfos;
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::MessageInfo;

primitive! {
    /// A user asks which messages wait for him.
    GetMessageListRequest {
        /// The history of this group instead.
        optional group_id: Address = GroupId,
        /// At most so many.
        optional message_count: u32 = MessageCount,
    }
}

primitive! {
    /// What is known of the messages that wait.
    GetMessageListResponse {
        /// One for each.
        via messages: Vec<MessageInfo> = MessageInfos,
        /// How many there are in all, 1.3.
        optional message_total_count: u32 = MessageTotalCount since V1_3,
    }
}
