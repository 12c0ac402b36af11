//! *GetPublicProfile-Request*: what users tell everybody. CSP 7.5.

use imps_proto::csp::{GetPublicProfileRequest, GetPublicProfileResponse};
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for GetPublicProfileRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        cx.session()?;
        let (result, profiles) = cx.services.common().public_profiles(&self.user_ids).await?;
        Ok(GetPublicProfileResponse { result, profiles }.into())
    }
}
