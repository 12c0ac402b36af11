//! Who may see what of whom: the decision of CSP 9.

use std::sync::Arc;

use imps_types::element::{Authorization, Notification, NotificationType};
use imps_types::presence::{Attribute, AttributeSet, PresenceSubList};
use imps_types::{Address, Service, UserId};
use rustc_hash::FxHashMap;

use super::Presence;
use super::attribute_lists::{AttributeList, AttributeLists};
use super::lists::ContactLists;
use super::state::PresenceState;
use crate::user::{UserInner, UserState};

/// What the attribute lists say of a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The publisher decided beforehand: exactly these.
    Proactive(AttributeSet),
    /// No attribute list is about this watcher: what the publisher answers when he is asked holds (step 4).
    Undecided,
}

impl Decision {
    /// What may be seen, where the publisher granted so much when he was asked.
    fn visible(self, granted: AttributeSet) -> AttributeSet {
        match self {
            Self::Proactive(set) => set,
            Self::Undecided => granted,
        }
    }
}

/// The attribute list of each contact list that counts, the default one standing in.
fn counting<'a>(
    lists: &'a ContactLists,
    attribute_lists: &'a AttributeLists,
) -> impl Iterator<Item = (&'a super::lists::ContactList, AttributeList)> {
    lists.iter().filter_map(|list| {
        let attached = attribute_lists.of_list(&list.id).or(attribute_lists.default_list())?;
        Some((list, attached))
    })
}

/// Step 2 for one watcher: the union over the lists that he is on.
fn union_for(lists: &ContactLists, attribute_lists: &AttributeLists, watcher: &UserId) -> Option<AttributeSet> {
    let on = counting(lists, attribute_lists).filter(|(list, _)| list.contains(watcher));
    on.map(|(_, attached)| attached.attributes).reduce(AttributeSet::or)
}

/// Step 2 for everybody at once.
fn unions(lists: &ContactLists, attribute_lists: &AttributeLists) -> FxHashMap<UserId, AttributeSet> {
    let mut unions: FxHashMap<UserId, AttributeSet> = FxHashMap::default();
    for (list, attached) in counting(lists, attribute_lists) {
        for member in &list.members {
            let union = unions.entry(member.user.clone()).or_default();
            *union = union.or(attached.attributes);
        }
    }
    unions
}

/// Steps 1 to 3; `union` is step 2.
fn decide(
    publisher: &UserId,
    attribute_lists: &AttributeLists,
    watcher: &UserId,
    union: impl FnOnce() -> Option<AttributeSet>,
    everybody: bool,
) -> Decision {
    if watcher == publisher {
        return Decision::Proactive(AttributeSet::ALL);
    }
    if attribute_lists.is_empty() {
        return Decision::Undecided;
    }
    let attributes = |list: AttributeList| list.attributes;
    let decided = attribute_lists
        .of_user(watcher)
        .map(attributes)
        .or_else(union)
        .or_else(|| attribute_lists.default_list().filter(|_| everybody).map(attributes));
    decided.map_or(Decision::Undecided, Decision::Proactive)
}

/// What the owner is told of a watcher who lacks attributes, by the lists that decide about him.
fn needed(
    lists: &ContactLists,
    attribute_lists: &AttributeLists,
    watcher: &UserId,
    missing: AttributeSet,
) -> Vec<Notification> {
    let wants = Authorization { attributes: Some(PresenceSubList::of_names(missing)), ..Authorization::default() };
    if let Some(own) = attribute_lists.of_user(watcher) {
        let user = Authorization { users: vec![Address::from(watcher)], ..wants };
        let what = Notification::of_authorization(NotificationType::AuthorizationOfUser, user);
        return if own.notify { vec![what] } else { Vec::new() };
    }
    let on = || lists.iter().filter(|list| list.contains(watcher));
    let by_list = on().filter(|list| attribute_lists.of_list(&list.id).is_some_and(|attached| attached.notify));
    let contact_lists: Vec<_> = by_list.map(|list| Address::from(&list.id)).collect();
    let mut told = Vec::new();
    if !contact_lists.is_empty() {
        let of_lists = Authorization { contact_lists, ..wants.clone() };
        told.push(Notification::of_authorization(NotificationType::AuthorizationOfList, of_lists));
    }
    // The default list stands in for lists without their own, and for everybody who is on none.
    let is_by_default = on().next().is_none() || on().any(|list| attribute_lists.of_list(&list.id).is_none());
    if is_by_default && attribute_lists.default_list().is_some_and(|list| list.notify) {
        let of_default = Authorization { default_list: Some(true), ..wants };
        told.push(Notification::of_authorization(NotificationType::AuthorizationOfDefault, of_default));
    }
    told
}

impl Presence<'_> {
    /// Whether a user may see an attribute of a publisher.
    pub(crate) fn may_see(&self, publisher: &UserState, watcher: &UserId, attribute: Attribute) -> bool {
        self.visible(&publisher.id, &publisher.lock(), watcher).contains(attribute)
    }

    /// What `watcher` may see of this publisher.
    pub(super) fn decision(&self, publisher: &UserId, inner: &UserInner, watcher: &UserId) -> Decision {
        let union = || union_for(&inner.lists, &inner.attribute_lists, watcher);
        decide(publisher, &inner.attribute_lists, watcher, union, self.0.config.default_list_for_everybody)
    }

    /// What `watcher` may see of this publisher: attribute lists go before what was decided when he was asked.
    pub(super) fn visible(&self, publisher: &UserId, inner: &UserInner, watcher: &UserId) -> AttributeSet {
        if !self.0.router.keeps(publisher.domain(), Service::Presence) {
            // The domain that keeps them says no more than he may see.
            return AttributeSet::ALL.or(AttributeSet::EXTENSIONS);
        }
        self.decision(publisher, inner, watcher).visible(inner.presence.reactive.granted(watcher))
    }

    /// Somebody wants more than the attribute lists that decide about him allow: the publisher's clients of 1.3 hear of it,
    /// if he wanted that of the list in question (CSP 9, the *Notify* flags; CSP 4.10, ANU, ANC and AND).
    pub(super) fn tell_who_wants_more(&self, publisher: &UserState, watcher: &UserId, wanted: AttributeSet) {
        let needed = {
            let inner = publisher.lock();
            if !inner.attribute_lists.notifies() || *watcher == publisher.id {
                return;
            }
            let Decision::Proactive(allowed) = self.decision(&publisher.id, &inner, watcher) else { return };
            let missing = wanted.without(allowed);
            if missing.is_empty() {
                return;
            }
            needed(&inner.lists, &inner.attribute_lists, watcher, missing)
        };
        for what in needed {
            self.0.access().notify(&publisher.id, None, what);
        }
    }

    /// Looks at every watcher again, or at one of them: what is granted is told with its value, what is withdrawn with
    /// Qualifier F.
    pub(super) fn look_at(&self, publisher: &Arc<UserState>, only: Option<&UserId>) {
        let mut woken = Vec::new();
        {
            let mut guard = publisher.lock();
            let inner = &mut *guard;
            if !inner.presence.is_watched() {
                return;
            }
            let unions = match only {
                Some(_) => None,
                None => Some(unions(&inner.lists, &inner.attribute_lists)),
            };
            let everybody = self.0.config.default_list_for_everybody;
            let PresenceState { watchers, reactive, .. } = &mut inner.presence;
            for watcher in watchers.values_mut() {
                let user = &watcher.session.user.id;
                if only.is_some_and(|only| only != user) {
                    continue;
                }
                let union = || match &unions {
                    Some(unions) => unions.get(user).copied(),
                    None => union_for(&inner.lists, &inner.attribute_lists, user),
                };
                let decision = decide(&publisher.id, &inner.attribute_lists, user, union, everybody);
                let visible = decision.visible(reactive.granted(user));
                let granted = visible.without(watcher.visible).and(watcher.wanted);
                let withdrawn = watcher.visible.without(visible).and(watcher.wanted);
                watcher.visible = visible;
                if !granted.is_empty() || !withdrawn.is_empty() {
                    watcher.session.outbox().presence(publisher, granted, withdrawn);
                    woken.push(watcher.session.clone());
                }
            }
        }
        self.wake(&woken);
    }
}

#[cfg(test)]
mod tests {
    use super::super::attribute_lists::Target;
    use super::super::lists::{ContactList, Member};
    use super::*;
    use imps_types::ContactListId;
    use imps_types::presence::Attribute::{Alias, OnlineStatus, StatusText};

    fn set(attributes: &[imps_types::presence::Attribute]) -> AttributeSet {
        attributes.iter().copied().collect()
    }

    /// Alice has the lists friends (bob, carol) and work (bob), and attribute lists for these targets.
    fn check(attached: &[(&str, AttributeSet)], watcher: &str, everybody: bool, expected: Decision) {
        let alice = UserId::from_canonical("wv:alice@x");
        let mut lists = ContactLists::default();
        for (name, members) in [("friends", ["bob", "carol"].as_slice()), ("work", ["bob"].as_slice())] {
            let member = |name: &&str| Member { user: UserId::from_canonical(&format!("wv:{name}@x")), name: None };
            lists.put(ContactList {
                id: ContactListId::from_canonical(&format!("wv:alice/{name}@x")),
                display_name: name.into(),
                is_default: false,
                members: members.iter().map(member).collect(),
            });
        }
        let mut attribute_lists = AttributeLists::default();
        for (target, set) in attached {
            let target = match *target {
                "default" => Target::Default,
                name if name.contains('/') => Target::List(ContactListId::from_canonical(&format!("wv:{name}@x"))),
                name => Target::User(UserId::from_canonical(&format!("wv:{name}@x"))),
            };
            attribute_lists.set(&target, Some(AttributeList { attributes: *set, notify: false }));
        }
        let watcher = UserId::from_canonical(&format!("wv:{watcher}@x"));
        let union = || union_for(&lists, &attribute_lists, &watcher);
        assert_eq!(decide(&alice, &attribute_lists, &watcher, union, everybody), expected, "{attached:?} {watcher}");
        let all = unions(&lists, &attribute_lists);
        assert_eq!(all.get(&watcher).copied(), union(), "one by one and all at once");
    }

    #[test]
    fn user_over_lists_over_default() {
        let (online, text, alias) = (set(&[OnlineStatus]), set(&[StatusText]), set(&[Alias]));
        let both = online.or(text);
        let none = Decision::Undecided;
        check(&[], "bob", true, none);
        check(&[], "alice", true, Decision::Proactive(AttributeSet::ALL));
        check(&[("alice", AttributeSet::EMPTY)], "alice", true, Decision::Proactive(AttributeSet::ALL));
        check(
            &[("bob", online), ("alice/friends", text), ("default", alias)],
            "bob",
            true,
            Decision::Proactive(online),
        );
        check(
            &[("bob", AttributeSet::EMPTY), ("default", alias)],
            "bob",
            true,
            Decision::Proactive(AttributeSet::EMPTY),
        );
        check(&[("alice/friends", online), ("alice/work", text)], "bob", true, Decision::Proactive(both));
        check(&[("alice/friends", online), ("alice/work", text)], "carol", true, Decision::Proactive(online));
        check(&[("alice/friends", online), ("default", text)], "bob", true, Decision::Proactive(both));
        check(&[("alice/friends", online), ("default", text)], "carol", true, Decision::Proactive(online));
        check(&[("alice/work", text)], "carol", true, none);
        check(&[("default", text)], "carol", false, Decision::Proactive(text));
        check(&[("default", text)], "dave", true, Decision::Proactive(text));
        check(&[("default", text)], "dave", false, none);
        check(&[("bob", online)], "carol", true, none);
    }
}
