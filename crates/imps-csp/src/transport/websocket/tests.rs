use std::sync::atomic::Ordering;

use super::close::CLOSES;
use super::subprotocol::SUBPROTOCOLS;
use super::*;
use imps_proto::wire::PtsCodes;

#[test]
fn subprotocols_say_the_encoding() {
    for (wishes, name) in [
        (&["csp.wbxml"][..], Some(Some("csp.wbxml"))),
        (&["chat, csp.json , csp.xml"], Some(Some("csp.json"))),
        (&["chat", "CSP.XML"], Some(Some("csp.xml"))),
        (&[], Some(None)),
        (&["", " , "], Some(None)),
        (&["chat", "soap"], None),
    ] {
        assert_eq!(Agreed::new(wishes.iter().copied()).map(Agreed::name), name, "{wishes:?}");
    }
    for one in SUBPROTOCOLS {
        let form = form_of(Some(one.content_type), b"", PtsCodes::Attested).unwrap();
        let short = format!("{form:?}").to_lowercase();
        assert_eq!(one.name.strip_prefix("csp.").unwrap(), short.split('(').next().unwrap());
    }
}

async fn csp() -> Arc<Csp> {
    use imps_service::seam::{LocalBus, MemoryEngine, NodeId};
    let services = imps_service::Services::new(
        imps_service::ServiceConfig::new(imps_types::Domain::parse("localhost").unwrap()),
        imps_service::Clock::set(imps_service::Timestamp(1_700_000_000_000)),
        imps_service::store::Store::new(Arc::new(MemoryEngine::new())),
        Arc::new(LocalBus::new(NodeId(1))),
        imps_service::services::SealKey::new([1; 32]),
    );
    Csp::new(services, crate::CspConfig::default())
}

/// A client of which so many answers wait, and that takes some bytes of them every so often. How many bytes it gets
/// within a time.
async fn taken(bytes: usize, every: Duration, within: Duration) -> usize {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let csp = csp().await;
    let (stop, stopped) = watch::channel(false);
    let (mut client, stream) = tokio::io::duplex(2048);
    let opening = Opening {
        csp,
        config: WebSocketConfig { write_timeout: Duration::from_secs(1), ..WebSocketConfig::default() },
        agreed: Agreed(None),
        channel: Channel::WebSocket,
        peer: IpAddr::from([127, 0, 0, 1]),
        msisdn: None,
        read: Bytes::new(),
        memory: Memory::new(usize::MAX),
    };
    let served = tokio::spawn(serve(stream, opening, stopped));
    // Of a session that is not there: each is answered with a refusal.
    let body = "<WV-CSP-Message xmlns=\"http://www.openmobilealliance.org/DTD/WV-CSP1.2\"><Session><SessionDescriptor>\
                <SessionType>Inband</SessionType><SessionID>none</SessionID></SessionDescriptor><Transaction>\
                <TransactionDescriptor><TransactionMode>Request</TransactionMode><TransactionID>1</TransactionID>\
                </TransactionDescriptor><TransactionContent \
                xmlns=\"http://www.openmobilealliance.org/DTD/WV-TRC1.2\"><KeepAlive-Request/></TransactionContent>\
                </Transaction></Session></WV-CSP-Message>";
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&(body.len() as u16).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(body.as_bytes());
    for _ in 0..400 {
        client.write_all(&frame).await.unwrap();
    }
    let began = Instant::now();
    let mut taken = 0;
    let mut buffer = vec![0; bytes];
    while began.elapsed() < within {
        tokio::time::sleep(every).await;
        match client.read(&mut buffer).await {
            Ok(read) if read > 0 => taken += read,
            _ => break,
        }
    }
    drop((client, stop));
    served.await.unwrap();
    taken
}

#[tokio::test]
async fn who_reads_slowly_is_not_cut_off() {
    // Two thousand bytes a second: far less than waits, and for far longer than nothing may be taken.
    let (slow, never) = tokio::join!(
        taken(100, Duration::from_millis(50), Duration::from_secs(6)),
        taken(100, Duration::from_secs(6), Duration::from_secs(20)),
    );
    assert!(slow > 8000, "{slow}");
    assert!(never <= 2048, "what was in the pipe already: {never}");
}

#[test]
fn what_all_hold_is_summed_up() {
    let memory = Memory::new(100);
    assert!(!memory.changes(0, 60));
    assert!(memory.changes(0, 41));
    assert!(!memory.changes(60, 59));
    assert!(!memory.changes(41, 0) && !memory.changes(59, 0));
    assert_eq!(memory.held.load(Ordering::Relaxed), 0);
}

#[test]
fn every_close_has_its_code() {
    let mut codes: Vec<_> = CLOSES.iter().map(|row| (row.0.frame().code.into(), row.1)).collect();
    assert!(codes.iter().all(|(sent, row): &(u16, u16)| sent == row));
    codes.dedup();
    assert_eq!(codes.len(), CLOSES.len());
}
