//! *KeepAlive-Request*: the session timer begins anew, and may change. CSP 4.4.

use imps_proto::csp::{KeepAliveRequest, KeepAliveResponse};
use imps_service::Error;
use imps_types::Status;
use imps_types::element::ResultInfo;

use super::{Cx, Reply, Transaction};
use crate::answer::result_of;

impl Transaction for KeepAliveRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let changed = cx.services.access().keep_alive(cx.session()?, self.time_to_live).await;
        let (result, keep_alive_time) = match changed {
            Ok(changed) => (ResultInfo::of(Status::SUCCESSFUL), changed),
            Err(error @ Error::TimeToLive(in_force)) => (result_of(&error), Some(in_force)),
            Err(error) => return Err(error),
        };
        Ok(KeepAliveResponse { result, keep_alive_time }.into())
    }
}
