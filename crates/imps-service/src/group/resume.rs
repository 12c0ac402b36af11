//! Groups are taken up again when the server starts.

use std::sync::Arc;

use imps_types::{GroupId, SessionId, UserId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::record::{GroupRecord, JoinedRecord, Person, SavedJoin, leave_parts, person_key, person_parts, read_leave};
use super::state::GroupState;
use super::{GroupNews, Groups};
use crate::Error;
use crate::seam::{Batch, KeyRange, Order, Row, Space};
use crate::session::{JoinedGroup, Session};

/// Rows of one scan.
const PAGE: usize = 1000;

/// What had been joined when the server stopped, until the sessions are opened again.
pub(super) struct ResumingTable {
    sessions: FxHashMap<SessionId, Vec<Resuming>>,
    rows: Vec<(GroupId, UserId, JoinedRecord)>,
}

/// A session that had joined a group.
struct Resuming {
    group: GroupId,
    name: Box<str>,
    saved: SavedJoin,
}

impl Groups<'_> {
    /// Goes through a space, page by page.
    async fn each(&self, space: Space, mut act: impl FnMut(Row)) -> Result<(), Error> {
        let mut range = KeyRange::all();
        loop {
            let rows = self.store.scan(space, range.clone(), Order::Forwards, PAGE).await?;
            let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(()) };
            rows.into_iter().for_each(&mut act);
            range = range.after(&last);
        }
    }

    /// Reads all groups and their people. Before the sessions are opened again.
    pub(crate) async fn resume_groups(&self) -> Result<(), Error> {
        self.each(Space::Groups, |row| {
            let Ok(id) = std::str::from_utf8(row.key.as_bytes()) else { return };
            match GroupRecord::read(&row.value) {
                Ok(record) => {
                    let ends = record.ends;
                    let group = GroupState::new(GroupId::from_canonical(id), record);
                    self.groups.insert(Arc::new(group), ends);
                }
                Err(error) => tracing::warn!(group = id, %error, "a group is left out"),
            }
        })
        .await?;
        let mut people: FxHashMap<GroupId, Vec<(UserId, Person)>> = FxHashMap::default();
        self.each(Space::GroupPeople, |row| match (person_parts(&row.key), Person::read(&row.value)) {
            (Some((group, user)), Ok(person)) => people.entry(group).or_default().push((user, person)),
            (_, Err(error)) => tracing::warn!(%error, "somebody in a group is left out"),
            (None, _) => {}
        })
        .await?;
        for (id, people) in people {
            let Some(group) = self.groups.find(&id) else { continue };
            let mut inner = group.lock();
            for (user, person) in people {
                self.groups.note(&user, &id);
                inner.people.insert(user, person);
            }
        }
        self.read_joined().await
    }

    /// Reads who had joined.
    async fn read_joined(&self) -> Result<(), Error> {
        let mut resuming = FxHashMap::<SessionId, Vec<Resuming>>::default();
        let mut rows = Vec::new();
        self.each(Space::GroupJoined, |row| match (person_parts(&row.key), JoinedRecord::read(&row.value)) {
            (Some((group, user)), Ok(record)) => {
                for saved in &record.sessions {
                    let one = Resuming { group: group.clone(), name: record.name.clone(), saved: saved.clone() };
                    resuming.entry(saved.session).or_default().push(one);
                }
                rows.push((group, user, record));
            }
            (_, Err(error)) => tracing::warn!(%error, "a joined user is left out"),
            (None, _) => {}
        })
        .await?;
        *self.groups.resuming.lock() = Some(ResumingTable { sessions: resuming, rows });
        Ok(())
    }

    /// A session that was open when the server stopped has joined what it had joined.
    pub(super) fn take_up(&self, session: &Arc<Session>) {
        let known = self.groups.resuming.lock().as_mut().and_then(|table| table.sessions.remove(&session.id));
        for one in known.unwrap_or_default() {
            let Some(group) = self.groups.find(&one.group) else { continue };
            group.lock().put_joined(session, &one.name, one.saved.subscribed);
            let (delivery, push_length) = (one.saved.delivery, one.saved.push_length);
            session.groups.lock().push(JoinedGroup { group, delivery, push_length });
        }
    }

    /// After the sessions were opened: what is kept of those that are gone goes too.
    pub(crate) async fn resumed(&self) -> Result<(), Error> {
        let Some(table) = self.groups.resuming.lock().take() else { return Ok(()) };
        let mut left = Batch::new();
        let had_joined: FxHashSet<GroupId> = table.rows.iter().map(|(id, ..)| id.clone()).collect();
        for (id, user, record) in table.rows {
            let key = person_key(&id, &user);
            let now = self.groups.find(&id).and_then(|group| group.lock().joined_record(&id, &user));
            match now {
                Some(now) if now == record => {}
                Some(now) => {
                    left.put(Space::GroupJoined, key, now.to_record());
                }
                None => {
                    left.delete(Space::GroupJoined, key);
                }
            }
        }
        let mut leaves = Vec::new();
        self.each(Space::GroupLeaves, |row| leaves.push(row)).await?;
        for row in leaves {
            // Its client has not heard yet that it was forced out; if it is still there.
            let session = leave_parts(&row.key).and_then(|(id, group)| Some((self.sessions.find(&id)?, group)));
            match (session, read_leave(&row.value)) {
                (Some((session, group)), Ok(reason)) => session.outbox().forced_leave(group, reason),
                _ => {
                    left.delete(Space::GroupLeaves, row.key);
                }
            }
        }
        if !left.is_empty() {
            self.store.commit(left).await?;
        }
        // Whoever is told of changes hears once who else is there now: what waited to be told was not kept. And a group
        // that everybody has left meanwhile ends, if it is to.
        for group in self.groups.all() {
            let woken = self.note(&group, &group.lock(), None, GroupNews::others);
            Self::wake(&woken);
            let _change = group.change.lock().await;
            if had_joined.contains(&group.id) {
                self.end_if_left(&group).await?;
            }
        }
        Ok(())
    }
}
