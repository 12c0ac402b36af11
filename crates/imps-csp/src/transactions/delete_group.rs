//! *DeleteGroup-Request*: a private group ends. CSP 13.2.

use imps_proto::csp::DeleteGroupRequest;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for DeleteGroupRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        cx.services.group().delete(cx.session()?, &self.group_id).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
