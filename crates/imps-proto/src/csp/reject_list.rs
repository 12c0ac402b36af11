//! *RejectList-Request* and *-Response*: who is not let into a group. CSP 13.5.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{EntityList, UserList};

primitive! {
    /// A moderator or administrator changes the reject list, or only reads it.
    RejectListRequest {
        /// Of which group.
        required group_id: Address = GroupId,
        /// Who is not let in any more.
        optional add_list: EntityList = AddList,
        /// Who is let in again.
        optional remove_list: EntityList = RemoveList,
    }
}

primitive! {
    /// The whole list after the change.
    RejectListResponse {
        /// Who is on it.
        optional user_list: UserList = UserList,
    }
}
