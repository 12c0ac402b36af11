//! Whom our users watch in other domains: each of these is to know it, and nothing else (SSP 9.5).
//!
//! What is watched is known by the sessions; what each domain was told is kept here, and that it was told, in the store.
//! Whenever one of the two changes, or a session with the domain comes up anew, or we are started again, the difference is
//! asked for. So a subscription survives whatever is started again, and so does its end.

use std::sync::Arc;
use std::time::Duration;

use imps_proto::ssp::{MetaInfo, Primitive, SubscribeRequest, UnsubscribeRequest};
use imps_service::presence::WatchedAbroad;
use imps_service::seam::{Batch, Space};
use imps_service::store::Commit;
use imps_service::{Error, Session};
use imps_types::element::User;
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{Address, Domain, UserId};
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use super::written::{Written, watched_key};
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
    /// These publishers are subscribed to now.
    pub(super) async fn is_subscribed(&self, session: &Session, publishers: &[User], wanted: AttributeSet) {
        let mut written = Vec::new();
        for publisher in publishers {
            let Ok(publisher) = self.services.router.user(&publisher.user_id) else { continue };
            let Ok(domain) = Domain::parse(publisher.domain()) else { continue };
            written.extend(self.note_watching(&domain, &session.user.id, &[publisher], Some(wanted)));
        }
        for commit in written {
            is_written(commit).await;
        }
    }

    /// What every domain was told before we were started again.
    pub(super) async fn resume_watching(&self) -> Result<(), Error> {
        let watched = Written(&self.services.store).watched().await?;
        let mut changed = self.services.presence().domains_watched();
        {
            let mut domains = self.watching.domains.lock();
            for (domain, watcher, publisher) in watched {
                if !changed.contains(&domain) {
                    changed.push(domain.clone());
                }
                // As if it had forgotten: what holds is asked for again, and what does not is ended.
                let told = &mut domains.entry(domain).or_default().told;
                told.insert((watcher, publisher), AttributeSet::EMPTY);
            }
        }
        for domain in changed {
            self.watching_changed(&domain);
        }
        Ok(())
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
            // From here on it may know: then it is to hear the end of it, too.
            if let Some(commit) = self.note_watching(domain, &watcher, &publishers, None) {
                is_written(commit).await;
            }
            let said = SubscribeRequest {
                meta: self.meta_of(&watcher),
                user_ids: publishers.iter().map(Address::from).collect(),
                attributes: (wanted != AttributeSet::ALL).then(|| PresenceSubList::of_names(wanted)),
            };
            match self.ask_watching(domain, said.into()).await {
                true => drop(self.note_watching(domain, &watcher, &publishers, Some(wanted))),
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
                true => {
                    if let Some(commit) = self.forget_watching(domain, &watcher, &publishers) {
                        is_written(commit).await;
                    }
                }
                false => is_done = false,
            }
        }
        is_done
    }

    pub(super) fn meta_of(&self, user: &UserId) -> MetaInfo {
        MetaInfo::of_user(self.own(), User::of(user))
    }

    /// Whether there was an answer that is not to be asked for again; what else it says is for nobody.
    async fn ask_watching(&self, domain: &Domain, said: Primitive) -> bool {
        let Some(ssp) = self.ssp() else { return true };
        let answer = ssp.ask(domain, Ask::of(said)).await;
        answer.is_ok_and(|answer| !answer.outcome().is_some_and(|outcome| is_passing(outcome.status)))
    }

    /// A domain was told of these; `wanted`: or will be, at once. What is to be waited for, if that is news.
    fn note_watching(
        &self,
        domain: &Domain,
        watcher: &UserId,
        publishers: &[UserId],
        wanted: Option<AttributeSet>,
    ) -> Option<Commit> {
        let mut domains = self.watching.domains.lock();
        let told = &mut domains.entry(domain.clone()).or_default().told;
        let mut batch = Batch::new();
        for publisher in publishers {
            let told = told.entry((watcher.clone(), publisher.clone())).or_insert_with(|| {
                batch.put(Space::PeersTold, watched_key(domain, watcher, publisher), Vec::new());
                AttributeSet::EMPTY
            });
            *told = wanted.unwrap_or(*told);
        }
        // Handed over under the lock: the store has it in the order in which it was so.
        (!batch.is_empty()).then(|| self.services.store.commit(batch))
    }

    /// A domain has heard the end of these.
    fn forget_watching(&self, domain: &Domain, watcher: &UserId, publishers: &[UserId]) -> Option<Commit> {
        let mut domains = self.watching.domains.lock();
        let told = &mut domains.get_mut(domain)?.told;
        let mut batch = Batch::new();
        for publisher in publishers {
            told.remove(&(watcher.clone(), publisher.clone()));
            batch.delete(Space::PeersTold, watched_key(domain, watcher, publisher));
        }
        Some(self.services.store.commit(batch))
    }
}

/// Without its row, all that is lost by a restart is the end of a subscription.
async fn is_written(commit: Commit) {
    if let Err(error) = commit.await {
        tracing::warn!(%error, "that a domain was told of a watcher is not written");
    }
}

/// Those of one watcher who wants the same of them.
fn together(all: impl Iterator<Item = WatchedAbroad>) -> Vec<(UserId, AttributeSet, Vec<UserId>)> {
    let mut of_watchers = FxHashMap::<(UserId, AttributeSet), Vec<UserId>>::default();
    for one in all {
        of_watchers.entry((one.watcher, one.wanted)).or_default().push(one.publisher);
    }
    let each = of_watchers.iter().flat_map(|((watcher, wanted), publishers)| {
        publishers.chunks(TOGETHER).map(|some| (watcher.clone(), *wanted, some.to_vec()))
    });
    each.collect()
}
