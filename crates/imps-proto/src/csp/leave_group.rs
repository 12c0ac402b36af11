//! *LeaveGroup-Request* and *-Response*: a user leaves a group, or is forced to. CSP 13.4.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::ResultInfo;

primitive! {
    /// A user leaves a group.
    LeaveGroupRequest {
        /// Which group.
        required group_id: Address = GroupId,
    }
}

primitive! {
    /// He has left. As a transaction of the server's own: he was forced out, and why.
    LeaveGroupResponse {
        /// Which group.
        optional group_id: Address = GroupId,
        /// How it went, or why he was forced out.
        required result: ResultInfo = Result,
    }
}
