//! The sharded table of open sessions, and a short memory of those that were ended by the server.

use std::collections::VecDeque;
use std::sync::Arc;

use imps_types::SessionId;
use imps_types::element::ResultInfo;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::Session;

const SHARDS: usize = 64;
const ENDED_MAX: usize = 1024;

/// A session that the server ended: its client is told once.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What the client is told.
    pub result: ResultInfo,
    /// The version it spoke.
    pub version: imps_types::Version,
}

type Shard = Mutex<FxHashMap<SessionId, Arc<Session>>>;

/// Open sessions. Each shard is locked for microseconds.
pub struct SessionTable {
    shards: Box<[Shard]>,
    ended: Mutex<(FxHashMap<SessionId, Ended>, VecDeque<SessionId>)>,
}

impl Default for SessionTable {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), ended: Mutex::default() }
    }
}

impl SessionTable {
    fn shard(&self, id: &SessionId) -> &Shard {
        let last = id.as_bytes().last().copied().unwrap_or_default();
        let before = id.as_bytes().get(4).copied().unwrap_or_default();
        // The index is below the number of shards.
        &self.shards[(usize::from(last) * 31 + usize::from(before)) % SHARDS]
    }

    /// The open session with this ID.
    pub fn find(&self, id: &SessionId) -> Option<Arc<Session>> {
        self.shard(id).lock().get(id).cloned()
    }

    pub(crate) fn insert(&self, session: Arc<Session>) {
        self.shard(&session.id).lock().insert(session.id, session);
    }

    pub(crate) fn remove(&self, id: &SessionId) -> Option<Arc<Session>> {
        self.shard(id).lock().remove(id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_empty())
    }

    /// The sessions of one shard that fit; for sweeps and lists, shard by shard so that no lock is held for long.
    pub fn collect(&self, shard: usize, fits: impl Fn(&Session) -> bool) -> Vec<Arc<Session>> {
        let Some(shard) = self.shards.get(shard) else { return Vec::new() };
        shard.lock().values().filter(|session| fits(session)).cloned().collect()
    }

    /// How many shards [`SessionTable::collect`] knows.
    pub fn shards(&self) -> usize {
        SHARDS
    }

    /// Every open session.
    pub fn all(&self) -> Vec<Arc<Session>> {
        (0..SHARDS).flat_map(|shard| self.collect(shard, |_| true)).collect()
    }

    /// Remembers why the server ended a session, for the client's next poll.
    pub(crate) fn remember(&self, id: SessionId, ended: Ended) {
        let mut memory = self.ended.lock();
        if memory.1.len() >= ENDED_MAX
            && let Some(oldest) = memory.1.pop_front()
        {
            memory.0.remove(&oldest);
        }
        memory.0.insert(id, ended);
        memory.1.push_back(id);
    }

    /// Why the server ended this session; told once.
    pub fn take_ended(&self, id: &SessionId) -> Option<Ended> {
        self.ended.lock().0.remove(id)
    }
}
