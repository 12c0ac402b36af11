//! *GetGroupMembers-Request*: the members of a group by role. CSP 13.2.

use imps_proto::csp::{GetGroupMembersRequest, GetGroupMembersResponse};
use imps_proto::elements::Listed;
use imps_service::Error;
use imps_service::group::Manager;
use imps_types::UserId;
use imps_types::element::UserList;

use super::{Cx, Reply, Transaction, user_list};

impl Transaction for GetGroupMembersRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let members = cx.services.group().members(Manager::User(cx.session()?), &self.group_id)?;
        let listed = |users: &[UserId]| Some(user_list(users)).filter(|list: &UserList| !list.is_empty());
        Ok(GetGroupMembersResponse {
            admins: listed(&members.admins).map(Listed),
            mods: listed(&members.mods).map(Listed),
            users: listed(&members.users),
        }
        .into())
    }
}
