//! *GetMessageList-Request*: which messages wait. CSP 12.2.

use imps_proto::csp::{GetMessageListRequest, GetMessageListResponse};
use imps_service::Error;
use imps_types::Version;

use super::{Cx, Reply, Transaction};

impl Transaction for GetMessageListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let (group, count) = (self.group_id.as_ref(), self.message_count);
        let (im, session) = (cx.services.im(), cx.session()?);
        let messages = im.message_list(session, group, count).await?;
        let message_total_count = match cx.version {
            Version::V1_1 | Version::V1_2 => None,
            // The list is cut where the client can parse no more; this is not.
            Version::V1_3 => Some(im.message_count(session, group).await?),
        };
        Ok(GetMessageListResponse { messages, message_total_count }.into())
    }
}
