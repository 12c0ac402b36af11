//! Who may depend on whom: the table of `ARCHITECTURE.md`, held against `cargo metadata`.
//!
//! A new arrow between our crates is a decision, so it is made here, where a reviewer sees it.

use std::collections::VecDeque;

use crate::metadata::Metadata;

/// One crate of ours.
struct Row {
    name: &'static str,
    /// Our crates that it may use.
    uses: &'static [&'static str],
    /// Our crates that its tests may use besides.
    tests_use: &'static [&'static str],
    /// What must not be compiled for it, however far away.
    never: &'static [Group],
}

/// Crates of other people that a layer does not know.
struct Group {
    crates: &'static [&'static str],
    /// Whether tests may have them: a test may read the specification's files, but `cargo test -p` must stay short.
    in_tests: bool,
}

const ASYNC: Group = Group { crates: &["tokio", "mio", "futures-util"], in_tests: false };
const HTTP: Group =
    Group { crates: &["hyper", "hyper-util", "http", "http-body-util", "axum", "reqwest"], in_tests: false };
const SQL: Group = Group { crates: &["rusqlite", "libsqlite3-sys", "tokio-postgres", "sqlx"], in_tests: false };
const COMMAND_LINE: Group = Group { crates: &["clap"], in_tests: false };
const XML: Group = Group { crates: &["quick-xml"], in_tests: true };
const SERDE: Group = Group { crates: &["serde", "serde_core", "serde_json", "toml"], in_tests: true };
const LOG: Group = Group { crates: &["tracing"], in_tests: true };
const DERIVES: Group = Group { crates: &["syn"], in_tests: false };

const ROWS: &[Row] = &[
    Row { name: "imps-types", uses: &[], tests_use: &[], never: &[ASYNC, HTTP, SQL, XML, SERDE, COMMAND_LINE, LOG] },
    Row { name: "imps-proto", uses: &["imps-types"], tests_use: &[], never: &[ASYNC, HTTP, SQL, COMMAND_LINE, LOG] },
    Row { name: "imps-service", uses: &["imps-types"], tests_use: &[], never: &[HTTP, SQL, XML, SERDE, COMMAND_LINE] },
    Row {
        name: "imps-store",
        uses: &["imps-types", "imps-service"],
        tests_use: &[],
        never: &[HTTP, XML, SERDE, COMMAND_LINE],
    },
    Row {
        name: "imps-csp",
        uses: &["imps-types", "imps-proto", "imps-service"],
        tests_use: &[],
        never: &[SQL, COMMAND_LINE],
    },
    Row {
        name: "imps-ssp",
        uses: &["imps-types", "imps-proto", "imps-service"],
        tests_use: &[],
        never: &[SQL, COMMAND_LINE],
    },
    Row {
        name: "imps-testkit",
        uses: &["imps-types", "imps-proto", "imps-service", "imps-store", "imps-csp", "imps-ssp"],
        tests_use: &[],
        never: &[COMMAND_LINE],
    },
    // Names every part, and is named by none. Its tests drive it from outside.
    Row {
        name: "imps-server",
        uses: &["imps-types", "imps-proto", "imps-service", "imps-store", "imps-csp", "imps-ssp"],
        tests_use: &["imps-testkit"],
        never: &[],
    },
    Row { name: "xtask", uses: &[], tests_use: &[], never: &[ASYNC, HTTP, SQL, XML, COMMAND_LINE, DERIVES] },
];

/// Every arrow that the table does not have, as a sentence.
pub(crate) fn violations(metadata: &Metadata) -> Vec<String> {
    against(ROWS, metadata)
}

fn against(rows: &[Row], metadata: &Metadata) -> Vec<String> {
    let mut found = Vec::new();
    for (index, package) in metadata.packages.iter().enumerate().filter(|(_, package)| package.ours) {
        let Some(row) = rows.iter().find(|row| row.name == package.name) else {
            found.push(format!("{} has no row in xtask/src/arrows.rs: who may it use?", package.name));
            continue;
        };
        for used in &package.uses {
            let Some(other) = metadata.packages.get(used.package).filter(|other| other.ours) else { continue };
            let other = other.name.as_str();
            if row.uses.contains(&other) {
                continue;
            }
            if used.shipped {
                found.push(format!("{} must not use {other}", row.name));
            } else if !row.tests_use.contains(&other) {
                found.push(format!("the tests of {} must not use {other}", row.name));
            }
        }
        for group in row.never {
            for never in group.crates {
                if let Some(path) = path_to(metadata, index, never, !group.in_tests) {
                    found.push(format!("{} must never need {never}, and does: {}", row.name, path.join(" -> ")));
                }
            }
        }
    }
    for row in rows {
        if !metadata.ours().any(|package| package.name == row.name) {
            found.push(format!("xtask/src/arrows.rs has a row for {}, which does not exist", row.name));
        }
    }
    found
}

/// The shortest way from a package, or from its tests too, to one of this name.
fn path_to(metadata: &Metadata, from: usize, name: &str, tests_too: bool) -> Option<Vec<String>> {
    let mut came_from = vec![None; metadata.packages.len()];
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        let package = metadata.packages.get(at)?;
        if package.name == name {
            let mut path = vec![package.name.clone()];
            let mut step = at;
            while step != from {
                step = came_from.get(step).copied().flatten()?;
                path.push(metadata.packages.get(step)?.name.clone());
            }
            path.reverse();
            return Some(path);
        }
        for used in &package.uses {
            // The tests of a dependency are not compiled, ours are.
            let compiled = used.shipped || (tests_too && at == from);
            let unseen = used.package != from && came_from.get(used.package).is_some_and(Option::is_none);
            if compiled && unseen {
                came_from[used.package] = Some(at);
                queue.push_back(used.package);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::build;

    const TABLE: &[Row] = &[
        Row { name: "types", uses: &[], tests_use: &["kit"], never: &[ASYNC, SERDE] },
        Row { name: "proto", uses: &["types"], tests_use: &[], never: &[ASYNC] },
        Row { name: "kit", uses: &["types", "proto"], tests_use: &[], never: &[HTTP] },
    ];

    #[test]
    fn what_the_table_allows_is_no_violation() {
        let metadata = build(&[
            ("types", "1.0.0", true, &["toml?"]),
            ("proto", "1.0.0", true, &["types", "bytes"]),
            ("kit", "1.0.0", true, &["proto", "types"]),
            ("toml", "1.0.0", false, &[]),
            ("bytes", "1.0.0", false, &["tokio?"]),
            ("tokio", "1.0.0", false, &[]),
        ]);
        assert_eq!(against(TABLE, &metadata), Vec::<String>::new());
    }

    #[test]
    fn a_new_arrow_a_forbidden_crate_and_a_missing_row_are_named() {
        let metadata = build(&[
            ("types", "1.0.0", true, &["proto"]),
            ("proto", "1.0.0", true, &["types", "kit?", "bytes"]),
            ("new", "1.0.0", true, &[]),
            ("bytes", "1.0.0", false, &["tokio"]),
            ("tokio", "1.0.0", false, &[]),
            ("kit", "1.0.0", true, &["hyper?"]),
            ("hyper", "1.0.0", false, &[]),
        ]);
        assert_eq!(
            against(TABLE, &metadata),
            [
                "types must not use proto",
                "types must never need tokio, and does: types -> proto -> bytes -> tokio",
                "the tests of proto must not use kit",
                "proto must never need tokio, and does: proto -> bytes -> tokio",
                "new has no row in xtask/src/arrows.rs: who may it use?",
                "kit must never need hyper, and does: kit -> hyper",
            ]
        );
        let without_kit = build(&[("types", "1.0.0", true, &[]), ("proto", "1.0.0", true, &[])]);
        assert_eq!(against(TABLE, &without_kit), ["xtask/src/arrows.rs has a row for kit, which does not exist"]);
    }

    #[test]
    fn the_table_has_no_cycle_and_names_only_crates_with_a_row() {
        for row in ROWS {
            for used in row.uses {
                let other = ROWS.iter().find(|other| other.name == *used).expect("a row for what is used");
                assert!(!other.uses.contains(&row.name), "{} and {used} use each other", row.name);
            }
        }
    }
}
