//! The Command Line Protocol between domains: what a person types does not depend on where it is carried out.

#[path = "federation/mod.rs"]
mod federation;
mod terminal;

use std::net::SocketAddr;

use federation::*;
use terminal::{Terminal, free_port};

/// A domain with lines.
async fn home(world: &World, domain: &'static str, users: &[&str], more: &[(&str, &str)]) -> (Home, SocketAddr) {
    let lines = free_port();
    let listen = lines.to_string();
    let settings: Vec<_> = more.iter().copied().chain([("clp.listen", listen.as_str())]).collect();
    (world.home(domain, users, &settings).await, lines)
}

/// A person who is logged in.
async fn person(lines: SocketAddr, name: &str) -> Terminal {
    let mut terminal = Terminal::connect(lines).await;
    terminal.line().await;
    let outcome = terminal.outcome(&format!("login {name} secret")).await;
    assert!(outcome.starts_with("+200 hello"), "{outcome}");
    terminal
}

/// Says something that is to be answered so; the lines before that.
async fn says(terminal: &mut Terminal, line: &str, outcome: &str) -> Vec<String> {
    let mut lines = terminal.ask(line).await;
    assert_eq!(lines.pop().as_deref(), Some(outcome), "{line}: {lines:?}");
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_complementary_domains() {
    const OF_A: [&str; 6] =
        ["--served", "PRESENCE@b.example", "--served", "CONTACTLIST@b.example", "--served", "GROUP@b.example"];
    const OF_B: [&str; 4] = ["--served", "IM@a.example", "--served", "CONTENT@a.example"];
    let provided = |options: &[&'static str]| -> Vec<&'static str> {
        options.iter().map(|one| if *one == "--served" { "--provides" } else { one }).collect()
    };
    let world = World::of("lines_of_complementary_domains");
    let services = ("ssp.services", "COMMON,PRESENCE,CONTACTLIST,GROUP");
    let (a, lines_of_a) = home(&world, "a.example", &["alice", "anna"], &[services]).await;
    let (b, lines_of_b) = home(&world, "b.example", &["bob", "ben"], &[("ssp.services", "COMMON,IM,CONTENT")]).await;
    a.knows(&b, &[provided(&OF_B), OF_A.to_vec()].concat()).await;
    b.knows(&a, &[provided(&OF_A), OF_B.to_vec()].concat()).await;
    a.meets(&b).await;
    let (mut alice, mut anna) = (person(lines_of_a, "alice").await, person(lines_of_a, "anna").await);
    let (mut bob, mut ben) = (person(lines_of_b, "bob").await, person(lines_of_b, "ben").await);

    // Groups, which A has.
    says(&mut bob, "newgroup /cars as=Speedy", "+200 joined /cars").await;
    let groups = says(&mut bob, "groups", "+200 ok").await;
    assert!(groups.iter().any(|line| line == ":bob/cars in"), "{groups:?}");
    says(&mut ben, "join bob/cars Benny", "+200 joined /cars").await;
    let sent = bob.outcome("/cars hello").await;
    assert!(sent.starts_with("+200 sent #"), "{sent}");
    assert!(ben.until("*").await.ends_with(" Speedy /cars: hello"));
    says(&mut bob, "leave /cars", "+200 left /cars").await;
    // They are his though he is in none of them.
    says(&mut bob, "newgroup /boats", "+200 ok").await;
    assert_eq!(says(&mut bob, "groups", "+200 ok").await, [":bob/boats own", ":bob/cars own"]);
    says(&mut bob, "join /cars Speedy", "+200 joined /cars").await;
    assert_eq!(says(&mut bob, "groups", "+200 ok").await, [":bob/cars in", ":bob/boats own"]);

    // Messages, which B has, between two who are both at A.
    let sent = alice.outcome("msg anna hi").await;
    assert!(sent.starts_with("+200 sent #"), "{sent}");
    assert!(anna.until("*").await.ends_with(" alice: hi"));

    // Presence, which A has, between two who are both at B.
    says(&mut bob, "sub ben", "+200 ok").await;
    let question = ben.until("*").await;
    assert!(question.contains("bob asks for your presence"), "{question}");
    says(&mut ben, "y", "+200 ok").await;
    says(&mut ben, "text in a train", "+200 ok").await;
    while !bob.until("*p ben: ").await.contains("in a train") {}
    let shown = says(&mut bob, "show ben", "+200 ok").await;
    assert!(shown.iter().any(|line| line.starts_with(":ben ") && line.contains("in a train")), "{shown:?}");

    // Contact lists, which A has; whom they call so is known at B.
    says(&mut bob, "newlist ~friends", "+200 ok").await;
    says(&mut bob, "add ~friends ben \"Benny B\"", "+200 ok").await;
    let listed = says(&mut bob, "list ~friends", "+200 ok").await;
    assert!(listed.iter().any(|line| line.starts_with(":ben \"Benny B\" ")), "{listed:?}");
    let sent = bob.outcome("msg \"benny b\" hi").await;
    assert!(sent.starts_with("+200 sent #"), "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_two_domains() {
    let world = World::of("lines_of_two_domains");
    let (mut a, lines_of_a) = home(&world, "a.example", &["alice"], &[]).await;
    let (b, lines_of_b) = home(&world, "b.example", &["bob"], &[]).await;
    a.knows(&b, &[]).await;
    b.knows(&a, &[]).await;
    a.meets(&b).await;
    let (mut alice, mut bob) = (person(lines_of_a, "alice").await, person(lines_of_b, "bob").await);

    says(&mut alice, "newgroup /cars as=Ali welcome=\"no politics\"", "+200 joined /cars").await;
    let invited = alice.outcome("invite bob@b.example /cars").await;
    assert!(invited.starts_with("+200 invited #"), "{invited}");
    assert!(bob.until("*").await.contains("alice@a.example invites you to alice/cars@a.example"));
    let joined = says(&mut bob, "y", "+200 joined /cars").await;
    assert!(joined.contains(&":welcome: no politics".to_owned()), "{joined:?}");
    assert!(joined.iter().any(|line| line.starts_with(":in: ") && line.contains("Ali")), "{joined:?}");
    assert!(alice.until("*").await.ends_with("bob@b.example accepted"));
    let sent = bob.outcome("/cars hi").await;
    assert!(sent.starts_with("+200 sent #"), "{sent}");
    assert!(alice.until("*").await.ends_with("/cars: hi"));

    // What waits for him is sent on into a group of hers, unseen; it waits no longer then.
    says(&mut bob, "push off", "+200 ok").await;
    let sent = alice.outcome("msg bob@b.example a picture of one").await;
    assert!(sent.starts_with("+200 sent #"), "{sent}");
    let announced = bob.until("*").await;
    assert!(announced.contains("alice@a.example sends 16B text. READ "), "{announced}");
    let number = announced.trim_start_matches('*').split(' ').next().expect("a number").to_owned();
    let inbox = says(&mut bob, "inbox", "+200 1 waiting").await;
    assert!(inbox.iter().any(|line| line.starts_with(&format!(":{number} alice@a.example "))), "{inbox:?}");
    let sent = bob.outcome(&format!("fwd {number} /cars")).await;
    assert!(sent.starts_with("+200 "), "{sent}");
    assert!(alice.until("*").await.ends_with("/cars: a picture of one"));
    says(&mut bob, "inbox", "+200 0 waiting").await;
    says(&mut bob, "push on", "+200 ok").await;

    let found = bob.ask("find id=alice@a.example").await;
    assert!(found.contains(&":alice@a.example".to_owned()), "{found:?}");
    let found = bob.ask("find group id=alice/cars@a.example").await;
    assert!(found.contains(&":alice/cars@a.example".to_owned()), "{found:?}");

    let invited = alice.outcome("invite bob@b.example presence").await;
    assert!(invited.starts_with("+200 invited #"), "{invited}");
    assert!(bob.until("*").await.contains("alice@a.example invites you to presence"));
    says(&mut bob, "y", "+200 ok").await;
    let mut told = [alice.until("*").await, alice.until("*").await];
    told.sort_by_key(|line| line.contains("asks"));
    let [accepted, asked] = told;
    assert!(accepted.ends_with("bob@b.example accepted"), "{accepted}");
    assert!(asked.contains("bob@b.example asks for your presence"), "{asked}");

    a.server.end(imps_testkit::server::End::Kill).await.expect("ended");
    let failed = bob.outcome("join alice/boats@a.example").await;
    assert!(failed.starts_with("-5") && failed.contains("a.example"), "{failed}");
}
