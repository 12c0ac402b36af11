//! Groups (CLP 6.5).

use imps_proto::clp::{Arguments, Command, DATA_MAX, Pair, Reply, quoted, wrapped};
use imps_proto::csp::catalogue::Response;
use imps_proto::csp::{
    AddGroupMembersRequest, CreateGroupRequest, DeleteGroupRequest, GetGroupMembersRequest, GetGroupPropsRequest,
    GetGroupPropsResponse, GetJoinedUsersRequest, GetJoinedUsersResponse, JoinGroupRequest, LeaveGroupRequest,
    MemberAccessRequest, RejectListRequest, RemoveGroupMembersRequest, SearchRequest, SetGroupPropsRequest,
    SubscribeGroupNoticeRequest,
};
use imps_proto::element::Element;
use imps_proto::elements::Listed;
use imps_service::group::GroupState;
use imps_types::element::{
    Content, EntityList, Group, GroupProperties, Mapping, Property, Recipient, ResultInfo, Role, ScreenName,
    SearchElement, SearchPair, SearchResult, SubscribeType, User, UserList, WelcomeNote,
};
use imps_types::{Address, GroupId, Status};

use super::dialogue::{Dialogue, Failure, Outcome};
use super::invitations::nothing;
use super::shown;
use super::subject::Subject;
use super::texts::Say;

/// Own groups that another domain is asked for at once, and at most.
const OWNED_PAGE: u32 = 100;
const OWNED_MAX: usize = 1000;

/// A key of NEWGROUP and PROPS, and the property that it stands for.
struct Key {
    key: &'static str,
    property: &'static str,
    takes: Takes,
}

/// What a key takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Text,
    YesNo,
    /// Whether everybody may join.
    Open,
}

const KEYS: &[Key] = &[
    Key { key: "name", property: "Name", takes: Takes::Text },
    Key { key: "topic", property: "Topic", takes: Takes::Text },
    Key { key: "open", property: "Accesstype", takes: Takes::Open },
    Key { key: "searchable", property: "Searchable", takes: Takes::YesNo },
    Key { key: "max", property: "MaxActiveUsers", takes: Takes::Text },
    Key { key: "private-msg", property: "PrivateMessaging", takes: Takes::YesNo },
    Key { key: "auto-delete", property: "AutoDelete", takes: Takes::YesNo },
    Key { key: "validity", property: "Validity", takes: Takes::Text },
];

/// The key of the welcome note, which is no property, and the one of the own screen name.
const WELCOME: &str = "welcome";
const AS: &str = "as";

fn yes_or_no(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "y" | "yes" | "on" | "t" => Some(true),
        "n" | "no" | "off" | "f" => Some(false),
        _ => None,
    }
}

impl Key {
    /// A value as it is typed, as the property has it.
    fn value(&self, typed: &str) -> Option<String> {
        let flag = |yes: &str, no: &str| yes_or_no(typed).map(|is| if is { yes } else { no }.to_owned());
        match self.takes {
            Takes::Text => Some(typed.to_owned()),
            Takes::YesNo => flag("T", "F"),
            Takes::Open => flag("Open", "Restricted"),
        }
    }

    /// The reverse.
    fn typed(&self, value: &str) -> String {
        let is = |yes: &str| if value.eq_ignore_ascii_case(yes) { "y" } else { "n" }.to_owned();
        match self.takes {
            Takes::Text if value.contains([' ', '"']) || value.is_empty() => quoted(value),
            Takes::Text => value.to_owned(),
            Takes::YesNo => is("T"),
            Takes::Open => is("Open"),
        }
    }
}

/// Pairs as properties; the screen name beside them.
fn properties(pairs: &[Pair]) -> Result<(GroupProperties, Option<Box<str>>), Failure> {
    let (mut properties, mut name) = (GroupProperties::default(), None);
    for (key, value) in pairs {
        if &**key == AS {
            name = Some(value.clone());
        } else if &**key == WELCOME {
            let content = Content::text(value);
            properties.welcome_note = Some(WelcomeNote { content_type: "text/plain".into(), content });
        } else {
            let row = KEYS.iter().find(|row| row.key == &**key).ok_or(Failure::Usage)?;
            let value = row.value(value).ok_or(Failure::Usage)?;
            properties.properties.push(Property::new(row.property, &value));
        }
    }
    Ok((properties, name))
}

/// Properties as pairs.
pub(super) fn pairs(properties: &GroupProperties) -> Vec<String> {
    let mut pairs: Vec<_> = properties
        .properties
        .iter()
        .map(|property| {
            let value = property.value.as_deref().unwrap_or_default();
            match KEYS.iter().find(|row| row.property.eq_ignore_ascii_case(&property.name)) {
                Some(row) => format!("{}={}", row.key, row.typed(value)),
                None => format!(
                    "{}={}",
                    property.name.to_lowercase(),
                    if value.contains(' ') { quoted(value) } else { value.to_owned() }
                ),
            }
        })
        .collect();
    pairs.extend(properties.welcome_note.as_ref().map(|note| format!("{WELCOME}={}", quoted(&welcome(note)))));
    pairs
}

fn property_lines(told: &GetGroupPropsResponse) -> Vec<String> {
    let mut lines = pairs(&told.group_properties);
    let own = |own: &Property| format!("my-{}={}", own.name.to_lowercase(), own.value.as_deref().unwrap_or_default());
    lines.extend(told.own_properties.iter().map(own));
    lines
}

fn welcome(note: &WelcomeNote) -> String {
    String::from_utf8_lossy(&note.content.data).into_owned()
}

impl Dialogue {
    pub(super) async fn groups(&mut self, command: Command, mut arguments: Arguments) -> Outcome {
        if command == Command::Groups {
            return self.group_lines().await;
        }
        let named = arguments.group.take().ok_or(Failure::Usage)?;
        if command == Command::NewGroup {
            let address = self.own_group(&named)?;
            return self.new_group(&address, &arguments).await;
        }
        let group = self.group_meant(&named).await?;
        let text = arguments.text.take();
        match command {
            Command::DelGroup => self.told(DeleteGroupRequest { group_id: group }).await,
            Command::Join => {
                let name = text.filter(|name| !name.is_empty()).map(Into::into);
                self.join(&group, name).await
            }
            Command::Leave => {
                // Afterwards its name alone means another one, or none.
                let shown = shown_group(self, &group);
                self.ask(LeaveGroupRequest { group_id: group }).await?;
                self.ok(Say::Left, &[&shown])
            }
            Command::Say => {
                let recipient = Recipient { groups: vec![Group::Id(group)], ..Recipient::default() };
                self.send(recipient, &text.unwrap_or_default(), false).await
            }
            Command::Users => self.joined(group).await,
            Command::Members => self.group_members(group).await,
            Command::Member => self.change_members(&group, &arguments).await,
            Command::Role => self.role(group, &arguments).await,
            Command::Props if arguments.pairs.is_empty() => self.properties(group).await,
            Command::Props => {
                let (common, name) = properties(&arguments.pairs)?;
                if name.is_some() {
                    return Err(Failure::Usage);
                }
                self.set_properties(group, common).await
            }
            Command::Topic => {
                let topic = Property::new("Topic", &text.unwrap_or_default());
                let common = GroupProperties { properties: vec![topic], welcome_note: None };
                self.set_properties(group, common).await
            }
            Command::Ban | Command::Unban | Command::Bans => self.bans(command, group, &arguments).await,
            Command::Watch | Command::Unwatch => {
                let kind = if command == Command::Watch { SubscribeType::Set } else { SubscribeType::Unset };
                self.told(SubscribeGroupNoticeRequest { group_id: group, subscribe_type: kind }).await
            }
            _ => Err(Failure::Usage),
        }
    }

    /// The groups that the person is in, and his own.
    async fn group_lines(&self) -> Outcome {
        let session = &self.person()?.session;
        let groups = self.services().group();
        let (joined, abroad) = (session.joined_groups(), session.joined_abroad());
        let line = |group: &GroupState, word: &str| {
            let summary = group.summary();
            let topic = if summary.topic.is_empty() { String::new() } else { format!(" {}", quoted(&summary.topic)) };
            let users = summary.joined;
            format!("{} {word} {users}{topic}", shown::address(summary.id.as_str(), self.home()))
        };
        let mut lines: Vec<_> = joined.iter().map(|group| line(group, "in")).collect();
        lines.extend(abroad.iter().map(|one| format!("{} in", shown::address(one.group.as_str(), self.home()))));
        for group in groups.owned_by(&session.user.id) {
            if !joined.iter().any(|one| one.id == group.id) {
                lines.push(line(&group, "own"));
            }
        }
        let owned = self.owned_elsewhere().await;
        let is_joined = |group: &GroupId| abroad.iter().any(|one| one.group == *group);
        let others = owned.iter().flatten().filter(|group| !is_joined(group));
        lines.extend(others.map(|group| format!("{} own", shown::address(group.as_str(), self.home()))));
        let reply = match owned {
            Ok(_) => Reply::ok(self.say(Say::Ok, &[])),
            Err(failure) if lines.is_empty() => return Err(failure),
            // Which ones he is in is known all the same.
            Err(failure) => {
                let why = self.failure(failure, &Subject::default()).text;
                Reply::new(Status::PARTIALLY_SUCCESSFUL, why)
            }
        };
        Ok(reply.with(lines))
    }

    /// The person's own groups that another domain keeps for this one: it alone knows them before he joins.
    async fn owned_elsewhere(&self) -> Result<Vec<GroupId>, Failure> {
        let me = self.person()?.session.user.id.as_str().into();
        let element = SearchElement::GroupUserIdOwner.as_str().into();
        let pairs = vec![SearchPair { element, string: Some(me), pair_id: None }];
        let mut request = SearchRequest { pairs, search_limit: Some(OWNED_PAGE), ..nothing() };
        let mut owned = Vec::new();
        while let Some((_, Response::Search(found))) = self.elsewhere(request).await? {
            let Some(SearchResult::Groups(page)) = found.search_result else { break };
            owned.extend(page.iter().filter_map(|group| self.services().router.group(group).ok()));
            let Some(id) = found.search_id.filter(|_| !found.completion_flag) else { break };
            if owned.len() >= OWNED_MAX || page.is_empty() {
                self.end_search(id);
                break;
            }
            request = SearchRequest { search_id: Some(id), search_index: found.search_index, ..nothing() };
        }
        Ok(owned)
    }

    async fn new_group(&self, address: &Address, arguments: &Arguments) -> Outcome {
        let (group_properties, name) = properties(&arguments.pairs)?;
        let join_group = name.is_some();
        let request = CreateGroupRequest {
            group_id: address.clone(),
            group_properties,
            own_properties: Vec::new(),
            join_group,
            screen_name: name.map(|name| ScreenName { name, group_id: address.clone() }),
            subscribe_notification: false,
        };
        self.ask(request).await?;
        self.ok(if join_group { Say::Joined } else { Say::Ok }, &[&shown::group_name(address.as_str())])
    }

    /// Joins a group: what it says, and who is in.
    pub(super) async fn join(&self, group: &Address, name: Option<Box<str>>) -> Outcome {
        self.agreed(Element::JoinGroupRequest)?;
        let request = JoinGroupRequest {
            group_id: group.clone(),
            screen_name: name.map(|name| ScreenName { name, group_id: group.clone() }),
            joined_request: true,
            subscribe_notification: false,
            own_properties: Vec::new(),
        };
        let mut lines = Vec::new();
        if let (_, Response::JoinGroup(joining)) = self.ask(request).await? {
            if let Some(note) = &joining.welcome_note {
                lines.extend(wrapped(&format!("welcome: {}", shown::text(&welcome(note))), DATA_MAX));
            }
            let others = joining.joined.iter().flat_map(|joined| &joined.list.mappings);
            let others: Vec<_> = others.map(|one| &*one.name).collect();
            if !others.is_empty() {
                lines.extend(wrapped(&format!("in: {}", others.join(", ")), DATA_MAX));
            }
        }
        Ok(self.ok(Say::Joined, &[&shown_group(self, group)])?.with(lines))
    }

    async fn joined(&self, group_id: Address) -> Outcome {
        let lines = match self.ask(GetJoinedUsersRequest { group_id }).await? {
            (_, Response::GetJoinedUsers(joined)) => self.joined_lines(&joined),
            _ => Vec::new(),
        };
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(lines))
    }

    fn joined_lines(&self, joined: &GetJoinedUsersResponse) -> Vec<String> {
        let line = |one: &Mapping, role: &str| {
            let user = one.user_id.as_ref().map(|user| format!(" {}", shown::address(user.as_str(), self.home())));
            format!("{}{}{role}", one.name, user.unwrap_or_default())
        };
        let mut lines: Vec<String> = Vec::new();
        if let Some(list) = &joined.admin_map_list {
            for (part, role) in [(&list.admins, " admin"), (&list.mods, " mod"), (&list.users, "")] {
                lines.extend(part.iter().map(|one| line(one, role)));
            }
        }
        lines.extend(joined.user_map_list.iter().flat_map(|list| &list.mappings).map(|one| line(one, "")));
        let blocked = joined.joined_blocked.iter().flat_map(|list| &list.0.screen_names);
        lines.extend(blocked.map(|one| format!("{} blocked", one.name)));
        lines
    }

    async fn group_members(&self, group_id: Address) -> Outcome {
        let mut lines = Vec::new();
        if let (_, Response::GetGroupMembers(it)) = self.ask(GetGroupMembersRequest { group_id }).await? {
            let (admins, mods) = (it.admins.as_ref().map(|list| &list.0), it.mods.as_ref().map(|list| &list.0));
            for (list, role) in [(admins, " admin"), (mods, " mod"), (it.users.as_ref(), "")] {
                let line = |user: &User| format!("{}{role}", shown::address(user.user_id.as_str(), self.home()));
                lines.extend(list.iter().flat_map(|list| &list.users).map(line));
            }
        }
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(lines))
    }

    async fn change_members(&self, group: &Address, arguments: &Arguments) -> Outcome {
        let group_id = || group.clone();
        let mut result = ResultInfo::of(Status::SUCCESSFUL);
        if !arguments.add.is_empty() {
            let users = listed(self.users_of(&arguments.add).await?);
            (result, _) = self.ask(AddGroupMembersRequest { group_id: group_id(), users }).await?;
        }
        if !arguments.remove.is_empty() {
            self.agreed(Element::RemoveGroupMembersRequest)?;
            let users = listed(self.users_of(&arguments.remove).await?);
            let (removed, _) = self.ask(RemoveGroupMembersRequest { group_id: group_id(), users }).await?;
            result = if removed.status == Status::SUCCESSFUL { result } else { removed };
        }
        self.result(result, Say::Ok, &[])
    }

    async fn role(&self, group_id: Address, arguments: &Arguments) -> Outcome {
        let users = listed(vec![self.one_user(arguments.targets.first()).await?]);
        let role = match arguments.words.first().map(|word| &**word) {
            Some("admin") => Role::Admin,
            Some("mod") => Role::Mod,
            _ => Role::User,
        };
        let of = |wanted: Role| (role == wanted).then(|| users.clone());
        let (admins, mods) = (of(Role::Admin).map(Listed), of(Role::Mod).map(Listed));
        self.told(MemberAccessRequest { group_id, admins, mods, users: of(Role::User) }).await
    }

    async fn properties(&self, group_id: Address) -> Outcome {
        self.agreed(Element::GetGroupPropsRequest)?;
        let lines = match self.ask(GetGroupPropsRequest { group_id }).await? {
            (_, Response::GetGroupProps(told)) => property_lines(&told),
            _ => Vec::new(),
        };
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(lines))
    }

    async fn set_properties(&self, group_id: Address, common: GroupProperties) -> Outcome {
        let group_properties = Some(common);
        self.told(SetGroupPropsRequest { group_id, group_properties, own_properties: Vec::new() }).await
    }

    async fn bans(&self, command: Command, group_id: Address, arguments: &Arguments) -> Outcome {
        let named = match command {
            Command::Bans => None,
            _ => Some(EntityList::users(vec![self.one_user(arguments.targets.first()).await?])),
        };
        let (add_list, remove_list) = if command == Command::Ban { (named, None) } else { (None, named) };
        let (result, response) = self.ask(RejectListRequest { group_id, add_list, remove_list }).await?;
        let lines = match response {
            Response::RejectList(it) if command == Command::Bans => {
                let rejected = it.user_list.unwrap_or_default().users;
                rejected.iter().map(|user| shown::address(user.user_id.as_str(), self.home())).collect()
            }
            _ => Vec::new(),
        };
        Ok(self.result(result, Say::Ok, &[])?.with(lines))
    }

    /// Joins a group that the person was invited to; who is in it already stays.
    pub(super) async fn join_invited(&self, group: &Address) -> Outcome {
        match self.join(group, None).await {
            Err(failure) if failure.status() == Status::GROUP_IS_ALREADY_JOINED => {
                self.ok(Say::Joined, &[&shown_group(self, group)])
            }
            other => other,
        }
    }
}

/// A group as it is shown, by its address as it was named.
fn shown_group(dialogue: &Dialogue, group: &Address) -> String {
    let id = dialogue.services().router.group(group);
    id.map_or_else(|_| shown::group_name(group.as_str()), |id| dialogue.group_shown(id.as_str()))
}

fn listed(users: Vec<Address>) -> UserList {
    UserList { users: users.into_iter().map(User::of).collect(), screen_names: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_properties_and_back() {
        let typed = [("name", "Old cars"), ("open", "n"), ("max", "50"), ("private-msg", "yes"), ("welcome", "hi")];
        let typed: Vec<Pair> = typed.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let Ok((properties, name)) = properties(&typed) else { panic!("refused") };
        assert_eq!(name, None);
        assert_eq!(properties.properties.first(), Some(&Property::new("Name", "Old cars")));
        assert_eq!(properties.properties.get(1), Some(&Property::new("Accesstype", "Restricted")));
        assert_eq!(pairs(&properties), ["name=\"Old cars\"", "open=n", "max=50", "private-msg=y", "welcome=\"hi\""]);
        for bad in [("color", "red"), ("open", "maybe")] {
            assert!(super::properties(&[(bad.0.into(), bad.1.into())]).is_err());
        }
    }
}
