//! *SystemMessage-Request*: the service says something. CSP 4.9, 1.3.

use crate::grammar::primitive;
use imps_types::element::SystemMessage;

primitive! {
    /// What the service says.
    SystemMessageRequest {
        /// The messages.
        required messages: Vec<SystemMessage> = SystemMessageList,
    }
}
