//! *Polling-Request*: a client fetches what the server has begun. CSP 4.5.

use crate::grammar::primitive;

primitive! {
    /// The client asks for the oldest pending transaction.
    PollingRequest {}
}
