//! *PresenceAuth-User*: a publisher decides what somebody may see. CSP 9.

use imps_proto::csp::PresenceAuthUser;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for PresenceAuthUser {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        // No list, and one without names: all attributes.
        let named = self.presence_sub_list.as_ref().filter(|list| !list.is_empty());
        let names = match named.map(|list| list.authorised(cx.version)) {
            Some(None) => return Err(Error::UnknownAttribute),
            Some(names) => names,
            None => None,
        };
        cx.services.presence().authorise(cx.session()?, &self.user_id, self.acceptance, names).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
