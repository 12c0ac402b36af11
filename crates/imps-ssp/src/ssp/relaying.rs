//! What is passed on for others, and what there is to know of it (`relay/`). SSP 13.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use imps_proto::ssp::{MetaInfo, Primitive, Service as Offered};
use imps_types::{Domain, Status, TransactionId};

use super::lanes::{Order, lane_of};
use super::{Answering, Ask, Peer, Ssp, SystemDice, Unanswered};
use crate::machine::{Dice as _, Haste, status};
use crate::relay::{self, Next, Provider, Relayed, RouteLine, ServiceTable, home_of};

/// Something that was passed on.
struct Passage {
    to: Domain,
    to_id: TransactionId,
    /// By what it is remembered that it came without a route.
    circle: Option<u64>,
    answering: Answering,
}

/// Why something is not passed on: what is answered, and in words.
type Stopped = (Unanswered, &'static str);

fn stopped((status, why): (Status, &'static str)) -> Stopped {
    (Unanswered { status, try_again: None, taken: false }, why)
}

impl Ssp {
    /// Where requests about users and groups of this domain go. For another domain that nothing is provided for here, it is
    /// the domain itself, if it is a peer.
    pub fn provider(&self, domain: &Domain, service: Offered) -> Provider {
        match self.territory.table().provider(domain, service) {
            Provider::None if self.is_peer(domain) => Provider::Peer(domain.clone()),
            provider => provider,
        }
    }

    /// Whom to tell what users of this domain are to know of a service that we provide for them.
    pub fn requestor(&self, domain: &Domain, service: Offered) -> Option<Domain> {
        self.territory.table().requestor(domain, service)
    }

    /// Every peer that provides something for users of this domain.
    pub fn providers(&self, domain: &Domain) -> Vec<Domain> {
        self.territory.table().providers(domain)
    }

    /// Where a request or a push of our own goes (SSP 13.2).
    pub fn next(&self, said: &Primitive) -> Next {
        match relay::next(&self.territory.table(), said, None) {
            Next::Peer(peer) if !self.is_peer(&peer) => {
                Next::Refused(Status::DOMAIN_NOT_SUPPORTED, "there is no way to this domain")
            }
            next => next,
        }
    }

    /// The Service Table.
    pub fn service_table(&self) -> Arc<ServiceTable> {
        self.territory.table()
    }

    /// The Transaction Table: what came from this peer or went to it, or all; so many rows.
    pub fn relayed(&self, peer: Option<&Domain>, most: usize) -> Vec<Relayed> {
        self.transactions.lock().rows(peer, most)
    }

    /// Takes the lines of the Service Table that operators wrote down besides contracts.
    pub fn set_routes(&self, routes: Vec<RouteLine>) {
        *self.routes.lock() = routes;
        self.set_table();
    }

    /// Makes the Service Table anew: its lines were changed.
    pub(super) fn set_table(&self) {
        let lines = self.finder.lines();
        let contracts = lines.iter().filter_map(|line| Some((&line.domain, line.contract.as_ref()?)));
        let has = self.config.offered.iter().copied();
        let table = ServiceTable::of(&self.config.domain, has, contracts, &self.routes.lock());
        self.territory.set_table(table);
    }

    /// Passes a transaction on. Whoever waits in the same lane goes on as soon as it is on its way.
    pub(super) async fn pass_on(&self, from: &Arc<Peer>, mut order: Order, to: Domain) {
        let is_for_own = self.is_for_own_users(&order.said);
        if is_for_own && matches!(&order.said, Primitive::SendMessageRequest(it) if it.info.message_id.is_none()) {
            order.said = self.service.name(&from.domain, &order.id, order.said).await;
        }
        // The home domain of whoever is to get a message may keep it.
        let held = is_for_own.then(|| order.said.clone());
        let id = order.id.clone();
        match self.send_on(from, order, to).await {
            Ok(passage) => {
                self.spawn(from, move |this, from| async move { this.bring_back(&from, id, passage, held).await });
            }
            Err((failure, why)) => {
                tracing::info!(peer = %from.domain, id = ?id.as_str(), refused = %failure.status, why, "not passed on");
                let answer = failure.answer_with(why);
                let answer = self.hold_or(from, held, Some(failure), answer).await;
                self.answer(from, &id, answer);
            }
        }
    }

    fn is_for_own_users(&self, said: &Primitive) -> bool {
        let is_own = |home: Domain| self.territory.is_own(home.as_str());
        let is_message = matches!(said, Primitive::SendMessageRequest(_));
        is_message && said.spoken_to().into_iter().all(|address| home_of(address).is_some_and(is_own))
    }

    async fn send_on(&self, from: &Arc<Peer>, order: Order, to: Domain) -> Result<Passage, Stopped> {
        let Order { id, mut said, came } = order;
        let (now, settings) = (self.clock.now(), &self.config.relay);
        if self.is_stopping.load(Ordering::Acquire) {
            return Err(stopped((Status::SERVER_UNAVAILABLE, "this domain is going down")));
        }
        if !self.is_peer(&to) {
            return Err(stopped((Status::DOMAIN_NOT_SUPPORTED, "there is no way to the domain that provides it")));
        }
        let to_id = fresh_id().ok_or(stopped((Status::SERVER_UNAVAILABLE, "there are no random numbers")))?;
        let route = said.meta().and_then(|meta| meta.route.as_ref());
        let (is_first, own) = (route.is_none(), format!("wv:@{}", self.config.domain));
        let travelled =
            relay::travel(route, &own, to_id.as_str(), now.since(came), self.settings.reply_within, settings);
        let (route, within) = travelled.map_err(stopped)?;
        let circle = if is_first {
            let begun = self.circles.lock().begins(&said, &id, &from.domain, now, settings);
            Some(begun.ok_or(stopped((Status::DOMAIN_NOT_SUPPORTED, "routing loop")))?)
        } else {
            None
        };
        let speaks = self.speaks_to_third(&said, &to);
        if let Some(meta) = said.meta_mut() {
            meta.route = Some(route);
            if speaks {
                meta.requestor = MetaInfo::of_domain(own.as_str().into()).requestor;
            }
        }
        let row = self.row(from, id, (&to, &to_id), &said, within);
        self.transactions.lock().open(row);
        let (lane, id, within) = (lane_of(&said), Some(to_id.clone()), Some(within));
        let ask = Ask { lane, primitive: said, id, within, hurries: true };
        match self.peer(&to).await.and_then(|next| self.begin_ask(&next, ask, Haste::Great)) {
            Ok(answering) => Ok(Passage { to, to_id, circle, answering }),
            Err(failure) => {
                self.close(&to, &to_id, circle);
                Err((failure, ""))
            }
        }
    }

    /// Whether this is about our own users and told to others, whom only we may tell: in our own name (SSP 13.2, 3).
    fn speaks_to_third(&self, said: &Primitive, to: &Domain) -> bool {
        let is_own = |home: Domain| self.territory.is_own(home.as_str());
        let is_about_own = said.spoken_for().into_iter().filter_map(home_of).any(is_own);
        is_about_own
            && relay::goes_down(said)
            && relay::receivers(said).into_iter().filter_map(home_of).any(|it| it == *to)
    }

    fn row(
        &self,
        from: &Arc<Peer>,
        from_id: TransactionId,
        (to, to_id): (&Domain, &TransactionId),
        said: &Primitive,
        within: Duration,
    ) -> Relayed {
        let requestor = said.meta().map(|meta| &meta.requestor);
        let user = requestor.and_then(|it| it.user.as_ref()).map(|user| user.user_id.as_str());
        let since = self.clock.now();
        Relayed {
            from: from.domain.clone(),
            from_id,
            to: to.clone(),
            to_id: to_id.clone(),
            service: said.service().unwrap_or(Offered::Common),
            name: said.name().as_str(),
            requestor: user.or(requestor.map(|it| it.service_id.as_str())).unwrap_or_default().into(),
            since,
            deadline: since.plus(within),
        }
    }

    fn close(&self, to: &Domain, to_id: &TransactionId, circle: Option<u64>) {
        self.transactions.lock().close(to, to_id);
        if let Some(key) = circle {
            self.circles.lock().ended(key);
        }
    }

    /// Waits for the answer, and gives it to whoever asked, as it is.
    async fn bring_back(&self, from: &Arc<Peer>, id: TransactionId, passage: Passage, held: Option<Primitive>) {
        let Passage { to, to_id, circle, answering } = passage;
        let gone = Unanswered { status: Status::SERVER_UNAVAILABLE, try_again: None, taken: false };
        let (answer, failure) = match answering.await.unwrap_or(Err(gone)) {
            Ok(answer) => {
                let failure = failure_in(&answer);
                (answer, failure)
            }
            Err(failure) => (failure.answer(), Some(failure)),
        };
        self.close(&to, &to_id, circle);
        let answer = self.hold_or(from, held, failure, answer).await;
        self.answer(from, &id, answer);
    }

    /// What is answered when something could not be passed on: that it is kept, where somebody does.
    async fn hold_or(
        &self,
        from: &Arc<Peer>,
        held: Option<Primitive>,
        failure: Option<Unanswered>,
        answer: Primitive,
    ) -> Primitive {
        let failure = failure.filter(|it| it.status == Status::SERVER_UNAVAILABLE && !it.taken);
        match (held, failure) {
            (Some(said), Some(why)) => self.service.hold(&from.domain, said, &why).await.unwrap_or(answer),
            _ => answer,
        }
    }
}

/// That a relay behind the next one could not pass it on.
fn failure_in(answer: &Primitive) -> Option<Unanswered> {
    let outcome = answer.outcome()?;
    let try_again = outcome.try_again.map(|seconds| Duration::from_secs(seconds.into()));
    (!outcome.status.is_success()).then_some(Unanswered { status: outcome.status, try_again, taken: false })
}

/// An ID that nothing had before.
fn fresh_id() -> Option<TransactionId> {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(32);
    for octet in SystemDice.octets()?.iter().take(16) {
        let _ = write!(text, "{octet:02x}");
    }
    Some(TransactionId::new(&text))
}

impl Unanswered {
    /// As the answer to somebody for whom it was asked, with the reason in words.
    fn answer_with(&self, why: &'static str) -> Primitive {
        match (self.answer(), status(self.status, why)) {
            (Primitive::Status(plain), Primitive::Status(mut said)) => {
                said.try_again = plain.try_again;
                Primitive::Status(said)
            }
            (plain, _) => plain,
        }
    }
}
