//! *StopSearch-Request*: a user has found what he was looking for. CSP 7.1.

use crate::grammar::primitive;

primitive! {
    /// A search ends.
    StopSearchRequest {
        /// Which.
        required search_id: Box<str> = SearchId,
    }
}
