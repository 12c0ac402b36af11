//! Login: 2-way with the password, 4-way with a digest (CSP 4.1).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use imps_types::element::{DigestSchema, SystemMessageResponse};
use imps_types::{Address, ClientId, Secret, SessionId, Status, UserId, Version};

use super::guard::{FirstStep, NonceOwner, Whence};
use super::registration::{Registered, Registration};
use super::{Access, password};
use crate::account::{Account, user_key};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::happening::Happening;
use crate::seam::{Batch, Key, Space};
use crate::session::{NewSession, Session};
use crate::user::UserState;

/// Phones leave out or add padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the server can do, best first. PWD asks for the password in clear: only for clients that know nothing else.
const SCHEMAS: [DigestSchema; 3] = [DigestSchema::Sha, DigestSchema::Md5, DigestSchema::Pwd];

/// How long a refusal takes at least. Whose address is known here could be told from microseconds otherwise: a user may
/// have to be read from the store first, or not.
const REFUSAL: Duration = Duration::from_millis(50);

/// Bytes of ClientID, ApplicationID and SessionCookie, which a session keeps.
const NAME_MAX: usize = 255;

/// What a client says when it logs in, in either step.
#[derive(Clone, Debug)]
pub struct LoginAttempt {
    /// The user.
    pub user: Option<Address>,
    /// The client.
    pub client: ClientId,
    /// 1.3: the application.
    pub application: Option<Box<str>>,
    /// In clear: 2-way login.
    pub password: Option<Secret<Box<str>>>,
    /// BASE64 of the digest: the second step of the 4-way login.
    pub digest: Option<Box<str>>,
    /// What the client can compute, in its order; known names only.
    pub schemas: Vec<DigestSchema>,
    /// Seconds that it asks for.
    pub time_to_live: Option<u32>,
    /// What a CIR shall tell it.
    pub cookie: Box<str>,
    /// 1.3: the session to take up again.
    pub resume: Option<Box<str>>,
    /// The version that it speaks.
    pub version: Version,
    /// 1.3: what the user says to system messages.
    pub responses: Vec<SystemMessageResponse>,
    /// 1.3: the language in which the user reads.
    pub language: Option<Box<str>>,
    /// The number of the subscriber, as a gateway tells it that is to be believed: digits.
    pub msisdn: Option<Box<str>>,
    /// Where it speaks from.
    pub from: Option<IpAddr>,
}

/// How a login went on.
#[derive(Clone, Debug)]
pub enum LoginOutcome {
    /// The client shall digest its password with this nonce.
    Challenge {
        /// What to put before the password.
        nonce: Box<str>,
        /// How to digest.
        schema: DigestSchema,
    },
    /// The client is logged in.
    Opened {
        /// Its session.
        session: Arc<Session>,
        /// 1.3: an earlier session goes on.
        resumed: bool,
        /// The account was made just now.
        registered: Option<Registered>,
    },
}

impl Access<'_> {
    /// One step of a login. What the client cannot see from the answer: whether there is such a user.
    ///
    /// # Errors
    /// `WrongPassword`, `TooManyFailures`, `NoDigestSchema`, `ForeignDomain`, `Barred`, `TooManySessions`, `CannotResume`,
    /// `ClientMismatch`, `BadParameter`, or the store's failure.
    pub async fn login(&self, mut attempt: LoginAttempt) -> Result<LoginOutcome, Error> {
        let not_before = tokio::time::sleep(REFUSAL);
        check_names(&attempt)?;
        if let Some(outcome) = self.login_by_number(&mut attempt).await? {
            return Ok(outcome);
        }
        let address = attempt.user.as_ref().ok_or(Error::BadParameter("a login needs a UserID"))?;
        let user = match self.router.local_user(address) {
            Ok(user) => user,
            Err(Error::ForeignDomain) => return Err(Error::ForeignDomain),
            // Nobody can be called so; not worth telling apart from somebody who might.
            Err(_) => return Err(Error::WrongPassword),
        };
        if !attempt.schemas.is_empty() {
            // Who offers to digest the password has not left it empty, but out.
            attempt.password = attempt.password.filter(|password| !password.expose().is_empty());
        }
        let now = self.clock.now();
        if let Some(left) = self.refused_for(&user, attempt.from, now).await? {
            self.metrics.login_throttled.up();
            return Err(Error::TooManyFailures(left));
        }
        if attempt.password.is_none() && attempt.digest.is_none() {
            return self.challenge(user, &attempt);
        }
        let mut registered = None;
        let state = match self.user(&user).await {
            Ok(state) => Some(state),
            Err(Error::UnknownUser) => match &attempt.password {
                Some(given) if self.registers_at_login() => {
                    self.register_at_login(&user, given, attempt.from).await?;
                    let phone_password = given.expose().to_string();
                    registered = Some(Registered { user: user.clone(), phone_password });
                    Some(self.user(&user).await?)
                }
                _ => None,
            },
            Err(error) => return Err(error),
        };
        let account = state.as_ref().map(|state| state.lock().account.clone()).unwrap_or_default();
        let fits = match (&attempt.password, &attempt.digest) {
            (Some(password), _) => {
                let fits = self.password_fits(&user, &account, password).await?;
                if fits {
                    // The server may have asked for the password itself in the first step (PWD).
                    self.first_step(&user, &mut attempt);
                }
                fits
            }
            (None, _) => self.digest_fits(&user, &account, &mut attempt),
        };
        // Those who failed while this one waited for its turn count for it as well.
        if let Some(left) = self.refused_for(&user, attempt.from, self.clock.now()).await? {
            self.metrics.login_throttled.up();
            return Err(Error::TooManyFailures(left));
        }
        match state {
            Some(state) if fits && !account.barred => {
                self.guard.succeeded(&user, attempt.from);
                let opened = self.open_session(state, attempt).await?;
                Ok(match opened {
                    LoginOutcome::Opened { session, resumed, .. } => {
                        LoginOutcome::Opened { session, resumed, registered }
                    }
                    other => other,
                })
            }
            Some(_) if fits => Err(Error::Barred),
            _ => {
                let whence = self.whence(&user, attempt.from).await?;
                self.guard.failed(&user, whence, now, &self.config);
                self.metrics.login_failures.up();
                not_before.await;
                Err(Error::WrongPassword)
            }
        }
    }

    /// Whether whoever logs in for the first time gets an account by that.
    fn registers_at_login(&self) -> bool {
        self.config.register_at_login && self.config.registration == Registration::Open
    }

    /// Whether somebody knows a user's password, or his phone password, outside a login.
    pub(super) async fn check_password(
        &self,
        user: &UserId,
        given: &Secret<Box<str>>,
        from: Option<IpAddr>,
    ) -> Result<(), Error> {
        let not_before = tokio::time::sleep(REFUSAL);
        let now = self.clock.now();
        if let Some(left) = self.refused_for(user, from, now).await? {
            return Err(Error::TooManyFailures(left));
        }
        let account = match self.user(user).await {
            Ok(state) => Some(state.lock().account.clone()),
            Err(Error::UnknownUser) => None,
            Err(error) => return Err(error),
        };
        let fits = self.password_fits(user, &account.clone().unwrap_or_default(), given).await?;
        match account {
            Some(account) if fits && account.barred => Err(Error::Barred),
            Some(_) if fits => {
                self.guard.succeeded(user, from);
                Ok(())
            }
            _ => {
                let whence = self.whence(user, from).await?;
                self.guard.failed(user, whence, now, &self.config);
                self.metrics.login_failures.up();
                not_before.await;
                Err(Error::WrongPassword)
            }
        }
    }

    /// How long logins of a user from here are refused still: too many failed from this address, or from anywhere that he
    /// has not logged in before, and this is no place where he has.
    async fn refused_for(
        &self,
        user: &UserId,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<Duration>, Error> {
        if let Some(left) = self.guard.refused_for(user, from, now) {
            return Ok(Some(left));
        }
        let Some(left) = self.guard.refused_elsewhere_for(user, now) else { return Ok(None) };
        let is_known = self.whence(user, from).await?.is_known;
        Ok(Some(left).filter(|_| !is_known))
    }

    /// Where somebody is, and whether that is a place of this user's: he has logged in there, or has a session there.
    async fn whence(&self, user: &UserId, from: Option<IpAddr>) -> Result<Whence, Error> {
        let is_known = match self.user(user).await {
            Ok(state) => {
                let is_there = |session: &Arc<Session>| from.is_some() && session.address() == from;
                let is_kept = self.guard.knows(user, &state.lock().account, from);
                is_kept || state.sessions().iter().any(is_there)
            }
            Err(Error::UnknownUser) => false,
            Err(error) => return Err(error),
        };
        Ok(Whence { from, is_known })
    }

    /// The first step: a nonce, for users that do not exist too.
    fn challenge(&self, user: UserId, attempt: &LoginAttempt) -> Result<LoginOutcome, Error> {
        let offered = |schema: &DigestSchema| attempt.schemas.contains(schema);
        let schema = match SCHEMAS.into_iter().find(offered) {
            Some(schema) => schema,
            None if !attempt.schemas.is_empty() => return Err(Error::NoDigestSchema),
            None => DigestSchema::Md5,
        };
        let nonce = password::generate_password(24)?;
        let owner = NonceOwner::new(&user, &attempt.client, &attempt.cookie);
        let step = FirstStep::new(&nonce, schema, &attempt.responses);
        self.guard.keep_nonce(owner, step, self.clock.now(), self.config.nonce_life);
        self.metrics.login_challenges.up();
        Ok(LoginOutcome::Challenge { nonce: nonce.into(), schema })
    }

    /// The first step of this login, which is used up by this. What is said to system messages may stand in either step.
    fn first_step(&self, user: &UserId, attempt: &mut LoginAttempt) -> Option<FirstStep> {
        let owner = NonceOwner::new(user, &attempt.client, &attempt.cookie);
        let mut first = self.guard.take_nonce(owner, self.clock.now())?;
        attempt.responses.append(&mut first.responses);
        Some(first)
    }

    fn digest_fits(&self, user: &UserId, account: &Account, attempt: &mut LoginAttempt) -> bool {
        let Some(first) = self.first_step(user, attempt) else { return false };
        let digest: String = attempt.digest.as_deref().unwrap_or_default().split_whitespace().collect();
        let digest = LENIENT.decode(&digest).unwrap_or_default();
        let phone = self.phone_password(user, account);
        // Without a phone password something is computed all the same.
        let known = phone.as_ref().map_or("no such password", |password| password.expose());
        password::digest_fits(first.schema, &first.nonce, known, &digest) & phone.is_some()
    }

    /// The phone password in clear; only ever for comparing.
    fn phone_password(&self, user: &UserId, account: &Account) -> Option<Secret<String>> {
        let sealed = account.phone_password.as_deref()?;
        password::unseal(&self.guard.key, user, sealed)
    }

    /// The phone password is compared first, since that costs nothing: a storm of returning phones never waits for Argon2.
    async fn password_fits(
        &self,
        user: &UserId,
        account: &Account,
        password: &Secret<Box<str>>,
    ) -> Result<bool, Error> {
        if let Some(phone) = self.phone_password(user, account)
            && password::same(phone.expose(), password.expose())
        {
            return Ok(true);
        }
        // Whoever waits here holds memory.
        let busy = |_| Error::Store(crate::seam::StoreError::Busy);
        let _place = self.guard.places.try_acquire().map_err(busy)?;
        let exists = account.password_hash.is_some();
        let stored = match &account.password_hash {
            Some(hash) => hash.clone(),
            None => self.decoy().await?,
        };
        let password = password.clone();
        let fits = self.with_worker(move || password::verify(password.expose(), &stored)).await?;
        Ok(fits && exists)
    }

    /// A hash that no password fits, to spend the same time on users who do not exist.
    async fn decoy(&self) -> Result<Box<str>, Error> {
        if let Some(decoy) = self.guard.decoy.get() {
            return Ok(decoy.clone());
        }
        let secret = password::generate_password(32)?;
        let hash = self.with_worker(move || password::hash(&secret)).await??;
        Ok(self.guard.decoy.get_or_init(|| hash).clone())
    }

    /// Runs a computation of Argon2 off the runtime's threads, few at a time.
    pub(super) async fn with_worker<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let failed = || Error::Store(crate::seam::StoreError::Busy);
        let permit = self.guard.workers.clone().acquire_owned().await.map_err(|_| failed())?;
        let compute = move || {
            // It is in use until the computation is over, whoever still waits for it.
            let _permit = permit;
            compute()
        };
        tokio::task::spawn_blocking(compute).await.map_err(|_| failed())
    }

    pub(super) async fn open_session(
        &self,
        user: Arc<UserState>,
        attempt: LoginAttempt,
    ) -> Result<LoginOutcome, Error> {
        let _change = user.change.lock().await;
        // The password was right when it was looked at; since then the account may have been removed or barred.
        if !self.users.loaded(&user.id).is_some_and(|now| Arc::ptr_eq(&now, &user)) {
            return Err(Error::WrongPassword);
        }
        if user.lock().account.barred {
            return Err(Error::Barred);
        }
        self.let_in(&user.id, attempt.version, attempt.language.as_deref(), &attempt.responses).await?;
        let now = self.clock.now();
        let moved = self.moved_to(&user, attempt.from);
        if let Some(wanted) = &attempt.resume {
            let outcome = self.resume_session(&user, wanted, &attempt).await?;
            if let Some(account) = moved {
                let mut batch = Batch::new();
                batch.put(Space::Users, user_key(&user.id), account.to_record());
                self.store.commit(batch).await?;
                user.lock().account = account;
            }
            return Ok(outcome);
        }
        let sessions = user.sessions();
        let replaced = sessions.iter().find(|old| old.client == attempt.client).cloned();
        if replaced.is_none() && sessions.len() >= self.config.sessions_per_user {
            return Err(Error::TooManySessions);
        }
        let new = NewSession {
            id: SessionId::new(user.slot, password::random()?),
            user: user.clone(),
            client: attempt.client,
            application: attempt.application,
            cookie: attempt.cookie,
            version: attempt.version,
            opened: now,
            time_to_live: self.clamp_time_to_live(attempt.time_to_live),
        };
        let session = Arc::new(Session::new(new, now));
        let mut batch = Batch::new();
        batch.put(Space::Sessions, session_key(&session.id), session.to_record());
        if let Some(account) = &moved {
            batch.put(Space::Users, user_key(&user.id), account.to_record());
        }
        if let Some(old) = &replaced {
            *old.has_row.lock() = false;
            batch.delete(Space::Sessions, session_key(&old.id));
            self.presence().stays_listed(old, &mut batch);
        }
        if let Err(error) = self.store.commit(batch).await {
            if let Some(old) = &replaced {
                *old.has_row.lock() = true;
            }
            return Err(error.into());
        }
        if let Some(account) = moved {
            user.lock().account = account;
        }
        if let Some(old) = replaced {
            // A phone that lost its battery logs in again at once and must get in (CSP 4.1).
            self.end_session(&old, Status::FORCED_LOGOUT, "this client has logged in again").await;
        }
        self.sessions.insert(session.clone());
        user.lock().sessions.push(session.clone());
        self.metrics.logins.up();
        self.tell(Happening::SessionOpened { session: session.clone(), resumed: false }).await;
        Ok(LoginOutcome::Opened { session, resumed: false, registered: None })
    }

    /// The account of somebody who logs in from here, where that changes what it knows of where he does.
    fn moved_to(&self, user: &UserState, from: Option<IpAddr>) -> Option<Account> {
        let account = user.lock().account.clone();
        let places = self.guard.places_with(&user.id, &account, from)?;
        Some(Account { places, ..account })
    }

    /// 1.3: goes on with a session that is still open.
    async fn resume_session(
        &self,
        user: &UserState,
        wanted: &str,
        attempt: &LoginAttempt,
    ) -> Result<LoginOutcome, Error> {
        let session = SessionId::parse(wanted).and_then(|id| self.sessions.find(&id)).ok_or(Error::CannotResume)?;
        if session.user.id != user.id {
            // Not told apart from a session that does not exist.
            return Err(Error::CannotResume);
        }
        if session.client != attempt.client {
            return Err(Error::ClientMismatch);
        }
        let now = self.clock.now();
        // A session does not change its version (CSP 3).
        if session.is_closed()
            || session.is_expired(now, self.config.ttl_grace_percent)
            || session.version != attempt.version
        {
            return Err(Error::CannotResume);
        }
        session.touch(now);
        let (before, granted) = (session.time_to_live(), self.clamp_time_to_live(attempt.time_to_live));
        let granted = if attempt.time_to_live.is_some() { granted } else { before };
        let known_by = session.cookie();
        let cookie = if attempt.cookie.is_empty() { known_by.clone() } else { attempt.cookie.clone() };
        if granted != before || cookie != known_by {
            session.set_time_to_live(granted);
            session.set_cookie(cookie);
            if let Err(error) = self.save_session(&session).await {
                session.set_time_to_live(before);
                session.set_cookie(known_by);
                return Err(error);
            }
        }
        Ok(LoginOutcome::Opened { session, resumed: true, registered: None })
    }

    /// Seconds within the limits; none or zero asked for: the default.
    pub(super) fn clamp_time_to_live(&self, asked: Option<u32>) -> u32 {
        let seconds = |duration: std::time::Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        match asked {
            None | Some(0) => seconds(self.config.ttl_default),
            // Settings may contradict each other: the minimum holds.
            Some(asked) => asked.min(seconds(self.config.ttl_max)).max(seconds(self.config.ttl_min)),
        }
    }
}

/// Whether what the session would keep of its client is small enough.
fn check_names(attempt: &LoginAttempt) -> Result<(), Error> {
    let names = [Some(&attempt.cookie), attempt.client.url.as_ref(), attempt.client.msisdn.as_ref()];
    if names.into_iter().chain([attempt.application.as_ref()]).flatten().any(|name| name.len() > NAME_MAX) {
        return Err(Error::BadParameter("SessionCookie, ClientID and ApplicationID may have 255 characters"));
    }
    Ok(())
}

/// The key of a session's row: the ID, which has the slot in front.
pub(super) fn session_key(id: &SessionId) -> Key {
    Key::from(id.as_bytes())
}
