//! *GetAttributeList-Request*: which attributes are authorised for whom. CSP 9.

use imps_proto::csp::{DefaultAttributeList, GetAttributeListRequest, GetAttributeListResponse};
use imps_service::Error;
use imps_service::presence::{AttributeList, AttributeListTargets};
use imps_types::Address;
use imps_types::presence::{PresenceInfo, PresenceSubList};

use super::{Cx, Reply, Transaction, user_ids};

impl Transaction for GetAttributeListRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let targets = AttributeListTargets {
            users: user_ids(self.users),
            contact_lists: self.contact_lists,
            default: self.default_list,
        };
        let found = cx.services.presence().attribute_lists(cx.session()?, &targets).await?;
        let lists = |list: AttributeList| vec![PresenceSubList::of_names(list.attributes)];
        let users = found.users.into_iter().map(|(user, list)| PresenceInfo {
            user_id: Some(Address::from(&user)),
            user_notify: Some(list.notify),
            lists: lists(list),
            ..PresenceInfo::default()
        });
        let contact_lists = found.contact_lists.into_iter().map(|(id, list)| PresenceInfo {
            contact_list: Some(Address::from(&id)),
            contact_list_notify: Some(list.notify),
            lists: lists(list),
            ..PresenceInfo::default()
        });
        let default = found.default.map(|list| DefaultAttributeList { notify: Some(list.notify), lists: lists(list) });
        Ok(GetAttributeListResponse {
            result: found.result,
            default_attribute_list: default,
            presence: users.chain(contact_lists).collect(),
        }
        .into())
    }
}
