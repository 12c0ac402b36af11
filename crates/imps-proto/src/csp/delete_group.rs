//! *DeleteGroup-Request*: a private group ends. CSP 13.2.

use crate::grammar::primitive;
use imps_types::Address;

primitive! {
    /// An administrator deletes a group.
    DeleteGroupRequest {
        /// Which group.
        required group_id: Address = GroupId,
    }
}
