//! *AddGroupMembers-Request*: users become members of a group. CSP 13.5.

use imps_proto::csp::AddGroupMembersRequest;
use imps_service::Error;
use imps_service::group::Manager;

use super::{Cx, Reply, Transaction};

impl Transaction for AddGroupMembersRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let by = Manager::User(cx.session()?);
        Ok(Reply::result(cx.services.group().add_members(by, &self.group_id, self.users).await?))
    }
}
