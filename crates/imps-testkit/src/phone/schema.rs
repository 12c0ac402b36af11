//! Whether a message in JSON is what `docs/csp.schema.json` says, by the part of JSON Schema that it uses.

use std::sync::LazyLock;

use serde_json::Value;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../../docs/csp.schema.json")).unwrap_or_default());

/// Holds the bytes of a message to the schema.
///
/// # Errors
/// Every way in which it breaks it, in one sentence.
pub fn check(message: &[u8]) -> Result<(), String> {
    let value = serde_json::from_slice(message).map_err(|error| format!("no JSON: {error}"))?;
    let found = complaints(&value);
    if found.is_empty() { Ok(()) } else { Err(format!("not what the schema says: {}", found.join("; "))) }
}

/// Every way in which a message breaks the schema, as sentences.
pub fn complaints(message: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(message, &SCHEMA, "", &mut found);
    found
}

/// What the schema says of `value`, which stands at `path`.
fn look(value: &Value, schema: &Value, path: &str, found: &mut Vec<String>) {
    let Value::Object(rules) = schema else {
        found.push(format!("the schema has no rules for {path}"));
        return;
    };
    for (rule, wanted) in rules {
        let holds = match rule.as_str() {
            "$ref" => {
                let pointer = wanted.as_str().and_then(|reference| reference.strip_prefix('#')).unwrap_or("?");
                look(value, SCHEMA.pointer(pointer).unwrap_or(&Value::Null), path, found);
                true
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|one| is_of(value, one)),
                one => is_of(value, one),
            },
            "enum" => wanted.as_array().is_some_and(|allowed| allowed.contains(value)),
            "minimum" => value.as_u64() >= wanted.as_u64(),
            "maximum" => value.as_u64() <= wanted.as_u64(),
            "minItems" => value.as_array().map(|items| items.len() as u64) >= wanted.as_u64(),
            "minProperties" => value.as_object().map(|members| members.len() as u64) >= wanted.as_u64(),
            "maxProperties" => value.as_object().map(|members| members.len() as u64) <= wanted.as_u64(),
            "pattern" => matches_words(value.as_str().unwrap_or_default(), wanted.as_str().unwrap_or_default()),
            "format" => wanted == "date-time" && value.as_str().is_some_and(is_date_time),
            "required" => wanted
                .as_array()
                .is_some_and(|names| names.iter().all(|name| !value[name.as_str().unwrap_or_default()].is_null())),
            "oneOf" | "anyOf" => {
                let fits = |one: &&Value| {
                    let mut complaints = Vec::new();
                    look(value, one, path, &mut complaints);
                    complaints.is_empty()
                };
                let count = wanted.as_array().map_or(0, |all| all.iter().filter(fits).count());
                count == 1 || count > 1 && rule == "anyOf"
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = wanted.get(name) {
                        look(member, schema, &format!("{path}/{name}"), found);
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = &rules.get("properties").and_then(Value::as_object);
                let is_known = |name: &String| known.is_some_and(|known| known.contains_key(name));
                let others = value.as_object().into_iter().flatten().filter(|(name, _)| !is_known(name));
                match wanted {
                    Value::Bool(false) => others.count() == 0,
                    schema => {
                        others.for_each(|(name, member)| look(member, schema, &format!("{path}/{name}"), found));
                        true
                    }
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    look(item, wanted, &format!("{path}/{index}"), found);
                }
                true
            }
            "$schema" | "$id" | "$defs" | "$comment" | "title" | "description" | "contentEncoding" => true,
            // A rule that nobody looks at would hold always.
            _ => false,
        };
        if !holds {
            found.push(format!("{path} breaks `{rule}: {wanted}`: {value}"));
        }
    }
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("boolean") => value.is_boolean(),
        _ => false,
    }
}

/// The only kind of pattern there is: words of a choice, with commas between them.
fn matches_words(text: &str, pattern: &str) -> bool {
    let Some((words, _)) = pattern.strip_prefix("^(").and_then(|rest| rest.split_once(')')) else { return false };
    pattern == format!("^({words})(,({words}))*$")
        && text.split(',').all(|one| words.split('|').any(|word| word == one))
}

/// RFC 3339, as far as servers write it: `2025-11-23T06:45:01Z`.
fn is_date_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00Z"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(content: &Value) -> Value {
        json!({"WV-CSP-Message": {"Version": "1.2", "Session": {
            "SessionDescriptor": {"SessionType": "Inband", "SessionID": "s"},
            "Transaction": [{"TransactionDescriptor": {"TransactionMode": "Request", "TransactionID": "1"},
                             "TransactionContent": content}],
            "Poll": false}}})
    }

    #[test]
    fn what_is_right() {
        for content in [
            json!({"GetList-Request": {}}),
            json!({"Status": {"Result": {"Code": 200, "DetailedResult": [{"Code": 531, "UserID": ["wv:a@b"]}]}}}),
            json!({"Login-Request": {"UserID": "wv:a@b", "ClientID": {}, "SessionCookie": "", "DigestSchema": ["PWD,SHA", "MD5"], "TimeToLive": 600}}),
        ] {
            assert_eq!(complaints(&message(&content)), Vec::<String>::new());
        }
    }

    #[test]
    fn what_is_wrong() {
        for content in [
            json!({}),
            json!({"GetList-Request": {}, "Logout-Request": {}}),
            json!({"GetList-Request": {"Code": 1}}),
            json!({"GetList-Request": "x"}),
            json!({"Status": {}}),
            json!({"Status": {"Result": {"Code": "200"}}}),
            json!({"Status": {"Result": {"Code": -1}}}),
            json!({"Status": {"Result": {"Code": 4_294_967_296_u64}}}),
            json!({"Status": {"Result": {"Code": 200, "DetailedResult": {"Code": 531}}}}),
            json!({"Status": {"Result": {"Code": 200, "DetailedResult": []}}}),
            json!({"Login-Request": {"ClientID": {}, "SessionCookie": "", "DigestSchema": ["PWD, SHA"]}}),
            json!({"SetDeliveryMethod-Request": {"DeliveryMethod": "X"}}),
            json!({"Shoes": {}}),
        ] {
            assert_ne!(complaints(&message(&content)), Vec::<String>::new(), "{content}");
        }
        assert_ne!(complaints(&json!({"Status": {}})), Vec::<String>::new());
        assert_ne!(complaints(&json!([])), Vec::<String>::new());
    }
}
