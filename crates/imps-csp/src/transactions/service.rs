//! *Service-Request*: which functions will be used. CSP 4.7.

use imps_proto::csp::{ServiceRequest, ServiceResponse};
use imps_service::Error;
use imps_types::Version;

use super::{Cx, Reply, Transaction};

impl Transaction for ServiceRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let session = cx.session()?;
        let answer = cx.services.access().negotiate_services(session, self.functions).await?;
        Ok(ServiceResponse {
            client_id: self.client_id.or_else(|| (cx.version == Version::V1_1).then(|| session.client.clone())),
            // What is missing is named; nothing missing is nothing named.
            functions: Some(answer.unavailable).filter(|set| !set.is_empty()),
            all_functions: self.all_functions_request.then_some(answer.all),
        }
        .into())
    }
}
