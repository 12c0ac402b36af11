//! Messages end to end over HTTP, and a backlog of them.

use std::io::Write as _;

use super::notes::{latency_note, stolen_note, stolen_since};
use super::{BACKLOG_WIDTH, Bench, CALM_RATE, MESSAGE_SIZE, PAIRS, ROWS_OF_MESSAGE, names, tell};
use crate::load::chat::{Chatted, Couple, Plan, chat};
use crate::load::net::{Answer, Net};
use crate::load::repeat::{Exchange, repeat_times};
use crate::load::report::{Figure, Target};
use crate::load::scan::Scanner;
use crate::load::server::{Hamlet, address, cpu, stolen};
use crate::load::template::{Template, send_to};
use crate::load::{Latencies, Outcome, Sleeper, Window, now};

impl Bench<'_> {
    pub(super) fn couples(&self, count: usize) -> Outcome<Vec<Couple>> {
        let senders = self.log_in(&names("sender", count))?;
        let recipient_names = names("recipient", count);
        let recipients = self.log_in(&recipient_names)?;
        let pairs = senders.into_iter().zip(recipients).zip(recipient_names);
        Ok(pairs.map(|((sender, recipient), recipient_name)| Couple { sender, recipient, recipient_name }).collect())
    }

    pub(super) fn messages(&mut self, over: &str) -> Outcome {
        tell(&format!("messages{over}"));
        let couples = self.couples(PAIRS)?;
        let plan = self.options.plan;
        let full = self.chat(couples, plan)?;
        let batch = full.rows_per_commit.max(ROWS_OF_MESSAGE);
        let rows = if self.options.quick { 200_000 } else { 1_000_000 };
        let raw = imps_store::reference::raw_inserts(&self.folder.file("raw"), rows, batch as u64, 100)?;
        let note = format!(
            "{PAIRS} senders, {} ahead at most; raw SQLite inserts {raw:.0} rows/s in batches of {batch:.0}, which are {:.0} \
             messages of {ROWS_OF_MESSAGE:.0} rows",
            plan.ahead,
            raw / ROWS_OF_MESSAGE,
        );
        let mut figures = vec![
            Figure::new(format!("messages end to end{over}"), full.rate, "1/s")
                .beside("raw SQLite rows / 7", raw / ROWS_OF_MESSAGE)
                .target(Target::AtLeast(10_000.0))
                .note(note)
                .notes(full.notes())
                .faults(full.chatted.faults.clone()),
            Figure::new(format!("  p99 until delivered{over}"), full.chatted.to_delivered.at(0.99), "ms")
                .target(Target::AtMost(20.0)),
        ];

        let (pairs, plan) = (self.options.calm_pairs, self.options.calm_plan);
        let couples = self.couples(pairs)?;
        let sleeper = Sleeper::start();
        let calm = self.chat(couples, plan)?;
        let late = sleeper.stop();
        let syncs = self.syncs(if self.options.quick { 300 } else { 2000 })?;
        let figure = |share: f64, most: f64| {
            let name = format!("  p{:.0} at {CALM_RATE:.0}/s offered{over}", share * 100.0);
            Figure::new(name, calm.chatted.to_delivered.at(share), "ms")
                .beside("write and fdatasync alone, ms", syncs.at(share))
                .target(Target::AtMost(most))
        };
        figures.push(
            figure(0.5, 1.5)
                .note(format!(
                    "{pairs} pairs, {:.0} messages/s; recipients wait {:.1} ms between polls",
                    calm.rate,
                    plan.pause.as_secs_f64() * 1000.0
                ))
                .notes(calm.notes())
                .faults(calm.chatted.faults.clone()),
        );
        figures.push(figure(0.99, 5.0).note(format!(
            "whoever merely sleeps on this machine in the same run waits longer by: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
            late.at(0.5),
            late.at(0.99),
            late.at(0.999)
        )));
        self.figures.append(&mut figures);
        Ok(())
    }

    /// What the disk needs for what a commit is made of: so many appends of three pages, each synced.
    fn syncs(&self, count: usize) -> Outcome<Latencies> {
        let path = self.folder.file("syncs");
        let mut latencies = Latencies::new();
        let mut measure = || {
            let mut file = std::fs::File::create(&path)?;
            for _ in 0..count {
                let began = now();
                file.write_all(&[7; 3 * 4096])?;
                file.sync_data()?;
                latencies.record(began.elapsed());
            }
            std::fs::remove_file(&path)
        };
        measure().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))?;
        Ok(latencies)
    }

    fn chat(&self, couples: Vec<Couple>, plan: Plan) -> Outcome<Conversation> {
        let mut net = Net::open(self.server()?.address, 2 * couples.len())?;
        self.converse(|window| chat(&mut net, &self.requests, &self.scanner, couples, plan, window))
    }

    /// Has a conversation, and looks at what the server spends on it.
    pub(super) fn converse(&self, talk: impl FnOnce(Window) -> Outcome<Chatted>) -> Outcome<Conversation> {
        let server = self.server()?;
        let (used, own, before, began) = (server.cpu(), cpu(std::process::id()), server.metrics(), now());
        let host = stolen();
        let window = self.window();
        let chatted = talk(window)?;
        let (spent, after) = (began.elapsed().as_secs_f64(), server.metrics());
        let grown = |name: &str| after.get(name) - before.get(name);
        let messages = grown("hamlet_messages_accepted_total").max(1.0);
        let commits = grown("hamlet_store_commits_total").max(1.0);
        Ok(Conversation {
            rate: chatted.acknowledged as f64 / window.seconds(),
            server_micros: (server.cpu() - used) / messages * 1e6,
            own_micros: (cpu(std::process::id()) - own) / messages * 1e6,
            rows_per_commit: grown("hamlet_store_rows_total") / commits,
            batches_per_message: grown("hamlet_store_batches_total") / messages,
            commits_per_second: commits / spent,
            stolen: stolen_since(host),
            commit_millis: grown("hamlet_store_commit_microseconds_total") / commits / 1000.0,
            chatted,
        })
    }

    /// Messages to users who are not there.
    pub(super) fn fill_backlog(&mut self) -> Outcome {
        tell(&format!("storing {} messages", self.backlog));
        let absent: Vec<String> = names("absent", BACKLOG_WIDTH).iter().map(|name| address(name)).collect();
        let session = self.log_in(&names("sender", 1))?.pop().unwrap_or_default();
        let server = self.server()?;
        let (before, began) = (server.metrics().get("hamlet_messages_accepted_total"), now());
        fill(server, &absent, session, (self.backlog / BACKLOG_WIDTH) as u64)?;
        let stored = server.metrics().get("hamlet_messages_accepted_total") - before;
        if stored != self.backlog as f64 {
            return Err(format!("{stored} messages were stored and should be {}", self.backlog));
        }
        let rate = stored / began.elapsed().as_secs_f64();
        self.figures.push(Figure::new("storing a backlog", rate, "messages/s").note(format!(
            "{stored:.0} messages, each request to {BACKLOG_WIDTH} users who are not there, one at a time"
        )));
        Ok(())
    }
}

/// Sends so many messages to users who do not fetch them, one at a time.
pub(super) fn fill(server: &Hamlet, recipients: &[String], session: Vec<u8>, times: u64) -> Outcome {
    struct Filling {
        template: Template,
        session: Vec<u8>,
        scanner: Scanner,
    }
    impl Exchange for Filling {
        fn render(&mut self, _: usize, number: u64, out: &mut Vec<u8>) {
            let transaction = number.to_string();
            let content = format!("{:MESSAGE_SIZE$}", format!("message {number} of many, for later"));
            self.template.render(out, &[&self.session, transaction.as_bytes(), b"", content.as_bytes()]);
        }
        fn check(&mut self, _: usize, _: u64, answer: &Answer<'_>) -> Result<(), String> {
            match self.scanner.scan(answer.body) {
                Some(seen) if seen.code == 200 && !seen.message_id.is_empty() => Ok(()),
                seen => Err(format!("HTTP {}, {:?}", answer.status, seen.map(|seen| seen.code))),
            }
        }
    }
    let mut net = Net::open(server.address, 1)?;
    let mut filling = Filling { template: send_to(recipients), session, scanner: Scanner::new() };
    let faults = repeat_times(&mut net, &mut filling, times)?;
    faults.first.first().map_or(Ok(()), |why| Err(format!("messages for later could not be stored: {why}")))
}

/// A chat with what the server spent on it.
pub(super) struct Conversation {
    pub(super) rate: f64,
    server_micros: f64,
    own_micros: f64,
    rows_per_commit: f64,
    batches_per_message: f64,
    commits_per_second: f64,
    commit_millis: f64,
    /// The share of the processors that the host took for others.
    stolen: f64,
    pub(super) chatted: Chatted,
}

impl Conversation {
    pub(super) fn notes(&self) -> Vec<String> {
        let chatted = &self.chatted;
        let each = |count: u64| count as f64 / chatted.acknowledged.max(1) as f64;
        vec![
            format!(
                "accepted {}, delivered {}, acknowledged {} in the window",
                chatted.accepted, chatted.delivered, chatted.acknowledged
            ),
            format!(
                "{}; {}; {}",
                latency_note("accepted", &chatted.to_accepted),
                latency_note("delivered", &chatted.to_delivered),
                latency_note("acknowledged", &chatted.to_acknowledged)
            ),
            format!(
                "{:.2} requests a message, {:.2} of them empty polls; processor time: server {:.0} us, generator {:.0} us",
                each(chatted.requests),
                each(chatted.empty_polls),
                self.server_micros,
                self.own_micros
            ),
            format!(
                "store: {:.2} batches a message, {:.0} commits/s of {:.2} ms and {:.0} rows{}",
                self.batches_per_message,
                self.commits_per_second,
                self.commit_millis,
                self.rows_per_commit,
                stolen_note(self.stolen)
            ),
        ]
    }
}
