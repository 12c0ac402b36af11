//! *GroupChangeNotice*: a group has changed. CSP 13.2.

use crate::elements::{JoinedUsers, Listed};
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{GroupProperties, Property};

primitive! {
    /// A client that subscribed to it is told what changed in a group.
    GroupChangeNotice {
        /// Which group.
        required group_id: Address = GroupId,
        /// Who has joined.
        optional joined: JoinedUsers = Joined,
        /// Who has left.
        optional left: Listed = Left,
        /// Who was not let in, 1.3.
        optional joined_blocked: Listed = JoinedBlocked since V1_3,
        /// Who had to leave because he is not let in any more, 1.3.
        optional left_blocked: Listed = LeftBlocked since V1_3,
        /// Common properties that changed.
        optional group_properties: GroupProperties = GroupProperties,
        /// The user's own properties, if they changed.
        list own_properties: Property = OwnProperties,
    }
}
