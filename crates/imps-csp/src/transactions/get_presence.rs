//! *GetPresence-Request*: presence once. CSP 10.

use imps_proto::csp::{GetPresenceRequest, GetPresenceResponse};
use imps_service::Error;
use imps_service::presence::WatchTargets;
use imps_types::Address;
use imps_types::presence::{AttributeSet, PresenceInfo, PresenceSubList};

use super::{Cx, Reply, Transaction, user_ids};

impl Transaction for GetPresenceRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let targets = WatchTargets { users: user_ids(self.users), contact_lists: self.contact_lists };
        let wanted = self.presence_sub_list.as_ref().map_or(AttributeSet::ALL, PresenceSubList::wanted);
        let (result, found) = cx.services.presence().get(cx.session()?, &targets, wanted).await?;
        let presence = found.into_iter().map(|(user, list)| PresenceInfo {
            user_id: Some(Address::from(&user)),
            lists: vec![list],
            ..PresenceInfo::default()
        });
        Ok(GetPresenceResponse { result, presence: presence.collect() }.into())
    }
}
