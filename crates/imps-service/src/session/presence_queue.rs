//! Whose presence is to be told to one client: each publisher once, whatever happened to him meanwhile (CSP 10).

use std::collections::VecDeque;
use std::sync::Arc;

use imps_types::UserId;
use imps_types::presence::AttributeSet;
use rustc_hash::FxHashMap;

use crate::user::UserState;

/// What is to be told of a publisher: nobody is told both of one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Told {
    /// Attributes with a new value.
    pub(crate) changed: AttributeSet,
    /// Attributes that may be seen no longer.
    pub(crate) lost: AttributeSet,
}

impl Told {
    /// This, and then `later`.
    pub(crate) fn and_then(self, later: Self) -> Self {
        Self {
            changed: self.changed.without(later.lost).or(later.changed),
            lost: self.lost.without(later.changed).or(later.lost),
        }
    }

    /// All attributes that it is about.
    pub(crate) fn all(self) -> AttributeSet {
        self.changed.or(self.lost)
    }
}

/// Publishers in the order in which something happened to them. A client may watch thousands, so none is searched for.
#[derive(Debug, Default)]
pub(crate) struct PresenceQueue {
    /// By the address of the state. One that is missing here was taken out of turn.
    waiting: FxHashMap<usize, Told>,
    order: VecDeque<Arc<UserState>>,
}

fn address(publisher: &Arc<UserState>) -> usize {
    Arc::as_ptr(publisher).addr()
}

impl PresenceQueue {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Something happened to this publisher.
    pub(crate) fn note(&mut self, publisher: &Arc<UserState>, told: Told) {
        let mut is_new = false;
        let waiting = self.waiting.entry(address(publisher)).or_insert_with(|| {
            is_new = true;
            Told::default()
        });
        *waiting = waiting.and_then(told);
        if is_new {
            self.tidy();
            self.order.push_back(publisher.clone());
        }
    }

    /// Who was taken is not told after all: he is the next again, with what happened since.
    pub(crate) fn put_back(&mut self, publisher: &Arc<UserState>, told: Told) {
        let waiting = self.waiting.entry(address(publisher)).or_default();
        *waiting = told.and_then(*waiting);
        self.order.push_front(publisher.clone());
    }

    /// The publisher to whom something happened first.
    pub(crate) fn take(&mut self) -> Option<(Arc<UserState>, Told)> {
        loop {
            let publisher = self.order.pop_front()?;
            if let Some(told) = self.take_of(&publisher) {
                return Some((publisher, told));
            }
        }
    }

    /// The publisher to whom something happened first. He waits on.
    pub(crate) fn first(&mut self) -> Option<Arc<UserState>> {
        while let Some(publisher) = self.order.front() {
            if self.waiting.contains_key(&address(publisher)) {
                return Some(publisher.clone());
            }
            self.order.pop_front();
        }
        None
    }

    /// What is to be told of this publisher.
    pub(crate) fn of(&self, publisher: &Arc<UserState>) -> Option<Told> {
        self.waiting.get(&address(publisher)).copied()
    }

    /// What is to be told of this publisher, though it may not be his turn.
    pub(crate) fn take_of(&mut self, publisher: &Arc<UserState>) -> Option<Told> {
        let told = self.waiting.remove(&address(publisher))?;
        if self.waiting.is_empty() {
            // An idle session keeps no memory of a burst.
            *self = Self::default();
        }
        Some(told)
    }

    /// Nothing of this publisher is told any more.
    pub(crate) fn forget(&mut self, publisher: &UserId) {
        if self.waiting.is_empty() {
            return;
        }
        if let Some(publisher) = self.order.iter().find(|one| one.id == *publisher).cloned() {
            self.take_of(&publisher);
        }
    }

    /// Drops the places of those who were taken out of turn, before they are more than the others.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.waiting.len() + 8 {
            let mut left: rustc_hash::FxHashSet<usize> = self.waiting.keys().copied().collect();
            self.order.retain(|publisher| left.remove(&address(publisher)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use imps_types::presence::Attribute::{self, Alias, OnlineStatus, StatusText};

    fn told(changed: &[Attribute], lost: &[Attribute]) -> Told {
        Told { changed: changed.iter().copied().collect(), lost: lost.iter().copied().collect() }
    }

    #[tokio::test]
    async fn each_publisher_waits_once_and_in_his_place() {
        let world = World::of(&["alice", "bob", "carol"]).await;
        let mut states = Vec::new();
        for name in ["alice", "bob", "carol"] {
            states.push(world.services.user(&crate::testing::user(name)).await.unwrap());
        }
        let [alice, bob, carol] = [&states[0], &states[1], &states[2]];
        let mut queue = PresenceQueue::default();
        queue.note(alice, told(&[Alias, StatusText], &[]));
        queue.note(bob, told(&[Alias], &[]));
        queue.note(alice, told(&[OnlineStatus], &[Alias]));
        queue.note(carol, told(&[], &[Alias]));
        queue.note(carol, told(&[Alias], &[]));
        assert_eq!(queue.len(), 3);
        let (first, what) = queue.take().unwrap();
        assert_eq!((&first.id, what), (&alice.id, told(&[OnlineStatus, StatusText], &[Alias])));
        queue.note(alice, told(&[Alias], &[]));
        queue.put_back(alice, what);
        assert_eq!(queue.take_of(carol), Some(told(&[Alias], &[])));
        let all: Vec<_> = std::iter::from_fn(|| queue.take()).map(|(user, what)| (user.id.clone(), what)).collect();
        let merged = told(&[OnlineStatus, StatusText, Alias], &[]);
        assert_eq!(all, [(alice.id.clone(), merged), (bob.id.clone(), told(&[Alias], &[]))]);
        assert!(queue.len() == 0 && queue.order.is_empty());

        queue.note(bob, told(&[Alias], &[]));
        for _ in 0..1000 {
            queue.note(alice, told(&[Alias], &[]));
            queue.forget(&alice.id);
        }
        assert!(queue.order.len() < 12 && queue.len() == 1, "{}", queue.order.len());
    }
}
