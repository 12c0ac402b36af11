//! Storage engines: ordered bytes in spaces, on a disk.
//!
//! Invariant: nothing here knows users, sessions or the protocol. It carries bytes for `imps_service::seam`.
//!
//! The embedded engine is SQLite: one file, a table per space, one writer thread that commits whatever waits, readers
//! beside it, and a thread that keeps the write-ahead log short. [`open`](open()) opens it; [`suite`] is what it, and
//! every other engine, must do.

mod lock;
mod open;
mod sqlite;

pub mod reference;
pub mod suite;

pub use open::{DATABASE, LOCK, Locked, OpenError, Options, lock, open};
pub use sqlite::{Copy, SqliteEngine};
