//! *Logout-Request*: a client ends its session. Answered by Disconnect in 1.1, by Status since. CSP 4.2.

use crate::grammar::primitive;

primitive! {
    /// The client leaves.
    LogoutRequest {}
}
