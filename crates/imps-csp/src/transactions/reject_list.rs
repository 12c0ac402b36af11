//! *RejectList-Request*: who is not let into a group. CSP 13.5.

use imps_proto::csp::{RejectListRequest, RejectListResponse};
use imps_service::Error;
use imps_service::group::Manager;
use imps_types::Status;
use imps_types::element::{EntityList, User, UserList};

use super::{Cx, Reply, Transaction, user_list};

impl Transaction for RejectListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let by = Manager::User(cx.session()?);
        let (add, remove) = (named(self.add_list), named(self.remove_list));
        let (result, rejected) = cx.services.group().reject(by, &self.group_id, add, remove).await?;
        if result.status != Status::SUCCESSFUL {
            return Ok(Reply::result(result));
        }
        let list = user_list(&rejected);
        Ok(RejectListResponse { user_list: (!list.is_empty()).then_some(list) }.into())
    }
}

fn named(list: Option<EntityList>) -> UserList {
    let EntityList { user_ids, screen_names, .. } = list.unwrap_or_default();
    UserList { users: user_ids.into_iter().map(User::of).collect(), screen_names }
}
