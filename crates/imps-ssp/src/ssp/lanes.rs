//! What a peer asks for is carried out: that of one user in the order in which it came.

use std::collections::VecDeque;
use std::sync::Arc;

use imps_proto::ssp::{GetServiceListResponse, Primitive};
use imps_service::Timestamp;
use imps_types::element::{Group, MessageInfo, ResultInfo, ScreenName};
use imps_types::{Status, TransactionId};

use super::{Peer, Ssp};
use crate::agreement;
use crate::machine::status;
use crate::relay::{self, Next};

/// In how many lanes a peer's transactions are carried out; those of one user keep their order.
pub(super) const LANES: usize = 64;

/// Transactions that are carried out one after the other.
#[derive(Default)]
pub(super) struct Lane {
    waiting: VecDeque<Order>,
    is_running: bool,
}

/// Something that a peer asks for, or tells.
pub(super) struct Order {
    pub(super) id: TransactionId,
    pub(super) said: Primitive,
    pub(super) came: Timestamp,
}

/// The number of whoever asks: his transactions keep their order. What a domain tells by itself has no user: that of one
/// group keeps its order, and that on one message, of one sender, on one user.
pub(super) fn lane_of(said: &Primitive) -> Option<u64> {
    use std::hash::BuildHasher as _;
    let user = said.meta().and_then(|meta| meta.requestor.user.as_ref());
    let key = match (user, said) {
        (Some(user), _) => user.user_id.as_str(),
        // One may be of several publishers and for several watchers, and the next of and for some of them.
        (None, Primitive::PresenceNotification(_)) => said.name().as_str(),
        (None, Primitive::DeliveryStatusReport(it)) if it.info.message_id.is_some() => {
            it.info.message_id.as_deref().unwrap_or_default()
        }
        (None, Primitive::NewMessage(it)) if !it.info.recipient.groups.is_empty() => group_of(&it.info)?,
        (None, said) => said.spoken_for().first().or(said.spoken_to().first())?.as_str(),
    };
    Some(rustc_hash::FxBuildHasher.hash_one(key))
}

fn group_of(info: &MessageInfo) -> Option<&str> {
    match info.recipient.groups.first()? {
        Group::Id(group) | Group::ScreenName(ScreenName { group_id: group, .. }) => Some(group.as_str()),
    }
}

impl Ssp {
    /// Puts a transaction into its lane. It is called while the peer's machine is held, so that the order holds.
    pub(super) fn enqueue(&self, peer: &Arc<Peer>, id: TransactionId, said: Primitive) {
        let at = usize::try_from(lane_of(&said).unwrap_or_default() % LANES as u64).unwrap_or_default();
        let Some(lane) = peer.lanes.get(at) else { return };
        let mut lane = lane.lock();
        lane.waiting.push_back(Order { id, said, came: self.clock.now() });
        if !std::mem::replace(&mut lane.is_running, true) {
            self.spawn(peer, move |this, peer| async move { this.run_lane(&peer, at).await });
        }
    }

    async fn run_lane(&self, peer: &Arc<Peer>, at: usize) {
        let Some(lane) = peer.lanes.get(at) else { return };
        loop {
            let next = {
                let mut lane = lane.lock();
                let next = lane.waiting.pop_front();
                lane.is_running = next.is_some();
                next
            };
            let Some(order) = next else { return };
            match relay::next(&self.territory.table(), &order.said, Some(&peer.domain)) {
                Next::Local => {
                    let answer = self.perform(peer, &order.id, order.said).await;
                    self.answer(peer, &order.id, answer);
                }
                Next::Peer(to) => self.pass_on(peer, order, to).await,
                Next::Refused(refused, why) => {
                    let (primitive, id) = (order.said.name(), order.id.as_str());
                    tracing::info!(peer = %peer.domain, id, %primitive, %refused, why, "not passed on");
                    self.answer(peer, &order.id, status(refused, why));
                }
            }
        }
    }

    /// Tells a peer what became of its transaction.
    pub(super) fn answer(&self, peer: &Arc<Peer>, id: &TransactionId, answer: Primitive) {
        peer.link.lock().answered(id, answer, self.clock.now());
        self.settle(peer);
    }

    /// What is between the domains themselves is done here.
    async fn perform(&self, peer: &Arc<Peer>, id: &TransactionId, said: Primitive) -> Primitive {
        match said {
            Primitive::GetServiceListRequest(_) => {
                let services = Some(agreement::service_list(self.territory.table().offered()));
                GetServiceListResponse { status: ResultInfo::of(Status::SUCCESSFUL), services }.into()
            }
            Primitive::SetServiceAgreementRequest(asked) => self.agree(peer, &asked).await,
            Primitive::GetUserProfileRequest(asked) => self.tell_profile_of(&peer.domain, asked).await,
            Primitive::UpdateUserProfileRequest(told) => self.take_profile(&peer.domain, told).await,
            said => self.service.perform(&peer.domain, id, said).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use imps_proto::ssp::{GroupChangeNotice, MetaInfo, NewMessage};
    use imps_types::Address;
    use imps_types::element::{Recipient, Sender, User};

    use super::*;

    fn by_domain() -> MetaInfo {
        MetaInfo::of_domain("wv:@b.example".into())
    }

    fn message(from: &str, to: Recipient) -> Primitive {
        let sender = Some(Sender::User(User::of(from)));
        let info = MessageInfo { sender, recipient: to, ..MessageInfo::default() };
        NewMessage { meta: by_domain(), info, content: None }.into()
    }

    fn to_group(group: &str) -> Recipient {
        Recipient { groups: vec![Group::Id(Address::new(group))], ..Recipient::default() }
    }

    #[test]
    fn what_a_domain_tells_keeps_the_order_of_its_group_or_sender_only() {
        let (bob, bea) = ("wv:bob@b.example", "wv:bea@b.example");
        let to_alice = || Recipient::user(User::of("wv:alice@a.example"));
        let lane = |said: &Primitive| lane_of(said).expect("a lane of its own");
        assert_eq!(lane(&message(bob, to_alice())), lane(&message(bob, to_alice())));
        assert_ne!(lane(&message(bob, to_alice())), lane(&message(bea, to_alice())));
        let (cars, bikes) = ("wv:bob/cars@b.example", "wv:bob/bikes@b.example");
        let changed = GroupChangeNotice {
            meta: by_domain(),
            group_id: Address::new(cars),
            users: Vec::new(),
            joined: None,
            left: None,
            joined_blocked: None,
            left_blocked: None,
            properties: None,
            own_properties: None,
        };
        assert_eq!(lane(&message(bob, to_group(cars))), lane(&message(bea, to_group(cars))));
        assert_eq!(lane(&message(bob, to_group(cars))), lane(&changed.into()), "who comes is told before he speaks");
        assert_ne!(lane(&message(bob, to_group(cars))), lane(&message(bob, to_group(bikes))));
    }
}
