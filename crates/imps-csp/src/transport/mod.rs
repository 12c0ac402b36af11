//! Ways for bytes to come and go.

mod content;
pub mod http;
pub mod tls;
pub mod websocket;
