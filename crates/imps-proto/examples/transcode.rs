//! Messages of the test vectors in another encoding: `transcode json FOLDER FILE..` writes each that can be said so into the
//! folder. Seeds for fuzzing are made so, since the vectors have few messages in JSON and PTS.

use std::error::Error;
use std::path::{Path, PathBuf};

use imps_proto::wire::{self, Form, Limits, PtsCodes};
use imps_types::Version;

fn form(word: &str) -> Option<Form> {
    match word {
        "xml" => Some(Form::Xml),
        "wbxml" => Some(Form::Wbxml),
        "json" => Some(Form::Json),
        "pts" => Some(Form::Pts(PtsCodes::Project)),
        _ => None,
    }
}

/// `None`: it is no message, or cannot be said in this form.
fn transcoded(file: &Path, to: Form) -> Option<Vec<u8>> {
    let from = form(file.extension()?.to_str()?)?;
    let bytes = std::fs::read(file).ok()?;
    let text = wire::utf8(from, &bytes).ok()?;
    // Its version is known once its first element was read.
    let mut reader = wire::reader(from, &text, &Limits::default()).ok()?;
    reader.as_dyn().next().ok()?;
    let version = reader.as_dyn().version().unwrap_or(Version::V1_2);
    let mut reader = wire::reader(from, &text, &Limits::default()).ok()?;
    let mut writer = wire::writer(to, version, Vec::new());
    wire::transcode(reader.as_dyn(), writer.as_dyn()).ok()?;
    Some(writer.finish()).filter(|written| !written.is_empty())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let word = arguments.next().and_then(|word| word.into_string().ok()).ok_or("which encoding?")?;
    let to = form(&word).ok_or("an encoding is xml, wbxml, json or pts")?;
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    for file in arguments.map(PathBuf::from) {
        let Some(bytes) = transcoded(&file, to) else { continue };
        let name = file.file_name().ok_or("a file without a name")?;
        let mut name = name.to_os_string();
        name.push(format!(".{word}"));
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
