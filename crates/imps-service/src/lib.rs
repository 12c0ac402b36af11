//! The service elements of IMPS: what the server does, whoever asks and in whatever encoding.
//!
//! Invariant: nothing here knows an encoding, a primitive, HTTP or SQL.
//! Invariant: nothing here reads the clock of the machine but [`clock`], or waits with a lock of memory held.

pub mod access;
pub mod account;
pub mod clock;
pub mod common;
pub mod config;
pub mod content;
pub mod error;
pub mod event;
mod extension;
pub mod group;
pub mod happening;
pub mod im;
pub mod language;
pub mod metrics;
pub mod presence;
pub mod record;
pub mod routing;
pub mod seam;
pub mod services;
pub mod session;
pub mod store;
pub mod terminal;
#[cfg(test)]
mod testing;
pub mod user;

pub use clock::{Clock, Timestamp};
pub use config::ServiceConfig;
pub use error::Error;
pub use services::Services;
pub use session::Session;
