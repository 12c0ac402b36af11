//! Relaying: a service of a domain may live in another one, and a domain may carry requests for others. SSP 13.
//!
//! Nothing here does anything: the Service Table says who provides what for whom ([`ServiceTable`]), a function says where
//! a primitive goes by it ([`Next`]), and what is on its way is a row ([`Relayed`]). `ssp/relaying.rs` carries it out.
//!
//! What a home domain and a service element need of it are methods of [`Ssp`](crate::Ssp):
//!
//! | method | says |
//! |---|---|
//! | `provider(&domain, service) -> Provider` | where requests about users and groups of this domain go: `Local` is our own service element, `Peer` is whom to [`ask`](crate::Ssp::ask), `None` is 405 for a domain of ours (the service is not there) and 516 for another one (no peer) |
//! | `requestor(&domain, service) -> Option<Domain>` | whom to tell what concerns users of a domain that we provide the service for: pushes go there |
//! | `next(&primitive) -> Next` | both at once, for a request or a push of our own, by SSP 13.2 |
//! | `providers(&domain) -> Vec<Domain>` | every peer that provides something for this domain: profiles go there |
//! | `service_table()`, `relayed(peer, most)` | the Service Table and the Transaction Table, to be shown |
//!
//! What a *peer* asks for or tells is passed on before [`Service::perform`](crate::Service::perform) would see it, when the
//! table says so; the service sees only what is for our own service elements, or, of pushes, for our own users. When a message
//! for a user of our own domain cannot be passed on to his provider now, [`Service::hold`](crate::Service::hold) may keep it
//! and say what is answered instead of 503.

mod route;
mod table;
mod transactions;

pub(crate) use route::{Circles, goes_down, goes_either, home_of, is_among, next, receivers, travel};
pub use route::{Next, RelaySettings};
pub use table::{LineSource, Provider, RouteLine, ServiceTable, TableLine};
pub use transactions::Relayed;
pub(crate) use transactions::TransactionTable;
