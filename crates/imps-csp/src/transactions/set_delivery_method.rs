//! *SetDeliveryMethod-Request*: push, or notify and let the client fetch. CSP 12.2.

use imps_proto::csp::SetDeliveryMethodRequest;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for SetDeliveryMethodRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        // 1.3 has a limit of its own for the messages of a group.
        let of_group = self.group_content_limit.filter(|_| self.group_id.is_some());
        let (method, length) = (self.delivery_method, of_group.or(self.accepted_content_length));
        cx.services.im().set_delivery_method(cx.session()?, method, length, self.group_id.as_ref()).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
