//! *PresenceAuth-User*: a publisher decides what somebody may see. CSP 9.

use imps_proto::csp::PresenceAuthUser;
use imps_service::Error;
use imps_types::Status;
use imps_types::presence::PresenceSubList;

use super::{Cx, Reply, Transaction};

impl Transaction for PresenceAuthUser {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        // No list, and one without names: all attributes.
        let names = self.presence_sub_list.as_ref().map(PresenceSubList::names).filter(|names| !names.is_empty());
        cx.services.presence().authorise(cx.session()?, &self.user_id, self.acceptance, names).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
