//! *CreateGroup-Request*: a user makes a private group. CSP 13.2.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{GroupProperties, Property, ScreenName};

primitive! {
    /// A user makes a private group.
    CreateGroupRequest {
        /// Its address, under his own.
        required group_id: Address = GroupId,
        /// What it is like at first.
        default group_properties: GroupProperties = GroupProperties,
        /// His own properties in it, 1.3.
        list own_properties: Property = OwnProperties since V1_3,
        /// Whether he joins at once.
        default join_group: bool = JoinGroup,
        /// His screen name then.
        optional screen_name: ScreenName = ScreenName,
        /// Whether he is told of changes then.
        default subscribe_notification: bool = SubscribeNotification,
    }
}
