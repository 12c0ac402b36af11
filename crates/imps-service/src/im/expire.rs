//! The end of validity, and what else is done now and then.

use imps_types::Status;

use super::Im;
use super::queue::{Waiting, delete, expired_range, expiry_parts};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::seam::{Batch, KeyRange, Order, Space};

/// Rows of one scan.
const PAGE: usize = 200;
/// Milliseconds between two looks for old transactions.
const REPEAT_SWEEP: u64 = 60_000;

impl Im<'_> {
    /// Begins the numbers after all that were ever given out.
    pub(crate) async fn resume_sequence(&self) -> Result<(), Error> {
        for space in [Space::Messages, Space::Transactions] {
            let rows = self.store.scan(space, KeyRange::all(), Order::Backwards, 1).await?;
            if let Some(sequence) = rows.first().and_then(|row| row.key.read().u64()) {
                self.sequence.after(sequence);
            }
        }
        Ok(())
    }

    /// Deletes messages whose validity has ended, with a report for those who wanted one.
    pub(crate) async fn sweep(&self) {
        let now = self.clock.now();
        if let Err(error) = self.expire(now).await {
            tracing::warn!(%error, "messages whose validity has ended could not be removed");
        }
        if self.sequence.is_due(now, REPEAT_SWEEP) {
            self.sweep_repeats(now).await;
        }
    }

    async fn expire(&self, now: Timestamp) -> Result<(), Error> {
        loop {
            let rows = self.store.scan(Space::MessageExpiry, expired_range(now), Order::Forwards, PAGE).await?;
            for row in &rows {
                let Some((sequence, recipient)) = expiry_parts(&row.key) else {
                    let mut batch = Batch::new();
                    batch.delete(Space::MessageExpiry, row.key.clone());
                    self.store.commit(batch).await?;
                    continue;
                };
                let expired = match self.load(&recipient, sequence).await {
                    Ok(Some(Waiting::Message(message))) => {
                        if let Some(user) = self.users.loaded(&recipient) {
                            for session in user.sessions() {
                                session.outbox().remove(sequence);
                            }
                        }
                        let settled = self.settle(&message, Status::MESSAGE_HAS_EXPIRED).await?;
                        if settled {
                            self.metrics.messages_expired.up();
                        }
                        settled
                    }
                    _ => false,
                };
                if !expired {
                    // A report, or what is left of something that was damaged: it just goes.
                    let expires = Timestamp(row.key.read().u64().unwrap_or_default());
                    let mut batch = Batch::new();
                    delete(&mut batch, sequence, &recipient, expires);
                    self.store.commit(batch).await?;
                }
            }
            if rows.len() < PAGE {
                return Ok(());
            }
        }
    }
}
