//! *GetMessage-Request*: a client fetches a message that it was told of. CSP 12.2.

use imps_proto::csp::{GetMessageRequest, GetMessageResponse};
use imps_service::Error;

use super::{Cx, Reply, Transaction};
use crate::events::with_content;

impl Transaction for GetMessageRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let message = cx.services.im().message(cx.session()?, &self.message_id).await?;
        Ok(GetMessageResponse { message: with_content(&message) }.into())
    }
}
