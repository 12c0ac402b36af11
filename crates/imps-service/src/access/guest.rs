//! Guests: users of other domains for whom something is kept here (SSP 1, 10).
//!
//! A guest has a session like anybody else, which his home domain speaks through: so whatever a user of ours can ask for,
//! he can; and what happens to him waits in its outbox until his home domain has heard of it. He has no account, and nobody
//! logs in as him: whether his domain may speak is for the face to see.

use std::sync::Arc;
use std::time::Duration;

use imps_types::{ClientId, Domain, SessionId, UserId, Version};
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
/// Bytes of what one primitive for a guest may be.
const PARSER_SIZE: u32 = 1 << 20;

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
    /// `UnknownUser` when his domain cannot be reached, `TooManyGuests` when it has too many here, or all domains together
    /// have, or the store's failure.
    pub async fn guest_session(&self, guest: &UserId) -> Result<Arc<Session>, Error> {
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
        if let Some(session) = open() {
            return Ok(session);
        }
        let _change = user.change.lock().await;
        if let Some(session) = open() {
            return Ok(session);
        }
        let (of_domain, of_all) = (self.guests.count(guest.domain()), self.guests.total());
        if of_domain >= self.config.guests_domain_max || of_all >= self.config.guests_max {
            return Err(Error::TooManyGuests);
        }
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
        let mut batch = Batch::new();
        batch.put(Space::Sessions, session_key(&session.id), session.to_record());
        self.store.commit(batch).await?;
        self.sessions.insert(session.clone());
        user.lock().sessions.push(session.clone());
        self.tell(Happening::SessionOpened { session: session.clone(), resumed: false }).await;
        Ok(session)
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
        self.clock.now().since(session.last_seen()) < IDLE
            || !session.groups.lock().is_empty()
            || !session.subscriptions.lock().is_empty()
            || is_kept()
    }

    /// Whether a domain has guests here.
    pub fn has_guests(&self, domain: &Domain) -> bool {
        self.guests.count(domain.as_str()) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

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
