//! Ways for bytes to come and go.

pub mod http;
