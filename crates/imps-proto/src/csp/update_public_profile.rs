//! *UpdatePublicProfile-Request*, 1.3: a user changes what he tells everybody. CSP 7.5.

use crate::grammar::primitive;
use imps_types::element::PublicProfile;

primitive! {
    /// A user changes his public profile.
    UpdatePublicProfileRequest {
        /// Whether what was there goes first.
        optional clear_public_profile: bool = ClearPublicProfile,
        /// What is set; a property without a value goes.
        optional public_profile: PublicProfile = PublicProfile,
    }
}
