//! *Invite-Request*: a user invites others. CSP 7.2.

use imps_proto::csp::InviteRequest;
use imps_service::Error;
use imps_service::common::{Occasion, OutgoingInvitation};
use imps_types::Version;
use imps_types::presence::PresenceSubList;

use super::{Cx, Reply, Transaction};

impl Transaction for InviteRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let invitation = OutgoingInvitation {
            invite_id: self.invite_id,
            invite_type: self.invite_type,
            sender: self.sender,
            recipient: self.recipient,
            occasion: Occasion {
                application_id: self.application_id,
                group_id: self.group_id,
                attributes: self.presence_sub_list.as_ref().map(PresenceSubList::wanted),
                urls: self.urls,
            },
            note: self.invite_note,
            screen_name: self.screen_name,
            validity: self.validity,
        };
        match cx.services.common().invite(cx.session()?, invitation).await {
            Ok(result) => Ok(Reply::result(result)),
            // The codes of their own came with 1.3.
            Err(Error::MissingGroup) if cx.version < Version::V1_3 => {
                Err(Error::BadParameter("the invitation names no group"))
            }
            Err(Error::MissingApplication) if cx.version < Version::V1_3 => {
                Err(Error::BadParameter("the invitation names no application"))
            }
            Err(error) => Err(error),
        }
    }
}
