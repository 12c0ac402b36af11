//! Publishers whose presence another domain keeps (SSP 9.5): whom our users watch there, and what is told of them.
//!
//! What is told is told to one watcher, who may see more or less than another. So it is kept for each watcher by himself,
//! in memory: the domain that keeps the presence says it again whenever it is subscribed to anew.

use std::sync::Arc;

use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{Address, Domain, Service, UserId};

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Presence;
use super::values::Values;
use crate::Error;
use crate::event::{Event, NoticeContent, PresenceSnapshot};
use crate::im::NewNotice;
use crate::seam::Batch;
use crate::session::Session;
use crate::user::UserState;

/// Bytes of what is kept of one publisher for one watcher.
const TOLD_MAX: usize = 64 * 1024;

/// One of our users watches one of another domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedAbroad {
    /// Who watches.
    pub watcher: UserId,
    /// Whom.
    pub publisher: UserId,
    /// Which attributes, by all of the watcher's sessions together.
    pub wanted: AttributeSet,
}

/// Users of other domains whom somebody watches here, or has watched, by domain.
#[derive(Default)]
pub(crate) struct WatchedGuests(Mutex<FxHashMap<Box<str>, FxHashSet<UserId>>>);

impl WatchedGuests {
    fn insert(&self, user: &UserId) {
        self.0.lock().entry(user.domain().into()).or_default().insert(user.clone());
    }

    fn of(&self, domain: &Domain) -> Vec<UserId> {
        self.0.lock().get(domain.as_str()).into_iter().flatten().cloned().collect()
    }

    /// Forgets those of a domain of whom it is so still.
    fn forget(&self, domain: &Domain, users: &[UserId], is_so: impl Fn(&UserId) -> bool) {
        let mut domains = self.0.lock();
        let Some(all) = domains.get_mut(domain.as_str()) else { return };
        for user in users {
            if is_so(user) {
                all.remove(user);
            }
        }
        if all.is_empty() {
            domains.remove(domain.as_str());
        }
    }
}

impl Presence<'_> {
    /// Whether another domain keeps a user's presence.
    pub(super) fn is_abroad(&self, user: &UserState) -> bool {
        user.is_guest && !self.0.router.keeps(user.id.domain(), Service::Presence)
    }

    /// What the domain that has a user's presence is told of him without his saying so (CSP 4.1): that he is there, and what
    /// his client is. None: he is not there.
    ///
    /// # Errors
    /// `UnknownUser`, or the store's failure.
    pub async fn automatic(&self, user: &UserId) -> Result<Option<PresenceSubList>, Error> {
        let sessions = self.0.user(user).await?.sessions();
        let list = |attributes| PresenceSubList { attributes, extensions: Vec::new() };
        Ok((!sessions.is_empty()).then(|| list(Values::automatic(user, &sessions))))
    }

    /// Those on a contact list of the session's user whose presence another domain keeps; none of a list that he does not
    /// have.
    pub fn members_abroad(&self, session: &Session, list: &Address) -> Vec<UserId> {
        let Ok((_, members)) = self.own_members(session, list) else { return Vec::new() };
        members.into_iter().filter(|member| !self.0.router.keeps(member.domain(), Service::Presence)).collect()
    }

    /// The watchers of a publisher are others now: the domain that keeps him is to know. His lock is not held.
    pub(super) fn watching_changed(&self, publisher: &UserState) {
        if publisher.is_guest {
            self.0.watched_guests.insert(&publisher.id);
        }
        if self.is_abroad(publisher)
            && let Some(gateway) = self.0.router.gateway()
        {
            gateway.watching_changed(publisher.id.domain());
        }
    }

    /// The domains in which somebody of ours watches somebody. For the start.
    pub fn domains_watched(&self) -> Vec<Domain> {
        let users = &self.0.users;
        let mut domains = Vec::new();
        for shard in 0..users.shards() {
            for user in users.collect(shard, |user| user.is_guest && user.lock().presence.is_watched()) {
                if let Ok(domain) = Domain::parse(user.id.domain())
                    && !domains.contains(&domain)
                {
                    domains.push(domain);
                }
            }
        }
        domains
    }

    /// The domain that keeps the presence of a user of ours asks him about a watcher; what he answers goes there.
    ///
    /// # Errors
    /// `UnknownUser`, or the store's failure.
    pub async fn asked_abroad(
        &self,
        publisher: &UserId,
        watcher: &UserId,
        attributes: Option<AttributeSet>,
    ) -> Result<(), Error> {
        if !self.0.user_exists(publisher).await? {
            return Err(Error::UnknownUser);
        }
        let content = NoticeContent::PresenceAuth { watcher: watcher.clone(), attributes };
        let expires = self.0.clock.now().plus(self.0.config.question_keep);
        self.0.im().give(Batch::new(), vec![NewNotice { recipient: publisher.clone(), content, expires }]).await?;
        Ok(())
    }

    /// Whom our users watch in a domain, in no order.
    pub fn watched_abroad(&self, domain: &Domain) -> Vec<WatchedAbroad> {
        let (mut watched, mut unwatched) = (Vec::new(), Vec::new());
        for publisher in self.0.watched_guests.of(domain) {
            let Some(state) = self.0.users.loaded(&publisher) else {
                unwatched.push(publisher);
                continue;
            };
            if !self.is_abroad(&state) {
                continue;
            }
            let mut wanted = FxHashMap::<UserId, AttributeSet>::default();
            {
                let inner = state.lock();
                if inner.presence.watchers.is_empty() {
                    unwatched.push(publisher.clone());
                }
                for watcher in inner.presence.watchers.values().filter(|one| !one.session.user.is_guest) {
                    let all = wanted.entry(watcher.session.user.id.clone()).or_default();
                    *all = all.or(watcher.wanted);
                }
            }
            let pair = |(watcher, wanted)| WatchedAbroad { watcher, publisher: publisher.clone(), wanted };
            watched.extend(wanted.into_iter().map(pair));
        }
        // Whoever is watched since is noted after that, or has been already.
        let is_unwatched =
            |user: &UserId| self.0.users.loaded(user).is_none_or(|state| state.lock().presence.watchers.is_empty());
        self.0.watched_guests.forget(domain, &unwatched, is_unwatched);
        watched
    }

    /// The domain of a publisher tells watchers of ours of him. Who does not watch him hears nothing.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn told(&self, publisher: &UserId, watchers: &[UserId], list: &PresenceSubList) -> Result<(), Error> {
        let Some(publisher) = self.0.users(std::slice::from_ref(publisher)).await?.pop().flatten() else {
            return Ok(());
        };
        if self.is_abroad(&publisher) {
            self.take_over(&publisher, watchers, list);
        }
        Ok(())
    }

    /// The domain that keeps presence for our users tells some of them of a publisher: all their clients hear it as it is,
    /// since what each of them subscribed to is known there.
    pub fn told_by_provider(&self, publisher: &UserId, watchers: &[UserId], list: &PresenceSubList) {
        let mut woken = Vec::new();
        for watcher in watchers.iter().filter_map(|watcher| self.0.users.loaded(watcher)) {
            for session in watcher.sessions() {
                let mut list = list.for_version(session.version);
                list.shorten(TOLD_MAX);
                if list.is_empty() {
                    continue;
                }
                let snapshot = PresenceSnapshot::new(publisher.clone(), list.wanted(), list);
                let event = Event::Presence(vec![Arc::new(snapshot)]);
                if !session.outbox().told(event, self.0.config.outbox_bytes) {
                    tracing::info!(%publisher, user = %watcher.id, "what is told of a publisher is too large");
                    continue;
                }
                woken.push(session);
            }
        }
        self.wake(&woken);
    }

    fn take_over(&self, publisher: &Arc<UserState>, watchers: &[UserId], list: &PresenceSubList) {
        let mut named = list.names();
        if !list.extensions.is_empty() {
            named = named.or(AttributeSet::EXTENSIONS);
        }
        let mut woken = Vec::new();
        {
            let mut guard = publisher.lock();
            let super::PresenceState { watchers: watching, told, .. } = &mut guard.presence;
            let users: FxHashSet<_> = watching.values().map(|one| &one.session.user.id).collect();
            // Who has gone is told nothing more.
            told.retain(|watcher, _| users.contains(watcher));
            let named_watchers: FxHashSet<_> = watchers.iter().filter(|watcher| users.contains(watcher)).collect();
            for watcher in &named_watchers {
                let told = told.entry((*watcher).clone()).or_default();
                told.update(list.clone());
                if told.weight() > TOLD_MAX {
                    *told = list.clone();
                }
            }
            for watcher in watching.values().filter(|one| named_watchers.contains(&one.session.user.id)) {
                let wanted = named.and(watcher.wanted);
                if !wanted.is_empty() {
                    watcher.session.outbox().presence(publisher, wanted, AttributeSet::EMPTY);
                    woken.push(watcher.session.clone());
                }
            }
        }
        self.wake(&woken);
    }
}
