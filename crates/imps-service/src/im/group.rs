//! Messages to groups: one body and one end of validity for all who have joined, and a small row of the index for each.
//!
//! In memory they are one message too, which stands in the outbox of every receiver. A receiver is joined when the message
//! is committed; it is offered to those of his sessions that have joined, and to one that joins again while it waits. The
//! body goes with its last receiver, or with the end of its validity, unless the group keeps a history.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use imps_types::element::{Group, MessageInfo};
use imps_types::{Address, GroupId, MessageId, Status, UserId};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::Im;
use super::fetch::written_size;
use super::queue::{
    IndexRow, Waiting, group_body_key, group_expiry_key, index_key, index_range, index_sequence, message_record,
    read_body,
};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::{Kept, Message};
use crate::group::{GroupError, GroupState, history_key, history_range, history_sequence};
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, KeyRange, Order, Space, StoreError};
use crate::session::Session;
use crate::user::UserState;

/// Rows of one scan.
const PAGE: usize = 100;

/// Messages to groups that somebody has in memory, and how many receivers of each are still to be served.
#[derive(Default)]
pub(crate) struct GroupBodies(Mutex<FxHashMap<(u64, GroupId), Known>>);

struct Known {
    message: Weak<Message>,
    /// Receivers who have not acknowledged it; none: it was sent before the server was started, and nobody counts.
    left: Option<usize>,
}

impl GroupBodies {
    fn sent(&self, message: &Arc<Message>, group: &GroupId, receivers: usize) {
        let known = Known { message: Arc::downgrade(message), left: Some(receivers) };
        self.0.lock().insert((message.id.sequence(), group.clone()), known);
    }

    /// The message, if somebody has it.
    fn find(&self, sequence: u64, group: &GroupId) -> Option<Arc<Message>> {
        self.0.lock().get(&(sequence, group.clone()))?.message.upgrade()
    }

    /// It was read; whoever was faster wins.
    fn loaded(&self, message: Message, group: &GroupId) -> Arc<Message> {
        let mut known = self.0.lock();
        let one = known
            .entry((message.id.sequence(), group.clone()))
            .or_insert_with(|| Known { message: Weak::new(), left: None });
        if let Some(message) = one.message.upgrade() {
            return message;
        }
        let message = Arc::new(message);
        one.message = Arc::downgrade(&message);
        message
    }

    /// One receiver less. Whether that was the last.
    fn served(&self, sequence: u64, group: &GroupId) -> bool {
        let mut known = self.0.lock();
        let key = (sequence, group.clone());
        let Some(left) = known.get_mut(&key).and_then(|one| one.left.as_mut()) else { return false };
        *left = left.saturating_sub(1);
        let was_last = *left == 0;
        if was_last {
            known.remove(&key);
        }
        was_last
    }

    fn forget(&self, sequence: u64, group: &GroupId) {
        self.0.lock().remove(&(sequence, group.clone()));
    }

    /// Lets go of what nobody has in memory and nobody counts.
    pub(crate) fn tidy(&self) {
        self.0.lock().retain(|_, one| one.left.is_some() || one.message.strong_count() > 0);
    }
}

/// A message to one group, from the choice of its receivers to their outboxes.
pub(super) struct ToGroup {
    pub(super) group: Arc<GroupState>,
    /// The sender's screen name.
    pub(super) sender: Group,
    /// Who had joined, all but the sender and those who do not want to hear of him.
    pub(super) receivers: Vec<Arc<UserState>>,
    pub(super) keeps_history: bool,
}

/// What is written of it; it is made before its number is taken.
pub(super) struct GroupRecords {
    body: Bytes,
    index: Bytes,
    receivers: Bytes,
}

impl ToGroup {
    /// Whether anything of it is stored.
    pub(super) fn is_kept(&self) -> bool {
        self.keeps_history || !self.receivers.is_empty()
    }

    pub(super) fn records(&self, message: &Message) -> GroupRecords {
        let mut receivers = RecordWriter::with_capacity(1, 8 + self.receivers.len() * 24);
        receivers.list(self.receivers.iter(), |writer, user| {
            writer.text(user.id.as_str());
        });
        GroupRecords {
            body: message_record(message).into(),
            index: IndexRow::of_message(message).to_record().into(),
            receivers: receivers.done().into(),
        }
    }

    /// Adds the rows.
    pub(super) fn put(&self, records: &GroupRecords, batch: &mut Batch, sequence: u64, expires: Timestamp) {
        if !self.is_kept() {
            return;
        }
        let group = &self.group.id;
        batch.put(Space::Messages, group_body_key(sequence, group), records.body.clone());
        batch.put(Space::MessageExpiry, group_expiry_key(expires, sequence, group), records.receivers.clone());
        for user in &self.receivers {
            batch.put(Space::MessageIndex, index_key(&user.id, sequence), records.index.clone());
        }
        if self.keeps_history {
            batch.put(Space::GroupHistory, history_key(group, sequence), history_record(expires));
        }
    }
}

fn history_record(expires: Timestamp) -> Vec<u8> {
    let mut writer = RecordWriter::new(1);
    writer.number(expires.0);
    writer.done()
}

/// Who had joined when a message was sent.
fn read_receivers(record: &[u8]) -> Result<Vec<UserId>, RecordError> {
    let (mut reader, _) = RecordReader::new(record, 1)?;
    reader.list(|reader| Ok(UserId::from_canonical(reader.text()?)))
}

/// Adds the deletion of the body of a message to a group; the end of its validity finds nothing then.
pub(crate) fn delete_group_body(batch: &mut Batch, group: &GroupId, sequence: u64) {
    batch.delete(Space::Messages, group_body_key(sequence, group));
}

impl Im<'_> {
    /// The body of a message to a group: the one that others have already, or from the store.
    pub(super) async fn group_message(&self, sequence: u64, group: &GroupId) -> Result<Option<Arc<Message>>, Error> {
        if let Some(message) = self.group_bodies.find(sequence, group) {
            return Ok(Some(message));
        }
        let Some(record) = self.store.get_one(Space::Messages, group_body_key(sequence, group)).await? else {
            return Ok(None);
        };
        let nobody = UserId::from_canonical("");
        match read_body(sequence, &nobody, &record) {
            Ok(Waiting::Message(message)) => {
                let message = Message { kept: Kept::for_many(), ..message };
                Ok(Some(self.group_bodies.loaded(message, group)))
            }
            Ok(_) => Ok(None),
            Err(error) => {
                // One damaged row must not stand before all that come after it.
                tracing::warn!(%group, %error, "a message to a group is left out");
                Ok(None)
            }
        }
    }

    /// A committed message reaches the outboxes of those who have joined.
    pub(super) fn offer_to_group(&self, to: &ToGroup, message: &Arc<Message>) {
        if !to.receivers.is_empty() {
            self.group_bodies.sent(message, &to.group.id, to.receivers.len());
        }
        for user in &to.receivers {
            self.offer(user, message.clone());
        }
    }

    /// Ends a message to a group for one receiver; `false` when it ended before.
    pub(super) async fn settle_group_message(&self, recipient: &UserId, message: &Message) -> Result<bool, Error> {
        let sequence = message.id.sequence();
        let key = index_key(recipient, sequence);
        let group = message.group().map(GroupId::from_canonical).unwrap_or_else(|| GroupId::from_canonical(""));
        let mut batch = Batch::new();
        // Only who takes the row away is counted: else the body might go before the last receiver has it.
        batch.if_equals(Space::MessageIndex, key.clone(), IndexRow::of_message(message).to_record());
        batch.delete(Space::MessageIndex, key.clone());
        match self.store.commit(batch).await {
            Ok(()) => {}
            Err(StoreError::Condition) => {
                let Some(row) = self.store.get_one(Space::MessageIndex, key.clone()).await? else { return Ok(false) };
                // Written otherwise than we would write it today.
                let mut batch = Batch::new();
                batch.if_equals(Space::MessageIndex, key.clone(), row);
                batch.delete(Space::MessageIndex, key);
                match self.store.commit(batch).await {
                    Ok(()) => {}
                    Err(StoreError::Condition) => return Ok(false),
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
        self.one_less(recipient, message.info.content_size.into());
        self.group_message_served(sequence, &group, message.expires).await;
        Ok(true)
    }

    /// One receiver less: with the last one the body goes.
    pub(super) async fn group_message_served(&self, sequence: u64, group: &GroupId, expires: Timestamp) {
        if !self.group_bodies.served(sequence, group) {
            return;
        }
        // What the history has, or what cannot be told, goes with the end of its validity at the earliest.
        if !matches!(self.store.get_one(Space::GroupHistory, history_key(group, sequence)).await, Ok(None)) {
            return;
        }
        let mut batch = Batch::new();
        delete_group_body(&mut batch, group, sequence);
        batch.delete(Space::MessageExpiry, group_expiry_key(expires, sequence, group));
        if let Err(error) = self.store.commit(batch).await {
            tracing::warn!(%error, "the body of a message to a group could not be removed");
        }
    }

    /// The validity of a message to a group has ended: it waits for nobody any more.
    pub(super) async fn end_group_message(
        &self,
        key: &Key,
        sequence: u64,
        group: &GroupId,
        receivers: &[u8],
    ) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.delete(Space::MessageExpiry, key.clone());
        let receivers = read_receivers(receivers).unwrap_or_default();
        for user in &receivers {
            batch.delete(Space::MessageIndex, index_key(user, sequence));
        }
        if self.store.get_one(Space::GroupHistory, history_key(group, sequence)).await?.is_none() {
            delete_group_body(&mut batch, group, sequence);
        }
        self.store.commit(batch).await?;
        self.group_bodies.forget(sequence, group);
        for user in receivers.iter().filter_map(|user| self.users.loaded(user)) {
            // For some it was the end, others had it: it is counted anew when somebody asks.
            let sessions = {
                let mut inner = user.lock();
                inner.waiting = None;
                inner.sessions.clone()
            };
            for session in sessions {
                session.outbox().remove(sequence);
            }
        }
        Ok(())
    }

    /// A session has joined a group: what waits for its user of that group, with numbers up to this one, is offered to it.
    /// He missed it while none of his sessions was there.
    pub(crate) async fn offer_missed(&self, session: &Session, group: &GroupId, until: u64) {
        match self.waiting_of_group(&session.user.id, group).await {
            Ok(rows) if rows.is_empty() => {}
            Ok(mut rows) => {
                rows.retain(|(sequence, _)| *sequence <= until);
                // What does not fit waits for the next time.
                rows.truncate(self.config.outbox_max);
                match self.load_rows(&session.user.id, &rows).await {
                    Ok(found) => {
                        for waiting in found.into_iter().flatten() {
                            match waiting {
                                Waiting::Message(message) => session.outbox().restore(Arc::new(message)),
                                Waiting::GroupMessage(message) => session.outbox().restore(message),
                                Waiting::Report(_) | Waiting::Notice(_) => {}
                            }
                        }
                        session.wake();
                    }
                    Err(error) => tracing::warn!(%error, "messages of a group cannot be read"),
                }
            }
            Err(error) => tracing::warn!(%error, "messages of a group cannot be read"),
        }
    }

    /// The rows of what waits for a user of one group.
    async fn waiting_of_group(&self, user: &UserId, group: &GroupId) -> Result<Vec<(u64, IndexRow)>, Error> {
        let mut found = Vec::new();
        let mut range: KeyRange = index_range(user);
        loop {
            let rows = self.store.scan(Space::MessageIndex, range.clone(), Order::Forwards, PAGE).await?;
            for row in &rows {
                let (Some(sequence), Ok(index)) = (index_sequence(&row.key), IndexRow::read(&row.value)) else {
                    continue;
                };
                if index.group.as_ref() == Some(group) {
                    found.push((sequence, index));
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => range = range.after(&last.key),
                _ => return Ok(found),
            }
        }
    }

    /// A user has left a group, or was forced out: nothing of it waits for him any more. What cannot be removed now goes
    /// with the end of its validity; it is offered to nobody who has not joined.
    pub(crate) async fn drop_group_messages(&self, user: &UserId, group: &GroupId) {
        if let Err(error) = self.try_drop_group_messages(user, group).await {
            tracing::warn!(%user, %group, %error, "messages of a group could not be removed");
        }
    }

    async fn try_drop_group_messages(&self, user: &UserId, group: &GroupId) -> Result<(), Error> {
        let rows = self.waiting_of_group(user, group).await?;
        for waiting in self.load_rows(user, &rows).await?.into_iter().flatten() {
            let message = match waiting {
                Waiting::GroupMessage(message) => message,
                Waiting::Message(message) => Arc::new(message),
                Waiting::Report(_) | Waiting::Notice(_) => continue,
            };
            self.settle(user, &message, Status::UNABLE_TO_DELIVER).await?;
            self.withdraw_everywhere(user, message.id.sequence()).await;
        }
        Ok(())
    }

    /// The messages that a group keeps, the last `most` of them, oldest first; no more than a client can parse.
    pub(super) async fn history(
        &self,
        session: &Session,
        group: &Address,
        most: usize,
        mut room: usize,
    ) -> Result<Vec<MessageInfo>, Error> {
        let group = self.group().find(group)?;
        if !session.has_joined(group.id.as_str()) {
            return Err(GroupError::NotJoined.into());
        }
        if !group.keeps_history() {
            return Err(Error::NoHistory);
        }
        let most = most.min(self.config.group_history_max);
        let rows = self.store.scan(Space::GroupHistory, history_range(&group.id), Order::Backwards, most).await?;
        let mut infos = Vec::new();
        for sequence in rows.iter().filter_map(|row| history_sequence(&row.key)) {
            let Some(message) = self.group_message(sequence, &group.id).await? else { continue };
            let size = written_size(&message.info);
            if size > room && !infos.is_empty() {
                break;
            }
            room = room.saturating_sub(size);
            infos.push(message.info.clone());
        }
        infos.reverse();
        Ok(infos)
    }

    /// How many messages are in the history of a group that the session has joined.
    pub(super) async fn history_count(&self, session: &Session, group: &Address) -> Result<u32, Error> {
        let group = self.group().find(group)?;
        if !session.has_joined(group.id.as_str()) {
            return Err(GroupError::NotJoined.into());
        }
        if !group.keeps_history() {
            return Err(Error::NoHistory);
        }
        let most = self.config.group_history_max;
        let rows = self.store.scan(Space::GroupHistory, history_range(&group.id), Order::Backwards, most).await?;
        Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
    }

    /// A message in the history of a group that the session has joined.
    pub(super) async fn in_history(&self, session: &Session, id: MessageId) -> Result<Option<Arc<Message>>, Error> {
        for group in session.joined_groups() {
            let key = history_key(&group.id, id.sequence());
            if group.keeps_history() && self.store.get_one(Space::GroupHistory, key).await?.is_some() {
                return self.group_message(id.sequence(), &group.id).await;
            }
        }
        Ok(None)
    }

    /// After a message was added to a group's history: the oldest goes when there are too many.
    pub(super) async fn trim_history(&self, group: &GroupState) {
        if let Err(error) = self.try_trim_history(group).await {
            tracing::warn!(group = %group.id, %error, "the history of a group could not be shortened");
        }
    }

    async fn try_trim_history(&self, group: &GroupState) -> Result<(), Error> {
        let most = self.config.group_history_max;
        let count = match group.count_history() {
            Some(count) => count,
            None => {
                // Counted for the first time since the server was started.
                let range = history_range(&group.id);
                self.store.scan(Space::GroupHistory, range, Order::Forwards, usize::MAX).await?.len()
            }
        };
        group.set_history(count.min(most));
        let over = count.saturating_sub(most);
        if over == 0 {
            return Ok(());
        }
        let rows = self.store.scan(Space::GroupHistory, history_range(&group.id), Order::Forwards, over).await?;
        let now = self.clock.now();
        let mut batch = Batch::new();
        for row in &rows {
            batch.delete(Space::GroupHistory, row.key.clone());
            let expires = RecordReader::new(&row.value, 1).and_then(|(mut reader, _)| reader.number());
            // While it is valid somebody may wait for it; then the end of its validity takes the body away.
            if let (Some(sequence), Ok(expires)) = (history_sequence(&row.key), expires)
                && Timestamp(expires) <= now
            {
                delete_group_body(&mut batch, &group.id, sequence);
            }
        }
        Ok(self.store.commit(batch).await?)
    }
}
