//! JSON as somebody reads and writes it who knows `docs/json.md` and the specification, and nothing of the server's code:
//! text to values with serde_json, and lists, numbers and flags by `spec/csp-elements.toml`.
//!
//! What is read is held to the strictest reading: a list where several may stand and nowhere else, numbers and flags as
//! such, dates in the extended form, no key twice. What is written has its keys in alphabetical order, as many libraries
//! put them: so TransactionContent stands before TransactionDescriptor, and Version comes last.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use imps_types::Version;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::conformity;
use super::forms::{Vocabulary, namespace};
use super::tree::Node;

/// A value whose objects keep the order of their members.
#[derive(Debug)]
enum Json {
    Null,
    Flag(bool),
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without fractions")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        while let Some((key, value)) = entries.next_entry::<String, Json>()? {
            if members.iter().any(|(other, _)| *other == key) {
                return Err(A::Error::custom(format!("`{key}` stands twice in an object")));
            }
            members.push((key, value));
        }
        Ok(Json::Object(members))
    }
}

/// Reads a message.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read(bytes: &[u8]) -> Result<Node, String> {
    let json: Json = serde_json::from_slice(bytes).map_err(|error| format!("the answer is no JSON: {error}"))?;
    let Json::Object(mut members) = json else { return Err("the answer is no object".to_owned()) };
    let (Some((name, Json::Object(mut members))), true) = (members.pop(), members.is_empty()) else {
        return Err("the answer is not an object with one object in it".to_owned());
    };
    let at = members.iter().position(|(key, _)| key == "Version").ok_or("the answer does not say its version")?;
    let version = match members.remove(at).1 {
        Json::Text(text) => Version::parse(&text).ok_or(format!("the answer is of version {text}"))?,
        other => return Err(format!("the version is {other:?}")),
    };
    let mut root = Node::empty(&name).in_namespace(&namespace(Vocabulary::Csp, version));
    fill(&mut root, members, false, version)?;
    Ok(root)
}

fn fill(node: &mut Node, members: Vec<(String, Json)>, in_presence: bool, version: Version) -> Result<(), String> {
    let in_presence = in_presence || node.name == "PresenceSubList";
    for (name, value) in members {
        match (name.as_str(), &value) {
            ("$xmlns", Json::Text(xmlns)) => {
                node.xmlns = Some(xmlns.clone());
                continue;
            }
            ("$text", Json::Text(text)) => {
                node.text.clone_from(text);
                continue;
            }
            _ => {}
        }
        let is_list = conformity::may_repeat(&node.name, &name, in_presence);
        let values = match (is_list, value) {
            (true, Json::List(items)) if !items.is_empty() => items,
            (true, other) => return Err(format!("{name} in {} is no list: {other:?}", node.name)),
            // Of somebody's own elements nobody knows whether there may be several.
            (false, Json::List(items)) if conformity::kind(&name, in_presence, version).is_none() => items,
            (false, Json::List(_)) => return Err(format!("{name} in {} is a list", node.name)),
            (false, value) => vec![value],
        };
        for value in values {
            let mut child = Node::empty(&name);
            match name.as_str() {
                "TransactionContent" => child.xmlns = Some(namespace(Vocabulary::Trc, version)),
                "PresenceSubList" => child.xmlns = Some(namespace(Vocabulary::Pa, version)),
                _ => {}
            }
            take(&mut child, value, in_presence, version)?;
            node.children.push(child);
        }
    }
    Ok(())
}

fn take(child: &mut Node, value: Json, in_presence: bool, version: Version) -> Result<(), String> {
    let kind = conformity::kind(&child.name, in_presence, version);
    child.text = match (kind.unwrap_or("any"), value) {
        ("struct" | "empty" | "any", Json::Object(members)) => return fill(child, members, in_presence, version),
        ("boolean", Json::Flag(true)) => "T".to_owned(),
        ("boolean", Json::Flag(false)) => "F".to_owned(),
        ("integer", Json::Number(number)) => number.to_string(),
        ("date", Json::Text(text)) => basic_date(&text).ok_or(format!("{} is no date: {text}", child.name))?,
        ("string" | "enum" | "binary" | "content" | "any", Json::Text(text)) => text,
        (kind, value) => return Err(format!("{} is of type {kind}, and {value:?} is not", child.name)),
    };
    Ok(())
}

/// `2025-11-23T06:45:01Z` as XML has it, and nothing else.
fn basic_date(text: &str) -> Option<String> {
    let basic: String = text.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    (text.len() == 20 && extended_date(&basic)? == text).then_some(basic)
}

/// `20251123T064501Z` as JSON has it.
fn extended_date(text: &str) -> Option<String> {
    let piece =
        |from: usize, to: usize| text.get(from..to).filter(|piece| piece.bytes().all(|byte| byte.is_ascii_digit()));
    let is_date = text.len() == 16 && text.get(8..9) == Some("T") && text.ends_with('Z');
    let (year, month, day) = (piece(0, 4)?, piece(4, 6)?, piece(6, 8)?);
    let (hour, minute, second) = (piece(9, 11)?, piece(11, 13)?, piece(13, 15)?);
    is_date.then(|| format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

/// Writes a message.
pub(super) fn write(root: &Node, version: Version) -> Vec<u8> {
    let mut members = members(root, false, version);
    members.insert("Version".to_owned(), version.as_str().into());
    let message = Map::from_iter([(root.name.clone(), Value::Object(members))]);
    Value::Object(message).to_string().into_bytes()
}

fn members(node: &Node, in_presence: bool, version: Version) -> Map<String, Value> {
    let in_presence = in_presence || node.name == "PresenceSubList";
    let mut members = Map::new();
    if !node.text.is_empty() {
        members.insert("$text".to_owned(), node.text.as_str().into());
    }
    for child in &node.children {
        let value = value(child, in_presence, version);
        match members.get_mut(&child.name) {
            Some(Value::Array(items)) => items.push(value),
            // Several where one is allowed: a phone that wants to know what is said to that.
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None if conformity::may_repeat(&node.name, &child.name, in_presence) => {
                members.insert(child.name.clone(), Value::Array(vec![value]));
            }
            None => {
                members.insert(child.name.clone(), value);
            }
        }
    }
    members
}

fn value(node: &Node, in_presence: bool, version: Version) -> Value {
    if let Some(bytes) = &node.bytes {
        return BASE64.encode(bytes).into();
    }
    if !node.children.is_empty() {
        return Value::Object(members(node, in_presence, version));
    }
    let text = node.text.as_str();
    match (conformity::kind(&node.name, in_presence, version).unwrap_or("any"), text) {
        ("struct" | "empty" | "any", "") => Value::Object(Map::new()),
        ("boolean", "T") => true.into(),
        ("boolean", "F") => false.into(),
        ("integer", _) => text.parse::<u32>().map_or_else(|_| text.into(), Value::from),
        ("date", _) => extended_date(text).map_or_else(|| text.into(), Value::from),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_and_what_is_not() {
        let status = |result: &str| {
            let json = format!(
                r#"{{"WV-CSP-Message":{{"Version":"1.2","Session":{{"Transaction":[{{"TransactionContent":
                {{"Status":{{"Result":{result}}}}}}}]}}}}}}"#
            );
            read(json.as_bytes()).map(|root| root.text_at("Result/Code").map(str::to_owned))
        };
        assert_eq!(status(r#"{"Code":200}"#), Ok(Some("200".to_owned())));
        assert_eq!(status(r#"{"Code":200,"DetailedResult":[{"Code":531}]}"#), Ok(Some("200".to_owned())));
        for wrong in [
            r#"{"Code":"200"}"#,
            r#"{"Code":[200]}"#,
            r#"{"Code":200,"Code":201}"#,
            r#"{"Code":200,"DetailedResult":{"Code":531}}"#,
            r#"{"Code":200,"DetailedResult":[]}"#,
            r#"{"Code":2e2}"#,
            r#""200""#,
            "null",
        ] {
            assert!(status(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(extended_date("20251123T064501Z").as_deref(), Some("2025-11-23T06:45:01Z"));
        assert_eq!(basic_date("2025-11-23T06:45:01Z").as_deref(), Some("20251123T064501Z"));
        for wrong in ["20251123T064501Z", "2025-11-23T06:45:01", "2025-11-23 06:45:01Z", "2025-1-123T06:45:01Z"] {
            assert_eq!(basic_date(wrong), None, "{wrong}");
        }
    }
}
