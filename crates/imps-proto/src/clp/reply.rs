//! What goes out: replies and events (CLP 4).

use imps_types::Status;

/// Characters of the text behind a code.
pub const STATUS_TEXT_MAX: usize = 120;
/// Characters of a data line.
pub const DATA_MAX: usize = 250;
/// Bytes of the largest text that may be told without being asked for.
const PUSH_MAX: u32 = 4000;
/// Characters of an event: a pushed message is its longest, each character of it an escape, with what stands before it.
const EVENT_MAX: usize = 2 * PUSH_MAX as usize + 1000;

/// The answer to one command: data lines, then one line that ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Data lines, without the sign before them.
    pub lines: Vec<String>,
    /// The page that was shown and how many there are, where more waits.
    pub page: Option<(usize, usize)>,
    /// The code.
    pub status: Status,
    /// What is said with it.
    pub text: String,
}

impl Reply {
    /// A reply without data.
    pub fn new(status: Status, text: impl Into<String>) -> Self {
        Self { lines: Vec::new(), page: None, status, text: text.into() }
    }

    /// It was done.
    pub fn ok(text: impl Into<String>) -> Self {
        Self::new(Status::SUCCESSFUL, text)
    }

    /// The same with these data lines.
    #[must_use]
    pub fn with(mut self, lines: Vec<String>) -> Self {
        self.lines = lines;
        self
    }

    /// Whether it was done, in whole or in part.
    pub fn is_success(&self) -> bool {
        self.status.code() / 100 == 2
    }

    /// Writes it as lines, each marked with the tag.
    pub fn write(&self, tag: Option<&str>, writer: &mut Writer) {
        let tag = tag.map(|tag| format!("{tag} ")).unwrap_or_default();
        for line in &self.lines {
            writer.line(&tag, ":", line, DATA_MAX);
        }
        if let Some((page, pages)) = self.page {
            writer.line(&tag, ">", &format!("{page}/{pages} more"), DATA_MAX);
        }
        let sign = if self.is_success() { "+" } else { "-" };
        writer.line(&tag, &format!("{sign}{:03} ", self.status.code()), &self.text, STATUS_TEXT_MAX);
    }
}

/// An event as its line: what is numbered begins with its number.
pub fn event(number: Option<u16>, text: &str) -> String {
    match number {
        Some(number) => format!("{number} {text}"),
        None => text.to_owned(),
    }
}

/// Lines that wait to be written, each with CR LF.
#[derive(Debug, Default)]
pub struct Writer {
    /// The octets.
    pub out: Vec<u8>,
}

impl Writer {
    /// Writes an event.
    pub fn event(&mut self, number: Option<u16>, text: &str) {
        self.line("", "*", &event(number, text), EVENT_MAX);
    }

    fn line(&mut self, tag: &str, sign: &str, text: &str, most: usize) {
        self.out.extend_from_slice(tag.as_bytes());
        self.out.extend_from_slice(sign.as_bytes());
        self.out.extend_from_slice(clean(text, most).as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }
}

/// A text as one line: at most so many characters, and nothing in it that could end the line or move a cursor.
pub fn clean(text: &str, most: usize) -> String {
    let mut line = String::with_capacity(text.len());
    let mut room = most;
    for character in text.chars() {
        let character = match character {
            '\t' => '\t',
            '\n' | '\u{2028}' | '\u{2029}' => ' ',
            control if control.is_control() => continue,
            other => other,
        };
        if room == 0 {
            line.pop();
            line.push('…');
            break;
        }
        room -= 1;
        line.push(character);
    }
    line
}

/// A text in lines of so many characters, cut behind blanks where there are any, and never within an escape. Nothing of it
/// is lost.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    // Where the line can be cut: behind a blank, else before an escape that does not fit.
    let (mut characters, mut blank, mut is_escape) = (0, None, false);
    for character in text.chars() {
        if characters >= width {
            let at = blank.take().unwrap_or(if is_escape { line.len() - 1 } else { line.len() });
            let rest = line.split_off(at);
            lines.push(std::mem::replace(&mut line, rest));
            characters = line.chars().count();
        }
        line.push(character);
        characters += 1;
        is_escape = character == '\\' && !is_escape;
        if character == ' ' {
            blank = Some(line.len());
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(reply: &Reply, tag: Option<&str>) -> String {
        let mut writer = Writer::default();
        reply.write(tag, &mut writer);
        String::from_utf8(writer.out).unwrap()
    }

    #[test]
    fn a_reply_and_its_tag() {
        let reply = Reply::ok("1 waiting").with(vec!["12 bob 14:05 text 24".to_owned()]);
        assert_eq!(written(&reply, None), ":12 bob 14:05 text 24\r\n+200 1 waiting\r\n");
        assert_eq!(written(&reply, Some("=7")), "=7 :12 bob 14:05 text 24\r\n=7 +200 1 waiting\r\n");
        let paged = Reply { page: Some((2, 5)), ..reply };
        assert_eq!(written(&paged, None), ":12 bob 14:05 text 24\r\n>2/5 more\r\n+200 1 waiting\r\n");
        assert_eq!(written(&Reply::new(Status::UNKNOWN_USER, "no user zoe"), None), "-531 no user zoe\r\n");
        assert_eq!(written(&Reply::new(Status::PARTIALLY_SUCCESSFUL, "sent #14"), None), "+201 sent #14\r\n");
    }

    #[test]
    fn events_have_numbers() {
        let mut writer = Writer::default();
        writer.event(Some(12), "bob: are you there?");
        writer.event(None, "bye idle");
        assert_eq!(writer.out, b"*12 bob: are you there?\r\n*bye idle\r\n");
    }

    #[test]
    fn nobody_writes_lines_of_the_server() {
        let reply = Reply::ok("hello\r\n-500 fear\u{1b}[2J\u{85}x\u{2028}y");
        assert_eq!(written(&reply, None), "+200 hello -500 fear[2Jx y\r\n");
    }

    #[test]
    fn lines_are_not_too_long() {
        let reply = Reply::ok("ä".repeat(500)).with(vec!["b".repeat(251), "c".repeat(250)]);
        let text = written(&reply, None);
        let lengths: Vec<_> = text.split("\r\n").map(|line| line.chars().count()).collect();
        assert_eq!(lengths, [251, 251, 125, 0]);
    }

    #[test]
    fn texts_are_wrapped_at_blanks() {
        assert_eq!(wrapped("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrapped("one two three", 7), ["one ", "two ", "three"]);
        assert_eq!(wrapped("onetwothree", 5), ["onetw", "othre", "e"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("one two", 7), ["one two"]);
        // Not between the two characters of an escape, but between two escapes.
        assert_eq!(wrapped(r"abc\nd", 4), ["abc", r"\nd"]);
        assert_eq!(wrapped(r"ab\\nd", 4), [r"ab\\", "nd"]);
    }

    #[test]
    fn the_largest_text_that_is_pushed_is_whole() {
        let text = crate::clp::escaped(&"\\".repeat(PUSH_MAX as usize));
        let mut writer = Writer::default();
        writer.event(Some(999), &format!("{}: {text}", "a".repeat(300)));
        assert!(writer.out.ends_with(b"\\\\\r\n"));
        assert_eq!(writer.out.len(), "*999 ".len() + 300 + 2 + text.len() + 2);
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing(text in "[a-zä \n\\\\]{0,80}", width in 2..12_usize) {
            let text = crate::clp::escaped(&text);
            let lines = wrapped(&text, width);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width));
            prop_assert_eq!(lines.concat(), text);
            // Each line begins and ends with whole escapes.
            for line in lines {
                prop_assert_eq!((line.len() - line.trim_end_matches('\\').len()) % 2, 0, "{}", line);
            }
        }

        #[test]
        fn one_line_stays_one_line(text in any::<String>()) {
            prop_assert!(!clean(&text, 100).contains(|c: char| c.is_control() && c != '\t'));
            prop_assert!(clean(&text, 100).chars().count() <= 100);
        }
    }
}
