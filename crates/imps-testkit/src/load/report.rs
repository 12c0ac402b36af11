//! The table, and the same as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::faults::Faults;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// At least this share of the reference.
    OfReference(f64),
}

/// One line of the table.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) reference: Option<(&'static str, f64)>,
    pub(crate) target: Option<Target>,
    /// In words, for people.
    pub(crate) notes: Vec<String>,
    pub(crate) faults: Faults,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            reference: None,
            target: None,
            notes: Vec::new(),
            faults: Faults::default(),
        }
    }

    pub(crate) fn beside(mut self, reference: &'static str, value: f64) -> Self {
        self.reference = Some((reference, value));
        self
    }

    pub(crate) fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(crate) fn notes(mut self, notes: Vec<String>) -> Self {
        self.notes.extend(notes);
        self
    }

    pub(crate) fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    fn ratio(&self) -> Option<f64> {
        self.reference.filter(|(_, value)| *value > 0.0).map(|(_, value)| self.value / value)
    }

    /// Whether the target is reached; none where there is none, or no reference.
    pub(crate) fn reached(&self) -> Option<bool> {
        Some(match self.target? {
            Target::AtLeast(wanted) => self.value >= wanted,
            Target::AtMost(wanted) => self.value <= wanted,
            Target::OfReference(share) => self.ratio()? >= share,
        })
    }

    fn target_text(&self) -> String {
        match self.target {
            None => String::new(),
            Some(Target::AtLeast(wanted)) => format!(">= {}", number(wanted)),
            Some(Target::AtMost(wanted)) => format!("<= {}", number(wanted)),
            Some(Target::OfReference(share)) if share < 1.0 => format!(">= {:.0} %", share * 100.0),
            Some(Target::OfReference(share)) => format!(">= {share:.0} x"),
        }
    }

    fn verdict(&self) -> &'static str {
        match self.reached() {
            None => "",
            Some(true) => "pass",
            Some(false) => "MISS",
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "reference": self.reference.map(|(name, value)| json!({ "name": name, "value": value })),
            "ratio": self.ratio(),
            "target": self.target.map(|_| self.target_text()),
            "reached": self.reached(),
            "notes": self.notes,
            "errors": self.faults.count,
            "first_errors": self.faults.first,
        })
    }
}

/// A number for people: thousands apart, digits as they matter.
fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The table.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(
        text,
        "{:<46} {:>11} {:<13} {:>9} {:>7}  {:<9} reference",
        "figure", "measured", "unit", "target", "verdict", "ratio"
    );
    for figure in figures {
        let ratio = match figure.ratio() {
            None => String::new(),
            Some(ratio) if ratio < 1.0 => format!("{:.1} %", ratio * 100.0),
            Some(ratio) => format!("{ratio:.2} x"),
        };
        let reference = figure.reference.map(|(name, value)| format!("{} {name}", number(value))).unwrap_or_default();
        let line = format!(
            "{:<46} {:>11} {:<13} {:>9} {:>7}  {:<9} {}",
            figure.name,
            number(figure.value),
            figure.unit,
            figure.target_text(),
            figure.verdict(),
            ratio,
            reference
        );
        let _ = writeln!(text, "{}", line.trim_end());
        for note in &figure.notes {
            let _ = writeln!(text, "    {note}");
        }
        if figure.faults.count > 0 {
            let _ = writeln!(text, "    ERRORS: {}", figure.faults.count);
            for fault in &figure.faults.first {
                let _ = writeln!(text, "        {fault}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_judged_and_numbers_written_for_people() {
        let rate = Figure::new("polls", 60.0, "1/s").beside("echo", 100.0);
        assert_eq!(rate.target(Target::OfReference(0.6)).reached(), Some(true));
        assert_eq!(Figure::new("p99", 5.1, "ms").target(Target::AtMost(5.0)).reached(), Some(false));
        assert_eq!(Figure::new("x", 1.0, "").target(Target::OfReference(3.0)).reached(), None);
        assert_eq!(Figure::new("x", 1.0, "").reached(), None);
        assert_eq!(
            (number(1.5), number(999.6), number(1_234_567.0)),
            ("1.50".into(), "1,000".into(), "1,234,567".into())
        );
    }
}
