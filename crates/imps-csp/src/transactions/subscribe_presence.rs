//! *SubscribePresence-Request*: a user watches others. CSP 10.

use imps_proto::csp::SubscribePresenceRequest;
use imps_service::Error;
use imps_service::presence::WatchTargets;
use imps_types::presence::{AttributeSet, PresenceSubList};

use super::{Cx, Reply, Transaction, user_ids};

impl Transaction for SubscribePresenceRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let targets = WatchTargets { users: user_ids(self.users), contact_lists: self.contact_lists };
        let wanted = self.presence_sub_list.as_ref().map_or(AttributeSet::ALL, PresenceSubList::wanted);
        let auto = self.auto_subscribe.unwrap_or(false);
        Ok(Reply::result(cx.services.presence().subscribe(cx.session()?, &targets, wanted, auto).await?))
    }
}
