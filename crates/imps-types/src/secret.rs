//! Values that must not reach a log.

use std::fmt;

/// A password or a key: `Debug` prints nothing of it. There is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Takes the value into keeping.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself; the caller sees to it that it goes nowhere else.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
