//! Reactive authorisation (CSP 9): where no attribute list decides, the publisher is asked, and what he answers holds.
//!
//! ```text
//!   nothing ──(W subscribes)──> question ──(P decides)──> granted, denied ──(P cancels)──> nothing
//!                                  └──(W unsubscribes, P cancels, an attribute list decides)──> as before
//! ```
//!
//! A question is a notice that waits for the publisher's clients; that one of them has acknowledged it does not answer it.
//! 1.3 has no primitive for an answer: there an attribute list for the watcher is one.
//!
//! What lies between a watcher and his publishers is guarded by one lock of the watcher ([`Pairs`]): a subscription
//! concerns one watcher and many publishers, a decision one of each.

use imps_types::element::{NotificationType, ReactiveAuthState};
use imps_types::presence::AttributeSet;
use imps_types::service_tree::Function;
use imps_types::{Address, MessageId, Service, Slot, UserId, Version};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

use super::Presence;
use super::authorisation::Decision;
use super::outcomes::Outcomes;
use crate::Error;
use crate::clock::Timestamp;
use crate::event::NoticeContent;
use crate::im::NewNotice;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, Row, Space};
use crate::session::Session;
use crate::user::{UserInner, UserState};

const STRIPES: usize = 64;
/// Questions that nobody answered in time, of which so many go at once where there is no room for a new one.
const FORGOTTEN_AT_ONCE: usize = 16;

/// Locks of watchers, each shared by some. Taken behind a user's `change`; nobody holds two.
pub struct Pairs(Box<[Mutex<()>]>);

impl Default for Pairs {
    fn default() -> Self {
        Self((0..STRIPES).map(|_| Mutex::default()).collect())
    }
}

impl Pairs {
    pub(super) async fn lock(&self, watcher: &UserId) -> MutexGuard<'_, ()> {
        // The index is below the number of stripes.
        self.0[usize::from(Slot::of(watcher.as_str()).number()) % STRIPES].lock().await
    }
}

/// What the publisher is asked about a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    attributes: AttributeSet,
    notice: MessageId,
    expires: Timestamp,
}

impl Question {
    /// Whether the publisher may answer it still.
    fn waits(&self, now: Timestamp) -> bool {
        self.expires > now
    }
}

/// What a publisher decided about a watcher, and what he is asked. No attribute is granted and denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Reactive {
    granted: AttributeSet,
    denied: AttributeSet,
    question: Option<Question>,
}

/// All attributes are meant also when a later version knows more.
const ALL_BITS: u64 = u32::MAX as u64;

fn write_set(writer: &mut RecordWriter, set: AttributeSet) {
    writer.number(if set == AttributeSet::ALL { ALL_BITS } else { set.bits().into() });
}

fn read_set(reader: &mut RecordReader<'_>) -> Result<AttributeSet, RecordError> {
    reader.small().map(AttributeSet::from_bits)
}

impl Reactive {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn decided(&self) -> AttributeSet {
        self.granted.or(self.denied)
    }

    /// Whether there is nothing but a question that nobody answered in time.
    fn is_over(&self, now: Timestamp) -> bool {
        self.decided().is_empty() && self.question.is_some_and(|question| !question.waits(now))
    }

    /// The attributes are decided anew, the others stay as they were; the question is answered.
    fn decide(self, accept: bool, attributes: AttributeSet) -> Self {
        let (granted, denied) = (self.granted.without(attributes), self.denied.without(attributes));
        match accept {
            true => Self { granted: granted.or(attributes), denied, question: None },
            false => Self { granted, denied: denied.or(attributes), question: None },
        }
    }

    fn to_record(self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        write_set(&mut writer, self.granted);
        write_set(&mut writer, self.denied);
        writer.option(self.question, |w, question| {
            write_set(w, question.attributes);
            w.number(question.notice.sequence()).number(question.expires.0);
        });
        writer.done()
    }

    fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let (granted, denied) = (read_set(&mut reader)?, read_set(&mut reader)?);
        let question = reader.option(|r| {
            let attributes = read_set(r)?;
            Ok(Question { attributes, notice: MessageId::new(r.number()?), expires: Timestamp(r.number()?) })
        })?;
        Ok(Self { granted, denied, question })
    }
}

pub(super) fn authorisation_key(publisher: &UserId, watcher: &UserId) -> Key {
    Key::build().text(publisher.as_str()).text(watcher.as_str()).done()
}

/// What a publisher decided about watchers, and what he is asked.
#[derive(Debug, Default)]
pub(super) struct ReactiveStates(FxHashMap<UserId, Reactive>);

impl ReactiveStates {
    pub(super) fn read(rows: &[Row]) -> Result<Self, RecordError> {
        let mut states = FxHashMap::default();
        for row in rows {
            let mut parts = row.key.read();
            let (_, watcher) = (parts.text(), parts.text().ok_or(RecordError("key of an authorisation"))?);
            states.insert(UserId::from_canonical(&watcher), Reactive::from_record(&row.value)?);
        }
        Ok(Self(states))
    }

    /// What the watcher may see because the publisher was asked and said so.
    pub(super) fn granted(&self, watcher: &UserId) -> AttributeSet {
        self.0.get(watcher).map_or(AttributeSet::EMPTY, |state| state.granted)
    }

    /// Everything granted, for those who are granted something.
    pub(super) fn grants(&self) -> impl Iterator<Item = (&UserId, AttributeSet)> {
        self.0.iter().map(|(watcher, state)| (watcher, state.granted)).filter(|(_, granted)| !granted.is_empty())
    }

    fn set(&mut self, watcher: &UserId, state: Reactive) {
        if state.is_empty() {
            self.0.remove(watcher);
        } else {
            self.0.insert(watcher.clone(), state);
        }
        if self.0.is_empty() {
            self.0 = FxHashMap::default();
        }
    }
}

/// What was decided about somebody, for *GetReactiveAuthStatus*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorisationStatus {
    /// The watcher.
    pub watcher: UserId,
    /// Granted, denied, or not answered yet.
    pub state: ReactiveAuthState,
    /// About which attributes; `None`: all.
    pub attributes: Option<AttributeSet>,
}

/// `None` for all attributes, which are not enumerated.
fn unless_all(set: AttributeSet) -> Option<AttributeSet> {
    Some(set).filter(|set| *set != AttributeSet::ALL)
}

impl Presence<'_> {
    /// Asks publishers who decided nothing about what this watcher wants of them. The watcher's `change` is held, so that
    /// his subscriptions and his questions are of one order.
    pub(super) async fn ask(&self, watcher: &UserId, wanted: &[(Arc<UserState>, AttributeSet)]) -> Result<(), Error> {
        // Who is kept elsewhere is asked there.
        let wanted: Vec<_> = wanted.iter().filter(|(publisher, _)| !self.is_abroad(publisher)).cloned().collect();
        let wanted = wanted.as_slice();
        for (publisher, wanted) in wanted {
            self.tell_who_wants_more(publisher, watcher, *wanted);
        }
        for (publisher, _) in wanted {
            self.make_room(publisher, watcher).await?;
        }
        // Most have decided, and need no lock to say so.
        if !wanted.iter().any(|(publisher, wanted)| self.asks(publisher, watcher, *wanted).is_some()) {
            return Ok(());
        }
        let pair = self.0.pairs.lock(watcher).await;
        let expires = self.0.clock.now().plus(self.0.config.question_keep);
        let (mut asked, mut notices) = (Vec::new(), Vec::new());
        for (publisher, wanted) in wanted {
            let Some((before, attributes)) = self.asks(publisher, watcher, *wanted) else { continue };
            let named = unless_all(*wanted).map(|_| attributes);
            notices.push(NewNotice {
                recipient: publisher.id.clone(),
                content: NoticeContent::PresenceAuth { watcher: watcher.clone(), attributes: named },
                expires,
            });
            asked.push((publisher, before, attributes));
        }
        let state = |before: &Reactive, attributes: AttributeSet, notice: MessageId| Reactive {
            question: Some(Question { attributes, notice, expires }),
            ..*before
        };
        let im = self.0.im();
        let give = im.give_with(notices, |ids| {
            let mut batch = Batch::new();
            for ((publisher, before, attributes), id) in asked.iter().zip(ids) {
                let record = state(before, *attributes, *id).to_record();
                batch.put(Space::Authorisations, authorisation_key(&publisher.id, watcher), record);
            }
            batch
        });
        let ids = give.await?;
        let mut decided = Vec::new();
        for ((publisher, before, attributes), id) in asked.into_iter().zip(ids) {
            let mut inner = publisher.lock();
            inner.presence.reactive.set(watcher, state(&before, attributes, id));
            // An attribute list that came during the commit did not see the question.
            if self.decision(&publisher.id, &inner, watcher) != Decision::Undecided {
                decided.push(publisher);
            }
        }
        drop(pair);
        for publisher in decided {
            self.end_question(publisher, watcher).await?;
        }
        Ok(())
    }

    /// What the publisher is to be asked, with what was between the two before; `None`: nothing, since he or an attribute
    /// list decided, or he is asked already.
    fn asks(&self, publisher: &UserState, watcher: &UserId, wanted: AttributeSet) -> Option<(Reactive, AttributeSet)> {
        let inner = publisher.lock();
        if self.decision(&publisher.id, &inner, watcher) != Decision::Undecided {
            return None;
        }
        let states = &inner.presence.reactive;
        let before = states.0.get(watcher).copied();
        if before.is_none() && states.0.len() >= self.0.config.authorisations_max {
            return None;
        }
        let before = before.unwrap_or_default();
        let undecided = wanted.without(before.decided());
        let is_asked = before.question.is_some_and(|question| question.waits(self.0.clock.now()));
        (!undecided.is_empty() && !is_asked).then_some((before, undecided))
    }

    /// Forgets questions that nobody answered in time, if there is no room for another watcher. No pair is locked.
    async fn make_room(&self, publisher: &UserState, watcher: &UserId) -> Result<(), Error> {
        let now = self.0.clock.now();
        let over: Vec<UserId> = {
            let states = &publisher.lock().presence.reactive.0;
            if states.len() < self.0.config.authorisations_max || states.contains_key(watcher) {
                return Ok(());
            }
            let over = states.iter().filter(|(_, state)| state.is_over(now)).map(|(other, _)| other.clone());
            over.take(FORGOTTEN_AT_ONCE).collect()
        };
        for other in over {
            let _pair = self.0.pairs.lock(&other).await;
            // He may have been asked anew meanwhile, or have answered.
            let is_over = publisher.lock().presence.reactive.0.get(&other).is_some_and(|state| state.is_over(now));
            if is_over {
                self.replace(publisher, &other, Reactive::default()).await?;
            }
        }
        Ok(())
    }

    /// Makes `next` what is between the two, and ends the question if there is none any more. The pair is locked.
    async fn replace(&self, publisher: &UserState, watcher: &UserId, next: Reactive) -> Result<(), Error> {
        let before = publisher.lock().presence.reactive.0.get(watcher).copied().unwrap_or_default();
        if before == next {
            return Ok(());
        }
        let mut batch = Batch::new();
        let key = authorisation_key(&publisher.id, watcher);
        match next.is_empty() {
            true => batch.delete(Space::Authorisations, key),
            false => batch.put(Space::Authorisations, key, next.to_record()),
        };
        if let (Some(question), None) = (before.question, next.question) {
            self.0.im().take_back(&mut batch, &publisher.id, question.notice, question.expires).await;
        }
        self.0.store.commit(batch).await?;
        publisher.lock().presence.reactive.set(watcher, next);
        Ok(())
    }

    /// The publisher decides about a watcher, who hears of it at once. `attributes`: `None` means all.
    ///
    /// # Errors
    /// When there is no such user (531), or too much was decided (755).
    pub async fn authorise(
        &self,
        session: &Session,
        watcher: &Address,
        accept: bool,
        attributes: Option<AttributeSet>,
    ) -> Result<(), Error> {
        let watcher = self.0.router.user_or_guest(watcher, Service::Presence)?;
        let publisher = &session.user;
        let is_known = publisher.lock().presence.reactive.0.contains_key(&watcher);
        if !is_known && !self.0.user_exists(&watcher).await? {
            return Err(Error::UnknownUser);
        }
        let decided = attributes.unwrap_or(AttributeSet::ALL);
        self.decide_reactively(publisher, &watcher, accept, decided).await
    }

    pub(super) async fn decide_reactively(
        &self,
        publisher: &Arc<UserState>,
        watcher: &UserId,
        accept: bool,
        attributes: AttributeSet,
    ) -> Result<(), Error> {
        self.make_room(publisher, watcher).await?;
        {
            let _pair = self.0.pairs.lock(watcher).await;
            let next = {
                let states = &publisher.lock().presence.reactive.0;
                let before = states.get(watcher).copied();
                if before.is_none() && states.len() >= self.0.config.authorisations_max {
                    return Err(Error::TooManyAttributeLists);
                }
                before.unwrap_or_default().decide(accept, attributes)
            };
            self.replace(publisher, watcher, next).await?;
        }
        self.look_at(publisher, Some(watcher));
        Ok(())
    }

    /// The publisher forgets what he decided about a watcher: the next request asks again.
    ///
    /// # Errors
    /// When there is no such user (531). That there was nothing to forget is none.
    pub async fn cancel_authorisation(&self, session: &Session, watcher: &Address) -> Result<(), Error> {
        let watcher = self.0.router.user_or_guest(watcher, Service::Presence)?;
        if self.forget_decision(&session.user, &watcher).await? || self.0.user_exists(&watcher).await? {
            return Ok(());
        }
        Err(Error::UnknownUser)
    }

    /// Whether there was anything to forget.
    pub(super) async fn forget_decision(&self, publisher: &Arc<UserState>, watcher: &UserId) -> Result<bool, Error> {
        if !publisher.lock().presence.reactive.0.contains_key(watcher) {
            return Ok(false);
        }
        {
            let _pair = self.0.pairs.lock(watcher).await;
            self.replace(publisher, watcher, Reactive::default()).await?;
        }
        self.look_at(publisher, Some(watcher));
        Ok(true)
    }

    /// The watcher wants to know no longer: he is not asked about. What was decided stays.
    pub(super) async fn end_question(&self, publisher: &UserState, watcher: &UserId) -> Result<(), Error> {
        let is_asked =
            |inner: &UserInner| inner.presence.reactive.0.get(watcher).is_some_and(|state| state.question.is_some());
        if !is_asked(&publisher.lock()) {
            return Ok(());
        }
        let _pair = self.0.pairs.lock(watcher).await;
        let before = publisher.lock().presence.reactive.0.get(watcher).copied().unwrap_or_default();
        self.replace(publisher, watcher, Reactive { question: None, ..before }).await
    }

    /// Questions that attribute lists have answered meanwhile are not asked any more.
    pub(super) async fn end_decided_questions(&self, publisher: &Arc<UserState>) {
        let decided: Vec<UserId> = {
            let inner = publisher.lock();
            let asked = inner.presence.reactive.0.iter().filter(|(_, state)| state.question.is_some());
            asked
                .map(|(watcher, _)| watcher)
                .filter(|watcher| self.decision(&publisher.id, &inner, watcher) != Decision::Undecided)
                .cloned()
                .collect()
        };
        for watcher in decided {
            if let Err(error) = self.end_question(publisher, &watcher).await {
                // The next decision ends it too.
                tracing::warn!(user = %publisher.id, %error, "a question that is decided still waits");
            }
        }
    }

    /// What the session's user decided about these watchers, or about all when none is named; ordered by watcher.
    ///
    /// # Errors
    /// When all who are named are unknown (531), or the store's failure. Who was not asked about is left out.
    pub async fn authorisation_statuses(
        &self,
        session: &Session,
        watchers: &[Address],
    ) -> Result<Vec<AuthorisationStatus>, Error> {
        let mut outcomes = Outcomes::default();
        let named = self.known_users(watchers.iter(), &mut outcomes).await?;
        if !watchers.is_empty() && named.iter().all(Option::is_none) {
            return Err(Error::UnknownUser);
        }
        let now = self.0.clock.now();
        let inner = session.user.lock();
        let states = inner.presence.reactive.0.iter();
        let mut states: Vec<(&UserId, &Reactive)> = states
            .filter(|(watcher, _)| watchers.is_empty() || named.iter().flatten().any(|one| one == *watcher))
            .collect();
        states.sort_by_key(|(watcher, _)| *watcher);
        let mut statuses = Vec::new();
        for (watcher, reactive) in states {
            let question = reactive.question.filter(|question| question.waits(now));
            let pending = question.map_or(AttributeSet::EMPTY, |question| question.attributes);
            for (state, set) in [
                (ReactiveAuthState::Granted, reactive.granted),
                (ReactiveAuthState::Denied, reactive.denied),
                (ReactiveAuthState::Pending, pending),
            ] {
                if !set.is_empty() {
                    let (watcher, attributes) = (watcher.clone(), unless_all(set));
                    statuses.push(AuthorisationStatus { watcher, state, attributes });
                }
            }
        }
        Ok(statuses)
    }
}

/// Whether a session's client can be asked: by *PresenceAuth-Request* if it did not negotiate without it (CSP 4.7), since
/// 1.3 by a notification that it subscribed to (CSP 4.10).
pub(crate) fn agrees_to_be_asked(session: &Session) -> bool {
    // His domain asks him.
    if session.user.is_guest {
        return true;
    }
    if session.version >= Version::V1_3 {
        return session.notifications().contains(NotificationType::AuthorizationOfUser);
    }
    session.negotiated().requested.is_none_or(|functions| functions.contains(Function::React))
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::presence::Attribute::{Alias, OnlineStatus, StatusText};

    fn set(attributes: &[imps_types::presence::Attribute]) -> AttributeSet {
        attributes.iter().copied().collect()
    }

    #[test]
    fn golden_octets_of_version_1() {
        let asked = Question { attributes: AttributeSet::ALL, notice: MessageId::new(300), expires: Timestamp(5) };
        let one = Reactive { granted: set(&[OnlineStatus]), denied: set(&[Alias]), question: Some(asked) };
        let golden = [1, 1, 0x80, 0x80, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xac, 2, 5];
        assert_eq!(one.to_record(), golden);
        assert_eq!(Reactive::from_record(&golden), Ok(one));
        let none = Reactive { question: None, ..one };
        assert_eq!(Reactive::from_record(&none.to_record()), Ok(none));
        for length in 0..golden.len() {
            assert!(Reactive::from_record(&golden[..length]).is_err());
        }
    }

    #[test]
    fn later_decisions_overwrite_earlier_ones_for_the_attributes_named() {
        let (online, text, alias) = (set(&[OnlineStatus]), set(&[StatusText]), set(&[Alias]));
        let one = Reactive::default().decide(true, online.or(text)).decide(false, text.or(alias));
        assert_eq!((one.granted, one.denied), (online, text.or(alias)));
        let one = one.decide(true, AttributeSet::ALL);
        assert_eq!((one.granted, one.denied), (AttributeSet::ALL, AttributeSet::EMPTY));
        let one = one.decide(false, alias);
        assert_eq!((one.granted, one.denied), (AttributeSet::ALL.without(alias), alias));
    }
}
