//! The in-memory engine: the model that every other engine is compared with.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write as _};
use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use parking_lot::RwLock;

use super::engine::{Batch, Condition, Engine, Order, Row, Space, StoreError, Write};
use super::key::{Key, KeyRange};

type Rows = BTreeMap<Key, Bytes>;

/// Everything in ordered maps; gone when dropped.
#[derive(Debug)]
pub struct MemoryEngine {
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    spaces: Vec<Rows>,
    refusing: Option<StoreError>,
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryEngine {
    /// An empty engine.
    pub fn new() -> Self {
        let spaces = Space::ALL.iter().map(|_| Rows::new()).collect();
        Self { state: RwLock::new(State { spaces, refusing: None }) }
    }

    /// From now on every batch is answered with this error, and with none again as before: a disk that is full for a
    /// while. Reads go on.
    pub fn refuse(&self, error: Option<StoreError>) {
        self.state.write().refusing = error;
    }

    /// Reads what [`snapshot`](Engine::snapshot) wrote.
    pub fn load(from: &Path) -> Result<Self, StoreError> {
        let engine = Self::new();
        read_rows(&mut fs::read(from).map_err(failed)?.as_slice(), &mut engine.state.write())
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(engine)
    }
}

impl State {
    fn rows(&self, space: Space) -> Option<&Rows> {
        self.spaces.get(space.index())
    }

    fn value(&self, space: Space, key: &Key) -> Option<&Bytes> {
        self.rows(space)?.get(key)
    }

    fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Absent { space, key } => self.value(*space, key).is_none(),
            Condition::Equals { space, key, value } => self.value(*space, key) == Some(value),
        }
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if let Some(error) = &self.refusing {
            return Err(error.clone());
        }
        if !batch.conditions.iter().all(|condition| self.holds(condition)) {
            return Err(StoreError::Condition);
        }
        for write in &batch.writes {
            self.write(write);
        }
        Ok(())
    }

    fn write(&mut self, write: &Write) {
        let (Write::Put { space, .. } | Write::Delete { space, .. } | Write::DeleteRange { space, .. }) = write;
        let Some(rows) = self.spaces.get_mut(space.index()) else { return };
        match write {
            Write::Put { key, value, .. } => {
                rows.insert(key.clone(), value.clone());
            }
            Write::Delete { key, .. } => {
                rows.remove(key);
            }
            Write::DeleteRange { range, .. } => {
                let gone: Vec<Key> = within(rows, range).map(|(key, _)| key.clone()).collect();
                for key in gone {
                    rows.remove(&key);
                }
            }
        }
    }
}

fn within<'a>(rows: &'a Rows, range: &KeyRange) -> impl DoubleEndedIterator<Item = (&'a Key, &'a Bytes)> {
    // An ordered map panics when a range ends before it starts, so such a one ends where it starts.
    let end = match &range.end {
        None => Bound::Unbounded,
        Some(end) if *end < range.start => Bound::Excluded(&range.start),
        Some(end) => Bound::Excluded(end),
    };
    rows.range((Bound::Included(&range.start), end))
}

impl Engine for MemoryEngine {
    fn get<'a>(&'a self, space: Space, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, StoreError>> {
        let state = self.state.read();
        ready(Ok(keys.iter().map(|key| state.value(space, key).cloned()).collect())).boxed()
    }

    fn scan<'a>(
        &'a self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        let row = |(key, value): (&Key, &Bytes)| Row { key: key.clone(), value: value.clone() };
        let state = self.state.read();
        let rows = state.rows(space).map_or_else(Vec::new, |rows| match order {
            Order::Forwards => within(rows, &range).take(limit).map(row).collect(),
            Order::Backwards => within(rows, &range).rev().take(limit).map(row).collect(),
        });
        ready(Ok(rows)).boxed()
    }

    fn apply<'a>(&'a self, batches: &'a [Batch]) -> BoxFuture<'a, Vec<Result<(), StoreError>>> {
        let mut state = self.state.write();
        ready(batches.iter().map(|batch| state.apply(batch)).collect()).boxed()
    }

    fn snapshot<'a>(&'a self, to: &'a Path) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut copy = MAGIC.to_vec();
        write_rows(&mut copy, &self.state.read());
        let write = || fs::File::create_new(to)?.write_all(&copy);
        ready(write().map_err(failed)).boxed()
    }
}

fn failed(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Io(error.to_string()),
    }
}

// The copy: a mark, then for every row the table's name, the key and the value, each behind its length.
const MAGIC: &[u8] = b"hamlet rows 1\n";

fn write_rows(copy: &mut Vec<u8>, state: &State) {
    for space in Space::ALL {
        for (key, value) in state.rows(*space).into_iter().flatten() {
            for part in [space.table().as_bytes(), key.as_bytes(), value] {
                copy.extend_from_slice(&(part.len() as u64).to_be_bytes());
                copy.extend_from_slice(part);
            }
        }
    }
}

fn read_rows(copy: &mut &[u8], state: &mut State) -> io::Result<()> {
    let mut magic = [0; MAGIC.len()];
    copy.read_exact(&mut magic)?;
    if magic != MAGIC {
        return Err(io::Error::other("this is no copy of an engine"));
    }
    while !copy.is_empty() {
        let table = part(copy)?;
        let key = Key::from(part(copy)?);
        let value = Bytes::copy_from_slice(part(copy)?);
        let space = std::str::from_utf8(table).ok().and_then(Space::from_table);
        let space = space.ok_or_else(|| io::Error::other("a row of an unknown space"))?;
        state.write(&Write::Put { space, key, value, is_new: false });
    }
    Ok(())
}

fn part<'a>(copy: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let mut length = [0; 8];
    copy.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_be_bytes(length)).map_err(io::Error::other)?;
    let (part, rest) = copy.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
    *copy = rest;
    Ok(part)
}
