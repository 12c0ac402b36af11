//! Properties are read and set (CSP 13.1, 13.5), and subscriptions to changes (13.2).

use std::sync::Arc;

use imps_types::element::{DeliveryMethod, GroupProperties, Property, ResultInfo, SubscribeType};
use imps_types::{Address, Status, Version};

use super::join::JoinWish;
use super::leave::Departure;
use super::lifecycle::end_of;
use super::members::Manager;
use super::notice::difference;
use super::outcomes::Outcomes;
use super::people::put_person;
use super::properties::{COMMON, CommonProperties, SetBy};
use super::record::{GroupRecord, Person, group_key, person_key};
use super::state::GroupState;
use super::{GroupError, Groups};
use crate::Error;
use crate::seam::{Batch, Space};
use crate::session::Session;

/// What a group is like, for one who may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldProperties {
    /// The common properties.
    pub common: GroupProperties,
    /// His own: of members and joined users.
    pub own: Option<Vec<Property>>,
}

impl Groups<'_> {
    /// The properties of a group, for a session's user. A restricted group that is not to be found shows them to its own
    /// people only.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, `NoPrivilege`.
    pub fn properties(&self, session: &Session, address: &Address) -> Result<ToldProperties, Error> {
        let group = self.find(address)?;
        let user = &session.user.id;
        let inner = group.lock();
        let properties = &inner.record.properties;
        let is_familiar = inner.is_familiar_to(user);
        if properties.restricted && !properties.searchable && !is_familiar {
            return Err(GroupError::NoPrivilege.into());
        }
        let facts = inner.facts(&group.id, self.config.group_joined_max);
        let common = properties.tell(session.version, facts);
        Ok(ToldProperties { common, own: is_familiar.then(|| inner.own_view(user, session.version)) })
    }

    /// The properties of a group, for the operator.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`.
    pub fn all_properties(&self, address: &Address) -> Result<GroupProperties, Error> {
        let group = self.find(address)?;
        let inner = group.lock();
        Ok(inner.record.properties.tell(Version::V1_3, inner.facts(&group.id, self.config.group_joined_max)))
    }

    /// Sets common and own properties. One of the two may fail alone, in the result.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, or the store's failure; or why nothing was done.
    pub async fn set_properties(
        &self,
        session: &Arc<Session>,
        address: &Address,
        common: Option<GroupProperties>,
        own: Option<Vec<Property>>,
    ) -> Result<ResultInfo, Error> {
        let group = self.find(address)?;
        let common = common.filter(|given| *given != GroupProperties::default());
        let own = own.filter(|given| !given.is_empty());
        let mut outcomes = Outcomes::default();
        let mut failed = None;
        let _change = group.change.lock().await;
        if let Some(given) = own {
            match self.set_own(session, &group, given).await {
                Ok(()) => outcomes.good(),
                Err(error @ Error::Group(_)) => {
                    outcomes.group(&group, error.status());
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(given) = common {
            match self.set_common(Manager::User(session), &group, &given).await {
                Ok(()) => outcomes.good(),
                Err(error @ Error::Group(_)) => {
                    outcomes.group(&group, error.status());
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let result = outcomes.done();
        match failed {
            // Nothing was done for one reason: that, with its words, says more than the same code in a list.
            Some(error) if result.status == error.status() => Err(error),
            _ => Ok(result),
        }
    }

    /// The operator sets common properties.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, a [`GroupError`] for what cannot be, or the store's failure.
    pub async fn set_by_operator(&self, address: &Address, given: &GroupProperties) -> Result<(), Error> {
        let group = self.find(address)?;
        let _change = group.change.lock().await;
        self.set_common(Manager::Operator, &group, given).await
    }

    /// The group's `change` is held.
    async fn set_common(&self, by: Manager<'_>, group: &Arc<GroupState>, given: &GroupProperties) -> Result<(), Error> {
        let (before, record) = {
            let inner = group.lock();
            if inner.is_gone {
                return Err(Error::UnknownGroup);
            }
            if let Manager::User(session) = by
                && !CommonProperties::may_set(inner.rank(&session.user.id), given)
            {
                return Err(GroupError::NoPrivilege.into());
            }
            let before = inner.record.clone();
            let (longest, longest_note) = (self.config.group_property_max, self.config.group_welcome_max);
            let properties = before.properties.with(given, longest, longest_note)?;
            let renews = given.properties.iter().any(|one| one.name.trim().eq_ignore_ascii_case("Validity"));
            let ends = if renews { end_of(&properties, self.clock.now()) } else { before.ends };
            let record = GroupRecord { properties, ends, ..before.clone() };
            (before, record)
        };
        if record == before {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(Space::Groups, group_key(&group.id), record.to_record());
        if before.properties.history && !record.properties.history {
            self.put_end_of_history(&mut batch, &group.id).await?;
        }
        // Who may not be in a restricted group must leave it.
        let departures = if record.properties.restricted && !before.properties.restricted {
            let inner = group.lock();
            let strangers = inner.joined.keys().filter(|user| !inner.is_member(user));
            strangers.map(|user| Departure::forced(user, Status::NOT_A_GROUP_MEMBER)).collect()
        } else {
            Vec::new()
        };
        self.commit_departures(group, batch, departures, Vec::new()).await?;
        self.groups.end_at(&group.id, before.ends, record.ends);
        let woken = {
            let mut inner = group.lock();
            let changed = difference(&before.properties, &record.properties, &inner, &group.id);
            let note = before.properties.welcome_note != record.properties.welcome_note;
            inner.record = record;
            let except = match by {
                Manager::User(session) => Some(&**session),
                Manager::Operator => None,
            };
            self.note(group, &inner, except, |news| news.changed(changed, note))
        };
        Self::wake(&woken);
        self.end_if_left(group).await
    }

    /// The group's `change` is held.
    async fn set_own(
        &self,
        session: &Arc<Session>,
        group: &Arc<GroupState>,
        given: Vec<Property>,
    ) -> Result<(), Error> {
        let user = &session.user.id;
        let joined = {
            let inner = group.lock();
            if inner.is_gone {
                return Err(Error::UnknownGroup);
            }
            if !inner.is_familiar_to(user) {
                return Err(GroupError::NotJoined.into());
            }
            inner.joined_session(session).map(|one| one.subscribed)
        };
        let mut batch = Batch::new();
        if let Some(subscribe) = joined {
            // As joining once more, with another name perhaps.
            let wish = JoinWish { screen_name: None, subscribe, own: given };
            let plan = self.plan(&group.lock(), session, &group.id, &wish)?;
            self.put_join(&mut batch, session, &group.id, &plan);
            self.store.commit(batch).await?;
            self.apply_join(session, group, plan, false)?;
        } else {
            let before = group.lock().people.get(user).cloned().unwrap_or_default();
            let change = before.settings.with(&given, self.config.group_property_max, session.version)?;
            let screen_name = change.screen_name.or(before.screen_name.clone());
            let person = Person { settings: change.settings, screen_name, ..before };
            put_person(&mut batch, &group.id, user, &person);
            self.store.commit(batch).await?;
            self.set_person(group, &mut group.lock(), user, person);
        }
        let woken: Vec<_> = {
            let woken = self.note_own(group, &group.lock(), user);
            // What a client sets itself it need not be told.
            session.outbox().forget_own(&group.id);
            woken.into_iter().filter(|other| other.id != session.id).collect()
        };
        Self::wake(&woken);
        Ok(())
    }

    /// Whether a session is told of changes; or it is to be, or no longer.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, `NotJoined`, or the store's failure: nothing is changed then.
    pub async fn subscribe(&self, session: &Session, address: &Address, kind: SubscribeType) -> Result<bool, Error> {
        let group = self.find(address)?;
        let _change = group.change.lock().await;
        let user = &session.user.id;
        let record = {
            let inner = group.lock();
            let before = inner.joined_session(session).ok_or(GroupError::NotJoined)?.subscribed;
            let wanted = match kind {
                SubscribeType::Get => return Ok(before),
                SubscribeType::Set => true,
                SubscribeType::Unset => false,
            };
            let mut record = inner.joined_record(&group.id, user).ok_or(GroupError::NotJoined)?;
            if let Some(one) = record.sessions.iter_mut().find(|one| one.session == session.id) {
                one.subscribed = wanted;
            }
            record
        };
        let mut batch = Batch::new();
        batch.put(Space::GroupJoined, person_key(&group.id, user), record.to_record());
        self.store.commit(batch).await?;
        let wanted = kind == SubscribeType::Set;
        let mut inner = group.lock();
        let joined = inner.joined.get_mut(user).into_iter().flat_map(|joined| joined.sessions.iter_mut());
        for one in joined.filter(|one| one.session.id == session.id) {
            one.subscribed = wanted;
        }
        if !wanted {
            session.outbox().forget_news(&group.id);
        }
        Ok(wanted)
    }

    /// How messages of a group come to a session from now on, and up to which size.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, `NotJoined`, or the store's failure: nothing is changed then.
    pub(crate) async fn set_delivery(
        &self,
        session: &Session,
        address: &Address,
        method: Option<DeliveryMethod>,
        push_length: Option<u32>,
    ) -> Result<(), Error> {
        let group = self.find(address)?;
        let _change = group.change.lock().await;
        let user = &session.user.id;
        let record = {
            let inner = group.lock();
            inner.joined_session(session).ok_or(GroupError::NotJoined)?;
            let mut record = inner.joined_record(&group.id, user).ok_or(GroupError::NotJoined)?;
            if let Some(one) = record.sessions.iter_mut().find(|one| one.session == session.id) {
                one.delivery = method.or(one.delivery);
                one.push_length = push_length.or(one.push_length);
            }
            record
        };
        let mut batch = Batch::new();
        batch.put(Space::GroupJoined, person_key(&group.id, user), record.to_record());
        self.store.commit(batch).await?;
        for one in session.groups.lock().iter_mut().filter(|one| Arc::ptr_eq(&one.group, &group)) {
            one.delivery = method.or(one.delivery);
            one.push_length = push_length.or(one.push_length);
        }
        Ok(())
    }
}

/// The names of the common properties that can be set, for the operator's help.
pub fn settable_properties() -> Vec<&'static str> {
    COMMON.iter().filter(|row| row.set_by != SetBy::Server).map(|row| row.name).collect()
}
