//! *MessageNotification*: a client is told that a message waits. CSP 12.2.

use crate::grammar::primitive;
use imps_types::element::MessageInfo;

primitive! {
    /// A message waits to be fetched.
    MessageNotification {
        /// What is known of it.
        required message_info: MessageInfo = MessageInfo,
    }
}
