//! The proof that a message is on the disk before its sender hears of it: from the system calls of the server.
//!
//! `kill -9` cannot show a missing sync, since the system keeps what was written. So the calls are traced, and for every
//! message these must follow each other: the request was read; pages were written to the write-ahead log; a sync of that
//! log, begun afterwards, returned 0; the answer's write began.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use imps_proto::Element;

use super::net::{Answer, Net};
use super::repeat::{Exchange, repeat_times};
use super::scan::Scanner;
use super::server::{Folder, Hamlet, address, make_users};
use super::template::Requests;
use super::{Outcome, login};

/// What the trace showed.
pub(crate) struct Proof {
    pub(crate) messages: u64,
    pub(crate) proven: u64,
    pub(crate) syncs: usize,
    pub(crate) failed_syncs: usize,
    /// The first few that were not shown, and why.
    pub(crate) missing: Vec<String>,
}

impl Proof {
    pub(crate) fn is_complete(&self) -> bool {
        self.proven == self.messages && self.failed_syncs == 0
    }
}

/// The calls that matter. `-yy` names the file or the socket behind each number.
const STRACE: &[&str] = &[
    "strace",
    "-f",
    "-tt",
    "-yy",
    "-s",
    "600",
    "-e",
    "trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg,recvfrom,recvmsg,read,readv",
    "-o",
];

struct Sending<'a> {
    requests: &'a Requests,
    scanner: &'a Scanner,
    session: Vec<u8>,
    recipient: String,
}

/// The TransactionID of a message of the proof; in WBXML text stands as it is.
fn transaction(number: u64) -> String {
    format!("proof-{number:06}")
}

impl Exchange for Sending<'_> {
    fn render(&mut self, _: usize, number: u64, out: &mut Vec<u8>) {
        let transaction = transaction(number);
        let values: [&[u8]; 4] =
            [&self.session, transaction.as_bytes(), self.recipient.as_bytes(), b"is it on the disk?"];
        self.requests.send.render(out, &values);
    }

    fn check(&mut self, _: usize, number: u64, answer: &Answer<'_>) -> Result<(), String> {
        let seen = self.scanner.scan(answer.body).unwrap_or_default();
        let is_right = seen.primitive == Some(Element::SendMessageResponse)
            && seen.code == 200
            && seen.transaction_id == transaction(number).as_bytes();
        if answer.status == 200 && is_right {
            Ok(())
        } else {
            Err(format!("message {number} was answered by HTTP {} with {}", answer.status, seen.code))
        }
    }
}

/// Sends so many messages to a server that is traced, one after another, and reads the trace.
pub(crate) fn prove(hamlet: &Path, folder: &Folder, messages: u64) -> Outcome<Proof> {
    let data = folder.file("data");
    let users = ["sender".to_owned(), "recipient".to_owned()];
    make_users(&data, &users)?;
    let trace = folder.file("trace");
    let mut wrapper: Vec<_> = STRACE.iter().map(Into::into).collect();
    wrapper.push(trace.clone().into());
    let mut server = Hamlet::start(hamlet, &data, &wrapper)?;
    let (requests, scanner) = (Requests::new(), Scanner::new());
    let mut net = Net::open(server.address, 1)?;
    let session = login::log_in(&mut net, &requests, &scanner, &users)?.swap_remove(0);
    let mut sending = Sending { requests: &requests, scanner: &scanner, session, recipient: address("recipient") };
    let faults = repeat_times(&mut net, &mut sending, messages)?;
    if let Some(why) = faults.first.first() {
        return Err(format!("{} messages were not accepted: {why}", faults.count));
    }
    drop(net);
    server.stop()?;
    let text = fs::read(&trace).map_err(|error| format!("no trace: {error}"))?;
    Ok(judge(&String::from_utf8_lossy(&text), messages))
}

/// A system call: in which line it began and in which it ended.
#[derive(Debug)]
struct Call<'a> {
    name: &'a str,
    /// Its arguments as far as they were known when it began, and those that came with its end.
    begin_text: &'a str,
    end_text: &'a str,
    result: &'a str,
    begin: usize,
    end: usize,
}

/// The calls of a trace in the order in which they began. A call that others interrupt is shown in two lines.
fn calls(trace: &str) -> Vec<Call<'_>> {
    let mut calls: Vec<Call<'_>> = Vec::new();
    let mut unfinished: HashMap<&str, usize> = HashMap::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((process, rest)) = line.split_once(' ') else { continue };
        let Some((_, rest)) = rest.trim_start().split_once(' ') else { continue };
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((_, text)) = resumed.split_once(" resumed>") else { continue };
            if let Some(call) = unfinished.remove(process).and_then(|index| calls.get_mut(index)) {
                call.end = number;
                (call.end_text, call.result) = text.rsplit_once(" = ").unwrap_or((text, ""));
            }
            continue;
        }
        let Some((name, text)) = rest.split_once('(') else { continue };
        let mut call = Call { name, begin_text: text, end_text: "", result: "", begin: number, end: usize::MAX };
        if let Some(text) = text.strip_suffix(" <unfinished ...>") {
            call.begin_text = text;
            unfinished.insert(process, calls.len());
        } else if let Some((text, result)) = text.rsplit_once(" = ") {
            (call.begin_text, call.result, call.end) = (text, result, number);
        }
        calls.push(call);
    }
    calls
}

fn judge(trace: &str, messages: u64) -> Proof {
    let calls = calls(trace);
    let is_log = |call: &Call<'_>| call.begin_text.contains("-wal>");
    let syncs: Vec<&Call<'_>> =
        calls.iter().filter(|call| matches!(call.name, "fdatasync" | "fsync") && is_log(call)).collect();
    let writes: Vec<&Call<'_>> = calls.iter().filter(|call| call.name == "pwrite64" && is_log(call)).collect();
    // Which TransactionID a call is about, if it is one of the proof.
    let about = |text: &str| {
        let rest = text.split_once("proof-")?.1;
        rest.get(..6)?.parse::<u64>().ok()
    };
    let (mut read, mut answered): (HashMap<u64, usize>, HashMap<u64, usize>) = (HashMap::new(), HashMap::new());
    for call in &calls {
        match call.name {
            // What was read is known when the call ends.
            "read" | "readv" | "recvfrom" | "recvmsg" => {
                let text = if call.end_text.is_empty() { call.begin_text } else { call.end_text };
                if let Some(number) = about(text).filter(|_| text.contains("POST ")) {
                    read.entry(number).or_insert(call.end);
                }
            }
            "write" | "writev" | "sendto" | "sendmsg" => {
                if let Some(number) = about(call.begin_text).filter(|_| call.begin_text.contains("HTTP/1.1 200")) {
                    answered.entry(number).or_insert(call.begin);
                }
            }
            _ => {}
        }
    }
    let failed_syncs = syncs.iter().filter(|sync| sync.end != usize::MAX && sync.result.trim() != "0").count();
    let mut proof = Proof { messages, proven: 0, syncs: syncs.len(), failed_syncs, missing: Vec::new() };
    for number in 0..messages {
        let why = match (read.get(&number), answered.get(&number)) {
            (None, _) => "the trace does not show its request",
            (_, None) => "the trace does not show its answer",
            (Some(&read), Some(&answered)) => {
                let written = writes.iter().find(|write| write.begin > read && write.end < answered);
                let synced = written.is_some_and(|written| {
                    let good = |sync: &&&Call<'_>| {
                        sync.begin > written.end && sync.end < answered && sync.result.trim() == "0"
                    };
                    syncs.iter().any(|sync| good(&sync))
                });
                if synced {
                    proof.proven += 1;
                    continue;
                }
                if written.is_some() {
                    "no sync of the log before its answer"
                } else {
                    "nothing was written to the log"
                }
            }
        };
        if proof.missing.len() < 5 {
            proof.missing.push(format!("{}: {why}", transaction(number)));
        }
    }
    proof
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = "7 10:00:00.1 recvfrom(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"POST / ... proof-000000\\0\", 8192, 0, NULL, NULL) = 400\n";
    const WRITE: &str = "8 10:00:00.2 pwrite64(5</d/hamlet.db-wal>, \"x\"..., 24, 32) = 24\n";
    const SYNC: &str = "8 10:00:00.3 fdatasync(5</d/hamlet.db-wal>) = 0\n";
    const ANSWER: &str = "7 10:00:00.4 sendto(9<TCP:[127.0.0.1:2->127.0.0.1:1]>, \"HTTP/1.1 200 OK ... proof-000000\\0\", 99, 0, NULL, 0) = 99\n";

    fn proven(lines: &[&str]) -> bool {
        judge(&lines.concat(), 1).is_complete()
    }

    #[test]
    fn only_a_sync_between_request_and_answer_counts() {
        assert!(proven(&[READ, WRITE, SYNC, ANSWER]));
        assert!(!proven(&[WRITE, SYNC, READ, ANSWER]));
        assert!(!proven(&[READ, WRITE, ANSWER, SYNC]));
        assert!(!proven(&[READ, SYNC, WRITE, ANSWER]));
        assert!(!proven(&[READ, WRITE, ANSWER]));
        assert!(!proven(&[READ, SYNC, ANSWER]));
        let failed = SYNC.replace("= 0", "= -1 EIO (Input/output error)");
        assert!(!proven(&[READ, WRITE, &failed, ANSWER]));
        let other = SYNC.replace("-wal", "");
        assert!(!proven(&[READ, WRITE, &other, ANSWER]));
    }

    #[test]
    fn a_sync_counts_from_its_begin_to_its_end() {
        let begun = "8 10:00:00.3 fdatasync(5</d/hamlet.db-wal> <unfinished ...>\n";
        let ended = "8 10:00:00.4 <... fdatasync resumed>) = 0\n";
        assert!(proven(&[READ, WRITE, begun, ended, ANSWER]));
        assert!(!proven(&[READ, WRITE, begun, ANSWER, ended]));
        assert!(!proven(&[READ, begun, WRITE, ended, ANSWER]));
    }
}
