//! Who watches whom, and what was decided about it (CSP 9, 10).

use super::words;
use crate::address::Address;
use crate::presence::PresenceSubList;

words! {
    /// How somebody watches a user (`WatcherStatus`).
    WatcherStatus {
        CurrentSubscriber = "CURRENT_SUBSCRIBER", FormerSubscriber = "FORMER_SUBSCRIBER",
        PresenceAccess = "PRESENCE_ACCESS",
    }
}
words! {
    /// What a publisher decided about a watcher who asked (`ReactiveAuthState`).
    ReactiveAuthState { Granted = "GRANTED", Denied = "DENIED", Pending = "PENDING" }
}

/// Somebody on the watcher list of a user (`Watcher`; in 1.1 just a `User`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Watcher {
    /// `UserID`, in 1.2 inside `User`.
    pub user_id: Address,
    /// `FriendlyName`, 1.3.
    pub friendly_name: Option<Box<str>>,
    /// `WatcherStatus`; since 1.2.
    pub status: Option<WatcherStatus>,
}

/// What was decided about one watcher (`ReactiveAuthStatus`), 1.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactiveAuthStatus {
    /// `UserID`: the watcher.
    pub user_id: Address,
    /// `ReactiveAuthState`.
    pub state: ReactiveAuthState,
    /// `PresenceSubList`: about which attributes; absent: all of them.
    pub presence_sub_list: Option<PresenceSubList>,
}
