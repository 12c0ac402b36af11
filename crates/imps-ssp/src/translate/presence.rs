//! Presence: subscriptions, values, and who may see them (SSP 9.5).

use std::sync::Arc;

use imps_proto::csp;
use imps_proto::csp::catalogue::Response;
use imps_proto::ssp::{
    AuthorizationRequest, AuthorizationResponse, CancelAuthorizationRequest, GetPresenceRequest, GetPresenceResponse,
    MetaInfo, PresenceNotification, PresenceValue, Primitive, SubscribeRequest, UnsubscribeRequest,
    UpdatePresenceRequest,
};
use imps_service::event::PresenceSnapshot;
use imps_types::element::{ResultInfo, User};
use imps_types::presence::{AttributeSet, PresenceInfo, PresenceSubList};
use imps_types::{Address, Status, UserId, Version};

use super::addresses::Asked;
use super::{Told, Transaction, carried, outcome, status_in, success};

carried! {
    GetWatcherListRequest => GetWatcherListResponse GetWatcherList;
}

/// Users by address alone; none: nobody is named.
fn named(users: Vec<User>) -> Option<Vec<Address>> {
    let users: Vec<_> = users.into_iter().map(|user| user.user_id).collect();
    (!users.is_empty()).then_some(users)
}

fn users(addresses: &[Address]) -> Vec<User> {
    addresses.iter().cloned().map(User::of).collect()
}

/// Which attributes: a list without names says no more than none.
fn some(list: Option<PresenceSubList>) -> Option<PresenceSubList> {
    list.filter(|list| !list.is_empty())
}

impl Transaction for csp::SubscribePresenceRequest {
    type Said = SubscribeRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(SubscribeRequest { meta, user_ids: named(self.users)?, attributes: some(self.presence_sub_list) })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self {
            users: users(&said.user_ids),
            contact_lists: Vec::new(),
            presence_sub_list: some(said.attributes.clone()),
            auto_subscribe: None,
        })
    }
}

impl Transaction for csp::UnsubscribePresenceRequest {
    type Said = UnsubscribeRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(UnsubscribeRequest { meta, user_ids: named(self.users)? })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self { users: users(&said.user_ids), contact_lists: Vec::new() })
    }
}

impl Transaction for csp::GetPresenceRequest {
    type Said = GetPresenceRequest;

    /// Here the list is never left out.
    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        let attributes = Some(self.presence_sub_list.unwrap_or_default());
        Some(GetPresenceRequest { meta, user_ids: named(self.users)?, attributes })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self {
            users: users(&said.user_ids),
            contact_lists: Vec::new(),
            presence_sub_list: some(said.attributes.clone()),
        })
    }

    /// What the other domain says of those who were not asked about is not heard.
    fn answer_in(&self, _: Version, answer: Primitive) -> Response {
        let GetPresenceResponse { status, values } = match answer {
            Primitive::GetPresenceResponse(told) if told.status.as_ref().is_none_or(|it| it.status.is_success()) => {
                told
            }
            other => return status_in(&other),
        };
        let asked = Asked::of(self.users.iter().map(|user| &user.user_id));
        let heard = |value: PresenceValue| {
            let user_id = Some(asked.find(&value.user_id)?.clone());
            Some(PresenceInfo { user_id, lists: value.lists, ..PresenceInfo::default() })
        };
        let result = partly(status.unwrap_or_else(success));
        csp::GetPresenceResponse { result, presence: values.into_iter().filter_map(heard).collect() }.into()
    }

    /// With 200 in it even where some are missing: there are peers that take nothing else (SSP 17). Who is missing stands
    /// in the details.
    fn answer_out(_: &Self::Said, response: Response) -> Primitive {
        let status = outcome(&response);
        let Response::GetPresence(told) = response else { return Primitive::Status(status) };
        if !status.status.is_success() {
            return Primitive::Status(status);
        }
        let value = |info: PresenceInfo| Some(PresenceValue { user_id: info.user_id?, lists: info.lists });
        let values = told.presence.into_iter().filter_map(value).collect();
        GetPresenceResponse { status: Some(ResultInfo { detailed: status.detailed, ..success() }), values }.into()
    }
}

/// A success with details is one of a part.
fn partly(result: ResultInfo) -> ResultInfo {
    if result.status != Status::SUCCESSFUL || result.detailed.is_empty() {
        return result;
    }
    ResultInfo { detailed: result.detailed, ..ResultInfo::of(Status::PARTIALLY_SUCCESSFUL) }
}

impl Transaction for csp::UpdatePresenceRequest {
    type Said = UpdatePresenceRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(UpdatePresenceRequest { meta, list: self.presence_sub_list })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self { presence_sub_list: said.list.clone() })
    }
}

impl Transaction for csp::PresenceAuthUser {
    type Said = AuthorizationResponse;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        let Self { user_id, acceptance, presence_sub_list } = self;
        Some(AuthorizationResponse { meta, acceptance, user_id, attributes: some(presence_sub_list) })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self {
            user_id: said.user_id.clone(),
            acceptance: said.acceptance,
            presence_sub_list: some(said.attributes.clone()),
        })
    }
}

impl Transaction for csp::CancelAuthRequest {
    type Said = CancelAuthorizationRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(CancelAuthorizationRequest { meta, user_id: self.user_id })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self { user_id: said.user_id.clone() })
    }
}

/// Presence changed that guests watch.
pub(super) fn notification(
    snapshots: &[Arc<PresenceSnapshot>],
    guests: &[UserId],
    own: &Address,
) -> PresenceNotification {
    let value = |snapshot: &Arc<PresenceSnapshot>| PresenceValue {
        user_id: Address::from(&snapshot.user),
        lists: vec![snapshot.list.clone()],
    };
    PresenceNotification {
        meta: Some(MetaInfo::of_domain(own.clone())),
        users: guests.iter().map(User::of).collect(),
        values: snapshots.iter().map(value).collect(),
    }
}

/// What another domain tells of presence; of several lists about one user each is a value.
pub(super) fn told(said: PresenceNotification) -> Told {
    let value = |value: PresenceValue| {
        let PresenceValue { user_id, lists } = value;
        lists.into_iter().map(move |list| (user_id.clone(), list))
    };
    Told::Presence {
        watchers: said.users.into_iter().map(|user| user.user_id).collect(),
        values: said.values.into_iter().flat_map(value).collect(),
    }
}

/// A guest whose presence we keep is asked who may see it.
pub(super) fn authorization(
    watcher: &UserId,
    attributes: Option<AttributeSet>,
    publisher: &UserId,
    own: &Address,
) -> AuthorizationRequest {
    AuthorizationRequest {
        meta: MetaInfo::of_domain(own.clone()),
        user: User::of(watcher),
        publisher: Some(Address::from(publisher)),
        attributes: attributes.map(PresenceSubList::of_names),
    }
}

/// Such a question to one of our users.
pub(super) fn authorization_told(said: AuthorizationRequest) -> Told {
    Told::Authorization { publisher: said.publisher, watcher: said.user.user_id, attributes: some(said.attributes) }
}
