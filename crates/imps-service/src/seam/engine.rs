//! The storage seam: ordered bytes in spaces, and batches that happen whole or not at all.
//!
//! Three verbs keep an engine to one file: get, scan, apply. An index is a row in the same batch.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::key::{Key, KeyRange};
use super::queue::CommitQueue;

macro_rules! spaces {
    ($($(#[$doc:meta])* $name:ident $table:literal $hot:literal;)*) => {
        /// One kind of record. Every engine gives each a table of its own, so that an operator can look, count and
        /// vacuum; the keys of one space are in no relation to those of another.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Space {
            $($(#[$doc])* $name,)*
        }

        impl Space {
            /// Every space, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name of its table. It is what is stored, so a row may move in the list but not change its name.
            pub const fn table(self) -> &'static str {
                match self {
                    $(Self::$name => $table,)*
                }
            }

            /// Whether it grows with every message, so that its keys must be written in order: each at the end, or nearly.
            pub const fn is_hot(self) -> bool {
                match self {
                    $(Self::$name => $hot,)*
                }
            }
        }
    };
}

spaces! {
    // space           table                hot
    /// Accounts: passwords and what an operator says about a user. Keyed by user.
    Users              "users"              false;
    /// Open sessions with what they negotiated, as the next start takes them up. Keyed by SessionID.
    Sessions           "sessions"           false;
    /// Contact lists with their members and properties. Keyed by user, list.
    Lists              "lists"              false;
    /// Attribute lists: which PresenceSubList each user, contact list or everybody may see. Keyed by user, whom.
    AttributeLists     "attribute_lists"    false;
    /// Block and grant lists. Keyed by user.
    Blocking           "blocking"           false;
    /// Which of a user's clients get messages, and what becomes of them while he has none. Keyed by user.
    Handling           "handling"           false;
    /// Presence values as last published; written later, merged. Keyed by user.
    Presence           "presence"           false;
    /// What a publisher decided about watchers who asked, and the questions that he has not answered. Keyed by
    /// publisher, watcher.
    Authorisations     "authorisations"     false;
    /// Who watches whom, and who did: beyond the life of sessions. Keyed by publisher, kind, watcher.
    Watchers           "watchers"           false;
    /// Public profiles. Keyed by user.
    Profiles           "profiles"           false;
    /// Invitations that can be answered and cancelled. Keyed by inviter, InviteID, invited.
    Invitations        "invitations"        false;
    /// Who was invited by whom, to find what an answer is about. Keyed by invited, InviteID, inviter.
    Invited            "invited"            false;
    /// When an invitation's validity ends. Keyed by time, inviter, InviteID, invited.
    InvitationExpiry   "invitation_expiry"  false;
    /// Messages that wait for their MessageDelivered. Keyed by sequence: a number that grows over all users, so that new
    /// bodies stand side by side. With the slot in front they stood in 4096 places, at five times the cost.
    Messages           "messages"           true;
    /// The messages of a user, with what is needed before the body is. Keyed by recipient, sequence.
    MessageIndex       "message_index"      false;
    /// When a message's validity ends. Keyed by time, sequence.
    MessageExpiry      "message_expiry"     true;
    /// Which answer a TransactionID got, so that a repeated request is carried out once: session, TransactionID and
    /// answer. Keyed by time, sequence, so that a sweep is one range delete; who looks one up has them in memory.
    Transactions       "transactions"       true;
    /// Groups with their properties. Keyed by group.
    Groups             "groups"             false;
    /// What is kept of users in groups: roles, own properties, rejections, invitations. Keyed by group, user.
    GroupPeople        "group_people"       false;
    /// Who has joined a group, and with which sessions. Keyed by group, user.
    GroupJoined        "group_joined"       false;
    /// Clients that were forced out of a group and have not heard of it yet. Keyed by session, group.
    GroupLeaves        "group_leaves"       false;
    /// Which messages belong to the history of a group. Keyed by group, sequence.
    GroupHistory       "group_history"      false;
    /// What the service says to its users (CSP 4.9), and what they say to it. Keyed by number, user.
    SystemMessages     "system_messages"    false;
    /// Codes with which users register themselves. Keyed by code.
    InviteCodes        "invite_codes"       false;
    /// Whose mobile number it is. Keyed by number: digits.
    MobileNumbers      "mobile_numbers"     false;
    /// How a user wants the replies of the Command Line Protocol, and the last number that it gave him. Keyed by user.
    Terminals          "terminals"          false;
    /// What its numbers stand for. Keyed by user, number.
    TerminalItems      "terminal_items"     false;
    /// What waits for other domains. Keyed by domain, sequence, and who gets it if it is a report.
    Relay              "relay"              false;
    /// When that, and what belongs to it, is of no use any more. Keyed by time, kind, sequence, domain, whose.
    RelayExpiry        "relay_expiry"       true;
    /// Whose message it was that another domain may report on. Keyed by sequence, domain.
    RelaySent          "relay_sent"         true;
    /// Messages of other domains, so that each is taken once: our number. Keyed by domain, their MessageID.
    Relayed            "relayed"            false;
    /// What they are called there, for the report. Keyed by sequence.
    RelayedIds         "relayed_ids"        true;
    /// Other domains: what operators wrote down of them, and what was agreed on with them. Keyed by domain, kind.
    Peers              "peers"              false;
    /// What other domains were told of users, and are to hear the end of. Keyed by kind, domain, user, publisher.
    PeersTold          "peers_told"         false;
    /// What the server itself remembers, such as the domain that it serves. Keyed by name.
    Server             "server"             false;
}

impl Space {
    /// The space whose table has this name.
    pub fn from_table(table: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|space| space.table() == table)
    }

    /// Its place in [`Space::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Which end of a range comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The least key first.
    Forwards,
    /// The greatest key first.
    Backwards,
}

/// A key with its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its key.
    pub key: Key,
    /// What is stored there.
    pub value: Bytes,
}

/// One change of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// The key has this value now, whether or not it had one before.
    Put {
        /// Where.
        space: Space,
        /// Which row.
        key: Key,
        /// Its new value.
        value: Bytes,
        /// Nothing was ever stored under this key, so an engine need not look for what it replaces.
        is_new: bool,
    },
    /// The key has no value now, whether or not it had one before.
    Delete {
        /// Where.
        space: Space,
        /// Which row.
        key: Key,
    },
    /// No key of the range has a value now.
    DeleteRange {
        /// Where.
        space: Space,
        /// Which rows.
        range: KeyRange,
    },
}

/// What must hold before the writes of a batch, or the batch is left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// The key has no value.
    Absent {
        /// Where.
        space: Space,
        /// Which row.
        key: Key,
    },
    /// The key has this value.
    Equals {
        /// Where.
        space: Space,
        /// Which row.
        key: Key,
        /// The value it must have.
        value: Bytes,
    },
}

/// Writes that happen whole or not at all, in their order, provided that every condition holds before the first.
///
/// ```
/// use imps_service::seam::{Batch, Space};
///
/// let mut batch = Batch::new();
/// batch.if_absent(Space::Users, "wv:alice").put(Space::Users, "wv:alice", "record");
/// assert_eq!(batch.rows(), 1);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// What is done.
    pub writes: Vec<Write>,
}

impl Batch {
    /// A batch that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds: the key gets this value.
    pub fn put(&mut self, space: Space, key: impl Into<Key>, value: impl Into<Bytes>) -> &mut Self {
        self.writes.push(Write::Put { space, key: key.into(), value: value.into(), is_new: false });
        self
    }

    /// Adds: this key, which never had a value and is never put again, gets one. What is deleted soon costs an engine less
    /// then.
    pub fn insert(&mut self, space: Space, key: impl Into<Key>, value: impl Into<Bytes>) -> &mut Self {
        self.writes.push(Write::Put { space, key: key.into(), value: value.into(), is_new: true });
        self
    }

    /// Adds: the key loses its value.
    pub fn delete(&mut self, space: Space, key: impl Into<Key>) -> &mut Self {
        self.writes.push(Write::Delete { space, key: key.into() });
        self
    }

    /// Adds: every key of the range loses its value.
    pub fn delete_range(&mut self, space: Space, range: KeyRange) -> &mut Self {
        self.writes.push(Write::DeleteRange { space, range });
        self
    }

    /// Adds the condition that the key has no value.
    pub fn if_absent(&mut self, space: Space, key: impl Into<Key>) -> &mut Self {
        self.conditions.push(Condition::Absent { space, key: key.into() });
        self
    }

    /// Adds the condition that the key has this value.
    pub fn if_equals(&mut self, space: Space, key: impl Into<Key>, value: impl Into<Bytes>) -> &mut Self {
        self.conditions.push(Condition::Equals { space, key: key.into(), value: value.into() });
        self
    }

    /// Puts the conditions and writes of another batch behind these.
    pub fn append(&mut self, mut other: Self) -> &mut Self {
        self.conditions.append(&mut other.conditions);
        self.writes.append(&mut other.writes);
        self
    }

    /// Whether it neither asks nor changes anything.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty() && self.writes.is_empty()
    }

    /// How many writes it has.
    pub fn rows(&self) -> usize {
        self.writes.len()
    }

    /// About how much memory it holds while it waits.
    pub fn bytes(&self) -> usize {
        let range =
            |range: &KeyRange| range.start.as_bytes().len() + range.end.as_ref().map_or(0, |end| end.as_bytes().len());
        let writes = self.writes.iter().map(|write| match write {
            Write::Put { key, value, .. } => key.as_bytes().len() + value.len(),
            Write::Delete { key, .. } => key.as_bytes().len(),
            Write::DeleteRange { range: keys, .. } => range(keys),
        });
        let conditions = self.conditions.iter().map(|condition| match condition {
            Condition::Absent { key, .. } => key.as_bytes().len(),
            Condition::Equals { key, value, .. } => key.as_bytes().len() + value.len(),
        });
        // What the enums themselves take, with the counted buffers behind them.
        writes.sum::<usize>() + conditions.sum::<usize>() + (self.writes.len() + self.conditions.len()) * 96
    }
}

/// Why the store did not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreError {
    /// A condition of the batch did not hold: the batch was left out.
    Condition,
    /// The disk is full. Nothing of the batch happened; it may be tried again when there is space.
    Full,
    /// Too much waits already. Nothing of the batch happened; it may be tried again soon.
    Busy,
    /// The engine cannot know whether it committed: read again before anything is repeated.
    Unknown,
    /// The engine failed in some other way, and nothing of the batch happened.
    Io(String),
    /// What is stored is damaged.
    Corrupt(String),
}

impl StoreError {
    /// Whether the same call may succeed a little later, with nobody repairing anything but the space on the disk.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Full | Self::Busy)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition => f.write_str("a condition of the batch does not hold"),
            Self::Full => f.write_str("the disk is full"),
            Self::Busy => f.write_str("the store has too much to do"),
            Self::Unknown => f.write_str("the store does not know whether it committed"),
            Self::Io(why) => write!(f, "the store failed: {why}"),
            Self::Corrupt(why) => write!(f, "the store is damaged: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// A storage engine: ordered bytes in spaces, and batches that happen whole or not at all.
///
/// What was applied is seen by every read that begins after the answer. Use it through [`Store`](crate::store::Store).
pub trait Engine: Send + Sync {
    /// The values of some keys, each in the place of its key, as of one moment.
    fn get<'a>(&'a self, space: Space, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, StoreError>>;

    /// Up to `limit` rows of a range, forwards or backwards, as of one moment.
    fn scan<'a>(
        &'a self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>>;

    /// All rows of several ranges, forwards, each range in its place: what is read of many users at once. An engine that can
    /// do better than one after the other does.
    fn scan_each<'a>(
        &'a self,
        space: Space,
        ranges: &'a [KeyRange],
    ) -> BoxFuture<'a, Result<Vec<Vec<Row>>, StoreError>> {
        Box::pin(async move {
            let mut all = Vec::with_capacity(ranges.len());
            for range in ranges {
                all.push(self.scan(space, range.clone(), Order::Forwards, usize::MAX).await?);
            }
            Ok(all)
        })
    }

    /// Commits the batches in their order, together, and answers each in its place. A batch whose condition fails is
    /// left out and says so ([`StoreError::Condition`]); its neighbours are committed all the same. When the engine
    /// cannot know whether it committed, it says that too ([`StoreError::Unknown`]), and the caller reads again.
    fn apply<'a>(&'a self, batches: &'a [Batch]) -> BoxFuture<'a, Vec<Result<(), StoreError>>>;

    /// A consistent copy while running: backup, export, move to another engine. `to` is a file that does not exist
    /// yet; it is complete once it has that name.
    fn snapshot<'a>(&'a self, to: &'a Path) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The queue that this engine's own committer empties. Batches from many tasks meet in it and become one commit.
    /// An engine without one is asked to [`apply`](Engine::apply) each batch by itself.
    fn queue(&self) -> Option<&Arc<CommitQueue>> {
        None
    }

    /// What an operator may want to watch of this engine, such as the size of its log: a name and a number each.
    fn gauges(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_space_is_found_by_its_table() {
        for (index, space) in Space::ALL.iter().enumerate() {
            assert_eq!(Space::from_table(space.table()), Some(*space));
            assert_eq!(space.index(), index);
            assert!(space.table().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{space:?}");
        }
        assert_eq!(Space::from_table("sqlite_schema"), None);
    }

    #[test]
    fn a_batch_counts_what_it_holds() {
        let mut batch = Batch::new();
        assert!(batch.is_empty());
        batch.put(Space::Users, "key", vec![0; 1000]).delete_range(Space::Lists, KeyRange::prefix(b"a"));
        assert!((1000..1500).contains(&batch.bytes()), "{}", batch.bytes());
        assert_eq!(batch.rows(), 2);
    }
}
