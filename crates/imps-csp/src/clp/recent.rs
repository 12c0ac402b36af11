//! Texts that were shown a short while ago: with that they are delivered, and no more in the store, and can be sent on all
//! the same (CLP 6.4, FWD).

use std::collections::VecDeque;

/// Texts that are kept of a line.
const COUNT_MAX: usize = 50;
/// Their bytes.
const BYTES_MAX: usize = 64 << 10;

/// The last texts that a line has shown.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// MessageID and text, the newest last.
    texts: VecDeque<(Box<str>, Box<str>)>,
    bytes: usize,
}

impl Recent {
    /// Keeps a text for a while.
    pub(super) fn keep(&mut self, id: &str, text: &str) {
        if text.len() > BYTES_MAX || self.text(id).is_some() {
            return;
        }
        self.bytes += text.len();
        self.texts.push_back((id.into(), text.into()));
        while self.texts.len() > COUNT_MAX || self.bytes > BYTES_MAX {
            let Some((_, oldest)) = self.texts.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    /// The text of a message that was shown.
    pub(super) fn text(&self, id: &str) -> Option<&str> {
        self.texts.iter().find(|(one, _)| **one == *id).map(|(_, text)| &**text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_for_a_while() {
        let mut recent = Recent::default();
        for number in 0..=COUNT_MAX {
            recent.keep(&number.to_string(), "text");
        }
        assert_eq!((recent.text("0"), recent.text("1")), (None, Some("text")));
        recent.keep("1", "another");
        assert_eq!((recent.texts.len(), recent.bytes), (COUNT_MAX, COUNT_MAX * 4));
        recent.keep("large", &"x".repeat(BYTES_MAX));
        assert_eq!((recent.texts.len(), recent.bytes), (1, BYTES_MAX));
        recent.keep("larger", &"x".repeat(BYTES_MAX + 1));
        assert!(recent.text("larger").is_none() && recent.text("large").is_some());
    }
}
