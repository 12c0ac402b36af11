//! Single requests: polls, presence of one user, and logins.

use imps_proto::Element;

use super::notes::{latency_note, stolen_note, stolen_since};
use super::{Bench, CONNECTIONS, LOGIN_CLIENTS, names, tell};
use crate::load::echo::Echoed;
use crate::load::net::{Answer, Net};
use crate::load::repeat::{Exchange, Repeated, repeat, repeat_times};
use crate::load::report::{Figure, Target};
use crate::load::scan::Scanner;
use crate::load::server::{Helper, address, cpu, stolen};
use crate::load::template::Template;
use crate::load::{Outcome, login, now, presence};

/// An exchange of one of our templates in a session of each connection.
pub(super) struct InSession<'a> {
    pub(super) template: &'a Template,
    pub(super) scanner: &'a Scanner,
    pub(super) sessions: &'a [Vec<u8>],
    pub(super) user: String,
    pub(super) check: fn(&Self, &Answer<'_>, &str) -> bool,
}

impl Exchange for InSession<'_> {
    fn render(&mut self, connection: usize, number: u64, out: &mut Vec<u8>) {
        let session = self.sessions.get(connection).map_or(&b""[..], Vec::as_slice);
        let transaction = number.to_string();
        self.template.render(out, &[session, transaction.as_bytes(), self.user.as_bytes()]);
    }

    fn check(&mut self, _: usize, number: u64, answer: &Answer<'_>) -> Result<(), String> {
        if answer.status == 200 && (self.check)(self, answer, &number.to_string()) {
            return Ok(());
        }
        let seen = self.scanner.scan(answer.body);
        Err(format!("answered by HTTP {} and {:?}", answer.status, seen.map(|seen| (seen.primitive, seen.code))))
    }
}

impl Bench<'_> {
    /// Measures an exchange, and the echo server with the same bytes both ways.
    fn beside_echo(&self, name: &'static str, share: f64, mut exchange: InSession<'_>) -> Outcome<Figure> {
        tell(name);
        let server = self.server()?;
        let mut net = Net::open(server.address, CONNECTIONS)?;
        let (used, own) = (server.cpu(), cpu(std::process::id()));
        let (began, host) = (now(), stolen());
        let measured = repeat(&mut net, &mut exchange, self.window())?;
        let (spent, taken) = (began.elapsed().as_secs_f64(), stolen_since(host));
        let (used, own) = (server.cpu() - used, cpu(std::process::id()) - own);
        drop(net);

        let size = measured.body;
        let helper = Helper::start(&["echo-server", &size.to_string()])?;
        let mut net = Net::open(helper.address, CONNECTIONS)?;
        let (echo_used, echo_began) = (helper.cpu(), now());
        let echoed = repeat(&mut net, &mut Echoed { exchange: &mut exchange, size }, self.window())?;
        let echo_used = helper.cpu() - echo_used;
        let echo_spent = echo_began.elapsed().as_secs_f64();
        let mut faults = measured.faults.clone();
        faults.merge(echoed.faults.clone());
        let each = |used: f64, spent: f64, measured: &Repeated| used / spent / measured.rate() * 1e6;
        Ok(Figure::new(name, measured.rate(), "1/s")
            .beside("bare hyper echo", echoed.rate())
            .target(Target::OfReference(share))
            .note(latency_note("latency", &measured.latencies))
            .note(format!(
                "processor time for each: server {:.1} us, echo server {:.1} us, generator {:.1} us; answers of {size} bytes{}",
                each(used, spent, &measured),
                each(echo_used, echo_spent, &echoed),
                each(own, spent, &measured),
                stolen_note(taken),
            ))
            .faults(faults))
    }

    pub(super) fn polls(&mut self) -> Outcome {
        let sessions = self.log_in(&names("client", CONNECTIONS))?;
        let exchange = InSession {
            template: &self.requests.poll,
            scanner: &self.scanner,
            sessions: &sessions,
            user: String::new(),
            check: |_, answer, _| answer.body.is_empty(),
        };
        let figure = self.beside_echo("empty polls", 0.6, exchange)?;
        self.figures.push(figure);
        Ok(())
    }

    /// The publisher's session, and what he publishes and authorises.
    pub(super) fn publisher(&self) -> Outcome<Vec<u8>> {
        let session = self.log_in(&["publisher".to_owned()])?.pop().unwrap_or_default();
        let mut net = Net::open(self.server()?.address, 1)?;
        let sessions = [session];
        let is_done = |it: &InSession<'_>, answer: &Answer<'_>, _: &str| {
            it.scanner.scan(answer.body).is_some_and(|seen| seen.primitive == Some(Element::Status) && seen.code == 200)
        };
        for (template, text) in [(&self.requests.authorise, String::new()), (&self.requests.update, presence::text(0))]
        {
            let mut exchange =
                InSession { template, scanner: &self.scanner, sessions: &sessions, user: text, check: is_done };
            let faults = repeat_times(&mut net, &mut exchange, 1)?;
            if let Some(why) = faults.first.first() {
                return Err(format!("the publisher could not publish: {why}"));
            }
        }
        let [session] = sessions;
        Ok(session)
    }

    pub(super) fn get_presence(&mut self) -> Outcome {
        self.publisher()?;
        let sessions = self.log_in(&names("client", CONNECTIONS))?;
        let exchange = InSession {
            template: &self.requests.get_presence,
            scanner: &self.scanner,
            sessions: &sessions,
            user: address("publisher"),
            check: |it, answer, transaction| {
                it.scanner.scan(answer.body).is_some_and(|seen| {
                    seen.primitive == Some(Element::GetPresenceResponse)
                        && seen.code == 200
                        && seen.transaction_id == transaction.as_bytes()
                        && seen.user == it.user.as_bytes()
                        && seen.status_text == presence::text(0).as_bytes()
                })
            },
        };
        let figure = self.beside_echo("GetPresence of one user", 0.5, exchange)?;
        self.figures.push(figure);
        Ok(())
    }

    pub(super) fn logins(&mut self) -> Outcome {
        tell("logins");
        let server = self.server()?;
        let mut net = Net::open(server.address, LOGIN_CLIENTS)?;
        let users = names("login", LOGIN_CLIENTS);
        let (used, before, began) = (server.cpu(), server.metrics(), now());
        let cycles = login::cycles(&mut net, &self.requests, &self.scanner, &users, self.window())?;
        let (spent, after) = (began.elapsed().as_secs_f64(), server.metrics());
        let per_cycle = |name: &str| (after.get(name) - before.get(name)) / spent / cycles.rate;
        let figure = Figure::new("digest login cycles, 5 requests", cycles.rate, "1/s")
            .target(Target::AtLeast(4000.0))
            .note(latency_note("a cycle", &cycles.latencies))
            .note(format!(
                "processor time of the server: {:.0} us each; {:.1} batches, {:.2} commits each",
                (server.cpu() - used) / spent / cycles.rate * 1e6,
                per_cycle("hamlet_store_batches_total"),
                per_cycle("hamlet_store_commits_total"),
            ))
            .faults(cycles.faults);
        self.figures.push(figure);
        Ok(())
    }
}
