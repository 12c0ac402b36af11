//! The Group service element (CSP 13): groups with properties, members and rights; who has joined them; what changes.
//!
//! Members and joined users are different sets. A member is kept in the group's people with a role; a user is joined as
//! long as one of his sessions is, under one screen name that all of them share. Both are in the store: sessions survive
//! a restart, and so do the groups that they have joined.
//!
//! ```text
//!   not joined ──join──> joined ──leave, logout, expiry──────────────────> not joined
//!                           └────forced out: deleted, rejected, removed──> told why (LeaveGroup-Response)
//! ```

mod abroad;
mod auto_join;
mod conversation;
mod error;
mod join;
mod leave;
mod lifecycle;
mod members;
mod notice;
mod operator;
mod outcomes;
mod people;
mod properties;
mod record;
mod resume;
mod rights;
mod screen_name;
mod settings;
mod state;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use imps_types::{Address, GroupId, UserId};

pub use conversation::{Extended, Extension};
pub use error::GroupError;
pub use join::{JoinWish, Joining};
pub use lifecycle::NewGroup;
pub use members::{JoinedUsers, Manager, Members};
pub use notice::{GroupChange, GroupNews};
pub use operator::PersonSummary;
pub(crate) use record::{history_key, history_range, history_sequence};
pub(crate) use screen_name::{is_same_name, is_screen_name};
pub use settings::{ToldProperties, settable_properties};
pub use state::{GroupState, GroupSummary};
pub use table::GroupTable;

use crate::happening::Happening;
use crate::{Error, Services};

/// Access to the Group service element.
#[derive(Clone, Copy)]
pub struct Groups<'a>(pub(crate) &'a Services);

impl std::ops::Deref for Groups<'_> {
    type Target = Services;

    fn deref(&self) -> &Services {
        self.0
    }
}

impl Groups<'_> {
    /// The group with this address.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`.
    pub fn known(&self, id: &GroupId) -> Result<Arc<GroupState>, Error> {
        if self.is_abroad(id) {
            return Err(Error::ForeignDomain);
        }
        self.groups.find(id).ok_or(Error::UnknownGroup)
    }

    /// The group with this address as it was written.
    ///
    /// # Errors
    /// `UnknownGroup`, `ForeignDomain`.
    pub fn find(&self, address: &Address) -> Result<Arc<GroupState>, Error> {
        self.known(&self.router.group(address)?)
    }

    /// Every group, in no order.
    pub fn all(&self) -> Vec<Arc<GroupState>> {
        self.groups.all()
    }

    /// The groups that a user has joined, with any of his clients.
    pub fn joined_by(&self, user: &UserId) -> Vec<Arc<GroupState>> {
        let Some(user) = self.users.loaded(user) else { return Vec::new() };
        let mut groups: Vec<Arc<GroupState>> = Vec::new();
        for session in user.sessions() {
            for group in session.joined_groups() {
                if !groups.iter().any(|known| Arc::ptr_eq(known, &group)) {
                    groups.push(group);
                }
            }
        }
        groups
    }

    /// Hears what the other service elements do.
    pub(crate) async fn on(&self, what: &Happening) {
        match what {
            Happening::SessionOpened { session, resumed: true } => {
                // It joined what it joins by itself when it was new.
                session.begin_auto_join();
                self.take_up(session);
            }
            Happening::SessionClosed { session, .. } => self.session_closed(session).await,
            _ => {}
        }
    }

    /// The groups that are a user's own.
    pub fn owned_by(&self, user: &UserId) -> Vec<Arc<GroupState>> {
        let mut groups = self.groups.of_user(user);
        groups.retain(|group| group.lock().is_owner(user));
        groups
    }

    /// The groups that a user joins when he logs in.
    pub fn auto_joined_by(&self, user: &UserId) -> Vec<Arc<GroupState>> {
        let mut groups = self.groups.of_user(user);
        groups.retain(|group| group.auto_joins(user));
        groups
    }
}
