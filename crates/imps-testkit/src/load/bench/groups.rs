//! Messages to a group of a thousand.

use imps_proto::wire::Form;

use super::notes::latency_note;
use super::{Bench, JOINED, names, tell};
use crate::load::net::Net;
use crate::load::report::{Figure, Target};
use crate::load::server::cpu;
use crate::load::template::SocketRequests;
use crate::load::{Outcome, called, group, now};

impl Bench<'_> {
    /// Messages to a group in this process: what the service itself takes for each who has joined.
    pub(super) fn group_in_memory(&mut self) -> Outcome {
        tell("group, in memory");
        let users = names("member", JOINED + 1);
        let own = cpu(std::process::id());
        let measured = group::in_memory(&users, self.options.group_plan.size, self.options.time)?;
        let spent = cpu(std::process::id()) - own;
        let figure = Figure::new(format!("group deliveries, 1 to {JOINED} outboxes"), measured.rate, "1/s")
            .target(Target::AtLeast(60_000.0))
            .note(format!(
                "{} messages in this process, on one thread, with the store in memory; taken and acknowledged too: {:.0}/s; \
                 {spent:.1} s of processor time with logging in and joining",
                measured.messages, measured.acknowledged,
            ))
            .faults(measured.faults);
        self.figures.push(figure);
        Ok(())
    }

    /// Messages to a group, fetched by polling and acknowledged: by listeners that agreed to several transactions in a
    /// message, and by those that did not.
    pub(super) fn group(&mut self) -> Outcome {
        tell("group");
        let users = names("member", JOINED + 1);
        called::most(2 * JOINED);
        self.start("group", &users)?;
        let sessions = self.log_in(&users)?;
        let server = self.server()?;
        let mut joining = Net::open(server.address, 1)?;
        group::gather(&mut joining, &self.requests, &self.scanner, &users, &sessions)?;
        let alone = group::Plan { together: 1, ahead: 1, ..self.options.group_plan };
        let figure = self.group_polled("  one message in an answer", alone, &users, sessions.clone())?;
        let plan = self.options.group_plan;
        let several = SocketRequests::new(Form::Wbxml, plan.together);
        group::agree(&mut joining, &several, &self.scanner, &users, &sessions)?;
        let several =
            self.group_polled(&format!("group deliveries by polling, 1 to {JOINED}"), plan, &users, sessions)?;
        self.figures.extend([several.target(Target::AtLeast(25_000.0)), figure]);
        Ok(())
    }

    fn group_polled(&self, name: &str, plan: group::Plan, users: &[String], sessions: Vec<Vec<u8>>) -> Outcome<Figure> {
        let server = self.server()?;
        let mut net = Net::open(server.address, sessions.len())?;
        let sender = users.first().map_or("", String::as_str);
        let (used, own, before, began) = (server.cpu(), cpu(std::process::id()), server.metrics(), now());
        let window = self.window();
        let requests = (&self.requests, &SocketRequests::new(Form::Wbxml, plan.together));
        let heard = group::listen(&mut net, requests, &self.scanner, (sender, sessions), plan, window)?;
        let (spent, after) = (began.elapsed().as_secs_f64(), server.metrics());
        let rate = heard.deliveries as f64 / window.seconds();
        let each = |used: f64| used / spent / rate * 1e6;
        let grown = |name: &str| after.get(name) - before.get(name);
        let commits = grown("hamlet_store_commits_total").max(1.0);
        Ok(Figure::new(name, rate, "1/s")
            .note(latency_note("from sending to the arrival", &heard.latencies))
            .note(format!(
                "{:.1} messages/s, {} under way at most, {} in an answer at most, {:.2} requests for each delivery; processor \
                 time for each: server {:.1} us, generator {:.1} us; {:.0} commits/s of {:.0} rows",
                heard.messages as f64 / window.seconds(),
                plan.ahead,
                plan.together,
                heard.requests as f64 / heard.deliveries.max(1) as f64,
                each(server.cpu() - used),
                each(cpu(std::process::id()) - own),
                commits / spent,
                grown("hamlet_store_rows_total") / commits,
            ))
            .faults(heard.faults))
    }
}
