//! The end of invitations: their validity, or that of an account. Their notices end by themselves.

use imps_types::UserId;

use super::super::Common;
use super::record::{Kept, expired_range, expiry_parts, key, of_invited, of_inviter, parts};
use crate::error::Error;
use crate::seam::{Batch, Key, KeyRange, Order, Space};

/// Rows of one scan.
const PAGE: usize = 256;
/// Pages of one sweep.
const PAGES: usize = 40;

impl Common<'_> {
    /// Removes invitations whose validity has ended.
    pub(in crate::common) async fn expire_invitations(&self) -> Result<(), Error> {
        let now = self.clock.now();
        for _ in 0..PAGES {
            let rows = self.store.scan(Space::InvitationExpiry, expired_range(now), Order::Forwards, PAGE).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let ended: Vec<(Key, Option<Key>)> = rows
                .iter()
                .map(|row| (row.key.clone(), expiry_parts(&row.key).map(|(_, invitation)| invitation)))
                .collect();
            let keys: Vec<Key> = ended.iter().filter_map(|(_, invitation)| invitation.clone()).collect();
            let mut batch = Batch::new();
            for record in self.store.get(Space::Invitations, &keys).await?.into_iter().flatten() {
                match Kept::read(&record) {
                    // It may have been made anew under the same InviteID.
                    Ok(kept) if kept.expires < now => kept.delete(&mut batch),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "an invitation is damaged"),
                }
            }
            for (row, _) in ended {
                batch.delete(Space::InvitationExpiry, row);
            }
            self.store.commit(batch).await?;
            if rows.len() < PAGE {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Adds that all goes to which a user invites others, and to which he is invited.
    pub(in crate::common) async fn remove_invitations(&self, user: &UserId, batch: &mut Batch) -> Result<(), Error> {
        self.for_each(Space::Invitations, of_inviter(user, None), |_, value| {
            if let Ok(kept) = Kept::read(value) {
                kept.delete(batch);
            }
        })
        .await?;
        let mut keys = Vec::new();
        self.for_each(Space::Invited, of_invited(user, None), |row, _| {
            if let Some((_, id, inviter)) = parts(row) {
                keys.push(key(&inviter, &id, user));
            }
        })
        .await?;
        for record in self.store.get(Space::Invitations, &keys).await?.into_iter().flatten() {
            if let Ok(kept) = Kept::read(&record) {
                kept.delete(batch);
            }
        }
        Ok(())
    }

    async fn for_each(
        &self,
        space: Space,
        mut range: KeyRange,
        mut take: impl FnMut(&Key, &[u8]),
    ) -> Result<(), Error> {
        loop {
            let rows = self.store.scan(space, range.clone(), Order::Forwards, PAGE).await?;
            rows.iter().for_each(|row| take(&row.key, &row.value));
            match rows.last() {
                Some(last) if rows.len() == PAGE => range = range.after(&last.key),
                _ => return Ok(()),
            }
        }
    }
}
