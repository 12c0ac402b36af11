//! When a client is called, and how: the state of one client, without sockets or clocks (CSP 15.4, "Choosing").
//!
//! ```text
//!   quiet ──(something waits)──> told ──(it polls)──> quiet
//!     └──(Poll T goes out)────────^ └──(no poll in time, something waits still)──> told again, another way first
//! ```
//!
//! While a request of the client is being answered nothing is decided: its answer carries the Poll flag.

use std::sync::Arc;
use std::time::Duration;

use imps_service::Timestamp;
use imps_types::element::CirMethod;

use crate::channel::{CallMethod, CallResult, CallUse, DataUse};
use crate::cir::Cir;
use crate::cir::http::Waiting;
use crate::cir::tcp::Connection;
use crate::transport::websocket::Socket;

/// How often the time to the next call doubles.
const DOUBLINGS: u32 = 5;

/// The client knows that something waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Since when.
    at: Timestamp,
    /// How often it was called since it polled last.
    times: u32,
}

/// How a client can be reached, and what was tried.
#[derive(Default)]
pub(crate) struct Calls {
    /// What calls it. Known after its first message to this process.
    pub(crate) cir: Option<Arc<Cir>>,
    /// Its WebSocket: then nothing is called, all is pushed.
    pub(crate) socket: Option<Arc<Socket>>,
    /// Its STCP connection.
    pub(crate) tcp: Option<Arc<Connection>>,
    /// Its request for the CIR URL that waits.
    pub(crate) http: Option<Waiting>,
    /// The last message.
    pub(crate) data: Option<DataUse>,
    /// The last call.
    pub(crate) call: Option<CallUse>,
    /// When the timer looks at this client next.
    pub(crate) due: Option<Timestamp>,
    told: Option<Told>,
    /// Messages of the client that are being answered.
    busy: u32,
    /// Something came to wait meanwhile.
    missed: bool,
}

/// What is to be done about something that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Call the client.
    Call,
    /// It knows, or will know by an answer that is on its way.
    Leave,
    /// It knows; look again then.
    LookAt(Timestamp),
}

impl Calls {
    /// A message of the client has come.
    pub(crate) fn begin(&mut self, use_: DataUse) {
        self.busy += 1;
        self.data = Some(use_);
    }

    /// It asks for what waits: whatever it was told has done its work.
    pub(crate) fn polled(&mut self, now: Timestamp) -> bool {
        self.told = None;
        match &mut self.call {
            Some(call) if matches!(call.result, CallResult::Sent | CallResult::Unanswered) => {
                call.result = CallResult::Answered(now.since(call.at));
                true
            }
            _ => false,
        }
    }

    /// An answer with Poll T is going out.
    pub(crate) fn flagged(&mut self, now: Timestamp) {
        self.told.get_or_insert(Told { at: now, times: 0 });
    }

    /// A message of the client is answered. Whether something came to wait meanwhile that the answer does not tell.
    pub(crate) fn end(&mut self, answer: Option<u32>) -> bool {
        self.busy = self.busy.saturating_sub(1);
        if let Some(data) = &mut self.data {
            data.answer = answer;
        }
        self.busy == 0 && std::mem::take(&mut self.missed) && self.told.is_none()
    }

    /// Whether the client knows that something waits.
    pub(crate) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// Nothing waits any more.
    pub(crate) fn settled(&mut self) {
        self.told = None;
    }

    /// Something waits, at this moment.
    pub(crate) fn decide(&mut self, now: Timestamp, repeat_after: Duration) -> Decision {
        match self.told {
            Some(told) => {
                let wait = repeat_after.saturating_mul(1 << told.times.saturating_sub(1).min(DOUBLINGS));
                let at = told.at.plus(wait);
                if at <= now { Decision::Call } else { Decision::LookAt(at) }
            }
            None if self.busy > 0 => {
                self.missed = true;
                Decision::Leave
            }
            None => Decision::Call,
        }
    }

    /// The ways to call it that are there, in the order in which they are tried: STCP if it is connected, then what was
    /// agreed upon in the client's order (CSP 15.4); but the way that no poll followed comes last.
    pub(crate) fn ways(&self, agreed: &[CirMethod], has_address: bool) -> Vec<CallMethod> {
        let mut ways = Vec::with_capacity(3);
        if self.tcp.is_some() {
            ways.push(CallMethod::Tcp);
        }
        ways.extend(agreed.iter().filter_map(|method| match method {
            CirMethod::StandaloneUdp => Some(CallMethod::Udp).filter(|_| has_address),
            CirMethod::StandaloneHttp => Some(CallMethod::Http).filter(|_| self.http.is_some()),
            // STCP counts where it is connected. The others need a mobile network.
            CirMethod::StandaloneTcp | CirMethod::WapSms | CirMethod::WapUdp | CirMethod::StandaloneSms => None,
        }));
        if let Some(CallUse { method, result: CallResult::Unanswered, .. }) = &self.call
            && let Some(at) = ways.iter().position(|way| way == method)
        {
            ways[at..].rotate_left(1);
        }
        ways
    }

    /// A repeat is due: no poll has followed the last call.
    pub(crate) fn give_up_last(&mut self) -> bool {
        match &mut self.call {
            Some(call) if self.told.is_some() && call.result == CallResult::Sent => {
                call.result = CallResult::Unanswered;
                true
            }
            _ => false,
        }
    }

    /// It was called so.
    pub(crate) fn called(&mut self, method: CallMethod, now: Timestamp) {
        let times = self.told.map_or(0, |told| told.times) + 1;
        self.told = Some(Told { at: now, times });
        self.call = Some(CallUse { method, at: now, result: CallResult::Sent });
    }

    /// It could not be called so.
    pub(crate) fn failed(&mut self, method: CallMethod, now: Timestamp, why: &'static str) {
        self.call = Some(CallUse { method, at: now, result: CallResult::Failed(why) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;
    use imps_proto::wire::Form;

    const AFTER: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    fn message(seconds: u64) -> DataUse {
        DataUse { channel: Channel::Http, form: Form::Xml, at: at(seconds), answer: None }
    }

    #[test]
    fn a_burst_is_one_call() {
        let mut calls = Calls::default();
        assert_eq!(calls.decide(at(0), AFTER), Decision::Call);
        calls.called(CallMethod::Udp, at(0));
        for second in 0..30 {
            assert_eq!(calls.decide(at(second), AFTER), Decision::LookAt(at(30)));
        }
        assert!(calls.polled(at(2)), "the call was answered");
        assert_eq!(calls.call.as_ref().unwrap().result, CallResult::Answered(Duration::from_secs(2)));
        assert!(!calls.polled(at(3)), "by the first poll");
        assert_eq!(calls.decide(at(3), AFTER), Decision::Call);
    }

    #[test]
    fn a_poll_flag_spares_the_call() {
        let mut calls = Calls::default();
        calls.begin(message(0));
        assert_eq!(calls.decide(at(0), AFTER), Decision::Leave, "the answer will tell");
        calls.flagged(at(0));
        assert!(!calls.end(Some(1)));
        assert_eq!(calls.decide(at(1), AFTER), Decision::LookAt(at(30)));
        assert_eq!(calls.decide(at(30), AFTER), Decision::Call, "the answer was lost");
    }

    #[test]
    fn what_the_answer_did_not_tell_is_told_afterwards() {
        let mut calls = Calls::default();
        calls.begin(message(0));
        calls.begin(message(0));
        assert_eq!(calls.decide(at(0), AFTER), Decision::Leave);
        assert!(!calls.end(None), "the other message is being answered still");
        assert!(calls.end(None));
        assert_eq!(calls.decide(at(0), AFTER), Decision::Call);
        calls.begin(message(0));
        assert!(!calls.end(None), "once");
    }

    #[test]
    fn calls_are_repeated_at_longer_and_longer_intervals() {
        let mut calls = Calls::default();
        let mut called = Vec::new();
        for second in 0..5000 {
            if calls.decide(at(second), AFTER) == Decision::Call {
                calls.give_up_last();
                calls.called(CallMethod::Tcp, at(second));
                called.push(second);
            }
        }
        assert_eq!(called, [0, 30, 90, 210, 450, 930, 1890, 2850, 3810, 4770]);
    }

    #[test]
    fn the_clients_order_holds_and_what_failed_comes_last() {
        use CirMethod::{StandaloneHttp, StandaloneTcp, StandaloneUdp, WapUdp};
        let agreed = [WapUdp, StandaloneUdp, StandaloneTcp, StandaloneHttp];
        let mut calls = Calls::default();
        assert_eq!(calls.ways(&agreed, false), [], "nothing is connected, and nobody knows where it is");
        calls.http = Some(Waiting::new().0);
        assert_eq!(calls.ways(&agreed, true), [CallMethod::Udp, CallMethod::Http]);
        assert_eq!(calls.ways(&[StandaloneHttp, StandaloneUdp], true), [CallMethod::Http, CallMethod::Udp]);
        calls.called(CallMethod::Udp, at(0));
        assert!(calls.give_up_last());
        assert_eq!(calls.ways(&agreed, true), [CallMethod::Http, CallMethod::Udp]);
        calls.called(CallMethod::Http, at(1));
        assert!(calls.give_up_last());
        assert_eq!(calls.ways(&agreed, true), [CallMethod::Udp, CallMethod::Http]);
        assert_eq!(calls.ways(&[], true), []);
    }
}
