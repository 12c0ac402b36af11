//! *GetReactiveAuthStatus-Request*: what a publisher decided when he was asked. CSP 9.

use imps_proto::csp::{GetReactiveAuthStatusRequest, GetReactiveAuthStatusResponse};
use imps_service::Error;
use imps_service::presence::AuthorisationStatus;
use imps_types::Address;
use imps_types::element::ReactiveAuthStatus;
use imps_types::presence::PresenceSubList;

use super::{Cx, Reply, Transaction};

impl Transaction for GetReactiveAuthStatusRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let statuses = cx.services.presence().authorisation_statuses(cx.session()?, &self.user_ids).await?;
        let status = |one: AuthorisationStatus| ReactiveAuthStatus {
            user_id: Address::from(&one.watcher),
            state: one.state,
            presence_sub_list: one.attributes.map(PresenceSubList::of_names),
        };
        Ok(GetReactiveAuthStatusResponse { statuses: statuses.into_iter().map(status).collect() }.into())
    }
}
