//! Octets of a terminal as lines: telnet, backspace, joined lines, bounds (CLP 3, 7).

use super::LINE_MAX;

/// A line as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Its text, without the end of the line.
    Text(String),
    /// It was longer than [`LINE_MAX`]; nothing of it is kept.
    TooLong,
}

// Telnet (RFC 854).
const SE: u8 = 240;
const ERASE_CHARACTER: u8 = 247;
const ERASE_LINE: u8 = 248;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;
const IAC: u8 = 255;
/// The option of echoing (RFC 857).
const ECHO: u8 = 1;

const BACKSPACE: u8 = 8;
const DELETE: u8 = 127;

/// Where in telnet's own sequences the input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Telnet {
    #[default]
    Data,
    Command,
    Option(u8),
    Sub,
    SubCommand,
}

/// Makes lines of octets. It holds no more than one line, and nothing between two.
#[derive(Debug, Default)]
pub struct LineReader {
    bytes: Vec<u8>,
    characters: usize,
    telnet: Telnet,
    /// The last octet was a carriage return.
    is_return: bool,
    is_too_long: bool,
    /// The next line is taken as it is: a password.
    is_secret: bool,
}

impl LineReader {
    /// What tells a telnet client that nothing is to be shown that is typed, or that it is to be again.
    pub fn echo(is_shown: bool) -> [u8; 3] {
        // Who says that he will echo, and does not, keeps it dark.
        [IAC, if is_shown { WONT } else { WILL }, ECHO]
    }

    /// The next line is a password: it is not joined with others.
    pub fn expect_secret(&mut self) {
        self.is_secret = true;
    }

    /// Whether a line has begun.
    pub fn is_amid(&self) -> bool {
        !self.bytes.is_empty() || self.is_too_long
    }

    /// Takes octets off the front of `input` until a line is complete; `None` when all are taken. What a telnet client
    /// must be told goes to `answers`: three octets for three at most.
    pub fn next_line(&mut self, input: &mut &[u8], answers: &mut Vec<u8>) -> Option<Line> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            if let Some(byte) = self.data(byte, answers)
                && let Some(line) = self.character(byte)
            {
                return Some(line);
            }
        }
        None
    }

    /// An octet of the stream: what it is to the line.
    fn data(&mut self, byte: u8, answers: &mut Vec<u8>) -> Option<u8> {
        let (next, data) = match (self.telnet, byte) {
            (Telnet::Data, IAC) => (Telnet::Command, None),
            (Telnet::Data, byte) => (Telnet::Data, Some(byte)),
            (Telnet::Command, IAC) => (Telnet::Data, Some(IAC)),
            (Telnet::Command, SB) => (Telnet::Sub, None),
            (Telnet::Command, WILL | WONT | DO | DONT) => (Telnet::Option(byte), None),
            (Telnet::Command, ERASE_CHARACTER) => (Telnet::Data, Some(BACKSPACE)),
            (Telnet::Command, ERASE_LINE) => {
                self.clear();
                (Telnet::Data, None)
            }
            (Telnet::Command, _) => (Telnet::Data, None),
            (Telnet::Option(verb), option) => {
                self.decline(verb, option, answers);
                (Telnet::Data, None)
            }
            (Telnet::Sub, IAC) => (Telnet::SubCommand, None),
            (Telnet::Sub, _) => (Telnet::Sub, None),
            (Telnet::SubCommand, SE) => (Telnet::Data, None),
            (Telnet::SubCommand, _) => (Telnet::Sub, None),
        };
        self.telnet = next;
        data
    }

    /// A character of a line, or a part of one.
    fn character(&mut self, byte: u8) -> Option<Line> {
        let was_return = std::mem::replace(&mut self.is_return, byte == b'\r');
        match byte {
            b'\n' => return self.end(),
            // Telnet's way of sending a carriage return alone.
            0 if was_return => return self.end(),
            BACKSPACE | DELETE => self.erase(),
            b'\t' => self.push(byte),
            0..=31 => {}
            _ => self.push(byte),
        }
        None
    }

    fn push(&mut self, byte: u8) {
        if self.is_too_long {
            // Its end alone, which tells whether the next line belongs to it.
            if self.bytes.len() >= 2 {
                self.bytes.remove(0);
            }
            self.bytes.push(byte);
            return;
        }
        // Octets that go on with a character begin none; a run of them is no text, and is bounded all the same.
        if byte & 0xc0 != 0x80 {
            self.characters += 1;
        }
        if self.characters > LINE_MAX || self.bytes.len() >= LINE_MAX * 4 {
            let last = self.bytes.pop();
            self.clear();
            self.bytes.extend(last);
            self.is_too_long = true;
        }
        self.bytes.push(byte);
    }

    fn erase(&mut self) {
        while let Some(byte) = self.bytes.pop() {
            if byte & 0xc0 != 0x80 {
                self.characters = self.characters.saturating_sub(1);
                break;
            }
        }
    }

    fn clear(&mut self) {
        self.bytes = Vec::new();
        self.characters = 0;
    }

    /// The line has come to its end.
    fn end(&mut self) -> Option<Line> {
        let goes_on = !self.is_secret && (self.bytes.ends_with(b" \\") || self.bytes.ends_with(b"\t\\"));
        if goes_on {
            // In the next one.
            self.erase();
            return None;
        }
        if std::mem::take(&mut self.is_too_long) {
            self.clear();
            self.is_secret = false;
            return Some(Line::TooLong);
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.clear();
        self.is_secret = false;
        let mut text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        // The controls that are characters of two octets; the others are gone.
        text.retain(|character| character == '\t' || !character.is_control());
        Some(Line::Text(text))
    }

    /// Every option but our own echo, while we have offered it, is declined. What is not switched on is not answered, so
    /// nothing goes round in circles.
    fn decline(&self, verb: u8, option: u8, answers: &mut Vec<u8>) {
        match (verb, option) {
            (DO, ECHO) if self.is_secret => {}
            (DO, option) => answers.extend_from_slice(&[IAC, WONT, option]),
            (WILL, option) => answers.extend_from_slice(&[IAC, DONT, option]),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(bytes: &[u8]) -> (Vec<Line>, Vec<u8>) {
        let (mut reader, mut answers, mut lines) = (LineReader::default(), Vec::new(), Vec::new());
        let mut input = bytes;
        while let Some(line) = reader.next_line(&mut input, &mut answers) {
            lines.push(line);
        }
        (lines, answers)
    }

    fn texts(bytes: &[u8]) -> Vec<String> {
        let text = |line| match line {
            Line::Text(text) => text,
            Line::TooLong => "TOO LONG".to_owned(),
        };
        lines(bytes).0.into_iter().map(text).collect()
    }

    #[test]
    fn ends_of_lines() {
        assert_eq!(texts(b"a\r\nb\nc\r\0d\re\n\nrest"), ["a", "b", "c", "de", ""]);
        assert_eq!(texts(b"a\0b\x07c\x1b[Ad\te\n"), ["abc[Ad\te"]);
        assert_eq!(texts("a\u{85}b\u{9b}31mc\n".as_bytes()), ["ab31mc"]);
    }

    #[test]
    fn what_is_erased_is_gone() {
        assert_eq!(texts("abä\u{8}\u{7f}c\n".as_bytes()), ["ac"]);
        assert_eq!(texts(b"\x08\x08a\n"), ["a"]);
        assert_eq!(texts(&[b'a', IAC, ERASE_LINE, b'b', b'c', IAC, ERASE_CHARACTER, b'\n']), ["b"]);
    }

    #[test]
    fn lines_are_joined() {
        assert_eq!(texts(b"msg bob one \\\r\ntwo\r\n"), ["msg bob one two"]);
        assert_eq!(texts(b"one\\\ntwo\n"), ["one\\", "two"]);
        let mut reader = LineReader::default();
        reader.expect_secret();
        let mut input: &[u8] = b"pass \\\nnext\n";
        assert_eq!(reader.next_line(&mut input, &mut Vec::new()), Some(Line::Text("pass \\".to_owned())));
        assert_eq!(reader.next_line(&mut input, &mut Vec::new()), Some(Line::Text("next".to_owned())));
    }

    #[test]
    fn too_long_lines_are_told_once() {
        let at_most = "ä".repeat(LINE_MAX);
        assert_eq!(texts(format!("{at_most}\nx\n").as_bytes()), [at_most.as_str(), "x"]);
        assert_eq!(texts(format!("{at_most}b\nx\n").as_bytes()), ["TOO LONG", "x"]);
        let joined = format!("{}\n", "a \\\n".repeat(LINE_MAX));
        assert_eq!(texts(joined.as_bytes()), ["TOO LONG"]);
        assert_eq!(texts(&[[0x80; 100_000].as_slice(), b"\n"].concat()), ["TOO LONG"]);
    }

    #[test]
    fn telnet_is_declined() {
        let (read, answers) = lines(&[b'a', IAC, WILL, 31, b'b', IAC, DO, 24, IAC, DO, ECHO, IAC, DONT, 3, b'\n']);
        assert_eq!(read, [Line::Text("ab".to_owned())]);
        assert_eq!(answers, [IAC, DONT, 31, IAC, WONT, 24, IAC, WONT, ECHO]);
        // Who was told that nothing is shown may agree.
        let (mut reader, mut answers) = (LineReader::default(), Vec::new());
        reader.expect_secret();
        let mut input: &[u8] = &[IAC, DO, ECHO, b'x', b'\n'];
        assert_eq!(reader.next_line(&mut input, &mut answers), Some(Line::Text("x".to_owned())));
        assert_eq!(answers, []);
        let (read, answers) = lines(&[b'a', IAC, SB, 31, 0, b'\n', IAC, IAC, 24, IAC, SE, b'b', IAC, 246, b'\n']);
        assert_eq!((read, answers), (vec![Line::Text("ab".to_owned())], Vec::new()));
        assert_eq!(texts(&[IAC, IAC, b'\n']), ["\u{fffd}"]);
    }

    proptest! {
        #[test]
        fn any_octets_in_any_pieces_are_the_same_lines(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0..400_usize) {
            let whole = lines(&bytes);
            let (mut reader, mut answers, mut parts) = (LineReader::default(), Vec::new(), Vec::new());
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            for mut input in [head, tail] {
                while let Some(line) = reader.next_line(&mut input, &mut answers) {
                    parts.push(line);
                }
            }
            prop_assert_eq!(&parts, &whole.0);
            prop_assert!(answers.len() <= bytes.len());
            for line in parts {
                if let Line::Text(text) = line {
                    prop_assert!(!text.contains(|c: char| c.is_control() && c != '\t'));
                }
            }
        }
    }
}
