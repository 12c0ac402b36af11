//! Licences and duplicates: `deny.toml` held against `cargo metadata`.
//!
//! `cargo deny check licenses bans sources` reads the same file and looks closer (at the licence texts, for instance); this
//! needs neither a network nor another program.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::metadata::{Metadata, Package};
use crate::process::root;
use crate::{Outcome, toml};

/// What `deny.toml` accepts.
struct Policy {
    licences: Vec<String>,
    /// Crates that may be there in one more version: name, version or the beginning of one, and whether it was needed.
    duplicates: Vec<(String, String)>,
}

/// Every licence and every duplicate that `deny.toml` does not accept, as a sentence.
pub(crate) fn violations(metadata: &Metadata) -> Outcome<Vec<String>> {
    let path = root().join("deny.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let policy = Policy::parse(&toml::parse(&text).map_err(|e| format!("deny.toml, {e}"))?)?;
    Ok(against(&policy, metadata))
}

impl Policy {
    fn parse(file: &Value) -> Outcome<Self> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let licences = list(&file["licenses"]["allow"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let mut duplicates = Vec::new();
        for skip in list(&file["bans"]["skip"]) {
            let name = skip["crate"].as_str().unwrap_or_default();
            let Some((name, version)) = name.split_once('@') else {
                return Err(format!("deny.toml, bans.skip: `{name}` should be `name@version`"));
            };
            if skip["reason"].as_str().is_none_or(str::is_empty) {
                return Err(format!("deny.toml, bans.skip: {name} has no reason"));
            }
            duplicates.push((name.to_owned(), version.to_owned()));
        }
        Ok(Self { licences, duplicates })
    }

    fn skips(&self, name: &str, version: &str) -> bool {
        self.duplicates.iter().any(|(skipped, wanted)| {
            skipped == name
                && (version == wanted || version.strip_prefix(&**wanted).is_some_and(|r| r.starts_with('.')))
        })
    }
}

fn against(policy: &Policy, metadata: &Metadata) -> Vec<String> {
    let mut found = Vec::new();
    for package in &metadata.packages {
        let Package { name, version, licence, .. } = package;
        match licence {
            None => found.push(format!("{name} {version} names no licence")),
            Some(licence) => match accepts(licence, &policy.licences) {
                Ok(true) => {}
                Ok(false) => {
                    found.push(format!("{name} {version} is under `{licence}`, which deny.toml does not allow"))
                }
                Err(error) => {
                    found.push(format!("{name} {version}: the licence `{licence}` is not understood: {error}"))
                }
            },
        }
    }

    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &metadata.packages {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    for (name, all) in &versions {
        let counted: Vec<&str> = all.iter().copied().filter(|version| !policy.skips(name, version)).collect();
        if counted.len() > 1 {
            let users: Vec<String> = counted.iter().map(|version| users(metadata, name, version)).collect();
            found.push(format!("{name} is there {} times: {}", counted.len(), users.join("; ")));
        }
    }
    for (name, version) in &policy.duplicates {
        // An exception that nothing needs any more would hide the next duplicate.
        let needed =
            versions.get(&**name).is_some_and(|all| all.len() > 1 && all.iter().any(|v| policy.skips(name, v)));
        if !needed {
            found.push(format!("deny.toml skips {name}@{version}, which is no duplicate any more"));
        }
    }
    found
}

/// A version of a crate and who wants it.
fn users(metadata: &Metadata, name: &str, version: &str) -> String {
    let is_it = |package: &Package| package.name == name && package.version == version;
    let users: Vec<&str> = metadata
        .packages
        .iter()
        .filter(|package| package.uses.iter().any(|used| metadata.packages.get(used.package).is_some_and(is_it)))
        .map(|package| &*package.name)
        .collect();
    format!("{version} for {}", users.join(", "))
}

/// Whether an SPDX expression can be satisfied with the allowed licences.
fn accepts(expression: &str, allowed: &[String]) -> Outcome<bool> {
    // Manifests from before 2019 write `MIT/Apache-2.0`.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut spdx = Spdx { words: &words, allowed };
    let accepted = spdx.either()?;
    match spdx.words.first() {
        None => Ok(accepted),
        Some(word) => Err(format!("`{word}` stands where it should end")),
    }
}

struct Spdx<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl<'a> Spdx<'a> {
    fn either(&mut self) -> Outcome<bool> {
        let mut accepted = self.both()?;
        while self.eat("OR") {
            accepted |= self.both()?;
        }
        Ok(accepted)
    }

    fn both(&mut self) -> Outcome<bool> {
        let mut accepted = self.one()?;
        while self.eat("AND") {
            accepted &= self.one()?;
        }
        Ok(accepted)
    }

    fn one(&mut self) -> Outcome<bool> {
        if self.eat("(") {
            let accepted = self.either()?;
            return if self.eat(")") { Ok(accepted) } else { Err("`)` is missing".to_owned()) };
        }
        let mut name = self.word()?.to_owned();
        if self.eat("WITH") {
            name = format!("{name} WITH {}", self.word()?);
        }
        Ok(self.allowed.contains(&name))
    }

    fn word(&mut self) -> Outcome<&'a str> {
        match self.words.split_first() {
            Some((word, rest)) if !["AND", "OR", "WITH", "(", ")"].contains(word) => {
                self.words = rest;
                Ok(word)
            }
            _ => Err("a licence is missing".to_owned()),
        }
    }

    fn eat(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::build;

    #[test]
    fn licence_expressions_are_satisfied_by_what_is_allowed() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        for (expression, expected) in [
            ("MIT", Ok(true)),
            ("GPL-3.0-only", Ok(false)),
            ("GPL-3.0-only OR MIT", Ok(true)),
            ("Unlicense/MIT", Ok(true)),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", Ok(true)),
            ("(MIT OR Apache-2.0) AND OpenSSL", Ok(false)),
            ("OpenSSL AND MIT OR Zlib", Ok(false)),
            ("Apache-2.0 WITH LLVM-exception", Ok(true)),
            ("MIT WITH LLVM-exception", Ok(false)),
        ] {
            assert_eq!(accepts(expression, &allowed), expected, "{expression}");
        }
        for broken in ["", "MIT OR", "(MIT", "MIT MIT", "AND MIT", "MIT)"] {
            assert!(accepts(broken, &allowed).is_err(), "{broken}");
        }
    }

    #[test]
    fn duplicates_need_an_exception_and_exceptions_a_duplicate() {
        let mut metadata = build(&[
            ("a", "1.0.0", true, &["syn"]),
            ("syn", "2.0.119", false, &[]),
            ("syn", "3.0.1", false, &[]),
            ("b", "1.0.0", false, &[]),
        ]);
        for package in &mut metadata.packages {
            package.licence = Some("MIT".to_owned());
        }
        let policy = |skip: &[(&str, &str)]| Policy {
            licences: vec!["MIT".to_owned()],
            duplicates: skip.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect(),
        };
        assert_eq!(against(&policy(&[]), &metadata), ["syn is there 2 times: 2.0.119 for a; 3.0.1 for "]);
        assert_eq!(against(&policy(&[("syn", "2")]), &metadata), Vec::<String>::new());
        assert_eq!(
            against(&policy(&[("syn", "2.0.119"), ("b", "1")]), &metadata),
            ["deny.toml skips b@1, which is no duplicate any more"]
        );
        assert_eq!(against(&policy(&[("syn", "2.0.1")]), &metadata).len(), 2, "2.0.1 is not the beginning of 2.0.119");
    }

    #[test]
    fn an_exception_without_a_reason_is_refused() {
        let file = toml::parse(r#"bans.skip = [{ crate = "syn@2" }]"#).expect("readable");
        assert!(Policy::parse(&file).is_err_and(|e| e.contains("reason")));
    }
}
