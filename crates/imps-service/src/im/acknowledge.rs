//! What a client did with a message: delivered, rejected; and what it has heard of: reports (CSP 12.2 to 12.4).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use imps_types::element::{DetailedResult, ResultInfo};
use imps_types::{MessageId, Status, UserId};

use super::Im;
use super::queue::{IndexRow, Waiting, delete, index_key, index_range, index_sequence};
use crate::error::Error;
use crate::event::{Message, Report};
use crate::seam::{Batch, Order, Space, StoreError};
use crate::session::Session;

/// How often a batch is tried whose condition was made without reading the row.
const TRIES: usize = 3;
/// Rows of one scan.
const PAGE: usize = 100;

impl Im<'_> {
    /// The client has the message: it is deleted, and its sender told if he wants to know. `known` is the message where the
    /// face still has it.
    ///
    /// # Errors
    /// `UnknownMessage` when no such message waits for this user, or the store's failure: the message is there still then.
    pub async fn delivered(&self, session: &Session, id: &str, known: Option<&Arc<Message>>) -> Result<(), Error> {
        let id = MessageId::parse(id).ok_or(Error::UnknownMessage)?;
        if let Some(pushed) = known.filter(|known| known.id == id) {
            // It has left the outbox when it was pushed.
            if self.settle(&session.user.id, pushed, Status::SUCCESSFUL).await? {
                self.metrics.messages_delivered.up();
            }
            return Ok(());
        }
        // Rare and large, as what is boxed below is.
        Box::pin(self.fetched(session, id)).await
    }

    /// The domain of a guest has taken a message for him, or never will: this became of it.
    ///
    /// # Errors
    /// The store's failure: it waits still then.
    pub async fn told_elsewhere(&self, guest: &Session, message: &Arc<Message>, outcome: Status) -> Result<(), Error> {
        if self.settle(&guest.user.id, message, outcome).await? && outcome.is_success() {
            self.metrics.messages_delivered.up();
        }
        Ok(())
    }

    /// Ends all messages that wait for a user, with this outcome.
    ///
    /// # Errors
    /// The store's failure: some wait still then.
    pub async fn end_all(&self, user: &UserId, outcome: Status) -> Result<(), Error> {
        let mut range = index_range(user);
        loop {
            let rows = self.store.scan(Space::MessageIndex, range.clone(), Order::Forwards, PAGE).await?;
            let sequences: Vec<u64> = rows.iter().filter_map(|row| index_sequence(&row.key)).collect();
            for waiting in self.load_any(user, &sequences).await?.into_iter().flatten() {
                let message = match waiting {
                    Waiting::Message(message) => Arc::new(message),
                    Waiting::GroupMessage(message) => message,
                    Waiting::Report(_) | Waiting::Notice(_) => continue,
                };
                self.settle(user, &message, outcome).await?;
                self.withdraw_everywhere(user, message.id.sequence()).await;
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => range = range.after(&last.key),
                _ => return Ok(()),
            }
        }
    }

    /// The client has a message that the face does not know of.
    async fn fetched(&self, session: &Session, id: MessageId) -> Result<(), Error> {
        let settled = match self.find(session, id).await {
            // It may be acknowledged for the second time while the first is under way still.
            Ok(message) => self.settle_once(&session.user.id, &message, Status::SUCCESSFUL, true).await,
            // A client that fetched it from a group's history says so too.
            Err(Error::UnknownMessage) if self.in_history(session, id).await?.is_some() => Ok(false),
            Err(error) => Err(error),
        };
        // It was fetched, so it may wait to be offered still.
        if let Ok(_) | Err(Error::UnknownMessage) = &settled {
            self.withdraw(session, id.sequence()).await;
        }
        if settled? {
            self.metrics.messages_delivered.up();
        }
        Ok(())
    }

    /// The client does not want these messages.
    ///
    /// # Errors
    /// The store's failure. Unknown IDs are in the result.
    pub async fn reject(&self, session: &Session, ids: &[Box<str>]) -> Result<ResultInfo, Error> {
        let user = &session.user.id;
        let mut unknown = DetailedResult::of(Status::INVALID_MESSAGE_ID);
        let mut named: Vec<(&Box<str>, u64)> = Vec::with_capacity(ids.len());
        for id in ids {
            match MessageId::parse(id) {
                Some(parsed) => named.push((id, parsed.sequence())),
                None => unknown.message_ids.push(id.clone()),
            }
        }
        // Stable, and each once: a client that names a message twice means it once.
        named.sort_by_key(|(_, sequence)| *sequence);
        named.dedup_by_key(|(_, sequence)| *sequence);
        let sequences: Vec<u64> = named.iter().map(|(_, sequence)| *sequence).collect();
        let now = self.clock.now();
        let found = self.load_any(user, &sequences).await?.into_iter().map(|waiting| match waiting {
            Some(Waiting::Message(message)) if message.expires > now => {
                Some(Arc::new(Message { content: Bytes::new(), ..message }))
            }
            Some(Waiting::GroupMessage(message)) if message.expires > now => Some(message),
            _ => None,
        });
        let settled = join_all(found.map(|message| async move {
            match message {
                Some(message) => self.settle(user, &message, Status::MESSAGE_HAS_BEEN_REJECTED).await,
                None => Ok(false),
            }
        }))
        .await;
        let mut any = false;
        for ((id, sequence), settled) in named.into_iter().zip(settled) {
            if settled? {
                any = true;
                self.metrics.messages_rejected.up();
                // Not offered to the user's other clients either.
                self.withdraw_everywhere(user, sequence).await;
            } else {
                unknown.message_ids.push(id.clone());
            }
        }
        let detailed = if unknown.message_ids.is_empty() { Vec::new() } else { vec![unknown] };
        Ok(ResultInfo::partial(any, detailed))
    }

    /// The client has heard of a report: it is deleted.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn report_acknowledged(&self, report: &Report) -> Result<(), Error> {
        let sequence = report.id.sequence();
        let mut batch = Batch::new();
        if self.has_several_clients(&report.recipient) {
            let row = IndexRow::of_report(report).to_record();
            batch.if_equals(Space::MessageIndex, index_key(&report.recipient, sequence), row);
        }
        delete(&mut batch, sequence, &report.recipient, report.expires, self.clock.now());
        match self.store.commit(batch).await {
            Ok(()) => self.one_less(&report.recipient, 0),
            // Another client of the user was faster.
            Err(StoreError::Condition) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Whether a message that was offered is still to be delivered: what a face asks before it offers it again. When the
    /// store does not answer it is.
    pub async fn is_waiting(&self, session: &Session, message: &Message) -> bool {
        message.expires > self.clock.now()
            && self.is_stored(&session.user.id, message.id.sequence()).await.unwrap_or(true)
    }

    /// A message of this session's user.
    pub(super) async fn find(&self, session: &Session, id: MessageId) -> Result<Arc<Message>, Error> {
        match self.load(&session.user.id, id.sequence()).await? {
            Some(Waiting::Message(message)) if message.expires > self.clock.now() => Ok(Arc::new(message)),
            Some(Waiting::GroupMessage(message)) if message.expires > self.clock.now() => Ok(message),
            _ => Err(Error::UnknownMessage),
        }
    }

    /// A message is not offered to this session any more, not by a fetch from the store either that is under way and saw
    /// it still.
    pub(super) async fn withdraw(&self, session: &Session, sequence: u64) {
        let _fetched = session.refill.lock().await;
        session.outbox().remove(sequence);
    }

    pub(super) fn has_several_clients(&self, user: &UserId) -> bool {
        self.users.loaded(user).is_some_and(|user| user.lock().sessions.len() > 1)
    }

    /// Ends a message's life for this recipient with this outcome; `false` when it ended before. The report, if one is
    /// wanted, is committed with the deletion.
    pub(super) async fn settle(&self, recipient: &UserId, message: &Message, outcome: Status) -> Result<bool, Error> {
        // Whether it is still there matters only where two may end it, or a report would be doubled.
        let is_careful = message.report || outcome != Status::SUCCESSFUL || self.has_several_clients(recipient);
        self.settle_once(recipient, message, outcome, is_careful).await
    }

    /// The same; `is_careful`: the row is looked at, since somebody else may end it as well.
    pub(super) async fn settle_once(
        &self,
        recipient: &UserId,
        message: &Message,
        outcome: Status,
        is_careful: bool,
    ) -> Result<bool, Error> {
        if message.is_to_group() {
            return Box::pin(self.settle_group_message(recipient, message)).await;
        }
        let sequence = message.id.sequence();
        let mut expected = is_careful.then(|| Bytes::from(IndexRow::of_message(message).to_record()));
        for _ in 0..TRIES {
            match self.settle_if(recipient, message, outcome, expected.clone()).await {
                Ok(()) => {}
                Err(StoreError::Condition) => {
                    // Gone; or the row was written otherwise than we would write it today.
                    let key = index_key(recipient, sequence);
                    match Box::pin(self.store.get_one(Space::MessageIndex, key)).await? {
                        Some(row) if Some(&row) != expected.as_ref() => {
                            expected = Some(row);
                            continue;
                        }
                        _ => return Ok(false),
                    }
                }
                Err(error) => return Err(error.into()),
            }
            self.one_less(recipient, message.info.content_size.into());
            if message.shared {
                Box::pin(self.drop_shared(sequence, message.expires)).await;
            }
            return Ok(true);
        }
        Err(StoreError::Busy.into())
    }

    async fn settle_if(
        &self,
        recipient: &UserId,
        message: &Message,
        outcome: Status,
        expected: Option<Bytes>,
    ) -> Result<(), StoreError> {
        let sequence = message.id.sequence();
        let mut batch = Batch::new();
        if let Some(row) = expected {
            batch.if_equals(Space::MessageIndex, index_key(recipient, sequence), row);
        }
        delete(&mut batch, sequence, recipient, message.expires, self.clock.now());
        if !message.report {
            return self.store.commit(batch).await;
        }
        let report = Box::pin(self.report_on(message, outcome)).await;
        let Some(mut report) = report.map(Box::new) else { return self.store.commit(batch).await };
        let commit = self.sequence.next(self.clock.now(), |next| {
            report.put(&mut batch, next, None);
            self.store.commit(batch)
        });
        commit.await?;
        self.offer_reports([*report]);
        Ok(())
    }

    /// One thing less waits for a user, with a content of so many bytes.
    pub(super) fn one_less(&self, user: &UserId, bytes: u64) {
        if let Some(user) = self.users.loaded(user)
            && let Some(waiting) = &mut user.lock().waiting
        {
            waiting.count = waiting.count.saturating_sub(1);
            waiting.bytes = waiting.bytes.saturating_sub(bytes);
        }
    }
}
