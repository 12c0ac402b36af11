//! *PresenceAuth-User*: a publisher decides what somebody may see of his presence. CSP 9.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::presence::PresenceSubList;

primitive! {
    /// The publisher grants or denies attributes.
    PresenceAuthUser {
        /// To whom.
        required user_id: Address = UserId | User as alias,
        /// Whether they are granted.
        required acceptance: bool = Acceptance,
        /// Which attributes; absent or empty: all. Since 1.2.
        optional presence_sub_list: PresenceSubList = PresenceSubList since V1_2,
    }
}
