//! What is kept of a user for clients that have only a line of text (CLP 5, 6.1): the numbers of what he can act upon, and
//! how he wants his replies. Both are the user's, not a session's: they survive sessions and restarts.
//!
//! A number is written later, merged: with the next commit, which is that of the acknowledgement for whatever came in. A
//! crash loses at most the numbers of what was sent in the last second.

mod record;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use imps_types::UserId;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::account::user_key;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::seam::{Batch, Key, Order, Space};
use crate::{Services, Session};

/// The largest number; after it comes 1 again.
pub const LAST_NUMBER: u16 = 999;
/// How long a number is remembered.
pub const KEPT: Duration = Duration::from_secs(7 * 86_400);

/// What a number stands for. The place of each is its number in the store, so rows are added at the end only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemKind {
    /// A message that came.
    Message,
    /// A message that waits to be fetched.
    Waiting,
    /// A message that the user sent.
    Sent,
    /// What became of a message.
    Report,
    /// Somebody invites the user.
    Invited,
    /// The user invites somebody.
    Inviting,
    /// Somebody shares something with the user.
    Shared,
    /// The user shares something.
    Sharing,
    /// Somebody asks for the user's presence.
    Asked,
    /// A page of what a search found.
    Found,
}

impl ItemKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Message,
        Self::Waiting,
        Self::Sent,
        Self::Report,
        Self::Invited,
        Self::Inviting,
        Self::Shared,
        Self::Sharing,
        Self::Asked,
        Self::Found,
    ];
}

/// What a number stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The kind.
    pub kind: ItemKind,
    /// The MessageID, InviteID, or whatever names it to the service.
    pub id: Box<str>,
    /// Whose it is, or whom it is for: an address.
    pub who: Box<str>,
    /// The group that it came through or is about: an address; empty: none.
    pub group: Box<str>,
    /// The screen name of whoever sent it; empty: he is known by his address.
    pub screen_name: Box<str>,
    /// What more its kind needs: which invitation, which attributes.
    pub detail: Box<str>,
    /// When it got its number.
    pub at: Timestamp,
    /// Whether something is still to be done about it: its number is not given again.
    pub is_open: bool,
}

impl Item {
    /// An item of this kind under this name.
    pub fn new(kind: ItemKind, id: &str) -> Self {
        let is_open = matches!(
            kind,
            ItemKind::Waiting
                | ItemKind::Invited
                | ItemKind::Inviting
                | ItemKind::Shared
                | ItemKind::Sharing
                | ItemKind::Asked
        );
        Self {
            kind,
            id: id.into(),
            who: Box::default(),
            group: Box::default(),
            screen_name: Box::default(),
            detail: Box::default(),
            at: Timestamp(0),
            is_open,
        }
    }
}

/// How a user wants his replies (`SET`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalSettings {
    /// Messages are pushed; else he is told of them.
    pub push: bool,
    /// Delivery reports are asked for.
    pub report: bool,
    /// Codes of success in short messages.
    pub codes: bool,
    /// Short messages of one reply at once.
    pub pages: u16,
    /// Lines of a page; 0: all of them.
    pub page: u16,
    /// The language of texts.
    pub language: Option<Box<str>>,
    /// From which hour to which nothing but replies is sent to a phone.
    pub quiet: Option<(u8, u8)>,
    /// Any short message logs in.
    pub auto: bool,
    /// Changes of presence are sent to a phone.
    pub presence: bool,
}

impl Default for TerminalSettings {
    fn default() -> Self {
        Self {
            push: true,
            report: false,
            codes: false,
            pages: 1,
            page: 0,
            language: None,
            quiet: None,
            auto: false,
            presence: false,
        }
    }
}

/// What is in memory of a user while one of his terminals is there.
pub struct Terminal {
    user: UserId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u16,
    settings: TerminalSettings,
    items: FxHashMap<u16, Item>,
    /// Numbers in the order in which they were given.
    order: VecDeque<u16>,
    /// The user was removed: nothing is written of him any more.
    is_gone: bool,
}

/// Terminals in memory, by user.
#[derive(Default)]
pub(crate) struct TerminalTable {
    users: Mutex<FxHashMap<UserId, Weak<Terminal>>>,
    /// When something was last written later.
    written: AtomicU64,
}

/// How long what was written later may not be there to be read.
const SETTLED: Duration = Duration::from_secs(5);
/// From so many users on the table is gone through, now and then, for those who are no longer there.
const TABLE_MIN: usize = 256;

/// Access to what is kept for terminals.
#[derive(Clone, Copy)]
pub struct Terminals<'a>(pub(crate) &'a Services);

fn item_key(user: &UserId, number: u16) -> Key {
    Key::build().text(user.as_str()).u16(number).done()
}

impl Terminals<'_> {
    /// What is kept of the session's user. It stays in memory for as long as somebody holds it.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn of(&self, session: &Session) -> Result<Arc<Terminal>, Error> {
        let user = &session.user.id;
        // One reads, the others wait for it.
        let _change = session.user.change.lock().await;
        if session.is_closed() {
            // Whose user was removed, perhaps: nothing of him comes back.
            return Err(Error::NotLoggedIn);
        }
        if let Some(known) = self.0.terminals.users.lock().get(user).and_then(Weak::upgrade) {
            return Ok(known);
        }
        // What the last one wrote later must be there to be read.
        if self.0.clock.now().since(Timestamp(self.0.terminals.written.load(Ordering::Relaxed))) < SETTLED {
            self.0.store.flush().await?;
        }
        let record = self.0.store.get_one(Space::Terminals, user_key(user)).await?;
        let range = Key::build().text(user.as_str()).range();
        let rows = self.0.store.scan(Space::TerminalItems, range, Order::Forwards, usize::from(LAST_NUMBER)).await?;
        let mut state = record.map_or_else(|| Ok(State::default()), |record| State::read(&record))?;
        for row in &rows {
            let mut parts = row.key.read();
            let _user = parts.text();
            let Some(number) = parts.u16() else { continue };
            state.items.insert(number, Item::read(&row.value)?);
        }
        state.put_in_order();
        let terminal = Arc::new(Terminal { user: user.clone(), state: Mutex::new(state) });
        let mut table = self.0.terminals.users.lock();
        if table.len() >= TABLE_MIN && table.len() == table.capacity() {
            table.retain(|_, one| one.strong_count() > 0);
        }
        table.insert(user.clone(), Arc::downgrade(&terminal));
        Ok(terminal)
    }

    /// Gives an item the next number. What has one already, under the same name, keeps it; a message keeps it whether it
    /// was announced or pushed.
    ///
    /// # Errors
    /// `NotLoggedIn` once the user is removed; the store's failure: the number is not given then.
    pub fn number(&self, terminal: &Terminal, item: Item) -> Result<u16, Error> {
        let now = self.0.clock.now();
        let mut state = terminal.state.lock();
        if state.is_gone {
            return Err(Error::NotLoggedIn);
        }
        if let Some(number) = state.find(item.kind, &item.id, now) {
            return Ok(number);
        }
        let before = state.last;
        let number = state.next(now);
        let item = Item { at: now, ..item };
        let record = state.to_record();
        self.0.terminals.written.store(now.0, Ordering::Relaxed);
        let written = self.0.store.later(Space::TerminalItems, item_key(&terminal.user, number), item.to_record());
        let written = written.and_then(|()| self.0.store.later(Space::Terminals, user_key(&terminal.user), record));
        if let Err(error) = written {
            state.last = before;
            return Err(error.into());
        }
        state.put(number, item);
        Ok(number)
    }

    /// What a number stands for, while it is remembered.
    pub fn item(&self, terminal: &Terminal, number: u16) -> Option<Item> {
        let now = self.0.clock.now();
        terminal.state.lock().items.get(&number).filter(|item| is_kept(item, now)).cloned()
    }

    /// The number of an item by its name; of a message whether it waits or came.
    pub fn number_of(&self, terminal: &Terminal, kind: ItemKind, id: &str) -> Option<u16> {
        terminal.state.lock().find(kind, id, self.0.clock.now())
    }

    /// The newest item that fits.
    pub fn newest(&self, terminal: &Terminal, fits: impl Fn(&Item) -> bool) -> Option<(u16, Item)> {
        let now = self.0.clock.now();
        let state = terminal.state.lock();
        let known = |number: &u16| state.items.get(number).filter(|item| is_kept(item, now) && fits(item)).cloned();
        state.order.iter().rev().find_map(|number| known(number).map(|item| (*number, item)))
    }

    /// All items that fit, in the order of their age.
    pub fn all(&self, terminal: &Terminal, fits: impl Fn(&Item) -> bool) -> Vec<(u16, Item)> {
        let now = self.0.clock.now();
        let state = terminal.state.lock();
        let known = |number: &u16| state.items.get(number).filter(|item| is_kept(item, now) && fits(item)).cloned();
        state.order.iter().filter_map(|number| known(number).map(|item| (*number, item))).collect()
    }

    /// Nothing is to be done any more about an item; it is remembered all the same.
    pub fn close(&self, terminal: &Terminal, number: u16) {
        let mut state = terminal.state.lock();
        if state.is_gone {
            return;
        }
        let Some(item) = state.items.get_mut(&number).filter(|item| item.is_open) else { return };
        item.is_open = false;
        let record = item.to_record();
        self.0.terminals.written.store(self.0.clock.now().0, Ordering::Relaxed);
        if let Err(error) = self.0.store.later(Space::TerminalItems, item_key(&terminal.user, number), record) {
            tracing::warn!(user = %terminal.user, %error, "a number stays open");
        }
    }

    /// How the user wants his replies.
    pub fn settings(&self, terminal: &Terminal) -> TerminalSettings {
        terminal.state.lock().settings.clone()
    }

    /// Changes that. What two terminals change at once is changed both.
    ///
    /// # Errors
    /// `NotLoggedIn` once the user is removed; the store's failure: what was in force is in force still.
    pub async fn set(
        &self,
        terminal: &Terminal,
        change: impl FnOnce(&mut TerminalSettings),
    ) -> Result<TerminalSettings, Error> {
        let (commit, before, changed) = {
            let mut state = terminal.state.lock();
            if state.is_gone {
                return Err(Error::NotLoggedIn);
            }
            let before = state.settings.clone();
            change(&mut state.settings);
            let mut batch = Batch::new();
            batch.put(Space::Terminals, user_key(&terminal.user), state.to_record());
            (self.0.store.commit(batch), before, state.settings.clone())
        };
        if let Err(error) = commit.await {
            let mut state = terminal.state.lock();
            // Whoever changed more meanwhile has written this change with his.
            if state.settings == changed {
                state.settings = before;
            }
            return Err(error.into());
        }
        Ok(changed)
    }

    /// Adds to `batch` that everything goes which is kept of a user.
    pub(crate) fn remove_user(&self, user: &UserId, batch: &mut Batch) {
        batch.delete(Space::Terminals, user_key(user));
        batch.delete_range(Space::TerminalItems, Key::build().text(user.as_str()).range());
        let known = self.0.terminals.users.lock().remove(user).and_then(|known| known.upgrade());
        if let Some(terminal) = known {
            // A line in the middle of a command holds it still.
            terminal.state.lock().is_gone = true;
        }
    }
}

fn is_kept(item: &Item, now: Timestamp) -> bool {
    now.since(item.at) < KEPT
}

/// Whether two kinds are the same thing under one name: a message that waits and one that came.
fn is_same_thing(one: ItemKind, other: ItemKind) -> bool {
    let is_message = |kind| matches!(kind, ItemKind::Message | ItemKind::Waiting);
    one == other || (is_message(one) && is_message(other))
}

impl State {
    /// Numbers by the age of what they stand for.
    fn put_in_order(&mut self) {
        let mut order: Vec<_> = self.items.iter().map(|(number, item)| (item.at, *number)).collect();
        // Those of the same moment: after the last one come the smaller ones again.
        let last = self.last;
        order.sort_by_key(|(at, number)| (*at, *number <= last, *number));
        self.order = order.into_iter().map(|(_, number)| number).collect();
    }

    /// The number of an item by its name; newest first, since it is mostly asked about what just came.
    fn find(&self, kind: ItemKind, id: &str, now: Timestamp) -> Option<u16> {
        let is_it = |number: &&u16| {
            self.items
                .get(number)
                .is_some_and(|item| is_same_thing(item.kind, kind) && *item.id == *id && is_kept(item, now))
        };
        self.order.iter().rev().find(is_it).copied()
    }

    /// The next number: not one of what is still open. When all are, the oldest goes.
    fn next(&mut self, now: Timestamp) -> u16 {
        let is_free = |number: &u16| !self.items.get(number).is_some_and(|item| item.is_open && is_kept(item, now));
        let numbers = (self.last + 1..=LAST_NUMBER).chain(1..=self.last.min(LAST_NUMBER));
        let free = { numbers }.find(is_free);
        let number = free.or_else(|| self.order.front().copied()).unwrap_or(1);
        self.last = number;
        number
    }

    fn put(&mut self, number: u16, item: Item) {
        if self.items.insert(number, item).is_some() {
            self.order.retain(|one| *one != number);
        }
        self.order.push_back(number);
    }
}
