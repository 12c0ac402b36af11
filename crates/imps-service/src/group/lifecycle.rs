//! Groups are made, found and deleted (CSP 13.2).

use std::sync::Arc;
use std::time::Duration;

use imps_types::element::{GroupProperties, Notification, NotificationType, Role};
use imps_types::{Address, GroupId, Status, UserId};

use super::join::JoinWish;
use super::leave::Departure;
use super::people::put_person;
use super::properties::{CommonProperties, OwnSettings};
use super::record::{GroupRecord, Person, group_key, group_range, history_sequence};
use super::rights::{Act, may};
use super::state::GroupState;
use super::{GroupError, Groups};
use crate::Error;
use crate::clock::Timestamp;
use crate::seam::{Batch, Order, Space, StoreError};
use crate::session::Session;

/// A group as a user wants it.
#[derive(Clone, Debug, Default)]
pub struct NewGroup {
    /// Its properties.
    pub properties: GroupProperties,
    /// Whether its maker joins at once.
    pub join: bool,
    /// How: screen name, notices, own properties.
    pub wish: JoinWish,
}

impl Groups<'_> {
    /// A user makes a private group.
    ///
    /// # Errors
    /// A [`GroupError`] for what is not allowed, or the store's failure.
    pub async fn create(&self, session: &Arc<Session>, address: &Address, new: NewGroup) -> Result<(), Error> {
        let user = &session.user.id;
        let id = self.router.group(address).map_err(|_| GroupError::Foreign)?;
        if id.owner().as_ref() != Some(user) {
            return Err(GroupError::Foreign.into());
        }
        if self.is_abroad(&id) {
            return Err(Error::ForeignDomain);
        }
        // How many groups are his, and how many this client has joined, is counted before the commit.
        let _mine = session.user.change.lock().await;
        if session.is_closed() {
            return Err(Error::NotLoggedIn);
        }
        if self.groups.find(&id).is_some() {
            return Err(GroupError::Exists.into());
        }
        if self.owned_by(user).len() >= self.config.groups_per_user {
            return Err(GroupError::TooManyGroups.into());
        }
        if new.join && session.groups.lock().len() >= self.config.groups_joined_max {
            return Err(GroupError::TooManyGroups.into());
        }
        let record = self.new_record(Some(user.clone()), &CommonProperties::default(), &new.properties)?;
        let change = OwnSettings::default();
        let change = change.with(&new.wish.own, self.config.group_property_max, session.version)?;
        let owner = Person { role: Some(Role::Admin), settings: change.settings, ..Person::default() };
        let group = Arc::new(GroupState::new(id.clone(), record.clone()));
        // Nobody finds it yet; whoever does later waits until its maker has joined.
        let _change = group.change.lock().await;
        group.lock().people.insert(user.clone(), owner.clone());
        let plan = if new.join {
            self.im().waiting(&session.user).await?;
            Some(self.plan(&group.lock(), session, &id, &new.wish)?)
        } else {
            None
        };
        let mut batch = new_batch(&id, &record);
        put_person(&mut batch, &id, user, &owner);
        if let Some(plan) = &plan {
            self.put_join(&mut batch, session, &id, plan);
        }
        self.commit_new(batch).await?;
        self.groups.note(user, &id);
        self.groups.insert(group.clone(), record.ends);
        if let Some(plan) = plan {
            self.apply_join(session, &group, plan, false)?;
        }
        let created = Notification::of_group(NotificationType::GroupCreated, &id);
        self.access().notify(user, Some(session), created);
        Ok(())
    }

    /// The operator makes a public group. It can be found, unless he says otherwise.
    ///
    /// # Errors
    /// A [`GroupError`] for what is not allowed, `ForeignDomain`, or the store's failure.
    pub async fn create_public(&self, id: &GroupId, properties: &GroupProperties) -> Result<(), Error> {
        if !id.is_public() {
            return Err(Error::BadParameter("a public group is wv:/name@domain; this is a user's"));
        }
        if self.is_abroad(id) {
            return Err(Error::ForeignDomain);
        }
        let usual = CommonProperties { name: id.name().into(), searchable: true, ..CommonProperties::default() };
        let record = self.new_record(None, &usual, properties)?;
        self.commit_new(new_batch(id, &record)).await?;
        self.groups.insert(Arc::new(GroupState::new(id.clone(), record.clone())), record.ends);
        Ok(())
    }

    fn new_record(
        &self,
        owner: Option<UserId>,
        usual: &CommonProperties,
        given: &GroupProperties,
    ) -> Result<GroupRecord, Error> {
        if self.groups.len() >= self.config.groups_max {
            return Err(GroupError::ServerFull.into());
        }
        let properties = usual.with(given, self.config.group_property_max, self.config.group_welcome_max)?;
        let created = self.clock.now();
        Ok(GroupRecord { owner, created, ends: end_of(&properties, created), properties })
    }

    async fn commit_new(&self, batch: Batch) -> Result<(), Error> {
        match self.store.commit(batch).await {
            Ok(()) => Ok(()),
            Err(StoreError::Condition) => Err(GroupError::Exists.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// A user deletes a private group.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, `Public`, `NoPrivilege`, or the store's failure.
    pub async fn delete(&self, session: &Arc<Session>, address: &Address) -> Result<(), Error> {
        let group = self.find(address)?;
        if group.id.is_public() {
            return Err(GroupError::Public.into());
        }
        let _change = group.change.lock().await;
        if !may(group.lock().rank(&session.user.id), Act::Delete) {
            return Err(GroupError::NoPrivilege.into());
        }
        self.remove_and_tell(&group, Some(session)).await
    }

    /// The operator deletes a group.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, or the store's failure.
    pub async fn delete_by_operator(&self, id: &GroupId) -> Result<(), Error> {
        let group = self.known(id)?;
        let _change = group.change.lock().await;
        self.remove_and_tell(&group, None).await
    }

    /// The group's `change` is held.
    async fn remove_and_tell(&self, group: &Arc<GroupState>, by: Option<&Arc<Session>>) -> Result<(), Error> {
        let (owner, members) = {
            let inner = group.lock();
            let members = inner.people.iter().filter(|(_, person)| person.role.is_some());
            (inner.record.owner.clone(), members.map(|(user, _)| user.clone()).collect::<Vec<_>>())
        };
        self.remove_group(group, Status::GROUP_DOES_NOT_EXIST, Batch::new()).await?;
        let except = by.map(|session| &**session);
        for user in members {
            let is_owner = owner.as_ref() == Some(&user);
            let kind = if is_owner { NotificationType::GroupDeleted } else { NotificationType::GroupRemoved };
            self.access().notify(&user, except, Notification::of_group(kind, &group.id));
        }
        Ok(())
    }

    /// Deletes a group with all that belongs to it; whoever has joined is forced out for this reason. Its `change` is
    /// held.
    pub(super) async fn remove_group(
        &self,
        group: &Arc<GroupState>,
        reason: Status,
        mut batch: Batch,
    ) -> Result<(), Error> {
        let (departures, had_history) = {
            let inner = group.lock();
            if inner.is_gone {
                return Err(Error::UnknownGroup);
            }
            let departures: Vec<_> = inner.joined.keys().map(|user| Departure::forced(user, reason)).collect();
            (departures, inner.record.properties.history)
        };
        if had_history {
            self.put_end_of_history(&mut batch, &group.id).await?;
        }
        batch.delete(Space::Groups, group_key(&group.id));
        batch.delete_range(Space::GroupPeople, group_range(&group.id));
        self.commit_departures(group, batch, departures, Vec::new()).await?;
        let mut inner = group.lock();
        inner.is_gone = true;
        self.groups.remove(&group.id, inner.record.ends, inner.people.keys());
        Ok(())
    }

    /// Adds that a group's history goes.
    pub(super) async fn put_end_of_history(&self, batch: &mut Batch, id: &GroupId) -> Result<(), Error> {
        loop {
            let rows = self.store.scan(Space::GroupHistory, group_range(id), Order::Forwards, 1000).await?;
            for sequence in rows.iter().filter_map(|row| history_sequence(&row.key)) {
                crate::im::delete_group_body(batch, id, sequence);
            }
            batch.delete_range(Space::GroupHistory, group_range(id));
            if rows.len() < 1000 {
                return Ok(());
            }
        }
    }

    /// Ends groups whose validity is over. Call every second or so.
    pub(crate) async fn sweep(&self) {
        for id in self.groups.ended(self.clock.now()) {
            let Some(group) = self.groups.find(&id) else { continue };
            let _change = group.change.lock().await;
            if group.lock().record.ends.is_none_or(|ends| ends > self.clock.now()) {
                continue;
            }
            if let Err(error) = self.remove_and_tell(&group, None).await {
                tracing::warn!(group = %id, %error, "a group whose validity is over is not deleted");
                return;
            }
        }
    }

    /// A user's account is removed: his groups end, and nothing is kept of him in others. His sessions are over already.
    ///
    /// # Errors
    /// The store's failure.
    pub(crate) async fn remove_user(&self, user: &UserId) -> Result<(), Error> {
        for group in self.groups.of_user(user) {
            let _change = group.change.lock().await;
            let (is_owner, is_known) = {
                let inner = group.lock();
                (inner.is_owner(user), !inner.is_gone && inner.people.contains_key(user))
            };
            if is_owner {
                self.remove_and_tell(&group, None).await?;
            } else if is_known {
                let mut batch = Batch::new();
                put_person(&mut batch, &group.id, user, &Person::default());
                self.store.commit(batch).await?;
                self.set_person(&group, &mut group.lock(), user, Person::default());
            }
        }
        Ok(())
    }
}

/// When a group with these properties ends that has them from now on.
pub(super) fn end_of(properties: &CommonProperties, now: Timestamp) -> Option<Timestamp> {
    properties.validity.map(|seconds| now.plus(Duration::from_secs(seconds.into())))
}

fn new_batch(id: &GroupId, record: &GroupRecord) -> Batch {
    let mut batch = Batch::new();
    batch.if_absent(Space::Groups, group_key(id)).put(Space::Groups, group_key(id), record.to_record());
    batch
}
