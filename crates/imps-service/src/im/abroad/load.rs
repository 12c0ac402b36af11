//! How much waits for each domain: whoever is down for long must not fill the store.

use imps_types::Domain;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::AbroadWhat;
use crate::error::Error;
use crate::im::Im;
use crate::user::QueueLoad;

/// How much waits for each domain, once it was counted.
#[derive(Default)]
pub(crate) struct AbroadLoads(Mutex<FxHashMap<Domain, QueueLoad>>);

impl AbroadLoads {
    fn get(&self, domain: &Domain) -> Option<QueueLoad> {
        self.0.lock().get(domain).copied()
    }

    fn counted(&self, domain: &Domain, load: QueueLoad) -> QueueLoad {
        *self.0.lock().entry(domain.clone()).or_insert(load)
    }

    fn more(&self, domain: &Domain, bytes: u64) {
        if let Some(load) = self.0.lock().get_mut(domain) {
            load.count += 1;
            load.bytes += bytes;
        }
    }

    pub(super) fn less(&self, domain: &Domain, bytes: u64) {
        if let Some(load) = self.0.lock().get_mut(domain) {
            load.count = load.count.saturating_sub(1);
            load.bytes = if load.count == 0 { 0 } else { load.bytes.saturating_sub(bytes) };
        }
    }
}

/// What a row takes beside the content of its message.
const ROW: u64 = 256;

/// About how many bytes something that waits takes.
pub(super) fn weight(what: &AbroadWhat) -> u64 {
    match what {
        AbroadWhat::Message(message) => ROW + message.content.len() as u64,
        AbroadWhat::Report(_) => ROW,
    }
}

impl Im<'_> {
    /// Whether so much waits for a domain that nothing more with a content of this size is taken for it.
    pub(super) async fn is_full_of(&self, domain: &Domain, size: usize) -> Result<bool, Error> {
        let load = match self.abroad.get(domain) {
            Some(load) => load,
            None => {
                let backlog = self.backlog(domain).await?;
                let load = QueueLoad { count: backlog.messages + backlog.reports, bytes: backlog.bytes };
                self.abroad.counted(domain, load)
            }
        };
        let bytes = load.bytes.saturating_add(size as u64);
        Ok(load.count >= self.config.queue_abroad_max || (load.count > 0 && bytes > self.config.queue_abroad_bytes))
    }

    /// Tells the gateway that something with a content of so many bytes waits.
    pub(in crate::im) fn waits_abroad(&self, domain: &Domain, size: usize) {
        self.abroad.more(domain, ROW + size as u64);
        self.wake_abroad(domain);
    }
}
