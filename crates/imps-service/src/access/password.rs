//! Passwords: hashed, sealed, digested, made.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use imps_types::element::DigestSchema;
use imps_types::{Secret, UserId};
use md5::{Digest, Md5};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use crate::error::Error;
use crate::seam::StoreError;
use crate::services::SealKey;

/// Letters and digits that nobody takes for one another, on a phone's small screen neither: no 0, 1, i, l, o.
const CLEAR: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
const NONCE_LENGTH: usize = 24;

/// Random octets from the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Io(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

/// A random password of this many lower-case letters and digits that are not confused with each other.
///
/// # Errors
/// When the operating system gives no random numbers.
pub fn generate_password(length: usize) -> Result<String, Error> {
    let mut password = String::with_capacity(length);
    while password.len() < length {
        for byte in random::<32>()? {
            // Only the octets below a multiple of the alphabet count, so that every letter is as likely.
            let index = usize::from(byte);
            if index < 256 / CLEAR.len() * CLEAR.len() && password.len() < length {
                password.push(char::from(CLEAR[index % CLEAR.len()]));
            }
        }
    }
    Ok(password)
}

/// Hashes an account password with Argon2id. Takes tens of milliseconds and 19 MiB: not for the runtime's threads.
pub(super) fn hash(password: &str) -> Result<Box<str>, Error> {
    let salt = random::<16>()?;
    let hash: Result<argon2::password_hash::phc::PasswordHash, _> =
        Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    match hash {
        Ok(hash) => Ok(hash.to_string().into()),
        Err(_) => Err(Error::BadParameter("this password cannot be hashed")),
    }
}

/// Whether the password fits the hash.
pub(super) fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Seals a phone password under the key of the server, bound to its user.
pub(super) fn seal(key: &SealKey, user: &UserId, password: &str) -> Result<Box<[u8]>, Error> {
    let nonce = random::<NONCE_LENGTH>()?;
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    let payload = Payload { msg: password.as_bytes(), aad: user.as_str().as_bytes() };
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| Error::BadParameter("this password cannot be encrypted"))?;
    Ok([nonce.as_slice(), &sealed].concat().into())
}

/// The phone password again; `None` when it was sealed under another key or for another user.
pub(super) fn unseal(key: &SealKey, user: &UserId, sealed: &[u8]) -> Option<Secret<String>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LENGTH>()?;
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    let payload = Payload { msg: sealed, aad: user.as_str().as_bytes() };
    let password = cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
    String::from_utf8(password).ok().map(Secret::new)
}

/// Whether two passwords are the same, in a time that tells nothing of where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    // Digests first, so that the length tells nothing either.
    let (one, other) = (Sha1::digest(one.as_bytes()), Sha1::digest(other.as_bytes()));
    one.as_slice().ct_eq(other.as_slice()).into()
}

/// Whether `digest` is H(nonce ‖ password) over the UTF-8 or the Latin-1 octets of the password (CSP 4.1).
pub(super) fn digest_fits(schema: DigestSchema, nonce: &str, password: &str, digest: &[u8]) -> bool {
    if digest.is_empty() {
        return false;
    }
    let latin: Option<Vec<u8>> = password.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    let utf8 = digest_of(schema, nonce, password.as_bytes());
    let fits = bool::from(utf8.as_slice().ct_eq(digest));
    let latin = latin.map(|latin| digest_of(schema, nonce, &latin));
    fits | latin.is_some_and(|latin| bool::from(latin.as_slice().ct_eq(digest)))
}

fn digest_of(schema: DigestSchema, nonce: &str, password: &[u8]) -> Vec<u8> {
    match schema {
        DigestSchema::Md5 => Md5::new().chain_update(nonce).chain_update(password).finalize().to_vec(),
        DigestSchema::Sha => Sha1::new().chain_update(nonce).chain_update(password).finalize().to_vec(),
        // Never chosen by this server, so nothing fits.
        DigestSchema::Pwd | DigestSchema::Md4 | DigestSchema::Md6 => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    #[test]
    fn digests_are_those_of_the_specification() {
        for (schema, digest) in
            [(DigestSchema::Md5, "ONRYj9vHKbpfB8SbQtGVoA=="), (DigestSchema::Sha, "tnrbufcoe48tnICbOagEshI/xMA=")]
        {
            let digest = BASE64_STANDARD.decode(digest).unwrap();
            assert!(digest_fits(schema, "abc123", "secret", &digest));
            assert!(!digest_fits(schema, "abc123", "Secret", &digest));
            assert!(!digest_fits(schema, "abc123", "secret", &[]));
        }
        assert!(!digest_fits(DigestSchema::Md6, "a", "b", &[]), "an empty digest of a schema that nobody has");
    }

    #[test]
    fn both_octets_of_a_password_count() {
        let utf8 = Md5::digest("nä".as_bytes());
        let latin = Md5::digest([b'n', 0xe4]);
        assert!(digest_fits(DigestSchema::Md5, "n", "ä", &utf8));
        assert!(digest_fits(DigestSchema::Md5, "n", "ä", &latin));
    }

    #[test]
    fn a_sealed_password_opens_for_its_user_only() {
        let key = SealKey::new([7; 32]);
        let alice = UserId::from_canonical("wv:alice@a.example");
        let sealed = seal(&key, &alice, "secret").unwrap();
        assert_eq!(unseal(&key, &alice, &sealed).unwrap().expose(), "secret");
        assert!(unseal(&key, &UserId::from_canonical("wv:bob@a.example"), &sealed).is_none());
        assert!(unseal(&SealKey::new([8; 32]), &alice, &sealed).is_none());
        assert!(unseal(&key, &alice, &sealed[..10]).is_none());
    }

    #[test]
    fn made_passwords_are_clear_to_read() {
        let password = generate_password(10).unwrap();
        assert_eq!(password.len(), 10);
        assert!(password.bytes().all(|byte| CLEAR.contains(&byte)));
        assert_ne!(password, generate_password(10).unwrap());
    }

    #[test]
    fn account_passwords_are_hashed() {
        let stored = hash("secret").unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(verify("secret", &stored) && !verify("Secret", &stored) && !verify("secret", "rubbish"));
    }
}
