//! 200,000 damaged vectors: none may cause a panic or work out of proportion to its size, and what still decodes is
//! encoded and decoded again to the same document. The damage is the same in every run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod wire_support;

use imps_proto::wire::{DecodeErrorKind, Form, Limits, Reader, Token};
use imps_types::Version;
use wire_support::{
    Piece, Xorshift, assert_same, canonical, damage, decode, form_of, open, transcode, vector, vectors,
};

const ROUNDS: usize = 200_000;

/// Counts what a reader does until it is done.
fn work(form: Form, bytes: &[u8]) -> usize {
    let Ok(mut reader) = open(form, bytes) else { return 0 };
    let mut tokens = 0;
    while let Ok(token) = reader.next() {
        if token == Token::Eof {
            break;
        }
        tokens += 1;
    }
    tokens
}

#[test]
fn damaged_vectors() {
    // The two large ones would take most of the time and are refused by their size of nesting anyway.
    let seeds: Vec<(Form, Vec<u8>)> = [".wbxml", ".xml"]
        .into_iter()
        .flat_map(vectors)
        .map(|name| (form_of(&name), vector(&name)))
        .filter(|(_, bytes)| bytes.len() < 4096)
        .flat_map(|(form, bytes)| {
            let version = wire_support::version(form, &bytes).unwrap_or(Version::V1_2);
            let json = transcode(form, &bytes, Form::Json, version);
            [Some((form, bytes)), json.ok().map(|json| (Form::Json, json))]
        })
        .flatten()
        .collect();
    let mut random = Xorshift(0x1234_5678_9ABC_DEF1);
    let mut survivors = 0;
    for _ in 0..ROUNDS {
        let (form, seed) = &seeds[random.below(seeds.len())];
        let (_, other) = &seeds[random.below(seeds.len())];
        let mut bytes = seed.clone();
        damage(&mut bytes, other, &mut random);
        assert!(work(*form, &bytes) <= 2 * bytes.len() + 2);
        if let Ok(pieces) = decode(*form, &bytes) {
            survivors += 1;
            encodes_again(*form, &bytes, &pieces);
        }
    }
    // Most damage to XML text and to WBXML strings leaves a message.
    assert!(survivors > ROUNDS / 20, "{survivors}");
}

fn encodes_again(form: Form, bytes: &[u8], pieces: &[Piece]) {
    let stated = wire_support::version(form, bytes);
    for to in [Form::Xml, Form::Wbxml, Form::Json] {
        let again = transcode(form, bytes, to, stated.unwrap_or(Version::V1_2)).unwrap();
        match decode(to, &again) {
            Ok(decoded) if form == Form::Json || to == Form::Json => {
                let what = || format!("{} as {to:?}", String::from_utf8_lossy(bytes));
                assert_same(&what(), &canonical(&decoded), &canonical(pieces));
            }
            Ok(decoded) => assert_same(&format!("{bytes:?} as {to:?}"), &decoded, pieces),
            // XML with a version that nobody speaks is readable, WBXML has no tables for it.
            Err(error) => assert!(stated.is_none(), "{bytes:?} as {to:?}: {error}"),
        }
    }
}

#[test]
fn a_small_message_cannot_become_a_large_one() {
    // 60 KiB of string table, referred to again and again: two bytes each.
    let mut bytes = vec![0x03, 0x11, 0x6A, 0x83, 0xE0, 0x00];
    bytes.extend([b'x'; 0xF000]);
    bytes.push(0x4D);
    bytes.extend([0x83, 0x00].repeat(100_000));
    bytes.push(0x01);
    let error = decode(Form::Wbxml, &bytes).unwrap_err();
    assert_eq!(error.to_string(), format!("too large: text at byte {}", error.position));
    assert!(error.position < 0xF000 + 7 + 2 * (Limits::default().text / 0xF000 + 2));
}

#[test]
fn what_the_fuzzer_found() {
    // The token of one vocabulary, and behind it a text that ends like another: it is that other.
    let message = |name: &str| {
        let text = format!("1http://example.org/DTD/WV-{name}.1\0");
        [b"\x03\x10j\0\xC9\x09\x03", text.as_bytes(), b"\x01mnp\x80\x18\x01\x01\x01\x01"].concat()
    };
    let error = decode(Form::Wbxml, &message("CSP")).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::UnsupportedVersion);
    for name in ["TRC", "PA", "XXX"] {
        let bytes = message(name);
        let pieces = decode(Form::Wbxml, &bytes).unwrap();
        encodes_again(Form::Wbxml, &bytes, &pieces);
    }
}
