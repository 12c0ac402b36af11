//! *SetGroupProps-Request*: a group, or one's own place in it, is to be otherwise. CSP 13.1, 13.5.

use imps_proto::csp::SetGroupPropsRequest;
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for SetGroupPropsRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let (common, own) = (self.group_properties, Some(self.own_properties));
        let groups = cx.services.group();
        Ok(Reply::result(groups.set_properties(cx.session()?, &self.group_id, common, own).await?))
    }
}
