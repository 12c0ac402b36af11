//! Keeps the arena as the store is: reads it at the beginning, and what changed since.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use imps_types::UserId;
use imps_types::element::ProfileProperty;
use imps_types::presence::Attribute;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use rustc_hash::FxHashSet;

use super::super::profile::Profile;
use super::arena::{Arena, Column, Texts};
use crate::Services;
use crate::account;
use crate::error::Error;
use crate::seam::{Key, KeyRange, Order, Row, Space};

/// Rows of one scan.
const PAGE: usize = 4096;
/// Users that are read again in one step.
const STEP: usize = 512;
/// Steps of one sweep, which has other things to do.
const STEPS: usize = 20;
/// Changes from which on it is worth to take them over though nobody searches.
const MANY: usize = 2000;

/// The columns of an account's texts, in their order.
const OF_ACCOUNT: [Column; 4] = [Column::FirstName, Column::LastName, Column::Email, Column::MobileNumber];

/// The columns of a profile's values.
const OF_PROFILE: [(ProfileProperty, Column); 8] = [
    (ProfileProperty::Age, Column::Age),
    (ProfileProperty::City, Column::City),
    (ProfileProperty::Country, Column::Country),
    (ProfileProperty::FriendlyName, Column::FriendlyName),
    (ProfileProperty::Gender, Column::Gender),
    (ProfileProperty::Intention, Column::Intention),
    (ProfileProperty::Interests, Column::Interests),
    (ProfileProperty::MaritalStatus, Column::MaritalStatus),
];

/// What a user's rows say.
#[derive(Default)]
struct Rows {
    account: Option<bytes::Bytes>,
    presence: Option<bytes::Bytes>,
    profile: Option<bytes::Bytes>,
}

/// The arena, and whose texts in it are no longer true.
#[derive(Debug, Default)]
pub(super) struct Findable {
    arena: RwLock<Arena>,
    stale: Mutex<FxHashSet<UserId>>,
    /// Whether anybody has begun to make the arena: what changed before is read then.
    is_begun: AtomicBool,
    /// Whether the arena was made; held by whoever makes it or takes changes over.
    made: tokio::sync::Mutex<bool>,
}

impl Findable {
    /// The arena. Only on a thread that may wait: its changes take a moment.
    pub(super) fn arena(&self) -> RwLockReadGuard<'_, Arena> {
        self.arena.read()
    }

    pub(super) fn is_stale(&self, user: &UserId) {
        if self.is_begun.load(Ordering::SeqCst) {
            self.stale.lock().insert(user.clone());
        }
    }

    /// Users that can be found, and bytes.
    pub(super) fn numbers(&self) -> (usize, usize) {
        // Whoever changes it is done soon, and the numbers are as good then.
        self.arena.try_read().map_or((0, 0), |arena| (arena.alive(), arena.memory()))
    }

    /// Makes the arena, unless it was made.
    pub(super) async fn prepare(self: &Arc<Self>, services: &Services) -> Result<(), Error> {
        let mut made = self.made.lock().await;
        self.make(services, &mut made).await
    }

    async fn make(self: &Arc<Self>, services: &Services, made: &mut bool) -> Result<(), Error> {
        if *made {
            return Ok(());
        }
        self.is_begun.store(true, Ordering::SeqCst);
        let home = services.router.home().as_str().to_owned();
        let (mut presence, mut profiles) = (Cursor::new(Space::Presence), Cursor::new(Space::Profiles));
        let mut range = KeyRange::all();
        let mut arena = Arena::default();
        loop {
            let accounts = services.store.scan(Space::Users, range.clone(), Order::Forwards, PAGE).await?;
            let Some(last) = accounts.last().map(|row| row.key.clone()) else { break };
            range = range.after(&last);
            let is_last = accounts.len() < PAGE;
            let of_presence = presence.up_to(services, &last).await?;
            let of_profiles = profiles.up_to(services, &last).await?;
            // Other tasks of this thread have their turn while a page is taken in.
            let home = home.clone();
            let added = tokio::task::spawn_blocking(move || {
                add_page(&mut arena, &home, &accounts, &of_presence, &of_profiles);
                arena
            });
            arena = added.await.map_err(|_| Error::SearchTimedOut)?;
            if is_last {
                break;
            }
        }
        arena.shrink();
        let this = self.clone();
        let put = tokio::task::spawn_blocking(move || {
            tracing::debug!(users = arena.alive(), bytes = arena.memory(), "users can be searched for");
            *this.arena.write() = arena;
        });
        put.await.map_err(|_| Error::SearchTimedOut)?;
        *made = true;
        Ok(())
    }

    /// Takes over what changed, before a search.
    pub(super) async fn take_over(self: &Arc<Self>, services: &Services) -> Result<(), Error> {
        let mut made = self.made.lock().await;
        self.make(services, &mut made).await?;
        self.take_over_steps(services, usize::MAX).await
    }

    async fn take_over_steps(self: &Arc<Self>, services: &Services, steps: usize) -> Result<(), Error> {
        for _ in 0..steps {
            let mut taken = Taken::from(&self.stale);
            if taken.users.is_empty() {
                return Ok(());
            }
            self.read_again(services, &taken.users).await?;
            taken.users.clear();
        }
        Ok(())
    }

    /// Takes over some of what changed when it is much, so that the next search need not.
    pub(super) async fn take_over_many(self: &Arc<Self>, services: &Services) -> Result<(), Error> {
        if self.stale.lock().len() < MANY {
            return Ok(());
        }
        match self.made.try_lock() {
            Ok(made) if *made => self.take_over_steps(services, STEPS).await,
            // Whoever makes the arena, or takes changes over, will do it.
            _ => Ok(()),
        }
    }

    /// Reads users again: from the store, and what they published from memory, where it may be newer.
    async fn read_again(self: &Arc<Self>, services: &Services, users: &[UserId]) -> Result<(), Error> {
        let keys: Vec<Key> = users.iter().map(account::user_key).collect();
        let accounts = services.store.get(Space::Users, &keys).await?;
        let presence = services.store.get(Space::Presence, &keys).await?;
        let profiles = services.store.get(Space::Profiles, &keys).await?;
        let rows = accounts.into_iter().zip(presence).zip(profiles);
        let mut news = Vec::with_capacity(users.len());
        for (user, ((account, presence), profile)) in users.iter().zip(rows) {
            let mut texts = Texts::default();
            let is_there = fill(&mut texts, user.as_str(), &Rows { account, presence, profile });
            if let Some(state) = services.users.loaded(user) {
                texts.set(Column::Alias, &services.presence().own_text(&state, Attribute::Alias).unwrap_or_default());
            }
            news.push((user.clone(), (is_there && user.domain() == services.router.home().as_str()).then_some(texts)));
        }
        let this = self.clone();
        let put = tokio::task::spawn_blocking(move || {
            {
                let mut arena = this.arena.write();
                for (user, texts) in &news {
                    match texts {
                        Some(texts) => arena.put(texts),
                        None => arena.remove(user.as_str()),
                    }
                }
            }
            // Nobody else changes it meanwhile: whoever does holds `made`.
            let tidied = {
                let arena = this.arena.read();
                arena.is_loose().then(|| arena.tidied())
            };
            if let Some(tidied) = tidied {
                *this.arena.write() = tidied;
            }
        });
        put.await.map_err(|_| Error::SearchTimedOut)
    }
}

/// Users that are being read again. A search that is given up half-way puts them back.
struct Taken<'a> {
    stale: &'a Mutex<FxHashSet<UserId>>,
    users: Vec<UserId>,
}

impl<'a> Taken<'a> {
    fn from(stale: &'a Mutex<FxHashSet<UserId>>) -> Self {
        let mut all = stale.lock();
        let users: Vec<UserId> = all.iter().take(STEP).cloned().collect();
        for user in &users {
            all.remove(user);
        }
        drop(all);
        Self { stale, users }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.stale.lock().extend(self.users.drain(..));
    }
}

/// Reads a space beside the accounts: both are in the order of the users' addresses.
struct Cursor {
    space: Space,
    rest: Option<KeyRange>,
    read: Vec<Row>,
}

impl Cursor {
    fn new(space: Space) -> Self {
        Self { space, rest: Some(KeyRange::all()), read: Vec::new() }
    }

    /// The next rows, through this key.
    async fn up_to(&mut self, services: &Services, key: &Key) -> Result<Vec<Row>, Error> {
        while let Some(range) = self.rest.take_if(|_| self.read.last().is_none_or(|last| last.key <= *key)) {
            let rows = match services.store.scan(self.space, range.clone(), Order::Forwards, PAGE).await {
                Ok(rows) => rows,
                Err(error) => {
                    self.rest = Some(range);
                    return Err(error.into());
                }
            };
            if rows.len() == PAGE {
                self.rest = rows.last().map(|last| range.after(&last.key));
            }
            self.read.extend(rows);
        }
        let later = self.read.partition_point(|row| row.key <= *key);
        let rest = self.read.split_off(later);
        Ok(std::mem::replace(&mut self.read, rest))
    }
}

fn add_page(arena: &mut Arena, home: &str, accounts: &[Row], presence: &[Row], profiles: &[Row]) {
    let find = |rows: &[Row], key: &Key| {
        let place = rows.binary_search_by(|row| row.key.cmp(key)).ok()?;
        rows.get(place).map(|row| row.value.clone())
    };
    let mut texts = Texts::default();
    for row in accounts {
        let Ok(id) = std::str::from_utf8(row.key.as_bytes()) else { continue };
        // Users of a former domain cannot log in.
        if id.rsplit_once('@').is_none_or(|(_, domain)| domain != home) {
            continue;
        }
        let (presence, profile) = (find(presence, &row.key), find(profiles, &row.key));
        texts.clear();
        if fill(&mut texts, id, &Rows { account: Some(row.value.clone()), presence, profile }) {
            arena.put(&texts);
        }
    }
}

/// The texts of a user by his rows; whether he is there and wants to be found.
fn fill(texts: &mut Texts, id: &str, rows: &Rows) -> bool {
    let Some(record) = &rows.account else { return false };
    let found = match account::Findable::read(record) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(user = id, %error, "an account cannot be searched for");
            return false;
        }
    };
    if !found.searchable {
        return false;
    }
    texts.set(Column::Id, id);
    for (column, text) in OF_ACCOUNT.into_iter().zip(found.texts) {
        texts.set(column, text.unwrap_or_default());
    }
    if let Some(alias) =
        rows.presence.as_ref().and_then(|record| crate::presence::text_of_record(record, Attribute::Alias))
    {
        texts.set(Column::Alias, &alias);
    }
    if let Some(profile) = rows.profile.as_ref().and_then(|record| Profile::read(record).ok()) {
        for (property, column) in OF_PROFILE {
            texts.set(column, profile.value(property).unwrap_or_default());
        }
    }
    true
}
