//! Large content by a URL of its own (CSP 1, MessageURI): for clients that can neither take it pushed nor fetch it.
//!
//! The URL is all that proves who asks: it is sealed with the server's key, names the message, its recipient and its own
//! end, and nobody can make one. Nothing of it is stored.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use imps_types::UserId;

use super::Im;
use super::queue::Waiting;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::Message;
use crate::record::{RecordReader, RecordWriter};

/// What the sealed text is for, so that nothing else that is sealed with the key can be taken for it.
const PURPOSE: &[u8] = b"hamlet content URL 1";
const NONCE_LENGTH: usize = 24;
/// The longest token that is looked at.
const TOKEN_MAX: usize = 1024;

impl Im<'_> {
    /// Says where clients fetch large content: what the URLs begin with. Without it there are none.
    pub fn offer_content(&self, base: Option<Box<str>>) {
        *self.content_url.write() = base;
    }

    /// The URL of a message's content for this recipient, good for as long as the message, a day at most.
    pub(super) fn content_uri(&self, recipient: &UserId, message: &Message) -> Option<Box<str>> {
        let base = self.content_url.read().clone()?;
        let end = self.clock.now().plus(self.config.content_url_life);
        let token = self.content_token(recipient, message.id.sequence(), Timestamp(end.0.min(message.expires.0)))?;
        Some(format!("{base}{token}").into())
    }

    fn content_token(&self, recipient: &UserId, sequence: u64, end: Timestamp) -> Option<String> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).ok()?;
        let mut writer = RecordWriter::new(1);
        writer.number(end.0).number(sequence).text(recipient.as_str());
        let cipher = XChaCha20Poly1305::new(self.guard.key.expose().into());
        let payload = Payload { msg: &writer.done(), aad: PURPOSE };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some(BASE64_URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The message that a URL of its content names; none when it was not made here, has ended, or the message is gone.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn content(&self, token: &str) -> Result<Option<Arc<Message>>, Error> {
        let Some((end, sequence, recipient)) = self.open_content_token(token) else { return Ok(None) };
        let now = self.clock.now();
        if end <= now {
            return Ok(None);
        }
        let message = match self.load(&recipient, sequence).await? {
            Some(Waiting::Message(message)) => Arc::new(message),
            Some(Waiting::GroupMessage(message)) => message,
            Some(Waiting::Report(_) | Waiting::Notice(_)) | None => return Ok(None),
        };
        Ok(Some(message).filter(|message| message.expires > now))
    }

    fn open_content_token(&self, token: &str) -> Option<(Timestamp, u64, UserId)> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok().filter(|_| token.len() <= TOKEN_MAX)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LENGTH>()?;
        let cipher = XChaCha20Poly1305::new(self.guard.key.expose().into());
        let record = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: PURPOSE }).ok()?;
        let (mut reader, _) = RecordReader::new(&record, 1).ok()?;
        let (end, sequence) = (Timestamp(reader.number().ok()?), reader.number().ok()?);
        Some((end, sequence, UserId::from_canonical(reader.text().ok()?)))
    }
}
