//! *UnsubscribePresence-Request*: a user watches no longer. CSP 10.

use imps_proto::csp::UnsubscribePresenceRequest;
use imps_service::Error;
use imps_service::presence::WatchTargets;

use super::{Cx, Reply, Transaction, user_ids};

impl Transaction for UnsubscribePresenceRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let targets = WatchTargets { users: user_ids(self.users), contact_lists: self.contact_lists };
        Ok(Reply::result(cx.services.presence().unsubscribe(cx.session()?, &targets).await?))
    }
}
