//! A server with two users, and phones that speak XML.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "for several tests, which use what they need"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imps_csp::{Answer, Csp, CspConfig, Exchange};
use imps_service::access::PhonePassword;
use imps_service::seam::{KeyRange, LocalBus, MemoryEngine, NodeId, Order, Space};
use imps_service::services::SealKey;
use imps_service::store::Store;
use imps_service::{Clock, ServiceConfig, Services, Timestamp};
use imps_types::{Domain, Secret, UserId, Version};

pub struct World {
    pub csp: Arc<Csp>,
    pub engine: Arc<MemoryEngine>,
}

pub const NS: &str = "http://www.openmobilealliance.org/DTD/WV-";

impl World {
    pub async fn new() -> Self {
        Self::with(CspConfig::default()).await
    }

    pub async fn with(config: CspConfig) -> Self {
        let engine = Arc::new(MemoryEngine::new());
        let domain = Domain::parse("localhost").unwrap();
        let services = Services::new(
            ServiceConfig::new(domain),
            Clock::set(Timestamp(1_700_000_000_000)),
            Store::new(engine.clone()),
            Arc::new(LocalBus::new(NodeId(1))),
            SealKey::new([1; 32]),
        );
        services.resume().await.unwrap();
        for name in ["alice", "bob"] {
            let user = UserId::from_canonical(&format!("wv:{name}@localhost"));
            let phone = PhonePassword::Set(Secret::new("secret".to_owned()));
            services.access().add_user(&user, None, phone).await.unwrap();
        }
        Self { csp: Csp::new(services, config), engine }
    }

    /// Time goes by, and the server does what is due.
    pub async fn after(&self, seconds: u64) {
        self.csp.services().clock.advance(Duration::from_secs(seconds));
        self.csp.services().sweep().await;
    }

    /// A message of this version, outside a session.
    pub async fn outband(&self, version: Version, transaction: &str, primitive: &str) -> String {
        self.post(&of_version(version, &envelope(None, "Request", transaction, primitive))).await
    }

    /// How many sessions the next start will find.
    pub async fn saved_sessions(&self) -> usize {
        let store = &self.csp.services().store;
        store.scan(Space::Sessions, KeyRange::all(), Order::Forwards, 1000).await.unwrap().len()
    }

    pub async fn post(&self, message: &str) -> String {
        let body = Bytes::copy_from_slice(message.as_bytes());
        let exchange = Exchange {
            body: &body,
            content_type: Some("application/vnd.wv.csp.xml"),
            peer: None,
            msisdn: None,
            channel: imps_csp::Channel::Http,
        };
        match self.csp.answer(exchange).await {
            Answer::Message(message) => String::from_utf8(message).unwrap(),
            Answer::Nothing => String::new(),
            Answer::NoCsp(status, why) => format!("HTTP {status} {why}"),
        }
    }

    pub async fn login(&self, name: &str) -> Phone<'_> {
        let request = format!(
            "<Login-Request><UserID>wv:{name}</UserID><ClientID><URL>test</URL></ClientID><Password>secret</Password>\
             <TimeToLive>600</TimeToLive><SessionCookie>c-{name}</SessionCookie></Login-Request>"
        );
        let answer = self.post(&envelope(None, "Request", "1", &request)).await;
        assert!(answer.contains("<Code>200</Code>"), "{answer}");
        let session = between(&answer, "<SessionID>", "</SessionID>").to_owned();
        Phone { world: self, session }
    }
}

/// A phone that is logged in.
pub struct Phone<'a> {
    pub world: &'a World,
    pub session: String,
}

impl Phone<'_> {
    pub async fn ask(&self, transaction: &str, primitive: &str) -> String {
        self.world.post(&envelope(Some(&self.session), "Request", transaction, primitive)).await
    }

    pub async fn poll(&self) -> String {
        self.ask("", "<Polling-Request/>").await
    }

    pub async fn answer(&self, to: &str, primitive: &str) -> String {
        let transaction = between(to, "<TransactionID>", "</TransactionID>");
        self.world.post(&envelope(Some(&self.session), "Response", transaction, primitive)).await
    }
}

pub fn envelope(session: Option<&str>, mode: &str, transaction: &str, primitive: &str) -> String {
    let descriptor = match session {
        Some(id) => format!("<SessionType>Inband</SessionType><SessionID>{id}</SessionID>"),
        None => "<SessionType>Outband</SessionType>".to_owned(),
    };
    format!(
        "<?xml version=\"1.0\"?><WV-CSP-Message xmlns=\"{NS}CSP1.2\"><Session><SessionDescriptor>{descriptor}\
         </SessionDescriptor><Transaction><TransactionDescriptor><TransactionMode>{mode}</TransactionMode>\
         <TransactionID>{transaction}</TransactionID></TransactionDescriptor><TransactionContent \
         xmlns=\"{NS}TRC1.2\">{primitive}</TransactionContent></Transaction></Session></WV-CSP-Message>"
    )
}

/// The same message in another version.
pub fn of_version(version: Version, message: &str) -> String {
    match version {
        Version::V1_1 => message
            .replace(&format!("{NS}CSP1.2"), "http://www.wireless-village.org/CSP1.1")
            .replace(&format!("{NS}TRC1.2"), "http://www.wireless-village.org/TRC1.1"),
        Version::V1_2 => message.to_owned(),
        Version::V1_3 => {
            message.replace("DTD/WV-CSP1.2", "DTD/IMPS-CSP1.3").replace("DTD/WV-TRC1.2", "DTD/IMPS-TRC1.3")
        }
    }
}

/// The code in an answer.
pub fn code(answer: &str) -> &str {
    between(answer, "<Code>", "</Code>")
}

pub fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("no {start} in {text}")) + start.len();
    let length = text[from..].find(end).unwrap();
    &text[from..from + length]
}

pub const STATUS: &str = "<Status><Result><Code>200</Code></Result></Status>";

pub fn message(recipient: &str, text: &str, report: bool) -> String {
    let report = if report { "T" } else { "F" };
    format!(
        "<SendMessage-Request><DeliveryReport>{report}</DeliveryReport><MessageInfo><ContentSize>9</ContentSize>\
         <Recipient><User><UserID>{recipient}</UserID></User></Recipient></MessageInfo>\
         <ContentData>{text}</ContentData></SendMessage-Request>"
    )
}
