//! What is about our own domain while other domains have some of its services (SSP 1, 10, 13.2).
//!
//! Contact lists become users before anything else is looked at: a domain is asked about users and groups, and another one
//! than who keeps the lists could not tell what is meant (SSP 13.2, 4). Who is a user is known by his home domain, wherever
//! the Common features are; what is a group, by who has the groups.

use futures_util::future::join_all;
use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::csp::{
    GetPresenceResponse, ListManageRequest, SearchRequest, SendMessageRequest, StatusPrimitive, VerifyIdRequest,
};
use imps_service::Error;
use imps_types::element::{IdList, Recipient, ResultInfo, SearchElement, User};
use imps_types::{Address, Domain, Service as Offered, Status};
use rustc_hash::FxHashSet;

use super::Face;
use super::abroad::{Asked, Here};
use crate::translate;

/// The lists that a request names, where they stand for the users on them.
fn lists_of(request: &mut Request) -> Option<&mut Vec<Address>> {
    match request {
        Request::SendMessage(it) => Some(&mut it.message.info.recipient.contact_lists),
        Request::ForwardMessage(it) => Some(&mut it.recipient.contact_lists),
        Request::Invite(it) => Some(&mut it.recipient.contact_lists),
        Request::CancelInvite(it) => it.recipient.as_mut().map(|recipient| &mut recipient.contact_lists),
        Request::SubscribePresence(it) => Some(&mut it.contact_lists),
        Request::UnsubscribePresence(it) => Some(&mut it.contact_lists),
        Request::GetPresence(it) => Some(&mut it.contact_lists),
        Request::VerifyId(it) => Some(&mut it.id_list.contact_lists),
        _ => None,
    }
}

/// Where those users go; none: it is about the lists themselves.
fn users_of(request: &mut Request) -> Option<&mut Vec<User>> {
    match request {
        Request::SendMessage(it) => Some(&mut it.message.info.recipient.users),
        Request::ForwardMessage(it) => Some(&mut it.recipient.users),
        Request::Invite(it) => Some(&mut it.recipient.users),
        Request::CancelInvite(it) => it.recipient.as_mut().map(|recipient| &mut recipient.users),
        Request::SubscribePresence(it) => Some(&mut it.users),
        Request::UnsubscribePresence(it) => Some(&mut it.users),
        Request::GetPresence(it) => Some(&mut it.users),
        _ => None,
    }
}

/// What a request is answered that is for more users than one may be for; none: however many are on lists is fine.
fn too_many(request: &Request) -> Option<Status> {
    match request {
        Request::SendMessage(_) | Request::ForwardMessage(_) => Some(Status::BAD_PARAMETER),
        Request::Invite(_) | Request::CancelInvite(_) => Some(Error::TooManyInvitations.status()),
        _ => None,
    }
}

/// Whether a request without any list is about anything.
fn is_about_something(request: &Request) -> bool {
    let recipient = |it: &Recipient| !it.is_empty();
    match request {
        Request::SendMessage(it) => recipient(&it.message.info.recipient),
        Request::ForwardMessage(it) => recipient(&it.recipient),
        Request::Invite(it) => recipient(&it.recipient),
        Request::CancelInvite(it) => it.recipient.as_ref().is_none_or(recipient),
        Request::SubscribePresence(it) => !it.users.is_empty(),
        Request::UnsubscribePresence(it) => !it.users.is_empty(),
        Request::GetPresence(it) => !it.users.is_empty(),
        Request::VerifyId(it) => !it.id_list.is_empty(),
        _ => true,
    }
}

/// The same request about nothing but these lists.
fn about(request: &Request, lists: Vec<Address>) -> Request {
    let mut about = request.clone();
    match &mut about {
        Request::SendMessage(it) => it.message.info.recipient = Recipient::default(),
        Request::ForwardMessage(it) => it.recipient = Recipient::default(),
        Request::Invite(it) => it.recipient = Recipient::default(),
        Request::CancelInvite(it) => it.recipient = Some(Recipient::default()),
        Request::VerifyId(it) => it.id_list = IdList::default(),
        other => {
            if let Some(users) = users_of(other) {
                users.clear();
            }
        }
    }
    if let Some(place) = lists_of(&mut about) {
        *place = lists;
    }
    about
}

/// Whether a search is for groups: what one looks for is told by its first criterion (CSP 7.1).
fn is_for_groups(search: &SearchRequest) -> bool {
    let kind = search.pairs.first().and_then(|pair| SearchElement::parse(&pair.element));
    kind.is_some_and(|kind| kind.as_str().starts_with("GROUP_"))
}

/// The service that has what a request of the Common features is about, where another domain may have it; none: it is
/// about what only the home domain knows.
pub(super) fn common_service(request: &Request) -> Option<Offered> {
    match request {
        Request::Search(it) => is_for_groups(it).then_some(Offered::Group),
        Request::VerifyId(_) => translate::service_of(request).filter(|service| *service == Offered::Group),
        // Who goes on with a search, or ends it, names whose it is.
        Request::StopSearch(_) => None,
        _ => translate::service_of(request),
    }
}

/// A request to verify names, in what is about groups and all else.
pub(super) fn verified_apart(request: VerifyIdRequest) -> Vec<Request> {
    let IdList { user_ids, contact_lists, group_ids, screen_names, domains } = request.id_list;
    let groups = IdList { group_ids, screen_names, ..IdList::default() };
    let others = IdList { user_ids, contact_lists, domains, ..IdList::default() };
    let mut parts = Vec::new();
    if !others.is_empty() || groups.is_empty() {
        parts.push(VerifyIdRequest { id_list: others }.into());
    }
    if !groups.is_empty() {
        parts.push(VerifyIdRequest { id_list: groups }.into());
    }
    parts
}

/// A message of one of ours, whom it is for being of ours or a user of others: in parts for the places where it goes, if there
/// are several. What is for groups goes to who has the groups, what is for our users to who has our messages; and he does not
/// send those to others, we do. `is_here`: whether we have messages, and groups.
pub(super) fn message_apart(
    mut message: SendMessageRequest,
    is_here: (bool, bool),
    is_ours: impl Fn(&User) -> bool,
) -> Vec<Request> {
    if is_here == (true, true) {
        return vec![message.into()];
    }
    let Recipient { users, groups, contact_lists } = std::mem::take(&mut message.message.info.recipient);
    let (own, others) = if is_here.0 { (users, Vec::new()) } else { users.into_iter().partition(is_ours) };
    let mut parts = Vec::new();
    for recipient in [
        Recipient { users: others, ..Recipient::default() },
        Recipient { users: own, contact_lists, ..Recipient::default() },
        Recipient { groups, ..Recipient::default() },
    ] {
        if !recipient.is_empty() {
            let mut part = message.clone();
            part.message.info.recipient = recipient;
            parts.push(part.into());
        }
    }
    if parts.is_empty() {
        // For nobody: whoever gets it says so.
        parts.push(message.into());
    }
    parts
}

/// A search that another domain carries out for us goes on there.
pub(super) fn goes_on_at(provider: &Domain, mut response: Response) -> Response {
    if let Response::Search(found) = &mut response
        && let Some(id) = &found.search_id
    {
        let id = id.rsplit_once('@').map_or(&**id, |(id, _)| id);
        found.search_id = Some(format!("{id}@{provider}").into());
    }
    response
}

/// Who knows who is on our users' contact lists.
enum Keeper {
    /// We.
    Home,
    /// Another domain.
    Peer(Domain),
}

impl Face {
    /// Whether a request names lists that another domain keeps for us, or groups to verify.
    pub(super) fn is_of_parts(&self, request: &Request) -> bool {
        let has_groups =
            |it: &VerifyIdRequest| !(it.id_list.group_ids.is_empty() && it.id_list.screen_names.is_empty());
        if let Request::VerifyId(it) = request
            && has_groups(it)
            && self.provider(Offered::Group).is_some()
        {
            return true;
        }
        self.keeper_of(request).is_some()
    }

    /// Who is asked for the users on the lists that a request names, before it is carried out; none: that is done by whoever
    /// carries it out.
    fn keeper_of(&self, request: &Request) -> Option<Keeper> {
        if !names_lists(request) {
            return None;
        }
        // Who has our messages and not our lists could not tell what is meant.
        let is_sent_there = matches!(request, Request::SendMessage(_)) && self.provider(Offered::Im).is_some();
        match self.provider(Offered::ContactList) {
            Some(keeper) => Some(Keeper::Peer(keeper)),
            None => is_sent_there.then_some(Keeper::Home),
        }
    }

    /// Carries out a client's request, `here` those parts that are about this domain.
    pub async fn carry_request(&self, by: Asked<'_>, request: Request, here: &dyn Here) -> Response {
        match self.keeper_of(&request) {
            Some(keeper) => Box::pin(self.carry_lists(by, request, &keeper, here)).await,
            None => self.carry_named(by, request, here).await,
        }
    }

    /// Carries out a request that names lists, for the users on them.
    async fn carry_lists(&self, by: Asked<'_>, request: Request, keeper: &Keeper, here: &dyn Here) -> Response {
        let mut rest = request.clone();
        let mut lists = lists_of(&mut rest).map(std::mem::take).unwrap_or_default();
        let most = self.services.config.lists_max;
        if lists.len() > most {
            return refused(Status::BAD_PARAMETER);
        }
        lists.sort();
        lists.dedup();
        let asked = lists.into_iter().map(|list| async move { (self.members(by, keeper, &list, here).await, list) });
        let (mut parts, mut members) = (Vec::new(), Vec::new());
        for (found, list) in join_all(asked).await {
            match found {
                Ok(users) => members.extend(users),
                Err(response) => parts.push((about(&request, vec![list]), response)),
            }
        }
        if let Some(users) = users_of(&mut rest) {
            // Who is named besides, and who is on several, is meant once.
            let mut known: FxHashSet<Address> = users.iter().map(|user| user.user_id.clone()).collect();
            users.extend(members.into_iter().filter(|member| known.insert(member.clone())).map(User::of));
            if let Some(status) = too_many(&request).filter(|_| users.len() > self.services.config.recipients_max) {
                return refused(status);
            }
        }
        if is_about_something(&rest) {
            let response = self.carry_named(by, rest.clone(), here).await;
            parts.insert(0, (rest, response));
        } else if parts.is_empty() {
            // Nobody is on them.
            return match request {
                Request::GetPresence(_) => {
                    GetPresenceResponse { result: ResultInfo::of(Status::SUCCESSFUL), presence: Vec::new() }.into()
                }
                _ => refused(Status::SUCCESSFUL),
            };
        }
        translate::merge(&request, by.version, parts)
    }

    /// Who is on a list; or why that is not known.
    async fn members(
        &self,
        by: Asked<'_>,
        keeper: &Keeper,
        list: &Address,
        here: &dyn Here,
    ) -> Result<Vec<Address>, Response> {
        let known = self.services.router.list(list).ok();
        // Another user's list, or one of another domain, is unknown to him, whether it exists or not (CSP 8, SSP 10).
        let Some(known) = known.filter(|known| known.owner() == by.session.user.id) else {
            return Err(refused(Status::UNKNOWN_CONTACT_LIST));
        };
        let ask = ListManageRequest {
            contact_list: Address::from(&known),
            add_nick_list: Vec::new(),
            remove_nick_list: Vec::new(),
            properties: Vec::new(),
            receive_list: Some(true),
            authorize_and_grant: None,
        };
        let answer = match keeper {
            Keeper::Peer(keeper) => self.ask_for(by, keeper, &ask.into()).await,
            Keeper::Home => here.perform(Box::new(ask.into())).await,
        };
        match answer {
            Response::ListManage(list) if list.result.status.is_success() => {
                Ok(list.nick_list.unwrap_or_default().into_iter().map(|entry| entry.user_id).collect())
            }
            Response::ListManage(list) => Err(Response::Status(StatusPrimitive::new(list.result))),
            other => Err(other),
        }
    }
}

fn names_lists(request: &Request) -> bool {
    let count = match request {
        Request::SendMessage(it) => it.message.info.recipient.contact_lists.len(),
        Request::ForwardMessage(it) => it.recipient.contact_lists.len(),
        Request::Invite(it) => it.recipient.contact_lists.len(),
        Request::CancelInvite(it) => it.recipient.as_ref().map_or(0, |recipient| recipient.contact_lists.len()),
        Request::SubscribePresence(it) => it.contact_lists.len(),
        Request::UnsubscribePresence(it) => it.contact_lists.len(),
        Request::GetPresence(it) => it.contact_lists.len(),
        Request::VerifyId(it) => it.id_list.contact_lists.len(),
        _ => 0,
    };
    count > 0
}

fn refused(status: Status) -> Response {
    Response::Status(StatusPrimitive::new(ResultInfo::of(status)))
}

#[cfg(test)]
mod tests {
    use imps_proto::csp::SearchResponse;
    use imps_proto::elements::Message;
    use imps_types::element::{Group, MessageInfo, SearchPair};

    use super::*;

    fn search(element: &str) -> Request {
        let pair = SearchPair { element: element.into(), string: Some("Cars".into()), pair_id: None };
        let request = SearchRequest {
            pairs: vec![pair],
            advanced_criteria: None,
            search_limit: Some(5),
            search_id: None,
            search_index: None,
        };
        request.into()
    }

    fn ids(users: &[&str], groups: &[&str], domains: &[&str]) -> IdList {
        let addresses = |of: &[&str]| of.iter().map(|one| Address::new(one)).collect();
        let domains = domains.iter().map(|&one| one.into()).collect();
        IdList { user_ids: addresses(users), group_ids: addresses(groups), domains, ..IdList::default() }
    }

    #[test]
    fn what_is_looked_for_tells_who_knows_it() {
        let group = Some(Offered::Group);
        for (element, service) in [("USER_ID", None), ("USER_ALIAS", None), ("GROUP_ID", group), ("GROUP_NAME", group)]
        {
            assert_eq!(common_service(&search(element)), service, "{element}");
        }
        let (users, groups) = (["wv:alice@a.example"], ["wv:/news@a.example"]);
        for (id_list, service) in [
            (ids(&[], &groups, &[]), group),
            (ids(&users, &[], &[]), None),
            (ids(&users, &groups, &[]), None),
            (ids(&[], &groups, &["a.example"]), None),
        ] {
            assert_eq!(common_service(&VerifyIdRequest { id_list: id_list.clone() }.into()), service, "{id_list:?}");
        }
    }

    #[test]
    fn names_of_groups_are_verified_apart_from_others() {
        let (users, groups) = (["wv:alice@a.example"], ["wv:/news@a.example"]);
        let parts =
            |users: &[&str], groups: &[&str]| verified_apart(VerifyIdRequest { id_list: ids(users, groups, &[]) });
        let part =
            |users: &[&str], groups: &[&str]| Request::from(VerifyIdRequest { id_list: ids(users, groups, &[]) });
        assert_eq!(parts(&users, &groups), [part(&users, &[]), part(&[], &groups)]);
        assert_eq!(parts(&users, &[]), [part(&users, &[])]);
        assert_eq!(parts(&[], &groups), [part(&[], &groups)]);
        assert_eq!(parts(&[], &[]), [part(&[], &[])], "what is empty is refused by whoever gets it");
    }

    #[test]
    fn a_message_goes_to_every_place_where_its_recipients_are() {
        const OWN: &str = "wv:anna@a.example";
        const OTHER: &str = "wv:bob@b.example";
        const GROUP: &str = "wv:/news@a.example";
        let sent = |users: &[&str], groups: &[&str]| {
            let recipient = Recipient {
                users: users.iter().map(|&user| User::of(user)).collect(),
                groups: groups.iter().map(|group| Group::Id(Address::new(group))).collect(),
                ..Recipient::default()
            };
            let message = Message { info: MessageInfo { recipient, ..MessageInfo::default() }, content: None };
            SendMessageRequest { delivery_report: true, message }
        };
        let is_ours = |user: &User| user.user_id.as_str().ends_with("@a.example");
        let (everybody, all) = (sent(&[OWN, OTHER], &[GROUP]), |parts: &[SendMessageRequest]| {
            parts.iter().cloned().map(Request::from).collect::<Vec<_>>()
        });
        for (is_here, parts) in [
            ((true, true), vec![everybody.clone()]),
            ((true, false), vec![sent(&[OWN, OTHER], &[]), sent(&[], &[GROUP])]),
            ((false, true), vec![sent(&[OTHER], &[]), sent(&[OWN], &[]), sent(&[], &[GROUP])]),
            ((false, false), vec![sent(&[OTHER], &[]), sent(&[OWN], &[]), sent(&[], &[GROUP])]),
        ] {
            assert_eq!(message_apart(everybody.clone(), is_here, is_ours), all(&parts), "{is_here:?}");
            assert_eq!(message_apart(sent(&[], &[]), is_here, is_ours), all(&[sent(&[], &[])]), "for nobody");
        }
    }

    #[test]
    fn a_search_goes_on_where_it_began() {
        let provider = Domain::parse("p.example").expect("a domain");
        let found = |id: Option<&str>| SearchResponse {
            search_id: id.map(Box::from),
            search_findings: 9,
            completion_flag: false,
            search_index: Some(5),
            search_result: None,
        };
        for (id, then) in [("7", "7@p.example"), ("7@a.example", "7@p.example")] {
            let Response::Search(next) = goes_on_at(&provider, found(Some(id)).into()) else { panic!("{id}") };
            assert_eq!(next.search_id.as_deref(), Some(then));
        }
        assert_eq!(goes_on_at(&provider, found(None).into()), found(None).into());
    }

    #[test]
    fn lists_become_users_and_nothing_else_changes() {
        let list = Address::new("wv:alice/friends@a.example");
        let recipient = Recipient {
            users: vec![User::of("wv:bob@b.example")],
            contact_lists: vec![list.clone()],
            ..Recipient::default()
        };
        let message = Message { info: MessageInfo { recipient, ..MessageInfo::default() }, content: None };
        let mut request: Request = SendMessageRequest { delivery_report: true, message }.into();
        assert!(names_lists(&request));
        let only = about(&request, vec![list.clone()]);
        assert_eq!(lists_of(&mut request).map(std::mem::take), Some(vec![list]));
        assert!(!names_lists(&request) && is_about_something(&request) && names_lists(&only));
        users_of(&mut request).expect("it has a place").clear();
        assert!(!is_about_something(&request));
        assert_eq!(too_many(&request), Some(Status::BAD_PARAMETER));
    }
}
