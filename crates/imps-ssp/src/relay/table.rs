//! The Service Table: who provides which service for whom, and by whom requests for it come. SSP 13.1.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use imps_types::{Domain, Service};

use crate::agreement::Terms;

/// Where requests of a service go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// To our own service element.
    Local,
    /// To this peer.
    Peer(Domain),
    /// Nowhere.
    None,
}

/// A line that operators wrote down besides what their contracts say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteLine {
    /// Whose users.
    pub domain: Domain,
    /// Which service of theirs.
    pub service: Service,
    /// Who provides it; none: we do.
    pub provider: Option<Domain>,
}

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineSource {
    /// We have the service.
    Own,
    /// The line of a peer says it.
    Contract,
    /// An operator wrote it down.
    Static,
}

impl LineSource {
    /// For operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Contract => "contract",
            Self::Static => "static",
        }
    }
}

/// A line of the table, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLine {
    /// Whose users.
    pub domain: Domain,
    /// Which service of theirs.
    pub service: Service,
    /// Upstream: who provides it.
    pub provider: Provider,
    /// Downstream: by whom requests for it come, and to whom it is told what they are to know.
    pub requestor: Option<Domain>,
    /// Where it comes from.
    pub source: LineSource,
}

type Place = (Domain, Service);

/// The table.
#[derive(Clone, Debug)]
pub struct ServiceTable {
    own: Domain,
    /// `None` as the peer: we provide it.
    upstream: BTreeMap<Place, (Option<Domain>, LineSource)>,
    downstream: BTreeMap<Place, Domain>,
    /// Every domain that is not ours and stands in the table.
    served: BTreeSet<Domain>,
    /// What can be had here for our own domain, from whomever.
    offered: BTreeSet<Service>,
    /// Lines that contradict each other, in words.
    conflicts: Vec<String>,
}

impl ServiceTable {
    /// The table of a domain that has these services itself: what it has counts least, a contract more, and what an operator
    /// wrote down most.
    pub fn of<'a>(
        own: &Domain,
        has: impl IntoIterator<Item = Service>,
        contracts: impl IntoIterator<Item = (&'a Domain, &'a Terms)>,
        routes: &[RouteLine],
    ) -> Self {
        let has: BTreeSet<_> = has.into_iter().collect();
        let mut table = Self {
            own: own.clone(),
            upstream: has.iter().map(|&service| ((own.clone(), service), (None, LineSource::Own))).collect(),
            downstream: BTreeMap::new(),
            served: BTreeSet::new(),
            offered: BTreeSet::new(),
            conflicts: Vec::new(),
        };
        let statics: BTreeSet<Place> = routes.iter().map(|line| (line.domain.clone(), line.service)).collect();
        for (peer, terms) in contracts {
            table.add_contract(peer, terms, &statics);
        }
        for line in routes {
            let provider = line.provider.clone().filter(|provider| provider != own);
            table.upstream.insert((line.domain.clone(), line.service), (provider, LineSource::Static));
        }
        // What is asked of us for others and nobody else provides, we do.
        for place in table.downstream.keys().filter(|(_, service)| has.contains(service)) {
            table.upstream.entry(place.clone()).or_insert((None, LineSource::Contract));
        }
        let places = table.upstream.keys().chain(table.downstream.keys());
        table.served = places.map(|(domain, _)| domain).filter(|domain| *domain != own).cloned().collect();
        table.offered =
            table.upstream.keys().filter(|(domain, _)| domain == own).map(|(_, service)| *service).collect();
        table
    }

    fn add_contract(&mut self, peer: &Domain, terms: &Terms, statics: &BTreeSet<Place>) {
        for one in &terms.theirs {
            let place = (one.domain.clone(), one.service);
            let before = self.upstream.insert(place.clone(), (Some(peer.clone()), LineSource::Contract));
            if let Some((Some(other), _)) = before.filter(|_| !statics.contains(&place)) {
                let (domain, service) = place;
                self.conflicts.push(format!("{service} of {domain} is provided by {other} and by {peer}"));
            }
        }
        for one in &terms.ours {
            let place = (one.domain.clone(), one.service);
            if one.domain == self.own {
                let (_, service) = place;
                self.conflicts.push(format!("{service} of {} itself is provided to {peer}", self.own));
            } else if let Some(other) = self.downstream.insert(place.clone(), peer.clone()) {
                let (domain, service) = place;
                self.conflicts.push(format!("{service} of {domain} is asked for by {other} and by {peer}"));
            }
        }
    }

    /// Whether this is our domain.
    pub fn is_own(&self, domain: &Domain) -> bool {
        self.own == *domain
    }

    /// Whether this is our domain, or one that we provide or relay something for.
    pub fn holds(&self, domain: &Domain) -> bool {
        self.is_own(domain) || self.served.contains(domain)
    }

    /// What can be had here for our own domain, be it from us or from a peer.
    pub fn offered(&self) -> &BTreeSet<Service> {
        &self.offered
    }

    /// Upstream: who provides this service for users of this domain.
    pub fn provider(&self, domain: &Domain, service: Service) -> Provider {
        match self.upstream.get(&(domain.clone(), service)) {
            Some((Some(peer), _)) => Provider::Peer(peer.clone()),
            Some((None, _)) => Provider::Local,
            None if service == Service::Profile => self.keeper_of_profiles(domain),
            None => Provider::None,
        }
    }

    /// Profiles follow the services for which they are needed (SSP 12).
    fn keeper_of_profiles(&self, domain: &Domain) -> Provider {
        let has_own = self.of_domain(domain).any(|(_, (provider, _))| provider.is_none());
        match self.providers(domain).as_slice() {
            [] if !has_own => Provider::None,
            [one] if !has_own && !self.is_own(domain) => Provider::Peer(one.clone()),
            _ => Provider::Local,
        }
    }

    fn of_domain(&self, domain: &Domain) -> impl Iterator<Item = (&Place, &(Option<Domain>, LineSource))> {
        // The first service of all is where the domain begins.
        let from = (domain.clone(), Service::Common);
        let domain = domain.clone();
        self.upstream.range(from..).take_while(move |((it, _), _)| *it == domain)
    }

    /// Every peer that provides something for users of this domain.
    pub fn providers(&self, domain: &Domain) -> Vec<Domain> {
        let peers: BTreeSet<_> = self.of_domain(domain).filter_map(|(_, (peer, _))| peer.clone()).collect();
        peers.into_iter().collect()
    }

    /// Downstream: the peer by which requests for this service of this domain come. Who brings other services of the domain
    /// is as good where nobody brings this one.
    pub fn requestor(&self, domain: &Domain, service: Service) -> Option<Domain> {
        let exact = self.downstream.get(&(domain.clone(), service));
        let any = || {
            let of_domain = self.downstream.iter().filter(|((it, _), _)| it == domain).map(|(_, peer)| peer);
            // The domain itself is nearest.
            of_domain.clone().find(|peer| *peer == domain).or_else(|| of_domain.clone().next())
        };
        exact.or_else(any).cloned()
    }

    /// The table, by domain and service.
    pub fn lines(&self) -> Vec<TableLine> {
        let places: BTreeSet<_> = self.upstream.keys().chain(self.downstream.keys()).collect();
        let line = |place: &Place| {
            let (domain, service) = place.clone();
            let source = self.upstream.get(place).map_or(LineSource::Contract, |(_, source)| *source);
            let provider = match self.upstream.get(place) {
                Some((Some(peer), _)) => Provider::Peer(peer.clone()),
                Some((None, _)) => Provider::Local,
                None => Provider::None,
            };
            TableLine { domain, service, provider, requestor: self.downstream.get(place).cloned(), source }
        };
        places.into_iter().map(line).collect()
    }

    /// Whether what the lines say can be: none contradicts another, and none leads in a circle (SSP 13.4).
    ///
    /// # Errors
    /// Which lines are wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        if let Some(conflict) = self.conflicts.first() {
            return Err(format!("lines contradict each other: {conflict}"));
        }
        self.upstream.keys().try_for_each(|place| self.check_line(place))
    }

    fn check_line(&self, place: &Place) -> Result<(), String> {
        let (domain, service) = place;
        let mut said = String::new();
        let (mut at, mut seen) = (domain.clone(), BTreeSet::new());
        while let Some((Some(peer), source)) = self.upstream.get(&(at.clone(), *service)) {
            let comma = if said.is_empty() { "" } else { ", " };
            let _ = write!(said, "{comma}{service} of {at} goes to {peer} ({})", source.as_str());
            if self.downstream.get(&(at.clone(), *service)) == Some(peer) {
                return Err(format!("lines lead in a circle: {said}, from which it comes"));
            }
            seen.insert(at);
            if seen.contains(peer) {
                return Err(format!("lines lead in a circle: {said}"));
            }
            at = peer.clone();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::Provision;

    fn of(name: &str) -> Domain {
        Domain::parse(name).expect("a domain")
    }

    fn terms(theirs: &[(Service, &str)], ours: &[(Service, &str)]) -> Terms {
        let one = |(service, name): &(Service, &str)| Provision { service: *service, domain: of(name) };
        Terms { theirs: theirs.iter().map(one).collect(), ours: ours.iter().map(one).collect(), ..Terms::default() }
    }

    fn route(domain: &str, service: Service, provider: Option<&str>) -> RouteLine {
        RouteLine { domain: of(domain), service, provider: provider.map(of) }
    }

    fn table(own: &str, has: &[Service], contracts: &[(&str, Terms)], routes: &[RouteLine]) -> ServiceTable {
        let contracts: Vec<_> = contracts.iter().map(|(name, terms)| (of(name), terms)).collect();
        ServiceTable::of(&of(own), has.iter().copied(), contracts.iter().map(|(name, terms)| (name, *terms)), routes)
    }

    const IM: Service = Service::Im;

    /// The third relay of SSP 16.3.
    fn h2(routes: &[RouteLine]) -> ServiceTable {
        let contracts =
            [("h1.example", terms(&[], &[(IM, "b.example")])), ("p.example", terms(&[(IM, "b.example")], &[]))];
        table("h2.example", &[Service::Common, IM], &contracts, routes)
    }

    #[test]
    fn a_relay_has_both_ways_of_a_domain() {
        let table = h2(&[]);
        assert_eq!(table.provider(&of("b.example"), IM), Provider::Peer(of("p.example")));
        assert_eq!(table.requestor(&of("b.example"), IM), Some(of("h1.example")));
        assert_eq!(table.requestor(&of("b.example"), Service::Profile), Some(of("h1.example")));
        assert_eq!(table.provider(&of("b.example"), Service::Profile), Provider::Peer(of("p.example")));
        assert_eq!(table.provider(&of("b.example"), Service::Group), Provider::None);
        assert_eq!(table.provider(&of("h2.example"), IM), Provider::Local);
        assert_eq!(table.provider(&of("c.example"), IM), Provider::None);
        assert_eq!(table.requestor(&of("c.example"), IM), None);
        assert!(table.holds(&of("b.example")) && table.holds(&of("h2.example")) && !table.holds(&of("p.example")));
        assert_eq!(table.offered(), &[Service::Common, IM].into());
        assert_eq!(table.check(), Ok(()));
        let lines: Vec<_> = table.lines().iter().map(|it| (it.domain.to_string(), it.service, it.source)).collect();
        let own = |service| ("h2.example".to_owned(), service, LineSource::Own);
        assert_eq!(lines, [("b.example".to_owned(), IM, LineSource::Contract), own(Service::Common), own(IM)]);
    }

    #[test]
    fn the_home_domain_offers_what_others_provide_for_it() {
        let contracts = [("h1.example", terms(&[(IM, "b.example")], &[]))];
        let table = table("b.example", &[Service::Common], &contracts, &[]);
        assert_eq!(table.provider(&of("b.example"), IM), Provider::Peer(of("h1.example")));
        assert_eq!(table.offered(), &[Service::Common, IM].into());
        assert_eq!(table.providers(&of("b.example")), [of("h1.example")]);
        // Its own profiles are its own.
        assert_eq!(table.provider(&of("b.example"), Service::Profile), Provider::Local);
    }

    #[test]
    fn complementary_domains_provide_for_each_other() {
        use Service::{Common, Content, Group, Presence};
        let of_b =
            terms(&[(IM, "a.example"), (Content, "a.example")], &[(Presence, "b.example"), (Group, "b.example")]);
        let table = table("a.example", &[Common, Presence, Group], &[("b.example", of_b)], &[]);
        for (service, provider) in [(Presence, Provider::Local), (IM, Provider::Peer(of("b.example")))] {
            assert_eq!(table.provider(&of("a.example"), service), provider);
        }
        assert_eq!(table.provider(&of("b.example"), Presence), Provider::Local);
        assert_eq!(table.provider(&of("b.example"), IM), Provider::None);
        assert_eq!(table.requestor(&of("b.example"), Presence), Some(of("b.example")));
        assert_eq!(table.offered(), &[Common, Presence, IM, Group, Content].into());
        assert_eq!(table.check(), Ok(()));
    }

    #[test]
    fn what_an_operator_wrote_down_counts_most() {
        let table = h2(&[route("b.example", IM, None), route("h2.example", IM, Some("p.example"))]);
        assert_eq!(table.provider(&of("b.example"), IM), Provider::Local);
        assert_eq!(table.provider(&of("h2.example"), IM), Provider::Peer(of("p.example")));
        assert_eq!(table.lines()[0].source, LineSource::Static);
        // Our own name is no peer.
        assert_eq!(h2(&[route("b.example", IM, Some("h2.example"))]).provider(&of("b.example"), IM), Provider::Local);
    }

    #[test]
    fn circles_and_contradictions_are_named() {
        let back = h2(&[route("b.example", IM, Some("h1.example"))]).check().expect_err("a circle");
        assert!(back.contains("IM of b.example goes to h1.example (static), from which it comes"), "{back}");
        let around = [("x.example", "y.example"), ("y.example", "z.example"), ("z.example", "x.example")];
        let around: Vec<_> = around.iter().map(|(domain, peer)| route(domain, IM, Some(peer))).collect();
        let why = h2(&around).check().expect_err("a circle");
        assert!(why.contains("IM of z.example goes to x.example"), "{why}");
        let why = h2(&[route("x.example", IM, Some("x.example"))]).check().expect_err("a circle");
        assert!(why.contains("IM of x.example goes to x.example"), "{why}");
        // Another service is another way, and a long way is none.
        let fine = [route("x.example", IM, Some("y.example")), route("y.example", Service::Group, Some("x.example"))];
        assert_eq!(h2(&fine).check(), Ok(()));
        let two = [("p.example", terms(&[(IM, "b.example")], &[])), ("q.example", terms(&[(IM, "b.example")], &[]))];
        let why = table("h2.example", &[], &two, &[]).check().expect_err("two");
        assert!(why.contains("IM of b.example is provided by p.example and by q.example"), "{why}");
        assert_eq!(table("h2.example", &[], &two, &[route("b.example", IM, Some("q.example"))]).check(), Ok(()));
        let two = [("p.example", terms(&[], &[(IM, "b.example")])), ("q.example", terms(&[], &[(IM, "b.example")]))];
        assert!(table("h2.example", &[IM], &two, &[]).check().expect_err("two").contains("asked for by"));
        let own = [("p.example", terms(&[], &[(IM, "h2.example")]))];
        assert!(table("h2.example", &[IM], &own, &[]).check().expect_err("own").contains("itself"));
    }
}
