//! Messages end to end over WebSocket: senders with several messages under way, recipients to whom they are pushed.
//!
//! Every message must arrive once, in order, under the MessageID that its sender was told (unless it goes to another domain), and is
//! acknowledged.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use imps_proto::Element;

use super::chat::{Chatted, Couple};
use super::faults::Faults;
use super::scan::{Scanner, Seen};
use super::server::address;
use super::sockets::{Driver, Sockets};
use super::template::SocketRequests;
use super::{Latencies, Outcome, Window, now};

/// How the load is offered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Messages a second over all pairs; none: each sender sends as soon as he may.
    pub(crate) rate: Option<f64>,
    /// A sender waits while so many of his messages have not arrived.
    pub(crate) ahead: usize,
    /// So many transactions may be in one message, where so many are at hand.
    pub(crate) together: usize,
    /// Bytes of a message.
    pub(crate) size: usize,
    /// Recipients are of another domain, which has a MessageID of its own for each.
    pub(crate) is_relayed: bool,
}

/// Reads what a generator of load needs of each transaction of a message.
pub(crate) type Scan = for<'a> fn(&Scanner, &'a [u8], &mut Vec<Seen<'a>>) -> Option<()>;

struct Entry {
    sent: Instant,
    /// What its sender was told, or its recipient, whoever came first.
    id: Vec<u8>,
    is_accepted: bool,
    is_delivered: bool,
}

struct Pair {
    couple: Couple,
    address: String,
    /// The number of the first entry.
    base: u64,
    entries: VecDeque<Entry>,
    /// Open loop: messages that are due, and since when.
    due: VecDeque<Instant>,
}

struct Talk<'a> {
    requests: &'a SocketRequests,
    scanner: &'a Scanner,
    scan: Scan,
    plan: Plan,
    window: Window,
    pairs: Vec<Pair>,
    /// Recipients that are connected.
    ready: usize,
    turn: usize,
    next_due: Instant,
    is_over: bool,
    give_up: Instant,
    result: Chatted,
}

/// What is passed to [`Sockets::wake_at`].
const ARRIVAL: usize = 0;
const CHECK: usize = 1;
const NUMBER: usize = 16;
/// The TransactionID of the negotiation, with which each connection begins.
const HELLO: &[u8] = b"hello";

/// Talks until the window is over and everything was delivered. Connections 2n and 2n + 1 are those of pair n.
pub(crate) fn talk(
    sockets: &mut Sockets,
    requests: &SocketRequests,
    (scanner, scan): (&Scanner, Scan),
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
        due: VecDeque::new(),
    };
    let mut talk = Talk {
        requests,
        scanner,
        scan,
        plan,
        window,
        pairs: couples.into_iter().map(pair).collect(),
        ready: 0,
        turn: 0,
        next_due: now(),
        is_over: false,
        give_up: window.until + Duration::from_secs(20),
        result,
    };
    for (index, pair) in talk.pairs.iter().enumerate() {
        for (side, session) in [&pair.couple.sender, &pair.couple.recipient].into_iter().enumerate() {
            sockets.send(2 * index + side, |out| talk.requests.capability.append(out, &[session, HELLO]));
        }
    }
    sockets.wake_at(window.until, CHECK);
    sockets.run(&mut talk)?;
    let lost: u64 = talk.pairs.iter().map(|pair| pair.entries.len() as u64).sum();
    talk.result.faults.add_many(lost, || format!("{lost} messages were not accepted and delivered in time"));
    Ok(talk.result)
}

impl Talk<'_> {
    fn begin(&mut self, sockets: &mut Sockets) {
        self.next_due = now();
        match self.plan.rate {
            Some(_) => sockets.wake_at(self.next_due, ARRIVAL),
            None => (0..self.pairs.len()).for_each(|pair| self.send(sockets, pair)),
        }
    }

    /// Sends what this pair may send.
    fn send(&mut self, sockets: &mut Sockets, pair: usize) {
        let moment = now();
        let (requests, plan) = (self.requests, self.plan);
        let Some(it) = self.pairs.get_mut(pair) else { return };
        let mut new = Vec::new();
        while it.entries.len() < plan.ahead {
            let sent = match plan.rate {
                None if moment >= self.window.until => break,
                None => moment,
                // What could not be offered by then is not: it would be the next measurement's.
                Some(_) if moment >= self.window.until => {
                    it.due.clear();
                    break;
                }
                Some(_) => match it.due.pop_front() {
                    Some(due) => due,
                    None => break,
                },
            };
            let number = it.base + it.entries.len() as u64;
            it.entries.push_back(Entry { sent, id: Vec::new(), is_accepted: false, is_delivered: false });
            let mut content = format!("{pair:06}{number:010} ");
            while content.len() < plan.size {
                content.push_str("Meet me at the old mill at noon, and bring the letters with you. ");
            }
            content.truncate(plan.size);
            new.push((number.to_string(), content));
        }
        for some in new.chunks(plan.together) {
            let values = some.iter().map(|(transaction, content)| {
                [it.couple.sender.as_slice(), transaction.as_bytes(), it.address.as_bytes(), content.as_bytes()]
            });
            sockets.send(2 * pair, |out| requests.send.append(out, values));
            self.result.requests += u64::from(self.window.contains(moment));
        }
    }

    fn accepted(&mut self, pair: usize, seen: Seen<'_>) {
        let moment = now();
        let in_window = self.window.contains(moment);
        let Some(it) = self.pairs.get_mut(pair) else { return };
        let number: Option<u64> = std::str::from_utf8(seen.transaction_id).ok().and_then(|text| text.parse().ok());
        let index = number.and_then(|number| usize::try_from(number.checked_sub(it.base)?).ok());
        let is_good = seen.primitive == Some(Element::SendMessageResponse) && seen.code == 200;
        match index.and_then(|index| it.entries.get_mut(index)) {
            Some(entry) if is_good && !entry.is_accepted => {
                entry.is_accepted = true;
                if in_window {
                    self.result.accepted += 1;
                    self.result.to_accepted.record(moment - entry.sent);
                }
                if entry.id.is_empty() {
                    entry.id = seen.message_id.to_vec();
                } else if entry.id != seen.message_id && !self.plan.is_relayed {
                    self.result.faults.add(|| "a message was delivered under another MessageID".to_owned());
                }
            }
            _ => {
                let (primitive, code) = (seen.primitive, seen.code);
                self.result.faults.add(|| format!("SendMessage was answered by {primitive:?} with {code}"));
            }
        }
    }

    fn delivered(&mut self, pair: usize, seen: Seen<'_>) {
        let moment = now();
        let in_window = self.window.contains(moment);
        let Some(it) = self.pairs.get_mut(pair) else { return };
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
                if in_window {
                    self.result.delivered += 1;
                    self.result.to_delivered.record(moment - entry.sent);
                }
                if entry.id.is_empty() {
                    entry.id = seen.message_id.to_vec();
                } else if entry.id != seen.message_id && !self.plan.is_relayed {
                    self.result.faults.add(|| "a message was delivered under another MessageID".to_owned());
                }
            }
            _ => self.result.faults.add(|| {
                format!("delivered twice, or never sent: {}", String::from_utf8_lossy(seen.content).escape_debug())
            }),
        }
        if seen.content.len() != self.plan.size {
            self.result.faults.add(|| "a message came in another length".to_owned());
        }
    }

    /// Acknowledges what came in one message.
    fn acknowledge(&mut self, sockets: &mut Sockets, pair: usize, seen: &[Seen<'_>]) {
        let in_window = self.window.contains(now());
        let requests = self.requests;
        let Some(it) = self.pairs.get(pair) else { return };
        for some in seen.chunks(self.plan.together) {
            let values =
                some.iter().map(|one| [it.couple.recipient.as_slice(), one.transaction_id, one.message_id, &[]]);
            sockets.send(2 * pair + 1, |out| requests.delivered.append(out, values));
            self.result.requests += u64::from(in_window);
        }
        self.result.acknowledged += if in_window { seen.len() as u64 } else { 0 };
    }

    /// Messages that are through make room for others.
    fn settle(&mut self, sockets: &mut Sockets, pair: usize) {
        let Some(it) = self.pairs.get_mut(pair) else { return };
        while it.entries.front().is_some_and(|entry| entry.is_accepted && entry.is_delivered) {
            it.entries.pop_front();
            it.base += 1;
        }
        self.send(sockets, pair);
    }

    /// Open loop: hands what is due to the pairs in turn.
    fn arrive(&mut self, sockets: &mut Sockets, rate: f64) {
        let moment = now();
        while self.next_due <= moment && self.next_due < self.window.until {
            let due = self.next_due;
            self.next_due += Duration::from_secs_f64(1.0 / rate);
            let pair = self.turn % self.pairs.len().max(1);
            self.turn += 1;
            if let Some(it) = self.pairs.get_mut(pair) {
                it.due.push_back(due);
            }
            self.send(sockets, pair);
        }
        if self.next_due < self.window.until {
            sockets.wake_at(self.next_due, ARRIVAL);
        }
    }
}

impl Driver for Talk<'_> {
    fn came(&mut self, sockets: &mut Sockets, connection: usize, message: &[u8]) {
        let pair = connection / 2;
        let mut seen = Vec::with_capacity(16);
        if (self.scan)(self.scanner, message, &mut seen).is_none() || seen.is_empty() {
            return self.result.faults.add(|| "a message could not be read".to_owned());
        }
        if seen.iter().any(|one| one.transaction_id == HELLO) {
            self.ready += 1;
            if self.ready == 2 * self.pairs.len() {
                self.begin(sockets);
            }
            return;
        }
        if connection.is_multiple_of(2) {
            seen.iter().for_each(|one| self.accepted(pair, *one));
        } else {
            for one in &seen {
                if one.is_request && one.primitive == Some(Element::NewMessage) {
                    self.delivered(pair, *one);
                } else {
                    let (primitive, code) = (one.primitive, one.code);
                    self.result.faults.add(|| format!("a recipient got {primitive:?} with {code}"));
                }
            }
            self.acknowledge(sockets, pair, &seen);
        }
        self.settle(sockets, pair);
    }

    fn woken(&mut self, sockets: &mut Sockets, what: usize) {
        match (what, self.plan.rate) {
            (ARRIVAL, Some(rate)) => self.arrive(sockets, rate),
            _ => {
                self.pairs.iter_mut().for_each(|it| it.due.clear());
                let idle = self.pairs.iter().all(|it| it.entries.is_empty() && it.due.is_empty());
                self.is_over |= idle || now() >= self.give_up;
                sockets.wake_at(now() + Duration::from_millis(1), CHECK);
            }
        }
    }

    fn broken(&mut self, connection: usize, why: &str) {
        self.is_over = true;
        self.result.faults.add(|| format!("connection {connection} lost: {why}"));
    }

    fn is_done(&self) -> bool {
        self.is_over
    }
}
