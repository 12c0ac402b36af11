//! The tables of the spaces, as the writer changes them.

use imps_service::seam::{Key, KeyRange, Space};
use rusqlite::{Connection, Statement};

use super::schema::Sql;

/// The statements on all of them.
pub(super) struct Tables<'c> {
    spaces: Vec<Statements<'c>>,
}

struct Statements<'c> {
    value: Statement<'c>,
    put: Statement<'c>,
    delete: Statement<'c>,
    delete_from: Statement<'c>,
    delete_between: Statement<'c>,
}

impl<'c> Tables<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let statements = |sql: &Sql| {
            Ok(Statements {
                value: connection.prepare(&sql.value)?,
                put: connection.prepare(&sql.put)?,
                delete: connection.prepare(&sql.delete)?,
                delete_from: connection.prepare(&sql.delete_from)?,
                delete_between: connection.prepare(&sql.delete_between)?,
            })
        };
        Ok(Self { spaces: Sql::all().iter().map(statements).collect::<rusqlite::Result<_>>()? })
    }

    fn on(&mut self, space: Space) -> rusqlite::Result<&mut Statements<'c>> {
        self.spaces.get_mut(space.index()).ok_or(rusqlite::Error::InvalidQuery)
    }

    /// Calls `read` with the value of a row, or with none.
    pub(super) fn value<T>(
        &mut self,
        space: Space,
        key: &Key,
        read: impl FnOnce(Option<&[u8]>) -> T,
    ) -> rusqlite::Result<T> {
        let statement = &mut self.on(space)?.value;
        statement.raw_bind_parameter(1, key.as_bytes())?;
        let mut rows = statement.raw_query();
        Ok(match rows.next()? {
            Some(row) => read(Some(row.get_ref(0)?.as_blob()?)),
            None => read(None),
        })
    }

    pub(super) fn put(&mut self, space: Space, key: &Key, value: &[u8]) -> rusqlite::Result<()> {
        let statement = &mut self.on(space)?.put;
        statement.raw_bind_parameter(1, key.as_bytes())?;
        statement.raw_bind_parameter(2, value)?;
        statement.raw_execute().map(drop)
    }

    pub(super) fn delete(&mut self, space: Space, key: &Key) -> rusqlite::Result<()> {
        let statement = &mut self.on(space)?.delete;
        statement.raw_bind_parameter(1, key.as_bytes())?;
        statement.raw_execute().map(drop)
    }

    pub(super) fn delete_range(&mut self, space: Space, range: &KeyRange) -> rusqlite::Result<()> {
        let statements = self.on(space)?;
        let statement = match &range.end {
            None => &mut statements.delete_from,
            Some(end) => {
                statements.delete_between.raw_bind_parameter(2, end.as_bytes())?;
                &mut statements.delete_between
            }
        };
        statement.raw_bind_parameter(1, range.start.as_bytes())?;
        statement.raw_execute().map(drop)
    }
}
