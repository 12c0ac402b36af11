//! A client that watches everybody on its contact lists, and a publisher whom everybody watches.

use std::time::Duration;

use imps_proto::csp::{CreateListRequest, SubscribePresenceRequest};
use imps_proto::grammar::Primitive as _;
use imps_types::Address;
use imps_types::element::NickEntry;

use super::net::{Answer, Net};
use super::presence;
use super::repeat::{Exchange, repeat_times};
use super::scan::Scanner;
use super::template::{Requests, Template, attributes};
use super::{Latencies, Outcome, now};

/// Contact lists of the client, and members of each.
pub(crate) const LISTS: usize = 20;
/// See [`LISTS`].
pub(crate) const MEMBERS: usize = 50;

/// The addresses of the client's lists.
fn lists(user: &str) -> Vec<Address> {
    (0..LISTS).map(|number| Address::new(&format!("wv:{user}/list{number}@{}", super::server::DOMAIN))).collect()
}

/// One request after the other, each expected to succeed.
struct Request<'a> {
    template: &'a Template,
    scanner: &'a Scanner,
    values: &'a [&'a [u8]],
    first: u64,
}

impl Exchange for Request<'_> {
    fn render(&mut self, _: usize, number: u64, out: &mut Vec<u8>) {
        let transaction = (self.first + number).to_string();
        let mut values = self.values.to_vec();
        if let Some(place) = values.get_mut(1) {
            *place = transaction.as_bytes();
        }
        self.template.render(out, &values);
    }

    fn check(&mut self, _: usize, _: u64, answer: &Answer<'_>) -> Result<(), String> {
        match self.scanner.scan(answer.body) {
            Some(seen) if answer.status == 200 && seen.code == 200 => Ok(()),
            seen => Err(format!("HTTP {} and {:?}", answer.status, seen.map(|seen| (seen.primitive, seen.code)))),
        }
    }
}

/// Sends one request and waits for its answer: how long that took.
pub(crate) fn once(
    net: &mut Net,
    scanner: &Scanner,
    template: &Template,
    values: &[&[u8]],
    transaction: u64,
) -> Outcome<Duration> {
    let mut request = Request { template, scanner, values, first: transaction };
    let began = now();
    let faults = repeat_times(net, &mut request, 1)?;
    let took = began.elapsed();
    faults.first.into_iter().next().map_or(Ok(took), Err)
}

/// Makes the client's lists, with these members shared among them.
pub(crate) fn make_lists(net: &mut Net, scanner: &Scanner, session: &[u8], user: &str, members: &[String]) -> Outcome {
    for (number, (list, members)) in lists(user).into_iter().zip(members.chunks(MEMBERS)).enumerate() {
        let entry = |name: &String| NickEntry { name: None, user_id: Address::new(&super::server::address(name)) };
        let request = CreateListRequest {
            contact_list: list,
            nick_list: members.iter().map(entry).collect(),
            properties: vec![],
        };
        let template = Template::inband(|writer| request.write(writer));
        once(net, scanner, &template, &[session, b""], 1000 + number as u64)?;
    }
    Ok(())
}

/// The request that subscribes to all of the client's lists.
pub(crate) fn subscription(user: &str) -> Template {
    let request = SubscribePresenceRequest {
        users: Vec::new(),
        contact_lists: lists(user),
        presence_sub_list: Some(attributes()),
        auto_subscribe: Some(true),
    };
    Template::inband(|writer| request.write(writer))
}

/// Polls until nothing waits: how many notifications that were, and how long it took.
pub(crate) fn fetch_all(
    net: &mut Net,
    requests: &Requests,
    scanner: &Scanner,
    session: &[u8],
) -> Outcome<(usize, Duration)> {
    /// Polls, or acknowledges what came last.
    struct Fetch<'a> {
        requests: &'a Requests,
        scanner: &'a Scanner,
        session: &'a [u8],
        last: Vec<u8>,
    }
    impl Exchange for Fetch<'_> {
        fn render(&mut self, _: usize, _: u64, out: &mut Vec<u8>) {
            match self.last.is_empty() {
                true => self.requests.poll.render(out, &[self.session]),
                false => self.requests.done.render(out, &[self.session, &self.last]),
            }
        }

        fn check(&mut self, _: usize, _: u64, answer: &Answer<'_>) -> Result<(), String> {
            self.last.clear();
            if answer.body.is_empty() {
                return Ok(());
            }
            match self.scanner.scan(answer.body) {
                Some(seen) if seen.is_request => {
                    self.last.extend_from_slice(seen.transaction_id);
                    Ok(())
                }
                seen => Err(format!("a poll was answered by {:?}", seen.map(|seen| (seen.primitive, seen.code)))),
            }
        }
    }
    let mut fetch = Fetch { requests, scanner, session, last: Vec::new() };
    let began = now();
    let mut notifications = 0;
    loop {
        let faults = repeat_times(net, &mut fetch, 1)?;
        if let Some(why) = faults.first.into_iter().next() {
            return Err(why);
        }
        if fetch.last.is_empty() {
            return Ok((notifications, began.elapsed()));
        }
        notifications += 1;
    }
}

/// Publishes so many values one after the other: until each was answered, it is in every watcher's outbox.
pub(crate) fn publish(
    net: &mut Net,
    requests: &Requests,
    scanner: &Scanner,
    session: &[u8],
    times: u64,
) -> Outcome<Latencies> {
    let mut latencies = Latencies::new();
    for number in 0..times {
        let text = presence::text(number + 1);
        let values: [&[u8]; 3] = [session, b"", text.as_bytes()];
        latencies.record(once(net, scanner, &requests.update, &values, 50_000 + number)?);
    }
    Ok(latencies)
}
