//! What the journal has and the tables have not: rows that were put or deleted a moment ago, in memory.
//!
//! Readers look here first. The writer alone changes it, after each commit and before anybody hears of the commit.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use bytes::Bytes;
use imps_service::seam::{Key, KeyRange, Space, StoreError};
use parking_lot::{RwLock, RwLockWriteGuard};

use super::journal::Change;

/// What an entry takes beside its octets: the nodes of the tree, and the writer's note of it.
const ENTRY: usize = 160;
/// How often a reader looks again that met the tables ahead of what it had seen here.
const LOOKS: usize = 3;

/// A row as the journal has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// None: it is gone.
    pub(super) value: Option<Bytes>,
    /// The commit that wrote it.
    pub(super) number: u64,
    /// The tables have nothing under this key.
    is_new: bool,
}

/// The rows, as of one commit.
#[derive(Debug)]
pub(super) struct Rows {
    spaces: Vec<BTreeMap<Key, Entry>>,
    number: u64,
    bytes: usize,
}

impl Default for Rows {
    fn default() -> Self {
        Self { spaces: Space::ALL.iter().map(|_| BTreeMap::new()).collect(), number: 0, bytes: 0 }
    }
}

fn weight(key: &Key, value: Option<&Bytes>) -> usize {
    ENTRY + key.as_bytes().len() + value.map_or(0, Bytes::len)
}

impl Rows {
    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The commit.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn get(&self, space: Space, key: &Key) -> Option<&Entry> {
        self.spaces.get(space.index())?.get(key)
    }

    /// Those of a range.
    pub(super) fn range<'a>(
        &'a self,
        space: Space,
        range: &'a KeyRange,
    ) -> impl DoubleEndedIterator<Item = (&'a Key, &'a Entry)> {
        let end = range.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        // A range that ends before it begins has nothing in it.
        let rows = self.spaces.get(space.index()).filter(|rows| !rows.is_empty() && !range.is_empty());
        rows.into_iter().flat_map(move |rows| rows.range((Bound::Included(&range.start), end)))
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (Space, &Key, &Entry)> {
        let spaces = Space::ALL.iter().zip(&self.spaces);
        spaces.flat_map(|(space, rows)| rows.iter().map(|(key, entry)| (*space, key, entry)))
    }

    /// Takes over what a commit did.
    pub(super) fn apply(&mut self, number: u64, changes: impl IntoIterator<Item = Change>) {
        self.number = number;
        for change in changes {
            match change {
                Change::Put { space, key, value, is_new } => {
                    let is_new = self.remove(space, &key).map_or(is_new, |old| old.is_new);
                    self.insert(space, key, Entry { value: Some(value), number, is_new });
                }
                Change::Delete { space, key } => {
                    // Of what never came into the tables nothing is left.
                    if !self.remove(space, &key).is_some_and(|old| old.is_new) {
                        self.insert(space, key, Entry { value: None, number, is_new: false });
                    }
                }
                Change::Home { space, key } => drop(self.remove(space, &key)),
                Change::DeleteRange { space, range } => {
                    let keys: Vec<Key> = self.range(space, &range).map(|(key, _)| key.clone()).collect();
                    keys.iter().for_each(|key| drop(self.remove(space, key)));
                }
            }
        }
    }

    /// Lets go of rows that are in the tables now, unless they were changed by another commit than this.
    pub(super) fn is_home<'a>(&mut self, rows: impl IntoIterator<Item = (u64, &'a (Space, Key))>) {
        for (number, (space, key)) in rows {
            if self.get(*space, key).is_some_and(|entry| entry.number == number) {
                self.remove(*space, key);
            }
        }
    }

    /// All are in the tables now, and what this commit did as well.
    pub(super) fn are_home(&mut self, number: u64) {
        *self = Self { number, ..Self::default() };
    }

    fn insert(&mut self, space: Space, key: Key, entry: Entry) {
        if let Some(rows) = self.spaces.get_mut(space.index()) {
            self.bytes += weight(&key, entry.value.as_ref());
            rows.insert(key, entry);
        }
    }

    fn remove(&mut self, space: Space, key: &Key) -> Option<Entry> {
        let entry = self.spaces.get_mut(space.index())?.remove(key)?;
        self.bytes = self.bytes.saturating_sub(weight(key, entry.value.as_ref()));
        Some(entry)
    }
}

/// What readers and the writer share.
#[derive(Debug, Default)]
pub(super) struct Recent {
    rows: RwLock<Rows>,
    /// The tables hold nothing of a later commit than this.
    tables: AtomicU64,
    /// Held by the writer from a commit until its rows are here.
    turn: RwLock<()>,
}

/// The writer's turn: see [`Recent::turn`].
pub(super) struct Turn<'a> {
    recent: &'a Recent,
    _turn: RwLockWriteGuard<'a, ()>,
}

impl Turn<'_> {
    /// The commit has happened.
    pub(super) fn committed(self, change: impl FnOnce(&mut Rows)) {
        change(&mut self.recent.rows.write());
    }
}

impl Recent {
    pub(super) fn new(rows: Rows) -> Self {
        Self { tables: AtomicU64::new(rows.number), rows: RwLock::new(rows), turn: RwLock::new(()) }
    }

    /// Looks at the rows, for a moment: the writer waits to change them.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Rows) -> T) -> T {
        look(&self.rows.read())
    }

    /// For the writer, before it commits what brings changes of this commit, or an earlier one, into the tables.
    pub(super) fn turn(&self, tables: u64) -> Turn<'_> {
        let turn = self.turn.write();
        self.tables.fetch_max(tables, SeqCst);
        Turn { recent: self, _turn: turn }
    }

    /// Reads as of one moment: `look` sees what is here, `read` the tables after that.
    pub(super) fn read<S, T>(
        &self,
        look: impl Fn(&Rows) -> S,
        read: impl Fn(S) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        for _ in 0..LOOKS {
            let (number, seen) = self.look(|rows| (rows.number, look(rows)));
            let result = read(seen)?;
            if self.tables.load(SeqCst) <= number {
                return Ok(result);
            }
            // Something newer than what was seen here was in the tables already.
        }
        let _turn = self.turn.read();
        read(self.look(look))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: Space = Space::Messages;

    fn put(key: &'static str, is_new: bool) -> Change {
        Change::Put { space: SPACE, key: key.into(), value: key.into(), is_new }
    }

    fn delete(key: &'static str) -> Change {
        Change::Delete { space: SPACE, key: key.into() }
    }

    fn keys(rows: &Rows) -> Vec<(String, bool)> {
        let octets = |key: &Key| String::from_utf8_lossy(key.as_bytes()).into_owned();
        rows.all().map(|(_, key, entry)| (octets(key), entry.value.is_some())).collect()
    }

    #[test]
    fn of_what_is_new_nothing_is_left_when_it_is_deleted() {
        let mut rows = Rows::default();
        rows.apply(1, [put("a", true), put("b", false), put("c", true)]);
        rows.apply(2, [delete("a"), delete("b"), put("c", false)]);
        assert_eq!(keys(&rows), [("b".into(), false), ("c".into(), true)]);
        rows.apply(3, [put("b", true), delete("c")]);
        // "b" may be in the tables, whatever the second put says.
        rows.apply(4, [delete("b")]);
        assert_eq!(keys(&rows), [("b".into(), false)]);
        rows.is_home([(4, &(SPACE, Key::from("b")))]);
        assert_eq!((keys(&rows), rows.bytes()), (Vec::new(), 0));
    }

    #[test]
    fn what_changed_since_is_not_let_go_of() {
        let mut rows = Rows::default();
        rows.apply(1, [put("a", false)]);
        rows.apply(2, [put("a", false)]);
        rows.is_home([(1, &(SPACE, Key::from("a")))]);
        assert_eq!(keys(&rows), [("a".into(), true)]);
        rows.apply(3, [put("b", true), Change::DeleteRange { space: SPACE, range: KeyRange::from("b") }]);
        rows.apply(4, [Change::Home { space: SPACE, key: "a".into() }]);
        assert_eq!((keys(&rows), rows.bytes(), rows.number()), (Vec::new(), 0, 4));
    }

    #[test]
    fn a_reader_that_met_newer_tables_looks_again() {
        let recent = Recent::new(Rows::default());
        let looks = std::cell::Cell::new(0);
        let number = recent.read(
            |rows| {
                looks.set(looks.get() + 1);
                rows.number()
            },
            |number| {
                // The first time the writer commits something that goes into the tables at once.
                if looks.get() == 1 {
                    recent.turn(1).committed(|rows| rows.apply(1, []));
                }
                Ok(number)
            },
        );
        assert_eq!((number, looks.get()), (Ok(1), 2));
    }
}
