//! What our users ask about things of other domains: taken apart by domain, asked there, and put together (SSP 10, 13.2).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::csp::{
    GetPresenceRequest, JoinGroupRequest, StatusPrimitive, SubscribeGroupNoticeResponse, SubscribePresenceRequest,
    UnsubscribePresenceRequest,
};
use imps_proto::ssp::MetaInfo;
use imps_service::Session;
use imps_service::seam::{Gateway as _, Reach};
use imps_types::element::{Group, Recipient, ResultInfo, SubscribeType, User};
use imps_types::presence::AttributeSet;
use imps_types::{Address, Domain, GroupId, Service as Offered, Status, UserId, Version};

use super::Face;
use super::parts::{common_service, goes_on_at, message_apart, verified_apart};
use crate::relay::Provider;
use crate::ssp::Ask;
use crate::translate;

/// How long a client waits for another domain: less than its face waits for the services.
const ANSWERED_WITHIN: Duration = Duration::from_secs(12);

/// The services of this domain, for the parts of a request that are about it.
pub trait Here: Send + Sync {
    /// Carries out one request, or a part of one.
    fn perform(&self, request: Box<Request>) -> BoxFuture<'_, Response>;
}

/// Who asks, and how the answer must be.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// For which client.
    pub session: &'a Arc<Session>,
    /// The version of the answer.
    pub version: Version,
    /// What tells the request from every other, and is the same when it comes again.
    pub name: Option<u64>,
}

impl Face {
    /// Whether any part of a client's request is about another domain, or is not served by this one.
    pub fn concerns(&self, session: &Session, request: &Request) -> bool {
        let is_elsewhere = || match self.provision(request) {
            Provider::Local => false,
            Provider::None => true,
            Provider::Peer(_) => !stays(request),
        };
        self.is_about_others(session, request)
            || is_elsewhere()
            || self.messages_at(request).is_some()
            || self.is_of_parts(request)
    }

    fn is_about_others(&self, session: &Session, request: &Request) -> bool {
        let home = self.services.router.home();
        let is_foreign = |address: &Address| is_foreign(address, home);
        let is_user = |user: &User| is_foreign(&user.user_id);
        let is_group = |group: &Group| match group {
            Group::Id(id) => is_foreign(id),
            Group::ScreenName(name) => is_foreign(&name.group_id),
        };
        match request {
            Request::SubscribePresence(it) => it.users.iter().any(is_user),
            Request::GetPresence(it) => {
                it.users.iter().any(is_user)
                    || it
                        .contact_lists
                        .iter()
                        .any(|list| !self.services.presence().members_abroad(session, list).is_empty())
            }
            Request::SendMessage(it) => it.message.info.recipient.groups.iter().any(is_group),
            Request::ForwardMessage(it) => it.recipient.groups.iter().any(is_group),
            Request::VerifyId(_) | Request::GetPublicProfile(_) | Request::Search(_) | Request::StopSearch(_) => {
                !translate::split(request.clone(), home).there.is_empty()
            }
            _ => translate::group_of(request).is_some_and(is_foreign),
        }
    }

    /// Who has the service for our users that a request is for.
    fn provision(&self, request: &Request) -> Provider {
        let (Some(service), Some(ssp)) = (common_service(request), self.ssp()) else { return Provider::Local };
        let of = |service| ssp.provider(self.services.router.home(), service);
        match of(service) {
            Provider::Local if is_for_users_and_groups(request) => of(Offered::Im),
            provider => provider,
        }
    }

    /// Whether our users have a service: from us, or from another domain.
    pub fn has(&self, service: Offered) -> bool {
        self.ssp().is_none_or(|ssp| ssp.provider(self.services.router.home(), service) != Provider::None)
    }

    /// How a request is refused that is for a service which nobody has for our users: what of it is about other domains is
    /// for them, as far as that is agreed on (SSP 13.2).
    fn absent(&self, session: &Session, request: &Request) -> Option<Response> {
        if is_for_users_and_groups(request) || self.provision(request) != Provider::None {
            return None;
        }
        let is_user_of_others = |user: &User| is_foreign(&user.user_id, self.services.router.home());
        let is_for_others = match request {
            Request::SendMessage(it) => it.message.info.recipient.users.iter().any(is_user_of_others),
            Request::Invite(it) => it.recipient.users.iter().any(is_user_of_others),
            Request::CancelInvite(_) | Request::InviteUserResponse(_) => true,
            _ => false,
        };
        let is_ours = !is_for_others && !self.is_about_others(session, request);
        is_ours.then(|| not_offered(request))
    }

    /// The domain that a client's request is about, or which serves it; the first one if there are several.
    pub fn asked_of(&self, request: &Request) -> Option<Domain> {
        let parts = translate::split(request.clone(), self.services.router.home());
        let about = parts.there.into_iter().next().map(|(domain, _)| domain);
        about.or_else(|| match self.provision(request) {
            Provider::Peer(provider) if !stays(request) => Some(provider),
            _ => None,
        })
    }

    /// Carries out a request that names users and groups, and no list that another domain keeps.
    pub(super) async fn carry_named(&self, by: Asked<'_>, request: Request, here: &dyn Here) -> Response {
        if let Some(refused) = self.absent(by.session, &request) {
            return refused;
        }
        if let Some(provider) = self.messages_at(&request) {
            return self.carry_messages(by, &provider, request, here).await;
        }
        let is_about_others = self.is_about_others(by.session, &request);
        match request {
            Request::ForwardMessage(it) if is_about_others => self.forward_abroad(by, it, here).await,
            // An invitation goes to the home domain of who is invited, whoever has the services of ours.
            request @ (Request::Invite(_) | Request::CancelInvite(_) | Request::InviteUserResponse(_)) => {
                here.perform(Box::new(request)).await
            }
            request @ (Request::JoinGroup(_)
            | Request::LeaveGroup(_)
            | Request::SubscribeGroupNotice(_)
            | Request::CreateGroup(_)) => self.in_group(by, request, here).await,
            Request::SubscribePresence(it) => self.subscribe(by, it, here).await,
            request => self.carry_parts(by, request, here).await,
        }
    }

    /// Carries out what is about our own domain: here, unless another domain has the service for us.
    async fn at_home(&self, by: Asked<'_>, request: Request, here: &dyn Here) -> Response {
        match self.provision(&request) {
            Provider::None => not_offered(&request),
            Provider::Peer(provider) if !stays(&request) => {
                goes_on_at(&provider, self.ask_for(by, &provider, &request).await)
            }
            Provider::Local | Provider::Peer(_) => here.perform(Box::new(request)).await,
        }
    }

    /// A part about our own domain, in as many as there are places where its services are.
    fn home_parts(&self, part: Request) -> Vec<Request> {
        match part {
            Request::VerifyId(it) if self.provider(Offered::Group).is_some() => verified_apart(it),
            Request::SendMessage(message) => {
                let is_here = |service| self.provider(service).is_none() && self.has(service);
                let is_ours = |user: &User| self.services.router.local_user(&user.user_id).is_ok();
                message_apart(message, (is_here(Offered::Im), is_here(Offered::Group)), is_ours)
            }
            part => vec![part],
        }
    }

    /// Each part where it belongs.
    pub(super) async fn carry_parts(&self, by: Asked<'_>, request: Request, here: &dyn Here) -> Response {
        let mut split = translate::split(request.clone(), self.services.router.home());
        if let Request::GetPresence(it) = &request {
            split.there.extend(self.on_lists(by.session, it));
        }
        let abroad = split.there.into_iter().map(|(domain, part)| async move {
            let response = match self.is_kept(&domain, &part) {
                true => here.perform(Box::new(part.clone())).await,
                false => self.ask_for(by, &domain, &part).await,
            };
            (part, response)
        });
        let at_home = split.here.into_iter().flat_map(|part| self.home_parts(part)).map(|part| async move {
            let response = match &part {
                Request::SendMessage(it)
                    if it.message.info.recipient.users.iter().any(|user| self.is_foreign(user)) =>
                {
                    here.perform(Box::new(part.clone())).await
                }
                part => self.at_home(by, part.clone(), here).await,
            };
            (part, response)
        });
        let (at_home, abroad) = futures_util::future::join(join_all(at_home), join_all(abroad)).await;
        let parts: Vec<_> = at_home.into_iter().chain(abroad).collect();
        translate::merge(&request, by.version, parts)
    }

    /// Those on contact lists whom other domains keep, by domain, if they are not named besides.
    fn on_lists(&self, session: &Session, request: &GetPresenceRequest) -> Vec<(Domain, Request)> {
        let router = &self.services.router;
        let named: Vec<_> = request.users.iter().filter_map(|user| router.user(&user.user_id).ok()).collect();
        let mut members: Vec<UserId> = Vec::new();
        for list in &request.contact_lists {
            members.extend(self.services.presence().members_abroad(session, list));
        }
        members.retain(|member| !named.contains(member));
        members.sort();
        members.dedup();
        let mut parts: Vec<(Domain, Vec<User>)> = Vec::new();
        for member in members {
            let Ok(domain) = Domain::parse(member.domain()) else { continue };
            match parts.iter_mut().find(|(one, _)| *one == domain) {
                Some((_, users)) => users.push(User::of(&member)),
                None => parts.push((domain, vec![User::of(&member)])),
            }
        }
        let part = |users| GetPresenceRequest { users, contact_lists: Vec::new(), ..request.clone() };
        parts.into_iter().map(|(domain, users)| (domain, part(users).into())).collect()
    }

    fn is_foreign(&self, user: &User) -> bool {
        self.services.router.local_user(&user.user_id).is_err()
    }

    /// Whether this server keeps, for another domain, what a part of a request is about.
    fn is_kept(&self, domain: &Domain, part: &Request) -> bool {
        translate::service_of(part).is_some_and(|service| self.services.router.keeps(domain.as_str(), service))
    }

    /// Asks a domain for one of our users.
    pub(super) async fn ask_for(&self, by: Asked<'_>, domain: &Domain, request: &Request) -> Response {
        let refused = |status: Status| Response::Status(StatusPrimitive::of(status));
        let Some(ssp) = self.ssp() else { return refused(Status::SERVER_UNAVAILABLE) };
        let service = translate::service_of(request).unwrap_or(Offered::Common);
        match ssp.reaches(domain, service) {
            Reach::Agreed => {}
            Reach::NotAgreed => return refused(Status::SERVICE_NOT_AGREED),
            Reach::Unknown => return refused(Status::DOMAIN_NOT_SUPPORTED),
        }
        let session = by.session;
        let user = User {
            client_id: Some(session.client.clone()).filter(|client| !client.is_empty()),
            ..User::of(&session.user.id)
        };
        let meta = MetaInfo::of_user(self.own(), user);
        let Some(mut primitive) = translate::request_out(request, meta) else {
            return refused(Status::SERVICE_NOT_SUPPORTED);
        };
        if let imps_proto::ssp::Primitive::SendMessageRequest(it) = &mut primitive {
            // By it the other domain knows it again.
            it.info.message_id = Some(match by.name {
                Some(name) => format!("g{name:016x}").into(),
                None => self.guests.name(self.begun),
            });
        }
        let within = Some(ssp.reply_within().min(ANSWERED_WITHIN));
        let name = named(&primitive).map(Box::from);
        let ask = Ask { within, hurries: true, ..Ask::of(primitive) };
        match ssp.ask(domain, ask).await {
            Ok(answer) => {
                let response = translate::answer_in(request, by.version, answer);
                self.note_said(domain, &session.user.id, request, (name, &response)).await;
                response
            }
            Err(failure) => {
                let try_again =
                    failure.try_again.map(|pause| u32::try_from(pause.as_secs().max(1)).unwrap_or(u32::MAX));
                let result = ResultInfo { try_again, ..ResultInfo::of(failure.status) };
                Response::Status(StatusPrimitive::new(result))
            }
        }
    }

    /// What a user said in groups of another domain was taken there, by the name that we gave it or another one: whatever
    /// becomes of it, he may hear of it.
    async fn note_said(
        &self,
        domain: &Domain,
        sender: &UserId,
        request: &Request,
        (name, response): (Option<Box<str>>, &Response),
    ) {
        let (Request::SendMessage(sent), Response::SendMessage(taken)) = (request, response) else { return };
        if !sent.delivery_report || !taken.result.status.is_success() {
            return;
        }
        let groups = &sent.message.info.recipient.groups;
        let mut ids: Vec<&str> = name.as_deref().into_iter().chain(taken.message_id.as_deref()).collect();
        ids.dedup();
        if let Err(error) = self.services.im().said_there(domain, sender, &ids, groups).await {
            tracing::warn!(%domain, user = %sender, %error, "a report may not be heard after he has left");
        }
    }

    /// Subscribes in each domain to whom it keeps; whom it lets be subscribed to is watched here from then on.
    async fn subscribe(&self, by: Asked<'_>, request: SubscribePresenceRequest, here: &dyn Here) -> Response {
        let whole = Request::SubscribePresence(request.clone());
        let split = translate::split(whole.clone(), self.services.router.home());
        let (kept, there): (Vec<_>, Vec<_>) =
            split.there.into_iter().partition(|(domain, part)| self.is_kept(domain, part));
        // The sessions that watch are known here, and before the other domain says anything of whom it keeps.
        let users_of = |parts: &[(Domain, Request)]| -> Vec<User> {
            let users = |part: &Request| match part {
                Request::SubscribePresence(part) => part.users.clone(),
                _ => Vec::new(),
            };
            parts.iter().flat_map(|(_, part)| users(part)).collect()
        };
        let (kept, reached): (Vec<User>, Vec<User>) = (users_of(&kept), {
            let is_reached = |domain: &Domain| self.reaches(domain, Offered::Presence) == Reach::Agreed;
            let reached: Vec<_> = there.iter().filter(|(domain, _)| is_reached(domain)).cloned().collect();
            users_of(&reached)
        });
        let wanted = request.presence_sub_list.as_ref().map_or(AttributeSet::ALL, |list| list.wanted());
        let watch = |users: Vec<User>| -> Request {
            SubscribePresenceRequest { users, contact_lists: Vec::new(), ..request.clone() }.into()
        };
        let watched: Vec<User> = kept.iter().chain(&reached).cloned().collect();
        let at_home = match watched.is_empty() {
            true => None,
            false => Some(here.perform(Box::new(watch(watched))).await),
        };
        // Not before they are watched here: that would look like something that is to be ended.
        self.is_subscribed(by.session, &reached, wanted).await;
        let asked = there.into_iter().map(|(domain, part)| async move {
            let response = self.ask_for(by, &domain, &part).await;
            (domain, part, response)
        });
        let (mut parts, mut refused) = (Vec::new(), Vec::new());
        for (domain, part, response) in join_all(asked).await {
            if let Request::SubscribePresence(part) = &part {
                let named = refused_users(&response);
                let is_refused = |user: &User| {
                    named.as_ref().is_none_or(|named| named.iter().any(|one| same_user(one, &user.user_id, &domain)))
                };
                refused.extend(part.users.iter().filter(|user| is_refused(user)).cloned());
            }
            parts.push((part, response));
        }
        refused.retain(|user| reached.contains(user));
        if !refused.is_empty() {
            let ended = UnsubscribePresenceRequest { users: refused, contact_lists: Vec::new() };
            here.perform(Box::new(ended.into())).await;
        }
        if let Some(part) = split.here {
            parts.push((part.clone(), self.at_home(by, part, here).await));
        }
        if let Some(response) = at_home.filter(|response| !kept.is_empty() || !is_success(response)) {
            parts.push((watch(kept), response));
        }
        translate::merge(&whole, by.version, parts)
    }

    /// Groups of other domains: which of our clients are in them is remembered here.
    async fn in_group(&self, by: Asked<'_>, request: Request, here: &dyn Here) -> Response {
        let refused = |status: Status| Response::Status(StatusPrimitive::of(status));
        let Some(group) = translate::group_of(&request).and_then(|group| self.services.router.group(group).ok()) else {
            return refused(Status::GROUP_DOES_NOT_EXIST);
        };
        let is_ours = group.domain() == self.services.router.home().as_str();
        if matches!(request, Request::CreateGroup(_)) && !is_ours {
            // Nobody may make one that does not lie under his own address: what is refused needs no other domain.
            return here.perform(Box::new(request)).await;
        }
        let provider = self.provider(Offered::Group).filter(|_| is_ours);
        let is_here = provider.is_none() && self.services.router.keeps(group.domain(), Offered::Group);
        let of_group = || Domain::parse(group.domain()).ok();
        let Some(domain) = provider.or_else(of_group) else { return refused(Status::DOMAIN_NOT_SUPPORTED) };
        if is_here {
            return here.perform(Box::new(request)).await;
        }
        let (groups, session) = (self.services.group(), by.session);
        let is_joined = groups.is_told_abroad(session, &group).is_some();
        if let Request::LeaveGroup(_) = &request {
            if !is_joined {
                return refused(Status::GROUP_IS_NOT_JOINED);
            }
            if groups.has_others_abroad(session, &group) {
                // The user is in it still, with another client.
                return match groups.left_abroad(session, &group).await {
                    Ok(()) => translate::answer_in(&request, by.version, left(&group)),
                    Err(error) => refused(error.status()),
                };
            }
        }
        // To the other domain the user is one, however many clients he has.
        let are_others_told = groups.are_others_told_abroad(session, &group);
        let response = match &request {
            Request::SubscribeGroupNotice(it) if it.subscribe_type == SubscribeType::Unset && are_others_told => {
                Response::Status(StatusPrimitive::of(Status::SUCCESSFUL))
            }
            Request::JoinGroup(it) if are_others_told && !it.subscribe_notification => {
                let told = Request::JoinGroup(JoinGroupRequest { subscribe_notification: true, ..it.clone() });
                self.ask_for(by, &domain, &told).await
            }
            request => self.ask_for(by, &domain, request).await,
        };
        let is_gone = result_of(&response).is_some_and(|it| it.status == Status::DOMAIN_NOT_SUPPORTED);
        if is_gone && matches!(request, Request::LeaveGroup(_)) {
            // Nobody can be told any more; but he need not stay for ever in a group of a domain that is no peer now.
            return match groups.left_abroad(session, &group).await {
                Ok(()) => translate::answer_in(&request, by.version, left(&group)),
                Err(error) => refused(error.status()),
            };
        }
        if !is_success(&response) {
            return response;
        }
        if let Response::SubscribeGroupNotice(told) = response {
            // It says so of the user: whether this client of his is told, is known here.
            let value = told.value && groups.is_told_abroad(session, &group) != Some(false);
            return SubscribeGroupNoticeResponse { value }.into();
        }
        let kept = match &request {
            Request::JoinGroup(it) => groups.joined_abroad(session, &group, it.subscribe_notification).await,
            Request::CreateGroup(it) if it.join_group => {
                groups.joined_abroad(session, &group, it.subscribe_notification).await
            }
            Request::LeaveGroup(_) => groups.left_abroad(session, &group).await,
            Request::SubscribeGroupNotice(it) if is_joined => match it.subscribe_type {
                SubscribeType::Set => groups.joined_abroad(session, &group, true).await,
                SubscribeType::Unset => groups.joined_abroad(session, &group, false).await,
                SubscribeType::Get => Ok(()),
            },
            _ => Ok(()),
        };
        match kept {
            Ok(()) => response,
            Err(error) => refused(error.status()),
        }
    }

    /// A user has no client any more in a group of another domain: that one hears of it.
    pub(super) fn leave_abroad(&self, user: &UserId, group: &GroupId) {
        let is_ours = group.domain() == self.services.router.home().as_str();
        let provider = self.provider(Offered::Group).filter(|_| is_ours);
        let domain = provider.or_else(|| Domain::parse(group.domain()).ok());
        let (Some(this), Some(domain)) = (self.this.upgrade(), domain) else { return };
        let meta = MetaInfo::of_user(self.own(), User::of(user));
        let said = imps_proto::ssp::LeaveGroupRequest { meta, group_id: group.into() };
        let (user, group) = (user.clone(), group.clone());
        tokio::spawn(async move { this.tell_that_he_left(&domain, said.into(), &user, &group).await });
    }

    /// Asks for it until there is an answer, or too much time has passed; or he has joined again.
    async fn tell_that_he_left(
        &self,
        domain: &Domain,
        said: imps_proto::ssp::Primitive,
        user: &UserId,
        group: &GroupId,
    ) {
        let mut pause = super::PAUSE;
        for _ in 0..TOLD_TIMES {
            let Some(ssp) = self.ssp().filter(|_| !self.services.group().is_joined_abroad(user, group)) else { return };
            match ssp.ask(domain, Ask::of(said.clone())).await {
                Ok(_) => return,
                Err(failure) => tracing::debug!(%domain, status = failure.status.code(), "not heard yet"),
            }
            drop(ssp);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(super::PAUSE_MAX);
        }
    }
}

/// A service that nobody has for our users is not supported; one phone goes on without its blocked list after 501 only (CSP 14).
fn not_offered(request: &Request) -> Response {
    Response::Status(StatusPrimitive::of(match request {
        Request::GetBlockedList(_) => Status::NOT_IMPLEMENTED,
        _ => Status::SERVICE_NOT_SUPPORTED,
    }))
}

fn is_foreign(address: &Address, home: &Domain) -> bool {
    address.as_str().rsplit_once('@').is_some_and(|(_, domain)| !domain.eq_ignore_ascii_case(home.as_str()))
}

/// Whether a message has parts for two services: of each is told by itself how it went.
fn is_for_users_and_groups(request: &Request) -> bool {
    let Request::SendMessage(it) = request else { return false };
    let Recipient { users, groups, contact_lists } = &it.message.info.recipient;
    let is_for_users = !users.is_empty() || !contact_lists.is_empty();
    is_for_users && !groups.is_empty()
}

/// Whether a request is for this domain in any case, whoever has the service.
fn stays(request: &Request) -> bool {
    matches!(
        request,
        // Of messages that wait, some wait here (provided.rs).
        Request::GetMessageList(_)
            | Request::GetMessage(_)
            | Request::MessageDelivered(_)
            | Request::RejectMessage(_)
            | Request::ForwardMessage(_)
            | Request::SetDeliveryMethod(_)
            // An invitation goes to the home domain of who is invited, and comes from that of who invites.
            | Request::Invite(_)
            | Request::CancelInvite(_)
            | Request::InviteUserResponse(_)
    )
}

/// How often something is told that nobody waits for.
const TOLD_TIMES: u32 = 12;

fn left(group: &GroupId) -> imps_proto::ssp::Primitive {
    imps_proto::ssp::LeaveGroupIndication {
        meta: None,
        group_id: group.into(),
        status: Some(ResultInfo::of(Status::SUCCESSFUL)),
        users: Vec::new(),
        reason: None,
    }
    .into()
}

/// The MessageID of what is sent.
fn named(said: &imps_proto::ssp::Primitive) -> Option<&str> {
    match said {
        imps_proto::ssp::Primitive::SendMessageRequest(it) => it.info.message_id.as_deref(),
        _ => None,
    }
}

fn result_of(response: &Response) -> Option<&ResultInfo> {
    match response {
        Response::Status(it) => Some(&it.result),
        Response::LeaveGroup(it) => Some(&it.result),
        _ => None,
    }
}

fn is_success(response: &Response) -> bool {
    result_of(response).is_none_or(|result| result.status.is_success())
}

/// Those of whom a response says that it is not done for them; none: it is done for nobody.
fn refused_users(response: &Response) -> Option<Vec<Address>> {
    let Some(result) = result_of(response) else { return Some(Vec::new()) };
    let detailed = result.detailed.iter().flat_map(|one| one.user_ids.iter().cloned());
    result.status.is_success().then(|| detailed.collect())
}

fn same_user(one: &Address, other: &Address, domain: &Domain) -> bool {
    let user = |address: &Address| UserId::parse(address.as_str(), domain).ok();
    user(one).is_some_and(|one| Some(one) == user(other))
}
