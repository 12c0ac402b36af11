//! Subscriptions (CSP 10): they belong to the session and end with it.
//!
//! A session has one subscription for each user and each contact list that it named. A list covers its members; with
//! AutoSubscribe it follows them. Where several cover the same user the latest counts, so that subscribing again
//! replaces the set of attributes, and unsubscribing one list does not hide users who are on another.

use std::sync::Arc;

use imps_types::element::ResultInfo;
use imps_types::presence::AttributeSet;
use imps_types::{Address, ContactListId, UserId};
use rustc_hash::FxHashSet;

use super::Presence;
use super::outcomes::Outcomes;
use crate::Error;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::Batch;
use crate::session::{Session, Told};
use crate::user::UserState;

/// Whose presence is meant.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WatchTargets {
    /// Users.
    pub users: Vec<Address>,
    /// Contact lists of the session's user.
    pub contact_lists: Vec<Address>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Covered {
    User(UserId),
    List {
        list: ContactListId,
        auto: bool,
        /// Ordered.
        members: Box<[UserId]>,
        /// Members who were unsubscribed since.
        except: Vec<UserId>,
    },
}

impl Covered {
    fn covers(&self, user: &UserId) -> bool {
        match self {
            Self::User(one) => one == user,
            Self::List { members, except, .. } => members.binary_search(user).is_ok() && !except.contains(user),
        }
    }

    fn is_list(&self, id: &ContactListId) -> bool {
        matches!(self, Self::List { list, .. } if list == id)
    }
}

/// What a session subscribed to; the latest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSubscriptions(Vec<(Covered, AttributeSet)>);

impl SessionSubscriptions {
    /// Writes them into the record of the session.
    pub fn write(&self, writer: &mut RecordWriter) {
        writer.list(self.0.iter(), |w, (covered, wanted)| {
            w.number(wanted.bits().into());
            match covered {
                Covered::User(user) => {
                    w.flag(false).text(user.as_str());
                }
                Covered::List { list, auto, members, except } => {
                    w.flag(true).text(list.as_str()).flag(*auto);
                    for users in [members.as_ref(), except.as_slice()] {
                        w.list(users.iter(), |w, user| {
                            w.text(user.as_str());
                        });
                    }
                }
            }
        });
    }

    /// Reads what [`SessionSubscriptions::write`] wrote.
    ///
    /// # Errors
    /// When the record is damaged.
    pub fn read(reader: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let users = |r: &mut RecordReader<'_>| r.list(|r| Ok(UserId::from_canonical(r.text()?)));
        let all = reader.list(|r| {
            let wanted = AttributeSet::from_bits(r.small()?);
            let covered = if r.flag()? {
                let list = ContactListId::from_canonical(r.text()?);
                Covered::List { list, auto: r.flag()?, members: users(r)?.into(), except: users(r)? }
            } else {
                Covered::User(UserId::from_canonical(r.text()?))
            };
            Ok((covered, wanted))
        })?;
        Ok(Self(all))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wanted of this user: `None` when he is not covered.
    fn wanted(&self, user: &UserId) -> Option<AttributeSet> {
        self.0.iter().rev().find(|(covered, _)| covered.covers(user)).map(|(_, wanted)| *wanted)
    }

    /// Everybody who is covered, each once.
    pub(crate) fn publishers(&self) -> Vec<UserId> {
        let mut all = FxHashSet::default();
        for (covered, _) in &self.0 {
            match covered {
                Covered::User(user) => {
                    all.insert(user.clone());
                }
                Covered::List { members, except, .. } => {
                    all.extend(members.iter().filter(|user| !except.contains(user)).cloned());
                }
            }
        }
        all.into_iter().collect()
    }

    fn add_user(&mut self, user: &UserId, wanted: AttributeSet) {
        self.0.retain(|(covered, _)| !matches!(covered, Covered::User(one) if one == user));
        self.0.push((Covered::User(user.clone()), wanted));
    }

    fn add_list(&mut self, list: ContactListId, auto: bool, mut members: Vec<UserId>, wanted: AttributeSet) {
        members.sort();
        members.dedup();
        self.0.retain(|(covered, _)| !covered.is_list(&list));
        self.0.push((Covered::List { list, auto, members: members.into(), except: Vec::new() }, wanted));
    }

    fn remove_user(&mut self, user: &UserId) {
        self.0.retain(|(covered, _)| !matches!(covered, Covered::User(one) if one == user));
        for (covered, _) in &mut self.0 {
            if covered.covers(user)
                && let Covered::List { except, .. } = covered
            {
                except.push(user.clone());
            }
        }
    }

    /// Whether the list was subscribed to.
    fn remove_list(&mut self, list: &ContactListId) -> bool {
        let before = self.0.len();
        self.0.retain(|(covered, _)| !covered.is_list(list));
        self.0.len() < before
    }

    /// Follows a list that has these members now, or is gone. Returns whom that concerns.
    fn follow(&mut self, list: &ContactListId, now: Option<&[UserId]>) -> Vec<UserId> {
        let mut concerned = Vec::new();
        self.0.retain_mut(|(covered, _)| {
            let Covered::List { list: id, auto: true, members, except } = covered else { return true };
            if id != list {
                return true;
            }
            let Some(now) = now else {
                concerned.extend(members.iter().cloned());
                return false;
            };
            let mut next = now.to_vec();
            next.sort();
            next.dedup();
            concerned.extend(members.iter().filter(|user| next.binary_search(user).is_err()).cloned());
            concerned.extend(next.iter().filter(|user| members.binary_search(user).is_err()).cloned());
            // Who was unsubscribed by name and left the list is subscribed again when he comes back.
            except.retain(|user| next.binary_search(user).is_ok());
            *members = next.into();
            true
        });
        concerned
    }

    fn auto_lists(&self) -> Vec<ContactListId> {
        let auto = |(covered, _): &(Covered, AttributeSet)| match covered {
            Covered::List { list, auto: true, .. } => Some(list.clone()),
            _ => None,
        };
        self.0.iter().filter_map(auto).collect()
    }
}

/// Whom a user watches no longer, by any of his sessions.
struct Gone {
    /// The session did watch them.
    watched: Vec<UserId>,
    /// Perhaps one that is over did.
    others: Vec<UserId>,
}

impl Gone {
    /// `named`: who is unsubscribed by name, whether or not this session was subscribed.
    fn between(
        session: &Session,
        before: &SessionSubscriptions,
        next: &SessionSubscriptions,
        named: Vec<UserId>,
    ) -> Self {
        let others: Vec<_> = session.user.sessions().into_iter().filter(|other| other.id != session.id).collect();
        let is_watched = |user: &UserId| {
            next.wanted(user).is_some() || others.iter().any(|other| other.subscriptions.lock().wanted(user).is_some())
        };
        let mut watched = before.publishers();
        let mut others = named;
        others.sort();
        others.dedup();
        others.retain(|user| before.wanted(user).is_none() && !is_watched(user));
        watched.retain(|user| !is_watched(user));
        Self { watched, others }
    }
}

impl Presence<'_> {
    /// Subscribes to users and contact lists. What may be seen now is queued as the first notification of each.
    ///
    /// # Errors
    /// When the session is over, or the store fails. Targets fail one by one, in the result.
    pub async fn subscribe(
        &self,
        session: &Arc<Session>,
        targets: &WatchTargets,
        wanted: AttributeSet,
        auto: bool,
    ) -> Result<ResultInfo, Error> {
        let mut outcomes = Outcomes::default();
        if targets.users.is_empty() && targets.contact_lists.is_empty() {
            return Ok(outcomes.done());
        }
        let named: Vec<_> =
            self.known_users(targets.users.iter(), &mut outcomes).await?.into_iter().flatten().collect();
        let change = session.user.change.lock().await;
        let before = session.subscriptions.lock().clone();
        let mut next = before.clone();
        let mut covered = named.clone();
        for address in &targets.contact_lists {
            match self.own_members(session, address) {
                Ok((list, members)) => {
                    outcomes.good();
                    covered.extend_from_slice(&members);
                    next.add_list(list, auto, members, wanted);
                }
                Err(error) => outcomes.list(address, error)?,
            }
        }
        for user in &named {
            next.add_user(user, wanted);
        }
        if next.0.len() > self.0.config.subscriptions_max {
            return Err(Error::TooManyMembers);
        }
        covered.sort();
        covered.dedup();
        let publishers: Vec<_> = self.0.users(&covered).await?.into_iter().flatten().collect();
        let wants: Vec<_> = publishers.iter().map(|publisher| (publisher.clone(), wanted)).collect();
        self.ask(&session.user.id, &wants).await?;
        // Who has left a list since it was subscribed to last is not covered by it any more.
        let gone = Gone::between(session, &before, &next, Vec::new());
        let mut others = before.publishers();
        others.retain(|user| covered.binary_search(user).is_err() && before.wanted(user) != next.wanted(user));
        let mut batch = Batch::new();
        self.leaves_lists(&session.user.id, &gone.watched, &gone.others, &mut batch).await?;
        self.replace_subscriptions(session, next, batch).await?;
        self.settle(session, others).await;
        for publisher in &publishers {
            // The latest counts, and that is this one.
            self.watch(session, publisher, Some(wanted), true);
        }
        session.wake();
        self.end_questions(session, &gone).await?;
        drop(change);
        Ok(outcomes.done())
    }

    /// Ends subscriptions, of which sessions of this user ever: he is not on the watcher lists any more. Who was not
    /// subscribed to is no error.
    ///
    /// # Errors
    /// When the session is over, or the store fails. Targets fail one by one, in the result.
    pub async fn unsubscribe(&self, session: &Arc<Session>, targets: &WatchTargets) -> Result<ResultInfo, Error> {
        let mut outcomes = Outcomes::default();
        let _change = session.user.change.lock().await;
        let before = session.subscriptions.lock().clone();
        let mut next = before.clone();
        let mut named = Vec::new();
        for address in &targets.users {
            match self.0.router.user(address) {
                Ok(user) => {
                    outcomes.good();
                    next.remove_user(&user);
                    named.push(user);
                }
                Err(error) => outcomes.user(address, error)?,
            }
        }
        for address in &targets.contact_lists {
            // A list that was deleted can still be unsubscribed.
            let list = match self.own_list(session, address) {
                Ok(list) => list,
                Err(error) => {
                    outcomes.list(address, error)?;
                    continue;
                }
            };
            let (ended, members) = (next.remove_list(&list), self.members(&session.user, &list));
            match (ended, members) {
                (false, None) => outcomes.list(address, Error::UnknownList)?,
                (_, members) => {
                    outcomes.good();
                    named.extend(members.into_iter().flatten());
                }
            }
        }
        let gone = Gone::between(session, &before, &next, named);
        let mut batch = Batch::new();
        self.leaves_lists(&session.user.id, &gone.watched, &gone.others, &mut batch).await?;
        if next != before || !batch.is_empty() {
            self.replace_subscriptions(session, next, batch).await?;
            self.settle(session, before.publishers()).await;
        }
        self.end_questions(session, &gone).await?;
        Ok(outcomes.done())
    }

    /// Nobody is asked any more whom the session's user does not want to watch.
    async fn end_questions(&self, session: &Session, gone: &Gone) -> Result<(), Error> {
        let all: Vec<_> = gone.watched.iter().chain(&gone.others).cloned().collect();
        for publisher in self.0.users(&all).await?.into_iter().flatten() {
            self.end_question(&publisher, &session.user.id).await?;
        }
        Ok(())
    }

    /// Commits the session with these subscriptions. The change lock of its user is held.
    async fn replace_subscriptions(
        &self,
        session: &Arc<Session>,
        next: SessionSubscriptions,
        batch: Batch,
    ) -> Result<(), Error> {
        let before = {
            let mut subscriptions = session.subscriptions.lock();
            // Whoever closes the session marks it first and then takes its subscriptions away.
            if session.is_closed() {
                return Err(Error::NotLoggedIn);
            }
            std::mem::replace(&mut *subscriptions, next)
        };
        let saved = self.0.access().save_session_with(session, batch).await;
        if saved.is_err() {
            *session.subscriptions.lock() = before;
        }
        saved
    }

    /// Makes the publisher's watchers agree with what the session subscribed to, which is `wanted` of him. `first`: the
    /// values are told even if the session watched him before.
    fn watch(&self, session: &Arc<Session>, publisher: &Arc<UserState>, wanted: Option<AttributeSet>, first: bool) {
        self.watch_here(session, publisher, wanted, first);
        // Whoever looks now sees it.
        self.watching_changed(publisher);
    }

    fn watch_here(
        &self,
        session: &Arc<Session>,
        publisher: &Arc<UserState>,
        wanted: Option<AttributeSet>,
        first: bool,
    ) {
        let Some(wanted) = wanted else {
            publisher.lock().presence.unwatch(&session.id);
            session.outbox().forget_presence(&publisher.id);
            return;
        };
        // What its version does not know is never told, so it must not wait in the outbox either.
        let wanted = wanted.and(AttributeSet::of_version(session.version));
        let mut inner = publisher.lock();
        if session.is_closed() {
            return;
        }
        let visible = self.visible(&publisher.id, &inner, &session.user.id);
        let watcher = super::state::Watcher { session: session.clone(), wanted, visible };
        let before = inner.presence.watchers.insert(session.id, watcher);
        let seen = before.as_ref().map_or(AttributeSet::EMPTY, |before| before.visible.and(before.wanted));
        // A list may have changed and its watchers not been looked at yet: then nobody has told what that took away.
        let withdrawn = seen.without(visible).and(wanted);
        let is_new = first || before.is_none_or(|before| before.wanted != wanted);
        let has_extensions = !inner.presence.values.extensions().is_empty();
        let hidden = if has_extensions { AttributeSet::EMPTY } else { AttributeSet::EXTENSIONS };
        let told = {
            let mut outbox = session.outbox();
            let queue = outbox.presence_queue();
            let told = if is_new {
                // What waits was wanted otherwise; but that something is lost must be told still.
                let waiting = queue.take_of(publisher).unwrap_or_default();
                let lost = waiting.lost.and(wanted).without(visible).or(withdrawn);
                Told { changed: wanted.and(visible).without(hidden), lost }
            } else {
                Told { changed: visible.and(wanted).without(seen), lost: withdrawn }
            };
            if !told.all().is_empty() {
                queue.note(publisher, told);
            }
            told
        };
        drop(inner);
        if !told.all().is_empty() {
            self.0.metrics.presence_queued.up();
            session.wake();
        }
    }

    /// Looks at these publishers again after the session's subscriptions changed.
    async fn settle(&self, session: &Arc<Session>, publishers: Vec<UserId>) {
        let states = match self.0.users(&publishers).await {
            Ok(states) => states,
            Err(error) => return tracing::warn!(user = %session.user.id, %error, "presence is not watched"),
        };
        let subscriptions = session.subscriptions.lock().clone();
        for (user, state) in publishers.iter().zip(states) {
            match state {
                Some(publisher) => self.watch(session, &publisher, subscriptions.wanted(user), false),
                None => session.outbox().forget_presence(user),
            }
        }
    }

    /// Automatic subscriptions follow a list that changed.
    pub(super) async fn list_changed(&self, owner: &Arc<UserState>, list: &ContactListId) {
        let _change = owner.change.lock().await;
        let members = self.members(owner, list);
        for session in owner.sessions() {
            if let Err(error) = self.follow(&session, list, members.as_deref()).await {
                // After a restart the subscriptions follow the lists again.
                tracing::warn!(user = %owner.id, %error, "subscriptions of a session are not saved");
            }
        }
    }

    /// The automatic subscriptions of one session follow a list: who is on it now is watched, and asked if need be; who
    /// left it is not. The user's change lock is held.
    async fn follow(
        &self,
        session: &Arc<Session>,
        list: &ContactListId,
        members: Option<&[UserId]>,
    ) -> Result<(), Error> {
        let (before, next, concerned) = {
            let mut subscriptions = session.subscriptions.lock();
            let before = subscriptions.clone();
            let concerned = subscriptions.follow(list, members);
            (before, subscriptions.clone(), concerned)
        };
        if concerned.is_empty() {
            return Ok(());
        }
        let gone = Gone::between(session, &before, &next, Vec::new());
        let mut batch = Batch::new();
        let listed = self.leaves_lists(&session.user.id, &gone.watched, &gone.others, &mut batch).await;
        let saved = match listed {
            Ok(()) => self.0.access().save_session_with(session, batch).await,
            Err(error) => Err(error),
        };
        self.settle(session, concerned.clone()).await;
        session.wake();
        saved?;
        self.end_questions(session, &gone).await?;
        let publishers = self.0.users(&concerned).await?;
        let wants = publishers.into_iter().flatten().filter_map(|publisher| {
            let wanted = next.wanted(&publisher.id)?;
            Some((publisher, wanted))
        });
        self.ask(&session.user.id, &wants.collect::<Vec<_>>()).await
    }

    /// A session that was taken up after a restart watches again. Nobody knows what it was told last, so the values now
    /// are told once.
    pub(super) async fn resume(&self, session: &Arc<Session>) {
        let lists = session.subscriptions.lock().auto_lists();
        for list in lists {
            let members = self.members(&session.user, &list);
            session.subscriptions.lock().follow(&list, members.as_deref());
        }
        let subscriptions = session.subscriptions.lock().clone();
        match self.0.users_of_saved(&subscriptions.publishers()).await {
            Ok(publishers) => {
                for publisher in publishers.into_iter().flatten() {
                    self.watch(session, &publisher, subscriptions.wanted(&publisher.id), true);
                }
            }
            Err(error) => tracing::warn!(user = %session.user.id, %error, "presence is not watched"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::presence::Attribute::{Alias, OnlineStatus};

    fn user(name: &str) -> UserId {
        UserId::from_canonical(&format!("wv:{name}@x"))
    }

    fn friends() -> ContactListId {
        ContactListId::from_canonical("wv:a/f@x")
    }

    #[test]
    fn golden_octets() {
        let mut subscriptions = SessionSubscriptions::default();
        subscriptions.add_user(&user("b"), [OnlineStatus].into_iter().collect());
        subscriptions.add_list(friends(), true, vec![user("c"), user("b")], [Alias].into_iter().collect());
        subscriptions.remove_user(&user("c"));
        let mut writer = RecordWriter::new(1);
        subscriptions.write(&mut writer);
        let golden =
            b"\x01\x02\x01\x00\x06wv:b@x\x80\x80\x01\x01\x08wv:a/f@x\x01\x02\x06wv:b@x\x06wv:c@x\x01\x06wv:c@x";
        let record = writer.done();
        assert_eq!(record, golden);
        let (mut reader, _) = RecordReader::new(&record, 1).unwrap();
        assert_eq!(SessionSubscriptions::read(&mut reader), Ok(subscriptions));
    }

    #[test]
    fn the_latest_counts_and_the_others_stay() {
        let (online, alias) = ([OnlineStatus].into_iter().collect(), [Alias].into_iter().collect());
        let mut subscriptions = SessionSubscriptions::default();
        subscriptions.add_list(friends(), true, vec![user("b"), user("c")], online);
        subscriptions.add_user(&user("b"), alias);
        assert_eq!(subscriptions.wanted(&user("b")), Some(alias));
        assert_eq!(subscriptions.wanted(&user("c")), Some(online));
        subscriptions.remove_user(&user("b"));
        assert_eq!(subscriptions.wanted(&user("b")), None, "unsubscribed by name, though he is on the list");
        assert_eq!(subscriptions.follow(&friends(), Some(&[user("b"), user("d")])), [user("c"), user("d")]);
        assert_eq!(subscriptions.wanted(&user("b")), None);
        subscriptions.follow(&friends(), Some(&[user("d")]));
        subscriptions.follow(&friends(), Some(&[user("d"), user("b")]));
        assert_eq!(subscriptions.wanted(&user("b")), Some(online));
        assert_eq!(subscriptions.follow(&friends(), None).len(), 2);
        assert!(subscriptions.is_empty());
    }
}
