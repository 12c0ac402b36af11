//! What stands before a login: nonces that are good once, and a brake on guessing.

use std::collections::VecDeque;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use imps_types::element::{DigestSchema, SystemMessageResponse};
use imps_types::{ClientId, UserId};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sha1::{Digest, Sha1};
use tokio::sync::Semaphore;

use crate::account::Account;
use crate::clock::Timestamp;
use crate::config::ServiceConfig;
use crate::services::SealKey;

/// Nonces and failures that are remembered at most; the oldest go first.
const REMEMBERED: usize = 100_000;

/// Logins that may wait for an Argon2 computation; further ones are told to come back, so that a flood costs no memory.
const WAITING_MAX: usize = 256;

/// Whose nonce it is: user, client and cookie of both steps must be the same. A digest of them, so that what is
/// remembered of clients that never come back stays small, whatever they are called.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NonceOwner([u8; 20]);

impl NonceOwner {
    pub(super) fn new(user: &UserId, client: &ClientId, cookie: &str) -> Self {
        let mut hash = Sha1::new();
        for part in [Some(user.as_str()), client.url.as_deref(), client.msisdn.as_deref(), Some(cookie)] {
            hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            hash.update(part.unwrap_or_default());
        }
        Self(hash.finalize().into())
    }
}

/// Answers to system messages that are kept between the two steps of a login.
const RESPONSES_MAX: usize = 8;
/// Bytes of an identifier or a key in such an answer.
const RESPONSE_WORD_MAX: usize = 64;

/// What was agreed upon in the first step of a login, for the second.
pub(super) struct FirstStep {
    pub(super) nonce: Box<str>,
    pub(super) schema: DigestSchema,
    /// What the user says to system messages.
    pub(super) responses: Vec<SystemMessageResponse>,
}

impl FirstStep {
    /// What is kept is bounded: nobody has shown who he is yet.
    pub(super) fn new(nonce: &str, schema: DigestSchema, responses: &[SystemMessageResponse]) -> Self {
        let is_short = |text: &str| text.len() <= RESPONSE_WORD_MAX;
        let fits =
            |one: &&SystemMessageResponse| is_short(&one.id) && one.verification_key.as_deref().is_none_or(is_short);
        let responses = responses.iter().filter(fits).take(RESPONSES_MAX).cloned().collect();
        Self { nonce: nonce.into(), schema, responses }
    }
}

struct Nonce {
    step: FirstStep,
    until: Timestamp,
}

#[derive(Default)]
struct Nonces {
    open: FxHashMap<NonceOwner, Nonce>,
    order: VecDeque<(Timestamp, NonceOwner)>,
}

/// Who fails: a user as seen from one address. Neither can shut out the user elsewhere, nor others behind that address.
type Guesser = (UserId, Option<IpAddr>);

/// Where somebody logs in, as it is remembered of a user: by a digest that tells nothing without the key file.
pub(super) type Place = u64;

/// Places that are remembered of a user.
const PLACES_MAX: usize = 8;

/// Where somebody is who tries to log in.
#[derive(Clone, Copy)]
pub(super) struct Whence {
    /// His address.
    pub(super) from: Option<IpAddr>,
    /// Whether the user has logged in there before.
    pub(super) is_known: bool,
}

/// How many failures there may be, how long they are counted, and how long nobody gets in after too many.
struct Brake {
    failures: u32,
    window: Duration,
    penalty: Duration,
}

struct Failures {
    count: u32,
    since: Timestamp,
    refused_until: Timestamp,
}

/// Failures of many, each by himself.
struct Counts<K>(Mutex<FxHashMap<K, Failures>>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Counts<K> {
    /// How long this one is refused still.
    fn refused_for(&self, who: &K, now: Timestamp) -> Option<Duration> {
        let failures = self.0.lock();
        let known = failures.get(who)?;
        (known.refused_until > now).then(|| known.refused_until.since(now))
    }

    /// Counts a failure; too many within their time, and further ones are refused.
    fn failed(&self, who: K, now: Timestamp, brake: &Brake) {
        let mut failures = self.0.lock();
        if failures.len() >= REMEMBERED {
            failures.retain(|_, known| now.since(known.since) < brake.window || known.refused_until > now);
            if failures.len() >= REMEMBERED {
                failures.clear();
            }
        }
        let known = failures.entry(who).or_insert(Failures { count: 0, since: now, refused_until: Timestamp(0) });
        if now.since(known.since) >= brake.window {
            *known = Failures { count: 0, since: now, refused_until: Timestamp(0) };
        }
        known.count += 1;
        if known.count >= brake.failures {
            *known = Failures { count: 0, since: now, refused_until: now.plus(brake.penalty) };
        }
    }

    fn forget(&self, who: &K) {
        let mut failures = self.0.lock();
        if !failures.is_empty() {
            failures.remove(who);
        }
    }
}

/// State of logins that are not complete.
pub(crate) struct LoginGuard {
    pub(crate) key: SealKey,
    /// Argon2 computations that may run at once.
    pub(super) workers: Arc<Semaphore>,
    /// Places of logins that wait for one, or have it.
    pub(super) places: Semaphore,
    /// What is computed for users who do not exist, so that they take as long as the others.
    pub(super) decoy: std::sync::OnceLock<Box<str>>,
    /// How often each address makes accounts.
    pub(super) registrations: super::registration::Registrations,
    nonces: Mutex<Nonces>,
    failures: Counts<Guesser>,
    /// Those of each user where he has not logged in before, all such places together.
    failures_elsewhere: Counts<UserId>,
}

impl LoginGuard {
    pub(crate) fn new(config: &ServiceConfig, key: SealKey) -> Self {
        Self {
            key,
            workers: Arc::new(Semaphore::new(config.password_workers.max(1))),
            places: Semaphore::new(config.password_workers.max(1) + WAITING_MAX),
            decoy: std::sync::OnceLock::new(),
            registrations: Default::default(),
            nonces: Mutex::default(),
            failures: Counts::default(),
            failures_elsewhere: Counts::default(),
        }
    }

    /// Keeps a nonce for its second step.
    pub(super) fn keep_nonce(&self, owner: NonceOwner, step: FirstStep, now: Timestamp, life: Duration) {
        let mut nonces = self.nonces.lock();
        let nonces = &mut *nonces;
        while let Some((until, owner)) = nonces.order.front() {
            if *until > now && nonces.order.len() < REMEMBERED {
                break;
            }
            // A newer nonce of the same client has a later end and stays.
            if nonces.open.get(owner).is_some_and(|nonce| nonce.until <= *until) {
                nonces.open.remove(owner);
            }
            nonces.order.pop_front();
        }
        let until = now.plus(life);
        nonces.order.push_back((until, owner));
        nonces.open.insert(owner, Nonce { step, until });
    }

    /// The nonce of this client, which is used up by this.
    pub(super) fn take_nonce(&self, owner: NonceOwner, now: Timestamp) -> Option<FirstStep> {
        let nonce = self.nonces.lock().open.remove(&owner)?;
        (nonce.until > now).then_some(nonce.step)
    }

    /// How long logins of this user from this address are refused still.
    pub(super) fn refused_for(&self, user: &UserId, from: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        self.failures.refused_for(&(user.clone(), from), now)
    }

    /// How long logins of this user are refused still from places where he has not logged in before.
    pub(super) fn refused_elsewhere_for(&self, user: &UserId, now: Timestamp) -> Option<Duration> {
        self.failures_elsewhere.refused_for(user, now)
    }

    /// Counts a failure; too many within their time, and further logins are refused. Those of others elsewhere are none of
    /// the business of who has got in before where he is: nobody shuts him out by guessing.
    pub(super) fn failed(&self, user: &UserId, whence: Whence, now: Timestamp, config: &ServiceConfig) {
        let penalty = config.login_penalty;
        let brake = Brake { failures: config.login_failures, window: penalty, penalty };
        self.failures.failed((user.clone(), whence.from), now, &brake);
        if !whence.is_known {
            let (failures, window) = (config.login_account_failures, config.login_account_window);
            self.failures_elsewhere.failed(user.clone(), now, &Brake { failures, window, penalty });
        }
    }

    /// Forgets the failures of a user who got in; not those of others who still guess elsewhere.
    pub(super) fn succeeded(&self, user: &UserId, from: Option<IpAddr>) {
        self.failures.forget(&(user.clone(), from));
    }

    /// A place, as it is remembered of this user. Of an address of IPv6 only the network counts: a host has many.
    fn place(&self, user: &UserId, from: IpAddr) -> Place {
        let mut hash = Sha1::new();
        hash.update(self.key.expose());
        hash.update((user.as_str().len() as u64).to_be_bytes());
        hash.update(user.as_str());
        match from.to_canonical() {
            IpAddr::V4(address) => hash.update(address.octets()),
            IpAddr::V6(address) => hash.update((address.to_bits() >> 64).to_be_bytes()),
        }
        let digest: [u8; 20] = hash.finalize().into();
        digest.iter().take(8).fold(0, |place, octet| place << 8 | u64::from(*octet))
    }

    /// Whether this user has logged in from here, as his account knows it.
    pub(super) fn knows(&self, user: &UserId, account: &Account, from: Option<IpAddr>) -> bool {
        from.is_some_and(|from| account.places.contains(&self.place(user, from)))
    }

    /// The places of an account in which somebody has just logged in from here; none: they are as they were.
    pub(super) fn places_with(&self, user: &UserId, account: &Account, from: Option<IpAddr>) -> Option<Box<[Place]>> {
        let place = self.place(user, from?);
        // Not each login is written down, and still a place that is in use is not the one that is forgotten.
        if account.places.iter().take(PLACES_MAX / 2).any(|known| *known == place) {
            return None;
        }
        let others = account.places.iter().copied().filter(|known| *known != place);
        Some(std::iter::once(place).chain(others).take(PLACES_MAX).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use imps_types::{Address, Secret, Version};

    use super::*;
    use crate::Error;
    use crate::access::{LoginAttempt, LoginOutcome};
    use crate::testing::World;

    fn stranger(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number))
    }

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    async fn attempt(world: &World, name: &str, password: &str, from: IpAddr) -> Result<(), Error> {
        let attempt = LoginAttempt {
            user: Some(Address::new(name)),
            client: ClientId::of_url(&from.to_string()),
            application: None,
            password: Some(Secret::new(password.into())),
            digest: None,
            schemas: Vec::new(),
            time_to_live: None,
            cookie: Box::default(),
            resume: None,
            version: Version::V1_2,
            responses: Vec::new(),
            language: None,
            msisdn: None,
            from: Some(from),
        };
        match world.services.access().login(attempt).await? {
            LoginOutcome::Opened { .. } => Ok(()),
            other => panic!("{other:?}"),
        }
    }

    /// One guess from each of as many addresses as may fail.
    async fn guess(world: &World, name: &str) {
        for number in 0..world.services.config.login_account_failures {
            assert_eq!(attempt(world, name, "wrong", stranger(number)).await, Err(Error::WrongPassword), "{number}");
        }
    }

    fn is_refused(outcome: Result<(), Error>) -> bool {
        matches!(outcome, Err(Error::TooManyFailures(_)))
    }

    #[tokio::test]
    async fn many_who_guess_one_password_are_stopped_and_its_owner_is_not() {
        let world = World::of(&["alice", "bob"]).await;
        attempt(&world, "alice", "secret", HOME).await.unwrap();
        guess(&world, "alice").await;
        // Whoever guesses right now does not learn it; and somebody who does not exist is no exception.
        assert!(is_refused(attempt(&world, "alice", "secret", stranger(1000)).await));
        guess(&world, "zoe").await;
        assert!(is_refused(attempt(&world, "zoe", "wrong", stranger(1000)).await));
        // The owner is let in where he was before, and may even be wrong there; others are let in anywhere.
        assert_eq!(attempt(&world, "alice", "wrong", HOME).await, Err(Error::WrongPassword));
        assert_eq!(attempt(&world, "alice", "secret", HOME).await, Ok(()));
        assert_eq!(attempt(&world, "bob", "secret", stranger(1000)).await, Ok(()));
        assert!(is_refused(attempt(&world, "alice", "secret", stranger(1000)).await));
        world.services.clock.advance(world.services.config.login_penalty);
        assert_eq!(attempt(&world, "alice", "secret", stranger(1000)).await, Ok(()));
    }

    #[tokio::test]
    async fn where_somebody_was_is_known_after_the_next_start() {
        let world = World::of(&["alice"]).await;
        attempt(&world, "alice", "secret", HOME).await.unwrap();
        let world = world.restarted().await;
        guess(&world, "alice").await;
        assert!(is_refused(attempt(&world, "alice", "secret", stranger(1000)).await));
        assert_eq!(attempt(&world, "alice", "secret", HOME).await, Ok(()));
    }

    #[tokio::test]
    async fn where_somebody_is_now_is_known() {
        let world = World::of(&["alice"]).await;
        world.login("alice").await.set_address(Some(HOME));
        guess(&world, "alice").await;
        assert!(is_refused(attempt(&world, "alice", "secret", stranger(1000)).await));
        assert_eq!(attempt(&world, "alice", "secret", HOME).await, Ok(()));
    }

    #[tokio::test]
    async fn failures_long_ago_do_not_count() {
        let world = World::of(&["alice"]).await;
        for number in 0..3 * world.services.config.login_account_failures {
            world.services.clock.advance(world.services.config.login_account_window / 10);
            assert_eq!(attempt(&world, "alice", "wrong", stranger(number)).await, Err(Error::WrongPassword));
        }
        assert_eq!(attempt(&world, "alice", "secret", stranger(1000)).await, Ok(()));
    }

    #[test]
    fn few_places_are_kept_and_those_in_use_stay() {
        let guard =
            LoginGuard::new(&ServiceConfig::new(imps_types::Domain::parse("x").unwrap()), SealKey::new([1; 32]));
        let alice = UserId::from_canonical("wv:alice@x");
        let mut account = Account::default();
        let mut log_in = |from: IpAddr| {
            if let Some(places) = guard.places_with(&alice, &account, Some(from)) {
                account.places = places;
            }
            account.clone()
        };
        for number in 0..100 {
            log_in(HOME);
            assert!(log_in(stranger(number)).places.len() <= PLACES_MAX);
        }
        let account = log_in(stranger(100));
        let is_known = |from| guard.knows(&alice, &account, Some(from));
        assert!(is_known(HOME) && is_known(stranger(100)) && !is_known(stranger(0)));
        // A host of IPv6 is its network; somebody else's places are others.
        let host = |last: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last));
        assert_eq!(guard.place(&alice, host(1)), guard.place(&alice, host(2)));
        assert_ne!(guard.place(&alice, HOME), guard.place(&UserId::from_canonical("wv:bob@x"), HOME));
        assert!(guard.places_with(&alice, &account, None).is_none() && !guard.knows(&alice, &account, None));
    }
}
