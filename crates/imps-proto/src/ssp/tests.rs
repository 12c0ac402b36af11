//! Every primitive there and back, by the rows of the catalogue.

use super::catalogue::{Kind, NAMES, Primitive, Source};
use super::sample::Dice;
use super::{Body, Dialect, Message, Mode, Transaction, limits};
use imps_types::TransactionId;
use proptest::prelude::*;

const DIALECTS: [Dialect; 2] = [Dialect::V1_3, Dialect::Bare];

fn message(dialect: Dialect, primitive: Primitive) -> Message {
    let id = TransactionId::new("0000000042-7");
    let kind = primitive.name().row().kind;
    let mode = if kind == Kind::Reply { Mode::Response } else { Mode::Request };
    let body = match kind {
        Kind::Setup => Body::Setup { mode, id, primitive: Box::new(primitive) },
        _ => Body::Session {
            id: "s1@a.example".into(),
            transactions: vec![Transaction { mode, id, content: Ok(primitive) }],
        },
    };
    Message { dialect, body }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn there_and_back(seed in any::<u64>()) {
        for primitive in Primitive::samples(&mut Dice::new(seed)) {
            for dialect in DIALECTS {
                let sent = message(dialect, primitive.clone());
                let text = sent.write();
                let read = Message::read(&text, &limits(1 << 20));
                prop_assert_eq!(read.as_ref(), Ok(&sent), "{}", String::from_utf8_lossy(&text));
            }
        }
    }

    #[test]
    fn what_is_read_in_an_old_dialect_stays_the_same(seed in any::<u64>()) {
        // What an older version of presence cannot say is lost once, and no more.
        for primitive in Primitive::samples(&mut Dice::new(seed)) {
            for dialect in [Dialect::V1_1, Dialect::V1_2] {
                let text = message(dialect, primitive.clone()).write();
                let once = Message::read(&text, &limits(1 << 20)).unwrap();
                prop_assert_eq!(once.dialect, dialect);
                prop_assert_eq!(Message::read(&once.write(), &limits(1 << 20)), Ok(once));
            }
        }
    }

    #[test]
    fn nothing_panics(seed in any::<u64>(), cut in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut dice = Dice::new(seed);
        let mut primitives = Primitive::samples(&mut dice);
        let one = primitives.swap_remove(usize::try_from(dice.throw(primitives.len() as u64)).unwrap());
        let mut text = message(Dialect::V1_3, one).write();
        let at = cut.index(text.len());
        let _ = Message::read(&text[..at], &limits(1 << 20)).map(|it| it.write());
        text[at] = with;
        if std::str::from_utf8(&text).is_ok()
            && let Ok(read) = Message::read(&text, &limits(1 << 20))
        {
            let again = Message::read(&read.write(), &limits(1 << 20));
            prop_assert!(again.is_ok(), "{again:?} of {}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn names_of_elements_without_regard_to_case(seed in any::<u64>()) {
        for primitive in Primitive::samples(&mut Dice::new(seed)) {
            // Bodies of CSP have their names as CSP has them.
            if primitive.name().row().source != Source::B {
                continue;
            }
            let sent = message(Dialect::V1_3, primitive);
            let text = String::from_utf8(sent.write()).unwrap();
            let name = sent.name_of_first();
            let text = text.replace(&format!("<{name}"), &format!("<{}", name.to_uppercase()));
            let text = text.replace(&format!("</{name}"), &format!("</{}", name.to_uppercase()));
            prop_assert_eq!(Message::read(text.as_bytes(), &limits(1 << 20)), Ok(sent));
        }
    }
}

impl Message {
    fn name_of_first(&self) -> &'static str {
        match &self.body {
            Body::Setup { primitive, .. } => primitive.name().as_str(),
            Body::Session { transactions, .. } => transactions[0].content.as_ref().unwrap().name().as_str(),
        }
    }
}

#[test]
fn the_catalogue_holds_together() {
    assert_eq!(NAMES.len(), 87);
    for name in NAMES {
        let row = name.row();
        assert_eq!(row.name, *name);
        for reply in row.replies {
            assert!(matches!(reply.row().kind, Kind::Reply | Kind::Tell), "{name} is answered by {reply}");
        }
        assert_eq!(row.kind == Kind::Setup, name.as_str().contains("Token") || name.as_str().starts_with("Login"));
        // A request is called one, and an answer is not.
        let asks = name.as_str().ends_with("Request");
        if matches!(row.kind, Kind::Reply | Kind::Tell) {
            assert!(!asks, "{name}");
        }
    }
    let primitives = Primitive::samples(&mut Dice::new(1));
    let names: Vec<_> = primitives.iter().map(Primitive::name).collect();
    assert_eq!(names, NAMES);
}

#[test]
fn an_answer_has_an_outcome() {
    for primitive in Primitive::samples(&mut Dice::new(7)) {
        let row = primitive.name().row();
        if row.kind == Kind::Reply && row.name.as_str() != "GetPresenceResponse" {
            assert!(primitive.outcome().is_some(), "{}", row.name);
        }
        let has_meta = primitive.meta().is_some();
        if row.kind == Kind::Ask && !matches!(row.name.as_str(), "KeepAliveRequest" | "LogoutRequest") {
            assert!(has_meta, "{} says who asks", row.name);
        }
    }
}
