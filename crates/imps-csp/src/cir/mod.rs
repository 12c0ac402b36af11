//! CIR: telling a client, over a channel of its own, that something waits for it (CSP 15.4).
//!
//! [`Calls`] decides whether and in which order, this carries it out: by TCP ([`tcp`]), UDP ([`udp`]) or HTTP ([`http`]).
//! Calling never waits: what cannot be sent at once has failed, and the next way is tried. One task looks at those who
//! were called and did not poll; there is no timer and no task for each client.

pub(crate) mod dialogue;
pub(crate) mod http;
pub mod tcp;
pub(crate) mod udp;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use imps_service::metrics::Metrics;
use imps_service::{Clock, Services, Session, Timestamp};
use imps_types::element::CirMethod;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::CspConfig;
use crate::calls::{Calls, Decision};
use crate::channel::{CallMethod, Poked};
use crate::link::ClientLink;
use dialogue::invitation;
use tcp::Spoken;
use udp::Udp;

/// Settings of the CIR channels.
#[derive(Clone, Debug)]
pub struct CirConfig {
    /// When a client that was called, or told by the Poll flag, and has not polled is called again, if something waits for
    /// it still. Each further time after twice as long, up to 32 times this.
    pub repeat_after: Duration,
    /// What lies at least between `OK` and `WVCI` on a TCP connection: Nokia sees only the first of what comes together.
    pub pause: Duration,
    /// A TCP connection that has named no session for so long is closed.
    pub hello_within: Duration,
    /// CIR connections by TCP at once.
    pub tcp_connections_max: usize,
    /// How long a request for a CIR URL waits for something to say.
    pub http_hold: Duration,
}

impl Default for CirConfig {
    fn default() -> Self {
        Self {
            repeat_after: Duration::from_secs(30),
            pause: Duration::from_millis(500),
            hello_within: Duration::from_secs(300),
            tcp_connections_max: 20_000,
            http_hold: Duration::from_secs(25),
        }
    }
}

/// How often those are looked at who may have to be called again.
const LOOKS: Duration = Duration::from_millis(200);

/// Whom to look at, and when: in the order of the time.
#[derive(Default)]
struct Timers {
    waiting: BTreeMap<(Timestamp, u64), Weak<Session>>,
    last: u64,
}

/// Calls clients.
pub(crate) struct Cir {
    pub(crate) config: CirConfig,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    redeliver_after: Duration,
    redeliveries: u32,
    // The sessions, which the services own, own this.
    services: Weak<Services>,
    udp: Udp,
    timers: Mutex<Timers>,
}

impl Cir {
    pub(crate) fn new(services: &Arc<Services>, config: &CspConfig) -> Arc<Self> {
        Arc::new(Self {
            config: config.cir.clone(),
            clock: services.clock.clone(),
            metrics: services.metrics.clone(),
            redeliver_after: config.redeliver_after,
            redeliveries: config.redeliveries,
            services: Arc::downgrade(services),
            udp: Udp::default(),
            timers: Mutex::default(),
        })
    }

    /// Datagrams go out from this address.
    pub(crate) fn open_udp(&self, from: SocketAddr) -> std::io::Result<()> {
        self.udp.open(from)
    }

    /// Something waits for this client.
    pub(crate) fn wake(self: &Arc<Self>, session: &Arc<Session>, calls: &mut Calls) {
        // Most clients only poll.
        if !is_callable(session, calls) {
            return;
        }
        let now = self.clock.now();
        match calls.decide(now, self.config.repeat_after) {
            Decision::Leave => {}
            Decision::LookAt(at) => self.look_at(session, calls, at),
            Decision::Call => {
                self.call(session, calls, now, false);
            }
        }
    }

    /// An answer with Poll T goes out: if it is lost, the client is called later.
    pub(crate) fn flagged(&self, session: &Arc<Session>, calls: &mut Calls) {
        let now = self.clock.now();
        calls.flagged(now);
        if is_callable(session, calls) {
            self.look_at(session, calls, now.plus(self.config.repeat_after));
        }
    }

    /// Something was handed to the client that it has to acknowledge: if it does not, it is time again then.
    pub(crate) fn expect_answer(&self, session: &Arc<Session>, calls: &mut Calls) {
        if calls.socket.is_some() || is_callable(session, calls) {
            self.look_at(session, calls, self.clock.now().plus(self.redeliver_after));
        }
    }

    /// The timer shall look at this client then, or before.
    fn look_at(&self, session: &Arc<Session>, calls: &mut Calls, at: Timestamp) {
        if calls.due.is_some_and(|due| due <= at) {
            return;
        }
        calls.due = Some(at);
        let mut timers = self.timers.lock();
        timers.last += 1;
        let key = (at, timers.last);
        timers.waiting.insert(key, Arc::downgrade(session));
    }

    /// Calls a client by the first way that takes it.
    fn call(self: &Arc<Self>, session: &Arc<Session>, calls: &mut Calls, now: Timestamp, at_once: bool) -> Poked {
        if calls.give_up_last() {
            self.metrics.cir_failed.up();
        }
        let ways = calls.ways(&session.negotiated().cir_methods, session.address().is_some());
        let invitation = invitation(session.version, &session.cookie());
        let mut poked = Poked::NoWay;
        for way in ways {
            let called = match way {
                CallMethod::Tcp => match calls.tcp.as_ref().map(|connection| connection.call(&invitation, at_once)) {
                    Some(Spoken::Said) => Ok(()),
                    Some(Spoken::Later) => {
                        if calls.tcp.as_ref().is_some_and(|connection| connection.begins_to_wait()) {
                            self.look_after_pause(session);
                        }
                        return Poked::Called(way);
                    }
                    Some(Spoken::Failed(why)) => {
                        calls.tcp = None;
                        Err(why)
                    }
                    None => continue,
                },
                CallMethod::Udp => {
                    let to = session.address().zip(session.negotiated().udp_port);
                    self.udp.send(to, invitation.as_bytes())
                }
                CallMethod::Http => match calls.http.take() {
                    Some(waiting) => waiting.answer(invitation.clone()),
                    None => continue,
                },
            };
            match called {
                Ok(()) => {
                    let meter = match way {
                        CallMethod::Tcp => &self.metrics.cir_called_tcp,
                        CallMethod::Udp => &self.metrics.cir_called_udp,
                        CallMethod::Http => &self.metrics.cir_called_http,
                    };
                    meter.up();
                    calls.called(way, now);
                    if let Decision::LookAt(at) = calls.decide(now, self.config.repeat_after) {
                        self.look_at(session, calls, at);
                    }
                    return Poked::Called(way);
                }
                Err(why) => {
                    tracing::debug!(session = ?session.id, way = way.name(), why, "a client cannot be called");
                    self.metrics.cir_failed.up();
                    calls.failed(way, now, why);
                    poked = Poked::Failed(why);
                }
            }
        }
        poked
    }

    /// Calls a client now, whatever it was told before.
    pub(crate) fn poke(self: &Arc<Self>, session: &Arc<Session>, calls: &mut Calls) -> Poked {
        self.call(session, calls, self.clock.now(), true)
    }

    /// It was spoken to just now, and shall be called a moment later.
    fn look_after_pause(self: &Arc<Self>, session: &Arc<Session>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (cir, session) = (self.clone(), Arc::downgrade(session));
        runtime.spawn(async move {
            tokio::time::sleep(cir.config.pause).await;
            let Some(session) = session.upgrade() else { return };
            if let Some(link) = ClientLink::known(&session)
                && let Some(connection) = &link.calls().tcp
            {
                connection.has_waited();
            }
            cir.look(&session).await;
        });
    }

    /// Looks whether something waits for a client, and calls it if that is due.
    pub(crate) async fn look(self: &Arc<Self>, session: &Arc<Session>) {
        let Some(link) = ClientLink::known(session) else { return };
        let Some(services) = self.services.upgrade() else { return };
        let now = self.clock.now();
        let socket = {
            let mut calls = link.calls();
            calls.due = calls.due.filter(|due| *due > now);
            if session.is_closed() {
                return;
            }
            calls.socket.clone()
        };
        let repeat = self.next_repeat(link);
        let is_overdue = repeat.is_some_and(|at| at <= now);
        if let Some(socket) = socket {
            if is_overdue {
                socket.ready(session.id);
            }
        } else {
            let waits = is_overdue || services.im().has_pending(session).await;
            let mut calls = link.calls();
            if waits {
                self.wake(session, &mut calls);
            } else {
                calls.settled();
            }
        }
        if let Some(at) = repeat.filter(|at| *at > now) {
            self.look_at(session, &mut link.calls(), at);
        }
    }

    /// When something that the client did not acknowledge is to be offered again.
    fn next_repeat(&self, link: &ClientLink) -> Option<Timestamp> {
        link.next_repeat(self.redeliver_after, self.redeliveries)
    }

    /// Looks now and then at those who may have to be called again, until `stop` turns true.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        self.take_up().await;
        let mut looks = tokio::time::interval(LOOKS);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            while let Some(session) = self.next_due() {
                if let Some(session) = session.upgrade() {
                    self.look(&session).await;
                }
            }
        }
    }

    /// Sessions that outlived a restart, and whose clients can be called where they were: what waits for them is told.
    async fn take_up(self: &Arc<Self>) {
        let Some(services) = self.services.upgrade() else { return };
        let can_be_called = |session: &Session| {
            session.address().is_some() && session.negotiated().cir_methods.contains(&CirMethod::StandaloneUdp)
        };
        for shard in 0..services.sessions.shards() {
            for session in services.sessions.collect(shard, can_be_called) {
                if self.link(&session).is_some() {
                    self.look(&session).await;
                }
            }
        }
    }

    fn next_due(&self) -> Option<Weak<Session>> {
        let now = self.clock.now();
        let mut timers = self.timers.lock();
        let first = timers.waiting.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    /// The open session that a client names. Asking is no sign of life of the session: that is a message in it.
    fn session(&self, id: &imps_types::SessionId) -> Option<Arc<Session>> {
        let services = self.services.upgrade()?;
        let session = services.sessions.find(id)?;
        let is_over = session.is_closed() || session.is_expired(self.clock.now(), services.config.ttl_grace_percent);
        Some(session).filter(|_| !is_over)
    }

    /// The link of a session that a CIR channel asks for, perhaps before its first message to this process.
    fn link<'a>(self: &Arc<Self>, session: &'a Arc<Session>) -> Option<&'a ClientLink> {
        let link = ClientLink::of(session)?;
        link.calls().cir.get_or_insert_with(|| self.clone());
        Some(link)
    }
}

/// Whether there is, or may be, any way to call this client.
fn is_callable(session: &Session, calls: &Calls) -> bool {
    calls.tcp.is_some() || !session.negotiated().cir_methods.is_empty()
}
