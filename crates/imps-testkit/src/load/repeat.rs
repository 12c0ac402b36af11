//! The same request again and again on every connection, each sent when the former is answered.

use std::time::Instant;

use super::faults::Faults;
use super::net::{Answer, Driver, Net};
use super::{Latencies, Outcome, Window, now};

/// What is sent, and whether what came back is right.
pub(crate) trait Exchange {
    /// Appends request number `number` of this connection.
    fn render(&mut self, connection: usize, number: u64, out: &mut Vec<u8>);
    /// What is wrong with its answer, if anything.
    fn check(&mut self, connection: usize, number: u64, answer: &Answer<'_>) -> Result<(), String>;
}

/// What was measured.
pub(crate) struct Repeated {
    /// Answers in the window.
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    pub(crate) latencies: Latencies,
    pub(crate) faults: Faults,
    /// Bytes of the last body.
    pub(crate) body: usize,
}

impl Repeated {
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}

struct Repeat<'a, E> {
    exchange: &'a mut E,
    window: Window,
    state: Vec<(u64, Instant)>,
    open: usize,
    result: Repeated,
}

/// Repeats until the window is over.
pub(crate) fn repeat<E: Exchange>(net: &mut Net, exchange: &mut E, window: Window) -> Outcome<Repeated> {
    let result = Repeated {
        count: 0,
        seconds: window.seconds(),
        latencies: Latencies::new(),
        faults: Faults::default(),
        body: 0,
    };
    let mut repeat = Repeat { exchange, window, state: vec![(0, now()); net.len()], open: net.len(), result };
    for connection in 0..net.len() {
        repeat.send(net, connection);
    }
    net.run(&mut repeat)?;
    Ok(repeat.result)
}

/// Sends a request of one connection so often and no more; a broken connection is an error.
pub(crate) fn repeat_times<E: Exchange>(net: &mut Net, exchange: &mut E, times: u64) -> Outcome<Faults> {
    struct Times<'a, E> {
        exchange: &'a mut E,
        done: u64,
        times: u64,
        faults: Faults,
    }
    impl<E: Exchange> Driver for Times<'_, E> {
        fn answered(&mut self, net: &mut Net, connection: usize, answer: &Answer<'_>) {
            if let Err(why) = self.exchange.check(connection, self.done, answer) {
                self.faults.add(|| why);
            }
            self.done += 1;
            if self.done < self.times {
                let (exchange, number) = (&mut self.exchange, self.done);
                net.send(connection, |out| exchange.render(connection, number, out));
            }
        }
        fn broken(&mut self, _: &mut Net, _: usize, why: &str) {
            self.faults.add_many(self.times - self.done, || format!("connection lost: {why}"));
            self.done = self.times;
        }
        fn is_done(&self) -> bool {
            self.done >= self.times
        }
    }
    let mut driver = Times { exchange, done: 0, times, faults: Faults::default() };
    net.send(0, |out| driver.exchange.render(0, 0, out));
    net.run(&mut driver)?;
    Ok(driver.faults)
}

impl<E: Exchange> Repeat<'_, E> {
    fn send(&mut self, net: &mut Net, connection: usize) {
        let moment = now();
        if moment >= self.window.until {
            self.open -= 1;
            return;
        }
        let Some((number, sent)) = self.state.get_mut(connection) else { return };
        *sent = moment;
        net.send(connection, |out| self.exchange.render(connection, *number, out));
    }
}

impl<E: Exchange> Driver for Repeat<'_, E> {
    fn answered(&mut self, net: &mut Net, connection: usize, answer: &Answer<'_>) {
        let Some((number, sent)) = self.state.get_mut(connection) else { return };
        let moment = now();
        if self.window.contains(moment) {
            self.result.count += 1;
            self.result.latencies.record(moment - *sent);
        }
        self.result.body = answer.body.len();
        if let Err(why) = self.exchange.check(connection, *number, answer) {
            self.result.faults.add(|| why);
        }
        *number += 1;
        self.send(net, connection);
    }

    fn broken(&mut self, _: &mut Net, connection: usize, why: &str) {
        self.open -= 1;
        self.result.faults.add(|| format!("connection {connection} lost: {why}"));
    }

    fn is_done(&self) -> bool {
        self.open == 0
    }
}
