//! Ways to call a client that something waits (CSP 6, 15.4): which of them the server has, and which a client gets.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use imps_types::element::{CapabilityList, CirMethod};
use imps_types::{SessionId, Version};

use super::Access;
use super::password::random;
use crate::session::Session;

/// Where a client listens that agreed on SUDP and named no port (CSP 15.4).
pub const UDP_PORT: u16 = 3717;

/// Ports below are for services of the system; no phone listens there, and no client shall have us talk to one.
const FIRST_UDP_PORT: u32 = 1024;

/// Methods of one client that are looked at.
const METHODS_MAX: usize = 16;

const NONCE_LENGTH: usize = 24;
/// What a sealed SessionID is bound to, so that it is good for nothing else.
const PURPOSE: &[u8] = b"cir url";

/// The ways of calling clients that the faces have, told by them when they begin to serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CirOffer {
    /// STCP: host and port that clients connect to.
    pub tcp: Option<(Box<str>, u16)>,
    /// SUDP: whether datagrams can be sent.
    pub udp: bool,
    /// SHTTP: what the URL of each session begins with.
    pub http: Option<Box<str>>,
}

/// What one client gets of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GrantedCir {
    /// In the client's order.
    pub(super) methods: Vec<CirMethod>,
    tcp: Option<(Box<str>, u16)>,
    url: Option<Box<str>>,
    udp_port: Option<u32>,
}

impl GrantedCir {
    /// Where the client listens for datagrams.
    pub(super) fn udp_port(&self) -> Option<u32> {
        self.udp_port
    }

    /// Puts it into the answer to a negotiation: addresses stand beside the methods that need them. The codec leaves out
    /// what the version has no element for.
    pub(super) fn tell(self, version: Version, answer: &mut CapabilityList) {
        answer.cir_methods = self.methods;
        (answer.tcp_address, answer.tcp_port) = match self.tcp {
            Some((host, port)) => (Some(host), Some(port.into())),
            None => (None, None),
        };
        answer.cir_url = self.url;
        // Only 1.1, which gives the whole list back, and 1.3 have it in the answer.
        answer.udp_port = self.udp_port.filter(|_| version != Version::V1_2);
    }
}

impl Access<'_> {
    /// From now on clients are granted these ways of being called. Each offer replaces the one before.
    pub fn offer_cir(&self, offer: CirOffer) {
        *self.cir.write() = offer;
    }

    /// What this client gets of what it asks for: the methods that the server has, in the client's order (CSP 6).
    pub(super) fn grant_cir(&self, session: &Session, list: &CapabilityList) -> GrantedCir {
        let offer = self.cir.read();
        let mut granted = GrantedCir::default();
        for method in list.cir_methods.iter().take(METHODS_MAX).copied() {
            let is_granted = !granted.methods.contains(&method)
                && match method {
                    CirMethod::StandaloneTcp => {
                        granted.tcp.clone_from(&offer.tcp);
                        offer.tcp.is_some()
                    }
                    CirMethod::StandaloneUdp => {
                        let port = list.udp_port.unwrap_or(UDP_PORT.into());
                        let is_fit = offer.udp && (FIRST_UDP_PORT..=u32::from(u16::MAX)).contains(&port);
                        granted.udp_port = is_fit.then_some(port);
                        is_fit
                    }
                    CirMethod::StandaloneHttp if session.version >= Version::V1_2 => {
                        let token = offer.http.as_ref().and_then(|base| Some((base, self.cir_token(&session.id)?)));
                        granted.url = token.map(|(base, token)| format!("{base}{token}").into());
                        granted.url.is_some()
                    }
                    // In 1.1 there is none; and what needs a mobile network's SMS or WAP push has its place here.
                    CirMethod::StandaloneHttp | CirMethod::WapSms | CirMethod::WapUdp | CirMethod::StandaloneSms => {
                        false
                    }
                };
            if is_granted {
                granted.methods.push(method);
            }
        }
        granted
    }

    /// The last part of a session's CIR URL: it names the session to this server alone, and does not give it away to
    /// whoever reads the URL in a log. `None` when the system gives no random numbers.
    pub fn cir_token(&self, session: &SessionId) -> Option<String> {
        let nonce = random::<NONCE_LENGTH>().ok()?;
        let cipher = XChaCha20Poly1305::new(self.guard.key.expose().into());
        let payload = Payload { msg: session.as_bytes(), aad: PURPOSE };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some(BASE64_URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The session that a CIR URL names, whether it is open still or not.
    pub fn session_of_cir_token(&self, token: &str) -> Option<SessionId> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LENGTH>()?;
        let cipher = XChaCha20Poly1305::new(self.guard.key.expose().into());
        let id = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: PURPOSE }).ok()?;
        SessionId::parse(std::str::from_utf8(&id).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    fn offer() -> CirOffer {
        CirOffer { tcp: Some(("im.x".into(), 3171)), udp: true, http: Some("http://im.x/cir/".into()) }
    }

    fn wish(methods: &[CirMethod], udp_port: Option<u32>) -> CapabilityList {
        CapabilityList { cir_methods: methods.to_vec(), udp_port, ..CapabilityList::default() }
    }

    #[tokio::test]
    async fn clients_get_what_the_server_has_in_their_own_order() {
        use CirMethod::{StandaloneHttp, StandaloneSms, StandaloneTcp, StandaloneUdp, WapSms, WapUdp};
        let world = World::of(&["alice"]).await;
        let access = world.services.access();
        for (version, methods, wanted) in [
            (
                Version::V1_2,
                vec![WapSms, StandaloneHttp, StandaloneTcp, StandaloneTcp],
                vec![StandaloneHttp, StandaloneTcp],
            ),
            (Version::V1_1, vec![StandaloneHttp, StandaloneUdp, StandaloneTcp], vec![StandaloneUdp, StandaloneTcp]),
            (Version::V1_3, vec![StandaloneSms, WapUdp, StandaloneUdp], vec![StandaloneUdp]),
            (Version::V1_3, vec![], vec![]),
        ] {
            let alice = world.login_as("alice", version.as_str(), version).await;
            access.offer_cir(CirOffer::default());
            let answer = access.negotiate_capabilities(&alice, wish(&methods, None)).await.unwrap();
            assert_eq!(answer.cir_methods, [], "the server has none");
            access.offer_cir(offer());
            let answer = access.negotiate_capabilities(&alice, wish(&methods, None)).await.unwrap();
            assert_eq!(answer.cir_methods, wanted);
            assert_eq!(alice.negotiated().cir_methods, wanted, "what was agreed is what is obeyed");
            let has = |method| wanted.contains(&method);
            assert_eq!(answer.tcp_address.as_deref(), has(StandaloneTcp).then_some("im.x"));
            assert_eq!(answer.tcp_port, has(StandaloneTcp).then_some(3171));
            assert_eq!(answer.udp_port, has(StandaloneUdp).then_some(3717));
            assert_eq!(alice.negotiated().udp_port, has(StandaloneUdp).then_some(3717));
            let session =
                answer.cir_url.map(|url| access.session_of_cir_token(url.strip_prefix("http://im.x/cir/").unwrap()));
            assert_eq!(session, has(StandaloneHttp).then_some(Some(alice.id)));
        }
    }

    #[tokio::test]
    async fn no_datagram_goes_where_no_phone_listens() {
        let world = World::of(&["alice"]).await;
        let alice = world.login("alice").await;
        world.services.access().offer_cir(offer());
        for port in [0, 53, 1023, 65_536, u32::MAX] {
            let list = wish(&[CirMethod::StandaloneUdp], Some(port));
            let answer = world.services.access().negotiate_capabilities(&alice, list).await.unwrap();
            assert_eq!((answer.cir_methods.len(), alice.negotiated().udp_port), (0, None), "{port}");
        }
    }

    #[tokio::test]
    async fn a_url_names_its_session_to_this_server_only() {
        let world = World::of(&["alice"]).await;
        let alice = world.login("alice").await;
        let access = world.services.access();
        let token = access.cir_token(&alice.id).unwrap();
        assert_eq!(access.session_of_cir_token(&token), Some(alice.id));
        assert!(
            !token.contains(alice.id.as_str())
                && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(access.session_of_cir_token(&other), None, "{other}");
        }
        for wrong in ["", "x", alice.id.as_str(), &token[1..], &token.repeat(100)] {
            assert_eq!(access.session_of_cir_token(wrong), None, "{wrong}");
        }
    }
}
