//! *UnsubscribePresence-Request*: a user no longer watches others. CSP 10.

use crate::elements::{ContactLists, Users};
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::User;

primitive! {
    /// A user ends subscriptions.
    UnsubscribePresenceRequest {
        /// Of users.
        via users: Vec<User> = Users,
        /// Of those on contact lists.
        via contact_lists: Vec<Address> = ContactLists,
    }
}
