//! The program, started as an operator starts it, in a data folder of its own.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(dead_code, reason = "each test uses its part")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A place for a data folder, removed at the end.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("hamlet-it-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    /// The data folder; the program makes it.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hamlet"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HAMLET_")) {
            command.env_remove(name);
        }
        // Many servers at once: the port for CIR, which is a fixed one, would be everybody's.
        command.current_dir(&self.path).env("HAMLET_DATA", self.data()).env("HAMLET_CIR__TCP_PORT", "0");
        command
    }

    /// A command as it ends, with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have closed it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// A command that succeeds: its standard output.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.run_input(arguments, "")
    }

    pub(crate) fn run_input(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run_with(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// A command that succeeds and prints JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output}"))
    }

    /// A command that ends with this code: its standard error.
    pub(crate) fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run_with(arguments, "");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    /// A server that is ready.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    pub(crate) fn serve_with(&self, arguments: &[&str]) -> Server {
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn"]).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else {
                let mut why = String::new();
                child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
                panic!("the server does not start: {why}");
            };
            said.push(line.clone());
            if let Some(address) = line.strip_prefix("ready on http://") {
                break address.to_owned();
            }
        };
        let written = fs::read_to_string(self.data().join("listen.addr")).unwrap();
        assert_eq!(written.trim(), address);
        Server { child, address, said }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A running server; killed when the test ends before it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    /// What it said until it was ready.
    pub(crate) said: Vec<String>,
}

impl Server {
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The same process at another address.
    pub(crate) fn moved(mut self, address: &str) -> Self {
        self.address = address.to_owned();
        self
    }

    /// SIGTERM; its exit code and what it had logged.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let code = self.child.wait().unwrap().code();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (code, log)
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn http(&self, head: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "{head} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address).unwrap();
        if !body.is_empty() {
            write!(stream, "Content-Type: application/vnd.wv.csp.xml\r\nContent-Length: {}\r\n", body.len()).unwrap();
        }
        write!(stream, "\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.http(&format!("GET {path}"), "")
    }

    pub(crate) fn head(&self, path: &str) -> (u16, String) {
        self.http(&format!("HEAD {path}"), "")
    }

    /// Logs a user in by CSP 1.2 in XML: the SessionID, or the code of the refusal.
    pub(crate) fn login(&self, user: &str, password: &str) -> Result<String, String> {
        let answer = self.csp(
            "<SessionDescriptor><SessionType>Outband</SessionType></SessionDescriptor>",
            &format!(
                "<Login-Request><UserID>{user}</UserID><ClientID><URL>it</URL></ClientID><Password>{password}</Password>\
                 <TimeToLive>600</TimeToLive><SessionCookie>it</SessionCookie></Login-Request>"
            ),
        );
        match between(&answer, "<SessionID>", "</SessionID>") {
            Some(session) => Ok(session),
            None => Err(between(&answer, "<Code>", "</Code>").unwrap_or(answer)),
        }
    }

    /// A request in a session: the answer's document.
    pub(crate) fn ask(&self, session: &str, content: &str) -> String {
        let descriptor = format!(
            "<SessionDescriptor><SessionType>Inband</SessionType><SessionID>{session}</SessionID></SessionDescriptor>"
        );
        self.csp(&descriptor, content)
    }

    fn csp(&self, descriptor: &str, content: &str) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        const DTD: &str = "http://www.openmobilealliance.org/DTD";
        let id = COUNT.fetch_add(1, Ordering::Relaxed);
        let message = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><WV-CSP-Message xmlns=\"{DTD}/WV-CSP1.2\"><Session>{descriptor}\
             <Transaction><TransactionDescriptor><TransactionMode>Request</TransactionMode><TransactionID>{id}\
             </TransactionID></TransactionDescriptor><TransactionContent xmlns=\"{DTD}/WV-TRC1.2\">{content}\
             </TransactionContent></Transaction></Session></WV-CSP-Message>"
        );
        let (status, answer) = self.http("POST /", &message);
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn between(text: &str, start: &str, end: &str) -> Option<String> {
    Some(text.split_once(start)?.1.split_once(end)?.0.to_owned())
}

pub(crate) fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
}
