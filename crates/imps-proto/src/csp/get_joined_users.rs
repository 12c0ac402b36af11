//! *GetJoinedUsers-Request* and *-Response*: who has joined a group; since 1.2. CSP 13.2.

use crate::elements::{Listed, UserMapList};
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::AdminMapList;

primitive! {
    /// A user asks who has joined.
    GetJoinedUsersRequest {
        /// Which group.
        required group_id: Address = GroupId,
    }
}

primitive! {
    /// Who has joined.
    GetJoinedUsersResponse {
        /// For moderators and administrators: by role, with all addresses.
        optional admin_map_list: AdminMapList = AdminMapList,
        /// For the others.
        optional user_map_list: UserMapList = UserMapList,
        /// Those among them whom the user blocks, 1.3.
        optional joined_blocked: Listed = JoinedBlocked since V1_3,
    }
}
