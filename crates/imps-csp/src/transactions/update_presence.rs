//! *UpdatePresence-Request*: a user's presence changes. CSP 10, 11.

use imps_proto::csp::UpdatePresenceRequest;
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for UpdatePresenceRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        Ok(Reply::result(cx.services.presence().update(cx.session()?, self.presence_sub_list).await?))
    }
}
