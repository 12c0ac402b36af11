//! The Common features: search, invitations, public profiles (CSP 7).

use super::people::{Property, ScreenName};
use super::words;
use crate::address::Address;

words! {
    /// What a criterion of a search looks at (`SearchElement`).
    SearchElement {
        UserId = "USER_ID", UserFirstName = "USER_FIRST_NAME", UserLastName = "USER_LAST_NAME",
        UserEmailAddress = "USER_EMAIL_ADDRESS", UserAlias = "USER_ALIAS", UserOnlineStatus = "USER_ONLINE_STATUS",
        UserMobileNumber = "USER_MOBILE_NUMBER", GroupId = "GROUP_ID", GroupName = "GROUP_NAME",
        GroupTopic = "GROUP_TOPIC", GroupUserIdJoined = "GROUP_USER_ID_JOINED",
        GroupUserIdOwner = "GROUP_USER_ID_OWNER", GroupUserIdAutojoin = "GROUP_USER_ID_AUTOJOIN",
        UserAgeMin = "USER_AGE_MIN", UserAgeMax = "USER_AGE_MAX", UserCity = "USER_CITY", UserCountry = "USER_COUNTRY",
        UserFriendlyName = "USER_FRIENDLY_NAME", UserGender = "USER_GENDER", UserIntention = "USER_INTENTION",
        UserInterestsHobbies = "USER_INTERESTS_HOBBIES", UserMaritalStatus = "USER_MARITAL_STATUS",
    }
}
words! {
    /// What somebody is invited to (`InviteType`).
    InviteType {
        Group = "GR", Conversation = "IM", Presence = "PR", Content = "SC", Membership = "GM", Application = "AP",
        ExtendedConversation = "EC", ExtendedGroup = "EG",
    }
}
words! {
    /// What a public profile tells (`PP_...`), 1.3.
    ProfileProperty {
        Age = "PP_AGE", City = "PP_CITY", Country = "PP_COUNTRY", FriendlyName = "PP_FRIENDLY_NAME",
        FreeText = "PP_FREE_TEXT", Gender = "PP_GENDER", Intention = "PP_INTENTION", Interests = "PP_INTERESTS",
        MaritalStatus = "PP_MARITAL_STATUS",
    }
}

/// One criterion of a search (`SearchPair`): as it was received, since what is not in the table must be refused by name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SearchPair {
    /// `SearchElement`.
    pub element: Box<str>,
    /// `SearchString`.
    pub string: Option<Box<str>>,
    /// `PairID`, 1.3: by what `AdvancedCriteria` names it.
    pub pair_id: Option<u32>,
}

/// What a search found (`SearchResult`): users or groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchResult {
    /// `UserList`.
    Users(Vec<Address>),
    /// `GroupList`.
    Groups(Vec<Address>),
}

/// Names of all kinds (`IDList`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct IdList {
    /// `UserID`.
    pub user_ids: Vec<Address>,
    /// `ContactList`.
    pub contact_lists: Vec<Address>,
    /// `GroupID`.
    pub group_ids: Vec<Address>,
    /// `ScreenName`.
    pub screen_names: Vec<ScreenName>,
    /// `Domain`.
    pub domains: Vec<Box<str>>,
}

impl IdList {
    /// How many names there are.
    pub fn len(&self) -> usize {
        self.user_ids.len()
            + self.contact_lists.len()
            + self.group_ids.len()
            + self.screen_names.len()
            + self.domains.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a user tells everybody (`PublicProfile`), 1.3.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PublicProfile {
    /// `UserID`.
    pub user_id: Option<Address>,
    /// `Property`: see [`ProfileProperty`].
    pub properties: Vec<Property>,
}
