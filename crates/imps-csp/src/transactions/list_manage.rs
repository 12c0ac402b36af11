//! *ListManage-Request*: a contact list is changed or read. CSP 8.

use imps_proto::csp::catalogue::Response;
use imps_proto::csp::message::encode_fragment;
use imps_proto::csp::{ListManageRequest, ListManageResponse};
use imps_service::Error;
use imps_service::presence::ListChange;
use imps_types::Version;

use super::{Cx, Reply, Transaction};
use crate::segments;

impl Transaction for ListManageRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let only_reads =
            self.add_nick_list.is_empty() && self.remove_nick_list.is_empty() && self.properties.is_empty();
        // 1.1 always tells the list; later the client says whether it wants it, and one that only reads does.
        let tells = cx.version == Version::V1_1 || self.receive_list.unwrap_or(only_reads);
        let change = ListChange {
            add: self.add_nick_list,
            remove: self.remove_nick_list,
            properties: self.properties,
            authorise: self.authorize_and_grant.unwrap_or(false),
        };
        let list = cx.services.presence().manage_list(cx.session()?, &self.contact_list, change).await?;
        let result = list.result.clone();
        let whole = Response::ListManage(ListManageResponse {
            result: list.result,
            nick_list: tells.then_some(list.members),
            properties: if tells { list.properties } else { Vec::new() },
        });
        // What was changed is changed: a client that cannot parse the list must not take that for a failure.
        if !only_reads && !fits(&whole, cx)? {
            return Ok(ListManageResponse { result, nick_list: None, properties: Vec::new() }.into());
        }
        Ok(Reply::Response(whole))
    }
}

/// Bytes of a message beside its primitive, or a little more.
const ENVELOPE: usize = 1024;

/// Whether the client can parse the answer, or takes it in pieces.
fn fits(whole: &Response, cx: &Cx<'_>) -> Result<bool, Error> {
    let session = cx.session()?;
    let most = usize::try_from(session.negotiated().parser_size).unwrap_or(usize::MAX);
    if most == 0 || segments::are_agreed(session, cx.form) {
        return Ok(true);
    }
    let written = encode_fragment(cx.form, cx.version, |writer| whole.write(writer)).len();
    Ok(written.saturating_add(ENVELOPE) <= most)
}
