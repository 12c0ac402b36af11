//! What may not be in the repository: big files, tests that do not run, lints that are not the workspace's, broken links.

use std::path::Path;
use std::process::Command;

use crate::metadata::Metadata;
use crate::process::{capture, root};
use crate::{Outcome, toml};

/// Bigger files belong elsewhere: a clone is for ever.
const MAX_FILE: u64 = 1 << 20;

/// What no Rust source may say, and why. Written in two halves, since this file is searched too.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("#[", "ignore"), "a test that does not run proves nothing: assert what is true today"),
    (concat!("should_", "panic"), "assert the error that comes back"),
    (concat!("to", "do!("), "finish it, or leave it out"),
    (concat!("unimple", "mented!("), "finish it, or leave it out"),
    (concat!("db", "g!("), "left over from debugging"),
];

/// Everything found, as sentences.
pub(crate) fn violations(metadata: &Metadata) -> Outcome<Vec<String>> {
    let root = root();
    let mut found = Vec::new();
    // What is committed, and what would be with `git add`.
    let files = capture(Command::new("git").current_dir(&root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "--deduplicate",
        "-z",
    ]))?;
    for name in String::from_utf8_lossy(&files).split_terminator('\0') {
        let path = root.join(name);
        // A link, a file that is removed but not yet in a commit.
        let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
        if !about.is_file() {
            continue;
        }
        if about.len() > MAX_FILE {
            found.push(format!("{name} has {} KiB; 1024 is the limit", about.len() / 1024));
        }
        if name.ends_with(".rs") || name.ends_with(".md") {
            let text = std::fs::read_to_string(&path).map_err(|e| format!("cannot read {name}: {e}"))?;
            if name.ends_with(".rs") {
                found.extend(in_source(name, &text));
            } else {
                found.extend(broken_links(name, &text, path.parent().unwrap_or(&root)));
            }
        }
    }
    for package in metadata.ours() {
        let text = std::fs::read_to_string(&package.manifest).map_err(|e| format!("{}: {e}", package.name))?;
        let manifest = toml::parse(&text).map_err(|e| format!("the manifest of {}, {e}", package.name))?;
        if manifest["lints"]["workspace"] != true {
            found.push(format!("the manifest of {} lacks `[lints] workspace = true`", package.name));
        }
    }
    Ok(found)
}

fn in_source(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (words, why) in FORBIDDEN {
            if line.contains(words) {
                found.push(format!("{name}:{}: `{words}`: {why}", number + 1));
            }
        }
    }
    found
}

/// Links from one document to another that lead nowhere. Code blocks are not text.
fn broken_links(name: &str, text: &str, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains(':') && !folder.join(file).exists() {
                found.push(format!("{name}:{}: the link to {file} leads nowhere", number + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_words_are_found_with_their_line() {
        let text = format!("fn a() {{}}\n{}]\nfn b() {{ {}) }}\n", FORBIDDEN[0].0, FORBIDDEN[2].0);
        let found = in_source("a.rs", &text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.rs:2:") && found[1].starts_with("a.rs:3:"), "{found:?}");
    }

    #[test]
    fn links_between_documents_are_followed() {
        let text =
            "[us](Cargo.toml) [web](https://example.org) [part](#part)\n```\n[code](none.md)\n```\n[no](none.md#x)";
        assert_eq!(broken_links("a.md", text, &root()), ["a.md:5: the link to none.md leads nowhere"]);
    }
}
