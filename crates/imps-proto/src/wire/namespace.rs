//! The value of an `xmlns`: which vocabulary, of which version. CSP 3 lists them.

use crate::element::Space;
use imps_types::Version;
use std::borrow::Cow;
use std::fmt;

/// A namespace in two pieces, so that a WBXML token for the beginning costs nothing.
///
/// Two are equal when they spell the same, wherever they are cut.
#[derive(Clone)]
pub struct Namespace<'a> {
    /// Up to the version, if there is one.
    pub prefix: &'a str,
    /// The version, or else the whole.
    pub rest: Cow<'a, str>,
}

/// A namespace that is in use, with the WBXML token for all of it but the version.
pub(super) struct Known {
    pub(super) token: u8,
    pub(super) prefix: &'static str,
    space: Space,
    /// The version that brought it. Older phones refuse a message with a newer one's token.
    pub(super) version: Version,
}

macro_rules! known {
    ($($token:literal $prefix:literal $space:ident $version:ident;)*) => {
        pub(super) static KNOWN: [Known; 9] = [$(
            Known { token: $token, prefix: $prefix, space: Space::$space, version: Version::$version },
        )*];
    };
}

known! {
    0x05 "http://www.wireless-village.org/CSP"              Csp V1_1;
    0x06 "http://www.wireless-village.org/PA"               Pa  V1_1;
    0x07 "http://www.wireless-village.org/TRC"              Trc V1_1;
    0x08 "http://www.openmobilealliance.org/DTD/WV-CSP"     Csp V1_2;
    0x09 "http://www.openmobilealliance.org/DTD/WV-PA"      Pa  V1_2;
    0x0A "http://www.openmobilealliance.org/DTD/WV-TRC"     Trc V1_2;
    0x0B "http://www.openmobilealliance.org/DTD/IMPS-CSP"   Csp V1_3;
    0x0C "http://www.openmobilealliance.org/DTD/IMPS-PA"    Pa  V1_3;
    0x0D "http://www.openmobilealliance.org/DTD/IMPS-TRC"   Trc V1_3;
}

/// The prefix that the attribute start token `token` stands for.
pub(super) fn prefix_of(token: u8) -> Option<&'static str> {
    KNOWN.get(usize::from(token.checked_sub(0x05)?)).map(|known| known.prefix)
}

/// How the part before the version ends.
const SPACES: [(&str, Space); 3] = [("CSP", Space::Csp), ("TRC", Space::Trc), ("PA", Space::Pa)];

impl<'a> Namespace<'a> {
    /// The one that `space` has in `version`.
    pub fn of(space: Space, version: Version) -> Namespace<'static> {
        let known = KNOWN.iter().find(|known| known.space == space && known.version == version);
        Namespace { prefix: known.map_or("", |known| known.prefix), rest: Cow::Borrowed(version.as_str()) }
    }

    /// Cuts a value before its version.
    pub fn new(value: &'a str) -> Self {
        let (prefix, rest) = value.split_at_checked(version_start(value)).unwrap_or(("", value));
        Self { prefix, rest: Cow::Borrowed(rest) }
    }

    /// A prefix that a token stands for, and the rest that was written out. If that is no version, they are one value,
    /// to be cut where any other encoding of it would be.
    pub(super) fn from_pieces(prefix: &'static str, rest: Cow<'a, str>) -> Self {
        if !prefix.is_empty() && is_version(&rest) {
            Self { prefix, rest }
        } else if prefix.is_empty() {
            Self::from_value(rest)
        } else {
            Self::from_value(Cow::Owned(format!("{prefix}{rest}")))
        }
    }

    pub(super) fn from_value(value: Cow<'a, str>) -> Self {
        match value {
            Cow::Borrowed(value) => Self::new(value),
            Cow::Owned(_) => Self { prefix: "", rest: value },
        }
    }

    /// Which of the three vocabularies it is. None: somebody else's.
    pub fn space(&self) -> Option<Space> {
        let (prefix, _) = self.cut();
        SPACES.iter().find_map(|&(ending, space)| prefix.ends_with(ending).then_some(space))
    }

    /// The version it names, if it is one of the three vocabularies in a version that is spoken here.
    pub fn version(&self) -> Option<Version> {
        Version::parse(self.version_text()?)
    }

    /// The version it names, known or not, if it is one of the three vocabularies: `1.4`.
    pub fn version_text(&self) -> Option<&str> {
        self.space()?;
        let (_, rest) = self.cut();
        Some(rest)
    }

    fn cut(&self) -> (&str, &str) {
        if self.prefix.is_empty() {
            self.rest.split_at_checked(version_start(&self.rest)).unwrap_or(("", &self.rest))
        } else if is_version(&self.rest) {
            (self.prefix, &self.rest)
        } else {
            ("", &self.rest)
        }
    }
}

/// Whether this is what stands behind the name of a vocabulary.
fn is_version(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Where the version begins: the digits and points at the end, if the name of a vocabulary stands before them; else 0.
fn version_start(value: &str) -> usize {
    let name = value.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let is_cut = name.len() < value.len() && SPACES.iter().any(|(ending, _)| name.ends_with(ending));
    if is_cut { name.len() } else { 0 }
}

impl PartialEq for Namespace<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.prefix.len() + self.rest.len() == other.prefix.len() + other.rest.len()
            && self.prefix.bytes().chain(self.rest.bytes()).eq(other.prefix.bytes().chain(other.rest.bytes()))
    }
}

impl Eq for Namespace<'_> {}

impl fmt::Display for Namespace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix)?;
        f.write_str(&self.rest)
    }
}

impl fmt::Debug for Namespace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_and_read() {
        for known in &KNOWN {
            let namespace = Namespace::of(known.space, known.version);
            let text = namespace.to_string();
            let read = Namespace::new(&text);
            assert_eq!(read, namespace);
            assert_eq!(read.prefix, known.prefix);
            assert_eq!((read.space(), read.version()), (Some(known.space), Some(known.version)));
            let owned = Namespace::from_value(Cow::Owned(text.clone()));
            assert_eq!((owned.space(), owned.version()), (Some(known.space), Some(known.version)));
            assert_eq!(prefix_of(known.token), Some(known.prefix));
        }
    }

    #[test]
    fn variants_and_strangers() {
        let short = Namespace::new("http://www.openmobilealliance.org/WV-CSP1.2");
        assert_eq!((short.space(), short.version()), (Some(Space::Csp), Some(Version::V1_2)));
        let old = Namespace::new("http://www.wireless-village.org/CSP1.0");
        assert_eq!((old.version(), old.version_text()), (None, Some("1.0")));
        for stranger in ["www.nokia.com/apiclient", "", "http://imps.colibria.com/PA-ext-1.2", "CSP"] {
            let namespace = Namespace::new(stranger);
            assert_eq!((namespace.version(), namespace.to_string().as_str()), (None, stranger));
        }
    }
}
