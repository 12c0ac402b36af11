//! What tests of a server are made of: scripted phones over real sockets, servers to put them in front of, stories for them
//! to act out, and a load generator.
//!
//! Invariant: a phone shares with the server no more than the bytes' syntax (`imps_proto::wire`). What primitives look like,
//! and what may be in them, it knows by itself.

pub mod load;
pub mod phone;
pub mod scenario;
pub mod secure;
pub mod server;
