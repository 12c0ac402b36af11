//! *BlockEntity-Request*: a user's block and grant lists are changed. CSP 12.5.

use crate::elements::BlockAndGrant;
use crate::grammar::primitive;
use imps_types::element::AccessLists;

primitive! {
    /// A user says who may reach him and who may not.
    BlockEntityRequest {
        /// What changes in each list; a list that is absent stays as it is.
        via lists: AccessLists = BlockAndGrant,
    }
}
