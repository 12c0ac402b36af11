//! *Search-Request*: users or groups are looked for. CSP 7.1.

use imps_proto::csp::{SearchRequest, SearchResponse};
use imps_service::{Error, common};
use imps_types::element::{DetailedResult, ResultInfo};
use imps_types::{Status, Version};

use super::{Cx, Reply, Transaction};

impl Transaction for SearchRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let request = common::SearchRequest {
            pairs: self.pairs,
            advanced: self.advanced_criteria,
            limit: self.search_limit,
            id: self.search_id,
            index: self.search_index,
        };
        match cx.services.common().search(cx.session()?, request).await {
            Ok(found) => Ok(SearchResponse {
                search_id: found.id.map(|id| id.to_string().into()),
                search_findings: found.findings,
                completion_flag: found.id.is_none(),
                search_index: found.next,
                search_result: found.items,
            }
            .into()),
            Err(Error::UnknownSearchElement(name)) if cx.version >= Version::V1_3 => {
                let result = ResultInfo::with_text(Status::BAD_PARAMETER, "there is no search by this element");
                // A SearchElement holds only words that there are; which one was meant is said in words.
                let unknown = DetailedResult {
                    description: Some(format!("there is no search by `{name}`").into()),
                    ..DetailedResult::of(Status::INVALID_SEARCH_ELEMENT)
                };
                Ok(Reply::result(ResultInfo { detailed: vec![unknown], ..result }))
            }
            // The code of its own came with 1.3.
            Err(Error::InvalidSearch(what)) if cx.version < Version::V1_3 => Err(Error::BadParameter(what)),
            Err(error) => Err(error),
        }
    }
}
