//! *RemoveGroupMembers-Request*: users are members of a group no longer. CSP 13.5.

use crate::elements::NamedUsers;
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::UserList;

primitive! {
    /// A moderator or administrator takes membership away.
    RemoveGroupMembersRequest {
        /// Of which group.
        required group_id: Address = GroupId,
        /// From whom.
        via users: UserList = NamedUsers,
    }
}
