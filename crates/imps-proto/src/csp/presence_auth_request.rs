//! *PresenceAuth-Request*: a publisher is asked whether somebody may see his presence. CSP 9.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::presence::PresenceSubList;

primitive! {
    /// Somebody wants to see presence attributes about which nothing was decided.
    PresenceAuthRequest {
        /// Who.
        required user_id: Address = UserId | User as alias,
        /// Which attributes; absent: all.
        optional presence_sub_list: PresenceSubList = PresenceSubList,
    }
}
