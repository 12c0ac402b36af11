//! Where a primitive goes, and how far it may: SSP 13.2, 13.4.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use imps_proto::ssp::{Name, Primitive, Route};
use imps_service::Timestamp;
use imps_types::element::Sender;
use imps_types::{Address, Domain, Service, Status, TransactionId};
use rustc_hash::FxHashMap;

use super::table::{Provider, ServiceTable};

/// How far and how long things may be on their way.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// How many relays may take a request, one after the other.
    pub hops: u32,
    /// By how much each gives up sooner than the one before it.
    pub reserve: Duration,
    /// With less time than this it is not even tried.
    pub least: Duration,
    /// For how long it is remembered what came without a route.
    pub remember: Duration,
    /// How many of those are.
    pub remember_max: usize,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            hops: 8,
            reserve: Duration::from_secs(2),
            least: Duration::from_secs(1),
            remember: Duration::from_secs(60),
            remember_max: 100_000,
        }
    }
}

/// Where a primitive goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// To our own service element or, of a push, to our own users.
    Local,
    /// To this peer.
    Peer(Domain),
    /// Nowhere.
    Refused(Status, &'static str),
}

const LOOP: Next = Next::Refused(Status::DOMAIN_NOT_SUPPORTED, "routing loop");
const FOREIGN: Next = Next::Refused(Status::DOMAIN_NOT_SUPPORTED, "an address is of a domain that is not served here");
const ABSENT: Next = Next::Refused(Status::SERVICE_NOT_SUPPORTED, "nobody provides this service for the domain");
const SEVERAL: Next = Next::Refused(Status::BAD_PARAMETER, "its addresses are served in different places");

/// What goes downstream, to the home domain of those who are to know (SSP 13.2, 3), or to ask it about its user.
const DOWN: &[Name] = &[
    Name::NewMessage,
    Name::MessageNotification,
    Name::PresenceNotification,
    Name::GroupChangeNotice,
    Name::AuthorizationRequest,
    Name::LeaveGroupIndication,
    Name::DeliveryStatusReport,
    Name::GetUserProfileRequest,
];

/// What goes up to who provides the service, and comes down from there to who is invited.
const EITHER: &[Name] = &[Name::InviteRequest, Name::InviteResponse, Name::CancelInviteRequest];

/// Whether this goes downstream only. What is said in a group is told to those who have joined it, whoever has the messages,
/// or the groups, of their domain.
pub(crate) fn goes_down(said: &Primitive) -> bool {
    DOWN.contains(&said.name()) || matches!(said, Primitive::SendMessageRequest(it) if it.is_from_group())
}

/// Whether this goes both ways.
pub(crate) fn goes_either(said: &Primitive) -> bool {
    EITHER.contains(&said.name())
}

/// The domain of an address; `None` for an address without one, which SSP does not have (SSP 2).
pub(crate) fn home_of(address: &Address) -> Option<Domain> {
    let (_, domain) = address.as_str().rsplit_once('@')?;
    Domain::parse(domain).ok()
}

/// Who is to know what is told.
pub(crate) fn receivers(said: &Primitive) -> Vec<&Address> {
    match said {
        // Whoever sent the message that it is about.
        Primitive::DeliveryStatusReport(it) => match &it.info.sender {
            Some(Sender::User(user)) => vec![&user.user_id],
            _ => Vec::new(),
        },
        Primitive::LeaveGroupIndication(it) => it.users.iter().map(|user| &user.user_id).collect(),
        Primitive::InviteResponse(it) => it.inviting.iter().map(|party| party.address()).collect(),
        other => other.spoken_to(),
    }
}

/// Whose own data a request without any other address is about.
fn own_data(said: &Primitive) -> Option<Domain> {
    let user = match said {
        Primitive::UpdateUserProfileRequest(it) => &it.profile.user_id,
        other => &other.meta()?.requestor.user.as_ref()?.user_id,
    };
    home_of(user)
}

/// Where this goes next, by the table; `from`: the peer that it comes from, if it is not our own (SSP 13.2).
pub(crate) fn next(table: &ServiceTable, said: &Primitive, from: Option<&Domain>) -> Next {
    let Some(service) = said.service() else { return Next::Local };
    let is_down = goes_down(said) || (goes_either(said) && comes_down(table, said, service, from));
    let next = if is_down { down(table, said, service, from) } else { up(table, said, service, from) };
    if !matches!(&next, Next::Peer(peer) if Some(peer) == from) {
        return next;
    }
    match said {
        // Its way up ends here: who keeps the invitation tells who invited.
        Primitive::InviteResponse(_) => Next::Local,
        // With a route the other one finds itself in it; without one nobody would (SSP 13.4).
        _ if said.meta().is_some_and(|meta| meta.route.is_some()) => next,
        _ => LOOP,
    }
}

/// Whether what goes both ways comes from above: from our provider, or as an answer.
fn comes_down(table: &ServiceTable, said: &Primitive, service: Service, from: Option<&Domain>) -> bool {
    if matches!(said, Primitive::InviteResponse(_)) {
        return true;
    }
    let Some(from) = from else { return false };
    let is_above = |home: Domain| table.provider(&home, service) == Provider::Peer(from.clone());
    receivers(said).into_iter().filter_map(home_of).any(is_above)
}

/// A request: to the provider of the service for the domain of whatever it is about.
fn up(table: &ServiceTable, said: &Primitive, service: Service, from: Option<&Domain>) -> Next {
    let addresses = said.spoken_to();
    if addresses.is_empty() {
        // Of a user whose service we do not know of it is asked of our own: search, for example.
        return match own_data(said).map(|home| table.provider(&home, service)) {
            Some(Provider::Peer(peer)) => Next::Peer(peer),
            Some(Provider::Local | Provider::None) | None => Next::Local,
        };
    }
    all_the_same(addresses.into_iter().map(|address| match home_of(address) {
        Some(home) if table.holds(&home) => match table.provider(&home, service) {
            Provider::Local => Next::Local,
            Provider::Peer(peer) => Next::Peer(peer),
            // Of what is not provided here, it is its own home domain that knows.
            Provider::None if from.is_none() && !table.is_own(&home) => Next::Peer(home),
            Provider::None => ABSENT,
        },
        // From home domain to home domain directly, and never over us.
        Some(home) if from.is_none() => Next::Peer(home),
        _ => FOREIGN,
    }))
}

/// A push: to who is to know, by the way that his domain's requests come; or by the way of whoever is spoken for, since his
/// domain alone may tell a third one.
fn down(table: &ServiceTable, said: &Primitive, service: Service, from: Option<&Domain>) -> Next {
    let spoken_for: Vec<_> = said.spoken_for().into_iter().filter_map(home_of).collect();
    let by_speaker = || spoken_for.iter().find_map(|home| table.requestor(home, service)).map(Next::Peer);
    let receivers = receivers(said);
    if receivers.is_empty() {
        // Whose it is, whoever began knows: that may be us.
        let is_back = |next: &Next| matches!(next, Next::Peer(peer) if Some(peer) == from);
        return by_speaker().filter(|next| !is_back(next)).unwrap_or(Next::Local);
    }
    all_the_same(receivers.into_iter().map(|receiver| {
        let Some(home) = home_of(receiver) else { return FOREIGN };
        if table.is_own(&home) {
            return Next::Local;
        }
        if let Some(peer) = table.requestor(&home, service) {
            return Next::Peer(peer);
        }
        // Whom we speak for to a third domain must be ours, whoever told us.
        let is_ours = || spoken_for.iter().any(|home| table.is_own(home));
        match by_speaker() {
            Some(next) => next,
            None if from.is_none() || is_ours() => Next::Peer(home),
            None => FOREIGN,
        }
    }))
}

/// A primitive is passed on as it is, so all that it is about must be in one place.
fn all_the_same(mut nexts: impl Iterator<Item = Next>) -> Next {
    let Some(first) = nexts.next() else { return Next::Local };
    let mut is_same = true;
    for next in nexts {
        if matches!(next, Next::Refused(..)) {
            return next;
        }
        is_same &= next == first;
    }
    if is_same || matches!(first, Next::Refused(..)) { first } else { SEVERAL }
}

/// The route of what is passed on, and how long its answer is waited for; or why it is not passed on (SSP 13.4).
///
/// `own` is our service ID, `id` what we call the request if nobody has given it a name yet, `gone` how long it has been here,
/// and `within` how long we would wait for an answer to a request of our own.
pub(crate) fn travel(
    route: Option<&Route>,
    own: &str,
    id: &str,
    gone: Duration,
    within: Duration,
    settings: &RelaySettings,
) -> Result<(Route, Duration), (Status, &'static str)> {
    let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let mut route = match route {
        Some(route) => route.clone(),
        None => Route { id: id.into(), hops_left: settings.hops, ms_left: millis(within), via: Vec::new() },
    };
    if is_among(&route, own) {
        return Err((Status::DOMAIN_NOT_SUPPORTED, "routing loop"));
    }
    // What a peer says may be less than we allow, and never more.
    let hops = route.hops_left.min(settings.hops).checked_sub(1);
    let most = usize::try_from(settings.hops).unwrap_or(usize::MAX);
    let Some(hops_left) = hops.filter(|_| route.via.len() < most) else {
        return Err((Status::DOMAIN_NOT_SUPPORTED, "hop limit"));
    };
    let left = route.ms_left.min(millis(within));
    let left = left.saturating_sub(millis(gone)).saturating_sub(millis(settings.reserve));
    if left < millis(settings.least) {
        return Err((Status::TIMEOUT, "no time is left for another relay"));
    }
    route.hops_left = hops_left;
    route.ms_left = left;
    route.via.push(own.into());
    Ok((route, Duration::from_millis(left.into())))
}

/// Whether we have relayed it before.
pub(crate) fn is_among(route: &Route, own: &str) -> bool {
    let own = home_of(&own.into());
    own.is_some() && route.via.iter().any(|via| home_of(via) == own)
}

/// What came without a route, and might come around again.
#[derive(Default)]
pub(crate) struct Circles {
    /// Nobody outside knows how this counts.
    keys: RandomState,
    seen: FxHashMap<u64, Passing>,
    order: VecDeque<(Timestamp, u64)>,
}

struct Passing {
    from: Domain,
    since: Timestamp,
    is_open: bool,
}

impl Circles {
    /// A request without a route is to be passed on. `None`: it has been here before, and comes in a circle.
    pub(crate) fn begins(
        &mut self,
        said: &Primitive,
        id: &TransactionId,
        from: &Domain,
        now: Timestamp,
        settings: &RelaySettings,
    ) -> Option<u64> {
        let is_old = |&(since, _): &(Timestamp, u64)| now.since(since) >= settings.remember;
        while self.order.front().is_some_and(is_old) || self.order.len() >= settings.remember_max.max(1) {
            let Some((since, key)) = self.order.pop_front() else { break };
            if self.seen.get(&key).is_some_and(|it| it.since == since) {
                self.seen.remove(&key);
            }
        }
        let key = self.key(said, id);
        // The same peer may try again what did not succeed; but in a circle nothing has an end before it comes around.
        if self.seen.get(&key).is_some_and(|it| it.is_open || it.from != *from) {
            return None;
        }
        self.seen.insert(key, Passing { from: from.clone(), since: now, is_open: true });
        self.order.push_back((now, key));
        Some(key)
    }

    /// It has its answer.
    pub(crate) fn ended(&mut self, key: u64) {
        if let Some(passing) = self.seen.get_mut(&key) {
            passing.is_open = false;
        }
    }

    /// Who asks, and what he or his domain calls it: messages keep their ID from one domain to the next, and those to several
    /// recipients may be several with one ID (SSP 7.3, 17).
    fn key(&self, said: &Primitive, id: &TransactionId) -> u64 {
        let requestor = said.meta().map(|meta| &meta.requestor);
        let user = requestor.and_then(|it| it.user.as_ref()).map(|user| user.user_id.as_str());
        let who = user.or(requestor.map(|it| it.service_id.as_str())).unwrap_or_default();
        let id = message_id(said).unwrap_or(id.as_str());
        let about: Vec<_> = said.spoken_to().into_iter().chain(said.spoken_for()).map(Address::as_str).collect();
        self.keys.hash_one((said.name(), who, id, about))
    }
}

fn message_id(said: &Primitive) -> Option<&str> {
    match said {
        Primitive::SendMessageRequest(it) => it.info.message_id.as_deref(),
        Primitive::NewMessage(it) => it.info.message_id.as_deref(),
        Primitive::MessageNotification(it) => it.info.message_id.as_deref(),
        Primitive::DeliveryStatusReport(it) => it.info.message_id.as_deref(),
        Primitive::InviteRequest(it) => Some(&it.invite_id),
        Primitive::InviteResponse(it) => Some(&it.invite_id),
        Primitive::CancelInviteRequest(it) => Some(&it.invite_id),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
