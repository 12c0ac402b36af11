//! *GetList-Request*: which contact lists there are. CSP 8.

use imps_proto::csp::{GetListRequest, GetListResponse};
use imps_service::Error;
use imps_types::Address;

use super::{Cx, Reply, Transaction};

impl Transaction for GetListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let names = cx.services.presence().list_names(cx.session()?);
        Ok(GetListResponse {
            contact_lists: names.lists.iter().map(Address::from).collect(),
            default_contact_list: names.default.as_ref().map(Address::from),
        }
        .into())
    }
}
