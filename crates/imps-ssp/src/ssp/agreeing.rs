//! What two domains agree on is asked for, and answered. SSP 11.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use imps_proto::ssp::{GetServiceListRequest, Primitive, Service as Offered, SetServiceAgreementRequest};
use imps_service::Timestamp;

use super::{Ask, Peer, Ssp};
use crate::agreement::{self, Agreement, Origin, Terms};

/// How often a peer is asked at most.
const PAUSE: Duration = Duration::from_secs(3600);
/// For how long an agreement is good, seconds.
const VALIDITY: u32 = 2_592_000;

impl Ssp {
    pub(super) async fn agree(&self, peer: &Arc<Peer>, asked: &SetServiceAgreementRequest) -> Primitive {
        let now = self.clock.now();
        let table = self.territory.table();
        let (answer, changed) = peer.link.lock().agreement().answer(asked, table.offered(), now);
        if let Some(changed) = changed {
            self.set_agreement(peer, changed).await;
        }
        answer.into()
    }

    async fn set_agreement(&self, peer: &Arc<Peer>, agreement: Agreement) {
        peer.link.lock().set_agreement(agreement.clone());
        self.service.agreed(&peer.domain, &agreement).await;
    }

    /// Asks a new peer what it has, and for an agreement on what both have; of a contract, whether it has the same one.
    pub(super) async fn negotiate(&self, peer: &Arc<Peer>) {
        let now = self.clock.now();
        let held = peer.link.lock().agreement().clone();
        let last = Timestamp(peer.negotiated.load(Ordering::Relaxed));
        let is_open = held.origin != Origin::Negotiated;
        if !self.config.negotiates || !is_open || (last.0 > 0 && now.since(last) < PAUSE) {
            return;
        }
        peer.negotiated.store(now.0, Ordering::Relaxed);
        let ask = GetServiceListRequest { meta: self.meta() };
        let Ok(Primitive::GetServiceListResponse(list)) = self.ask_peer(peer, Ask::of(ask)).await else { return };
        let is_contract = held.origin == Origin::Contract;
        let wish = if is_contract {
            // To the peer it is we who relay for those whom it provides for.
            let behind = held.terms.theirs.iter().map(|it| &it.domain).filter(|it| !self.territory.is_own(it.as_str()));
            Terms { behind: behind.cloned().collect(), ..held.terms.clone() }
        } else {
            let table = self.territory.table();
            let theirs = list.services.iter().flat_map(|it| &it.services).filter_map(|it| Offered::parse(&it.name));
            Terms {
                interop: theirs
                    .filter(|it| table.offered().contains(it) && agreement::is_between_equals(*it))
                    .collect(),
                ..Terms::default()
            }
        };
        let id = format!("{}-{}", self.config.domain, now.seconds());
        let ask = agreement::proposal(self.meta(), &id, &wish, VALIDITY);
        let answer = self.ask_peer(peer, Ask::of(ask)).await;
        let Ok(Primitive::SetServiceAgreementResponse(answer)) = answer else { return };
        let until = Some(self.clock.now().plus(Duration::from_secs(u64::from(VALIDITY))));
        let granted = Agreement::granted(&wish, &answer, until);
        if is_contract {
            if !granted.is_some_and(|granted| granted.terms.provides_as(&wish)) {
                tracing::warn!(peer = %peer.domain, "it does not have the contract that is written down here");
            }
        } else if let Some(granted) = granted {
            self.set_agreement(peer, granted).await;
        }
    }
}
