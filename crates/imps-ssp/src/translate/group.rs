//! Groups: those who have joined, members, properties, changes (SSP 9.7, 8.5).

use std::sync::Arc;

use imps_proto::csp;
use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::elements::{JoinedUsers, Listed, UserMapList};
use imps_proto::ssp::{
    AddGroupMemberRequest, CreateGroupRequest, DeleteGroupRequest, GetGroupMemberRequest, GetGroupMemberResponse,
    GetGroupPropsRequest, GetGroupPropsResponse, GetGroupSubStatusRequest, GetGroupSubStatusResponse,
    GetJoinedUsersRequest, GetJoinedUsersResponse, GroupChangeNotice, JoinGroupRequest, JoinGroupResponse, JoinedMap,
    LeaveGroupIndication, LeaveGroupRequest, MemberAccessRequest, MetaInfo, Name, Names, Primitive, RejectListRequest,
    RejectListResponse, RemoveGroupMemberRequest, SetGroupPropsRequest, SubscribeGroupChangeRequest,
    UnsubscribeGroupChangeRequest, UserIds,
};
use imps_service::event::{ForcedLeave, GroupChange};
use imps_types::element::{
    AdminMapList, EntityList, GroupProperties, Mapping, Property, ResultInfo, ScreenName, SubscribeType, User, UserList,
};
use imps_types::{Address, Status, UserId, Version};

use super::{Told, Transaction, outcome, status_in, status_of, status_out, success};

/// A name in a group; phones leave out in which, where the group stands beside it.
fn within(name: ScreenName, group: &Address) -> ScreenName {
    let group_id = Some(name.group_id).filter(|id| !id.as_str().is_empty()).unwrap_or_else(|| group.clone());
    ScreenName { name: name.name, group_id }
}

/// A user's own properties; none: nothing is said of them.
fn own(properties: Vec<Property>) -> Option<GroupProperties> {
    (!properties.is_empty()).then_some(GroupProperties { properties, welcome_note: None })
}

fn properties(own: &Option<GroupProperties>) -> Vec<Property> {
    own.as_ref().map(|own| own.properties.clone()).unwrap_or_default()
}

/// Users by address. None: some are named by screen name alone, which has no place here.
fn addressed(list: UserList) -> Option<Vec<Address>> {
    list.screen_names.is_empty().then(|| list.users.into_iter().map(|user| user.user_id).collect())
}

fn ids(list: Option<UserList>) -> Option<Option<UserIds>> {
    list.map(|list| Some(UserIds { user_ids: addressed(list)? })).map_or(Some(None), |ids| ids.map(Some))
}

fn user_list(user_ids: &[Address]) -> UserList {
    UserList { users: user_ids.iter().cloned().map(User::of).collect(), screen_names: Vec::new() }
}

fn listed(ids: &Option<UserIds>) -> Option<UserList> {
    ids.as_ref().map(|ids| user_list(&ids.user_ids))
}

impl Transaction for csp::CreateGroupRequest {
    type Said = CreateGroupRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(CreateGroupRequest {
            meta,
            join: Some(self.join_group),
            subscribe: Some(self.subscribe_notification),
            properties: Some(self.group_properties),
            own_properties: own(self.own_properties),
            screen_name: self.screen_name.map(|name| within(name, &self.group_id)),
            group_id: self.group_id,
        })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self {
            group_id: said.group_id.clone(),
            group_properties: said.properties.clone().unwrap_or_default(),
            own_properties: properties(&said.own_properties),
            join_group: said.join.unwrap_or_default(),
            screen_name: said.screen_name.clone(),
            subscribe_notification: said.subscribe.unwrap_or_default(),
        })
    }
}

/// Requests that name a group and no more, with what is special about their answers.
macro_rules! about_group {
    ($($request:ident $said:ident { $($answers:tt)* })*) => {$(
        impl Transaction for csp::$request {
            type Said = $said;

            fn out(self, meta: MetaInfo) -> Option<Self::Said> {
                Some($said { meta, group_id: self.group_id })
            }

            fn taken(said: &Self::Said) -> Option<Self> {
                Some(Self { group_id: said.group_id.clone() })
            }

            $($answers)*
        }
    )*};
}

about_group! {
    DeleteGroupRequest DeleteGroupRequest {}

    LeaveGroupRequest LeaveGroupRequest {
        fn answer_in(&self, _: Version, answer: Primitive) -> Response {
            left_in(&self.group_id, &answer)
        }

        fn answer_out(said: &Self::Said, response: Response) -> Primitive {
            left_out(&said.group_id, &response)
        }
    }

    GetGroupMembersRequest GetGroupMemberRequest {
        fn answer_in(&self, _: Version, answer: Primitive) -> Response {
            members_in(answer)
        }

        fn answer_out(_: &Self::Said, response: Response) -> Primitive {
            members_out(response)
        }
    }

    GetJoinedUsersRequest GetJoinedUsersRequest {
        fn answer_in(&self, _: Version, answer: Primitive) -> Response {
            joined_in(&self.group_id, answer)
        }

        fn answer_out(_: &Self::Said, response: Response) -> Primitive {
            joined_out(response)
        }
    }

    GetGroupPropsRequest GetGroupPropsRequest {
        fn answer_in(&self, _: Version, answer: Primitive) -> Response {
            properties_in(answer)
        }

        fn answer_out(_: &Self::Said, response: Response) -> Primitive {
            properties_out(response)
        }
    }
}

fn left_in(group: &Address, answer: &Primitive) -> Response {
    let result = answer.outcome().cloned().unwrap_or_else(success);
    if !result.status.is_success() {
        return status_of(result);
    }
    csp::LeaveGroupResponse { group_id: Some(group.clone()), result }.into()
}

fn left_out(group: &Address, response: &Response) -> Primitive {
    let status = outcome(response);
    if !status.status.is_success() {
        return Primitive::Status(status);
    }
    LeaveGroupIndication { meta: None, group_id: group.clone(), status: Some(status), users: Vec::new(), reason: None }
        .into()
}

fn members_in(answer: Primitive) -> Response {
    match answer {
        Primitive::GetGroupMemberResponse(told) if told.status.status.is_success() => csp::GetGroupMembersResponse {
            admins: listed(&told.admins).map(Listed),
            mods: listed(&told.moderators).map(Listed),
            users: listed(&told.users),
        }
        .into(),
        other => status_in(&other),
    }
}

/// All members are known by their addresses; what is not has no place here.
fn members_out(response: Response) -> Primitive {
    let Response::GetGroupMembers(told) = response else { return status_out(&response) };
    let ids = |list: UserList| UserIds { user_ids: list.users.into_iter().map(|user| user.user_id).collect() };
    GetGroupMemberResponse {
        status: success(),
        admins: told.admins.map(|listed| ids(listed.0)),
        moderators: told.mods.map(|listed| ids(listed.0)),
        users: told.users.map(ids),
    }
    .into()
}

/// Moderators and administrators are told more, by role; but here there are two roles and not three.
fn joined_in(group: &Address, answer: Primitive) -> Response {
    let told = match answer {
        Primitive::GetJoinedUsersResponse(told) if told.status.status.is_success() => told,
        other => return status_in(&other),
    };
    let users = told.users.unwrap_or_default().0;
    let (admin_map_list, user_map_list) = match told.admins {
        Some(JoinedMap(admins)) => (Some(AdminMapList { admins, mods: Vec::new(), users }), None),
        None => (None, Some(UserMapList { mappings: users, two_levels: false })),
    };
    let named = |mapping: Mapping| ScreenName { name: mapping.name, group_id: group.clone() };
    let blocked = told.blocked.unwrap_or_default().0.into_iter().map(named).collect();
    let blocked = UserList { users: Vec::new(), screen_names: blocked };
    let joined_blocked = (!blocked.is_empty()).then_some(Listed(blocked));
    csp::GetJoinedUsersResponse { admin_map_list, user_map_list, joined_blocked }.into()
}

fn joined_out(response: Response) -> Primitive {
    let Response::GetJoinedUsers(told) = response else { return status_out(&response) };
    let (admins, users) = match told.admin_map_list {
        Some(AdminMapList { admins, mut mods, mut users }) => {
            mods.append(&mut users);
            (Some(JoinedMap(admins)), mods)
        }
        None => (None, told.user_map_list.map(|list| list.mappings).unwrap_or_default()),
    };
    let unmapped = |name: ScreenName| Mapping { name: name.name, user_id: None };
    let blocked = |list: Listed| JoinedMap(list.0.screen_names.into_iter().map(unmapped).collect());
    GetJoinedUsersResponse {
        status: success(),
        admins,
        users: Some(JoinedMap(users)),
        blocked: told.joined_blocked.map(blocked),
    }
    .into()
}

fn properties_in(answer: Primitive) -> Response {
    match answer {
        Primitive::GetGroupPropsResponse(told) if told.status.status.is_success() => csp::GetGroupPropsResponse {
            group_properties: told.properties.unwrap_or_default(),
            own_properties: properties(&told.own_properties),
        }
        .into(),
        other => status_in(&other),
    }
}

fn properties_out(response: Response) -> Primitive {
    let Response::GetGroupProps(told) = response else { return status_out(&response) };
    GetGroupPropsResponse {
        status: success(),
        properties: Some(told.group_properties),
        own_properties: own(told.own_properties),
    }
    .into()
}

impl Transaction for csp::JoinGroupRequest {
    type Said = JoinGroupRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(JoinGroupRequest {
            meta,
            joined_list: Some(self.joined_request),
            subscribe: Some(self.subscribe_notification),
            screen_name: self.screen_name.map(|name| within(name, &self.group_id)),
            own_properties: own(self.own_properties),
            group_id: self.group_id,
        })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self {
            group_id: said.group_id.clone(),
            screen_name: said.screen_name.clone(),
            joined_request: said.joined_list.unwrap_or_default(),
            subscribe_notification: said.subscribe.unwrap_or_default(),
            own_properties: properties(&said.own_properties),
        })
    }

    /// Who has joined comes by bare names, and is told if the user asked for it: as a UserList in 1.1, else as a map,
    /// which whoever writes it sees to. Of his own name there is what he asked for.
    fn answer_in(&self, version: Version, answer: Primitive) -> Response {
        let (names, welcome_note) = match answer {
            Primitive::JoinGroupResponse(told) if told.status.status.is_success() => (told.joined, told.welcome_note),
            other if other.outcome().is_none_or(|result| result.status.is_success()) => (None, None),
            other => return status_in(&other),
        };
        let mapping = |name: Box<str>| Mapping { name, user_id: None };
        let joined = self.joined_request.then(|| JoinedUsers {
            group_id: self.group_id.clone(),
            list: UserMapList {
                mappings: names.map(|list| list.names).unwrap_or_default().into_iter().map(mapping).collect(),
                two_levels: false,
            },
        });
        let own_name = self.screen_name.clone().filter(|_| version >= Version::V1_3);
        let screen_name = own_name.map(|name| within(name, &self.group_id));
        csp::JoinGroupResponse { joined, screen_name, welcome_note }.into()
    }

    fn answer_out(_: &Self::Said, response: Response) -> Primitive {
        let Response::JoinGroup(told) = response else { return status_out(&response) };
        let names =
            |joined: JoinedUsers| Names { names: joined.list.mappings.into_iter().map(|one| one.name).collect() };
        JoinGroupResponse { status: success(), joined: told.joined.map(names), welcome_note: told.welcome_note }.into()
    }
}

impl Transaction for csp::AddGroupMembersRequest {
    type Said = AddGroupMemberRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(AddGroupMemberRequest { meta, group_id: self.group_id, user_ids: addressed(self.users)? })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self { group_id: said.group_id.clone(), users: user_list(&said.user_ids) })
    }
}

impl Transaction for csp::RemoveGroupMembersRequest {
    type Said = RemoveGroupMemberRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(RemoveGroupMemberRequest { meta, group_id: self.group_id, user_ids: addressed(self.users)? })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self { group_id: said.group_id.clone(), users: user_list(&said.user_ids) })
    }
}

impl Transaction for csp::MemberAccessRequest {
    type Said = MemberAccessRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(MemberAccessRequest {
            meta,
            group_id: self.group_id,
            admins: ids(self.admins.map(|listed| listed.0))?,
            moderators: ids(self.mods.map(|listed| listed.0))?,
            users: ids(self.users)?,
        })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self {
            group_id: said.group_id.clone(),
            admins: listed(&said.admins).map(Listed),
            mods: listed(&said.moderators).map(Listed),
            users: listed(&said.users),
        })
    }
}

impl Transaction for csp::SetGroupPropsRequest {
    type Said = SetGroupPropsRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(SetGroupPropsRequest {
            meta,
            group_id: self.group_id,
            properties: self.group_properties,
            own_properties: own(self.own_properties),
        })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self {
            group_id: said.group_id.clone(),
            group_properties: said.properties.clone(),
            own_properties: properties(&said.own_properties),
        })
    }
}

impl Transaction for csp::RejectListRequest {
    type Said = RejectListRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        let ids = |list: Option<EntityList>| match list {
            None => Some(None),
            Some(list) if list.len() == list.user_ids.len() => Some(Some(UserIds { user_ids: list.user_ids })),
            Some(_) => None,
        };
        let (add, remove) = (ids(self.add_list)?, ids(self.remove_list)?);
        Some(RejectListRequest { meta, group_id: self.group_id, add, remove })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        let entities = |ids: &Option<UserIds>| ids.as_ref().map(|ids| EntityList::users(ids.user_ids.iter().cloned()));
        Some(Self {
            group_id: said.group_id.clone(),
            add_list: entities(&said.add),
            remove_list: entities(&said.remove),
        })
    }

    fn answer_in(&self, _: Version, answer: Primitive) -> Response {
        match answer {
            // A success of a part is told with its details.
            Primitive::RejectListResponse(told) if told.status.status == Status::SUCCESSFUL => {
                let list = listed(&told.rejected).filter(|list| !list.is_empty());
                csp::RejectListResponse { user_list: list }.into()
            }
            other => status_in(&other),
        }
    }

    fn answer_out(_: &Self::Said, response: Response) -> Primitive {
        let Response::RejectList(told) = response else { return status_out(&response) };
        let users = told.user_list.unwrap_or_default().users;
        let rejected = UserIds { user_ids: users.into_iter().map(|user| user.user_id).collect() };
        RejectListResponse { status: success(), rejected: Some(rejected) }.into()
    }
}

/// A subscription to changes: one request of CSP, three here.
pub(super) fn subscription_out(request: csp::SubscribeGroupNoticeRequest, meta: MetaInfo) -> Primitive {
    let group_id = request.group_id;
    match request.subscribe_type {
        SubscribeType::Get => GetGroupSubStatusRequest { meta, group_id }.into(),
        SubscribeType::Set => SubscribeGroupChangeRequest { meta, group_id }.into(),
        SubscribeType::Unset => UnsubscribeGroupChangeRequest { meta, group_id }.into(),
    }
}

pub(super) fn subscription_name(subscribe_type: SubscribeType) -> Name {
    match subscribe_type {
        SubscribeType::Get => Name::GetGroupSubStatusRequest,
        SubscribeType::Set => Name::SubscribeGroupChangeRequest,
        SubscribeType::Unset => Name::UnsubscribeGroupChangeRequest,
    }
}

pub(super) fn subscription_in(group: &Address, subscribe_type: SubscribeType) -> Request {
    csp::SubscribeGroupNoticeRequest { group_id: group.clone(), subscribe_type }.into()
}

pub(super) fn subscription_answer_in(request: &csp::SubscribeGroupNoticeRequest, answer: &Primitive) -> Response {
    match (request.subscribe_type, answer) {
        (SubscribeType::Get, Primitive::GetGroupSubStatusResponse(told)) if told.status.status.is_success() => {
            csp::SubscribeGroupNoticeResponse { value: told.subscribed.unwrap_or_default() }.into()
        }
        (_, answer) => status_in(answer),
    }
}

pub(super) fn subscription_answer_out(said: &GetGroupSubStatusRequest, response: &Response) -> Primitive {
    let Response::SubscribeGroupNotice(told) = response else { return status_out(response) };
    let (group_id, subscribed) = (Some(said.group_id.clone()), Some(told.value));
    GetGroupSubStatusResponse { group_id, subscribed, status: success() }.into()
}

/// A group changed to whose changes guests have subscribed.
pub(super) fn change(change: &GroupChange, guests: &[UserId], own_id: &Address) -> GroupChangeNotice {
    let group_id = Address::from(&change.group);
    let names = |names: Vec<Box<str>>| (!names.is_empty()).then_some(Names { names });
    let blocked = |names: &[Arc<str>]| {
        let named = |name: &Arc<str>| ScreenName { name: (&**name).into(), group_id: group_id.clone() };
        let list = UserList { users: Vec::new(), screen_names: names.iter().map(named).collect() };
        (!list.is_empty()).then_some(list)
    };
    GroupChangeNotice {
        meta: MetaInfo::of_domain(own_id.clone()),
        users: guests.iter().map(User::of).collect(),
        joined: names(change.joined.iter().map(|one| one.name.clone()).collect()),
        left: names(change.left.iter().map(|name| (&**name).into()).collect()),
        joined_blocked: blocked(&change.joined_blocked),
        left_blocked: blocked(&change.left_blocked),
        properties: change.properties.clone(),
        own_properties: change.own.clone().and_then(own),
        group_id,
    }
}

/// Such a change of a group of another domain.
pub(super) fn change_told(said: GroupChangeNotice) -> Told {
    let names = |names: Option<Names>| names.map(|list| list.names).unwrap_or_default();
    let shared = |names: Vec<Box<str>>| names.into_iter().map(Arc::<str>::from).collect::<Vec<_>>();
    let blocked = |list: Option<UserList>| {
        shared(list.unwrap_or_default().screen_names.into_iter().map(|name| name.name).collect())
    };
    let mapping = |name: Box<str>| Mapping { name, user_id: None };
    Told::Group {
        group: said.group_id,
        users: said.users.into_iter().map(|user| user.user_id).collect(),
        joined: names(said.joined).into_iter().map(mapping).collect(),
        left: shared(names(said.left)),
        joined_blocked: blocked(said.joined_blocked),
        left_blocked: blocked(said.left_blocked),
        properties: said.properties,
        own_properties: said.own_properties.map(|own| own.properties),
    }
}

/// Guests were made to leave a group.
pub(super) fn forced_leave(leave: &ForcedLeave, guests: &[UserId], own_id: &Address) -> LeaveGroupIndication {
    let status = ResultInfo::of(leave.reason);
    LeaveGroupIndication {
        meta: Some(MetaInfo::of_domain(own_id.clone())),
        group_id: Address::from(&leave.group),
        reason: status.description.clone(),
        status: Some(status),
        users: guests.iter().map(User::of).collect(),
    }
}

/// Our users were made to leave a group of another domain. Some peers name who in MetaInfo.
pub(super) fn leave_told(said: LeaveGroupIndication) -> Told {
    let mut users: Vec<_> = said.users.into_iter().map(|user| user.user_id).collect();
    if users.is_empty() {
        users.extend(said.meta.and_then(|meta| meta.requestor.user).map(|user| user.user_id));
    }
    let reason = said.status.map_or(Status::SUCCESSFUL, |status| status.status);
    Told::LeftGroup { group: said.group_id, users, reason }
}
