//! What waits for other domains in the store is posted there, in order, until it was taken (SSP 7.3, 14).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use imps_proto::ssp::{
    ContentData, DeliveryResult, DeliveryStatusReport, DeliveryTime, MetaInfo, Primitive, SendMessageRequest,
};
use imps_service::im::{Abroad, AbroadWhat};
use imps_types::element::{ResultInfo, Sender};
use imps_types::{Address, Domain, Status, TransactionId, UserId};
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::Notify;

use super::{Face, KEPT, PAUSE, PAUSE_MAX, is_passing};
use crate::ssp::{Ask, Ssp, Unanswered};

/// Rows that are read at once.
const PAGE: usize = 64;
/// Rows of a domain that are under way at once, their bytes, and how many of them may wait behind each other.
const UNDER_WAY: usize = 512;
const UNDER_WAY_BYTES: usize = 16 << 20;
const IN_LANE: usize = 8;
/// How often something is posted that a peer takes and never answers: after that it counts as taken.
const UNANSWERED_MAX: u32 = 3;

/// What waits for a domain is posted by one task.
#[derive(Default)]
pub(super) struct Pump {
    pub(super) wake: Notify,
    /// Ends the pauses between attempts.
    again: Notify,
    state: Mutex<UnderWay>,
}

/// What is being carried.
#[derive(Default)]
struct UnderWay {
    sequences: FxHashSet<u64>,
    bytes: usize,
    /// One after the other, by lane.
    lanes: FxHashMap<u64, VecDeque<Abroad>>,
    /// What is through. A look at the store that began before may see it still, so it counts as under way until the next.
    done: Vec<u64>,
}

/// What became of a row that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    /// It is carried by who carries its lane.
    Queued,
    /// It is carried, and nobody carries its lane yet.
    Alone(u64),
    /// It was under way before.
    Before,
    /// Too much is in its lane.
    LaneIsFull,
    /// Too much is under way.
    Full,
}

fn bytes_of(row: &Abroad) -> usize {
    match &row.what {
        AbroadWhat::Message(message) => 512 + message.content.len(),
        AbroadWhat::Report(_) => 512,
    }
}

impl Pump {
    /// `skipped`: lanes of which an earlier row was left aside in this look. A later one must not go before it.
    fn begin(&self, row: Abroad, skipped: &mut FxHashSet<u64>) -> Begun {
        let mut state = self.state.lock();
        if state.sequences.contains(&row.sequence) {
            return Begun::Before;
        }
        let bytes = bytes_of(&row);
        if state.sequences.len() >= UNDER_WAY || (state.bytes > 0 && state.bytes + bytes > UNDER_WAY_BYTES) {
            return Begun::Full;
        }
        let lane = lane_of(&row);
        let is_full = state.lanes.get(&lane).is_some_and(|waiting| waiting.len() >= IN_LANE);
        if is_full || skipped.contains(&lane) {
            skipped.insert(lane);
            return Begun::LaneIsFull;
        }
        let is_new = !state.lanes.contains_key(&lane);
        state.sequences.insert(row.sequence);
        state.bytes += bytes;
        state.lanes.entry(lane).or_default().push_back(row);
        if is_new { Begun::Alone(lane) } else { Begun::Queued }
    }

    /// The next of a lane; none: whoever carries it is through.
    fn next(&self, lane: u64) -> Option<Abroad> {
        let mut state = self.state.lock();
        let next = state.lanes.get_mut(&lane).and_then(VecDeque::pop_front);
        if next.is_none() {
            state.lanes.remove(&lane);
        }
        next
    }

    /// A row is through. Whether there is reason to look for more: much room, or none before.
    fn end(&self, sequence: u64, bytes: usize, lane: u64) -> bool {
        let mut state = self.state.lock();
        let was_full = state.sequences.len() >= UNDER_WAY || state.bytes >= UNDER_WAY_BYTES / 2;
        state.done.push(sequence);
        state.bytes = state.bytes.saturating_sub(bytes);
        let is_drained = state.lanes.get(&lane).is_none_or(VecDeque::is_empty);
        was_full || is_drained
    }

    fn forget_done(&self) {
        let mut state = self.state.lock();
        for sequence in std::mem::take(&mut state.done) {
            state.sequences.remove(&sequence);
        }
    }

    fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.sequences.is_empty() && state.lanes.is_empty()
    }
}

impl Face {
    /// What waits for a domain is tried again now.
    pub(super) fn hurry(&self, domain: &Domain) {
        if let Some(pump) = self.pumps.lock().get(domain) {
            pump.again.notify_waiters();
        }
    }

    /// Posts what waits for a domain, until nothing does.
    pub(super) async fn pump(self: Arc<Self>, domain: Domain, pump: Arc<Pump>) {
        // Whatever has a smaller number is under way, or through.
        let mut from = 0;
        loop {
            pump.forget_done();
            from = match self.look(&domain, &pump, from).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::warn!(%domain, %error, "what waits for a domain cannot be read");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            if tokio::time::timeout(KEPT, pump.wake.notified()).await.is_ok() {
                continue;
            }
            pump.forget_done();
            let mut pumps = self.pumps.lock();
            // Whoever wakes it has the table meanwhile.
            if pump.is_idle() {
                pumps.remove(&domain);
                // Something may have been left aside: the next who is woken begins at the beginning.
                return;
            }
        }
    }

    /// Takes on what waits from a number on, as much as there is room for. From where the next look begins.
    async fn look(&self, domain: &Domain, pump: &Arc<Pump>, from: u64) -> Result<u64, imps_service::Error> {
        let (mut from, mut skipped, mut lanes) = (from, None, FxHashSet::default());
        loop {
            let rows = self.services.im().waiting_abroad(domain, from, PAGE).await?;
            let is_last = rows.len() < PAGE;
            for row in rows {
                let sequence = row.sequence;
                match pump.begin(row, &mut lanes) {
                    Begun::Alone(lane) => {
                        if let Some(this) = self.this.upgrade() {
                            tokio::spawn(this.carry_lane(pump.clone(), lane));
                        }
                    }
                    Begun::Queued | Begun::Before => {}
                    Begun::LaneIsFull => {
                        skipped.get_or_insert(sequence);
                    }
                    Begun::Full => return Ok(skipped.unwrap_or(sequence)),
                }
                from = sequence.saturating_add(1);
            }
            if is_last {
                return Ok(skipped.unwrap_or(from));
            }
        }
    }

    /// Carries what is in a lane: the next one when the one before has been taken, so that the order holds whatever fails.
    async fn carry_lane(self: Arc<Self>, pump: Arc<Pump>, lane: u64) {
        while let Some(row) = pump.next(lane) {
            let (sequence, bytes) = (row.sequence, bytes_of(&row));
            // If its time was over, it lies there until the store is swept.
            self.carry(&pump, row, lane).await;
            if pump.end(sequence, bytes, lane) {
                pump.wake.notify_one();
            }
        }
    }

    /// Carries one thing to its domain, however often it must be posted, until it was taken or its time is over: whoever
    /// sweeps the store tells the sender then.
    async fn carry(&self, pump: &Pump, mut row: Abroad, lane: u64) {
        if let Ok(Some(name)) = self.services.im().name_of_held(&row).await
            && let AbroadWhat::Message(message) = &mut row.what
        {
            message.info.message_id = Some(name);
        }
        // The same at every attempt, and after a restart, until there is an answer: the peer can tell that it is the same.
        let name = |refused: u32| TransactionId::new(&format!("{:020}-{refused}", row.sequence));
        let (mut pause, mut unanswered, mut refused_times) = (PAUSE, 0, 0);
        while self.services.clock.now() < expires(&row) {
            let Some(ssp) = self.ssp() else { return };
            if let AbroadWhat::Report(_) = &row.what
                && self.reports_as_answer(&ssp, &row).await
            {
                return;
            }
            let left = expires(&row).since(self.services.clock.now());
            let within = Some(ssp.reply_within().min(left));
            let ask = Ask {
                primitive: self.primitive_of(&row),
                id: Some(name(refused_times)),
                lane: Some(lane),
                within,
                hurries: false,
            };
            let end = match ssp.ask(&row.domain, ask).await {
                Ok(answer) => {
                    // Asked by the same name it would say the same again (SSP 7.3).
                    refused_times += 1;
                    end_of(answer.outcome(), &row)
                }
                Err(failure) => {
                    unanswered += u32::from(failure.taken);
                    // Who does not remember what it was told may be told once: what became of it is not known then.
                    let is_over = unanswered >= if ssp.remembers(&row.domain) { UNANSWERED_MAX } else { 1 };
                    if is_over {
                        tracing::warn!(domain = %row.domain, sequence = row.sequence, "taken, and never answered");
                        End::Settled(all_refused(&row, Status::TIMEOUT))
                    } else {
                        end_without_answer(&failure, &row)
                    }
                }
            };
            drop(ssp);
            match end {
                End::Settled(refused) => match self.services.im().settled_abroad(&row, &refused).await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(domain = %row.domain, %error, "what was taken waits still"),
                },
                End::Later(wished) => pause = wished.unwrap_or(pause).clamp(PAUSE, PAUSE_MAX),
            }
            let is_ended = tokio::time::timeout(pause, pump.again.notified()).await.is_ok();
            pause = if is_ended { PAUSE } else { (pause * 2).min(PAUSE_MAX) };
        }
    }

    /// Some hear of a message only by an answer to the transaction that brought it (SSP 17). Whether this one was told so.
    async fn reports_as_answer(&self, ssp: &Arc<Ssp>, row: &Abroad) -> bool {
        if ssp.remembers(&row.domain) || !ssp.has_session(&row.domain) {
            return false;
        }
        let transaction = self.services.im().transaction_of_report(row).await;
        let Ok(Some(transaction)) = transaction else { return false };
        let id = TransactionId::new(&transaction);
        ssp.tell_as_answer(&row.domain, id, self.primitive_of(row)).await;
        if let Err(error) = self.services.im().settled_abroad(row, &[]).await {
            tracing::warn!(domain = %row.domain, %error, "a report that was told waits still");
        }
        true
    }

    fn primitive_of(&self, row: &Abroad) -> Primitive {
        let own = self.own();
        match &row.what {
            AbroadWhat::Message(message) => {
                let mut info = message.info.clone();
                info.ext_blocks = Vec::new();
                // Its life there ends when it would end here.
                let left = message.expires.since(self.services.clock.now()).as_secs().max(1);
                info.validity = Some(u32::try_from(left).unwrap_or(u32::MAX));
                let content = imps_types::element::Content { data: message.content.clone(), binary: message.binary };
                let user = match &info.sender {
                    Some(Sender::User(user)) => user.clone(),
                    _ => imps_types::element::User::of(&message.sender),
                };
                let content = Some(ContentData::of(&info, content));
                let meta = MetaInfo::of_user(own, user);
                SendMessageRequest { meta, delivery_report: Some(message.report), info, content }.into()
            }
            AbroadWhat::Report(report) => DeliveryStatusReport {
                meta: Some(MetaInfo::of_domain(own)),
                result: DeliveryResult { status: ResultInfo::of(report.result) },
                time: Some(DeliveryTime(Some(report.time))),
                info: report.info.clone(),
            }
            .into(),
        }
    }
}

/// How an attempt ended.
enum End {
    /// It was taken, but for these.
    Settled(Vec<(Address, Status)>),
    /// Not yet; after this time, if the peer named one.
    Later(Option<Duration>),
}

fn expires(row: &Abroad) -> imps_service::Timestamp {
    match &row.what {
        AbroadWhat::Message(message) => message.expires,
        AbroadWhat::Report(report) => report.expires,
    }
}

/// Messages of one sender to one domain keep their order, and reports on one message.
fn lane_of(row: &Abroad) -> u64 {
    use std::hash::BuildHasher as _;
    let key = match &row.what {
        AbroadWhat::Message(message) => (message.sender.as_str(), None),
        AbroadWhat::Report(report) => (report.recipient.as_str(), report.info.message_id.as_deref()),
    };
    rustc_hash::FxBuildHasher.hash_one(key)
}

/// Everybody who should have got it, with the reason why not.
fn all_refused(row: &Abroad, status: Status) -> Vec<(Address, Status)> {
    match &row.what {
        AbroadWhat::Message(message) => {
            message.info.recipient.users.iter().map(|user| (user.user_id.clone(), status)).collect()
        }
        AbroadWhat::Report(_) => Vec::new(),
    }
}

fn end_of(outcome: Option<&ResultInfo>, row: &Abroad) -> End {
    let Some(outcome) = outcome else { return End::Settled(Vec::new()) };
    // What it says of others is not heard: they are not in the message.
    let detail_of = |user: &Address| {
        let is_it = |said: &Address| {
            said == user || UserId::parse(said.as_str(), &row.domain).is_ok_and(|said| Address::from(&said) == *user)
        };
        outcome.detailed.iter().find(|one| one.user_ids.iter().any(is_it)).map(|one| one.status)
    };
    let everybody = |status| all_refused(row, status).into_iter();
    match outcome.status {
        status if status.is_success() || status == Status::QUEUED => {
            End::Settled(everybody(status).filter_map(|(user, _)| detail_of(&user).map(|why| (user, why))).collect())
        }
        status if is_passing(status) && outcome.detailed.is_empty() => {
            End::Later(outcome.try_again.map(|seconds| Duration::from_secs(seconds.into())))
        }
        status => {
            let why = |(user, status)| (detail_of(&user).unwrap_or(status), user);
            End::Settled(everybody(status).map(why).map(|(why, user)| (user, why)).collect())
        }
    }
}

fn end_without_answer(failure: &Unanswered, row: &Abroad) -> End {
    match failure.status {
        status @ (Status::DOMAIN_NOT_SUPPORTED
        | Status::SERVICE_NOT_AGREED
        | Status::RESPONSE_TOO_LARGE
        | Status::BAD_PARAMETER) => End::Settled(all_refused(row, status)),
        _ => End::Later(failure.try_again),
    }
}

#[cfg(test)]
mod tests {
    use imps_service::Timestamp;
    use imps_service::event::Message;
    use imps_types::MessageId;
    use imps_types::element::{DetailedResult, MessageInfo, Recipient, User};

    use super::*;

    fn row() -> Abroad {
        let users = ["wv:bob@b.example", "wv:bea@b.example"].map(User::of).into();
        let message = Message {
            id: MessageId::new(1),
            sender: UserId::from_canonical("wv:alice@a.example"),
            info: MessageInfo { recipient: Recipient { users, ..Recipient::default() }, ..MessageInfo::default() },
            content: Vec::new().into(),
            binary: false,
            shared: false,
            report: true,
            expires: Timestamp(1),
            kept: imps_service::event::Kept::default(),
        };
        Abroad {
            domain: Domain::parse("b.example").expect("a domain"),
            sequence: 1,
            what: AbroadWhat::Message(message),
        }
    }

    fn refused(status: Status, about: &[&str]) -> Vec<(String, u16)> {
        let user_ids = about.iter().map(|user| Address::new(user)).collect();
        let one = DetailedResult { user_ids, ..DetailedResult::of(Status::UNKNOWN_USER) };
        let detailed = if about.is_empty() { Vec::new() } else { vec![one] };
        let outcome = ResultInfo { detailed, ..ResultInfo::of(status) };
        let End::Settled(refused) = end_of(Some(&outcome), &row()) else { panic!("it has an end") };
        refused.into_iter().map(|(user, why)| (user.as_str().to_owned(), why.code())).collect()
    }

    #[test]
    fn a_peer_says_what_became_of_the_recipients_and_of_nobody_else() {
        let of =
            |pairs: &[(&str, u16)]| pairs.iter().map(|(user, code)| ((*user).to_owned(), *code)).collect::<Vec<_>>();
        assert_eq!(refused(Status::SUCCESSFUL, &[]), of(&[]));
        let about = ["wv:BOB@b.example", "wv:alice@a.example", "wv:zoe@b.example"];
        assert_eq!(refused(Status::PARTIALLY_SUCCESSFUL, &about), of(&[("wv:bob@b.example", 531)]));
        // Nobody got it, whomever it names.
        let both = [("wv:bob@b.example", 531), ("wv:bea@b.example", 500)];
        assert_eq!(refused(Status::INTERNAL_ERROR, &about), of(&both));
    }

    #[test]
    fn what_cannot_be_read_there_is_not_tried_again() {
        for (http, is_settled) in [(400, true), (415, true), (413, true), (404, false)] {
            let failure = Unanswered::from(crate::machine::Failure::Refused(http));
            let end = end_without_answer(&failure, &row());
            assert_eq!(matches!(end, End::Settled(all) if all.len() == 2), is_settled, "HTTP {http}");
        }
    }
}
