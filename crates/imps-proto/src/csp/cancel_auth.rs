//! *CancelAuth-Request*: a publisher forgets what he decided about somebody. CSP 9.

use crate::grammar::primitive;
use imps_types::Address;

primitive! {
    /// Grants and denials are forgotten: the next request asks again.
    CancelAuthRequest {
        /// Whose.
        required user_id: Address = UserId | User as alias,
    }
}
