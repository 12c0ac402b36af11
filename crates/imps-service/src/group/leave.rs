//! Leaving (CSP 13.4): by one's own wish, silently with the end of a session, or forced with a reason.

use std::sync::Arc;

use imps_types::{Address, GroupId, Status, UserId};

use super::people::put_person;
use super::record::{JoinedRecord, Person, leave_key, leave_record, person_key};
use super::state::{GroupInner, GroupState};
use super::{GroupError, Groups};
use crate::Error;
use crate::seam::{Batch, Space};
use crate::session::Session;

/// Somebody leaves.
pub(super) struct Departure {
    pub(super) user: UserId,
    /// Which of his sessions; none: all that have joined.
    pub(super) session: Option<Arc<Session>>,
    /// Why he is forced to, which his clients are told; none: he does it himself.
    pub(super) forced: Option<Status>,
}

impl Departure {
    /// Whoever has joined with any session is forced out.
    pub(super) fn forced(user: &UserId, reason: Status) -> Self {
        Self { user: user.clone(), session: None, forced: Some(reason) }
    }

    fn takes(&self, session: &Session) -> bool {
        self.session.as_ref().is_none_or(|one| one.id == session.id)
    }

    /// Adds what is written. Returns whether none of his sessions is joined then.
    fn put(&self, batch: &mut Batch, id: &GroupId, inner: &GroupInner) -> bool {
        let Some(joined) = inner.joined.get(&self.user) else { return false };
        if let Some(reason) = self.forced {
            for one in joined.sessions.iter().filter(|one| self.takes(&one.session)) {
                batch.put(Space::GroupLeaves, leave_key(&one.session.id, id), leave_record(reason));
            }
        }
        let key = person_key(id, &self.user);
        match self.rest(id, inner) {
            Some(rest) => {
                batch.put(Space::GroupJoined, key, rest.to_record());
                false
            }
            None => {
                batch.delete(Space::GroupJoined, key);
                true
            }
        }
    }

    /// What is still joined of him.
    fn rest(&self, id: &GroupId, inner: &GroupInner) -> Option<JoinedRecord> {
        let mut record = inner.joined_record(id, &self.user)?;
        let session = self.session.as_ref()?;
        record.sessions.retain(|one| one.session != session.id);
        (!record.sessions.is_empty()).then_some(record)
    }
}

impl Groups<'_> {
    /// A client leaves a group.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, `NotJoined`, or the store's failure.
    pub async fn leave(&self, session: &Arc<Session>, address: &Address) -> Result<GroupId, Error> {
        let group = self.find(address)?;
        let change = group.change.lock().await;
        if group.lock().joined_session(session).is_none() {
            return Err(GroupError::NotJoined.into());
        }
        let departure = Departure { user: session.user.id.clone(), session: Some(session.clone()), forced: None };
        self.depart(&group, Batch::new(), vec![departure], Vec::new()).await?;
        drop(change);
        Ok(group.id.clone())
    }

    /// A session has ended: its user leaves silently what no other session of his has joined.
    pub(super) async fn session_closed(&self, session: &Arc<Session>) {
        self.ended_abroad(session);
        let groups = std::mem::take(&mut *session.groups.lock());
        for one in groups {
            let group = one.group;
            let _change = group.change.lock().await;
            self.leave_silently(&group, session);
            if let Err(error) = self.end_if_left(&group).await {
                tracing::warn!(group = %group.id, %error, "a group that everybody has left is not deleted");
            }
        }
    }

    /// The rows are written soon: with the next start a session that is gone has not joined anyhow.
    fn leave_silently(&self, group: &Arc<GroupState>, session: &Arc<Session>) {
        let user = &session.user.id;
        let mut inner = group.lock();
        let Some(joined) = inner.joined.get_mut(user) else { return };
        joined.sessions.retain(|one| one.session.id != session.id);
        let key = person_key(&group.id, user);
        let mut woken = Vec::new();
        let written = if joined.sessions.is_empty() {
            if let Some(left) = inner.take_joined(user) {
                woken = self.note(group, &inner, None, |news| news.went(&left.name));
            }
            self.store.later_delete(Space::GroupJoined, key)
        } else {
            let record = inner.joined_record(&group.id, user).map(|record| record.to_record()).unwrap_or_default();
            self.store.later(Space::GroupJoined, key, record)
        };
        drop(inner);
        if let Err(error) = written {
            tracing::warn!(group = %group.id, %error, "that a user left is not written");
        }
        Self::wake(&woken);
    }

    /// Deletes a group with AutoDelete that nobody is joined to any more. Its `change` is held.
    pub(super) async fn end_if_left(&self, group: &Arc<GroupState>) -> Result<(), Error> {
        let is_over = {
            let inner = group.lock();
            !inner.is_gone && inner.record.properties.auto_delete && inner.joined.is_empty()
        };
        if is_over { self.remove_group(group, Status::GROUP_DOES_NOT_EXIST, Batch::new()).await } else { Ok(()) }
    }

    /// Commits that users leave, with whatever else is in the batch and is kept of people from now on; then it is so, and
    /// everybody is told. The group's `change` is held.
    pub(super) async fn depart(
        &self,
        group: &Arc<GroupState>,
        batch: Batch,
        departures: Vec<Departure>,
        people: Vec<(UserId, Person)>,
    ) -> Result<(), Error> {
        self.commit_departures(group, batch, departures, people).await?;
        self.end_if_left(group).await
    }

    /// The same of a group that ends, or that cannot end by it.
    pub(super) async fn commit_departures(
        &self,
        group: &Arc<GroupState>,
        mut batch: Batch,
        departures: Vec<Departure>,
        people: Vec<(UserId, Person)>,
    ) -> Result<(), Error> {
        {
            let inner = group.lock();
            for departure in &departures {
                departure.put(&mut batch, &group.id, &inner);
            }
            for (user, person) in &people {
                put_person(&mut batch, &group.id, user, person);
            }
        }
        if !batch.is_empty() {
            self.store.commit(batch).await?;
        }
        let mut woken = Vec::new();
        let mut gone = Vec::new();
        {
            let mut inner = group.lock();
            for (user, person) in people {
                self.set_person(group, &mut inner, &user, person);
            }
            for departure in &departures {
                gone.extend(self.apply_departure(group, &mut inner, departure, &mut woken));
            }
        }
        Self::wake(&woken);
        for user in gone {
            self.im().drop_group_messages(&user, &group.id).await;
        }
        Ok(())
    }

    /// In memory. Returns the user if he has left altogether.
    fn apply_departure(
        &self,
        group: &Arc<GroupState>,
        inner: &mut GroupInner,
        departure: &Departure,
        woken: &mut Vec<Arc<Session>>,
    ) -> Option<UserId> {
        let joined = inner.joined.get_mut(&departure.user)?;
        let is_leaving = |session: &Session| departure.takes(session);
        let (leaving, staying) =
            std::mem::take(&mut joined.sessions).into_iter().partition::<Vec<_>, _>(|one| is_leaving(&one.session));
        joined.sessions = staying;
        let has_left = joined.sessions.is_empty();
        for one in leaving {
            one.session.groups.lock().retain(|joined| !Arc::ptr_eq(&joined.group, group));
            let mut outbox = one.session.outbox();
            outbox.forget_group(&group.id);
            if let Some(reason) = departure.forced {
                outbox.forced_leave(group.id.clone(), reason);
                drop(outbox);
                woken.push(one.session.clone());
            }
        }
        if !has_left {
            return None;
        }
        let left = inner.take_joined(&departure.user)?;
        let is_rejected = departure.forced == Some(Status::REJECTED);
        woken.extend(self.note(group, inner, departure.session.as_deref(), |news| {
            news.went(&left.name);
            if is_rejected {
                news.blocked(&left.name, true);
            }
        }));
        Some(departure.user.clone())
    }

    /// A client has heard that it was forced out.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn leave_heard(&self, session: &Session, group: &GroupId) -> Result<(), Error> {
        // Committed before its answer is answered: then the client does not hear of it again, whatever happens.
        let mut batch = Batch::new();
        batch.delete(Space::GroupLeaves, leave_key(&session.id, group));
        Ok(self.store.commit(batch).await?)
    }
}
