//! *AddGroupMembers-Request*: users become members of a group. CSP 13.5.

use crate::elements::NamedUsers;
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::UserList;

primitive! {
    /// A moderator or administrator makes users members.
    AddGroupMembersRequest {
        /// Of which group.
        required group_id: Address = GroupId,
        /// Who.
        via users: UserList = NamedUsers,
    }
}
