//! Guests: users of other domains for whom something is kept here (SSP 1, 10).
//!
//! A guest has a session like anybody else, which his home domain speaks through: so whatever a user of ours can ask for,
//! he can; and what happens to him waits in its outbox until his home domain has heard of it. He has no account, and nobody
//! logs in as him: whether his domain may speak is for the face to see.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use imps_types::{ClientId, Domain, SessionId, Status, UserId, Version};
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use super::login::session_key;
use super::{Access, password};
use crate::error::Error;
use crate::happening::Happening;
use crate::seam::{Batch, Space};
use crate::session::{NewSession, Session};

/// The client of a guest: what his home domain speaks through.
const CLIENT: &str = "ssp:";
/// How long the session of a guest is kept for whom nothing is left to do.
const IDLE: Duration = Duration::from_secs(600);
/// The same of one who has only asked something.
const ASKED: Duration = Duration::from_secs(120);
/// Bytes of what one primitive for a guest may be.
const PARSER_SIZE: u32 = 1 << 20;

/// How a guest comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visit {
    /// He only asks something: nothing of him is written, and he is let go of soon.
    pub only_asks: bool,
    /// Whoever speaks for him is a domain that no operator wrote down.
    pub by_stranger: bool,
}

/// Guests who have a session, by domain.
#[derive(Default)]
pub(crate) struct GuestTable(Mutex<FxHashMap<Box<str>, FxHashSet<UserId>>>);

impl GuestTable {
    fn insert(&self, user: &UserId) {
        self.0.lock().entry(user.domain().into()).or_default().insert(user.clone());
    }

    /// Takes a guest out who has no session; whether he has one is looked at when nobody can be put in.
    fn remove(&self, user: &UserId, has_session: impl FnOnce() -> bool) {
        let mut domains = self.0.lock();
        if has_session() {
            return;
        }
        if let Some(guests) = domains.get_mut(user.domain()) {
            guests.remove(user);
            if guests.is_empty() {
                domains.remove(user.domain());
            }
        }
    }

    fn count(&self, domain: &str) -> usize {
        self.0.lock().get(domain).map_or(0, FxHashSet::len)
    }

    fn total(&self) -> usize {
        self.0.lock().values().map(FxHashSet::len).sum()
    }

    fn all(&self) -> Vec<UserId> {
        self.0.lock().values().flatten().cloned().collect()
    }
}

impl Access<'_> {
    /// The session of a guest, opened if he has none.
    ///
    /// # Errors
    /// As [`Access::visit`].
    pub async fn guest_session(&self, guest: &UserId) -> Result<Arc<Session>, Error> {
        self.visit(guest, Visit::default()).await
    }

    /// The session of a guest who comes like this, opened if he has none.
    ///
    /// # Errors
    /// `UnknownUser` when his domain cannot be reached, `TooManyGuests` when it has too many here, or all domains together
    /// have, or the store's failure.
    pub async fn visit(&self, guest: &UserId, how: Visit) -> Result<Arc<Session>, Error> {
        let now = self.clock.now();
        let user = self.user(guest).await?;
        if !user.is_guest {
            return Err(Error::UnknownUser);
        }
        // One that is being ended is good for nothing: what is asked for by it would not be kept.
        let open = || {
            let session = user.lock().sessions.first().cloned()?;
            session.touch(now);
            let is_ending = session.is_closed() || !*session.has_row.lock();
            (!is_ending).then_some(session)
        };
        let is_enough = |session: &Session| how.only_asks || session.is_written.load(Ordering::Acquire);
        if let Some(session) = open().filter(|session| is_enough(session)) {
            return Ok(session);
        }
        let _change = user.change.lock().await;
        if let Some(session) = open() {
            if !is_enough(&session) {
                self.save_session(&session).await?;
            }
            return Ok(session);
        }
        self.has_room_for(guest, how)?;
        let new = NewSession {
            id: SessionId::new(user.slot, password::random()?),
            user: user.clone(),
            client: ClientId { url: Some(CLIENT.into()), msisdn: None },
            application: None,
            cookie: Box::default(),
            version: Version::V1_3,
            opened: now,
            time_to_live: u32::MAX,
        };
        let session = Arc::new(Session::new(new, now));
        {
            let mut agreed = session.negotiated();
            agreed.any_content = true;
            agreed.push_length = u32::MAX;
            agreed.parser_size = PARSER_SIZE;
        }
        if how.only_asks {
            session.is_written.store(false, Ordering::Release);
        } else {
            let mut batch = Batch::new();
            batch.put(Space::Sessions, session_key(&session.id), session.to_record());
            self.store.commit(batch).await?;
        }
        self.sessions.insert(session.clone());
        user.lock().sessions.push(session.clone());
        self.tell(Happening::SessionOpened { session: session.clone(), resumed: false }).await;
        Ok(session)
    }

    /// Strangers have less room, of one domain and of all: names of domains cost nothing, and must not take the room of those
    /// with whom there is a contract.
    fn has_room_for(&self, guest: &UserId, how: Visit) -> Result<(), Error> {
        let (mut domain_max, mut all_max) = (self.config.guests_domain_max, self.config.guests_max);
        if how.by_stranger {
            domain_max = domain_max.min(self.config.guests_stranger_max);
            all_max /= 2;
        }
        let is_full = self.guests.count(guest.domain()) >= domain_max || self.guests.total() >= all_max;
        if is_full { Err(Error::TooManyGuests) } else { Ok(()) }
    }

    /// The guests who have a session.
    pub fn guests(&self) -> Vec<UserId> {
        self.guests.all()
    }

    /// The session of a guest, if he has one.
    pub fn open_guest(&self, guest: &UserId) -> Option<Arc<Session>> {
        let user = self.users.loaded(guest).filter(|user| user.is_guest)?;
        user.lock().sessions.first().cloned()
    }

    /// Hears that a session was opened, or has ended: a guest's, or of somebody for whom another domain keeps something.
    pub(super) fn note_guest(&self, what: &Happening) {
        let (session, is_open) = match what {
            Happening::SessionOpened { session, .. } => (session, true),
            Happening::SessionClosed { session, .. } => (session, false),
            _ => return,
        };
        match (session.user.is_guest, is_open) {
            (true, true) => self.guests.insert(&session.user.id),
            (true, false) => self.forget_guest(&session.user.id),
            (false, _) => {
                if let Some(gateway) = self.router.gateway() {
                    gateway.user_changed(&session.user.id);
                }
            }
        }
    }

    /// Who has no session any more is no guest.
    fn forget_guest(&self, guest: &UserId) {
        self.guests.remove(guest, || self.open_guest(guest).is_some());
    }

    /// Ends the sessions of guests for whom nothing is left to do: who joined no group, watches nobody, and for whom
    /// nothing waits. Those whose PSE we are stay until their home domain says that they have gone.
    pub(crate) async fn tidy_guests(&self) {
        for guest in self.guests.all() {
            let Some(session) = self.open_guest(&guest) else {
                self.forget_guest(&guest);
                continue;
            };
            // Without any way there is none yet; with one that does not lead there, its domain is no peer any more.
            let is_gone = self.router.gateway().is_some() && !self.router.is_guest(&guest);
            if !is_gone && (self.is_busy(&session) || self.im().has_pending(&session).await) {
                continue;
            }
            // Whoever asks for his session now gets another one, after this.
            let _change = session.user.change.lock().await;
            if !is_gone && self.is_busy(&session) {
                continue;
            }
            if never_to_be_written(&session) {
                self.end_session(&session, Status::SUCCESSFUL, "").await;
                continue;
            }
            if let Err(error) = self.logout(&session).await {
                tracing::warn!(%guest, %error, "the session of a guest is not ended");
                return;
            }
        }
    }

    /// Whether something is left to do for a guest, beside what waits for him.
    fn is_busy(&self, session: &Session) -> bool {
        let domain = session.user.id.domain();
        let is_kept = || imps_types::Service::ALL.iter().any(|service| self.router.keeps(domain, *service));
        let idle = if session.is_written.load(Ordering::Acquire) { IDLE } else { ASKED };
        self.clock.now().since(session.last_seen()) < idle
            || !session.groups.lock().is_empty()
            || !session.subscriptions.lock().is_empty()
            || is_kept()
    }

    /// Whether a domain has guests here.
    pub fn has_guests(&self, domain: &Domain) -> bool {
        self.guests.count(domain.as_str()) > 0
    }
}

/// Whether nothing was written of a session; then nothing will be.
fn never_to_be_written(session: &Session) -> bool {
    // Whoever writes it does so under this lock.
    let mut has_row = session.has_row.lock();
    let is_unwritten = !session.is_written.load(Ordering::Acquire);
    *has_row &= !is_unwritten;
    is_unwritten
}

#[cfg(test)]
mod tests {
    use imps_types::Address;
    use imps_types::presence::AttributeSet;

    use super::*;
    use crate::presence::WatchTargets;
    use crate::testing::{CountingEngine, World, start_on};

    fn bob() -> UserId {
        UserId::from_canonical("wv:bob@b.example")
    }

    #[tokio::test]
    async fn a_guest_has_one_session_which_survives_a_restart_and_ends_when_nothing_is_left_to_do() {
        let world = World::of(&["alice"]).await;
        assert_eq!(world.services.access().guest_session(&bob()).await.err(), Some(Error::UnknownUser), "no way there");
        let _neighbour = world.with_neighbour();
        let session = world.services.access().guest_session(&bob()).await.unwrap();
        assert!(session.user.is_guest);
        let again = world.services.access().guest_session(&bob()).await.unwrap();
        assert!(Arc::ptr_eq(&session, &again));
        let alice = crate::testing::user("alice");
        assert_eq!(world.services.access().guest_session(&alice).await.err(), Some(Error::UnknownUser));

        // The way there is opened when everybody is back.
        let world = world.restarted().await;
        let _neighbour = world.with_neighbour();
        assert_eq!(world.services.access().guests(), [bob()]);
        let session = world.services.access().open_guest(&bob()).unwrap();
        world.services.access().tidy_guests().await;
        assert!(!session.is_closed());
        world.services.clock.advance(IDLE + Duration::from_secs(1));
        world.services.access().tidy_guests().await;
        assert!(session.is_closed());
        assert_eq!(world.services.access().guests(), []);
    }

    #[tokio::test]
    async fn many_watchers_are_resumed_by_few_reads() {
        let world = World::of(&["alice"]).await;
        let _neighbour = world.with_neighbour();
        let targets = WatchTargets { users: vec![Address::new("wv:alice@x")], contact_lists: Vec::new() };
        for number in 0..600 {
            let guest = UserId::from_canonical(&format!("wv:g{number}@b.example"));
            let session = world.services.access().guest_session(&guest).await.unwrap();
            world.services.presence().subscribe(&session, &targets, AttributeSet::ALL, false).await.unwrap();
        }
        let engine = CountingEngine::new(&world.engine);
        let services = start_on(engine.clone(), |_| {});
        services.resume().await.unwrap();
        assert_eq!(services.access().guests().len(), 600);
        let alice = services.users.loaded(&crate::testing::user("alice")).unwrap();
        assert!(alice.lock().presence.is_watched());
        assert!(engine.reads() < 100, "{} reads", engine.reads());
    }

    #[tokio::test]
    async fn guests_are_so_many_of_a_domain_and_of_all_and_an_old_session_takes_none_away() {
        let world = World::with(&["alice"], |config| (config.guests_domain_max, config.guests_max) = (2, 3)).await;
        let _neighbour = world.with_neighbour();
        let access = world.services.access();
        let of = |address: &str| UserId::from_canonical(address);
        let open = async |address: &str| access.guest_session(&of(address)).await.map_err(|error| error.status());
        let first = open("wv:bob@b.example").await.unwrap();
        open("wv:bea@b.example").await.unwrap();
        let refused = Some(imps_types::Status::SERVER_UNAVAILABLE);
        assert_eq!(open("wv:ben@b.example").await.err(), refused, "of one");
        open("wv:tom@third.example").await.unwrap();
        assert_eq!(open("wv:tim@third.example").await.err(), refused, "of all");
        // The end of one is heard of when there is another already.
        access.logout(&first).await.unwrap();
        let second = open("wv:bob@b.example").await.unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        access.note_guest(&Happening::SessionClosed { session: first, reason: imps_types::Status::SUCCESSFUL });
        assert!(access.guests().contains(&bob()));
    }

    #[tokio::test]
    async fn strangers_have_less_room() {
        let change = |config: &mut crate::ServiceConfig| {
            (config.guests_domain_max, config.guests_stranger_max, config.guests_max) = (4, 2, 8);
        };
        let world = World::with(&["alice"], change).await;
        let _neighbour = world.with_neighbour();
        let access = world.services.access();
        let come = async |name: &str, by_stranger| {
            let guest = UserId::from_canonical(&format!("wv:{name}"));
            access.visit(&guest, Visit { only_asks: true, by_stranger }).await.map_err(|error| error.status())
        };
        for name in ["a@b.example", "b@b.example"] {
            assert!(come(name, true).await.is_ok());
        }
        let refused = Some(Status::SERVER_UNAVAILABLE);
        assert_eq!(come("c@b.example", true).await.err(), refused);
        assert!(come("a@b.example", true).await.is_ok(), "who is here is not refused");
        for name in ["c@b.example", "d@b.example"] {
            assert!(come(name, false).await.is_ok(), "a peer may bring more");
        }
        assert_eq!(come("a@third.example", true).await.err(), refused, "half of all is for others");
        assert!(come("a@third.example", false).await.is_ok());
    }

    #[tokio::test]
    async fn who_only_asks_is_not_written_and_soon_let_go_of() {
        let world = World::of(&["alice"]).await;
        let _neighbour = world.with_neighbour();
        let access = world.services.access();
        let asks = Visit { only_asks: true, by_stranger: true };
        let rows = async || {
            let range = crate::seam::KeyRange::all();
            world.services.store.scan(Space::Sessions, range, crate::seam::Order::Forwards, 9).await.unwrap().len()
        };
        let first = access.visit(&bob(), asks).await.unwrap();
        assert_eq!((rows().await, access.guests()), (0, vec![bob()]));
        assert!(Arc::ptr_eq(&first, &access.visit(&bob(), asks).await.unwrap()));
        world.services.clock.advance(ASKED + Duration::from_secs(1));
        access.tidy_guests().await;
        assert!(first.is_closed() && access.guests().is_empty());
        // Whoever asks for more is a guest like any other.
        let second = access.visit(&bob(), asks).await.unwrap();
        assert!(Arc::ptr_eq(&second, &access.guest_session(&bob()).await.unwrap()));
        assert_eq!(rows().await, 1);
        world.services.clock.advance(ASKED + Duration::from_secs(1));
        access.visit(&bob(), asks).await.unwrap();
        world.services.clock.advance(ASKED + Duration::from_secs(1));
        access.tidy_guests().await;
        assert!(!second.is_closed(), "and not let go of before his time");
        let world = world.restarted().await;
        let _neighbour = world.with_neighbour();
        assert_eq!(world.services.access().guests(), [bob()]);
    }

    #[tokio::test]
    async fn a_session_that_is_being_ended_is_given_to_nobody() {
        let world = World::slow(&["alice"], |_| {}).await;
        let _neighbour = world.with_neighbour();
        let access = world.services.access();
        let first = access.guest_session(&bob()).await.unwrap();
        world.services.clock.advance(IDLE + Duration::from_secs(1));
        let ((), second) = tokio::join!(access.tidy_guests(), async {
            // The row is being deleted.
            while *first.has_row.lock() {
                tokio::task::yield_now().await;
            }
            access.guest_session(&bob()).await.unwrap()
        });
        assert!(first.is_closed() && !second.is_closed());
        assert_eq!(access.guests(), [bob()]);
    }

    #[tokio::test]
    async fn whoever_is_no_guest_any_more_is_nobody() {
        let world = World::of(&["alice"]).await;
        let _neighbour = world.with_neighbour();
        let stranger = UserId::from_canonical("wv:eve@c.example");
        assert_eq!(world.services.access().guest_session(&stranger).await.err(), Some(Error::UnknownUser));
        assert!(!world.services.user_exists(&stranger).await.unwrap());
        assert!(world.services.user_exists(&bob()).await.unwrap(), "his domain knows better");
    }
}
