//! PTS as a phone writes it, and what it can read of it (Encoding 2).
//!
//! Written from the specification and its table, `spec/pts.toml`, rather than with the server's writer: a mistake that both
//! of the server's sides make would not be seen otherwise.

use std::collections::HashMap;
use std::sync::LazyLock;

use imps_types::Version;
use toml::{Table, Value};

use super::tree::Node;

/// The letters, as the table has them.
struct Letters {
    file: Table,
}

static LETTERS: LazyLock<Letters> =
    LazyLock::new(|| Letters { file: include_str!("../../../../spec/pts.toml").parse().unwrap_or_default() });

/// Codes that the table lacks, and this project has.
const MISSING: [(&str, &str); 2] = [("RA", "GetReactiveAuthStatus-Request"), ("AR", "GetReactiveAuthStatus-Response")];

impl Letters {
    fn table<'a>(&'a self, path: &str) -> Option<&'a Table> {
        path.split('.').try_fold(&self.file, |table, key| table.get(key)?.as_table())
    }

    /// The code in this table that stands for this name, where who writes it is `by`.
    fn code(&self, table: &str, key: &str, name: &str, by: &str) -> Option<&str> {
        let stands = |value: &Value| match value {
            Value::String(text) => text == name,
            Value::Table(row) => {
                let is = |key: &str| row.get(key).and_then(Value::as_str);
                is(key) == Some(name) && is("dir").is_none_or(|dir| dir.contains(by))
            }
            _ => false,
        };
        self.table(table)?.iter().find(|(_, value)| stands(value)).map(|(code, _)| code.as_str())
    }

    fn transaction(&self, primitive: &str, with_own: bool) -> Option<&str> {
        let known = self.code("transaction", "primitive", primitive, "c");
        let own = || {
            let own = self.code("project.transaction", "", primitive, "");
            own.or_else(|| MISSING.iter().find(|(_, name)| *name == primitive).map(|(code, _)| *code))
        };
        known.or_else(|| if with_own { own() } else { None })
    }

    fn word(&self, table: &str, name: &str) -> Option<&str> {
        self.code(table, "element", name, "")
    }

    /// What a server may send to a client that knows only what is attested.
    fn is_for_clients(&self, table: &str, code: &str) -> bool {
        let row = self.table(table).and_then(|table| table.get(code)).and_then(Value::as_table);
        row.and_then(|row| row.get("dir")).and_then(Value::as_str).is_some_and(|dir| dir.contains('s'))
    }
}

/// How a phone writes.
#[derive(Clone, Copy)]
struct Pen {
    /// It has our own codes too.
    with_own: bool,
    /// It writes as Android does, faults included (Encoding 2.5).
    is_android: bool,
}

/// A message in PTS: one transaction.
///
/// # Errors
/// What cannot be said in it.
pub fn write(root: &Node, version: Version, with_own: bool, is_android: bool) -> Result<Vec<u8>, String> {
    let pen = Pen { with_own, is_android };
    let transactions = root.find("Transaction");
    let (id, mode, primitive) = match &*transactions {
        [] => ("1", "Request", root),
        [one] => {
            let primitive = one.child("TransactionContent").and_then(|content| content.children.first());
            let id = one.text_at("TransactionDescriptor/TransactionID").filter(|id| !id.is_empty()).unwrap_or("0");
            let mode = one.text_at("TransactionDescriptor/TransactionMode").unwrap_or_default();
            (id, mode, primitive.ok_or("a transaction without a primitive")?)
        }
        _ => return Err("PTS carries one transaction in a message".to_owned()),
    };
    let code = LETTERS.transaction(&primitive.name, with_own);
    // What nobody has heard of has letters that nobody has heard of.
    let code =
        code.or(with_own.then_some("ZZ")).ok_or_else(|| format!("no code is attested for {}", primitive.name))?;
    let digits = match (transactions.is_empty(), version) {
        (true, _) => "XX",
        (_, Version::V1_1) => "11",
        (_, Version::V1_2) => "12",
        (_, Version::V1_3) => "13",
    };
    let mut parts = vec![format!("WV{digits}{code}{id}")];
    if let Some(session) = root.text_at("SessionDescriptor/SessionID") {
        parts.push(format!("SI={session}"));
    }
    for (name, value) in pen.parameters(primitive)? {
        parts.push(format!("{name}={value}"));
    }
    // These are answers unless they say otherwise: a convention of this project.
    if matches!(&*primitive.name, "MessageDelivered" | "Status" | "GetSegment-Response") && mode == "Request" {
        parts.push("TransactionMode=Request".to_owned());
    }
    if let Some(info) = transactions.first().and_then(|one| one.child("TransactionDescriptor")?.child("SegmentInfo")) {
        parts.push(format!("SegmentInfo={}", value(info)));
    }
    Ok(parts.join(" ").into_bytes())
}

type Parameters = Vec<(String, String)>;

impl Pen {
    fn parameters(self, primitive: &Node) -> Result<Parameters, String> {
        let mut written = Parameters::new();
        let mut by_name: Vec<(&str, Vec<&Node>)> = Vec::new();
        for child in &primitive.children {
            match by_name.iter_mut().find(|(name, _)| *name == child.name) {
                Some((_, nodes)) => nodes.push(child),
                None => by_name.push((&child.name, vec![child])),
            }
        }
        for (name, nodes) in by_name {
            if name == "MessageInfo" && primitive.name == "SendMessage-Request" {
                self.message_info(nodes.first().ok_or("no MessageInfo")?, &mut written);
                continue;
            }
            match self.known(primitive, name, &nodes) {
                Some(parameter) => written.push(parameter),
                None if self.with_own => written.push((name.to_owned(), list(nodes.iter().map(|one| value(one))))),
                None => return Err(format!("what is attested of PTS cannot say {name} in {}", primitive.name)),
            }
        }
        Ok(written)
    }

    /// The parameter of an element that the table has letters for.
    fn known(self, primitive: &Node, name: &str, nodes: &[&Node]) -> Option<(String, String)> {
        let first = *nodes.first()?;
        let with = |name: &str, value: String| Some((LETTERS.code("element", "element", name, "c")?.to_owned(), value));
        match name {
            "UserID" => with("UserID", list(nodes.iter().map(|one| quoted(&one.text)))),
            "User" => {
                let ids: Option<Vec<_>> = nodes.iter().map(|one| only_text(one, "UserID").map(quoted)).collect();
                with("UserID", list(ids?.into_iter()))
            }
            "UserIDList" | "ContactListIDList" if !first.children.is_empty() => {
                let name = if name == "UserIDList" { "UserID" } else { "ContactList" };
                with(name, list(first.children.iter().map(|one| quoted(&one.text))))
            }
            "ContactList" => with(name, list(nodes.iter().map(|one| quoted(&one.text)))),
            "ClientID" => with(name, quoted(only_text(first, "URL")?)),
            "Result" => with(name, quoted(only_text(first, "Code")?)),
            "NickList" | "AddNickList" | "RemoveNickList" => {
                let pairs: Option<Vec<_>> = first.children.iter().map(nick).collect();
                with(name, group(pairs.filter(|pairs| !pairs.is_empty())?.into_iter()))
            }
            "ContactListProperties" => {
                let pair = |one: &Node| {
                    let name = one.child_text("Name")?;
                    let code = LETTERS.word("contact_list_property", name).map(str::to_owned);
                    Some(format!("({},{})", code.unwrap_or_else(|| quoted(name)), quoted(one.child_text("Value")?)))
                };
                let pairs: Option<Vec<_>> = first.children.iter().map(pair).collect();
                with(name, group(pairs?.into_iter()))
            }
            "CapabilityList" => with(name, group(first.children.iter().filter_map(|one| self.capability(one)))),
            "Functions" => {
                let features = first.child("WVCSPFeat")?;
                let code = |one: &Node| {
                    one.children.is_empty().then(|| LETTERS.word("service", &one.name).map(str::to_owned)).flatten()
                };
                let codes: Option<Vec<_>> = features.children.iter().map(code).collect();
                with(name, group(codes.filter(|codes| !codes.is_empty())?.into_iter()))
            }
            "PresenceSubList" if primitive.name == "UpdatePresence-Request" => {
                Some(("UV".to_owned(), self.attributes(first)?))
            }
            "PresenceSubList" => Some(("PS".to_owned(), self.attribute_names(first)?)),
            // SI is the session that the message is in; the one to be resumed has to be told by its name.
            "SessionID" => None,
            // Under another letter in the answer.
            "DigestSchema" => Some(("SH".to_owned(), list(nodes.iter().map(|one| quoted(&one.text))))),
            _ if nodes.iter().all(|one| one.children.is_empty() && one.bytes.is_none()) => {
                let own = || LETTERS.code("project.element", "", name, "").filter(|_| self.with_own);
                let code = LETTERS.code("element", "element", name, "c").or_else(own)?;
                Some((code.to_owned(), list(nodes.iter().map(|one| quoted(&one.text)))))
            }
            "BlockList" | "GrantList" | "Sender" | "Recipient" if self.with_own => {
                let code = LETTERS.code("project.element", "", name, "")?;
                let users = users(first).filter(|_| matches!(name, "Sender" | "Recipient"));
                Some((code.to_owned(), users.unwrap_or_else(|| value(first))))
            }
            _ => None,
        }
    }

    /// Android leaves out the CIR methods that have no code, and whatever it has no code for.
    fn capability(self, node: &Node) -> Option<String> {
        let code = LETTERS.word("capability", &node.name);
        let Some(code) = code else {
            return self.with_own.then(|| format!("({},{})", node.name, value(node)));
        };
        let word = match node.name.as_str() {
            "ClientType" | "SupportedCIRMethod" => LETTERS.word("capability_value", &node.text),
            _ => None,
        };
        if word.is_none() && node.name == "SupportedCIRMethod" && self.is_android {
            return None;
        }
        Some(format!("({code},{})", word.map_or_else(|| quoted(&node.text), str::to_owned)))
    }

    /// `(OS,(CF,(CT,CV)))`.
    fn attribute_names(self, list: &Node) -> Option<String> {
        let name = |one: &Node| {
            let code = self.attribute(one)?;
            if one.children.is_empty() {
                return Some(code);
            }
            let parts: Option<Vec<_>> = one.children.iter().map(|part| self.part(part)).collect();
            Some(format!("({code},{})", group(parts?.into_iter())))
        };
        let names: Option<Vec<_>> = list.children.iter().map(name).collect();
        let names = names?;
        match &*names {
            [] => Some("\"\"".to_owned()),
            // Without the outer parentheses that would be needed.
            [one] if self.is_android || !one.starts_with('(') => Some(one.clone()),
            _ => Some(group(names.into_iter())),
        }
    }

    fn attribute(self, node: &Node) -> Option<String> {
        let code = LETTERS.word("presence_attribute", &node.name);
        code.or(self.with_own.then_some(node.name.as_str())).map(str::to_owned)
    }

    fn part(self, node: &Node) -> Option<String> {
        let code = LETTERS.word("presence_sub_attribute", &node.name);
        code.or(self.with_own.then_some(node.name.as_str())).map(str::to_owned)
    }

    /// `((OS,T,T),(CF,T,((CT,MP))))`.
    fn attributes(self, list: &Node) -> Option<String> {
        let tuples: Option<Vec<_>> = list.children.iter().map(|one| self.tuple(one)).collect();
        tuples.filter(|tuples| !tuples.is_empty()).map(|tuples| group(tuples.into_iter()))
    }

    fn tuple(self, node: &Node) -> Option<String> {
        let code = self.attribute(node)?;
        let rest: Vec<&Node> = node.children.iter().filter(|child| child.name != "Qualifier").collect();
        let value = match &*rest {
            [] => None,
            [one] if one.name == "PresenceValue" => Some(self.presence_value(&node.name, &one.text)),
            _ => {
                let pairs: Option<Vec<_>> = rest.iter().map(|part| self.pair_of(node, part)).collect();
                Some(group(pairs?.into_iter()))
            }
        };
        Some(match (node.child_text("Qualifier"), value) {
            (Some(qualifier), value) => format!("({code},{qualifier},{})", value.unwrap_or_default()),
            (None, Some(value)) => format!("({code},{value})"),
            (None, None) => format!("({code})"),
        })
    }

    fn presence_value(self, attribute: &str, text: &str) -> String {
        let word = (attribute == "UserAvailability").then(|| LETTERS.word("presence_value", text)).flatten();
        match word {
            Some(word) => word.to_owned(),
            // It does not quote.
            None if self.is_android => text.to_owned(),
            None => quoted(text),
        }
    }

    fn pair_of(self, attribute: &Node, part: &Node) -> Option<String> {
        let is_coded = matches!(attribute.name.as_str(), "ClientInfo" | "StatusContent");
        let code = if is_coded { self.part(part)? } else { part.name.clone() };
        let word =
            (is_coded && part.name == "ClientType").then(|| LETTERS.word("presence_value", &part.text)).flatten();
        Some(format!("({code},{})", word.map_or_else(|| value(part), str::to_owned)))
    }

    /// The children of MessageInfo, as parameters beside ContentData.
    fn message_info(self, info: &Node, written: &mut Parameters) {
        let mut rest = Vec::new();
        for child in &info.children {
            let code = LETTERS.code("project.element", "", &child.name, "");
            let said = match child.name.as_str() {
                "Sender" | "Recipient" => users(child),
                _ => child.children.is_empty().then(|| quoted(&child.text)),
            };
            match code.zip(said) {
                Some((code, said)) => written.push((code.to_owned(), said)),
                None => rest.push(format!("({},{})", child.name, value(child))),
            }
        }
        if !rest.is_empty() {
            written.push(("MessageInfo".to_owned(), group(rest.into_iter())));
        }
    }
}

/// The text of the only child, if it has this name.
fn only_text<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    match &*node.children {
        [child] if child.name == name => Some(&child.text),
        _ => None,
    }
}

/// A Sender or Recipient that is nothing but users.
fn users(node: &Node) -> Option<String> {
    let ids: Option<Vec<_>> = node.children.iter().map(|one| only_text(one, "UserID").map(quoted)).collect();
    ids.filter(|ids| !ids.is_empty()).map(|ids| list(ids.into_iter()))
}

/// `(nickname,address)`, `(,address)`.
fn nick(node: &Node) -> Option<String> {
    match node.name.as_str() {
        "UserID" => Some(format!("(,{})", quoted(&node.text))),
        "NickName" => {
            let id = node.text_at("UserID")?;
            Some(format!("({},{})", quoted(node.child_text("Name")?), quoted(id)))
        }
        _ => None,
    }
}

/// An element as text, or as its children in pairs.
fn value(node: &Node) -> String {
    if let Some(bytes) = &node.bytes {
        use base64::Engine as _;
        return quoted(&base64::engine::general_purpose::STANDARD.encode(bytes));
    }
    if node.children.is_empty() {
        return quoted(&node.text);
    }
    group(node.children.iter().map(|child| format!("({},{})", child.name, value(child))))
}

fn group(items: impl Iterator<Item = String>) -> String {
    format!("({})", items.collect::<Vec<_>>().join(","))
}

/// One alone, or several in a group.
fn list(items: impl ExactSizeIterator<Item = String>) -> String {
    let mut items = items;
    match items.len() {
        1 => items.next().unwrap_or_default(),
        _ => group(items),
    }
}

fn quoted(text: &str) -> String {
    let is_special = |c: char| " \",()=&".contains(c) || c.is_control();
    if text.is_empty() || text.contains(is_special) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Whether a client that knows only what is attested can read this: its own parser refuses a message for any parameter that
/// it does not know (Encoding 2.5).
///
/// # Errors
/// What it cannot read.
pub fn check_attested(message: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(message).map_err(|_| "a message that is no text".to_owned())?;
    let wrong = |what: &str| Err(format!("{what}: {text}"));
    if text.contains(['\r', '\n']) {
        return wrong("a line end, which Android cannot read");
    }
    let mut parameters = parameters(text);
    let preamble = parameters.next().unwrap_or_default();
    let code = preamble.get(4..6).unwrap_or_default();
    if !["WV11", "WV12", "WV13"].iter().any(|version| preamble.starts_with(version)) {
        return wrong("a preamble that Android does not know");
    }
    if !LETTERS.is_for_clients("transaction", code) {
        return wrong("a transaction that Android does not know");
    }
    let mut seen = HashMap::new();
    for parameter in parameters {
        let Some((name, value)) = parameter.split_once('=').filter(|(_, value)| !value.is_empty()) else {
            return wrong("a parameter without a value");
        };
        if !LETTERS.is_for_clients("element", name) {
            return wrong("a parameter that Android does not know");
        }
        if seen.insert(name.to_owned(), ()).is_some() {
            return wrong("a parameter twice");
        }
        let in_groups = value.trim_matches(['(', ')']);
        if name == "PR" && in_groups.split(['(', ')']).any(|tuple| is_mistaken(tuple.trim_matches(','))) {
            return wrong("a text that Android takes for a code");
        }
    }
    Ok(())
}

/// Whether this is a StatusText that equals the code of a value.
fn is_mistaken(tuple: &str) -> bool {
    let items: Vec<&str> = tuple.split(',').map(|item| item.trim_matches('"')).collect();
    let is_code = |text: &str| LETTERS.table("presence_value").is_some_and(|table| table.contains_key(text));
    matches!(&*items, ["ST", _, text] | ["ST", text] if is_code(text))
}

/// What stands between the spaces that are outside of quotes.
fn parameters(text: &str) -> impl Iterator<Item = &str> {
    let mut in_quotes = false;
    text.split(move |c: char| {
        in_quotes ^= c == '"';
        c == ' ' && !in_quotes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_specification_writes() {
        let user = Node::leaf("UserID", "wv:bob@example.org");
        let nick = Node::new("NickName", [Node::leaf("Name", "Bob B"), user.clone()]);
        let property = Node::new("Property", [Node::leaf("Name", "DisplayName"), Node::leaf("Value", "My friends")]);
        let primitive = Node::new(
            "CreateList-Request",
            [
                Node::leaf("ContactList", "wv:alice/friends@example.org"),
                Node::new("NickList", [nick, Node::leaf("UserID", "wv:carol@example.org")]),
                Node::new("ContactListProperties", [property]),
            ],
        );
        let descriptor = Node::new("SessionDescriptor", [Node::leaf("SessionID", "s17")]);
        let id = Node::new("TransactionDescriptor", [Node::leaf("TransactionID", "8")]);
        let transaction = Node::new("Transaction", [id, Node::new("TransactionContent", [primitive])]);
        let message = Node::new("WV-CSP-Message", [Node::new("Session", [descriptor, transaction])]);
        let written = write(&message, Version::V1_3, false, false).map(|bytes| String::from_utf8(bytes).expect("text"));
        assert_eq!(
            written.as_deref(),
            Ok("WV13CL8 SI=s17 CL=wv:alice/friends@example.org \
                UN=((\"Bob B\",wv:bob@example.org),(,wv:carol@example.org)) CP=((DN,\"My friends\"))")
        );
    }

    #[test]
    fn what_android_reads() {
        for right in [
            "WV13RL1 ST=(401,\"Further authorization needed\") CI=urn:acme:phone:350001 NO=e6b68ebd DI=MD5 CR=F",
            "WV13PN12 SI=s17 PR=(wv:bob@example.org,((OS,T,T),(ST,T,\"NA \")))",
        ] {
            assert_eq!(check_attested(right.as_bytes()), Ok(()));
        }
        for wrong in [
            "WVXXDV1 ST=200",
            "WV13NM1 SI=s17 MI=m1",
            "WV13ST1 SI=s17 ST=200 Poll=T",
            "WV13PN1 SI=s17 PR=(wv:bob@example.org,((OS,T,T),(ST,T,\"NA\")))",
            "WV13ST1 SI=s17 ST=(400,\"two\nlines\")",
        ] {
            assert!(check_attested(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
