//! The operator's commands, while the server runs and while it does not.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use serde_json::json;
use support::{Folder, between, mode, text};

fn users(folder: &Folder) -> Vec<String> {
    let users = folder.json(&["user", "list", "--json"]);
    users.as_array().unwrap().iter().map(|user| user["user"].as_str().unwrap().to_owned()).collect()
}

/// The life of a user. The same with and without a server.
fn life_of_a_user(folder: &Folder) {
    let added = folder.json(&["user", "add", "carol", "--json"]);
    assert_eq!(added["user"], "wv:carol@localhost");
    let phone = added["phone_password"].as_str().unwrap();
    assert!(phone.len() == 10 && phone.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{phone}");
    assert!(folder.fails(&["user", "add", "wv:Carol@localhost"], 1).contains("already"));

    let shown = folder.json(&["user", "show", "carol", "--json"]);
    assert_eq!((&shown["password"], &shown["phone_password"]), (&json!(false), &json!(true)));
    folder.run_input(&["user", "passwd", "carol", "--password-stdin"], "a long secret\n");
    let revoked = folder.run(&["user", "phone-password", "carol", "--revoke"]);
    assert!(!revoked.contains("phone password:"), "{revoked}");
    let shown = folder.json(&["user", "show", "wv:carol@localhost", "--json"]);
    assert_eq!((&shown["password"], &shown["phone_password"]), (&json!(true), &json!(false)));

    let reset = folder.json(&["user", "phone-password", "carol", "--reset", "--json"]);
    assert_ne!(reset["phone_password"].as_str().unwrap(), phone);
    let set = folder.run(&["user", "phone-password", "carol", "--set", "abcd1234"]);
    assert!(set.contains("abcd1234"), "{set}");
    assert!(folder.fails(&["user", "phone-password", "carol", "--set", "a b"], 1).contains("printable"));

    let person =
        ["--first-name", "Carol", "--email", "carol@example.org", "--mobile", "+358 40-123", "--searchable", "no"];
    folder.run(&[&["user", "set", "carol"][..], &person].concat());
    folder.run(&["user", "set", "carol", "--email", "", "--last-name", "Smith"]);
    let shown = folder.json(&["user", "show", "carol", "--json"]);
    assert_eq!(
        (&shown["first_name"], &shown["last_name"], &shown["email"]),
        (&json!("Carol"), &json!("Smith"), &json!(null))
    );
    assert_eq!((&shown["mobile_number"], &shown["searchable"]), (&json!("+35840123"), &json!(false)));
    assert!(folder.run(&["user", "show", "carol"]).contains("Smith"));
    assert!(folder.fails(&["user", "set", "carol", "--email", "carol"], 1).contains("name@domain"));
    folder.fails(&["user", "set", "carol"], 2);

    folder.run(&["user", "services", "carol", "--without", "SRCH"]);
    assert_eq!(folder.json(&["user", "show", "carol", "--json"])["without"], "SRCH");
    assert!(folder.run(&["user", "show", "carol"]).contains("without SRCH"));
    folder.run(&["user", "bar", "carol"]);
    assert_eq!(folder.json(&["user", "show", "carol", "--json"])["barred"], true);
    folder.run(&["user", "unbar", "carol"]);
    assert!(users(folder).contains(&"wv:carol@localhost".to_owned()));
    folder.run(&["user", "remove", "carol"]);
    assert!(!users(folder).contains(&"wv:carol@localhost".to_owned()));
    for missing in
        [&["user", "show", "carol"][..], &["user", "remove", "carol"], &["user", "passwd", "carol", "--password", "x"]]
    {
        assert!(folder.fails(missing, 1).contains("there is no user wv:carol@localhost"), "{missing:?}");
    }
}

#[test]
fn users_are_managed_without_a_server() {
    let folder = Folder::new();
    folder.run(&["user", "add", "alice", "--password", "secret"]);
    life_of_a_user(&folder);
    assert_eq!(users(&folder), ["wv:alice@localhost"]);
    assert_eq!(mode(&folder.data()), 0o700);
    assert_eq!(mode(&folder.data().join("phone.key")), 0o600);
    assert_eq!(std::fs::read(folder.data().join("phone.key")).unwrap().len(), 32);
}

#[test]
fn users_are_managed_while_the_server_runs() {
    let folder = Folder::new();
    let server = folder.serve();
    assert_eq!(mode(&folder.data().join("control.sock")), 0o600);
    life_of_a_user(&folder);

    let told = folder.run(&["user", "add", "bob"]);
    let settings =
        format!("user on the phone: wv:bob@localhost   server: http://{}/   (this machine only", server.address);
    assert!(told.contains(&settings), "{told}");

    let phone = folder.json(&["user", "add", "alice", "--password", "secret", "--json"]);
    let phone = phone["phone_password"].as_str().unwrap();
    assert!(server.login("alice", "secret").is_ok() && server.login("wv:alice@localhost", phone).is_ok());
    folder.run(&["user", "phone-password", "alice", "--revoke"]);
    assert_eq!(server.login("alice", phone), Err("409".to_owned()));
    folder.run_input(&["user", "passwd", "alice", "--password-stdin"], "another\n");
    assert_eq!(server.login("alice", "secret"), Err("409".to_owned()));
    assert!(server.login("alice", "another").is_ok());
    folder.run(&["user", "bar", "alice"]);
    assert_eq!(server.login("alice", "another"), Err("403".to_owned()));
}

/// The life of a public group. The same with and without a server.
fn life_of_a_group(folder: &Folder) {
    for name in ["alice", "bob"] {
        folder.run(&["user", "add", name, "--phone-password", "secret"]);
    }
    let about = ["--name", "The lobby", "--note", "Be nice", "--set", "MaxActiveUsers=50"];
    let added = folder.json(&[&["group", "add", "lobby", "--json"][..], &about].concat());
    assert_eq!((&added["group"], &added["owner"]), (&json!("wv:/lobby@localhost"), &json!(null)));
    assert_eq!((&added["name"], &added["note"]), (&json!("The lobby"), &json!("Be nice")));
    assert!(folder.fails(&["group", "add", "wv:/Lobby"], 1).contains("already"));
    assert!(folder.fails(&["group", "add", "other", "--set", "MaxActiveUsers=many"], 1).contains("MaxActiveUsers"));
    folder.fails(&["group", "add", "other", "--set", "MaxActiveUsers"], 2);

    let set = folder.json(&["group", "set", "lobby", "--topic", "Chess", "--note", "", "--json"]);
    assert_eq!((&set["topic"], &set["note"], &set["joined"]), (&json!("Chess"), &json!(null), &json!(0)));
    let most = |group: &serde_json::Value| {
        let properties = group["properties"].as_array().unwrap();
        properties.iter().find(|one| one["name"] == "MaxActiveUsers").map(|one| one["value"].clone())
    };
    assert_eq!(most(&set), Some(json!("50")), "{set}");

    let people = ["--admin", "alice", "--reject", "bob", "--json"];
    let managed = folder.json(&[&["group", "members", "lobby"][..], &people].concat());
    let person = |group: &serde_json::Value, name: &str| {
        let people = group["people"].as_array().unwrap();
        people.iter().find(|one| one["user"] == format!("wv:{name}@localhost")).cloned()
    };
    assert_eq!(person(&managed, "alice").unwrap()["role"], "admin", "{managed}");
    assert_eq!(person(&managed, "bob").unwrap()["rejected"], true, "{managed}");
    let again = folder.json(&["group", "members", "lobby", "--accept", "bob", "--remove", "alice", "--json"]);
    assert_eq!((person(&again, "alice"), person(&again, "bob")), (None, None), "{again}");
    assert!(folder.fails(&["group", "members", "lobby", "--add", "carol"], 1).contains("wv:carol@localhost"));
    assert!(folder.fails(&["group", "kick", "lobby", "bob"], 1).contains("has not joined"));

    let listed = folder.json(&["group", "list", "--json"]);
    assert_eq!(listed[0]["group"], "wv:/lobby@localhost");
    assert!(folder.run(&["group", "list"]).contains("The lobby"));
    assert!(folder.run(&["group", "show", "lobby"]).contains("Chess"));
    assert_eq!(folder.json(&["group", "remove", "lobby", "--json"]), json!({"group": "wv:/lobby@localhost"}));
    assert_eq!(folder.json(&["group", "list", "--json"]), json!([]));
    folder.run(&["group", "add", "lounge"]);
    assert_eq!(folder.run(&["group", "remove", "lounge"]), "wv:/lounge@localhost is removed\n");
    for missing in [&["group", "show", "lobby"][..], &["group", "remove", "lobby"], &["group", "set", "lobby"]] {
        assert!(folder.fails(missing, 1).contains("wv:/lobby@localhost"), "{missing:?}");
    }
}

#[test]
fn groups_are_managed_without_a_server() {
    life_of_a_group(&Folder::new());
}

#[test]
fn groups_are_managed_while_the_server_runs() {
    let folder = Folder::new();
    let _server = folder.serve();
    life_of_a_group(&folder);
}

#[test]
fn sessions_and_messages_are_shown_and_outlive_the_server() {
    let folder = Folder::new();
    let server = folder.serve();
    for name in ["alice", "bob"] {
        folder.run(&["user", "add", name, "--phone-password", "secret"]);
    }
    let alice = server.login("alice", "secret").unwrap();
    let sent = server.ask(
        &alice,
        "<SendMessage-Request><DeliveryReport>F</DeliveryReport><MessageInfo><ContentType>text/plain</ContentType>\
         <Recipient><User><UserID>bob</UserID></User></Recipient><Sender><User><UserID>alice</UserID></User></Sender>\
         </MessageInfo><ContentData>are you there?</ContentData></SendMessage-Request>",
    );
    assert_eq!(between(&sent, "<Code>", "</Code>").as_deref(), Some("200"), "{sent}");
    let sent = between(&sent, "<MessageID>", "</MessageID>").unwrap();

    let check = |is_running: bool| {
        let sessions = folder.json(&["session", "list", "--json"]);
        assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
        assert_eq!(sessions[0]["session"], *alice);
        assert_eq!(sessions[0]["user"], "wv:alice@localhost");
        assert_eq!(sessions[0]["version"], "1.2");
        assert_eq!(sessions[0]["last_seen"].is_string(), is_running);
        assert_eq!(folder.json(&["session", "list", "bob", "--json"]), json!([]));
        assert_eq!(folder.json(&["session", "show", &alice, "--json"])["client"], "it");
        for list in [&["message", "list", "--json"][..], &["message", "list", "bob", "--json"]] {
            let messages = folder.json(list);
            assert_eq!(messages.as_array().unwrap().len(), 1, "{messages}");
            assert_eq!(messages[0]["message"], *sent);
            assert_eq!((&messages[0]["user"], &messages[0]["kind"]), (&json!("wv:bob@localhost"), &json!("message")));
        }
        assert_eq!(folder.json(&["message", "list", "alice", "--json"]), json!([]));
        let table = folder.run(&["message", "list"]);
        assert!(table.contains(&sent) && !table.contains("are you there"), "{table}");
    };
    check(true);
    assert_eq!(server.stop().0, Some(0));
    check(false);
    let note = text(&folder.run_with(&["session", "list"], "").stderr);
    assert!(note.contains("no server runs"), "{note}");

    let server = folder.serve();
    check(true);
    assert_eq!(folder.json(&["session", "close", &alice, "--json"]), json!({ "closed": 1 }));
    assert!(folder.fails(&["session", "close", &alice], 1).contains("there is no session"));
    let told = server.ask(&alice, "<Polling-Request/>");
    assert!(told.contains("601") || told.contains("604"), "{told}");
    server.login("alice", "secret").unwrap();
    assert_eq!(folder.json(&["session", "close", "--user", "alice", "--json"]), json!({ "closed": 1 }));
    assert_eq!(folder.json(&["session", "list", "--json"]), json!([]));
}

#[test]
fn the_domain_that_was_served_is_remembered_for_commands() {
    let folder = Folder::new();
    let server = folder.serve_with(&["--domain", "a.example"]);
    folder.run(&["user", "add", "alice"]);
    assert!(folder.fails(&["user", "add", "bob", "--domain", "b.example"], 1).contains("serve --domain b.example"));
    assert_eq!(server.stop().0, Some(0));
    folder.run(&["user", "add", "bob"]);
    assert_eq!(users(&folder), ["wv:alice@a.example", "wv:bob@a.example"]);
    folder.run(&["user", "show", "bob", "--domain", "a.example"]);
    let server = folder.serve_with(&["--domain", "c.example"]);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("the domain has changed"), "{log}");
}

#[test]
fn commands_that_meet_wait_for_each_other() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        for index in 0..6 {
            let folder = &folder;
            scope.spawn(move || folder.run(&["user", "add", &format!("user{index}")]));
        }
    });
    assert_eq!(users(&folder).len(), 6);
}

#[test]
fn what_is_not_understood_is_told_from_what_is_refused() {
    let folder = Folder::new();
    assert!(folder.fails(&["user", "list"], 1).contains("there is no data folder"));
    assert!(!folder.data().exists(), "a look must not make a data folder");
    folder.fails(&["user", "frob"], 2);
    folder.fails(&["user", "phone-password", "alice"], 2);
    folder.fails(&["user", "passwd", "alice"], 2);
    folder.fails(&["user", "add", "alice", "--password-stdin"], 2);
    assert!(folder.fails(&["user", "add", "al ice"], 1).contains("`al ice` is no user"));
    assert!(folder.fails(&["user", "add", "wv:a@b.example"], 1).contains("domain b.example"));
    assert!(folder.run(&["--version"]).starts_with("hamlet "));
    for help in [&["--help"][..], &["user", "--help"], &["serve", "--help"], &["config", "explain", "--help"]] {
        assert!(folder.run(help).contains("Examples:"), "{help:?}");
    }
}

#[test]
fn a_lost_key_is_told_and_lived_with() {
    let folder = Folder::new();
    folder.run(&["user", "add", "alice"]);
    let key = folder.data().join("phone.key");
    let saved = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert!(folder.fails(&["serve", "--listen", "127.0.0.1:0"], 1).contains("phone.key is missing"));
    assert!(folder.fails(&["user", "add", "bob"], 1).contains("phone.key is missing"));
    assert_eq!(users(&folder), ["wv:alice@localhost"]);

    std::fs::write(&key, [7; 32]).unwrap();
    assert!(folder.fails(&["serve", "--listen", "127.0.0.1:0"], 1).contains("does not open the phone passwords"));
    std::fs::write(&key, saved).unwrap();
    assert_eq!(folder.serve().stop().0, Some(0));

    std::fs::remove_file(&key).unwrap();
    folder.run(&["user", "phone-password", "alice", "--revoke"]);
    let server = folder.serve();
    let phone = folder.json(&["user", "phone-password", "alice", "--reset", "--json"]);
    assert!(server.login("alice", phone["phone_password"].as_str().unwrap()).is_ok());
}

#[test]
fn settings_are_explained_with_where_they_came_from() {
    let folder = Folder::new();
    std::fs::write(folder.path.join("hamlet.toml"), "[session]\nttl_max = 7200\n").unwrap();
    let row = folder.json(&["config", "explain", "session.ttl_max", "--json"]);
    assert_eq!((&row["value"], &row["default"]), (&json!(7200), &json!(86_400)));
    assert!(row["source"].as_str().unwrap().contains("hamlet.toml line 2"), "{row}");
    let row = folder.json(&["config", "explain", "session.ttl_max", "--json", "--setting", "session.ttl_max=2 h"]);
    assert_eq!(row["source"], "option --setting");
    assert!(folder.run(&["config", "explain"]).contains("HAMLET_DATA"), "the test's own folder comes from there");
    assert!(folder.fails(&["config", "explain", "session.ttl_mx"], 2).contains("did you mean `session.ttl_max`"));

    std::fs::write(folder.path.join("hamlet.toml"), "\n[session]\nttl_mx = 7200\n").unwrap();
    for command in [&["config", "explain"][..], &["serve"], &["user", "list"]] {
        let error = folder.fails(command, 2);
        assert!(error.contains("line 3") && error.contains("did you mean `session.ttl_max`"), "{error}");
    }
    // The reference is of the program, whatever is set here.
    assert!(folder.run(&["config", "explain", "--markdown"]).contains("| `session.ttl_max` | `86400 s (1 d)` |"));
}
