//! *VerifyID-Request*: whether names are those of somebody or something. CSP 7.3.

use imps_proto::csp::VerifyIdRequest;
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for VerifyIdRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        Ok(Reply::result(cx.services.common().verify(cx.session()?, &self.id_list).await?))
    }
}
