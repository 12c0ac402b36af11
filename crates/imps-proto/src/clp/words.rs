//! A line in words: separated by blanks, or in quotes (CLP 3).

/// Something that is not said to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfinished;

/// A word, and whether it stood in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) is_quoted: bool,
}

/// What is left of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a>(&'a str);

fn is_blank(character: char) -> bool {
    character == ' ' || character == '\t'
}

impl<'a> Rest<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self(line.trim_matches(is_blank))
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// All of it, blanks inside kept.
    pub(super) fn text(self) -> &'a str {
        self.0
    }

    /// Whether a quoted word comes next.
    pub(super) fn is_quoted(self) -> bool {
        self.0.starts_with('"')
    }

    /// The next word as it stands there, without looking at quotes.
    pub(super) fn peek(self) -> &'a str {
        self.0.split(is_blank).next().unwrap_or_default()
    }

    /// Goes on behind what [`Rest::peek`] showed.
    pub(super) fn skip(&mut self) {
        self.go_on(self.peek().len());
    }

    fn go_on(&mut self, bytes: usize) {
        self.0 = self.0.get(bytes..).unwrap_or_default().trim_start_matches(is_blank);
    }

    /// The next word.
    pub(super) fn word(&mut self) -> Result<Option<Word>, Unfinished> {
        if self.0.is_empty() {
            return Ok(None);
        }
        if !self.is_quoted() {
            let text = self.peek().to_owned();
            self.skip();
            return Ok(Some(Word { text, is_quoted: false }));
        }
        let mut pieces = self.pieces(|_| false)?;
        Ok(pieces.pop())
    }

    /// The next word, in which what follows a `=` may be in quotes.
    pub(super) fn pair(&mut self) -> Result<String, Unfinished> {
        Ok(self.pieces(|_| false)?.pop().map(|word| word.text).unwrap_or_default())
    }

    /// The next words that have commas between them and no blanks. A piece may be in quotes, and so may be what follows a
    /// `!` or a `=` in it.
    pub(super) fn list(&mut self) -> Result<Vec<Word>, Unfinished> {
        self.pieces(|character| character == ',')
    }

    /// Reads to the next blank outside quotes, in pieces.
    fn pieces(&mut self, separates: impl Fn(char) -> bool) -> Result<Vec<Word>, Unfinished> {
        let mut pieces = Vec::new();
        let mut word = Word { text: String::new(), is_quoted: false };
        let mut characters = self.0.char_indices();
        let mut end = self.0.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' if word.text.is_empty() || word.text.ends_with(['!', '=']) => {
                    word.is_quoted |= word.text.is_empty();
                    loop {
                        match characters.next().ok_or(Unfinished)?.1 {
                            '"' => break,
                            '\\' => word.text.push(characters.next().ok_or(Unfinished)?.1),
                            other => word.text.push(other),
                        }
                    }
                }
                blank if is_blank(blank) => {
                    end = at;
                    break;
                }
                comma if separates(comma) => {
                    pieces.push(std::mem::replace(&mut word, Word { text: String::new(), is_quoted: false }));
                }
                other => word.text.push(other),
            }
        }
        pieces.push(word);
        self.go_on(end);
        Ok(pieces)
    }
}

/// A text with its escapes carried out: `\n` is a line break, `\\` a backslash. What is no escape stays as it is.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some('n')) => {
                plain.push('\n');
                characters.next();
            }
            ('\\', Some('\\')) => {
                plain.push('\\');
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    plain
}

/// The reverse: a text as it stands in one line.
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => line.push_str("\\n"),
            '\\' => line.push_str("\\\\"),
            other => line.push(other),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<(String, bool)>> {
        let mut rest = Rest::new(line);
        let mut words = Vec::new();
        while let Some(word) = rest.word().ok()? {
            words.push((word.text, word.is_quoted));
        }
        Some(words)
    }

    fn word(text: &str, is_quoted: bool) -> (String, bool) {
        (text.to_owned(), is_quoted)
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(words("  a  b\tc "), Some(vec![word("a", false), word("b", false), word("c", false)]));
        assert_eq!(words(r#""a b" c"#), Some(vec![word("a b", true), word("c", false)]));
        assert_eq!(words(r#""a \" \\ b""#), Some(vec![word(r#"a " \ b"#, true)]));
        assert_eq!(words(r#"a"b c"#), Some(vec![word("a\"b", false), word("c", false)]));
        assert_eq!(words(r#""""#), Some(vec![word("", true)]));
        assert_eq!(words(r#""open"#), None);
        assert_eq!(words(r#""open\"#), None);
        assert_eq!(words(""), Some(Vec::new()));
    }

    #[test]
    fn lists_and_what_follows() {
        let mut rest = Rest::new(r#"bob,"Ann B",/cars!"Big Max" the  text "#);
        let list: Vec<_> = rest.list().unwrap().into_iter().map(|word| (word.text, word.is_quoted)).collect();
        assert_eq!(list, [word("bob", false), word("Ann B", true), word("/cars!Big Max", false)]);
        assert_eq!(rest.text(), "the  text");
        let mut rest = Rest::new("a,,b");
        assert_eq!(rest.list().unwrap().len(), 3);
    }

    #[test]
    fn escapes() {
        assert_eq!(unescaped(r"a\nb\\n\x\"), "a\nb\\n\\x\\");
        assert_eq!(unescaped("plain ä"), "plain ä");
        for text in ["a\nb", "\\n", "\\\n\\\\", "c:\\new\\x"] {
            assert_eq!(unescaped(&escaped(text)), text);
        }
    }
}
