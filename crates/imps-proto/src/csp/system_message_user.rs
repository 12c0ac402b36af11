//! *SystemMessage-User*: what a user says to system messages. CSP 4.9, 1.3.

use crate::grammar::primitive;
use imps_types::element::SystemMessageResponse;

primitive! {
    /// A user's answers.
    SystemMessageUser {
        /// The answers.
        required responses: Vec<SystemMessageResponse> = SystemMessageResponseList,
    }
}
