//! Groups as an operator sees them.

use std::sync::Arc;

use imps_types::element::Role;
use imps_types::{GroupId, UserId};

use super::Groups;
use super::state::GroupSummary;
use crate::Error;

/// Somebody of whom a group knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSummary {
    /// Who.
    pub user: UserId,
    /// Members have one.
    pub role: Option<Role>,
    /// Whether he is on the reject list.
    pub rejected: bool,
    /// Whether he was invited.
    pub invited: bool,
    /// Whether he joins when he logs in.
    pub auto_join: bool,
    /// His screen name, if he has joined.
    pub screen_name: Option<Arc<str>>,
    /// With how many clients he has joined.
    pub sessions: usize,
}

impl Groups<'_> {
    /// All groups in the order of their addresses, those after `after` only, so many at most.
    pub fn list(&self, after: Option<&GroupId>, limit: usize) -> Vec<GroupSummary> {
        let mut groups = self.groups.all();
        groups.retain(|group| after.is_none_or(|after| group.id > *after));
        groups.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        groups.truncate(limit);
        groups.iter().map(|group| group.summary()).collect()
    }

    /// Everybody of whom a group knows, in the order of their addresses.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`.
    pub fn people(&self, id: &GroupId) -> Result<Vec<PersonSummary>, Error> {
        let group = self.known(id)?;
        let inner = group.lock();
        let strangers = inner.joined.keys().filter(|user| !inner.people.contains_key(*user));
        let mut people: Vec<PersonSummary> = inner
            .people
            .keys()
            .chain(strangers)
            .map(|user| {
                let person = inner.people.get(user);
                let joined = inner.joined.get(user);
                PersonSummary {
                    user: user.clone(),
                    role: person.and_then(|person| person.role),
                    rejected: person.is_some_and(|person| person.rejected),
                    invited: person.is_some_and(|person| person.invited),
                    auto_join: person.is_some_and(|person| person.settings.auto_join),
                    screen_name: joined.map(|joined| joined.name.clone()),
                    sessions: joined.map_or(0, |joined| joined.sessions.len()),
                }
            })
            .collect();
        drop(inner);
        people.sort_unstable_by(|one, other| one.user.cmp(&other.user));
        Ok(people)
    }
}
