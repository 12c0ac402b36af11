//! Passwords from the standard input, or asked for at the terminal.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::Refusal;
use crate::command::{Failure, Hidden};

/// Longer ones are refused anyway.
const LINE_MAX: u64 = 4096;

/// Options that give an account password.
#[derive(clap::Args, Debug, Clone)]
pub(super) struct AccountPassword {
    /// The account password. Others on this machine can see it while the command runs: better use --password-stdin
    #[arg(long, value_name = "PW", conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the account password from the standard input, one line
    #[arg(long)]
    password_stdin: bool,
}

impl AccountPassword {
    /// The password: given, from the standard input, or asked for when somebody sits at the terminal.
    pub(super) fn read(&self, whose: &str) -> Result<Option<Hidden>, Refusal> {
        if let Some(password) = &self.password {
            return Ok(Some(Hidden(password.clone())));
        }
        if self.password_stdin {
            let password = line().map_err(failed)?;
            return if password.is_empty() {
                Err(Refusal::Usage("there is no password on the standard input".to_owned()))
            } else {
                Ok(Some(Hidden(password)))
            };
        }
        if io::stdin().is_terminal() { ask(whose) } else { Ok(None) }
    }
}

fn ask(whose: &str) -> Result<Option<Hidden>, Refusal> {
    let first = without_echo(&format!("Account password of {whose} (empty: none): ")).map_err(failed)?;
    if first.is_empty() {
        return Ok(None);
    }
    let again = without_echo("The same again: ").map_err(failed)?;
    if first != again {
        return Err(Failure::new("the two passwords are not the same").into());
    }
    Ok(Some(Hidden(first)))
}

fn failed(error: io::Error) -> Refusal {
    Failure::new(format!("the password cannot be read: {error}")).into()
}

fn line() -> io::Result<String> {
    let mut text = Vec::new();
    io::stdin().lock().take(LINE_MAX).read_until(b'\n', &mut text)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn without_echo(prompt: &str) -> io::Result<String> {
    let mut terminal = io::stderr();
    write!(terminal, "{prompt}")?;
    terminal.flush()?;
    let before = tcgetattr(io::stdin())?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
    let typed = line();
    tcsetattr(io::stdin(), OptionalActions::Now, &before)?;
    writeln!(terminal)?;
    typed
}
