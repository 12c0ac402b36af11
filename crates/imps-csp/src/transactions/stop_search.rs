//! *StopSearch-Request*: a search ends. CSP 7.1.

use imps_proto::csp::StopSearchRequest;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for StopSearchRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        cx.services.common().stop_search(cx.session()?, &self.search_id)?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
