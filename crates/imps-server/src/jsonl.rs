//! Everything as JSON lines: a head, a line for each row of the store, a tail that says how many there were.

use std::io::BufRead;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imps_service::seam::{Batch, Engine as _, Key, Row, Space};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::backup::About;
use crate::command::Failure;
use crate::key;

/// The format's version.
const FORMAT: u32 = 1;

/// The longest line: a message of the largest size, in base64.
const LINE_MAX: u64 = 64 << 20;

/// Rows that are committed together.
const BATCH: usize = 1000;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Head {
        hamlet_export: u32,
        about: About,
        #[serde(skip_serializing_if = "Option::is_none")]
        phone_key: Option<String>,
    },
    Row {
        space: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        of: Option<String>,
        key: String,
        record: String,
    },
    Tail {
        end: bool,
        rows: u64,
    },
}

/// The first line.
pub(crate) fn head(about: &About, phone_key: Option<&[u8]>) -> String {
    let phone_key = phone_key.map(|octets| STANDARD.encode(octets));
    text(&Line::Head { hamlet_export: FORMAT, about: about.clone(), phone_key })
}

/// The last one.
pub(crate) fn tail(rows: u64) -> String {
    text(&Line::Tail { end: true, rows })
}

/// A row.
pub(crate) fn line(space: Space, row: &Row) -> String {
    let key = row.key.as_bytes();
    text(&Line::Row {
        space: space.table().to_owned(),
        of: address(key),
        key: STANDARD.encode(key),
        record: STANDARD.encode(&row.value),
    })
}

fn text(line: &Line) -> String {
    // Strings and numbers are always written.
    serde_json::to_string(line).unwrap_or_else(|error| json!({ "error": error.to_string() }).to_string())
}

/// The address in a key, for those who look for somebody's rows.
fn address(key: &[u8]) -> Option<String> {
    let start = key.windows(3).position(|three| three == b"wv:")?;
    let rest = key.get(start..)?;
    let end = rest.iter().position(|byte| *byte < b' ' || *byte > b'~').unwrap_or(rest.len());
    Some(String::from_utf8_lossy(rest.get(..end)?).into_owned())
}

/// Builds a backup in a new folder from such lines. All of it is there, or an error says at which line it failed.
pub(crate) fn build(mut lines: impl BufRead, folder: &Path) -> Result<(), Failure> {
    let engine = imps_store::open(folder, imps_store::Options::default());
    let engine = engine.map_err(|error| Failure::new(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| Failure::new(error.to_string()))?;
    let commit = |batch: &mut Batch| {
        let batch = std::mem::take(batch);
        let results = runtime.block_on(engine.apply(std::slice::from_ref(&batch)));
        results.into_iter().collect::<Result<(), _>>().map_err(|error| Failure::new(error.to_string()))
    };
    let mut batch = Batch::new();
    let (mut number, mut rows, mut phone_key) = (0_u64, 0_u64, None);
    let (mut has_head, mut is_whole) = (false, false);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let read = std::io::Read::take(&mut lines, LINE_MAX).read_until(b'\n', &mut buffer);
        number += 1;
        let wrong = |why: &str| Failure::new(format!("line {number}: {why}"));
        if read.map_err(|error| wrong(&error.to_string()))? == 0 {
            break;
        }
        let line: Line = serde_json::from_slice(&buffer).map_err(|_| wrong("this is no line of an export"))?;
        match line {
            Line::Head { hamlet_export, phone_key: given, .. } => {
                if has_head {
                    return Err(wrong("a second head"));
                }
                if hamlet_export > FORMAT {
                    return Err(wrong("a later version of this program wrote it"));
                }
                has_head = true;
                phone_key = given;
            }
            _ if !has_head => return Err(wrong("the first line of the export is missing")),
            _ if is_whole => return Err(wrong("something stands behind the end")),
            Line::Row { space, key, record, .. } => {
                let space = Space::from_table(&space).ok_or_else(|| wrong("no such space"))?;
                let octets = |text: &str| STANDARD.decode(text).map_err(|_| wrong("this is no base64"));
                batch.put(space, Key::from(octets(&key)?.as_slice()), octets(&record)?);
                rows += 1;
                if rows.is_multiple_of(BATCH as u64) {
                    commit(&mut batch)?;
                }
            }
            Line::Tail { rows: told, .. } => {
                if told != rows {
                    return Err(wrong(&format!("{told} rows were written, and {rows} are here")));
                }
                is_whole = true;
            }
        }
    }
    if !is_whole {
        return Err(Failure::new("the export is cut off: its last line is missing"));
    }
    commit(&mut batch)?;
    engine.close();
    drop(engine);
    if let Some(given) = phone_key {
        let octets = STANDARD.decode(given).ok().filter(|octets| octets.len() == 32);
        let octets = octets.ok_or_else(|| Failure::new("the key in the export is damaged"))?;
        let path = key::path(folder);
        std::fs::write(&path, octets).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_row_is_a_line_and_tells_whose_it_is() {
        let key = Key::build().u16(7).text("wv:alice@a.example").u64(9).done();
        let line = line(Space::MessageIndex, &Row { key, value: Bytes::from_static(b"\x01\x02") });
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["space"], "message_index");
        assert_eq!(read["of"], "wv:alice@a.example");
        assert_eq!(read["record"], "AQI=");
    }
}
