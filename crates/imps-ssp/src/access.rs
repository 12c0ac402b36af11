//! Whom a peer may speak for, and to whom. SSP 15, rules 2 to 4.

use std::collections::BTreeSet;
use std::sync::Arc;

use imps_proto::ssp::{Party, Primitive, Service};
use imps_types::{Address, Domain, Status};
use parking_lot::RwLock;

use crate::agreement::{Agreement, Origin, Provision};
use crate::relay::{self, ServiceTable, goes_down, goes_either, home_of};

/// Which domains are on our side, and what can be had here.
#[derive(Debug)]
pub(crate) struct Territory {
    own: Domain,
    table: RwLock<Arc<ServiceTable>>,
}

impl Territory {
    /// What this table says.
    pub(crate) fn of(own: Domain, table: ServiceTable) -> Self {
        Self { own, table: RwLock::new(Arc::new(table)) }
    }

    /// Whether this is our domain.
    pub(crate) fn is_own(&self, domain: &str) -> bool {
        self.own.as_str() == domain
    }

    /// The Service Table.
    pub(crate) fn table(&self) -> Arc<ServiceTable> {
        self.table.read().clone()
    }

    /// Its lines were changed.
    pub(crate) fn set_table(&self, table: ServiceTable) {
        *self.table.write() = Arc::new(table);
    }
}

type Refused = (Status, &'static str);

const NOT_THE_SPEAKER: Refused =
    (Status::GENERAL_ADDRESS_ERROR, "an address that is spoken for is not of the domain of the session");
const FOREIGN: Refused = (Status::DOMAIN_NOT_SUPPORTED, "an address is of a domain that is not served here");
const NOT_ITS_REQUESTOR: Refused = (Status::DOMAIN_NOT_SUPPORTED, "nothing is relayed for this domain from here");
const NOT_AGREED: Refused = (Status::SERVICE_NOT_AGREED, "the service is not agreed on");
const NOT_ITS_PROFILE: Refused =
    (Status::FORBIDDEN, "profiles are for those who provide, or ask for, services of the domain");

/// Whether the peer may say this to us; else the status that it is answered with, and why.
pub(crate) fn check(
    peer: &Domain,
    agreement: &Agreement,
    territory: &Territory,
    primitive: &Primitive,
) -> Result<(), Refused> {
    let Some(service) = primitive.service() else { return check_manager(peer, primitive) };
    let table = territory.table();
    check_route(territory, primitive)?;
    let addresses = primitive.spoken_to();
    let homes: Option<BTreeSet<_>> = addresses.iter().map(|address| home_of(address)).collect();
    let homes = homes.ok_or(FOREIGN)?;
    let vouched = vouched(agreement, primitive, service);
    let is_for_others = vouched == Vouched::FromAbove && goes_down(primitive);
    // Rule 3; but what is told about users of a domain that we serve may be for whomever.
    if !is_for_others && !homes.iter().all(|home| table.holds(home)) {
        return Err(FOREIGN);
    }
    if service == Service::Profile {
        return check_profile(agreement, primitive);
    }
    if !agreement.allows(service) {
        // Without an agreement there is nothing that it could be outside of.
        return match agreement.origin {
            Origin::Default if !table.offered().contains(&service) => {
                Err((Status::SERVICE_NOT_SUPPORTED, "the service is not offered here"))
            }
            _ => Err(NOT_AGREED),
        };
    }
    match vouched {
        Vouched::FromAbove => return Ok(()),
        Vouched::FromBelow if speaks_as_ours(&table, primitive) => return Err(NOT_THE_SPEAKER),
        Vouched::FromBelow => return Ok(()),
        Vouched::No => {}
    }
    if !homes.iter().all(|home| table.is_own(home)) {
        return Err(NOT_ITS_REQUESTOR);
    }
    check_speaker(peer, agreement, primitive)?;
    // Without interoperation, a service is there for the users for whom it is provided.
    let is_customer =
        || requestor_of(primitive).is_some_and(|user| is_within(&agreement.terms.ours, &[service], &[user]));
    if agreement.terms.interop.contains(&service) || is_customer() { Ok(()) } else { Err(NOT_AGREED) }
}

/// Who is named by MetaInfo: the user, or the domain.
fn requestor_of(primitive: &Primitive) -> Option<&Address> {
    let requestor = &primitive.meta()?.requestor;
    Some(requestor.user.as_ref().map_or(&requestor.service_id, |user| &user.user_id))
}

/// What we have relayed comes back to us: it goes in a circle (SSP 13.4).
fn check_route(territory: &Territory, primitive: &Primitive) -> Result<(), Refused> {
    let route = primitive.meta().and_then(|meta| meta.route.as_ref());
    let own = format!("wv:@{}", territory.own);
    if route.is_some_and(|route| relay::is_among(route, &own)) {
        return Err((Status::DOMAIN_NOT_SUPPORTED, "routing loop"));
    }
    Ok(())
}

/// Services and agreements are between the two domains themselves.
fn check_manager(peer: &Domain, primitive: &Primitive) -> Result<(), Refused> {
    let Some(meta) = primitive.meta() else { return Ok(()) };
    match home_of(&meta.requestor.service_id) {
        Some(domain) if domain == *peer => Ok(()),
        _ => Err(NOT_THE_SPEAKER),
    }
}

/// Profiles are read by who provides something for the user's domain, and told by who asks for it (SSP 12).
fn check_profile(agreement: &Agreement, primitive: &Primitive) -> Result<(), Refused> {
    let (provisions, about) = match primitive {
        Primitive::GetUserProfileRequest(it) => (&agreement.terms.theirs, &it.user_id),
        Primitive::UpdateUserProfileRequest(it) => (&agreement.terms.ours, &it.profile.user_id),
        _ => return Err(NOT_ITS_PROFILE),
    };
    if is_within(provisions, Service::ALL, &[about]) { Ok(()) } else { Err(NOT_ITS_PROFILE) }
}

/// Rule 2: everybody the peer speaks for is of its domain, or of one that it relays for.
fn check_speaker(peer: &Domain, agreement: &Agreement, primitive: &Primitive) -> Result<(), Refused> {
    let meta = primitive.meta();
    let of_meta = meta.into_iter().flat_map(|meta| {
        let user = meta.requestor.user.as_ref().map(|user| &user.user_id);
        std::iter::once(&meta.requestor.service_id).chain(user)
    });
    let is_theirs = |address: &Address| home_of(address).is_some_and(|home| agreement.is_behind(peer, home.as_str()));
    // Baraza swaps the parties of an InviteResponse (SSP 17): one of the two must be the peer's.
    if let Primitive::InviteResponse(response) = primitive {
        let mut parties = [&response.inviting, &response.responding].into_iter().flatten().map(Party::address);
        return if parties.any(is_theirs) { Ok(()) } else { Err(NOT_THE_SPEAKER) };
    }
    if of_meta.chain(primitive.spoken_for()).all(is_theirs) { Ok(()) } else { Err(NOT_THE_SPEAKER) }
}

/// Whether all of these are of domains for which one of these services is provided.
fn is_within(provisions: &BTreeSet<Provision>, services: &[Service], addresses: &[&Address]) -> bool {
    let is_provided = |address: &&Address| {
        let home = home_of(address);
        provisions.iter().any(|it| services.contains(&it.service) && Some(&it.domain) == home.as_ref())
    };
    !addresses.is_empty() && addresses.iter().all(is_provided)
}

/// How somebody vouches for a speaker who may be a stranger (rule 4).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vouched {
    /// Nobody does.
    No,
    /// The agreed provider of whoever is to know, or is spoken for.
    FromAbove,
    /// The agreed requestor of what is acted on.
    FromBelow,
}

/// Rule 4: on the way through relays the speaker may be a stranger; it is the entity acted on that the peer must be
/// the agreed requestor of, or, coming down, the agreed provider.
fn vouched(agreement: &Agreement, primitive: &Primitive, service: Service) -> Vouched {
    let terms = &agreement.terms;
    // The answer to an invitation does not say to what kind of it.
    let (one, two) = ([service], [service, Service::Content]);
    let services = if matches!(primitive, Primitive::InviteResponse(_)) { &two[..] } else { &one[..] };
    let (down, either) = (goes_down(primitive), goes_either(primitive));
    if down || either {
        let (to, about) = (relay::receivers(primitive), primitive.spoken_for());
        if is_within(&terms.theirs, services, &to) || is_within(&terms.theirs, services, &about) {
            return Vouched::FromAbove;
        }
    }
    let mut about = primitive.spoken_to();
    if about.is_empty() {
        // A user's own data.
        about.extend(requestor_of(primitive));
        about.extend(primitive.spoken_for());
    }
    if !down && is_within(&terms.ours, services, &about) { Vouched::FromBelow } else { Vouched::No }
}

/// Whether somebody of our own is said to speak: what our users ask comes to us first, and never by a relay.
fn speaks_as_ours(table: &ServiceTable, primitive: &Primitive) -> bool {
    let user = primitive.meta().and_then(|meta| meta.requestor.user.as_ref()).map(|user| &user.user_id);
    let speakers = user.into_iter().chain(primitive.spoken_for());
    speakers.filter_map(home_of).any(|home| table.is_own(&home))
}

#[cfg(test)]
mod tests {
    use imps_proto::ssp::{
        CancelAuthorizationRequest, GetUserProfileRequest, MetaInfo, NewMessage, SendMessageRequest, SubscribeRequest,
        UpdateUserProfileRequest, UserProfile,
    };
    use imps_types::element::{MessageInfo, Recipient, Sender, User};

    use super::*;
    use crate::agreement::Terms;

    fn of(name: &str) -> Domain {
        Domain::parse(name).expect("a domain")
    }

    type Lines<'a> = &'a [(Service, &'a str)];

    fn terms(interop: &[Service], theirs: Lines<'_>, ours: Lines<'_>) -> Terms {
        let all = |lines: Lines<'_>| {
            lines.iter().map(|(service, name)| Provision { service: *service, domain: of(name) }).collect()
        };
        let interop = interop.iter().copied().collect();
        Terms { interop, theirs: all(theirs), ours: all(ours), ..Terms::default() }
    }

    fn meta(user: &str) -> MetaInfo {
        let (_, domain) = user.rsplit_once('@').expect("a domain");
        MetaInfo::of_user(format!("wv:@{domain}").as_str().into(), User::of(user))
    }

    fn info(from: &str, to: &str) -> MessageInfo {
        let recipient = Recipient { users: vec![User::of(to)], ..Recipient::default() };
        MessageInfo { recipient, sender: Some(Sender::User(User::of(from))), ..MessageInfo::default() }
    }

    fn send(from: &str, to: &str) -> Primitive {
        SendMessageRequest { meta: meta(from), delivery_report: None, info: info(from, to), content: None }.into()
    }

    fn deliver(from: &str, to: &str) -> Primitive {
        let meta = MetaInfo::of_domain("wv:@p.example".into());
        NewMessage { meta, info: info(from, to), content: None }.into()
    }

    fn subscribe(from: &str, to: &str) -> Primitive {
        SubscribeRequest { meta: meta(from), user_ids: vec![to.into()], attributes: None }.into()
    }

    fn own_data(user: &str) -> Primitive {
        CancelAuthorizationRequest { meta: meta(user), user_id: "wv:x@x.example".into() }.into()
    }

    const IM: Service = Service::Im;
    const ALICE: &str = "wv:alice@a.example";
    const BOB: &str = "wv:bob@b.example";
    const CAROL: &str = "wv:carol@c.example";

    /// What a domain with these two contracts says to the first of them, or 200.
    fn say(own: &str, contracts: &[(&str, Terms)], said: &Primitive) -> u16 {
        let contracts: Vec<_> = contracts.iter().map(|(name, terms)| (of(name), terms.clone())).collect();
        let has = [Service::Common, IM, Service::Presence];
        let table = ServiceTable::of(&of(own), has, contracts.iter().map(|(name, terms)| (name, terms)), &[]);
        let territory = Territory::of(of(own), table);
        let (peer, terms) = &contracts[0];
        let agreement = Agreement::of_contract(terms.clone());
        check(peer, &agreement, &territory, said).map_or_else(|(status, _)| status.code(), |()| 200)
    }

    #[test]
    fn a_relay_repeats_the_checks_and_never_widens_them() {
        let of_b: Lines<'_> = &[(IM, "b.example")];
        // At H2: H1 asks for IM of B, which P provides.
        let from_h1 = |terms: Terms, said: &Primitive| {
            say("h2.example", &[("h1.example", terms), ("p.example", self::terms(&[], of_b, &[]))], said)
        };
        let h1 = || terms(&[], &[], of_b);
        for (said, expected) in [
            (send(ALICE, BOB), 200),
            (send(ALICE, CAROL), 516),
            // Our own users speak for themselves.
            (send("wv:hans@h2.example", BOB), 901),
            (send(BOB, "wv:hans@h2.example"), 901),
            (send("wv:ida@h1.example", "wv:hans@h2.example"), 506),
            (subscribe(ALICE, BOB), 506),
            (deliver(ALICE, BOB), 516),
        ] {
            assert_eq!(from_h1(h1(), &said), expected, "{said:?}");
        }
        // H1 has no agreement for IM any more (16.3, 8).
        assert_eq!(
            from_h1(terms(&[Service::Common], &[], &[(Service::Presence, "b.example")]), &send(ALICE, BOB)),
            506
        );
        // For another domain it has.
        assert_eq!(from_h1(terms(&[], &[], &[(IM, "x.example")]), &send(ALICE, BOB)), 516);
        let interop = terms(&[IM, Service::Common], &[], of_b);
        assert_eq!(from_h1(interop.clone(), &send("wv:ida@h1.example", "wv:hans@h2.example")), 200);
        assert_eq!(from_h1(interop, &send(ALICE, "wv:hans@h2.example")), 901);
        // What went over us comes back.
        let mut looped = send(ALICE, BOB);
        let via = vec!["wv:@b.example".into(), "wv:@H2.example".into()];
        let route = imps_proto::ssp::Route { id: "1".into(), hops_left: 3, ms_left: 9000, via };
        looped.meta_mut().expect("it has one").route = Some(route);
        assert_eq!(from_h1(h1(), &looped), 516);
    }

    #[test]
    fn what_comes_down_is_about_whom_the_peer_provides_for() {
        let of_b: Lines<'_> = &[(IM, "b.example")];
        // At H1, from H2.
        let from_h2 = |said: &Primitive| {
            say("h1.example", &[("h2.example", terms(&[], of_b, &[])), ("b.example", terms(&[], &[], of_b))], said)
        };
        for (said, expected) in [
            (deliver(ALICE, BOB), 200),
            (deliver(BOB, CAROL), 200),
            (deliver(ALICE, CAROL), 516),
            (deliver(ALICE, "wv:ida@h1.example"), 901),
            (send(ALICE, BOB), 516),
        ] {
            assert_eq!(from_h2(&said), expected, "{said:?}");
        }
    }

    #[test]
    fn own_data_comes_from_the_users_own_domain() {
        let of_b: Lines<'_> = &[(Service::Presence, "b.example")];
        let from_h1 = |said: &Primitive| say("p.example", &[("h1.example", terms(&[], &[], of_b))], said);
        assert_eq!(from_h1(&own_data(BOB)), 200);
        assert_eq!(from_h1(&own_data(CAROL)), 901);
        // Bob's presence is here; so he may look at users of ours.
        assert_eq!(from_h1(&subscribe(BOB, "wv:pat@p.example")), 901, "but his domain says so itself");
        let from_b = |said: &Primitive| say("p.example", &[("b.example", terms(&[], &[], of_b))], said);
        assert_eq!(from_b(&subscribe(BOB, "wv:pat@p.example")), 200);
    }

    #[test]
    fn profiles_are_for_providers_and_from_requestors() {
        let ask = GetUserProfileRequest { meta: meta("wv:x@p.example"), user_id: BOB.into(), items: None };
        let profile =
            UserProfile { user_id: BOB.into(), version: Some(1), services: None, privacy: None, terminals: None };
        let tell: Primitive = UpdateUserProfileRequest { meta: meta(BOB), profile }.into();
        let ask: Primitive = ask.into();
        let of_b: Lines<'_> = &[(IM, "b.example")];
        // At B, which is provided for by H1.
        assert_eq!(say("b.example", &[("h1.example", terms(&[], of_b, &[]))], &ask), 200);
        assert_eq!(say("b.example", &[("p.example", terms(&[IM, Service::Profile], &[], &[]))], &ask), 403);
        // At P, which provides.
        assert_eq!(say("p.example", &[("h2.example", terms(&[], &[], of_b))], &tell), 200);
        assert_eq!(say("p.example", &[("h2.example", terms(&[], of_b, &[]))], &tell), 403);
        assert_eq!(say("p.example", &[("b.example", terms(&[Service::Profile], &[], &[]))], &tell), 403);
    }
}
