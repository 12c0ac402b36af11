//! A server with two users in memory, and a session of one of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use imps_csp::{Answer, Channel, Csp, CspConfig, Exchange, RequestLimits};
use imps_proto::csp::Envelope;
use imps_proto::wire::{self, Form, Limits, PtsCodes};
use imps_service::access::{LoginAttempt, LoginOutcome, PhonePassword};
use imps_service::seam::{LocalBus, MemoryEngine, NodeId};
use imps_service::services::SealKey;
use imps_service::store::Store;
use imps_service::{Clock, ServiceConfig, Services, Session, Timestamp};
use imps_types::{Address, ClientId, Domain, Secret, UserId, Version};

/// PTS with all codes.
pub const PTS: Form = Form::Pts(PtsCodes::Project);

/// The server.
pub struct World {
    runtime: tokio::runtime::Runtime,
    csp: Arc<Csp>,
    session: Mutex<Arc<Session>>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Starts it, and logs a user in.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (csp, session) = runtime.block_on(async {
            let mut config = ServiceConfig::new(Domain::parse("example.org").expect("a domain"));
            // Small, so that hours of input do not fill the memory.
            config.queue_max = 200;
            config.lists_max = 10;
            let services = Services::new(
                config,
                Clock::set(Timestamp(1_700_000_000_000)),
                Store::new(Arc::new(MemoryEngine::new())),
                Arc::new(LocalBus::new(NodeId(1))),
                SealKey::new([1; 32]),
            );
            services.resume().await.expect("an empty store");
            for name in ["alice", "bob"] {
                let user = UserId::from_canonical(&format!("wv:{name}@example.org"));
                let phone = PhonePassword::Set(Secret::new("secret".to_owned()));
                services.access().add_user(&user, None, phone).await.expect("a new user");
            }
            let session = login(&services).await;
            // As fast as it goes.
            let requests = RequestLimits { session_rate: 0, address_rate: 0, ..RequestLimits::default() };
            (Csp::new(services, CspConfig { pts_project_codes: true, requests, ..CspConfig::default() }), session)
        });
        Self { runtime, csp, session: Mutex::new(session) }
    }

    /// One input at a time has the session.
    pub fn session(&self) -> MutexGuard<'_, Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is answered to a message, which is a little later than the last.
    pub fn answer(&self, body: &Bytes) -> Answer {
        self.runtime.block_on(async {
            let exchange = Exchange { body, content_type: None, peer: None, msisdn: None, channel: Channel::Http };
            let answer = self.csp.answer(exchange).await;
            self.csp.services().clock.advance(Duration::from_millis(10));
            answer
        })
    }

    /// A logout, or a login of the same client, may have ended the session: the next input wants one that is open.
    pub fn open_again(&self, session: &mut Arc<Session>) {
        let services = self.csp.services();
        if services.access().session(&session.id.to_string()).is_err() {
            *session = self.runtime.block_on(login(services));
        }
    }

    /// Runs something of the services.
    pub fn run<T>(&self, what: impl AsyncFnOnce(&Services) -> T) -> T {
        self.runtime.block_on(what(self.csp.services()))
    }
}

async fn login(services: &Services) -> Arc<Session> {
    let attempt = LoginAttempt {
        user: Some(Address::new("wv:alice")),
        client: ClientId::of_url("fuzz"),
        application: None,
        password: Some(Secret::new("secret".into())),
        digest: None,
        schemas: Vec::new(),
        time_to_live: Some(86_400),
        cookie: "cookie".into(),
        resume: None,
        version: Version::V1_3,
        responses: Vec::new(),
        language: None,
        msisdn: None,
        from: None,
    };
    match services.access().login(attempt).await {
        Ok(LoginOutcome::Opened { session, .. }) => session,
        other => panic!("{other:?}"),
    }
}

/// The encoding of a message, by its first byte.
pub fn form_of(bytes: &[u8]) -> Form {
    match bytes.first() {
        Some(b'<') => Form::Xml,
        Some(b'{') => Form::Json,
        Some(b'W') => PTS,
        _ => Form::Wbxml,
    }
}

/// The message with the SessionID that it names made that of a session that is open.
pub fn with_session(bytes: &[u8], id: &str) -> Option<Bytes> {
    let mut reader = wire::reader(form_of(bytes), bytes, &Limits::default()).ok()?;
    let envelope = Envelope::open(reader.as_dyn()).ok()?;
    let old = envelope.session_id()?.as_bytes().to_vec();
    let at = bytes.windows(old.len()).position(|window| window == old)?;
    Some([bytes.get(..at)?, id.as_bytes(), bytes.get(at + old.len()..)?].concat().into())
}

/// Reads what the server wrote, to its end; `each` gets every transaction.
pub fn read_answer(message: &[u8], mut each: impl FnMut(&imps_proto::csp::TransactionHead<'_>, &mut Envelope<'_, '_>)) {
    let limits =
        Limits { bytes: 64 << 20, elements: 1_000_000, text: 64 << 20, pts_bytes: 64 << 20, ..Limits::default() };
    let mut reader = wire::reader(form_of(message), message, &limits).expect("our own message");
    let mut envelope = Envelope::open(reader.as_dyn()).expect("our own envelope");
    while let Some(head) = envelope.next_transaction().expect("our own transactions") {
        each(&head, &mut envelope);
    }
}
