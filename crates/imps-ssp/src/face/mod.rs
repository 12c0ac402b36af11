//! Where SSP meets the service elements: what peers ask for is asked of them, and what they leave for other domains in the
//! store is posted there, in order, until it was taken.

mod abroad;
mod guests;
mod parts;
mod profile;
mod provided;
mod queue;
mod told;
mod watching;
mod written;

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use imps_proto::ssp::{DeliveryStatusReport, Primitive, SendMessageRequest, SendMessageResponse, UserProfile};
use imps_service::im::{FromAbroad, OutgoingMessage};
use imps_service::seam::{Gateway, Reach};
use imps_service::{Error, Services};
use imps_types::element::{ResultInfo, Sender};
use imps_types::{Address, Domain, GroupId, Service as Offered, Status, TransactionId, UserId};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::agreement::Agreement;
use crate::config::SspConfig;
use crate::find::Resolver;
use crate::machine::status;
use crate::peers::Peers;
use crate::relay::Provider;
use crate::ssp::{Service, Ssp, Unanswered};
use crate::translate;

pub use abroad::{Asked, Here};
pub use told::Desk;

/// The pauses between attempts.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long a domain for which nothing waits is remembered.
const KEPT: Duration = Duration::from_secs(60);

/// The service elements as peers have them.
pub struct Face {
    services: Arc<Services>,
    ssp: OnceLock<Weak<Ssp>>,
    /// Domains for which something waits, or has just waited.
    pumps: Mutex<FxHashMap<Domain, Arc<queue::Pump>>>,
    /// Users of other domains for whom something waits.
    guests: guests::Guests,
    /// Whom our users watch in other domains.
    watching: watching::Watching,
    /// Of the profiles of our users.
    versions: profile::Versions,
    /// What carries out what guests ask for.
    desk: Weak<dyn Desk>,
    /// When this was begun.
    begun: imps_service::Timestamp,
    this: Weak<Self>,
}

impl Face {
    /// Opens SSP for these services: other domains are reached from now on, and what waits for them goes out. The desk is
    /// there as long as whoever gave it.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn open(
        services: Arc<Services>,
        config: SspConfig,
        resolver: Option<Arc<dyn Resolver>>,
        desk: Weak<dyn Desk>,
    ) -> Result<(Arc<Ssp>, Arc<Self>), Error> {
        let clock = services.clock.clone();
        let waited_for = services.im().domains_waited_for().await?;
        let mut config = config;
        config.peers.extend(Peers(&services.store).lines().await?);
        let face = Arc::new_cyclic(|this| Self {
            services: services.clone(),
            ssp: OnceLock::new(),
            pumps: Mutex::default(),
            guests: guests::Guests::default(),
            watching: watching::Watching::default(),
            versions: profile::Versions::default(),
            desk,
            begun: clock.now(),
            this: this.clone(),
        });
        let ssp = Ssp::new(config, face.clone(), resolver, clock);
        let _ = face.ssp.set(Arc::downgrade(&ssp));
        services.router.set_gateway(face.clone());
        for domain in &waited_for {
            face.wake(domain);
        }
        face.attach_all();
        face.resume_watching().await?;
        for peer in ssp.providers(services.router.home()) {
            face.tell_gone(&peer).await?;
        }
        Ok((ssp, face))
    }

    /// Our service ID.
    fn own(&self) -> Address {
        format!("wv:@{}", self.services.router.home()).as_str().into()
    }

    fn ssp(&self) -> Option<Arc<Ssp>> {
        self.ssp.get()?.upgrade()
    }

    /// The peer that keeps this service for our own users, if one does.
    fn provider(&self, service: Offered) -> Option<Domain> {
        match self.ssp()?.provider(self.services.router.home(), service) {
            Provider::Peer(peer) => Some(peer),
            Provider::Local | Provider::None => None,
        }
    }

    /// A message for users of ours.
    async fn take_message(&self, peer: &Domain, transaction: &TransactionId, said: SendMessageRequest) -> Primitive {
        let SendMessageRequest { meta, delivery_report, mut info, content } = said;
        let user = match (&info.sender, &meta.requestor.user) {
            (Some(Sender::User(user)), _) | (None, Some(user)) => &user.user_id,
            (Some(Sender::Group(_)), _) | (None, None) => {
                return status(Status::BAD_PARAMETER, "the message has no sender");
            }
        };
        let Some(sender) = sender_of(user, peer) else {
            return status(Status::BAD_PARAMETER, "the sender is no user's address");
        };
        let content = content.map(|content| content.settle(&mut info)).unwrap_or_default();
        let id = info.message_id.clone();
        let from =
            FromAbroad { peer: peer.clone(), sender, id: id.clone(), transaction: Some(transaction.as_str().into()) };
        let message = OutgoingMessage { info, content, delivery_report: delivery_report.unwrap_or_default() };
        match self.services.im().receive(from, message).await {
            Ok(sent) => {
                let message_id = id.or_else(|| sent.id.map(|id| id.to_string().into()));
                SendMessageResponse { message_id, status: sent.result }.into()
            }
            Err(error) => status(error.status(), &error.to_string()),
        }
    }

    /// Gives a message the MessageID by which it goes on to who keeps the messages of our users.
    async fn name_message(
        &self,
        peer: &Domain,
        transaction: &TransactionId,
        mut said: SendMessageRequest,
    ) -> SendMessageRequest {
        let Some((mut from, message)) = passing(peer, said.clone()) else { return said };
        from.transaction = Some(transaction.as_str().into());
        match self.services.im().name_on_the_way(from, &message).await {
            Ok(id) => said.info.message_id = Some(id.to_string().into()),
            Err(error) => tracing::warn!(%peer, %error, "a message is passed on without MessageID"),
        }
        said
    }

    /// Keeps a message that could not be passed on now to who keeps the messages of our users.
    async fn hold_message(&self, peer: &Domain, said: SendMessageRequest, provider: &Domain) -> Option<Primitive> {
        let (from, message) = passing(peer, said)?;
        let id = from.id.clone();
        match self.services.im().hold(from, message, provider).await {
            Ok(sent) => {
                let message_id = id.or_else(|| sent.id.map(|id| id.to_string().into()));
                Some(SendMessageResponse { message_id, status: ResultInfo::of(Status::ACCEPTED) }.into())
            }
            Err(error) => {
                tracing::info!(%peer, %error, "a message is not held");
                None
            }
        }
    }

    async fn take_report(&self, peer: &Domain, said: DeliveryStatusReport) -> Primitive {
        let outcome = said.result.status.status;
        let info = said.info;
        // Of what was said in a group there, there is no row here.
        let how = match self.services.im().reported(peer, info.clone(), outcome).await {
            Err(Error::UnknownMessage) => {
                let is_provider = self.provider(Offered::Im).as_ref() == Some(peer);
                self.services.im().reported_there(peer, is_provider, info, outcome).await
            }
            how => how,
        };
        match how {
            Ok(()) => status(Status::SUCCESSFUL, ""),
            Err(error) => status(error.status(), &error.to_string()),
        }
    }
}

/// A message that passes through, and where it comes from.
fn passing(peer: &Domain, said: SendMessageRequest) -> Option<(FromAbroad, OutgoingMessage)> {
    let SendMessageRequest { meta, delivery_report, mut info, content } = said;
    let user = match &info.sender {
        Some(Sender::User(user)) => &user.user_id,
        _ => &meta.requestor.user.as_ref()?.user_id,
    };
    let sender = sender_of(user, peer)?;
    let content = content.map(|content| content.settle(&mut info)).unwrap_or_default();
    let from = FromAbroad { peer: peer.clone(), sender, id: info.message_id.clone(), transaction: None };
    Some((from, OutgoingMessage { info, content, delivery_report: delivery_report.unwrap_or_default() }))
}

/// Who sends something: a user, or a service of a domain, whose address begins with a slash (SSP 2).
fn sender_of(address: &Address, peer: &Domain) -> Option<UserId> {
    if let Ok(user) = UserId::parse(address.as_str(), peer) {
        return Some(user);
    }
    let service = GroupId::parse(address.as_str(), peer).ok().filter(|it| it.local().starts_with('/'))?;
    Some(UserId::from_canonical(service.as_str()))
}

/// Whether another attempt may do better.
fn is_passing(status: Status) -> bool {
    let passing = [
        Status::SERVER_UNAVAILABLE,
        Status::TIMEOUT,
        Status::INTERNAL_ERROR,
        Status::MESSAGE_QUEUE_IS_FULL,
        Status::SESSION_EXPIRED,
        Status::NOT_LOGGED_IN,
    ];
    passing.contains(&status)
}

/// Whether a message is from one user to others, and no group has to do with it.
fn is_to_users(said: &SendMessageRequest) -> bool {
    said.info.recipient.groups.is_empty() && !matches!(said.info.sender, Some(Sender::Group(_)))
}

impl Gateway for Face {
    fn reaches(&self, domain: &Domain, service: Offered) -> Reach {
        self.ssp().map_or(Reach::Unknown, |ssp| ssp.reaches(domain, service))
    }

    fn keeps(&self, domain: &str, service: Offered) -> bool {
        // Asked of every message.
        if domain == self.services.router.home().as_str() {
            return self.provider(service).is_none();
        }
        let (Some(ssp), Ok(domain)) = (self.ssp(), Domain::parse(domain)) else { return false };
        matches!(ssp.provider(&domain, service), Provider::Local)
    }

    fn wake_guest(&self, guest: &UserId) {
        if let Some(session) = self.services.access().open_guest(guest) {
            return self.attach(&session);
        }
        let Some(this) = self.this.upgrade() else { return };
        if self.keeps(guest.domain(), Offered::Im) {
            // Whose messages are kept here is told of them when he is there.
            return this.look_for(guest);
        }
        let guest = guest.clone();
        tokio::spawn(async move {
            if let Err(error) = this.guest(&guest, this.visit_of(&guest)).await {
                tracing::warn!(%guest, %error, "a guest is not told what waits for him");
            }
        });
    }

    fn left_group(&self, user: &UserId, group: &GroupId) {
        self.leave_abroad(user, group);
    }

    fn watching_changed(&self, domain: &str) {
        if let Ok(domain) = Domain::parse(domain) {
            self.watching_changed(&domain);
        }
    }

    fn user_changed(&self, user: &UserId) {
        self.tell_profile(user);
    }

    fn wake(&self, domain: &Domain) {
        let mut pumps = self.pumps.lock();
        if let Some(pump) = pumps.get(domain) {
            return pump.wake.notify_one();
        }
        let Some(this) = self.this.upgrade() else { return };
        let pump = Arc::<queue::Pump>::default();
        pumps.insert(domain.clone(), pump.clone());
        tokio::spawn(this.pump(domain.clone(), pump));
    }
}

impl Service for Face {
    fn perform<'a>(&'a self, peer: &'a Domain, id: &'a TransactionId, said: Primitive) -> BoxFuture<'a, Primitive> {
        Box::pin(async move {
            match said {
                Primitive::SendMessageRequest(said) if is_to_users(&said) => self.take_message(peer, id, said).await,
                Primitive::DeliveryStatusReport(said) => self.take_report(peer, said).await,
                said @ Primitive::InviteResponse(_) => self.as_guest(peer, id, said).await,
                said => match translate::told_in(said.clone()) {
                    Some(told) => self.take_told(peer, id, told, said.name()).await,
                    None => self.as_guest(peer, id, said).await,
                },
            }
        })
    }

    fn hailed(&self, peer: &Domain) {
        self.hurry(peer);
    }

    fn session(&self, peer: &Domain, is_up: bool) {
        tracing::info!(%peer, is_up, "session with a peer");
        if is_up {
            self.hurry(peer);
            self.watching_anew(peer);
            self.tell_profiles(peer);
        }
    }

    fn name<'a>(&'a self, peer: &'a Domain, id: &'a TransactionId, said: Primitive) -> BoxFuture<'a, Primitive> {
        Box::pin(async move {
            match said {
                Primitive::SendMessageRequest(said) => self.name_message(peer, id, said).await.into(),
                said => said,
            }
        })
    }

    fn hold<'a>(&'a self, peer: &'a Domain, said: Primitive, why: &'a Unanswered) -> BoxFuture<'a, Option<Primitive>> {
        Box::pin(async move {
            let Primitive::SendMessageRequest(said) = said else { return None };
            let provider = self.provider(Offered::Im).filter(|_| is_passing(why.status))?;
            self.hold_message(peer, said, &provider).await
        })
    }

    fn profile<'a>(&'a self, user: &'a Address) -> BoxFuture<'a, Option<UserProfile>> {
        Box::pin(self.profile_of(user))
    }

    fn profile_changed<'a>(&'a self, home: &'a Domain, profile: &'a UserProfile) -> BoxFuture<'a, ()> {
        Box::pin(self.take_profile(home, profile))
    }

    fn agreed<'a>(&'a self, peer: &'a Domain, agreement: &'a Agreement) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            tracing::info!(%peer, id = ?agreement.id, "agreement with a peer");
            // With one that came by itself there is another at its next session: names of domains would fill the store.
            if self.ssp().is_some_and(|ssp| ssp.is_stranger(peer)) {
                return;
            }
            if let Err(error) = Peers(&self.services.store).agree(peer, agreement).await {
                tracing::warn!(%peer, %error, "what was agreed on holds until this server ends");
            }
        })
    }

    fn kept<'a>(&'a self, peer: &'a Domain) -> BoxFuture<'a, Option<Agreement>> {
        Box::pin(async move {
            let kept = Peers(&self.services.store).agreement(peer).await;
            let kept = kept.inspect_err(|error| tracing::warn!(%peer, %error, "an agreement cannot be read"));
            let now = self.services.clock.now();
            kept.ok().flatten().filter(|kept| kept.until.is_none_or(|until| until > now))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_of_a_domain_may_send() {
        let peer = Domain::parse("b.example").expect("a domain");
        let sender = |address: &str| sender_of(&Address::new(address), &peer).map(|it| it.to_string());
        assert_eq!(sender("wv:/Admin@B.example").as_deref(), Some("wv:/admin@b.example"));
        assert_eq!(sender("Bob@b.example").as_deref(), Some("wv:bob@b.example"));
        for none in ["wv:bob/cars@b.example", "wv:/@b.example", "wv:", "wv:/a b@b.example"] {
            assert_eq!(sender(none), None, "{none}");
        }
    }
}
