//! Gateways of mobile networks: which are to be believed, and what they say of whose phone it is (CSP 4.1, "Automatic
//! login"; 15.2).

use std::net::IpAddr;

use hyper::header::HeaderMap;
use imps_service::access::number_of;

/// The headers in which gateways name a subscriber.
pub const HEADERS: &str = "X-Network-MSISDN, X-Up-Calling-Line-ID, X-MSISDN, MSISDN, From";

/// Networks by their addresses.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Networks(Vec<(IpAddr, u8)>);

impl Networks {
    /// Reads `10.0.0.0/8, 192.0.2.7, fd00::/8`: commas or blanks between.
    ///
    /// # Errors
    /// The first word that is no network.
    pub fn parse(text: &str) -> Result<Self, &str> {
        let words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty());
        words.map(|word| network(word).ok_or(word)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, bits)| is_in(address, *network, *bits))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn network(word: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = word.split_once('/').map_or((word, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
    (bits <= most).then_some((address, bits))
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |one: u128, other: u128, width: u8| {
        let shift = u32::from(width.saturating_sub(bits));
        one.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
    };
    match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => same(one.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.to_bits(), other.to_bits(), 128),
        _ => false,
    }
}

/// The gateways that are to be believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gateways {
    networks: Networks,
    headers: Vec<Box<str>>,
}

impl Gateways {
    pub(crate) fn new(networks: &str, headers: &str) -> Self {
        let networks = Networks::parse(networks).unwrap_or_else(|word| {
            tracing::warn!(word, "this is no network: no gateway is believed");
            Networks::default()
        });
        let names = headers.split(',').map(str::trim).filter(|name| !name.is_empty());
        Self { networks, headers: names.map(|name| name.to_ascii_lowercase().into()).collect() }
    }

    /// The number of the subscriber whose request this is. Whoever says two different things is not believed.
    pub(crate) fn number(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Box<str>> {
        if self.networks.is_empty() || !self.networks.contain(peer) {
            return None;
        }
        let values = self.headers.iter().flat_map(|name| headers.get_all(&**name));
        let mut numbers = values.filter_map(|value| value.to_str().ok()).filter_map(number_of);
        let first = numbers.next()?;
        numbers.all(|other| other == first).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let networks = Networks::parse("10.0.0.0/8, 192.0.2.7 fd00::/8").unwrap();
        for (address, is_in) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.1.1.1", true),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(networks.contain(address.parse().unwrap()), is_in, "{address}");
        }
        assert!(Networks::parse("0.0.0.0/0").unwrap().contain("8.8.8.8".parse().unwrap()));
        for wrong in ["10.0.0.0/33", "10.0.0", "example.org", "10.0.0.0/x"] {
            assert_eq!(Networks::parse(wrong), Err(wrong));
        }
    }

    #[test]
    fn only_trusted_gateways_are_believed_and_only_what_is_clear() {
        let gateways = Gateways::new("10.0.0.0/8", HEADERS);
        let (gateway, phone) = ("10.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap());
        let mut headers = HeaderMap::new();
        assert_eq!(gateways.number(gateway, &headers), None);
        headers.insert("from", "somebody@example.org".parse().unwrap());
        assert_eq!(gateways.number(gateway, &headers), None, "no number");
        headers.insert("x-msisdn", "+358401234567".parse().unwrap());
        assert_eq!(gateways.number(gateway, &headers).as_deref(), Some("358401234567"));
        assert_eq!(gateways.number(phone, &headers), None, "anybody can say that");
        headers.insert("msisdn", "358401234567".parse().unwrap());
        assert_eq!(gateways.number(gateway, &headers).as_deref(), Some("358401234567"));
        headers.append("msisdn", "358409999999".parse().unwrap());
        assert_eq!(gateways.number(gateway, &headers), None, "two numbers");
        assert_eq!(Gateways::new("", HEADERS).number(gateway, &headers), None);
    }
}
