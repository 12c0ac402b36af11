//! Groups that another domain keeps (SSP 9.7): which of our clients have joined them, and what they are told of them.
//!
//! Whether somebody may join is for the domain that keeps the group; here it is remembered with the session, so that what
//! is said there reaches those who have joined, and that domain hears when the last client of a user is gone.

use std::sync::Arc;

use imps_types::{GroupId, Status, UserId};

use super::{GroupChange, Groups};
use crate::Error;
use crate::event::Event;
use crate::session::{JoinedAbroad, Session};

impl Groups<'_> {
    /// Whether another domain keeps this group.
    pub fn is_abroad(&self, group: &GroupId) -> bool {
        !self.router.keeps(group.domain(), imps_types::Service::Group)
    }

    /// The domain that keeps the group has let a client of ours in, or has changed what it is told.
    ///
    /// # Errors
    /// `TooManyGroups`, or the store's failure.
    pub async fn joined_abroad(&self, session: &Arc<Session>, group: &GroupId, subscribed: bool) -> Result<(), Error> {
        let before = session.joined_abroad();
        let is_new = !before.iter().any(|one| one.group == *group);
        if is_new && before.len() >= self.config.groups_joined_max {
            return Err(super::GroupError::TooManyGroups.into());
        }
        // Messages with greater numbers are offered to it because it has joined by then.
        let waiting_until = self.sequence.last();
        {
            let mut abroad = session.abroad.lock();
            abroad.retain(|one| one.group != *group);
            abroad.push(JoinedAbroad { group: group.clone(), subscribed });
        }
        session.outbox().forget_leave(group);
        let saved = self.access().save_session(session).await;
        if saved.is_err() {
            *session.abroad.lock() = before;
        } else if is_new {
            self.im().offer_missed(session, group, waiting_until).await;
        }
        saved
    }

    /// Whether the client is told of changes of a group of another domain; none: it has not joined it.
    pub fn is_told_abroad(&self, session: &Session, group: &GroupId) -> Option<bool> {
        session.abroad.lock().iter().find(|one| one.group == *group).map(|one| one.subscribed)
    }

    /// Whether a client of this user, another than this, is told of changes of a group of another domain.
    pub fn are_others_told_abroad(&self, session: &Session, group: &GroupId) -> bool {
        let others = session.user.sessions();
        others.iter().any(|other| other.id != session.id && self.is_told_abroad(other, group) == Some(true))
    }

    /// Whether a client of this user, another than this, has joined a group of another domain.
    pub fn has_others_abroad(&self, session: &Session, group: &GroupId) -> bool {
        let others = session.user.sessions();
        others.iter().any(|other| other.id != session.id && self.is_told_abroad(other, group).is_some())
    }

    /// A client of ours has left a group of another domain. With the last one of a user, nothing of it waits for him any more.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn left_abroad(&self, session: &Arc<Session>, group: &GroupId) -> Result<(), Error> {
        session.abroad.lock().retain(|one| one.group != *group);
        session.outbox().forget_group(group);
        if !self.is_joined_abroad(&session.user.id, group) {
            self.im().drop_group_messages(&session.user.id, group).await;
        }
        self.access().save_session(session).await
    }

    /// The domain that keeps a group says that users of ours are in it no longer, and why.
    pub async fn forced_abroad(&self, group: &GroupId, users: &[UserId], reason: Status) {
        for user in users {
            let Some(user) = self.users.loaded(user) else { continue };
            for session in user.sessions() {
                if self.is_told_abroad(&session, group).is_none() {
                    continue;
                }
                if let Err(error) = self.left_abroad(&session, group).await {
                    tracing::warn!(%group, %error, "that a client has left is not written");
                }
                session.outbox().forced_leave(group.clone(), reason);
                session.wake();
            }
        }
    }

    /// The domain that keeps a group tells users of ours what has changed.
    pub fn told_abroad(&self, users: &[UserId], change: GroupChange) {
        let change = Arc::new(change);
        for user in users.iter().filter_map(|user| self.users.loaded(user)) {
            for session in user.sessions() {
                if self.is_told_abroad(&session, &change.group) == Some(true) {
                    let is_told = session.outbox().told(Event::GroupChange(change.clone()), self.config.outbox_bytes);
                    if !is_told {
                        tracing::info!(group = %change.group, user = %user.id, "a change of a group is too large to be told");
                    }
                    session.wake();
                }
            }
        }
    }

    /// A session is over: the groups of other domains in which its user has no other client.
    pub(super) fn ended_abroad(&self, session: &Session) {
        let groups = std::mem::take(&mut *session.abroad.lock());
        let Some(gateway) = self.router.gateway().filter(|_| !groups.is_empty()) else { return };
        for one in groups {
            if !self.has_others_abroad(session, &one.group) {
                gateway.left_group(&session.user.id, &one.group);
            }
        }
    }

    /// Whether a user of ours has joined a group of another domain, with any client.
    pub fn is_joined_abroad(&self, user: &UserId, group: &GroupId) -> bool {
        let joined = |session: &Arc<Session>| self.is_told_abroad(session, group).is_some();
        self.users.loaded(user).is_some_and(|user| user.sessions().iter().any(joined))
    }
}
