//! Languages, and texts that are there in several (CSP 6, `DefaultLanguage`).

mod texts;

pub use texts::translation;

use crate::record::{RecordError, RecordReader, RecordWriter};

macro_rules! languages {
    ($($language:ident $code:literal [$($other:literal)*] $name:literal;)*) => {
        /// A language that the server itself speaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Language { $(#[doc = $name] $language),* }

        impl Language {
            /// Every language.
            pub const ALL: &'static [Self] = &[$(Self::$language),*];

            /// The three-letter code.
            pub fn code(self) -> &'static str {
                match self { $(Self::$language => $code),* }
            }

            fn known_as(code: &str) -> Option<Self> {
                $(if code == $code $(|| code == $other)* { return Some(Self::$language); })*
                None
            }
        }
    };
}

languages! {
    // language  ISO 639-2  its other codes   name
    English      "eng"      ["en"]            "English";
    Finnish      "fin"      ["fi"]            "suomi";
    German       "deu"      ["ger" "de"]      "Deutsch";
    French       "fra"      ["fre" "fr"]      "français";
    Spanish      "spa"      ["es"]            "español";
}

impl Language {
    /// The language of a code of two or three letters, with or without a country behind it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::known_as(&primary(text))
    }
}

/// A code without country and case: `pt-BR` is `pt`.
fn primary(text: &str) -> String {
    let end = text.find(['-', '_']).unwrap_or(text.len());
    text.get(..end).unwrap_or(text).trim().to_ascii_lowercase()
}

/// A code as it is compared: all codes of one language are one.
fn comparable(text: &str) -> String {
    Language::parse(text).map_or_else(|| primary(text), |language| language.code().to_owned())
}

/// A text in several languages.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Texts(Vec<(Box<str>, Box<str>)>);

impl Texts {
    /// Adds a text; with an empty code it is the one for everybody else.
    pub fn add(&mut self, language: &str, text: &str) {
        self.0.push((comparable(language).into(), text.into()));
    }

    /// One text for everybody.
    pub fn of(text: &str) -> Self {
        let mut texts = Self::default();
        texts.add("", text);
        texts
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of the longest one.
    pub fn longest(&self) -> usize {
        self.0.iter().map(|(_, text)| text.len()).max().unwrap_or(0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The text for who reads this language; else the one for everybody, else English, else the first.
    pub fn in_language(&self, language: Option<&str>) -> &str {
        let find = |wanted: &str| self.0.iter().find(|(one, _)| **one == *wanted);
        let wanted = language.map(comparable).filter(|wanted| !wanted.is_empty());
        let found = wanted.and_then(|wanted| find(&wanted)).or_else(|| find("")).or_else(|| find("eng"));
        found.or(self.0.first()).map_or("", |(_, text)| text)
    }

    pub(crate) fn write(&self, writer: &mut RecordWriter) {
        writer.list(self.0.iter(), |writer, (language, text)| {
            writer.text(language).text(text);
        });
    }

    pub(crate) fn read(reader: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        Ok(Self(reader.list(|reader| Ok((reader.text()?.into(), reader.text()?.into())))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_in_all_their_spellings() {
        for (text, language) in [
            ("eng", Language::English),
            ("FI", Language::Finnish),
            ("ger", Language::German),
            ("fr-CA", Language::French),
        ] {
            assert_eq!(Language::parse(text), Some(language), "{text}");
        }
        assert_eq!(Language::parse("tlh"), None);
        assert_eq!(Language::parse(""), None);
        for language in Language::ALL {
            assert_eq!(Language::parse(language.code()), Some(*language));
        }
    }

    #[test]
    fn the_best_text_is_taken() {
        let mut texts = Texts::of("hello");
        texts.add("fi", "terve");
        texts.add("swe", "hej");
        for (language, text) in
            [(Some("fin"), "terve"), (Some("swe"), "hej"), (Some("spa"), "hello"), (Some(""), "hello"), (None, "hello")]
        {
            assert_eq!(texts.in_language(language), text, "{language:?}");
        }
        let mut named = Texts::default();
        assert_eq!(named.in_language(None), "");
        named.add("deu", "hallo");
        assert_eq!(named.in_language(Some("fra")), "hallo");
        named.add("en", "hello");
        assert_eq!(named.in_language(Some("fra")), "hello");
    }
}
