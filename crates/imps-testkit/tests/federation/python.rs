//! The peer in Python, which speaks as the open-source server of the chapter does.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::WITHIN;

/// The peer, a process of its own.
pub(crate) struct Python {
    child: Child,
    input: ChildStdin,
    lines: UnboundedReceiver<Value>,
    /// What happened and was not asked for yet.
    events: VecDeque<Value>,
    number: u64,
    pub(crate) address: SocketAddr,
}

impl Python {
    /// Starts it for a domain.
    pub(crate) async fn start(domain: &str) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/peer.py");
        let mut command = Command::new("python3");
        command.args(["-B", program, domain]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3, of Debian's package of that name");
        let (input, output) = (child.stdin.take().expect("its input"), child.stdout.take().expect("its output"));
        let (sender, lines) = unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "event": line }));
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut python = Self { child, input, lines, events: VecDeque::new(), number: 0, address };
        let ready = python.event("ready").await;
        let url = ready["url"].as_str().unwrap_or_default();
        python.address = url.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address");
        python
    }

    async fn line(&mut self) -> Option<Value> {
        tokio::time::timeout(WITHIN, self.lines.recv()).await.ok().flatten()
    }

    /// Gives a command; what it comes back with.
    pub(crate) async fn do_(&mut self, what: &str, with: Value) -> Value {
        self.number += 1;
        let mut command = with;
        command["id"] = self.number.into();
        command["do"] = what.into();
        writeln!(self.input, "{command}").expect("a command");
        self.input.flush().expect("a command");
        loop {
            let line = self.line().await.unwrap_or_else(|| panic!("{command} is not answered"));
            if line["id"] == self.number {
                assert!(line.get("error").is_none(), "{command}: {line}");
                return line["ok"].clone();
            }
            self.events.push_back(line);
        }
    }

    /// The next of what happens that has this name; what else happened is kept.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        self.event_with(name, |_| true).await
    }

    /// The next of this name that fits.
    pub(crate) async fn event_with(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let is_it = |line: &Value| line["event"] == name && fits(line);
        if let Some(at) = self.events.iter().position(is_it) {
            return self.events.remove(at).expect("it is there");
        }
        loop {
            let Some(line) = self.line().await else { panic!("no {name}, but {:#?}", self.events) };
            if is_it(&line) {
                return line;
            }
            self.events.push_back(line);
        }
    }

    /// Gives a command that asks another domain for something; the answer.
    pub(crate) async fn ask(&mut self, what: &str, with: Value) -> Value {
        let done = self.do_(what, with).await;
        let transaction = done.get("transaction").unwrap_or(&done).clone();
        self.event_with("answer", |line| line["transaction"] == transaction).await
    }

    /// Nothing of this name has happened, and does not in the next moment.
    pub(crate) async fn no(&mut self, name: &str) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        while let Ok(line) = self.lines.try_recv() {
            self.events.push_back(line);
        }
        let found: Vec<_> = self.events.iter().filter(|line| line["event"] == name).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
