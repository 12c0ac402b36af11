//! *RejectMessage-Request*: messages that wait are not wanted. CSP 12.4.

use imps_proto::csp::RejectMessageRequest;
use imps_service::Error;

use super::{Cx, Reply, Transaction};
use crate::link::ClientLink;

impl Transaction for RejectMessageRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        if self.message_ids.is_empty() {
            return Err(Error::BadParameter("the request names no message"));
        }
        let session = cx.session()?;
        let result = cx.services.im().reject(session, &self.message_ids).await?;
        // None of the user's clients is offered again what they all have lost now.
        for session in session.user.sessions() {
            if let Some(link) = ClientLink::of(&session) {
                self.message_ids.iter().for_each(|id| link.close_message(id.trim()));
            }
        }
        Ok(Reply::result(result))
    }
}
