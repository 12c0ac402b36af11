//! `cargo xtask bench` and `cargo xtask torture`: build for real, then hand over to the programs of `imps-testkit`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::metadata::Metadata;
use crate::packages;
use crate::process::{capture, cargo, root, shown, stream};

pub(crate) const BENCH_HELP: &str = "\
Measure the server, each figure beside a reference that is measured in the same run.

Usage: cargo xtask bench [--json] [--quick] [OPTIONS OF hamlet-bench]

Options:
  --json    one JSON document on standard output instead of the table
  --quick   a minute instead of ten: for seeing that it runs, not for figures

Builds in release, installs libwbxml2-dev if it is missing, and compiles the C program that measures libwbxml on the same
documents (crates/imps-testkit/reference/wbxml_bench.c). Without that library, which is said, its column stays empty.
Close other programs first: the load runs beside the server on this machine.";

pub(crate) const TORTURE_HELP: &str = "\
Kill the server at random moments under full load, and count: no acknowledged message lost, none doubled.

Usage: cargo xtask torture [--cycles N] [--senders N] [--sync-proof] [OPTIONS OF hamlet-torture]
       cargo xtask torture --domains N [--minutes N] [--phones N]

Options:
  --cycles N     how often the server is killed [default: 200]
  --senders N    how many send at the same time [default: 16]
  --domains N    so many servers that know each other, of which any is killed, while phones of each write to users of the others
  --minutes N    how long that goes on [default: 10]
  --sync-proof   trace the server's system calls instead, and show that the sync precedes each answer

Builds in release; the trace needs strace, which is installed if it is missing.";

pub(crate) const SOAK_HELP: &str = "\
Keep the server under mixed load for an hour, and watch memory, latencies and errors minute by minute.

Usage: cargo xtask soak [--minutes N] [OPTIONS OF hamlet-soak]

Options:
  --minutes N   how long [default: 60]
  --phones N    how many phones [default: 60]
  --rate N      what all of them together do in a second [default: 150]

Builds in release.";

/// The subcommand `soak`.
pub(crate) fn soak(arguments: &[String]) -> Outcome {
    let release = build()?;
    let mut soak = Command::new(release.join("hamlet-soak"));
    with_hamlet(&mut soak, &release, arguments);
    become_it(soak.args(arguments))
}

/// The subcommand `bench`.
pub(crate) fn bench(arguments: &[String]) -> Outcome {
    let release = build()?;
    let mut bench = Command::new(release.join("hamlet-bench"));
    with_hamlet(&mut bench, &release, arguments);
    if !given(arguments, "--libwbxml") {
        match reference() {
            Ok(program) => {
                bench.arg("--libwbxml").arg(program);
            }
            Err(message) => eprintln!("libwbxml is not measured: {message}"),
        }
    }
    become_it(bench.args(arguments))
}

/// The subcommand `torture`.
pub(crate) fn torture(arguments: &[String]) -> Outcome {
    let release = build()?;
    if given(arguments, "--sync-proof") {
        packages::install(packages::FOR_TORTURE)?;
    }
    let mut torture = Command::new(release.join("hamlet-torture"));
    with_hamlet(&mut torture, &release, arguments);
    become_it(torture.args(arguments))
}

/// Builds the server and its testers; says where they are.
fn build() -> Outcome<PathBuf> {
    stream(cargo().args(["build", "--release", "--locked", "--bins", "-p", "imps-server", "-p", "imps-testkit"]))?;
    Ok(Metadata::read()?.target_directory.join("release"))
}

fn with_hamlet(command: &mut Command, release: &Path, arguments: &[String]) {
    if !given(arguments, "--hamlet") {
        command.arg("--hamlet").arg(release.join("hamlet"));
    }
}

fn given(arguments: &[String], option: &str) -> bool {
    arguments.iter().any(|argument| argument.split('=').next() == Some(option))
}

/// Hands the terminal over, so that Ctrl-C and the exit code are the program's own.
fn become_it(command: &mut Command) -> Outcome {
    let line = shown(command);
    eprintln!("$ {line}");
    let error = command.current_dir(root()).exec();
    Err(format!("cannot start `{line}`: {error}"))
}

/// Compiles the C program that measures libwbxml; says where it is.
fn reference() -> Outcome<PathBuf> {
    packages::install(packages::FOR_BENCH)?;
    let flags = capture(Command::new("pkg-config").args(["--cflags", "--libs", "libwbxml2"]))?;
    let flags = String::from_utf8_lossy(&flags);
    let folder = Metadata::read()?.target_directory.join("reference");
    std::fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    let program = folder.join("wbxml_bench");
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| OsString::from("cc")));
    compiler.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-o"]).arg(&program);
    compiler.arg(root().join("crates/imps-testkit/reference/wbxml_bench.c")).args(flags.split_whitespace());
    stream(&mut compiler)?;
    Ok(program)
}
