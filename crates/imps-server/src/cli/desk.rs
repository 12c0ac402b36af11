//! Where a command is carried out: in the running server if there is one, else here.

use std::time::Duration;

use crate::command::{self, Command, Failure, Outcome};
use crate::config::{Config, Source};
use crate::control::Client;
use crate::wire::{self, Node, Opening, Purpose};

/// How long another command may have the folder before this one gives up.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// Carries commands out.
pub(super) enum Desk {
    /// The running server does it.
    Server(Client),
    /// No server runs, so the folder is opened here.
    Folder(Box<Here>),
}

/// The opened folder.
pub(super) struct Here {
    runtime: tokio::runtime::Runtime,
    node: Node,
}

impl Desk {
    /// Finds out who will carry `command` out.
    pub(super) fn open(config: Config, command: &Command) -> Result<Self, Failure> {
        let folder = config.settings.data.clone();
        let makes_it = matches!(command, Command::UserAdd { .. } | Command::Peer(crate::federation::Wish::Add { .. }));
        if !makes_it && !folder.join(imps_store::DATABASE).exists() {
            return Err(Failure::new(format!("there is no data folder {}", folder.display())).hint(
                "name it with --data DIR; `hamlet user add`, `hamlet peer add` and `hamlet serve` make a new one",
            ));
        }
        let purpose = if command.needs_key() { Purpose::Seal } else { Purpose::Look };
        Self::find(config, purpose).map_err(|opening| match opening {
            Opening::Locked(failure) | Opening::Failed(failure) => failure,
        })
    }

    /// Opens the folder, or connects to whoever has it.
    pub(super) fn find(mut config: Config, purpose: Purpose) -> Result<Self, Opening> {
        // Without a server there is nobody else to log.
        if matches!(config.source("log"), Source::Flag(_)) {
            super::serve::start_log(&config.settings.log, &config.settings.log_format);
        } else {
            super::serve::start_log("warn", &config.settings.log_format);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(error.to_string()))?;
        let mut waited = Duration::ZERO;
        loop {
            if let Some(client) = Client::connect(&config.settings.data)? {
                return Ok(Self::Server(client));
            }
            match runtime.block_on(Box::pin(wire::open(&mut config, purpose))) {
                Ok(node) => return Ok(Self::Folder(Box::new(Here { runtime, node }))),
                // Another command, or a server that is starting or stopping.
                Err(Opening::Locked(_)) if waited < PATIENCE => {
                    std::thread::sleep(PAUSE);
                    waited += PAUSE;
                }
                Err(opening) => return Err(opening),
            }
        }
    }

    /// Whether a server runs.
    pub(super) fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// Carries a command out.
    pub(super) fn ask(&mut self, command: Command) -> Result<Outcome, Failure> {
        match self {
            Self::Server(client) => client.ask(&command),
            Self::Folder(here) => here.runtime.block_on(Box::pin(command::run(&here.node, command))),
        }
    }

    /// Asks for page after page; `next` makes the command for what follows, and keeps what was answered.
    pub(super) fn ask_all(
        &mut self,
        first: Command,
        mut keep: impl FnMut(Outcome) -> Option<Command>,
    ) -> Result<(), Failure> {
        let mut command = Some(first);
        while let Some(now) = command {
            command = keep(self.ask(now)?);
        }
        Ok(())
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.runtime.block_on(crate::serve::close(&self.node));
    }
}

/// Carries one command out.
pub(super) fn ask(config: Config, command: Command) -> Result<Outcome, Failure> {
    Desk::open(config, &command)?.ask(command)
}

/// An answer that does not belong to its question: the server is of another version.
pub(super) fn unexpected() -> Failure {
    Failure::new("the server answered something else than was asked").hint("is it of another version? restart it")
}
