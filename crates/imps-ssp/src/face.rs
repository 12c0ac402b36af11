//! Where SSP meets the service elements: what peers ask for is asked of them, and what they leave for other domains in the
//! store is posted there, in order, until it was taken.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use imps_proto::ssp::{
    ContentData, DeliveryResult, DeliveryStatusReport, DeliveryTime, MetaInfo, Primitive, SendMessageRequest,
    SendMessageResponse,
};
use imps_service::im::{Abroad, AbroadWhat, FromAbroad, OutgoingMessage};
use imps_service::seam::{Gateway, Reach};
use imps_service::{Error, Services};
use imps_types::element::{ResultInfo, Sender};
use imps_types::{Address, Domain, Service as Offered, Status, TransactionId, UserId};
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::Notify;

use crate::agreement::Agreement;
use crate::config::SspConfig;
use crate::find::Resolver;
use crate::machine::status;
use crate::peers::Peers;
use crate::ssp::{Ask, Service, Ssp, Unanswered};

/// Rows of a domain that are looked at, and how many of them are under way at once.
const LOOKED_AT: usize = 1024;
const UNDER_WAY: usize = 512;
/// The pauses between attempts.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often something is posted that a peer takes and never answers: after that it counts as taken (SSP 7.3).
const UNANSWERED_MAX: u32 = 3;
/// How long a domain for which nothing waits is remembered.
const KEPT: Duration = Duration::from_secs(60);

/// The service elements as peers have them.
pub struct Face {
    services: Arc<Services>,
    ssp: OnceLock<Weak<Ssp>>,
    /// Domains for which something waits, or has just waited.
    pumps: Mutex<FxHashMap<Domain, Arc<Pump>>>,
    this: Weak<Self>,
}

/// What waits for a domain is posted by one task.
#[derive(Default)]
struct Pump {
    wake: Notify,
    under_way: Mutex<FxHashSet<u64>>,
    /// What is through. A look at the store that began before may see it still, so it counts as under way until the next.
    done: Mutex<Vec<u64>>,
    /// What a task carries, one after the other, by lane.
    lanes: Mutex<FxHashMap<u64, VecDeque<Abroad>>>,
}

impl Pump {
    fn forget_done(&self) {
        let done = std::mem::take(&mut *self.done.lock());
        let mut under_way = self.under_way.lock();
        for sequence in done {
            under_way.remove(&sequence);
        }
    }

    /// Whether this is not under way yet, and there is room for it.
    fn begins(&self, sequence: u64) -> bool {
        let mut under_way = self.under_way.lock();
        under_way.len() < UNDER_WAY && under_way.insert(sequence)
    }

    /// Puts it into its lane; true: nobody carries that lane yet.
    fn enqueue(&self, lane: u64, row: Abroad) -> bool {
        let mut lanes = self.lanes.lock();
        let is_new = !lanes.contains_key(&lane);
        lanes.entry(lane).or_default().push_back(row);
        is_new
    }

    /// The next of a lane; none: whoever carries it is through.
    fn next(&self, lane: u64) -> Option<Abroad> {
        let mut lanes = self.lanes.lock();
        let next = lanes.get_mut(&lane).and_then(VecDeque::pop_front);
        if next.is_none() {
            lanes.remove(&lane);
        }
        next
    }
}

impl Face {
    /// Opens SSP for these services: other domains are reached from now on, and what waits for them goes out.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn open(
        services: Arc<Services>,
        config: SspConfig,
        resolver: Option<Arc<dyn Resolver>>,
    ) -> Result<Arc<Ssp>, Error> {
        let clock = services.clock.clone();
        let waited_for = services.im().domains_waited_for().await?;
        let mut config = config;
        config.peers.extend(Peers(&services.store).lines().await?);
        let face = Arc::new_cyclic(|this| Self {
            services: services.clone(),
            ssp: OnceLock::new(),
            pumps: Mutex::default(),
            this: this.clone(),
        });
        let ssp = Ssp::new(config, face.clone(), resolver, clock);
        let _ = face.ssp.set(Arc::downgrade(&ssp));
        services.router.set_gateway(face.clone());
        for domain in &waited_for {
            face.wake(domain);
        }
        Ok(ssp)
    }

    fn ssp(&self) -> Option<Arc<Ssp>> {
        self.ssp.get()?.upgrade()
    }

    /// A message for users of ours.
    async fn take_message(&self, peer: &Domain, said: SendMessageRequest) -> Primitive {
        let SendMessageRequest { meta, delivery_report, mut info, content } = said;
        let user = match (&info.sender, &meta.requestor.user) {
            (Some(Sender::User(user)), _) | (None, Some(user)) => &user.user_id,
            // Nobody of ours has joined a group of another domain yet.
            (Some(Sender::Group(_)), _) => {
                return status(Status::SERVICE_NOT_SUPPORTED, "groups are not joined from here");
            }
            (None, None) => return status(Status::BAD_PARAMETER, "the message has no sender"),
        };
        let Ok(sender) = UserId::parse(user.as_str(), peer) else {
            return status(Status::BAD_PARAMETER, "the sender is no user's address");
        };
        let content = content.map(|content| content.settle(&mut info)).unwrap_or_default();
        let id = info.message_id.clone();
        let from = FromAbroad { peer: peer.clone(), sender, id: id.clone() };
        let message = OutgoingMessage { info, content, delivery_report: delivery_report.unwrap_or_default() };
        match self.services.im().receive(from, message).await {
            Ok(sent) => {
                let message_id = id.or_else(|| sent.id.map(|id| id.to_string().into()));
                SendMessageResponse { message_id, status: sent.result }.into()
            }
            Err(error) => status(error.status(), &error.to_string()),
        }
    }

    async fn take_report(&self, peer: &Domain, said: DeliveryStatusReport) -> Primitive {
        let outcome = said.result.status.status;
        match self.services.im().reported(peer, said.info, outcome).await {
            Ok(()) => status(Status::SUCCESSFUL, ""),
            Err(error) => status(error.status(), &error.to_string()),
        }
    }

    /// Posts what waits for a domain, until nothing does.
    async fn pump(self: Arc<Self>, domain: Domain, pump: Arc<Pump>) {
        loop {
            pump.forget_done();
            let rows = match self.services.im().waiting_abroad(&domain, LOOKED_AT).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::warn!(%domain, %error, "what waits for a domain cannot be read");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let is_done = rows.is_empty();
            for row in rows {
                if !pump.begins(row.sequence) {
                    continue;
                }
                let lane = lane_of(&row);
                if pump.enqueue(lane, row) {
                    tokio::spawn(self.clone().carry_lane(pump.clone(), lane));
                }
            }
            let woken = tokio::time::timeout(KEPT, pump.wake.notified()).await.is_ok();
            if !woken && is_done {
                let mut pumps = self.pumps.lock();
                // Whoever wakes a pump has the table meanwhile: what came since the time ran out is not lost.
                let is_woken = pump.wake.notified().now_or_never().is_some();
                if is_woken {
                    continue;
                }
                if pump.under_way.lock().is_empty() && Arc::strong_count(&pump) <= 2 {
                    pumps.remove(&domain);
                    return;
                }
            }
        }
    }

    /// Carries what is in a lane: the next one when the one before has been taken, so that the order holds whatever fails.
    async fn carry_lane(self: Arc<Self>, pump: Arc<Pump>, lane: u64) {
        while let Some(row) = pump.next(lane) {
            let sequence = row.sequence;
            if self.carry(row, lane).await {
                pump.done.lock().push(sequence);
                // Room for the next.
                pump.wake.notify_one();
            } else {
                // It is over, and lies there until the store is swept.
                let pump = pump.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(PAUSE_MAX).await;
                    pump.done.lock().push(sequence);
                });
            }
        }
    }

    /// Carries one thing to its domain, however often it must be posted, until it was taken. False: its time was over
    /// before.
    async fn carry(&self, row: Abroad, lane: u64) -> bool {
        // The same at every attempt, and after a restart: the peer can tell that it is the same.
        let id = TransactionId::new(&format!("{:020}-0", row.sequence));
        let (mut pause, mut unanswered) = (PAUSE, 0);
        while self.services.clock.now() < expires(&row) {
            let Some(ssp) = self.ssp() else { return false };
            let left = expires(&row).since(self.services.clock.now());
            let within = Some(ssp.reply_within().min(left));
            let ask = Ask { primitive: self.primitive_of(&row), id: Some(id.clone()), lane: Some(lane), within };
            let end = match ssp.ask(&row.domain, ask).await {
                Ok(answer) => end_of(answer.outcome(), &row),
                Err(failure) => {
                    unanswered += u32::from(failure.taken);
                    if unanswered >= UNANSWERED_MAX {
                        tracing::warn!(domain = %row.domain, sequence = row.sequence, "taken, and never answered");
                        End::Settled(Vec::new())
                    } else {
                        end_without_answer(&failure, &row)
                    }
                }
            };
            drop(ssp);
            match end {
                End::Settled(refused) => match self.services.im().settled_abroad(&row, &refused).await {
                    Ok(()) => return true,
                    Err(error) => tracing::warn!(domain = %row.domain, %error, "what was taken waits still"),
                },
                End::Later(wished) => pause = wished.unwrap_or(pause).clamp(PAUSE, PAUSE_MAX),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        // Whoever sweeps the store says so to the sender.
        false
    }

    fn primitive_of(&self, row: &Abroad) -> Primitive {
        let own: Address = format!("wv:@{}", self.services.router.home()).as_str().into();
        match &row.what {
            AbroadWhat::Message(message) => {
                let mut info = message.info.clone();
                info.ext_blocks = Vec::new();
                // Its life there ends when it would end here.
                let left = message.expires.since(self.services.clock.now()).as_secs().max(1);
                info.validity = Some(u32::try_from(left).unwrap_or(u32::MAX));
                let content = imps_types::element::Content { data: message.content.clone(), binary: message.binary };
                let user = match &info.sender {
                    Some(Sender::User(user)) => user.clone(),
                    _ => imps_types::element::User::of(&message.sender),
                };
                let content = Some(ContentData::of(&info, content));
                let meta = MetaInfo::of_user(own, user);
                SendMessageRequest { meta, delivery_report: Some(message.report), info, content }.into()
            }
            AbroadWhat::Report(report) => DeliveryStatusReport {
                meta: Some(MetaInfo::of_domain(own)),
                result: DeliveryResult { status: ResultInfo::of(report.result) },
                time: Some(DeliveryTime(Some(report.time))),
                info: report.info.clone(),
            }
            .into(),
        }
    }
}

/// How an attempt ended.
enum End {
    /// It was taken, but for these.
    Settled(Vec<(Address, Status)>),
    /// Not yet; after this time, if the peer named one.
    Later(Option<Duration>),
}

fn expires(row: &Abroad) -> imps_service::Timestamp {
    match &row.what {
        AbroadWhat::Message(message) => message.expires,
        AbroadWhat::Report(report) => report.expires,
    }
}

/// Messages of one sender to one domain keep their order, and reports on one message.
fn lane_of(row: &Abroad) -> u64 {
    use std::hash::BuildHasher as _;
    let key = match &row.what {
        AbroadWhat::Message(message) => (message.sender.as_str(), None),
        AbroadWhat::Report(report) => (report.recipient.as_str(), report.info.message_id.as_deref()),
    };
    rustc_hash::FxBuildHasher.hash_one(key)
}

/// Everybody who should have got it, with the reason why not.
fn all_refused(row: &Abroad, status: Status) -> Vec<(Address, Status)> {
    match &row.what {
        AbroadWhat::Message(message) => {
            message.info.recipient.users.iter().map(|user| (user.user_id.clone(), status)).collect()
        }
        AbroadWhat::Report(_) => Vec::new(),
    }
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

fn end_of(outcome: Option<&ResultInfo>, row: &Abroad) -> End {
    let Some(outcome) = outcome else { return End::Settled(Vec::new()) };
    // What it says of others is not heard: they are not in the message.
    let detail_of = |user: &Address| {
        let is_it = |said: &Address| {
            said == user || UserId::parse(said.as_str(), &row.domain).is_ok_and(|said| Address::from(&said) == *user)
        };
        outcome.detailed.iter().find(|one| one.user_ids.iter().any(is_it)).map(|one| one.status)
    };
    let everybody = |status| all_refused(row, status).into_iter();
    match outcome.status {
        status if status.is_success() || status == Status::QUEUED => {
            End::Settled(everybody(status).filter_map(|(user, _)| detail_of(&user).map(|why| (user, why))).collect())
        }
        status if is_passing(status) && outcome.detailed.is_empty() => {
            End::Later(outcome.try_again.map(|seconds| Duration::from_secs(seconds.into())))
        }
        status => {
            let why = |(user, status)| (detail_of(&user).unwrap_or(status), user);
            End::Settled(everybody(status).map(why).map(|(why, user)| (user, why)).collect())
        }
    }
}

fn end_without_answer(failure: &Unanswered, row: &Abroad) -> End {
    match failure.status {
        status @ (Status::DOMAIN_NOT_SUPPORTED
        | Status::SERVICE_NOT_AGREED
        | Status::RESPONSE_TOO_LARGE
        | Status::BAD_PARAMETER) => End::Settled(all_refused(row, status)),
        _ => End::Later(failure.try_again),
    }
}

impl Gateway for Face {
    fn reaches(&self, domain: &Domain, service: Offered) -> Reach {
        self.ssp().map_or(Reach::Unknown, |ssp| ssp.reaches(domain, service))
    }

    fn wake(&self, domain: &Domain) {
        let mut pumps = self.pumps.lock();
        if let Some(pump) = pumps.get(domain) {
            return pump.wake.notify_one();
        }
        let Some(this) = self.this.upgrade() else { return };
        let pump = Arc::<Pump>::default();
        pumps.insert(domain.clone(), pump.clone());
        tokio::spawn(this.pump(domain.clone(), pump));
    }
}

impl Service for Face {
    fn perform<'a>(&'a self, peer: &'a Domain, said: Primitive) -> BoxFuture<'a, Primitive> {
        Box::pin(async move {
            match said {
                Primitive::SendMessageRequest(said) => self.take_message(peer, said).await,
                Primitive::DeliveryStatusReport(said) => self.take_report(peer, said).await,
                other => status(Status::SERVICE_NOT_SUPPORTED, other.name().as_str()),
            }
        })
    }

    fn agreed<'a>(&'a self, peer: &'a Domain, agreement: &'a Agreement) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            tracing::info!(%peer, id = %agreement.id, "agreement with a peer");
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
    use imps_service::Timestamp;
    use imps_service::event::Message;
    use imps_types::MessageId;
    use imps_types::element::{DetailedResult, MessageInfo, Recipient, User};

    use super::*;

    fn row() -> Abroad {
        let users = ["wv:bob@b.example", "wv:bea@b.example"].map(User::of).into();
        let message = Message {
            id: MessageId::new(1),
            sender: UserId::from_canonical("wv:alice@a.example"),
            info: MessageInfo { recipient: Recipient { users, ..Recipient::default() }, ..MessageInfo::default() },
            content: Vec::new().into(),
            binary: false,
            shared: false,
            report: true,
            expires: Timestamp(1),
            kept: imps_service::event::Kept::default(),
        };
        Abroad {
            domain: Domain::parse("b.example").expect("a domain"),
            sequence: 1,
            what: AbroadWhat::Message(message),
        }
    }

    fn refused(status: Status, about: &[&str]) -> Vec<(String, u16)> {
        let user_ids = about.iter().map(|user| Address::new(user)).collect();
        let one = DetailedResult { user_ids, ..DetailedResult::of(Status::UNKNOWN_USER) };
        let detailed = if about.is_empty() { Vec::new() } else { vec![one] };
        let outcome = ResultInfo { detailed, ..ResultInfo::of(status) };
        let End::Settled(refused) = end_of(Some(&outcome), &row()) else { panic!("it has an end") };
        refused.into_iter().map(|(user, why)| (user.as_str().to_owned(), why.code())).collect()
    }

    #[test]
    fn a_peer_says_what_became_of_the_recipients_and_of_nobody_else() {
        let of =
            |pairs: &[(&str, u16)]| pairs.iter().map(|(user, code)| ((*user).to_owned(), *code)).collect::<Vec<_>>();
        assert_eq!(refused(Status::SUCCESSFUL, &[]), of(&[]));
        let about = ["wv:BOB@b.example", "wv:alice@a.example", "wv:zoe@b.example"];
        assert_eq!(refused(Status::PARTIALLY_SUCCESSFUL, &about), of(&[("wv:bob@b.example", 531)]));
        // Nobody got it, whomever it names.
        let both = [("wv:bob@b.example", 531), ("wv:bea@b.example", 500)];
        assert_eq!(refused(Status::INTERNAL_ERROR, &about), of(&both));
    }

    #[test]
    fn what_cannot_be_read_there_is_not_tried_again() {
        for (http, is_settled) in [(400, true), (415, true), (413, true), (404, false)] {
            let failure = Unanswered::from(crate::machine::Failure::Refused(http));
            let end = end_without_answer(&failure, &row());
            assert_eq!(matches!(end, End::Settled(all) if all.len() == 2), is_settled, "HTTP {http}");
        }
    }
}
