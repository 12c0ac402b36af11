//! `hamlet config`.

use clap::Subcommand;

use super::{Common, Done, Format, Refusal, output};
use crate::config::{Explained, explain, markdown, nearest};

#[derive(Subcommand, Debug)]
pub(super) enum ConfigCommand {
    /// Tell every setting, or one: its value, where it came from, its default and bounds, what it does
    #[command(after_help = "\
Examples:
  hamlet config explain                              all, with the values in force
  hamlet config explain session.ttl_max
  hamlet config explain session                      a whole table
  HAMLET_SESSION__TTL_MAX=7200 hamlet config explain session.ttl_max")]
    Explain {
        /// The setting, such as session.ttl_max, or its table, such as session
        key: Option<String>,
        #[command(flatten)]
        format: Format,
        /// Print the reference of all settings, without values
        #[arg(long, conflicts_with_all = ["json", "key"])]
        markdown: bool,
    },
}

impl ConfigCommand {
    pub(super) fn run(self, common: &Common) -> Done {
        let Self::Explain { key, format, markdown: is_reference } = self;
        if is_reference {
            output::say(markdown().trim_end());
            return Ok(());
        }
        let config = common.load(&[])?;
        let rows = explain(&config, key.as_deref());
        match (&key, rows.as_slice()) {
            (Some(key), []) => {
                let guess = nearest(key).map_or_else(
                    || "; `hamlet config explain` lists them all".to_owned(),
                    |guess| format!("; did you mean `{guess}`?"),
                );
                return Err(Refusal::Usage(format!("there is no setting `{key}`{guess}")));
            }
            (Some(key), [only]) if only.key == key && format.json => output::json(only),
            (Some(key), [only]) if only.key == key => tell(only),
            _ if format.json => output::json(&rows),
            _ => {
                let file = config.file.as_ref().map(|path| path.display().to_string());
                output::note(&format!("settings file: {}", file.unwrap_or_else(|| "none".to_owned())));
                let rows: Vec<_> = rows.into_iter().map(|row| [row.key.to_owned(), row.shown, row.source]).collect();
                output::table(["SETTING", "VALUE", "FROM"], &rows);
            }
        }
        Ok(())
    }
}

fn tell(row: &Explained) {
    output::say(&format!("{}\n  {}\n", row.key, row.meaning));
    for (name, value) in [
        ("value", &row.shown),
        ("from", &row.source),
        ("default", &row.shown_default),
        ("allowed", &row.bounds),
        ("variable", &row.variable),
    ] {
        output::say(&format!("  {name:<10}{value}"));
    }
}
