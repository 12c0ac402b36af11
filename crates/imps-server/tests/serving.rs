//! The server's life: start, health, stop, kill, start again.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use support::{Folder, text};

#[test]
fn the_first_start_says_how_to_begin_and_later_ones_do_not() {
    let folder = Folder::new();
    let server = folder.serve();
    let said = server.said.join("\n");
    assert!(server.said.len() <= 10, "{said}");
    assert!(said.contains(&format!("http://{}/", server.address)) && said.contains("hamlet user add alice"), "{said}");
    assert!(
        said.contains("hamlet serve --listen ") && said.contains("CSP 1.1, 1.2 or 1.3 in XML, WBXML, JSON or PTS"),
        "{said}"
    );
    folder.run(&["user", "add", "alice"]);
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(folder.serve().said.len(), 1);
}

#[test]
fn health_and_metrics_are_answered() {
    let folder = Folder::new();
    let server = folder.serve();
    assert_eq!(server.get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(server.head("/healthz"), (200, String::new()));
    assert_eq!(server.get("/nothing").0, 404);
    folder.run(&["user", "add", "alice", "--phone-password", "secret"]);
    server.login("alice", "secret").unwrap();
    assert_eq!(server.login("alice", "wrong"), Err("409".to_owned()));
    let (status, metrics) = server.get("/metrics");
    assert_eq!(status, 200);
    let value = |name: &str| -> u64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
    };
    assert_eq!((value("hamlet_logins_total"), value("hamlet_login_failures_total")), (1, 1));
    assert!(value("hamlet_store_commits_total") >= 2);
    assert!(value("process_resident_memory_bytes") > 1 << 20);
    assert!(value("process_open_fds") > 5);
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split([' ', '{']).next().unwrap();
        assert!(metrics.contains(&format!("# TYPE {name} ")) && metrics.contains(&format!("# HELP {name} ")), "{line}");
    }
}

#[test]
fn a_folder_belongs_to_one_server() {
    let folder = Folder::new();
    let server = folder.serve();
    let error = folder.fails(&["serve", "--listen", "127.0.0.1:0"], 1);
    assert!(error.contains(&format!("is used by process {}", server.process())), "{error}");
    let other = Folder::new();
    let error = other.fails(&["serve", "--listen", &server.address], 1);
    assert!(error.contains("another program has this port"), "{error}");
    assert_eq!(server.get("/healthz").0, 200);
}

#[test]
fn users_and_sessions_outlive_a_stop_and_a_kill() {
    let folder = Folder::new();
    let server = folder.serve();
    folder.run(&["user", "add", "alice", "--phone-password", "secret"]);
    let session = server.login("alice", "secret").unwrap();
    let (code, log) = server.stop();
    assert_eq!((code, log.as_str()), (Some(0), ""));
    assert!(!folder.data().join("control.sock").exists() && !folder.data().join("listen.addr").exists());

    let server = folder.serve();
    let still = server.ask(&session, "<KeepAlive-Request><TimeToLive>600</TimeToLive></KeepAlive-Request>");
    assert!(still.contains("<Code>200</Code>"), "{still}");
    server.kill();

    // What a killed server leaves behind confuses neither commands nor the next start.
    assert!(folder.data().join("control.sock").exists());
    folder.run(&["user", "add", "bob"]);
    let doctor = folder.run(&["doctor", "--setting", "listen=127.0.0.1:0"]);
    assert!(doctor.contains("not running"), "{doctor}");
    let server = folder.serve();
    let still = server.ask(&session, "<KeepAlive-Request><TimeToLive>600</TimeToLive></KeepAlive-Request>");
    assert!(still.contains("<Code>200</Code>"), "{still}");
    assert_eq!(folder.json(&["user", "list", "--json"]).as_array().unwrap().len(), 2);
}

#[test]
fn the_doctor_finds_nothing_wrong_and_what_is() {
    let folder = Folder::new();
    let server = folder.serve();
    folder.run(&["user", "add", "alice"]);
    let doctor = folder.run(&["doctor"]);
    assert!(doctor.contains("Nothing is wrong") && doctor.contains(&server.process().to_string()), "{doctor}");
    let (code, _) = server.stop();
    assert_eq!(code, Some(0));
    let findings = folder.json(&["doctor", "--json", "--setting", "listen=127.0.0.1:0"]);
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["ok"] == true), "{findings}");

    std::fs::remove_file(folder.data().join("phone.key")).unwrap();
    let output = folder.run_with(&["doctor", "--setting", "listen=127.0.0.1:0"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("✘ key file"), "{}", text(&output.stdout));
    std::fs::write(folder.path.join("hamlet.toml"), "listn = 5\n").unwrap();
    let output = folder.run_with(&["doctor"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("did you mean `listen`"), "{}", text(&output.stdout));
}

#[test]
fn the_control_socket_bears_nonsense() {
    let folder = Folder::new();
    let server = folder.serve();
    let ask = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(folder.data().join("control.sock")).unwrap();
        // The server may hang up before it has read everything.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        text(&answer)
    };
    assert!(ask(b"{\"frob\":1}\n").contains("does not know this command"));
    assert!(ask(b"no json\n").contains("does not know this command"));
    assert!(ask(b"{\"user-list\":{\"after\":null}}").contains("does not know"), "a line that is cut off is no command");
    assert!(!ask(&vec![b'['; 1 << 20]).contains("users"));
    assert_eq!(ask(b""), "");
    assert_eq!(server.get("/healthz").0, 200);
    assert!(ask(b"{\"user-list\":{\"after\":null}}\n").contains("users"));
}

#[test]
fn a_long_path_has_a_control_socket_too() {
    let mut folder = Folder::new();
    let long = folder.path.join("long".repeat(30));
    std::fs::create_dir(&long).unwrap();
    let top = std::mem::replace(&mut folder.path, long);
    let server = folder.serve();
    folder.run(&["user", "add", "alice", "--phone-password", "secret"]);
    assert!(server.login("alice", "secret").is_ok(), "the running server has not heard of her");
    drop(server);
    std::fs::remove_dir_all(top).unwrap();
}
