//! *MemberAccess-Request*: members get roles. CSP 13.5.

use crate::elements::{Listed, PlainMembers};
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::UserList;

primitive! {
    /// An administrator gives members roles.
    MemberAccessRequest {
        /// In which group.
        required group_id: Address = GroupId,
        /// Who is an administrator from now on.
        optional admins: Listed = Admin,
        /// Who is a moderator from now on.
        optional mods: Listed = Mod,
        /// Who is neither.
        via users: Option<UserList> = PlainMembers,
    }
}
