//! *LeaveGroup-Request*: a user leaves a group. CSP 13.4.

use imps_proto::csp::{LeaveGroupRequest, LeaveGroupResponse};
use imps_service::Error;
use imps_types::element::ResultInfo;
use imps_types::{Address, Status};

use super::{Cx, Reply, Transaction};

impl Transaction for LeaveGroupRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let group = cx.services.group().leave(cx.session()?, &self.group_id).await?;
        let result = ResultInfo::of(Status::SUCCESSFUL);
        Ok(LeaveGroupResponse { group_id: Some(Address::from(&group)), result }.into())
    }
}
