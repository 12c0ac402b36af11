//! Every group, and whose they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use imps_types::{GroupId, UserId};
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;

use super::resume::ResumingTable;
use super::state::GroupState;
use crate::clock::Timestamp;

/// The groups of this server. All are in memory: a search looks at each, and there are fewer of them than users.
#[derive(Default)]
pub struct GroupTable {
    groups: RwLock<FxHashMap<GroupId, Arc<GroupState>>>,
    /// In which groups something is kept of a user.
    of_users: Mutex<FxHashMap<UserId, Vec<GroupId>>>,
    /// When groups end that have a validity.
    ends: Mutex<BTreeSet<(Timestamp, GroupId)>>,
    /// While the server starts: who had joined.
    pub(super) resuming: Mutex<Option<ResumingTable>>,
}

impl GroupTable {
    /// The group with this address.
    pub fn find(&self, id: &GroupId) -> Option<Arc<GroupState>> {
        self.groups.read().get(id).cloned()
    }

    /// Every group, in no order.
    pub fn all(&self) -> Vec<Arc<GroupState>> {
        self.groups.read().values().cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.groups.read().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn insert(&self, group: Arc<GroupState>, ends: Option<Timestamp>) {
        self.end_at(&group.id, None, ends);
        self.groups.write().insert(group.id.clone(), group);
    }

    /// Takes a group out that has these people.
    pub(super) fn remove<'a>(&self, id: &GroupId, ends: Option<Timestamp>, people: impl Iterator<Item = &'a UserId>) {
        self.groups.write().remove(id);
        self.end_at(id, ends, None);
        let mut of_users = self.of_users.lock();
        for user in people {
            forget(&mut of_users, user, id);
        }
    }

    /// A group ends at another moment than before, or never.
    pub(super) fn end_at(&self, id: &GroupId, before: Option<Timestamp>, now: Option<Timestamp>) {
        if before.is_none() && now.is_none() {
            return;
        }
        let mut ends = self.ends.lock();
        if let Some(before) = before {
            ends.remove(&(before, id.clone()));
        }
        if let Some(now) = now {
            ends.insert((now, id.clone()));
        }
    }

    /// Groups whose validity has ended.
    pub(super) fn ended(&self, now: Timestamp) -> Vec<GroupId> {
        let ends = self.ends.lock();
        ends.iter().take_while(|(end, _)| *end <= now).map(|(_, id)| id.clone()).collect()
    }

    /// Something is kept of this user in this group from now on.
    pub(super) fn note(&self, user: &UserId, id: &GroupId) {
        let mut of_users = self.of_users.lock();
        let groups = of_users.entry(user.clone()).or_default();
        if !groups.contains(id) {
            groups.push(id.clone());
        }
    }

    /// Nothing is kept of this user in this group any more.
    pub(super) fn forget(&self, user: &UserId, id: &GroupId) {
        forget(&mut self.of_users.lock(), user, id);
    }

    /// The groups in which something is kept of this user: those that are his, and those in which he is a member, has set
    /// something for himself, was invited or rejected.
    pub fn of_user(&self, user: &UserId) -> Vec<Arc<GroupState>> {
        let ids = self.of_users.lock().get(user).cloned().unwrap_or_default();
        ids.iter().filter_map(|id| self.find(id)).collect()
    }
}

fn forget(of_users: &mut FxHashMap<UserId, Vec<GroupId>>, user: &UserId, id: &GroupId) {
    if let Some(groups) = of_users.get_mut(user) {
        groups.retain(|one| one != id);
        if groups.is_empty() {
            of_users.remove(user);
        }
    }
}
