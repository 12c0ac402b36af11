//! *RejectMessage-Request*: messages that wait are thrown away. CSP 12.4.

use crate::grammar::primitive;

primitive! {
    /// A user does not want messages.
    RejectMessageRequest {
        /// Which.
        many message_ids: Box<str> = MessageId,
    }
}
