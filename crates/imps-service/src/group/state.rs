//! A group in memory: what it is like, who belongs to it, and who has joined.

use std::sync::Arc;

use imps_types::element::Role;
use imps_types::{GroupId, UserId};
use parking_lot::{Mutex, MutexGuard};
use rustc_hash::FxHashMap;

use super::GroupError;
use super::properties::Facts;
use super::record::{GroupRecord, JoinedRecord, Person, SavedJoin};
use super::screen_name::folded;
use crate::session::Session;
use crate::user::UserState;

/// A group. All of them are in memory; everything durable is in the store as well, which is the truth.
///
/// Locks are taken in this order: a user's `change` (where he makes a group, or is removed), a group's `change`, its
/// state, a session's groups or outbox. No user's short lock is held while a group's is taken, nor the reverse.
pub struct GroupState {
    /// The address.
    pub id: GroupId,
    /// Held over the commit by whoever changes anything, so that what is read, changed and written is one step.
    pub(super) change: tokio::sync::Mutex<()>,
    inner: Mutex<GroupInner>,
}

/// What is guarded by the short lock of a group.
pub(super) struct GroupInner {
    /// It was deleted: nobody finds it any more, but somebody may hold it still.
    pub(super) is_gone: bool,
    pub(super) record: GroupRecord,
    /// Members, rejected and invited users, and who has set own properties.
    pub(super) people: FxHashMap<UserId, Person>,
    pub(super) joined: FxHashMap<UserId, JoinedUser>,
    /// Whose a screen name is: folded, since two that look alike are the same.
    names: FxHashMap<Box<str>, UserId>,
    /// The joined users in a row, made when a message is sent to them and kept until somebody comes or goes.
    roster: Option<Roster>,
    /// How many messages are in the history, once they were counted.
    history: Option<usize>,
}

/// The joined users in a row.
pub(crate) type Roster = Arc<[Arc<UserState>]>;

/// Somebody who has joined.
pub(super) struct JoinedUser {
    pub(super) state: Arc<UserState>,
    pub(super) name: Arc<str>,
    /// His sessions that have joined; at least one.
    pub(super) sessions: Vec<JoinedSession>,
}

/// A session that has joined.
pub(super) struct JoinedSession {
    pub(super) session: Arc<Session>,
    /// Whether it is told of changes.
    pub(super) subscribed: bool,
}

/// A group as a search sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// The address.
    pub id: GroupId,
    /// `Name`; may be empty.
    pub name: Box<str>,
    /// `Topic`; may be empty.
    pub topic: Box<str>,
    /// Whether others than its members find it.
    pub searchable: bool,
    /// Whose it is; none: the provider's.
    pub owner: Option<UserId>,
    /// How many users have joined.
    pub joined: usize,
}

impl GroupState {
    pub(super) fn new(id: GroupId, record: GroupRecord) -> Self {
        let inner = GroupInner {
            is_gone: false,
            record,
            people: FxHashMap::default(),
            joined: FxHashMap::default(),
            names: FxHashMap::default(),
            roster: None,
            history: None,
        };
        Self { id, change: tokio::sync::Mutex::default(), inner: Mutex::new(inner) }
    }

    /// The state, under its lock. Guards memory only: never held across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, GroupInner> {
        self.inner.lock()
    }

    /// Whether the user has joined, with any of his clients.
    pub fn is_joined(&self, user: &UserId) -> bool {
        self.lock().joined.contains_key(user)
    }

    /// Whether the user is a member, and as what.
    pub fn role_of(&self, user: &UserId) -> Option<Role> {
        self.lock().people.get(user).and_then(|person| person.role)
    }

    /// The screen name of somebody who has joined.
    pub fn screen_name_of(&self, user: &UserId) -> Option<Arc<str>> {
        self.lock().joined.get(user).map(|joined| joined.name.clone())
    }

    /// Who has joined under this screen name, whatever its case.
    pub fn user_of_screen_name(&self, name: &str) -> Option<UserId> {
        self.lock().user_of(name).cloned()
    }

    /// The screen name under which a session may speak here.
    ///
    /// # Errors
    /// `NotJoined`.
    pub(crate) fn screen_name_in(&self, session: &Session) -> Result<Arc<str>, GroupError> {
        let inner = self.lock();
        inner.joined_session(session).ok_or(GroupError::NotJoined)?;
        inner.joined.get(&session.user.id).map(|joined| joined.name.clone()).ok_or(GroupError::NotJoined)
    }

    /// Everybody who has joined, for a message to all of them.
    pub(crate) fn roster(&self) -> Roster {
        self.lock().roster()
    }

    /// Who gets a message to this screen name, and how the name is spelt.
    ///
    /// # Errors
    /// `PrivateOff`, `NoSuchName`, `PrivateOffForUser`.
    pub(crate) fn private_addressee(&self, name: &str) -> Result<(Arc<UserState>, Arc<str>), GroupError> {
        let inner = self.lock();
        if !inner.record.properties.private_messaging {
            return Err(GroupError::PrivateOff);
        }
        let user = inner.user_of(name).ok_or(GroupError::NoSuchName)?;
        let joined = inner.joined.get(user).ok_or(GroupError::NoSuchName)?;
        if inner.people.get(user).is_some_and(|person| !person.settings.takes_private()) {
            return Err(GroupError::PrivateOffForUser);
        }
        Ok((joined.state.clone(), joined.name.clone()))
    }

    /// Everybody who has joined.
    pub fn joined_users(&self) -> Vec<UserId> {
        self.lock().joined.keys().cloned().collect()
    }

    /// Everybody who joins when he logs in.
    pub fn auto_join_users(&self) -> Vec<UserId> {
        let inner = self.lock();
        let auto = inner.people.iter().filter(|(_, person)| person.settings.auto_join);
        auto.map(|(user, _)| user.clone()).collect()
    }

    /// Whether the user joins when he logs in.
    pub fn auto_joins(&self, user: &UserId) -> bool {
        self.lock().people.get(user).is_some_and(|person| person.settings.auto_join)
    }

    /// Whether the user may learn of the group though it is not to be found: its owner, members and joined users.
    pub fn is_familiar_to(&self, user: &UserId) -> bool {
        self.lock().is_familiar_to(user)
    }

    /// Whether its last messages are kept.
    pub fn keeps_history(&self) -> bool {
        self.lock().record.properties.history
    }

    /// One message more is in the history: how many are now, if that was counted before.
    pub(crate) fn count_history(&self) -> Option<usize> {
        let mut inner = self.lock();
        inner.history = inner.history.map(|count| count + 1);
        inner.history
    }

    /// So many messages are in the history.
    pub(crate) fn set_history(&self, count: usize) {
        self.lock().history = Some(count);
    }

    /// As a search sees it.
    pub fn summary(&self) -> GroupSummary {
        let inner = self.lock();
        let properties = &inner.record.properties;
        GroupSummary {
            id: self.id.clone(),
            name: properties.name.clone(),
            topic: properties.topic.clone(),
            searchable: properties.searchable,
            owner: inner.record.owner.clone(),
            joined: inner.joined.len(),
        }
    }
}

impl std::fmt::Debug for GroupState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GroupState({})", self.id)
    }
}

impl GroupInner {
    /// What the user may do: the owner is always an administrator, and whoever is rejected may do nothing, whatever role
    /// waits for him.
    pub(super) fn rank(&self, user: &UserId) -> Role {
        let is_rejected = self.people.get(user).is_some_and(|person| person.rejected);
        if is_rejected && !self.is_owner(user) { Role::User } else { self.role(user) }
    }

    /// What the user is, rejected or not.
    pub(super) fn role(&self, user: &UserId) -> Role {
        if self.is_owner(user) {
            return Role::Admin;
        }
        self.people.get(user).and_then(|person| person.role).unwrap_or(Role::User)
    }

    pub(super) fn is_owner(&self, user: &UserId) -> bool {
        self.record.owner.as_ref() == Some(user)
    }

    pub(super) fn is_member(&self, user: &UserId) -> bool {
        self.is_owner(user) || self.people.get(user).is_some_and(|person| person.role.is_some())
    }

    /// Whether anything is kept of a user, or he has joined.
    pub(super) fn knows(&self, user: &UserId) -> bool {
        self.people.contains_key(user) || self.joined.contains_key(user)
    }

    pub(super) fn is_familiar_to(&self, user: &UserId) -> bool {
        self.is_member(user) || self.joined.contains_key(user)
    }

    pub(super) fn members(&self) -> usize {
        self.people.values().filter(|person| person.role.is_some()).count()
    }

    pub(super) fn facts(&self, id: &GroupId, active_max: usize) -> Facts {
        Facts { is_public: id.is_public(), active_users: self.joined.len(), active_max }
    }

    /// Whose a screen name is.
    pub(super) fn user_of(&self, name: &str) -> Option<&UserId> {
        self.names.get(&folded(name.trim()))
    }

    pub(super) fn joined_session(&self, session: &Session) -> Option<&JoinedSession> {
        let joined = self.joined.get(&session.user.id)?;
        joined.sessions.iter().find(|one| one.session.id == session.id)
    }

    /// A session of somebody joins, or its subscription or his screen name changes.
    pub(super) fn put_joined(&mut self, session: &Arc<Session>, name: &str, subscribed: bool) {
        let user = &session.user;
        if let Some(before) = self.joined.get(&user.id) {
            self.names.remove(&folded(&before.name));
        } else {
            self.roster = None;
        }
        self.names.insert(folded(name), user.id.clone());
        let joined = self.joined.entry(user.id.clone()).or_insert_with(|| JoinedUser {
            state: user.clone(),
            name: name.into(),
            sessions: Vec::with_capacity(1),
        });
        if *joined.name != *name {
            joined.name = name.into();
        }
        match joined.sessions.iter_mut().find(|one| one.session.id == session.id) {
            Some(known) => known.subscribed = subscribed,
            None => joined.sessions.push(JoinedSession { session: session.clone(), subscribed }),
        }
    }

    /// Nobody of the user's sessions is joined any more.
    pub(super) fn take_joined(&mut self, user: &UserId) -> Option<JoinedUser> {
        let joined = self.joined.remove(user)?;
        self.names.remove(&folded(&joined.name));
        self.roster = None;
        Some(joined)
    }

    /// The joined users in a row.
    pub(super) fn roster(&mut self) -> Roster {
        let joined = &self.joined;
        self.roster.get_or_insert_with(|| joined.values().map(|one| one.state.clone()).collect()).clone()
    }

    /// What is written of a joined user.
    pub(super) fn joined_record(&self, id: &GroupId, user: &UserId) -> Option<JoinedRecord> {
        let joined = self.joined.get(user)?;
        let sessions = joined.sessions.iter().map(|one| {
            let (delivery, push_length) = one.session.group_delivery(id).unwrap_or_default();
            SavedJoin { session: one.session.id, subscribed: one.subscribed, delivery, push_length }
        });
        Some(JoinedRecord { name: (&*joined.name).into(), sessions: sessions.collect() })
    }
}
