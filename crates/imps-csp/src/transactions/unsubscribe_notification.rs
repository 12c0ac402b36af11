//! *UnsubscribeNotification-Request*: types of notification that a client wants no longer. CSP 4.10.

use imps_proto::csp::UnsubscribeNotificationRequest;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for UnsubscribeNotificationRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        cx.services.access().unsubscribe_notifications(cx.session()?, &self.types).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
