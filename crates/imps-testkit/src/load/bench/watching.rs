//! Presence, as watchers are told of it: by one, and by lists of a thousand.

use std::time::Duration;

use super::notes::latency_note;
use super::requests::InSession;
use super::{Bench, WATCHERS, names, tell};
use crate::load::net::Net;
use crate::load::presence::watch;
use crate::load::repeat::repeat_times;
use crate::load::report::{Figure, Target};
use crate::load::server::{Hamlet, address, cpu};
use crate::load::{Latencies, Outcome, lists, now};

impl Bench<'_> {
    pub(super) fn presence(&mut self) -> Outcome {
        tell("presence");
        let publisher = self.publisher()?;
        let sessions = self.log_in(&names("watcher", WATCHERS))?;
        let server = self.server()?;
        let mut net = Net::open(server.address, WATCHERS + 1)?;
        let mut subscribing = Net::open(server.address, 1)?;
        for session in &sessions {
            let sessions = [session.clone()];
            let mut exchange = InSession {
                template: &self.requests.subscribe,
                scanner: &self.scanner,
                sessions: &sessions,
                user: address("publisher"),
                check: |it, answer, _| it.scanner.scan(answer.body).is_some_and(|seen| seen.code == 200),
            };
            if let Some(why) = repeat_times(&mut subscribing, &mut exchange, 1)?.first.first() {
                return Err(format!("a watcher could not subscribe: {why}"));
            }
        }
        let plan = self.options.watch_plan;
        let (used, own, began) = (server.cpu(), cpu(std::process::id()), now());
        let window = self.window();
        let publisher = (publisher, address("publisher"));
        let watched = watch(&mut net, &self.requests, &self.scanner, publisher, sessions, plan, window)?;
        let spent = began.elapsed().as_secs_f64();
        let rate = watched.deliveries as f64 / window.seconds();
        let each = |used: f64| used / spent / rate * 1e6;
        let figure = Figure::new(format!("presence deliveries, 1 to {WATCHERS}"), rate, "1/s")
            .target(Target::AtLeast(25_000.0))
            .note(latency_note("from the update to its arrival", &watched.latencies))
            .note(format!(
                "{:.1} updates/s, {:.2} requests for each delivery, {} notifications with nothing new; processor time: server {:.1} us, \
                 generator {:.1} us",
                watched.updates as f64 / window.seconds(),
                watched.requests as f64 / watched.deliveries.max(1) as f64,
                watched.again,
                each(server.cpu() - used),
                each(cpu(std::process::id()) - own),
            ))
            .faults(watched.faults);
        self.figures.push(figure);
        Ok(())
    }

    /// A client that subscribes to a thousand contacts in one request, and a publisher with a thousand watchers.
    pub(super) fn lists(&mut self) -> Outcome {
        tell("lists");
        let contacts = names("contact", lists::LISTS * lists::MEMBERS);
        let clients: Vec<String> = ["warm", "cold", "publisher"].into_iter().map(str::to_owned).collect();
        self.start("lists", &[contacts.clone(), clients.clone()].concat())?;
        let (requests, scanner) = (&self.requests, &self.scanner);
        // All contacts are logged in, so they are in memory; each lets everybody see something.
        let sessions = self.log_in(&contacts)?;
        let mut net = Net::open(self.server()?.address, 1)?;
        for session in &sessions {
            lists::once(&mut net, scanner, &requests.authorise, &[session, b""], 1)?;
        }
        let clients = self.log_in(&clients)?;
        let [warm, cold, publisher] = clients.as_slice() else { return Err("three clients".to_owned()) };
        for (session, user) in [(warm, "warm"), (cold, "cold")] {
            lists::make_lists(&mut net, scanner, session, user, &contacts)?;
        }
        let times = if self.options.quick { 20 } else { 100 };
        let subscription = lists::subscription("warm");
        let (mut latencies, mut notifications, mut fetched) = (Latencies::new(), 0, Duration::ZERO);
        for time in 0..times {
            latencies.record(lists::once(&mut net, scanner, &subscription, &[warm, b""], 2000 + time)?);
            (notifications, fetched) = lists::fetch_all(&mut net, requests, scanner, warm)?;
        }
        for session in &sessions {
            let user = address("publisher");
            let values: [&[u8]; 3] = [session, b"", user.as_bytes()];
            lists::once(&mut net, scanner, &requests.subscribe, &values, 3)?;
        }
        lists::once(&mut net, scanner, &requests.authorise, &[publisher, b""], 1)?;
        let changes = lists::publish(&mut net, requests, scanner, publisher, times)?;
        // A server that knows nobody: the sessions of the contacts are over.
        drop(net);
        let cold_took = self.cold_subscription(&sessions, cold)?;
        let count = contacts.len();
        let subscribing = Figure::new(
            format!("subscribing to {} lists of {} in one request, p99", lists::LISTS, lists::MEMBERS),
            latencies.at(0.99),
            "ms",
        )
        .target(Target::AtMost(10.0))
        .note(latency_note("from the request to its answer, durable", &latencies))
        .note(format!(
            "all {count} are told in {notifications} notifications, {:.1} ms; with nobody in memory the request takes {:.1} ms",
            fetched.as_secs_f64() * 1000.0,
            cold_took.as_secs_f64() * 1000.0,
        ));
        let changing = Figure::new(format!("presence change to {count} watchers, p99"), changes.at(0.99), "ms")
            .target(Target::AtMost(20.0))
            .note(latency_note("until it is in every outbox and answered", &changes));
        self.figures.extend([subscribing, changing]);
        Ok(())
    }

    /// How long the request takes of a client whose contacts nobody has used since the server was started.
    fn cold_subscription(&mut self, sessions: &[Vec<u8>], cold: &[u8]) -> Outcome<Duration> {
        let mut net = Net::open(self.server()?.address, 1)?;
        for session in sessions {
            lists::once(&mut net, &self.scanner, &self.requests.logout, &[session, b""], 9)?;
        }
        drop(net);
        let Some(mut server) = self.server.take() else { return Err("no server runs".to_owned()) };
        server.stop()?;
        let data = self.folder.file("lists");
        self.server = Some(Hamlet::start(&self.options.hamlet, &data, &[])?);
        let mut net = Net::open(self.server()?.address, 1)?;
        lists::once(&mut net, &self.scanner, &lists::subscription("cold"), &[cold, b""], 7000)
    }
}
