//! *GetWatcherList-Request* and *-Response*: who watches the user. CSP 10.

use crate::elements::Watchers;
use crate::grammar::primitive;
use imps_types::element::Watcher;

primitive! {
    /// A user asks who subscribed to his presence.
    GetWatcherListRequest {
        /// Seconds back to which former subscribers, and those who got presence once, are told too; since 1.2.
        optional history_period: u32 = HistoryPeriod since V1_2,
        /// How many watchers he wants at most; since 1.2.
        optional max_watcher_list: u32 = MaxWatcherList since V1_2,
    }
}

primitive! {
    /// The watchers.
    GetWatcherListResponse {
        /// Seconds that the history goes back; since 1.2.
        optional history_period: u32 = HistoryPeriod since V1_2,
        /// How many watchers there are, though not all may be listed; 1.3.
        optional watcher_count: u32 = WatcherCount since V1_3,
        /// One for each watcher.
        via watchers: Vec<Watcher> = Watchers,
    }
}
