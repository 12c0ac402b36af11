//! The versions of CSP that are spoken here. CSP 3.

use std::fmt;
use std::str::FromStr;

/// A version of the Client-Server Protocol. Fixed for a session at its login.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Version {
    /// Wireless Village 1.1.
    V1_1,
    /// Wireless Village 1.2, by then with the Open Mobile Alliance.
    V1_2,
    /// OMA IMPS 1.3.
    V1_3,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Self; 3] = [Self::V1_1, Self::V1_2, Self::V1_3];

    /// As it stands at the end of a namespace: `1.1`, `1.2`, `1.3`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }

    /// Reads `1.1`, `1.2` or `1.3`, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "1.1" => Some(Self::V1_1),
            "1.2" => Some(Self::V1_2),
            "1.3" => Some(Self::V1_3),
            _ => None,
        }
    }

    /// Its place in a table with one column for each version.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a version that is spoken here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownVersion;

impl fmt::Display for UnknownVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown protocol version")
    }
}

impl std::error::Error for UnknownVersion {}

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        Self::parse(text).ok_or(UnknownVersion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for version in Version::ALL {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        assert_eq!("1.0".parse::<Version>(), Err(UnknownVersion));
        assert!(Version::V1_1 < Version::V1_3);
    }
}
