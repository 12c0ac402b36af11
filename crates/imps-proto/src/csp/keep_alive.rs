//! *KeepAlive-Request* and *-Response*: the session timer is restarted, perhaps changed. CSP 4.4.

use crate::grammar::primitive;
use imps_types::element::ResultInfo;

primitive! {
    /// The client is still there.
    KeepAliveRequest {
        /// The wished session timer, seconds.
        optional time_to_live: u32 = TimeToLive,
    }
}

primitive! {
    /// How long the session lives without a further message.
    KeepAliveResponse {
        /// How it went.
        required result: ResultInfo = Result,
        /// The session timer that holds, if it changes; seconds.
        optional keep_alive_time: u32 = KeepAliveTime,
    }
}
