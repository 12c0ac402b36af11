//! *CancelInviteUser-Request*: an invitation was taken back. CSP 7.2.

use imps_proto::csp::CancelInviteUserRequest;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_service::common::InvitationCancelled;

use super::invite_user::names;

pub(super) fn write(cancelled: &InvitationCancelled, writer: &mut dyn Writer) {
    let occasion = &cancelled.occasion;
    CancelInviteUserRequest {
        invite_id: cancelled.invite_id.clone(),
        sender: cancelled.shown.sender(),
        recipient: Some(cancelled.named.recipient()),
        invite_note: cancelled.note.clone(),
        application_id: occasion.application_id.clone(),
        group_id: occasion.group_id.clone(),
        presence_sub_list: occasion.attributes.map(names),
        urls: occasion.urls.clone(),
        screen_name: None,
    }
    .write(writer);
}
