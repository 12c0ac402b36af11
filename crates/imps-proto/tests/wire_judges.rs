//! What others make of our bytes: libwbxml's `wbxml2xml` and `xml2wbxml`, and Wireshark's `tshark`.
//!
//! Every vector of 1.1 and 1.2 is encoded here and decoded by them. They must see the same document, save for the
//! exceptions below, each of which is a known fault or gap of theirs; an exception that is not needed is an error too.
//! A missing tool is a failure: `cargo xtask check` installs them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod wire_support;

use imps_proto::wire::Form;
use imps_proto::{Element, Kind, Space};
use imps_types::Version;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use wire_support::{Piece, decode, transcode, vector, vectors, without_namespaces};

/// Where wbxml2xml reads something else, and why.
const WBXML2XML: [(&str, &str); 1] = [("v12-capability-response-cirurl", "libwbxml has no token for CIRURL")];

/// Where tshark reads something else, and why.
const TSHARK: [(&str, &str); 3] = [
    ("v11-capability-request", "tshark does not know that AcceptedCharset is a number"),
    ("v12-getmessagelist-response", "tshark shows 4294967295 with a sign"),
    ("v12-search-request", "tshark does not know that SearchLimit is a number in 1.2"),
];

/// Where our reader sees something else in what xml2wbxml made of our XML, and why.
const XML2WBXML: [(&str, &str); 4] = [
    ("v12-autosubscribe", "libwbxml knows Auto-Subscribe only, and writes no literals"),
    ("v12-capability-response-cirurl", "libwbxml has no token for CIRURL, and writes no literals"),
    ("v12-literal-elements", "libwbxml writes no literals"),
    ("v12-status-content", "libwbxml knows PreferredContent only, and writes no literals"),
];

/// The XML vectors of the versions that libwbxml knows.
fn documents() -> Vec<(String, Version, Vec<u8>)> {
    let names = vectors(".xml").into_iter().filter(|name| name.starts_with("v11-") || name.starts_with("v12-"));
    names
        .map(|name| {
            let version = if name.starts_with("v11-") { Version::V1_1 } else { Version::V1_2 };
            let xml = vector(&name);
            (name.strip_suffix(".xml").unwrap().to_owned(), version, xml)
        })
        .collect()
}

fn room(judge: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join(judge);
    fs::create_dir_all(&room).unwrap();
    room
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().unwrap_or_else(|error| {
        panic!("{program}: {error}. These tests need libwbxml2-utils and tshark; `cargo xtask check` installs them")
    })
}

/// Demands that exactly the documents in `exceptions` differ.
#[track_caller]
fn judge(verdicts: &BTreeMap<String, Option<String>>, exceptions: &[(&str, &str)]) {
    assert!(verdicts.len() > 40, "{}", verdicts.len());
    let mut wrong = String::new();
    for (name, difference) in verdicts {
        let exception = exceptions.iter().find(|(excepted, _)| excepted == name);
        match (difference, exception) {
            (Some(difference), None) => wrong += &format!("\n{name}: {difference}"),
            (None, Some((_, reason))) => wrong += &format!("\n{name} is no exception any more: {reason}"),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    for (name, _) in exceptions {
        assert!(verdicts.contains_key(*name), "no vector {name}");
    }
}

fn difference(theirs: &[Piece], ours: &[Piece]) -> Option<String> {
    let at = theirs.iter().zip(ours).take_while(|(a, b)| a == b).count();
    let around = |pieces: &[Piece]| format!("{:?}", &pieces[at.saturating_sub(2)..pieces.len().min(at + 4)]);
    (theirs != ours).then(|| format!("differs at piece {at}\n theirs: {}\n ours:   {}", around(theirs), around(ours)))
}

#[test]
fn wbxml2xml_reads_our_wbxml() {
    let room = room("wbxml2xml");
    let verdicts = documents().into_iter().map(|(name, version, xml)| {
        let ours = decode(Form::Xml, &xml).unwrap();
        let (input, output) = (room.join(format!("{name}.wbxml")), room.join(format!("{name}.xml")));
        fs::write(&input, transcode(Form::Xml, &xml, Form::Wbxml, version).unwrap()).unwrap();
        let _ = fs::remove_file(&output);
        let language = if version == Version::V1_1 { "CSP11" } else { "CSP12" };
        let result =
            run(Command::new("wbxml2xml").args(["-l", language, "-m", "0", "-k", "-o"]).arg(&output).arg(&input));
        let verdict = match fs::read(&output).map(|xml| decode(Form::Xml, &xml)) {
            Ok(Ok(theirs)) => difference(&theirs, &ours),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(String::from_utf8_lossy(&result.stderr).into_owned()),
        };
        (name, verdict)
    });
    judge(&verdicts.collect(), &WBXML2XML);
}

#[test]
fn xml2wbxml_reads_our_xml() {
    let room = room("xml2wbxml");
    let verdicts = documents().into_iter().map(|(name, version, xml)| {
        let ours = decode(Form::Xml, &xml).unwrap();
        let written = String::from_utf8(transcode(Form::Xml, &xml, Form::Xml, version).unwrap()).unwrap();
        // It goes by the document type only, which we do not write.
        let doctype = format!("?><!DOCTYPE WV-CSP-Message PUBLIC \"-//OMA//DTD WV-CSP {version}//EN\" \"x\">");
        let (input, output) = (room.join(format!("{name}.xml")), room.join(format!("{name}.wbxml")));
        fs::write(&input, written.replacen("?>", &doctype, 1)).unwrap();
        let _ = fs::remove_file(&output);
        let result = run(Command::new("xml2wbxml").args(["-k", "-o"]).arg(&output).arg(&input));
        let verdict = match fs::read(&output).map(|wbxml| decode(Form::Wbxml, &wbxml)) {
            // It drops the namespaces.
            Ok(Ok(theirs)) => difference(&theirs, &without_namespaces(ours)),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(String::from_utf8_lossy(&result.stderr).into_owned()),
        };
        (name, verdict)
    });
    judge(&verdicts.collect(), &XML2WBXML);
}

#[test]
fn tshark_reads_our_wbxml() {
    let documents = documents();
    let bodies = documents.iter().map(|(_, version, xml)| transcode(Form::Xml, xml, Form::Wbxml, *version).unwrap());
    let capture = room("tshark").join("posts.pcap");
    fs::write(&capture, pcap(bodies)).unwrap();
    let output = run(Command::new("tshark").args(["-V", "-O", "wbxml", "-r"]).arg(&capture));
    let output = String::from_utf8(output.stdout).unwrap();
    let frames: Vec<&str> = output.split("WAP Binary XML").skip(1).collect();
    assert_eq!(frames.len(), documents.len(), "tshark found other messages than were written");
    let verdicts = documents.into_iter().zip(frames).map(|((name, _, xml), frame)| {
        let ours = without_namespaces(decode(Form::Xml, &xml).unwrap());
        (name, difference(&tshark_pieces(frame), &ours))
    });
    judge(&verdicts.collect(), &TSHARK);
}

/// A capture of HTTP requests with these bodies, a packet each.
fn pcap(bodies: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    const RAW_IP: u32 = 101;
    let mut out = Vec::new();
    for field in [0xA1B2_C3D4, 0x0004_0002, 0, 0, 0x0004_0000, RAW_IP] {
        out.extend_from_slice(&u32::to_le_bytes(field));
    }
    for (number, body) in bodies.enumerate() {
        let mut packet = Vec::new();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.wv.csp.wbxml\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let length = u16::try_from(20 + 20 + head.len() + body.len()).unwrap();
        // IPv4 from and to 127.0.0.1, without a checksum; then TCP from a port of its own to port 80.
        packet.extend_from_slice(&[0x45, 0]);
        packet.extend_from_slice(&length.to_be_bytes());
        packet.extend_from_slice(&[0, 1, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend_from_slice(&u16::try_from(20_000 + number).unwrap().to_be_bytes());
        packet.extend_from_slice(&[0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]);
        packet.extend_from_slice(head.as_bytes());
        packet.extend_from_slice(&body);
        let length = u32::try_from(packet.len()).unwrap();
        for field in [u32::try_from(number).unwrap(), 0, length, length] {
            out.extend_from_slice(&u32::to_le_bytes(field));
        }
        out.extend_from_slice(&packet);
    }
    out
}

/// The last column of tshark's table, without attributes.
fn tshark_pieces(frame: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut open: Vec<Element> = Vec::new();
    for line in frame.lines() {
        let columns: Vec<&str> = line.splitn(5, '|').map(str::trim).collect();
        let &[_, state, _, _, rendering] = columns.as_slice() else { continue };
        if state != "Tag" || rendering.is_empty() || rendering == ">" {
            continue;
        }
        if let Some(value) = tshark_text(rendering) {
            text.push_str(value);
            continue;
        }
        if rendering.contains("unparsed opaque data") {
            text.push('?');
            continue;
        }
        if !text.is_empty() {
            let is_date = open.last().is_some_and(|element| element.kind() == Kind::Date);
            let date = imps_types::DateTime::parse(&text).filter(|_| is_date);
            pieces.push(Piece::Text(date.map_or(std::mem::take(&mut text), |date| date.to_basic())));
            text.clear();
        }
        if rendering.starts_with("</") {
            open.pop();
            pieces.push(Piece::End);
        } else {
            let name = rendering.trim_matches(['<', '>', '/', ' ']);
            // Under the name that we give it: some of theirs are older.
            let within = open.last().map_or(Space::Trc, |element| element.space());
            let element = Element::by_name(name, within);
            pieces.push(Piece::Start(element.map_or(name, |element| element.name()).to_owned()));
            if rendering.ends_with("/>") {
                pieces.push(Piece::End);
            } else {
                open.push(element.unwrap_or(Element::ExtendedData));
            }
        }
    }
    pieces
}

fn tshark_text(rendering: &str) -> Option<&str> {
    let quoted = |text: &'static str| rendering.strip_prefix(text)?.strip_suffix('\'');
    quoted("'")
        .or_else(|| quoted("Common Value: '"))
        .or_else(|| quoted("Access Value: '"))
        .or_else(|| quoted("Presence Value: '"))
        .or_else(|| rendering.strip_prefix("WV-CSP Integer: "))
        .or_else(|| rendering.strip_prefix("WV-CSP DateTime: "))
}
