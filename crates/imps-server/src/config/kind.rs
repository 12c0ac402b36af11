//! The kinds of values that settings take: how each is read, bounded and shown.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use imps_csp::transport::gateway::Networks;
use imps_service::access::Registration;
use imps_types::service_tree::FunctionSet;
use imps_types::{Domain, Service};

/// A value as it was given, within its bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    Text(String),
    Flag(bool),
    Number(u64),
}

/// What a setting can be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any text up to so many bytes.
    Text(usize),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Names of the service tree, between commas.
    Functions,
    /// Services that domains provide to each other, between commas; or all.
    Services,
    /// Networks by their addresses.
    Networks,
    /// A folder.
    Folder,
    /// A domain name.
    Domain,
    /// ADDRESS:PORT.
    Listen,
    /// ADDRESS:PORT, or `off`.
    MaybeListen,
    /// A file, or nothing.
    File,
    /// What is logged, as `tracing` filters are written.
    Filter,
    /// true or false.
    Flag,
    /// A number, from and to.
    Count(u64, u64),
    /// Percent, from and to.
    Percent(u64, u64),
    /// Seconds, from and to; `90`, `90 s`, `15 min`, `12 h` and `7 d` are read.
    Seconds(u64, u64),
    /// Milliseconds, from and to; `250`, `250 ms` and `2 s` are read.
    Millis(u64, u64),
    /// Bytes, from and to; `4096`, `64 KiB`, `4 MiB` and `1 GiB` are read.
    Bytes(u64, u64),
}

const SECONDS: &[(&str, u64)] = &[("s", 1), ("min", 60), ("h", 3600), ("d", 86_400)];
const MILLIS: &[(&str, u64)] = &[("ms", 1), ("s", 1000)];
const BYTES: &[(&str, u64)] = &[("bytes", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const PERCENT: &[(&str, u64)] = &[("%", 1)];

impl Kind {
    /// Reads a value. The error says what would be right.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, String> {
        let given = text.trim();
        if let Some((low, high)) = self.numbers() {
            return match number(given, self.units()) {
                Some(value) if (low..=high).contains(&value) => Ok(Value::Number(value)),
                Some(_) => Err(format!("`{given}` is out of bounds: {}", self.bounds())),
                None => Err(format!("`{given}` is {}", self.wanted())),
            };
        }
        let fits = match self {
            Self::Flag => return given.parse().map(Value::Flag).map_err(|_| format!("`{given}` is {}", self.wanted())),
            Self::Text(max) => given.len() <= *max && !given.chars().any(char::is_control),
            Self::Choice(words) => words.contains(&given),
            Self::Domain => Domain::parse(given).is_ok(),
            Self::Functions => FunctionSet::parse(given).is_ok(),
            Self::Services => ServiceNames::parse(given).is_some(),
            Self::Networks => Networks::parse(given).is_ok(),
            Self::Listen => given.parse::<SocketAddr>().is_ok(),
            Self::MaybeListen => given == OFF || given.parse::<SocketAddr>().is_ok(),
            Self::File => !given.chars().any(char::is_control),
            Self::Filter => tracing_subscriber::EnvFilter::builder().parse(given).is_ok(),
            _ => !given.is_empty(),
        };
        if fits { Ok(Value::Text(given.to_owned())) } else { Err(format!("`{given}` is {}", self.wanted())) }
    }

    fn numbers(&self) -> Option<(u64, u64)> {
        match *self {
            Self::Count(low, high)
            | Self::Percent(low, high)
            | Self::Seconds(low, high)
            | Self::Millis(low, high)
            | Self::Bytes(low, high) => Some((low, high)),
            _ => None,
        }
    }

    fn units(&self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Percent(..) => PERCENT,
            Self::Seconds(..) => SECONDS,
            Self::Millis(..) => MILLIS,
            Self::Bytes(..) => BYTES,
            _ => &[],
        }
    }

    fn wanted(&self) -> &'static str {
        match self {
            Self::Text(_) => "too long, or holds a control character",
            Self::Services => "neither all nor made of names of services, such as COMMON, IM or PRESENCE",
            Self::Functions => "not made of names of the service tree, such as SRCH or GroupFeat",
            Self::Choice(_) => "none of the words that are allowed",
            Self::Networks => "no network, such as 10.0.0.0/8 or 192.0.2.7",
            Self::Folder => "no folder",
            Self::Domain => "no domain name, such as example.org",
            Self::Listen => "no ADDRESS:PORT, such as 0.0.0.0:8080",
            Self::MaybeListen => "neither ADDRESS:PORT, such as 0.0.0.0:8443, nor off",
            Self::File => "no file",
            Self::Filter => "no log filter, such as info or info,imps_csp=debug",
            Self::Flag => "neither true nor false",
            Self::Count(..) => "no number",
            Self::Percent(..) => "no percentage, such as 10",
            Self::Seconds(..) => "no time, such as 90, 90 s, 15 min, 12 h or 7 d",
            Self::Millis(..) => "no time, such as 250, 250 ms or 2 s",
            Self::Bytes(..) => "no size, such as 4096, 64 KiB or 4 MiB",
        }
    }

    /// Whether it stands in quotation marks in the file.
    pub(crate) fn is_text(&self) -> bool {
        self.numbers().is_none() && !matches!(self, Self::Flag)
    }

    /// What is allowed, in words.
    pub(crate) fn bounds(&self) -> String {
        match self {
            Self::Text(max) => format!("text, up to {max} bytes"),
            Self::Services => "all, or names of services between commas".to_owned(),
            Self::Functions => "names of functions, or of what they belong to, between commas".to_owned(),
            Self::Choice(words) => words.join(" or "),
            Self::Networks => "networks, such as 10.0.0.0/8 or 192.0.2.7".to_owned(),
            Self::Folder => "a folder".to_owned(),
            Self::Domain => "a domain name".to_owned(),
            Self::Listen => "ADDRESS:PORT; port 0 is any free one".to_owned(),
            Self::MaybeListen => "ADDRESS:PORT, or off".to_owned(),
            Self::File => "a file, or nothing".to_owned(),
            Self::Filter => "a filter: error, warn, info, debug, trace, for single modules too".to_owned(),
            Self::Flag => "true or false".to_owned(),
            _ => {
                let (low, high) = self.numbers().unwrap_or_default();
                format!("{} to {}", self.show(&Value::Number(low)), self.show(&Value::Number(high)))
            }
        }
    }

    /// A value for people: with its unit, and in the largest one that fits.
    pub(crate) fn show(&self, value: &Value) -> String {
        let Value::Number(number) = value else { return value.to_string() };
        let units = self.units();
        let Some((unit, _)) = units.first() else { return number.to_string() };
        let larger = units.iter().rev().find(|(_, size)| *size > 1 && *number >= *size && number % size == 0);
        match larger {
            Some((name, size)) if !matches!(self, Self::Bytes(..)) => {
                format!("{number} {unit} ({} {name})", number / size)
            }
            Some((name, size)) => format!("{} {name}", number / size),
            None => format!("{number} {unit}"),
        }
    }
}

fn number(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let digits: u64 = digits.replace('_', "").parse().ok()?;
    match unit.trim() {
        "" => Some(digits),
        unit => units.iter().find(|(name, _)| *name == unit).and_then(|(_, size)| digits.checked_mul(*size)),
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// A field that a setting stands for.
pub(crate) trait Field {
    /// What it holds.
    fn read(&self, kind: Kind) -> Value;
    /// Takes a value that its kind has read.
    fn write(&mut self, kind: Kind, value: &Value);
}

macro_rules! number_fields {
    ($($number:ty)*) => {$(
        impl Field for $number {
            fn read(&self, _: Kind) -> Value {
                Value::Number(u64::try_from(*self).unwrap_or(u64::MAX))
            }

            fn write(&mut self, _: Kind, value: &Value) {
                if let Value::Number(number) = value {
                    *self = <$number>::try_from(*number).unwrap_or(<$number>::MAX);
                }
            }
        }
    )*};
}

number_fields! { u16 u32 u64 usize }

macro_rules! text_fields {
    ($($field:ty: $read:expr, $parse:expr;)*) => {$(
        impl Field for $field {
            fn read(&self, _: Kind) -> Value {
                let read: fn(&$field) -> String = $read;
                Value::Text(read(self))
            }

            fn write(&mut self, _: Kind, value: &Value) {
                let parse: fn(&str) -> Option<$field> = $parse;
                if let Value::Text(text) = value && let Some(parsed) = parse(text) {
                    *self = parsed;
                }
            }
        }
    )*};
}

text_fields! {
    String:     |text| text.clone(),                   |text| Some(text.to_owned());
    PathBuf:    |path| path.display().to_string(),     |text| Some(PathBuf::from(text));
    Domain:     |domain| domain.as_str().to_owned(),   |text| Domain::parse(text).ok();
    Registration: |who| who.as_str().to_owned(),        |text| Registration::parse(text);
    SocketAddr: |address| address.to_string(),         |text| text.parse().ok();
    FunctionSet: |set| set.names(),                    |text| FunctionSet::parse(text).ok();
    ServiceNames: |names| names.to_string(),           |text| ServiceNames::parse(text);
}

/// Services that domains provide to each other, by their names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ServiceNames(BTreeSet<Service>);

impl ServiceNames {
    /// Every service, however many there will be.
    const ALL: &str = "all";

    fn parse(text: &str) -> Option<Self> {
        if text.trim().eq_ignore_ascii_case(Self::ALL) {
            return Some(Self::default());
        }
        text.split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(Service::parse)
            .collect::<Option<_>>()
            .map(Self)
    }

    pub(crate) fn has(&self, service: Service) -> bool {
        self.0.contains(&service)
    }
}

impl Default for ServiceNames {
    fn default() -> Self {
        Self(Service::ALL.iter().copied().collect())
    }
}

impl fmt::Display for ServiceNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str(Self::ALL);
        }
        let names: Vec<_> = self.0.iter().map(|service| service.as_str()).collect();
        f.write_str(&names.join(", "))
    }
}

/// How a listener is written that is not there.
const OFF: &str = "off";

impl Field for Option<SocketAddr> {
    fn read(&self, _: Kind) -> Value {
        Value::Text(self.map_or_else(|| OFF.to_owned(), |address| address.to_string()))
    }

    fn write(&mut self, _: Kind, value: &Value) {
        if let Value::Text(text) = value {
            *self = text.parse().ok();
        }
    }
}

impl Field for bool {
    fn read(&self, _: Kind) -> Value {
        Value::Flag(*self)
    }

    fn write(&mut self, _: Kind, value: &Value) {
        if let Value::Flag(flag) = value {
            *self = *flag;
        }
    }
}

impl Field for Duration {
    fn read(&self, kind: Kind) -> Value {
        let number = if matches!(kind, Kind::Millis(..)) { self.as_millis() } else { u128::from(self.as_secs()) };
        Value::Number(u64::try_from(number).unwrap_or(u64::MAX))
    }

    fn write(&mut self, kind: Kind, value: &Value) {
        if let Value::Number(number) = value {
            let is_millis = matches!(kind, Kind::Millis(..));
            *self = if is_millis { Self::from_millis(*number) } else { Self::from_secs(*number) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_shown() {
        let check = |kind: Kind, text: &str, number: u64, shown: &str| {
            assert_eq!(kind.parse(text), Ok(Value::Number(number)), "{text}");
            assert_eq!(kind.show(&Value::Number(number)), shown);
        };
        let seconds = Kind::Seconds(1, 10_000_000);
        check(seconds, "90", 90, "90 s");
        check(seconds, " 86_400 ", 86_400, "86400 s (1 d)");
        check(seconds, "15 min", 900, "900 s (15 min)");
        check(seconds, "7d", 604_800, "604800 s (7 d)");
        check(Kind::Millis(1, 10_000), "2 s", 2000, "2000 ms (2 s)");
        check(Kind::Bytes(1, 1 << 40), "4 MiB", 4 << 20, "4 MiB");
        check(Kind::Bytes(1, 1 << 40), "1000", 1000, "1000 bytes");
        check(Kind::Percent(0, 100), "10 %", 10, "10 %");
        check(Kind::Count(1, 9), "5", 5, "5");
    }

    #[test]
    fn services_are_named_or_all() {
        let read = |text| ServiceNames::parse(text).map(|names| names.to_string());
        assert_eq!(read(" All "), Some("all".to_owned()));
        assert_eq!(read("im,common ,"), Some("COMMON, IM".to_owned()));
        assert_eq!(read(""), Some(String::new()));
        assert_eq!(read("IM, MAIL"), None);
        assert_eq!(read("COMMON,CONTACTLIST,PRESENCE,IM,GROUP,CONTENT,PROFILE").as_deref(), Some("all"));
        assert!(ServiceNames::default().has(Service::Content));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |kind: Kind, text: &str, part: &str| {
            let error = kind.parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        };
        check(Kind::Seconds(10, 100), "9", "10 s to 100 s");
        check(Kind::Seconds(10, 100), "18446744073709551615 d", "no time");
        check(Kind::Seconds(10, 100), "ten", "no time");
        check(Kind::Count(1, 9), "-1", "no number");
        check(Kind::Bytes(1, 100), "4 MB", "no size");
        check(Kind::Flag, "yes", "neither true nor false");
        check(Kind::Listen, "8080", "no ADDRESS:PORT");
        check(Kind::MaybeListen, "on", "nor off");
        check(Kind::Domain, "a b", "no domain name");
        check(Kind::Filter, "imps_csp=loud", "no log filter");
        check(Kind::Text(3), "long", "too long");
        check(Kind::Services, "COMMON, MAIL", "neither all nor");
        check(Kind::Choice(&["text", "json"]), "xml", "none of the words");
    }
}
