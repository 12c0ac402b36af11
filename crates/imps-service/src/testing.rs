//! What the tests of the service elements begin with: a server in memory, with a clock that is set.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use imps_types::{Address, ClientId, Domain, GroupId, Secret, Service, UserId, Version};

use crate::access::{LoginAttempt, LoginOutcome, PhonePassword};
use crate::seam::{
    Batch, Engine, Gateway, Key, KeyRange, LocalBus, MemoryEngine, NodeId, Order, Reach, Row, Space, StoreError,
};
use crate::store::Store;
use crate::{Clock, ServiceConfig, Services, Session, Timestamp};

/// A server for the domain `x`, and the engine that outlives it.
pub(crate) struct World {
    pub(crate) services: Arc<Services>,
    pub(crate) engine: Arc<MemoryEngine>,
}

/// A server on this engine that has not taken up anything yet.
pub(crate) fn start(engine: &Arc<MemoryEngine>, change: impl FnOnce(&mut ServiceConfig)) -> Arc<Services> {
    start_on(engine.clone(), change)
}

pub(crate) fn start_on(engine: Arc<dyn Engine>, change: impl FnOnce(&mut ServiceConfig)) -> Arc<Services> {
    let mut config = ServiceConfig::new(Domain::parse("x").unwrap());
    change(&mut config);
    let clock = Clock::set(Timestamp(1_000_000));
    let bus = Arc::new(LocalBus::new(NodeId(1)));
    Services::new(config, clock, Store::new(engine), bus, Secret::new([7; 32]))
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::from_canonical(&format!("wv:{name}@x"))
}

impl World {
    pub(crate) async fn of(names: &[&str]) -> Self {
        Self::with(names, |_| {}).await
    }

    pub(crate) async fn with(names: &[&str], change: impl FnOnce(&mut ServiceConfig)) -> Self {
        let engine = Arc::new(MemoryEngine::new());
        Self::filled(start(&engine, change), engine, names).await
    }

    /// The same where a commit takes a moment, in which others get on.
    pub(crate) async fn slow(names: &[&str], change: impl FnOnce(&mut ServiceConfig)) -> Self {
        let engine = Arc::new(MemoryEngine::new());
        Self::filled(start_on(Arc::new(SlowEngine(engine.clone())), change), engine, names).await
    }

    async fn filled(services: Arc<Services>, engine: Arc<MemoryEngine>, names: &[&str]) -> Self {
        for name in names {
            let password = PhonePassword::Set(Secret::new("secret".to_owned()));
            services.access().add_user(&user(name), None, password).await.unwrap();
        }
        Self { services, engine }
    }

    /// The next start on the same store, at the same time.
    pub(crate) async fn restarted(self) -> Self {
        let services = start(&self.engine, |_| {});
        services.clock.advance(self.services.clock.now().since(services.clock.now()));
        services.resume().await.unwrap();
        Self { services, engine: self.engine }
    }

    pub(crate) async fn login_as(&self, name: &str, client: &str, version: Version) -> Arc<Session> {
        self.login_how(name, client, version, |_| {}).await
    }

    pub(crate) async fn login_how(
        &self,
        name: &str,
        client: &str,
        version: Version,
        change: impl FnOnce(&mut LoginAttempt),
    ) -> Arc<Session> {
        let mut attempt = LoginAttempt {
            user: Some(Address::new(name)),
            client: ClientId::of_url(client),
            application: None,
            password: Some(Secret::new("secret".into())),
            digest: None,
            schemas: Vec::new(),
            time_to_live: None,
            cookie: "cookie".into(),
            resume: None,
            version,
            responses: Vec::new(),
            language: None,
            msisdn: None,
            from: None,
        };
        change(&mut attempt);
        match self.services.access().login(attempt).await.unwrap() {
            LoginOutcome::Opened { session, .. } => session,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn login(&self, name: &str) -> Arc<Session> {
        self.login_as(name, name, Version::V1_2).await
    }
}

/// A way to `b.example` and `third.example`, and to nobody else; what it is told it keeps, as words.
#[derive(Default)]
pub(crate) struct Neighbour {
    pub(crate) told: parking_lot::Mutex<Vec<String>>,
}

impl Neighbour {
    /// What it was told since the last look.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock())
    }

    fn tell(&self, what: String) {
        self.told.lock().push(what);
    }
}

impl Gateway for Neighbour {
    fn reaches(&self, domain: &Domain, _: Service) -> Reach {
        let is_known = ["b.example", "third.example"].contains(&domain.as_str());
        if is_known { Reach::Agreed } else { Reach::Unknown }
    }

    fn keeps(&self, domain: &str, _: Service) -> bool {
        domain == "x"
    }

    fn wake(&self, domain: &Domain) {
        self.tell(format!("wake {domain}"));
    }

    fn wake_guest(&self, guest: &UserId) {
        self.tell(format!("guest {guest}"));
    }

    fn watching_changed(&self, domain: &str) {
        self.tell(format!("watching {domain}"));
    }

    fn left_group(&self, user: &UserId, group: &GroupId) {
        self.tell(format!("{user} left {group}"));
    }

    fn user_changed(&self, user: &UserId) {
        self.tell(format!("changed {user}"));
    }
}

impl World {
    /// A way to another domain.
    pub(crate) fn with_neighbour(&self) -> Arc<Neighbour> {
        let neighbour = Arc::new(Neighbour::default());
        self.services.router.set_gateway(neighbour.clone());
        neighbour
    }
}

/// One whose commits are made at once, and answered when others have had their turn.
struct SlowEngine(Arc<MemoryEngine>);

impl Engine for SlowEngine {
    fn get<'a>(
        &'a self,
        space: Space,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<bytes::Bytes>>, StoreError>> {
        self.0.get(space, keys)
    }

    fn scan<'a>(
        &'a self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        self.0.scan(space, range, order, limit)
    }

    fn apply<'a>(&'a self, batches: &'a [Batch]) -> BoxFuture<'a, Vec<Result<(), StoreError>>> {
        Box::pin(async move {
            let results = self.0.apply(batches).await;
            // The store looks once by itself whether it is done.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
            results
        })
    }

    fn snapshot<'a>(&'a self, to: &'a std::path::Path) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.snapshot(to)
    }
}

/// Counts what is read of it.
pub(crate) struct CountingEngine {
    inner: Arc<MemoryEngine>,
    reads: std::sync::atomic::AtomicUsize,
}

impl CountingEngine {
    pub(crate) fn new(inner: &Arc<MemoryEngine>) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), reads: Default::default() })
    }

    /// How often something was read of it.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn count(&self) -> &MemoryEngine {
        self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        &self.inner
    }
}

impl Engine for CountingEngine {
    fn get<'a>(
        &'a self,
        space: Space,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<bytes::Bytes>>, StoreError>> {
        self.count().get(space, keys)
    }

    fn scan<'a>(
        &'a self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        self.count().scan(space, range, order, limit)
    }

    fn scan_each<'a>(
        &'a self,
        space: Space,
        ranges: &'a [KeyRange],
    ) -> BoxFuture<'a, Result<Vec<Vec<Row>>, StoreError>> {
        self.count().scan_each(space, ranges)
    }

    fn apply<'a>(&'a self, batches: &'a [Batch]) -> BoxFuture<'a, Vec<Result<(), StoreError>>> {
        self.inner.apply(batches)
    }

    fn snapshot<'a>(&'a self, to: &'a std::path::Path) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.snapshot(to)
    }
}
