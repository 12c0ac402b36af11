//! Ways for bytes to come and go.

pub mod http;
pub mod tls;
pub mod websocket;
