//! *GetMap-Request* and *-Response*, 1.3: where somebody is, as a picture. CSP 7.4.

use crate::elements::SizelessContent;
use crate::grammar::{element, primitive};
use imps_types::Address;
use imps_types::element::Content;
use imps_types::presence::PresenceSubList;

primitive! {
    /// A user asks for a map.
    GetMapRequest {
        /// Of where this user is,
        optional user_id: Address = UserId | User as alias,
        /// or of this GeoLocation.
        optional presence_sub_list: PresenceSubList = PresenceSubList,
    }
}

element! {
    /// A picture (`Map`).
    Map {
        /// Its type, and its octets.
        via content: (Box<str>, Content) = SizelessContent,
    }
}

primitive! {
    /// The map.
    GetMapResponse {
        /// Itself,
        optional map: Map = Map,
        /// or where it can be fetched.
        optional url: Box<str> = Url,
    }
}
