//! The end of validity, and what else is done now and then.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::future::join_all;
use imps_types::{Status, UserId};

use super::Im;
use super::queue::{
    Ending, IndexRow, Waiting, aged_range, body_parts, delete, expired_range, expiry_parts, index_key, put_end,
    shared_key,
};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::seam::{Batch, Key, KeyRange, Order, Row, Space};

/// Rows of one scan: their messages end together, in one or two commits.
const PAGE: usize = 64;
/// Pages of one sweep, so that a great many messages that end at once do not hold up what else is due.
const PAGES: usize = 100;
/// Bodies that get rows of their ends in one commit. They are read for it, and may be large.
const END_PAGE: usize = 128;

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

    /// Deletes messages whose validity has ended, with a report for those who wanted one, and old transactions.
    pub(crate) async fn sweep(&self) {
        let now = self.clock.now();
        // First, so that what ended while the server was down ends now.
        if let Err(error) = self.put_ends(now).await {
            tracing::warn!(%error, "when messages end could not be written");
        }
        if let Err(error) = self.expire(now).await {
            tracing::warn!(%error, "messages whose validity has ended could not be removed");
        }
        if let Err(error) = self.sweep_abroad(now).await {
            tracing::warn!(%error, "what waited for other domains could not be removed");
        }
        if let Err(error) = self.sweep_repeats(now).await {
            tracing::warn!(%error, "old transactions could not be removed");
        }
    }

    async fn expire(&self, now: Timestamp) -> Result<(), Error> {
        for _ in 0..PAGES {
            let rows = self.store.scan(Space::MessageExpiry, expired_range(now), Order::Forwards, PAGE).await?;
            for ended in join_all(rows.iter().map(|row| self.end(row))).await {
                ended?;
            }
            if rows.len() < PAGE {
                break;
            }
        }
        Ok(())
    }

    /// What waits for an hour gets a row of its end. Each body is looked at once, and again after a restart.
    async fn put_ends(&self, now: Timestamp) -> Result<(), Error> {
        let mut range = aged_range(self.aged.load(Ordering::Relaxed), now);
        for _ in 0..PAGES {
            let rows = self.store.scan(Space::Messages, range.clone(), Order::Forwards, END_PAGE).await?;
            let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(()) };
            self.put_ends_of(&rows).await?;
            // A message may have more recipients than fit: it is begun again when this was not the end.
            let (sequence, is_last) = (body_parts(&last).0.unwrap_or_default(), rows.len() < END_PAGE);
            self.aged.store(sequence.saturating_add(u64::from(is_last)), Ordering::Relaxed);
            if is_last {
                break;
            }
            range = range.after(&last);
        }
        Ok(())
    }

    async fn put_ends_of(&self, bodies: &[Row]) -> Result<(), Error> {
        let parts = bodies.iter().map(|row| body_parts(&row.key));
        let waiting: Vec<(u64, UserId)> = parts.filter_map(|(sequence, user)| Some((sequence?, user?))).collect();
        let keys: Vec<Key> = waiting.iter().map(|(sequence, user)| index_key(user, *sequence)).collect();
        let indexes = self.store.get(Space::MessageIndex, &keys).await?;
        let mut batch = Batch::new();
        for ((sequence, recipient), index) in waiting.iter().zip(indexes) {
            // What was acknowledged since needs none.
            if let Some(index) = index.and_then(|index| IndexRow::read(&index).ok()) {
                put_end(&mut batch, *sequence, recipient, index.expires);
            }
        }
        if batch.is_empty() { Ok(()) } else { Ok(self.store.commit(batch).await?) }
    }

    /// Ends what a row of the expiry space is about. Whatever it is, the row is gone then.
    async fn end(&self, row: &Row) -> Result<(), Error> {
        let (key, now) = (&row.key, self.clock.now());
        let mut batch = Batch::new();
        match expiry_parts(key) {
            Some((_, sequence, Ending::Group(group))) => {
                return self.end_group_message(key, sequence, &group, &row.value).await;
            }
            Some((end, sequence, Ending::Of(recipient))) => match self.load(&recipient, sequence).await? {
                Some(Waiting::Message(mut message)) => {
                    // Many are ended together: what they say is not needed for it.
                    message.content = Bytes::new();
                    self.withdraw_everywhere(&recipient, sequence).await;
                    if self.settle(&recipient, &message, Status::MESSAGE_HAS_EXPIRED).await? {
                        self.metrics.messages_expired.up();
                        return Ok(());
                    }
                    delete(&mut batch, sequence, &recipient, end, now);
                }
                Some(Waiting::Report(report)) => {
                    self.withdraw_everywhere(&recipient, sequence).await;
                    delete(&mut batch, sequence, &recipient, report.expires, now);
                    self.store.commit(batch).await?;
                    self.one_less(&recipient, 0);
                    return Ok(());
                }
                Some(Waiting::Notice(notice)) => {
                    self.withdraw_everywhere(&recipient, sequence).await;
                    delete(&mut batch, sequence, &recipient, notice.expires, now);
                    self.store.commit(batch).await?;
                    self.one_less(&recipient, 0);
                    return Ok(());
                }
                // What is left of something that was damaged.
                Some(Waiting::GroupMessage(_)) | None => delete(&mut batch, sequence, &recipient, end, now),
            },
            Some((_, sequence, Ending::Shared)) => {
                batch.delete(Space::MessageExpiry, key.clone()).delete(Space::Messages, shared_key(sequence));
            }
            None => {
                batch.delete(Space::MessageExpiry, key.clone());
            }
        }
        Ok(self.store.commit(batch).await?)
    }

    /// A message is not offered to any client of its recipient any more.
    pub(super) async fn withdraw_everywhere(&self, recipient: &UserId, sequence: u64) {
        if let Some(user) = self.users.loaded(recipient) {
            for session in user.sessions() {
                self.withdraw(&session, sequence).await;
            }
        }
    }
}
