//! Commands over lines of text.

use super::notes::{latency_note, stolen_note, stolen_since};
use super::{Bench, LINES, MESSAGE_SIZE, PAIRS, names, tell};
use crate::load::report::{Figure, Target};
use crate::load::server::{Helper, stolen};
use crate::load::{Outcome, lines, now};

impl Bench<'_> {
    /// Commands over lines of text: what is answered from memory, and messages, which wait for a commit. Beside it the same
    /// lines to somebody who merely sends them back.
    pub(super) fn clp(&mut self) -> Outcome {
        tell("commands over lines of text");
        let users = names("line", LINES);
        // They are away, so that nothing but answers comes over the lines.
        let absent = names("absent", PAIRS);
        self.start("clp", &[users.clone(), absent.clone()].concat())?;
        let command = |text: &str| format!("{text}\r\n");
        let quick = ["ping", "show line0", "lists", "text on a line"].map(command);
        let sent: Vec<_> = absent.iter().map(|user| format!("msg {user} {}\r\n", "x".repeat(MESSAGE_SIZE))).collect();
        let helper = Helper::start(&["line-echo-server"])?;
        let echoed = lines::repeat(helper.address, lines::Peer::Echo, LINES, &quick, || self.window())?;
        for (name, commands, target) in [
            ("commands over 100 lines (CLP)", &quick[..3], Some(Target::AtLeast(20_000.0))),
            ("commands over 100 lines, presence published too", &quick[..], None),
            ("messages sent over 100 lines (CLP)", &sent[..], None),
        ] {
            let server = self.server()?;
            let (used, began, host) = (server.cpu(), now(), stolen());
            let measured = lines::repeat(server.clp, lines::Peer::Server(&users), LINES, commands, || self.window())?;
            let (used, spent) = (server.cpu() - used, began.elapsed().as_secs_f64());
            let mut faults = measured.faults.clone();
            faults.merge(echoed.faults.clone());
            let mut figure = Figure::new(name, measured.rate(), "1/s")
                .beside("bare TCP echo", echoed.rate())
                .note(latency_note("latency", &measured.latencies))
                .note(format!(
                    "one command under way on each line; the server used {:.2} processors{}",
                    used / spent,
                    stolen_note(stolen_since(host)),
                ))
                .faults(faults);
            if let Some(target) = target {
                figure = figure.target(target);
            }
            self.figures.push(figure);
        }
        Ok(())
    }
}
