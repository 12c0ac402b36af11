//! The codec alone, in this process: bytes to primitives and back, over messages as phones and servers exchange them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use imps_proto::csp::{Answer, Envelope, MessageWriter, Mode, Namespaces, Request, Response, ServerRequest};
use imps_proto::wire::{self, AnyReader, Form, Limits, Writer};
use imps_types::{TransactionId, Version};
use quick_xml::events::Event;

use super::server::Folder;
use super::{Outcome, now};

macro_rules! documents {
    ($($name:literal)*) => {
        /// Messages of the specification's vectors, in the encoding that phones write, and their XML.
        const DOCUMENTS: &[(&str, &[u8], &[u8])] = &[$((
            $name,
            include_bytes!(concat!("../../../../spec/vectors/", $name, ".ns.wbxml")),
            include_bytes!(concat!("../../../../spec/vectors/", $name, ".xml")),
        ),)*];
    };
}

documents! {
    "v11-login-request-digest"
    "v11-login-response-ok"
    "v12-login-request"
    "v12-login-response"
    "v12-capability-request"
    "v12-capability-response"
    "v11-send-message-text"
    "v12-send-message-base64"
    "v12-new-message-unicode"
    "v12-message-delivered"
    "v12-delivery-report"
    "v11-presence-notification"
    "v12-presence-notification-multi"
    "v12-update-presence"
    "v12-subscribe-presence"
    "v12-getlist-response"
    "v12-listmanage"
    "v12-status-error"
    "v11-polling"
}

/// Into so many slices the time of each measurement is cut.
const TURNS: u32 = 6;

/// Whose primitive it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Request,
    Answer,
    Response,
    Server,
}

enum Primitive {
    Request(Request),
    Answer(Answer),
    Response(Response),
    Server(ServerRequest),
}

impl Primitive {
    fn write(&self, writer: &mut dyn Writer) {
        match self {
            Self::Request(primitive) => primitive.write(writer),
            Self::Answer(primitive) => primitive.write(writer),
            Self::Response(primitive) => primitive.write(writer),
            Self::Server(primitive) => primitive.write(writer),
        }
    }
}

/// A message as values: what encoding begins with.
struct Value {
    version: Version,
    session: Option<String>,
    mode: Mode,
    transaction: TransactionId,
    poll: Option<bool>,
    primitive: Primitive,
}

struct Document {
    name: &'static str,
    wbxml: &'static [u8],
    xml: &'static [u8],
    /// Our own writing of the same.
    json: Vec<u8>,
    side: Side,
    value: Value,
}

/// Reads a message to its end; `keep` says whether its values are wanted.
fn decode(form: Form, bytes: &[u8], side: Side, limits: &Limits) -> Result<Option<Value>, wire::DecodeError> {
    let mut reader: AnyReader<'_> = wire::reader(form, bytes, limits)?;
    let mut envelope = Envelope::open(reader.as_dyn())?;
    let mut value = None;
    while let Some(head) = envelope.next_transaction()? {
        let primitive = match side {
            Side::Request => Some(Primitive::Request(envelope.read_request()?)),
            Side::Answer => envelope.read_answer()?.map(Primitive::Answer),
            Side::Response => envelope.read_response()?.map(Primitive::Response),
            Side::Server => envelope.read_server_request()?.map(Primitive::Server),
        };
        value = primitive.map(|primitive| Value {
            version: envelope.version(),
            session: envelope.session_id().map(str::to_owned),
            mode: head.mode,
            transaction: head.transaction_id.clone(),
            poll: head.poll,
            primitive,
        });
    }
    Ok(value)
}

fn encode(form: Form, value: &Value, namespaces: &Namespaces, buffer: Vec<u8>) -> Vec<u8> {
    let mut message = MessageWriter::new(form, value.version, namespaces, value.session.as_deref(), buffer);
    let poll = value.poll.or(Some(false));
    message.transaction(value.mode, value.transaction.as_str(), poll, |writer| value.primitive.write(writer));
    message.finish(poll)
}

fn documents() -> Outcome<Vec<Document>> {
    let limits = Limits::default();
    DOCUMENTS
        .iter()
        .map(|&(name, wbxml, xml)| {
            for side in [Side::Server, Side::Response, Side::Request, Side::Answer] {
                let read = decode(Form::Wbxml, wbxml, side, &limits).map_err(|error| format!("{name}: {error}"))?;
                let Some(value) = read else { continue };
                if matches!(value.primitive, Primitive::Request(Request::Unbuilt(_) | Request::Unknown)) {
                    continue;
                }
                if decode(Form::Xml, xml, side, &limits).map_err(|error| format!("{name}.xml: {error}"))?.is_none() {
                    return Err(format!("{name}: the XML is something else than the WBXML"));
                }
                let json = encode(Form::Json, &value, Namespaces::standard(), Vec::new());
                if decode(Form::Json, &json, side, &limits).map_err(|error| format!("{name}.json: {error}"))?.is_none()
                {
                    return Err(format!("{name}: the JSON is something else than the WBXML"));
                }
                return Ok(Document { name, wbxml, xml, json, side, value });
            }
            Err(format!("{name} is no primitive of this server"))
        })
        .collect()
}

/// Megabytes (of 1,000,000 bytes) a second; and 0 where nothing was measured.
#[derive(Default)]
pub(crate) struct Speeds {
    pub(crate) wbxml_decode: f64,
    pub(crate) wbxml_encode: f64,
    pub(crate) xml_decode: f64,
    pub(crate) xml_encode: f64,
    pub(crate) json_decode: f64,
    pub(crate) json_encode: f64,
    /// serde_json reading the same JSON into values.
    pub(crate) json_values: f64,
    /// quick-xml reading the events of the same XML.
    pub(crate) xml_events: f64,
    /// libwbxml, over the same bytes.
    pub(crate) libwbxml: Option<(f64, f64)>,
    pub(crate) documents: usize,
    pub(crate) wbxml_bytes: usize,
    pub(crate) xml_bytes: usize,
    pub(crate) json_bytes: usize,
}

/// Measures everything, each for so long.
pub(crate) fn measure(time: Duration, libwbxml: Option<&Path>, temporary: &Path) -> Outcome<Speeds> {
    let documents = documents()?;
    let limits = Limits::default();
    let wbxml_bytes: usize = documents.iter().map(|document| document.wbxml.len()).sum();
    let xml_bytes: usize = documents.iter().map(|document| document.xml.len()).sum();
    let json_bytes: usize = documents.iter().map(|document| document.json.len()).sum();
    let namespaces = Namespaces::default();
    let mut buffer = Vec::new();
    let mut speeds = Speeds { documents: documents.len(), wbxml_bytes, xml_bytes, json_bytes, ..Speeds::default() };
    // In turns, and the best of each: whoever else uses the processor disturbs all alike.
    for _ in 0..TURNS {
        let time = time / TURNS;
        best(&mut speeds.wbxml_decode, time, wbxml_bytes, || {
            documents.iter().all(|it| matches!(decode(Form::Wbxml, it.wbxml, it.side, &limits), Ok(Some(_))))
        })?;
        best(&mut speeds.xml_decode, time, xml_bytes, || {
            documents.iter().all(|it| matches!(decode(Form::Xml, it.xml, it.side, &limits), Ok(Some(_))))
        })?;
        best(&mut speeds.json_decode, time, json_bytes, || {
            documents.iter().all(|it| matches!(decode(Form::Json, &it.json, it.side, &limits), Ok(Some(_))))
        })?;
        best(&mut speeds.json_values, time, json_bytes, || {
            documents.iter().all(|it| serde_json::from_slice::<serde_json::Value>(&it.json).is_ok())
        })?;
        best(&mut speeds.xml_events, time, xml_bytes, || documents.iter().all(|it| read_events(it.xml)))?;
        // Counted are the bytes of the given documents, as for libwbxml: as many messages a second are the same figure.
        for (form, bytes, speed) in [
            (Form::Wbxml, wbxml_bytes, &mut speeds.wbxml_encode),
            (Form::Xml, xml_bytes, &mut speeds.xml_encode),
            (Form::Json, json_bytes, &mut speeds.json_encode),
        ] {
            best(speed, time, bytes, || {
                documents.iter().all(|it| {
                    buffer = encode(form, &it.value, &namespaces, std::mem::take(&mut buffer));
                    !std::hint::black_box(&buffer).is_empty()
                })
            })?;
        }
        if let Some(program) = libwbxml {
            let (decode, encode) = ask_libwbxml(program, &documents, time, temporary)?;
            let former = speeds.libwbxml.unwrap_or_default();
            speeds.libwbxml = Some((decode.max(former.0), encode.max(former.1)));
        }
    }
    Ok(speeds)
}

/// Reads all events and looks at each.
fn read_events(xml: &[u8]) -> bool {
    let mut reader = quick_xml::Reader::from_reader(xml);
    let mut bytes = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => return std::hint::black_box(bytes) > 0,
            Ok(event) => bytes += event.len(),
            Err(_) => return false,
        }
    }
}

/// Raises `speed` to the megabytes a second of `round`, which handles so many bytes.
fn best(speed: &mut f64, time: Duration, bytes: usize, mut round: impl FnMut() -> bool) -> Outcome {
    for _ in 0..20 {
        if !round() {
            return Err("the codec refuses a document".to_owned());
        }
    }
    let began = now();
    let mut rounds = 0_u64;
    while began.elapsed() < time {
        for _ in 0..10 {
            if !round() {
                return Err("the codec refuses a document".to_owned());
            }
        }
        rounds += 10;
    }
    *speed = speed.max(rounds as f64 * bytes as f64 / began.elapsed().as_secs_f64() / 1e6);
    Ok(())
}

/// Runs the program over libwbxml: decoding and encoding, in megabytes of WBXML a second.
fn ask_libwbxml(program: &Path, documents: &[Document], time: Duration, temporary: &Path) -> Outcome<(f64, f64)> {
    let folder = Folder::new(temporary, "documents")?;
    let mut command = Command::new(program);
    command.arg("--seconds").arg(format!("{:.3}", time.as_secs_f64()));
    for document in documents {
        for (kind, bytes) in [("wbxml", document.wbxml), ("xml", document.xml)] {
            let path = folder.file(&format!("{}.{kind}", document.name));
            fs::write(&path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            command.arg(path);
        }
    }
    let output = command.output().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    if !output.status.success() {
        return Err(format!("libwbxml: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let said: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("libwbxml said no JSON: {error}"))?;
    let speed = |what: &str| said[what]["wbxml_mb_per_s"].as_f64();
    speed("decode").zip(speed("encode")).ok_or_else(|| format!("libwbxml said no speeds: {said}"))
}
