//! The channels as an operator sees them: ports, certificate, how a client is reached.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use support::{Folder, between, text};

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What one read returns.
fn hear(line: &mut TcpStream) -> String {
    let mut buffer = [0; 200];
    let read = line.read(&mut buffer).unwrap();
    text(&buffer[..read])
}

#[test]
fn a_client_is_called_and_shown() {
    let folder = Folder::new();
    let port = free_port();
    let cir = format!("cir.tcp_port={port}");
    let server = folder.serve_with(&["--setting", &cir]);
    folder.run(&["user", "add", "alice", "--phone-password", "secret"]);
    let session = server.login("alice", "secret").unwrap();
    let poked = folder.run(&["session", "poke", &session]);
    assert!(poked.contains("it has to poll"), "{poked}");
    let capabilities = "<ClientCapability-Request><CapabilityList><SupportedCIRMethod>WAPUDP</SupportedCIRMethod>\
                        <SupportedCIRMethod>STCP</SupportedCIRMethod><SupportedCIRMethod>SHTTP</SupportedCIRMethod>\
                        </CapabilityList></ClientCapability-Request>";
    let agreed = server.ask(&session, capabilities);
    assert_eq!(between(&agreed, "<TCPPort>", "</TCPPort>").as_deref(), Some(&*port.to_string()), "{agreed}");
    let url = between(&agreed, "<URL>", "</URL>").unwrap();
    assert!(url.starts_with(&format!("http://{}/cir/", server.address)), "{url}");
    let path = url.strip_prefix(&format!("http://{}", server.address)).unwrap();
    assert_eq!(server.get("/cir/x").0, 404);

    let mut line = TcpStream::connect(("127.0.0.1", port)).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    line.write_all(format!("HELO {session}\r\n").as_bytes()).unwrap();
    assert_eq!(hear(&mut line), "OK\r\n");
    let poked = folder.run(&["session", "poke", &session]);
    assert!(poked.starts_with("called by tcp"), "{poked}");
    assert_eq!(hear(&mut line), "WVCI 1.2 it\r\n");
    let shown = folder.run(&["session", "show", &session]);
    for part in [
        "called by       STCP, SHTTP",
        "open now        cir tcp",
        "last call       tcp, ",
        "sent, no poll yet",
        "http, xml, ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    // Over no answer there is nothing to parse: an empty poll.
    server.ask(&session, "<Polling-Request/>");
    let shown = folder.json(&["session", "show", &session, "--json"]);
    let channels = &shown["channels"];
    assert_eq!((channels["data"].as_str(), channels["call"].as_str()), (Some("http"), Some("tcp")), "{shown}");
    assert!(channels["call_result"].as_str().unwrap().starts_with("polled after"), "{shown}");
    assert_eq!(channels["address"].as_str(), Some("127.0.0.1"));
    assert_eq!(shown["call_methods"].to_string(), "[\"STCP\",\"SHTTP\"]");
    assert!(path.len() > 60);

    let doctor = folder.run(&["doctor", "--setting", &cir]);
    assert!(doctor.contains(&format!("our server listens on 127.0.0.1:{port}")), "{doctor}");
    let (code, log) = server.stop();
    assert_eq!((code, log.as_str()), (Some(0), ""));
    assert_eq!(hear(&mut line), "", "the connection ends with the server");
}

#[test]
fn a_port_that_was_chosen_must_be_had_and_one_that_was_not_need_not() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = folder.fails(&["serve", "--listen", "127.0.0.1:0", "--setting", &format!("cir.tcp_port={port}")], 1);
    assert!(error.contains("another program has this port") && error.contains("cir.tcp_port"), "{error}");
    let output = folder
        .run_with(&["doctor", "--setting", "listen=127.0.0.1:0", "--setting", &format!("cir.tcp_port={port}")], "");
    assert!(text(&output.stdout).contains("clients cannot be called by TCP"), "{}", text(&output.stdout));
}

/// Writes a certificate for localhost that ends in this year, and its key.
fn write_certificate(folder: &Folder, until: i32) {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.path.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.path.join("key.pem"), key.serialize_pem()).unwrap();
}

#[test]
fn the_certificate_is_looked_at() {
    let folder = Folder::new();
    let port = free_port();
    let file = folder.path.join("hamlet.toml");
    let listen = format!("listen = \"127.0.0.1:0\"\n[https]\nlisten = \"127.0.0.1:{port}\"\n");
    std::fs::write(&file, &listen).unwrap();
    let error = folder.fails(&["serve"], 1);
    assert!(error.contains("https.certificate is not"), "{error}");
    std::fs::write(&file, format!("{listen}certificate = \"cert.pem\"\nkey = \"key.pem\"\nreload = 1\n")).unwrap();
    let error = folder.fails(&["serve"], 1);
    assert!(error.contains("cert.pem"), "{error}");

    let https = |wanted: &str| {
        let output = folder.run_with(&["doctor", "--json"], "");
        let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let finding =
            findings.as_array().unwrap().iter().find(|finding| finding["check"] == "https").unwrap().to_string();
        assert!(finding.contains(wanted), "{finding}");
    };
    write_certificate(&folder, 2020);
    https("has ended: 2020-01-01T00:00:00Z");
    write_certificate(&folder, 2090);
    https("is free; the certificate is good until 2090-01-01T00:00:00Z");
    let server = folder.serve();
    https("our server listens on");
    let expiry = |year: &str| {
        let (_, metrics) = server.get("/metrics");
        metrics.contains(&format!("hamlet_tls_certificate_expiry_seconds {year}"))
    };
    assert!(expiry("3786912000"));
    write_certificate(&folder, 2080);
    let is_new = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        expiry("3471292800")
    });
    assert!(is_new, "the new certificate is not seen");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn people_connect_with_a_line_of_text() {
    let folder = Folder::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let server = folder.serve_with(&["--clp-listen", &address]);
    folder.run(&["user", "add", "alice", "--phone-password", "secret"]);
    let mut line = TcpStream::connect(&address).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(hear(&mut line), "+200 wv:@localhost CLP 1, LOGIN user password or HELP\r\n");
    line.write_all(b"login alice secret\r\n").unwrap();
    assert_eq!(hear(&mut line), "+200 hello alice, 0 new\r\n");
    // An operator sees the client, and ends its session.
    let shown = folder.run(&["session", "list"]);
    assert!(shown.contains("clp-tcp-"), "{shown}");
    folder.run(&["session", "close", "--user", "alice"]);
    assert!(hear(&mut line).starts_with("*bye "));
    assert_eq!(line.read(&mut [0; 1]).unwrap(), 0);
    drop(server);
    // Nobody listens unless it is said.
    let _server = folder.serve_with(&[]);
    assert!(TcpStream::connect(&address).is_err());
}
