//! What the three scenarios do not need: every other primitive between two domains, each seen by its effect (SSP 9).

#[path = "federation/mod.rs"]
mod federation;

#[path = "federation_services/groups.rs"]
mod groups;
#[path = "federation_services/lists.rs"]
mod lists;
#[path = "federation_services/mixed.rs"]
mod mixed;
#[path = "federation_services/names.rs"]
mod names;
#[path = "federation_services/presence.rs"]
mod presence;
#[path = "federation_services/sessions.rs"]
mod sessions;

use federation::*;
use imps_testkit::phone::Node;

const ALICE: &str = "wv:alice@a.example";
const ANN: &str = "wv:ann@a.example";
const BOB: &str = "wv:bob@b.example";
const BEA: &str = "wv:bea@b.example";
const CARS: &str = "wv:alice/cars@a.example";

/// Two domains that have everything, and know each other.
async fn neighbours(test: &'static str, more: &[(&str, &str)]) -> (World, Home, Home) {
    let world = World::of(test);
    let a = world.home("a.example", &["alice", "ann", "carl"], more).await;
    let b = world.home("b.example", &["bob", "bea"], more).await;
    a.knows(&b, &[]).await;
    b.knows(&a, &[]).await;
    a.meets(&b).await;
    (world, a, b)
}

/// Texts that a path leads to, in their order.
fn texts(node: &Node, path: &str) -> Vec<String> {
    let mut texts: Vec<_> = node.find(path).iter().map(|one| one.text.clone()).collect();
    texts.sort();
    texts
}

/// The value of a property of this name.
fn property<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    let all = node.find("Property");
    all.into_iter().find(|one| one.child_text("Name") == Some(name)).and_then(|one| one.child_text("Value"))
}

/// What was done for some of those who were named, and not for others: each with his code, as `531 wv:zoe@a.example`.
fn failed(node: &Node) -> Vec<String> {
    let mut all = Vec::new();
    for detail in node.find("DetailedResult") {
        let code = detail.child_text("Code").unwrap_or_default();
        let named = detail.children.iter().filter(|one| !["Code", "Description"].contains(&one.name.as_str()));
        all.extend(
            named.map(|one| format!("{code} {}", if one.text.is_empty() { one.pretty() } else { one.text.clone() })),
        );
    }
    all.sort();
    all
}
