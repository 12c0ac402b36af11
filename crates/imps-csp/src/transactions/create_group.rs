//! *CreateGroup-Request*: a user makes a private group. CSP 13.2.

use imps_proto::csp::CreateGroupRequest;
use imps_service::Error;
use imps_service::group::{JoinWish, NewGroup};
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for CreateGroupRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let wish = JoinWish {
            screen_name: self.screen_name.map(|name| name.name),
            subscribe: self.subscribe_notification,
            own: self.own_properties,
        };
        let new = NewGroup { properties: self.group_properties, join: self.join_group, wish };
        cx.services.group().create(cx.session()?, &self.group_id, new).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
