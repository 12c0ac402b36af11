//! *ForwardMessage-Request*: a message that waits is sent on. CSP 12.4.

use imps_proto::csp::{ForwardMessageRequest, ForwardMessageResponse};
use imps_service::Error;
use imps_service::im::Forward;
use imps_types::{Status, Version};

use super::{Cx, Reply, Transaction};
use crate::link::ClientLink;

impl Transaction for ForwardMessageRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let session = cx.session()?;
        let message_id: Box<str> = self.message_id.trim().into();
        let forward = Forward { message_id: message_id.clone(), recipient: self.recipient, sender: self.sender };
        let sent = cx.services.im().forward(session, forward, cx.once()).await?;
        if sent.id.is_some() {
            // None of the user's clients is offered again what is not his any more.
            for session in session.user.sessions() {
                if let Some(link) = ClientLink::of(&session) {
                    link.close_message(&message_id);
                }
            }
        }
        match sent.id {
            // The response has no place for who was left out.
            Some(id) if cx.version == Version::V1_3 && sent.result.status == Status::SUCCESSFUL => {
                Ok(ForwardMessageResponse { message_id: id.to_string().into() }.into())
            }
            _ => Ok(Reply::result(sent.result)),
        }
    }
}
