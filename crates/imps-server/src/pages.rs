//! The pages for operators, `/healthz` and `/metrics`; and for developers, `/schema/csp.json`.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use imps_csp::transport::http;
use imps_service::Services;
use imps_ssp::Ssp;
use tokio::sync::watch;

/// Answers GET requests.
pub(crate) struct Pages {
    services: Arc<Services>,
    ssp: Option<Arc<Ssp>>,
    is_remote_allowed: bool,
    stop: watch::Receiver<bool>,
}

const TEXT: &str = "text/plain; charset=utf-8";
/// What a message in JSON looks like (`docs/json.md`).
const SCHEMA: &str = include_str!("../../../docs/csp.schema.json");
const SCHEMA_TYPE: &str = "application/schema+json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Pages {
    pub(crate) fn new(
        services: Arc<Services>,
        ssp: Option<Arc<Ssp>>,
        is_remote_allowed: bool,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { services, ssp, is_remote_allowed, stop }
    }

    fn metrics(&self) -> String {
        let mut page = Page::default();
        page.labelled("hamlet_build_info", "gauge", "The version that runs", &format!("version=\"{VERSION}\""), 1);
        for (name, kind, meaning, value) in self.services.metrics.rows() {
            page.row(name, kind, meaning, value);
        }
        let store = self.services.store.numbers();
        for (name, kind, meaning, value) in [
            ("commits_total", "counter", "Transactions committed", store.commits),
            (
                "batches_total",
                "counter",
                "Changes committed, those of one transaction counted one by one",
                store.batches,
            ),
            ("rows_total", "counter", "Rows written or deleted", store.rows),
            ("conditions_total", "counter", "Changes left out because their condition did not hold", store.conditions),
            ("failures_total", "counter", "Changes that the store could not take", store.failures),
            ("busy_total", "counter", "Changes refused because too much waited", store.busy),
            ("commit_microseconds_total", "counter", "Time spent committing", store.commit_micros),
            ("merged_total", "counter", "Writes that a later one replaced before they were written", store.merged),
            ("waiting", "gauge", "Changes that wait to be committed", store.waiting),
            ("waiting_bytes", "gauge", "Bytes that wait to be committed", store.waiting_bytes),
            ("later", "gauge", "Writes that wait for others", store.later),
        ] {
            page.row(&format!("hamlet_store_{name}"), kind, meaning, value);
        }
        for (name, value) in self.services.store.gauges() {
            page.row(&format!("hamlet_store_{name}"), "gauge", "As the storage engine shows it", value);
        }
        for (name, meaning, value) in [
            ("process_resident_memory_bytes", "Memory in use", resident()),
            ("process_open_fds", "Open files and connections", open_files()),
            ("process_max_fds", "Files and connections that may be open", crate::limits::open_files()),
        ] {
            if let Some(value) = value {
                page.row(name, "gauge", meaning, value);
            }
        }
        if let Some(ssp) = &self.ssp {
            let peers = ssp.peers();
            for (name, kind, meaning, value) in crate::federation::METERS {
                page.each(name, kind, meaning, peers.iter().map(|peer| (peer.domain.as_str(), value(peer))));
            }
        }
        page.0
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Default)]
struct Page(String);

impl Page {
    fn row(&mut self, name: &str, kind: &str, meaning: &str, value: u64) {
        // Writing into a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {meaning}\n# TYPE {name} {kind}\n{name} {value}");
    }

    /// A row for each peer; none at all without peers.
    fn each<'a>(&mut self, name: &str, kind: &str, meaning: &str, rows: impl Iterator<Item = (&'a str, u64)>) {
        for (at, (peer, value)) in rows.enumerate() {
            if at == 0 {
                let _ = writeln!(self.0, "# HELP {name} {meaning}\n# TYPE {name} {kind}");
            }
            let _ = writeln!(self.0, "{name}{{peer=\"{peer}\"}} {value}");
        }
    }

    fn labelled(&mut self, name: &str, kind: &str, meaning: &str, label: &str, value: u64) {
        let _ = writeln!(self.0, "# HELP {name} {meaning}\n# TYPE {name} {kind}\n{name}{{{label}}} {value}");
    }
}

impl http::Pages for Pages {
    fn page(&self, path: &str, peer: IpAddr) -> Option<http::Page> {
        let answer =
            |status, content_type, body: String| Some(http::Page { status, content_type, body: Bytes::from(body) });
        match path {
            "/healthz" if *self.stop.borrow() => answer(503, TEXT, "stopping\n".to_owned()),
            "/healthz" => answer(200, TEXT, "ok\n".to_owned()),
            "/schema/csp.json" => {
                Some(http::Page { status: 200, content_type: SCHEMA_TYPE, body: Bytes::from_static(SCHEMA.as_bytes()) })
            }
            "/metrics" if self.is_remote_allowed || peer.to_canonical().is_loopback() => {
                answer(200, PROMETHEUS, self.metrics())
            }
            "/metrics" => {
                answer(403, TEXT, "metrics are for this machine only; see the setting metrics.remote\n".to_owned())
            }
            _ => None,
        }
    }
}

/// Bytes of memory that this program uses.
pub(crate) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

fn open_files() -> Option<u64> {
    // The folder that is being read is one of them.
    std::fs::read_dir("/proc/self/fd").ok().map(|entries| (entries.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use imps_csp::transport::http::Pages as _;
    use imps_service::seam::{LocalBus, MemoryEngine, NodeId};
    use imps_service::services::SealKey;
    use imps_service::store::Store;
    use imps_service::{Clock, ServiceConfig};
    use imps_types::Domain;

    use super::*;

    #[test]
    fn metrics_are_for_this_machine_unless_allowed_and_health_for_everybody() {
        let config = ServiceConfig::new(Domain::parse("localhost").unwrap());
        let store = Store::new(Arc::new(MemoryEngine::new()));
        let bus = Arc::new(LocalBus::new(NodeId(0)));
        let services = Services::new(config, Clock::system(), store, bus, SealKey::new([0; 32]));
        let (stop, stopped) = watch::channel(false);
        let check = |is_remote_allowed: bool, path: &str, peer: &str, status: Option<u16>| {
            let pages = Pages::new(services.clone(), None, is_remote_allowed, stopped.clone());
            let page = pages.page(path, peer.parse().unwrap());
            assert_eq!(page.map(|page| page.status), status, "{path} for {peer}");
        };
        for here in ["127.0.0.1", "127.5.5.5", "::1", "::ffff:127.0.0.1"] {
            check(false, "/metrics", here, Some(200));
        }
        for elsewhere in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "0.0.0.0"] {
            check(false, "/metrics", elsewhere, Some(403));
            check(true, "/metrics", elsewhere, Some(200));
            check(false, "/healthz", elsewhere, Some(200));
            check(false, "/schema/csp.json", elsewhere, Some(200));
        }
        check(true, "/", "127.0.0.1", None);
        stop.send_replace(true);
        check(false, "/healthz", "127.0.0.1", Some(503));
    }

    #[test]
    fn the_process_has_memory_and_files() {
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20));
        assert!(open_files().is_some_and(|files| files >= 3));
    }

    #[test]
    fn rows_are_prometheus_text() {
        let mut page = Page::default();
        page.row("a_total", "counter", "What it is", 5);
        page.labelled("b", "gauge", "Which", "x=\"y\"", 1);
        page.each("n", "gauge", "None", std::iter::empty());
        page.each("c", "gauge", "Each", [("x.y", 1), ("z", 2)].into_iter());
        let wanted = "# HELP a_total What it is\n# TYPE a_total counter\na_total 5\n# HELP b Which\n# TYPE b gauge\nb{x=\"y\"} 1\n\
                      # HELP c Each\n# TYPE c gauge\nc{peer=\"x.y\"} 1\nc{peer=\"z\"} 2\n";
        assert_eq!(page.0, wanted);
    }
}
