//! The control socket: how the command line speaks to the running server.
//!
//! A Unix socket in the data folder that only its owner can open. A request is one line of JSON, a [`Command`]; its answer
//! is one line too. Lines are bounded, and so is the number of connections.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::command::{self, Command, Failure, Outcome};
use crate::wire::Node;

/// Its name in the data folder.
pub(crate) const SOCKET: &str = "control.sock";

/// The longest request: a command with two passwords.
const REQUEST_MAX: u64 = 64 << 10;

/// The longest answer: a page of sessions, or all messages of a user.
const ANSWER_MAX: u64 = 64 << 20;

/// Operators who are served at the same time.
const CONNECTIONS: usize = 16;

/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(30);

/// How long a command may take; checking a large store takes longest.
const PATIENCE: Duration = Duration::from_secs(600);

type Answer = Result<Outcome, Failure>;

/// A path to a file in a folder that is short enough for the address of a socket, which has about 100 bytes.
struct Short {
    path: PathBuf,
    // Open as long as the path is used, which leads through it.
    _folder: Option<fs::File>,
}

impl Short {
    fn new(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(name);
        if path.as_os_str().len() < 100 {
            return Ok(Self { path, _folder: None });
        }
        let file = fs::File::open(folder)?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        Ok(Self { path: PathBuf::from(format!("/proc/self/fd/{number}/{name}")), _folder: Some(file) })
    }
}

/// Opens the socket. The folder must be locked: a socket that is there already was left by a server that was killed.
pub(crate) fn listen(folder: &Path) -> io::Result<UnixListener> {
    // Made in a folder that nobody else can enter and moved when its mode is right, so that there is no moment at which
    // others could connect. Moving it replaces one that was left behind.
    let private = format!(".control-{}", std::process::id());
    let beside = folder.join(&private);
    let _ = fs::remove_dir_all(&beside);
    fs::DirBuilder::new().mode(0o700).create(&beside)?;
    let open = || {
        let short = Short::new(folder, &format!("{private}/s"))?;
        let listener = UnixListener::bind(&short.path)?;
        fs::set_permissions(beside.join("s"), fs::Permissions::from_mode(0o600))?;
        fs::rename(beside.join("s"), folder.join(SOCKET))?;
        Ok(listener)
    };
    let listener = open();
    let _ = fs::remove_dir_all(&beside);
    listener
}

/// Serves operators until it is dropped.
pub(crate) async fn serve(listener: UnixListener, node: Arc<Node>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let node = node.clone();
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &node).await {
                        debug!(%error, "control connection ended");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "control socket");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, node: &Node) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(REQUEST_MAX);
        match tokio::time::timeout(IDLE, bounded.read_until(b'\n', &mut line)).await {
            Ok(read) => read?,
            Err(_) => return Ok(()),
        };
        if line.is_empty() {
            return Ok(());
        }
        // A line that is cut off or too long has no next one behind it.
        let is_whole = line.ends_with(b"\n");
        let answer = if is_whole { answer(&line, node).await } else { Err(unreadable()) };
        let mut bytes = serde_json::to_vec(&answer).map_err(io::Error::other)?;
        bytes.push(b'\n');
        writer.write_all(&bytes).await?;
        if !is_whole {
            return Ok(());
        }
    }
}

async fn answer(line: &[u8], node: &Node) -> Answer {
    let command: Command = serde_json::from_slice(line).map_err(|_| unreadable())?;
    command::run(node, command).await
}

fn unreadable() -> Failure {
    Failure::new("the server does not know this command").hint("is it of another version? restart it: hamlet serve")
}

/// A connection to the running server, for one command after the other.
pub(crate) struct Client {
    reader: BufReader<BlockingStream>,
}

impl Client {
    /// Connects; `None` when no server runs with this folder.
    pub(crate) fn connect(folder: &Path) -> Result<Option<Self>, Failure> {
        let short = match Short::new(folder, SOCKET) {
            Ok(short) => short,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::new(format!("{}: {error}", folder.display()))),
        };
        match BlockingStream::connect(&short.path) {
            Ok(stream) => {
                let ready = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(IDLE)));
                ready.map_err(|error| Failure::new(format!("control socket: {error}")))?;
                Ok(Some(Self { reader: BufReader::new(stream) }))
            }
            // Left behind by a server that was killed, or not there.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure::new(format!(
                "the server with the data folder {} belongs to another user of this machine",
                folder.display()
            ))
            .hint("run this command as that user")),
            Err(error) => Err(Failure::new(format!("{}: {error}", folder.join(SOCKET).display()))),
        }
    }

    /// Has a command carried out by the server.
    pub(crate) fn ask(&mut self, command: &Command) -> Answer {
        let lost = |error: io::Error| {
            Failure::new(format!("the server did not answer: {error}"))
                .hint("it may have carried the command out all the same; look before you repeat it")
        };
        let mut line = serde_json::to_vec(command).map_err(|error| Failure::new(error.to_string()))?;
        line.push(b'\n');
        if line.len() as u64 > REQUEST_MAX {
            return Err(Failure::new("the command is too long"));
        }
        self.reader.get_mut().write_all(&line).map_err(lost)?;
        let mut answer = Vec::new();
        Read::by_ref(&mut self.reader).take(ANSWER_MAX).read_until(b'\n', &mut answer).map_err(lost)?;
        if !answer.ends_with(b"\n") {
            return Err(lost(io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_slice(&answer).unwrap_or_else(|_| Err(unreadable()))
    }
}
