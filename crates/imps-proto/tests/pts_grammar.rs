//! Every primitive of every version, made up from the grammar of the specification, is the same after a journey through
//! PTS. What is not built yet takes part as well: the writer and the reader know elements, not primitives.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod wire_support;

use imps_proto::wire::{Form, PtsCodes};
use imps_types::Version;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use toml::{Table, Value};
use wire_support::{Piece, Xorshift, assert_same, decode, spec, transcode, without_namespaces};

const PROJECT: Form = Form::Pts(PtsCodes::Project);

/// Documents of each primitive and version.
const ROUNDS: usize = 20;

/// Elements inside each other below a primitive.
const DEPTH: usize = 9;

/// By version, namespace and name: kind, words, children with their cardinality and choice.
struct Rule {
    kind: String,
    words: Vec<String>,
    children: Vec<(String, String, String)>,
}

struct Grammar {
    rules: HashMap<(Version, String, String), Rule>,
    primitives: Vec<String>,
}

fn text(table: &Value, key: &str) -> String {
    table.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'t>(table: &'t Value, key: &str) -> &'t [Value] {
    table.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl Grammar {
    fn load() -> Self {
        let file: Table = fs::read_to_string(spec().join("csp-elements.toml")).unwrap().parse().unwrap();
        let mut rules = HashMap::new();
        for element in file["element"].as_array().unwrap() {
            for definition in list(element, "version") {
                for version in list(definition, "versions") {
                    let version = Version::parse(version.as_str().unwrap()).unwrap();
                    let rule = Rule {
                        kind: text(definition, "type"),
                        words: list(element, "values").iter().map(|it| it.as_str().unwrap().to_owned()).collect(),
                        children: list(definition, "children")
                            .iter()
                            .map(|child| (text(child, "name"), text(child, "card"), text(child, "choice")))
                            .collect(),
                    };
                    rules.insert((version, text(element, "ns"), text(element, "name")), rule);
                }
            }
        }
        let mut primitives = Vec::new();
        for transaction in file["transaction"].as_array().unwrap() {
            primitives.push(text(transaction, "request"));
            primitives.extend(list(transaction, "responses").iter().map(|it| it.as_str().unwrap().to_owned()));
        }
        primitives.extend(["Extended-Request".to_owned(), "Extended-Response".to_owned()]);
        primitives.sort();
        primitives.dedup();
        Self { rules, primitives }
    }

    fn rule(&self, version: Version, space: &str, name: &str) -> Option<(&'static str, &Rule)> {
        let spaces: &[&'static str] = if space == "PA" { &["PA", "TRC"] } else { &["TRC", "CSP", "PA"] };
        spaces
            .iter()
            .find_map(|&space| self.rules.get(&(version, space.to_owned(), name.to_owned())).map(|rule| (space, rule)))
    }
}

struct Author<'g> {
    grammar: &'g Grammar,
    version: Version,
    random: Xorshift,
    out: String,
}

const PHRASES: [&str; 12] = [
    "wv:alice@example.org",
    "T",
    "AV",
    "na",
    "At lunch (back soon)",
    "a=b&c, \"quoted\"",
    "MP",
    "Größe €",
    "(",
    "text/plain",
    "DN",
    "+4915112345",
];

impl Author<'_> {
    fn element(&mut self, space: &str, name: &str, depth: usize) {
        let Some((space, rule)) = self.grammar.rule(self.version, space, name) else {
            panic!("{name} is not in the grammar of {}", self.version)
        };
        let _ = write!(self.out, "<{name}");
        if name == "PresenceSubList" {
            let _ = write!(self.out, " xmlns=\"{}\"", namespace("PA", self.version));
        }
        self.out.push('>');
        match rule.kind.as_str() {
            "struct" if depth < DEPTH => self.children(space, rule, depth),
            "struct" | "empty" => {}
            "any" => self.out.push_str("<Foreign><Inner a=\"1\">x y</Inner><UserID>wv:x</UserID></Foreign>"),
            kind => {
                let value = self.value(kind, &rule.words);
                self.out.push_str(&escape(&value));
            }
        }
        let _ = write!(self.out, "</{name}>");
    }

    fn children(&mut self, space: &str, rule: &Rule, depth: usize) {
        let group = |choice: &str| choice.split('.').next().unwrap_or_default().to_owned();
        let mut taken: HashMap<String, String> = HashMap::new();
        for (name, card, choice) in &rule.children {
            if !choice.is_empty() {
                // One alternative of each choice.
                let last = rule.children.iter().rev().find(|it| group(&it.2) == group(choice)).unwrap();
                let is_last = last.2 == *choice;
                let alternative = taken.get(&group(choice));
                let wanted = alternative.map_or_else(|| is_last || self.random.below(2) == 0, |it| it == choice);
                if !wanted {
                    continue;
                }
                taken.insert(group(choice), choice.clone());
            }
            let count = match card.as_str() {
                "?" => self.random.below(2),
                "*" => self.random.below(4),
                "+" => 1 + self.random.below(3),
                _ => 1,
            };
            for _ in 0..count {
                self.element(space, name, depth + 1);
            }
        }
    }

    fn value(&mut self, kind: &str, words: &[String]) -> String {
        match kind {
            "boolean" => ["T", "F"][self.random.below(2)].to_owned(),
            "integer" => self.random.below(100_000).to_string(),
            "date" => "20251123T064501Z".to_owned(),
            "enum" if !words.is_empty() => words[self.random.below(words.len())].clone(),
            _ => PHRASES[self.random.below(PHRASES.len())].to_owned(),
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn namespace(space: &str, version: Version) -> String {
    match version {
        Version::V1_1 => format!("http://www.wireless-village.org/{space}1.1"),
        Version::V1_2 => format!("http://www.openmobilealliance.org/DTD/WV-{space}1.2"),
        Version::V1_3 => format!("http://www.openmobilealliance.org/DTD/IMPS-{space}1.3"),
    }
}

fn message(grammar: &Grammar, version: Version, primitive: &str, seed: u64) -> String {
    let mode = if primitive.ends_with("-Request") { "Request" } else { "Response" };
    // In a login response SI is the new session.
    let session = if primitive == "Login-Response" {
        "<SessionType>Outband</SessionType>"
    } else {
        "<SessionType>Inband</SessionType><SessionID>s17</SessionID>"
    };
    let (flag_of_11, flag) =
        if version == Version::V1_1 { ("<Poll>T</Poll>", "") } else { ("", "<Poll>F</Poll><CIR>T</CIR>") };
    let out = format!(
        "<WV-CSP-Message xmlns=\"{}\"><Session><SessionDescriptor>{session}</SessionDescriptor><Transaction>\
         <TransactionDescriptor><TransactionMode>{mode}</TransactionMode><TransactionID>{}</TransactionID>{flag_of_11}\
         </TransactionDescriptor><TransactionContent xmlns=\"{}\">",
        namespace("CSP", version),
        seed % 1000,
        namespace("TRC", version),
    );
    let mut author = Author { grammar, version, random: Xorshift(seed), out };
    author.element("TRC", primitive, 0);
    let _ = write!(author.out, "</TransactionContent></Transaction>{flag}</Session></WV-CSP-Message>");
    author.out
}

/// Space around text says nothing, and stands behind some for the sake of a client; elements of one name are together.
fn normal(pieces: &[Piece]) -> Vec<Piece> {
    let trimmed = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => Piece::Text(text.trim().to_owned()),
        other => other.clone(),
    });
    trimmed.collect()
}

#[test]
fn every_primitive_of_every_version() {
    let grammar = Grammar::load();
    let mut documents = 0;
    for version in Version::ALL {
        for primitive in &grammar.primitives {
            if grammar.rule(version, "TRC", primitive).is_none() {
                continue;
            }
            for round in 0..ROUNDS {
                let seed = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(1 + documents as u64 * 64 + round as u64) | 1;
                let xml = message(&grammar, version, primitive, seed);
                let expected = normal(&decode(Form::Xml, xml.as_bytes()).unwrap());
                let pts = transcode(Form::Xml, xml.as_bytes(), PROJECT, version).unwrap();
                let shown = String::from_utf8_lossy(&pts).into_owned();
                let ours = decode(PROJECT, &pts).unwrap_or_else(|error| panic!("{error}: {shown}\n{xml}"));
                let is_discovery = primitive.contains("VersionDiscovery");
                let [ours, expected] = [normal(&ours), expected].map(|pieces| {
                    // It is of no version, and so are its namespaces.
                    if is_discovery { without_namespaces(pieces) } else { pieces }
                });
                assert_same(&format!("{shown}\n{xml}"), &ours, &expected);
            }
            documents += 1;
        }
    }
    assert!(documents > 3 * 60, "{documents}");
}
