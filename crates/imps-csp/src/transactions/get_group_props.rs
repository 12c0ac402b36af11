//! *GetGroupProps-Request*: what a group is like. CSP 13.1.

use imps_proto::csp::{GetGroupPropsRequest, GetGroupPropsResponse};
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for GetGroupPropsRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let told = cx.services.group().properties(cx.session()?, &self.group_id)?;
        let own_properties = told.own.unwrap_or_default();
        Ok(GetGroupPropsResponse { group_properties: told.common, own_properties }.into())
    }
}
