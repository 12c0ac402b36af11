//! What operators are told when a peer cannot be reached, and what ends the pauses between attempts.

#[allow(dead_code, unreachable_pub, reason = "what one file of tests does not use, another does")]
mod world;

use std::path::Path;
use std::time::Duration;

use imps_proto::ssp::Primitive;
use imps_ssp::{Ask, DigestScheme, PeerConfig, SspConfig, TlsPolicy, TlsTrust};
use imps_types::Status;
use tokio::net::TcpListener;
use world::{
    ALICE, BOB, Served, acceptor, authority, certificate, domain, elsewhere, listener, message, peer, serve, until,
};

fn config(name: &str, peers: Vec<PeerConfig>) -> SspConfig {
    let mut config = SspConfig { peers, ..SspConfig::of(domain(name)) };
    config.post.within = Duration::from_secs(5);
    config.post.connect_within = Duration::from_secs(1);
    config
}

/// What goes wrong when A, which has this line, speaks with its peer.
async fn failure_with(line: PeerConfig) -> String {
    let (of_a, _) = listener().await;
    let of = line.domain.clone();
    let a = serve(config("a.example", vec![line]), of_a, None, None);
    let steps = a.ssp.probe(&of).await;
    let last = steps.last().expect("a step");
    assert!(!last.is_good, "{steps:?}");
    last.said.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_is_named() {
    let folder = std::env::temp_dir().join(format!("hamlet-ssp-probe-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("it is so");
    let (file, key) = certificate(&["b.example"], &folder);
    let rubbish = folder.join("rubbish.pem");
    std::fs::write(&rubbish, "nothing").expect("it is so");

    let (by_tls, url) = listener().await;
    let (secure, plain_to_tls) = (url.replace("http:", "https:"), url);
    let _b = serve(config("b.example", vec![]), by_tls, Some(acceptor(&file, &key)), None);
    let (file_of_ca, key_of_ca) = authority(&["b.example"], &folder);
    let (by_ca, url) = listener().await;
    let by_ca_url = url.replace("http:", "https:");
    let _ca = serve(config("b.example", vec![]), by_ca, Some(acceptor(&file_of_ca, &key_of_ca)), None);
    let signed = |name: &str, authority: Option<&Path>| PeerConfig {
        trust: TlsTrust { authority: authority.map(Path::to_owned), ..TlsTrust::default() },
        ..peer(name, &by_ca_url)
    };
    let (silent, url_of_silence) = listener().await;
    let (plainly, url) = listener().await;
    let (tls_to_plain, stranger) = (url.replace("http:", "https:"), url);
    let _other = serve(config("b.example", vec![]), plainly, None, None);
    let (of_python, python) = listener().await;
    tokio::spawn(elsewhere(
        of_python,
        "HTTP/1.1 501 Unsupported method\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ));
    let (of_proxy, proxy) = listener().await;
    tokio::spawn(elsewhere(of_proxy, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
    let (closed, nobody) = listener().await;
    drop(closed);

    let at = |url: &str| peer("b.example", url);
    let trusting = |trust| PeerConfig { trust, ..at(&secure) };
    for (line, part) in [
        (trusting(TlsTrust { pin: Some([7; 32]), ..TlsTrust::default() }), "not the one of --pin: it has the SHA-256 "),
        (signed("b.example", None), "who is not trusted here: see --ca and --pin (it has the SHA-256 "),
        (signed("b.example", Some(&file)), "who is not trusted here: see --ca and --pin (it has the SHA-256 "),
        // That very file: what comes then is of SSP.
        (signed("b.example", Some(&file_of_ca)), "HTTP 401"),
        (signed("c.example", Some(&file_of_ca)), "not valid for name"),
        (at(&url_of_silence), "there is no answer within 5 s"),
        (trusting(TlsTrust::default()), "issued by `rcgen self signed cert`, who is not trusted here"),
        (
            trusting(TlsTrust { authority: Some(rubbish.clone()), ..TlsTrust::default() }),
            "no certificate (PEM) is in it",
        ),
        (trusting(TlsTrust { authority: Some(folder.join("none")), ..TlsTrust::default() }), "none: "),
        (at(&tls_to_plain), "no TLS"),
        (at(&plain_to_tls), "no HTTP"),
        (at(&nobody), "refused"),
        (PeerConfig { tls: Some(TlsPolicy::Preferred), ..at("http://nowhere.invalid/") }, "host name is not found"),
        (at(&python), "HTTP 501: no SSP is spoken there"),
        (at(&proxy), "HTTP 502: "),
        (at(&stranger), "HTTP 401"),
        (PeerConfig { tls: Some(TlsPolicy::Off), ..at(&secure) }, "TLS is off"),
        (PeerConfig { tls: Some(TlsPolicy::Required), ..at(&nobody) }, "TLS is required"),
    ] {
        let said = failure_with(line.clone()).await;
        assert!(said.contains(part), "{line:?}: {said}");
    }
    drop(silent);
    let check = |authority: &Path| {
        TlsTrust { authority: Some(authority.to_owned()), ..TlsTrust::default() }.check(&domain("b.example"))
    };
    assert!(check(&file).is_ok() && check(&rubbish).is_err() && check(&folder.join("none")).is_err());
    std::fs::remove_dir_all(&folder).expect("it is so");
}

/// A and B, of which A calls the other one by this name.
async fn pair(name: &str, change: impl FnOnce(&mut PeerConfig)) -> (Served, Served) {
    let ((of_a, url_a), (of_b, url_b)) = (listener().await, listener().await);
    let mut line = peer(name, &url_b);
    change(&mut line);
    let a = serve(config("a.example", vec![line]), of_a, None, None);
    (a, serve(config("b.example", vec![peer("a.example", &url_a)]), of_b, None, None))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_at_our_own_address() {
    let (of_a, url_a) = listener().await;
    let a = serve(config("a.example", vec![peer("b.example", &url_a)]), of_a, None, None);
    let steps = a.ssp.probe(&domain("b.example")).await;
    let said = &steps.last().expect("a step").said;
    assert!(said.contains("this server itself answers there"), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_by_another_name_and_one_that_proves_otherwise() {
    let (a, b) = pair("bb.example", |_| {}).await;
    let begun = tokio::time::Instant::now();
    let steps = a.ssp.probe(&domain("bb.example")).await;
    let said = &steps.last().expect("a step").said;
    assert!(said.contains("b.example answers in its place"), "{steps:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let why = || b.ssp.peers()[0].last_failure.clone().map(|(_, why)| why).unwrap_or_default();
    until("B hears of it", || why().contains("another domain name than ours")).await;

    let (a, _b) = pair("b.example", |line| line.digest = DigestScheme::HmacSha256).await;
    let steps = a.ssp.probe(&domain("b.example")).await;
    let said = &steps.last().expect("a step").said;
    assert!(said.contains("--digest must be the same on both sides"), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_at_once_that_nobody_is_there_until_somebody_is() {
    let ((of_a, url_a), (of_b, url_b)) = (listener().await, listener().await);
    let at_b = of_b.local_addr().expect("it is so");
    drop(of_b);
    let a = serve(config("a.example", vec![peer("b.example", &url_b)]), of_a, None, None);
    let ask = || Ask { within: Some(Duration::from_secs(60)), hurries: true, ..Ask::of(message(ALICE, BOB, "m")) };
    for _ in 0..2 {
        let begun = tokio::time::Instant::now();
        let failure = a.ssp.ask(&domain("b.example"), ask()).await.expect_err("nobody is there");
        assert_eq!((failure.status, failure.taken), (Status::SERVER_UNAVAILABLE, false));
        assert!(failure.try_again.is_some_and(|pause| pause > Duration::from_secs(5)), "{failure:?}");
        assert!(begun.elapsed() < Duration::from_secs(15));
    }
    let state = || a.ssp.peers()[0].clone();
    assert!(state().next_try.is_some() && state().last_failure.is_some_and(|(_, why)| why.contains("refused")));
    // B comes, and says that it is there, though it has nothing to say.
    let of_b = TcpListener::bind(at_b).await.expect("it is so");
    let b = serve(config("b.example", vec![peer("a.example", &url_a)]), of_b, None, None);
    b.ssp.hail(&domain("a.example")).await;
    until("the pause is over", || a.ssp.peers()[0].sessions.len() == 1 && state().next_try.is_none()).await;
    let answer = a.ssp.ask(&domain("b.example"), ask()).await;
    assert!(matches!(answer, Ok(Primitive::SendMessageResponse(_))), "{answer:?}");
    // With whom there is a session nothing is to be done.
    b.ssp.hail(&domain("a.example")).await;
    b.ssp.hail(&domain("c.example")).await;
    assert_eq!((b.ssp.peers().len(), b.ssp.peers()[0].sessions.len()), (1, 1));
}
