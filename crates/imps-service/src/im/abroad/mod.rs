//! Messages to and from other domains (SSP 9.6, 14): what goes out waits in the store, by domain and in order; what comes
//! in is taken once.
//!
//! | space | key | value |
//! |---|---|---|
//! | Relay | domain, sequence, "" | a message to users of the domain |
//! | Relay | domain, sequence, user | a report for a user of the domain |
//! | RelaySent | sequence, domain | whose message it was and for whom, if he wants a report |
//! | RelaySent | sequence, domain, 0, recipient | nothing: a report on him came |
//! | RelaySent | sequence, domain, status, recipients | the same, as it was written before |
//! | Relayed | domain, MessageID or transaction there and a print | our number, and what was answered |
//! | Relayed | domain, print of a message without MessageID | the MessageID that it was given on its way through |
//! | Relayed | domain, print of a report | nothing: such a report came, on what is kept there |
//! | RelayedIds | sequence | domain and MessageID there, if a report is wanted |
//! | RelayExpiry | end, kind, sequence, domain, whose | nothing |

mod held;
mod keys;
mod load;
mod print;
mod receiving;
mod records;
mod reports;
mod sending;
mod waiting;

use std::time::Duration;

use imps_types::{Domain, UserId};

#[cfg(test)]
pub(super) use keys::sent_key;
pub(super) use keys::{TAKEN, expiry_key, relay_key, taken_key};
pub(crate) use load::AbroadLoads;
pub(super) use receiving::Taking;
pub(super) use records::KnownAs;
pub(super) use reports::put_report;
pub(super) use sending::ToDomain;

use crate::event::{Message, Report};

/// For how long it is remembered what a message was called after its end: its last report may be on its way.
pub(super) const GRACE: Duration = Duration::from_secs(24 * 3600);

/// Where a message comes from, and what it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromAbroad {
    /// The domain that brought it.
    pub peer: Domain,
    /// Who sends it; the face has seen to it that the peer may speak for him.
    pub sender: UserId,
    /// Its MessageID there.
    pub id: Option<Box<str>>,
    /// The transaction that brought it: some know it by that alone (SSP 17).
    pub transaction: Option<Box<str>>,
}

/// What waits for another domain, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages.
    pub messages: u64,
    /// Reports.
    pub reports: u64,
    /// What both are in the store.
    pub bytes: u64,
}

/// Something that waits for another domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abroad {
    /// Which.
    pub domain: Domain,
    /// Its number: what waits longer has a smaller one.
    pub sequence: u64,
    /// What it is.
    pub what: AbroadWhat,
}

/// What waits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "nearly all of them are messages")]
pub enum AbroadWhat {
    /// A message to users of the domain.
    Message(Message),
    /// What became of a message that came from there.
    Report(Report),
}
