//! *InviteUser-Response*: a user answers an invitation. CSP 7.2.

use imps_proto::csp::InviteUserResponse;
use imps_service::Error;
use imps_service::common::InviteReply;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for InviteUserResponse {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        cx.services.common().answer_invitation(cx.session()?, reply(self)).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}

/// The answer, whether it came as a request or as the response to the invitation itself.
pub(crate) fn reply(response: InviteUserResponse) -> InviteReply {
    InviteReply {
        invite_id: response.invite_id,
        acceptance: response.acceptance,
        sender: response.sender,
        recipient: response.recipient,
        note: response.response_note,
        screen_name: response.screen_name,
    }
}
