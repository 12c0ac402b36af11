//! *ForwardMessage-Request* and *-Response*: a message that waits is sent on to others. CSP 12.4.

use crate::grammar::primitive;
use imps_types::element::{Recipient, Sender};

primitive! {
    /// A user sends a message that waits for him on.
    ForwardMessageRequest {
        /// Which.
        required message_id: Box<str> = MessageId,
        /// As whom, 1.3.
        optional sender: Sender = Sender since V1_3,
        /// To whom.
        default recipient: Recipient = Recipient,
    }
}

primitive! {
    /// It was sent on, 1.3. Whatever else is to be said is a Status.
    ForwardMessageResponse {
        /// The name of the new message.
        required message_id: Box<str> = MessageId,
    }
}
