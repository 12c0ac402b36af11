//! *MessageDelivered* as a request: a client has a message, after it fetched it. CSP 12.2.

use imps_proto::csp::MessageDelivered;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};
use crate::link::ClientLink;

impl Transaction for MessageDelivered {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let session = cx.session()?;
        let id = self.message_id.trim();
        cx.services.im().delivered(session, id, None).await?;
        // It may be the answer to a push, as a request of its own; or the push or the notification was never answered.
        if let Some(link) = ClientLink::of(session) {
            link.close_message(id);
        }
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
