//! The Command Line Protocol's face (CLP): what a person types becomes a call of a service element, and what happens to
//! him becomes a line.
//!
//! A session here is a normal client session of the Home Domain: what a command *does*, and who may, is decided in
//! `imps-service`, as it is for the Client-Server Protocol. A binding (`transport/line.rs`) brings lines and takes them.

mod access;
mod dialogue;
mod elsewhere;
mod events;
mod groups;
mod invitations;
mod link;
mod lists;
mod messages;
mod presence;
mod recent;
mod resolve;
mod shown;
mod subject;
#[cfg(test)]
pub(crate) mod tests;
mod texts;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use dialogue::{Dialogue, Next, Read};
pub(crate) use events::Heard;
use imps_service::{Services, Timestamp};
pub(crate) use link::LineLink;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::Csp;

/// Settings of the Command Line Protocol and of its lines.
#[derive(Clone, Debug)]
pub struct ClpConfig {
    /// Whether passwords are taken over lines without TLS from other machines.
    pub allow_plain: bool,
    /// How long a line may be silent.
    pub idle: Duration,
    /// How long a line may have no session.
    pub login_within: Duration,
    /// Wrong passwords on one line.
    pub login_failures: u32,
    /// Wrong passwords from one address, within [`ClpConfig::address_window`]; its lines are refused then.
    pub address_failures: u32,
    /// How long they are counted.
    pub address_window: Duration,
    /// How long TALK stays on while nothing is said.
    pub talk_idle: Duration,
    /// Bytes of the largest text that is pushed; larger ones are announced.
    pub push_length: u32,
    /// Bytes of the largest content that is fetched; larger ones are told by a URL.
    pub pull_length: u32,
    /// Lines at once; further ones are told to come back.
    pub connections_max: usize,
    /// How long a peer may take none of what is written to it.
    pub write_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long lines get to finish when the server stops.
    pub stop_timeout: Duration,
}

impl Default for ClpConfig {
    fn default() -> Self {
        Self {
            allow_plain: false,
            idle: Duration::from_secs(30 * 60),
            login_within: Duration::from_secs(60),
            login_failures: 3,
            address_failures: 10,
            address_window: Duration::from_secs(10 * 60),
            talk_idle: Duration::from_secs(15 * 60),
            push_length: 2000,
            pull_length: 10_000,
            connections_max: 20_000,
            write_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(20),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

/// What the ClientID of every session over lines begins with.
pub(crate) const CLIENT: &str = "clp-tcp-";

/// Addresses whose failures are remembered.
const ADDRESSES_MAX: usize = 10_000;

/// The Command Line Protocol, over any binding.
pub struct Clp {
    csp: Arc<Csp>,
    config: ClpConfig,
    failures: Mutex<FxHashMap<IpAddr, (Timestamp, u32)>>,
}

impl Clp {
    /// A face of the same services as this one, within the same limits.
    pub fn new(csp: Arc<Csp>, config: ClpConfig) -> Arc<Self> {
        Arc::new(Self { csp, config, failures: Mutex::default() })
    }

    pub(crate) fn config(&self) -> &ClpConfig {
        &self.config
    }

    pub(crate) fn services(&self) -> &Arc<Services> {
        self.csp.services()
    }

    /// Ends the sessions of lines that a former run of the server had: a line does not survive it. Call once, before lines
    /// are served.
    pub async fn end_former_sessions(&self) {
        let services = self.services();
        for shard in 0..services.sessions.shards() {
            let is_former = |session: &imps_service::Session| {
                session.linked().is_none() && session.client.to_string().starts_with(CLIENT)
            };
            for session in services.sessions.collect(shard, is_former) {
                if let Err(error) = services.access().logout(&session).await {
                    tracing::warn!(user = %session.user.id, %error, "the session of a former line goes on");
                }
            }
        }
    }

    /// Whether so many logins from this address failed that its lines are refused.
    pub(crate) fn is_refused(&self, peer: IpAddr) -> bool {
        let now = self.services().clock.now();
        let failures = self.failures.lock();
        let recent = failures.get(&peer).filter(|(since, _)| now.since(*since) < self.config.address_window);
        recent.is_some_and(|(_, count)| *count >= self.config.address_failures)
    }

    /// A login from this address failed.
    fn failed(&self, peer: IpAddr) {
        let now = self.services().clock.now();
        let window = self.config.address_window;
        let mut failures = self.failures.lock();
        if failures.len() >= ADDRESSES_MAX && !failures.contains_key(&peer) {
            failures.retain(|_, (since, _)| now.since(*since) < window);
            if failures.len() >= ADDRESSES_MAX {
                // The service elements count for themselves, by user and address.
                return;
            }
        }
        let entry = failures.entry(peer).or_insert((now, 0));
        if now.since(entry.0) >= window {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}
