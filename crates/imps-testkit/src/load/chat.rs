//! Messages from end to end: sent and committed, delivered by polling, acknowledged.
//!
//! Users come in pairs, a sender and a recipient, each on a connection of his own. The sender posts SendMessage; the
//! recipient polls, acknowledges what he gets (the answer may carry the next message), and polls again: at once while
//! the Poll flag is T, after a pause otherwise. Every message must arrive once, in order, under the MessageID that its
//! sender was told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use imps_proto::Element;

use super::faults::Faults;
use super::net::{Answer, Driver, Net};
use super::scan::Scanner;
use super::server::address;
use super::template::Requests;
use super::{Latencies, Outcome, Window, now};

/// How the load is offered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Messages a second over all pairs; none: each sender sends as soon as he may.
    pub(crate) rate: Option<f64>,
    /// A sender waits while so many of his messages are not acknowledged.
    pub(crate) ahead: usize,
    /// Between an empty poll and the next one.
    pub(crate) pause: Duration,
    /// Bytes of a message.
    pub(crate) size: usize,
}

/// A sender and his recipient.
pub(crate) struct Couple {
    pub(crate) sender: Vec<u8>,
    pub(crate) recipient: Vec<u8>,
    pub(crate) recipient_name: String,
}

/// What was measured.
pub(crate) struct Chatted {
    /// In the window.
    pub(crate) accepted: u64,
    pub(crate) delivered: u64,
    pub(crate) acknowledged: u64,
    /// From sending to the 200.
    pub(crate) to_accepted: Latencies,
    /// From sending to NewMessage at the recipient.
    pub(crate) to_delivered: Latencies,
    /// From sending to the answer to the acknowledgement.
    pub(crate) to_acknowledged: Latencies,
    /// Requests in the window, and polls among them that brought nothing.
    pub(crate) requests: u64,
    pub(crate) empty_polls: u64,
    pub(crate) faults: Faults,
}

/// A message on its way.
struct Entry {
    sent: Instant,
    id: Vec<u8>,
    is_accepted: bool,
    is_delivered: bool,
    is_acknowledged: bool,
}

impl Entry {
    fn new(sent: Instant) -> Self {
        Self { sent, id: Vec::new(), is_accepted: false, is_delivered: false, is_acknowledged: false }
    }

    /// Sender and recipient were told the MessageID; `false` when they were told different ones.
    fn is_called(&mut self, id: &[u8]) -> bool {
        if self.id.is_empty() {
            self.id = id.to_vec();
        }
        self.id == id
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waits {
    /// For the answer to a poll.
    Poll,
    /// For the answer to an acknowledgement.
    Acknowledge,
    /// For the end of the pause.
    Pause,
}

struct Pair {
    couple: Couple,
    address: String,
    /// The number of the first entry.
    base: u64,
    /// Messages that are not acknowledged yet.
    entries: VecDeque<Entry>,
    /// Whether the sender waits for an answer.
    sending: bool,
    /// Open loop: messages that are due, and since when.
    due: VecDeque<Instant>,
    waits: Waits,
    /// The Poll flag that came last.
    more: bool,
}

struct Chat<'a> {
    requests: &'a Requests,
    scanner: &'a Scanner,
    plan: Plan,
    window: Window,
    pairs: Vec<Pair>,
    turn: usize,
    next_due: Instant,
    is_over: bool,
    lost_connections: usize,
    give_up: Instant,
    result: Chatted,
}

/// What is passed to [`Net::wake_at`] beside the numbers of pairs.
const ARRIVAL: usize = usize::MAX;
const CHECK: usize = usize::MAX - 1;
const NUMBER: usize = 16;

/// Chats until the window is over and everything was delivered. Connections 2n and 2n + 1 are those of pair n.
pub(crate) fn chat(
    net: &mut Net,
    requests: &Requests,
    scanner: &Scanner,
    couples: Vec<Couple>,
    plan: Plan,
    window: Window,
) -> Outcome<Chatted> {
    let result = Chatted {
        accepted: 0,
        delivered: 0,
        acknowledged: 0,
        to_accepted: Latencies::new(),
        to_delivered: Latencies::new(),
        to_acknowledged: Latencies::new(),
        requests: 0,
        empty_polls: 0,
        faults: Faults::default(),
    };
    let pair = |couple: Couple| Pair {
        address: address(&couple.recipient_name),
        couple,
        base: 0,
        entries: VecDeque::new(),
        sending: false,
        due: VecDeque::new(),
        waits: Waits::Poll,
        more: false,
    };
    let mut chat = Chat {
        requests,
        scanner,
        plan,
        window,
        pairs: couples.into_iter().map(pair).collect(),
        turn: 0,
        next_due: now(),
        is_over: false,
        lost_connections: 0,
        give_up: window.until + Duration::from_secs(20),
        result,
    };
    for pair in 0..chat.pairs.len() {
        chat.poll(net, pair);
        if plan.rate.is_none() {
            chat.try_send(net, pair);
        }
    }
    if plan.rate.is_some() {
        net.wake_at(chat.next_due, ARRIVAL);
    }
    net.wake_at(window.until, CHECK);
    net.run(&mut chat)?;
    let lost: u64 = chat.pairs.iter().map(|pair| pair.entries.len() as u64).sum();
    chat.result.faults.add_many(lost, || format!("{lost} messages were not delivered and acknowledged in time"));
    Ok(chat.result)
}

impl Chat<'_> {
    fn count_request(&mut self, moment: Instant) {
        if self.window.contains(moment) {
            self.result.requests += 1;
        }
    }

    fn poll(&mut self, net: &mut Net, pair: usize) {
        let requests = self.requests;
        let Some(it) = self.pairs.get_mut(pair) else { return };
        it.waits = Waits::Poll;
        net.send(2 * pair + 1, |out| requests.poll.render(out, &[&it.couple.recipient]));
    }

    /// Sends the next message of this pair, if it may.
    fn try_send(&mut self, net: &mut Net, pair: usize) {
        let moment = now();
        let (requests, plan) = (self.requests, self.plan);
        let Some(it) = self.pairs.get_mut(pair) else { return };
        if it.sending || it.entries.len() >= plan.ahead {
            return;
        }
        let sent = match plan.rate {
            None if moment >= self.window.until => return,
            None => moment,
            Some(_) => match it.due.pop_front() {
                Some(due) => due,
                None => return,
            },
        };
        let number = it.base + it.entries.len() as u64;
        it.entries.push_back(Entry::new(sent));
        it.sending = true;
        let mut content = format!("{pair:06}{number:010} ");
        while content.len() < plan.size {
            content.push_str("Meet me at the old mill at noon, and bring the letters with you. ");
        }
        content.truncate(plan.size);
        let transaction = number.to_string();
        let values: [&[u8]; 4] = [&it.couple.sender, transaction.as_bytes(), it.address.as_bytes(), content.as_bytes()];
        net.send(2 * pair, |out| requests.send.render(out, &values));
    }

    fn accepted(&mut self, net: &mut Net, pair: usize, answer: &Answer<'_>) {
        let moment = now();
        let in_window = self.window.contains(moment);
        let Some(it) = self.pairs.get_mut(pair) else { return };
        it.sending = false;
        // It may have been delivered and acknowledged already.
        let entry = it.entries.iter_mut().find(|entry| !entry.is_accepted);
        match (self.scanner.scan(answer.body), entry) {
            (Some(seen), Some(entry))
                if answer.status == 200
                    && seen.primitive == Some(Element::SendMessageResponse)
                    && seen.code == 200
                    && !seen.message_id.is_empty() =>
            {
                entry.is_accepted = true;
                if in_window {
                    self.result.accepted += 1;
                    self.result.to_accepted.record(moment - entry.sent);
                }
                if !entry.is_called(seen.message_id) {
                    self.result.faults.add(|| "a message was delivered under another MessageID".to_owned());
                }
            }
            (seen, _) => {
                let code = seen.map_or(0, |seen| seen.code);
                self.result.faults.add(|| format!("SendMessage was answered by HTTP {} with {code}", answer.status));
                // It does not arrive.
                it.entries.pop_back();
            }
        }
        self.drop_finished(pair);
        self.try_send(net, pair);
    }

    /// Entries are acknowledged in order; one whose sender has not heard of it yet waits for that.
    fn drop_finished(&mut self, pair: usize) {
        let Some(it) = self.pairs.get_mut(pair) else { return };
        while it.entries.front().is_some_and(|entry| entry.is_accepted && entry.is_acknowledged) {
            it.entries.pop_front();
            it.base += 1;
        }
    }

    /// The recipient got something: an answer to a poll, or to an acknowledgement.
    fn received(&mut self, net: &mut Net, pair: usize, answer: &Answer<'_>) {
        let moment = now();
        let in_window = self.window.contains(moment);
        let (requests, scanner) = (self.requests, self.scanner);
        let Some(it) = self.pairs.get_mut(pair) else { return };
        let waited = it.waits;
        if waited == Waits::Acknowledge {
            // The answer to an acknowledgement says that the deletion is committed.
            if let Some(entry) = it.entries.iter_mut().find(|entry| entry.is_delivered && !entry.is_acknowledged) {
                if in_window {
                    self.result.acknowledged += 1;
                    self.result.to_acknowledged.record(moment - entry.sent);
                }
                entry.is_acknowledged = true;
            }
        }
        if answer.status != 200 {
            self.result.faults.add(|| format!("{waited:?} was answered by HTTP {}", answer.status));
        }
        if answer.body.is_empty() {
            if waited == Waits::Poll && in_window {
                self.result.empty_polls += 1;
            }
            let again = waited == Waits::Acknowledge && it.more;
            it.more = false;
            if !again {
                it.waits = Waits::Pause;
                net.wake_at(moment + self.plan.pause, pair);
            }
            self.settle(net, pair);
            if again {
                self.poll(net, pair);
            }
            return;
        }
        let seen = scanner.scan(answer.body);
        let Some(seen) = seen.filter(|seen| seen.is_request && seen.primitive == Some(Element::NewMessage)) else {
            let what = seen.map(|seen| (seen.primitive, seen.code));
            self.result.faults.add(|| format!("{waited:?} was answered by {what:?}"));
            it.waits = Waits::Pause;
            net.wake_at(moment + Duration::from_millis(10), pair);
            return;
        };
        it.more = seen.poll;
        let number = seen.content.get(..NUMBER).and_then(|digits| std::str::from_utf8(digits).ok());
        let number = number.and_then(|digits| {
            let (of, number) = digits.split_at_checked(6)?;
            (of.parse() == Ok(pair)).then(|| number.parse::<u64>().ok()).flatten()
        });
        let index = number.and_then(|number| usize::try_from(number.checked_sub(it.base)?).ok());
        let first_missing = it.entries.iter().position(|entry| !entry.is_delivered);
        match index.and_then(|index| it.entries.get_mut(index)) {
            Some(entry) if !entry.is_delivered => {
                if first_missing != index {
                    self.result.faults.add(|| "messages were delivered in another order".to_owned());
                }
                entry.is_delivered = true;
                if !entry.is_called(seen.message_id) {
                    self.result.faults.add(|| "a message was delivered under another MessageID".to_owned());
                }
                if in_window {
                    self.result.delivered += 1;
                    self.result.to_delivered.record(moment - entry.sent);
                }
            }
            _ => self.result.faults.add(|| {
                format!("delivered twice, or never sent: {}", String::from_utf8_lossy(seen.content).escape_debug())
            }),
        }
        if seen.content.len() != self.plan.size {
            self.result.faults.add(|| "a message came in another length".to_owned());
        }
        it.waits = Waits::Acknowledge;
        let values: [&[u8]; 3] = [&it.couple.recipient, seen.transaction_id, seen.message_id];
        net.send(2 * pair + 1, |out| requests.delivered.render(out, &values));
        self.settle(net, pair);
    }

    /// After an acknowledgement there may be room for the next message.
    fn settle(&mut self, net: &mut Net, pair: usize) {
        self.drop_finished(pair);
        self.try_send(net, pair);
    }

    /// Open loop: hands what is due to the pairs in turn.
    fn arrive(&mut self, net: &mut Net, rate: f64) {
        let moment = now();
        while self.next_due <= moment && self.next_due < self.window.until {
            let due = self.next_due;
            self.next_due += Duration::from_secs_f64(1.0 / rate);
            let pair = self.turn % self.pairs.len().max(1);
            self.turn += 1;
            if let Some(it) = self.pairs.get_mut(pair) {
                it.due.push_back(due);
            }
            self.try_send(net, pair);
        }
        if self.next_due < self.window.until {
            net.wake_at(self.next_due, ARRIVAL);
        }
    }
}

impl Driver for Chat<'_> {
    fn answered(&mut self, net: &mut Net, connection: usize, answer: &Answer<'_>) {
        self.count_request(now());
        if connection.is_multiple_of(2) {
            self.accepted(net, connection / 2, answer);
        } else {
            self.received(net, connection / 2, answer);
        }
    }

    fn woken(&mut self, net: &mut Net, what: usize) {
        match (what, self.plan.rate) {
            (ARRIVAL, Some(rate)) => self.arrive(net, rate),
            (CHECK, _) => {
                let idle = self.pairs.iter().all(|it| it.entries.is_empty() && it.due.is_empty() && !it.sending);
                self.is_over = idle && self.pairs.iter().all(|it| it.waits == Waits::Pause);
                self.is_over |= now() >= self.give_up;
                net.wake_at(now() + Duration::from_millis(1), CHECK);
            }
            (pair, _) => {
                // In the end everybody is quiet, so that the next measurement finds nothing on the connections.
                let drained = now() >= self.window.until
                    && self.pairs.get(pair).is_some_and(|it| it.entries.is_empty() && it.due.is_empty() && !it.sending);
                if !drained {
                    self.poll(net, pair);
                }
            }
        }
    }

    fn broken(&mut self, _: &mut Net, connection: usize, why: &str) {
        self.lost_connections += 1;
        self.result.faults.add(|| format!("connection {connection} lost: {why}"));
    }

    fn is_done(&self) -> bool {
        self.is_over || self.lost_connections > 0
    }
}
