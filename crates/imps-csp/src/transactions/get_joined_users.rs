//! *GetJoinedUsers-Request*: who has joined a group. CSP 13.2.

use imps_proto::csp::{GetJoinedUsersRequest, GetJoinedUsersResponse};
use imps_proto::elements::Listed;
use imps_service::Error;
use imps_service::group::JoinedUsers;
use imps_types::element::{AdminMapList, ScreenName, UserList};

use super::{Cx, Reply, Transaction};

impl Transaction for GetJoinedUsersRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let (joined, blocked) = cx.services.group().joined_users(cx.session()?, &self.group_id)?;
        let group_id = self.group_id;
        let named = |name| ScreenName { name, group_id: group_id.clone() };
        let blocked = UserList { users: Vec::new(), screen_names: blocked.into_iter().map(named).collect() };
        let joined_blocked = Some(Listed(blocked)).filter(|listed| !listed.0.is_empty());
        Ok(match joined {
            JoinedUsers::ByRole { admins, mods, users } => GetJoinedUsersResponse {
                admin_map_list: Some(AdminMapList { admins, mods, users }),
                user_map_list: None,
                joined_blocked,
            },
            JoinedUsers::All(users) => {
                GetJoinedUsersResponse { admin_map_list: None, user_map_list: Some(cx.map_list(users)), joined_blocked }
            }
        }
        .into())
    }
}
