//! Messages end to end over WebSocket.

use imps_proto::wire::Form;

use super::notes::latency_note;
use super::{Bench, SOCKET_RATE, TRANSACTIONS_OPEN, tell};
use crate::load::report::{Figure, Target};
use crate::load::sockets::Sockets;
use crate::load::talk::{self, talk};
use crate::load::template::SocketRequests;
use crate::load::{Outcome, Sleeper, disk};

impl Bench<'_> {
    /// Messages end to end over WebSocket: at full rate, by clients that agreed to several transactions in a message and
    /// have them at hand (CSP 3) and by clients that send one at a time, and at a steady rate.
    pub(super) fn sockets(&mut self, name: &str, form: Form, scan: talk::Scan) -> Outcome {
        let requests = SocketRequests::new(form, TRANSACTIONS_OPEN);
        let several = self.options.socket_plan.together;
        for (rate, together) in [(None, several), (None, 1), (Some(SOCKET_RATE), several)] {
            let plan = talk::Plan { rate, together, ..self.options.socket_plan };
            let at = rate.map_or_else(String::new, |rate| format!(" at {rate:.0}/s"));
            let one = if together == 1 { ", sent one by one" } else { "" };
            tell(&format!("messages over WebSocket, {name}{at}{one}"));
            let couples = self.couples(self.options.socket_pairs)?;
            let server = self.server()?;
            let subprotocol = crate::phone::websocket::subprotocol(form);
            let mut sockets = Sockets::open(server.address, 2 * couples.len(), subprotocol, form != Form::Wbxml)?;
            let sleeper = Sleeper::start();
            let said =
                self.converse(|window| talk(&mut sockets, &requests, (&self.scanner, scan), couples, plan, window))?;
            let late = sleeper.stop();
            let pairs = self.options.socket_pairs;
            let about = format!(
                "{pairs} senders, {} under way at most, {together} in a message at most, {:.0} messages/s; whoever merely sleeps waits longer by: p50 {:.2} ms, p99 {:.2} ms",
                plan.ahead,
                said.rate,
                late.at(0.5),
                late.at(0.99)
            );
            let figure = match rate {
                None if together == 1 => Figure::new(format!("  sent one by one, {name}"), said.rate, "1/s"),
                None => Figure::new(format!("messages over WebSocket, {name}"), said.rate, "1/s")
                    .target(Target::AtLeast(40_000.0)),
                Some(rate) => Figure::new(
                    format!("  p99 at {rate:.0}/s offered, {name}"),
                    said.chatted.to_delivered.at(0.99),
                    "ms",
                )
                .target(Target::AtMost(5.0)),
            };
            // Each message is answered after a sync; that takes what it takes.
            let figure = match rate {
                Some(_) => figure.note(latency_note("a write and a sync alone", &disk::syncs(self.folder.path())?)),
                None => figure,
            };
            self.figures.push(figure.note(about).notes(said.notes()).faults(said.chatted.faults.clone()));
        }
        Ok(())
    }
}
