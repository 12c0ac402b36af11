//! What a client did with a message: delivered, rejected; and what it has heard of: reports (CSP 12.2 to 12.4).

use std::sync::Arc;

use imps_types::element::{DetailedResult, ResultInfo};
use imps_types::{Address, MessageId, Status, UserId};

use super::Im;
use super::queue::{IndexRow, Waiting, delete, index_key, put_report};
use crate::error::Error;
use crate::event::{Message, Report};
use crate::seam::{Batch, Space, StoreError};
use crate::session::Session;

impl Im<'_> {
    /// The client has the message: it is deleted, and its sender told if he wants to know. `known` is the message where the
    /// face still has it.
    ///
    /// # Errors
    /// `UnknownMessage` when no such message waits for this user, or the store's failure: the message is there still then.
    pub async fn delivered(&self, session: &Session, id: &str, known: Option<&Arc<Message>>) -> Result<(), Error> {
        let message = self.find(session, id, known).await?;
        if self.settle(&message, Status::SUCCESSFUL).await? {
            self.metrics.messages_delivered.up();
        }
        Ok(())
    }

    /// The client does not want these messages.
    ///
    /// # Errors
    /// The store's failure. Unknown IDs are in the result.
    pub async fn reject(&self, session: &Session, ids: &[Box<str>]) -> Result<ResultInfo, Error> {
        let mut unknown = DetailedResult::of(Status::INVALID_MESSAGE_ID);
        let mut any = false;
        for id in ids {
            match self.find(session, id, None).await {
                Ok(message) => {
                    any = true;
                    if self.settle(&message, Status::MESSAGE_HAS_BEEN_REJECTED).await? {
                        self.metrics.messages_rejected.up();
                    }
                    // Not offered to the user's other clients either.
                    for other in session.user.sessions() {
                        other.outbox().remove(message.id.sequence());
                    }
                }
                Err(Error::UnknownMessage) => unknown.message_ids.push(id.clone()),
                Err(error) => return Err(error),
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
        let mut batch = Batch::new();
        delete(&mut batch, report.id.sequence(), &report.recipient, report.expires);
        self.store.commit(batch).await?;
        self.one_less(&report.recipient);
        Ok(())
    }

    /// A message of this session's user.
    pub(super) async fn find(
        &self,
        session: &Session,
        id: &str,
        known: Option<&Arc<Message>>,
    ) -> Result<Arc<Message>, Error> {
        let id = MessageId::parse(id).ok_or(Error::UnknownMessage)?;
        if let Some(known) = known.filter(|known| known.id == id) {
            return Ok(known.clone());
        }
        match self.load(&session.user.id, id.sequence()).await? {
            Some(Waiting::Message(message)) if message.expires > self.clock.now() => Ok(Arc::new(message)),
            _ => Err(Error::UnknownMessage),
        }
    }

    /// Ends a message's life with this outcome; `false` when another client of the user was faster. The report, if one is
    /// wanted, is committed with the deletion.
    pub(super) async fn settle(&self, message: &Message, outcome: Status) -> Result<bool, Error> {
        let sequence = message.id.sequence();
        let shared =
            IndexRow { is_message: true, size: message.content.len() as u64, expires: message.expires, shared: true };
        let index = self.store.get_one(Space::MessageIndex, index_key(&message.recipient, sequence));
        // Whether it is still there matters only where two clients may answer, or a report would be doubled.
        let several = self.users.loaded(&message.recipient).is_some_and(|user| user.lock().sessions.len() > 1);
        let careful = message.report || several || outcome != Status::SUCCESSFUL;
        let mut batch = Batch::new();
        let mut is_shared = message.content.len() > 1024;
        if careful || is_shared {
            let Some(row) = index.await? else { return Ok(false) };
            is_shared = IndexRow::read(&row).is_ok_and(|row| row == shared);
            batch.if_equals(Space::MessageIndex, index_key(&message.recipient, sequence), row);
        }
        delete(&mut batch, sequence, &message.recipient, message.expires);
        let sender = if message.report { self.report_recipient(message).await } else { None };
        let (committed, report) = match &sender {
            None => (self.store.commit(batch).await, None),
            Some(sender) => {
                let now = self.clock.now();
                let (commit, report) = self.sequence.next(now, |next| {
                    let report = Report {
                        id: MessageId::new(next()),
                        recipient: sender.clone(),
                        result: outcome,
                        time: now.date_time(),
                        info: message.info.clone(),
                        expires: now.plus(self.config.validity_default),
                    };
                    put_report(&mut batch, &report);
                    (self.store.commit(batch), report)
                });
                (commit.await, Some(Arc::new(report)))
            }
        };
        match committed {
            Ok(()) => {}
            Err(StoreError::Condition) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.one_less(&message.recipient);
        if is_shared {
            self.drop_shared(sequence).await;
        }
        if let Some(report) = report {
            self.metrics.reports.up();
            if let Some(user) = self.users.loaded(&report.recipient) {
                if let Some(waiting) = &mut user.lock().waiting {
                    *waiting += 1;
                }
                self.offer_report(&user, &report);
            }
        }
        Ok(true)
    }

    /// Who gets the report: the sender, if he is still there and one of ours.
    async fn report_recipient(&self, message: &Message) -> Option<UserId> {
        let sender = self.router.local_user(&Address::from(&message.sender)).ok()?;
        self.user_exists(&sender).await.unwrap_or(false).then_some(sender)
    }

    fn one_less(&self, user: &UserId) {
        if let Some(user) = self.users.loaded(user)
            && let Some(waiting) = &mut user.lock().waiting
        {
            *waiting = waiting.saturating_sub(1);
        }
    }
}
