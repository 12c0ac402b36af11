//! Proof of having received a token. SSP 6.1.

use hmac::{Hmac, KeyInit as _, Mac as _};
use imps_proto::ssp::PasswordDigest;
use md5::{Digest as _, Md5};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How two domains prove to each other that they received a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DigestScheme {
    /// MD5 over the token: the one that every peer knows.
    #[default]
    Md5,
    /// HMAC-SHA256 over both tokens, both names and the transaction; only where both are set to it.
    HmacSha256,
}

/// The name that the stronger scheme has on the wire.
const HMAC_SHA256: &str = "HMAC-SHA256";

impl DigestScheme {
    /// Its name in settings and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::HmacSha256 => "hmac-sha256",
        }
    }

    /// The one of this name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Md5, Self::HmacSha256].into_iter().find(|it| it.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

/// What a proof is made of.
pub(crate) struct Proof<'a> {
    pub(crate) scheme: DigestScheme,
    /// The token that the domain which opens the session made.
    pub(crate) opener: &'a [u8],
    /// The token that the other one made.
    pub(crate) other: &'a [u8],
    /// The token that whoever proves has received: one of the two.
    pub(crate) received: &'a [u8],
    /// The service ID of whoever proves.
    pub(crate) from: &'a str,
    /// The service ID of the one it is proved to.
    pub(crate) to: &'a str,
    /// The opener's transaction.
    pub(crate) transaction: &'a str,
}

impl Proof<'_> {
    /// The proof.
    pub(crate) fn digest(&self) -> PasswordDigest {
        let octets = match self.scheme {
            DigestScheme::Md5 => Md5::digest(self.received).to_vec(),
            DigestScheme::HmacSha256 => {
                let key = [self.opener, self.other].concat();
                // HMAC takes a key of any length.
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return self.nothing() };
                for piece in [self.from, "|", self.to, "|", self.transaction] {
                    mac.update(piece.as_bytes());
                }
                mac.finalize().into_bytes().to_vec()
            }
        };
        PasswordDigest { octets: octets.into(), ..self.nothing() }
    }

    fn nothing(&self) -> PasswordDigest {
        let scheme = (self.scheme == DigestScheme::HmacSha256).then(|| HMAC_SHA256.into());
        PasswordDigest { scheme, octets: Box::default() }
    }

    /// Whether this is the proof. Who is set to the stronger scheme takes no other.
    pub(crate) fn is(&self, shown: &PasswordDigest) -> bool {
        let named = match shown.scheme.as_deref() {
            None => DigestScheme::Md5,
            Some(name) if name.eq_ignore_ascii_case("MD5") => DigestScheme::Md5,
            Some(name) if name.eq_ignore_ascii_case(HMAC_SHA256) => DigestScheme::HmacSha256,
            Some(_) => return false,
        };
        let expected = self.digest().octets;
        named == self.scheme && !expected.is_empty() && bool::from(expected.ct_eq(&shown.octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_proto::elements::encode_base64;

    const TA: &[u8] = b"9f86d081884c7d659a2feaa0c55ad015";
    const TB: &[u8] = b"60303ae22b998861bce3b28f33eec1be";

    fn proof(scheme: DigestScheme, received: &'static [u8]) -> Proof<'static> {
        let (from, to) = ("wv:@a.example", "wv:@b.example");
        Proof { scheme, opener: TA, other: TB, received, from, to, transaction: "17" }
    }

    #[test]
    fn the_vectors_of_the_chapter() {
        let md5 = |received| encode_base64(&proof(DigestScheme::Md5, received).digest().octets);
        assert_eq!(md5(TB), "fuwcUYoz+/fuNILStTF8Fg==");
        assert_eq!(md5(TA), "glmRN6GQfOIhQDz8Ke+qtg==");
        let strong = proof(DigestScheme::HmacSha256, TB).digest();
        assert_eq!(encode_base64(&strong.octets), "3X6B0RLA20QBdcI12FiulknR0PysjOtMLwP8//zDKfU=");
        assert_eq!(strong.scheme.as_deref(), Some("HMAC-SHA256"));
    }

    #[test]
    fn a_proof_is_of_one_scheme_one_token_and_one_transaction() {
        let (md5, strong) = (proof(DigestScheme::Md5, TB), proof(DigestScheme::HmacSha256, TB));
        assert!(md5.is(&md5.digest()) && strong.is(&strong.digest()));
        assert!(!md5.is(&strong.digest()) && !strong.is(&md5.digest()));
        assert!(!md5.is(&proof(DigestScheme::Md5, TA).digest()));
        assert!(!strong.is(&Proof { transaction: "18", ..proof(DigestScheme::HmacSha256, TB) }.digest()));
        assert!(!strong.is(&Proof { from: "wv:@c.example", ..proof(DigestScheme::HmacSha256, TB) }.digest()));
        assert!(!md5.is(&PasswordDigest { scheme: None, octets: Box::default() }));
        assert!(!md5.is(&PasswordDigest { scheme: Some("SHA".into()), ..md5.digest() }));
    }
}
