//! Notices as the primitives that tell of them: a file for each.

use imps_proto::wire::Writer;
use imps_service::event::{Notice, NoticeContent};

use super::{cancel_invite_user, invite_response, invite_user, presence_auth_request, system_message};

pub(super) fn write(notice: &Notice, writer: &mut dyn Writer) {
    match &notice.content {
        NoticeContent::SystemMessage(content) => system_message::write(notice, content, writer),
        NoticeContent::PresenceAuth { watcher, attributes } => {
            presence_auth_request::write(watcher, *attributes, writer);
        }
        NoticeContent::Invitation(one) => invite_user::write(one, writer),
        NoticeContent::InvitationAnswer(one) => invite_response::write(one, writer),
        NoticeContent::InvitationCancelled(one) => cancel_invite_user::write(one, writer),
    }
}
