//! What a short message holds (CLP 4, 8.2): 160 septets of the GSM 03.38 default alphabet or 70 units of UCS-2, pages that
//! are cut at the end of a line or a word, and the parts of concatenated messages.

use super::reply::Reply;

/// The default alphabet of GSM 03.38, by septet. At 0x1b stands the escape, which is no character.
const ALPHABET: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', 'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω',
    'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1b}', 'Æ', 'æ', 'ß', 'É', ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+',
    ',', '-', '.', '/', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', '¡', 'A', 'B',
    'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y',
    'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p',
    'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The escape before a character of the extension.
const ESCAPE: u8 = 0x1b;

/// Characters that cost two septets: the escape and this one.
const EXTENSION: [(char, u8); 10] = [
    ('\u{c}', 0x0a),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2f),
    ('[', 0x3c),
    ('~', 0x3d),
    (']', 0x3e),
    ('|', 0x40),
    ('€', 0x65),
];

/// How the characters of a short message are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// Septets of GSM 03.38.
    Gsm,
    /// UCS-2, sixteen bits each.
    Ucs2,
}

impl Alphabet {
    /// The one that a text needs.
    pub fn of(text: &str) -> Self {
        if text.chars().all(|character| septets(character).is_some()) { Self::Gsm } else { Self::Ucs2 }
    }

    /// Units of one short message.
    pub fn single(self) -> usize {
        match self {
            Self::Gsm => 160,
            Self::Ucs2 => 70,
        }
    }

    /// Units of a part of a concatenated one.
    pub fn part(self) -> usize {
        match self {
            Self::Gsm => 153,
            Self::Ucs2 => 67,
        }
    }

    /// Units that a character takes, which are never in two parts; none that it cannot be written with.
    fn width(self, character: char) -> Option<usize> {
        match self {
            Self::Gsm => septets(character),
            Self::Ucs2 => Some(character.len_utf16()),
        }
    }
}

fn code(character: char) -> Option<u8> {
    let index = ALPHABET.iter().position(|one| *one == character && character != '\u{1b}')?;
    u8::try_from(index).ok()
}

/// How many septets each character of ASCII costs; 0 those that the alphabet lacks.
const WIDTHS: [u8; 128] = {
    let mut widths = [0; 128];
    let mut at = 0;
    while at < ALPHABET.len() {
        let character = ALPHABET[at];
        if character.is_ascii() && at != ESCAPE as usize {
            widths[character as usize] = 1;
        }
        at += 1;
    }
    at = 0;
    while at < EXTENSION.len() {
        let character = EXTENSION[at].0;
        if character.is_ascii() {
            widths[character as usize] = 2;
        }
        at += 1;
    }
    widths
};

fn septets(character: char) -> Option<usize> {
    if let Some(&width) = WIDTHS.get(character as usize) {
        return (width > 0).then_some(usize::from(width));
    }
    if EXTENSION.iter().any(|(one, _)| *one == character) {
        return Some(2);
    }
    code(character).map(|_| 1)
}

/// A text as septets, one in each octet; `None` where the alphabet lacks a character.
pub fn to_septets(text: &str) -> Option<Vec<u8>> {
    let mut septets = Vec::with_capacity(text.len());
    for character in text.chars() {
        match EXTENSION.iter().find(|(one, _)| *one == character) {
            Some((_, code)) => septets.extend_from_slice(&[ESCAPE, *code]),
            None => septets.push(code(character)?),
        }
    }
    Some(septets)
}

/// Septets as text. What the extension does not have is read as the standard says: as its septet of the default alphabet;
/// an escape at the end is a blank, and an octet that is no septet loses its high bit.
pub fn from_septets(septets: &[u8]) -> String {
    let mut text = String::with_capacity(septets.len());
    let mut rest = septets.iter().map(|septet| septet & 0x7f);
    let plain = |septet: u8| ALPHABET.get(usize::from(septet)).copied().unwrap_or(' ');
    while let Some(septet) = rest.next() {
        text.push(match septet {
            ESCAPE => match rest.next() {
                None | Some(ESCAPE) => ' ',
                Some(next) => {
                    let extended = EXTENSION.iter().find(|(_, code)| *code == next);
                    extended.map_or_else(|| plain(next), |(character, _)| *character)
                }
            },
            other => plain(other),
        });
    }
    text
}

/// Measures a text while it grows, in both alphabets.
#[derive(Clone, Copy, Debug)]
struct Meter {
    gsm: Option<Filled>,
    ucs2: Filled,
}

/// Whole parts and what is in the last one; and the length of the text as it would be alone.
#[derive(Clone, Copy, Debug)]
struct Filled {
    units: usize,
    parts: usize,
    last: usize,
}

impl Filled {
    fn push(&mut self, width: usize, part: usize) {
        self.units += width;
        self.last += width;
        if self.last > part {
            self.parts += 1;
            self.last = width;
        }
    }

    fn push_plain(&mut self, count: usize, part: usize) {
        self.units += count;
        self.last += count;
        if self.last > part {
            self.parts += 1;
            self.last -= part;
        }
    }

    fn messages(self, alphabet: Alphabet) -> usize {
        if self.units <= alphabet.single() { 1 } else { self.parts }
    }
}

impl Meter {
    const NOTHING: Filled = Filled { units: 0, parts: 1, last: 0 };

    fn new() -> Self {
        Self { gsm: Some(Self::NOTHING), ucs2: Self::NOTHING }
    }

    fn push(&mut self, character: char) {
        self.ucs2.push(character.len_utf16(), Alphabet::Ucs2.part());
        self.gsm = self.gsm.zip(septets(character)).map(|(mut filled, width)| {
            filled.push(width, Alphabet::Gsm.part());
            filled
        });
    }

    fn with(mut self, text: &str) -> Self {
        text.chars().for_each(|character| self.push(character));
        self
    }

    /// With so many characters more that take one unit each in both alphabets; no more than a part holds.
    fn with_plain(mut self, count: usize) -> Self {
        self.ucs2.push_plain(count, Alphabet::Ucs2.part());
        if let Some(filled) = &mut self.gsm {
            filled.push_plain(count, Alphabet::Gsm.part());
        }
        self
    }

    /// In how many short messages it goes out.
    fn messages(self) -> usize {
        match self.gsm {
            Some(filled) => filled.messages(Alphabet::Gsm),
            None => self.ucs2.messages(Alphabet::Ucs2),
        }
    }
}

/// In how many short messages a text goes out.
pub fn messages(text: &str) -> usize {
    Meter::new().with(text).messages()
}

/// Whether a text goes out in so many; what comes after is not looked at.
fn fits(text: &str, at_once: usize) -> bool {
    let mut meter = Meter::new();
    text.chars().all(|character| {
        meter.push(character);
        meter.messages() <= at_once
    })
}

/// The short messages of a text: itself, or the parts of a concatenated one.
pub fn parts(text: &str) -> Vec<String> {
    let alphabet = Alphabet::of(text);
    let width = |character: char| alphabet.width(character).unwrap_or(1);
    if text.chars().map(width).sum::<usize>() <= alphabet.single() {
        return vec![text.to_owned()];
    }
    let (mut parts, mut part, mut filled) = (Vec::new(), String::new(), 0);
    for character in text.chars() {
        if filled + width(character) > alphabet.part() {
            parts.push(std::mem::take(&mut part));
            filled = 0;
        }
        filled += width(character);
        part.push(character);
    }
    parts.push(part);
    parts
}

/// The pages of a text, each of which goes out in `at_once` short messages at most (`SET pages`, 1 to 5); every page but
/// the last says which it is, and how to get on. They are cut at the end of a line or a word, if there is one.
pub fn pages(text: &str, at_once: usize) -> Vec<String> {
    let at_once = at_once.clamp(1, 5);
    if fits(text, at_once) {
        return vec![text.to_owned()];
    }
    // How long the marks are depends on how many pages there are, and the other way round.
    let mut digits = 1;
    loop {
        let pages = cut(text, at_once, digits);
        let needed = pages.len().to_string().len();
        if needed <= digits {
            let count = pages.len();
            return pages
                .into_iter()
                .enumerate()
                .map(|(index, page)| if index + 1 == count { page } else { page + &mark(index + 1, count) })
                .collect();
        }
        digits = needed;
    }
}

fn mark(page: usize, pages: usize) -> String {
    format!("\n>{page}/{pages} MORE")
}

/// Cuts a text into pages, with room for marks of so many digits.
fn cut(text: &str, at_once: usize, digits: usize) -> Vec<String> {
    let widest = 10_usize.pow(u32::try_from(digits.min(6)).unwrap_or(6)) - 1;
    let mark = mark(widest, widest).len();
    let mut pages = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if fits(rest, at_once) {
            pages.push(rest.to_owned());
            break;
        }
        let (mut meter, mut end, mut word_end, mut line_end) = (Meter::new(), 0, None, None);
        for (at, character) in rest.char_indices() {
            meter.push(character);
            if meter.with_plain(mark).messages() > at_once {
                break;
            }
            if matches!(character, ' ' | '\n') && at > 0 {
                word_end = Some(at);
            }
            if character == '\n' && at > 0 {
                line_end = Some(at);
            }
            end = at + character.len_utf8();
        }
        // A word that ends just there is whole.
        let is_whole = rest.get(end..).is_none_or(|next| next.starts_with([' ', '\n']));
        let word_end = if is_whole { end } else { word_end.unwrap_or(end) };
        // A line that ends in the second half of the page keeps the next one whole.
        let at = line_end.filter(|at| *at >= end / 2).unwrap_or(word_end);
        // One character always fits: a mark takes no more than a page but for it.
        let at = if at == 0 { rest.chars().next().map_or(rest.len(), char::len_utf8) } else { at };
        let (page, next) = rest.split_at_checked(at).unwrap_or((rest, ""));
        pages.push(page.to_owned());
        rest = next.strip_prefix([' ', '\n']).unwrap_or(next);
    }
    pages
}

/// A reply as the text of a short message (CLP 4): the signs and codes of success are dropped unless `codes` is on, and so
/// is a last line that says nothing when data lines were sent. Failures keep their code.
pub fn text_of(reply: &Reply, codes: bool) -> String {
    let mut lines: Vec<String> =
        reply.lines.iter().map(|line| if codes { format!(":{line}") } else { line.clone() }).collect();
    let sign = if reply.is_success() { '+' } else { '-' };
    let is_bare = reply.is_success() && !codes;
    if !is_bare {
        lines.push(format!("{sign}{:03} {}", reply.status.code(), reply.text));
    } else if lines.is_empty() || reply.text != "ok" {
        lines.push(reply.text.clone());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::Status;
    use proptest::prelude::*;

    #[test]
    fn the_alphabet_is_read_as_it_is_written() {
        for (code, character) in ALPHABET.iter().enumerate().filter(|(code, _)| *code != usize::from(ESCAPE)) {
            assert_eq!(to_septets(&character.to_string()), Some(vec![code as u8]), "{character:?}");
        }
        let all: String = EXTENSION.iter().map(|(character, _)| *character).collect();
        assert_eq!(from_septets(&to_septets(&all).unwrap()), all);
        assert_eq!(to_septets("ç"), None);
        assert_eq!(to_septets("a\u{1b}"), None);
        assert_eq!(from_septets(&[0x1b, 0x41, 0x1b]), "A ");
        assert_eq!(to_septets("@€"), Some(vec![0, 0x1b, 0x65]));
        for character in (0..=0x7f_u8).map(char::from) {
            let wanted = to_septets(&character.to_string()).map(|septets| septets.len());
            assert_eq!(septets(character), wanted, "{character:?}");
        }
        assert_eq!((code('Δ'), code('à'), code('¿'), code('§')), (Some(16), Some(127), Some(96), Some(95)));
    }

    #[test]
    fn lengths_at_their_bounds() {
        for (text, wanted) in [
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            // 76 of them fill a part but for one septet.
            ("€".repeat(152), 2),
            ("€".repeat(153), 3),
            ("ш".repeat(70), 1),
            ("ш".repeat(71), 2),
            ("ш".repeat(134), 2),
            ("ш".repeat(135), 3),
            // Two units each, which stay together.
            ("😀".repeat(35), 1),
            ("😀".repeat(66), 2),
            ("😀".repeat(67), 3),
        ] {
            assert_eq!(messages(&text), wanted, "{} of {:?}", text.chars().count(), text.chars().next());
            assert_eq!(parts(&text).len(), wanted);
            assert_eq!(parts(&text).concat(), text);
        }
    }

    #[test]
    fn a_page_ends_with_a_word() {
        let whole = "a".repeat(160);
        assert_eq!(pages(&whole, 1), [whole.as_str()]);
        let text = format!("{} {}", "a".repeat(148), "b".repeat(30));
        assert_eq!(pages(&text, 1), [format!("{}\n>1/2 MORE", "a".repeat(148)), "b".repeat(30)]);
        let text = format!("{} {}", "a".repeat(151), "b".repeat(30));
        assert_eq!(pages(&text, 1).len(), 2);
        let lines = "one line\n".repeat(30);
        assert!(pages(lines.trim_end(), 1).iter().all(|page| page.starts_with("one line")));
        let long = "a".repeat(161);
        let paged = pages(&long, 1);
        assert_eq!(paged, [format!("{}\n>1/2 MORE", "a".repeat(150)), "a".repeat(11)]);
        assert_eq!(pages(&"a".repeat(306), 2).len(), 1);
        assert_eq!(pages(&"a".repeat(307), 2).len(), 2);
    }

    #[test]
    fn replies_as_short_messages() {
        let list = Reply::ok("ok").with(vec!["bob on".to_owned(), "ann away".to_owned()]);
        assert_eq!(text_of(&list, false), "bob on\nann away");
        assert_eq!(text_of(&list, true), ":bob on\n:ann away\n+200 ok");
        assert_eq!(text_of(&Reply::ok("sent #17"), false), "sent #17");
        assert_eq!(text_of(&Reply::new(Status::UNKNOWN_USER, "no user zoe"), false), "-531 no user zoe");
    }

    proptest! {
        #[test]
        fn every_page_fits_and_nothing_is_lost(text in "[a-z€ш😀 \n]{0,600}", at_once in 1..6_usize) {
            let paged = pages(&text, at_once);
            let mut joined = String::new();
            for page in &paged {
                prop_assert!(messages(page) <= at_once, "{:?}", page);
                let body = page.rsplit_once("\n>").map_or(page.as_str(), |(body, _)| body);
                joined.push_str(body);
            }
            let bare = |text: &str| text.replace([' ', '\n'], "");
            prop_assert_eq!(bare(&joined), bare(&text));
            prop_assert_eq!(fits(&text, at_once), messages(&text) <= at_once);
            let (meter, mark) = (Meter::new().with(&text), mark(17, 305));
            prop_assert_eq!(meter.with_plain(mark.len()).messages(), meter.with(&mark).messages());
        }

        #[test]
        fn parts_fit(text in "[a-z€~ш😀]{0,500}") {
            let alphabet = Alphabet::of(&text);
            let cut = parts(&text);
            let most = if cut.len() == 1 { alphabet.single() } else { alphabet.part() };
            for part in &cut {
                prop_assert!(part.chars().map(|one| alphabet.width(one).unwrap()).sum::<usize>() <= most);
            }
            prop_assert_eq!(cut.concat(), text);
        }

        #[test]
        fn any_septets_are_text(septets in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(from_septets(&septets).chars().count() <= septets.len());
        }
    }
}
