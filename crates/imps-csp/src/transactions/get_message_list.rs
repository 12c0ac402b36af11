//! *GetMessageList-Request*: which messages wait. CSP 12.2.

use imps_proto::csp::{GetMessageListRequest, GetMessageListResponse};
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for GetMessageListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let (group, count) = (self.group_id.as_ref(), self.message_count);
        let messages = cx.services.im().message_list(cx.session()?, group, count).await?;
        let message_total_count = u32::try_from(messages.len()).ok();
        Ok(GetMessageListResponse { messages, message_total_count }.into())
    }
}
