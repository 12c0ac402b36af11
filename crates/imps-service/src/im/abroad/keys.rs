//! Where the rows lie.

use imps_types::element::Recipient;
use imps_types::{Domain, Status};

use super::print::print_of_all;
use crate::clock::Timestamp;
use crate::seam::Key;

/// Kinds of rows of RelayExpiry: what goes with them.
pub(super) const WAITING: u8 = 0;
pub(super) const SENT: u8 = 1;
pub(in crate::im) const TAKEN: u8 = 2;

/// Where a row for another domain lies. `whose` is empty for a message.
pub(in crate::im) fn relay_key(domain: &Domain, sequence: u64, whose: &str) -> Key {
    Key::build().text(domain.as_str()).u64(sequence).text(whose).done()
}

pub(in crate::im) fn sent_key(sequence: u64, domain: &Domain) -> Key {
    Key::build().u64(sequence).text(domain.as_str()).done()
}

/// Where it lies that a report on a recipient came, the only one: behind the row of the message, with which it goes.
pub(super) fn told_key(sequence: u64, domain: &Domain, about: &Recipient) -> Key {
    reported_key(sequence, domain, Status::new(0), about)
}

/// The same as it was before: of each outcome one, on the recipients as the report had them.
pub(super) fn reported_key(sequence: u64, domain: &Domain, outcome: Status, about: &Recipient) -> Key {
    let key = Key::build().u64(sequence).text(domain.as_str()).u64(outcome.code().into());
    key.bytes(&print_of_all(about)).done()
}

pub(in crate::im) fn taken_key(domain: &Domain, name: &str) -> Key {
    Key::build().text(domain.as_str()).text(name).done()
}

pub(super) fn id_key(sequence: u64) -> Key {
    Key::build().u64(sequence).done()
}

pub(in crate::im) fn expiry_key(end: Timestamp, kind: u8, sequence: u64, domain: &Domain, whose: &str) -> Key {
    Key::build().u64(end.0).u8(kind).u64(sequence).text(domain.as_str()).text(whose).done()
}
