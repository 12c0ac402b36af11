//! *RemoveGroupMembers-Request*: users are members of a group no longer. CSP 13.5.

use imps_proto::csp::RemoveGroupMembersRequest;
use imps_service::Error;
use imps_service::group::Manager;

use super::{Cx, Reply, Transaction};

impl Transaction for RemoveGroupMembersRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let by = Manager::User(cx.session()?);
        Ok(Reply::result(cx.services.group().remove_members(by, &self.group_id, self.users).await?))
    }
}
