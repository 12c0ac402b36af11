//! Backup, restore, export and import, while the server runs and while it does not.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use support::{Folder, between, mode};

fn users(folder: &Folder) -> Vec<String> {
    let users = folder.json(&["user", "list", "--json"]);
    users.as_array().unwrap().iter().map(|user| user["user"].as_str().unwrap().to_owned()).collect()
}

fn path(folder: &Folder, name: &str) -> String {
    folder.path.join(name).to_str().unwrap().to_owned()
}

const CREATE: &str = "<CreateList-Request><ContactList>wv:alice/friends@localhost</ContactList><NickList><NickName>\
    <Name>Bob</Name><UserID>wv:bob@localhost</UserID></NickName></NickList></CreateList-Request>";

#[test]
fn a_running_server_is_backed_up_and_goes_back_to_it() {
    let folder = Folder::new();
    let server = folder.serve();
    for name in ["alice", "bob"] {
        folder.run(&["user", "add", name, "--phone-password", "secret"]);
    }
    let alice = server.login("alice", "secret").unwrap();
    let made = server.ask(&alice, CREATE);
    assert_eq!(between(&made, "<Code>", "</Code>").as_deref(), Some("200"), "{made}");
    let blocked = server.ask(
        &alice,
        "<BlockEntity-Request><BlockList><InUse>T</InUse><AddList><UserID>bob</UserID></AddList></BlockList>\
         </BlockEntity-Request>",
    );
    assert_eq!(between(&blocked, "<Code>", "</Code>").as_deref(), Some("200"), "{blocked}");
    let lists = folder.json(&["block", "show", "alice", "--json"]);
    assert_eq!((&lists["block"]["in_use"], &lists["block"]["entities"][0]), (&true.into(), &"wv:bob@localhost".into()));
    assert!(folder.run(&["stats"]).contains("hamlet_sessions"));
    let to = path(&folder, "copy");
    let told = folder.json(&["backup", &to, "--json"]);
    assert_eq!(told["about"]["rows"]["users"], 2);
    assert_eq!(told["about"]["domain"], "localhost");
    assert_eq!(mode(&folder.path.join("copy/phone.key")), 0o600);
    assert_eq!(mode(&folder.path.join("copy/hamlet.db")), 0o600);
    assert!(folder.fails(&["backup", &to], 1).contains("not empty"));

    folder.run(&["user", "add", "mallory", "--phone-password", "secret"]);
    folder.run(&["user", "phone-password", "bob", "--set", "another1"]);
    assert!(users(&folder).contains(&"wv:mallory@localhost".to_owned()));
    let restored = folder.json(&["restore", &to, "--json"]);
    assert_eq!(restored["rows"]["users"], 2);
    // The same process has begun anew, at another free port.
    let address = fs::read_to_string(folder.data().join("listen.addr")).unwrap();
    let process = folder.json(&["doctor", "--json"]).to_string();
    assert!(process.contains(&server.process().to_string()), "{process}");
    let server = server.moved(address.trim());
    assert_eq!(users(&folder), ["wv:alice@localhost", "wv:bob@localhost"]);
    assert!(server.login("bob", "secret").is_ok(), "the password is that of the backup");
    let lists = folder.json(&["list", "show", "alice", "friends", "--json"]);
    assert_eq!(
        (&lists[0]["list"], &lists[0]["members"][0]["name"]),
        (&"wv:alice/friends@localhost".into(), &"Bob".into())
    );
    let former = fs::read_dir(folder.data()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(former.filter(|name| name.starts_with("before-restore-")).count(), 1);
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(users(&folder).len(), 2);
}

#[test]
fn a_damaged_backup_changes_nothing() {
    let folder = Folder::new();
    folder.run(&["user", "add", "alice", "--phone-password", "secret"]);
    let to = path(&folder, "copy");
    folder.run(&["backup", &to]);
    let file = folder.path.join("copy/hamlet.db");
    let mut octets = fs::read(&file).unwrap();
    // Every page but the first: which of them are in use depends on the tables that there are.
    octets.chunks_mut(4096).skip(1).for_each(|page| page[..64].fill(0xa5));
    fs::write(&file, octets).unwrap();
    folder.run(&["user", "add", "bob", "--phone-password", "secret"]);
    for is_running in [false, true] {
        let server = is_running.then(|| folder.serve());
        let said = folder.fails(&["restore", &to], 1);
        assert!(said.contains("damaged") || said.contains("malformed"), "{said}");
        assert!(folder.fails(&["restore", &path(&folder, "nothing")], 1).contains("no backup"));
        assert_eq!(users(&folder), ["wv:alice@localhost", "wv:bob@localhost"]);
        assert!(!folder.data().join("restoring").exists());
        drop(server);
    }
}

#[test]
fn a_restore_that_was_cut_off_is_finished_by_the_next_start() {
    let folder = Folder::new();
    folder.run(&["user", "add", "alice", "--phone-password", "secret"]);
    let to = path(&folder, "copy");
    folder.run(&["backup", &to]);
    folder.run(&["user", "add", "bob", "--phone-password", "secret"]);
    // As it was laid ready when the power went.
    let stage = folder.data().join("restoring");
    fs::create_dir(&stage).unwrap();
    for name in ["hamlet.db", "phone.key"] {
        fs::copy(folder.path.join("copy").join(name), stage.join(name)).unwrap();
    }
    assert_eq!(users(&folder).len(), 2, "without the mark nothing is put in place");
    fs::write(stage.join("complete"), "").unwrap();
    assert_eq!(users(&folder), ["wv:alice@localhost"]);
    assert!(!stage.exists());
}

#[test]
fn a_backup_under_load_is_whole() {
    let folder = Folder::new();
    let server = folder.serve();
    folder.run(&["user", "add", "alice", "--phone-password", "secret"]);
    let alice = server.login("alice", "secret").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let sent = server.ask(
                    &alice,
                    "<SendMessage-Request><DeliveryReport>F</DeliveryReport><MessageInfo><Recipient><User><UserID>alice\
                     </UserID></User></Recipient></MessageInfo><ContentData>x</ContentData></SendMessage-Request>",
                );
                assert_eq!(between(&sent, "<Code>", "</Code>").as_deref(), Some("200"), "{sent}");
            }
        });
        for count in 0..3 {
            let to = path(&folder, &format!("copy{count}"));
            let told = folder.json(&["backup", &to, "--json"]);
            let rows = &told["about"]["rows"];
            // A message and its row in the index are committed together, so they are copied together.
            assert_eq!(rows["messages"], rows["message_index"], "{rows}");
        }
        done.store(true, Ordering::Release);
    });
}

#[test]
fn what_is_exported_is_imported_elsewhere() {
    let (here, there) = (Folder::new(), Folder::new());
    let server = here.serve();
    for name in ["alice", "bob"] {
        here.run(&["user", "add", name, "--phone-password", "secret"]);
    }
    let alice = server.login("alice", "secret").unwrap();
    server.ask(&alice, CREATE);
    let plain = here.run(&["export"]);
    assert!(!plain.contains("phone_key"));
    let first: serde_json::Value = serde_json::from_str(plain.lines().next().unwrap()).unwrap();
    assert_eq!(first["about"]["domain"], "localhost");
    assert!(plain.lines().any(|line| line.contains("\"space\":\"lists\"") && line.contains("wv:alice")));
    let file = path(&here, "all.jsonl");
    here.run(&["export", &file, "--with-key"]);
    assert_eq!(mode(std::path::Path::new(&file)), 0o600);

    let text = fs::read_to_string(&file).unwrap();
    for (broken, why) in [
        (text.lines().take(3).collect::<Vec<_>>().join("\n"), "cut off"),
        (text.replacen("\"space\":\"users\"", "\"space\":\"losers\"", 1), "no such space"),
        (text.lines().skip(1).collect::<Vec<_>>().join("\n"), "first line"),
        (text.replacen("\"record\":\"", "\"record\":\"!", 1), "base64"),
        ("rubbish\n".to_owned(), "line 1"),
    ] {
        let output = there.run_with(&["import", "-"], &broken);
        let said = support::text(&output.stderr);
        assert!(
            !output.status.success() && said.contains(why) && said.contains("nothing was changed"),
            "{why}: {said}"
        );
    }
    assert!(!there.data().join("hamlet.db").exists());
    there.run(&["import", &file]);
    assert_eq!(users(&there), ["wv:alice@localhost", "wv:bob@localhost"]);
    let server = there.serve();
    assert!(server.login("bob", "secret").is_ok());
    assert_eq!(there.json(&["list", "show", "alice", "--json"])[0]["name"], "friends");
}
