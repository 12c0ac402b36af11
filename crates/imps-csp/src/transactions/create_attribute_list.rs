//! *CreateAttributeList-Request*: who may see which presence attributes. CSP 9.

use imps_proto::csp::CreateAttributeListRequest;
use imps_service::Error;
use imps_service::presence::{AttributeListTargets, NotifyFlags};

use super::{Cx, Reply, Transaction};

impl Transaction for CreateAttributeListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let targets = AttributeListTargets {
            users: self.user_ids,
            contact_lists: self.contact_lists,
            default: self.default_list,
        };
        // An empty list authorises nothing, other than in requests for presence.
        let attributes = self.presence_sub_list.authorised(cx.version).ok_or(Error::UnknownAttribute)?;
        let notify = NotifyFlags {
            default: self.default_notify,
            users: self.user_notify,
            contact_lists: self.contact_list_notify,
        };
        let result = cx.services.presence().create_attribute_list(cx.session()?, attributes, &targets, notify).await?;
        Ok(Reply::result(result))
    }
}
