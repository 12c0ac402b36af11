//! What the service elements need from outside, as traits, and the smallest implementation of each.
//!
//! A trait stands here because there is, or will soon be, more than one implementation. All are object-safe: one boxed
//! future per call is nothing beside the I/O, and the domain compiles once.
//!
//! Invariant: an engine and a bus carry bytes. Neither knows users, sessions or the protocol.

mod key;

pub mod engine;
pub mod memory;
pub mod queue;

pub mod bus;
pub mod local;

pub mod gateway;
pub mod link;

pub use bus::{Bus, BusError, NodeId, NodeSet, Receiver};
pub use engine::{Batch, Condition, Engine, Order, Row, Space, StoreError, Write};
pub use gateway::{Gateway, Reach};
pub use key::{Key, KeyBuilder, KeyRange, KeyReader};
pub use link::Link;
pub use local::LocalBus;
pub use memory::MemoryEngine;
pub use queue::{Bounds, CommitQueue, StoreNumbers};
