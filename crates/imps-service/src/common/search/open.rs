//! Searches that are open: what was found and is not told yet. In memory alone: after a restart they are unknown (424).

use imps_types::{SessionId, UserId};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::clock::Timestamp;
use crate::error::Error;

/// SearchIDs lie below this: Nokia keeps them as integers of 31 bits.
const ID_BOUND: u32 = 1 << 31;

/// Addresses that were found, in one piece of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Items {
    /// Whether they are users; else groups.
    pub(super) are_users: bool,
    text: Box<str>,
    ends: Box<[u32]>,
}

impl Items {
    pub(super) fn new<'a>(are_users: bool, addresses: impl Iterator<Item = &'a str>) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for address in addresses {
            text.push_str(address);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { are_users, text: text.into(), ends: ends.into() }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.text.get(start..end)
    }
}

/// A search that was begun and has not told everything.
#[derive(Debug)]
struct OpenSearch {
    owner: UserId,
    session: SessionId,
    items: Items,
    /// How many items an answer has, if the client does not say.
    page: usize,
    /// The index of the item behind the last one that was told, from 0.
    next: usize,
    used: Timestamp,
    /// Counts on with every use of any search: which one was used last.
    turn: u64,
}

/// Some of what was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// By what the search goes on; `None`: everything is told.
    pub(super) id: Option<u32>,
    pub(super) items: Vec<Box<str>>,
    pub(super) are_users: bool,
    /// All that was found.
    pub(super) findings: usize,
    /// The index of the item to ask for next, from 0.
    pub(super) next: usize,
}

#[derive(Debug, Default)]
struct Table {
    last: u32,
    turn: u64,
    open: FxHashMap<u32, OpenSearch>,
}

/// The searches that are open.
#[derive(Debug, Default)]
pub(super) struct OpenSearches(Mutex<Table>);

/// How much of the items goes into one answer: so many, and so many bytes; one in any case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) items: usize,
    pub(super) bytes: usize,
}

/// Bytes of an address in an answer, beside its own.
const AROUND: usize = 48;

fn page_of(items: &Items, from: usize, room: Room) -> Vec<Box<str>> {
    let mut page: Vec<Box<str>> = Vec::new();
    let mut bytes = 0;
    while let Some(item) = items.get(from + page.len()).filter(|_| page.len() < room.items) {
        bytes += item.len() + AROUND;
        if bytes > room.bytes && !page.is_empty() {
            break;
        }
        page.push(item.into());
    }
    page
}

impl OpenSearches {
    /// Tells the first page, and keeps the search open if there is more. `most` searches of a session may be open: its
    /// oldest one ends.
    pub(super) fn begin(
        &self,
        owner: &UserId,
        session: SessionId,
        items: Items,
        room: Room,
        most: usize,
        now: Timestamp,
    ) -> Page {
        let page = page_of(&items, 0, room);
        let (next, findings, are_users) = (page.len(), items.len(), items.are_users);
        if next >= findings {
            return Page { id: None, items: page, are_users, findings, next };
        }
        let mut table = self.0.lock();
        loop {
            let of_session = table.open.iter().filter(|(_, open)| open.session == session);
            if of_session.clone().count() < most.max(1) {
                break;
            }
            let Some(oldest) = of_session.min_by_key(|(_, open)| open.turn).map(|(id, _)| *id) else { break };
            table.open.remove(&oldest);
        }
        let id = table.new_id();
        let turn = table.next_turn();
        let open = OpenSearch { owner: owner.clone(), session, items, page: room.items, next, used: now, turn };
        table.open.insert(id, open);
        Page { id: Some(id), items: page, are_users, findings, next }
    }

    /// Tells another page: from the item with this index, counted from 1; without one, from where the last page ended.
    /// `room` is for a client whose search named so many items at its beginning.
    pub(super) fn go_on(
        &self,
        owner: &UserId,
        id: &str,
        index: Option<u32>,
        room: impl FnOnce(usize) -> Room,
        now: Timestamp,
    ) -> Result<Page, Error> {
        let mut table = self.0.lock();
        let turn = table.next_turn();
        let id = parse(id).ok_or(Error::UnknownSearch)?;
        let open = table.open.get_mut(&id).filter(|open| open.owner == *owner).ok_or(Error::UnknownSearch)?;
        let from = match index {
            None => open.next,
            Some(index) => usize::try_from(index).ok().and_then(|index| index.checked_sub(1)).unwrap_or(usize::MAX),
        };
        if from >= open.items.len() {
            return Err(Error::BadSearchIndex);
        }
        let items = page_of(&open.items, from, room(open.page));
        (open.used, open.turn) = (now, turn);
        open.next = from + items.len();
        let (next, findings, are_users) = (open.next, open.items.len(), open.items.are_users);
        let is_done = next >= findings;
        if is_done {
            table.open.remove(&id);
        }
        Ok(Page { id: (!is_done).then_some(id), items, are_users, findings, next })
    }

    /// Ends a search.
    pub(super) fn stop(&self, owner: &UserId, id: &str) -> Result<(), Error> {
        let mut table = self.0.lock();
        let id = parse(id).filter(|id| table.open.get(id).is_some_and(|open| open.owner == *owner));
        table.open.remove(&id.ok_or(Error::UnknownSearch)?);
        Ok(())
    }

    /// Ends the searches of a session.
    pub(super) fn close_all(&self, session: &SessionId) {
        let mut table = self.0.lock();
        if !table.open.is_empty() {
            table.open.retain(|_, open| open.session != *session);
        }
    }

    /// Ends searches that nobody went on with since.
    pub(super) fn expire(&self, unused_since: Timestamp) {
        let mut table = self.0.lock();
        if !table.open.is_empty() {
            table.open.retain(|_, open| open.used > unused_since);
        }
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.0.lock().open.len()
    }
}

impl Table {
    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    fn new_id(&mut self) -> u32 {
        if self.last == 0 {
            // Anywhere, so that one of before a restart is hardly taken for one of after it.
            let mut random = [0; 4];
            let _ = getrandom::fill(&mut random);
            self.last = u32::from_be_bytes(random) % (ID_BOUND - 1) + 1;
        }
        loop {
            self.last = self.last % (ID_BOUND - 1) + 1;
            if !self.open.contains_key(&self.last) {
                return self.last;
            }
        }
    }
}

/// A SearchID as we write them: decimal, without leading zeros.
fn parse(text: &str) -> Option<u32> {
    let text = text.trim();
    let is_plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::Slot;

    const ROOM: Room = Room { items: 2, bytes: 10_000 };

    fn owner() -> UserId {
        UserId::from_canonical("wv:al@x")
    }

    fn session(number: u8) -> SessionId {
        SessionId::new(Slot::of("x"), [number; 25])
    }

    fn items(count: usize) -> Items {
        let names: Vec<String> = (1..=count).map(|number| format!("wv:{number}@x")).collect();
        Items::new(true, names.iter().map(String::as_str))
    }

    fn first(searches: &OpenSearches, count: usize, of: u8, now: u64) -> Page {
        searches.begin(&owner(), session(of), items(count), ROOM, 2, Timestamp(now))
    }

    #[test]
    fn any_page_can_be_asked_for_until_the_last_one() {
        let searches = OpenSearches::default();
        let page = first(&searches, 5, 1, 0);
        let id = page.id.unwrap();
        assert!((1..ID_BOUND).contains(&id));
        assert_eq!((page.findings, page.next, &*page.items[1]), (5, 2, "wv:2@x"));
        let id = id.to_string();
        let ask = |index| searches.go_on(&owner(), &id, index, |_| ROOM, Timestamp(0));
        assert_eq!(ask(Some(3)).unwrap().items.len(), 2);
        let again = ask(Some(2)).unwrap();
        assert_eq!((&*again.items[0], again.next), ("wv:2@x", 3));
        for bad in [0, 6, u32::MAX] {
            assert_eq!(ask(Some(bad)), Err(Error::BadSearchIndex), "{bad}");
        }
        assert_eq!(&*ask(None).unwrap().items[0], "wv:4@x", "from where the last page ended");
    }

    #[test]
    fn it_ends_with_its_last_item_and_is_its_owners() {
        let searches = OpenSearches::default();
        assert_eq!(first(&searches, 2, 1, 0).id, None, "everything is told");
        assert_eq!(searches.len(), 0);
        let id = first(&searches, 3, 1, 0).id.unwrap().to_string();
        let other = UserId::from_canonical("wv:eve@x");
        assert_eq!(searches.go_on(&other, &id, None, |_| ROOM, Timestamp(0)), Err(Error::UnknownSearch));
        assert_eq!(searches.stop(&other, &id), Err(Error::UnknownSearch));
        let last = searches.go_on(&owner(), &id, Some(3), |_| ROOM, Timestamp(0)).unwrap();
        assert_eq!((last.id, last.items.len()), (None, 1));
        assert_eq!(searches.go_on(&owner(), &id, Some(3), |_| ROOM, Timestamp(0)), Err(Error::UnknownSearch));
        let id = first(&searches, 3, 1, 0).id.unwrap().to_string();
        searches.stop(&owner(), &id).unwrap();
        assert_eq!(searches.stop(&owner(), &id), Err(Error::UnknownSearch));
        for odd in ["", "x", "-1", "01", "99999999999"] {
            assert_eq!(searches.stop(&owner(), odd), Err(Error::UnknownSearch));
        }
    }

    #[test]
    fn they_are_bounded_and_expire() {
        let searches = OpenSearches::default();
        let ids: Vec<String> = (1..4).map(|now| first(&searches, 3, 1, now).id.unwrap().to_string()).collect();
        let other = first(&searches, 3, 2, 1).id.unwrap().to_string();
        assert_eq!(searches.len(), 3);
        assert_eq!(searches.stop(&owner(), &ids[0]), Err(Error::UnknownSearch), "the oldest of the session");
        searches.expire(Timestamp(2));
        assert_eq!(searches.stop(&owner(), &ids[1]), Err(Error::UnknownSearch));
        assert_eq!(searches.stop(&owner(), &other), Err(Error::UnknownSearch));
        searches.close_all(&session(2));
        assert_eq!(searches.len(), 1);
        searches.close_all(&session(1));
        assert_eq!(searches.len(), 0);
    }

    #[test]
    fn a_page_fits_the_parser_and_has_an_item_at_least() {
        let page = |bytes| page_of(&items(5), 0, Room { items: 9, bytes }).len();
        assert_eq!((page(0), page(110), page(10_000)), (1, 2, 5));
    }
}
