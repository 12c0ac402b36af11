//! *InviteUser-Request*: somebody invites. CSP 7.2.

use imps_proto::csp::InviteUserRequest;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_service::common::Invitation;
use imps_types::Version;
use imps_types::element::{InviteType, ScreenName};
use imps_types::presence::{AttributeSet, PresenceAttribute, PresenceSubList};

pub(super) fn write(invitation: &Invitation, writer: &mut dyn Writer) {
    let occasion = &invitation.occasion;
    InviteUserRequest {
        invite_id: invitation.invite_id.clone(),
        invite_type: type_for(invitation.invite_type, writer.version()),
        sender: invitation.shown.sender(),
        recipient: Some(invitation.named.recipient()),
        application_id: occasion.application_id.clone(),
        group_id: occasion.group_id.clone(),
        presence_sub_list: occasion.attributes.map(names),
        urls: occasion.urls.clone(),
        invite_note: invitation.note.clone(),
        screen_name: screen_name(invitation),
        validity: Some(invitation.validity),
    }
    .write(writer);
}

/// What older versions have for the types that came later: what is joined is a group in any case.
fn type_for(invite_type: InviteType, version: Version) -> InviteType {
    match (invite_type, version) {
        (InviteType::Membership, Version::V1_1) => InviteType::Group,
        (InviteType::ExtendedConversation | InviteType::ExtendedGroup, Version::V1_1 | Version::V1_2) => {
            InviteType::Group
        }
        (same, _) => same,
    }
}

fn screen_name(invitation: &Invitation) -> Option<ScreenName> {
    use imps_types::element::{Group, Sender};
    match invitation.shown.sender() {
        Sender::Group(Group::ScreenName(name)) => Some(name),
        Sender::Group(Group::Id(_)) | Sender::User(_) => None,
    }
}

/// Attributes by name alone.
pub(super) fn names(set: AttributeSet) -> PresenceSubList {
    PresenceSubList { attributes: set.iter().map(PresenceAttribute::name_only).collect(), extensions: Vec::new() }
}
