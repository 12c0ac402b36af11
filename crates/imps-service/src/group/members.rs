//! Members, their roles, and the reject list (CSP 13.5).

use std::sync::Arc;

use imps_types::element::{Mapping, Notification, NotificationType, ResultInfo, Role, UserList};
use imps_types::{Address, Status, UserId};

use super::leave::Departure;
use super::outcomes::{Named, Outcomes};
use super::record::Person;
use super::rights::{Act, may};
use super::state::{GroupInner, GroupState};
use super::{GroupError, Groups};
use crate::Error;
use crate::im::Origin;
use crate::seam::Batch;
use crate::session::Session;

/// Who manages a group.
#[derive(Clone, Copy)]
pub enum Manager<'a> {
    /// A user, with this session.
    User(&'a Arc<Session>),
    /// The operator, who may do everything but harm an owner.
    Operator,
}

impl<'a> Manager<'a> {
    fn rank(self, inner: &GroupInner) -> Role {
        match self {
            Self::User(session) => inner.rank(&session.user.id),
            Self::Operator => Role::Admin,
        }
    }

    /// The session that is not told what it did itself.
    fn session(self) -> Option<&'a Session> {
        match self {
            Self::User(session) => Some(session),
            Self::Operator => None,
        }
    }
}

/// The members of a group by role.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Members {
    /// Administrators, the owner among them.
    pub admins: Vec<UserId>,
    /// Moderators.
    pub mods: Vec<UserId>,
    /// The others.
    pub users: Vec<UserId>,
}

/// The joined users, as one who has joined himself is shown them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinedUsers {
    /// For moderators and administrators: by role, and whose each screen name is.
    ByRole {
        /// Administrators.
        admins: Vec<Mapping>,
        /// Moderators.
        mods: Vec<Mapping>,
        /// The others.
        users: Vec<Mapping>,
    },
    /// For the others.
    All(Vec<Mapping>),
}

/// What is done to one member, and what it makes of him.
type Change<'a> = dyn Fn(&GroupInner, Role, &UserId) -> Result<Option<Person>, GroupError> + Send + Sync + 'a;

impl Groups<'_> {
    /// The members, for those who may know them.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, `NoPrivilege`.
    pub fn members(&self, by: Manager<'_>, address: &Address) -> Result<Members, Error> {
        let group = self.find(address)?;
        let inner = group.lock();
        if !may(by.rank(&inner), Act::ReadMembers) {
            return Err(GroupError::NoPrivilege.into());
        }
        let mut members = Members::default();
        for (user, person) in &inner.people {
            match person.role {
                Some(Role::Admin) => members.admins.push(user.clone()),
                Some(Role::Mod) => members.mods.push(user.clone()),
                Some(Role::User) => members.users.push(user.clone()),
                None => {}
            }
        }
        drop(inner);
        for list in [&mut members.admins, &mut members.mods, &mut members.users] {
            list.sort();
        }
        Ok(members)
    }

    /// The joined users, for a session that has joined; and the screen names of those among them whom its user blocks.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, `NotJoined`, `TooLarge` when its client cannot parse so many.
    pub fn joined_users(&self, session: &Session, address: &Address) -> Result<(JoinedUsers, Vec<Box<str>>), Error> {
        let group = self.find(address)?;
        let room = crate::im::parser_room(&session.negotiated());
        let inner = group.lock();
        if inner.joined_session(session).is_none() {
            return Err(GroupError::NotJoined.into());
        }
        let sees_all = may(inner.rank(&session.user.id), Act::SeeAddresses);
        let mut by_role: [Vec<Mapping>; 3] = Default::default();
        let mut size = 0;
        let mut origins = Vec::with_capacity(inner.joined.len());
        for (user, joined) in &inner.joined {
            let mapping = inner.mapping(user, joined, sees_all);
            size += mapping.name.len() + mapping.user_id.as_ref().map_or(0, |id| id.as_str().len() + 20) + 50;
            let role = if sees_all { inner.rank(user) } else { Role::User };
            by_role[role as usize].push(mapping);
            origins.push((joined.name.clone(), user.clone()));
        }
        drop(inner);
        let blocks = |(name, user): &(Arc<str>, UserId)| {
            let in_group = Some((group.id.clone(), (&**name).into()));
            let origin = Origin { screen_name: in_group, ..Origin::of(user) };
            *user != session.user.id && self.im().refuses(&session.user, &origin)
        };
        let mut blocked: Vec<Box<str>> =
            origins.iter().filter(|one| blocks(one)).map(|(name, _)| (&**name).into()).collect();
        blocked.sort();
        size += blocked.iter().map(|name| name.len() + group.id.as_str().len() + 70).sum::<usize>();
        if size > room {
            return Err(Error::TooLarge);
        }
        for list in &mut by_role {
            list.sort_by(|one, other| one.name.cmp(&other.name));
        }
        let [users, mods, admins] = by_role;
        let joined = if sees_all { JoinedUsers::ByRole { admins, mods, users } } else { JoinedUsers::All(users) };
        Ok((joined, blocked))
    }

    /// Makes users members; who is one keeps his role.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, `NoPrivilege`, or the store's failure. Users fail one by one, in the result.
    pub async fn add_members(&self, by: Manager<'_>, address: &Address, list: UserList) -> Result<ResultInfo, Error> {
        let group = self.find(address)?;
        let most = self.config.group_members_max;
        let _change = group.change.lock().await;
        self.check(&group, by, Act::AddMembers)?;
        let mut outcomes = Outcomes::default();
        let mut members = group.lock().members();
        let mut people = Vec::new();
        for (user, named) in self.named_users(&group, list, &mut outcomes).await? {
            let person = {
                let inner = group.lock();
                let person = inner.people.get(&user).cloned().unwrap_or_default();
                if person.role.is_none() && (members >= most || !self.has_room_for(&inner, &user)) {
                    drop(inner);
                    outcomes.bad(&named, GroupError::TooManyMembers)?;
                    continue;
                }
                person
            };
            outcomes.good();
            if person.role.is_none() {
                members += 1;
                people.push((user, Person { role: Some(Role::User), ..person }));
            }
        }
        let added: Vec<UserId> = people.iter().map(|(user, _)| user.clone()).collect();
        self.depart(&group, Batch::new(), Vec::new(), people).await?;
        self.tell_members(&group, by, &added, NotificationType::MembershipGranted);
        Ok(outcomes.done())
    }

    /// Takes membership away; joined users of a restricted group are forced out.
    ///
    /// # Errors
    /// As [`Groups::add_members`].
    pub async fn remove_members(
        &self,
        by: Manager<'_>,
        address: &Address,
        list: UserList,
    ) -> Result<ResultInfo, Error> {
        let group = self.find(address)?;
        let _change = group.change.lock().await;
        self.check(&group, by, Act::RemoveMembers)?;
        let mut outcomes = Outcomes::default();
        let named = self.named_users(&group, list, &mut outcomes).await?;
        let remove = |inner: &GroupInner, rank: Role, user: &UserId| {
            let person = member(inner, user)?;
            touchable(inner, rank, user)?;
            Ok(Some(Person { role: None, invited: false, ..person }))
        };
        let people = self.changes(&group, by, named, &mut outcomes, &remove)?;
        let removed: Vec<UserId> = people.iter().map(|(user, _)| user.clone()).collect();
        let is_restricted = group.lock().record.properties.restricted;
        let forced = |user| Departure::forced(user, Status::NOT_A_GROUP_MEMBER);
        let departures = if is_restricted { removed.iter().map(forced).collect() } else { Vec::new() };
        self.depart(&group, Batch::new(), departures, people).await?;
        self.tell_members(&group, by, &removed, NotificationType::MembershipRevoked);
        Ok(outcomes.done())
    }

    /// Gives members roles: those of each list the role beside it.
    ///
    /// # Errors
    /// As [`Groups::add_members`].
    pub async fn set_access(
        &self,
        by: Manager<'_>,
        address: &Address,
        lists: Vec<(Role, UserList)>,
    ) -> Result<ResultInfo, Error> {
        let group = self.find(address)?;
        let _change = group.change.lock().await;
        self.check(&group, by, Act::SetModerators)?;
        let mut outcomes = Outcomes::default();
        let mut people: Vec<(UserId, Person)> = Vec::new();
        for (role, list) in lists {
            let named = self.named_users(&group, list, &mut outcomes).await?;
            let set = |inner: &GroupInner, rank: Role, user: &UserId| {
                let person = member(inner, user)?;
                if person.role == Some(role) {
                    return Ok(None);
                }
                let concerns_admins = role == Role::Admin || person.role == Some(Role::Admin);
                let act = if concerns_admins { Act::SetAdmins } else { Act::SetModerators };
                if !may(rank, act) || inner.is_owner(user) {
                    return Err(GroupError::NoPrivilege);
                }
                Ok(Some(Person { role: Some(role), ..person }))
            };
            for (user, person) in self.changes(&group, by, named, &mut outcomes, &set)? {
                // Of somebody who is on two lists the last counts.
                people.retain(|(other, _)| *other != user);
                people.push((user, person));
            }
        }
        let changed: Vec<UserId> = people.iter().map(|(user, _)| user.clone()).collect();
        self.depart(&group, Batch::new(), Vec::new(), people).await?;
        self.tell_members(&group, by, &changed, NotificationType::MemberAccessUpdated);
        Ok(outcomes.done())
    }

    /// Puts users on the reject list, which forces them out if they have joined, or takes them off it. The list as it is
    /// then, and how it went.
    ///
    /// # Errors
    /// As [`Groups::add_members`].
    pub async fn reject(
        &self,
        by: Manager<'_>,
        address: &Address,
        add: UserList,
        remove: UserList,
    ) -> Result<(ResultInfo, Vec<UserId>), Error> {
        let group = self.find(address)?;
        let _change = group.change.lock().await;
        self.check(&group, by, Act::RejectList)?;
        let mut outcomes = Outcomes::default();
        let named = self.named_users(&group, add, &mut outcomes).await?;
        let (room, most) = (group.lock().people.len(), self.config.group_people_max);
        let mut new = 0;
        let mut added = Vec::new();
        for (user, named) in named {
            let is_known = group.lock().people.contains_key(&user);
            if !is_known && room + new >= most {
                outcomes.bad(&named, GroupError::TooManyMembers)?;
            } else {
                new += usize::from(!is_known);
                added.push((user, named));
            }
        }
        let reject = |inner: &GroupInner, rank: Role, user: &UserId| {
            touchable(inner, rank, user)?;
            let person = inner.people.get(user).cloned().unwrap_or_default();
            Ok((!person.rejected).then_some(Person { rejected: true, invited: false, ..person }))
        };
        let mut people = self.changes(&group, by, added, &mut outcomes, &reject)?;
        let departures = people.iter().map(|(user, _)| Departure::forced(user, Status::REJECTED)).collect();
        let named = self.named_users(&group, remove, &mut outcomes).await?;
        let accept = |inner: &GroupInner, _: Role, user: &UserId| {
            let person = inner.people.get(user).cloned().unwrap_or_default();
            Ok(person.rejected.then_some(Person { rejected: false, ..person }))
        };
        people.extend(self.changes(&group, by, named, &mut outcomes, &accept)?);
        self.depart(&group, Batch::new(), departures, people).await?;
        outcomes.good();
        let inner = group.lock();
        let mut rejected: Vec<UserId> =
            inner.people.iter().filter(|(_, person)| person.rejected).map(|(user, _)| user.clone()).collect();
        drop(inner);
        rejected.sort();
        Ok((outcomes.done(), rejected))
    }

    /// The operator forces somebody out; he may come again.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`, `NotJoined`, or the store's failure.
    pub async fn kick(&self, address: &Address, user: &UserId) -> Result<(), Error> {
        let group = self.find(address)?;
        let _change = group.change.lock().await;
        if !group.is_joined(user) {
            return Err(GroupError::NotJoined.into());
        }
        self.depart(&group, Batch::new(), vec![Departure::forced(user, Status::FORCED_LOGOUT)], Vec::new()).await
    }

    /// Whether somebody may do something at all.
    pub(super) fn check(&self, group: &GroupState, by: Manager<'_>, act: Act) -> Result<(), Error> {
        let inner = group.lock();
        if inner.is_gone {
            return Err(Error::UnknownGroup);
        }
        if may(by.rank(&inner), act) { Ok(()) } else { Err(GroupError::NoPrivilege.into()) }
    }

    /// What becomes of the users who are named; who stays as he is is left out.
    fn changes(
        &self,
        group: &Arc<GroupState>,
        by: Manager<'_>,
        named: Vec<(UserId, Named)>,
        outcomes: &mut Outcomes,
        change: &Change<'_>,
    ) -> Result<Vec<(UserId, Person)>, Error> {
        let inner = group.lock();
        let rank = by.rank(&inner);
        let mut people = Vec::new();
        for (user, named) in named {
            match change(&inner, rank, &user) {
                Ok(person) => {
                    outcomes.good();
                    people.extend(person.map(|person| (user, person)));
                }
                Err(error) => outcomes.bad(&named, error)?,
            }
        }
        Ok(people)
    }

    /// Tells users, in whatever way they wanted to be told, that their place in a group is another one; and the owner's
    /// other clients.
    fn tell_members(&self, group: &Arc<GroupState>, by: Manager<'_>, users: &[UserId], kind: NotificationType) {
        if users.is_empty() {
            return;
        }
        let (woken, owner) = {
            let inner = group.lock();
            let woken: Vec<_> = users.iter().flat_map(|user| self.note_own(group, &inner, user)).collect();
            (woken, inner.record.owner.clone())
        };
        Self::wake(&woken);
        for user in users {
            self.access().notify(user, by.session(), Notification::of_group(kind, &group.id));
        }
        if let Some(owner) = owner {
            let updated = Notification::of_group(NotificationType::MembersUpdated, &group.id);
            self.access().notify(&owner, by.session(), updated);
        }
    }
}

/// What is kept of a member.
fn member(inner: &GroupInner, user: &UserId) -> Result<Person, GroupError> {
    let person = inner.people.get(user).filter(|person| person.role.is_some());
    person.cloned().ok_or(GroupError::NotAMember)
}

/// The owner cannot be touched, and nobody who is more than whoever acts: a rejected administrator is one still.
fn touchable(inner: &GroupInner, rank: Role, user: &UserId) -> Result<(), GroupError> {
    if inner.is_owner(user) || inner.role(user) > rank { Err(GroupError::NoPrivilege) } else { Ok(()) }
}
