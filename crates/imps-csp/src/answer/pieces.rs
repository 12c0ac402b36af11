//! Requests that come in pieces (CSP 3).

use std::net::IpAddr;
use std::sync::Arc;

use imps_proto::csp::catalogue::Response;
use imps_proto::csp::{DropSegmentRequest, GetSegmentRequest, StatusPrimitive};
use imps_proto::elements::{SegmentContent, SegmentInfo};
use imps_service::Session;
use imps_types::element::ResultInfo;
use imps_types::service_tree::Function;
use imps_types::{Status, TransactionId, Version};

use super::{Answer, Content, Exchange, Received};
use crate::Csp;
use crate::link::{ClientLink, transaction_text};
use crate::outgoing::Outgoing;
use crate::segments::{Progress, Unfinished};

impl Csp {
    /// The first piece of a request has come. What it leads to, and the transaction in which the next one is asked for.
    pub(super) fn begin_pieces(
        &self,
        received: &Received,
        session: &Arc<Session>,
        transaction: &TransactionId,
        info: &SegmentInfo,
        content: &SegmentContent,
    ) -> Result<(Progress, String), Status> {
        if session.version < Version::V1_3 || session.negotiated().refused.contains(Function::Sgmnt) {
            return Err(Status::SERVICE_NOT_AGREED);
        }
        let link = ClientLink::of(session).ok_or(Status::INTERNAL_ERROR)?;
        let asked = transaction_text(link.number(), received.form);
        let now = self.services.clock.now();
        let progress = self.segments.begin(&session.id, transaction, info, content, &asked, now)?;
        Ok((progress, asked))
    }

    /// A piece has come: the next one is asked for, or the whole is carried out.
    pub(super) async fn go_on_with_pieces(
        &self,
        received: &Received,
        session: &Arc<Session>,
        peer: Option<IpAddr>,
        (progress, asked): (Progress, String),
    ) -> Vec<Outgoing> {
        let bytes = match progress {
            Progress::Ask(segment_id) => {
                return vec![Outgoing::Ask(asked, GetSegmentRequest { segment_id }.into())];
            }
            Progress::Whole(bytes) => bytes,
        };
        let exchange = Exchange { body: &bytes, content_type: None, peer, msisdn: None, channel: received.channel };
        let mut whole = match self.read(exchange) {
            Ok(whole) if whole.form == received.form => whole,
            _ => {
                let result = ResultInfo::with_text(Status::BAD_REQUEST, "the pieces are no CSP message");
                let status = Response::Status(StatusPrimitive::new(result));
                return vec![Outgoing::Response(TransactionId::default(), status)];
            }
        };
        for one in &mut whole.transactions {
            if matches!(one.content, Content::Piece(..)) {
                let text = "a message in pieces has no pieces of others in it";
                one.content = Content::Bad(ResultInfo::with_text(Status::BAD_REQUEST, text));
            }
        }
        self.carry_out_all(&whole, session, peer).await.0
    }

    /// A client polls that has sent a part of a request: it is asked for the rest, or told that it is given up.
    pub(super) fn ask_about_pieces(
        &self,
        received: &Received,
        session: &Arc<Session>,
        unfinished: Unfinished,
    ) -> Answer {
        let number = || ClientLink::of(session).map(|link| transaction_text(link.number(), received.form));
        let ask = match unfinished {
            Unfinished::Ask(asked, segment_id) => Outgoing::Ask(asked.into(), GetSegmentRequest { segment_id }.into()),
            Unfinished::Drop(segment_id) => {
                Outgoing::Ask(number().unwrap_or_default(), DropSegmentRequest { segment_id }.into())
            }
        };
        let to = self.addressee(received, session, session.version, Some(true));
        Answer::Message(self.message_to(&to, &[ask]))
    }
}
