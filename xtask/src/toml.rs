//! Reads the part of TOML that our own files are written in: tables, arrays of tables, dotted keys, strings, numbers,
//! booleans, arrays, inline tables, comments. Anything else is an error with its line, never a guess.
//!
//! The `toml` crate would triple the time that this program takes to compile on a clean clone.

use serde_json::{Map, Value};

use crate::Outcome;

/// Reads a document into the value that the same data would have in JSON.
pub(crate) fn parse(text: &str) -> Outcome<Value> {
    let mut parser = Parser { rest: text, line: 1 };
    parser.document().map_err(|message| format!("line {}: {message}", parser.line))
}

struct Parser<'a> {
    rest: &'a str,
    line: usize,
}

impl Parser<'_> {
    fn document(&mut self) -> Outcome<Value> {
        let mut root = Map::new();
        let mut table: Vec<String> = Vec::new();
        loop {
            self.blank();
            if self.rest.is_empty() {
                return Ok(Value::Object(root));
            }
            if self.eat("[[") {
                table = self.key()?;
                self.expect("]]")?;
                append(&mut root, &table)?;
            } else if self.eat("[") {
                table = self.key()?;
                self.expect("]")?;
                descend(&mut root, &table)?;
            } else {
                let key = self.key()?;
                self.expect("=")?;
                let value = self.value()?;
                insert(descend(&mut root, &table)?, &key, value)?;
            }
            self.end_of_line()?;
        }
    }

    fn key(&mut self) -> Outcome<Vec<String>> {
        let mut parts = Vec::new();
        loop {
            self.spaces();
            if self.rest.starts_with(['"', '\'']) {
                parts.push(self.string()?);
            } else {
                let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
                let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                if word.is_empty() {
                    return Err("a key is missing".to_owned());
                }
                parts.push(word.to_owned());
                self.rest = rest;
            }
            self.spaces();
            if !self.eat(".") {
                return Ok(parts);
            }
        }
    }

    fn value(&mut self) -> Outcome<Value> {
        self.spaces();
        if self.rest.starts_with(['"', '\'']) {
            return self.string().map(Value::String);
        }
        if self.eat("[") {
            return self.array();
        }
        if self.eat("{") {
            return self.inline_table();
        }
        let end = self.rest.find([',', ']', '}', '#', '\n', ' ', '\r']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => {
                let digits = word.replace('_', "");
                let number = match digits.strip_prefix("0x") {
                    Some(hex) => i64::from_str_radix(hex, 16).ok().map(Value::from),
                    None if digits.contains('.') => digits.parse::<f64>().ok().map(Value::from),
                    None => digits.parse::<i64>().ok().map(Value::from),
                };
                number.ok_or_else(|| format!("`{word}` is no value that is understood here"))
            }
        }
    }

    fn array(&mut self) -> Outcome<Value> {
        let mut items = Vec::new();
        loop {
            self.blank();
            if self.eat("]") {
                return Ok(Value::Array(items));
            }
            items.push(self.value()?);
            self.blank();
            if !self.eat(",") {
                self.expect("]")?;
                return Ok(Value::Array(items));
            }
        }
    }

    fn inline_table(&mut self) -> Outcome<Value> {
        let mut table = Map::new();
        loop {
            self.blank();
            if self.eat("}") {
                return Ok(Value::Object(table));
            }
            let key = self.key()?;
            self.expect("=")?;
            let value = self.value()?;
            insert(&mut table, &key, value)?;
            self.blank();
            if !self.eat(",") {
                self.expect("}")?;
                return Ok(Value::Object(table));
            }
        }
    }

    fn string(&mut self) -> Outcome<String> {
        if self.rest.starts_with("\"\"\"") || self.rest.starts_with("'''") {
            return Err("strings over several lines are not understood here".to_owned());
        }
        let literal = self.rest.starts_with('\'');
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\'' if literal => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '"' if !literal => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\n' => break,
                '\\' if !literal => match characters.next().map(|(_, escaped)| escaped) {
                    Some(plain @ ('"' | '\\')) => text.push(plain),
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    other => return Err(format!("the escape `\\{}` is not understood here", other.unwrap_or(' '))),
                },
                _ => text.push(character),
            }
        }
        Err("a string is not closed".to_owned())
    }

    fn end_of_line(&mut self) -> Outcome {
        self.spaces();
        if self.rest.is_empty() || self.rest.starts_with(['#', '\n', '\r']) {
            return Ok(());
        }
        Err(format!("`{}` stands where the line should end", self.rest.lines().next().unwrap_or_default()))
    }

    fn expect(&mut self, what: &str) -> Outcome {
        self.spaces();
        if self.eat(what) { Ok(()) } else { Err(format!("`{what}` is missing")) }
    }

    fn eat(&mut self, what: &str) -> bool {
        match self.rest.strip_prefix(what) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// Skips white space, line ends and comments.
    fn blank(&mut self) {
        loop {
            self.spaces();
            if self.rest.starts_with('#') {
                self.rest = self.rest.find('\n').map_or("", |end| &self.rest[end..]);
            } else if self.eat("\n") {
                self.line += 1;
            } else if !self.eat("\r") {
                return;
            }
        }
    }
}

/// The table at a path, made where it is missing; of an array of tables, its last.
fn descend<'t>(table: &'t mut Map<String, Value>, path: &[String]) -> Outcome<&'t mut Map<String, Value>> {
    let Some((first, rest)) = path.split_first() else { return Ok(table) };
    let next = match table.entry(first.clone()).or_insert_with(|| Value::Object(Map::new())) {
        Value::Array(items) => items.last_mut(),
        other => Some(other),
    };
    match next {
        Some(Value::Object(inner)) => descend(inner, rest),
        _ => Err(format!("`{first}` is a value and a table")),
    }
}

fn append(root: &mut Map<String, Value>, path: &[String]) -> Outcome {
    let Some((last, above)) = path.split_last() else { return Ok(()) };
    match descend(root, above)?.entry(last.clone()).or_insert_with(|| Value::Array(Vec::new())) {
        Value::Array(items) => {
            items.push(Value::Object(Map::new()));
            Ok(())
        }
        _ => Err(format!("`{last}` is a value and an array of tables")),
    }
}

fn insert(table: &mut Map<String, Value>, path: &[String], value: Value) -> Outcome {
    let Some((last, above)) = path.split_last() else { return Ok(()) };
    match descend(table, above)?.insert(last.clone(), value) {
        None => Ok(()),
        Some(_) => Err(format!("`{last}` stands twice")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_our_files_use_is_read() {
        let text = r#"
            # a comment
            name = "with \"quotes\""   # behind a value
            version.workspace = true
            [bans]
            skip = [
              { crate = "syn@2", reason = 'old' }, # between
            ]
            [[row]]
            code = 0x1F
            [[row]]
            code = 1_000
            share = 0.5
        "#;
        let expected = json!({
            "name": "with \"quotes\"",
            "version": { "workspace": true },
            "bans": { "skip": [{ "crate": "syn@2", "reason": "old" }] },
            "row": [{ "code": 31 }, { "code": 1000, "share": 0.5 }],
        });
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        for (text, line, word) in [
            ("a = 1\nb = 1979-05-27", 2, "1979-05-27"),
            ("a = \"open", 1, "not closed"),
            ("a = 1\na = 2", 2, "twice"),
            ("a = 1 b = 2", 1, "b = 2"),
            ("\n\n= 3", 3, "key"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("line {line}:")) && error.contains(word), "{text:?}: {error}");
        }
    }
}
