//! *GetBlockedList-Request*: who may reach a user, and who may not. CSP 12.5.

use imps_proto::csp::{GetBlockedListRequest, GetBlockedListResponse};
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for GetBlockedListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let lists = cx.session()?.user.lock().blocking.to_lists();
        Ok(GetBlockedListResponse { lists }.into())
    }
}
