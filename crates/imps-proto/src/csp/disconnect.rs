//! *Disconnect*: the server ends a session; and in 1.1 the answer to a logout. CSP 4.3.

use crate::grammar::primitive;
use imps_types::element::ResultInfo;

primitive! {
    /// The session has ended.
    Disconnect {
        /// Why.
        required result: ResultInfo = Result,
    }
}
