//! *VerifyID-Request*: whether names are those of somebody or something. CSP 7.3.

use crate::grammar::primitive;
use imps_types::element::IdList;

primitive! {
    /// A user asks whether names exist.
    VerifyIdRequest {
        /// Which.
        required id_list: IdList = IdList,
    }
}
