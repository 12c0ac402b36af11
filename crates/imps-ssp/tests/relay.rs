//! SSP 16.3: a chain of domains over real HTTP on loopback. Home A, home B without a service for messages, the relays H1 and
//! H2, and P, which provides them.

#[allow(dead_code, unreachable_pub, reason = "what one file of tests does not use, another does")]
mod world;

use std::time::Duration;

use imps_proto::ssp::{
    DeliveryResult, DeliveryStatusReport, GetUserProfileRequest, MetaInfo, NewMessage, Primitive, Service, UserProfile,
};
use imps_ssp::{Ask, PeerConfig, Provider, Provision, RouteLine, SspConfig, Terms};
use imps_types::element::{MessageInfo, Recipient, ResultInfo, Sender};
use imps_types::{Domain, Status, TransactionId, UserId};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use world::{ALICE, BOB, Served, domain, listener, message, serve, until, user};

const NAMES: [&str; 5] = ["a.example", "b.example", "h1.example", "h2.example", "p.example"];

fn im_of_b() -> std::collections::BTreeSet<Provision> {
    [Provision { service: Service::Im, domain: domain("b.example") }].into()
}

/// The contract that the second has with the first of two neighbours, if it is one of services.
fn terms(own: &str, peer: &str) -> Terms {
    let at = |name: &str| NAMES.iter().position(|it| *it == name).expect("a name");
    match (own, peer) {
        ("a.example", _) | (_, "a.example") => {
            Terms { interop: [Service::Im, Service::Common].into(), ..Terms::default() }
        }
        // Whoever is nearer to P provides.
        _ if at(peer) > at(own) => Terms { theirs: im_of_b(), ..Terms::default() },
        _ => Terms { ours: im_of_b(), ..Terms::default() },
    }
}

fn line(own: &str, peer: &str, url: &str) -> PeerConfig {
    PeerConfig { urls: vec![url.to_owned()], contract: Some(terms(own, peer)), ..PeerConfig::of(domain(peer)) }
}

/// What is changed in the settings of a domain.
type Change = fn(&str, &mut SspConfig);

fn config(at: usize, urls: &[String], change: Change) -> SspConfig {
    let own = NAMES[at];
    let neighbours = [at.checked_sub(1), Some(at + 1)].into_iter().flatten().filter(|it| *it < NAMES.len());
    let peers = neighbours.map(|it| line(own, NAMES[it], &urls[it])).collect();
    let mut config = SspConfig { peers, negotiates: false, ..SspConfig::of(domain(own)) };
    config.offered = vec![Service::Common];
    if own == "a.example" || own == "p.example" {
        config.offered.push(Service::Im);
    }
    config.link.reply_within = Duration::from_secs(4);
    config.relay.reserve = Duration::from_millis(300);
    config.relay.least = Duration::from_millis(100);
    change(own, &mut config);
    config
}

struct Chain {
    a: Served,
    b: Served,
    h1: Option<Served>,
    h2: Served,
    p: Served,
    urls: Vec<String>,
    /// H1 runs in a world of its own, which can end at any moment.
    of_h1: Option<Runtime>,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// Serves a domain in a world of its own.
fn serve_in(runtime: &Runtime, config: SspConfig, listener: std::net::TcpListener) -> Served {
    let _inside = runtime.enter();
    serve(config, TcpListener::from_std(listener).expect("a listener"), None, None)
}

async fn chain(change: Change) -> Chain {
    let (mut listeners, mut urls) = (Vec::new(), Vec::new());
    for _ in NAMES {
        let (listener, url) = listener().await;
        listeners.push(listener);
        urls.push(url);
    }
    let mut listeners = listeners.into_iter();
    let mut next = |at: usize| (config(at, &urls, change), listeners.next().expect("one for each"));
    let mut here = |at| {
        let (config, listener) = next(at);
        serve(config, listener, None, None)
    };
    let (a, b) = (here(0), here(1));
    let (of_h1, config_of_h1) = (runtime(), config(2, &urls, change));
    let listener_of_h1 = next(2).1.into_std().expect("a listener");
    let h1 = serve_in(&of_h1, config_of_h1, listener_of_h1);
    let mut here = |at| {
        let (config, listener) = next(at);
        serve(config, listener, None, None)
    };
    let (h2, p) = (here(3), here(4));
    Chain { a, b, h1: Some(h1), h2, p, urls, of_h1: Some(of_h1) }
}

impl Drop for Chain {
    fn drop(&mut self) {
        if let Some(runtime) = self.of_h1.take() {
            runtime.shutdown_background();
        }
    }
}

impl Chain {
    fn h1(&self) -> &Served {
        self.h1.as_ref().expect("it is there")
    }

    /// What Alice's domain is answered when she sends something to Bob.
    async fn send(&self, id: &str) -> Primitive {
        self.a.ssp.ask(&domain("b.example"), Ask::of(message(ALICE, BOB, id))).await.expect("an answer")
    }

    /// The same for a message without MessageID, in this transaction.
    async fn send_nameless(&self, id: &str) -> Primitive {
        let mut said = message(ALICE, BOB, "");
        if let Primitive::SendMessageRequest(it) = &mut said {
            it.info.message_id = None;
        }
        let ask = Ask { id: Some(TransactionId::new(id)), ..Ask::of(said) };
        self.a.ssp.ask(&domain("b.example"), ask).await.expect("an answer")
    }

    /// Every row of the Transaction Tables of B, H1 and H2: from, to, and both IDs.
    fn rows(&self) -> Vec<[String; 4]> {
        let of = |served: &Served| served.ssp.relayed(None, 9);
        let rows = [of(&self.b), of(self.h1()), of(&self.h2)].into_iter().flatten();
        rows.map(|it| [it.from.to_string(), it.to.to_string(), it.from_id.to_string(), it.to_id.to_string()]).collect()
    }
}

fn code(answer: &Primitive) -> u16 {
    answer.outcome().map_or(200, |outcome| outcome.status.code())
}

/// What was posted to a domain and says this; what is on its way is waited for, since answers are quicker than receipts.
async fn posted_once(served: &Served, what: &str) {
    until(what, || !posted(served, what).is_empty()).await;
    assert_eq!(posted(served, what).len(), 1, "{what}");
}

fn posted(served: &Served, what: &str) -> Vec<String> {
    served.log.lock().iter().map(|(text, _)| text.clone()).filter(|text| text.contains(what)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_one_row_at_each_relay_and_none_when_it_is_answered() {
    let chain = chain(|_, _| {}).await;
    *chain.p.service.pause.lock() = Duration::from_millis(500);
    let answer = async { chain.send("m-1").await };
    let rows = async {
        until("it is on its way", || chain.rows().len() == 3).await;
        chain.rows()
    };
    let (answer, rows) = tokio::join!(answer, rows);
    let Primitive::SendMessageResponse(answer) = answer else { panic!("{answer:?}") };
    assert_eq!((answer.message_id.as_deref(), answer.status.status), (Some("m-1"), Status::SUCCESSFUL));
    let ways: Vec<_> = rows.iter().map(|[from, to, ..]| (from.as_str(), to.as_str())).collect();
    assert_eq!(ways, [("a.example", "h1.example"), ("b.example", "h2.example"), ("h1.example", "p.example")]);
    let ids = [&rows[0][2], &rows[0][3], &rows[1][3], &rows[2][3]];
    assert_eq!([&rows[1][2], &rows[2][2]], [ids[1], ids[2]], "what one sends is what the next one gets");
    let different: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), 4, "{ids:?}");
    until("no row is left", || chain.rows().is_empty()).await;
    // The way that it went, as H1 and P see it.
    let at_h1 = posted(chain.h1(), "SendMessageRequest").remove(0);
    assert!(at_h1.contains("hopsLeft=\"7\"") && at_h1.contains("<Via serviceID=\"wv:@b.example\"/>"), "{at_h1}");
    let performed = chain.p.service.performed.lock();
    let [(peer, Primitive::SendMessageRequest(said))] = performed.as_slice() else { panic!("{performed:?}") };
    assert_eq!(peer.as_str(), "h2.example");
    assert_eq!(said.meta.requestor.user.as_ref().map(|user| user.user_id.as_str()), Some(ALICE), "B vouches for her");
    let route = said.meta.route.as_ref().expect("a route");
    assert_eq!(
        route.via.iter().map(|via| via.as_str()).collect::<Vec<_>>(),
        ["wv:@b.example", "wv:@h1.example", "wv:@h2.example"]
    );
    assert!(route.hops_left == 5 && (2000..=3100).contains(&route.ms_left), "{route:?}");
    for served in [&chain.b, chain.h1(), &chain.h2] {
        assert!(served.service.performed.lock().is_empty(), "relays touch nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_domain_gives_a_message_without_a_name_one_before_it_goes_on() {
    let chain = chain(|_, _| {}).await;
    let answer = chain.send_nameless("T-1").await;
    let Primitive::SendMessageResponse(answer) = answer else { panic!("{answer:?}") };
    assert_eq!(answer.message_id.as_deref(), Some("of-T-1"));
    let performed = chain.p.service.performed.lock().clone();
    let [(_, Primitive::SendMessageRequest(said))] = performed.as_slice() else { panic!("{performed:?}") };
    assert_eq!(said.info.message_id.as_deref(), Some("of-T-1"));
}

fn info(id: &str, to: &str) -> MessageInfo {
    MessageInfo {
        message_id: Some(id.into()),
        recipient: Recipient { users: vec![user(to)], ..Recipient::default() },
        sender: Some(Sender::User(user(ALICE))),
        ..MessageInfo::default()
    }
}

fn of_p() -> MetaInfo {
    MetaInfo::of_domain("wv:@p.example".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_of_it_goes_down_the_chain_and_the_report_on_to_alice() {
    let chain = chain(|_, _| {}).await;
    // Sessions are there.
    chain.send("m-1").await;
    let to = chain.p.ssp.requestor(&domain("b.example"), Service::Im).expect("a way down");
    assert_eq!(to.as_str(), "h2.example");
    let said = NewMessage { meta: of_p(), info: info("m-1", BOB), content: None };
    let answer = chain.p.ssp.ask(&to, Ask::of(said)).await.expect("an answer");
    assert_eq!(code(&answer), 200);
    let at_b = |wanted: &str| {
        let performed = chain.b.service.performed.lock();
        performed.iter().any(|(peer, said)| peer.as_str() == "h1.example" && said.name().as_str() == wanted)
    };
    assert!(at_b("NewMessage"));
    let result = DeliveryResult { status: ResultInfo::of(Status::SUCCESSFUL) };
    let report = DeliveryStatusReport { meta: Some(of_p()), result, time: None, info: info("m-1", BOB) };
    let answer = chain.p.ssp.ask(&to, Ask::of(report)).await.expect("an answer");
    assert_eq!(code(&answer), 200);
    assert!(!at_b("DeliveryStatusReport"), "it is for Alice");
    let performed = chain.a.service.performed.lock().clone();
    let [(peer, Primitive::DeliveryStatusReport(report))] = performed.as_slice() else { panic!("{performed:?}") };
    assert_eq!(peer.as_str(), "b.example");
    let requestor = report.meta.as_ref().map(|meta| meta.requestor.service_id.as_str().to_owned());
    assert_eq!(requestor.as_deref(), Some("wv:@b.example"), "B says it, since A knows nobody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_provider_is_down_the_home_domain_keeps_the_message() {
    let chain = chain(|_, _| {}).await;
    chain.p.stop.send_replace(true);
    until("P is gone", || chain.p.tasks() == 0).await;
    let answer = chain.send("m-1").await;
    let outcome = answer.outcome().expect("a status");
    assert_eq!(outcome.status, Status::SERVER_UNAVAILABLE);
    assert!(outcome.try_again.is_some_and(|seconds| seconds > 0), "{outcome:?}");
    posted_once(chain.h1(), "TryAgainTimeout").await;
    *chain.b.service.held.lock() = Some(Vec::new());
    assert_eq!(code(&chain.send("m-2").await), 202);
    let held = chain.b.service.held.lock().clone().expect("kept");
    let [Primitive::SendMessageRequest(held)] = held.as_slice() else { panic!("{held:?}") };
    assert_eq!((held.info.message_id.as_deref(), &held.meta.route), (Some("m-2"), &None), "as Alice's domain sent it");
    assert_eq!(code(&chain.send_nameless("T-3").await), 202);
    let held = chain.b.service.held.lock().clone().expect("kept");
    let [_, Primitive::SendMessageRequest(held)] = held.as_slice() else { panic!("{held:?}") };
    assert_eq!(held.info.message_id.as_deref(), Some("of-T-3"), "by the name under which P may have it already");
    assert!(chain.rows().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_provider_is_silent_the_last_relay_gives_up_first() {
    let chain = chain(|_, _| {}).await;
    *chain.p.service.pause.lock() = Duration::from_secs(60);
    *chain.b.service.held.lock() = Some(Vec::new());
    let began = tokio::time::Instant::now();
    assert_eq!(code(&chain.send("m-1").await), 504);
    let took = began.elapsed();
    assert!((Duration::from_millis(2500)..Duration::from_millis(3600)).contains(&took), "{took:?}");
    for served in [chain.h1(), &chain.b, &chain.a] {
        posted_once(served, "code=\"504\"").await;
    }
    assert_eq!(chain.b.service.held.lock().as_deref(), Some(&[][..]), "P may have it");
    assert!(chain.rows().is_empty());
}

fn back(own: &str, config: &mut SspConfig) {
    if own == "h2.example" {
        let provider = Some(domain("h1.example"));
        config.routes.push(RouteLine { domain: domain("b.example"), service: Service::Im, provider });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_is_found_by_whoever_is_in_it() {
    let chain = chain(back).await;
    assert!(chain.h2.ssp.service_table().check().is_err(), "a server would not have started so");
    assert_eq!(code(&chain.send("m-1").await), 516);
    let count = |served: &Served| posted(served, "SendMessageRequest").len();
    let counts = || (count(chain.h1()), count(&chain.h2), count(&chain.p));
    posted_once(&chain.h2, "routing loop").await;
    until("nothing is forwarded twice", || counts() == (2, 1, 0)).await;
    // An old B, which knows no routes: H1 is the first in it.
    let answer = chain.b.ssp.ask(&domain("h1.example"), Ask::of(message(ALICE, BOB, "m-2"))).await.expect("an answer");
    assert_eq!(code(&answer), 516);
    until("H1 sees it twice", || counts() == (4, 2, 0)).await;
    // An old H2, which knows none either.
    let answer = chain.h2.ssp.ask(&domain("h1.example"), Ask::of(message(ALICE, BOB, "m-3"))).await.expect("an answer");
    assert_eq!(code(&answer), 516);
    until("H1 sees it once", || counts() == (5, 2, 0)).await;
    until("no row is left", || chain.rows().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_agreement_506_comes_back_as_it_is() {
    let chain = chain(|_, _| {}).await;
    assert_eq!(code(&chain.send("m-1").await), 200);
    let interop = [Service::Common, Service::Presence].into();
    let contract = Some(Terms { interop, ..Terms::default() });
    let line = line("h2.example", "h1.example", &chain.urls[2]);
    chain.h2.ssp.set_peer(PeerConfig { contract, ..line });
    assert_eq!(code(&chain.send("m-2").await), 506);
    assert_eq!(chain.p.service.performed.lock().len(), 1);
    // H1 has the line itself no more: nobody provides it.
    let line = self::line("h1.example", "h2.example", &chain.urls[3]);
    chain.h1().ssp.set_peer(PeerConfig { contract: None, ..line });
    assert_eq!(code(&chain.send("m-3").await), 405);
    assert_eq!(chain.h1().ssp.service_table().provider(&domain("b.example"), Service::Im), Provider::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_starts_anew_loses_what_was_under_way_and_nothing_else() {
    let mut chain = chain(|_, _| {}).await;
    assert_eq!(code(&chain.send("m-1").await), 200);
    *chain.p.service.pause.lock() = Duration::from_millis(3500);
    let at_h1 = chain.urls[2].trim_start_matches("http://").trim_end_matches('/').to_owned();
    let (of_h1, h1) = (chain.of_h1.take().expect("it runs"), chain.h1.take().expect("it is there"));
    let answer = async { chain.send("m-2").await };
    let (h2, urls) = (&chain.h2, &chain.urls);
    let anew = async {
        until("P has it", || h2.ssp.relayed(None, 9).len() == 1).await;
        of_h1.shutdown_background();
        drop(h1);
        let listener = loop {
            match std::net::TcpListener::bind(&at_h1) {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        listener.set_nonblocking(true).expect("set");
        let runtime = runtime();
        let h1 = serve_in(&runtime, config(2, urls, |_, _| {}), listener);
        (runtime, h1)
    };
    let (answer, (of_h1, h1)) = tokio::join!(answer, anew);
    assert_eq!(code(&answer), 504, "B waited as long as it could");
    (chain.of_h1, chain.h1) = (Some(of_h1), Some(h1));
    *chain.p.service.pause.lock() = Duration::ZERO;
    assert_eq!(code(&chain.send("m-3").await), 200, "the next one passes");
    until("what P said of the lost one is dropped", || !chain.h2.service.late.lock().is_empty()).await;
    until("no row is left", || chain.rows().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_relays_for_those_whom_nobody_vouches_for() {
    let chain = chain(|_, _| {}).await;
    let carol = message("wv:ida@h1.example", "wv:carol@c.example", "m-1");
    let answer = chain.h1().ssp.ask(&domain("h2.example"), Ask::of(carol)).await.expect("an answer");
    assert_eq!(code(&answer), 516);
    let said = NewMessage { meta: of_p(), info: info("m-1", "wv:zoe@z.example"), content: None };
    let answer = chain.h2.ssp.ask(&domain("h1.example"), Ask::of(said)).await.expect("an answer");
    assert_eq!(code(&answer), 516);
    // And nobody but the one who asks for B may ask about Bob.
    let answer = chain.p.ssp.ask(&domain("h2.example"), Ask::of(message(ALICE, BOB, "m-2"))).await.expect("an answer");
    assert_eq!(code(&answer), 516);
    for served in [&chain.a, &chain.b, chain.h1(), &chain.h2, &chain.p] {
        assert!(served.service.performed.lock().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_are_compared_when_a_session_comes_up() {
    let chain = chain(|_, config| config.negotiates = true).await;
    assert_eq!(code(&chain.send("m-1").await), 200);
    let answers = |served: &Served| posted(served, "SetServiceAgreementResponse").len();
    until("both have asked", || [&chain.b, chain.h1(), &chain.h2].iter().all(|served| answers(served) >= 2)).await;
    // B and H1 have each the other half of one contract; what H1 relays for is not written down at B.
    let at_b = posted(&chain.b, "SetServiceAgreementResponse").join("\n");
    assert!(at_b.contains("<Status code=\"200\"/>") && !at_b.contains("code=\"403\""), "{at_b}");
}

fn profile(version: u32) -> UserProfile {
    UserProfile { user_id: BOB.into(), version: Some(version), services: None, privacy: None, terminals: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_go_to_those_who_provide_and_to_nobody_else() {
    let chain = chain(|_, _| {}).await;
    let bob = UserId::from_canonical(BOB);
    assert_eq!(chain.p.ssp.profile_of(&bob).await, None, "B does not know him");
    *chain.b.service.profile.lock() = Some(profile(7));
    assert_eq!(chain.p.ssp.profile_of(&bob).await, Some(profile(7)));
    *chain.b.service.profile.lock() = None;
    assert_eq!(chain.p.ssp.profile_of(&bob).await, Some(profile(7)), "it is kept");
    let of = async |version| {
        let answers = chain.b.ssp.tell_profile(&profile(version)).await;
        answers
            .into_iter()
            .map(|(peer, answer)| (peer, code(&answer.expect("an answer"))))
            .collect::<Vec<(Domain, u16)>>()
    };
    for version in [9, 8] {
        assert_eq!(of(version).await, [(domain("h1.example"), 200)]);
    }
    assert_eq!(*chain.p.service.told.lock(), [profile(9)], "an older one is no news");
    assert_eq!(chain.p.ssp.profile_of(&bob).await, Some(profile(9)));
    // A is no provider of B.
    let ask = GetUserProfileRequest { meta: chain.a.ssp.meta(), user_id: BOB.into(), items: None };
    let answer = chain.a.ssp.ask(&domain("b.example"), Ask::of(ask)).await;
    let status = answer.map_or_else(|failure| failure.status.code(), |answer| code(&answer));
    assert!([403, 506].contains(&status), "{status}");
}
