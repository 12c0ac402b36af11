//! *NewMessage*: a message is pushed to a client. CSP 12.2.

use crate::elements::Message;
use crate::grammar::primitive;

primitive! {
    /// A message for this client.
    NewMessage {
        /// The message.
        via message: Message = Message,
    }
}
