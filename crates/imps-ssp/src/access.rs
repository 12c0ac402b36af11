//! Whom a peer may speak for, and to whom. SSP 15, rules 2 to 4.

use std::collections::BTreeSet;

use imps_proto::ssp::{Party, Primitive, Service};
use imps_types::{Address, Domain, Status};

use crate::agreement::Agreement;

/// Which domains are on our side.
#[derive(Clone, Debug, Default)]
pub struct Territory {
    /// Our own: the first is the one that speaks.
    pub own: Vec<Domain>,
    /// Others whose requests we serve or relay.
    pub served: BTreeSet<Domain>,
    /// What we have.
    pub offered: BTreeSet<Service>,
}

impl Territory {
    /// The territory of a server with one domain.
    pub fn of(domain: Domain, offered: impl IntoIterator<Item = Service>) -> Self {
        Self { own: vec![domain], served: BTreeSet::new(), offered: offered.into_iter().collect() }
    }

    /// Whether this domain is one of ours.
    pub fn is_own(&self, domain: &str) -> bool {
        self.own.iter().any(|it| it.as_str() == domain)
    }

    fn holds(&self, domain: &str) -> bool {
        self.is_own(domain) || self.served.iter().any(|it| it.as_str() == domain)
    }
}

/// The domain of an address, lower case; `None` for an address without one, which SSP does not have (SSP 2).
pub(crate) fn domain_of(address: &Address) -> Option<String> {
    let (_, domain) = address.as_str().rsplit_once('@')?;
    Domain::parse(domain).ok().map(|domain| domain.as_str().to_owned())
}

/// Whether the peer may say this to us; else the status that it is answered with, and why.
pub(crate) fn check(
    peer: &Domain,
    agreement: &Agreement,
    territory: &Territory,
    primitive: &Primitive,
) -> Result<(), (Status, &'static str)> {
    let Some(service) = primitive.service() else { return check_manager(peer, primitive) };
    if !is_vouched(agreement, primitive) {
        check_speaker(peer, agreement, primitive)?;
    }
    let foreign = (Status::DOMAIN_NOT_SUPPORTED, "an address is of a domain that is not served here");
    for address in primitive.spoken_to() {
        let domain = domain_of(address).ok_or(foreign)?;
        if !territory.holds(&domain) {
            return Err(foreign);
        }
    }
    if agreement.allows(service) {
        return Ok(());
    }
    // Without an agreement there is nothing that it could be outside of.
    let is_known = territory.offered.contains(&service);
    match agreement.origin {
        crate::agreement::Origin::Default if !is_known => {
            Err((Status::SERVICE_NOT_SUPPORTED, "the service is not offered here"))
        }
        _ => Err((Status::SERVICE_NOT_AGREED, "the service is not agreed on")),
    }
}

/// Services and agreements are between the two domains themselves.
fn check_manager(peer: &Domain, primitive: &Primitive) -> Result<(), (Status, &'static str)> {
    let Some(meta) = primitive.meta() else { return Ok(()) };
    match domain_of(&meta.requestor.service_id) {
        Some(domain) if domain == peer.as_str() => Ok(()),
        _ => Err(NOT_THE_SPEAKER),
    }
}

const NOT_THE_SPEAKER: (Status, &str) =
    (Status::GENERAL_ADDRESS_ERROR, "an address that is spoken for is not of the domain of the session");

/// Rule 2: everybody the peer speaks for is of its domain, or of one that it relays for.
fn check_speaker(peer: &Domain, agreement: &Agreement, primitive: &Primitive) -> Result<(), (Status, &'static str)> {
    let meta = primitive.meta();
    let of_meta = meta.into_iter().flat_map(|meta| {
        let user = meta.requestor.user.as_ref().map(|user| &user.user_id);
        std::iter::once(&meta.requestor.service_id).chain(user)
    });
    // Baraza swaps the parties of an InviteResponse (SSP 17): one of the two must be the peer's.
    if let Primitive::InviteResponse(response) = primitive {
        let parties = [&response.inviting, &response.responding];
        let mut domains = parties.into_iter().flatten().map(Party::address).map(domain_of);
        let is_theirs = domains.any(|it| it.is_some_and(|domain| agreement.is_behind(peer, &domain)));
        return if is_theirs { Ok(()) } else { Err(NOT_THE_SPEAKER) };
    }
    for address in of_meta.chain(primitive.spoken_for()) {
        match domain_of(address) {
            Some(domain) if agreement.is_behind(peer, &domain) => {}
            _ => return Err(NOT_THE_SPEAKER),
        }
    }
    Ok(())
}

/// Rule 4: on the way through relays the speaker may be a stranger; it is the entity acted on that the peer must be
/// the agreed requestor of, or, coming down, the agreed provider.
fn is_vouched(agreement: &Agreement, primitive: &Primitive) -> bool {
    let Some(service) = primitive.service() else { return false };
    let within = |provisions: &BTreeSet<crate::agreement::Provision>, addresses: &[&Address]| {
        !addresses.is_empty()
            && addresses.iter().all(|address| {
                let domain = domain_of(address);
                let is_it = |it: &crate::agreement::Provision| {
                    it.service == service && Some(it.domain.as_str()) == domain.as_deref()
                };
                provisions.iter().any(is_it)
            })
    };
    let is_push = matches!(
        primitive,
        Primitive::NewMessage(_)
            | Primitive::MessageNotification(_)
            | Primitive::PresenceNotification(_)
            | Primitive::GroupChangeNotice(_)
            | Primitive::AuthorizationRequest(_)
            | Primitive::LeaveGroupIndication(_)
            | Primitive::DeliveryStatusReport(_)
    );
    let (to, about) = (primitive.spoken_to(), primitive.spoken_for());
    if is_push {
        within(&agreement.terms.theirs, &to) || within(&agreement.terms.theirs, &about)
    } else {
        within(&agreement.terms.ours, &to)
    }
}
