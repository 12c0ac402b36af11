//! The JSON Schema of a message in JSON, from the grammar in `spec/csp-elements.toml`.
//!
//! It says what is written: lists as lists, numbers as numbers. What is understood besides is in `docs/json.md`. All three
//! versions are one schema: a child that some version has is allowed, one that all versions require is required.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::{Outcome, toml};

/// The elements that a message may begin with.
const ROOTS: [&str; 3] = ["WV-CSP-Message", "WV-CSP-VersionDiscovery-Request", "WV-CSP-VersionDiscovery-Response"];

/// A definition for each element, a line each.
pub(crate) fn generate(root: &Path) -> Outcome<String> {
    let path = root.join("spec/csp-elements.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let file = toml::parse(&text).map_err(|e| format!("spec/csp-elements.toml, {e}"))?;
    let elements = file["element"].as_array().ok_or("spec/csp-elements.toml has no [[element]]")?;
    let mut page = String::from("{\n");
    for (key, value) in [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("$id", json!("/schema/csp.json")),
        ("title", json!("CSP in JSON")),
        ("description", json!("A message of CSP 1.1, 1.2 or 1.3 as application/vnd.hamlet.csp+json.")),
        ("$comment", json!("Generated from spec/csp-elements.toml by `cargo xtask generate`.")),
        ("type", json!("object")),
    ] {
        // Writing into a string does not fail.
        let _ = writeln!(page, "  \"{key}\": {value},");
    }
    let _ = writeln!(page, "  \"properties\": {{");
    let _ = writeln!(page, "    \"$schema\": {{\"type\": \"string\"}},");
    let roots = ROOTS.map(|name| format!("    \"{name}\": {{\"$ref\": \"#/$defs/{name}\"}}"));
    let _ = writeln!(page, "{}\n  }},", roots.join(",\n"));
    let choices = ROOTS.map(|name| format!("{{\"required\": [\"{name}\"]}}"));
    let _ = writeln!(page, "  \"oneOf\": [{}],", choices.join(", "));
    let _ = writeln!(page, "  \"additionalProperties\": false,\n  \"$defs\": {{");
    let known: Vec<(&str, &str)> = elements.iter().map(|one| (text_of(one, "ns"), text_of(one, "name"))).collect();
    let lines: Vec<String> = elements
        .iter()
        .map(|element| {
            let name = definition_name(text_of(element, "ns"), text_of(element, "name"));
            format!("    \"{name}\": {}", definition(element, &known))
        })
        .collect();
    // What clients have of their own stands among presence attributes as it is.
    let _ = writeln!(page, "    \"$foreign\": {{\"type\": [\"object\", \"array\", \"string\"]}},");
    let _ = writeln!(page, "{}\n  }}\n}}", lines.join(",\n"));
    Ok(page)
}

fn text_of<'a>(table: &'a Value, key: &str) -> &'a str {
    table[key].as_str().unwrap_or_default()
}

fn list_of<'a>(table: &'a Value, key: &str) -> &'a [Value] {
    table[key].as_array().map_or(&[], Vec::as_slice)
}

/// Two elements have the name Status: one of them is a presence attribute.
fn definition_name(space: &str, name: &str) -> String {
    if (space, name) == ("PA", "Status") { "Status-of-CommC".to_owned() } else { name.to_owned() }
}

/// What an element is, with the versions that have it.
fn definition(element: &Value, known: &[(&str, &str)]) -> String {
    let definitions = list_of(element, "version");
    let mut schema = value(element, text_of(element, "type"), known);
    let is_string_too = definitions.iter().any(|one| text_of(one, "type") == "string");
    if text_of(element, "type") == "struct" && is_string_too {
        schema = format!("\"anyOf\": [{{\"type\": \"string\"}}, {{{schema}}}]");
    }
    let versions = match (text_of(element, "since"), text_of(element, "until")) {
        ("1.1", "1.3") => "in all versions".to_owned(),
        (since, until) if since == until => format!("in {since} only"),
        (since, until) => format!("in {since} to {until}"),
    };
    format!("{{\"description\": \"{versions}\", {schema}}}")
}

fn value(element: &Value, kind: &str, known: &[(&str, &str)]) -> String {
    match kind {
        "struct" => structure(element, known),
        "empty" => "\"type\": \"object\", \"maxProperties\": 0".to_owned(),
        "integer" => format!("\"type\": \"integer\", \"minimum\": 0, \"maximum\": {}", u32::MAX),
        "boolean" => "\"type\": \"boolean\"".to_owned(),
        "date" => "\"type\": \"string\", \"format\": \"date-time\"".to_owned(),
        "binary" => "\"type\": \"string\", \"contentEncoding\": \"base64\"".to_owned(),
        "enum" if text_of(element, "name") == "DigestSchema" => {
            let words: Vec<&str> = list_of(element, "values").iter().filter_map(Value::as_str).collect();
            let word = words.join("|");
            // A login of 1.1 has one with a list in it.
            format!("\"type\": \"string\", \"pattern\": \"^({word})(,({word}))*$\"")
        }
        "enum" if !list_of(element, "values").is_empty() => format!("\"enum\": {}", element["values"]),
        "any" => "\"type\": [\"object\", \"string\"]".to_owned(),
        _ => "\"type\": \"string\"".to_owned(),
    }
}

/// An object with what any version allows, and what all of them require.
fn structure(element: &Value, known: &[(&str, &str)]) -> String {
    let name = text_of(element, "name");
    let definitions = list_of(element, "version");
    // In the order in which they are first seen, with whether they may come several times and who requires them.
    let mut children: Vec<(&str, bool, usize)> = Vec::new();
    for definition in definitions {
        for child in list_of(definition, "children") {
            // Each criterion of a search is a SearchPairList of its own.
            let is_criterion = name == "SearchPairList" && text_of(child, "name") != "SearchPair";
            let repeats = matches!(text_of(child, "card"), "*" | "+") && !is_criterion;
            let is_required = child["choice"].is_null() && matches!(text_of(child, "card"), "1" | "+");
            let at = children.iter().position(|(other, ..)| *other == text_of(child, "name"));
            let at = at.unwrap_or_else(|| {
                children.push((text_of(child, "name"), false, 0));
                children.len() - 1
            });
            if let Some((_, repeated, required)) = children.get_mut(at) {
                *repeated |= repeats;
                *required += usize::from(is_required);
            }
        }
    }
    let mut properties: Vec<String> = Vec::new();
    if ROOTS.contains(&name) {
        properties.push("\"Version\": {\"enum\": [\"1.1\", \"1.2\", \"1.3\"]}".to_owned());
    }
    for (child, repeats, _) in &children {
        let is_presence = text_of(element, "ns") == "PA" && known.contains(&("PA", child));
        let reference =
            format!("{{\"$ref\": \"#/$defs/{}\"}}", definition_name(if is_presence { "PA" } else { "" }, child));
        properties.push(match repeats {
            true => format!("\"{child}\": {{\"type\": \"array\", \"items\": {reference}, \"minItems\": 1}}"),
            false => format!("\"{child}\": {reference}"),
        });
    }
    let required: Vec<&str> =
        children.iter().filter(|(.., required)| *required == definitions.len()).map(|(child, ..)| *child).collect();
    let mut schema = format!("\"type\": \"object\", \"properties\": {{{}}}", properties.join(", "));
    if !required.is_empty() {
        let _ = write!(schema, ", \"required\": {}", json!(required));
    }
    if name == "TransactionContent" {
        schema.push_str(", \"minProperties\": 1, \"maxProperties\": 1");
    }
    schema.push_str(match text_of(element, "ns") {
        "PA" => ", \"additionalProperties\": {\"$ref\": \"#/$defs/$foreign\"}",
        _ => ", \"additionalProperties\": false",
    });
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::root;

    #[test]
    fn every_reference_leads_to_a_definition() -> Outcome {
        let schema: Value = serde_json::from_str(&generate(&root())?).map_err(|error| error.to_string())?;
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members.values().for_each(|member| references(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(found.len() > 700, "{}", found.len());
        for reference in found {
            let pointer = reference.strip_prefix('#').ok_or("a reference into another document")?;
            assert!(schema.pointer(pointer).is_some(), "{reference}");
        }
        Ok(())
    }

    #[test]
    fn what_may_repeat_is_a_list() -> Outcome {
        let schema: Value = serde_json::from_str(&generate(&root())?).map_err(|error| error.to_string())?;
        let child = |path: &str| schema.pointer(&format!("/$defs/{path}")).cloned().unwrap_or_default();
        assert_eq!(child("Recipient/properties/User/type"), "array");
        assert_eq!(child("Sender/properties/User/$ref"), "#/$defs/User");
        assert_eq!(child("CommC/properties/Status/$ref"), "#/$defs/Status-of-CommC");
        assert_eq!(child("TransactionContent/properties/Status/$ref"), "#/$defs/Status");
        assert_eq!(child("SearchPairList/properties/SearchString/$ref"), "#/$defs/SearchString");
        assert_eq!(child("Result/required"), json!(["Code"]));
        assert_eq!(child("Poll/type"), "boolean");
        Ok(())
    }
}
