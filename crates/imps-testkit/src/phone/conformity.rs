//! Whether what a server sends is what its version's grammar allows: names, order and number of children, simple values.
//!
//! The grammar is read from `spec/csp-elements.toml` itself, not from the server's tables. A phone accepts more than this;
//! but a server must emit exactly it (CSP, before chapter 1).

use std::collections::HashMap;
use std::sync::LazyLock;

use imps_types::Version;
use toml::Value;

use super::tree::Node;

/// What one element may contain in one version.
#[derive(Debug, Default)]
struct Rule {
    kind: String,
    values: Vec<String>,
    children: Vec<Child>,
}

#[derive(Debug)]
struct Child {
    name: String,
    /// Its place in the order; alternatives of one choice share theirs.
    place: usize,
    is_required: bool,
    may_repeat: bool,
}

/// By version and name; attributes of presence have the names of their own space in front: `PA:Status`.
type Grammar = HashMap<(Version, String), Rule>;

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| read(include_str!("../../../../spec/csp-elements.toml")));

fn text<'a>(table: &'a Value, key: &str) -> &'a str {
    table.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(table: &'a Value, key: &str) -> &'a [Value] {
    table.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn key(space: &str, name: &str) -> String {
    if space == "PA" { format!("PA:{name}") } else { name.to_owned() }
}

fn read(source: &str) -> Grammar {
    let file: toml::Table = source.parse().unwrap_or_default();
    let mut grammar = Grammar::new();
    for element in file.get("element").and_then(Value::as_array).map_or(&[][..], Vec::as_slice) {
        for definition in list(element, "version") {
            for version in list(definition, "versions").iter().filter_map(Value::as_str).filter_map(Version::parse) {
                let rule = Rule {
                    kind: text(definition, "type").to_owned(),
                    values: list(element, "values").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                    children: children(list(definition, "children")),
                };
                grammar.insert((version, key(text(element, "ns"), text(element, "name"))), rule);
            }
        }
    }
    grammar
}

fn children(definitions: &[Value]) -> Vec<Child> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut children = Vec::new();
    for (index, definition) in definitions.iter().enumerate() {
        let choice = text(definition, "choice").split('.').next().unwrap_or_default();
        let place = if choice.is_empty() { index } else { *places.entry(choice).or_insert(index) };
        let card = text(definition, "card");
        children.push(Child {
            name: text(definition, "name").to_owned(),
            place,
            is_required: choice.is_empty() && matches!(card, "1" | "+"),
            may_repeat: matches!(card, "*" | "+"),
        });
    }
    children
}

/// The rule for an element, inside presence attributes or not.
fn rule(name: &str, in_presence: bool, version: Version) -> Option<&'static Rule> {
    let presence = in_presence.then(|| GRAMMAR.get(&(version, key("PA", name)))).flatten();
    presence.or_else(|| GRAMMAR.get(&(version, name.to_owned())))
}

/// The type of an element in a version, or in any that has it.
pub(super) fn kind(name: &str, in_presence: bool, version: Version) -> Option<&'static str> {
    let versions = [version, Version::V1_3, Version::V1_2, Version::V1_1];
    versions.iter().find_map(|version| rule(name, in_presence, *version)).map(|rule| rule.kind.as_str())
}

/// Whether some version lets an element have several of this child: in JSON it is a list then. Each criterion of a search
/// is a SearchPairList of its own (`docs/json.md`).
pub(super) fn may_repeat(parent: &str, child: &str, in_presence: bool) -> bool {
    let is_criterion = parent == "SearchPairList" && child != "SearchPair";
    !is_criterion
        && Version::ALL
            .iter()
            .filter_map(|version| rule(parent, in_presence, *version))
            .any(|rule| rule.children.iter().any(|known| known.name == child && known.may_repeat))
}

/// The type of an element in a version: `string`, `integer`, `boolean`, `enum`, `date`, `struct`.. ; none where the version
/// does not know it.
pub fn kind_of(name: &str, version: Version) -> Option<&'static str> {
    let rule = GRAMMAR.get(&(version, name.to_owned())).or_else(|| GRAMMAR.get(&(version, format!("PA:{name}"))));
    rule.map(|rule| rule.kind.as_str())
}

/// Every way in which a document breaks the grammar of its version, as sentences.
pub fn complaints(root: &Node, version: Version) -> Vec<String> {
    let mut found = Vec::new();
    look(root, false, version, &mut found);
    found
}

/// What a client published in a namespace of its own is passed on to others as it is (CSP 11, "Extensions").
fn is_foreign(node: &Node) -> bool {
    let ours = ["http://www.wireless-village.org/", "http://www.openmobilealliance.org/DTD/"];
    node.xmlns.as_deref().is_some_and(|xmlns| !ours.iter().any(|prefix| xmlns.starts_with(prefix)))
}

fn look(node: &Node, in_presence: bool, version: Version, found: &mut Vec<String>) {
    if in_presence && is_foreign(node) {
        return;
    }
    let in_presence = in_presence || node.name == "PresenceSubList";
    let Some(rule) = rule(&node.name, in_presence, version) else {
        found.push(format!("{} is not an element of {version}", node.name));
        return;
    };
    match rule.kind.as_str() {
        "any" => return,
        "struct" => look_inside(node, rule, version, found),
        kind => {
            if !node.children.is_empty() {
                found.push(format!("{} has children, but is of type {kind} in {version}", node.name));
            } else if let Some(wrong) = wrong_value(node, kind, rule) {
                found.push(wrong);
            }
        }
    }
    for child in &node.children {
        look(child, in_presence, version, found);
    }
}

fn wrong_value(node: &Node, kind: &str, rule: &Rule) -> Option<String> {
    let text = node.text.as_str();
    let is_right = match kind {
        "boolean" => matches!(text, "T" | "F"),
        "integer" => text.parse::<u32>().is_ok(),
        "empty" => text.is_empty(),
        // One DigestSchema of 1.1 may name several (CSP 4.1).
        "enum" => rule.values.is_empty() || text.split(',').all(|one| rule.values.iter().any(|value| value == one)),
        "date" => text.len() == 16 && text.ends_with('Z') && text.as_bytes().get(8) == Some(&b'T'),
        _ => true,
    };
    (!is_right).then(|| format!("{} is of type {kind}, and `{text}` is not", node.name))
}

fn look_inside(node: &Node, rule: &Rule, version: Version, found: &mut Vec<String>) {
    let mut place = 0;
    for child in node.children.iter().filter(|child| !is_foreign(child)) {
        let Some(known) = rule.children.iter().find(|known| known.name == child.name) else {
            found.push(format!("{} has a child {} that {version} does not know there", node.name, child.name));
            continue;
        };
        if known.place < place {
            found.push(format!("{}: {} stands too late", node.name, child.name));
        }
        place = place.max(known.place);
    }
    for known in &rule.children {
        let count = node.children.iter().filter(|child| child.name == known.name).count();
        if known.is_required && count == 0 {
            found.push(format!("{} lacks {}, which {version} requires", node.name, known.name));
        }
        if !known.may_repeat && count > 1 {
            found.push(format!("{} has {count} times {}, once is allowed in {version}", node.name, known.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(children: impl IntoIterator<Item = Node>) -> Vec<String> {
        complaints(&Node::new("Status", [Node::new("Result", children)]), Version::V1_2)
    }

    #[test]
    fn what_is_right_and_what_is_not() {
        let code = || Node::leaf("Code", "200");
        let text = || Node::leaf("Description", "OK");
        assert_eq!(result([code(), text()]), Vec::<String>::new());
        assert_eq!(result([text(), code()]), ["Result: Code stands too late"]);
        assert_eq!(result([text()]), ["Result lacks Code, which 1.2 requires"]);
        assert_eq!(result([code(), code()]), ["Result has 2 times Code, once is allowed in 1.2"]);
        assert_eq!(result([Node::leaf("Code", "OK")]), ["Code is of type integer, and `OK` is not"]);
        let late = Node::leaf("TryAgainTimeout", "10");
        assert!(result([code(), late.clone()])[0].contains("TryAgainTimeout"));
        let newer = Node::new("Status", [Node::new("Result", [code(), late])]);
        assert_eq!(complaints(&newer, Version::V1_3), Vec::<String>::new());
    }

    #[test]
    fn presence_has_its_own_names() {
        let cap = Node::new("CommC", [Node::leaf("Cap", "IM"), Node::leaf("Status", "OPEN")]);
        let list = Node::new("PresenceSubList", [Node::new("CommCap", [Node::leaf("Qualifier", "T"), cap])]);
        assert_eq!(complaints(&list, Version::V1_1), Vec::<String>::new());
    }
}
