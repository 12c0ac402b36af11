//! *CreateList-Request*: a new contact list. Answered by Status, in 1.3 by CreateList-Response. CSP 8.

use imps_proto::csp::{CreateListRequest, CreateListResponse};
use imps_service::Error;
use imps_types::{Address, Status, Version};

use super::{Cx, Reply, Transaction};

impl Transaction for CreateListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let presence = cx.services.presence();
        let made = presence.create_list(cx.session()?, &self.contact_list, self.nick_list, self.properties).await?;
        if cx.version == Version::V1_3 && made.result.status == Status::SUCCESSFUL {
            let contact_list = Address::from(&made.id);
            return Ok(CreateListResponse { contact_list, properties: made.properties }.into());
        }
        Ok(Reply::result(made.result))
    }
}
