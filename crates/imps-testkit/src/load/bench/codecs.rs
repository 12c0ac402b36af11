//! The codecs alone.

use std::path::Path;
use std::time::Duration;

use super::{Bench, tell};
use crate::load::report::{Figure, Target};
use crate::load::{Outcome, codec};

impl Bench<'_> {
    pub(super) fn codec(&mut self) -> Outcome {
        tell("codec");
        let time = self.options.time.min(Duration::from_secs(2));
        let speeds = codec::measure(time, self.options.libwbxml.as_deref().map(Path::new), self.folder.path())?;
        let of = |name: &str, value: f64| Figure::new(name, value, "MB/s");
        let wbxml = |figure: Figure, reference: Option<f64>| match reference {
            Some(value) => figure.beside("libwbxml", value).target(Target::OfReference(3.0)),
            None => figure.target(Target::OfReference(3.0)).note("libwbxml was not given (--libwbxml)"),
        };
        let about = format!(
            "{} messages, {} bytes in WBXML, {} in XML, {} in JSON",
            speeds.documents, speeds.wbxml_bytes, speeds.xml_bytes, speeds.json_bytes
        );
        self.figures.extend([
            wbxml(of("WBXML decode", speeds.wbxml_decode), speeds.libwbxml.map(|(decode, _)| decode)).note(about),
            wbxml(of("WBXML encode", speeds.wbxml_encode), speeds.libwbxml.map(|(_, encode)| encode)),
            of("XML decode", speeds.xml_decode)
                .beside("quick-xml, events only", speeds.xml_events)
                .target(Target::OfReference(0.5)),
            of("XML encode", speeds.xml_encode),
            of("JSON decode", speeds.json_decode).beside("serde_json, into values", speeds.json_values),
            of("JSON encode", speeds.json_encode),
        ]);
        Ok(())
    }
}
