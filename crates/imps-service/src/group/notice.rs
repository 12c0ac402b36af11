//! Changes of a group, as those who subscribed to them are told (CSP 13.2, *GroupChangeNotice*).
//!
//! A change is noted in the outbox of each subscriber, merged with what it was not told yet: who came and went meanwhile
//! is not told of at all, and values are looked up when the client fetches. So a slow client hears once of ten changes.
//! These notices are not kept over a restart; then each subscriber is told once who has joined now.

use std::sync::Arc;

use imps_types::element::{GroupProperties, Mapping, Property};
use imps_types::{GroupId, UserId, Version};

use super::Groups;
use super::properties::{COMMON, CommonProperties, OwnView};
use super::record::Person;
use super::rights::{Act, may};
use super::state::{GroupInner, GroupState, JoinedUser};
use crate::session::Session;

/// Names of one kind that wait for one session, at most: what is beyond is not told of.
const NAMES_MAX: usize = 20_000;

/// Somebody who joined.
#[derive(Clone, Debug)]
struct Newcomer {
    name: Arc<str>,
    user: UserId,
    /// Whether the client believes that the name is there already: it left, and is back.
    is_known: bool,
}

/// What a subscriber has not been told yet.
#[derive(Clone, Debug, Default)]
pub struct GroupNews {
    joined: Vec<Newcomer>,
    left: Vec<Arc<str>>,
    /// Rejected users who tried to join.
    joined_blocked: Vec<Arc<str>>,
    /// Users who were rejected while they had joined.
    left_blocked: Vec<Arc<str>>,
    /// Common properties that changed: a bit for each row of the table.
    properties: u32,
    welcome_note: bool,
    /// Own properties that may have changed.
    own: bool,
    /// Everybody who has joined is to be told, whoever was before.
    everybody: bool,
    /// The same, but for the user himself, who knows that he has joined.
    others: bool,
}

impl GroupNews {
    /// Somebody joined under this name.
    pub(super) fn came(&mut self, name: &Arc<str>, user: &UserId) {
        let place = self.left.iter().position(|one| one == name);
        if let Some(place) = place {
            // The client believes that the name is there still; but it may be another's now.
            self.left.swap_remove(place);
        }
        if self.joined.len() < NAMES_MAX {
            self.joined.push(Newcomer { name: name.clone(), user: user.clone(), is_known: place.is_some() });
        }
    }

    /// Whoever had this name left, or has another name.
    pub(super) fn went(&mut self, name: &Arc<str>) {
        let place = self.joined.iter().position(|one| one.name == *name);
        let is_known = place.is_none_or(|place| self.joined.swap_remove(place).is_known);
        if is_known && self.left.len() < NAMES_MAX {
            self.left.push(name.clone());
        }
    }

    pub(super) fn blocked(&mut self, name: &Arc<str>, was_joined: bool) {
        let names = if was_joined { &mut self.left_blocked } else { &mut self.joined_blocked };
        if !names.contains(name) && names.len() < NAMES_MAX {
            names.push(name.clone());
        }
    }

    pub(super) fn changed(&mut self, properties: u32, welcome_note: bool) {
        self.properties |= properties;
        self.welcome_note |= welcome_note;
    }

    pub(super) fn own(&mut self) {
        self.own = true;
    }

    pub(crate) fn forget_own(&mut self) {
        self.own = false;
    }

    pub(super) fn everybody(&mut self) {
        self.everybody = true;
        self.joined = Vec::new();
    }

    pub(super) fn others(&mut self) {
        self.others = true;
        self.joined = Vec::new();
    }

    /// Adds what came later.
    pub(crate) fn followed_by(&mut self, later: Self) {
        for name in &later.left {
            self.went(name);
        }
        for one in &later.joined {
            if one.is_known {
                self.went(&one.name);
            }
            self.came(&one.name, &one.user);
        }
        for name in &later.joined_blocked {
            self.blocked(name, false);
        }
        for name in &later.left_blocked {
            self.blocked(name, true);
        }
        self.changed(later.properties, later.welcome_note);
        self.own |= later.own;
        self.everybody |= later.everybody;
        self.others |= later.others;
    }

    /// Whether there is nothing to tell.
    pub(crate) fn is_nothing(&self) -> bool {
        self.joined.is_empty()
            && self.left.is_empty()
            && self.joined_blocked.is_empty()
            && self.left_blocked.is_empty()
            && self.properties == 0
            && !self.welcome_note
            && !self.own
            && !self.everybody
            && !self.others
    }
}

impl GroupNews {
    /// Whether somebody came or went, or the client's own properties changed, as far as its version tells of it. `alone`:
    /// nobody but its user has joined.
    fn is_of_people(&self, version: Version, alone: bool) -> bool {
        let has_blocked = !self.joined_blocked.is_empty() || !self.left_blocked.is_empty();
        self.everybody
            || (self.others && !alone)
            || self.own
            || !self.joined.is_empty()
            || !self.left.is_empty()
            || (has_blocked && version >= Version::V1_3)
    }
}

/// What a subscriber is told (*GroupChangeNotice*).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChange {
    /// The group.
    pub group: GroupId,
    /// Who joined.
    pub joined: Vec<Mapping>,
    /// The screen names of those who left.
    pub left: Vec<Arc<str>>,
    /// 1.3: of rejected users who tried to join.
    pub joined_blocked: Vec<Arc<str>>,
    /// 1.3: of users who left because they were rejected.
    pub left_blocked: Vec<Arc<str>>,
    /// Properties that changed.
    pub properties: Option<GroupProperties>,
    /// The subscriber's own properties, if they changed.
    pub own: Option<Vec<Property>>,
}

impl GroupChange {
    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> usize {
        const EACH: usize = 64;
        let names = [&self.left, &self.joined_blocked, &self.left_blocked].into_iter().flatten();
        let names = names.map(|name| EACH + name.len());
        let user = |one: &Mapping| one.user_id.as_ref().map_or(0, |user| user.as_str().len());
        let joined = self.joined.iter().map(|one| EACH + one.name.len() + user(one));
        let common = self.properties.iter().flat_map(|all| &all.properties);
        let property = |one: &Property| EACH + one.name.len() + one.value.as_ref().map_or(0, |value| value.len());
        let properties = common.chain(self.own.iter().flatten()).map(property);
        let note = self.properties.iter().filter_map(|all| all.welcome_note.as_ref());
        let note = note.map(|note| EACH + note.content_type.len() + note.content.data.len());
        names.chain(joined).chain(properties).chain(note).sum()
    }
}

/// Which rows of the table have another value.
pub(super) fn difference(before: &CommonProperties, now: &CommonProperties, group: &GroupInner, id: &GroupId) -> u32 {
    let facts = group.facts(id, usize::MAX);
    let told = |properties: &CommonProperties, name: &str| {
        let told = properties.tell(Version::V1_3, facts).properties;
        told.into_iter().find(|one| one.name.eq_ignore_ascii_case(name)).and_then(|one| one.value)
    };
    let rows = COMMON.iter().enumerate();
    let changed = rows.filter(|(_, row)| told(before, row.name) != told(now, row.name));
    changed.fold(0, |bits, (place, _)| bits | 1 << place)
}

/// About how many bytes a screen name takes in XML, with the tags around it.
fn written_size(name: &str, other: usize) -> usize {
    name.len() + other + 70
}

impl GroupInner {
    /// How somebody who has joined is shown to one who may, or may not, see addresses that are not shown to all.
    pub(super) fn mapping(&self, user: &UserId, joined: &JoinedUser, sees_all: bool) -> Mapping {
        let shows = self.people.get(user).is_some_and(|person| person.settings.show_id);
        Mapping { name: (&*joined.name).into(), user_id: (sees_all || shows).then(|| user.into()) }
    }

    /// What a user is told of his own place.
    pub(super) fn own_view(&self, user: &UserId, version: Version) -> Vec<Property> {
        let nobody = Person::default();
        let person = self.people.get(user).unwrap_or(&nobody);
        let joined = self.joined.get(user);
        let view = OwnView {
            role: if self.is_owner(user) { Some(self.rank(user)) } else { person.role },
            settings: &person.settings,
            screen_name: joined.map(|joined| &*joined.name).or(person.screen_name.as_deref()),
            private_messaging: self.record.properties.private_messaging,
        };
        view.tell(version)
    }
}

impl Groups<'_> {
    /// Notes a change for every subscriber but the session that made it. Returns the sessions to wake, which is for when
    /// the group's lock is released.
    pub(super) fn note(
        &self,
        group: &Arc<GroupState>,
        inner: &GroupInner,
        except: Option<&Session>,
        note: impl Fn(&mut GroupNews),
    ) -> Vec<Arc<Session>> {
        let mut woken = Vec::new();
        for (user, joined) in &inner.joined {
            if inner.people.get(user).is_some_and(|person| person.settings.do_not_notify) {
                continue;
            }
            for one in &joined.sessions {
                if one.subscribed && except.is_none_or(|except| except.id != one.session.id) {
                    one.session.outbox().group_news(group, &note);
                    woken.push(one.session.clone());
                }
            }
        }
        self.metrics.group_notices.add(woken.len() as u64);
        woken
    }

    /// Notes for one user that his own properties changed.
    pub(super) fn note_own(&self, group: &Arc<GroupState>, inner: &GroupInner, user: &UserId) -> Vec<Arc<Session>> {
        let mut woken = Vec::new();
        for one in inner.joined.get(user).map(|joined| joined.sessions.as_slice()).unwrap_or_default() {
            if one.subscribed {
                one.session.outbox().group_news(group, GroupNews::own);
                woken.push(one.session.clone());
            }
        }
        woken
    }

    /// Wakes sessions for which something was noted.
    pub(super) fn wake(sessions: &[Arc<Session>]) {
        for session in sessions {
            session.wake();
        }
    }

    /// The properties that changed, with their values, as a client of this version knows them.
    fn changed_properties(
        &self,
        inner: &GroupInner,
        group: &GroupState,
        news: &GroupNews,
        version: Version,
    ) -> Option<GroupProperties> {
        if news.properties == 0 && !news.welcome_note {
            return None;
        }
        let facts = inner.facts(&group.id, self.config.group_joined_max);
        let mut properties = inner.record.properties.tell(version, facts);
        let is_told = |name: &str| {
            let place = COMMON.iter().position(|row| row.name.eq_ignore_ascii_case(name));
            place.is_some_and(|place| news.properties & (1 << place) != 0)
        };
        properties.properties.retain(|one| is_told(&one.name));
        properties.welcome_note = properties.welcome_note.filter(|_| news.welcome_note);
        (!properties.properties.is_empty() || properties.welcome_note.is_some()).then_some(properties)
    }

    /// Whether the news of a group that wait for a session are told when it fetches them. Those of which nothing is left to
    /// tell are dropped: the Poll flag must not promise them.
    pub(crate) fn has_news(&self, session: &Session, group: &Arc<GroupState>) -> bool {
        // Whoever notes a change holds this too: nothing comes in between.
        let inner = group.lock();
        let mut outbox = session.outbox();
        let Some(news) = outbox.news_of(group) else { return false };
        let is_there = !inner.is_gone && inner.joined_session(session).is_some();
        let is_alone = inner.joined.keys().all(|user| *user == session.user.id);
        let is_told = is_there
            && (news.is_of_people(session.version, is_alone)
                || self.changed_properties(&inner, group, news, session.version).is_some());
        if !is_told {
            outbox.forget_news(&group.id);
        }
        is_told
    }

    /// What a session is told that fetches its news of a group: values as they are now, and no more than its client can
    /// parse; the rest waits on. `None` when there is nothing to tell any more.
    pub(crate) fn change_notice(
        &self,
        session: &Session,
        group: &Arc<GroupState>,
        mut news: GroupNews,
    ) -> Option<GroupChange> {
        let mut room = crate::im::parser_room(&session.negotiated());
        let inner = group.lock();
        if inner.is_gone || inner.joined_session(session).is_none() {
            return None;
        }
        let sees_all = may(inner.rank(&session.user.id), Act::SeeAddresses);
        let (everybody, others) = (std::mem::take(&mut news.everybody), std::mem::take(&mut news.others));
        if everybody || others {
            let newcomer = |(user, one): (&UserId, &JoinedUser)| Newcomer {
                name: one.name.clone(),
                user: user.clone(),
                is_known: false,
            };
            let is_told = |(user, _): &(&UserId, &JoinedUser)| everybody || **user != session.user.id;
            news.joined = inner.joined.iter().filter(is_told).map(newcomer).collect();
        }
        let version = session.version;
        let mut told = GroupChange {
            group: group.id.clone(),
            joined: Vec::new(),
            left: Vec::new(),
            joined_blocked: Vec::new(),
            left_blocked: Vec::new(),
            properties: None,
            own: None,
        };
        if let Some(properties) = self.changed_properties(&inner, group, &news, version) {
            let value = |one: &Property| one.value.as_deref().map_or(0, str::len) + 80;
            let note = properties.welcome_note.as_ref().map_or(0, |note| note.content.data.len() / 3 * 4 + 200);
            room = room.saturating_sub(properties.properties.iter().map(value).sum::<usize>() + note);
            told.properties = Some(properties);
        }
        (news.properties, news.welcome_note) = (0, false);
        if std::mem::take(&mut news.own) {
            room = room.saturating_sub(600);
            told.own = Some(inner.own_view(&session.user.id, version));
        }
        let group_size = group.id.as_str().len();
        let mut first = true;
        // One name is told in any case: else a client that can parse nothing would be asked to poll for ever.
        let mut fits = move |name: &str, other: usize| {
            let size = written_size(name, other);
            let fits = size <= room || std::mem::take(&mut first);
            first = false;
            room = room.saturating_sub(size);
            fits
        };
        while let Some(one) = news.joined.last() {
            if !fits(&one.name, group_size.max(64)) {
                break;
            }
            let Some(Newcomer { name, user, .. }) = news.joined.pop() else { break };
            // Who has another name by now comes with it later; who left is told of as such.
            let mapping = inner.joined.get(&user).filter(|joined| joined.name == name);
            told.joined.push(match mapping {
                Some(joined) => inner.mapping(&user, joined, sees_all),
                None => Mapping { name: (&*name).into(), user_id: None },
            });
        }
        let mut names = |from: &mut Vec<Arc<str>>, to: &mut Vec<Arc<str>>| {
            while let Some(name) = from.last() {
                if !fits(name, group_size) {
                    break;
                }
                to.extend(from.pop());
            }
        };
        names(&mut news.left, &mut told.left);
        if version >= Version::V1_3 {
            names(&mut news.joined_blocked, &mut told.joined_blocked);
            names(&mut news.left_blocked, &mut told.left_blocked);
        } else {
            (news.joined_blocked, news.left_blocked) = (Vec::new(), Vec::new());
        }
        drop(inner);
        told.joined.sort_by(|one, other| one.name.cmp(&other.name));
        told.left.sort();
        if !news.is_nothing() {
            session.outbox().rest_of_news(group, news);
        }
        let is_empty = told.joined.is_empty()
            && told.left.is_empty()
            && told.joined_blocked.is_empty()
            && told.left_blocked.is_empty()
            && told.properties.is_none()
            && told.own.is_none();
        (!is_empty).then_some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Arc<str> {
        text.into()
    }

    fn user() -> UserId {
        UserId::from_canonical("wv:a@x")
    }

    #[test]
    fn who_came_and_went_is_not_told_of() {
        let mut news = GroupNews::default();
        news.came(&name("Al"), &user());
        news.went(&name("Al"));
        assert!(news.is_nothing());
        news.went(&name("Bo"));
        assert_eq!(news.left, [name("Bo")]);
        news.came(&name("Bo"), &user());
        assert!(news.left.is_empty());
        assert_eq!(news.joined.len(), 1, "perhaps it is somebody else");
    }

    #[test]
    fn what_did_not_fit_is_told_with_what_came_later() {
        let mut rest = GroupNews::default();
        rest.came(&name("Al"), &user());
        rest.came(&name("Bo"), &user());
        let mut later = GroupNews::default();
        later.went(&name("Al"));
        later.came(&name("Cy"), &user());
        later.own();
        rest.followed_by(later);
        let joined: Vec<_> = rest.joined.iter().map(|one| &*one.name).collect();
        assert_eq!(joined, ["Bo", "Cy"]);
        assert!(rest.left.is_empty() && rest.own);
    }

    #[test]
    fn who_left_and_came_and_left_is_gone() {
        let mut news = GroupNews::default();
        for _ in 0..3 {
            news.went(&name("Al"));
            assert_eq!((news.joined.len(), &*news.left), (0, &[name("Al")][..]));
            news.came(&name("Al"), &user());
            assert_eq!((news.joined.len(), news.left.len()), (1, 0));
        }
        // The same in two parts.
        let mut first = GroupNews::default();
        first.came(&name("Bo"), &user());
        let mut later = GroupNews::default();
        for one in ["Al", "Bo"] {
            later.went(&name(one));
            later.came(&name(one), &user());
        }
        first.followed_by(later);
        assert_eq!(first.joined.len(), 2, "nobody twice");
        first.went(&name("Bo"));
        assert!(first.left.is_empty(), "nobody heard that Bo was there");
        first.went(&name("Al"));
        assert_eq!(first.left, [name("Al")]);
    }
}
