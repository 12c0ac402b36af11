//! *GetPublicProfile-Request* and *-Response*, 1.3: what users tell everybody. CSP 7.5.

use crate::elements::BareUserIds;
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{PublicProfile, ResultInfo};

primitive! {
    /// A user asks for public profiles.
    GetPublicProfileRequest {
        /// Of whom.
        via user_ids: Vec<Address> = BareUserIds,
    }
}

primitive! {
    /// The profiles.
    GetPublicProfileResponse {
        /// How it went.
        required result: ResultInfo = Result,
        /// One for each user who is known.
        many profiles: PublicProfile = PublicProfile,
    }
}
