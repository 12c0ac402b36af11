//! *SubscribeNotification-Request*: types of notification that a client wants. CSP 4.10.

use imps_proto::csp::SubscribeNotificationRequest;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for SubscribeNotificationRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        cx.services.access().subscribe_notifications(cx.session()?, &self.types).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
