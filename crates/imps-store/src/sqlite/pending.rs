//! What a group of batches does, in its order, before it is committed.

use bytes::Bytes;
use imps_service::seam::{Batch, Condition, Key, KeyRange, Space, StoreError, Write};
use rustc_hash::FxHashMap;

use super::journal::Change;
use super::recent::Rows;
use super::tables::Tables;

/// Longer values go into their table at once: they would be written twice, and fill the memory meanwhile.
const LONG: usize = 8 << 10;

/// The changes of a group.
#[derive(Default)]
pub(super) struct Pending {
    /// In their order.
    pub(super) changes: Vec<Change>,
    /// Whether some are in the tables already.
    pub(super) is_in_tables: bool,
    /// What conditions are looked up in; made when the first of them is met.
    seen: Option<Seen>,
    /// Everything goes into the tables at once.
    is_direct: bool,
}

/// What the changes leave of the rows that they touch.
#[derive(Default)]
struct Seen {
    rows: FxHashMap<(Space, Key), Found>,
    /// Rows that are not among those and lie in one of these are gone.
    ranges: Vec<(Space, KeyRange)>,
}

enum Found {
    Value(Bytes),
    Gone,
    InTable,
}

impl Seen {
    fn add(&mut self, change: &Change) {
        let (row, found) = match change {
            Change::Put { space, key, value, .. } => ((*space, key.clone()), Found::Value(value.clone())),
            Change::Delete { space, key } => ((*space, key.clone()), Found::Gone),
            Change::Home { space, key } => ((*space, key.clone()), Found::InTable),
            Change::DeleteRange { space, range } => {
                self.rows.retain(|(of, key), _| of != space || !range.contains(key));
                return self.ranges.push((*space, range.clone()));
            }
        };
        self.rows.insert(row, found);
    }

    fn find(&self, space: Space, key: &Key) -> Option<&Found> {
        // Cloning a short key is cheaper than the row that it is looked up for.
        let row = self.rows.get(&(space, key.clone()));
        let is_in_range = || self.ranges.iter().any(|(of, range)| *of == space && range.contains(key));
        row.or_else(|| is_in_range().then_some(&Found::Gone))
    }
}

impl Pending {
    /// Of a group that goes into the tables at once, whose journal is empty.
    pub(super) fn direct() -> Self {
        Self { is_direct: true, ..Self::default() }
    }

    /// Adds the writes of a batch if its conditions hold.
    pub(super) fn batch(
        &mut self,
        batch: &Batch,
        recent: &Rows,
        tables: &mut Tables<'_>,
    ) -> rusqlite::Result<Result<(), StoreError>> {
        for condition in &batch.conditions {
            if !self.holds(condition, recent, tables)? {
                return Ok(Err(StoreError::Condition));
            }
        }
        for write in &batch.writes {
            match write {
                Write::Put { space, key, value, is_new } => self.put(*space, key, value, *is_new, tables)?,
                Write::Delete { space, key } => self.delete(*space, key, tables)?,
                Write::DeleteRange { space, range } => {
                    tables.delete_range(*space, range)?;
                    self.is_in_tables = true;
                    self.add(Change::DeleteRange { space: *space, range: range.clone() });
                }
            }
        }
        Ok(Ok(()))
    }

    pub(super) fn put(
        &mut self,
        space: Space,
        key: &Key,
        value: &Bytes,
        is_new: bool,
        tables: &mut Tables<'_>,
    ) -> rusqlite::Result<()> {
        let key = key.clone();
        if self.is_direct || value.len() > LONG {
            tables.put(space, &key, value)?;
            self.is_in_tables = true;
            self.add(Change::Home { space, key });
        } else {
            self.add(Change::Put { space, key, value: value.clone(), is_new });
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, space: Space, key: &Key, tables: &mut Tables<'_>) -> rusqlite::Result<()> {
        let key = key.clone();
        if self.is_direct {
            tables.delete(space, &key)?;
            self.is_in_tables = true;
            self.add(Change::Home { space, key });
        } else {
            self.add(Change::Delete { space, key });
        }
        Ok(())
    }

    fn add(&mut self, change: Change) {
        if let Some(seen) = &mut self.seen {
            seen.add(&change);
        }
        self.changes.push(change);
    }

    fn holds(&mut self, condition: &Condition, recent: &Rows, tables: &mut Tables<'_>) -> rusqlite::Result<bool> {
        let (Condition::Absent { space, key } | Condition::Equals { space, key, .. }) = condition;
        let wanted = match condition {
            Condition::Absent { .. } => None,
            Condition::Equals { value, .. } => Some(&value[..]),
        };
        let changes = &self.changes;
        let seen = self.seen.get_or_insert_with(|| {
            let mut seen = Seen::default();
            changes.iter().for_each(|change| seen.add(change));
            seen
        });
        match seen.find(*space, key) {
            Some(Found::Value(value)) => return Ok(wanted == Some(&value[..])),
            Some(Found::Gone) => return Ok(wanted.is_none()),
            // In the tables, whatever the journal said before.
            Some(Found::InTable) => {}
            None => {
                if let Some(entry) = recent.get(*space, key) {
                    return Ok(wanted == entry.value.as_deref());
                }
            }
        }
        tables.value(*space, key, |value| value == wanted)
    }
}
