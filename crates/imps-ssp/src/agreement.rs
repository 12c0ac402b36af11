//! What two domains provide to each other. SSP 11.

use std::collections::BTreeSet;

use imps_proto::ssp::{
    AgreementId, Behind, DomainName, Service, ServiceLine, Services, SetServiceAgreementRequest,
    SetServiceAgreementResponse,
};
use imps_service::Timestamp;
use imps_types::element::ResultInfo;
use imps_types::{Domain, Status};

/// A service that one domain provides to the users of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Provision {
    /// Which.
    pub service: Service,
    /// Whose users.
    pub domain: Domain,
}

/// Who provides what.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Terms {
    /// Used between users of both.
    pub interop: BTreeSet<Service>,
    /// What the peer provides to domains on our side.
    pub theirs: BTreeSet<Provision>,
    /// What we provide to domains on the peer's side.
    pub ours: BTreeSet<Provision>,
    /// Domains that the peer relays for.
    pub behind: BTreeSet<Domain>,
}

/// Where terms come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody has agreed on anything.
    Default,
    /// The peer asked for them.
    Negotiated,
    /// The operators wrote them down.
    Contract,
}

impl Origin {
    /// For operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Negotiated => "negotiated",
            Self::Contract => "contract",
        }
    }
}

/// What holds between us and a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// What the peer calls it; empty: nothing was negotiated.
    pub id: Box<str>,
    /// Who provides what.
    pub terms: Terms,
    /// Where it comes from.
    pub origin: Origin,
    /// When it ends.
    pub until: Option<Timestamp>,
}

/// Whether two home domains use a service between each other. Lists and profiles are for whoever keeps something for a
/// domain (SSP 9.4, 12).
pub(crate) fn is_between_equals(service: Service) -> bool {
    !matches!(service, Service::ContactList | Service::Profile)
}

/// How many provisions and domains an agreement may have.
const LINES_MAX: usize = 1000;
/// The longest validity, seconds: ten years.
const VALIDITY_MAX: u32 = 315_360_000;

impl Agreement {
    /// What holds with a peer that does not negotiate (SSP 11): what it can be expected to have, as far as we have it.
    pub fn default_with(offered: &BTreeSet<Service>) -> Self {
        let usual = [Service::Im, Service::Presence, Service::Group, Service::Common];
        let interop = usual.into_iter().filter(|service| offered.contains(service)).collect();
        Self { id: Box::default(), terms: Terms { interop, ..Terms::default() }, origin: Origin::Default, until: None }
    }

    /// What operators wrote down.
    pub fn of_contract(terms: Terms) -> Self {
        Self { id: Box::default(), terms, origin: Origin::Contract, until: None }
    }

    /// Whether the peer is this domain, or relays for it.
    pub(crate) fn is_behind(&self, peer: &Domain, domain: &str) -> bool {
        peer.as_str() == domain || self.terms.behind.iter().any(|it| it.as_str() == domain)
    }

    /// Whether the peer may ask for this service in whichever way. Profiles belong to whatever is provided (SSP 12).
    pub(crate) fn allows(&self, service: Service) -> bool {
        let is_it = |it: &Provision| it.service == service || service == Service::Profile;
        self.terms.interop.contains(&service) || self.terms.theirs.iter().chain(&self.terms.ours).any(is_it)
    }

    /// The answer to a proposal, and the agreement that holds from then on.
    pub(crate) fn answer(
        &self,
        asked: &SetServiceAgreementRequest,
        offered: &BTreeSet<Service>,
        now: Timestamp,
    ) -> (SetServiceAgreementResponse, Option<Self>) {
        let respond = |status, terms: &Terms| response(&asked.agreement_id.0, status, terms);
        let Some(wish) = Terms::of_peer(asked) else {
            return (respond(Status::BAD_PARAMETER, &self.terms), None);
        };
        if self.origin == Origin::Contract {
            // What operators wrote down is not changed from afar.
            let is_same = wish.provides_as(&self.terms) && wish.behind.is_subset(&self.terms.behind);
            let status = if is_same { Status::SUCCESSFUL } else { Status::PARTIALLY_SUCCESSFUL };
            return (respond(status, &self.terms), None);
        }
        if wish == Terms::default() {
            return (respond(Status::SUCCESSFUL, &wish), Some(Self::default_with(offered)));
        }
        // Never more than was asked, and nothing complementary without a contract: who relays for whom is not for the
        // relayed to say.
        let interop: BTreeSet<_> =
            wish.interop.intersection(offered).copied().filter(|it| is_between_equals(*it)).collect();
        let granted = Terms { interop, ..Terms::default() };
        if !granted.is_enough() {
            return (respond(Status::FORBIDDEN, &Terms::default()), None);
        }
        let status = if granted == wish { Status::SUCCESSFUL } else { Status::PARTIALLY_SUCCESSFUL };
        let until = asked
            .validity
            .map(|seconds| now.plus(std::time::Duration::from_secs(u64::from(seconds.min(VALIDITY_MAX)))));
        let response = respond(status, &granted);
        (response, Some(Self { id: asked.agreement_id.0.clone(), terms: granted, origin: Origin::Negotiated, until }))
    }

    /// The agreement after the peer's answer to what we had asked: what it granted of it.
    pub(crate) fn granted(
        asked: &Terms,
        answer: &SetServiceAgreementResponse,
        until: Option<Timestamp>,
    ) -> Option<Self> {
        if !answer.status.status.is_success() {
            return None;
        }
        // A plain yes is one to everything.
        let is_plain = answer.status.status == Status::SUCCESSFUL
            && answer.interop.is_none()
            && answer.want.is_none()
            && answer.offer.is_none();
        if is_plain {
            let terms = Terms { behind: BTreeSet::new(), ..asked.clone() };
            return Some(Self { id: answer.agreement_id.0.clone(), terms, origin: Origin::Negotiated, until });
        }
        let said = Terms {
            interop: services(answer.interop.as_ref()),
            theirs: provisions(answer.want.as_ref())?,
            ours: provisions(answer.offer.as_ref())?,
            behind: BTreeSet::new(),
        };
        let terms = Terms {
            interop: said.interop.intersection(&asked.interop).copied().collect(),
            theirs: said.theirs.intersection(&asked.theirs).cloned().collect(),
            ours: said.ours.intersection(&asked.ours).cloned().collect(),
            behind: BTreeSet::new(),
        };
        // Less than the least is no agreement: what can be expected of everybody holds on.
        terms.is_enough().then(|| Self { id: answer.agreement_id.0.clone(), terms, origin: Origin::Negotiated, until })
    }
}

impl Terms {
    /// Everything that two home domains may use between each other.
    pub fn usual() -> BTreeSet<Service> {
        Service::ALL.iter().copied().filter(|service| is_between_equals(*service)).collect()
    }

    /// Whether the same is used and provided; what the other relays for is its own affair.
    pub(crate) fn provides_as(&self, other: &Self) -> bool {
        self.interop == other.interop && self.theirs == other.theirs && self.ours == other.ours
    }

    /// Whether there is something to do with the other: COMMON and one more, or what one provides to the other.
    fn is_enough(&self) -> bool {
        let is_provided = !self.theirs.is_empty() || !self.ours.is_empty();
        is_provided || (self.interop.contains(&Service::Common) && self.interop.len() > 1)
    }

    /// What a peer asks for, from our side; `None` for what is no terms at all.
    fn of_peer(asked: &SetServiceAgreementRequest) -> Option<Self> {
        let behind = asked.behind.as_ref().map_or(&[][..], |it| &it.domains);
        if behind.len() > LINES_MAX {
            return None;
        }
        let behind: Option<BTreeSet<_>> = behind.iter().map(|DomainName(name)| Domain::parse(name).ok()).collect();
        Some(Self {
            interop: services(asked.interop.as_ref()),
            theirs: provisions(asked.offer.as_ref())?,
            ours: provisions(asked.want.as_ref())?,
            behind: behind?,
        })
    }
}

/// The services that are named and known.
fn services(lines: Option<&Services>) -> BTreeSet<Service> {
    lines.iter().flat_map(|it| &it.services).filter_map(|line| Service::parse(&line.name)).collect()
}

fn provisions(lines: Option<&Services>) -> Option<BTreeSet<Provision>> {
    let lines = lines.map_or(&[][..], |it| &it.services);
    if lines.len() > LINES_MAX {
        return None;
    }
    let provision = |line: &ServiceLine| {
        let domain = Domain::parse(line.for_domain.as_deref()?).ok()?;
        Some(Provision { service: Service::parse(&line.name)?, domain })
    };
    lines.iter().map(provision).collect()
}

fn line(service: Service) -> ServiceLine {
    ServiceLine {
        name: service.as_str().into(),
        minimum: None,
        role: None,
        for_domain: None,
        subscribed: None,
        status: None,
        functions: Vec::new(),
    }
}

fn lines_of(services: impl IntoIterator<Item = Service>) -> Option<Services> {
    let services: Vec<_> = services.into_iter().map(line).collect();
    (!services.is_empty()).then_some(Services { protocol_version: None, services })
}

fn provision_lines(provisions: &BTreeSet<Provision>) -> Option<Services> {
    let services: Vec<_> = provisions
        .iter()
        .map(|it| ServiceLine {
            role: Some("PSE".into()),
            for_domain: Some(it.domain.as_str().into()),
            ..line(it.service)
        })
        .collect();
    (!services.is_empty()).then_some(Services { protocol_version: None, services })
}

fn behind(terms: &Terms) -> Option<Behind> {
    let domains: Vec<_> = terms.behind.iter().map(|it| DomainName(it.as_str().into())).collect();
    (!domains.is_empty()).then_some(Behind { domains })
}

/// The answer: from the asker's side again.
fn response(id: &str, status: Status, terms: &Terms) -> SetServiceAgreementResponse {
    SetServiceAgreementResponse {
        agreement_id: AgreementId(id.into()),
        status: ResultInfo::of(status),
        offer: provision_lines(&terms.theirs),
        want: provision_lines(&terms.ours),
        interop: lines_of(terms.interop.iter().copied()),
        behind: behind(terms),
    }
}

/// A proposal of our own: `theirs` is what we would like to be provided.
pub(crate) fn proposal(
    meta: imps_proto::ssp::MetaInfo,
    id: &str,
    terms: &Terms,
    validity: u32,
) -> SetServiceAgreementRequest {
    SetServiceAgreementRequest {
        meta,
        agreement_id: AgreementId(id.into()),
        validity: Some(validity),
        offer: provision_lines(&terms.ours),
        want: provision_lines(&terms.theirs),
        interop: lines_of(terms.interop.iter().copied()),
        behind: behind(terms),
    }
}

/// What we offer, for GetServiceListResponse.
pub(crate) fn service_list(offered: &BTreeSet<Service>) -> Services {
    let services = offered.iter().map(|&service| {
        let minimum = (service == Service::Common).then_some(true);
        ServiceLine { minimum, ..line(service) }
    });
    Services { protocol_version: Some("1.3".into()), services: services.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_proto::ssp::MetaInfo;

    fn asked(interop: &[Service], theirs: &[Provision]) -> SetServiceAgreementRequest {
        let terms = Terms {
            interop: interop.iter().copied().collect(),
            ours: theirs.iter().cloned().collect(),
            ..Terms::default()
        };
        proposal(MetaInfo::of_domain("wv:@b.example".into()), "ag-1", &terms, 3600)
    }

    fn offered() -> BTreeSet<Service> {
        [Service::Im, Service::Group, Service::Common].into()
    }

    #[test]
    fn less_may_be_granted_and_never_more() {
        let agreement = Agreement::default_with(&offered());
        let now = Timestamp(1000);
        let (answer, granted) =
            agreement.answer(&asked(&[Service::Im, Service::Presence, Service::Common], &[]), &offered(), now);
        assert_eq!(answer.status.status, Status::PARTIALLY_SUCCESSFUL);
        let granted = granted.expect("an agreement");
        assert_eq!(granted.terms.interop, [Service::Im, Service::Common].into());
        assert_eq!(granted.until, Some(Timestamp(3_601_000)));
        let (answer, _) = agreement.answer(&asked(&[Service::Im, Service::Common], &[]), &offered(), now);
        assert_eq!(answer.status.status, Status::SUCCESSFUL);
        // The least is COMMON and one more.
        for few in [&[Service::Im][..], &[Service::Common, Service::Presence]] {
            let (answer, granted) = agreement.answer(&asked(few, &[]), &offered(), now);
            assert_eq!((answer.status.status, granted), (Status::FORBIDDEN, None));
        }
        // None at all ends it.
        let (answer, ended) = granted.answer(&asked(&[], &[]), &offered(), now);
        assert_eq!(answer.status.status, Status::SUCCESSFUL);
        assert_eq!(ended, Some(Agreement::default_with(&offered())));
    }

    #[test]
    fn a_contract_is_not_changed_from_afar() {
        let domain = Domain::parse("a.example").expect("a domain");
        let provision = Provision { service: Service::Presence, domain };
        let interop = [Service::Im, Service::Common].into();
        let contract =
            Agreement::of_contract(Terms { interop, theirs: [provision.clone()].into(), ..Terms::default() });
        let same = asked(&[Service::Im, Service::Common], &[provision]);
        let (answer, changed) = contract.answer(&same, &offered(), Timestamp(0));
        assert_eq!((answer.status.status, changed), (Status::SUCCESSFUL, None));
        let (answer, changed) = contract.answer(&asked(&[Service::Group], &[]), &offered(), Timestamp(0));
        assert_eq!((answer.status.status, changed), (Status::PARTIALLY_SUCCESSFUL, None));
        assert_eq!(services(answer.interop.as_ref()), [Service::Im, Service::Common].into());
        assert!(answer.offer.is_some(), "the contract's terms come back");
    }

    #[test]
    fn an_answer_grants_no_more_than_was_asked() {
        let terms = Terms { interop: [Service::Im, Service::Common].into(), ..Terms::default() };
        let more = Terms { interop: Service::ALL.iter().copied().collect(), ..Terms::default() };
        let said = response("ag-1", Status::SUCCESSFUL, &more);
        let granted = Agreement::granted(&terms, &said, None).expect("success");
        assert_eq!(granted.terms, terms);
        assert_eq!(Agreement::granted(&terms, &response("ag-1", Status::FORBIDDEN, &more), None), None);
    }

    #[test]
    fn a_plain_yes_grants_all_and_too_little_grants_nothing() {
        let asked = Terms { interop: [Service::Im, Service::Common].into(), ..Terms::default() };
        let granted =
            |status, said: &Terms| Agreement::granted(&asked, &response("ag-1", status, said), None).map(|it| it.terms);
        assert_eq!(granted(Status::SUCCESSFUL, &Terms::default()), Some(asked.clone()));
        assert_eq!(granted(Status::PARTIALLY_SUCCESSFUL, &Terms::default()), None);
        let few = Terms { interop: [Service::Common].into(), ..Terms::default() };
        assert_eq!(granted(Status::PARTIALLY_SUCCESSFUL, &few), None);
    }

    #[test]
    fn the_other_half_of_a_contract_is_the_same_contract() {
        let of = |name| Domain::parse(name).expect("a domain");
        let provision = |service, name| Provision { service, domain: of(name) };
        let interop: BTreeSet<_> = [Service::Im, Service::Common].into();
        let (theirs, ours) = ([provision(Service::Im, "a.x")].into(), [provision(Service::Group, "b.x")].into());
        let at_a = Terms { interop, theirs, ours, behind: BTreeSet::new() };
        let at_b = Terms { theirs: at_a.ours.clone(), ours: at_a.theirs.clone(), ..at_a.clone() };
        let meta = MetaInfo::of_domain("wv:@b.x".into());
        let asked = proposal(meta, "ag-1", &Terms { behind: [of("c.x")].into(), ..at_b }, 3600);
        let (answer, _) = Agreement::of_contract(at_a.clone()).answer(&asked, &offered(), Timestamp(0));
        assert_eq!(answer.status.status, Status::PARTIALLY_SUCCESSFUL, "nothing is said here of who is behind");
        let behind = [of("c.x"), of("d.x")].into();
        let (answer, changed) =
            Agreement::of_contract(Terms { behind, ..at_a }).answer(&asked, &offered(), Timestamp(0));
        assert_eq!((answer.status.status, changed), (Status::SUCCESSFUL, None));
    }
}
