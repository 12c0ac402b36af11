//! Documents as a phone sees them: a tree of names and texts, written and read in either encoding.
//!
//! Nothing here knows what a primitive looks like: that is in [`forms`](super::forms), written down a second time on purpose,
//! so that a mistake in the server's own tables cannot cancel itself out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use imps_proto::wire::{self, AnyWriter, Form, Limits, Namespace, Reader, Start, Token, Writer};
use imps_proto::{Element, Space};
use imps_types::Version;

use super::json;

/// An element with all that is in it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The namespace it declares.
    pub xmlns: Option<String>,
    /// Its text, if it has no children.
    pub text: String,
    /// Its bytes, if they are no text: opaque in WBXML, base64 in XML.
    pub bytes: Option<Vec<u8>>,
    /// What is in it.
    pub children: Vec<Node>,
}

impl Node {
    /// An element with children.
    pub fn new(name: &str, children: impl IntoIterator<Item = Self>) -> Self {
        Self { name: name.to_owned(), children: children.into_iter().collect(), ..Self::default() }
    }

    /// An element with nothing in it.
    pub fn empty(name: &str) -> Self {
        Self::new(name, [])
    }

    /// An element with text in it.
    pub fn leaf(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: text.into(), ..Self::default() }
    }

    /// An element with bytes in it.
    pub fn binary(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), bytes: Some(bytes), ..Self::default() }
    }

    /// The same, declaring a namespace.
    #[must_use]
    pub fn in_namespace(mut self, xmlns: &str) -> Self {
        self.xmlns = Some(xmlns.to_owned());
        self
    }

    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name.
    pub fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// All elements below this one that a path `A/B` leads to: a B somewhere inside an A somewhere inside this one.
    pub fn find(&self, path: &str) -> Vec<&Self> {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == first {
                if rest.is_empty() {
                    found.push(child);
                } else {
                    found.extend(child.find(rest));
                }
            }
            found.extend(child.find(path));
        }
        found
    }

    /// The text of the first element that a path leads to.
    pub fn text_at(&self, path: &str) -> Option<&str> {
        self.find(path).first().map(|node| node.text.as_str())
    }

    /// The text of this element, or of any below it.
    pub fn any_text(&self, fits: &mut dyn FnMut(&Self) -> bool) -> bool {
        (self.children.is_empty() && fits(self)) || self.children.iter().any(|child| child.any_text(fits))
    }

    /// As XML, indented, for people.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        self.write_xml(&mut out, Some(0));
        out
    }

    fn write_xml(&self, out: &mut String, indent: Option<usize>) {
        let pad = |out: &mut String, depth: usize| {
            if indent.is_some() {
                out.push('\n');
                out.push_str(&"  ".repeat(depth));
            }
        };
        out.push('<');
        out.push_str(&self.name);
        if let Some(xmlns) = &self.xmlns {
            out.push_str(" xmlns=\"");
            escape(out, xmlns);
            out.push('"');
        }
        if self.children.is_empty() && self.text.is_empty() && self.bytes.is_none() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        match &self.bytes {
            Some(bytes) => out.push_str(&BASE64.encode(bytes)),
            None => escape(out, &self.text),
        }
        for child in &self.children {
            pad(out, indent.unwrap_or_default() + 1);
            child.write_xml(out, indent.map(|depth| depth + 1));
        }
        if !self.children.is_empty() {
            pad(out, indent.unwrap_or_default());
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }

    /// As a message in an encoding.
    pub fn to_bytes(&self, form: Form, version: Version) -> Vec<u8> {
        match form {
            Form::Xml => {
                let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
                self.write_xml(&mut out, None);
                out.into_bytes()
            }
            Form::Wbxml | Form::Pts(_) => {
                let mut writer = wire::writer(form, version, Vec::new());
                self.write(&mut writer, Space::Csp);
                writer.finish()
            }
            Form::Json => json::write(self, version),
        }
    }

    fn write(&self, writer: &mut AnyWriter, within: Space) {
        let namespace = self.xmlns.as_deref().map(Namespace::new);
        let Some(element) = Element::by_name(&self.name, within) else {
            writer.start_unknown(&self.name, namespace);
            self.write_content(writer, within, false);
            writer.end_unknown(&self.name);
            return;
        };
        match namespace {
            Some(namespace) => writer.start_with_namespace(element, namespace),
            None => writer.start(element),
        }
        self.write_content(writer, element.space(), element.writes_opaque_integer());
        writer.end(element);
    }

    fn write_content(&self, writer: &mut AnyWriter, within: Space, is_integer: bool) {
        if let Some(bytes) = &self.bytes {
            writer.opaque(bytes);
        } else if !self.text.is_empty() {
            match self.text.parse() {
                // As phones do, who keep their numbers as bytes.
                Ok(number) if is_integer => writer.integer(number),
                _ => writer.text(&self.text),
            }
        }
        for child in &self.children {
            child.write(writer, within);
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(form: Form, bytes: &[u8]) -> Result<Self, String> {
        if form == Form::Json {
            return json::read(bytes);
        }
        let wrong = |error: wire::DecodeError| format!("the answer cannot be read: {error}");
        let limits = Limits { pts_bytes: usize::MAX, ..Limits::default() };
        let mut reader = wire::reader(form, bytes, &limits).map_err(wrong)?;
        let Token::Start(start) = reader.next().map_err(wrong)? else {
            return Err("the answer has no root element".to_owned());
        };
        let root = Self::read_rest(&start, &mut reader).map_err(wrong)?;
        match reader.next().map_err(wrong)? {
            Token::Eof => Ok(root),
            _ => Err("something follows the root element of the answer".to_owned()),
        }
    }

    fn read_rest(start: &Start<'_>, reader: &mut wire::AnyReader<'_>) -> Result<Self, wire::DecodeError> {
        let mut node = Self::empty(start.tag.name());
        node.xmlns = start.xmlns.as_ref().map(ToString::to_string);
        loop {
            match reader.next()? {
                Token::Start(start) => node.children.push(Self::read_rest(&start, reader)?),
                Token::Text(text) => node.text.push_str(&text),
                Token::Integer(number) => node.text.push_str(&number.to_string()),
                Token::Date(date) => node.text.push_str(&date.to_string()),
                Token::Opaque(bytes) => match std::str::from_utf8(bytes) {
                    Ok(text) if node.name != "ContentData" && node.name != "DirectContent" => node.text.push_str(text),
                    _ => node.bytes.get_or_insert_default().extend_from_slice(bytes),
                },
                Token::End | Token::Eof => break,
            }
        }
        if !node.children.is_empty() && node.text.trim().is_empty() {
            node.text.clear();
        }
        Ok(node)
    }
}

/// Characters as XML has them.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Node {
        Node::new(
            "WV-CSP-Message",
            [Node::new(
                "Session",
                [Node::new(
                    "Transaction",
                    [Node::new(
                        "TransactionContent",
                        [
                            Node::new("Result", [Node::leaf("Code", "200"), Node::leaf("Description", "a < b & c")]),
                            Node::leaf("Shoes", "brown"),
                        ],
                    )
                    .in_namespace("http://www.openmobilealliance.org/DTD/WV-TRC1.2")],
                )],
            )],
        )
        .in_namespace("http://www.openmobilealliance.org/DTD/WV-CSP1.2")
    }

    #[test]
    fn written_and_read() {
        for form in [Form::Xml, Form::Wbxml, Form::Json] {
            let bytes = message().to_bytes(form, Version::V1_2);
            assert_eq!(Node::read(form, &bytes), Ok(message()), "{form:?}");
        }
    }

    #[test]
    fn paths() {
        let message = message();
        assert_eq!(message.text_at("Result/Code"), Some("200"));
        assert_eq!(message.text_at("Transaction/Code"), Some("200"), "not only children");
        assert_eq!(message.find("Session/Shoes").len(), 1);
        assert!(message.find("Code/Result").is_empty());
    }
}
