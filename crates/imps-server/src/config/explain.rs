//! What is set, to what, and by whom: `hamlet config explain`, and the reference that is made from it.

use serde::Serialize;

use super::{Config, Setting, Settings, TABLE};

/// A setting as it is explained.
#[derive(Serialize, Debug)]
pub(crate) struct Explained {
    pub(crate) key: &'static str,
    pub(crate) value: serde_json::Value,
    pub(crate) default: serde_json::Value,
    pub(crate) bounds: String,
    pub(crate) source: String,
    pub(crate) variable: String,
    pub(crate) meaning: &'static str,
    #[serde(skip)]
    pub(crate) shown: String,
    #[serde(skip)]
    pub(crate) shown_default: String,
}

/// The settings with this key or in this table; all without one.
pub(crate) fn explain(config: &Config, key: Option<&str>) -> Vec<Explained> {
    let defaults = Settings::default();
    let inside = |setting: &&Setting| {
        key.is_none_or(|key| {
            setting.key == key || setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
        })
    };
    TABLE.iter().filter(inside).map(|setting| explained(setting, config, &defaults)).collect()
}

fn explained(setting: &Setting, config: &Config, defaults: &Settings) -> Explained {
    let (value, default) = (setting.read(&config.settings), setting.read(defaults));
    Explained {
        key: setting.key,
        shown: setting.kind.show(&value),
        shown_default: setting.kind.show(&default),
        value: json(value),
        default: json(default),
        bounds: setting.kind.bounds(),
        source: config.source(setting.key).to_string(),
        variable: setting.variable(),
        meaning: setting.meaning,
    }
}

fn json(value: super::Value) -> serde_json::Value {
    match value {
        super::Value::Text(text) => text.into(),
        super::Value::Flag(flag) => flag.into(),
        super::Value::Number(number) => number.into(),
    }
}

/// The reference: every setting, without what anybody has set.
pub(crate) fn markdown() -> String {
    let defaults = Settings::default();
    let mut page = String::from(
        "# Settings\n\n\
         Every setting of `hamlet`. Generated from the program's table by `cargo xtask generate`.\n\n\
         A value comes from the default, the file, the environment or the command line, each stronger than those before it:\n\n\
         - the file is the one that `--config` or `HAMLET_CONFIG` names, else `hamlet.toml` in the data folder, else `hamlet.toml` in\n  \
           the current folder; a key it does not know is an error;\n\
         - the environment variable of a key is `HAMLET_` and the key in capitals, `.` as two underscores: `HAMLET_SESSION__TTL_MAX`;\n\
         - on the command line `--data`, `--domain`, `--listen` and `--log` have options of their own, and `--setting KEY=VALUE` sets any.\n\n\
         Times are whole seconds, or text with a unit (`\"15 min\"`, `\"12 h\"`, `\"7 d\"`); sizes are bytes, or text with a unit (`\"64 KiB\"`,\n\
         `\"4 MiB\"`). `hamlet config explain` shows the values in force and where each came from.\n",
    );
    let mut section = None;
    for setting in TABLE {
        let table = setting.key.split_once('.').map_or("", |(table, _)| table);
        if section != Some(table) {
            section = Some(table);
            let title = if table.is_empty() { "General".to_owned() } else { format!("`[{table}]`") };
            page.push_str(&format!("\n## {title}\n\n| key | default | allowed | meaning |\n|---|---|---|---|\n"));
        }
        let default = setting.kind.show(&setting.read(&defaults));
        let default = if default.is_empty() { "(empty)".to_owned() } else { format!("`{default}`") };
        page.push_str(&format!(
            "| `{}` | {default} | {} | {} |\n",
            setting.key,
            setting.kind.bounds().replace('|', "\\|"),
            setting.meaning.replace('|', "\\|")
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    fn config() -> Config {
        let values = vec![("session.ttl_max".to_owned(), "--setting".to_owned(), "7200".to_owned())];
        let flags = Flags { file: None, values };
        Config::load(&flags, std::iter::empty()).unwrap()
    }

    #[test]
    fn one_key_tells_everything() {
        let rows = explain(&config(), Some("session.ttl_max"));
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row.shown.as_str(), row.shown_default.as_str()), ("7200 s (2 h)", "86400 s (1 d)"));
        assert_eq!((row.value.as_u64(), row.default.as_u64()), (Some(7200), Some(86_400)));
        assert_eq!(row.source, "option --setting");
        assert_eq!(row.variable, "HAMLET_SESSION__TTL_MAX");
        assert!(row.bounds.contains("1 s to"), "{}", row.bounds);
    }

    #[test]
    fn a_table_tells_its_keys_and_nothing_tells_all() {
        let config = config();
        assert_eq!(explain(&config, None).len(), TABLE.len());
        assert!(explain(&config, Some("session")).iter().all(|row| row.key.starts_with("session.")));
        assert!(explain(&config, Some("sess")).is_empty());
    }

    #[test]
    fn the_reference_has_every_key_once_and_depends_on_no_machine() {
        let page = markdown();
        for setting in TABLE {
            assert_eq!(page.matches(&format!("\n| `{}` |", setting.key)).count(), 1, "{}", setting.key);
        }
    }
}
