//! *SubscribeGroupNotice-Request*: whether a client is told of changes of a group. CSP 13.2.

use imps_proto::csp::{SubscribeGroupNoticeRequest, SubscribeGroupNoticeResponse};
use imps_service::Error;
use imps_types::Status;
use imps_types::element::SubscribeType;

use super::{Cx, Reply, Transaction};

impl Transaction for SubscribeGroupNoticeRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let kind = self.subscribe_type;
        let value = cx.services.group().subscribe(cx.session()?, &self.group_id, kind).await?;
        Ok(match kind {
            SubscribeType::Get => SubscribeGroupNoticeResponse { value }.into(),
            SubscribeType::Set | SubscribeType::Unset => Reply::status(Status::SUCCESSFUL),
        })
    }
}
