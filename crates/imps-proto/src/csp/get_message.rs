//! *GetMessage-Request* and *-Response*: a client fetches a message. CSP 12.2.

use crate::elements::Message;
use crate::grammar::primitive;

primitive! {
    /// A client fetches a message.
    GetMessageRequest {
        /// Which.
        required message_id: Box<str> = MessageId,
    }
}

primitive! {
    /// The message.
    GetMessageResponse {
        /// The message.
        via message: Message = Message,
    }
}
