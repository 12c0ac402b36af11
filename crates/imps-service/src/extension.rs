//! How what clients made up themselves is kept: as it came.

use imps_types::presence::Extension;

use crate::record::{RecordError, RecordReader, RecordWriter};

/// Writes extensions.
pub(crate) fn write_extensions(writer: &mut RecordWriter, extensions: &[Extension]) {
    writer.list(extensions.iter(), |w, one| {
        w.text(&one.name).optional_text(one.namespace.as_deref()).text(&one.text);
        write_extensions(w, &one.children);
    });
}

/// Reads extensions.
pub(crate) fn read_extensions(reader: &mut RecordReader<'_>) -> Result<Vec<Extension>, RecordError> {
    read_within(reader, 0)
}

fn read_within(reader: &mut RecordReader<'_>, depth: usize) -> Result<Vec<Extension>, RecordError> {
    // A block is no level of the client's own.
    if depth > Extension::DEPTH_MAX + 1 {
        return Err(RecordError("extensions too deep"));
    }
    reader.list(|r| {
        let (name, namespace, text) = (r.text()?.into(), r.optional_text()?, r.text()?.into());
        Ok(Extension { name, namespace, text, children: read_within(r, depth + 1)? })
    })
}
