//! *CancelInvite-Request*: a user takes an invitation back. CSP 7.2.

use imps_proto::csp::CancelInviteRequest;
use imps_service::Error;
use imps_service::common::InviteCancel;

use super::{Cx, Reply, Transaction};

impl Transaction for CancelInviteRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let cancel = InviteCancel {
            invite_id: self.invite_id,
            recipient: self.recipient,
            note: self.invite_note,
            urls: self.urls,
        };
        Ok(Reply::result(cx.services.common().cancel_invitation(cx.session()?, cancel).await?))
    }
}
