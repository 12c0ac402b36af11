//! What is kept of users in groups: written, changed in memory, forgotten.

use imps_types::{GroupId, UserId};

use super::record::{Person, person_key};
use super::state::{GroupInner, GroupState};
use super::{GroupError, Groups};
use crate::Error;
use crate::seam::{Batch, Space};

/// Adds to a batch what is kept of somebody from now on.
pub(super) fn put_person(batch: &mut Batch, group: &GroupId, user: &UserId, person: &Person) {
    let key = person_key(group, user);
    if person.is_nobody() {
        batch.delete(Space::GroupPeople, key);
    } else {
        batch.put(Space::GroupPeople, key, person.to_record());
    }
}

impl Groups<'_> {
    /// Changes in memory what is kept of somebody, once it is committed.
    pub(super) fn set_person(&self, group: &GroupState, inner: &mut GroupInner, user: &UserId, person: Person) {
        if person.is_nobody() {
            inner.people.remove(user);
            self.groups.forget(user, &group.id);
        } else {
            inner.people.insert(user.clone(), person);
            self.groups.note(user, &group.id);
        }
    }

    /// Whether more may be kept of people who are not known yet.
    pub(super) fn has_room_for(&self, inner: &GroupInner, user: &UserId) -> bool {
        inner.people.contains_key(user) || inner.people.len() < self.config.group_people_max
    }

    /// A user's age, for groups that ask for one: of his public profile, the only place where it stands.
    pub(super) async fn age_of(&self, user: &UserId, group: &GroupState) -> Result<Option<u32>, Error> {
        let asks = group.lock().record.properties.minimum_age.is_some();
        if asks { self.common().age(user).await } else { Ok(None) }
    }

    /// Lets a user in that was invited by somebody who may (`RequireInvitation`, CSP 7.2).
    ///
    /// # Errors
    /// `UnknownGroup`, `TooManyMembers`, or the store's failure.
    pub async fn admit(&self, id: &GroupId, user: &UserId) -> Result<(), Error> {
        let group = self.known(id)?;
        let _change = group.change.lock().await;
        let person = {
            let inner = group.lock();
            if inner.is_gone {
                return Err(Error::UnknownGroup);
            }
            if !self.has_room_for(&inner, user) {
                return Err(GroupError::TooManyMembers.into());
            }
            let person = inner.people.get(user).cloned().unwrap_or_default();
            if person.invited {
                return Ok(());
            }
            Person { invited: true, ..person }
        };
        let mut batch = Batch::new();
        put_person(&mut batch, &group.id, user, &person);
        self.store.commit(batch).await?;
        self.set_person(&group, &mut group.lock(), user, person);
        Ok(())
    }
}
