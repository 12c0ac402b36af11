//! `docs/conformance.md`: which scenario shows which transaction and which feature, from what a run of all scenarios has
//! proven. The run writes into `target/tmp/scenarios`; nothing here is kept by hand.

pub(crate) mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::metadata::Metadata;
use crate::process::root;
use crate::{Outcome, toml};

/// The document.
pub(crate) const DOCUMENT: &str = "docs/conformance.md";

const VERSIONS: [&str; 3] = ["1.1", "1.2", "1.3"];
const FORMS: [&str; 4] = ["XML", "WBXML", "PTS", "JSON"];

/// Who begins it, transaction, version and encoding; and the scenarios that prove it.
type Proofs = BTreeMap<(bool, String, String, String), BTreeSet<(String, String)>>;

/// What the scenarios have shown in the last whole run.
#[derive(Default)]
struct Shown {
    /// By initiator, request, version and encoding: the scenarios, and by what the effect was seen.
    proofs: Proofs,
    /// By feature: the scenarios.
    features: BTreeMap<String, BTreeSet<String>>,
    /// By scenario: in how many cells it could stand. The fewer, the more it is about each.
    widths: BTreeMap<String, usize>,
    /// Primitives that no server answers yet.
    unbuilt: BTreeSet<String>,
    /// Scenario, reason, combinations.
    left_out: Vec<(String, String, u64)>,
    /// The combinations that were to run.
    combinations: usize,
}

/// A page, and what it lacks.
pub(crate) struct Page {
    pub(crate) text: String,
    /// Cells and features that nothing shows.
    pub(crate) gaps: Vec<String>,
    /// Whether gaps are excused: not everything is built yet.
    pub(crate) is_unfinished: bool,
}

/// Where a run of the scenarios leaves what it has shown.
pub(crate) fn folder(metadata: &Metadata) -> PathBuf {
    metadata.target_directory.join("tmp/scenarios")
}

/// The page, from the last whole run.
pub(crate) fn page(metadata: &Metadata) -> Outcome<Page> {
    let shown = Shown::read(&folder(metadata))?;
    let read = |path: &str| std::fs::read_to_string(root().join(path)).map_err(|e| format!("cannot read {path}: {e}"));
    let elements = toml::parse(&read("spec/csp-elements.toml")?).map_err(|e| format!("spec/csp-elements.toml, {e}"))?;
    let mut page = make(&elements, &read("docs/features.md")?, &shown)?;
    wire::Wire::read(metadata)?.write(&mut page.text, &mut page.gaps);
    Ok(page)
}

fn read_json(path: &Path) -> Outcome<Value> {
    let text = std::fs::read_to_string(path)
        .map_err(|_| "the scenarios were not run as a whole: cargo test -p imps-testkit --test scenarios".to_owned())?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

impl Shown {
    fn read(folder: &Path) -> Outcome<Self> {
        let plan = read_json(&folder.join("plan.json"))?;
        let mut shown = Self::default();
        shown.unbuilt.extend(list(&plan, "unbuilt").iter().filter_map(Value::as_str).map(str::to_owned));
        for row in list(&plan, "left_out") {
            let word = |index: usize| row[index].as_str().unwrap_or_default().to_owned();
            shown.left_out.push((word(0), word(1), row[2].as_u64().unwrap_or_default()));
        }
        for combination in list(&plan, "combinations").iter().filter_map(Value::as_str) {
            shown.combinations += 1;
            let run = read_json(&folder.join(format!("{combination}.json")))?;
            for scenario in list(&run, "scenarios") {
                shown.take(scenario);
            }
        }
        let mut cells: BTreeMap<&str, BTreeSet<_>> = BTreeMap::new();
        for ((by_server, request, ..), scenarios) in &shown.proofs {
            for (scenario, _) in scenarios {
                cells.entry(scenario).or_default().insert((by_server, request));
            }
        }
        shown.widths = cells.into_iter().map(|(name, cells)| (name.to_owned(), cells.len())).collect();
        Ok(shown)
    }

    fn take(&mut self, scenario: &Value) {
        let name = text(scenario, "name");
        for feature in list(scenario, "shows").iter().filter_map(Value::as_str) {
            self.features.entry(feature.to_owned()).or_default().insert(name.to_owned());
        }
        for proof in list(scenario, "proofs") {
            let by_server = proof["by_server"].as_bool().unwrap_or_default();
            let word = |key: &str| text(proof, key).to_owned();
            self.proofs
                .entry((by_server, word("request"), word("version"), word("form")))
                .or_default()
                .insert((name.to_owned(), word("seen_by")));
        }
    }

    /// The scenarios that prove a transaction in a version and encoding.
    fn of(&self, transaction: &Value, version: &str, form: &str) -> BTreeSet<(String, String)> {
        let sides: &[bool] = match text(transaction, "initiator") {
            "server" => &[true],
            "client" => &[false],
            _ => &[false, true],
        };
        let request = text(transaction, "request");
        let cell =
            |by_server: &bool| self.proofs.get(&(*by_server, request.to_owned(), version.to_owned(), form.to_owned()));
        sides.iter().filter_map(cell).flatten().cloned().collect()
    }
}

fn make(elements: &Value, features: &str, shown: &Shown) -> Outcome<Page> {
    let mut gaps = Vec::new();
    let mut page = format!(
        "# Conformance\n\n\
         Generated by `cargo xtask generate` from a run of all scenarios (`crates/imps-testkit/scenarios`) in {} combinations of\n\
         storage engine, version and encoding; `cargo xtask check` runs them and fails when this is stale.\n\n\
         ## Transactions\n\n\
         A cell names a scenario in which a phone of that version and encoding carried the transaction through, its answer was read and\n\
         says success, and a later statement of the scenario shows its effect: *seen by* says with what. `itself`: the response has what\n\
         was asked for. `received`: the phone took it. `session`: the phone is served in its session. `refused`: a later request of\n\
         somebody is refused because of it. `nothing`: somebody gets nothing because of it. `operator`: the operator reads of it.\n\
         `design`: it is refused with 501, since there is no source of maps. \u{2013}: the version does not have it. PTS is that with all\n\
         codes, ours where none is attested.\n\n",
        shown.combinations
    );
    transactions(elements, shown, &mut page, &mut gaps)?;
    feature_table(features, shown, &mut page, &mut gaps)?;
    page.push_str("\n## What does not run everywhere\n\n| scenario | why not | in combinations |\n|---|---|---|\n");
    for (name, why, count) in &shown.left_out {
        page.push_str(&format!("| {name} | {} | {count} |\n", why.replace('|', "\\|")));
    }
    Ok(Page { text: page, gaps, is_unfinished: !shown.unbuilt.is_empty() })
}

fn transactions(elements: &Value, shown: &Shown, page: &mut String, gaps: &mut Vec<String>) -> Outcome {
    let rows = elements["transaction"].as_array().ok_or("spec/csp-elements.toml has no [[transaction]]")?;
    let columns: Vec<(&str, &str)> =
        VERSIONS.iter().flat_map(|version| FORMS.iter().map(move |form| (*version, *form))).collect();
    let heads: Vec<String> = columns.iter().map(|(version, form)| format!("{version} {form}")).collect();
    page.push_str(&format!(
        "| transaction | seen by | {} |\n|---|---|{}\n",
        heads.join(" | "),
        "---|".repeat(columns.len())
    ));
    for row in rows {
        let request = text(row, "request");
        let mut seen_by = BTreeSet::new();
        let mut cells = Vec::new();
        for (version, form) in &columns {
            let is_there = (text(row, "since")..=text(row, "until")).contains(version);
            if !is_there {
                cells.push("\u{2013}".to_owned());
                continue;
            }
            let proofs = shown.of(row, version, form);
            seen_by.extend(proofs.iter().map(|(_, seen_by)| seen_by.clone()));
            let width = |name: &String| shown.widths.get(name).copied().unwrap_or(usize::MAX);
            match proofs.iter().map(|(name, _)| (width(name), name)).min() {
                Some((_, name)) => cells.push(name.clone()),
                None => {
                    gaps.push(format!("{request} in {version} as {form}"));
                    cells.push(String::new());
                }
            }
        }
        let seen_by: Vec<String> = seen_by.into_iter().collect();
        let side = if text(row, "initiator") == "server" { " (server)" } else { "" };
        page.push_str(&format!("| {request}{side} | {} | {} |\n", seen_by.join(", "), cells.join(" | ")));
    }
    Ok(())
}

/// The features with their scenarios, in the order of `docs/features.md`.
fn feature_table(features: &str, shown: &Shown, page: &mut String, gaps: &mut Vec<String>) -> Outcome {
    page.push_str("\n## Features\n\nWhat each number is stands in [features](features.md).\n\n");
    page.push_str("| feature | what | scenarios |\n|---|---|---|\n");
    let mut known = BTreeSet::new();
    for (number, about) in feature_list(features) {
        let scenarios: Vec<&str> = shown.features.get(&number).into_iter().flatten().map(String::as_str).collect();
        if scenarios.is_empty() {
            gaps.push(format!("feature {number}"));
        }
        page.push_str(&format!("| {number} | {} | {} |\n", about.replace('|', "\\|"), scenarios.join(", ")));
        known.insert(number);
    }
    match shown.features.iter().find(|(number, _)| !known.contains(*number)) {
        Some((number, scenarios)) => Err(format!("docs/features.md has no feature {number}, which {scenarios:?} show")),
        None => Ok(()),
    }
}

/// The numbers and texts of `- **5.1a** What it is.`, which may go on in the next lines.
fn feature_list(features: &str) -> Vec<(String, String)> {
    let mut list: Vec<(String, String)> = Vec::new();
    let mut is_open = false;
    for line in features.lines() {
        if let Some((number, about)) = line.strip_prefix("- **").and_then(|rest| rest.split_once("** ")) {
            list.push((number.to_owned(), about.trim().to_owned()));
            is_open = true;
        } else if let (true, Some(more), Some((_, about))) = (is_open, line.strip_prefix("  "), list.last_mut()) {
            about.push(' ');
            about.push_str(more.trim());
        } else {
            is_open = false;
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown() -> Shown {
        let mut shown = Shown { combinations: 1, ..Shown::default() };
        let proof = |version: &str, form: &str| json!({"by_server": false, "request": "A-Request", "version": version, "form": form, "seen_by": "itself"});
        let proofs: Vec<Value> = FORMS.iter().map(|form| proof("1.3", form)).collect();
        shown.take(&json!({"name": "wide", "shows": ["5.1a"], "proofs": proofs}));
        shown.take(&json!({"name": "xylophone", "shows": [], "proofs": [proof("1.3", "XML")]}));
        shown.widths = BTreeMap::from([("wide".to_owned(), 9), ("xylophone".to_owned(), 1)]);
        shown
    }

    const FEATURES: &str = "# F\n\n- **5.1a** One,\n  and more.\n\n  not this\n";

    #[test]
    fn cells_name_the_scenario_that_is_about_it() -> Outcome {
        let elements = json!({"transaction": [
            {"request": "A-Request", "initiator": "client", "since": "1.2", "until": "1.3"}]});
        let page = make(&elements, FEATURES, &shown())?;
        let row = "| A-Request | itself | \u{2013} | \u{2013} | \u{2013} | \u{2013} |  |  |  |  | xylophone | wide | wide | wide |";
        assert!(page.text.contains(row), "{}", page.text);
        assert!(page.text.contains("| 5.1a | One, and more. | wide |"), "{}", page.text);
        assert_eq!(page.gaps.len(), 4);
        assert_eq!(page.gaps.first().map(String::as_str), Some("A-Request in 1.2 as XML"));
        Ok(())
    }

    #[test]
    fn a_feature_that_nobody_knows_is_a_mistake() {
        let elements = json!({"transaction": []});
        assert!(make(&elements, "- **5.1b** Another.\n", &shown()).is_err_and(|error| error.contains("5.1a")));
    }

    #[test]
    fn the_page_of_features_has_sections_5_to_10() -> Outcome {
        let features = std::fs::read_to_string(root().join("docs/features.md")).map_err(|e| e.to_string())?;
        let numbers: Vec<String> = feature_list(&features).into_iter().map(|(number, _)| number).collect();
        for section in [
            "5.1", "5.1.1", "5.1.2", "5.2", "5.3.2", "5.3.3", "5.3.4", "5.3.5", "5.3.6", "5.3.7", "5.4.1", "5.4.2",
            "5.4.3", "6.1", "6.2", "6.3", "6.4", "7", "7.1.1", "7.1.2", "7.1.3", "7.2.1", "7.2.2", "7.2.3", "7.2.4",
            "7.2.5", "7.3.1", "7.3.2", "7.3.3", "7.3.4", "7.3.5", "8", "9.1", "9.2", "9.3", "9.4", "10.1", "10.2",
        ] {
            assert!(numbers.contains(&format!("{section}a")), "{section}");
        }
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
        Ok(())
    }
}
