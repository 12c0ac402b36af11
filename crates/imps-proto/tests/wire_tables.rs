//! The tables of elements and value tokens against the compiled specification, completely and in both directions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod wire_support;

use imps_proto::{Element, Kind, Space, values};
use imps_types::Version;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use toml::{Table, Value};

fn load(name: &str) -> Table {
    fs::read_to_string(wire_support::spec().join(name)).unwrap().parse().unwrap()
}

fn hex(text: &str) -> u32 {
    u32::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

fn page(text: &str) -> u8 {
    text.strip_prefix('p').unwrap().parse().unwrap()
}

fn section<'t>(wbxml: &'t Table, version: Version, name: &str) -> Option<&'t Table> {
    wbxml["csp"][version.as_str()].get(name).map(|section| section.as_table().unwrap())
}

/// All (page, token, name) of a section.
fn tags(wbxml: &Table, version: Version, name: &str) -> Vec<(u8, u8, String)> {
    let pages = section(wbxml, version, name).into_iter().flatten();
    pages
        .flat_map(|(p, tokens)| {
            let tokens = tokens.as_table().unwrap();
            tokens.iter().map(move |(token, name)| {
                (page(p), u8::try_from(hex(token)).unwrap(), name.as_str().unwrap().to_owned())
            })
        })
        .collect()
}

fn element(name: &str) -> Element {
    Element::by_name(name, Space::Trc).unwrap_or_else(|| panic!("{name} is not in the table"))
}

#[test]
fn every_token_of_the_specification_is_ours() {
    let wbxml = load("wbxml-csp.toml");
    for version in Version::ALL {
        let emitted = tags(&wbxml, version, "tags");
        assert_eq!(
            emitted.len(),
            usize::try_from(wbxml["csp"][version.as_str()]["tag_count"].as_integer().unwrap()).unwrap()
        );
        for (page, token, name) in emitted {
            let element = element(&name);
            assert_eq!(Element::by_token(version, page, token), Some(element), "{version} {page}/{token:#04X} {name}");
            if name == element.name() {
                assert_eq!(element.token(version), Some((page, token)), "{version} {name}");
            }
        }
        for (page, token, name) in tags(&wbxml, version, "tags_decode_only") {
            let element = element(&name);
            assert_eq!(Element::by_token(version, page, token), Some(element), "{version} {page}/{token:#04X} {name}");
            assert_ne!(element.token(version), Some((page, token)), "{version} {name} must not be emitted");
        }
    }
}

#[test]
fn every_token_of_ours_is_in_the_specification() {
    let wbxml = load("wbxml-csp.toml");
    let mut all = BTreeSet::new();
    for version in Version::ALL {
        let emitted: BTreeSet<_> = tags(&wbxml, version, "tags").into_iter().collect();
        for element in Element::ALL {
            if let Some((page, token)) = element.token(version) {
                assert!(emitted.contains(&(page, token, element.name().to_owned())), "{version} {element}");
            }
        }
        all.extend(emitted);
        all.extend(tags(&wbxml, version, "tags_decode_only"));
    }
    // What is decoded, in any version, is a token that some version has.
    for version in Version::ALL {
        for (page, token) in (0..=u8::MAX).flat_map(|page| (0..=u8::MAX).map(move |token| (page, token))) {
            let decoded = Element::by_token(version, page, token);
            let known = all.iter().any(|(p, t, _)| (*p, *t) == (page, token));
            assert_eq!(decoded.is_some(), known, "{version} {page}/{token:#04X} {decoded:?}");
            if let Some(element) = decoded {
                let named = all.iter().any(|(p, t, name)| {
                    (*p, *t) == (page, token) && Element::by_name(name, element.space()) == Some(element)
                });
                assert!(named, "{version} {page}/{token:#04X} {element}");
            }
        }
    }
}

#[test]
fn the_version_itself_is_asked_first_then_the_newest() {
    let wbxml = load("wbxml-csp.toml");
    for version in Version::ALL {
        for newest_first in [Version::V1_3, Version::V1_2, Version::V1_1] {
            for (page, token, name) in tags(&wbxml, newest_first, "tags") {
                let own = tags(&wbxml, version, "tags").into_iter().find(|(p, t, _)| (*p, *t) == (page, token));
                let newer = tags(&wbxml, Version::V1_3, "tags").into_iter().find(|(p, t, _)| (*p, *t) == (page, token));
                let expected = own.or(newer).map_or(name, |(_, _, name)| name);
                assert_eq!(Element::by_token(version, page, token), Some(element(&expected)));
            }
        }
    }
}

fn version_of(value: &Value) -> Version {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn every_element_of_the_grammar_is_ours() {
    let grammar = load("csp-elements.toml");
    let mut seen = BTreeSet::new();
    for entry in grammar["element"].as_array().unwrap() {
        let name = entry["name"].as_str().unwrap();
        let space = match entry["ns"].as_str().unwrap() {
            "CSP" => Space::Csp,
            "TRC" => Space::Trc,
            "PA" => Space::Pa,
            other => panic!("namespace {other}"),
        };
        let kind = match entry["type"].as_str().unwrap() {
            "struct" => Kind::Struct,
            "empty" => Kind::Empty,
            "string" => Kind::String,
            "integer" => Kind::Integer,
            "boolean" => Kind::Boolean,
            "date" => Kind::Date,
            "enum" => Kind::Enum,
            "binary" => Kind::Binary,
            "content" => Kind::Content,
            "any" => Kind::Any,
            other => panic!("type {other}"),
        };
        let element = Element::by_name(name, space).unwrap_or_else(|| panic!("{name} is not in the table"));
        let ours = (element.name(), element.space(), element.kind(), element.since(), element.until());
        assert_eq!(ours, (name, space, kind, version_of(&entry["since"]), version_of(&entry["until"])));
        assert!(seen.insert(element), "{name} twice");
    }
    // The other way round: one element has a token, but no place in any primitive.
    let rest: Vec<Element> = Element::ALL.into_iter().filter(|element| !seen.contains(element)).collect();
    assert_eq!(rest, [Element::Capability]);
}

#[test]
fn what_may_come_several_times() {
    let grammar = load("csp-elements.toml");
    let mut repeated = BTreeSet::new();
    for entry in grammar["element"].as_array().unwrap() {
        let space = if entry["ns"].as_str() == Some("PA") { Space::Pa } else { Space::Trc };
        let parent = Element::by_name(entry["name"].as_str().unwrap(), space).unwrap();
        for definition in entry["version"].as_array().unwrap() {
            for child in definition.get("children").and_then(Value::as_array).into_iter().flatten() {
                let is_repeated = matches!(child["card"].as_str().unwrap(), "*" | "+");
                let child = Element::by_name(child["name"].as_str().unwrap(), parent.space()).unwrap();
                // Several criteria are several lists: see `repeats.rs`.
                if is_repeated && (parent != Element::SearchPairList || child == Element::SearchPair) {
                    repeated.insert((parent, child));
                }
            }
        }
    }
    for parent in Element::ALL {
        for child in Element::ALL {
            assert_eq!(child.repeats_in(parent), repeated.contains(&(parent, child)), "{child} in {parent}");
        }
    }
    assert!(repeated.len() > 100, "{}", repeated.len());
}

#[test]
fn aliases() {
    let wbxml = load("wbxml-csp.toml");
    let mut known = 0;
    for (alias, name) in wbxml["encode_alias"].as_table().unwrap() {
        let name = name.as_str().unwrap();
        if let Some((alias, version)) = alias.split_once('@') {
            assert_eq!(element(alias).in_version(version.parse().unwrap()), element(name));
        } else {
            assert_eq!(element(alias), element(name), "{alias}");
            assert_eq!(element(alias).name(), name);
            known += 1;
        }
    }
    for entry in load("csp-elements.toml")["alias"].as_array().unwrap() {
        let (alias, name) = (entry["name"].as_str().unwrap(), entry["canonical"].as_str().unwrap());
        assert_eq!(element(alias).name(), name);
        known += 1;
    }
    assert!(known > 15);
}

#[test]
fn types_of_opaque_content() {
    let wbxml = load("wbxml-csp.toml");
    let types = wbxml["types"].as_table().unwrap();
    let integers = types["integer"].as_table().unwrap();
    let dates = types["datetime"].as_table().unwrap();
    let booleans = types["boolean"].as_table().unwrap();
    for element in Element::ALL {
        let integer = integers.get(element.name());
        assert_eq!(element.reads_opaque_integer(), integer.is_some(), "{element}");
        let opaque = integer.is_some_and(|integer| integer["emit"].as_str() == Some("opaque"));
        assert_eq!(element.writes_opaque_integer(), opaque, "{element}");
        assert_eq!(element.kind() == Kind::Date, dates.contains_key(element.name()), "{element}");
        assert_eq!(element.kind() == Kind::Boolean, booleans.contains_key(element.name()), "{element}");
    }
    for name in integers.keys().chain(dates.keys()).chain(booleans.keys()) {
        element(name);
    }
    for name in types["binary"].as_table().unwrap().keys() {
        assert!(matches!(element(name).kind(), Kind::Binary | Kind::Content), "{name}");
    }
}

#[test]
fn value_tokens() {
    let wbxml = load("wbxml-csp.toml");
    // An element of each group of pages, for words may be emitted on some pages only.
    let places = [Element::SearchElement, Element::SupportedBearer, Element::Cap, Element::Qualifier, Element::Name];
    let mut union = BTreeMap::new();
    for version in Version::ALL {
        let emitted = section(&wbxml, version, "values").unwrap();
        let count = wbxml["csp"][version.as_str()]["value_count"].as_integer().unwrap();
        assert_eq!(emitted.len(), usize::try_from(count).unwrap());
        let mut tokens = BTreeMap::new();
        for (token, word) in emitted {
            let (token, word) = (hex(token), word.as_str().unwrap());
            assert_eq!(values::word(token, version, None, None), Some(word), "{version} {token:#04X}");
            tokens.insert(token, word.to_owned());
            let written = places.iter().find_map(|&place| values::token(word, version, place));
            match (token, version) {
                // The second tokens of SMS and IM, and two that 1.2 has but libwbxml does not know.
                (0x75, _) => assert_eq!(written, Some(0x43)),
                (0x68, Version::V1_1) => assert_eq!(written, Some(0x12)),
                (0xA4 | 0xA5, Version::V1_2) => assert_eq!(written, None),
                _ => assert_eq!(written.map(u32::from), Some(token), "{version} {word}"),
            }
        }
        for (token, word) in section(&wbxml, version, "values_decode_only").into_iter().flatten() {
            let (token, word) = (hex(token), word.as_str().unwrap());
            assert_eq!(values::word(token, version, None, None), Some(word), "{version} {token:#04X}");
            if !tokens.values().any(|other| other == word) {
                for &place in &places {
                    assert_eq!(values::token(word, version, place), None, "{version} {word}");
                }
            }
        }
        union.extend(tokens);
    }
    for version in Version::ALL {
        for token in 0..=0x400 {
            let word = values::word(token, version, None, None);
            assert_eq!(word.is_some(), union.contains_key(&token), "{version} {token:#04X}");
            // A word of another version is read, and not written.
            if let Some(word) = word {
                let own = section(&wbxml, version, "values").unwrap();
                if !own.values().any(|value| value.as_str() == Some(word)) {
                    assert!(
                        places.iter().all(|&place| values::token(word, version, place).is_none()),
                        "{version} {word}"
                    );
                }
            }
        }
    }
}
