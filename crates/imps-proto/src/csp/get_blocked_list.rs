//! *GetBlockedList-Request* and *-Response*: a user's block and grant lists are read. CSP 12.5.

use crate::elements::BlockAndGrant;
use crate::grammar::primitive;
use imps_types::element::AccessLists;

primitive! {
    /// A user asks for his lists.
    GetBlockedListRequest {}
}

primitive! {
    /// Both lists, and whether they are in use.
    GetBlockedListResponse {
        /// Who is on them.
        via lists: AccessLists = BlockAndGrant,
    }
}
