//! *Invite-Response*: somebody who was invited has answered. CSP 7.2.

use imps_proto::csp::InviteResponse;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_service::common::InvitationAnswer;

pub(super) fn write(answer: &InvitationAnswer, writer: &mut dyn Writer) {
    InviteResponse {
        invite_id: answer.invite_id.clone(),
        acceptance: answer.acceptance,
        sender: answer.shown.sender(),
        recipient: Some(answer.inviter.recipient()),
        invite_note: answer.invite_note.clone(),
        response_note: answer.note.clone(),
        screen_name: answer.screen_name.clone(),
    }
    .write(writer);
}
