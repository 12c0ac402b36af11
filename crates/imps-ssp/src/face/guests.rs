//! Guests are told what happens to them: through their home domain, as much of it together as there is (SSP 9.5 to 9.7).
//!
//! What happens to a guest waits in the outbox of his session, or in the store behind it, until his domain has taken it.
//! For each domain one task collects what waits for its guests; the same message of a group, the same change, the same
//! presence go out once for all of them.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use imps_service::access::Visit;
use imps_service::common::{Invitation, InviteReply};
use imps_service::event::{Event, Message, NoticeContent};
use imps_service::seam::Link;
use imps_service::{Error, Session, Timestamp};
use imps_types::element::{ResultInfo, Sender, User};
use imps_types::{Address, Domain, Service as Offered, SessionId, Status, TransactionId, UserId};
use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use tokio::sync::Notify;

use super::{Face, KEPT, PAUSE, PAUSE_MAX, is_passing};
use crate::relay::Next;
use crate::ssp::{Ask, Ssp, Unanswered};
use crate::translate::{self, Way};

/// Events of one guest that are collected at once.
const EVENTS: usize = 32;
/// Parcels of one domain that are under way or wait for their turn.
const PARCELS: usize = 512;
/// Guests to whom one primitive is addressed: what every peer takes (SSP 15.7).
const TOGETHER: usize = 500;
/// The least time between two collections for a domain: what happens meanwhile goes out together.
const COLLECTED: Duration = Duration::from_millis(100);
/// Parcels that wait for one guest: what comes after them stays in his outbox, where it merges.
const OF_GUEST: usize = 64;
/// How long something is told that is not in the store, such as presence: no peer that is away longer misses it.
const TOLD_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// How often something is posted that a peer takes and never answers, and how often one that fails is asked again.
const UNANSWERED_MAX: u32 = 3;
const FAILED_MAX: u32 = 20;
/// How often the store is asked to forget what was told.
const SETTLED_TIMES: u32 = 10;

/// How often a domain is asked whether there is a user, if it does not answer.
const SOUGHT_TIMES: u32 = 12;

/// The guests of all domains for whom something waits.
#[derive(Default)]
pub(super) struct Guests {
    rooms: Mutex<FxHashMap<Box<str>, Arc<Room>>>,
    /// Of whom it is being asked whether they are.
    sought: Mutex<FxHashSet<UserId>>,
    /// Parcels are counted, so that each has a transaction of its own.
    parcels: AtomicU64,
}

impl Guests {
    /// A name that nothing else has, of this server since it was begun.
    pub(super) fn name(&self, begun: Timestamp) -> Box<str> {
        let number = self.parcels.fetch_add(1, Ordering::Relaxed);
        format!("g{:012x}-{number}", begun.0).into()
    }
}

/// The guests of one domain.
#[derive(Default)]
struct Room {
    wake: Notify,
    waiting: Mutex<FxHashSet<UserId>>,
    lanes: Mutex<FxHashMap<u64, VecDeque<Parcel>>>,
    parcels: AtomicUsize,
    /// How many of them are for each guest.
    of_guest: Mutex<FxHashMap<UserId, usize>>,
}

/// One event for some guests.
struct Parcel {
    event: Event,
    guests: Vec<Arc<Session>>,
}

/// A guest's way out.
struct GuestLink {
    face: Weak<Face>,
    guest: UserId,
}

impl Link for GuestLink {
    fn wake(&self, _: &SessionId) {
        if let Some(face) = self.face.upgrade() {
            face.guest_waits(&self.guest);
        }
    }

    fn close(&self, _: &SessionId) {}
}

impl Room {
    /// Puts a parcel into its lane; true: nobody carries that lane yet.
    fn enqueue(&self, lane: u64, parcel: Parcel) -> bool {
        self.parcels.fetch_add(1, Ordering::Relaxed);
        {
            let mut of_guest = self.of_guest.lock();
            for guest in &parcel.guests {
                *of_guest.entry(guest.user.id.clone()).or_default() += 1;
            }
        }
        let mut lanes = self.lanes.lock();
        let is_new = !lanes.contains_key(&lane);
        lanes.entry(lane).or_default().push_back(parcel);
        is_new
    }

    /// The next of a lane; none: whoever carries it is through.
    fn next(&self, lane: u64) -> Option<Parcel> {
        let mut lanes = self.lanes.lock();
        let next = lanes.get_mut(&lane).and_then(VecDeque::pop_front);
        if next.is_none() {
            lanes.remove(&lane);
        }
        next
    }

    /// A parcel is through.
    fn end(&self, guests: &[Arc<Session>]) {
        self.parcels.fetch_sub(1, Ordering::Relaxed);
        let mut of_guest = self.of_guest.lock();
        for guest in guests {
            if let Some(count) = of_guest.get_mut(&guest.user.id) {
                *count -= 1;
                if *count == 0 {
                    of_guest.remove(&guest.user.id);
                }
            }
        }
        drop(of_guest);
        self.wake.notify_one();
    }

    fn is_full_of(&self, guest: &UserId) -> bool {
        self.of_guest.lock().get(guest).is_some_and(|count| *count >= OF_GUEST)
    }

    fn is_full(&self) -> bool {
        self.parcels.load(Ordering::Relaxed) >= PARCELS
    }

    fn is_idle(&self) -> bool {
        self.parcels.load(Ordering::Relaxed) == 0 && self.waiting.lock().is_empty()
    }
}

impl Parcel {
    fn holds(&self, event: &Event) -> bool {
        match (&self.event, event) {
            (Event::NewMessage(one), Event::NewMessage(other)) => Arc::ptr_eq(one, other),
            (Event::GroupChange(one), Event::GroupChange(other)) => one == other,
            (Event::Presence(one), Event::Presence(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
            }
            _ => false,
        }
    }

    /// What is said in a group keeps its order, and what happens to one guest.
    fn lane(&self) -> u64 {
        let of_group = match &self.event {
            Event::NewMessage(message) => message.group(),
            Event::GroupChange(change) => Some(change.group.as_str()),
            Event::ForcedLeave(leave) => Some(leave.group.as_str()),
            _ => None,
        };
        let of_guest = self.guests.first().map_or("", |guest| guest.user.id.as_str());
        FxBuildHasher.hash_one(of_group.unwrap_or(of_guest))
    }

    fn expires(&self, now: Timestamp) -> Timestamp {
        match &self.event {
            Event::NewMessage(message) | Event::MessageNotification(message) => message.expires,
            Event::DeliveryReport(report) => report.expires,
            Event::Notice(notice) => notice.expires,
            // It lies in the store until it was heard.
            Event::ForcedLeave(_) => Timestamp(u64::MAX),
            _ => now.plus(TOLD_WITHIN),
        }
    }

    fn service(&self) -> Offered {
        match &self.event {
            Event::Presence(_) => Offered::Presence,
            Event::GroupChange(_) | Event::ForcedLeave(_) => Offered::Group,
            Event::NewMessage(message) if message.group().is_some() => Offered::Group,
            Event::Notice(notice) if matches!(notice.content, NoticeContent::PresenceAuth { .. }) => Offered::Presence,
            Event::Notice(_) => Offered::Common,
            _ => Offered::Im,
        }
    }
}

impl Face {
    /// Has this guest's domain told what happens to him.
    pub(super) fn attach(&self, session: &Arc<Session>) {
        let (face, guest) = (self.this.clone(), session.user.id.clone());
        session.link(|| Arc::new(GuestLink { face, guest }));
        self.guest_waits(&session.user.id);
    }

    /// Those who were guests when the server stopped are so still.
    pub(super) fn attach_all(&self) {
        for guest in self.services.access().guests() {
            if let Some(session) = self.services.access().open_guest(&guest) {
                self.attach(&session);
            }
        }
    }

    /// The session of a guest, opened if there is none.
    pub(super) async fn guest(&self, guest: &UserId, how: Visit) -> Result<Arc<Session>, Error> {
        let session = self.services.access().visit(guest, how).await?;
        if session.linked().is_none() {
            self.attach(&session);
        }
        Ok(session)
    }

    /// How a guest comes for whom something waits here, or of whom his domain tells something. By the name of a domain that
    /// anybody can be, no more of them come than if they asked for something themselves.
    pub(super) fn visit_of(&self, guest: &UserId) -> Visit {
        let is_from_stranger = |ssp: Arc<Ssp>| {
            let domain = Domain::parse(guest.domain()).ok();
            domain.is_none_or(|domain| ssp.is_from_stranger(&domain))
        };
        Visit { by_stranger: self.ssp().is_some_and(is_from_stranger), ..Visit::default() }
    }

    /// A message waits for somebody who has never been here, and whose messages we have: his domain knows whether there is
    /// such a user. If there is none, the senders hear so.
    pub(super) fn look_for(self: Arc<Self>, guest: &UserId) {
        if !self.guests.sought.lock().insert(guest.clone()) {
            return;
        }
        let guest = guest.clone();
        tokio::spawn(async move {
            let is_there = self.is_there(&guest).await;
            // What is committed after this is asked about anew.
            self.guests.sought.lock().remove(&guest);
            if is_there != Some(false) {
                return;
            }
            tracing::info!(%guest, "there is no such user: his messages end");
            if let Err(error) = self.services.im().end_all(&guest, Status::UNKNOWN_USER).await {
                tracing::warn!(%guest, %error, "messages to an unknown user wait still");
            }
        });
    }

    async fn is_there(&self, guest: &UserId) -> Option<bool> {
        let mut pause = PAUSE;
        for _ in 0..SOUGHT_TIMES {
            let ssp = self.ssp()?;
            let is_there = ssp.is_there(guest).await;
            if is_there.is_some() {
                return is_there;
            }
            drop(ssp);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        None
    }

    fn guest_waits(&self, guest: &UserId) {
        let Ok(domain) = Domain::parse(guest.domain()) else { return };
        let mut rooms = self.guests.rooms.lock();
        if let Some(room) = rooms.get(domain.as_str()) {
            room.waiting.lock().insert(guest.clone());
            return room.wake.notify_one();
        }
        let Some(this) = self.this.upgrade() else { return };
        let room = Arc::<Room>::default();
        room.waiting.lock().insert(guest.clone());
        rooms.insert(domain.as_str().into(), room.clone());
        tokio::spawn(this.serve_guests(domain, room));
    }

    /// Collects for the guests of a domain, until nothing waits for any of them.
    async fn serve_guests(self: Arc<Self>, domain: Domain, room: Arc<Room>) {
        loop {
            // Whoever is away is asked by one thing; everything else stays where it merges.
            let most = if self.is_up(&domain) { PARCELS } else { 1 };
            for parcel in self.collect(&room, most).await {
                let lane = parcel.lane();
                if room.enqueue(lane, parcel) {
                    tokio::spawn(self.clone().carry_parcels(domain.clone(), room.clone(), lane));
                }
            }
            tokio::time::sleep(COLLECTED).await;
            let woken = tokio::time::timeout(KEPT, room.wake.notified()).await.is_ok();
            if !woken {
                let mut rooms = self.guests.rooms.lock();
                // Whoever wakes it has the table meanwhile.
                if room.is_idle() {
                    rooms.remove(domain.as_str());
                    return;
                }
            }
        }
    }

    /// Whether there is a session with a domain, or with who is in front of it.
    fn is_up(&self, domain: &Domain) -> bool {
        let Some(ssp) = self.ssp() else { return false };
        let services = [Offered::Im, Offered::Presence, Offered::Group];
        ssp.has_session(domain)
            || services
                .into_iter()
                .any(|service| ssp.requestor(domain, service).is_some_and(|peer| ssp.has_session(&peer)))
    }

    async fn collect(&self, room: &Arc<Room>, most: usize) -> Vec<Parcel> {
        if room.parcels.load(Ordering::Relaxed) >= most {
            return Vec::new();
        }
        let waiting = std::mem::take(&mut *room.waiting.lock());
        let mut parcels: Vec<Parcel> = Vec::new();
        let im = self.services.im();
        for guest in waiting {
            let Some(session) = self.services.access().open_guest(&guest) else { continue };
            for number in 0.. {
                if room.is_full_of(&guest) || parcels.len() >= most {
                    // Who is through with one for him looks again.
                    room.waiting.lock().insert(guest.clone());
                    break;
                }
                if number >= EVENTS || room.is_full() || parcels.len() >= PARCELS {
                    room.waiting.lock().insert(guest.clone());
                    room.wake.notify_one();
                    break;
                }
                let Some(event) = im.next_event(&session).await else {
                    if session.outbox().wants_refill().is_some() {
                        // The store could not be read.
                        self.look_again(room, &guest);
                    }
                    break;
                };
                // Those of the same guest stay in their order: only what came last may be for him as well.
                match parcels.iter_mut().rev().find(|one| one.holds(&event)) {
                    Some(one) if one.guests.len() < TOGETHER => one.guests.push(session.clone()),
                    _ => parcels.push(Parcel { event, guests: vec![session.clone()] }),
                }
            }
        }
        parcels
    }

    fn look_again(&self, room: &Arc<Room>, guest: &UserId) {
        room.waiting.lock().insert(guest.clone());
        let room = room.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            room.wake.notify_one();
        });
    }

    async fn carry_parcels(self: Arc<Self>, domain: Domain, room: Arc<Room>, lane: u64) {
        while let Some(parcel) = room.next(lane) {
            let carried = AssertUnwindSafe(self.carry_parcel(&domain, &parcel, lane)).catch_unwind().await;
            if carried.is_err() {
                // A defect costs what it is about, not all that comes after it.
                self.services.metrics.panics.up();
                tracing::error!(%domain, "telling a guest panicked");
            }
            room.end(&parcel.guests);
        }
    }

    /// Carries one event to its guests' domain, however often it must be posted.
    async fn carry_parcel(&self, domain: &Domain, parcel: &Parcel, lane: u64) {
        let guests: Vec<UserId> = parcel.guests.iter().map(|guest| guest.user.id.clone()).collect();
        let is_kept = self.services.router.keeps(domain.as_str(), parcel.service());
        let way = if is_kept { Way::Pse } else { Way::Direct };
        let Some(primitive) = translate::event_out(&parcel.event, &guests, &self.own(), way) else {
            // There are no words for it.
            return self.settle_parcel(parcel, &ResultInfo::of(Status::SERVICE_NOT_SUPPORTED)).await;
        };
        let mut id = TransactionId::new(&self.guests.name(self.begun));
        let (mut pause, mut unanswered, mut failed) = (PAUSE, 0, 0);
        let expires = parcel.expires(self.services.clock.now());
        while self.services.clock.now() < expires {
            let Some(ssp) = self.ssp() else { return };
            let ask = Ask {
                primitive: primitive.clone(),
                id: Some(id.clone()),
                lane: Some(lane),
                within: None,
                hurries: false,
            };
            // His home domain, or who is in front of it; or that of the publisher, who is not ours to speak for (SSP 13.2).
            let peer = match ssp.next(&primitive) {
                Next::Peer(peer) => peer,
                // What nobody keeps for his domain is between equals.
                Next::Local | Next::Refused(..) => domain.clone(),
            };
            let how = ssp.ask(&peer, ask).await;
            let end = match &how {
                Ok(answer) => {
                    // Asked by the same name it would say the same again (SSP 7.3).
                    id = TransactionId::new(&self.guests.name(self.begun));
                    failed += 1;
                    end_of(answer.outcome(), failed)
                }
                Err(failure) => {
                    unanswered += u32::from(failure.taken);
                    // Who does not remember what it was told may be told once: what became of it is not known then.
                    let is_over = unanswered >= if ssp.remembers(&peer) { UNANSWERED_MAX } else { 1 };
                    if is_over {
                        End::Settled(ResultInfo::of(Status::TIMEOUT))
                    } else {
                        parcel.end_without_answer(failure)
                    }
                }
            };
            drop(ssp);
            match end {
                End::Settled(outcome) => return self.settle_parcel(parcel, &outcome).await,
                End::Later(wished) => pause = wished.unwrap_or(pause).clamp(PAUSE, PAUSE_MAX),
            }
            if parcel.guests.iter().all(|guest| guest.is_closed()) {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// The domain has taken it, or never will: it does not wait any longer. `outcome`: what it said, of single guests too.
    async fn settle_parcel(&self, parcel: &Parcel, outcome: &ResultInfo) {
        for guest in &parcel.guests {
            let mut left = SETTLED_TIMES;
            while let Err(error) = self.settle_for(guest, &parcel.event, outcome).await {
                left -= 1;
                tracing::warn!(guest = %guest.user.id, %error, "what a guest was told waits still");
                if left == 0 || guest.is_closed() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn settle_for(&self, guest: &Arc<Session>, event: &Event, outcome: &ResultInfo) -> Result<(), Error> {
        let why = status_for(outcome, &guest.user.id);
        match event {
            Event::NewMessage(message) => self.settle_message(guest, message, why).await,
            Event::DeliveryReport(report) => self.services.im().report_acknowledged(report).await,
            Event::Notice(notice) => {
                if let (NoticeContent::Invitation(invitation), Some(why)) = (&notice.content, why) {
                    self.invitation_refused(guest, invitation, why).await;
                }
                self.services.im().notice_acknowledged(notice).await
            }
            Event::ForcedLeave(leave) => self.services.group().leave_heard(guest, &leave.group).await,
            Event::MessageNotification(_)
            | Event::Notification(_)
            | Event::GroupChange(_)
            | Event::Presence(_)
            | Event::Disconnect(_) => Ok(()),
        }
    }

    /// The invited user's domain does not take an invitation: whoever invited hears why.
    async fn invitation_refused(&self, guest: &Session, invitation: &Invitation, why: Status) {
        let reply = InviteReply {
            invite_id: invitation.invite_id.clone(),
            acceptance: false,
            sender: Some(Sender::User(User::of(&invitation.inviter))),
            recipient: None,
            note: Some(why.text().into()),
            screen_name: None,
        };
        if let Err(error) = self.services.common().answer_invitation(guest, reply).await {
            tracing::info!(guest = %guest.user.id, %error, "an inviter does not hear of a refusal");
        }
    }

    async fn settle_message(
        &self,
        guest: &Arc<Session>,
        message: &Arc<Message>,
        why: Option<Status>,
    ) -> Result<(), Error> {
        let outcome = why.unwrap_or(Status::SUCCESSFUL);
        self.services.im().told_elsewhere(guest, message, outcome).await?;
        if let (Some(Status::GROUP_IS_NOT_JOINED), Some(group)) = (why, message.group()) {
            // He has left, and we have not heard of it.
            let left = self.services.group().leave(guest, &Address::new(group)).await;
            tracing::info!(guest = %guest.user.id, ?group, is_left = left.is_ok(), "a guest is not in a group any more");
        }
        Ok(())
    }
}

/// How an attempt ended.
enum End {
    /// It was taken, or never will be.
    Settled(ResultInfo),
    /// Not yet; after this time, if the peer named one.
    Later(Option<Duration>),
}

/// What is said of one of those who should get something; none: he has it.
fn status_for(outcome: &ResultInfo, guest: &UserId) -> Option<Status> {
    let is_it = |said: &Address| UserId::parse(said.as_str(), &Domain::parse(guest.domain()).ok()?).ok();
    let named = |said: &Address| is_it(said).is_some_and(|said| said == *guest);
    let detail = outcome.detailed.iter().find(|one| one.user_ids.iter().any(named)).map(|one| one.status);
    let is_taken = outcome.status.is_success() || outcome.status == Status::QUEUED;
    detail.or_else(|| (!is_taken).then_some(outcome.status))
}

/// `failed`: how often it was answered, with this.
fn end_of(outcome: Option<&ResultInfo>, failed: u32) -> End {
    let Some(outcome) = outcome else { return End::Settled(ResultInfo::of(Status::SUCCESSFUL)) };
    // What fails again and again by itself must not hold up all that comes after it.
    let is_hopeless = outcome.status == Status::INTERNAL_ERROR && failed >= FAILED_MAX;
    if is_passing(outcome.status) && outcome.detailed.is_empty() && !is_hopeless {
        return End::Later(outcome.try_again.map(|seconds| Duration::from_secs(seconds.into())));
    }
    End::Settled(outcome.clone())
}

impl Parcel {
    /// Whether it is kept until it was told.
    fn is_durable(&self) -> bool {
        matches!(self.event, Event::NewMessage(_) | Event::DeliveryReport(_) | Event::Notice(_) | Event::ForcedLeave(_))
    }

    fn end_without_answer(&self, failure: &Unanswered) -> End {
        match failure.status {
            // A peer may be struck out and written down again, and an agreement ends and begins.
            Status::DOMAIN_NOT_SUPPORTED | Status::SERVICE_NOT_AGREED if self.is_durable() => End::Later(None),
            Status::DOMAIN_NOT_SUPPORTED
            | Status::SERVICE_NOT_AGREED
            | Status::SERVICE_NOT_SUPPORTED
            | Status::RESPONSE_TOO_LARGE
            | Status::BAD_PARAMETER => End::Settled(ResultInfo::of(failure.status)),
            _ => End::Later(failure.try_again),
        }
    }
}
