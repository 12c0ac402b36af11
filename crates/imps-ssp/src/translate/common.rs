//! Invitations, search, names to verify, public profiles, the provider (SSP 9.3, 9.8).

use imps_proto::csp;
use imps_proto::csp::catalogue::Response;
use imps_proto::ssp::{
    self, Answered, Application, Asked as Body, CancelInviteRequest, ContentId, ContentIds, DomainName, InviteRequest,
    InviteResponse, MetaInfo, Party, Primitive, SearchResponse,
};
use imps_service::common::{Invitation, InvitationAnswer, InvitationCancelled, Shown};
use imps_types::element::{
    Group, IdList, PublicProfile, Recipient, ScreenName, SearchElement, SearchPair, SearchResult, Sender, User,
};
use imps_types::presence::PresenceSubList;
use imps_types::{Address, Domain, UserId, Version};

use super::addresses::{Asked, foreign, same};
use super::{Told, Transaction, Way, carried, home_of, outcome, status_in, success};

carried! {
    GetSpInfoRequest => GetSpInfoResponse GetSpInfo;
    UpdatePublicProfileRequest;
}

impl Transaction for csp::GetPublicProfileRequest {
    type Said = Body<Self>;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(Body { meta, body: self })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(said.body.clone())
    }

    /// What the other domain says of those who were not asked about is not heard.
    fn answer_in(&self, _: Version, answer: Primitive) -> Response {
        match answer {
            Primitive::GetPublicProfileResponse(Answered { status, body: Some(body) })
                if status.status.is_success() =>
            {
                let asked = Asked::of(&self.user_ids);
                let heard = |profile: PublicProfile| {
                    let user_id = asked.find(profile.user_id.as_ref()?)?.clone();
                    Some(PublicProfile { user_id: Some(user_id), ..profile })
                };
                let profiles = body.profiles.into_iter().filter_map(heard).collect();
                csp::GetPublicProfileResponse { result: status, profiles }.into()
            }
            other => status_in(&other),
        }
    }

    fn answer_out(_: &Self::Said, response: Response) -> Primitive {
        let status = outcome(&response);
        match response {
            Response::GetPublicProfile(body) if status.status.is_success() => {
                Primitive::GetPublicProfileResponse(Answered { status, body: Some(body) })
            }
            _ => Primitive::Status(status),
        }
    }
}

/// The domain at which a search is: that of the users or groups whose addresses are looked for, or that which its SearchID
/// names. None: it is at home.
pub(super) fn searched(search: &csp::SearchRequest, home: &Domain) -> Option<Domain> {
    let domain = named(search).filter(|domain| domain != home)?;
    // Who looks for a part of an address may have meant home.
    let is_part = search.search_id.is_none() && home.as_str().starts_with(domain.as_str());
    // How criteria belong together cannot be said between domains.
    (!is_part && search.advanced_criteria.is_none()).then_some(domain)
}

/// The domain that a search names, if it names one.
fn named(search: &csp::SearchRequest) -> Option<Domain> {
    if let Some(id) = &search.search_id {
        return named_by_id(id);
    }
    let address_in = |pair: &SearchPair| {
        let kind = SearchElement::parse(&pair.element)?;
        let is_address = matches!(kind, SearchElement::UserId | SearchElement::GroupId);
        let (_, domain) = pair.string.as_deref().filter(|_| is_address)?.rsplit_once('@')?;
        Domain::parse(domain).ok()
    };
    search.pairs.iter().find_map(address_in)
}

/// Whether names are of groups and nothing else: then who has the groups knows them.
pub(super) fn is_on_groups(list: &IdList) -> bool {
    let IdList { user_ids, contact_lists, group_ids, screen_names, domains } = list;
    let has_groups = !(group_ids.is_empty() && screen_names.is_empty());
    has_groups && user_ids.is_empty() && contact_lists.is_empty() && domains.is_empty()
}

/// The domain that a SearchID names: users get those of another domain with its name behind them.
pub(super) fn named_by_id(id: &str) -> Option<Domain> {
    let (_, domain) = id.rsplit_once('@')?;
    Domain::parse(domain).ok()
}

/// A SearchID as the domain gave it.
fn bare_id(id: &str) -> Box<str> {
    id.rsplit_once('@').map_or(id, |(id, _)| id).into()
}

impl Transaction for csp::SearchRequest {
    type Said = ssp::SearchRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        if self.advanced_criteria.is_some() {
            return None;
        }
        let pair = |pair: SearchPair| ssp::SearchPair { name: pair.element, value: pair.string };
        Some(ssp::SearchRequest {
            meta,
            limit: self.search_limit,
            search_id: self.search_id.as_deref().map(bare_id),
            index: self.search_index,
            pairs: self.pairs.into_iter().map(pair).collect(),
        })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        let pair = |pair: &ssp::SearchPair| SearchPair {
            element: pair.name.clone(),
            string: pair.value.clone(),
            pair_id: None,
        };
        Some(Self {
            pairs: said.pairs.iter().map(pair).collect(),
            advanced_criteria: None,
            search_limit: said.limit,
            search_id: said.search_id.clone(),
            search_index: said.index,
        })
    }

    fn answer_in(&self, _: Version, answer: Primitive) -> Response {
        let found = match answer {
            Primitive::SearchResponse(found) if found.status.status.is_success() => found,
            other => return status_in(&other),
        };
        // Whose search it is, so that it goes on there.
        let place = |id: Box<str>| -> Box<str> {
            match named(self) {
                Some(domain) => format!("{id}@{domain}").into(),
                None => id,
            }
        };
        let count = found.user_ids.len() + found.group_ids.len();
        let search_result = match (found.user_ids.is_empty(), found.group_ids.is_empty()) {
            (false, _) => Some(SearchResult::Users(found.user_ids)),
            (true, false) => Some(SearchResult::Groups(found.group_ids)),
            (true, true) => None,
        };
        csp::SearchResponse {
            completion_flag: found.completion.unwrap_or(found.search_id.is_none()),
            search_id: found.search_id.map(place),
            search_findings: found.findings.unwrap_or(u32::try_from(count).unwrap_or(u32::MAX)),
            search_index: found.index,
            search_result,
        }
        .into()
    }

    fn answer_out(_: &Self::Said, response: Response) -> Primitive {
        let Response::Search(found) = response else { return super::status_out(&response) };
        let (user_ids, group_ids) = match found.search_result {
            Some(SearchResult::Users(users)) => (users, Vec::new()),
            Some(SearchResult::Groups(groups)) => (Vec::new(), groups),
            None => Default::default(),
        };
        SearchResponse {
            search_id: found.search_id,
            findings: Some(found.search_findings),
            index: found.search_index,
            completion: Some(found.completion_flag),
            status: success(),
            user_ids,
            group_ids,
        }
        .into()
    }
}

impl Transaction for csp::StopSearchRequest {
    type Said = ssp::StopSearchRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(ssp::StopSearchRequest { meta, search_id: bare_id(&self.search_id) })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self { search_id: said.search_id.clone() })
    }
}

impl Transaction for csp::VerifyIdRequest {
    type Said = ssp::VerifyIdRequest;

    /// Contact lists are nobody's business but home's.
    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        let IdList { user_ids, contact_lists: _, group_ids, screen_names, domains } = self.id_list;
        let domains: Vec<_> = domains.into_iter().map(DomainName).collect();
        let has_any = !(user_ids.is_empty() && group_ids.is_empty() && screen_names.is_empty() && domains.is_empty());
        has_any.then_some(ssp::VerifyIdRequest { meta, user_ids, group_ids, screen_names, domains })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        let id_list = IdList {
            user_ids: said.user_ids.clone(),
            contact_lists: Vec::new(),
            group_ids: said.group_ids.clone(),
            screen_names: said.screen_names.clone(),
            domains: said.domains.iter().map(|domain| domain.0.clone()).collect(),
        };
        Some(Self { id_list })
    }
}

fn party_of(group: Group) -> Party {
    match group {
        Group::Id(id) => Party::Group(id),
        Group::ScreenName(name) => Party::ScreenName(name),
    }
}

fn party_of_sender(sender: Sender) -> Party {
    match sender {
        Sender::User(user) => Party::User(user),
        Sender::Group(group) => party_of(group),
    }
}

fn sender_of(party: &Party) -> Sender {
    match party {
        Party::User(user) => Sender::User(user.clone()),
        Party::Group(id) => Sender::Group(Group::Id(id.clone())),
        Party::ScreenName(name) => Sender::Group(Group::ScreenName(name.clone())),
    }
}

fn recipient_of(party: &Party) -> Recipient {
    match party {
        Party::User(user) => Recipient::user(user.clone()),
        Party::Group(id) => Recipient { groups: vec![Group::Id(id.clone())], ..Recipient::default() },
        Party::ScreenName(name) => Recipient { groups: vec![Group::ScreenName(name.clone())], ..Recipient::default() },
    }
}

/// The one party that is named: an invitation goes to each by himself (SSP 9.3).
fn only_party(recipient: Recipient) -> Option<Party> {
    let Recipient { users, groups, contact_lists } = recipient;
    let mut parties = users.into_iter().map(Party::User).chain(groups.into_iter().map(party_of));
    match (parties.next(), parties.next()) {
        (Some(only), None) if contact_lists.is_empty() => Some(only),
        _ => None,
    }
}

/// Who invites, and his name in a group if he shows himself by it. A domain may not speak for a group of another (SSP 15):
/// there he stands by his address, and the name beside it.
fn inviting(
    meta: &MetaInfo,
    sender: Option<Sender>,
    screen_name: Option<ScreenName>,
) -> Option<(Party, Option<ScreenName>)> {
    let group_of_sender = match &sender {
        Some(Sender::Group(Group::ScreenName(name))) => Some(name.clone()),
        Some(Sender::Group(Group::Id(group_id))) => {
            Some(ScreenName { name: Box::default(), group_id: group_id.clone() })
        }
        Some(Sender::User(_)) | None => None,
    };
    let home = home_of(meta)?;
    let is_own = group_of_sender.as_ref().is_some_and(|name| foreign(&name.group_id, &home).is_none());
    let shown = screen_name.or(group_of_sender);
    if let Some(Sender::Group(group)) = sender
        && is_own
    {
        return Some((party_of(group), shown));
    }
    Some((Party::User(meta.requestor.user.clone()?), shown))
}

fn contents(urls: Vec<Box<str>>) -> Option<ContentIds> {
    let contents: Vec<_> = urls.into_iter().map(|url| ContentId { url }).collect();
    (!contents.is_empty()).then_some(ContentIds { contents })
}

fn urls(contents: Option<&ContentIds>) -> Vec<Box<str>> {
    contents.map(|list| list.contents.iter().map(|content| content.url.clone()).collect()).unwrap_or_default()
}

impl Transaction for csp::InviteRequest {
    type Said = InviteRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        let (inviting, screen_name) = inviting(&meta, self.sender, self.screen_name)?;
        Some(InviteRequest {
            meta,
            invite_id: self.invite_id,
            invite_type: self.invite_type,
            validity: self.validity,
            inviting,
            invited: only_party(self.recipient)?,
            group_id: self.group_id,
            application: self.application_id.map(Application),
            attributes: self.presence_sub_list,
            contents: contents(self.urls),
            note: self.invite_note,
            screen_name,
        })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self {
            invite_id: said.invite_id.clone(),
            invite_type: said.invite_type,
            sender: Some(sender_of(&said.inviting)),
            recipient: recipient_of(&said.invited),
            application_id: said.application.as_ref().map(|application| application.0.clone()),
            group_id: said.group_id.clone(),
            presence_sub_list: said.attributes.clone(),
            urls: urls(said.contents.as_ref()),
            invite_note: said.note.clone(),
            screen_name: said.screen_name.clone(),
            validity: said.validity,
        })
    }
}

impl Transaction for csp::CancelInviteRequest {
    type Said = CancelInviteRequest;

    /// Who takes an invitation back from everybody must say from whom.
    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        let (canceling, screen_name) = inviting(&meta, self.sender, self.screen_name)?;
        Some(CancelInviteRequest {
            meta,
            invite_id: self.invite_id,
            canceling,
            canceled: only_party(self.recipient?)?,
            group_id: self.group_id,
            application: self.application_id.map(Application),
            attributes: self.presence_sub_list,
            contents: contents(self.urls),
            note: self.invite_note,
            screen_name,
        })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self {
            invite_id: said.invite_id.clone(),
            sender: Some(sender_of(&said.canceling)),
            recipient: Some(recipient_of(&said.canceled)),
            invite_note: said.note.clone(),
            application_id: said.application.as_ref().map(|application| application.0.clone()),
            group_id: said.group_id.clone(),
            presence_sub_list: said.attributes.clone(),
            urls: urls(said.contents.as_ref()),
            screen_name: said.screen_name.clone(),
        })
    }
}

/// The answer of our user to an invitation that another domain keeps. Clients differ in whom they name as the sender;
/// whoever is not himself is the inviter.
pub(super) fn reply_out(reply: csp::InviteUserResponse, meta: MetaInfo) -> InviteResponse {
    let user = meta.requestor.user.clone();
    let is_himself = |sender: &Sender| match (sender, &user) {
        (Sender::User(sender), Some(user)) => same(&sender.user_id, &user.user_id),
        _ => false,
    };
    let named = reply.recipient.and_then(only_party);
    let responding = user.clone().map(Party::User);
    let inviting = named.or(reply.sender.filter(|sender| !is_himself(sender)).map(party_of_sender));
    InviteResponse {
        meta: Some(meta),
        invite_id: reply.invite_id,
        acceptance: reply.acceptance,
        status: Some(success()),
        inviting,
        responding,
        note: reply.response_note,
        screen_name: reply.screen_name,
    }
}

/// The same as it came in, where the invitation is kept here: as the guest who was invited answers it.
pub(crate) fn reply_in(said: &InviteResponse) -> csp::InviteUserResponse {
    csp::InviteUserResponse {
        invite_id: said.invite_id.clone(),
        acceptance: said.acceptance,
        sender: said.responding.as_ref().map(sender_of),
        recipient: said.inviting.as_ref().map(recipient_of),
        response_note: said.note.clone(),
        screen_name: said.screen_name.clone(),
    }
}

/// What an answer tells whoever invited.
pub(super) fn answer_told(said: InviteResponse) -> Told {
    let address = |party: &Party| party.address().clone();
    Told::InviteAnswer {
        id: said.invite_id,
        inviting: said.inviting.as_ref().map(address),
        responding: said.responding.as_ref().map(address),
        accepted: said.acceptance,
        note: said.note,
        screen_name: said.screen_name,
    }
}

fn shown_as(shown: &Shown) -> Party {
    party_of_sender(shown.sender())
}

/// Who invites, if this may be told on this way: as between equals, a domain speaks for its own users and groups alone.
fn inviter(shown: &Shown, own: &Address, way: Way) -> Option<(Party, MetaInfo)> {
    let (domain, meta) = match shown {
        Shown::User(user) => (user.domain(), MetaInfo::of_user(own.clone(), User::of(user))),
        Shown::ScreenName(group, _) => (group.domain(), MetaInfo::of_domain(own.clone())),
    };
    let is_own = || Domain::parse(own.as_str()).is_ok_and(|own| own.as_str() == domain);
    (way == Way::Pse || is_own()).then(|| (shown_as(shown), meta))
}

/// A guest is invited. His domain knows him by his address, whatever the inviter called him.
pub(super) fn invitation(one: &Invitation, to: &UserId, own: &Address, way: Way) -> Option<InviteRequest> {
    let (inviting, meta) = inviter(&one.shown, own, way)?;
    let occasion = &one.occasion;
    Some(InviteRequest {
        meta,
        invite_id: one.invite_id.clone(),
        invite_type: one.invite_type,
        validity: Some(one.validity),
        screen_name: name_of(&inviting),
        inviting,
        invited: Party::User(User::of(to)),
        group_id: occasion.group_id.clone(),
        application: occasion.application_id.clone().map(Application),
        attributes: occasion.attributes.map(PresenceSubList::of_names),
        contents: contents(occasion.urls.clone()),
        note: one.note.clone(),
    })
}

fn name_of(party: &Party) -> Option<ScreenName> {
    match party {
        Party::ScreenName(name) => Some(name.clone()),
        Party::User(_) | Party::Group(_) => None,
    }
}

/// A guest is invited no longer.
pub(super) fn invitation_cancelled(
    one: &InvitationCancelled,
    to: &UserId,
    own: &Address,
    way: Way,
) -> Option<CancelInviteRequest> {
    let (canceling, meta) = inviter(&one.shown, own, way)?;
    let occasion = &one.occasion;
    Some(CancelInviteRequest {
        meta,
        invite_id: one.invite_id.clone(),
        screen_name: name_of(&canceling),
        canceling,
        canceled: Party::User(User::of(to)),
        group_id: occasion.group_id.clone(),
        application: occasion.application_id.clone().map(Application),
        attributes: occasion.attributes.map(PresenceSubList::of_names),
        contents: contents(occasion.urls.clone()),
        note: one.note.clone(),
    })
}

/// A guest who invited is answered. As between equals it has no MetaInfo (SSP 9.3).
pub(super) fn invitation_answer(one: &InvitationAnswer, own: &Address, way: Way) -> InviteResponse {
    InviteResponse {
        meta: (way == Way::Pse).then(|| MetaInfo::of_domain(own.clone())),
        invite_id: one.invite_id.clone(),
        acceptance: one.acceptance,
        status: Some(success()),
        inviting: Some(shown_as(&one.inviter)),
        responding: Some(shown_as(&one.shown)),
        note: one.note.clone(),
        screen_name: one.screen_name.clone(),
    }
}
