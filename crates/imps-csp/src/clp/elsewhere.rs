//! What somebody asks for goes the way of CSP's requests: to the services of this domain, or to the domain that it is about
//! or that has the service for our users (SSP 10, 13.2). Which of them it is, no command needs to know.

use std::time::Duration;

use imps_proto::clp::{Command, Section};
use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::csp::{
    GetListRequest, GetPresenceRequest, ListManageRequest, StopSearchRequest, SubscribePresenceRequest,
};
use imps_service::presence::WatchTargets;
use imps_types::element::{NickEntry, Property, ResultInfo, User};
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{Address, Service, Status};

use super::dialogue::{Dialogue, Failure, Outcome};
use super::texts::Say;

/// How long a command waits for what it can do without.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);

/// How it went, and what was answered.
pub(super) type Answered = (ResultInfo, Response);

/// What is known of users, by address.
pub(super) type Seen = Vec<(Address, PresenceSubList)>;

/// A contact list that another domain keeps.
pub(super) struct KeptList {
    pub(super) id: Address,
    pub(super) is_default: bool,
    pub(super) members: Vec<NickEntry>,
    pub(super) properties: Vec<Property>,
}

fn users(targets: &WatchTargets) -> Vec<User> {
    targets.users.iter().map(|user| User::of(user.clone())).collect()
}

fn wanted(attributes: AttributeSet) -> Option<PresenceSubList> {
    (attributes != AttributeSet::ALL).then(|| PresenceSubList::of_names(attributes))
}

/// How it went, as the answer says.
fn result_of(response: &Response) -> ResultInfo {
    match response {
        Response::Status(it) => it.result.clone(),
        Response::SendMessage(it) => it.result.clone(),
        Response::GetPresence(it) => it.result.clone(),
        Response::LeaveGroup(it) => it.result.clone(),
        Response::ListManage(it) => it.result.clone(),
        Response::GetAttributeList(it) => it.result.clone(),
        _ => ResultInfo::of(Status::SUCCESSFUL),
    }
}

impl Dialogue {
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

    /// Has a request carried out, wherever that is.
    pub(super) async fn ask(&self, request: impl Into<Request>) -> Result<Answered, Failure> {
        let (session, request) = (&self.person()?.session, request.into());
        let csp = &self.clp.csp;
        // For the words of a failure alone, and those of our own need none.
        let asked = csp.is_elsewhere(session, &request).then(|| request.clone());
        let response = csp.ask(session, request).await?;
        let result = result_of(&response);
        if result.status.is_success() {
            return Ok((result, response));
        }
        let domain = asked.and_then(|request| csp.elsewhere()?.asked_of(&request));
        Err(match domain {
            Some(domain) => Failure::Elsewhere(result, domain),
            None => Failure::Result(result),
        })
    }

    /// The same, where the result is all there is to be said.
    pub(super) async fn told(&self, request: impl Into<Request>) -> Outcome {
        let (result, _) = self.ask(request).await?;
        self.result(result, Say::Ok, &[])
    }

    /// Has a request carried out in which another domain has a part; none: it is all for this one.
    pub(super) async fn elsewhere(&self, request: impl Into<Request>) -> Result<Option<Answered>, Failure> {
        let request = request.into();
        if !self.clp.csp.is_elsewhere(&self.person()?.session, &request) {
            return Ok(None);
        }
        self.ask(request).await.map(Some)
    }

    /// Subscribes to the presence of users, some or all of whom other domains may keep.
    pub(super) async fn subscribe(
        &self,
        targets: &WatchTargets,
        attributes: AttributeSet,
    ) -> Result<ResultInfo, Failure> {
        let request = SubscribePresenceRequest {
            users: users(targets),
            contact_lists: targets.contact_lists.clone(),
            presence_sub_list: wanted(attributes),
            auto_subscribe: Some(false),
        };
        Ok(match self.elsewhere(request).await? {
            Some((result, _)) => result,
            None => {
                let session = &self.person()?.session;
                self.services().presence().subscribe(session, targets, attributes, false).await?
            }
        })
    }

    /// The presence of users, some or all of whom other domains may keep.
    pub(super) async fn presence_of(
        &self,
        targets: &WatchTargets,
        attributes: AttributeSet,
    ) -> Result<(ResultInfo, Seen), Failure> {
        let request = GetPresenceRequest {
            users: users(targets),
            contact_lists: targets.contact_lists.clone(),
            presence_sub_list: wanted(attributes),
        };
        let Some((result, response)) = self.elsewhere(request).await? else {
            return self.presence_here(targets, attributes).await;
        };
        let seen = match response {
            Response::GetPresence(it) => {
                it.presence.into_iter().filter_map(|one| Some((one.user_id?, one.lists.into_iter().next()?))).collect()
            }
            _ => Vec::new(),
        };
        Ok((result, seen))
    }

    async fn presence_here(
        &self,
        targets: &WatchTargets,
        attributes: AttributeSet,
    ) -> Result<(ResultInfo, Seen), Failure> {
        let (result, seen) = self.services().presence().get(&self.person()?.session, targets, attributes).await?;
        Ok((result, seen.into_iter().map(|(user, list)| (Address::from(&user), list)).collect()))
    }

    /// The same, where it is but beside the point: who answers late, or not, is as this domain knows him.
    pub(super) async fn presence_known(
        &self,
        targets: &WatchTargets,
        attributes: AttributeSet,
    ) -> Result<Seen, Failure> {
        match tokio::time::timeout(KNOWN_WITHIN, self.presence_of(targets, attributes)).await {
            Ok(Ok((_, seen))) => Ok(seen),
            Ok(Err(Failure::Elsewhere(..))) | Err(_) => Ok(self.presence_here(targets, attributes).await?.1),
            Ok(Err(failure)) => Err(failure),
        }
    }

    /// Whether another domain keeps the person's contact lists.
    pub(super) fn are_lists_elsewhere(&self) -> bool {
        let session = self.person.as_ref().map(|person| &person.session);
        session.is_some_and(|session| self.clp.csp.is_elsewhere(session, &GetListRequest {}.into()))
    }

    /// The contact lists that another domain keeps for the person, the default one first; none: they are here.
    pub(super) async fn lists_elsewhere(&self) -> Result<Option<Vec<KeptList>>, Failure> {
        let Some((_, Response::GetList(named))) = self.elsewhere(GetListRequest {}).await? else { return Ok(None) };
        let default = named.default_contact_list.clone();
        let ids = default.iter().chain(named.contact_lists.iter().filter(|id| Some(*id) != default.as_ref()));
        let mut kept = Vec::new();
        for id in ids {
            let request = ListManageRequest { receive_list: Some(true), ..reading(id) };
            let Response::ListManage(it) = self.ask(request).await?.1 else { continue };
            let (members, properties) = (it.nick_list.unwrap_or_default(), it.properties);
            kept.push(KeptList { id: id.clone(), is_default: Some(id) == default.as_ref(), members, properties });
        }
        Ok(Some(kept))
    }

    /// A search ends in which nobody is interested any more.
    pub(super) fn end_search(&self, id: Box<str>) {
        let Some(person) = &self.person else { return };
        let request = StopSearchRequest { search_id: id.clone() }.into();
        if self.clp.csp.is_elsewhere(&person.session, &request) {
            let (csp, session) = (self.clp.csp.clone(), person.session.clone());
            // Nobody waits for it.
            tokio::spawn(async move { csp.ask(&session, request).await });
        } else {
            // What the server has ended by itself is over too.
            let _ = self.services().common().stop_search(&person.session, &id);
        }
    }
}

/// A request that changes nothing in a contact list.
pub(super) fn reading(list: &Address) -> ListManageRequest {
    ListManageRequest {
        contact_list: list.clone(),
        add_nick_list: Vec::new(),
        remove_nick_list: Vec::new(),
        properties: Vec::new(),
        receive_list: None,
        authorize_and_grant: None,
    }
}
