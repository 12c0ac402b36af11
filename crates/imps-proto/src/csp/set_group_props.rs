//! *SetGroupProps-Request*: a group, or one's own place in it, is to be otherwise. CSP 13.1, 13.5.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{GroupProperties, Property};

primitive! {
    /// A user sets properties.
    SetGroupPropsRequest {
        /// Of which group.
        required group_id: Address = GroupId,
        /// Common properties.
        optional group_properties: GroupProperties = GroupProperties,
        /// His own.
        list own_properties: Property = OwnProperties,
    }
}
