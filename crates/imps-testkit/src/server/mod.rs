//! Servers to test: in this process on the memory engine with a clock that is set, or the program with SQLite.

mod in_process;
mod operator;
mod operator_groups;
mod program;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub use in_process::InProcess;
pub use program::{Program, program_path};

use crate::phone::Channel;

/// The domain of every user here.
pub const DOMAIN: &str = "localhost";

/// What stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// Memory, in this process, with a clock that is set.
    Memory,
    /// SQLite, in the program.
    Sqlite,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        })
    }
}

/// A server that runs.
#[derive(Debug)]
pub enum Server {
    /// In this process.
    InProcess(Box<InProcess>),
    /// The program.
    Program(Program),
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is told to, and finishes what it has begun.
    Stop,
    /// From one moment to the next.
    Kill,
}

/// Settings that name a file name it from the folder of this crate, wherever the server runs.
fn with_whole_paths(settings: &[(String, String)]) -> Vec<(String, String)> {
    let whole = |(key, value): &(String, String)| match key.as_str() {
        "provider.logo" => (key.clone(), format!("{}/{value}", env!("CARGO_MANIFEST_DIR"))),
        _ => (key.clone(), value.clone()),
    };
    settings.iter().map(whole).collect()
}

impl Server {
    /// Starts one. Settings are keys as in `hamlet.toml`, and values.
    ///
    /// # Errors
    /// What prevented it, in words.
    pub async fn start(kind: EngineKind, settings: &[(String, String)]) -> Result<Self, String> {
        let settings = &with_whole_paths(settings);
        Ok(match kind {
            EngineKind::Memory => Self::InProcess(Box::new(InProcess::start(settings).await?)),
            EngineKind::Sqlite => Self::Program(Program::start(settings).await?),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::InProcess(server) => server.address(),
            Self::Program(server) => server.address(),
        }
    }

    /// Where it listens for those who speak CSP over this.
    pub fn address_of(&self, channel: Channel) -> SocketAddr {
        match self {
            Self::InProcess(server) if channel.is_secure() => server.secure_address(),
            Self::Program(server) if channel.is_secure() => server.secure_address(),
            _ => self.address(),
        }
    }

    /// Makes an account: the password that phones use, and the one of the account if there is to be one.
    ///
    /// # Errors
    /// What prevented it, in words.
    pub async fn add_user(&self, name: &str, phone: &str, account: Option<&str>) -> Result<(), String> {
        match self {
            Self::InProcess(server) => server.add_user(name, phone, account).await,
            Self::Program(server) => server.add_user(name, phone, account).await,
        }
    }

    /// Carries out what an operator types after `hamlet`; what is printed.
    ///
    /// # Errors
    /// What prevented it, in words.
    pub async fn operate(&self, words: &[String]) -> Result<String, String> {
        match self {
            Self::InProcess(server) => server.operate(words).await,
            Self::Program(server) => server.operate(words).await,
        }
    }

    /// Ends and starts again on what it stored. It may listen elsewhere afterwards.
    ///
    /// # Errors
    /// What prevented it, in words.
    pub async fn restart(&mut self, end: End) -> Result<(), String> {
        match self {
            Self::InProcess(server) => server.restart(end).await,
            Self::Program(server) => server.restart(end).await,
        }
    }

    /// Moves the clock and lets the server do what has become due.
    ///
    /// # Errors
    /// The program's clock cannot be moved.
    pub async fn advance(&self, by: Duration) -> Result<(), String> {
        match self {
            Self::InProcess(server) => {
                server.advance(by).await;
                Ok(())
            }
            Self::Program(_) => Err("the program's clock cannot be moved: the scenario lacks `needs clock`".to_owned()),
        }
    }
}
