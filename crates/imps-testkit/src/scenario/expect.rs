//! Whether a primitive says what a scenario expects.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::phone::Node;

use super::parse::Word;

/// What is expected of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It is there.
    Any,
    /// It is not there.
    None,
    /// It is there so many times.
    Times(usize),
    /// It says this.
    Text(String),
    /// It holds these bytes.
    Bytes(Vec<u8>),
    /// It is there; what it says gets a name.
    Bind(String),
}

/// A field and what is expected of it.
pub(super) type Field = (String, Wanted);

/// Bytes from hexadecimal digits.
pub(super) fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or_else(|| format!("`{text}` is not hexadecimal"))?;
    Ok(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// Fields as they are written: `PATH VALUE`, `from NAME`, and text alone for what a message says.
pub(super) fn fields(words: &[Word], fill: &dyn Fn(&str) -> String) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word.is_quoted {
            fields.push(("ContentData".to_owned(), Wanted::Text(fill(&word.text))));
            continue;
        }
        let value = rest.next().ok_or_else(|| format!("a value for `{}` is missing", word.text))?;
        if word.text == "from" {
            fields.push(("Sender".to_owned(), Wanted::Text(fill(&value.text))));
            continue;
        }
        let text = value.text.as_str();
        let wanted = match text {
            _ if value.is_quoted => Wanted::Text(fill(text)),
            "any" => Wanted::Any,
            "none" => Wanted::None,
            _ => {
                let times = text.strip_prefix('x').and_then(|count| count.parse().ok()).map(Wanted::Times);
                let bytes = || text.strip_prefix("hex:").map(|digits| hex(digits).map(Wanted::Bytes)).transpose();
                let bind = || text.strip_prefix('=').map(|name| Wanted::Bind(name.to_owned()));
                match times.or(bytes()?).or_else(bind) {
                    Some(wanted) => wanted,
                    None => Wanted::Text(fill(text)),
                }
            }
        };
        fields.push((word.text.clone(), wanted));
    }
    Ok(fields)
}

/// Holds a primitive against fields; names are bound in passing.
///
/// # Errors
/// The first field that does not fit.
pub(super) fn check(primitive: &Node, fields: &[Field], names: &mut HashMap<String, String>) -> Result<(), String> {
    for (path, wanted) in fields {
        let found = primitive.find(path);
        let fits = match wanted {
            Wanted::Any => !found.is_empty(),
            Wanted::None => found.is_empty(),
            Wanted::Times(count) => found.len() == *count,
            Wanted::Text(text) => found.iter().any(|node| node.any_text(&mut |leaf| says(leaf, text))),
            Wanted::Bytes(bytes) => found.iter().any(|node| holds(node, bytes)),
            Wanted::Bind(name) => match found.first() {
                Some(node) => {
                    names.insert(name.clone(), node.text.trim().to_owned());
                    true
                }
                None => false,
            },
        };
        if !fits {
            return Err(match wanted {
                Wanted::Any | Wanted::Bind(_) => format!("{path} is not there"),
                Wanted::None => format!("{path} is there"),
                Wanted::Times(count) => format!("{path} is there {} times, not {count}", found.len()),
                Wanted::Text(text) => format!("{path} does not say {text:?}"),
                Wanted::Bytes(bytes) => format!("{path} does not hold {bytes:02x?}"),
            });
        }
    }
    Ok(())
}

fn says(leaf: &Node, text: &str) -> bool {
    if leaf.name == "ContentData" {
        return leaf.text == text;
    }
    let said = leaf.text.trim();
    // Addresses are compared without case (CSP 1).
    said == text || (text.starts_with("wv:") && said.eq_ignore_ascii_case(text))
}

fn holds(node: &Node, bytes: &[u8]) -> bool {
    match &node.bytes {
        Some(held) => held == bytes,
        None => BASE64.decode(node.text.trim()).is_ok_and(|held| held == bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        text.split(' ')
            .map(|word| Word { text: word.trim_matches('"').to_owned(), is_quoted: word.starts_with('"') })
            .collect()
    }

    fn outcome(text: &str) -> Result<HashMap<String, String>, String> {
        let message = Node::new(
            "NewMessage",
            [
                Node::new(
                    "MessageInfo",
                    [
                        Node::leaf("MessageID", "m1"),
                        Node::new("Sender", [Node::new("User", [Node::leaf("UserID", "wv:Alice@localhost")])]),
                    ],
                ),
                Node::leaf("ContentData", "aGk="),
            ],
        );
        let fill = |text: &str| if text == "alice" { "wv:alice@localhost".to_owned() } else { text.to_owned() };
        let mut names = HashMap::new();
        check(&message, &fields(&words(text), &fill)?, &mut names)?;
        Ok(names)
    }

    #[test]
    fn what_fits() {
        for text in [
            "from alice",
            "\"aGk=\"",
            "ContentData hex:6869",
            "MessageInfo/UserID wv:alice@localhost",
            "MessageID m1 Validity none Sender any User x1",
        ] {
            assert!(outcome(text).is_ok(), "{text}: {:?}", outcome(text));
        }
        assert_eq!(outcome("MessageID =first").unwrap()["first"], "m1");
    }

    #[test]
    fn what_does_not() {
        for text in ["from bob", "\"aGk\"", "ContentData hex:68", "Validity any", "Sender none", "User x2", "Sender"] {
            assert!(outcome(text).is_err(), "{text}");
        }
    }
}
