//! Whom our users watch in other domains: each of these is to know it, and nothing else (SSP 9.5).
//!
//! What is watched is known by the sessions; what each domain was told is kept here. Whenever one of the two changes, or a
//! session with the domain comes up anew, the difference is asked for. So a subscription survives whatever is started again.

use std::sync::Arc;
use std::time::Duration;

use imps_proto::ssp::{MetaInfo, Primitive, SubscribeRequest, UnsubscribeRequest};
use imps_service::Session;
use imps_service::presence::WatchedAbroad;
use imps_types::element::User;
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{Address, Domain, UserId};
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Face, is_passing};
use crate::ssp::Ask;

/// How long after a change the difference is asked for: sessions end together.
const SOON: Duration = Duration::from_secs(1);
/// When it is asked for again that could not be.
const AGAIN: Duration = Duration::from_secs(30);
/// Publishers in one request.
const TOGETHER: usize = 100;

/// What the other domains were told.
#[derive(Default)]
pub(super) struct Watching {
    domains: Mutex<FxHashMap<Domain, Known>>,
}

/// What one domain was told.
#[derive(Default)]
struct Known {
    /// By watcher and publisher.
    told: FxHashMap<(UserId, UserId), AttributeSet>,
    /// A task looks after it.
    is_watched: bool,
    /// Something has changed since it looked.
    has_changed: bool,
}

impl Face {
    /// These publishers were subscribed to just now.
    pub(super) fn is_subscribed(&self, session: &Session, publishers: &[User], wanted: AttributeSet) {
        let mut domains = self.watching.domains.lock();
        for publisher in publishers {
            let Ok(publisher) = self.services.router.user(&publisher.user_id) else { continue };
            let Ok(domain) = Domain::parse(publisher.domain()) else { continue };
            let told = &mut domains.entry(domain).or_default().told;
            told.insert((session.user.id.clone(), publisher), wanted);
        }
    }

    /// Somebody watches others of this domain now, or nobody any more.
    pub(super) fn watching_changed(&self, domain: &Domain) {
        let mut domains = self.watching.domains.lock();
        let known = domains.entry(domain.clone()).or_default();
        known.has_changed = true;
        if std::mem::replace(&mut known.is_watched, true) {
            return;
        }
        if let Some(this) = self.this.upgrade() {
            tokio::spawn(this.keep_watching(domain.clone()));
        }
    }

    /// A session with this domain came up: it may have forgotten everything.
    pub(super) fn watching_anew(&self, domain: &Domain) {
        if let Some(known) = self.watching.domains.lock().get_mut(domain) {
            // What holds is asked for again; and what does not is ended there, whoever could not be told of it before.
            known.told.values_mut().for_each(|told| *told = AttributeSet::EMPTY);
        }
        self.watching_changed(domain);
    }

    async fn keep_watching(self: Arc<Self>, domain: Domain) {
        loop {
            tokio::time::sleep(SOON).await;
            if let Some(known) = self.watching.domains.lock().get_mut(&domain) {
                known.has_changed = false;
            }
            let is_done = self.settle_watching(&domain).await;
            {
                let mut domains = self.watching.domains.lock();
                let Some(known) = domains.get_mut(&domain) else { return };
                if is_done && !known.has_changed {
                    known.is_watched = false;
                    if known.told.is_empty() {
                        domains.remove(&domain);
                    }
                    return;
                }
            }
            if !is_done {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Asks for the difference. Whether nothing is left of it.
    async fn settle_watching(&self, domain: &Domain) -> bool {
        let watched = self.services.presence().watched_abroad(domain);
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        {
            let domains = self.watching.domains.lock();
            let Some(known) = domains.get(domain) else { return true };
            let told = |one: &WatchedAbroad| known.told.get(&(one.watcher.clone(), one.publisher.clone()));
            // Who was told of more than is wanted now says more than is needed, and no harm is done.
            begun.extend(
                watched.iter().filter(|one| told(one).is_none_or(|told| !one.wanted.without(*told).is_empty())),
            );
            let pairs: FxHashSet<_> = watched.iter().map(|one| (&one.watcher, &one.publisher)).collect();
            ended.extend(
                known.told.keys().filter(|(watcher, publisher)| !pairs.contains(&(watcher, publisher))).cloned(),
            );
        }
        let mut is_done = true;
        for (watcher, wanted, publishers) in together(begun.into_iter().cloned()) {
            let said = SubscribeRequest {
                meta: self.meta_of(&watcher),
                user_ids: publishers.iter().map(Address::from).collect(),
                attributes: (wanted != AttributeSet::ALL).then(|| PresenceSubList::of_names(wanted)),
            };
            match self.ask_watching(domain, said.into()).await {
                true => self.note_watching(domain, &watcher, &publishers, Some(wanted)),
                false => is_done = false,
            }
        }
        let ended = ended.into_iter().map(|(watcher, publisher)| WatchedAbroad {
            watcher,
            publisher,
            wanted: AttributeSet::EMPTY,
        });
        for (watcher, _, publishers) in together(ended) {
            let user_ids = publishers.iter().map(Address::from).collect();
            let said = UnsubscribeRequest { meta: self.meta_of(&watcher), user_ids };
            match self.ask_watching(domain, said.into()).await {
                true => self.note_watching(domain, &watcher, &publishers, None),
                false => is_done = false,
            }
        }
        is_done
    }

    fn meta_of(&self, user: &UserId) -> MetaInfo {
        MetaInfo::of_user(self.own(), User::of(user))
    }

    /// Whether there was an answer that is not to be asked for again; what else it says is for nobody.
    async fn ask_watching(&self, domain: &Domain, said: Primitive) -> bool {
        let Some(ssp) = self.ssp() else { return true };
        let answer = ssp.ask(domain, Ask::of(said)).await;
        answer.is_ok_and(|answer| !answer.outcome().is_some_and(|outcome| is_passing(outcome.status)))
    }

    fn note_watching(&self, domain: &Domain, watcher: &UserId, publishers: &[UserId], wanted: Option<AttributeSet>) {
        let mut domains = self.watching.domains.lock();
        let Some(known) = domains.get_mut(domain) else { return };
        for publisher in publishers {
            let pair = (watcher.clone(), publisher.clone());
            match wanted {
                Some(wanted) => known.told.insert(pair, wanted),
                None => known.told.remove(&pair),
            };
        }
    }
}

/// Those of one watcher who wants the same of them.
fn together(all: impl Iterator<Item = WatchedAbroad>) -> Vec<(UserId, AttributeSet, Vec<UserId>)> {
    let mut together: Vec<(UserId, AttributeSet, Vec<UserId>)> = Vec::new();
    for one in all {
        let fits = |(watcher, wanted, publishers): &&mut (UserId, AttributeSet, Vec<UserId>)| {
            *watcher == one.watcher && *wanted == one.wanted && publishers.len() < TOGETHER
        };
        match together.iter_mut().find(fits) {
            Some((_, _, publishers)) => publishers.push(one.publisher),
            None => together.push((one.watcher, one.wanted, vec![one.publisher])),
        }
    }
    together
}
