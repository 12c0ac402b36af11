//! Date and time as CSP writes it: ISO 8601 text, or six bytes in WBXML. CSP 2, Encoding 1.5.
//!
//! Two values are equal when they name the same moment. A time without a zone is the sender's local time by the letter
//! of the specification; nobody can know it, so it is taken as UTC.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

const SECONDS_OF_DAY: i64 = 86_400;
/// 9999-12-31T23:59:59Z: the last moment that four digits of a year can name.
const LAST_SECOND: i64 = 253_402_300_799;

/// A moment, to the second, with the offset from UTC that its sender gave.
#[derive(Clone, Copy, Debug)]
pub struct DateTime {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    offset_minutes: i16,
}

impl DateTime {
    /// Builds one from its fields, if they are possible.
    pub fn new(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8, offset_minutes: i16) -> Option<Self> {
        let possible = year <= 9999
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour <= 23
            && minute <= 59
            && second <= 59
            && (-14 * 60..=14 * 60).contains(&offset_minutes);
        possible.then_some(Self { year, month, day, hour, minute, second, offset_minutes })
    }

    /// Reads every form that is met in text: basic (`20251123T064501Z`), without seconds, extended
    /// (`2025-11-23T06:45:01`), with no zone, a zone letter, or an offset (`+01:00`, `+0100`, `+01`).
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = Digits(text.as_bytes());
        let year = rest.number(4)?;
        let month = rest.after(b'-').number(2)?;
        let day = rest.after(b'-').number(2)?;
        if !rest.takes(b'T') && !rest.takes(b't') {
            return None;
        }
        let hour = rest.number(2)?;
        let minute = rest.after(b':').number(2)?;
        let second = rest.after(b':').number(2).unwrap_or(0);
        if rest.takes(b'.') {
            // Fractions of a second are dropped.
            rest.number(1)?;
            while rest.number(1).is_some() {}
        }
        let offset = rest.offset()?;
        let small = |n: u16| u8::try_from(n).ok();
        Self::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, offset)
    }

    /// Reads the six bytes of an opaque date. Encoding 1.5 draws them.
    pub fn from_opaque(bytes: &[u8]) -> Option<Self> {
        let &[b0, b1, b2, b3, b4, zone] = bytes else { return None };
        let bits = u64::from_be_bytes([0, 0, 0, b0, b1, b2, b3, b4]);
        let field = |shift: u32, width: u32| ((bits >> shift) & ((1 << width) - 1)) as u16;
        if field(38, 2) != 0 {
            return None;
        }
        let offset = if zone == 0 { 0 } else { zone_letter(zone)? };
        Self::new(
            field(26, 12),
            field(22, 4) as u8,
            field(17, 5) as u8,
            field(12, 5) as u8,
            field(6, 6) as u8,
            field(0, 6) as u8,
            offset,
        )
    }

    /// The six bytes of an opaque date, in UTC. A year after 4095 does not fit and becomes 4095.
    pub fn to_opaque(self) -> [u8; 6] {
        let utc = self.to_utc();
        let bits = u64::from(utc.year.min(4095)) << 26
            | u64::from(utc.month) << 22
            | u64::from(utc.day) << 17
            | u64::from(utc.hour) << 12
            | u64::from(utc.minute) << 6
            | u64::from(utc.second);
        let [_, _, _, b0, b1, b2, b3, b4] = bits.to_be_bytes();
        [b0, b1, b2, b3, b4, b'Z']
    }

    /// From seconds since 1970-01-01T00:00:00Z.
    pub fn from_unix(seconds: u64) -> Self {
        Self::from_instant(i64::try_from(seconds).unwrap_or(LAST_SECOND))
    }

    /// Seconds since 1970-01-01T00:00:00Z; 0 for what was before.
    pub fn to_unix(self) -> u64 {
        u64::try_from(self.instant()).unwrap_or(0)
    }

    /// The same moment with offset zero.
    #[must_use]
    pub fn to_utc(self) -> Self {
        if self.offset_minutes == 0 { self } else { Self::from_instant(self.instant()) }
    }

    /// `YYYYMMDDThhmmssZ`, in UTC: the form that every known client reads.
    pub fn to_basic(self) -> String {
        self.to_string()
    }

    /// `YYYY-MM-DDThh:mm:ssZ`, in UTC: the form that everything but phones reads.
    pub fn to_extended(self) -> String {
        let Self { year, month, day, hour, minute, second, .. } = self.to_utc();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// Year, 0 to 9999.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// Month, 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// Day of the month, 1 to 31.
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Hour, 0 to 23.
    pub const fn hour(self) -> u8 {
        self.hour
    }

    /// Minute, 0 to 59.
    pub const fn minute(self) -> u8 {
        self.minute
    }

    /// Second, 0 to 59.
    pub const fn second(self) -> u8 {
        self.second
    }

    /// How far the sender's clock is ahead of UTC.
    pub const fn offset_minutes(self) -> i16 {
        self.offset_minutes
    }

    /// Seconds since 1970-01-01T00:00:00Z, negative before. Day 31 of a short month runs over into the next.
    fn instant(self) -> i64 {
        let days = days_from_civil(i64::from(self.year), i64::from(self.month), i64::from(self.day));
        let of_day = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        days * SECONDS_OF_DAY + of_day - i64::from(self.offset_minutes) * 60
    }

    fn from_instant(instant: i64) -> Self {
        // Year 0 to 9999; an offset can carry a moment of the first or last day outside.
        let instant = instant.clamp(days_from_civil(0, 1, 1) * SECONDS_OF_DAY, LAST_SECOND);
        let (year, month, day) = civil_from_days(instant.div_euclid(SECONDS_OF_DAY));
        let of_day = instant.rem_euclid(SECONDS_OF_DAY);
        Self {
            year: year as u16,
            month: month as u8,
            day: day as u8,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            offset_minutes: 0,
        }
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, .. } = self.to_utc();
        write!(f, "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

impl PartialEq for DateTime {
    fn eq(&self, other: &Self) -> bool {
        self.instant() == other.instant()
    }
}

impl Eq for DateTime {}

impl PartialOrd for DateTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DateTime {
    fn cmp(&self, other: &Self) -> Ordering {
        self.instant().cmp(&other.instant())
    }
}

impl Hash for DateTime {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.instant().hash(state);
    }
}

/// What is left of a text that consists of digits and a few separators.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn number(&mut self, digits: usize) -> Option<u16> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        let mut value: u16 = 0;
        for digit in head {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + u16::from(digit - b'0');
        }
        self.0 = rest;
        Some(value)
    }

    fn takes(&mut self, separator: u8) -> bool {
        match self.0.split_first() {
            Some((&first, rest)) if first == separator => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Past a separator that may or may not be there.
    fn after(&mut self, separator: u8) -> &mut Self {
        self.takes(separator);
        self
    }

    /// The zone, which ends the text.
    fn offset(&mut self) -> Option<i16> {
        let sign = match self.0 {
            [] => return Some(0),
            [letter] => return zone_letter(letter.to_ascii_uppercase()),
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return None,
        };
        self.0 = self.0.get(1..)?;
        let hours = self.number(2)?;
        let minutes = if self.0.is_empty() { 0 } else { self.after(b':').number(2)? };
        (self.0.is_empty() && minutes <= 59).then_some(sign * (hours * 60 + minutes) as i16)
    }
}

/// Minutes east of UTC of a military zone letter: Z is UTC, A to M without J lie east, N to Y west.
fn zone_letter(letter: u8) -> Option<i16> {
    let hours = match letter {
        b'Z' => 0,
        b'A'..=b'I' => i16::from(letter - b'A') + 1,
        b'K'..=b'M' => i16::from(letter - b'K') + 10,
        b'N'..=b'Y' => -(i16::from(letter - b'N') + 1),
        _ => return None,
    };
    Some(hours * 60)
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March has its leap day at the end, which makes the months regular.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, basic: &str) {
        assert_eq!(DateTime::parse(text).map(DateTime::to_basic).as_deref(), Some(basic), "{text}");
    }

    #[test]
    fn every_form_of_text() {
        for (text, basic) in [
            ("20251123T064501Z", "20251123T064501Z"),
            ("20251123T064501", "20251123T064501Z"),
            ("20010925T1340Z", "20010925T134000Z"),
            ("20010925T1340", "20010925T134000Z"),
            ("2001-09-25T13:40:13Z", "20010925T134013Z"),
            ("2001-09-25T13:40Z", "20010925T134000Z"),
            ("2001-09-25T13:40:13.250Z", "20010925T134013Z"),
            ("2025-11-23T06:45:01+02:00", "20251123T044501Z"),
            ("20251123T004501+0100", "20251122T234501Z"),
            ("20251231T234501-01", "20260101T004501Z"),
            ("20251123T064501A", "20251123T054501Z"),
            ("20251123T064501M", "20251122T184501Z"),
            ("20251123T064501N", "20251123T074501Z"),
            ("20251123T064501Y", "20251123T184501Z"),
            ("20240229T120000Z", "20240229T120000Z"),
        ] {
            check(text, basic);
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "20251123",
            "2025",
            "20251323T064501Z",
            "20250023T064501Z",
            "20251132T064501Z",
            "20251123T244501Z",
            "20251123T066001Z",
            "20251123T064560Z",
            "20251123T064501J",
            "20251123T064501ZZ",
            "20251123T064501+0",
            "20251123T064501+99",
            "20251123T064501+01:60",
            "20251123 064501Z",
            "2025\u{0661}123T064501Z",
        ] {
            assert!(DateTime::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn opaque_bytes() {
        for (text, bytes) in [
            ("20251123T064501Z", [0x1F, 0xA6, 0xEE, 0x6B, 0x41, 0x5A]),
            ("20010925T165859Z", [0x1F, 0x46, 0x73, 0x0E, 0xBB, 0x5A]),
            ("20001231T235959Z", [0x1F, 0x43, 0x3F, 0x7E, 0xFB, 0x5A]),
        ] {
            let date = DateTime::parse(text).unwrap();
            assert_eq!(date.to_opaque(), bytes);
            assert_eq!(DateTime::from_opaque(&bytes), Some(date));
        }
        let no_zone = [0x1F, 0xA6, 0xEE, 0x6B, 0x41, 0];
        assert_eq!(DateTime::from_opaque(&no_zone), DateTime::parse("20251123T064501Z"));
        assert!(DateTime::from_opaque(&no_zone[..5]).is_none());
        assert!(DateTime::from_opaque(&[0x1F, 0xA6, 0xEE, 0x6B, 0x41, b'J']).is_none());
        assert!(DateTime::from_opaque(&[0x5F, 0xA6, 0xEE, 0x6B, 0x41, b'Z']).is_none());
    }

    #[test]
    fn unix_seconds() {
        for (seconds, basic) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_763_880_301, "20251123T064501Z"),
            (u64::MAX, "99991231T235959Z"),
        ] {
            assert_eq!(DateTime::from_unix(seconds).to_basic(), basic);
            if seconds < u64::MAX {
                assert_eq!(DateTime::from_unix(seconds).to_unix(), seconds);
            }
        }
        assert_eq!(DateTime::parse("19691231T235959Z").unwrap().to_unix(), 0);
    }

    #[test]
    fn the_same_moment_is_equal() {
        let here = DateTime::parse("2025-11-23T08:45:01+02:00").unwrap();
        let there = DateTime::parse("20251123T064501Z").unwrap();
        assert_eq!(here, there);
        assert!(DateTime::parse("20251123T064502Z").unwrap() > here);
    }
}
