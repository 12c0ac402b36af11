//! *DeleteAttributeList-Request*: authorisations are forgotten. CSP 9.

use crate::elements::{ContactLists, UserIds};
use crate::grammar::primitive;
use imps_types::Address;

primitive! {
    /// A user takes attribute lists away from their targets.
    DeleteAttributeListRequest {
        /// Users.
        via user_ids: Vec<Address> = UserIds,
        /// Contact lists.
        via contact_lists: Vec<Address> = ContactLists,
        /// Whether the default goes.
        default default_list: bool = DefaultList,
    }
}
