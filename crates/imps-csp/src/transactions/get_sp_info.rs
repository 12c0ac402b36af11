//! *GetSPInfo-Request*: who runs the service. CSP 4.6.

use imps_proto::csp::{GetSpInfoRequest, GetSpInfoResponse, Logo};
use imps_service::Error;
use imps_types::element::Content;

use super::{Cx, Reply, Transaction};
use crate::segments;

/// Bytes of an answer without the picture, or a little more.
const REST: usize = 2048;

impl Transaction for GetSpInfoRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let provider = cx.services.access().service_provider();
        let text = |text: String| Some(text.into_boxed_str()).filter(|text| !text.is_empty());
        let logo = provider.logo.filter(|logo| fits(logo.data.len(), cx));
        Ok(GetSpInfoResponse {
            client_id: self.client_id,
            name: provider.name.into(),
            logo: logo.map(|logo| Logo { content: (logo.content_type, Content { data: logo.data, binary: true }) }),
            description: text(provider.description),
            url: text(provider.url),
        }
        .into())
    }
}

/// Whether a client can take the picture: name and page are worth more than an answer that is too large.
fn fits(size: usize, cx: &Cx<'_>) -> bool {
    let Some(session) = cx.session else { return true };
    let most = usize::try_from(session.negotiated().parser_size).unwrap_or(usize::MAX);
    // In BASE64 it takes a third more.
    most == 0 || segments::are_agreed(session, cx.form) || size / 3 * 4 + REST <= most
}
