//! *GetAttributeList-Request*: which attributes are authorised for whom. CSP 9.

use imps_proto::csp::{DefaultAttributeList, GetAttributeListRequest, GetAttributeListResponse};
use imps_service::Error;
use imps_service::presence::AttributeListTargets;
use imps_types::Address;
use imps_types::presence::{AttributeSet, PresenceInfo, PresenceSubList};

use super::{Cx, Reply, Transaction, user_ids};

impl Transaction for GetAttributeListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let targets = AttributeListTargets {
            users: user_ids(self.users),
            contact_lists: self.contact_lists,
            default: self.default_list,
        };
        let found = cx.services.presence().attribute_lists(cx.session()?, &targets)?;
        let lists = |set: AttributeSet| vec![PresenceSubList::of_names(set)];
        let users = found.users.into_iter().map(|(user, set)| PresenceInfo {
            user_id: Some(Address::from(&user)),
            lists: lists(set),
            ..PresenceInfo::default()
        });
        let contact_lists = found.contact_lists.into_iter().map(|(list, set)| PresenceInfo {
            contact_list: Some(Address::from(&list)),
            lists: lists(set),
            ..PresenceInfo::default()
        });
        Ok(GetAttributeListResponse {
            result: found.result,
            default_attribute_list: found.default.map(|set| DefaultAttributeList { notify: None, lists: lists(set) }),
            presence: users.chain(contact_lists).collect(),
        }
        .into())
    }
}
