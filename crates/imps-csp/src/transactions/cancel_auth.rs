//! *CancelAuth-Request*: a publisher forgets what he decided about somebody. CSP 9.

use imps_proto::csp::CancelAuthRequest;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for CancelAuthRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        cx.services.presence().cancel_authorisation(cx.session()?, &self.user_id).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
