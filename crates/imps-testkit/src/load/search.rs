//! A great many users, whom the server is started with, and searches among them by part of a name.

use std::path::Path;
use std::time::Duration;

use imps_proto::Element;
use imps_service::account::{Account, Person, user_key};
use imps_service::seam::{Batch, Space};
use imps_service::store::Store;

use super::net::{Answer, Net};
use super::repeat::{Exchange, Repeated, repeat};
use super::scan::Scanner;
use super::server::{DOMAIN, Hamlet};
use super::template::Template;
use super::{Dice, Outcome, Window, now};

/// Accounts that are committed together.
const BATCH: usize = 2000;
/// What names are made of: as many syllables as there are pairs of these.
const CONSONANTS: &[u8] = b"bdfghjklmnprstv";
const VOWELS: &[u8] = b"aeiou";
/// Letters of what is searched for. With names of three syllables it finds some dozens in a million.
const PART: usize = 5;

/// A name of so many syllables.
fn name(dice: &mut Dice, syllables: usize) -> String {
    let mut letter = |letters: &[u8]| {
        let place = usize::try_from(dice.below(letters.len() as u64)).unwrap_or_default();
        letters.get(place).copied().map_or('x', char::from)
    };
    (0..syllables).flat_map(|_| [letter(CONSONANTS), letter(VOWELS)]).collect()
}

/// Adds so many accounts, with names, to a data folder. Without passwords: nobody of them logs in.
pub(crate) fn make_people(data: &Path, count: usize) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| format!("cannot make people in {}: {error}", data.display());
    let engine = imps_store::open(data, imps_store::Options::default()).map_err(|error| failed(&error))?;
    let store = Store::new(engine.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let mut dice = Dice::new(7);
    for from in (0..count).step_by(BATCH) {
        let mut batch = Batch::new();
        for number in from..count.min(from + BATCH) {
            let (first, last) = (name(&mut dice, 2), name(&mut dice, 3));
            let id = imps_types::UserId::from_canonical(&format!("wv:{first}.{last}{number}@{DOMAIN}"));
            let person = Person { first_name: Some(first.into()), last_name: Some(last.into()), ..Person::default() };
            batch.put(Space::Users, user_key(&id), Account { person, ..Account::default() }.to_record());
        }
        runtime.block_on(store.commit(batch)).map_err(|error| failed(&error))?;
    }
    // The server takes the folder next.
    engine.close();
    Ok(())
}

/// What the start with a great many users was like.
pub(crate) struct Started {
    /// Until clients are served.
    pub(crate) ready: Duration,
    /// Until the first search was answered; it waits until all users are read.
    pub(crate) searched: Duration,
    /// Bytes that the server uses then.
    pub(crate) memory: u64,
    /// Bytes of what is searched.
    pub(crate) arena: f64,
}

/// Searches, each for another part of a name.
struct Searches<'a> {
    template: &'a Template,
    scanner: &'a Scanner,
    sessions: &'a [Vec<u8>],
    dice: Dice,
}

impl Exchange for Searches<'_> {
    fn render(&mut self, connection: usize, number: u64, out: &mut Vec<u8>) {
        let session = self.sessions.get(connection).map_or(&b""[..], Vec::as_slice);
        let wanted: String = name(&mut self.dice, 3).chars().take(PART).collect();
        self.template.render(out, &[session, number.to_string().as_bytes(), wanted.as_bytes()]);
    }

    fn check(&mut self, _: usize, _: u64, answer: &Answer<'_>) -> Result<(), String> {
        let seen = self.scanner.scan(answer.body);
        match &seen {
            Some(seen) if answer.status == 200 && seen.primitive == Some(Element::SearchResponse) => Ok(()),
            _ => Err(format!("HTTP {} and {:?}", answer.status, seen.map(|seen| (seen.primitive, seen.code)))),
        }
    }
}

/// Searches with these sessions, one request of each at a time.
pub(crate) fn search(
    server: &Hamlet,
    template: &Template,
    scanner: &Scanner,
    sessions: &[Vec<u8>],
    window: Window,
) -> Outcome<Repeated> {
    let mut net = Net::open(server.address, sessions.len())?;
    repeat(&mut net, &mut Searches { template, scanner, sessions, dice: Dice::new(11) }, window)
}

/// Starts a server on a data folder, and waits until a search is answered.
pub(crate) fn start(
    program: &Path,
    data: &Path,
    template: &Template,
    log_in: impl FnOnce(&Hamlet) -> Outcome<Vec<Vec<u8>>>,
    scanner: &Scanner,
) -> Outcome<(Hamlet, Vec<Vec<u8>>, Started)> {
    let began = now();
    let server = Hamlet::start(program, data, &[])?;
    let ready = began.elapsed();
    let sessions = log_in(&server)?;
    let mut net = Net::open(server.address, 1)?;
    let mut searches = Searches { template, scanner, sessions: &sessions, dice: Dice::new(3) };
    let mut searched = None;
    // A search that waits too long for the users to be read is told so, and asked again.
    for _ in 0..30 {
        let faults = super::repeat::repeat_times(&mut net, &mut searches, 1)?;
        if faults.count == 0 {
            searched = Some(began.elapsed());
            break;
        }
    }
    let searched = searched.ok_or("no search was answered after the start")?;
    // The metrics are set once a second.
    std::thread::sleep(Duration::from_millis(1500));
    let arena = server.metrics().get("hamlet_searchable_bytes");
    let memory = server.memory()?;
    Ok((server, sessions, Started { ready, searched, memory, arena }))
}

/// The users who search.
pub(crate) fn searchers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("searcher{number}")).collect()
}

/// Milliseconds that the same text takes to be gone through by this process, with the same kind of needle: what no
/// server on this machine can be faster than.
pub(crate) fn bare_scan(count: usize) -> f64 {
    let mut dice = Dice::new(7);
    let mut text = String::new();
    for _ in 0..count {
        name(&mut dice, 2);
        text.push_str(&name(&mut dice, 3));
        text.push('\0');
    }
    let mut best = f64::MAX;
    for _ in 0..20 {
        let wanted: String = name(&mut dice, 3).chars().take(PART).collect();
        let began = now();
        let found = memchr::memmem::find_iter(text.as_bytes(), wanted.as_bytes()).count();
        // So that the search is not left out as useless.
        std::hint::black_box(found);
        best = best.min(began.elapsed().as_secs_f64() * 1000.0);
    }
    best
}
