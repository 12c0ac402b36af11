//! Invitations, search, names and profiles. SSP 9.3, 9.8.

use super::carried::{Answered, Asked};
use super::common::{DomainName, Party};
use super::error::Error;
use super::grammar::{Part, primitive, structure};
use super::io::{In, Out, Start};
use crate::csp;
use imps_types::Address;
use imps_types::element::{InviteType, ResultInfo, ScreenName};
use imps_types::presence::PresenceSubList;

/// `ApplicationID` beside other children, where it has its value in an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application(pub Box<str>);

impl Part for Application {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let named = start.attribute(&["applicationID"]);
        let text = input.text()?;
        Ok(Self(named.as_deref().unwrap_or(&text).into()))
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        out.attribute("applicationID", &self.0);
        out.end(name);
    }
}

structure! {
    /// Something that can be fetched (`ContentID`).
    ContentId [
        /// From where.
        required url: Box<str> = "url",
    ] {}
}

structure! {
    /// What an invitation shares (`ContentIDList`).
    ContentIds [] {
        /// One each.
        many contents: ContentId = "ContentID",
    }
}

primitive! {
    /// Somebody is invited. One invited party for each message.
    InviteRequest (meta) [
        /// The inviting domain's name for it.
        required invite_id: Box<str> = "inviteID",
        /// To what.
        required invite_type: InviteType = "inviteType",
        /// For how many seconds it is good.
        optional validity: u32 = "validity",
    ] {
        /// Who invites.
        required inviting: Party = "Inviting",
        /// Whom.
        required invited: Party = "Invited",
        /// To which group.
        optional group_id: Address = "GroupID",
        /// To which application.
        optional application: Application = "ApplicationID",
        /// To which presence attributes.
        optional attributes: PresenceSubList = "AttributeList",
        /// To which content.
        optional contents: ContentIds = "ContentIDList",
        /// A word with it.
        optional note: Box<str> = "InviteNote",
        /// The inviter's name in the group.
        optional screen_name: ScreenName = "ScreenName",
    }
}

primitive! {
    /// What the invited says; a transaction of its own, without MetaInfo.
    InviteResponse (meta?) [
        /// To which invitation.
        required invite_id: Box<str> = "inviteID",
        /// Whether he comes.
        required acceptance: bool = "acceptance",
    ] {
        /// 200; of old peers 404 when he does not come.
        optional status: ResultInfo = "Status",
        /// Who had invited.
        optional inviting: Party = "Inviting",
        /// Who answers.
        optional responding: Party = "Responding",
        /// A word with it.
        optional note: Box<str> = "ResponseNote",
        /// His name in the group.
        optional screen_name: ScreenName = "ScreenName",
    }
}

primitive! {
    /// An invitation is taken back.
    CancelInviteRequest (meta) [
        /// Which.
        required invite_id: Box<str> = "inviteID",
    ] {
        /// Who takes it back.
        required canceling: Party = "Canceling",
        /// From whom.
        required canceled: Party = "Canceled",
        /// Of which group.
        optional group_id: Address = "GroupID",
        /// Of which application.
        optional application: Application = "ApplicationID",
        /// Of which presence attributes.
        optional attributes: PresenceSubList = "AttributeList",
        /// Of which content.
        optional contents: ContentIds = "ContentIDList",
        /// A word with it.
        optional note: Box<str> = "CancelNote",
        /// The inviter's name in the group.
        optional screen_name: ScreenName = "ScreenName",
    }
}

structure! {
    /// One criterion (`SearchPair`).
    SearchPair [] {
        /// Of what: `USER_ALIAS`, ...
        required name: Box<str> = "Name",
        /// What it must have.
        optional value: Box<str> = "Value",
    }
}

primitive! {
    /// A search begins, by criteria, or goes on, by its ID.
    SearchRequest (meta) [
        /// How many items one answer may have.
        optional limit: u32 = "searchLimit",
        /// Which search goes on.
        optional search_id: Box<str> = "searchID",
        /// With which item.
        optional index: u32 = "searchIndex",
    ] {
        /// The criteria.
        many pairs: SearchPair = "SearchPair",
    }
}

primitive! {
    /// What was found.
    SearchResponse [
        /// By what it goes on.
        optional search_id: Box<str> = "searchID",
        /// How many items were found in all.
        optional findings: u32 = "searchFindings",
        /// Which item comes next.
        optional index: u32 = "searchIndex",
        /// Whether nothing is left.
        optional completion: bool = "completion",
    ] {
        /// How it went.
        required status: ResultInfo = "Status",
        /// Users.
        many user_ids: Address = "UserID",
        /// Groups.
        many group_ids: Address = "GroupID",
    }
}

primitive! {
    /// A search ends.
    StopSearchRequest (meta) [
        /// Which.
        required search_id: Box<str> = "searchID",
    ] {}
}

primitive! {
    /// Do these exist? 1.3.
    VerifyIdRequest (meta) [] {
        /// Users.
        many user_ids: Address = "UserID",
        /// Groups.
        many group_ids: Address = "GroupID",
        /// Names in groups.
        many screen_names: ScreenName = "ScreenName" | "ScreenNames",
        /// Domains.
        many domains: DomainName = "Domain",
    }
}

/// Public profiles are asked for, 1.3.
pub type GetPublicProfileRequest = Asked<csp::GetPublicProfileRequest>;
/// The profiles.
pub type GetPublicProfileResponse = Answered<csp::GetPublicProfileResponse>;
/// A user changes his public profile, 1.3.
pub type UpdatePublicProfileRequest = Asked<csp::UpdatePublicProfileRequest>;
/// Who runs the service?
pub type GetSpInfoRequest = Asked<csp::GetSpInfoRequest>;
/// This one.
pub type GetSpInfoResponse = Answered<csp::GetSpInfoResponse>;
