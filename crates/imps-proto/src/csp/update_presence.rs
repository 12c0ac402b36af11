//! *UpdatePresence-Request*: a user's presence changes. CSP 10, 11.

use crate::grammar::primitive;
use imps_types::presence::PresenceSubList;

primitive! {
    /// A client publishes attributes; those that it leaves out stay as they are.
    UpdatePresenceRequest {
        /// The attributes with their values.
        required presence_sub_list: PresenceSubList = PresenceSubList,
    }
}
