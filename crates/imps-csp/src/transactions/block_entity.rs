//! *BlockEntity-Request*: who may reach a user, and who may not. CSP 12.5.

use imps_proto::csp::BlockEntityRequest;
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for BlockEntityRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        Ok(Reply::result(cx.services.im().change_blocking(cx.session()?, self.lists).await?))
    }
}
