//! What our users said in groups that another domain keeps: it may report on that, and on nothing else (SSP 9.6, 9.7).
//!
//! Whoever has left a group since may still hear what became of what he said in it. So that he said it is written down, where
//! he wants a report, for as long as a message lives and a while more.

use bytes::Bytes;
use imps_types::element::{Group, MessageInfo, ScreenName};
use imps_types::{Domain, GroupId, UserId};
use md5::{Digest as _, Md5};

use super::Im;
use super::abroad::{GRACE, TAKEN, expiry_key, taken_key};
use crate::error::Error;
use crate::seam::{Batch, Space};

/// By what it is known. The name of a message that was taken has a space in it, this has none.
fn name_of(id: &str, sender: &UserId, group: &GroupId) -> String {
    use std::fmt::Write as _;
    let mut print = Md5::new();
    for part in [id, sender.as_str(), group.as_str()] {
        print.update(part);
        print.update([0]);
    }
    let mut name = String::from("said-");
    for octet in print.finalize() {
        let _ = write!(name, "{octet:02x}");
    }
    name
}

fn address_of(group: &Group) -> &imps_types::Address {
    let (Group::Id(address) | Group::ScreenName(ScreenName { group_id: address, .. })) = group;
    address
}

impl Im<'_> {
    /// A domain has taken what a user of ours said in groups of its own, by one of these MessageIDs; he wants a report.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn said_there(
        &self,
        peer: &Domain,
        sender: &UserId,
        ids: &[&str],
        groups: &[Group],
    ) -> Result<(), Error> {
        let end = self.clock.now().plus(self.config.validity_default).plus(GRACE);
        let mut batch = Batch::new();
        for group in groups.iter().filter_map(|group| self.router.group(address_of(group)).ok()) {
            for id in ids {
                let name = name_of(id, sender, &group);
                batch.put(Space::Relayed, taken_key(peer, &name), Bytes::new());
                batch.put(Space::RelayExpiry, expiry_key(end, TAKEN, 0, peer, &name), Bytes::new());
            }
        }
        if !batch.is_empty() {
            self.store.commit(batch).await?;
        }
        Ok(())
    }

    /// Whether a user of ours has said this there.
    pub(super) async fn was_said_there(
        &self,
        peer: &Domain,
        sender: &UserId,
        info: &MessageInfo,
    ) -> Result<bool, Error> {
        let Some(id) = info.message_id.as_deref() else { return Ok(false) };
        // A report is on one group (CSP 12.3).
        let [group] = info.recipient.groups.as_slice() else { return Ok(false) };
        let Ok(group) = self.router.group(address_of(group)) else { return Ok(false) };
        let name = name_of(id, sender, &group);
        Ok(self.store.get_one(Space::Relayed, taken_key(peer, &name)).await?.is_some())
    }
}
