//! What the tests of the service elements begin with: a server in memory, with a clock that is set.

use std::sync::Arc;

use imps_types::{Address, ClientId, Domain, Secret, UserId, Version};

use crate::access::{LoginAttempt, LoginOutcome, PhonePassword};
use crate::seam::{LocalBus, MemoryEngine, NodeId};
use crate::store::Store;
use crate::{Clock, ServiceConfig, Services, Session, Timestamp};

/// A server for the domain `x`, and the engine that outlives it.
pub(crate) struct World {
    pub(crate) services: Arc<Services>,
    pub(crate) engine: Arc<MemoryEngine>,
}

/// A server on this engine that has not taken up anything yet.
pub(crate) fn start(engine: &Arc<MemoryEngine>, change: impl FnOnce(&mut ServiceConfig)) -> Arc<Services> {
    let mut config = ServiceConfig::new(Domain::parse("x").unwrap());
    change(&mut config);
    let clock = Clock::set(Timestamp(1_000_000));
    let bus = Arc::new(LocalBus::new(NodeId(1)));
    Services::new(config, clock, Store::new(engine.clone()), bus, Secret::new([7; 32]))
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
        let services = start(&engine, change);
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
