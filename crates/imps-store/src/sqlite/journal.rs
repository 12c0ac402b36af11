//! The journal: each commit is one row with all that it does, before anything of it is in its tables.
//!
//! Most of what is written is deleted again within a second: a message that its recipient acknowledges. Row by row that is
//! four changes of two trees; here it is a few octets at the end of one, and the tables never hear of it. What is there
//! after a moment is brought into the tables, as many rows with each commit as it has itself (`writer.rs`).
//!
//! | table | key | value |
//! |---|---|---|
//! | journal | number of the commit | the names of its spaces, then its changes in their order |
//!
//! A row stays until everything in it is in the tables, or was changed by a later one. So the journal from its first row on,
//! over the tables, is what is stored; that holds at every commit, whatever part was brought home before a crash, since a
//! change that is made twice leaves what it left once.

use bytes::Bytes;
use imps_service::seam::{Key, KeyRange, Space};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _};

use super::recent::Rows;
use super::schema::Sql;

/// A change as the journal has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// A row has this value.
    Put { space: Space, key: Key, value: Bytes, is_new: bool },
    /// A row is gone.
    Delete { space: Space, key: Key },
    /// The tables have it already, whatever the journal said of the row before.
    Home { space: Space, key: Key },
    /// The rows of a range are gone, from the tables too.
    DeleteRange { space: Space, range: KeyRange },
}

impl Change {
    pub(super) fn space(&self) -> Space {
        let (Self::Put { space, .. }
        | Self::Delete { space, .. }
        | Self::Home { space, .. }
        | Self::DeleteRange { space, .. }) = self;
        *space
    }

    /// The row that is to be brought into the tables some time.
    pub(super) fn row(&self) -> Option<(Space, Key)> {
        match self {
            Self::Put { space, key, .. } | Self::Delete { space, key } => Some((*space, key.clone())),
            Self::Home { .. } | Self::DeleteRange { .. } => None,
        }
    }
}

const PUT: u8 = 1;
const DELETE: u8 = 2;
const HOME: u8 = 3;
const DELETE_RANGE: u8 = 4;
const DELETE_FROM: u8 = 5;

/// The first octet of a row.
const FORMAT: u8 = 1;

/// Writes the row of a commit into an empty buffer.
pub(super) fn write(changes: &[Change], out: &mut Vec<u8>) {
    let mut names = vec![None; Space::ALL.len()];
    let mut count = 0_u8;
    out.extend_from_slice(&[FORMAT, 0]);
    for change in changes {
        let space = change.space();
        if let Some(place) = names.get_mut(space.index())
            && place.is_none()
        {
            *place = Some(count);
            count += 1;
            octets(out, space.table().as_bytes());
        }
    }
    if let Some(place) = out.get_mut(1) {
        *place = count;
    }
    let name = |space: Space| names.get(space.index()).copied().flatten().unwrap_or_default();
    for change in changes {
        let space = name(change.space());
        match change {
            Change::Put { key, value, .. } => {
                out.extend_from_slice(&[PUT, space]);
                octets(out, key.as_bytes());
                octets(out, value);
            }
            Change::Delete { key, .. } => {
                out.extend_from_slice(&[DELETE, space]);
                octets(out, key.as_bytes());
            }
            Change::Home { key, .. } => {
                out.extend_from_slice(&[HOME, space]);
                octets(out, key.as_bytes());
            }
            Change::DeleteRange { range, .. } => {
                out.extend_from_slice(&[if range.end.is_some() { DELETE_RANGE } else { DELETE_FROM }, space]);
                octets(out, range.start.as_bytes());
                range.end.iter().for_each(|end| octets(out, end.as_bytes()));
            }
        }
    }
}

fn octets(out: &mut Vec<u8>, octets: &[u8]) {
    // No row is as long as that: a batch is bounded by megabytes.
    out.extend_from_slice(&u32::try_from(octets.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(octets);
}

/// The rows that each commit wrote of which the journal has a row still, by its number.
pub(super) type Written = Vec<(u64, Vec<(Space, Key)>)>;

/// Reads all of it: what is stored beside the tables, and who wrote it.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<(Rows, Written)> {
    let (mut rows, mut written) = (Rows::default(), Vec::new());
    let mut statement = connection.prepare("SELECT number, changes FROM journal ORDER BY number")?;
    let mut found = statement.raw_query();
    while let Some(row) = found.next()? {
        let damaged = || rusqlite::Error::InvalidColumnType(1, "journal".to_owned(), Type::Blob);
        let number = u64::try_from(row.get::<_, i64>(0)?).map_err(|_| damaged())?;
        let changes = read(&Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?)).ok_or_else(damaged)?;
        written.push((number, changes.iter().filter_map(Change::row).collect()));
        rows.apply(number, changes);
    }
    Ok((rows, written))
}

/// Brings all of it into the tables of a file that no engine has open.
pub(super) fn settle(connection: &mut Connection) -> rusqlite::Result<()> {
    let known = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'journal'";
    if connection.query_row(known, [], |_| Ok(())).optional()?.is_none() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for (space, key, entry) in load(&transaction)?.0.all() {
        let Some(sql) = Sql::all().get(space.index()) else { continue };
        match &entry.value {
            Some(value) => transaction.execute(&sql.put, (key.as_bytes(), &value[..]))?,
            None => transaction.execute(&sql.delete, (key.as_bytes(),))?,
        };
    }
    transaction.execute("DELETE FROM journal", [])?;
    transaction.commit()
}

/// Reads a row. `None`: it is damaged, or of a space that this program does not know.
pub(super) fn read(row: &Bytes) -> Option<Vec<Change>> {
    let mut reader = Reader(row.clone());
    if reader.octet()? != FORMAT {
        return None;
    }
    let count = reader.octet()?;
    let mut names = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        names.push(Space::from_table(std::str::from_utf8(&reader.octets()?).ok()?)?);
    }
    let mut changes = Vec::new();
    while !reader.0.is_empty() {
        let (kind, space) = (reader.octet()?, *names.get(usize::from(reader.octet()?))?);
        let key = Key::from(reader.octets()?);
        changes.push(match kind {
            // Part of what it did may be in the tables, so nothing in it is new any more.
            PUT => Change::Put { space, key, value: reader.octets()?, is_new: false },
            DELETE => Change::Delete { space, key },
            HOME => Change::Home { space, key },
            DELETE_RANGE => Change::DeleteRange { space, range: KeyRange::new(key, Key::from(reader.octets()?)) },
            DELETE_FROM => Change::DeleteRange { space, range: KeyRange::from(key) },
            _ => return None,
        });
    }
    Some(changes)
}

struct Reader(Bytes);

impl Reader {
    fn octet(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn octets(&mut self) -> Option<Bytes> {
        let length = u32::from_le_bytes(self.take(4)?.as_ref().try_into().ok()?);
        self.take(usize::try_from(length).ok()?)
    }

    fn take(&mut self, count: usize) -> Option<Bytes> {
        (count <= self.0.len()).then(|| self.0.split_to(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Vec<Change> {
        let space = Space::Users;
        vec![
            Change::Put { space: Space::Messages, key: "k".into(), value: "v".into(), is_new: false },
            Change::Delete { space, key: "".into() },
            Change::Home { space, key: "h".into() },
            Change::DeleteRange { space, range: KeyRange::new("a", "b") },
            Change::DeleteRange { space: Space::Messages, range: KeyRange::from("c") },
        ]
    }

    #[test]
    fn golden_octets() {
        let mut row = Vec::new();
        write(&changes(), &mut row);
        let golden = b"\x01\x02\x08\0\0\0messages\x05\0\0\0users\
            \x01\0\x01\0\0\0k\x01\0\0\0v\x02\x01\0\0\0\0\x03\x01\x01\0\0\0h\
            \x04\x01\x01\0\0\0a\x01\0\0\0b\x05\0\x01\0\0\0c";
        assert_eq!(row.escape_ascii().to_string(), golden.escape_ascii().to_string());
        assert_eq!(read(&row.into()), Some(changes()));
    }

    #[test]
    fn what_is_cut_off_is_damaged() {
        let mut row = Vec::new();
        write(&changes(), &mut row);
        let row = Bytes::from(row);
        let whole: Vec<usize> = (0..=row.len()).filter(|end| read(&row.slice(..*end)).is_some()).collect();
        // Between two changes nothing shows that another one followed; SQLite's own length does.
        assert_eq!(whole.len(), 6, "{whole:?}");
        let mut other = row.to_vec();
        other[2 + 4] = b'M';
        assert_eq!(read(&other.into()), None);
    }
}
