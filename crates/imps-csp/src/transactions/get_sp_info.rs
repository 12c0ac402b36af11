//! *GetSPInfo-Request*: who runs the service. CSP 4.6.

use imps_proto::csp::{GetSpInfoRequest, GetSpInfoResponse};
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for GetSpInfoRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let provider = cx.services.access().service_provider();
        let text = |text: String| Some(text.into_boxed_str()).filter(|text| !text.is_empty());
        Ok(GetSpInfoResponse {
            client_id: self.client_id,
            name: provider.name.into(),
            logo: None,
            description: text(provider.description),
            url: text(provider.url),
        }
        .into())
    }
}
