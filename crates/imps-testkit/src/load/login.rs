//! Digest logins: both steps, capabilities, services; then logout, or on to the next user.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use imps_proto::Element;
use md5::{Digest, Md5};

use super::faults::Faults;
use super::net::{Answer, Driver, Net};
use super::scan::{Scanner, Seen};
use super::server::{PASSWORD, address};
use super::template::Requests;
use super::{Latencies, Outcome, Window, now};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Login,
    Digest,
    Capability,
    Service,
    Logout,
}

/// A connection that logs users in.
struct Client {
    user: usize,
    step: Step,
    session: Vec<u8>,
    begun: Instant,
    transaction: u64,
}

/// What becomes of the sessions.
enum Then {
    /// Each is left open, and its connection goes on with the next user.
    Stay,
    /// Each connection logs its own user in and out again.
    Again(Window),
}

struct Logins<'a> {
    requests: &'a Requests,
    scanner: &'a Scanner,
    users: &'a [String],
    then: Then,
    next: usize,
    clients: Vec<Client>,
    open: usize,
    sessions: Vec<Vec<u8>>,
    cycles: u64,
    latencies: Latencies,
    faults: Faults,
}

/// What was measured.
pub(crate) struct Cycles {
    pub(crate) rate: f64,
    pub(crate) latencies: Latencies,
    pub(crate) faults: Faults,
}

/// Logs all users in; their SessionIDs in the same order.
pub(crate) fn log_in(net: &mut Net, requests: &Requests, scanner: &Scanner, users: &[String]) -> Outcome<Vec<Vec<u8>>> {
    let mut logins = Logins::new(net, requests, scanner, users, Then::Stay);
    logins.run(net)?;
    match logins.faults.first.into_iter().next() {
        None => Ok(logins.sessions),
        Some(why) => Err(format!("{} logins failed: {why}", logins.faults.count)),
    }
}

/// Logs in and out again and again, a user on each connection.
pub(crate) fn cycles(
    net: &mut Net,
    requests: &Requests,
    scanner: &Scanner,
    users: &[String],
    window: Window,
) -> Outcome<Cycles> {
    let mut logins = Logins::new(net, requests, scanner, users, Then::Again(window));
    logins.run(net)?;
    Ok(Cycles { rate: logins.cycles as f64 / window.seconds(), latencies: logins.latencies, faults: logins.faults })
}

impl<'a> Logins<'a> {
    fn new(net: &Net, requests: &'a Requests, scanner: &'a Scanner, users: &'a [String], then: Then) -> Self {
        let begun = now();
        let client = || Client { user: 0, step: Step::Login, session: Vec::new(), begun, transaction: 0 };
        Self {
            requests,
            scanner,
            users,
            then,
            next: 0,
            clients: (0..net.len()).map(|_| client()).collect(),
            open: net.len(),
            sessions: vec![Vec::new(); users.len()],
            cycles: 0,
            latencies: Latencies::new(),
            faults: Faults::default(),
        }
    }

    fn run(&mut self, net: &mut Net) -> Outcome {
        for connection in 0..net.len() {
            self.begin(net, connection);
        }
        net.run(self)
    }

    /// The next user, if there is one.
    fn begin(&mut self, net: &mut Net, connection: usize) {
        let moment = now();
        let user = match &self.then {
            Then::Stay => self.next,
            Then::Again(window) if moment < window.until => connection,
            Then::Again(_) => usize::MAX,
        };
        self.next += 1;
        if user >= self.users.len() {
            self.open -= 1;
            return;
        }
        if let Some(client) = self.clients.get_mut(connection) {
            client.user = user;
            client.step = Step::Login;
            client.begun = moment;
        }
        self.send(net, connection, b"");
    }

    fn send(&mut self, net: &mut Net, connection: usize, digest: &[u8]) {
        let (requests, users) = (self.requests, self.users);
        let Some(client) = self.clients.get_mut(connection) else { return };
        client.transaction += 1;
        let template = match client.step {
            Step::Login => &requests.login,
            Step::Digest => &requests.login_digest,
            Step::Capability => &requests.capability,
            Step::Service => &requests.service,
            Step::Logout => &requests.logout,
        };
        let user = address(users.get(client.user).map_or("", String::as_str));
        let transaction = client.transaction.to_string();
        let values: [&[u8]; 4] = [&client.session, transaction.as_bytes(), user.as_bytes(), digest];
        net.send(connection, |out| template.render(out, &values));
    }

    /// Takes an answer; the digest that the next request needs.
    fn take(&mut self, connection: usize, answer: &Answer<'_>) -> Result<String, String> {
        let Some(client) = self.clients.get_mut(connection) else { return Err("no such connection".to_owned()) };
        let seen = self.scanner.scan(answer.body).ok_or_else(|| {
            format!("an answer to {:?} that is none: HTTP {}, {} bytes", client.step, answer.status, answer.body.len())
        })?;
        let (primitive, code) = match client.step {
            Step::Login => (Element::LoginResponse, 401),
            Step::Digest => (Element::LoginResponse, 200),
            Step::Capability => (Element::ClientCapabilityResponse, 0),
            Step::Service => (Element::ServiceResponse, 0),
            Step::Logout => (Element::Status, 200),
        };
        let transaction = client.transaction.to_string();
        let right = Seen { primitive: Some(primitive), code, transaction_id: transaction.as_bytes(), ..seen };
        if answer.status != 200 || right != seen || seen.is_request {
            return Err(format!("{:?} was answered by {:?} with {}", client.step, seen.primitive, seen.code));
        }
        let mut digest = String::new();
        match client.step {
            Step::Login => {
                let mut hash = Md5::new();
                hash.update(seen.nonce);
                hash.update(PASSWORD.as_bytes());
                digest = BASE64.encode(hash.finalize());
            }
            Step::Digest => client.session = seen.session_id.to_vec(),
            Step::Capability | Step::Service | Step::Logout => {}
        }
        Ok(digest)
    }
}

impl Driver for Logins<'_> {
    fn answered(&mut self, net: &mut Net, connection: usize, answer: &Answer<'_>) {
        let digest = match self.take(connection, answer) {
            Ok(digest) => digest,
            Err(why) => {
                self.faults.add(|| why);
                return self.begin(net, connection);
            }
        };
        let Some(client) = self.clients.get_mut(connection) else { return };
        let is_over = match (client.step, &self.then) {
            (Step::Login, _) => {
                client.step = Step::Digest;
                false
            }
            (Step::Digest, _) => {
                client.step = Step::Capability;
                false
            }
            (Step::Capability, _) => {
                client.step = Step::Service;
                false
            }
            (Step::Service, Then::Again(_)) => {
                client.step = Step::Logout;
                false
            }
            (Step::Service, Then::Stay) => {
                if let Some(session) = self.sessions.get_mut(client.user) {
                    *session = std::mem::take(&mut client.session);
                }
                true
            }
            (Step::Logout, _) => true,
        };
        if !is_over {
            return self.send(net, connection, digest.as_bytes());
        }
        let moment = now();
        if let Then::Again(window) = &self.then
            && window.contains(moment)
        {
            self.cycles += 1;
            self.latencies.record(moment - client.begun);
        }
        self.begin(net, connection);
    }

    fn broken(&mut self, _: &mut Net, connection: usize, why: &str) {
        self.open -= 1;
        self.faults.add(|| format!("connection {connection} lost: {why}"));
    }

    fn is_done(&self) -> bool {
        self.open == 0
    }
}
