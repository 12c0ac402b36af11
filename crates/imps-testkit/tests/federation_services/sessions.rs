//! What the servers of two domains say to each other for themselves (SSP 6.4, 12).

use std::time::Duration;

use crate::federation::*;
use crate::{ALICE, BOB, neighbours};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_traffic_is_kept_alive() {
    let (world, a, b) = neighbours("a_session_without_traffic_is_kept_alive", &[("ssp.keep_alive", "10")]).await;
    let session = a.shown("b.example").await["state"]["sessions"].clone();
    assert_ne!(session.as_array().map(Vec::len), Some(0), "{session}");
    let since = world.wire.len();
    let (id, asked) = world.wire.wait_for(since, "a.example", "b.example", "KeepAliveRequest").await;
    assert!(asked.contains("timeToLive=\"10\""), "{asked}");
    let (answered, answer) = world.wire.wait_for(since, "b.example", "a.example", "KeepAliveResponse").await;
    assert_eq!(answered, id);
    assert!(answer.contains("timeToLive=\"10\"") && answer.contains("code=\"200\""), "{answer}");
    // Nothing was opened anew for it, and it is good for what comes.
    assert_eq!(a.shown("b.example").await["state"]["sessions"], session);
    let (mut alice, mut bob) = (a.phone("alice").await, b.phone("bob").await);
    let since = world.wire.len();
    assert_eq!(send(&mut alice, &[BOB], "hi").await, 200);
    assert_eq!(next(&mut bob).await, format!("hi from {ALICE}"));
    let log = world.wire.names(since, "a.example", "b.example");
    assert!(!log.iter().any(|name| name == "SendSecretToken"), "{log:?}");
}

/// One that vanished without a word is found out by it, and called anew for the next message.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_know_the_session_any_more_is_found_out() {
    let keep_alive = [("ssp.keep_alive", "10")];
    let (world, a, mut b) = neighbours("who_does_not_know_the_session_any_more_is_found_out", &keep_alive).await;
    b.restart(imps_testkit::server::End::Kill).await;
    let since = world.wire.len();
    world.wire.wait_for(since, "a.example", "b.example", "KeepAliveRequest").await;
    world.wire.wait_for(since, "a.example", "b.example", "LoginResponse").await;
    let mut bob = b.phone("bob").await;
    let mut alice = a.phone("alice").await;
    assert_eq!(send(&mut alice, &[BOB], "hi").await, 200);
    assert_eq!(next(&mut bob).await, format!("hi from {ALICE}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_hangs_up_is_called_anew() {
    let (world, a, b) = neighbours("a_domain_that_hangs_up_is_called_anew", &[]).await;
    let (mut alice, mut bob) = (a.phone("alice").await, b.phone("bob").await);
    assert_eq!(send(&mut alice, &[BOB], "before").await, 200);
    assert_eq!(next(&mut bob).await, format!("before from {ALICE}"));
    assert_eq!(next(&mut alice).await, format!("200 for {BOB}"));
    world.wire.quiet().await;
    let sessions = async || a.shown("b.example").await["state"]["sessions"].as_array().map_or(0, Vec::len);
    let count = sessions().await;
    assert!(count > 0);
    // Nobody answers it, and the session in which it came is over.
    a.hears_from(&b, "bye", "<Disconnect><Status code=\"503\"/></Disconnect>").await;
    while sessions().await >= count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let since = world.wire.len();
    assert_eq!(send(&mut alice, &[BOB], "after").await, 200);
    assert_eq!(next(&mut bob).await, format!("after from {ALICE}"));
    let log = world.wire.names(since, "a.example", "b.example");
    assert!(log.iter().any(|name| name == "SendSecretToken"), "{log:?}");
    // In the session that is over, nothing is heard any more.
    assert!(!log.iter().any(|name| name == "Status" || name == "Disconnect"), "{log:?}");
}
