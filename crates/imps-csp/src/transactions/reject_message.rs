//! *RejectMessage-Request*: messages that wait are not wanted. CSP 12.4.

use imps_proto::csp::RejectMessageRequest;
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for RejectMessageRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        if self.message_ids.is_empty() {
            return Err(Error::BadParameter("the request names no message"));
        }
        Ok(Reply::result(cx.services.im().reject(cx.session()?, &self.message_ids).await?))
    }
}
