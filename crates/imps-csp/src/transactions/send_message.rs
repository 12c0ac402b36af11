//! *SendMessage-Request*: a user sends an instant message. CSP 12.1.

use imps_proto::csp::{SendMessageRequest, SendMessageResponse};
use imps_service::Error;
use imps_service::im::OutgoingMessage;

use super::{Cx, Reply, Transaction};

impl Transaction for SendMessageRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let message = OutgoingMessage {
            info: self.message.info,
            content: self.message.content.unwrap_or_default(),
            delivery_report: self.delivery_report,
        };
        let sent = cx.services.im().send(cx.session()?, message, cx.once()).await?;
        Ok(SendMessageResponse { result: sent.result, message_id: sent.id.map(|id| id.to_string().into()) }.into())
    }
}
