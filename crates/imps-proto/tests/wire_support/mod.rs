//! What the tests of the wire layer share: vectors, and documents in a form that can be compared.
#![allow(dead_code, reason = "each test uses a part of it")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use imps_proto::wire::{self, AnyReader, DecodeError, Form, Limits, Reader, Tag, Token};
use imps_proto::{Element, Kind};
use imps_types::{DateTime, Version};
use std::fs;
use std::path::PathBuf;

/// A piece of a document, the same for every encoding of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    Start(String),
    Xmlns(String),
    Text(String),
    End,
}

pub(crate) fn spec() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec")
}

pub(crate) fn vector(name: &str) -> Vec<u8> {
    let path = spec().join("vectors").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files whose names end so, sorted.
pub(crate) fn vectors(ending: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(spec().join("vectors"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(ending))
        .collect();
    names.sort();
    names
}

/// The XML that a WBXML vector has beside it.
pub(crate) fn xml_of(wbxml: &str) -> String {
    let stem = wbxml.strip_suffix(".wbxml").unwrap();
    format!("{}.xml", stem.strip_suffix(".ns").unwrap_or(stem))
}

/// A document without what JSON does not tell: the order of children of different names, how a number, a flag or a
/// namespace is spelled, and whether criteria of a search stand in one list or in several.
pub(crate) fn canonical(pieces: &[Piece]) -> Vec<Piece> {
    #[derive(Default)]
    struct Node {
        name: String,
        text: String,
        children: Vec<Node>,
    }
    fn close(mut node: Node) -> Vec<Node> {
        let element = Element::by_name(&node.name, imps_proto::Space::Trc);
        let text = node.text.trim_ascii();
        node.text = match element.map(Element::kind) {
            Some(Kind::Integer) => match text.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16).map_or(text.to_owned(), |number| number.to_string()),
                None => text.parse::<u32>().map_or(text.to_owned(), |number| number.to_string()),
            },
            Some(Kind::Boolean) if text.len() == 1 => text.to_ascii_uppercase(),
            Some(Kind::Boolean | Kind::Date) => text.to_owned(),
            // Text between children: how much layout is around it depends on where it stands.
            _ if !node.children.is_empty() => text.split_ascii_whitespace().collect(),
            _ => node.text,
        };
        if node.name == "SearchPairList" {
            let mut lists: Vec<Node> = Vec::new();
            for child in node.children {
                let fits = |list: &&mut Node| {
                    child.name == "SearchPair" || list.children.iter().all(|other| other.name != child.name)
                };
                match lists.last_mut().filter(fits) {
                    Some(list) => list.children.push(child),
                    None => lists.push(Node { name: node.name.clone(), text: String::new(), children: vec![child] }),
                }
            }
            return if lists.is_empty() { vec![Node { name: node.name, ..Node::default() }] } else { lists };
        }
        node.children.sort_by(|a, b| a.name.cmp(&b.name));
        vec![node]
    }
    fn show(node: &Node, pieces: &mut Vec<Piece>) {
        pieces.push(Piece::Start(node.name.clone()));
        pieces.push(Piece::Text(node.text.clone()));
        node.children.iter().for_each(|child| show(child, pieces));
        pieces.push(Piece::End);
    }
    let mut open = vec![Node::default()];
    for piece in pieces {
        match piece {
            Piece::Start(name) => open.push(Node { name: name.clone(), ..Node::default() }),
            Piece::Xmlns(_) => {}
            Piece::Text(text) => open.last_mut().unwrap().text.push_str(text),
            Piece::End => {
                let closed = close(open.pop().unwrap());
                open.last_mut().unwrap().children.extend(closed);
            }
        }
    }
    let mut shown = Vec::new();
    open[0].children.iter().for_each(|child| show(child, &mut shown));
    shown
}

pub(crate) fn form_of(name: &str) -> Form {
    if name.ends_with(".xml") { Form::Xml } else { Form::Wbxml }
}

pub(crate) fn open<'a>(form: Form, bytes: &'a [u8]) -> Result<AnyReader<'a>, DecodeError> {
    wire::reader(form, bytes, &Limits::default())
}

pub(crate) fn decode(form: Form, bytes: &[u8]) -> Result<Vec<Piece>, DecodeError> {
    let bytes = wire::utf8(form, bytes)?;
    pieces(&mut open(form, &bytes)?)
}

/// The version that a document names in its root, or in its header.
pub(crate) fn version(form: Form, bytes: &[u8]) -> Option<Version> {
    let mut reader = open(form, bytes).ok()?;
    reader.next().ok()?;
    reader.version()
}

pub(crate) fn transcode(from: Form, bytes: &[u8], to: Form, version: Version) -> Result<Vec<u8>, DecodeError> {
    let bytes = wire::utf8(from, bytes)?;
    let mut reader = open(from, &bytes)?;
    let mut writer = wire::writer(to, version, Vec::new());
    wire::transcode(reader.as_dyn(), writer.as_dyn())?;
    Ok(writer.finish())
}

/// Reads to the end. White space that is layout is dropped, pieces of text are joined, dates are compared by value, and
/// bytes are shown in base64.
pub(crate) fn pieces<'a>(reader: &mut dyn Reader<'a>) -> Result<Vec<Piece>, DecodeError> {
    struct Open {
        element: Option<Element>,
        text: String,
        has_children: bool,
    }
    let mut pieces = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let flush = |pieces: &mut Vec<Piece>, open: &mut Open, has_children: bool| {
        let text = std::mem::take(&mut open.text);
        open.has_children |= has_children;
        let kind = open.element.map(Element::kind);
        let text = match kind {
            _ if open.has_children && text.trim_ascii().is_empty() => String::new(),
            Some(Kind::Struct) => text.trim_ascii().to_owned(),
            Some(Kind::Date) => DateTime::parse(text.trim_ascii()).map_or(text, DateTime::to_basic),
            _ => text,
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
    };
    loop {
        match reader.next()? {
            Token::Start(start) => {
                if let Some(parent) = open.last_mut() {
                    flush(&mut pieces, parent, true);
                }
                let name = match start.tag {
                    // One element whose name depends on a version that not every document gives.
                    Tag::Known(Element::CirHttpAddress) => Element::CirUrl.name(),
                    tag => tag.name(),
                };
                pieces.push(Piece::Start(name.to_owned()));
                if let Some(namespace) = start.xmlns {
                    pieces.push(Piece::Xmlns(namespace.to_string()));
                }
                open.push(Open { element: start.tag.known(), text: String::new(), has_children: false });
            }
            Token::End => {
                let mut last = open.pop().unwrap();
                flush(&mut pieces, &mut last, false);
                pieces.push(Piece::End);
            }
            Token::Eof => {
                assert!(open.is_empty());
                return Ok(pieces);
            }
            token => {
                let text = &mut open.last_mut().unwrap().text;
                match token {
                    Token::Text(more) => text.push_str(&more),
                    Token::Integer(number) => text.push_str(&number.to_string()),
                    Token::Date(date) => text.push_str(&date.to_basic()),
                    Token::Opaque(bytes) => text.push_str(&BASE64.encode(bytes)),
                    _ => unreachable!(),
                }
            }
        }
    }
}

pub(crate) fn without_namespaces(pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.into_iter().filter(|piece| !matches!(piece, Piece::Xmlns(_))).collect()
}

/// The rows of a table in INDEX.md that begin with a file name, cut at the bars.
pub(crate) fn index() -> Vec<Vec<String>> {
    let index = fs::read_to_string(spec().join("vectors/INDEX.md")).unwrap();
    let rows = index.lines().filter(|line| line.starts_with("| ") && line.contains(".wbxml |"));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Compares, and shows only where they part.
#[track_caller]
pub(crate) fn assert_same(what: &str, ours: &[Piece], expected: &[Piece]) {
    if ours != expected {
        let at = ours.iter().zip(expected).take_while(|(a, b)| a == b).count();
        let around = |pieces: &[Piece]| format!("{:?}", &pieces[at.saturating_sub(3)..pieces.len().min(at + 5)]);
        panic!("{what}: differs at piece {at}\n     ours: {}\n expected: {}", around(ours), around(expected));
    }
}

/// Numbers that are the same in every run.
pub(crate) struct Xorshift(pub(crate) u64);

impl Xorshift {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One to four changes: a bit, a byte, a piece cut out, doubled, or taken from another vector.
pub(crate) fn damage(bytes: &mut Vec<u8>, other: &[u8], random: &mut Xorshift) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let length = random.below(12).min(bytes.len() - at);
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + length)),
            2 => {
                let piece = bytes[at..at + length].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let from = random.below(other.len());
                let piece = &other[from..other.len().min(from + length)];
                bytes.splice(at..at + length, piece.iter().copied());
            }
            4 => bytes.insert(at, random.next() as u8),
            5 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ if at < bytes.len() => bytes[at] = random.next() as u8,
            _ => {}
        }
    }
}
