//! *DeleteList-Request*: a contact list goes. CSP 8.

use crate::grammar::primitive;
use imps_types::Address;

primitive! {
    /// A user removes a contact list.
    DeleteListRequest {
        /// Which.
        required contact_list: Address = ContactList,
    }
}
