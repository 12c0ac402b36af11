//! What people and scripts read.

use std::io::{self, Write};
use std::process::exit;

use serde::Serialize;

/// Prints a line. A reader that has seen enough (`| head`) ends the program quietly.
pub(super) fn say(line: &str) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        exit(if error.kind() == io::ErrorKind::BrokenPipe { 0 } else { 1 });
    }
}

/// Prints a line if anybody reads it: a server goes on without.
pub(super) fn mention(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a value as JSON.
pub(super) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => say(&text),
        Err(error) => complain(&error.to_string(), None),
    }
}

/// Says on the error stream why it was not done, and what to do.
pub(super) fn complain(message: &str, hint: Option<&str>) {
    // When the error stream is gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "error: {message}");
    if let Some(hint) = hint {
        let _ = writeln!(io::stderr(), "       {hint}");
    }
}

/// Says on the error stream what looks like a mistake.
pub(super) fn warn(message: &str) {
    let _ = writeln!(io::stderr(), "warning: {message}");
}

/// Says on the error stream what explains the output.
pub(super) fn note(message: &str) {
    let _ = writeln!(io::stderr(), "note: {message}");
}

/// Prints rows under a heading, in columns.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) {
    for line in columns(heading, rows) {
        say(&line);
    }
}

fn columns<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let heading = heading.map(str::to_owned);
    let all = || std::iter::once(&heading).chain(rows);
    let widths: Vec<usize> = (0..N)
        .map(|column| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

/// `yes` or `-`.
pub(super) fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "-" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["wv:ä@a".to_owned(), "1".to_owned()], ["x".to_owned(), String::new()]];
        assert_eq!(columns(["USER", "N"], &rows), ["USER    N", "wv:ä@a  1", "x"]);
    }
}
