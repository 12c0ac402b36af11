//! A request taken apart by the domains of what it is about, and the answers of the parts put together (SSP 10, 13.2).

use imps_proto::csp;
use imps_proto::csp::catalogue::{Request, Response};
use imps_types::element::{DetailedResult, Group, IdList, MessageInfo, Recipient, ResultInfo, ScreenName, User};
use imps_types::presence::PresenceSubList;
use imps_types::{Address, Domain, Status, Version};
use rustc_hash::FxHashMap;

use super::addresses::foreign;
use super::common::{named_by_id, searched};
use super::{outcome, status_of};

/// Parts that a request may have for other domains, and bytes that may be copied for all of them. What is beyond stays at
/// home, which refuses it.
const PARTS_MAX: usize = 500;
const COPIED_MAX: usize = 8 << 20;

/// A request in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    /// What is about home, or what only home can tell the meaning of.
    pub(crate) here: Option<Request>,
    /// What is about other domains. There may be several for the same one: an invitation is for one party (SSP 9.3).
    pub(crate) there: Vec<(Domain, Request)>,
}

impl Split {
    fn at_home(request: impl Into<Request>) -> Self {
        Self { here: Some(request.into()), there: Vec::new() }
    }

    fn whole(domain: Option<Domain>, request: impl Into<Request>) -> Self {
        match domain {
            Some(domain) => Self { here: None, there: vec![(domain, request.into())] },
            None => Self::at_home(request),
        }
    }
}

fn fits(parts: usize, copied: usize) -> bool {
    parts <= PARTS_MAX && parts.saturating_mul(copied) <= COPIED_MAX
}

/// Things by the domain that they are of, in the order in which the domains came.
struct Parts<T> {
    here: Vec<T>,
    there: Vec<(Domain, Vec<T>)>,
}

impl<T> Parts<T> {
    fn of(things: Vec<T>, home: &Domain, address: impl Fn(&T) -> &Address) -> Self {
        let mut here = Vec::new();
        let mut there: Vec<(Domain, Vec<T>)> = Vec::new();
        let mut places: FxHashMap<Domain, usize> = FxHashMap::default();
        for thing in things {
            let Some(domain) = foreign(address(&thing), home) else {
                here.push(thing);
                continue;
            };
            let place = *places.entry(domain).or_insert_with_key(|domain| {
                there.push((domain.clone(), Vec::new()));
                there.len() - 1
            });
            if let Some((_, things)) = there.get_mut(place) {
                things.push(thing);
            }
        }
        Self { here, there }
    }

    /// Home gets its part if there is something in it, or nothing for anybody else. `copied`: about how many bytes each of
    /// the others costs besides what it is about.
    fn requests<R: Into<Request>>(
        mut self,
        has_more: bool,
        copied: usize,
        here: impl FnOnce(Vec<T>) -> R,
        there: impl Fn(Vec<T>) -> R,
    ) -> Split {
        if !fits(self.there.len(), copied) {
            self.here.extend(self.there.into_iter().flat_map(|(_, things)| things));
            return Split::at_home(here(self.here));
        }
        let stays = has_more || !self.here.is_empty() || self.there.is_empty();
        Split {
            here: stays.then(|| here(self.here).into()),
            there: self.there.into_iter().map(|(domain, things)| (domain, there(things).into())).collect(),
        }
    }
}

fn of_user(user: &User) -> &Address {
    &user.user_id
}

fn of_group(group: &Group) -> &Address {
    match group {
        Group::Id(id) => id,
        Group::ScreenName(name) => &name.group_id,
    }
}

fn is_any_foreign(groups: &[Group], home: &Domain) -> bool {
    groups.iter().any(|group| foreign(of_group(group), home).is_some())
}

/// Takes a request apart. Addresses without a domain are of home; and so are contact lists, since home knows who is on them.
pub(crate) fn split(request: Request, home: &Domain) -> Split {
    match request {
        Request::SubscribePresence(it) => subscription(it, home),
        Request::UnsubscribePresence(csp::UnsubscribePresenceRequest { users, contact_lists }) => {
            Parts::of(users, home, of_user).requests(
                !contact_lists.is_empty(),
                0,
                |users| csp::UnsubscribePresenceRequest { users, contact_lists },
                |users| csp::UnsubscribePresenceRequest { users, contact_lists: Vec::new() },
            )
        }
        Request::GetPresence(it) => question(it, home),
        Request::GetPublicProfile(csp::GetPublicProfileRequest { user_ids }) => {
            let of = |user_ids| csp::GetPublicProfileRequest { user_ids };
            Parts::of(user_ids, home, |user_id| user_id).requests(false, 0, of, of)
        }
        Request::VerifyId(it) => verification(it.id_list, home),
        Request::Invite(mut it) => {
            let recipient = std::mem::take(&mut it.recipient);
            let copied = weight(&it.invite_note, &it.urls, &it.presence_sub_list);
            by_party(recipient, home, copied, |recipient| csp::InviteRequest { recipient, ..it.clone() })
        }
        Request::CancelInvite(mut it) => {
            // From everybody: whom that concerns is known at home.
            let Some(recipient) = it.recipient.take() else { return Split::at_home(it) };
            let copied = weight(&it.invite_note, &it.urls, &it.presence_sub_list);
            let with = |recipient| csp::CancelInviteRequest { recipient: Some(recipient), ..it.clone() };
            by_party(recipient, home, copied, with)
        }
        Request::SendMessage(it) if !is_any_foreign(&it.message.info.recipient.groups, home) => Split::at_home(it),
        Request::SendMessage(mut it) => {
            let recipient = std::mem::take(&mut it.message.info.recipient);
            let copied = info_weight(&it.message.info);
            by_group(recipient, home, copied, |recipient| {
                let mut part = it.clone();
                part.message.info.recipient = recipient;
                part
            })
        }
        Request::ForwardMessage(mut it) => {
            let recipient = std::mem::take(&mut it.recipient);
            by_group(recipient, home, 512, |recipient| csp::ForwardMessageRequest { recipient, ..it.clone() })
        }
        Request::Search(it) => Split::whole(searched(&it, home), it),
        Request::StopSearch(it) => Split::whole(named_by_id(&it.search_id).filter(|domain| domain != home), it),
        whole => Split::whole(group(&whole).and_then(|group| foreign(group, home)), whole),
    }
}

/// About how many bytes an invitation has besides whom it is for.
fn weight(note: &Option<Box<str>>, urls: &[Box<str>], list: &Option<PresenceSubList>) -> usize {
    let note = note.as_deref().map_or(0, str::len);
    let list = list.as_ref().map_or(0, PresenceSubList::weight);
    1024 + note + list + urls.iter().map(|url| url.len()).sum::<usize>()
}

/// The same of a message; its octets are shared.
fn info_weight(info: &MessageInfo) -> usize {
    let texts = [&info.message_id, &info.message_uri, &info.content_type, &info.content_name];
    let blocks: usize = info.ext_blocks.iter().map(imps_types::presence::Extension::weight).sum();
    1024 + blocks + texts.into_iter().flatten().map(|text| text.len()).sum::<usize>()
}

fn subscription(request: csp::SubscribePresenceRequest, home: &Domain) -> Split {
    let csp::SubscribePresenceRequest { users, contact_lists, presence_sub_list, auto_subscribe } = request;
    let wanted = presence_sub_list.clone();
    Parts::of(users, home, of_user).requests(
        !contact_lists.is_empty(),
        wanted.as_ref().map_or(0, PresenceSubList::weight),
        |users| csp::SubscribePresenceRequest { users, contact_lists, presence_sub_list, auto_subscribe },
        // It is about those who come to lists later.
        |users| csp::SubscribePresenceRequest {
            users,
            contact_lists: Vec::new(),
            presence_sub_list: wanted.clone(),
            auto_subscribe: None,
        },
    )
}

fn question(request: csp::GetPresenceRequest, home: &Domain) -> Split {
    let csp::GetPresenceRequest { users, contact_lists, presence_sub_list } = request;
    let wanted = presence_sub_list.clone();
    Parts::of(users, home, of_user).requests(
        !contact_lists.is_empty(),
        wanted.as_ref().map_or(0, PresenceSubList::weight),
        |users| csp::GetPresenceRequest { users, contact_lists, presence_sub_list },
        |users| csp::GetPresenceRequest { users, contact_lists: Vec::new(), presence_sub_list: wanted.clone() },
    )
}

/// One name to verify.
enum Named {
    User(Address),
    Group(Address),
    ScreenName(ScreenName),
}

impl Named {
    fn address(&self) -> &Address {
        match self {
            Self::User(address) | Self::Group(address) => address,
            Self::ScreenName(name) => &name.group_id,
        }
    }
}

/// Whether home speaks with a domain only home can tell.
fn verification(list: IdList, home: &Domain) -> Split {
    let IdList { user_ids, contact_lists, group_ids, screen_names, domains } = list;
    let users = user_ids.into_iter().map(Named::User);
    let names =
        users.chain(group_ids.into_iter().map(Named::Group)).chain(screen_names.into_iter().map(Named::ScreenName));
    let of = |names: Vec<Named>, rest: IdList| {
        let mut id_list = rest;
        for name in names {
            match name {
                Named::User(user) => id_list.user_ids.push(user),
                Named::Group(group) => id_list.group_ids.push(group),
                Named::ScreenName(name) => id_list.screen_names.push(name),
            }
        }
        csp::VerifyIdRequest { id_list }
    };
    let rest = IdList { contact_lists, domains, ..IdList::default() };
    let mut split = Parts::of(names.collect(), home, Named::address).requests(
        !rest.is_empty(),
        0,
        |names| of(names, rest),
        |names| of(names, IdList::default()),
    );
    split.there = split.there.into_iter().flat_map(users_and_groups).collect();
    split
}

/// Groups of a domain may be in another place than its users: what is passed on is in one (SSP 13.2).
fn users_and_groups((domain, part): (Domain, Request)) -> Vec<(Domain, Request)> {
    let Request::VerifyId(csp::VerifyIdRequest { id_list }) = part else { return vec![(domain, part)] };
    let IdList { user_ids, group_ids, screen_names, .. } = id_list;
    let users = IdList { user_ids, ..IdList::default() };
    let groups = IdList { group_ids, screen_names, ..IdList::default() };
    let parts = [users, groups].into_iter().filter(|list| !list.is_empty());
    parts.map(|id_list| (domain.clone(), csp::VerifyIdRequest { id_list }.into())).collect()
}

/// Parts for each party of another domain by himself.
fn by_party<R: Into<Request>>(
    recipient: Recipient,
    home: &Domain,
    copied: usize,
    with: impl Fn(Recipient) -> R,
) -> Split {
    let is_foreign = |address: &Address| foreign(address, home).is_some();
    let parties = recipient.users.iter().map(of_user).chain(recipient.groups.iter().map(of_group));
    if !fits(parties.filter(|address| is_foreign(address)).count(), copied) {
        return Split::at_home(with(recipient));
    }
    let Recipient { users, groups, contact_lists } = recipient;
    let mut rest = Recipient { contact_lists, ..Recipient::default() };
    let mut there = Vec::new();
    for user in users {
        match foreign(&user.user_id, home) {
            Some(domain) => there.push((domain, with(Recipient::user(user)).into())),
            None => rest.users.push(user),
        }
    }
    for group in groups {
        match foreign(of_group(&group), home) {
            Some(domain) => {
                let recipient = Recipient { groups: vec![group], ..Recipient::default() };
                there.push((domain, with(recipient).into()));
            }
            None => rest.groups.push(group),
        }
    }
    let stays = !rest.is_empty() || there.is_empty();
    Split { here: stays.then(|| with(rest).into()), there }
}

/// Parts for the groups of each other domain; a message to users of other domains is home's to bring there.
fn by_group<R: Into<Request>>(
    recipient: Recipient,
    home: &Domain,
    copied: usize,
    with: impl Fn(Recipient) -> R,
) -> Split {
    let Recipient { users, groups, contact_lists } = recipient;
    let rest = Recipient { users, contact_lists, ..Recipient::default() };
    Parts::of(groups, home, of_group).requests(
        !rest.is_empty(),
        copied,
        |groups| with(Recipient { groups, ..rest }),
        |groups| with(Recipient { groups, ..Recipient::default() }),
    )
}

/// The group that a request is about.
pub(crate) fn group_of(request: &Request) -> Option<&Address> {
    match request {
        Request::CreateGroup(it) => Some(&it.group_id),
        Request::DeleteGroup(it) => Some(&it.group_id),
        Request::JoinGroup(it) => Some(&it.group_id),
        Request::LeaveGroup(it) => Some(&it.group_id),
        Request::GetGroupMembers(it) => Some(&it.group_id),
        Request::GetJoinedUsers(it) => Some(&it.group_id),
        Request::AddGroupMembers(it) => Some(&it.group_id),
        Request::RemoveGroupMembers(it) => Some(&it.group_id),
        Request::MemberAccess(it) => Some(&it.group_id),
        Request::GetGroupProps(it) => Some(&it.group_id),
        Request::SetGroupProps(it) => Some(&it.group_id),
        Request::RejectList(it) => Some(&it.group_id),
        Request::SubscribeGroupNotice(it) => Some(&it.group_id),
        _ => None,
    }
}

/// The same, and the group of which waiting messages are asked for: what was said in it is kept where it is.
fn group(request: &Request) -> Option<&Address> {
    match request {
        Request::GetMessageList(it) => it.group_id.as_ref(),
        _ => group_of(request),
    }
}

/// What the parts of a request were answered, as one answer: 200 when all of them went well; else what did not, item by
/// item, and its code where nothing did.
pub(crate) fn merge(request: &Request, version: Version, mut parts: Vec<(Request, Response)>) -> Response {
    if parts.len() < 2 {
        let only = parts.pop().map(|(_, response)| response);
        return only.unwrap_or_else(|| status_of(ResultInfo::of(Status::INTERNAL_ERROR)));
    }
    let result = together(&parts);
    let mut responses = parts.into_iter().map(|(_, response)| response);
    let is_success = result.status.is_success();
    match request {
        Request::GetPresence(_) if is_success => {
            let told = responses.filter_map(|response| match response {
                Response::GetPresence(told) => Some(told.presence),
                _ => None,
            });
            csp::GetPresenceResponse { result, presence: told.flatten().collect() }.into()
        }
        Request::GetPublicProfile(_) if is_success => {
            let told = responses.filter_map(|response| match response {
                Response::GetPublicProfile(told) => Some(told.profiles),
                _ => None,
            });
            csp::GetPublicProfileResponse { result, profiles: told.flatten().collect() }.into()
        }
        Request::SendMessage(_) if is_success => {
            let message_id = responses.find_map(|response| match response {
                Response::SendMessage(sent) => sent.message_id,
                _ => None,
            });
            csp::SendMessageResponse { result, message_id }.into()
        }
        // What went wrong with some has no place in the answer that 1.3 has of its own.
        Request::ForwardMessage(_) if result.status == Status::SUCCESSFUL && version >= Version::V1_3 => {
            let message_id = responses.find_map(|response| match response {
                Response::ForwardMessage(sent) => Some(sent.message_id),
                _ => None,
            });
            match message_id {
                Some(message_id) => csp::ForwardMessageResponse { message_id }.into(),
                None => status_of(result),
            }
        }
        _ => status_of(result),
    }
}

fn is_good(status: Status) -> bool {
    status.is_success() || status == Status::QUEUED
}

/// How it went altogether.
fn together(parts: &[(Request, Response)]) -> ResultInfo {
    let results: Vec<_> = parts.iter().map(|(part, response)| (part, outcome(response))).collect();
    let mut detailed = Vec::new();
    for (part, result) in &results {
        if is_good(result.status) || !result.detailed.is_empty() {
            result.detailed.iter().for_each(|detail| add(&mut detailed, detail));
        } else {
            add(&mut detailed, &failed(part, result));
        }
    }
    detailed.sort_by_key(|detail| detail.status);
    let any_success = results.iter().any(|(_, result)| is_good(result.status));
    let first = results.first().map(|(_, result)| result);
    let alike = first.filter(|first| results.iter().all(|(_, result)| result.status == first.status));
    let mut whole = ResultInfo::partial(any_success, detailed);
    if let Some(alike) = alike.filter(|alike| !any_success || whole.detailed.is_empty() && is_good(alike.status)) {
        (whole.status, whole.description) = (alike.status, alike.description.clone());
    }
    whole.try_again = results.iter().filter_map(|(_, result)| result.try_again).max();
    whole.system_messages = results.into_iter().flat_map(|(_, result)| result.system_messages).collect();
    whole
}

/// What a part says that failed as a whole: all that it is about had this outcome.
fn failed(part: &Request, result: &ResultInfo) -> DetailedResult {
    let mut detail = DetailedResult { description: result.description.clone(), ..DetailedResult::of(result.status) };
    let users = |users: &[User]| users.iter().map(|user| user.user_id.clone()).collect::<Vec<_>>();
    match part {
        Request::SubscribePresence(it) => {
            (detail.user_ids, detail.contact_lists) = (users(&it.users), it.contact_lists.clone())
        }
        Request::UnsubscribePresence(it) => {
            (detail.user_ids, detail.contact_lists) = (users(&it.users), it.contact_lists.clone());
        }
        Request::GetPresence(it) => {
            (detail.user_ids, detail.contact_lists) = (users(&it.users), it.contact_lists.clone())
        }
        Request::GetPublicProfile(it) => detail.user_ids.clone_from(&it.user_ids),
        Request::VerifyId(it) => {
            let IdList { user_ids, contact_lists, group_ids, screen_names, domains } = it.id_list.clone();
            detail = DetailedResult { user_ids, contact_lists, group_ids, screen_names, domains, ..detail };
        }
        Request::Invite(it) => name(&mut detail, &it.recipient),
        Request::CancelInvite(it) => it.recipient.iter().for_each(|recipient| name(&mut detail, recipient)),
        Request::SendMessage(it) => name(&mut detail, &it.message.info.recipient),
        Request::ForwardMessage(it) => name(&mut detail, &it.recipient),
        whole => detail.group_ids.extend(group(whole).cloned()),
    }
    detail
}

fn name(detail: &mut DetailedResult, recipient: &Recipient) {
    detail.user_ids.extend(recipient.users.iter().map(|user| user.user_id.clone()));
    detail.contact_lists.extend(recipient.contact_lists.iter().cloned());
    for group in &recipient.groups {
        match group {
            Group::Id(id) => detail.group_ids.push(id.clone()),
            Group::ScreenName(name) => detail.screen_names.push(name.clone()),
        }
    }
}

/// Adds items to those that had the same outcome.
fn add(details: &mut Vec<DetailedResult>, more: &DetailedResult) {
    let Some(detail) = details.iter_mut().find(|detail| detail.status == more.status) else {
        return details.push(more.clone());
    };
    detail.search_elements.extend_from_slice(&more.search_elements);
    detail.user_ids.extend_from_slice(&more.user_ids);
    detail.group_ids.extend_from_slice(&more.group_ids);
    detail.screen_names.extend_from_slice(&more.screen_names);
    detail.message_ids.extend_from_slice(&more.message_ids);
    detail.contact_lists.extend_from_slice(&more.contact_lists);
    detail.domains.extend_from_slice(&more.domains);
}
