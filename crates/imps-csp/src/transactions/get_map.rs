//! *GetMap-Request*: where somebody is, as a picture. This server has no source of maps, and says so (501). CSP 7.4.

use imps_proto::csp::GetMapRequest;
use imps_service::Error;
use imps_types::Status;
use imps_types::element::ResultInfo;

use super::{Cx, Reply, Transaction};

impl Transaction for GetMapRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        cx.session()?;
        Ok(Reply::result(ResultInfo::with_text(Status::NOT_IMPLEMENTED, "this server has no maps")))
    }
}
