//! The sessions with a peer: accepted on every one that is up, sent on the one that came up last. SSP 6.3, 6.4.

use std::sync::Arc;
use std::time::Duration;

use imps_service::Timestamp;

use super::{Action, Link, LinkSettings};

/// How many sessions one peer may have up: repeated set-ups leave several (SSP 17).
const SESSIONS_MAX: usize = 16;

/// For how long a peer that said goodbye is not called back.
const GOODBYE: Duration = Duration::from_secs(60);

/// One session.
pub(super) struct Session {
    /// A number of our own for it.
    pub(super) number: u64,
    /// Our ID of it: what we send.
    pub(super) own_id: Arc<str>,
    /// The peer's: what it sends.
    pub(super) peer_id: Arc<str>,
    /// When it came up.
    up: Timestamp,
    /// When it ends.
    pub(super) until: Timestamp,
    /// Whether we opened it: who did sees to its successor.
    opened_by_us: bool,
    /// Whether we may send on it: the peer knows of it.
    sends: bool,
    /// Whether the peer ended it, or does not know it any more.
    is_dead: bool,
    /// Whether the peer took something on it.
    is_proved: bool,
}

#[derive(Default)]
pub(super) struct Sessions {
    all: Vec<Session>,
    last_number: u64,
    /// When something was sent last.
    pub(super) last_sent: Timestamp,
    /// Whether the peer is being asked whether it is there.
    pub(super) asking: bool,
    /// When the peer said goodbye last.
    pub(super) left: Option<Timestamp>,
}

impl Sessions {
    /// The session by which the peer calls this, if it is up.
    pub(super) fn find(&self, peer_id: &str, now: Timestamp) -> Option<u64> {
        let found = self.all.iter().rfind(|it| &*it.peer_id == peer_id && !it.is_dead && it.until > now);
        found.map(|it| it.number)
    }

    /// The session that came up last.
    pub(super) fn newest(&self) -> u64 {
        self.last_number
    }

    /// Whether the peer said goodbye a moment ago: what it posted before may come after that.
    pub(super) fn has_just_left(&self, now: Timestamp) -> bool {
        self.left.is_some_and(|at| now.since(at) < GOODBYE)
    }

    /// The session to send on.
    pub(super) fn current(&self, now: Timestamp) -> Option<&Session> {
        self.all.iter().rev().find(|it| it.sends && !it.is_dead && it.until > now)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When the session that is used should have a successor, if we see to it.
    fn renew_at(&self) -> Option<Timestamp> {
        let last = self.all.iter().rev().find(|it| !it.is_dead)?;
        let nine_tenths = last.until.since(last.up) / 10 * 9;
        (last.opened_by_us && last.sends).then(|| last.up.plus(nine_tenths))
    }

    fn ask_at(&self, settings: &LinkSettings) -> Option<Timestamp> {
        let is_up = self.all.iter().any(|it| it.sends && !it.is_dead);
        (is_up && !self.asking).then(|| self.last_sent.plus(settings.keep_alive / 2))
    }

    /// `opens_from`: from when on a set-up may begin; none: one is under way.
    pub(super) fn next_tick(&self, settings: &LinkSettings, opens_from: Option<Timestamp>) -> Option<Timestamp> {
        let ends = self.all.iter().map(|it| it.until).min();
        let renew = self.renew_at().and_then(|at| Some(at.max(opens_from?)));
        [ends, self.ask_at(settings), renew].into_iter().flatten().min()
    }
}

impl Link {
    /// Whether there is a session to send on.
    pub(crate) fn is_up(&self, now: Timestamp) -> bool {
        self.sessions.current(now).is_some()
    }

    /// The sessions that are up, for the operator: our ID, the peer's, when it ends.
    pub(crate) fn sessions(&self, now: Timestamp) -> Vec<(Arc<str>, Arc<str>, Timestamp)> {
        let up = self.sessions.all.iter().filter(|it| !it.is_dead && it.until > now);
        up.map(|it| (it.own_id.clone(), it.peer_id.clone(), it.until)).collect()
    }

    /// A set-up came to its end on our side.
    pub(super) fn session_up(
        &mut self,
        (own_id, peer_id): (Arc<str>, Arc<str>),
        life: Duration,
        opened_by_us: bool,
        now: Timestamp,
    ) -> u64 {
        let sessions = &mut self.sessions;
        sessions.last_number += 1;
        let number = sessions.last_number;
        if sessions.all.len() >= SESSIONS_MAX {
            sessions.all.remove(0);
        }
        // Whoever opened it knows at once that the other one has it; the other one only when its last step was taken.
        let sends = opened_by_us;
        let until = now.plus(life);
        sessions.all.push(Session {
            number,
            own_id,
            peer_id,
            up: now,
            until,
            opened_by_us,
            sends,
            is_dead: false,
            is_proved: false,
        });
        sessions.last_sent = now;
        sessions.asking = false;
        self.outgoing.session_is_new();
        if opened_by_us {
            self.actions.push_back(Action::Session(true));
        }
        number
    }

    /// The peer has taken the last step of a set-up that it began.
    pub(super) fn session_known(&mut self, number: u64) {
        if let Some(session) = self.sessions.all.iter_mut().find(|it| it.number == number) {
            session.sends = true;
            self.actions.push_back(Action::Session(true));
        }
    }

    /// The peer took something on this session: it means it.
    pub(super) fn session_proved(&mut self, number: u64) {
        if let Some(session) = self.sessions.all.iter_mut().find(|it| it.number == number) {
            session.is_proved = true;
            self.setup.succeeded();
        }
    }

    /// The peer says that it does not know this session. If it never took anything on it, the set-up was in vain; that may
    /// happen once to a peer that begins anew.
    pub(super) fn session_denied(&mut self, number: u64, now: Timestamp) {
        let is_in_vain = self.sessions.all.iter().any(|it| it.number == number && !it.is_dead && !it.is_proved);
        self.session_lost(number, now);
        if is_in_vain && !self.setup.is_first_failure() {
            self.setup_in_vain(now);
        }
    }

    /// The peer does not know this session any more.
    pub(super) fn session_lost(&mut self, number: u64, now: Timestamp) {
        for session in self.sessions.all.iter_mut().filter(|it| it.number == number) {
            session.is_dead = true;
        }
        self.sessions.asking = false;
        self.forget_dead(now);
    }

    /// The peer has ended what was up when it said so; what came up since then is another matter.
    pub(super) fn sessions_ended(&mut self, newest: u64, now: Timestamp) {
        self.sessions.all.iter_mut().filter(|it| it.number <= newest).for_each(|it| it.is_dead = true);
        self.sessions.asking = false;
        self.forget_dead(now);
    }

    /// Everything that was up is not.
    pub(super) fn sessions_lost(&mut self, now: Timestamp) {
        self.sessions.all.iter_mut().for_each(|it| it.is_dead = true);
        self.sessions.asking = false;
        self.forget_dead(now);
    }

    fn forget_dead(&mut self, now: Timestamp) {
        let before = self.sessions.all.len();
        self.sessions.all.retain(|it| !it.is_dead && it.until > now);
        if before > 0 && self.sessions.all.is_empty() {
            self.actions.push_back(Action::Session(false));
        }
    }

    pub(super) fn expire_sessions(&mut self, now: Timestamp) {
        self.forget_dead(now);
        if self.sessions.ask_at(&self.settings).is_some_and(|at| at <= now) && self.is_up(now) {
            self.sessions.asking = true;
            self.ask_alive(now);
        }
        if self.sessions.renew_at().is_some_and(|at| at <= now) {
            self.open(now);
        }
    }
}
