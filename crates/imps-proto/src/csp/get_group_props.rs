//! *GetGroupProps-Request* and *-Response*: what a group is like. CSP 13.1.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{GroupProperties, Property};

primitive! {
    /// A user asks what a group is like.
    GetGroupPropsRequest {
        /// Which group.
        required group_id: Address = GroupId,
    }
}

primitive! {
    /// What the group is like, and his own place in it.
    GetGroupPropsResponse {
        /// The common properties.
        default group_properties: GroupProperties = GroupProperties,
        /// His own: of members and joined users.
        list own_properties: Property = OwnProperties,
    }
}
