//! A line on a stream in memory.

use std::sync::atomic::Ordering;
use std::task::Context;

use futures_util::FutureExt;
use imps_types::Status;
use imps_types::element::Content;
use tokio::io::{AsyncReadExt, DuplexStream};

use super::*;
use crate::clp::ClpConfig;
use crate::clp::tests::messages::numberless;
use crate::clp::tests::{ELSEWHERE, phone, send, world, world_with};

type Line = Connection<DuplexStream>;

fn line(clp: &Arc<Clp>) -> (Line, DuplexStream) {
    let (here, there) = tokio::io::duplex(1 << 20);
    let dialogue = Dialogue::new(clp.clone(), ELSEWHERE, true);
    (Connection::new(here, dialogue, clp.clone()), there)
}

/// What is answered to these octets, and what is told with it.
async fn say(line: &mut Line, there: &mut DuplexStream, input: &str) -> String {
    line.input.extend_from_slice(input.as_bytes());
    line.hear();
    assert!(line.carry_out().await.unwrap());
    line.tell().await.unwrap();
    seen(there)
}

/// What was written until now.
fn seen(there: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    while let Some(Ok(count)) = there.read_buf(&mut text).now_or_never() {
        assert!(count > 0);
    }
    String::from_utf8(text).unwrap()
}

async fn logged_in(clp: &Arc<Clp>, name: &str) -> (Line, DuplexStream) {
    let (mut line, mut there) = line(clp);
    let said = say(&mut line, &mut there, &format!("login {name} secret\r\n")).await;
    assert!(said.starts_with("+200 hello"), "{said}");
    (line, there)
}

async fn waiting(clp: &Arc<Clp>, line: &Line) -> u32 {
    clp.services().im().message_count(line.dialogue.session().unwrap(), None).await.unwrap()
}

#[tokio::test]
async fn what_could_not_be_told_is_not_heard_and_told_later() {
    let (clp, engine) = numberless(ClpConfig::default()).await;
    let bob = phone(&clp, "bob").await;
    let (mut alice, mut there) = logged_in(&clp, "alice").await;
    engine.is_busy.store(true, Ordering::Relaxed);
    send(&clp, &bob, "wv:alice", "text/plain", Content::text("hi")).await;
    send(&clp, &bob, "wv:alice", "text/plain", Content::text("there")).await;
    assert_eq!(say(&mut alice, &mut there, "ping\r\n").await, "+200 pong\r\n");
    assert_eq!(waiting(&clp, &alice).await, 2);
    assert!(alice.deadline() <= Instant::now() + AGAIN);
    engine.is_busy.store(false, Ordering::Relaxed);
    assert_eq!(say(&mut alice, &mut there, "").await, "*1 bob: hi\r\n*2 bob: there\r\n");
    assert_eq!(waiting(&clp, &alice).await, 0);
}

#[tokio::test]
async fn what_is_told_with_the_last_words_is_heard() {
    let clp = world(|_| {}).await;
    let bob = phone(&clp, "bob").await;
    let (mut alice, mut there) = logged_in(&clp, "alice").await;
    send(&clp, &bob, "wv:alice", "text/plain", Content::text("hi")).await;
    // It is fetched, and then the session ends.
    let (events, _) = alice.dialogue.waiting(EVENTS).await;
    alice.untold.extend(events);
    let session = alice.dialogue.session().unwrap().clone();
    clp.services().access().disconnect(&session, Status::FORCED_LOGOUT, "enough").await.unwrap();
    assert!(!alice.tell().await.unwrap());
    alice.flush().await.unwrap();
    let told = seen(&mut there);
    assert!(told.starts_with("*1 bob: hi\r\n*bye "), "{told}");
    assert_eq!(clp.services().im().message_count(&session, None).await, Ok(0));
}

#[tokio::test]
async fn between_two_batches_of_events_the_line_is_looked_at() {
    let clp = world(|_| {}).await;
    let bob = phone(&clp, "bob").await;
    let (mut alice, mut there) = logged_in(&clp, "alice").await;
    let link = alice.dialogue.link().clone();
    for _ in 0..EVENTS + 5 {
        send(&clp, &bob, "wv:alice", "text/plain", Content::text("hi")).await;
    }
    while link.woken().now_or_never().is_some() {}
    assert!(alice.tell().await.unwrap());
    assert_eq!(seen(&mut there).lines().count(), EVENTS);
    // It wakes itself for the rest.
    assert!(link.woken().now_or_never().is_some());
    assert!(alice.tell().await.unwrap());
    assert_eq!(seen(&mut there).lines().count(), 5);
    assert!(link.woken().now_or_never().is_none());
}

#[tokio::test]
async fn a_text_is_read_once_though_two_lines_come_together() {
    let clp = world(|_| {}).await;
    let bob = phone(&clp, "bob").await;
    let (mut alice, mut there) = logged_in(&clp, "alice").await;
    assert_eq!(say(&mut alice, &mut there, "push off\r\n").await, "+200 ok\r\n");
    for text in ["one", "two"] {
        send(&clp, &bob, "wv:alice", "text/plain", Content::text(text)).await;
    }
    assert!(say(&mut alice, &mut there, "").await.contains("READ 2"));
    let read = say(&mut alice, &mut there, "read\r\nread\r\nread\r\n").await;
    let lines: Vec<_> = read.lines().collect();
    assert_eq!(lines, [":2 bob 14:05: two", "+200 ok", ":1 bob 14:05: one", "+200 ok", "-426 nothing fits"]);
}

#[tokio::test]
async fn an_empty_line_keeps_the_session() {
    let clp = world(|_| {}).await;
    let (mut alice, mut there) = logged_in(&clp, "alice").await;
    let session = alice.dialogue.session().unwrap().clone();
    let clock = &clp.services().clock;
    clock.advance(Duration::from_secs(60));
    assert_eq!(say(&mut alice, &mut there, "\r\n").await, "");
    assert_eq!(session.last_seen(), clock.now());
}

#[tokio::test]
async fn who_floods_a_line_without_a_session_is_hung_up_in_time() {
    let config = ClpConfig { login_within: Duration::from_millis(40), ..ClpConfig::default() };
    let mut csp = crate::CspConfig::default();
    csp.requests.session_rate = 0;
    let engine = Arc::new(imps_service::seam::MemoryEngine::new());
    let clp = world_with(engine, |_| {}, csp, config).await;
    let (mut line, there) = line(&clp);
    let (_stop, stopped) = watch::channel(false);
    let (mut from, mut to) = tokio::io::split(there);
    // There is always something to be read.
    let flood = async {
        while to.write_all(&b"ping\r\n".repeat(1000)).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let drain = async {
        let mut text = Vec::new();
        from.read_to_end(&mut text).await.unwrap();
        text
    };
    let run = async {
        line.run(stopped).await.unwrap();
        drop(line);
        std::future::pending::<()>().await;
    };
    let seen = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::select! {
            () = flood => Vec::new(),
            () = run => Vec::new(),
            text = drain => text,
        }
    });
    assert!(seen.await.unwrap().ends_with(b"-401 nobody logged in, bye\r\n"));
}

/// A peer with whom there is no end.
struct Endless(DuplexStream);

impl AsyncRead for Endless {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Endless {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn hanging_up_has_an_end() {
    let config = ClpConfig { write_timeout: Duration::from_millis(10), ..ClpConfig::default() };
    let clp =
        world_with(Arc::new(imps_service::seam::MemoryEngine::new()), |_| {}, crate::CspConfig::default(), config)
            .await;
    let (here, _there) = tokio::io::duplex(1 << 16);
    let mut line = Connection::new(Endless(here), Dialogue::new(clp.clone(), ELSEWHERE, true), clp);
    let (_stop, stopped) = watch::channel(true);
    let ended = tokio::time::timeout(Duration::from_secs(20), line.run(stopped)).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn telnet_is_spoken_with_those_who_speak_it() {
    const WILL_ECHO: [u8; 3] = [255, 251, 1];
    const WONT_ECHO: [u8; 3] = [255, 252, 1];
    let clp = world(|_| {}).await;
    for (first, speaks) in [(&b""[..], false), (&[255, 253, 3][..], true)] {
        let (mut line, mut there) = line(&clp);
        line.input.extend_from_slice(first);
        line.input.extend_from_slice(b"login bob\r\n");
        assert!(line.carry_out().await.unwrap());
        let mut asked = Vec::new();
        while let Some(Ok(_)) = there.read_buf(&mut asked).now_or_never() {}
        assert_eq!(asked.ends_with(&WILL_ECHO), speaks, "{asked:?}");
        assert!(speaks || asked == b":password\r\n", "{asked:?}");
        line.input.extend_from_slice(b"secret\r\n");
        assert!(line.carry_out().await.unwrap());
        let mut answered = Vec::new();
        while let Some(Ok(_)) = there.read_buf(&mut answered).now_or_never() {}
        assert_eq!(answered.starts_with(&WONT_ECHO), speaks, "{answered:?}");
        assert!(speaks || answered.starts_with(b"+200 hello"), "{answered:?}");
    }
}

#[tokio::test]
async fn that_talk_has_ended_is_said_when_it_has() {
    let config = ClpConfig { talk_idle: Duration::from_millis(30), ..ClpConfig::default() };
    let engine = Arc::new(imps_service::seam::MemoryEngine::new());
    let clp = world_with(engine, |_| {}, crate::CspConfig::default(), config).await;
    let (mut bob, mut there) = logged_in(&clp, "bob").await;
    assert!(say(&mut bob, &mut there, "talk alice\r\n").await.starts_with("+200 talking to alice"));
    clp.services().clock.advance(Duration::from_millis(30));
    let (_stop, stopped) = watch::channel(false);
    let run = bob.run(stopped);
    let mut text = [0; 256];
    let read = async {
        let mut seen = Vec::new();
        while !seen.ends_with(b"*talk off\r\n") {
            let count = there.read(&mut text).await.unwrap();
            seen.extend_from_slice(text.get(..count).unwrap_or_default());
        }
    };
    tokio::select! {
        ended = run => panic!("{ended:?}"),
        read = tokio::time::timeout(Duration::from_secs(5), read) => assert!(read.is_ok(), "it is not said"),
    }
}
