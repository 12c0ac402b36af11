//! Running other programs: always visibly, always from the root of the repository.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// The root of the repository: the folder above this crate's.
pub(crate) fn root() -> PathBuf {
    // Cargo sets this when it runs us; the compiled-in path serves when the program is started by hand.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut path = PathBuf::from(manifest);
    path.pop();
    path
}

/// The cargo that runs us, without the variables by which it describes this crate: a build script below would take them
/// for its own, and build again.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.current_dir(root());
    command
}

/// A command as it would be typed.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        text.push(' ');
        if argument.is_empty() || argument.contains(|c: char| c.is_whitespace() || "'\"$<>|&;".contains(c)) {
            text.push_str(&format!("'{}'", argument.replace('\'', r"'\''")));
        } else {
            text.push_str(&argument);
        }
    }
    text
}

/// Runs a command with our own input and output; its line is shown first, on the error stream.
pub(crate) fn stream(command: &mut Command) -> Outcome {
    let line = shown(command);
    eprintln!("$ {line}");
    let status = command.status().map_err(|e| format!("cannot start `{line}`: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed ({status})")) }
}

/// Runs a command and takes what it writes; what it complains about is part of the error.
pub(crate) fn capture(command: &mut Command) -> Outcome<Vec<u8>> {
    let line = shown(command);
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("cannot start `{line}`: {e}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("`{line}` failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()))
}

/// Whether a command succeeds; nothing of it is shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether a program of this name is in the search path.
pub(crate) fn installed(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    // Root's tools are not in everybody's path, apt-get's own folders are.
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The moment, for measuring how long a step takes.
#[expect(clippy::disallowed_methods, reason = "a developer's tool measures real time; nobody hands it a clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A duration as people say it: `0.4 s`, `12.0 s`, `3 min 05 s`.
pub(crate) fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_pasted() {
        let mut command = Command::new("/usr/bin/echo");
        command.args(["plain", "two words", "it's", ""]);
        assert_eq!(shown(&command), r"echo plain 'two words' 'it'\''s' ''");
    }

    #[test]
    fn durations_are_spoken() {
        assert_eq!(spoken(Duration::from_millis(420)), "0.4 s");
        assert_eq!(spoken(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn a_failing_command_says_what_it_complained_about() {
        let error = capture(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"])).unwrap_err();
        assert!(error.contains("no such thing") && error.contains('3'), "{error}");
        assert!(!installed("a program that nobody has"));
    }
}
