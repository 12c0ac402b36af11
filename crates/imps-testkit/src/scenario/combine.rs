//! Which scenario runs in which combination of engine, version and encoding; and why not in the others.

use std::fmt;

use imps_proto::wire::{Form, PtsCodes};
use imps_types::Version;

use super::parse::{Need, Scenario};
use crate::server::EngineKind;

/// An engine, and what phones speak that leave it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Combination {
    /// What stores.
    pub engine: EngineKind,
    /// The version.
    pub version: Version,
    /// The encoding.
    pub form: Form,
}

/// The encodings that phones try.
const FORMS: [Form; 4] = [Form::Xml, Form::Wbxml, Form::Json, Form::Pts(PtsCodes::Project)];

impl Combination {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        [EngineKind::Memory, EngineKind::Sqlite].into_iter().flat_map(|engine| {
            Version::ALL
                .into_iter()
                .flat_map(move |version| FORMS.into_iter().map(move |form| Self { engine, version, form }))
        })
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::run::label(self.engine, self.version, self.form))
    }
}

/// Whether two encodings are one: PTS is, whichever codes are used.
fn is_same(one: Form, other: Form) -> bool {
    one == other || matches!((one, other), (Form::Pts(_), Form::Pts(_)))
}

/// Why a scenario does not run in a combination; none: it does.
pub fn why_not(scenario: &Scenario, combination: Combination) -> Option<String> {
    for need in &scenario.needs {
        match need {
            Need::Clock if combination.engine == EngineKind::Sqlite => return Some("needs clock".to_owned()),
            Need::Versions(versions, reason) if !versions.contains(&combination.version) => {
                return Some(reason.clone());
            }
            Need::Forms(forms, reason) if !forms.contains(&combination.form) => return Some(reason.clone()),
            Need::Clock | Need::Versions(..) | Need::Forms(..) => {}
        }
    }
    let first = scenario.phones().next()?;
    let is_open = |of: fn(&super::parse::PhoneLine) -> bool| scenario.phones().any(of);
    let version_fits = first.version.is_none_or(|version| version == combination.version);
    let form_fits = first.form.is_none_or(|form| is_same(form, combination.form));
    // Where all phones say what they speak, one run is enough: the one that is called like the first phone.
    if !is_open(|phone| phone.version.is_none()) && !version_fits {
        return Some("its phones name their versions".to_owned());
    }
    if !is_open(|phone| phone.form.is_none()) && !form_fits {
        return Some("its phones name their encodings".to_owned());
    }
    None
}
