//! What sessions take with which nothing goes on.

use super::{Bench, tell};
use crate::load::report::{Figure, Target};
use crate::load::{Outcome, called, idle};

impl Bench<'_> {
    pub(super) fn memory(&mut self) -> Outcome {
        tell("memory");
        let users = std::mem::take(&mut self.idle_users);
        self.start("idle", &users)?;
        let idle = idle::measure(self.server()?, &self.requests, &self.scanner, &users)?;
        let each = |bytes: u64| bytes as f64 / idle.sessions.max(1) as f64;
        let grown = idle.after.saturating_sub(idle.before);
        let figure = Figure::new("memory of an idle session", each(grown) / 1024.0, "KiB")
            .target(Target::AtMost(3.0))
            .note(format!(
                "{} sessions without a connection; resident memory {:.1} MiB before, {:.1} MiB after ({:.2} KiB a session with \
                 nothing subtracted)",
                idle.sessions,
                idle.before as f64 / 1_048_576.0,
                idle.after as f64 / 1_048_576.0,
                each(idle.after) / 1024.0,
            ));
        self.figures.push(figure);
        Ok(())
    }

    /// Idle sessions with a CIR connection each.
    pub(super) fn called(&mut self) -> Outcome {
        let users = std::mem::take(&mut self.called_users);
        tell(&format!("{} sessions with a CIR connection", users.len()));
        self.start("called", &users)?;
        let called = called::measure(self.server()?, &self.requests, &self.scanner, &users)?;
        let each = |bytes: u64| bytes as f64 / called.sessions.max(1) as f64 / 1024.0;
        let grown = called.after.saturating_sub(called.before);
        let figure = Figure::new("memory of a session with CIR by TCP", each(called.after), "KiB")
            .target(Target::AtMost(12.0))
            .note(format!(
                "{} sessions with a connection each, the client in another process; resident memory {:.1} MiB before, {:.1} MiB after:                  {:.2} KiB a session if what the program needs by itself is subtracted; HELO and OK {:.0}/s, one after the other",
                called.sessions,
                called.before as f64 / 1_048_576.0,
                called.after as f64 / 1_048_576.0,
                each(grown),
                called.sessions as f64 / called.helloes.as_secs_f64(),
            ));
        self.figures.push(figure);
        Ok(())
    }
}
