//! *Logout-Request*: the client leaves. Answered by Disconnect in 1.1, by Status since. CSP 4.2.

use imps_proto::csp::{Disconnect, LogoutRequest};
use imps_service::Error;
use imps_types::element::ResultInfo;
use imps_types::{Status, Version};

use super::{Cx, Reply, Transaction};

impl Transaction for LogoutRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        cx.services.access().logout(cx.session()?).await?;
        let result = ResultInfo::of(Status::SUCCESSFUL);
        Ok(match cx.version {
            Version::V1_1 => Disconnect { result }.into(),
            Version::V1_2 | Version::V1_3 => Reply::result(result),
        })
    }
}
