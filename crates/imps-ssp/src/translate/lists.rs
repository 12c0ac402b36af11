//! Contact lists and attribute lists, towards the domain that keeps them for our users (SSP 9.4).

use imps_proto::csp;
use imps_proto::csp::catalogue::Response;
use imps_proto::ssp::{Asked, MetaInfo, Primitive};
use imps_types::{Status, Version};

use super::{Transaction, carried, status_in};

carried! {
    GetListRequest => GetListResponse GetList;
    DeleteListRequest;
    ListManageRequest => ListManageResponse ListManage result;
    CreateAttributeListRequest;
    DeleteAttributeListRequest;
    GetAttributeListRequest => GetAttributeListResponse GetAttributeList result;
}

impl Transaction for csp::CreateListRequest {
    type Said = Asked<Self>;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(Asked { meta, body: self })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(said.body.clone())
    }

    /// 1.3 has an answer of its own, which domains do not have: the list is as it was asked for, when nothing failed.
    fn answer_in(&self, version: Version, answer: Primitive) -> Response {
        let is_made = answer.outcome().is_none_or(|result| result.status == Status::SUCCESSFUL);
        if version < Version::V1_3 || !is_made {
            return status_in(&answer);
        }
        let (contact_list, properties) = (self.contact_list.clone(), self.properties.clone());
        csp::CreateListResponse { contact_list, properties }.into()
    }
}

#[cfg(test)]
mod tests {
    use imps_types::Address;
    use imps_types::element::{Property, ResultInfo};

    use super::*;

    #[test]
    fn a_list_is_made_as_the_version_has_it() {
        let request = csp::CreateListRequest {
            contact_list: Address::new("wv:alice/friends@a.example"),
            nick_list: Vec::new(),
            properties: vec![Property::new("DisplayName", "Friends")],
        };
        let answer = |version, status| request.answer_in(version, Primitive::Status(ResultInfo::of(status)));
        let made = csp::CreateListResponse {
            contact_list: request.contact_list.clone(),
            properties: request.properties.clone(),
        };
        assert_eq!(answer(Version::V1_3, Status::SUCCESSFUL), Response::CreateList(made));
        for (version, status) in [
            (Version::V1_2, Status::SUCCESSFUL),
            (Version::V1_3, Status::PARTIALLY_SUCCESSFUL),
            (Version::V1_3, Status::CONTACT_LIST_EXISTS),
        ] {
            assert_eq!(answer(version, status), super::super::status_of(ResultInfo::of(status)));
        }
    }
}
