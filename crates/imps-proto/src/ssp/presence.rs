//! Presence and contact lists. SSP 9.4, 9.5.

use super::carried::{Answered, Asked};
use super::content::PresenceValue;
use super::grammar::primitive;
use crate::csp;
use imps_types::Address;
use imps_types::element::{ResultInfo, User};
use imps_types::presence::PresenceSubList;

primitive! {
    /// A user wants to know of changes.
    SubscribeRequest (meta) [] {
        /// Of whose.
        many user_ids: Address = "UserID" | "User",
        /// Of which attributes; absent: all.
        optional attributes: PresenceSubList = "AttributeList",
    }
}

primitive! {
    /// And does no longer.
    UnsubscribeRequest (meta) [] {
        /// Of whose.
        many user_ids: Address = "UserID" | "User",
    }
}

primitive! {
    /// What has changed.
    PresenceNotification (meta?) [] {
        /// Who is to know.
        many users: User = "User",
        /// What.
        many values: PresenceValue = "PresenceValue",
    }
}

primitive! {
    /// A user asks for presence once.
    GetPresenceRequest (meta) [] {
        /// Whose.
        many user_ids: Address = "VerUserID" | "UserID" | "User",
        /// Which attributes; absent: all.
        optional attributes: PresenceSubList = "AttributeList",
    }
}

primitive! {
    /// The presence.
    GetPresenceResponse [] {
        /// How it went; peers that leave it out mean success.
        optional status: ResultInfo = "Status",
        /// One for each user who may be told of.
        many values: PresenceValue = "PresenceValue",
    }
}

primitive! {
    /// A user's own attributes, to the domain that keeps them.
    UpdatePresenceRequest (meta) [] {
        /// Those that changed.
        required list: PresenceSubList = "PresenceSubList",
    }
}

/// Who watches a user?
pub type GetWatcherListRequest = Asked<csp::GetWatcherListRequest>;
/// The watchers.
pub type GetWatcherListResponse = Answered<csp::GetWatcherListResponse>;

primitive! {
    /// A user is to say who may see him.
    AuthorizationRequest (meta) [] {
        /// Who asks.
        required user: User = "User",
        /// Whose presence it is.
        optional publisher: Address = "UserID",
        /// Which attributes.
        optional attributes: PresenceSubList = "AttributeList",
    }
}

primitive! {
    /// What he said.
    AuthorizationResponse (meta) [
        /// Whether he may.
        required acceptance: bool = "acceptance",
    ] {
        /// Who had asked.
        required user_id: Address = "UserID" | "User",
        /// Which attributes.
        optional attributes: PresenceSubList = "AttributeList",
    }
}

primitive! {
    /// He takes it back.
    CancelAuthorizationRequest (meta) [] {
        /// From whom.
        required user_id: Address = "UserID" | "User",
    }
}

/// A user asks for his contact lists.
pub type GetListRequest = Asked<csp::GetListRequest>;
/// His contact lists.
pub type GetListResponse = Answered<csp::GetListResponse>;
/// A user makes a contact list.
pub type CreateListRequest = Asked<csp::CreateListRequest>;
/// A user removes a contact list.
pub type DeleteListRequest = Asked<csp::DeleteListRequest>;
/// A user changes a contact list.
pub type ListManageRequest = Asked<csp::ListManageRequest>;
/// The list after it.
pub type ListManageResponse = Answered<csp::ListManageResponse>;
/// A user says what others may see of him.
pub type CreateAttributeListRequest = Asked<csp::CreateAttributeListRequest>;
/// And takes it back.
pub type DeleteAttributeListRequest = Asked<csp::DeleteAttributeListRequest>;
/// A user asks for what others may see of him.
pub type GetAttributeListRequest = Asked<csp::GetAttributeListRequest>;
/// His attribute lists.
pub type GetAttributeListResponse = Answered<csp::GetAttributeListResponse>;
