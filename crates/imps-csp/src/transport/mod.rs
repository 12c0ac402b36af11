//! Ways for bytes to come and go.

mod account;
mod bodies;
mod content;
pub mod gateway;
pub mod http;
pub mod line;
pub mod tls;
pub mod websocket;
