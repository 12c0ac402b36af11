//! The tables of the other two protocols: which tests put a primitive of SSP on the wire, in which direction, and what a command
//! of the Command Line Protocol was answered. Tests leave what went over the wire in `target/tmp/ssp` and `target/tmp/clp`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::metadata::Metadata;

/// Where tests leave what domains said to each other.
pub(crate) fn ssp_folder(metadata: &Metadata) -> PathBuf {
    metadata.target_directory.join("tmp/ssp")
}

/// What went over the wire in the last whole run of the tests.
#[derive(Default)]
pub(super) struct Wire {
    /// Of each primitive, in the order of the chapter: name, what it does in a transaction, service, source.
    primitives: Vec<[String; 4]>,
    /// By primitive: the tests in which our servers sent it, and in which they received it.
    sent: BTreeMap<String, BTreeSet<String>>,
    received: BTreeMap<String, BTreeSet<String>>,
    /// Of each command: its section, its line in the table, how it was answered.
    commands: Vec<[String; 3]>,
}

/// What the page begins these tables with.
const BEGINNING: &str = "\n## Between domains (SSP)";

/// The page without these tables, and they.
pub(crate) fn parted(page: &str) -> (&str, &str) {
    page.find(BEGINNING).map_or((page, ""), |at| page.split_at(at))
}

/// Cells that had something in them and have nothing now.
pub(crate) fn lost(before: &str, now: &str) -> Vec<String> {
    let cells = |page: &str| -> BTreeSet<(String, usize)> {
        let rows = page.lines().filter(|line| line.starts_with("| "));
        rows.flat_map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let name = cells.first().copied().unwrap_or_default().to_owned();
            let full = cells.into_iter().enumerate().filter(|(_, cell)| !cell.trim_matches(['|', ' ']).is_empty());
            full.map(|(place, _)| (name.clone(), place)).collect::<Vec<_>>()
        })
        .collect()
    };
    let now = cells(now);
    let gone = cells(before).into_iter().filter(|cell| !now.contains(cell));
    gone.map(|(name, place)| format!("no test shows {name} any more (column {})", place + 1)).collect()
}

/// How many tests a cell names.
const NAMED: usize = 3;

fn rows(path: &Path) -> Outcome<Vec<Vec<String>>> {
    let text =
        std::fs::read_to_string(path).map_err(|_| format!("{} is not there: its test was not run", path.display()))?;
    Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

fn columns<const N: usize>(row: Vec<String>) -> Outcome<[String; N]> {
    row.try_into().map_err(|row| format!("a row has other columns than {N}: {row:?}"))
}

impl Wire {
    pub(super) fn read(metadata: &Metadata) -> Outcome<Self> {
        let folder = ssp_folder(metadata);
        let mut wire = Self::default();
        for row in rows(&folder.join("names.txt"))? {
            wire.primitives.push(columns(row)?);
        }
        let entries = std::fs::read_dir(&folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if name != "names" {
                wire.take(&name, rows(&path)?)?;
            }
        }
        for row in rows(&metadata.target_directory.join("tmp/clp/commands.txt"))? {
            wire.commands.push(columns(row)?);
        }
        Ok(wire)
    }

    fn take(&mut self, test: &str, rows: Vec<Vec<String>>) -> Outcome {
        for row in rows {
            let [direction, name] = columns(row)?;
            let side = match direction.as_str() {
                "sent" => &mut self.sent,
                "received" => &mut self.received,
                other => return Err(format!("{test} went {other}, which is no direction")),
            };
            side.entry(name).or_default().insert(test.to_owned());
        }
        Ok(())
    }

    /// In how many primitives a test has a part: the fewer, the more it is about each.
    fn width(&self, test: &str) -> usize {
        [&self.sent, &self.received].iter().flat_map(|side| side.values()).filter(|tests| tests.contains(test)).count()
    }

    fn cell(&self, side: &BTreeMap<String, BTreeSet<String>>, name: &str) -> String {
        let mut tests: Vec<&String> = side.get(name).into_iter().flatten().collect();
        tests.sort_by_key(|test| (self.width(test), test.as_str()));
        let more = tests.len().saturating_sub(NAMED);
        tests.truncate(NAMED);
        let named = tests.into_iter().cloned().collect::<Vec<_>>().join(", ");
        if more == 0 { named } else { format!("{named} and {more} more") }
    }

    pub(super) fn write(&self, page: &mut String, gaps: &mut Vec<String>) {
        page.push_str(
            "\n## Between domains (SSP)\n\nTests in which servers of ours sent a primitive, and in which they received it: the sides of \
             what went over\nthe wire in `cargo test -p imps-testkit`. Between two of ours both are the same message; `baraza` in a name stands for \
             the\npeer in Python, which speaks as another implementation does.\n\n",
        );
        page.push_str("| primitive | service | kind | source | sent | received |\n|---|---|---|---|---|---|\n");
        for [name, kind, service, source] in &self.primitives {
            let [sent, received] = [self.cell(&self.sent, name), self.cell(&self.received, name)];
            if sent.is_empty() && received.is_empty() {
                gaps.push(format!("{name} between domains"));
            }
            page.push_str(&format!("| {name} | {service} | {kind} | {source} | {sent} | {received} |\n"));
        }
        page.push_str(
            "\n## Lines of text (CLP)\n\nHow each command was answered in the session of [the command line protocol](clp.md), which `cargo test -p \
             imps-testkit --test clp`\ntypes to a server.\n\n| section | command | answers |\n|---|---|---|\n",
        );
        for [section, line, answers] in &self.commands {
            // Of several recipients some may fail (201).
            if !answers.contains("+2") {
                gaps.push(format!("the command {line}"));
            }
            page.push_str(&format!("| {section} | `{}` | {answers} |\n", line.replace('|', "\\|")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_names_the_tests_that_are_about_it() -> Outcome {
        let row = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let mut wire = Wire::default();
        wire.primitives.push(columns(row(&["A", "Ask", "IM", "B"]))?);
        wire.primitives.push(columns(row(&["B", "Ask", "IM", "B"]))?);
        for name in ["Sent", "Received", "Nowhere"] {
            wire.primitives.push(columns(row(&[name, "Tell", "IM", "D"]))?);
        }
        wire.commands.push(columns(row(&["access", "PING", "+200"]))?);
        wire.commands.push(columns(row(&["access", "PASS old|new", "-409"]))?);
        for test in ["wide", "narrow", "other", "last"] {
            wire.take(test, vec![row(&["sent", "A"]), row(&["received", "A"])])?;
        }
        wire.take("wide", vec![row(&["sent", "B"])])?;
        wire.take("one side", vec![row(&["sent", "Sent"]), row(&["received", "Received"])])?;
        let (mut page, mut gaps) = (String::new(), Vec::new());
        wire.write(&mut page, &mut gaps);
        let names = "last, narrow, other and 1 more";
        assert!(page.contains(&format!("| A | IM | Ask | B | {names} | {names} |")), "{page}");
        assert!(page.contains("| B | IM | Ask | B | wide |  |"), "{page}");
        assert!(page.contains("| Received | IM | Tell | D |  | one side |"), "{page}");
        assert_eq!(gaps, ["Nowhere between domains", "the command PASS old|new"]);
        let (before, tables) = parted(&page);
        assert_eq!(before, "");
        assert!(lost(tables, tables).is_empty());
        let less = tables.replace("| wide |", "|  |");
        assert_eq!(lost(tables, &less), ["no test shows B any more (column 5)"]);
        assert!(wire.take("odd", vec![row(&["lost", "A"])]).is_err());
        Ok(())
    }
}
