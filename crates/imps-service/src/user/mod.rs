//! Users whose state is in memory: those with a session, those who are watched, those who were just asked about.

use std::sync::Arc;

use imps_types::{Slot, UserId};
use parking_lot::{Mutex, MutexGuard};
use rustc_hash::FxHashMap;

use crate::Services;
use crate::account::{Account, user_key};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::im::{Blocking, Handling};
use crate::presence::{AttributeLists, ContactLists, PresenceState};
use crate::routing::Place;
use crate::seam::{Key, Space};
use crate::session::Session;

const SHARDS: usize = 64;

/// What waits for a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueLoad {
    /// Messages, reports and notices.
    pub(crate) count: u64,
    /// Bytes of their contents.
    pub(crate) bytes: u64,
}

/// A user's state at its owner. Everything durable in it is in the store as well; the store is the truth.
pub struct UserState {
    /// The address.
    pub id: UserId,
    /// The slot.
    pub slot: Slot,
    /// Whether he is of another domain, which can be reached. He has no account here.
    pub is_guest: bool,
    /// Held over the commit by whoever changes lists, attribute lists, sessions or the account, so that what is read,
    /// changed and written is one step. Never taken while `inner` is held.
    pub change: tokio::sync::Mutex<()>,
    inner: Mutex<UserInner>,
}

/// What is guarded by the short lock of a user.
pub struct UserInner {
    /// The account as stored.
    pub account: Account,
    /// The user's own contact lists.
    pub lists: ContactLists,
    /// Who may see what of the user's presence.
    pub attribute_lists: AttributeLists,
    /// The user's presence, and who watches it.
    pub presence: PresenceState,
    /// Who may reach the user, and who may not.
    pub blocking: Blocking,
    /// Which of the user's clients get messages, and what becomes of them while he has none.
    pub handling: Handling,
    /// The user's sessions, oldest first.
    pub sessions: Vec<Arc<Session>>,
    /// How much waits; counted when it is first asked for.
    pub(crate) waiting: Option<QueueLoad>,
    /// When the state was last asked for: what is not used is let go.
    pub used: Timestamp,
}

impl UserState {
    /// The state, under its lock. Guards memory only: never held across an await.
    pub fn lock(&self) -> MutexGuard<'_, UserInner> {
        self.inner.lock()
    }

    /// The sessions at this moment.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.lock().sessions.clone()
    }

    /// Whether a session is open.
    pub fn is_online(&self) -> bool {
        !self.lock().sessions.is_empty()
    }
}

impl std::fmt::Debug for UserState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UserState({})", self.id)
    }
}

type Shard = Mutex<FxHashMap<UserId, Arc<UserState>>>;

/// The users in memory, in shards.
pub struct UserTable {
    shards: Box<[Shard]>,
}

impl Default for UserTable {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl UserTable {
    fn shard(&self, user: &UserId) -> &Shard {
        // The index is below the number of shards.
        &self.shards[usize::from(Slot::of(user.as_str()).number()) % SHARDS]
    }

    /// The state, if it is in memory.
    pub fn loaded(&self, user: &UserId) -> Option<Arc<UserState>> {
        self.shard(user).lock().get(user).cloned()
    }

    /// Those of one shard that fit.
    pub(crate) fn collect(&self, shard: usize, fits: impl Fn(&UserState) -> bool) -> Vec<Arc<UserState>> {
        let Some(shard) = self.shards.get(shard) else { return Vec::new() };
        shard.lock().values().filter(|user| fits(user)).cloned().collect()
    }

    /// How many shards [`UserTable::collect`] knows.
    pub(crate) fn shards(&self) -> usize {
        SHARDS
    }

    /// How many are in memory.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Whether none is in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn insert(&self, state: Arc<UserState>) -> Arc<UserState> {
        self.shard(&state.id).lock().entry(state.id.clone()).or_insert(state).clone()
    }

    fn remove(&self, user: &UserId) {
        self.shard(user).lock().remove(user);
    }

    /// Lets go of users whom nobody has used since, who have no session and nobody watching.
    pub fn let_go(&self, unused_since: Timestamp) {
        for shard in &self.shards {
            shard.lock().retain(|_, state| {
                if Arc::strong_count(state) > 1 {
                    return true;
                }
                let inner = state.lock();
                !inner.sessions.is_empty() || inner.presence.is_watched() || inner.used > unused_since
            });
        }
    }
}

impl Services {
    /// A user's state, from memory or from the store. One of another domain that can be reached has one too: as a guest.
    ///
    /// # Errors
    /// `UnknownUser` when there is no such account, or the store's failure.
    pub async fn user(&self, id: &UserId) -> Result<Arc<UserState>, Error> {
        let now = self.clock.now();
        if let Some(state) = self.users.loaded(id) {
            state.lock().used = now;
            return Ok(state);
        }
        // Rare and large.
        let loaded = Box::pin(self.load_users(std::slice::from_ref(id), now, false)).await?;
        loaded.into_iter().next().flatten().ok_or(Error::UnknownUser)
    }

    /// The state of a user who had a session when the server stopped.
    pub(crate) async fn user_of_saved(&self, id: &UserId) -> Result<Arc<UserState>, Error> {
        if let Some(state) = self.users.loaded(id) {
            return Ok(state);
        }
        let loaded = Box::pin(self.load_users(std::slice::from_ref(id), self.clock.now(), true)).await?;
        loaded.into_iter().next().flatten().ok_or(Error::UnknownUser)
    }

    /// The states of several users, each in the place of its address; `None` where there is no such account. Those
    /// that are not in memory are read together.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn users(&self, ids: &[UserId]) -> Result<Vec<Option<Arc<UserState>>>, Error> {
        self.users_who(ids, false).await
    }

    /// The same at the start, when the ways to other domains are not open yet: who is of one was known to be a guest.
    pub(crate) async fn users_of_saved(&self, ids: &[UserId]) -> Result<Vec<Option<Arc<UserState>>>, Error> {
        self.users_who(ids, true).await
    }

    async fn users_who(&self, ids: &[UserId], were_guests: bool) -> Result<Vec<Option<Arc<UserState>>>, Error> {
        let now = self.clock.now();
        let mut states: Vec<_> = ids.iter().map(|id| self.users.loaded(id)).collect();
        for state in states.iter().flatten() {
            state.lock().used = now;
        }
        let absent = |state: &Option<_>| state.is_none();
        let missing: Vec<UserId> =
            ids.iter().zip(&states).filter(|(_, state)| absent(state)).map(|(id, _)| id.clone()).collect();
        if !missing.is_empty() {
            let read = self.load_users(&missing, now, were_guests).await?;
            for (place, state) in states.iter_mut().filter(|state| absent(state)).zip(read) {
                *place = state;
            }
        }
        Ok(states)
    }

    /// Reads users from the store, a read of each space for all of them.
    /// `were_guests`: those who are not ours were guests when they were written, whether or not their domain can be reached
    /// yet.
    async fn load_users(
        &self,
        ids: &[UserId],
        now: Timestamp,
        were_guests: bool,
    ) -> Result<Vec<Option<Arc<UserState>>>, Error> {
        let keys: Vec<_> = ids.iter().map(user_key).collect();
        let accounts = self.store.get(Space::Users, &keys).await?;
        let mut found = Vec::with_capacity(ids.len());
        for (record, id) in accounts.into_iter().zip(ids) {
            found.push(match record {
                Some(record) => Some((Account::from_record(&record)?, false)),
                None => {
                    let is_foreign = self.router.place(id) == Place::Foreign;
                    let is_guest = is_foreign && (were_guests || self.router.is_guest(id));
                    is_guest.then(|| (Account::default(), true))
                }
            });
        }
        let known: Vec<_> = found.iter().zip(ids).filter_map(|(one, id)| one.as_ref().map(|_| id)).collect();
        let keys: Vec<_> = known.iter().map(|id| user_key(id)).collect();
        let ranges: Vec<_> = known.iter().map(|id| Key::build().text(id.as_str()).range()).collect();
        let mut presence = self.store.get(Space::Presence, &keys).await?.into_iter();
        let mut blocking = self.store.get(Space::Blocking, &keys).await?.into_iter();
        let mut handling = self.store.get(Space::Handling, &keys).await?.into_iter();
        let mut lists = self.store.scan_each(Space::Lists, &ranges).await?.into_iter();
        let mut attribute_lists = self.store.scan_each(Space::AttributeLists, &ranges).await?.into_iter();
        let mut authorisations = self.store.scan_each(Space::Authorisations, &ranges).await?.into_iter();
        let mut states = Vec::with_capacity(ids.len());
        for (id, account) in ids.iter().zip(found) {
            let Some((account, is_guest)) = account else {
                states.push(None);
                continue;
            };
            let (presence, asked) = (presence.next().flatten(), authorisations.next().unwrap_or_default());
            let inner = UserInner {
                account,
                lists: ContactLists::read(id, &lists.next().unwrap_or_default())?,
                attribute_lists: AttributeLists::read(&attribute_lists.next().unwrap_or_default())?,
                presence: PresenceState::read(presence.as_deref(), &asked)?,
                blocking: Blocking::read(blocking.next().flatten().as_deref())?,
                handling: Handling::read(handling.next().flatten().as_deref())?,
                sessions: Vec::new(),
                waiting: None,
                used: now,
            };
            let state = UserState {
                id: id.clone(),
                slot: Slot::of(id.as_str()),
                is_guest,
                change: tokio::sync::Mutex::default(),
                inner: Mutex::new(inner),
            };
            // Whoever was faster wins: there is one state of a user.
            states.push(Some(self.users.insert(Arc::new(state))));
        }
        Ok(states)
    }

    /// Whether there is an account with this address, or it is a guest's.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn user_exists(&self, id: &UserId) -> Result<bool, Error> {
        if self.users.loaded(id).is_some() || self.router.is_guest(id) {
            return Ok(true);
        }
        Ok(self.store.get_one(Space::Users, user_key(id)).await?.is_some())
    }

    /// Takes a removed user out of memory.
    pub(crate) fn forget_user(&self, id: &UserId) {
        self.users.remove(id);
    }
}
