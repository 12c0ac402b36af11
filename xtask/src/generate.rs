//! Documents that are made from tables: they are committed, and `check` fails when one is stale.

use std::path::Path;
use std::process::Command;

use crate::metadata::Metadata;
use crate::process::{capture, cargo, root, stream};
use crate::{Outcome, conformance, schema, toml};

pub(crate) const HELP: &str = "\
Write the documents that are generated from tables.

Usage: cargo xtask generate [--check] [--scenarios]

Options:
  --check       change nothing; fail when a document is not what would be written now
  --scenarios   run all scenarios first (minutes), for docs/conformance.md

  docs/status-codes.md   from spec/status-codes.toml
  docs/settings.md       from the program: hamlet config explain --markdown
  docs/csp.schema.json   from spec/csp-elements.toml
  docs/conformance.md    from what the last whole run of the scenarios has shown; with --scenarios they are run first
  docs/clp.md            from what the test clp has left: cargo test -p imps-testkit --test clp; likewise
  docs/federation-transcripts.md
                         from what the tests federation* have left; likewise

Builds the program first (development profile). Add a document in xtask/src/generate.rs.";

/// A generated document, and what makes its text.
struct Document {
    path: &'static str,
    source: Source,
}

enum Source {
    /// A function over the repository's files.
    Table(fn(&Path) -> Outcome<String>),
    /// What the server's own program prints.
    Program(&'static [&'static str]),
}

const DOCUMENTS: &[Document] = &[
    Document { path: "docs/status-codes.md", source: Source::Table(status_codes) },
    Document { path: "docs/csp.schema.json", source: Source::Table(schema::generate) },
    Document { path: "docs/settings.md", source: Source::Program(&["config", "explain", "--markdown"]) },
];

/// The subcommand.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (mut check, mut scenarios) = (false, false);
    for argument in arguments {
        match argument.as_str() {
            "--check" => check = true,
            "--scenarios" => scenarios = true,
            other => return Err(format!("generate does not know `{other}`\n\n{HELP}")),
        }
    }
    let metadata = Metadata::read()?;
    let mut found = Vec::new();
    let mut built = false;
    for document in DOCUMENTS {
        if matches!(document.source, Source::Program(_)) && !built {
            stream(cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
            built = true;
        }
        let text = document.text(&metadata)?;
        if document.committed() == text {
            println!("{} is up to date", document.path);
        } else if check {
            found.push(document.stale());
        } else {
            write(document.path, &text)?;
            println!("{} is written", document.path);
        }
    }
    if scenarios {
        run_scenarios(&metadata)?;
    }
    match conformance::page(&metadata) {
        Ok(page) if committed(conformance::DOCUMENT) == page.text => {
            println!("{} is up to date, with {} gaps", conformance::DOCUMENT, page.gaps.len());
        }
        Ok(_) if check => found.push(stale_document(conformance::DOCUMENT)),
        Ok(page) => {
            write(conformance::DOCUMENT, &page.text)?;
            println!("{} is written, with {} gaps", conformance::DOCUMENT, page.gaps.len());
        }
        Err(error) => println!("{} is left as it is: {error}", conformance::DOCUMENT),
    }
    for left in LEFT {
        let path = left.path;
        match left.page(&metadata) {
            Ok(page) if committed(path) == page => println!("{path} is up to date"),
            Ok(_) if check => found.push(stale_document(path)),
            Ok(page) => {
                write(path, &page)?;
                println!("{path} is written");
            }
            Err(error) => println!("{path} is left as it is: {error}"),
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found.join("\n       ")) }
}

/// A document that tests leave when they are run, in pieces.
struct Left {
    path: &'static str,
    /// What stands before the pieces, in the repository; it may be in the first of them.
    introduction: Option<&'static str>,
    /// Where tests leave the pieces: below the folder that they have for it.
    folder: &'static str,
    pieces: &'static [&'static str],
    tests: &'static [&'static str],
    /// Whether every run says the same. Of several servers at once, some say twice what others say once.
    is_exact: bool,
}

const LEFT: &[Left] = &[
    // For those who have a line of text: an introduction, the table of commands, and a session.
    Left {
        path: "docs/clp.md",
        introduction: None,
        folder: "clp",
        pieces: &["page.md"],
        tests: &["clp"],
        is_exact: true,
    },
    // What domains say to each other in the three scenarios of federation.
    Left {
        path: "docs/federation-transcripts.md",
        introduction: Some("crates/imps-testkit/federation/introduction.md"),
        folder: "federation",
        pieces: &["16.1.md", "16.2.md", "16.3.md", "16.3-failures.md"],
        tests: &["federation", "federation_complementary", "federation_relay"],
        is_exact: false,
    },
];

impl Left {
    /// The document, as the last run of its tests has left it.
    fn page(&self, metadata: &Metadata) -> Outcome<String> {
        let mut page = String::new();
        if let Some(path) = self.introduction {
            page = std::fs::read_to_string(root().join(path)).map_err(|e| format!("cannot read {path}: {e}"))?;
        }
        for piece in self.pieces {
            let file = metadata.target_directory.join("tmp").join(self.folder).join(piece);
            let tests = self.tests.join(" --test ");
            page.push_str(&std::fs::read_to_string(file).map_err(|_| {
                format!("{piece} is not there, its test was not run: cargo test -p imps-testkit --test {tests}")
            })?);
        }
        Ok(page)
    }
}

/// Runs all scenarios, which leave what they have shown.
fn run_scenarios(metadata: &Metadata) -> Outcome {
    stream(cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
    forget_scenarios(metadata);
    let mut tests = cargo();
    tests.args(["test", "--locked", "-p", "imps-testkit", "--test", "scenarios"]);
    for test in LEFT.iter().flat_map(|left| left.tests).chain(&["baraza"]) {
        tests.args(["--test", test]);
    }
    stream(&mut tests)
}

/// Removes what former runs of the scenarios have shown.
pub(crate) fn forget_scenarios(metadata: &Metadata) {
    // There may be nothing.
    let _ = std::fs::remove_dir_all(conformance::folder(metadata));
    let _ = std::fs::remove_dir_all(conformance::wire::ssp_folder(metadata));
    for left in LEFT {
        let _ = std::fs::remove_dir_all(metadata.target_directory.join("tmp").join(left.folder));
    }
}

/// What is wrong with the documents that tests leave, after a whole run of them.
pub(crate) fn conformance_violations(metadata: &Metadata) -> Outcome<Vec<String>> {
    let page = conformance::page(metadata)?;
    let mut found = Vec::new();
    let there = committed(conformance::DOCUMENT);
    let (scenarios, domains) = conformance::wire::parted(&there);
    let (now_scenarios, now_domains) = conformance::wire::parted(&page.text);
    if scenarios != now_scenarios {
        found.push(stale_document(conformance::DOCUMENT));
    }
    // Which tests of several servers have a part in what may differ; not whether any has.
    found.extend(conformance::wire::lost(domains, now_domains));
    if page.is_unfinished {
        println!("\n{}: not everything is built, and {} cells are empty", conformance::DOCUMENT, page.gaps.len());
    } else {
        found.extend(page.gaps.iter().map(|gap| format!("no scenario shows {gap}")));
    }
    for left in LEFT {
        if committed(left.path) != left.page(metadata)? {
            match left.is_exact {
                true => found.push(stale_document(left.path)),
                false => println!("\n{} tells of another run; `cargo xtask generate` writes it anew", left.path),
            }
        }
    }
    Ok(found)
}

/// Documents that are not what would be written now. The programs must have been built.
pub(crate) fn stale(metadata: &Metadata) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for document in DOCUMENTS {
        if document.committed() != document.text(metadata)? {
            found.push(document.stale());
        }
    }
    Ok(found)
}

/// What is in the repository; nothing if there is no such file.
fn committed(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

fn stale_document(path: &str) -> String {
    format!("{path} is stale: run `cargo xtask generate` and commit it")
}

fn write(path: &str, text: &str) -> Outcome {
    std::fs::write(root().join(path), text).map_err(|e| format!("cannot write {path}: {e}"))
}

impl Document {
    fn committed(&self) -> String {
        committed(self.path)
    }

    fn stale(&self) -> String {
        stale_document(self.path)
    }

    fn text(&self, metadata: &Metadata) -> Outcome<String> {
        match self.source {
            Source::Table(make) => make(&root()),
            Source::Program(arguments) => {
                let mut hamlet = Command::new(metadata.target_directory.join("debug/hamlet"));
                // A setting in somebody's environment must not end up in the reference.
                for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HAMLET_")) {
                    hamlet.env_remove(name);
                }
                let text = capture(hamlet.current_dir(root()).args(arguments))?;
                String::from_utf8(text).map_err(|_| format!("{} would not be UTF-8", self.path))
            }
        }
    }
}

/// The status codes with their meaning, a section for each class.
fn status_codes(root: &Path) -> Outcome<String> {
    let path = root.join("spec/status-codes.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let file = toml::parse(&text).map_err(|e| format!("spec/status-codes.toml, {e}"))?;
    let rows = file["status"].as_array().ok_or("spec/status-codes.toml has no [[status]]")?;
    let mut page = String::from(
        "# Status codes\n\n\
         What `Result/Code` can say. Generated from `spec/status-codes.toml` by `cargo xtask generate`.\n",
    );
    let mut class = "";
    for row in rows {
        let field = |name: &str| row[name].as_str().unwrap_or_default();
        if field("class") != class {
            class = field("class");
            page.push_str(&format!("\n## {}\n\n", heading(class)));
            page.push_str("| code | name | versions | meaning | where |\n|---|---|---|---|---|\n");
        }
        let code = row["code"].as_u64().ok_or("a [[status]] has no code")?;
        let versions = match (field("since"), field("until")) {
            (since, until) if since == until => since.to_owned(),
            (since, until) => format!("{since} to {until}"),
        };
        let cell = |text: &str| text.replace('|', "\\|");
        page.push_str(&format!(
            "| {code} | {} | {versions} | {} | {} |\n",
            cell(field("name")),
            cell(field("meaning")),
            cell(field("used_in"))
        ));
    }
    Ok(page)
}

fn heading(class: &str) -> String {
    let mut letters = class.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_page_of_status_codes_has_every_code_once() -> Outcome {
        let page = status_codes(&root())?;
        let file = std::fs::read_to_string(root().join("spec/status-codes.toml")).map_err(|e| e.to_string())?;
        let Value::Array(rows) = toml::parse(&file)?["status"].take() else { return Err("no rows".to_owned()) };
        for row in &rows {
            let start = format!("\n| {} | ", row["code"]);
            assert_eq!(page.matches(&start).count(), 1, "{start}");
        }
        assert_eq!(
            page.lines().filter(|line| line.starts_with("| ") && !line.contains("| code |")).count(),
            rows.len()
        );
        Ok(())
    }
}
