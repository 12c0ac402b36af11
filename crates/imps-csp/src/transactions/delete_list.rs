//! *DeleteList-Request*: a contact list goes. CSP 8.

use imps_proto::csp::DeleteListRequest;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for DeleteListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        cx.services.presence().delete_list(cx.session()?, &self.contact_list).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
