//! Defaults, file, environment, options: each stronger than those before it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ORDERED, PREFIX, Setting, Settings, TABLE, Value, nearest, setting};

/// The file that is read when none is named.
const FILE: &str = "hamlet.toml";

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// Nobody set it.
    Default,
    /// Nobody set it, and it had to follow this setting, which somebody did set.
    Follows(&'static str),
    /// A line of the file.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// An option of the command line.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Follows(key) => write!(f, "default, as {key} requires"),
            Self::File(path, line) => write!(f, "{} line {line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "option {name}"),
        }
    }
}

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// The file to read.
    pub(crate) file: Option<PathBuf>,
    /// Key, option, value.
    pub(crate) values: Vec<(String, String, String)>,
}

/// The settings, and where each came from.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) settings: Settings,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// What looks like a mistake but keeps nothing from working.
    pub(crate) warnings: Vec<String>,
    sources: Vec<Source>,
}

/// A file or value that cannot be used: a sentence for each mistake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigError(pub(crate) Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Puts the layers together. The environment is handed in.
    pub(crate) fn load(
        flags: &Flags,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let environment = ours(environment);
        let mut config = Self {
            settings: Settings::default(),
            file: None,
            warnings: Vec::new(),
            sources: vec![Source::Default; TABLE.len()],
        };
        let mut mistakes = Vec::new();
        if let Some(path) = config.find_file(flags, &environment) {
            config.read_file(&path, &mut mistakes);
            config.file = Some(path);
        }
        for (name, value) in &environment {
            config.read_variable(name, value, &mut mistakes);
        }
        for (key, option, value) in &flags.values {
            config.set_text(key, value, Source::Flag(option.clone()), &mut mistakes);
        }
        config.settle(&mut mistakes);
        if mistakes.is_empty() { Ok(config) } else { Err(ConfigError(mistakes)) }
    }

    /// Where a setting's value came from.
    pub(crate) fn source(&self, key: &str) -> &Source {
        let index = TABLE.iter().position(|setting| setting.key == key);
        index.and_then(|index| self.sources.get(index)).unwrap_or(&Source::Default)
    }

    /// The home domain, when it is known better than from the defaults.
    pub(crate) fn set_domain(&mut self, domain: imps_types::Domain) {
        self.settings.service.domain = domain;
        self.name_provider();
    }

    /// The one that is named; else the one in the data folder; else the one in the current folder.
    fn find_file(&self, flags: &Flags, environment: &[(String, String)]) -> Option<PathBuf> {
        let variable =
            |wanted: &str| environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        if let Some(named) = flags.file.clone().or_else(|| variable("HAMLET_CONFIG").map(PathBuf::from)) {
            return Some(named);
        }
        let flag = flags.values.iter().rev().find(|(key, ..)| key == "data").map(|(_, _, value)| value.as_str());
        let data = flag.or_else(|| variable("HAMLET_DATA")).map_or(self.settings.data.clone(), PathBuf::from);
        [data.join(FILE), PathBuf::from(FILE)].into_iter().find(|path| path.exists())
    }

    fn read_file(&mut self, path: &Path, mistakes: &mut Vec<String>) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return mistakes.push(format!("cannot read {}: {error}", path.display())),
        };
        match DeTable::parse(&text) {
            Ok(table) => FileReader { config: self, path, text: &text, mistakes }.table("", table.get_ref()),
            Err(error) => mistakes.push(format!("{} is no TOML: {}", path.display(), error.to_string().trim_end())),
        }
    }

    fn read_variable(&mut self, name: &str, value: &str, mistakes: &mut Vec<String>) {
        if name == "HAMLET_CONFIG" {
            return;
        }
        match TABLE.iter().find(|setting| setting.variable() == name) {
            Some(row) => self.set_text(row.key, value, Source::Environment(name.to_owned()), mistakes),
            None => {
                let key = name.trim_start_matches(PREFIX).replace("__", ".").to_lowercase();
                let guess = nearest(&key).and_then(setting).map(Setting::variable);
                let guess = guess.map_or_else(String::new, |variable| format!("; did you mean {variable}?"));
                self.warnings.push(format!("the environment variable {name} sets nothing{guess}"));
            }
        }
    }

    fn set_text(&mut self, key: &str, text: &str, source: Source, mistakes: &mut Vec<String>) {
        let Some(row) = setting(key) else {
            return mistakes.push(format!("{source}: {}", unknown(key)));
        };
        match row.kind.parse(text) {
            Ok(value) => self.set(row, &value, source),
            Err(error) => mistakes.push(format!("{source}: {key}: {error}")),
        }
    }

    fn set(&mut self, row: &Setting, value: &Value, source: Source) {
        row.write(&mut self.settings, value);
        let index = TABLE.iter().position(|other| other.key == row.key);
        if let Some(place) = index.and_then(|index| self.sources.get_mut(index)) {
            *place = source;
        }
    }

    /// What depends on several settings.
    fn settle(&mut self, mistakes: &mut Vec<String>) {
        for (low_key, high_key) in ORDERED {
            let (Some(low), Some(high)) = (setting(low_key), setting(high_key)) else { continue };
            let (Value::Number(least), Value::Number(most)) = (low.read(&self.settings), high.read(&self.settings))
            else {
                continue;
            };
            if least <= most {
                continue;
            }
            let is_set = |key: &str| !matches!(self.source(key), Source::Default | Source::Follows(_));
            // Whoever sets one of them need not know the other.
            if !is_set(low_key) {
                self.set(low, &Value::Number(most), Source::Follows(high_key));
            } else if !is_set(high_key) {
                self.set(high, &Value::Number(least), Source::Follows(low_key));
            } else {
                mistakes.push(format!(
                    "{low_key} ({least}, {}) is above {high_key} ({most}, {})",
                    self.source(low_key),
                    self.source(high_key)
                ));
            }
        }
        self.name_provider();
    }

    fn name_provider(&mut self) {
        if *self.source("provider.name") == Source::Default {
            self.settings.service.provider_name = format!("Hamlet at {}", self.settings.service.domain);
        }
    }
}

/// Our variables, sorted; what is no text cannot be ours.
fn ours(environment: impl Iterator<Item = (OsString, OsString)>) -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let mut ours: Vec<_> = environment.filter_map(text).filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    ours
}

fn unknown(key: &str) -> String {
    match nearest(key) {
        Some(guess) => format!("there is no setting `{key}`; did you mean `{guess}`?"),
        None => format!("there is no setting `{key}`; `hamlet config explain` lists them all"),
    }
}

struct FileReader<'a> {
    config: &'a mut Config,
    path: &'a Path,
    text: &'a str,
    mistakes: &'a mut Vec<String>,
}

impl FileReader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        // In the order of the file, since that is how it will be corrected.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let key =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            let line = self.line(name);
            match value.get_ref() {
                DeValue::Table(inner) if is_table(&key) => self.table(&key, inner),
                value => {
                    if let Err(error) = self.value(&key, value, line) {
                        self.mistakes.push(format!("{} line {line}: {error}", self.path.display()));
                    }
                }
            }
        }
    }

    fn value(&mut self, key: &str, value: &DeValue<'_>, line: usize) -> Result<(), String> {
        let row = setting(key).ok_or_else(|| unknown(key))?;
        let (text, is_text) = match value {
            DeValue::String(text) => (text.to_string(), true),
            DeValue::Integer(number) if number.radix() == 10 => (number.as_str().to_owned(), false),
            DeValue::Integer(number) => {
                let number = u64::from_str_radix(number.as_str(), number.radix()).map_err(|e| format!("{key}: {e}"))?;
                (number.to_string(), false)
            }
            DeValue::Boolean(flag) => (flag.to_string(), false),
            _ => return Err(format!("{key} is one value: {}", row.kind.bounds())),
        };
        if row.kind.is_text() && !is_text {
            return Err(format!("{key} is a text: put {text} in quotation marks"));
        }
        let mut value = row.kind.parse(&text).map_err(|error| format!("{key}: {error}"))?;
        if let (super::Kind::Folder | super::Kind::File, Value::Text(folder)) = (row.kind, &value)
            && !folder.is_empty()
        {
            // Where the file is, not where somebody starts the program.
            let base = self.path.parent().unwrap_or(Path::new(""));
            value = Value::Text(base.join(folder).display().to_string());
        }
        self.config.set(row, &value, Source::File(self.path.to_owned(), line));
        Ok(())
    }

    fn line<T>(&self, at: &Spanned<T>) -> usize {
        self.text.get(..at.span().start).map_or(1, |before| before.matches('\n').count() + 1)
    }
}

fn is_table(key: &str) -> bool {
    TABLE.iter().any(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hamlet-config-{}-{count}.toml", std::process::id()));
        std::fs::write(&path, file).unwrap();
        let values =
            flags.iter().map(|(key, value)| (key.to_string(), format!("--{key}"), value.to_string())).collect();
        let flags = Flags { file: Some(path.clone()), values };
        let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let loaded = Config::load(&flags, environment);
        std::fs::remove_file(path).unwrap();
        loaded
    }

    #[test]
    fn each_layer_is_stronger_than_the_one_before() {
        let file = "log = \"warn\"\n[session]\nttl_max = 7200\nttl_min = 20\nper_user = 3\n";
        let environment = [("HAMLET_SESSION__TTL_MAX", "2 h"), ("HAMLET_LOG", "debug"), ("PATH", "/bin")];
        let config = load(file, &environment, &[("log", "trace")]).unwrap();
        let check = |key: &str, value: &str, source: &str| {
            assert_eq!(setting(key).unwrap().read(&config.settings).to_string(), value, "{key}");
            let found = config.source(key).to_string();
            assert!(found.contains(source), "{key}: {found}");
        };
        check("log", "trace", "option --log");
        check("session.ttl_max", "7200", "environment HAMLET_SESSION__TTL_MAX");
        check("session.ttl_min", "20", "line 4");
        check("session.per_user", "3", "line 5");
        check("session.ttl_default", "3600", "default");
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }

    #[test]
    fn unknown_keys_are_errors_with_line_and_guess() {
        let error = load("domain = \"a.example\"\n\n[session]\nttl_mx = 5\n[sesion]\nx = 1\n", &[], &[]).unwrap_err();
        assert_eq!(error.0.len(), 2, "{error}");
        assert!(error.0[0].contains("line 4") && error.0[0].contains("did you mean `session.ttl_max`"), "{error}");
        assert!(error.0[1].contains("line 5") && error.0[1].contains("sesion"), "{error}");
    }

    #[test]
    fn values_that_do_not_fit_are_errors() {
        let check = |file: &str, part: &str| {
            let error = load(file, &[], &[]).unwrap_err().to_string();
            assert!(error.contains(part), "{file}: {error}");
        };
        check("log = 5", "put 5 in quotation marks");
        check("session.ttl_max = true", "line 1: session.ttl_max: `true` is no time");
        check("session = 5", "there is no setting `session`");
        check("domain = [\"a\"]", "domain is one value: a domain name");
        check("http.body_max = \"1 PiB\"", "no size");
        check("metrics.remote = \"perhaps\"", "neither true nor false");
        check("log = ", "is no TOML");
        check("message.validity_default = 20\nmessage.validity_max = 10", "is above message.validity_max (10, ");
    }

    #[test]
    fn unknown_variables_only_warn() {
        let config = load("", &[("HAMLET_SESION__TTL_MAX", "1"), ("HAMLET_CONFIG", "x")], &[]).unwrap();
        assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
        assert!(config.warnings[0].contains("did you mean HAMLET_SESSION__TTL_MAX"), "{:?}", config.warnings);
        assert!(load("", &[("HAMLET_LISTEN", "nowhere")], &[]).unwrap_err().to_string().contains("HAMLET_LISTEN"));
    }

    #[test]
    fn a_default_follows_what_is_set() {
        let config = load("session.ttl_max = 5", &[], &[]).unwrap();
        assert_eq!(config.settings.service.ttl_default.as_secs(), 5);
        assert_eq!(config.settings.service.ttl_min.as_secs(), 5);
        assert_eq!(config.source("session.ttl_default"), &Source::Follows("session.ttl_max"));
    }

    #[test]
    fn the_provider_is_named_after_the_domain() {
        let config = load("", &[], &[("domain", "A.example")]).unwrap();
        assert_eq!(config.settings.service.provider_name, "Hamlet at a.example");
        let config = load("provider.name = \"Ours\"", &[], &[("domain", "a.example")]).unwrap();
        assert_eq!(config.settings.service.provider_name, "Ours");
    }

    #[test]
    fn a_folder_in_the_file_is_beside_the_file() {
        let config = load("data = \"phones\"", &[], &[]).unwrap();
        assert_eq!(config.settings.data, std::env::temp_dir().join("phones"));
    }
}
