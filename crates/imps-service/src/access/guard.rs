//! What stands before a login: nonces that are good once, and a brake on guessing.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use imps_types::element::{DigestSchema, SystemMessageResponse};
use imps_types::{ClientId, UserId};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sha1::{Digest, Sha1};
use tokio::sync::Semaphore;

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

struct Failures {
    count: u32,
    since: Timestamp,
    refused_until: Timestamp,
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
    failures: Mutex<FxHashMap<Guesser, Failures>>,
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
            failures: Mutex::default(),
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
        let failures = self.failures.lock();
        let known = failures.get(&(user.clone(), from))?;
        (known.refused_until > now).then(|| known.refused_until.since(now))
    }

    /// Counts a failure; too many within the penalty's time, and further logins are refused for as long.
    pub(super) fn failed(&self, user: &UserId, from: Option<IpAddr>, now: Timestamp, config: &ServiceConfig) {
        let mut failures = self.failures.lock();
        if failures.len() >= REMEMBERED {
            failures.retain(|_, known| now.since(known.since) < config.login_penalty || known.refused_until > now);
            if failures.len() >= REMEMBERED {
                failures.clear();
            }
        }
        let known = failures.entry((user.clone(), from)).or_insert(Failures {
            count: 0,
            since: now,
            refused_until: Timestamp(0),
        });
        if now.since(known.since) >= config.login_penalty {
            *known = Failures { count: 0, since: now, refused_until: Timestamp(0) };
        }
        known.count += 1;
        if known.count >= config.login_failures {
            *known = Failures { count: 0, since: now, refused_until: now.plus(config.login_penalty) };
        }
    }

    /// Forgets the failures of a user who got in.
    pub(super) fn succeeded(&self, user: &UserId, from: Option<IpAddr>) {
        let mut failures = self.failures.lock();
        if !failures.is_empty() {
            failures.remove(&(user.clone(), from));
        }
    }
}
