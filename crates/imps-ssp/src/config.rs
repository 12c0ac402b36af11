//! Settings of the face, and the lines of the table of peers.

use imps_types::{Domain, Service as Offered};

use crate::agreement::Terms;
use crate::find::{TlsPolicy, policy_of};
use crate::machine::LinkSettings;
use crate::post::PostSettings;
use crate::relay::{RelaySettings, RouteLine, ServiceTable};
use crate::tls::TlsTrust;
use crate::trust::DigestScheme;

/// Settings of the face.
#[derive(Clone, Debug)]
pub struct SspConfig {
    /// Our domain.
    pub domain: Domain,
    /// What we have ourselves, and offer to others. What a contract says that a peer provides for us is offered too.
    pub offered: Vec<Offered>,
    /// Where services are that no contract says it of.
    pub routes: Vec<RouteLine>,
    /// What holds for what is passed on.
    pub relay: RelaySettings,
    /// Peers that operators wrote down.
    pub peers: Vec<PeerConfig>,
    /// Whether domains that are only in DNS are peers too.
    pub open: bool,
    /// Whether those may be at addresses that are not public. Whoever writes records for his domain could name our own
    /// neighbours.
    pub open_private: bool,
    /// How many of them are spoken with at once.
    pub strangers_max: usize,
    /// Whether we ask new peers what they have, and for an agreement.
    pub negotiates: bool,
    /// Bytes of the largest message.
    pub body_max: usize,
    /// What holds for sessions and transactions.
    pub link: LinkSettings,
    /// What holds for the way out.
    pub post: PostSettings,
}

impl SspConfig {
    /// The settings of a domain, with the defaults for everything else.
    pub fn of(domain: Domain) -> Self {
        Self {
            domain,
            offered: vec![Offered::Common, Offered::Im, Offered::Presence, Offered::Group, Offered::Content],
            routes: Vec::new(),
            relay: RelaySettings::default(),
            peers: Vec::new(),
            open: false,
            open_private: false,
            strangers_max: 1000,
            negotiates: true,
            body_max: 4 << 20,
            link: LinkSettings::default(),
            post: PostSettings::default(),
        }
    }

    /// The Service Table that these settings make.
    pub fn service_table(&self) -> ServiceTable {
        let contracts = self.peers.iter().filter_map(|peer| Some((&peer.domain, peer.contract.as_ref()?)));
        ServiceTable::of(&self.domain, self.offered.iter().copied(), contracts, &self.routes)
    }
}

/// A line of the table of peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// Who.
    pub domain: Domain,
    /// Where, in order; none: DNS says it.
    pub urls: Vec<String>,
    /// How secure the way must be; none: by where it leads.
    pub tls: Option<TlsPolicy>,
    /// What is believed of its certificate.
    pub trust: TlsTrust,
    /// How each proves to have received a token.
    pub digest: DigestScheme,
    /// What was agreed on between operators.
    pub contract: Option<Terms>,
}

impl PeerConfig {
    /// Whether messages can be posted there.
    pub fn is_url(text: &str) -> bool {
        let Ok(url) = text.parse::<hyper::Uri>() else { return false };
        let has_port = |authority: &hyper::http::uri::Authority| {
            let host = authority.host();
            let behind = authority.as_str().rsplit_once(host).map(|(_, behind)| behind);
            behind.is_some_and(str::is_empty) || authority.port_u16().is_some_and(|port| port > 0)
        };
        let is_http = matches!(url.scheme_str(), Some("http" | "https"));
        is_http && url.authority().is_some_and(|authority| !authority.host().is_empty() && has_port(authority))
    }

    /// A URL by which the peer may never be spoken with, and what its policy is.
    pub fn useless_url(&self) -> Option<(&str, TlsPolicy)> {
        let policy = policy_of(self);
        self.urls.iter().find(|url| !policy.allows(url)).map(|url| (url.as_str(), policy))
    }

    /// A peer of which nothing is written down but its name.
    pub fn of(domain: Domain) -> Self {
        Self {
            domain,
            urls: Vec::new(),
            tls: None,
            trust: TlsTrust::default(),
            digest: DigestScheme::default(),
            contract: None,
        }
    }
}
