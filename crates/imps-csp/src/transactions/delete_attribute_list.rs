//! *DeleteAttributeList-Request*: an authorisation goes. CSP 9.

use imps_proto::csp::DeleteAttributeListRequest;
use imps_service::Error;
use imps_service::presence::AttributeListTargets;

use super::{Cx, Reply, Transaction};

impl Transaction for DeleteAttributeListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let targets = AttributeListTargets {
            users: self.user_ids,
            contact_lists: self.contact_lists,
            default: self.default_list,
        };
        Ok(Reply::result(cx.services.presence().delete_attribute_list(cx.session()?, &targets).await?))
    }
}
