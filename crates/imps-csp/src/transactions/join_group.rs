//! *JoinGroup-Request*: a user joins a group. CSP 13.3.

use imps_proto::csp::{JoinGroupRequest, JoinGroupResponse};
use imps_proto::elements::JoinedUsers;
use imps_service::Error;
use imps_service::group::JoinWish;
use imps_types::Address;
use imps_types::element::ScreenName;

use super::{Cx, Reply, Transaction};

impl Transaction for JoinGroupRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let session = cx.session()?;
        let wish = JoinWish {
            screen_name: self.screen_name.map(|name| name.name),
            subscribe: self.subscribe_notification,
            own: self.own_properties,
        };
        let joining = cx.services.group().join(session, &self.group_id, wish).await?;
        let group_id = Address::from(&joining.group);
        let joined = self.joined_request.then(|| JoinedUsers {
            group_id: group_id.clone(),
            list: cx.map_list(cx.services.group().shown_to(session, &joining.group)),
        });
        Ok(JoinGroupResponse {
            joined,
            screen_name: Some(ScreenName { name: (&*joining.screen_name).into(), group_id }),
            welcome_note: joining.welcome_note,
        }
        .into())
    }
}
