//! *GetGroupMembers-Request* and *-Response*: the members of a group by role. CSP 13.2.

use crate::elements::{Listed, PlainMembers};
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::UserList;

primitive! {
    /// A moderator or administrator asks for the members.
    GetGroupMembersRequest {
        /// Of which group.
        required group_id: Address = GroupId,
    }
}

primitive! {
    /// The members.
    GetGroupMembersResponse {
        /// Administrators.
        optional admins: Listed = Admin,
        /// Moderators.
        optional mods: Listed = Mod,
        /// The others.
        via users: Option<UserList> = PlainMembers,
    }
}
