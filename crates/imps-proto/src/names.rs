//! A hash table of names that the compiler builds. Element names and value words are found in it.
//!
//! A name is hashed by its length and at most 24 of its bytes, which is enough to tell all names of the tables apart
//! in one or two probes; a peer cannot make a search long, since the table does not change.

/// How many slots a table has: four times the names and more, so that searches stay short.
pub(crate) const SLOTS: usize = 2048;

const FREE: u16 = u16::MAX;

/// The table for `names`. Empty names are left out.
pub(crate) const fn slots<const N: usize>(names: &[&str; N]) -> [u16; SLOTS] {
    let mut slots = [FREE; SLOTS];
    let mut i = 0;
    while i < N {
        if !names[i].is_empty() {
            let mut slot = hash(names[i].as_bytes());
            while slots[slot] != FREE {
                slot = (slot + 1) % SLOTS;
            }
            slots[slot] = i as u16;
        }
        i += 1;
    }
    slots
}

/// The entry whose name is `name`.
#[inline]
pub(crate) fn find<'t, T>(
    name: &str,
    slots: &[u16; SLOTS],
    entry: impl Fn(usize) -> Option<&'t T>,
    name_of: impl Fn(&T) -> &str,
) -> Option<&'t T> {
    let mut slot = hash(name.as_bytes());
    loop {
        // A free slot is no index of an entry, and ends the search. One always comes.
        let found = entry(usize::from(slots[slot % SLOTS]))?;
        if name_of(found) == name {
            return Some(found);
        }
        slot += 1;
    }
}

#[inline]
const fn hash(name: &[u8]) -> usize {
    let length = name.len();
    let (head, tail) = if let (Some(head), Some(tail)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        let (_, middle) = name.split_at(length / 2 - 4);
        let middle = match middle.first_chunk::<8>() {
            Some(middle) => u64::from_le_bytes(*middle),
            None => 0,
        };
        (u64::from_le_bytes(*head) ^ middle.rotate_left(13), u64::from_le_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (u32::from_le_bytes(*head) as u64, u32::from_le_bytes(*tail) as u64)
    } else {
        match *name {
            [a] => (a as u64, 0),
            [a, b] => (a as u64, b as u64),
            [a, b, c] => (a as u64 | (b as u64) << 8, c as u64),
            _ => (0, 0),
        }
    };
    let mixed = head.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (tail ^ length as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    // The upper bits depend on all of the lower ones.
    (mixed >> (64 - 11)) as usize
}

/// The most probes that any name needs.
#[cfg(test)]
pub(crate) fn longest_search(names: &[&str], slots: &[u16; SLOTS]) -> usize {
    let probes = |name: &&str| {
        let start = hash(name.as_bytes());
        (0..SLOTS).find(|n| names.get(usize::from(slots[(start + n) % SLOTS])) == Some(name)).map_or(SLOTS, |n| n + 1)
    };
    names.iter().filter(|name| !name.is_empty()).map(probes).max().unwrap_or(0)
}
