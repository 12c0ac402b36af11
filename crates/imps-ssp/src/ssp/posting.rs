//! What a machine wants posted is posted, to the address that is right.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use imps_proto::ssp::{self, Message};
use imps_types::Domain;

use super::{Peer, Ssp};
use crate::find::{NoWay, TlsPolicy, is_public};
use crate::machine::{Post, Posted};
use crate::post::{Poster, Sent};
use crate::tls::TlsTrust;

/// After so many POSTs in a row that did not get through, the peer is looked for at all its addresses again.
const UNREACHABLE_MAX: u32 = 3;

impl Ssp {
    /// Posts a message, and tells the machine how that went.
    pub(super) async fn post(self: Arc<Self>, peer: Arc<Peer>, mut post: Post) {
        if !post.after.is_zero() {
            tokio::time::sleep(post.after).await;
        }
        let body = Bytes::from(std::mem::take(&mut post.body));
        let posted = self.post_somewhere(&peer, &post, &body);
        let sent = if post.finds_way {
            // A set-up has its time, however many addresses there are.
            let within = self.settings.setup_within;
            tokio::time::timeout(within, posted).await.unwrap_or_else(|_| Sent::of(Posted::Unreachable))
        } else {
            posted.await
        };
        let Sent { how, message, why } = sent;
        peer.posts.0.fetch_add(1, Ordering::Relaxed);
        let complaint = (how != Posted::Taken).then(|| self.not_taken(&peer, &post, how, why));
        let paused = {
            let (mut link, now) = (peer.link.lock(), self.clock.now());
            let was_opening = link.is_setting_up();
            link.posted(post.id, how, now);
            // It may be begun once more at once.
            link.next_try(now).filter(|_| was_opening && !link.is_setting_up()).map(|at| at.since(now))
        };
        if let Some((why, pause)) = complaint.zip(paused) {
            tracing::warn!(peer = %peer.domain, why, try_again = pause.as_secs(), "no session with a peer");
        }
        self.settle(&peer);
        // Peers answer by a POST of their own; one that answers here is understood as well.
        let message = message.and_then(|answer| Message::read(&answer, &ssp::limits(self.config.body_max)).ok());
        if let Some(message) = message.filter(|message| self.speaker(message).as_ref() == Some(&peer.domain)) {
            peer.link.lock().receive(message, None, self.clock.now());
            self.settle(&peer);
        }
    }

    /// What is said of a message that was not taken.
    fn not_taken(&self, peer: &Peer, post: &Post, how: Posted, why: Option<String>) -> String {
        let (domain, now) = (&peer.domain, self.clock.now());
        let is_opening = peer.link.lock().is_setting_up();
        let why = match (why, how) {
            (Some(why), _) => why,
            (None, Posted::Unauthorized) if post.session.is_none() && !post.finds_way && is_opening => {
                "HTTP 401 to our proof: it is not believed there; --digest must be the same on both sides".to_owned()
            }
            (None, Posted::Unauthorized) if post.finds_way && !is_opening => {
                "HTTP 401 to our answer: it began with another domain name than ours, or is not at this URL".to_owned()
            }
            (None, how) => how.to_string(),
        };
        peer.posts.1.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(peer = %domain, ?how, why, "a message was not taken");
        let is_answer = post.session.is_none() && !is_opening;
        if is_answer && self.complaints.is_due(domain, "answer", now) {
            tracing::warn!(peer = %domain, why, "it begins a session and does not take our answer");
        }
        *peer.last_failure.lock() = Some((now, why.clone()));
        why
    }

    async fn post_somewhere(&self, peer: &Peer, post: &Post, body: &Bytes) -> Sent {
        let kept = peer.way.lock().clone().filter(|_| !post.finds_way);
        // The peer's next step may be here before the receipt of our token, which says where it was taken.
        let searches = post.instead.is_none() && kept.is_none();
        let ways = match (&post.instead, kept) {
            (Some(url), _) => vec![url.to_string()],
            // The way that is kept is of the time before this set-up, if the token has no receipt yet: the peer may be gone from
            // there.
            (None, Some(way)) if post.session.is_none() => {
                let others = self.finder.ways(&peer.domain).await.unwrap_or_default();
                let others = others.into_iter().filter(|one| *one != way).collect::<Vec<_>>();
                [vec![way], others].concat()
            }
            (None, Some(way)) => vec![way],
            (None, None) => match self.finder.ways(&peer.domain).await {
                Ok(ways) => ways,
                Err(NoWay::Unknown | NoWay::NotSecure) => return Sent::of(Posted::NoWay),
                Err(NoWay::Failed) => {
                    let why = "it has no URL in the table of peers, and DNS does not answer";
                    return Sent::because(Posted::Unreachable, why.to_owned());
                }
            },
        };
        let (mut last, mut tried) = (Sent::of(Posted::Unreachable), None);
        let is_outside = self.is_outside(&peer.domain);
        for way in ways {
            if self.finder.policy(&peer.domain) == TlsPolicy::Required && !way.starts_with("https://") {
                continue;
            }
            if is_outside && !may_be_strangers(&way) {
                tracing::info!(peer = %peer.domain, way, "this address is not public");
                continue;
            }
            let poster = match peer.poster.get_or_init(|| self.poster(&peer.domain)) {
                Ok(poster) => poster,
                Err(why) => {
                    last = Sent::because(Posted::Unreachable, why.clone());
                    break;
                }
            };
            last = poster.post(&way, post, body).await;
            if last.how == Posted::Taken {
                let mut kept = peer.way.lock();
                // A token says where the peer is; until the next one, so does whatever was taken when it was not known.
                if post.finds_way || (searches && kept.is_none()) {
                    *kept = Some(way);
                }
                break;
            }
            tried = Some(way);
            // Somebody was there and said no: the others are the same domain. But as long as it is not known where a token is
            // taken, there may be something else in the place of the server.
            let goes_on = match last.how {
                Posted::Unreachable => true,
                Posted::Refused(_) | Posted::Busy(_) => searches,
                Posted::Taken | Posted::Unauthorized | Posted::Closed | Posted::NoWay => false,
            };
            if !goes_on {
                break;
            }
        }
        count_unreachable(peer, last.how, tried.as_deref());
        last
    }

    fn poster(&self, domain: &Domain) -> Result<Poster, String> {
        let line = self.finder.line(domain);
        let trust = line.as_ref().map_or_else(TlsTrust::default, |line| line.trust.clone());
        Poster::new(domain, &trust, &self.config.post, self.is_outside(domain))
            .inspect_err(|error| tracing::error!(peer = %domain, error, "no way to this domain"))
    }
}

/// An address that is not there any more is not kept for ever; another one, at which the peer was found meanwhile, is.
fn count_unreachable(peer: &Peer, how: Posted, tried: Option<&str>) {
    if how != Posted::Unreachable {
        return peer.unreachable.store(0, Ordering::Relaxed);
    }
    if peer.unreachable.fetch_add(1, Ordering::Relaxed) + 1 >= UNREACHABLE_MAX {
        let mut kept = peer.way.lock();
        if kept.as_deref() == tried {
            *kept = None;
        }
    }
}

/// Whether a stranger may be at this URL: at no address that is not public. Where a name leads to is looked at when a
/// connection is made.
fn may_be_strangers(url: &str) -> bool {
    let Ok(url) = url.parse::<hyper::Uri>() else { return false };
    let Some(host) = url.host() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok_and(is_public) || (bare.parse::<IpAddr>().is_err() && !bare.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::BoxFuture;
    use imps_proto::ssp::Primitive;
    use imps_service::Clock;
    use imps_types::{Status, TransactionId};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::machine::status;
    use crate::ssp::Service;
    use crate::{PeerConfig, SspConfig};

    struct Nothing;

    impl Service for Nothing {
        fn perform<'a>(&'a self, _: &'a Domain, _: &'a TransactionId, _: Primitive) -> BoxFuture<'a, Primitive> {
            Box::pin(async { status(Status::SUCCESSFUL, "") })
        }
    }

    fn something(finds_way: bool) -> Post {
        let (body, after) = (b"something".to_vec(), Duration::ZERO);
        Post { id: 1, body, transaction: None, session: None, finds_way, instead: None, after }
    }

    /// A peer with two addresses, at the second of which everything is taken.
    async fn at_its_second_address() -> (Arc<Ssp>, Arc<Peer>, [String; 2]) {
        let (dead, alive) = (TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await);
        let (dead, alive) = (dead.expect("a port"), alive.expect("a port"));
        let url = |listener: &TcpListener| format!("http://{}/", listener.local_addr().expect("an address"));
        let urls = [url(&dead), url(&alive)];
        drop(dead);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = alive.accept().await {
                tokio::spawn(async move {
                    let mut octets = [0; 4096];
                    while stream.read(&mut octets).await.is_ok_and(|read| read > 0) {
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                        if octets.windows(9).any(|part| part == b"something") && stream.write_all(answer).await.is_err()
                        {
                            return;
                        }
                    }
                });
            }
        });
        let domain = |name| Domain::parse(name).expect("a domain");
        let line = PeerConfig { urls: urls.to_vec(), ..PeerConfig::of(domain("b.example")) };
        let config = SspConfig { peers: vec![line], ..SspConfig::of(domain("a.example")) };
        let ssp = Ssp::new(config, Arc::new(Nothing), None, Clock::system());
        let peer = ssp.peer(&domain("b.example")).await.expect("room");
        (ssp, peer, urls)
    }

    #[tokio::test]
    async fn an_address_that_is_dead_gives_way_to_the_one_where_something_is_taken() {
        let (ssp, peer, [dead, alive]) = at_its_second_address().await;
        let something = |finds_way| Post { session: Some("1@a.example".into()), ..something(finds_way) };
        *peer.way.lock() = Some(dead.clone());
        for _ in 0..UNREACHABLE_MAX {
            assert_eq!(peer.way.lock().as_deref(), Some(dead.as_str()));
            assert_eq!(
                ssp.post_somewhere(&peer, &something(false), &Bytes::from("something")).await.how,
                Posted::Unreachable
            );
        }
        assert_eq!(*peer.way.lock(), None);
        // The session goes on: what is posted in it is no token, and finds the way all the same.
        assert_eq!(ssp.post_somewhere(&peer, &something(false), &Bytes::from("something")).await.how, Posted::Taken);
        assert_eq!(peer.way.lock().as_deref(), Some(alive.as_str()));
        // What was under way to the dead one is heard of late: that says nothing of the other.
        for _ in 0..UNREACHABLE_MAX {
            count_unreachable(&peer, Posted::Unreachable, Some(&dead));
        }
        assert_eq!(peer.way.lock().as_deref(), Some(alive.as_str()));
    }

    #[tokio::test]
    async fn a_step_of_a_set_up_goes_where_the_peer_is_now() {
        let (ssp, peer, [dead, alive]) = at_its_second_address().await;
        *peer.way.lock() = Some(dead);
        let step = ssp.post_somewhere(&peer, &something(false), &Bytes::from("something")).await;
        assert_eq!(step.how, Posted::Taken);
        // What is said in a session goes where the session is.
        let in_session = Post { session: Some("1@a.example".into()), ..something(false) };
        assert_eq!(ssp.post_somewhere(&peer, &in_session, &Bytes::from("something")).await.how, Posted::Unreachable);
        assert_ne!(peer.way.lock().as_deref(), Some(alive.as_str()), "the receipt of a token says so");
    }

    #[test]
    fn strangers_are_not_at_the_addresses_of_neighbours() {
        for (url, is_outside) in [
            ("https://8.8.8.8:8181/", true),
            ("https://[2606:4700::1111]/", true),
            ("https://127.0.0.1/", false),
            ("https://10.1.2.3/", false),
            ("https://169.254.169.254/", false),
            ("https://[::1]:1/", false),
            ("https://[::ffff:10.0.0.1]/", false),
            ("https://[2002:7f00:1::]/", false),
            ("https://[64:ff9b::a01:203]/", false),
            ("https://198.18.0.1/", false),
            ("https://192.0.0.8/", false),
            ("https://ssp.b.example/", true),
            ("/", false),
        ] {
            assert_eq!(may_be_strangers(url), is_outside, "{url}");
        }
    }
}
