//! *SendMessage-Request* and *-Response*: a user sends an instant message. CSP 12.1.

use crate::elements::Message;
use crate::grammar::primitive;
use imps_types::element::ResultInfo;

primitive! {
    /// A user sends an instant message.
    SendMessageRequest {
        /// Tell the sender what became of it.
        default delivery_report: bool = DeliveryReport,
        /// The message.
        via message: Message = Message,
    }
}

primitive! {
    /// It was taken, or not.
    SendMessageResponse {
        /// How it went, with the recipients that failed.
        required result: ResultInfo = Result,
        /// Its name, unless nothing was accepted.
        optional message_id: Box<str> = MessageId,
    }
}
