//! What somebody may be called in a group, and when two names are the same one (CSP 13.3).

use imps_types::address::PART_MAX;

/// What joins the letters beside it, or keeps them apart: Persian, Hindi and emoji are not written without them.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// What nobody sees, or what turns the text after it: it would make two names look the same.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether somebody may be called so.
pub(crate) fn is_screen_name(name: &str) -> bool {
    name.len() <= PART_MAX && !name.chars().any(|c| c.is_control() || (is_unseen(c) && !is_joiner(c))) && joins(name)
}

/// Whether each joiner stands between two characters that are seen.
fn joins(name: &str) -> bool {
    let is_seen = |c: Option<char>| c.is_some_and(|c| !is_joiner(c) && !c.is_whitespace());
    name.char_indices().filter(|(_, c)| is_joiner(*c)).all(|(at, joiner)| {
        let (before, after) = (name.get(..at), name.get(at + joiner.len_utf8()..));
        is_seen(before.and_then(|before| before.chars().next_back()))
            && is_seen(after.and_then(|after| after.chars().next()))
    })
}

/// A name as it is compared: in lower case, and without what nobody sees.
pub(super) fn folded(name: &str) -> Box<str> {
    let mut folded = name.to_lowercase();
    if !name.is_ascii() {
        folded.retain(|c| !is_joiner(c));
    }
    folded.into()
}

/// Whether two names in a group are the same one.
pub(crate) fn is_same_name(one: &str, other: &str) -> bool {
    folded(one) == folded(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_look_different_are_none() {
        for name in ["Speedy", "Zoë 漢字 😀", "", &"n".repeat(PART_MAX)] {
            assert!(is_screen_name(name), "{name}");
        }
        let unseen =
            ["ad\u{200b}min", "\u{202e}nimda", "admin\u{feff}", "ad\u{2066}min", "a\u{ad}dmin", "\u{200d}admin"];
        for name in unseen.into_iter().chain(["a\tb", &"n".repeat(PART_MAX + 1)]) {
            assert!(!is_screen_name(name), "{name:?}");
        }
    }

    #[test]
    fn joiners_stand_between_what_is_seen() {
        // Persian, Hindi, and two emoji of several.
        for name in
            ["می\u{200c}خواهم", "क्\u{200d}ष", "👩\u{200d}💻", "👁\u{fe0f}\u{200d}🗨\u{fe0f}", "a\u{200c}b\u{200d}c"]
        {
            assert!(is_screen_name(name), "{name:?}");
        }
        let alone = ["\u{200c}", "\u{200c}a", "a\u{200d}", "a\u{200d}\u{200d}b", "a\u{200c}\u{200d}b", "a \u{200d}b"];
        for name in alone.into_iter().chain(["a\u{200d} b", "a\u{200d}\u{200b}b", "a\u{200d}\u{200e}b"]) {
            assert!(!is_screen_name(name), "{name:?}");
        }
    }

    #[test]
    fn names_that_look_alike_are_the_same() {
        for other in ["speedy", "Spe\u{200d}edy", "SPE\u{200c}EDY"] {
            assert!(is_same_name("Speedy", other), "{other:?}");
        }
        assert!(is_same_name("👩\u{200d}💻", "👩💻") && is_same_name("می\u{200c}خواهم", "میخواهم"));
        assert!(!is_same_name("Speedy", "Speed") && !is_same_name("👩", "👩\u{200d}💻"));
    }
}
