//! A great many users, and searches among them.

use super::notes::latency_note;
use super::{Bench, SEARCHERS, tell};
use crate::load::net::Net;
use crate::load::report::{Figure, Target};
use crate::load::server::{Hamlet, make_users};
use crate::load::{Outcome, login, now, search};

impl Bench<'_> {
    /// A start with a great many users, and searches among them by part of a name.
    pub(super) fn search(&mut self) -> Outcome {
        let count = if self.options.quick { 100_000 } else { 1_000_000 };
        tell("search: making people");
        if let Some(mut server) = self.server.take() {
            server.stop()?;
        }
        let data = self.folder.file("search");
        let searchers = search::searchers(SEARCHERS);
        make_users(&data, &searchers)?;
        search::make_people(&data, count)?;
        tell("search: start");
        let (requests, scanner) = (&self.requests, &self.scanner);
        let log_in = |server: &Hamlet| {
            let mut net = Net::open(server.address, SEARCHERS)?;
            login::log_in(&mut net, requests, scanner, &searchers)
        };
        let template = &self.requests.search;
        let (server, sessions, started) = search::start(&self.options.hamlet, &data, template, log_in, scanner)?;
        let mib = |bytes: f64| bytes / 1_048_576.0;
        let start = Figure::new(format!("start with {count} stored users"), started.ready.as_secs_f64(), "s")
            .target(Target::AtMost(5.0))
            .note(format!(
                "the first search was answered {:.2} s after the program was begun; {:.1} MiB of memory then, {:.1} of them for \
                 what is searched",
                started.searched.as_secs_f64(),
                mib(started.memory as f64),
                mib(started.arena),
            ));
        tell("search: one at a time, and all at once");
        let one = sessions.get(..1).unwrap_or_default();
        let alone = search::search(&server, template, scanner, one, self.window())?;
        let (used, began) = (server.cpu(), now());
        let together = search::search(&server, template, scanner, &sessions, self.window())?;
        let (used, spent) = (server.cpu() - used, began.elapsed().as_secs_f64());
        let bare = search::bare_scan(count);
        let mut faults = alone.faults.clone();
        faults.merge(together.faults.clone());
        let found = Figure::new(format!("search among {count} users, p99"), alone.latencies.at(0.99), "ms")
            .beside("the names alone, merely gone through", bare)
            .target(Target::AtMost(30.0))
            .note(latency_note("one at a time", &alone.latencies))
            .note(format!(
                "{SEARCHERS} at once: {:.0}/s, {}; processor time for each {:.2} ms",
                together.rate(),
                latency_note("each", &together.latencies),
                used / spent / together.rate() * 1000.0,
            ))
            .faults(faults);
        self.figures.extend([start, found]);
        self.server = Some(server);
        Ok(())
    }
}
