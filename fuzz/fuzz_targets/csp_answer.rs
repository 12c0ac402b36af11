#![no_main]

//! Any bytes as a message of a client that is logged in: nothing panics, and what is answered can be read.

use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use imps_csp::{Answer, Csp, CspConfig, Exchange};
use imps_proto::csp::Envelope;
use imps_proto::wire::{self, Form, Limits, PtsCodes};
use imps_service::access::{LoginAttempt, LoginOutcome, PhonePassword};
use imps_service::seam::{LocalBus, MemoryEngine, NodeId};
use imps_service::services::SealKey;
use imps_service::store::Store;
use imps_service::{Clock, ServiceConfig, Services, Timestamp};
use imps_types::{Address, ClientId, Domain, Secret, UserId, Version};

struct World {
    runtime: tokio::runtime::Runtime,
    csp: Arc<Csp>,
    session: Mutex<String>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
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
        (Csp::new(services, CspConfig { pts_project_codes: true, ..CspConfig::default() }), session)
    });
    World { runtime, csp, session: Mutex::new(session) }
});

async fn login(services: &Services) -> String {
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
        from: None,
    };
    match services.access().login(attempt).await {
        Ok(LoginOutcome::Opened { session, .. }) => session.id.to_string(),
        other => panic!("{other:?}"),
    }
}

const PTS: Form = Form::Pts(PtsCodes::Project);

fn form_of(bytes: &[u8]) -> Form {
    match bytes.first() {
        Some(b'<') => Form::Xml,
        Some(b'{') => Form::Json,
        Some(b'W') => PTS,
        _ => Form::Wbxml,
    }
}

/// The message with the SessionID that it names made that of a session that is open.
fn with_session(bytes: &[u8], id: &str) -> Option<Bytes> {
    let mut reader = wire::reader(form_of(bytes), bytes, &Limits::default()).ok()?;
    let envelope = Envelope::open(reader.as_dyn()).ok()?;
    let old = envelope.session_id()?.as_bytes().to_vec();
    let at = bytes.windows(old.len()).position(|window| window == old)?;
    Some([bytes.get(..at)?, id.as_bytes(), bytes.get(at + old.len()..)?].concat().into())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let world = &*WORLD;
    let mut session = world.session.lock().expect("one input at a time");
    let body = with_session(bytes, &session).unwrap_or_else(|| Bytes::copy_from_slice(bytes));
    let answer = world.runtime.block_on(async {
        let answer = world.csp.answer(Exchange { body: &body, content_type: None, peer: None }).await;
        let services = world.csp.services();
        services.clock.advance(std::time::Duration::from_millis(10));
        // A logout, or a login of the same client, ended it: the next input wants one that is open.
        if services.access().session(&session).is_err() {
            *session = login(services).await;
        }
        answer
    });
    if let Answer::Message(message) = answer {
        let form = form_of(&message);
        let limits =
            Limits { bytes: 64 << 20, elements: 1_000_000, text: 64 << 20, pts_bytes: 64 << 20, ..Limits::default() };
        let mut reader = wire::reader(form, &message, &limits).expect("our own message");
        let mut envelope = Envelope::open(reader.as_dyn()).expect("our own envelope");
        while envelope.next_transaction().expect("our own transactions").is_some() {}
    }
});
