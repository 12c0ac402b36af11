//! Transactions, one after the other or together: agreed upon, not carried out before, and what each leads to.

use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use imps_proto::Element;
use imps_proto::csp::catalogue::{self, Request, Response, Row};
use imps_proto::csp::{Mode, StatusPrimitive};
use imps_service::{Error, Session};
use imps_types::element::ResultInfo;
use imps_types::{Status, TransactionId};
use tracing::Instrument;

use super::{Content, Incoming, Received, result_of};
use crate::Csp;
use crate::elsewhere::Parts;
use crate::link::{ClientLink, Known, transaction_text};
use crate::outgoing::Outgoing;
use crate::transactions::{Cx, Reply, dispatch};

/// Bytes of the longest TransactionID by which a repeat is known: phones keep 50 (CSP 2).
pub(crate) const REMEMBERED_ID_MAX: usize = 255;

/// How often, and at which interval, a repeat looks whether the first copy is done.
const REPEAT_LOOKS: u32 = 500;
const REPEAT_INTERVAL: Duration = Duration::from_millis(20);

impl Csp {
    /// Carries out what a message asks for: what goes back, and whether something that waits may go along.
    pub(super) async fn carry_out_all(
        &self,
        received: &Received,
        session: &Arc<Session>,
        peer: Option<IpAddr>,
    ) -> (Vec<Outgoing>, bool) {
        let mut outgoing = Vec::with_capacity(received.transactions.len());
        // The answer to a poll, and to what the client answered, may carry what waits.
        let mut carries = false;
        let mut index = 0;
        while let Some(rest) = received.transactions.get(index..).filter(|rest| !rest.is_empty()) {
            let apart = rest.iter().take_while(|one| one.is_apart()).count();
            if apart > 1 {
                let each = rest.iter().take(apart).enumerate().map(|(place, one)| async move {
                    let mut own = Vec::with_capacity(1);
                    let carries = self.carry_out_one(received, session, peer, (index + place, one), &mut own).await;
                    (own, carries)
                });
                // Each goes on when its own commit was answered, and none is looked at before.
                let mut each = each.collect::<FuturesOrdered<_>>();
                while let Some((own, carries_one)) = each.next().await {
                    outgoing.extend(own);
                    carries |= carries_one;
                }
                index += apart;
            } else {
                for one in rest.iter().take(1) {
                    carries |= self.carry_out_one(received, session, peer, (index, one), &mut outgoing).await;
                }
                index += 1;
            }
        }
        (outgoing, carries)
    }

    /// Carries out one transaction, by its place in the message, and adds what goes back. Whether something that waits may
    /// go along.
    pub(super) async fn carry_out_one(
        &self,
        received: &Received,
        session: &Arc<Session>,
        peer: Option<IpAddr>,
        (index, one): (usize, &Incoming),
        outgoing: &mut Vec<Outgoing>,
    ) -> bool {
        let refuse =
            |result: ResultInfo| Outgoing::Response(one.id.clone(), Response::Status(StatusPrimitive::new(result)));
        match &one.content {
            Content::Request(asked) if asked.is_poll => return true,
            Content::Request(asked) => {
                let cx = self.cx(received, Some(session), &one.id, index, peer);
                match self.carry_out(&cx, asked.take()).await {
                    Reply::Response(response) => outgoing.push(Outgoing::Response(one.id.clone(), response)),
                    Reply::Poll => return true,
                    Reply::Discovery(_) => {}
                }
            }
            Content::Piece(info, content) => match self.begin_pieces(received, session, &one.id, info, content) {
                Ok(progress) => {
                    let pieces = self.go_on_with_pieces(received, session, peer, progress);
                    outgoing.extend(Box::pin(pieces).await);
                }
                Err(status) => outgoing.push(refuse(ResultInfo::of(status))),
            },
            Content::Answer(Some(catalogue::Answer::GetSegment(piece))) => {
                let link = ClientLink::of(session);
                let asked = link.map(|link| transaction_text(link.number(), received.form)).unwrap_or_default();
                let (now, info) = (self.services.clock.now(), one.segment.as_ref().or(piece.info.as_ref()));
                let answered = one.id.as_str();
                match self.segments.go_on(&session.id, answered, info, &piece.content, &asked, now) {
                    Some(Ok(progress)) => {
                        let pieces = self.go_on_with_pieces(received, session, peer, (progress, asked));
                        outgoing.extend(Box::pin(pieces).await);
                    }
                    Some(Err((transaction, status))) => {
                        let status = Response::Status(StatusPrimitive::of(status));
                        outgoing.push(Outgoing::Response(transaction, status));
                    }
                    None => return true,
                }
            }
            Content::Answer(answer) => match self.acknowledge(session, received.form, one, answer.as_ref()).await {
                // A client that answers by requests takes nothing along (CSP 17, Colibria).
                // Nor does one to whom all is pushed.
                Ok(()) => return one.mode == Mode::Response && !received.channel.is_pushed(),
                Err(error) => outgoing.push(refuse(result_of(&error))),
            },
            Content::Bad(result) => outgoing.push(refuse(result.clone())),
        }
        false
    }

    pub(super) fn cx<'a>(
        &'a self,
        received: &'a Received,
        session: Option<&'a Arc<Session>>,
        transaction: &'a TransactionId,
        index: usize,
        peer: Option<IpAddr>,
    ) -> Cx<'a> {
        Cx {
            services: &self.services,
            config: &self.config,
            segments: &self.segments,
            session,
            version: match session {
                Some(session) if !received.tells_version => session.version,
                _ => received.version,
            },
            form: received.form,
            transaction: transaction.as_str(),
            content: received.hash.wrapping_add(index as u64),
            msisdn: received.msisdn.as_deref(),
            peer,
        }
    }

    /// One transaction: recognised, agreed upon, not carried out before; then it is.
    pub(crate) async fn carry_out(&self, cx: &Cx<'_>, request: Option<Box<Request>>) -> Reply {
        let Some(request) = request else { return Reply::status(Status::INTERNAL_ERROR) };
        if let Request::Polling(_) = *request {
            return Reply::Poll;
        }
        let row = request.row();
        if let (Some(session), Some(function)) = (cx.session, row.and_then(|row| row.function)) {
            let is_told = session.negotiated().refused.contains(function);
            if is_told || self.services.access().off_for(session).contains(function) {
                return Reply::status(match *request {
                    // Android asks for its blocked list whatever was agreed, and goes on after 501 only (CSP 14).
                    Request::GetBlockedList(_) => Status::NOT_IMPLEMENTED,
                    _ if is_told => Status::SERVICE_NOT_AGREED,
                    _ => Status::SERVICE_NOT_SUPPORTED,
                });
            }
        }
        let is_abroad = cx.session.is_some_and(|session| {
            !session.user.is_guest && self.elsewhere().is_some_and(|elsewhere| elsewhere.concerns(session, &request))
        });
        // Messages have a memory of their own, which a restart does not erase; not those that leave by another way.
        let is_message =
            |row: &Row| matches!(row.request, Element::SendMessageRequest | Element::ForwardMessageRequest);
        let is_remembered = row.is_some_and(|row| row.once && (is_abroad || !is_message(row)));
        let can_be_repeated = (1..=REMEMBERED_ID_MAX).contains(&cx.transaction.len());
        let link = cx.session.filter(|_| is_remembered && can_be_repeated).and_then(|session| ClientLink::of(session));
        let Some(link) = link else {
            self.services.metrics.transactions.up();
            return self.guarded(cx, request, row, is_abroad).await;
        };
        let (now, window) = (self.services.clock.now(), self.services.config.repeat_window);
        let mut looks = 0;
        loop {
            match link.begin_request(cx.transaction, cx.content, now, window) {
                Known::New => break,
                Known::Done(answer) => return Reply::Response(answer),
                Known::UnderWay if looks == REPEAT_LOOKS => return Reply::status(Status::SERVER_UNAVAILABLE),
                Known::UnderWay => {}
            }
            // Out here, where no answer has to be kept meanwhile.
            // Boxed: a timer asks for an alignment that every transaction would pay for.
            Box::pin(tokio::time::sleep(REPEAT_INTERVAL)).await;
            looks += 1;
        }
        self.services.metrics.transactions.up();
        let reply = self.guarded(cx, request, row, is_abroad).await;
        let failed = |status: Status| matches!(status, Status::SERVER_UNAVAILABLE | Status::INTERNAL_ERROR);
        let answer = match &reply {
            Reply::Response(Response::Status(status)) if failed(status.result.status) => None,
            Reply::Response(answer) => Some(answer),
            Reply::Poll | Reply::Discovery(_) => None,
        };
        link.finish_request(cx.transaction, cx.content, answer);
        reply
    }

    /// Here, or in the domains that it is about.
    async fn guarded(&self, cx: &Cx<'_>, request: Box<Request>, row: Option<&'static Row>, is_abroad: bool) -> Reply {
        let (Some(session), Some(elsewhere), true) = (cx.session, self.elsewhere(), is_abroad) else {
            return self.guarded_here(cx, request, row).await;
        };
        let here = Parts { csp: self, cx };
        let name = cx
            .once()
            .map(|once| rustc_hash::FxBuildHasher.hash_one((session.id.as_bytes(), &*once.transaction, once.content)));
        let carried = elsewhere.carry(session, cx.version, name, request, &here);
        match AssertUnwindSafe(carried).catch_unwind().await {
            Ok(response) => Reply::Response(response),
            Err(_) => self.has_panicked(row),
        }
    }

    fn has_panicked(&self, row: Option<&'static Row>) -> Reply {
        self.services.metrics.panics.up();
        tracing::error!(name = row.map_or("unknown", |row| row.request.name()), "a transaction panicked");
        Reply::status(Status::INTERNAL_ERROR)
    }

    /// A defect of the server costs its transaction, not the connection or the session.
    pub(crate) async fn guarded_here(&self, cx: &Cx<'_>, request: Box<Request>, row: Option<&'static Row>) -> Reply {
        let name = row.map_or("unknown", |row| row.request.name());
        let span = tracing::debug_span!("transaction", name, version = %cx.version);
        let run = AssertUnwindSafe(dispatch(request, cx)).catch_unwind().instrument(span);
        match run.await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                if matches!(error, Error::Store(_)) {
                    self.services.metrics.store_failures.up();
                    tracing::warn!(name, %error, "transaction failed");
                }
                Reply::Response(Response::Status(StatusPrimitive::new(result_of(&error))))
            }
            Err(_) => self.has_panicked(row),
        }
    }
}
