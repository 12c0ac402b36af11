//! SSP's face: other domains.
//!
//! [`Ssp`] takes what HTTP brings and posts what is to be said; what goes on between two domains is a machine without
//! sockets, clocks and tasks (`machine/`), and whom a peer may speak for is a function (`access.rs`).
//!
//! Invariant: what a request *does* is decided in `imps-service`; here it is only translated.
//! Invariant: nothing is taken from a peer that has not proved to be where it is published, nor what it says of others.

mod access;
mod agreement;
mod config;
mod face;
mod find;
mod machine;
mod peers;
mod post;
mod relay;
mod ssp;
mod tls;
#[allow(dead_code, unused_imports, reason = "the face calls it next")]
mod translate;
mod trust;
mod why;

pub use agreement::{Agreement, Origin, Provision, Terms};
pub use config::{PeerConfig, SspConfig};
pub use face::{Asked, Desk, Face, Here};
pub use find::{Found, Resolver, Srv, SystemResolver, TlsPolicy};
pub use machine::{LinkSettings, OpenTransaction};
pub use peers::Peers;
pub use post::{CONTENT_TYPE_SSP, PostSettings};
pub use relay::{LineSource, Next, Provider, RelaySettings, Relayed, RouteLine, ServiceTable, TableLine};
pub use ssp::{Arrival, Ask, PeerState, Receipt, Service, Ssp, Step, Unanswered};
pub use tls::TlsTrust;
pub use trust::DigestScheme;
