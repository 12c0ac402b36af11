//! The nouns of the specification: addresses, identifiers, information elements, presence attributes,
//! the service tree and the status codes, as every protocol and the store share them.
//!
//! Invariant: nothing here does I/O, waits, or knows an encoding.

pub mod address;
pub mod date_time;
pub mod element;
pub mod id;
pub mod presence;
pub mod secret;
pub mod service;
pub mod service_tree;
pub mod status;
pub mod version;

pub use address::{Address, AddressError, ContactListId, Domain, GroupId, UserId};
pub use date_time::DateTime;
pub use id::{ClientId, MessageId, SessionId, Slot, TransactionId};
pub use secret::Secret;
pub use service::Service;
pub use status::Status;
pub use version::Version;
