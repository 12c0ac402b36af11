//! `cargo xtask fuzz`: the targets in `fuzz/`, on the one toolchain that is installed.
//!
//! cargo-fuzz wants a nightly compiler for its sanitizer; `RUSTC_BOOTSTRAP=1` makes the installed one accept those flags, and it
//! ships the sanitizer's runtime.

use std::path::{Path, PathBuf};

use crate::process::{cargo, root, stream, succeeds};
use crate::{Outcome, packages};

pub(crate) const HELP: &str = "\
Feed the decoders with mutated input, starting from the test vectors.

Usage: cargo xtask fuzz [TARGET]... [--minutes N] [-- ARGUMENTS OF libFuzzer]

Arguments:
  TARGET        a file name in fuzz/fuzz_targets, without .rs; all of them, one after the other, when none is named

Options:
  --minutes N   how long each target runs [default: 10]
  --list        show the targets

Installs cargo-fuzz if it is missing (cargo install cargo-fuzz --locked). Inputs that found new code are kept in fuzz/corpus, an
input that was a finding in fuzz/artifacts. Fix it, and keep the input as a vector in spec/vectors.";

/// The subcommand.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let known = targets()?;
    let (mut chosen, mut minutes, mut list, mut rest) = (Vec::new(), 10_u64, false, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--" => {
                rest = arguments.cloned().collect();
                break;
            }
            "--list" => list = true,
            "--minutes" => {
                let value = arguments.next().ok_or("--minutes needs a number")?;
                minutes = value
                    .parse()
                    .ok()
                    .filter(|&minutes| minutes > 0)
                    .ok_or(format!("`{value}` is no number of minutes"))?;
            }
            target if known.iter().any(|known| known == target) => chosen.push(target.to_owned()),
            _ => {
                return Err(format!("`{argument}` is neither an option nor a target; targets: {}", known.join(", ")));
            }
        }
    }
    if list {
        println!("{}", known.join("\n"));
        return Ok(());
    }
    if chosen.is_empty() {
        chosen = known;
    }
    packages::install(packages::FOR_FUZZ)?;
    if !succeeds(cargo().args(["fuzz", "--version"])) {
        stream(cargo().args(["install", "cargo-fuzz", "--locked"]))?;
    }
    for target in &chosen {
        let corpus = seed(target)?;
        let time = format!("-max_total_time={}", minutes.saturating_mul(60));
        let mut fuzz = cargo();
        fuzz.env("RUSTC_BOOTSTRAP", "1").args(["fuzz", "run", target]).arg(corpus).args(["--", &time]).args(&rest);
        stream(&mut fuzz).map_err(|error| format!("{error}\n       what it found is in fuzz/artifacts/{target}"))?;
    }
    Ok(())
}

fn targets() -> Outcome<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

/// Puts the vectors that a target can read into its corpus; says where that is.
fn seed(target: &str) -> Outcome<PathBuf> {
    let corpus = root().join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus).map_err(|e| format!("cannot create {}: {e}", corpus.display()))?;
    if target.contains("clp") {
        seed_lines(&corpus)?;
        return Ok(corpus);
    }
    let vectors = root().join("spec/vectors");
    // What domains say to each other is no vector of CSP.
    let ssp = ["crates/imps-proto/tests/ssp/good", "crates/imps-proto/tests/ssp/odd"];
    let folders = if target.contains("ssp") { ssp.map(|it| root().join(it)).to_vec() } else { vec![vectors.clone()] };
    for folder in folders {
        let entries = std::fs::read_dir(&folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let Some(name) = path.file_name().filter(|_| reads(target, &path)) else { continue };
            // Under a name of its own: libFuzzer names what it keeps by digest.
            let copy = corpus.join(name);
            if !copy.exists() {
                std::fs::copy(&path, &copy).map_err(|e| format!("cannot copy to {}: {e}", copy.display()))?;
            }
        }
    }
    // Few vectors are in JSON and PTS: the others say the same in it.
    if let Some(encoding) = ["json", "pts"].into_iter().find(|encoding| target.contains(encoding)) {
        let files = std::fs::read_dir(&vectors).map_err(|e| format!("cannot read {}: {e}", vectors.display()))?;
        let files = files.filter_map(|entry| Some(entry.ok()?.path()));
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "xml"));
        let mut transcode = cargo();
        transcode.args(["run", "--quiet", "--package", "imps-proto", "--example", "transcode", "--", encoding]);
        stream(transcode.arg(&corpus).args(files))?;
    }
    Ok(corpus)
}

/// Puts what the people of the documented session type into a corpus: each line, and all of them.
fn seed_lines(corpus: &Path) -> Outcome {
    let path = root().join("crates/imps-testkit/clp/session.txt");
    let session = std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let lines = typed(&session);
    let each = lines.iter().enumerate().map(|(number, line)| (format!("session-{number:03}"), line.clone()));
    for (name, octets) in each.chain([("session".to_owned(), lines.concat())]) {
        let copy = corpus.join(name);
        if !copy.exists() {
            std::fs::write(&copy, octets).map_err(|e| format!("cannot write {}: {e}", copy.display()))?;
        }
    }
    Ok(())
}

/// What somebody types in a session: what stands behind `name> `.
fn typed(session: &str) -> Vec<String> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    let lines = session.lines().filter_map(|line| line.split_once("> ").filter(|(name, _)| is_name(name)));
    lines.map(|(_, typed)| format!("{typed}\r\n")).collect()
}

/// Whether a vector is of the encoding that a target is named for; one that is named for none reads all.
fn reads(target: &str, vector: &Path) -> bool {
    let Some(extension) = vector.extension().and_then(|extension| extension.to_str()) else { return false };
    let encodings = ["wbxml", "xml", "pts", "json"];
    match encodings.iter().find(|encoding| target.contains(**encoding)) {
        Some(encoding) => extension == *encoding,
        None => encodings.contains(&extension),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_a_seed() {
        let session = "# Chapter\n(bob connects)\nbob: +200 hello\nbob> login bob x\nbob: +200 > you\nann> ping\n";
        assert_eq!(typed(session), ["login bob x\r\n", "ping\r\n"]);
    }

    #[test]
    fn seeds_are_chosen_by_the_encoding_in_the_targets_name() {
        for (target, vector, expected) in [
            ("wbxml", "v12-login.wbxml", true),
            ("wbxml", "v12-login.xml", false),
            ("decode_xml", "v12-login.xml", true),
            ("decode_xml", "v12-login.wbxml", false),
            ("answer", "v12-login.wbxml", true),
            ("answer", "INDEX.md", false),
        ] {
            assert_eq!(reads(target, Path::new(vector)), expected, "{target} {vector}");
        }
    }
}
