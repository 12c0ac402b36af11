//! What `cargo metadata` says about the packages of this build: who uses whom, under which licence.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::Outcome;
use crate::process::{capture, cargo};

/// One package of the build, ours or a stranger's.
#[derive(Debug, Default, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The SPDX expression, if the manifest has one.
    pub(crate) licence: Option<String>,
    pub(crate) manifest: PathBuf,
    /// Whether it is a crate of this repository.
    pub(crate) ours: bool,
    pub(crate) uses: Vec<Use>,
}

/// An arrow from one package to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    /// The other package, as an index into [`Metadata::packages`].
    pub(crate) package: usize,
    /// Whether the program itself needs it (`[dependencies]`, `[build-dependencies]`), not only its tests.
    pub(crate) shipped: bool,
    /// Whether the tests name it (`[dev-dependencies]`).
    pub(crate) tests: bool,
}

/// All packages that a build for this machine takes part in.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

impl Metadata {
    /// Asks cargo, without a network: the sources must have been fetched, which the step `setup` of `check` sees to.
    pub(crate) fn read() -> Outcome<Self> {
        let host = host()?;
        let json = capture(cargo().args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--offline",
            "--filter-platform",
            &host,
        ]))?;
        let json: Value = serde_json::from_slice(&json).map_err(|e| format!("cargo metadata is not JSON: {e}"))?;
        Self::parse(&json).ok_or_else(|| "cargo metadata has another shape than format version 1".to_owned())
    }

    fn parse(json: &Value) -> Option<Self> {
        let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let ours: Vec<&str> = json["workspace_members"].as_array()?.iter().filter_map(Value::as_str).collect();
        let mut packages = Vec::new();
        let mut by_id = HashMap::new();
        for package in json["packages"].as_array()? {
            let id = package["id"].as_str()?;
            by_id.insert(id, packages.len());
            packages.push(Package {
                name: text(package, "name")?,
                version: text(package, "version")?,
                licence: text(package, "license"),
                manifest: text(package, "manifest_path")?.into(),
                ours: ours.contains(&id),
                uses: Vec::new(),
            });
        }
        for node in json["resolve"]["nodes"].as_array()? {
            let from = *by_id.get(node["id"].as_str()?)?;
            for dependency in node["deps"].as_array()? {
                let package = *by_id.get(dependency["pkg"].as_str()?)?;
                let kinds: Vec<Option<&str>> =
                    dependency["dep_kinds"].as_array()?.iter().map(|kind| kind["kind"].as_str()).collect();
                let tests = kinds.contains(&Some("dev"));
                let shipped = kinds.iter().any(|kind| *kind != Some("dev"));
                packages.get_mut(from)?.uses.push(Use { package, shipped, tests });
            }
        }
        Some(Self { packages, target_directory: text(json, "target_directory")?.into() })
    }

    /// The crates of this repository.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.ours)
    }
}

/// The triple of this machine, as the compiler says it.
pub(crate) fn host() -> Outcome<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text = capture(std::process::Command::new(rustc).arg("-vV"))?;
    String::from_utf8_lossy(&text)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .ok_or_else(|| "rustc -vV names no host".to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A build made of `(name, version, ours, uses)`; a use is a name, with `?` behind it when only tests use it.
    pub(crate) fn build(rows: &[(&str, &str, bool, &[&str])]) -> Metadata {
        let index = |name: &str| rows.iter().position(|row| row.0 == name).expect("a row of this name");
        let packages = rows
            .iter()
            .map(|(name, version, ours, uses)| Package {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                ours: *ours,
                uses: uses
                    .iter()
                    .map(|used| match used.strip_suffix('?') {
                        Some(used) => Use { package: index(used), shipped: false, tests: true },
                        None => Use { package: index(used), shipped: true, tests: false },
                    })
                    .collect(),
                ..Package::default()
            })
            .collect();
        Metadata { packages, target_directory: PathBuf::new() }
    }

    #[test]
    fn kinds_of_dependencies_are_told_apart() {
        let json = serde_json::json!({
            "target_directory": "/t",
            "workspace_members": ["a"],
            "packages": [
                { "id": "a", "name": "a", "version": "1.0.0", "license": "MIT", "manifest_path": "/a/Cargo.toml" },
                { "id": "b", "name": "b", "version": "2.0.0", "license": null, "manifest_path": "/b/Cargo.toml" },
                { "id": "c", "name": "c", "version": "3.0.0", "license": null, "manifest_path": "/c/Cargo.toml" },
            ],
            "resolve": { "nodes": [
                { "id": "a", "deps": [
                    { "pkg": "b", "dep_kinds": [{ "kind": "dev" }, { "kind": null }] },
                    { "pkg": "c", "dep_kinds": [{ "kind": "dev" }] },
                ] },
            ] },
        });
        let metadata = Metadata::parse(&json).expect("the shape of format version 1");
        assert_eq!(
            metadata.packages[0].uses,
            [Use { package: 1, shipped: true, tests: true }, Use { package: 2, shipped: false, tests: true }]
        );
        assert_eq!(metadata.ours().map(|package| &*package.name).collect::<Vec<_>>(), ["a"]);
    }
}
