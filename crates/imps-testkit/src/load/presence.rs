//! One publisher, and many who watch him by polling.
//!
//! The publisher's StatusText counts upwards. A watcher takes a notification, answers it by Status 200, and takes the
//! next from the answer to that or from a poll. A notification that was not fetched may be replaced by a newer one
//! (CSP 10), so what is counted is what arrived; no value may come after a later one, and the last must come.

use std::time::{Duration, Instant};

use imps_proto::Element;

use super::faults::Faults;
use super::net::{Answer, Driver, Net};
use super::scan::Scanner;
use super::template::Requests;
use super::{Latencies, Outcome, Window, now};

/// How the load is offered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The next value is published when this share of the watchers has the last one.
    pub(crate) share: f64,
    /// Between an empty poll and the next one.
    pub(crate) pause: Duration,
}

/// What was measured.
pub(crate) struct Watched {
    pub(crate) deliveries: u64,
    pub(crate) updates: u64,
    pub(crate) requests: u64,
    /// Notifications that told a watcher what he had already: allowed, but work for nothing.
    pub(crate) again: u64,
    /// From the update to its arrival.
    pub(crate) latencies: Latencies,
    pub(crate) faults: Faults,
}

struct Watcher {
    session: Vec<u8>,
    last: Option<u64>,
    waits_for_acknowledgement: bool,
    more: bool,
    is_paused: bool,
}

struct Watch<'a> {
    requests: &'a Requests,
    scanner: &'a Scanner,
    plan: Plan,
    window: Window,
    publisher: Vec<u8>,
    publisher_user: String,
    watchers: Vec<Watcher>,
    /// The value that was sent last, and when.
    value: u64,
    sent: Instant,
    is_publishing: bool,
    /// Watchers that have the value sent last.
    have: usize,
    is_over: bool,
    give_up: Instant,
    result: Watched,
}

const CHECK: usize = usize::MAX;

/// What a StatusText says.
pub(crate) fn text(value: u64) -> String {
    format!("out for lunch {value:08}")
}

fn value(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text.strip_prefix(b"out for lunch ")?).ok()?.parse().ok()
}

/// Watches until the window is over and everybody has the last value. The publisher's connection is the last one.
pub(crate) fn watch(
    net: &mut Net,
    requests: &Requests,
    scanner: &Scanner,
    (publisher, publisher_user): (Vec<u8>, String),
    watchers: Vec<Vec<u8>>,
    plan: Plan,
    window: Window,
) -> Outcome<Watched> {
    let watcher =
        |session| Watcher { session, last: None, waits_for_acknowledgement: false, more: false, is_paused: false };
    let mut watch = Watch {
        requests,
        scanner,
        plan,
        window,
        publisher,
        publisher_user,
        watchers: watchers.into_iter().map(watcher).collect(),
        value: 0,
        sent: now(),
        is_publishing: false,
        have: 0,
        is_over: false,
        give_up: window.until + Duration::from_secs(20),
        result: Watched {
            deliveries: 0,
            updates: 0,
            requests: 0,
            again: 0,
            latencies: Latencies::new(),
            faults: Faults::default(),
        },
    };
    for watcher in 0..watch.watchers.len() {
        watch.poll(net, watcher);
    }
    watch.publish(net);
    net.wake_at(window.until, CHECK);
    net.run(&mut watch)?;
    let late = watch.watchers.iter().filter(|it| it.last != Some(watch.value)).count() as u64;
    watch.result.faults.add_many(late, || format!("{late} watchers never got the last value"));
    Ok(watch.result)
}

impl Watch<'_> {
    fn publish(&mut self, net: &mut Net) {
        let moment = now();
        if self.is_publishing || moment >= self.window.until {
            return;
        }
        if self.window.contains(moment) {
            self.result.updates += 1;
        }
        self.value += 1;
        self.sent = moment;
        self.have = 0;
        self.is_publishing = true;
        let (requests, connection) = (self.requests, self.watchers.len());
        let (transaction, text) = (self.value.to_string(), text(self.value));
        let values: [&[u8]; 3] = [&self.publisher, transaction.as_bytes(), text.as_bytes()];
        net.send(connection, |out| requests.update.render(out, &values));
    }

    fn may_publish(&self) -> bool {
        self.have as f64 >= self.watchers.len() as f64 * self.plan.share
    }

    fn poll(&mut self, net: &mut Net, watcher: usize) {
        let requests = self.requests;
        let Some(it) = self.watchers.get_mut(watcher) else { return };
        (it.waits_for_acknowledgement, it.is_paused) = (false, false);
        net.send(watcher, |out| requests.poll.render(out, &[&it.session]));
    }

    fn published(&mut self, net: &mut Net, answer: &Answer<'_>) {
        self.is_publishing = false;
        let seen = self.scanner.scan(answer.body).unwrap_or_default();
        if answer.status != 200 || seen.primitive != Some(Element::Status) || seen.code != 200 {
            self.result.faults.add(|| format!("UpdatePresence was answered by {:?} {}", seen.primitive, seen.code));
        }
        if self.may_publish() {
            self.publish(net);
        }
    }

    fn notified(&mut self, net: &mut Net, watcher: usize, answer: &Answer<'_>) {
        let moment = now();
        let (requests, scanner, newest) = (self.requests, self.scanner, self.value);
        let in_window = self.window.contains(moment);
        self.result.requests += u64::from(in_window);
        let Some(it) = self.watchers.get_mut(watcher) else { return };
        if answer.status != 200 {
            self.result.faults.add(|| format!("a watcher was answered by HTTP {}", answer.status));
        }
        if answer.body.is_empty() {
            if it.waits_for_acknowledgement && it.more {
                it.more = false;
                self.poll(net, watcher);
            } else {
                it.is_paused = true;
                net.wake_at(moment + self.plan.pause, watcher);
            }
            return;
        }
        let seen = scanner.scan(answer.body);
        let is_notification = |seen: &super::scan::Seen<'_>| {
            seen.is_request
                && seen.primitive == Some(Element::PresenceNotificationRequest)
                && seen.user == self.publisher_user.as_bytes()
        };
        let Some(seen) = seen.filter(is_notification) else {
            let what = seen.map(|seen| (seen.primitive, seen.code));
            self.result.faults.add(|| format!("a watcher was answered by {what:?}"));
            it.is_paused = true;
            net.wake_at(moment + Duration::from_millis(10), watcher);
            return;
        };
        it.more = seen.poll;
        // The first notification has what was there before.
        if let Some(value) = value(seen.status_text) {
            if it.last.is_some_and(|last| value < last) || value > newest {
                self.result.faults.add(|| format!("value {value} after {:?}", it.last));
            }
            if it.last == Some(value) {
                self.result.again += u64::from(in_window);
            } else {
                it.last = Some(value);
                if value == newest {
                    self.have += 1;
                    if in_window {
                        self.result.latencies.record(moment - self.sent);
                    }
                }
                self.result.deliveries += u64::from(in_window);
            }
        } else if it.last.is_some() {
            self.result.faults.add(|| "a notification without the value".to_owned());
        }
        it.waits_for_acknowledgement = true;
        let values: [&[u8]; 2] = [&it.session, seen.transaction_id];
        net.send(watcher, |out| requests.done.render(out, &values));
        if self.may_publish() {
            self.publish(net);
        }
    }
}

impl Driver for Watch<'_> {
    fn answered(&mut self, net: &mut Net, connection: usize, answer: &Answer<'_>) {
        if connection == self.watchers.len() {
            self.published(net, answer);
        } else {
            self.notified(net, connection, answer);
        }
    }

    fn woken(&mut self, net: &mut Net, what: usize) {
        if what != CHECK {
            let is_served = self.watchers.get(what).is_some_and(|it| it.last == Some(self.value));
            if !(is_served && now() >= self.window.until && !self.is_publishing) {
                self.poll(net, what);
            }
            return;
        }
        let all = self.watchers.iter().all(|it| it.is_paused && it.last == Some(self.value));
        self.is_over = all && !self.is_publishing || now() >= self.give_up;
        net.wake_at(now() + Duration::from_millis(1), CHECK);
    }

    fn broken(&mut self, _: &mut Net, connection: usize, why: &str) {
        self.result.faults.add(|| format!("connection {connection} lost: {why}"));
        self.is_over = true;
    }

    fn is_done(&self) -> bool {
        self.is_over
    }
}
