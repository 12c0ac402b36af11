//! Notices: what must reach a user though he is not there, and is no message (CSP 16, "Offline store").
//!
//! They stand in the queue of messages and reports, under numbers of the same sequence, so that their order is kept and one
//! mechanism keeps, offers and repeats all three. The first client that acknowledges a notice ends it.

use std::sync::Arc;

use imps_types::element::InviteType;
use imps_types::presence::AttributeSet;
use imps_types::{MessageId, UserId, Version};

use super::Im;
use super::queue::{IndexRow, Records, Waiting, WaitingKind, delete, index_key, index_range, index_sequence};
use crate::clock::Timestamp;
use crate::common;
use crate::error::Error;
use crate::event::{Notice, NoticeContent, SystemNotice};
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Order, Space, StoreError};
use crate::session::Session;
use crate::user::UserState;

/// A notice before it has its number.
#[derive(Clone, Debug, PartialEq)]
pub struct NewNotice {
    /// Who gets it.
    pub recipient: UserId,
    /// What it says.
    pub content: NoticeContent,
    /// When it is of no use any more.
    pub expires: Timestamp,
}

/// Rows of one scan.
const PAGE: usize = 100;

// Numbers of the kinds.
const SYSTEM_MESSAGE: u64 = 1;
const PRESENCE_AUTH: u64 = 10;
const INVITATION: u64 = 20;
const INVITATION_ANSWER: u64 = 21;
const INVITATION_CANCELLED: u64 = 22;

impl NoticeContent {
    /// Whether a client with this session can be told. What is for no client that is there waits for another one.
    pub(crate) fn is_for(&self, session: &Session) -> bool {
        match self {
            // Who knows no system messages gets a message.
            Self::SystemMessage(_) => true,
            Self::PresenceAuth { .. } => crate::presence::agrees_to_be_asked(session),
            // Older versions know no applications.
            Self::Invitation(one) => one.invite_type != InviteType::Application || session.version >= Version::V1_3,
            Self::InvitationAnswer(_) | Self::InvitationCancelled(_) => true,
            #[cfg(test)]
            Self::Probe(text) => *text != session.cookie(),
        }
    }

    /// Writes what it is and what it says: the kind's number first. Numbers are never used again.
    pub(super) fn write(&self, writer: &mut RecordWriter) {
        match self {
            Self::SystemMessage(notice) => {
                writer.number(SYSTEM_MESSAGE).number(notice.number.into());
            }
            #[cfg(test)]
            Self::Probe(text) => {
                writer.number(0).text(text);
            }
            Self::PresenceAuth { watcher, attributes } => {
                writer.number(PRESENCE_AUTH).text(watcher.as_str());
                writer.option(*attributes, |w, set| {
                    w.number(set.bits().into());
                });
            }
            Self::Invitation(one) => common::write_invitation(writer.number(INVITATION), one),
            Self::InvitationAnswer(one) => common::write_answer(writer.number(INVITATION_ANSWER), one),
            Self::InvitationCancelled(one) => common::write_cancelled(writer.number(INVITATION_CANCELLED), one),
        }
    }

    /// Reads it.
    pub(super) fn read(reader: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        match reader.number()? {
            SYSTEM_MESSAGE => Ok(Self::SystemMessage(SystemNotice { number: reader.small()?, said: None })),
            #[cfg(test)]
            0 => Ok(Self::Probe(reader.text()?.into())),
            PRESENCE_AUTH => Ok(Self::PresenceAuth {
                watcher: UserId::from_canonical(reader.text()?),
                attributes: reader.option(|r| r.small().map(AttributeSet::from_bits))?,
            }),
            INVITATION => Ok(Self::Invitation(Box::new(common::read_invitation(reader)?))),
            INVITATION_ANSWER => Ok(Self::InvitationAnswer(Box::new(common::read_answer(reader)?))),
            INVITATION_CANCELLED => Ok(Self::InvitationCancelled(Box::new(common::read_cancelled(reader)?))),
            _ => Err(RecordError("unknown kind of notice")),
        }
    }
}

impl Im<'_> {
    /// Commits a batch and these notices in one step, and then offers the notices; their numbers are in the order of the
    /// notices. With no notices it is just the commit.
    ///
    /// # Errors
    /// The store's failure, a condition of the batch that did not hold included ([`StoreError::Condition`]): nothing
    /// happened then.
    pub(crate) async fn give(&self, batch: Batch, notices: Vec<NewNotice>) -> Result<Vec<MessageId>, Error> {
        self.give_with(notices, |_| batch).await
    }

    /// The same where the batch says which notices belong to what it writes: it is made of their numbers.
    pub(crate) async fn give_with(
        &self,
        notices: Vec<NewNotice>,
        make: impl FnOnce(&[MessageId]) -> Batch,
    ) -> Result<Vec<MessageId>, Error> {
        let now = self.clock.now();
        let mut given: Vec<Notice> = Vec::with_capacity(notices.len());
        let mut records = Vec::with_capacity(notices.len());
        for NewNotice { recipient, content, expires } in notices {
            let notice = Notice { id: MessageId::new(0), recipient, content, expires };
            records.push(Records::of_notice(&notice));
            given.push(notice);
        }
        let commit = self.sequence.next(now, |next| {
            let numbers: Vec<_> = given.iter().map(|_| MessageId::new(next())).collect();
            let mut batch = make(&numbers);
            for ((notice, records), id) in given.iter_mut().zip(records).zip(&numbers) {
                notice.id = *id;
                records.put(&mut batch, id.sequence(), &notice.recipient, notice.expires);
            }
            (numbers, self.store.commit(batch))
        });
        let (numbers, commit) = commit;
        commit.await?;
        for notice in given {
            let recipient = notice.recipient.clone();
            if let Some(user) = self.users.loaded(&recipient) {
                self.offer_notice(&user, &Arc::new(notice));
            }
            self.wake_guest(&recipient);
        }
        Ok(numbers)
    }

    /// Puts a committed notice into the outbox of each session that can be told.
    fn offer_notice(&self, user: &UserState, notice: &Arc<Notice>) {
        for session in super::offer::waits_for(user, 0) {
            if notice.content.is_for(&session) {
                let (most, bytes) = (self.config.outbox_max, self.config.outbox_bytes);
                let wake = session.outbox().notice(notice.clone(), most, bytes);
                if wake {
                    session.wake();
                }
            }
        }
    }

    /// A notice that became pointless: what removes it is added to the batch, and no client is offered it any more. One
    /// that was offered and not acknowledged is not repeated once the batch is committed.
    pub(crate) async fn take_back(&self, batch: &mut Batch, recipient: &UserId, id: MessageId, expires: Timestamp) {
        // A client may have acknowledged it long ago.
        if self.is_stored(recipient, id.sequence()).await.unwrap_or(true) {
            delete(batch, id.sequence(), recipient, expires, self.clock.now());
            self.withdraw_everywhere(recipient, id.sequence()).await;
            self.one_less(recipient, 0);
        }
    }

    /// Whether no client has acknowledged a notice yet.
    ///
    /// # Errors
    /// The store's failure.
    pub(crate) async fn is_unheard(&self, recipient: &UserId, id: MessageId) -> Result<bool, Error> {
        self.is_stored(recipient, id.sequence()).await
    }

    /// Whether a client that is there may have been told of a notice already.
    pub(crate) fn was_offered(&self, recipient: &UserId, id: MessageId) -> bool {
        let Some(user) = self.users.loaded(recipient) else { return false };
        user.sessions().iter().any(|session| !session.outbox().is_still_to_come(id.sequence()))
    }

    /// A client has heard of a notice: it is deleted.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn notice_acknowledged(&self, notice: &Notice) -> Result<(), Error> {
        let sequence = notice.id.sequence();
        let mut batch = Batch::new();
        // It may have been taken back, or another client of the user was faster.
        let row = IndexRow::of_notice(notice).to_record();
        batch.if_equals(Space::MessageIndex, index_key(&notice.recipient, sequence), row);
        delete(&mut batch, sequence, &notice.recipient, notice.expires, self.clock.now());
        match self.store.commit(batch).await {
            Ok(()) => {
                self.one_less(&notice.recipient, 0);
                self.withdraw_everywhere(&notice.recipient, sequence).await;
            }
            Err(StoreError::Condition) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// What the client can be told has become more or less, so the notices that wait are looked at again: those that it
    /// can be told now are offered, and those that it cannot are not. Call it when that has changed.
    pub(crate) async fn look_again(&self, session: &Session) {
        // Who fetches meanwhile would offer the same.
        let _fetched = session.refill.lock().await;
        let waiting = session.outbox().notices();
        for notice in waiting.into_iter().filter(|notice| !notice.content.is_for(session)) {
            session.outbox().remove(notice.id.sequence());
        }
        match self.waiting_notices(&session.user.id, |_| true).await {
            Ok(notices) => {
                for notice in notices.into_iter().filter(|notice| notice.content.is_for(session)) {
                    session.outbox().notice_again(Arc::new(notice), self.config.outbox_max);
                }
                session.wake();
            }
            // They are found by the user's next session.
            Err(error) => tracing::warn!(user = %session.user.id, %error, "notices that wait cannot be read"),
        }
    }

    /// The notices of this kind that wait for a user.
    ///
    /// # Errors
    /// The store's failure.
    pub(crate) async fn waiting_notices(
        &self,
        user: &UserId,
        is_meant: impl Fn(&NoticeContent) -> bool,
    ) -> Result<Vec<Notice>, Error> {
        let mut found = Vec::new();
        let mut range = index_range(user);
        loop {
            let rows = self.store.scan(Space::MessageIndex, range.clone(), Order::Forwards, PAGE).await?;
            let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(found) };
            let is_notice =
                |row: &&crate::seam::Row| IndexRow::read(&row.value).is_ok_and(|row| row.kind == WaitingKind::Notice);
            let notices: Vec<u64> = rows.iter().filter(is_notice).filter_map(|row| index_sequence(&row.key)).collect();
            for waiting in self.load_all(user, &notices).await?.into_iter().flatten() {
                if let Waiting::Notice(notice) = waiting
                    && is_meant(&notice.content)
                {
                    found.push(notice);
                }
            }
            if rows.len() < PAGE {
                return Ok(found);
            }
            range = range.after(&last);
        }
    }

    /// Whether a notice that was offered is still to be acknowledged: what a face asks before it offers it again. When
    /// the store does not answer it is.
    pub async fn is_notice_waiting(&self, notice: &Notice) -> bool {
        notice.expires > self.clock.now()
            && self.is_stored(&notice.recipient, notice.id.sequence()).await.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::testing::{World, user};
    use std::time::Duration;

    fn notice(world: &World, name: &str, text: &str) -> NewNotice {
        let expires = world.services.clock.now().plus(Duration::from_secs(60));
        NewNotice { recipient: user(name), content: NoticeContent::Probe(text.into()), expires }
    }

    async fn next(world: &World, session: &Session) -> Option<Arc<Notice>> {
        match world.services.im().next_event(session).await {
            Some(Event::Notice(notice)) => Some(notice),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    fn says(notice: &Notice) -> &str {
        match &notice.content {
            NoticeContent::Probe(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn it_waits_for_whoever_is_not_there_and_ends_with_the_first_acknowledgement() {
        let world = World::of(&["alice"]).await;
        let im = world.services.im();
        im.give(Batch::new(), vec![notice(&world, "alice", "one"), notice(&world, "alice", "two")]).await.unwrap();
        let world = world.restarted().await;
        let im = world.services.im();
        let first = world.login("alice").await;
        let second = world.login_as("alice", "other", Version::V1_2).await;
        let one = next(&world, &first).await.unwrap();
        assert_eq!(says(&one), "one");
        im.notice_acknowledged(&one).await.unwrap();
        assert!(!im.is_notice_waiting(&one).await);
        let two = next(&world, &second).await.unwrap();
        assert_eq!(says(&two), "two", "the other client is not told what this one has acknowledged");
        assert_eq!(says(&next(&world, &first).await.unwrap()), "two");
        im.notice_acknowledged(&two).await.unwrap();
        im.notice_acknowledged(&two).await.unwrap();
        let third = world.login_as("alice", "third", Version::V1_2).await;
        assert!(next(&world, &third).await.is_none());
    }

    #[tokio::test]
    async fn one_that_no_client_there_can_be_told_waits() {
        let world = World::of(&["alice"]).await;
        let alice = world.login("alice").await;
        // A probe is not for sessions with this cookie.
        world.services.im().give(Batch::new(), vec![notice(&world, "alice", "cookie")]).await.unwrap();
        world.services.im().give(Batch::new(), vec![notice(&world, "alice", "other")]).await.unwrap();
        assert_eq!(says(&next(&world, &alice).await.unwrap()), "other");
        assert!(next(&world, &alice).await.is_none());
        assert_eq!(world.services.im().waiting_messages(&user("alice"), None, 10).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn it_is_taken_back_and_it_expires() {
        let world = World::of(&["alice"]).await;
        let im = world.services.im();
        let alice = world.login("alice").await;
        let given = notice(&world, "alice", "one");
        let ids = im.give(Batch::new(), vec![given.clone(), notice(&world, "alice", "two")]).await.unwrap();
        let mut batch = Batch::new();
        im.take_back(&mut batch, &user("alice"), ids[0], given.expires).await;
        world.services.store.commit(batch).await.unwrap();
        assert_eq!(says(&next(&world, &alice).await.unwrap()), "two");
        world.services.clock.advance(Duration::from_secs(61));
        world.services.sweep().await;
        assert!(im.waiting_messages(&user("alice"), None, 10).await.unwrap().is_empty());
        let again = world.login_as("alice", "again", Version::V1_2).await;
        assert!(next(&world, &again).await.is_none());
    }

    #[tokio::test]
    async fn it_is_committed_with_what_it_tells_of_or_not_at_all() {
        let world = World::of(&["alice"]).await;
        let alice = world.login("alice").await;
        let mut batch = Batch::new();
        batch.if_absent(Space::Server, "x").put(Space::Server, "x", "y");
        let im = world.services.im();
        im.give(batch.clone(), vec![notice(&world, "alice", "one")]).await.unwrap();
        let again = im.give(batch, vec![notice(&world, "alice", "two")]).await;
        assert_eq!(again, Err(Error::Store(StoreError::Condition)));
        assert_eq!(says(&next(&world, &alice).await.unwrap()), "one");
        assert!(next(&world, &alice).await.is_none());
    }
}
