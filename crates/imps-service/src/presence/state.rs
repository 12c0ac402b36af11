//! The presence of one publisher in memory: the values, who watches, and what was made for watchers already.

use std::sync::Arc;

use imps_types::presence::{Attribute, AttributeSet, PresenceAttribute, PresenceSubList};
use imps_types::{Service, SessionId, UserId, Version};
use rustc_hash::FxHashMap;

use super::Presence;
use super::reactive::ReactiveStates;
use super::values::{Changed, Values};
use super::watch_list::Accesses;
use crate::Error;
use crate::account::user_key;
use crate::event::PresenceSnapshot;
use crate::im::parser_room;
use crate::record::RecordError;
use crate::seam::{Row, Space};
use crate::session::{Session, Told};
use crate::user::{UserInner, UserState};

/// Bytes of publishers that one notification tells of, though a client could parse more.
const ROOM_MAX: usize = 256 * 1024;
/// Snapshots that are kept between two changes.
const SNAPSHOTS_MAX: usize = 16;

/// A session that subscribed to a publisher.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) session: Arc<Session>,
    /// What it subscribed to.
    pub(super) wanted: AttributeSet,
    /// What its user may see: the decision of CSP 9, kept until lists change.
    pub(super) visible: AttributeSet,
}

/// What one kind of watcher sees: the attributes with values, those that are told with Qualifier F, the version, and
/// whether fields that no table knows are shown.
type Kind = (AttributeSet, AttributeSet, Version, bool);

/// A publisher's presence.
#[derive(Debug, Default)]
pub struct PresenceState {
    pub(super) values: Values,
    pub(super) watchers: FxHashMap<SessionId, Watcher>,
    /// What he decided about watchers who asked, and what he is asked.
    pub(super) reactive: ReactiveStates,
    /// Who got presence once, lately.
    pub(super) accesses: Accesses,
    /// Of a publisher whose presence another domain keeps: what it told of him, for each watcher.
    pub(super) told: FxHashMap<UserId, PresenceSubList>,
    snapshots: Vec<(Kind, Option<Arc<PresenceSnapshot>>)>,
}

impl PresenceState {
    /// A user's presence by its record, and by the rows of what he decided when he was asked.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn read(record: Option<&[u8]>, authorisations: &[Row]) -> Result<Self, RecordError> {
        let values = record.map_or_else(|| Ok(Values::default()), Values::from_record)?;
        Ok(Self { values, reactive: ReactiveStates::read(authorisations)?, ..Self::default() })
    }

    /// Whether any session subscribed to this publisher.
    pub fn is_watched(&self) -> bool {
        !self.watchers.is_empty()
    }

    /// What was made for watchers is of no use any more.
    pub(super) fn forget_snapshots(&mut self) {
        self.snapshots = Vec::new();
    }

    pub(super) fn unwatch(&mut self, session: &SessionId) {
        self.watchers.remove(session);
        if self.watchers.is_empty() {
            self.watchers = FxHashMap::default();
            self.told = FxHashMap::default();
            self.forget_snapshots();
        }
    }
}

impl Presence<'_> {
    /// Writes the values some time soon: presence may be lost in a crash.
    pub(super) fn write_values(&self, user: &UserId, values: &Values) -> Result<(), Error> {
        let store = &self.0.store;
        if values.is_empty() {
            store.later_delete(Space::Presence, user_key(user))?;
        } else {
            store.later(Space::Presence, user_key(user), values.to_record())?;
        }
        Ok(())
    }

    /// Queues what changed for every watcher who may and wants to see it. Returns the sessions to wake, which is for
    /// when the publisher's lock is released.
    pub(super) fn notify(
        &self,
        publisher: &Arc<UserState>,
        inner: &mut UserInner,
        changed: Changed,
    ) -> Vec<Arc<Session>> {
        inner.presence.forget_snapshots();
        if changed.is_empty() {
            return Vec::new();
        }
        let mut woken = Vec::new();
        for watcher in inner.presence.watchers.values() {
            let changed = changed.for_watcher(watcher.session.version, watcher.wanted);
            let told = changed.and(watcher.wanted).and(watcher.visible);
            if !told.is_empty() {
                watcher.session.outbox().presence(publisher, told, AttributeSet::EMPTY);
                woken.push(watcher.session.clone());
            }
        }
        woken
    }

    /// Wakes the sessions for which something was queued.
    pub(super) fn wake(&self, sessions: &[Arc<Session>]) {
        self.0.metrics.presence_queued.add(sessions.len() as u64);
        for session in sessions {
            session.wake();
        }
    }

    /// What a session is told whose turn it is to hear of this publisher, and of the next ones for whom its client has
    /// room. Empty when there is nothing (any more) that it may see.
    pub(crate) fn collect(
        &self,
        session: &Session,
        publisher: Arc<UserState>,
        told: Told,
    ) -> Vec<Arc<PresenceSnapshot>> {
        let mut room = parser_room(&session.negotiated()).min(ROOM_MAX);
        let mut snapshots: Vec<Arc<PresenceSnapshot>> = Vec::new();
        let mut next = Some((publisher, told));
        while let Some((publisher, told)) = next {
            match self.snapshot(session, &publisher, told.all()) {
                Some(snapshot) if snapshot.weight <= room => {
                    room -= snapshot.weight;
                    snapshots.push(snapshot);
                }
                Some(snapshot) if snapshots.is_empty() => {
                    // Alone it is too much: the client gets it in pieces.
                    let (part, rest) = first_part(&snapshot, room);
                    if !rest.is_empty() {
                        let rest = Told { changed: rest, lost: AttributeSet::EMPTY };
                        session.outbox().presence_queue().put_back(&publisher, rest);
                    }
                    snapshots.extend(part.map(Arc::new));
                    break;
                }
                Some(snapshot) => {
                    let told = Told { changed: snapshot.about, lost: AttributeSet::EMPTY };
                    session.outbox().presence_queue().put_back(&publisher, told);
                    break;
                }
                None => {}
            }
            next = session.outbox().presence_queue().take();
        }
        snapshots
    }

    /// What a session is told of these attributes, and of what else waits for it of this publisher: the values as they
    /// are now. `None` when there is nothing that it may see. One snapshot is made for all who see the same.
    pub fn snapshot(
        &self,
        session: &Session,
        publisher: &Arc<UserState>,
        about: AttributeSet,
    ) -> Option<Arc<PresenceSnapshot>> {
        let mut guard = publisher.lock();
        // What changed since its turn came is in the values already, and is not told once more.
        let since = session.outbox().presence_queue().take_of(publisher).unwrap_or_default();
        self.view(session, publisher, &mut guard, about.or(since.all()))
    }

    /// Whether what waits for a session of this publisher is told when it fetches it. That of which nothing is left to tell
    /// is dropped: the Poll flag must not promise it.
    pub(crate) fn has_news(&self, session: &Session, publisher: &Arc<UserState>) -> bool {
        let room = parser_room(&session.negotiated()).min(ROOM_MAX);
        // What is noted for a watcher is in the values already.
        let mut guard = publisher.lock();
        let Some(told) = session.outbox().presence_queue().of(publisher) else { return false };
        let is_told = match self.view(session, publisher, &mut guard, told.all()) {
            Some(snapshot) if snapshot.weight > room => {
                let (part, rest) = first_part(&snapshot, room);
                part.is_some() || !rest.is_empty()
            }
            made => made.is_some(),
        };
        if !is_told {
            session.outbox().presence_queue().take_of(publisher);
        }
        is_told
    }

    /// The values as a session sees them.
    fn view(
        &self,
        session: &Session,
        publisher: &Arc<UserState>,
        inner: &mut UserInner,
        about: AttributeSet,
    ) -> Option<Arc<PresenceSnapshot>> {
        let presence = &mut inner.presence;
        let watcher = presence.watchers.get(&session.id)?;
        let told = about.and(watcher.wanted);
        if self.is_abroad(publisher) {
            let list = presence.told.get(&session.user.id)?.only(told).for_version(session.version);
            return (!list.is_empty()).then(|| Arc::new(PresenceSnapshot::new(publisher.id.clone(), told, list)));
        }
        let (seen, hidden) = (told.and(watcher.visible), told.without(watcher.visible));
        let kind = (seen, hidden, session.version, watcher.wanted.has_extensions());
        if let Some((_, made)) = presence.snapshots.iter().find(|(one, _)| *one == kind) {
            return made.clone();
        }
        let mut attributes = presence.values.view(&publisher.id, &inner.sessions, seen);
        attributes.extend(hidden.iter().map(PresenceAttribute::unknown));
        let mut extensions = Vec::new();
        if told.has_extensions() {
            let all = presence.values.extensions().iter();
            extensions.extend(all.map(|one| if hidden.has_extensions() { one.withdrawn() } else { one.clone() }));
        }
        let mut list = PresenceSubList { attributes, extensions };
        if !watcher.wanted.has_extensions() {
            list.strip_extensions();
        }
        list.sort();
        let list = list.for_version(session.version);
        let made = (!list.is_empty()).then(|| Arc::new(PresenceSnapshot::new(publisher.id.clone(), told, list)));
        // For a single watcher nothing is kept: most publishers are idle.
        if presence.watchers.len() > 1 {
            if presence.snapshots.len() >= SNAPSHOTS_MAX {
                presence.snapshots.remove(0);
            }
            presence.snapshots.push((kind, made.clone()));
        }
        made
    }

    /// What was told and not acknowledged, with the values as they are now: others may have been told since, and an old
    /// value must not come after them. Empty when there is nothing to be told any more.
    pub fn renewed(&self, session: &Session, told: &[Arc<PresenceSnapshot>]) -> Vec<Arc<PresenceSnapshot>> {
        let is_kept = self.0.router.keeps(self.0.router.home().as_str(), Service::Presence);
        let renew = |old: &Arc<PresenceSnapshot>| {
            if !is_kept {
                // The domain that keeps it said so, and nothing else since.
                return Some(old.clone());
            }
            let publisher = self.0.users.loaded(&old.user)?;
            self.snapshot(session, &publisher, old.about)
        };
        told.iter().filter_map(renew).collect()
    }
}

/// As much of a snapshot as there is room for, and what it leaves out. A value for which there never is room is left out
/// altogether.
fn first_part(whole: &PresenceSnapshot, room: usize) -> (Option<PresenceSnapshot>, AttributeSet) {
    let of = |attribute: Attribute| whole.list.attributes.iter().filter(move |one| one.attribute == attribute);
    let base = PresenceSnapshot::new(whole.user.clone(), AttributeSet::EMPTY, PresenceSubList::default()).weight;
    let room = room.saturating_sub(base);
    let (mut taken, mut rest, mut used) = (AttributeSet::EMPTY, AttributeSet::EMPTY, 0);
    // Extensions come last, with what else is left.
    let of_extensions = PresenceSubList { attributes: Vec::new(), extensions: whole.list.extensions.clone() }.weight();
    let has_extensions = !whole.list.extensions.is_empty() && of_extensions <= room;
    for attribute in whole.list.names().iter() {
        let weight: usize = of(attribute).map(PresenceAttribute::weight).sum();
        if used + weight <= room {
            used += weight;
            taken.insert(attribute);
        } else if weight <= room {
            rest.insert(attribute);
        }
    }
    let attributes: Vec<_> = taken.iter().flat_map(of).cloned().collect();
    let mut list = PresenceSubList { attributes, extensions: Vec::new() };
    if has_extensions && rest.is_empty() && used + of_extensions <= room {
        list.extensions = whole.list.extensions.clone();
        taken = taken.or(AttributeSet::EXTENSIONS);
    } else if has_extensions {
        rest = rest.or(AttributeSet::EXTENSIONS);
    }
    let part = (!list.is_empty()).then(|| PresenceSnapshot::new(whole.user.clone(), taken, list));
    (part, rest)
}
