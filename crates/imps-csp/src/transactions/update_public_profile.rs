//! *UpdatePublicProfile-Request*: a user changes what he tells everybody. CSP 7.5.

use imps_proto::csp::UpdatePublicProfileRequest;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for UpdatePublicProfileRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let clear = self.clear_public_profile.unwrap_or(false);
        let change = self.public_profile.unwrap_or_default();
        cx.services.common().update_profile(cx.session()?, clear, &change).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}
