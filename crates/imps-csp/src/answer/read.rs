//! A message is read to its end before anything in it is carried out.

use std::hash::Hasher;

use imps_proto::Element;
use imps_proto::csp::Envelope;
use imps_proto::csp::message::{is_recoverable, refusal};
use imps_proto::elements::{SegmentContent, SegmentInfo};
use imps_proto::wire::{self, DecodeError, DecodeErrorKind, Tag};
use imps_types::Status;
use imps_types::element::ResultInfo;

use super::{Answer, Asked, Content, Exchange, Incoming, Received};
use crate::Csp;
use crate::form::form_of;

/// Transactions that one message may hold.
const TRANSACTIONS_MAX: usize = 64;

impl Csp {
    /// Reads a message to its end, before anything in it is carried out.
    pub(super) fn read(&self, exchange: Exchange<'_>) -> Result<Received, Answer> {
        let no_csp = |error: DecodeError| Answer::NoCsp(400, format!("this is no CSP message: {error}"));
        let Some(form) = form_of(exchange.content_type, exchange.body, self.config.pts_codes()) else {
            return Err(Answer::NoCsp(415, "CSP is spoken here, in XML, WBXML, PTS or JSON".to_owned()));
        };
        let text = wire::utf8(form, exchange.body).map_err(no_csp)?;
        let unreadable = |error: DecodeError| match error.kind {
            DecodeErrorKind::UnsupportedVersion => Answer::Message(self.unknown_version(form, &error)),
            _ => no_csp(error),
        };
        let mut reader = wire::reader(form, &text, &self.config.limits).map_err(unreadable)?;
        let mut envelope = Envelope::open(reader.as_dyn()).map_err(unreadable)?;
        let mut transactions = Vec::with_capacity(1);
        let mut broken = None;
        loop {
            let head = match envelope.next_transaction() {
                Ok(Some(head)) => head,
                Ok(None) => break,
                Err(error) => {
                    broken = Some(error);
                    if transactions.is_empty() || is_recoverable(&error) {
                        // Without a head: it is answered without a name.
                        transactions.push(Incoming::bad(refusal(&error)));
                    }
                    if is_recoverable(&error) && transactions.len() < TRANSACTIONS_MAX {
                        continue;
                    }
                    break;
                }
            };
            let (is_answer, mode, id, segment) = (head.is_answer(), head.mode, head.transaction_id, head.segment);
            let is_piece = !is_answer && head.primitive == Some(Tag::Known(Element::GetSegmentResponse));
            if transactions.len() >= TRANSACTIONS_MAX {
                let result = ResultInfo::with_text(Status::BAD_REQUEST, "too many transactions in one message");
                transactions.push(Incoming { mode, id, segment, content: Content::Bad(result) });
                continue;
            }
            let content = if is_answer {
                envelope.read_answer().map(Content::Answer)
            } else if is_piece {
                envelope.read_segment().map(|piece| {
                    let nothing = || (SegmentInfo { count: None, id: None }, SegmentContent::default());
                    let (info, content) = piece.map_or_else(nothing, |piece| {
                        let info = segment.clone().or(piece.info);
                        (info.unwrap_or(SegmentInfo { count: None, id: None }), piece.content)
                    });
                    Content::Piece(info, content)
                })
            } else {
                envelope.read_request().map(|request| Content::Request(Asked::new(request)))
            };
            match content {
                Ok(content) => transactions.push(Incoming { mode, id, segment, content }),
                Err(error) => {
                    let content = Content::Bad(refusal(&error));
                    transactions.push(Incoming { mode, id, segment, content });
                    if !is_recoverable(&error) {
                        broken = Some(error);
                        break;
                    }
                }
            }
        }
        if let Some(error) = broken {
            // The rest is damaged: nothing of it is carried out, since nobody knows what the whole was to be.
            for one in &mut transactions {
                one.content = Content::Bad(refusal(&error));
            }
        }
        if transactions.is_empty() {
            let kind = DecodeErrorKind::Missing(Element::Transaction);
            transactions.push(Incoming::bad(refusal(&DecodeError { kind, position: 0 })));
        }
        let mut hasher = rustc_hash::FxHasher::default();
        hasher.write(exchange.body);
        Ok(Received {
            form,
            version: envelope.version(),
            tells_version: envelope.tells_version(),
            is_unsupported: envelope.is_unsupported(),
            namespaces: envelope.namespaces(),
            shape: envelope.shape(),
            // An old SessionID in a message that says it is of no session means nothing.
            session_id: envelope.session_id().filter(|_| envelope.is_inband()).map(Into::into),
            transactions,
            hash: hasher.finish(),
            msisdn: exchange.msisdn.map(Into::into),
            channel: exchange.channel,
        })
    }
}
