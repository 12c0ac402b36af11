//! What somebody types about groups and users of other domains goes the way of CSP's requests (SSP 10).

use imps_proto::clp::{Command, DATA_MAX, Reply, Section, wrapped};
use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::csp::{
    AddGroupMembersRequest, DeleteGroupRequest, GetGroupMembersRequest, GetGroupPropsRequest, GetJoinedUsersRequest,
    GetPresenceRequest, JoinGroupRequest, LeaveGroupRequest, MemberAccessRequest, RejectListRequest,
    RemoveGroupMembersRequest, SendMessageRequest, SetGroupPropsRequest, SubscribeGroupNoticeRequest,
    SubscribePresenceRequest,
};
use imps_proto::elements::{Listed, Message};
use imps_service::im::OutgoingMessage;
use imps_service::presence::WatchTargets;
use imps_types::element::{
    EntityList, GroupProperties, Mapping, ResultInfo, Role, ScreenName, SubscribeType, User, UserList,
};
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{Address, Service, Status};

use super::dialogue::{Dialogue, Failure};
use super::groups::pairs;
use super::shown;
use super::texts::Say;

/// How it went, and what was answered.
type Answered = (ResultInfo, Response);

fn users(targets: &WatchTargets) -> Vec<User> {
    targets.users.iter().map(|user| User::of(user.clone())).collect()
}

fn wanted(attributes: AttributeSet) -> Option<PresenceSubList> {
    (attributes != AttributeSet::ALL).then(|| PresenceSubList::of_names(attributes))
}

impl Dialogue {
    /// Has a request carried out that is about another domain; none: it is about none.
    async fn elsewhere(&self, request: impl Into<Request>) -> Result<Option<Answered>, Failure> {
        let session = &self.person()?.session;
        let Some(response) = self.clp.csp.perform_elsewhere(session, request.into()).await else { return Ok(None) };
        let result = match &response {
            Response::Status(it) => it.result.clone(),
            Response::SendMessage(it) => it.result.clone(),
            Response::GetPresence(it) => it.result.clone(),
            Response::LeaveGroup(it) => it.result.clone(),
            _ => ResultInfo::of(Status::SUCCESSFUL),
        };
        if result.status.is_success() { Ok(Some((result, response))) } else { Err(Failure::Result(result)) }
    }

    /// Whether anybody has the service that a command needs for our users. Commands about users and groups of other domains
    /// go the way of requests, where that is looked at.
    pub(super) fn served(&self, command: Command) -> Result<(), Failure> {
        let row = command.row();
        let service = match (row.section, command) {
            (Section::Presence, Command::Show | Command::Sub | Command::Unsub) => return Ok(()),
            (Section::Messages, Command::Msg | Command::MsgR | Command::Reply | Command::Talk) => return Ok(()),
            (Section::Presence, _) => Service::Presence,
            (Section::Lists, _) => Service::ContactList,
            (Section::Messages, _) => Service::Im,
            (Section::Groups, Command::NewGroup) => Service::Group,
            (Section::Groups | Section::Access | Section::Invitations, _) => return Ok(()),
        };
        match self.clp.csp.elsewhere() {
            Some(elsewhere) if !elsewhere.has(service) => {
                Err(Failure::Said(Status::SERVICE_NOT_SUPPORTED, Say::NotOffered, String::new()))
            }
            _ => Ok(()),
        }
    }

    /// Sends a message for which another domain is needed: how it went, and its MessageID.
    pub(super) async fn send_elsewhere(
        &self,
        message: &OutgoingMessage,
    ) -> Result<Option<(ResultInfo, Option<Box<str>>)>, Failure> {
        let content = Some(message.content.clone());
        let message_of = Message { info: message.info.clone(), content };
        let request = SendMessageRequest { delivery_report: message.delivery_report, message: message_of };
        Ok(self.elsewhere(request).await?.map(|(result, response)| match response {
            Response::SendMessage(it) => (result, it.message_id),
            _ => (result, None),
        }))
    }

    /// Subscribes where somebody of another domain is among those who are meant.
    pub(super) async fn subscribe_elsewhere(
        &self,
        targets: &WatchTargets,
        attributes: AttributeSet,
    ) -> Result<Option<ResultInfo>, Failure> {
        let request = SubscribePresenceRequest {
            users: users(targets),
            contact_lists: targets.contact_lists.clone(),
            presence_sub_list: wanted(attributes),
            auto_subscribe: Some(false),
        };
        Ok(self.elsewhere(request).await?.map(|(result, _)| result))
    }

    /// The presence of users where somebody of another domain is among them.
    pub(super) async fn presence_elsewhere(
        &self,
        targets: &WatchTargets,
        attributes: AttributeSet,
    ) -> Result<Option<(ResultInfo, Vec<(Address, PresenceSubList)>)>, Failure> {
        let request = GetPresenceRequest {
            users: users(targets),
            contact_lists: targets.contact_lists.clone(),
            presence_sub_list: wanted(attributes),
        };
        Ok(self.elsewhere(request).await?.map(|(result, response)| {
            let found = match response {
                Response::GetPresence(it) => it
                    .presence
                    .into_iter()
                    .filter_map(|one| Some((one.user_id?, one.lists.into_iter().next()?)))
                    .collect(),
                _ => Vec::new(),
            };
            (result, found)
        }))
    }

    /// Sets properties of a group that another domain keeps.
    pub(super) async fn set_properties_elsewhere(
        &self,
        group: &Address,
        common: &GroupProperties,
    ) -> Result<Option<ResultInfo>, Failure> {
        let group_properties = Some(common.clone());
        let request = SetGroupPropsRequest { group_id: group.clone(), group_properties, own_properties: Vec::new() };
        Ok(self.elsewhere(request).await?.map(|(result, _)| result))
    }

    /// Makes users members of a group that another domain keeps, or takes membership away.
    pub(super) async fn members_elsewhere(
        &self,
        group: &Address,
        users: &UserList,
        is_added: bool,
    ) -> Result<Option<ResultInfo>, Failure> {
        let (group_id, users) = (group.clone(), users.clone());
        let request: Request = match is_added {
            true => AddGroupMembersRequest { group_id, users }.into(),
            false => RemoveGroupMembersRequest { group_id, users }.into(),
        };
        Ok(self.elsewhere(request).await?.map(|(result, _)| result))
    }

    /// Gives members of a group that another domain keeps a role.
    pub(super) async fn access_elsewhere(
        &self,
        group: &Address,
        role: Role,
        users: &UserList,
    ) -> Result<Option<ResultInfo>, Failure> {
        let of = |wanted: Role| (role == wanted).then(|| users.clone());
        let request = MemberAccessRequest {
            group_id: group.clone(),
            admins: of(Role::Admin).map(Listed),
            mods: of(Role::Mod).map(Listed),
            users: of(Role::User),
        };
        Ok(self.elsewhere(request).await?.map(|(result, _)| result))
    }

    /// Changes who is not let into a group that another domain keeps: how it went, and who is on the list.
    pub(super) async fn rejects_elsewhere(
        &self,
        group: &Address,
        add: &UserList,
        remove: &UserList,
    ) -> Result<Option<(ResultInfo, Vec<Address>)>, Failure> {
        let entities = |list: &UserList| {
            let user_ids = list.users.iter().map(|user| user.user_id.clone()).collect();
            (!list.is_empty()).then(|| EntityList { user_ids, ..EntityList::default() })
        };
        let request =
            RejectListRequest { group_id: group.clone(), add_list: entities(add), remove_list: entities(remove) };
        Ok(self.elsewhere(request).await?.map(|(result, response)| {
            let list = match response {
                Response::RejectList(it) => it.user_list.unwrap_or_default(),
                _ => UserList::default(),
            };
            (result, list.users.into_iter().map(|user| user.user_id).collect())
        }))
    }

    /// What a command asks of a group that another domain keeps; none: it is kept here.
    pub(super) async fn group_elsewhere(
        &self,
        command: Command,
        group: &Address,
        text: Option<&str>,
    ) -> Result<Option<Reply>, Failure> {
        let group_id = group.clone();
        let request: Request = match command {
            Command::DelGroup => DeleteGroupRequest { group_id }.into(),
            Command::Join => {
                let name = text.filter(|name| !name.is_empty());
                let screen_name = name.map(|name| ScreenName { name: name.into(), group_id: group_id.clone() });
                JoinGroupRequest {
                    group_id,
                    screen_name,
                    joined_request: true,
                    subscribe_notification: false,
                    own_properties: Vec::new(),
                }
                .into()
            }
            Command::Leave => LeaveGroupRequest { group_id }.into(),
            Command::Users => GetJoinedUsersRequest { group_id }.into(),
            Command::Members => GetGroupMembersRequest { group_id }.into(),
            Command::Props => GetGroupPropsRequest { group_id }.into(),
            Command::Watch => SubscribeGroupNoticeRequest { group_id, subscribe_type: SubscribeType::Set }.into(),
            Command::Unwatch => SubscribeGroupNoticeRequest { group_id, subscribe_type: SubscribeType::Unset }.into(),
            _ => return Ok(None),
        };
        let Some((_, response)) = self.elsewhere(request).await? else { return Ok(None) };
        let shown = shown::address(group.as_str(), self.home());
        let reply = match command {
            Command::Join => self.ok(Say::Joined, &[&shown])?,
            Command::Leave => self.ok(Say::Left, &[&shown])?,
            _ => Reply::ok(self.say(Say::Ok, &[])),
        };
        Ok(Some(reply.with(self.lines_of(response))))
    }

    fn lines_of(&self, response: Response) -> Vec<String> {
        let one = |mapping: &Mapping, role: &str| {
            let user = mapping.user_id.as_ref().map(|user| format!(" {}", shown::address(user.as_str(), self.home())));
            format!("{}{}{role}", mapping.name, user.unwrap_or_default())
        };
        let people = |list: &UserList, role: &str| -> Vec<String> {
            list.users
                .iter()
                .map(|user| format!("{}{role}", shown::address(user.user_id.as_str(), self.home())))
                .collect()
        };
        match response {
            Response::JoinGroup(it) => {
                let joined = it.joined.iter().flat_map(|joined| &joined.list.mappings);
                let names: Vec<String> = joined.map(|one| one.name.to_string()).collect();
                if names.is_empty() { Vec::new() } else { wrapped(&format!("in: {}", names.join(", ")), DATA_MAX) }
            }
            Response::GetJoinedUsers(it) => {
                let mut lines = Vec::new();
                if let Some(list) = &it.admin_map_list {
                    for (part, role) in [(&list.admins, " admin"), (&list.mods, " mod"), (&list.users, "")] {
                        lines.extend(part.iter().map(|mapping| one(mapping, role)));
                    }
                }
                lines.extend(it.user_map_list.iter().flat_map(|list| &list.mappings).map(|mapping| one(mapping, "")));
                lines
            }
            Response::GetGroupMembers(it) => {
                let (admins, mods) = (it.admins.as_ref().map(|list| &list.0), it.mods.as_ref().map(|list| &list.0));
                let lists = [(admins, " admin"), (mods, " mod"), (it.users.as_ref(), "")];
                lists.iter().filter_map(|(list, role)| Some(people((*list)?, role))).flatten().collect()
            }
            Response::GetGroupProps(it) => pairs(&it.group_properties),
            _ => Vec::new(),
        }
    }
}
