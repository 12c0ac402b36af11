//! Joining at login (CSP 13.6): a user who has set AutoJoin is in the group again, under the name that he had.

use std::sync::Arc;

use super::Groups;
use super::join::JoinWish;
use crate::session::Session;

impl Groups<'_> {
    /// A client has said what it can do: its user joins with it what he joins by himself. Once for each session. It is told
    /// by a change notice, in which its user is among the joined; so it is told of later changes too.
    pub(crate) async fn auto_join(&self, session: &Session) {
        if session.begin_auto_join() {
            let groups = self.auto_joined_by(&session.user.id);
            let Some(session) = self.sessions.find(&session.id).filter(|_| !groups.is_empty()) else { return };
            for group in groups {
                self.auto_join_group(&session, &group).await;
            }
        }
    }

    async fn auto_join_group(&self, session: &Arc<Session>, group: &Arc<super::GroupState>) {
        if session.has_joined(group.id.as_str()) {
            return;
        }
        let wish = JoinWish { subscribe: true, ..JoinWish::default() };
        if let Err(error) = self.join_group(session, group, wish, true).await {
            // Full, or he is not let in any more: he will notice when he looks.
            tracing::debug!(user = %session.user.id, group = %group.id, %error, "not joined at login");
        }
    }
}
