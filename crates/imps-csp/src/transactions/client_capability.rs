//! *ClientCapability-Request*: what the client can do. CSP 4.8, 6.

use imps_proto::csp::{ClientCapabilityRequest, ClientCapabilityResponse};
use imps_service::Error;
use imps_types::Version;

use super::{Cx, Reply, Transaction};

impl Transaction for ClientCapabilityRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let session = cx.session()?;
        let agreed = cx.services.access().negotiate_capabilities(session, *self.capability_list).await?;
        Ok(ClientCapabilityResponse {
            client_id: self.client_id.or_else(|| (cx.version == Version::V1_1).then(|| session.client.clone())),
            capability_list: Some(Box::new(agreed)),
        }
        .into())
    }
}
