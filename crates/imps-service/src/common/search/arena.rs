//! The searchable text of all users, in memory: a column for each kind of text, in which all users' texts stand behind
//! each other.
//!
//! A search by part of a text is one pass over one column, which is a few megabytes for each million users. Where in a
//! column a user's text stands is known for every 64th; the rest is counted. A user whose texts change gets a new place at
//! the end, and the old one is dead; when too many are, the arena is made anew.

use std::cmp::Ordering;

use memchr::memmem::Finder;
use rustc_hash::FxHashMap;

/// Between two texts of a column. No text has it.
const END: u8 = 0;
/// For every so many users it is noted where their texts stand.
const STRIDE: usize = 64;
/// Places behind the sorted ones, and dead ones, from which on it is worth to make the arena anew.
const LOOSE_MIN: usize = 10_000;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Column {
    Id,
    FirstName,
    LastName,
    Email,
    MobileNumber,
    Alias,
    Age,
    City,
    Country,
    FriendlyName,
    Gender,
    Intention,
    Interests,
    MaritalStatus,
}

/// How many columns there are.
pub(super) const COLUMNS: usize = Column::MaritalStatus as usize + 1;

/// The texts of one user, each in the place of its column; empty where there is none. The address is the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts([String; COLUMNS]);

impl Texts {
    /// Sets a text: as it is compared, in lower case.
    pub(super) fn set(&mut self, column: Column, text: &str) {
        if let Some(place) = self.0.get_mut(column as usize) {
            place.clear();
            fold_into(text, place);
        }
    }

    /// Empties all texts, and keeps their memory for the next user.
    pub(super) fn clear(&mut self) {
        self.0.iter_mut().for_each(String::clear);
    }

    fn id(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }
}

/// A text as it is compared: in lower case.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(text, &mut folded);
    folded
}

fn fold_into(text: &str, folded: &mut String) {
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
    } else {
        folded.extend(text.chars().flat_map(char::to_lowercase));
    }
    if folded.as_bytes().contains(&END) {
        folded.retain(|c| c != '\0');
    }
}

/// The texts of one kind. Behind the last text that is not empty there is nothing.
#[derive(Debug, Default)]
struct Strip {
    bytes: Vec<u8>,
    /// Where the texts of the users 0, 64, 128 and so on stand.
    marks: Vec<u32>,
    /// Users whose texts are in.
    users: usize,
}

impl Strip {
    fn set(&mut self, user: usize, text: &str) {
        if text.is_empty() {
            return;
        }
        while self.users < user {
            self.append("");
        }
        self.append(text);
    }

    fn append(&mut self, text: &str) {
        if self.users.is_multiple_of(STRIDE) {
            self.marks.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        }
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(END);
        self.users += 1;
    }

    /// Whose text this octet is of.
    fn user_at(&self, at: usize) -> usize {
        let block = self.marks.partition_point(|mark| *mark as usize <= at).saturating_sub(1);
        let from = self.marks.get(block).map_or(0, |mark| *mark as usize);
        let between = self.bytes.get(from..at).unwrap_or_default();
        block * STRIDE + memchr::memchr_iter(END, between).count()
    }

    fn text(&self, user: usize) -> &[u8] {
        let Some(mark) = self.marks.get(user / STRIDE) else { return b"" };
        let mut rest = self.bytes.get(*mark as usize..).unwrap_or_default();
        for _ in 0..user % STRIDE {
            let Some(end) = memchr::memchr(END, rest) else { return b"" };
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        let end = memchr::memchr(END, rest).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    /// Calls `found` with each user in whose text the needle stands, in order, until it says that it has enough.
    fn find(&self, needle: &Finder<'_>, mut found: impl FnMut(usize) -> bool) {
        let mut from = 0;
        while let Some(rest) = self.bytes.get(from..).filter(|rest| !rest.is_empty()) {
            let Some(at) = needle.find(rest) else { return };
            let at = from + at;
            if !found(self.user_at(at)) {
                return;
            }
            // One hit in a text is enough.
            let rest = self.bytes.get(at..).unwrap_or_default();
            from = memchr::memchr(END, rest).map_or(self.bytes.len(), |end| at + end + 1);
        }
    }

    fn memory(&self) -> usize {
        self.bytes.capacity() + self.marks.capacity() * size_of::<u32>()
    }
}

/// The searchable texts of all users.
#[derive(Debug, Default)]
pub(super) struct Arena {
    strips: [Strip; COLUMNS],
    users: usize,
    /// The first so many are in the order of their addresses; where the others are, `tail` knows.
    sorted: usize,
    tail: FxHashMap<Box<str>, u32>,
    /// A bit for each: its user is gone, or has another place by now.
    dead: Vec<u64>,
    dead_count: usize,
}

impl Arena {
    /// Puts a user in, in place of what was known of him.
    pub(super) fn put(&mut self, texts: &Texts) {
        let is_next = self.sorted == self.users
            && (self.users == 0 || self.id(self.users - 1).as_bytes() < texts.id().as_bytes());
        if is_next {
            self.sorted += 1;
        } else {
            self.remove(texts.id());
            self.tail.insert(texts.id().into(), u32::try_from(self.users).unwrap_or(u32::MAX));
        }
        for (strip, text) in self.strips.iter_mut().zip(&texts.0) {
            strip.set(self.users, text);
        }
        self.users += 1;
    }

    /// Takes a user out.
    pub(super) fn remove(&mut self, id: &str) {
        let Some(user) = self.position(id) else { return };
        self.tail.remove(id);
        let word = user / 64;
        if self.dead.len() <= word {
            self.dead.resize(word + 1, 0);
        }
        if let Some(word) = self.dead.get_mut(word) {
            *word |= 1 << (user % 64);
        }
        self.dead_count += 1;
    }

    /// The place of a user.
    pub(super) fn position(&self, id: &str) -> Option<usize> {
        if let Some(user) = self.tail.get(id) {
            return Some(*user as usize);
        }
        let (mut low, mut high) = (0, self.sorted);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.id(middle).as_bytes().cmp(id.as_bytes()) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return self.is_alive(middle).then_some(middle),
            }
        }
        None
    }

    /// Places that there are, dead ones included.
    pub(super) fn len(&self) -> usize {
        self.users
    }

    /// Users that can be found.
    pub(super) fn alive(&self) -> usize {
        self.users - self.dead_count
    }

    pub(super) fn is_alive(&self, user: usize) -> bool {
        self.dead.get(user / 64).is_none_or(|word| word & (1 << (user % 64)) == 0)
    }

    /// The address of the user at a place.
    pub(super) fn id(&self, user: usize) -> &str {
        std::str::from_utf8(self.text(user, Column::Id)).unwrap_or_default()
    }

    /// A text of the user at a place; empty when there is none.
    pub(super) fn text(&self, user: usize, column: Column) -> &[u8] {
        self.strips.get(column as usize).map_or(b"", |strip| strip.text(user))
    }

    /// The places, in order, in whose text of this kind the needle stands: as many as are asked for at most, and whether
    /// those are all.
    pub(super) fn find(&self, column: Column, needle: &Finder<'_>, most: usize) -> (Vec<usize>, bool) {
        let mut found = Vec::new();
        let mut is_all = true;
        if let Some(strip) = self.strips.get(column as usize) {
            strip.find(needle, |user| {
                if found.len() >= most {
                    is_all = false;
                    return false;
                }
                if self.is_alive(user) {
                    found.push(user);
                }
                true
            });
        }
        (found, is_all)
    }

    /// Whether so much lies loose that the arena is better made anew.
    pub(super) fn is_loose(&self) -> bool {
        self.dead_count + self.tail.len() > LOOSE_MIN.max(self.users / 8)
    }

    /// The same users in order, and none that is dead.
    pub(super) fn tidied(&self) -> Self {
        let mut order: Vec<usize> = (0..self.users).filter(|user| self.is_alive(*user)).collect();
        // All but the tail are in order, which this kind of sort makes use of.
        order.sort_by(|one, other| self.id(*one).as_bytes().cmp(self.id(*other).as_bytes()));
        let mut tidy = Self::default();
        for (old, new) in self.strips.iter().zip(&mut tidy.strips) {
            new.bytes.reserve_exact(old.bytes.len());
        }
        for user in order {
            for (old, new) in self.strips.iter().zip(&mut tidy.strips) {
                new.set(tidy.users, std::str::from_utf8(old.text(user)).unwrap_or_default());
            }
            tidy.users += 1;
        }
        tidy.sorted = tidy.users;
        tidy
    }

    /// Lets go of memory that growing left over.
    pub(super) fn shrink(&mut self) {
        for strip in &mut self.strips {
            strip.bytes.shrink_to_fit();
            strip.marks.shrink_to_fit();
        }
    }

    /// Bytes that it takes, about.
    pub(super) fn memory(&self) -> usize {
        let tail: usize = self.tail.keys().map(|id| id.len() + 48).sum();
        self.strips.iter().map(Strip::memory).sum::<usize>() + self.dead.capacity() * 8 + tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(id: &str, first: &str) -> Texts {
        let mut texts = Texts::default();
        texts.set(Column::Id, id);
        texts.set(Column::FirstName, first);
        texts
    }

    fn found(arena: &Arena, column: Column, text: &str) -> Vec<String> {
        let text = fold(text);
        let (places, is_all) = arena.find(column, &Finder::new(&text), usize::MAX);
        assert!(is_all);
        places.into_iter().map(|place| arena.id(place).to_owned()).collect()
    }

    #[test]
    fn parts_of_texts_are_found_whatever_their_case() {
        let mut arena = Arena::default();
        for number in 0..200 {
            let first = if number % 50 == 7 { "Zoë JÄGER" } else { "" };
            arena.put(&texts(&format!("wv:u{number:03}@x"), first));
        }
        assert_eq!(found(&arena, Column::FirstName, "ë jä"), ["wv:u007@x", "wv:u057@x", "wv:u107@x", "wv:u157@x"]);
        assert_eq!(found(&arena, Column::Id, "U05").len(), 10);
        assert_eq!(found(&arena, Column::Id, "3@x").len(), 20, "a domain is part of the address");
        assert_eq!(found(&arena, Column::Id, "@xwv:"), [""; 0], "no text runs into the next one");
        assert_eq!(found(&arena, Column::Alias, "u"), [""; 0]);
        let (some, is_all) = arena.find(Column::Id, &Finder::new("u"), 20);
        assert_eq!((some.len(), is_all), (20, false));
        for number in 0..200 {
            let id = format!("wv:u{number:03}@x");
            let place = arena.position(&id).unwrap();
            assert_eq!((place, arena.id(place)), (number, id.as_str()));
        }
        assert_eq!(arena.position("wv:u"), None);
        assert_eq!(arena.position("wv:z@x"), None);
    }

    #[test]
    fn what_changes_is_found_as_it_is_now() {
        let mut arena = Arena::default();
        for name in ["ada", "bob", "cid", "dan"] {
            arena.put(&texts(name, name));
        }
        arena.put(&texts("bob", "Robert"));
        arena.remove("cid");
        arena.remove("nobody");
        assert_eq!(found(&arena, Column::FirstName, "bob"), [""; 0]);
        assert_eq!(found(&arena, Column::FirstName, "robert"), ["bob"]);
        assert_eq!(found(&arena, Column::Id, "cid"), [""; 0]);
        arena.put(&texts("bob", "Bobby"));
        arena.put(&texts("abe", ""));
        arena.put(&texts("cid", "back"));
        arena.remove("ada");
        assert_eq!(arena.alive(), 4);
        let check = |arena: &Arena| {
            assert_eq!(found(arena, Column::FirstName, "bob"), ["bob"]);
            assert_eq!(found(arena, Column::FirstName, "back"), ["cid"]);
            assert_eq!(found(arena, Column::FirstName, "ada"), [""; 0]);
            assert_eq!(arena.alive(), 4);
        };
        check(&arena);
        let mut tidy = arena.tidied();
        check(&tidy);
        assert_eq!((tidy.len(), tidy.dead_count, tidy.tail.len()), (4, 0, 0));
        assert_eq!(found(&tidy, Column::Id, ""), ["abe", "bob", "cid", "dan"]);
        tidy.put(&texts("eve", ""));
        assert_eq!(tidy.position("eve"), Some(4));
        assert!(tidy.tail.is_empty(), "it came in order");
    }

    /// Against a plain list, over many random changes.
    #[test]
    fn it_is_as_good_as_a_list() {
        let mut arena = Arena::default();
        let mut model = std::collections::BTreeMap::new();
        let mut dice = 7_u64;
        let mut roll = |bound: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % bound
        };
        for round in 0..3000 {
            let id = format!("wv:{}@x", roll(300));
            if roll(4) == 0 {
                arena.remove(&id);
                model.remove(&id);
            } else {
                let first = ["", "ann", "hannah", "bo"][roll(4) as usize];
                arena.put(&texts(&id, first));
                model.insert(id, first);
            }
            if round % 700 == 699 {
                arena = arena.tidied();
            }
            if round % 50 == 0 {
                for needle in ["ann", "bo", "nnah"] {
                    let mut have = found(&arena, Column::FirstName, needle);
                    have.sort();
                    let want: Vec<&String> =
                        model.iter().filter(|(_, first)| first.contains(needle)).map(|(id, _)| id).collect();
                    assert_eq!(have.iter().collect::<Vec<_>>(), want, "{needle} in round {round}");
                }
                assert_eq!(arena.alive(), model.len());
            }
        }
    }
}
