//! *Polling-Request*: the client fetches what waits. CSP 4.5.

use imps_proto::csp::PollingRequest;
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for PollingRequest {
    async fn run(self, _: &Cx<'_>) -> Result<Reply, Error> {
        Ok(Reply::Poll)
    }
}
