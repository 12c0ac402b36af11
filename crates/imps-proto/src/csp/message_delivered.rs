//! *MessageDelivered*: a client has a message. CSP 12.2.
//!
//! The answer to NewMessage, and a request of its own after GetMessage.

use crate::grammar::primitive;

primitive! {
    /// The client has the message.
    MessageDelivered {
        /// Which.
        required message_id: Box<str> = MessageId,
    }
}
