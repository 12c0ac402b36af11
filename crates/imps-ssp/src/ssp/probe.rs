//! `hamlet peer test`: what happens when a peer is spoken with, step by step.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use imps_proto::ssp::{GetServiceListRequest, GetServiceListResponse, Primitive};
use imps_types::{Domain, Status};

use super::{Ask, Peer, Ssp, Unanswered};
use crate::agreement::{Agreement, Origin};
use crate::find::{NoWay, TlsPolicy};

/// How long a peer is waited for.
const WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked how far it has come.
const LOOKS: Duration = Duration::from_millis(20);

/// How long it is waited for what is agreed on when a session has come up; some never agree on anything.
const AGREED: Duration = Duration::from_secs(2);

/// How long the right domain is waited for when another one has answered.
const STRANGE: Duration = Duration::from_secs(1);

/// What was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether it went well.
    pub is_good: bool,
    /// What came of it.
    pub said: String,
}

impl Step {
    fn good(said: impl Into<String>) -> Self {
        Self { is_good: true, said: said.into() }
    }

    fn bad(said: impl Into<String>) -> Self {
        Self { is_good: false, said: said.into() }
    }
}

impl Ssp {
    /// Speaks with a peer, in a session that is opened if there is none. The last step is a bad one, or all went well.
    pub async fn probe(&self, domain: &Domain) -> Vec<Step> {
        if !self.is_peer(domain) {
            return vec![Step::bad(format!("{domain} is no peer"))];
        }
        let mut steps = Vec::new();
        match self.finder.ways(domain).await {
            Ok(ways) => steps.push(Step::good(format!("{domain} is looked for at {}", ways.join(", ")))),
            Err(why) => {
                let why = match why {
                    NoWay::Unknown => "has no URL in the table of peers, and no record in DNS",
                    NoWay::NotSecure if self.finder.policy(domain) == TlsPolicy::Off => {
                        "has no URL by which it may be spoken with: TLS is off, and https:// has it"
                    }
                    NoWay::NotSecure => "has no URL by which it may be spoken with: TLS is required",
                    NoWay::Failed => "has no URL in the table of peers, and DNS does not answer",
                };
                steps.push(Step::bad(format!("{domain} {why}")));
                return steps;
            }
        }
        let Ok(peer) = self.peer(domain).await else {
            steps.push(Step::bad("too many domains that nobody wrote down are spoken with"));
            return steps;
        };
        let was_up = peer.link.lock().is_up(self.clock.now());
        let answer = self.ask_for_services(&peer).await;
        let sessions = peer.link.lock().sessions(self.clock.now());
        if let Some((own, theirs, _)) = sessions.last() {
            let how = if was_up { "is up" } else { "was opened" };
            let proved = "each has proved to be where it is published";
            steps.push(Step::good(format!("a session {how}: {proved} ({own}, {theirs})")));
        }
        match answer {
            Ok(list) => {
                let services = list.services.iter().flat_map(|it| &it.services);
                let names: Vec<_> = services.map(|line| line.name.to_string()).collect();
                steps.push(Step::good(format!("{domain} answers, and offers {}", names.join(", "))));
                let agreement = self.agreed(&peer).await;
                let names: Vec<_> = agreement.terms.interop.iter().map(|service| service.as_str()).collect();
                let origin = agreement.origin.as_str();
                steps.push(Step::good(format!("used between both ({origin}): {}", names.join(", "))));
            }
            Err(why) => steps.push(Step::bad(why)),
        }
        steps
    }

    /// What holds between both. What is being agreed on in these moments is waited for.
    async fn agreed(&self, peer: &Peer) -> Agreement {
        let begun = tokio::time::Instant::now();
        loop {
            let agreement = peer.link.lock().agreement().clone();
            if agreement.origin != Origin::Default || !self.config.negotiates || begun.elapsed() > AGREED {
                return agreement;
            }
            tokio::time::sleep(LOOKS).await;
        }
    }

    /// Asks what there is; when nobody takes the question, this is said at once.
    async fn ask_for_services(&self, peer: &Arc<Peer>) -> Result<GetServiceListResponse, String> {
        let failed = |peer: &Peer| peer.posts.1.load(Ordering::Relaxed);
        let taken = |peer: &Peer| peer.posts.0.load(Ordering::Relaxed) - failed(peer);
        let (before, taken_before, begun) = (failed(peer), taken(peer), self.clock.now());
        peer.link.lock().try_now(self.clock.now());
        let ask = Ask::of(GetServiceListRequest { meta: self.meta() });
        let mut answer = std::pin::pin!(self.ask_peer(peer, Ask { within: Some(WITHIN), ..ask }));
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer,
                () = tokio::time::sleep(LOOKS) => {}
            }
            let is_over = {
                let link = peer.link.lock();
                !link.is_up(self.clock.now()) && !link.is_setting_up()
            };
            let strange = self.strange_token.lock().clone().filter(|(_, at)| *at >= begun);
            if strange.as_ref().is_some_and(|(other, _)| self.territory.is_own(other.as_str())) {
                return Err(format!("this server itself answers there: it is not the URL of {}", peer.domain));
            }
            let is_setting_up = !peer.link.lock().is_up(self.clock.now());
            if let Some((other, at)) = strange.filter(|_| is_setting_up)
                && self.clock.now().since(at) > STRANGE
            {
                return Err(format!(
                    "{other} answers in its place: if that is its name, `hamlet peer remove {}` and `hamlet peer add {other}`",
                    peer.domain
                ));
            }
            if is_over && failed(peer) > before {
                let why = peer.last_failure.lock().clone();
                return Err(why.map_or_else(|| "nobody takes our token".to_owned(), |(_, why)| why));
            }
        };
        let domain = &peer.domain;
        match answer {
            Ok(Primitive::GetServiceListResponse(list)) => Ok(list),
            Ok(other) => Err(match other.outcome() {
                Some(outcome) => format!("{domain} answers with status {}", outcome.status),
                None => format!("{domain} answers with something else than a list of services"),
            }),
            Err(Unanswered { taken: true, .. }) => {
                Err(format!("{domain} has taken a request, and does not answer it: can it reach this server?"))
            }
            Err(Unanswered { status: Status::TIMEOUT | Status::SERVER_UNAVAILABLE, .. }) => {
                let within = WITHIN.as_secs();
                Err(if taken(peer) > taken_before {
                    format!("no session within {within} s: {domain} takes our token, and its own does not come")
                } else {
                    format!("no session within {within} s: there is no answer from what listens there")
                })
            }
            Err(other) => Err(format!("no session: status {}", other.status)),
        }
    }
}
