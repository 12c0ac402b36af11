//! The words after a verb, taken one after another.

use super::parse::Word;

/// What is left of a line.
pub(super) struct Arguments<'a> {
    rest: &'a [Word],
}

impl<'a> Arguments<'a> {
    pub(super) fn new(words: &'a [Word]) -> Self {
        Self { rest: words }
    }

    /// The next word, taken.
    pub(super) fn next(&mut self) -> Option<&'a Word> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// The next word, left where it is.
    pub(super) fn peek(&self) -> Option<&'a Word> {
        self.rest.first()
    }

    /// Takes this word, if it is the next one.
    pub(super) fn takes(&mut self, keyword: &str) -> bool {
        let is_next = self.peek().is_some_and(|word| !word.is_quoted && word.text == keyword);
        if is_next {
            self.next();
        }
        is_next
    }

    /// The next word, which must be there.
    pub(super) fn text(&mut self, what: &str) -> Result<&'a str, String> {
        self.next().map(|word| word.text.as_str()).ok_or_else(|| format!("{what} is missing"))
    }

    /// The next word as a number.
    pub(super) fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, String> {
        let text = self.text(what)?;
        text.parse().map_err(|_| format!("`{text}` is no number for {what}"))
    }

    /// Words up to one of these, which is left.
    pub(super) fn until(&mut self, keywords: &[&str]) -> &'a [Word] {
        let is_end = |word: &Word| !word.is_quoted && keywords.contains(&word.text.as_str());
        let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
        let (before, rest) = self.rest.split_at(end);
        self.rest = rest;
        before
    }

    /// All that is left.
    pub(super) fn all(&mut self) -> &'a [Word] {
        std::mem::take(&mut self.rest)
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(word) => Err(format!("`{}` has no meaning here", word.text)),
        }
    }
}
