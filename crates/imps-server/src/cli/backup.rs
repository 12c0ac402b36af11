//! `hamlet backup`, `hamlet restore`, `hamlet export`, `hamlet import`.
#![expect(clippy::disallowed_methods, reason = "whoever waits at a terminal waits by the real clock")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use imps_service::seam::Space;
use imps_store::{Copy, DATABASE};
use serde_json::json;

use super::{Common, Done, Format, Refusal, desk, output};
use crate::backup::{self, About};
use crate::command::{Command, Failure, Outcome};
use crate::config::Config;
use crate::control::Client;
use crate::{jsonl, key};

/// Copy everything into a folder, while the server runs or not, and verify the copy
#[derive(Args, Debug)]
#[command(after_help = "\
The folder is made; it gets the database, the key under which phone passwords are sealed, and backup.json, which says what is in it. Keep it as safe as the data folder. Clients notice nothing.

Examples:
  hamlet backup /var/backups/hamlet-$(date +%F)
  hamlet backup today --json")]
pub(super) struct Backup {
    /// The folder to make
    folder: PathBuf,
    #[command(flatten)]
    format: Format,
}

/// Put a backup in place of what is there, which is kept in a folder beside
#[derive(Args, Debug)]
#[command(after_help = "\
The backup is read through before anything is touched. A running server takes it over by itself: it finishes what it answers, starts anew with the backup, and is back within seconds; phones log in again, or go on where the backup left them. The former data stay in DATA/before-restore-..., for you to remove.

Examples:
  hamlet restore /var/backups/hamlet-2026-01-31")]
pub(super) struct Restore {
    /// The folder that `hamlet backup` made
    folder: PathBuf,
    #[command(flatten)]
    format: Format,
}

/// Write everything as JSON lines: one row of the store each
#[derive(Args, Debug)]
#[command(after_help = "\
A consistent picture of one moment, while the server runs or not. The first line tells version and domain, the last one the number of rows; between them each line has a row's space, the address that it is about, and its key and record in base64. Phone passwords are sealed; --with-key adds the key, and makes the file a secret.

Examples:
  hamlet export all.jsonl
  hamlet export | gzip > all.jsonl.gz")]
pub(super) struct Export {
    /// Where to; absent or -: the standard output
    file: Option<PathBuf>,
    /// Add the key under which phone passwords are sealed
    #[arg(long)]
    with_key: bool,
}

/// Put what `hamlet export` wrote in place of what is there, which is kept in a folder beside
#[derive(Args, Debug)]
#[command(after_help = "\
Everything is read and checked before anything is touched; then it goes on as with `hamlet restore`. Without the key (--with-key of the export) the key file of this data folder stays, and phone passwords that were sealed under another one cannot be used.

Examples:
  hamlet import all.jsonl
  gunzip < all.jsonl.gz | hamlet import -")]
pub(super) struct Import {
    /// The file; -: the standard input
    file: PathBuf,
    #[command(flatten)]
    format: Format,
}

/// How long a server that restores may take until it answers again.
const PATIENCE: Duration = Duration::from_secs(120);
/// Rows that are read at once.
const PAGE: usize = 2000;

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

fn total(rows: &BTreeMap<String, u64>) -> u64 {
    rows.values().sum()
}

/// Tells on a terminal how far something long is, from a thread of its own while it is done.
fn with_progress<T>(measure: impl Fn() -> String + Sync, work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            while !done.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(100));
                if begun.elapsed() > Duration::from_millis(500) {
                    let _ = write!(io::stderr(), "\r{}   ", measure());
                }
            }
            let _ = write!(io::stderr(), "\r\x1b[K");
        });
        let result = work();
        done.store(true, Ordering::Release);
        result
    })
}

fn megabytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len() >> 20)
}

impl Backup {
    pub(super) fn run(self, common: &Common) -> Done {
        let config = common.load(&[])?;
        let folder = absolute(&self.folder)?;
        let whole = megabytes(&config.settings.data.join(DATABASE));
        let partial = folder.join(format!("{DATABASE}.partial"));
        let measure = || match megabytes(&partial) {
            0 => "copying and verifying ...".to_owned(),
            done => format!("copied {done} of {whole} MiB"),
        };
        let asked = with_progress(measure, || desk::ask(config, Command::Backup { to: folder.clone() }))?;
        let Outcome::BackedUp(about) = asked else { return Err(desk::unexpected().into()) };
        told(&folder, &about, self.format);
        Ok(())
    }
}

fn told(folder: &Path, about: &About, format: Format) {
    if format.json {
        output::json(&json!({ "folder": folder, "about": about }));
        return;
    }
    output::say(&format!("backup of {} in {}: {} rows, verified", about.domain, folder.display(), total(&about.rows)));
}

impl Restore {
    pub(super) fn run(self, common: &Common) -> Done {
        let config = common.load(&[])?;
        let rows = restore(&config, &absolute(&self.folder)?)?;
        restored(&config, &rows, self.format);
        Ok(())
    }
}

fn restored(config: &Config, rows: &BTreeMap<String, u64>, format: Format) {
    if format.json {
        output::json(&json!({ "data": config.settings.data, "rows": rows }));
        return;
    }
    output::say(&format!("{} rows are in place in {}", total(rows), config.settings.data.display()));
    output::note("what was there before is in a folder before-restore-... there");
}

/// Has a backup put in place, by the running server or here.
fn restore(config: &Config, from: &Path) -> Result<BTreeMap<String, u64>, Failure> {
    let data = &config.settings.data;
    let Some(mut client) = Client::connect(data)? else {
        let _lock = imps_store::lock(data).map_err(|error| Failure::new(error.to_string()))?;
        let rows = backup::stage(from, data)?;
        backup::finish(data)?;
        return Ok(rows);
    };
    let Outcome::Restoring { rows, life } = client.ask(&Command::Restore { from: from.to_owned() })? else {
        return Err(desk::unexpected());
    };
    drop(client);
    let until = Instant::now() + PATIENCE;
    let is_back = || match Client::connect(data) {
        Ok(Some(mut client)) => {
            matches!(client.ask(&Command::Life), Ok(Outcome::Life { life: now }) if now != life)
        }
        _ => false,
    };
    with_progress(
        || "the server starts anew ...".to_owned(),
        || {
            while Instant::now() < until {
                if is_back() {
                    return Ok(rows);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(Failure::new("the server has the backup, and did not come back").hint("look into its log"))
        },
    )
}

/// A folder beside the data that is gone when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(data: &Path, what: &str) -> Result<Self, Failure> {
        let path = absolute(&data.join(format!("{what}-{}", std::process::id())))?;
        let _ = fs::remove_dir_all(&path);
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Export {
    pub(super) fn run(self, common: &Common) -> Done {
        let config = common.load(&[])?;
        let scratch = Scratch::new(&config.settings.data, "export")?;
        let asked = desk::ask(config.clone(), Command::Backup { to: scratch.0.clone() })?;
        let Outcome::BackedUp(about) = asked else { return Err(desk::unexpected().into()) };
        let file = self.file.filter(|file| file.as_os_str() != "-");
        let written = match &file {
            None => write_all(io::stdout().lock(), &scratch.0, &about, self.with_key),
            Some(path) => {
                let mut options = fs::OpenOptions::new();
                std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), key::MODE);
                options.open(path).and_then(|file| {
                    write_all(&file, &scratch.0, &about, self.with_key)?;
                    file.sync_all()
                })
            }
        };
        match written {
            Ok(()) => {}
            // A reader that has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => {
                let to = file.as_deref().map_or("standard output".to_owned(), |file| file.display().to_string());
                return Err(Failure::new(format!("{to}: {error}")).into());
            }
        }
        output::note(&format!("{} rows written", total(&about.rows)));
        Ok(())
    }
}

fn write_all(to: impl Write, folder: &Path, about: &About, with_key: bool) -> io::Result<()> {
    let mut to = BufWriter::with_capacity(1 << 16, to);
    let sealed = with_key.then(|| fs::read(key::path(folder)).ok()).flatten();
    writeln!(to, "{}", jsonl::head(about, sealed.as_deref()))?;
    let copy = Copy::open(&folder.join(DATABASE)).map_err(io::Error::other)?;
    let mut count = 0_u64;
    for space in Space::ALL {
        let mut after = None;
        loop {
            let rows = copy.rows(*space, after.as_ref(), PAGE).map_err(io::Error::other)?;
            for row in &rows {
                writeln!(to, "{}", jsonl::line(*space, row))?;
            }
            count += rows.len() as u64;
            match rows.last() {
                Some(last) if rows.len() == PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
    }
    writeln!(to, "{}", jsonl::tail(count))?;
    to.flush()
}

impl Import {
    pub(super) fn run(self, common: &Common) -> Done {
        let config = common.load(&[])?;
        let name = self.file.display().to_string();
        let reader: Box<dyn BufRead> = if self.file.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            let file = fs::File::open(&self.file).map_err(|error| Failure::new(format!("{name}: {error}")))?;
            Box::new(BufReader::with_capacity(1 << 16, file))
        };
        fs::create_dir_all(&config.settings.data)
            .map_err(|error| Failure::new(format!("{}: {error}", config.settings.data.display())))?;
        let scratch = Scratch::new(&config.settings.data, "import")?;
        jsonl::build(reader, &scratch.0).map_err(|failure| Failure {
            message: format!("{name}: {}; nothing was changed", failure.message),
            ..failure
        })?;
        let rows = restore(&config, &scratch.0)?;
        restored(&config, &rows, self.format);
        Ok(())
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Refused(Failure::new(error.to_string()))
    }
}
