//! SSP, what two domains say to each other: the envelope, and every primitive. SSP 5 to 9, 11, 12.
//!
//! The nouns are those of CSP ([`imps_types::element`]), their encoding is not: half of everything stands in attributes.
//! What comes is read generously, since other implementations misspell and leave out (SSP 17); what goes has the good
//! form only. [`catalogue`] has a row for each primitive.
//!
//! ```
//! use imps_proto::ssp::{self, Body, Message, Primitive};
//!
//! let text = br#"<WV-SSP-Message><Session sessionID="s1@a.example"><Transaction mode="Response" transactionID="7">
//!     <Status code="200"/></Transaction></Session></WV-SSP-Message>"#;
//! let message = Message::read(text, &ssp::limits(1 << 20))?;
//! let Body::Session { transactions, .. } = message.body else { unreachable!() };
//! assert!(matches!(&transactions[0].content, Ok(Primitive::Status(status)) if status.status.is_success()));
//! # Ok::<(), ssp::Error>(())
//! ```

pub mod carried;
pub mod catalogue;
mod common;
mod content;
mod error;
mod grammar;
mod group;
mod im;
mod invitation;
mod io;
mod message;
mod presence;
#[cfg(test)]
mod sample;
mod service;
mod session;
#[cfg(test)]
mod tests;

pub use carried::{Answered, Asked};
pub use catalogue::{Kind, NAMES, Name, Primitive, Row, Service, Source};
pub use common::{DomainName, MetaInfo, Party, ROUTE_NAMESPACE, Requestor, Route};
pub use content::{ContentData, JoinedMap, Names, PresenceValue, UserIds};
pub use error::{Error, ErrorKind};
pub use group::*;
pub use im::*;
pub use invitation::*;
pub use message::{
    Body, Dialect, Message, Mode, Refusal, SESSION_ID_MAX, SessionWriter, TRANSACTION_ID_MAX, TRANSACTIONS_MAX,
    Transaction, limits, write_setup,
};
pub use presence::*;
pub use service::*;
pub use session::*;
