//! `hamlet peer`, with the server running and without, and what strangers get who speak SSP.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::{Folder, Server};

/// Posts a token in the name of this domain: the answer.
fn post_token(server: &Server, domain: &str) -> String {
    let body = format!(
        "<WV-SSP-Message><SetupTransaction mode=\"Request\" transactionID=\"1\"><SendSecretToken serviceID=\"wv:@{domain}\">\
         <SecretToken>0123456789abcdef0123456789abcdef</SecretToken></SendSecretToken></SetupTransaction></WV-SSP-Message>"
    );
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let head =
        "POST /any/path HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/vnd.wv.ssp+xml\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.to_lowercase()
}

#[test]
fn the_table_of_peers_is_kept_without_a_server() {
    let folder = Folder::new();
    let url = "http://127.0.0.1:9/";
    let added = folder.run(&["peer", "add", "B.example", "--url", url, "--digest", "hmac-sha256", "--services", "im"]);
    assert!(added.contains("b.example") && added.contains("contract: COMMON, IM"), "{added}");
    folder.run(&["peer", "add", "c.example", "--pin", &"0a".repeat(32), "--tls", "required"]);
    let list = folder.json(&["peer", "list", "--json"]);
    let domains: Vec<_> = list.as_array().unwrap().iter().map(|peer| peer["domain"].as_str().unwrap()).collect();
    assert_eq!(domains, ["b.example", "c.example"]);
    assert_eq!(list[0]["line"]["urls"][0], url);
    assert_eq!(list[0]["line"]["digest"], "hmac-sha256");
    assert_eq!((&list[1]["agreement"]["origin"], &list[1]["line"]["tls"]), (&"default".into(), &"required".into()));
    // What is said anew replaces what was said.
    folder.run(&["peer", "add", "b.example", "--url", url]);
    let shown = folder.json(&["peer", "show", "b.example", "--json"]);
    assert_eq!((&shown["line"]["digest"], &shown["line"]["services"]), (&"md5".into(), &serde_json::Value::Null));
    assert_eq!((&shown["queue"]["messages"], &shown["state"]), (&0.into(), &serde_json::Value::Null));
    assert!(folder.fails(&["peer", "test", "b.example"], 1).contains("no server runs"));
    for (arguments, part) in [
        (&["peer", "add", "localhost", "--url", url][..], "is the domain of this server"),
        (&["peer", "add", "b.example", "--url", "127.0.0.1:80"], "is no URL"),
        (&["peer", "add", "b.example", "--services", "IM,MAIL"], "MAIL: this server has no such service"),
        (&["peer", "add", "b example"], "is no domain"),
        (&["peer", "show", "d.example"], "hamlet peer add d.example"),
        (&["peer", "remove", "d.example"], "there is no peer d.example"),
    ] {
        let why = folder.fails(arguments, 1);
        assert!(why.contains(part), "{arguments:?}: {why}");
    }
    folder.run(&["peer", "remove", "c.example"]);
    assert_eq!(folder.json(&["peer", "list", "--json"]).as_array().unwrap().len(), 1);
    // The server that starts has it, and what is changed now is there when it has stopped.
    let server = folder.serve();
    assert!(folder.run(&["peer", "show", "b.example"]).contains(url));
    folder.run(&["peer", "remove", "b.example"]);
    folder.run(&["peer", "add", "e.example", "--url", url]);
    let told = folder.run_with(&["peer", "test", "e.example", "--json"], "");
    let steps: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((told.status.code(), &steps[0]["good"], &steps[1]["good"]), (Some(1), &true.into(), &false.into()));
    assert!(steps[1]["said"].as_str().unwrap().contains("refused"), "{steps}");
    let failure = folder.json(&["peer", "show", "e.example", "--json"]);
    assert!(failure["state"]["posts_failed"].as_u64().unwrap() > 0, "{failure}");
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(folder.json(&["peer", "list", "--json"])[0]["domain"], "e.example");
}

#[test]
fn strangers_are_refused_and_nobody_is_heard_when_it_is_off() {
    let folder = Folder::new();
    folder.run(&["peer", "add", "b.example", "--url", "http://127.0.0.1:9/"]);
    let server = folder.serve();
    let stranger = post_token(&server, "c.example");
    assert!(stranger.starts_with("http/1.1 401"), "{stranger}");
    assert!(post_token(&server, "b.example").starts_with("http/1.1 200"), "a peer's is taken");
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("hamlet_ssp_arrivals_total{peer=\"b.example\"} 1\n"), "{metrics}");
    assert!(!metrics.contains("c.example"), "strangers cost nothing");
    assert_eq!(server.stop().0, Some(0));
    let server = folder.serve_with(&["--setting", "ssp.enabled=false"]);
    let nobody = post_token(&server, "b.example");
    assert!(!nobody.starts_with("http/1.1 200") && !nobody.contains("x-wv-status"), "{nobody}");
    assert!(folder.fails(&["peer", "test", "b.example"], 1).contains("speaks with no other domain"));
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn who_provides_what_is_written_down_and_shown() {
    let folder = Folder::new();
    let url = "http://127.0.0.1:9/";
    // A relay for b.example, with the server stopped.
    folder.run(&["peer", "add", "b.example", "--url", url, "--served", "im"]);
    folder.run(&["peer", "add", "h2.example", "--url", url, "--provides", "IM@b.example", "--behind", "p.example"]);
    let lines = |lines: serde_json::Value| -> Vec<String> {
        let text = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap_or("-").to_owned();
        let keys = ["domain", "service", "provider", "requestor", "source"];
        let line = |line: &serde_json::Value| keys.map(|key| text(line, key)).join(" ");
        lines.as_array().unwrap().iter().map(line).collect()
    };
    let all = lines(folder.json(&["peer", "route", "--json"]));
    let relayed = "b.example IM h2.example b.example contract";
    assert_eq!(all[..2], [relayed, "localhost COMMON local - own"]);
    assert!(all.contains(&"localhost IM local - own".to_owned()), "{all:?}");
    let shown = folder.json(&["peer", "show", "h2.example", "--json"]);
    assert_eq!(lines(shown["table"].clone())[0], relayed);
    assert_eq!(shown["agreement"]["theirs"][0], "IM for b.example");
    assert_eq!(shown["line"]["provides"][0], "IM@b.example");
    assert_eq!(shown["line"]["behind"][0], "p.example");
    // What would lead in a circle, or to nobody, is not written.
    for (arguments, part) in [
        (&["peer", "route", "b.example", "IM", "b.example"][..], "lead in a circle"),
        (&["peer", "route", "b.example", "IM", "x.example"], "hamlet peer add x.example"),
        (&["peer", "route", "b.example", "MAIL", "local"], "there is no service `MAIL`"),
        (&["peer", "add", "h3.example", "--provides", "IM@b.example"], "contradict each other"),
        (&["peer", "add", "h2.example", "--served", "IM@b.example"], "contradict each other"),
    ] {
        let why = folder.fails(arguments, 1);
        assert!(why.contains(part), "{arguments:?}: {why}");
    }
    folder.fails(&["peer", "route", "b.example", "IM"], 2);
    // With the server running.
    let server = folder.serve_with(&["--setting", "ssp.services=COMMON"]);
    assert_eq!(lines(folder.json(&["peer", "route", "--json"])), [relayed, "localhost COMMON local - own"]);
    let local = folder.run(&["peer", "route", "b.example", "IM", "local"]);
    assert!(local.contains("local") && local.contains("static"), "{local}");
    let shown = folder.run(&["peer", "show", "b.example"]);
    assert!(shown.contains("PROVIDED BY") && shown.contains("IM for b.example"), "{shown}");
    folder.run(&["peer", "route", "localhost", "IM", "h2.example"]);
    assert_eq!(server.stop().0, Some(0));
    let all = lines(folder.json(&["peer", "route", "--json"]));
    assert_eq!(all[0], "b.example IM local b.example static");
    assert!(all.contains(&"localhost IM h2.example - static".to_owned()), "{all:?}");
    let none = folder.run(&["peer", "route", "b.example", "IM", "-"]);
    assert!(none.contains("h2.example"), "the contract counts again: {none}");
}

#[test]
fn guests_of_a_group_are_managed() {
    let folder = Folder::new();
    let server = folder.serve();
    folder.run(&["peer", "add", "b.example", "--url", "http://127.0.0.1:9/"]);
    folder.run(&["group", "add", "lobby"]);
    let person = |group: &serde_json::Value| {
        let people = group["people"].as_array().unwrap();
        people.iter().find(|one| one["user"] == "wv:bob@b.example").cloned()
    };
    let admin = folder.json(&["group", "members", "lobby", "--admin", "bob@b.example", "--json"]);
    assert_eq!(person(&admin).unwrap()["role"], "admin", "{admin}");
    assert!(folder.fails(&["group", "kick", "lobby", "wv:bob@b.example"], 1).contains("has not joined"));
    let why = folder.fails(&["group", "members", "lobby", "--reject", "eve@c.example"], 1);
    assert!(why.contains("of the domain c.example") && why.contains("hamlet peer list"), "{why}");
    // Whom the group knows it knows without a server too.
    server.stop();
    let rejected = folder.json(&["group", "members", "lobby", "--reject", "bob@b.example", "--json"]);
    assert_eq!(person(&rejected).unwrap()["rejected"], true, "{rejected}");
    assert!(folder.fails(&["group", "members", "lobby", "--add", "eve@b.example"], 1).contains("b.example"));
}
