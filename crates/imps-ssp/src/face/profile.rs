//! The profiles of our users, for domains that keep something for them; and what those of others say (SSP 12).
//!
//! A user for whom we keep something is here when his home domain says so: then he has a session as a guest, and what
//! waits for him goes out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use imps_proto::ssp::{
    Privacy, ServiceLine, Services as ServiceLines, Sharing, Terminal, Terminals, UpdateUserProfileRequest, UserProfile,
};
use imps_service::seam::{Batch, Space};
use imps_service::store::Store;
use imps_service::{Error, Session, Timestamp};
use imps_types::element::DeliveryMethod;
use imps_types::{Address, Domain, Service as Offered, Status, UserId};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use super::written::Written;
use super::{Face, is_passing};
use crate::ssp::Ask;

/// Types of content of one client.
const TYPES_MAX: usize = 64;
/// Profiles that a peer is told at once.
const TOGETHER: usize = 32;
/// When it is told again what it could not be told, if no session comes up before.
const AGAIN: Duration = Duration::from_secs(5);
/// After so many attempts that were taken and came to nothing, a user's profile is not told until it changes.
const UNANSWERED_MAX: u8 = 3;
/// Where it is written which version no profile has had yet.
const VERSION: &str = "profile-version";
/// How far the written one is ahead of those that are given.
const AHEAD: u32 = 1000;

/// What the domains that keep something for our users are told of them.
#[derive(Default)]
pub(super) struct Versions {
    numbers: tokio::sync::Mutex<Numbers>,
    /// As long as a peer is in here, a task looks after it.
    peers: Mutex<FxHashMap<Domain, ToTell>>,
}

/// Versions of profiles: those of one user grow, across restarts too, and are seconds unless he is quicker.
#[derive(Default)]
struct Numbers {
    /// The latest of a user, as far as it is not less than `least` in any case.
    last: FxHashMap<UserId, u32>,
    least: u32,
    /// All that were ever given are less.
    written: Option<u32>,
    /// With how many users those who are no news are forgotten.
    full: usize,
}

/// Of whom a peer is still to be told, and how often it has taken that and not answered.
#[derive(Default)]
struct ToTell {
    users: FxHashMap<UserId, u8>,
    wake: Arc<Notify>,
}

/// How an attempt to tell a profile ended.
enum End {
    Told,
    Later,
    Unanswered,
}

impl Versions {
    /// The version of what is read of a user after this. `is_news`: it is greater than all that he had.
    async fn number(&self, store: &Store, now: Timestamp, user: &UserId, is_news: bool) -> Result<u32, Error> {
        let mut numbers = self.numbers.lock().await;
        let written = match numbers.written {
            Some(written) => written,
            None => {
                let row = store.get_one(Space::Server, VERSION).await?;
                let written = row.and_then(|row| row.as_ref().try_into().ok()).map_or(0, u32::from_be_bytes);
                numbers.least = written;
                *numbers.written.insert(written)
            }
        };
        numbers.least = numbers.least.max(u32::try_from(now.0 / 1000).unwrap_or(u32::MAX));
        let least = numbers.least;
        if numbers.last.len() >= numbers.full.max(1024) {
            numbers.last.retain(|_, last| *last >= least);
            numbers.full = 2 * numbers.last.len();
        }
        let number = match numbers.last.get(user) {
            Some(last) if is_news => least.max(last.saturating_add(1)),
            Some(last) => return Ok(*last),
            None => least,
        };
        if number >= written {
            let written = number.saturating_add(AHEAD);
            let mut batch = Batch::new();
            batch.put(Space::Server, VERSION, written.to_be_bytes().to_vec());
            store.commit(batch).await?;
            numbers.written = Some(written);
        }
        numbers.last.insert(user.clone(), number);
        Ok(number)
    }

    /// Some of those of whom a peer is to be told; none: there is nobody, and whoever looked after it is through.
    fn some_of(&self, peer: &Domain) -> Vec<(UserId, u8)> {
        let mut peers = self.peers.lock();
        let Some(to_tell) = peers.get_mut(peer) else { return Vec::new() };
        let some: Vec<_> = to_tell.users.iter().take(TOGETHER).map(|(user, tries)| (user.clone(), *tries)).collect();
        for (user, _) in &some {
            to_tell.users.remove(user);
        }
        if some.is_empty() {
            peers.remove(peer);
        }
        some
    }

    /// A peer was not told of a user, and will be, unless that has come to nothing too often.
    fn put_back(&self, peer: &Domain, user: UserId, tries: u8) {
        if tries >= UNANSWERED_MAX {
            return tracing::warn!(%peer, %user, "a profile is not told");
        }
        if let Some(to_tell) = self.peers.lock().get_mut(peer) {
            // Of whom there is news meanwhile, nothing was tried.
            to_tell.users.entry(user).or_insert(tries);
        }
    }
}

/// Whether a profile says that its user is here.
fn is_active(profile: &UserProfile) -> bool {
    let is_active = |line: &ServiceLine| line.status.as_deref().is_some_and(|it| it.eq_ignore_ascii_case("active"));
    profile.services.as_ref().is_some_and(|services| services.services.iter().any(is_active))
}

fn terminal(session: &Session) -> Terminal {
    let agreed = session.negotiated();
    let types = agreed.content_types.iter().take(TYPES_MAX).map(|one| one.content_type.clone());
    let method = if agreed.delivery == DeliveryMethod::Push { "P" } else { "N" };
    Terminal {
        url: session.client.url.clone(),
        content_types: std::iter::once("text/plain".into()).chain(types).collect(),
        max_length: Some(agreed.push_length),
        delivery_method: Some(method.into()),
    }
}

impl Face {
    /// The profile of a user of ours; none: there is no such user.
    pub(super) async fn profile_of(&self, user: &Address) -> Option<UserProfile> {
        let user = self.services.router.local_user(user).ok()?;
        let profile = self.profile(&user, false).await;
        profile.inspect_err(|error| tracing::debug!(%user, %error, "there is no profile")).ok()
    }

    async fn profile(&self, user: &UserId, is_news: bool) -> Result<UserProfile, Error> {
        let state = self.services.user(user).await?;
        // What changes after this has a greater version.
        let (store, now) = (&self.services.store, self.services.clock.now());
        let version = self.versions.number(store, now, user, is_news).await?;
        let sessions = state.sessions();
        let status = if sessions.is_empty() { "Inactive" } else { "Active" };
        let service = |service: &Offered| ServiceLine {
            name: service.as_str().into(),
            minimum: None,
            role: None,
            for_domain: None,
            subscribed: Some(true),
            status: Some(status.into()),
            functions: Vec::new(),
        };
        let services = Offered::ALL.iter().map(service).collect();
        Ok(UserProfile {
            user_id: Address::from(user),
            version: Some(version),
            services: Some(ServiceLines { protocol_version: None, services }),
            // Where somebody is is known to nobody here, and told to nobody.
            privacy: Some(Privacy {
                location: Some(Sharing { share: false }),
                user_interaction: Some(Sharing { share: true }),
            }),
            terminals: Some(Terminals { clients: sessions.iter().map(|session| terminal(session)).collect() }),
        })
    }

    /// A user of ours has come or gone: who keeps something for him is told.
    pub(super) fn tell_profile(&self, user: &UserId) {
        let Some(ssp) = self.ssp() else { return };
        let Ok(home) = Domain::parse(user.domain()) else { return };
        for peer in ssp.providers(&home) {
            self.to_tell(&peer, vec![user.clone()]);
        }
    }

    /// After a session with a peer came up: everybody who is here, if the peer keeps something for them, and who has gone
    /// since it heard of him.
    pub(super) fn tell_profiles(&self, peer: &Domain) {
        let home = self.services.router.home();
        if !self.ssp().is_some_and(|ssp| ssp.providers(home).contains(peer)) {
            return;
        }
        if let Some(to_tell) = self.versions.peers.lock().get(peer) {
            to_tell.wake.notify_one();
        }
        for shard in 0..self.services.sessions.shards() {
            let sessions = self.services.sessions.collect(shard, |session| !session.user.is_guest);
            self.to_tell(peer, sessions.iter().map(|session| session.user.id.clone()).collect());
        }
        let Some(this) = self.this.upgrade() else { return };
        let peer = peer.clone();
        tokio::spawn(async move {
            if let Err(error) = this.tell_gone(&peer).await {
                tracing::warn!(%peer, %error, "who has gone is told when a session with it comes up again");
            }
        });
    }

    /// Tells a peer of those who have gone since it heard that they are here, before we were started again perhaps.
    pub(super) async fn tell_gone(&self, peer: &Domain) -> Result<(), Error> {
        let mut users = Written(&self.services.store).here(peer).await?;
        let is_here = |user: &UserId| self.services.users.loaded(user).is_some_and(|user| !user.sessions().is_empty());
        users.retain(|user| !is_here(user));
        self.to_tell(peer, users);
        Ok(())
    }

    /// That a peer is to know of a user that he is here, or has heard that he is not.
    async fn note_here(&self, peer: &Domain, user: &UserId, is_here: bool) {
        if let Err(error) = Written(&self.services.store).note_here(peer, user, is_here).await {
            tracing::warn!(%peer, %user, %error, "that a peer knows of a user is not written");
        }
    }

    fn to_tell(&self, peer: &Domain, users: Vec<UserId>) {
        let Some(this) = self.this.upgrade().filter(|_| !users.is_empty()) else { return };
        let mut peers = self.versions.peers.lock();
        let is_new = !peers.contains_key(peer);
        let to_tell = peers.entry(peer.clone()).or_default();
        to_tell.users.extend(users.into_iter().map(|user| (user, 0)));
        if is_new {
            tokio::spawn(this.keep_telling(peer.clone(), to_tell.wake.clone()));
        }
    }

    /// Tells a peer of users until it knows of all of them.
    async fn keep_telling(self: Arc<Self>, peer: Domain, wake: Arc<Notify>) {
        loop {
            let some = self.versions.some_of(&peer);
            if some.is_empty() {
                return;
            }
            let ends = join_all(some.iter().map(|(user, _)| self.tell_one(&peer, user))).await;
            let mut is_told = true;
            for ((user, tries), end) in some.into_iter().zip(ends) {
                match end {
                    End::Told => continue,
                    End::Later => self.versions.put_back(&peer, user, tries),
                    End::Unanswered => self.versions.put_back(&peer, user, tries.saturating_add(1)),
                }
                is_told = false;
            }
            if !is_told {
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    () = wake.notified() => {}
                }
            }
        }
    }

    async fn tell_one(&self, peer: &Domain, user: &UserId) -> End {
        let Some(ssp) = self.ssp() else { return End::Told };
        // Whoever keeps nothing for him any more need not know.
        if !Domain::parse(user.domain()).is_ok_and(|home| ssp.providers(&home).contains(peer)) {
            self.note_here(peer, user, false).await;
            return End::Told;
        }
        let profile = match self.profile(user, true).await {
            Ok(profile) => profile,
            Err(Error::UnknownUser) => {
                self.note_here(peer, user, false).await;
                return End::Told;
            }
            Err(error) => {
                tracing::warn!(%peer, %user, %error, "a profile is not told yet");
                return End::Later;
            }
        };
        let is_here = is_active(&profile);
        if is_here {
            self.note_here(peer, user, true).await;
        }
        let said = UpdateUserProfileRequest { meta: ssp.meta(), profile };
        let (status, is_taken) = match ssp.ask(peer, Ask::of(said)).await {
            Ok(answer) => (answer.outcome().map_or(Status::SUCCESSFUL, |outcome| outcome.status), true),
            Err(failure) => (failure.status, failure.taken),
        };
        let is_away = [Status::DOMAIN_NOT_SUPPORTED, Status::SERVICE_NOT_AGREED].contains(&status) && !is_taken;
        match status {
            Status::SERVER_UNAVAILABLE => End::Later,
            status if is_away || (is_passing(status) && !is_taken) => End::Later,
            status if is_passing(status) => End::Unanswered,
            status => {
                if !status.is_success() {
                    tracing::info!(%peer, %user, status = status.code(), "a profile is not taken");
                }
                if !is_here {
                    self.note_here(peer, user, false).await;
                }
                if self.tell_presence(peer, user).await { End::Told } else { End::Later }
            }
        }
    }

    /// The home domain of a user for whom we keep something says whether he is there.
    pub(super) async fn take_profile(&self, home: &Domain, profile: &UserProfile) {
        let Ok(user) = UserId::parse(profile.user_id.as_str(), home) else { return };
        if profile.services.is_none() {
            return;
        }
        let done = match (is_active(profile), self.services.access().open_guest(&user)) {
            (true, _) => self.welcome(&user, profile).await,
            (false, Some(session)) => self.services.access().logout(&session).await,
            (false, None) => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(%user, %error, "that a user has come or gone is not taken note of");
        }
    }
}

#[cfg(test)]
mod tests {
    use imps_service::seam::MemoryEngine;

    use super::*;

    #[tokio::test]
    async fn versions_of_a_user_grow_whatever_is_started_again() {
        let store = Store::new(Arc::new(MemoryEngine::new()));
        let (alice, zoe) = (UserId::from_canonical("wv:alice@a.example"), UserId::from_canonical("wv:zoe@a.example"));
        let at = |seconds: u64| Timestamp(seconds * 1000);
        let versions = Versions::default();
        let of = async |user, seconds, is_news| versions.number(&store, at(seconds), user, is_news).await.unwrap();
        assert_eq!(of(&alice, 5000, true).await, 5000);
        for number in 1..=1500 {
            assert_eq!(of(&alice, 5000, true).await, 5000 + number);
        }
        assert_eq!(of(&alice, 5000, false).await, 6500, "to be asked for it is no news");
        assert_eq!(of(&zoe, 5001, false).await, 5001, "nobody else's business");
        assert_eq!(of(&zoe, 5001, true).await, 5002);
        let again = Versions::default();
        let number = again.number(&store, at(5002), &alice, true).await.unwrap();
        assert!(number > 6500 && number <= 6500 + AHEAD, "{number}");
        let number = again.number(&store, at(9000), &alice, true).await.unwrap();
        assert_eq!(number, 9000);
    }
}
