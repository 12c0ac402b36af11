//! What a phone computes for a 4-way login (CSP 4.1): written a second time, apart from the server's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Md5;
use sha1::{Digest, Sha1};

/// DigestBytes for a nonce and a password; none for a schema that phones do not compute.
pub fn digest(schema: &str, nonce: &str, password: &str) -> Option<String> {
    let text = [nonce.as_bytes(), password.as_bytes()].concat();
    match schema {
        "MD5" => Some(BASE64.encode(Md5::digest(&text))),
        "SHA" => Some(BASE64.encode(Sha1::digest(&text))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_specification() {
        assert_eq!(digest("MD5", "abc123", "secret").as_deref(), Some("ONRYj9vHKbpfB8SbQtGVoA=="));
        assert_eq!(digest("SHA", "abc123", "secret").as_deref(), Some("tnrbufcoe48tnICbOagEshI/xMA="));
        assert_eq!(digest("MD4", "abc123", "secret"), None);
    }
}
