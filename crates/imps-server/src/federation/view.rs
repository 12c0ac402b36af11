//! What people and scripts see of peers.

use std::sync::Arc;

use imps_service::im::{Abroad, AbroadWhat};
use imps_ssp::{Agreement, OpenTransaction, PeerState, Provider, Relayed, TableLine};
use serde::{Deserialize, Serialize};

use super::line::Line;
use crate::command::{MessageView, moment};

/// A peer, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PeerView {
    pub(crate) domain: String,
    /// Absent when DNS alone knows it.
    pub(crate) line: Option<Line>,
    pub(crate) agreement: AgreementView,
    /// Absent when nothing goes on with it, or no server runs.
    pub(crate) state: Option<StateView>,
    /// Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) queue: Option<QueueView>,
    /// Some of what is open; in lists, nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) open: Vec<OpenView>,
    /// The lines of the Service Table in which it stands; in lists, none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) table: Vec<ServiceView>,
    /// What came from it or went to it, and waits for its answer; in lists, nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) relayed: Vec<RelayedView>,
}

/// A line of the Service Table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServiceView {
    /// Whose users.
    pub(crate) domain: String,
    pub(crate) service: String,
    /// Upstream: a peer, `local`, or `none`.
    pub(crate) provider: String,
    /// Downstream: by which peer requests come.
    pub(crate) requestor: Option<String>,
    /// own, contract, or static: `hamlet peer route` says it.
    pub(crate) source: String,
}

/// A row of the Transaction Table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RelayedView {
    pub(crate) from: String,
    pub(crate) from_transaction: String,
    pub(crate) to: String,
    pub(crate) to_transaction: String,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) requestor: String,
    pub(crate) deadline: String,
}

/// A transaction that is not through.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OpenView {
    pub(crate) transaction: String,
    /// Whether we began it.
    pub(crate) ours: bool,
    pub(crate) name: Option<String>,
    pub(crate) state: String,
    /// When it counts as failed; of the peer's own, the peer knows.
    pub(crate) until: Option<String>,
}

/// What holds between this domain and a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AgreementView {
    /// default, negotiated, or contract: the line says it.
    pub(crate) origin: String,
    pub(crate) id: String,
    pub(crate) until: Option<String>,
    /// Used between both.
    pub(crate) services: Vec<String>,
    /// What the peer provides to others on our side, and we on its side: SERVICE for DOMAIN.
    pub(crate) theirs: Vec<String>,
    pub(crate) ours: Vec<String>,
    /// Domains that it relays for.
    pub(crate) behind: Vec<String>,
}

/// What goes on with a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StateView {
    pub(crate) sessions: Vec<SessionOfPeer>,
    /// Our requests that are not through.
    pub(crate) requests: usize,
    /// Its transactions that are being worked on.
    pub(crate) transactions: usize,
    /// Its transactions whose answers are remembered.
    #[serde(default)]
    pub(crate) remembered: usize,
    pub(crate) url: Option<String>,
    pub(crate) posts: u64,
    pub(crate) posts_failed: u64,
    pub(crate) arrivals: u64,
    pub(crate) arrivals_refused: u64,
    /// From when on it is tried again to reach it, if it could not be reached.
    #[serde(default)]
    pub(crate) next_try: Option<String>,
    /// When a POST was not taken last, and what happened.
    pub(crate) failed_at: Option<String>,
    pub(crate) failure: Option<String>,
}

/// A session with a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SessionOfPeer {
    pub(crate) own: String,
    pub(crate) theirs: String,
    pub(crate) until: String,
}

/// What waits for a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct QueueView {
    pub(crate) messages: u64,
    pub(crate) reports: u64,
    pub(crate) bytes: u64,
    /// Those that wait longest.
    pub(crate) first: Vec<WaitingView>,
}

/// Something that waits for a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WaitingView {
    pub(crate) message: String,
    pub(crate) kind: String,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) expires: String,
}

/// What was tried with a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StepView {
    pub(crate) good: bool,
    pub(crate) said: String,
}

pub(super) fn agreement_view(agreement: &Agreement) -> AgreementView {
    let terms = &agreement.terms;
    let provision = |one: &imps_ssp::Provision| format!("{} for {}", one.service, one.domain);
    AgreementView {
        origin: agreement.origin.as_str().to_owned(),
        id: agreement.id.to_string(),
        until: agreement.until.map(moment),
        services: terms.interop.iter().map(ToString::to_string).collect(),
        theirs: terms.theirs.iter().map(provision).collect(),
        ours: terms.ours.iter().map(provision).collect(),
        behind: terms.behind.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn state_view(state: &PeerState) -> StateView {
    let session = |(own, theirs, until): &(Arc<str>, Arc<str>, imps_service::Timestamp)| SessionOfPeer {
        own: own.to_string(),
        theirs: theirs.to_string(),
        until: moment(*until),
    };
    let failure = state.last_failure.as_ref();
    StateView {
        sessions: state.sessions.iter().map(session).collect(),
        requests: state.requests,
        transactions: state.transactions,
        remembered: state.remembered,
        url: state.way.clone(),
        posts: state.posts.0,
        posts_failed: state.posts.1,
        arrivals: state.arrivals.0,
        arrivals_refused: state.arrivals.1,
        next_try: state.next_try.map(moment),
        failed_at: failure.map(|(at, _)| moment(*at)),
        failure: failure.map(|(_, why)| why.clone()),
    }
}

pub(super) fn open_view(ours: bool, one: &OpenTransaction) -> OpenView {
    OpenView {
        transaction: one.id.as_str().to_owned(),
        ours,
        name: one.name.map(str::to_owned),
        state: one.state.to_owned(),
        until: one.until.map(moment),
    }
}

pub(super) fn waiting_view(one: &Abroad) -> WaitingView {
    let message = imps_types::MessageId::new(one.sequence).to_string();
    match &one.what {
        AbroadWhat::Message(waiting) => WaitingView {
            message,
            kind: "message".to_owned(),
            from: waiting.sender.to_string(),
            to: waiting.info.recipient.users.iter().map(|user| user.user_id.to_string()).collect(),
            expires: moment(waiting.expires),
        },
        AbroadWhat::Report(waiting) => WaitingView {
            message,
            kind: "report".to_owned(),
            from: waiting.info.recipient.users.first().map(|user| user.user_id.to_string()).unwrap_or_default(),
            to: vec![waiting.recipient.to_string()],
            expires: moment(waiting.expires),
        },
    }
}

/// Something that waits for another domain, among all that waits.
pub(crate) fn message_view(one: &Abroad) -> MessageView {
    let WaitingView { message, kind, to, expires, .. } = waiting_view(one);
    let size = match &one.what {
        AbroadWhat::Message(waiting) => waiting.content.len() as u64,
        AbroadWhat::Report(_) => 0,
    };
    MessageView { message, user: to.join(" "), kind, size, expires }
}

pub(super) fn service_view(line: &TableLine) -> ServiceView {
    ServiceView {
        domain: line.domain.to_string(),
        service: line.service.to_string(),
        provider: match &line.provider {
            Provider::Peer(peer) => peer.to_string(),
            Provider::Local => "local".to_owned(),
            Provider::None => "none".to_owned(),
        },
        requestor: line.requestor.as_ref().map(ToString::to_string),
        source: line.source.as_str().to_owned(),
    }
}

pub(super) fn relayed_view(row: &Relayed) -> RelayedView {
    RelayedView {
        from: row.from.to_string(),
        from_transaction: row.from_id.to_string(),
        to: row.to.to_string(),
        to_transaction: row.to_id.to_string(),
        service: row.service.to_string(),
        name: row.name.to_owned(),
        requestor: row.requestor.to_string(),
        deadline: moment(row.deadline),
    }
}
