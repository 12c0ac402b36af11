//! What waits for one client: bounded, and the store holds what does not fit.
//!
//! Messages and reports have sequence numbers, and are committed in the order of these. At any time those from
//! `stored_from` on are left to the store, to be fetched by a scan; the others came by themselves. So each of them
//! gets here by one of the two ways only, and none twice:
//!
//! ```text
//!   new session ──> everything is in the store ──(scan reaches the end)──> what comes is pushed
//!                              ^                                                │
//!                              └───────────────(too much waits)─────────────────┘
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use imps_types::element::{Notification, NotificationTypes, Payload, PayloadKind, ResultInfo};
use imps_types::presence::AttributeSet;
use imps_types::{GroupId, Status, UserId};

use super::presence_queue::{PresenceQueue, Told};
use crate::event::{Event, Message, Notice, Report};
use crate::group::{GroupNews, GroupState};
use crate::user::UserState;

/// What other domains told, as much of it as waits.
const TOLD_MAX: usize = 256;

/// Something that waits, before it becomes an [`Event`](crate::event::Event).
#[derive(Clone, Debug)]
pub enum Pending {
    /// A message.
    Message(Arc<Message>),
    /// A delivery report.
    Report(Arc<Report>),
    /// Something else that the user must hear of.
    Notice(Arc<Notice>),
    /// Something of the user's changed.
    Notification(Notification),
    /// The client was forced out of a group.
    ForcedLeave {
        /// The group.
        group: GroupId,
        /// Why.
        reason: Status,
    },
    /// A group changed.
    GroupChange {
        /// The group.
        group: Arc<GroupState>,
        /// What the client was not told of it yet.
        news: Box<GroupNews>,
    },
    /// What another domain told, as it is.
    Told(Event),
    /// Presence of somebody changed.
    Presence {
        /// The publisher.
        publisher: Arc<UserState>,
        /// Attributes with a new value.
        changed: AttributeSet,
        /// Attributes that the watcher may see no longer.
        lost: AttributeSet,
    },
    /// The session is over.
    Disconnect(ResultInfo),
}

/// Something that waits, and whether it will be told.
#[derive(Debug)]
pub(crate) enum Promise {
    /// It will.
    Certain,
    /// If it has not expired, and is for the client as that is now.
    Message(u64, Arc<Message>),
    /// If nobody took it back.
    Notice(u64, Arc<Notice>),
    /// If the client's version tells of it.
    GroupChange(Arc<GroupState>),
    /// If the publisher has values for it that the client may see.
    Presence(Arc<UserState>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// From this sequence number on, messages are fetched by scanning the store; `more` came since the last scan began.
    Stored { from: u64, more: bool },
    /// Messages come by themselves.
    Pushed,
}

/// The events of one session.
#[derive(Debug)]
pub struct Outbox {
    disconnect: Option<ResultInfo>,
    items: BTreeMap<u64, Item>,
    bytes: usize,
    way: Way,
    /// What scans have fetched: what comes by itself and lies in here came before. The last time, and the time before.
    fetched: [Fetched; 2],
    /// The greatest number that ever got here.
    highest: u64,
    /// Groups that the client was forced out of.
    leaves: Vec<(GroupId, Status)>,
    /// Groups that changed, oldest first.
    groups: VecDeque<(Arc<GroupState>, Box<GroupNews>)>,
    /// What other domains told, oldest first.
    told: VecDeque<Event>,
    /// Whether the last event was a change of a group: then a message comes first, so that neither keeps the other away.
    told_of_group: bool,
    /// The least number of a message that was not for this session as it was then.
    passed_over: Option<u64>,
    /// What happened to the user's things, oldest first.
    notifications: Vec<Notification>,
    /// Whose presence changed.
    presence: PresenceQueue,
}

/// The numbers from `floor` up to `scanned`.
#[derive(Clone, Copy, Debug, Default)]
struct Fetched {
    floor: u64,
    scanned: u64,
}

impl Fetched {
    fn holds(self, sequence: u64) -> bool {
        (self.floor..=self.scanned).contains(&sequence)
    }
}

#[derive(Clone, Debug)]
enum Item {
    Message(Arc<Message>),
    Report(Arc<Report>),
    Notice(Arc<Notice>),
}

impl Item {
    fn weight(&self) -> usize {
        match self {
            Self::Message(message) => 512 + message.content.len(),
            Self::Report(_) | Self::Notice(_) => 512,
        }
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            disconnect: None,
            items: BTreeMap::new(),
            bytes: 0,
            way: Way::Stored { from: 0, more: true },
            fetched: [Fetched::default(); 2],
            highest: 0,
            leaves: Vec::new(),
            groups: VecDeque::new(),
            told: VecDeque::new(),
            told_of_group: false,
            passed_over: None,
            notifications: Vec::new(),
            presence: PresenceQueue::default(),
        }
    }
}

/// Whether both tell of the same message that waits in another domain.
fn is_same_message(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::MessageNotification(one), Event::MessageNotification(other)) => {
            one.info.message_id == other.info.message_id
        }
        _ => false,
    }
}

impl Outbox {
    /// Whether nothing waits here. The store may still have something: see [`Outbox::wants_refill`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many events wait here.
    pub fn len(&self) -> usize {
        usize::from(self.disconnect.is_some())
            + self.leaves.len()
            + self.items.len()
            + self.groups.len()
            + self.told.len()
            + self.notifications.len()
            + self.presence.len()
    }

    /// Whether the store must be looked at before it can be said that no message waits: the number to scan from.
    pub fn wants_refill(&self) -> Option<u64> {
        match self.way {
            Way::Stored { from, .. } if self.items.is_empty() => Some(from),
            _ => None,
        }
    }

    /// The session is over: what else waits is of no interest to the client any more.
    pub(crate) fn disconnect(&mut self, result: ResultInfo) {
        self.disconnect = Some(result);
    }

    /// A message was committed.
    pub(crate) fn message(&mut self, message: Arc<Message>, most: usize, most_bytes: usize) -> bool {
        let sequence = message.id.sequence();
        self.push(sequence, Item::Message(message), most, most_bytes)
    }

    /// A report was committed.
    pub(crate) fn report(&mut self, report: Arc<Report>, most: usize, most_bytes: usize) -> bool {
        let sequence = report.id.sequence();
        self.push(sequence, Item::Report(report), most, most_bytes)
    }

    /// A notice was committed.
    pub(crate) fn notice(&mut self, notice: Arc<Notice>, most: usize, most_bytes: usize) -> bool {
        let sequence = notice.id.sequence();
        self.push(sequence, Item::Notice(notice), most, most_bytes)
    }

    /// The notices that wait here.
    pub(crate) fn notices(&self) -> Vec<Arc<Notice>> {
        let notice = |item: &Item| match item {
            Item::Notice(notice) => Some(notice.clone()),
            Item::Message(_) | Item::Report(_) => None,
        };
        self.items.values().filter_map(notice).collect()
    }

    /// A notice that came before and was not for the client is now. What a scan will find is left to it.
    pub(crate) fn notice_again(&mut self, notice: Arc<Notice>, most: usize) {
        let sequence = notice.id.sequence();
        let is_left = matches!(self.way, Way::Stored { from, .. } if sequence >= from);
        if !is_left && self.items.len() < most.max(1) && !self.items.contains_key(&sequence) {
            let item = Item::Notice(notice);
            self.bytes += item.weight();
            self.items.insert(sequence, item);
        }
    }

    /// Whether the client should be woken.
    fn push(&mut self, sequence: u64, item: Item, most: usize, most_bytes: usize) -> bool {
        match &mut self.way {
            Way::Stored { from, more } if sequence >= *from => {
                *more = true;
                return true;
            }
            _ if self.fetched.iter().any(|fetched| fetched.holds(sequence)) => return false,
            Way::Stored { .. } => {}
            Way::Pushed => {
                let full = self.items.len() >= most || self.bytes + item.weight() > most_bytes.max(item.weight());
                // One that was overtaken is taken even so: a scan from it would find again what overtook it.
                if full && sequence > self.highest {
                    self.way = Way::Stored { from: sequence, more: true };
                    self.fetched = [Fetched { floor: sequence, scanned: 0 }, self.fetched[0]];
                    return true;
                }
            }
        }
        self.highest = self.highest.max(sequence);
        self.bytes += item.weight();
        self.items.insert(sequence, item);
        true
    }

    /// Before a scan of the store from [`Outbox::wants_refill`].
    pub(crate) fn begin_refill(&mut self) {
        if let Way::Stored { more, .. } = &mut self.way {
            *more = false;
        }
    }

    /// After the scan: what it found, in order; `complete` when there was no more. `last` is the greatest sequence number
    /// that the scan saw.
    pub(crate) fn refilled(&mut self, found: Vec<Pending>, last: Option<u64>, complete: bool) {
        for one in found {
            let (sequence, item) = match one {
                Pending::Message(message) => (message.id.sequence(), Item::Message(message)),
                Pending::Report(report) => (report.id.sequence(), Item::Report(report)),
                Pending::Notice(notice) => (notice.id.sequence(), Item::Notice(notice)),
                Pending::ForcedLeave { .. }
                | Pending::GroupChange { .. }
                | Pending::Told(_)
                | Pending::Notification(_)
                | Pending::Presence { .. }
                | Pending::Disconnect(_) => continue,
            };
            self.bytes += item.weight();
            self.items.insert(sequence, item);
        }
        if let Some(last) = last {
            self.fetched[0].scanned = self.fetched[0].scanned.max(last);
            self.highest = self.highest.max(last);
        }
        if let Way::Stored { from, more } = self.way {
            let from = last.map_or(from, |last| last + 1);
            self.way = if complete && !more { Way::Pushed } else { Way::Stored { from, more } };
        }
    }

    /// A message that scans have left out waits for this session after all.
    pub(crate) fn restore(&mut self, message: Arc<Message>) {
        let sequence = message.id.sequence();
        // Who scans the store from before it finds it himself.
        let is_left_to_scan = matches!(self.way, Way::Stored { from, .. } if sequence >= from);
        if !is_left_to_scan && !self.items.contains_key(&sequence) {
            let item = Item::Message(message);
            self.bytes += item.weight();
            self.items.insert(sequence, item);
        }
    }

    /// The client was forced out of a group: nothing else is told of it.
    pub(crate) fn forced_leave(&mut self, group: GroupId, reason: Status) {
        self.forget_leave(&group);
        self.leaves.push((group, reason));
    }

    /// The client has joined again: that it was forced out before is not told any more.
    pub(crate) fn forget_leave(&mut self, group: &GroupId) {
        self.leaves.retain(|(one, _)| one != group);
    }

    /// Notes a change of a group; what was not fetched yet is merged.
    pub(crate) fn group_news(&mut self, group: &Arc<GroupState>, note: impl FnOnce(&mut GroupNews)) {
        match self.groups.iter().position(|(one, _)| Arc::ptr_eq(one, group)) {
            Some(place) => {
                let Some((_, news)) = self.groups.get_mut(place) else { return };
                note(news);
                if news.is_nothing() {
                    // Who came has gone again.
                    self.groups.remove(place);
                }
            }
            None => {
                let mut news = Box::default();
                note(&mut news);
                self.groups.push_back((group.clone(), news));
            }
        }
    }

    /// Another domain told something that is not kept here. What it says of a publisher follows what it said before. With
    /// [`TOLD_MAX`] waiting, or `bytes`, the oldest is dropped. `false`: it alone is larger, and not taken.
    pub(crate) fn told(&mut self, event: Event, bytes: usize) -> bool {
        if event.weight() > bytes {
            return false;
        }
        if self.told.iter().any(|one| is_same_message(one, &event)) {
            return true;
        }
        match self.told_before(&event) {
            Some((place, both)) => {
                if let Some(before) = self.told.get_mut(place) {
                    // What was said before is dropped if there is no room for both.
                    *before = if both.weight() > bytes { event } else { both };
                }
            }
            None => self.told.push_back(event),
        }
        let mut waiting = self.told.iter().map(Event::weight).sum::<usize>();
        while self.told.len() > TOLD_MAX || waiting > bytes {
            let Some(oldest) = self.told.pop_front() else { break };
            waiting = waiting.saturating_sub(oldest.weight());
        }
        true
    }

    /// The client is not told any more that this message waits in another domain.
    pub(crate) fn forget_waiting(&mut self, id: &str) {
        let is_it = |one: &Event| match one {
            Event::MessageNotification(message) => message.info.message_id.as_deref() == Some(id),
            _ => false,
        };
        self.told.retain(|one| !is_it(one));
    }

    /// Where something waits about the same publisher, and what it is with this after it.
    fn told_before(&self, event: &Event) -> Option<(usize, Event)> {
        let Event::Presence(new) = event else { return None };
        let [new] = new.as_slice() else { return None };
        self.told.iter().enumerate().find_map(|(place, one)| match one {
            Event::Presence(old) => match old.as_slice() {
                [old] if old.user == new.user => Some((place, Event::Presence(vec![Arc::new(old.followed_by(new))]))),
                _ => None,
            },
            _ => None,
        })
    }

    /// What waits to be told of a group.
    pub(crate) fn news_of(&self, group: &Arc<GroupState>) -> Option<&GroupNews> {
        self.groups.iter().find(|(one, _)| Arc::ptr_eq(one, group)).map(|(_, news)| &**news)
    }

    /// What did not fit into one notice comes with the next.
    pub(crate) fn rest_of_news(&mut self, group: &Arc<GroupState>, rest: GroupNews) {
        match self.groups.iter_mut().find(|(one, _)| Arc::ptr_eq(one, group)) {
            Some((_, news)) => {
                let later = std::mem::replace(&mut **news, rest);
                news.followed_by(later);
            }
            None => self.groups.push_back((group.clone(), Box::new(rest))),
        }
    }

    /// The client knows its own properties of a group.
    pub(crate) fn forget_own(&mut self, group: &GroupId) {
        for (one, news) in &mut self.groups {
            if one.id == *group {
                news.forget_own();
            }
        }
        self.groups.retain(|(_, news)| !news.is_nothing());
    }

    /// Changes of a group are not told any more.
    pub(crate) fn forget_news(&mut self, group: &GroupId) {
        self.groups.retain(|(one, _)| one.id != *group);
        self.told.retain(|one| !matches!(one, Event::GroupChange(change) if change.group == *group));
    }

    /// Nothing of a group is told any more, its messages included.
    pub(crate) fn forget_group(&mut self, group: &GroupId) {
        self.forget_news(group);
        let bytes = &mut self.bytes;
        self.items.retain(|_, item| {
            let is_of_group = matches!(item, Item::Message(message) if message.group() == Some(group.as_str()));
            if is_of_group {
                *bytes = bytes.saturating_sub(item.weight());
            }
            !is_of_group
        });
    }

    /// Something of the user's changed. What it says is not said a second time of what waits. With `most` waiting the
    /// oldest is dropped: `false`.
    pub(crate) fn notification(&mut self, new: Notification, most: usize) -> bool {
        self.notifications.retain(|old| !is_said_by(old, &new));
        if let Some(last) = self.notifications.last_mut().filter(|last| last.kind == new.kind)
            && merge(&mut last.payload, &new.payload)
        {
            return true;
        }
        let is_full = self.notifications.len() >= most.max(1);
        if is_full {
            self.notifications.remove(0);
        }
        self.notifications.push(new);
        !is_full
    }

    /// Nothing of these types is told any more.
    pub(crate) fn forget_notifications(&mut self, types: NotificationTypes) {
        self.notifications.retain(|one| !types.contains(one.kind));
    }

    /// The messages that wait here.
    pub(crate) fn messages(&self) -> Vec<Arc<Message>> {
        let message = |item: &Item| match item {
            Item::Message(message) => Some(message.clone()),
            Item::Report(_) | Item::Notice(_) => None,
        };
        self.items.values().filter_map(message).collect()
    }

    /// A message waits for the user that is not for this session as it is now.
    pub(crate) fn pass_over(&mut self, sequence: u64) {
        self.passed_over = Some(self.passed_over.map_or(sequence, |least| least.min(sequence)));
    }

    /// What was passed over may be for this session now: all since then is fetched again. Whether there is any; what was
    /// offered and not acknowledged comes twice then, under the same MessageID.
    pub(crate) fn look_again(&mut self) -> bool {
        let Some(from) = self.passed_over.take() else { return false };
        let from = match self.way {
            Way::Stored { from: earlier, .. } => from.min(earlier),
            Way::Pushed => from,
        };
        for (_, item) in self.items.split_off(&from) {
            self.bytes = self.bytes.saturating_sub(item.weight());
        }
        self.way = Way::Stored { from, more: true };
        self.fetched = [Fetched::default(); 2];
        true
    }

    /// Presence of somebody changed; what was not fetched yet is merged.
    pub fn presence(&mut self, publisher: &Arc<UserState>, changed: AttributeSet, lost: AttributeSet) {
        self.presence.note(publisher, Told { changed, lost });
    }

    /// Whose presence waits.
    pub(crate) fn presence_queue(&mut self) -> &mut PresenceQueue {
        &mut self.presence
    }

    /// Nothing of this publisher is told any more.
    pub fn forget_presence(&mut self, publisher: &UserId) {
        self.presence.forget(publisher);
    }

    /// The next event: Disconnect, then messages, reports and notices oldest first, then notifications, then presence
    /// (CSP 16). Forced leaves come before messages, and changes of groups among them: who speaks is known then.
    pub fn take(&mut self) -> Option<Pending> {
        if let Some(result) = self.disconnect.take() {
            return Some(Pending::Disconnect(result));
        }
        if !self.leaves.is_empty() {
            let (group, reason) = self.leaves.remove(0);
            return Some(Pending::ForcedLeave { group, reason });
        }
        let is_groups_turn = !self.told_of_group || self.items.is_empty();
        self.told_of_group = false;
        if is_groups_turn && let Some((group, news)) = self.groups.pop_front() {
            self.told_of_group = true;
            if self.groups.is_empty() {
                // An idle session keeps no memory of a burst.
                self.groups = VecDeque::new();
            }
            return Some(Pending::GroupChange { group, news });
        }
        if is_groups_turn && let Some(event) = self.told.pop_front() {
            self.told_of_group = true;
            return Some(Pending::Told(event));
        }
        if let Some((_, item)) = self.items.pop_first() {
            self.bytes = self.bytes.saturating_sub(item.weight());
            return Some(match item {
                Item::Message(message) => Pending::Message(message),
                Item::Report(report) => Pending::Report(report),
                Item::Notice(notice) => Pending::Notice(notice),
            });
        }
        if !self.notifications.is_empty() {
            let first = self.notifications.remove(0);
            if self.notifications.is_empty() {
                // An idle session keeps no memory of a burst.
                self.notifications = Vec::new();
            }
            return Some(Pending::Notification(first));
        }
        let (publisher, Told { changed, lost }) = self.presence.take()?;
        Some(Pending::Presence { publisher, changed, lost })
    }

    /// Something of what waits: first what is told in any case.
    pub(crate) fn any(&mut self) -> Option<Promise> {
        let is_certain = !self.leaves.is_empty() || !self.told.is_empty() || !self.notifications.is_empty();
        if self.disconnect.is_some() || is_certain {
            return Some(Promise::Certain);
        }
        if let Some((sequence, item)) = self.items.first_key_value() {
            return Some(match item {
                Item::Message(message) => Promise::Message(*sequence, message.clone()),
                Item::Report(_) => Promise::Certain,
                Item::Notice(notice) => Promise::Notice(*sequence, notice.clone()),
            });
        }
        if let Some((group, _)) = self.groups.front() {
            return Some(Promise::GroupChange(group.clone()));
        }
        self.presence.first().map(Promise::Presence)
    }

    /// Whether what has this number, if it is for this session, was not taken yet.
    pub(crate) fn is_still_to_come(&self, sequence: u64) -> bool {
        let is_stored = matches!(self.way, Way::Stored { from, .. } if sequence >= from);
        is_stored || self.items.contains_key(&sequence)
    }

    /// A message that is acknowledged or rejected before it was offered here is not offered any more.
    pub(crate) fn remove(&mut self, sequence: u64) -> bool {
        match self.items.remove(&sequence) {
            Some(item) => {
                self.bytes = self.bytes.saturating_sub(item.weight());
                true
            }
            None => false,
        }
    }
}

/// Names that one notification tells of.
const NAMES_MAX: usize = 64;

/// Whether a later notification makes an earlier one pointless: it says the same, or the value that holds now.
fn is_said_by(old: &Notification, new: &Notification) -> bool {
    let is_value = matches!(
        new.payload.kind(),
        PayloadKind::BlockListInUse
            | PayloadKind::GrantListInUse
            | PayloadKind::OnlineHandling
            | PayloadKind::SessionPriority
    );
    old.kind == new.kind && (is_value || old.payload == new.payload)
}

/// Adds the names of a notification to those of the one before it, of the same type.
fn merge(old: &mut Payload, new: &Payload) -> bool {
    fn add<T: Clone + PartialEq>(old: &mut Vec<T>, new: &[T]) -> bool {
        if old.len() + new.len() > NAMES_MAX {
            return false;
        }
        for one in new {
            if !old.contains(one) {
                old.push(one.clone());
            }
        }
        true
    }
    match (old, new) {
        (Payload::ContactLists(old), Payload::ContactLists(new)) => add(old, new),
        (Payload::Users(old), Payload::Users(new)) => add(old, new),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use bytes::Bytes;
    use imps_types::MessageId;

    fn message(sequence: u64) -> Arc<Message> {
        let user = UserId::from_canonical("wv:bob@a.example");
        Arc::new(Message {
            id: MessageId::new(sequence),
            sender: user,
            info: Default::default(),
            content: Bytes::new(),
            binary: false,
            shared: false,
            report: false,
            expires: Timestamp(0),
            kept: Default::default(),
        })
    }

    fn numbers(outbox: &mut Outbox) -> Vec<u64> {
        std::iter::from_fn(|| outbox.take())
            .map(|one| match one {
                Pending::Message(message) => message.id.sequence(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_new_session_reads_the_store_first() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.wants_refill(), Some(0));
        assert!(outbox.message(message(5), 10, 10_000), "somebody should look");
        assert!(outbox.is_empty(), "but it is left to the scan");
        outbox.begin_refill();
        outbox.refilled(vec![Pending::Message(message(5))], Some(5), true);
        assert!(!outbox.message(message(5), 10, 10_000), "its own push comes after the scan that saw it");
        outbox.message(message(7), 10, 10_000);
        outbox.message(message(6), 10, 10_000);
        assert_eq!(numbers(&mut outbox), [5, 6, 7]);
        assert_eq!(outbox.wants_refill(), None);
    }

    #[test]
    fn what_comes_during_a_scan_is_scanned_again() {
        let mut outbox = Outbox::default();
        outbox.begin_refill();
        outbox.message(message(9), 10, 10_000);
        outbox.refilled(vec![], None, true);
        assert_eq!(outbox.wants_refill(), Some(0));
        outbox.begin_refill();
        outbox.refilled(vec![Pending::Message(message(9))], Some(9), true);
        assert_eq!(numbers(&mut outbox), [9]);
        assert_eq!(outbox.wants_refill(), None);
    }

    #[test]
    fn one_that_was_overtaken_does_not_bring_the_other_again() {
        let mut outbox = Outbox::default();
        outbox.begin_refill();
        outbox.refilled(vec![], None, true);
        for sequence in [1, 3, 2] {
            outbox.message(message(sequence), 2, 10_000);
        }
        assert_eq!(numbers(&mut outbox), [1, 2, 3]);
        assert_eq!(outbox.wants_refill(), None);
    }

    fn change(group: &str, name: usize) -> Event {
        Event::GroupChange(Arc::new(crate::group::GroupChange {
            group: GroupId::from_canonical(group),
            joined: Vec::new(),
            left: vec!["n".repeat(name).into()],
            joined_blocked: Vec::new(),
            left_blocked: Vec::new(),
            properties: None,
            own: None,
        }))
    }

    #[test]
    fn what_others_tell_has_an_end_in_octets() {
        let mut outbox = Outbox::default();
        assert!(!outbox.told(change("wv:a/large@b.example", 10_000), 10_000));
        for group in ["wv:a/1@b.example", "wv:a/2@b.example", "wv:a/3@b.example"] {
            assert!(outbox.told(change(group, 4000), 10_000));
        }
        let left: Vec<_> = std::iter::from_fn(|| outbox.take())
            .map(|one| match one {
                Pending::Told(Event::GroupChange(change)) => change.group.as_str().to_owned(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(left, ["wv:a/2@b.example", "wv:a/3@b.example"], "the oldest goes");
    }

    #[test]
    fn too_much_goes_back_to_the_store() {
        let mut outbox = Outbox::default();
        outbox.begin_refill();
        outbox.refilled(vec![], None, true);
        for sequence in 1..=4 {
            outbox.message(message(sequence), 2, 10_000);
        }
        assert_eq!(outbox.wants_refill(), None, "two are here");
        assert_eq!(numbers(&mut outbox), [1, 2]);
        assert_eq!(outbox.wants_refill(), Some(3));
        outbox.begin_refill();
        outbox.refilled(vec![Pending::Message(message(3))], Some(3), false);
        outbox.message(message(5), 2, 10_000);
        assert_eq!(numbers(&mut outbox), [3]);
        assert_eq!(outbox.wants_refill(), Some(4));
        outbox.begin_refill();
        outbox.refilled(vec![Pending::Message(message(4)), Pending::Message(message(5))], Some(5), true);
        assert_eq!(numbers(&mut outbox), [4, 5]);
        outbox.message(message(6), 2, 10_000);
        assert_eq!(numbers(&mut outbox), [6]);
    }
}
