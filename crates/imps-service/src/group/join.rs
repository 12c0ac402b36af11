//! Joining (CSP 13.3): who is let in, under which screen name, and what the others hear of it.

use std::sync::Arc;

use imps_types::element::{Mapping, Property, WelcomeNote};
use imps_types::{Address, GroupId, UserId};

use super::people::put_person;
use super::properties::OwnSettings;
use super::record::{JoinedRecord, Person, SavedJoin, leave_key, person_key};
use super::rights::{Act, may};
use super::screen_name::is_screen_name;
use super::state::{GroupInner, GroupState};
use super::{GroupError, Groups};
use crate::Error;
use crate::seam::{Batch, Space};
use crate::session::{JoinedGroup, Session};
use crate::user::UserState;

/// How somebody wants to join.
#[derive(Clone, Debug, Default)]
pub struct JoinWish {
    /// His screen name; none: the one that he had, or one that is made for him.
    pub screen_name: Option<Box<str>>,
    /// Whether this client is to be told of changes.
    pub subscribe: bool,
    /// Own properties to set.
    pub own: Vec<Property>,
}

/// Somebody has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joining {
    /// The group.
    pub group: GroupId,
    /// His screen name.
    pub screen_name: Arc<str>,
    /// What those who join are shown.
    pub welcome_note: Option<WelcomeNote>,
}

/// What is to be written and changed when somebody joins.
pub(super) struct Plan {
    name: Box<str>,
    subscribed: bool,
    person: Option<Person>,
    record: JoinedRecord,
}

impl Groups<'_> {
    /// A client joins a group; one that has joined may change its screen name so, and whether it is told of changes.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, a [`GroupError`] for whoever is not let in, or the store's failure.
    pub async fn join(&self, session: &Arc<Session>, address: &Address, wish: JoinWish) -> Result<Joining, Error> {
        let group = self.find(address)?;
        self.join_group(session, &group, wish, false).await
    }

    /// `tells_himself`: the client learns of it by a notice.
    pub(super) async fn join_group(
        &self,
        session: &Arc<Session>,
        group: &Arc<GroupState>,
        wish: JoinWish,
        tells_himself: bool,
    ) -> Result<Joining, Error> {
        // So that it is known whether his queue is full when a message comes.
        self.im().waiting(&session.user).await?;
        let age = self.age_of(&session.user.id, group).await?;
        // Messages with greater numbers are offered to it because it has joined by then.
        let waiting_until = self.sequence.last();
        let _change = group.change.lock().await;
        let plan = self.plan_join(session, group, &wish, age)?;
        let mut batch = Batch::new();
        self.put_join(&mut batch, session, &group.id, &plan);
        self.store.commit(batch).await?;
        let is_new = !session.has_joined(group.id.as_str());
        let joined = self.apply_join(session, group, plan, tells_himself)?;
        if is_new {
            self.im().offer_missed(session, &group.id, waiting_until).await;
        }
        Ok(joined)
    }

    /// What joining means; nothing is changed yet.
    fn plan_join(
        &self,
        session: &Arc<Session>,
        group: &Arc<GroupState>,
        wish: &JoinWish,
        age: Option<u32>,
    ) -> Result<Plan, Error> {
        let user = &session.user;
        let inner = group.lock();
        if let Err(error) = self.may_join(&inner, user, age) {
            if error == Error::Group(GroupError::Rejected) {
                // The others hear no name that he could not have here.
                let person = inner.people.get(&user.id).cloned().unwrap_or_default();
                let wished = wish.screen_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
                let name = choose_name(&inner, &user.id, &person, wished);
                let name: Arc<str> = name.or_else(|_| choose_name(&inner, &user.id, &person, None))?.into();
                let woken = self.note(group, &inner, Some(session), |news| news.blocked(&name, false));
                drop(inner);
                Self::wake(&woken);
            }
            return Err(error);
        }
        let has_joined = inner.joined_session(session).is_some();
        if !has_joined && session.groups.lock().len() >= self.config.groups_joined_max {
            return Err(GroupError::TooManyGroups.into());
        }
        self.plan(&inner, session, &group.id, wish)
    }

    /// The checks of CSP 13.3, in its order.
    fn may_join(&self, inner: &GroupInner, user: &UserState, age: Option<u32>) -> Result<(), Error> {
        let id = &user.id;
        if inner.is_gone {
            return Err(Error::UnknownGroup);
        }
        let properties = &inner.record.properties;
        let person = inner.people.get(id);
        let (is_rejected, is_invited) = person.map_or((false, false), |one| (one.rejected, one.invited));
        if is_rejected && !inner.is_owner(id) {
            return Err(GroupError::Rejected.into());
        }
        if !inner.is_member(id) {
            // Whoever was invited is let in where an invitation is what counts (CSP 7.2).
            if properties.require_invitation && !is_invited {
                let error = if properties.restricted { GroupError::NotAMember } else { GroupError::Restricted };
                return Err(error.into());
            }
            if properties.restricted && !properties.require_invitation {
                return Err(GroupError::NotAMember.into());
            }
        }
        let is_old_enough = properties.minimum_age.is_none_or(|least| age.is_some_and(|age| age >= least));
        if !is_old_enough && !inner.is_owner(id) {
            return Err(GroupError::TooYoung.into());
        }
        let is_full = inner.joined.len() >= properties.most_active(self.config.group_joined_max);
        if is_full && !inner.joined.contains_key(id) {
            return Err(GroupError::Full.into());
        }
        Ok(())
    }

    /// Screen name, own properties and the row of a session that joins.
    pub(super) fn plan(
        &self,
        inner: &GroupInner,
        session: &Arc<Session>,
        id: &GroupId,
        wish: &JoinWish,
    ) -> Result<Plan, Error> {
        let user = &session.user.id;
        let before = inner.people.get(user).cloned().unwrap_or_default();
        let change = before.settings.with(&wish.own, self.config.group_property_max, session.version)?;
        let wished = wish.screen_name.as_deref().or(change.screen_name.as_deref()).map(str::trim);
        let name = choose_name(inner, user, &before, wished.filter(|name| !name.is_empty()))?;
        let mut person = Person { settings: change.settings, ..before.clone() };
        if !person.is_nobody() {
            if !self.has_room_for(inner, user) {
                return Err(GroupError::TooManyMembers.into());
            }
            person.screen_name = Some(name.clone());
        }
        let mut record =
            inner.joined_record(id, user).unwrap_or(JoinedRecord { name: name.clone(), sessions: Vec::new() });
        record.name = name.clone();
        match record.sessions.iter_mut().find(|one| one.session == session.id) {
            Some(known) => known.subscribed = wish.subscribe,
            None => record.sessions.push(SavedJoin {
                session: session.id,
                subscribed: wish.subscribe,
                delivery: None,
                push_length: None,
            }),
        }
        Ok(Plan { name, subscribed: wish.subscribe, person: (person != before).then_some(person), record })
    }

    /// Adds to a batch what is written when a session joins.
    pub(super) fn put_join(&self, batch: &mut Batch, session: &Session, id: &GroupId, plan: &Plan) {
        let user = &session.user.id;
        batch.put(Space::GroupJoined, person_key(id, user), plan.record.to_record());
        // That it was forced out before is nothing to be told any more.
        batch.delete(Space::GroupLeaves, leave_key(&session.id, id));
        if let Some(person) = &plan.person {
            put_person(batch, id, user, person);
        }
    }

    /// It is committed: the session has joined, and the others hear of it.
    pub(super) fn apply_join(
        &self,
        session: &Arc<Session>,
        group: &Arc<GroupState>,
        plan: Plan,
        tells_himself: bool,
    ) -> Result<Joining, Error> {
        let user = &session.user.id;
        let mut inner = group.lock();
        // Whoever closes the session marks it first and then takes its groups away.
        let is_over = {
            let mut groups = session.groups.lock();
            let is_over = session.is_closed();
            if !is_over && !groups.iter().any(|one| Arc::ptr_eq(&one.group, group)) {
                groups.push(JoinedGroup { group: group.clone(), delivery: None, push_length: None });
            }
            is_over
        };
        if is_over {
            let key = person_key(&group.id, user);
            let others = inner.joined_record(&group.id, user).map(|mut record| {
                record.sessions.retain(|one| one.session != session.id);
                record
            });
            // Other clients of the user may be there, and stay.
            let _ = match others.filter(|record| !record.sessions.is_empty()) {
                Some(others) => self.store.later(Space::GroupJoined, key, others.to_record()),
                None => self.store.later_delete(Space::GroupJoined, key),
            };
            return Err(Error::NotLoggedIn);
        }
        session.outbox().forget_leave(&group.id);
        let before = inner.joined.get(user).map(|joined| joined.name.clone());
        inner.put_joined(session, &plan.name, plan.subscribed);
        let joined = inner.joined.get(user).map(|joined| joined.name.clone());
        let name = joined.unwrap_or_else(|| (&*plan.name).into());
        if let Some(person) = plan.person {
            self.set_person(group, &mut inner, user, person);
        }
        let mut woken = Vec::new();
        if before.as_ref() != Some(&name) {
            let except = (!tells_himself).then_some(&**session);
            woken = self.note(group, &inner, except, |news| {
                if let Some(before) = &before {
                    news.went(before);
                }
                news.came(&name, user);
            });
        }
        if tells_himself {
            session.outbox().group_news(group, |news| news.everybody());
            woken.push(session.clone());
        }
        let welcome_note = inner.record.properties.welcome_note.clone();
        drop(inner);
        Self::wake(&woken);
        Ok(Joining { group: group.id.clone(), screen_name: name, welcome_note })
    }

    /// The users who have joined, as a session of one of them is shown them; as many as its client can parse beside the
    /// rest of an answer. The others are told by notices, if it is told of changes.
    pub fn shown_to(&self, session: &Arc<Session>, id: &GroupId) -> Vec<Mapping> {
        let Ok(group) = self.known(id) else { return Vec::new() };
        let mut room = crate::im::parser_room(&session.negotiated());
        let inner = group.lock();
        let note =
            inner.record.properties.welcome_note.as_ref().map_or(0, |note| note.content.data.len() / 3 * 4 + 200);
        room = room.saturating_sub(note);
        let sees_all = may(inner.rank(&session.user.id), Act::SeeAddresses);
        let mut shown = Vec::new();
        let mut rest = Vec::new();
        for (user, joined) in &inner.joined {
            let size = joined.name.len() + group.id.as_str().len().max(user.as_str().len()) + 70;
            if size > room {
                rest.push((joined.name.clone(), user.clone()));
                continue;
            }
            room -= size;
            shown.push(inner.mapping(user, joined, sees_all));
        }
        let is_subscribed = inner.joined_session(session).is_some_and(|one| one.subscribed);
        if is_subscribed && !rest.is_empty() {
            session.outbox().group_news(&group, |news| rest.iter().for_each(|(name, user)| news.came(name, user)));
        }
        drop(inner);
        shown.sort_by(|one, other| one.name.cmp(&other.name));
        shown
    }
}

/// The screen name that somebody gets. What he wishes must be free; what is made for him is.
fn choose_name(
    inner: &GroupInner,
    user: &UserId,
    person: &Person,
    wished: Option<&str>,
) -> Result<Box<str>, GroupError> {
    let is_free = |name: &str| inner.user_of(name).is_none_or(|owner| owner == user);
    if let Some(name) = wished {
        if !is_screen_name(name) {
            return Err(GroupError::ScreenName);
        }
        return if is_free(name) { Ok(name.into()) } else { Err(GroupError::NameInUse) };
    }
    if let Some(joined) = inner.joined.get(user) {
        return Ok((&*joined.name).into());
    }
    if let Some(name) = person.screen_name.as_deref().filter(|name| is_screen_name(name) && is_free(name)) {
        return Ok(name.into());
    }
    // A guest's domain may let him be called anything.
    let own = Some(user.local()).filter(|own| is_screen_name(own)).unwrap_or("user");
    if is_free(own) {
        return Ok(own.into());
    }
    // One of these is free: there are more of them than joined users.
    let numbered = (2..).map(|number: u64| format!("{own}{number}"));
    let name = numbered.into_iter().find(|name| is_free(name)).unwrap_or_default();
    Ok(name.into())
}

impl OwnSettings {
    /// Whether messages to his screen name reach somebody with these settings.
    pub(super) fn takes_private(&self) -> bool {
        self.private_messaging.unwrap_or(true)
    }
}
