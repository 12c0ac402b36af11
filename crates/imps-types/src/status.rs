//! Status codes (CSP 14): one row each.

use std::fmt;

use crate::version::Version;

/// The outcome of a transaction, or of one item in it. An open set: later versions send codes that have no name here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(u16);

macro_rules! statuses {
    ($($code:literal $name:ident $text:literal $since:ident;)*) => {
        impl Status {
            $(#[doc = concat!(stringify!($code), ": ", $text, ".")] pub const $name: Self = Self($code);)*
        }

        /// Every code of the specification: number, text for the user, first version that names it.
        pub const STATUSES: &[(Status, &str, Version)] = &[$((Status($code), $text, Version::$since)),*];
    };
}

impl Status {
    /// The status with this number, known or not.
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// The number that goes over the wire.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Whether everything (200) or a part (201) was done, or it will be (202).
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// The text for `Description`; empty for a code without a name.
    pub fn text(self) -> &'static str {
        let found = STATUSES.binary_search_by_key(&self.0, |(status, _, _)| status.0);
        found.ok().and_then(|index| STATUSES.get(index)).map_or("", |(_, text, _)| text)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.text())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

statuses! {
    100 CONTINUE "Continue" V1_1;
    101 QUEUED "Queued" V1_1;
    102 STARTED "Started" V1_1;
    200 SUCCESSFUL "Successful" V1_1;
    201 PARTIALLY_SUCCESSFUL "Partially successful" V1_1;
    202 ACCEPTED "Accepted" V1_1;
    400 BAD_REQUEST "Bad request" V1_1;
    401 UNAUTHORIZED "Unauthorized" V1_1;
    402 BAD_PARAMETER "Bad parameter" V1_1;
    403 FORBIDDEN "Forbidden" V1_1;
    404 NOT_FOUND "Not found" V1_1;
    405 SERVICE_NOT_SUPPORTED "Service not supported" V1_1;
    408 REQUEST_TIMEOUT "Request timeout" V1_1;
    409 INVALID_PASSWORD "Invalid password" V1_1;
    410 UNABLE_TO_DELIVER "Unable to deliver" V1_1;
    411 CLIENT_NO_LONGER_ACTIVE "Client no longer active" V1_3;
    415 UNSUPPORTED_MEDIA_TYPE "Unsupported media type" V1_1;
    420 INVALID_TRANSACTION_ID "Invalid transaction ID" V1_1;
    422 CLIENT_ID_MISMATCH "User ID and client ID do not match" V1_1;
    423 INVALID_INVITATION_ID "Invalid invitation ID" V1_1;
    424 INVALID_SEARCH_ID "Invalid search ID" V1_1;
    425 INVALID_SEARCH_INDEX "Invalid search index" V1_1;
    426 INVALID_MESSAGE_ID "Invalid message ID" V1_1;
    427 INVALID_USER_ID "Invalid user ID" V1_3;
    429 MISSING_GROUP_ID "Missing group ID" V1_3;
    431 UNAUTHORIZED_GROUP_MEMBERSHIP "Unauthorized group membership" V1_1;
    432 RESPONSE_TOO_LARGE "Response too large" V1_2;
    450 INVALID_OR_MISSING_APPLICATION_ID "Invalid or missing application ID" V1_3;
    500 INTERNAL_ERROR "Internal server or network error" V1_1;
    501 NOT_IMPLEMENTED "Not implemented" V1_1;
    502 COULD_NOT_RECOVER_SESSION "Could not recover session" V1_3;
    503 SERVER_UNAVAILABLE "Server unavailable" V1_1;
    504 TIMEOUT "Timeout" V1_1;
    505 VERSION_NOT_SUPPORTED "Version not supported" V1_1;
    506 SERVICE_NOT_AGREED "Service not agreed" V1_1;
    507 MESSAGE_QUEUE_IS_FULL "Message queue is full" V1_1;
    516 DOMAIN_NOT_SUPPORTED "Domain not supported" V1_1;
    521 UNRESPONDED_PRESENCE_REQUEST "Unresponded presence request" V1_1;
    522 UNRESPONDED_GROUP_REQUEST "Unresponded group request" V1_1;
    531 UNKNOWN_USER "Unknown user" V1_1;
    532 RECIPIENT_BLOCKED_THE_SENDER "Recipient blocked the sender" V1_1;
    533 MESSAGE_RECIPIENT_NOT_LOGGED_IN "Message recipient not logged in" V1_1;
    534 MESSAGE_RECIPIENT_UNAUTHORIZED "Message recipient unauthorized" V1_1;
    535 SEARCH_TIMED_OUT "Search timed out" V1_1;
    536 TOO_MANY_HITS "Too many hits" V1_1;
    537 TOO_BROAD_SEARCH_CRITERIA "Too broad search criteria" V1_1;
    538 MESSAGE_HAS_BEEN_REJECTED "Message has been rejected" V1_1;
    540 HEADER_ENCODING_NOT_SUPPORTED "Header encoding not supported" V1_1;
    541 MESSAGE_HAS_BEEN_FORWARDED "Message has been forwarded" V1_2;
    542 MESSAGE_HAS_EXPIRED "Message has expired" V1_2;
    543 NO_MATCHING_DIGEST_SCHEMA "No matching digest scheme supported" V1_2;
    560 INVALID_SEARCH_ELEMENT "Invalid search element" V1_3;
    562 INVALID_SEARCH "Invalid search" V1_3;
    600 SESSION_EXPIRED "Session expired" V1_1;
    601 FORCED_LOGOUT "Forced logout" V1_1;
    603 ALREADY_LOGGED_IN "Already logged in" V1_1;
    604 NOT_LOGGED_IN "Invalid session (not logged in)" V1_1;
    605 NEW_VALUE_NOT_ACCEPTED "New value not accepted" V1_1;
    700 UNKNOWN_CONTACT_LIST "Contact list does not exist" V1_1;
    701 CONTACT_LIST_EXISTS "Contact list already exists" V1_1;
    702 INVALID_OR_UNSUPPORTED_USER_PROPERTIES "Invalid or unsupported user properties" V1_1;
    750 INVALID_PRESENCE_ATTRIBUTE "Invalid or unsupported presence attribute" V1_1;
    751 INVALID_PRESENCE_VALUE "Invalid or unsupported presence value" V1_1;
    752 INVALID_CONTACT_LIST_PROPERTY "Invalid or unsupported contact list property" V1_1;
    753 TOO_MANY_CONTACT_LISTS "Maximum number of contact lists reached" V1_2;
    754 TOO_MANY_CONTACTS "Maximum number of contacts reached" V1_2;
    755 TOO_MANY_ATTRIBUTE_LISTS "Maximum number of attribute lists reached" V1_2;
    760 AUTOMATIC_SUBSCRIPTION_NOT_SUPPORTED "Automatic subscription not supported" V1_2;
    800 GROUP_DOES_NOT_EXIST "Group does not exist" V1_1;
    801 GROUP_ALREADY_EXISTS "Group already exists" V1_1;
    802 GROUP_IS_OPEN "Group is open" V1_1;
    803 GROUP_IS_RESTRICTED "Group is restricted" V1_1;
    804 GROUP_IS_PUBLIC "Group is public" V1_1;
    805 GROUP_IS_PRIVATE "Group is private" V1_1;
    806 INVALID_OR_UNSUPPORTED_GROUP_PROPERTIES "Invalid or unsupported group properties" V1_1;
    807 GROUP_IS_ALREADY_JOINED "Group is already joined" V1_1;
    808 GROUP_IS_NOT_JOINED "Group is not joined" V1_1;
    809 REJECTED "Rejected" V1_1;
    810 NOT_A_GROUP_MEMBER "Not a group member" V1_1;
    811 SCREEN_NAME_ALREADY_IN_USE "Screen name already in use" V1_1;
    812 PRIVATE_MESSAGING_IS_DISABLED_FOR_GROUP "Private messaging is disabled for group" V1_1;
    813 PRIVATE_MESSAGING_IS_DISABLED_FOR_USER "Private messaging is disabled for user" V1_1;
    814 MAXIMUM_NUMBER_OF_GROUPS_REACHED_FOR_THE_USER "Maximum number of groups reached for the user" V1_1;
    815 MAXIMUM_NUMBER_OF_GROUPS_REACHED_FOR_THE_SERVER "Maximum number of groups reached for the server" V1_1;
    816 INSUFFICIENT_GROUP_PRIVILEGES "Insufficient group privileges" V1_1;
    817 MAXIMUM_NUMBER_OF_JOINED_USERS_REACHED "Maximum number of joined users reached" V1_1;
    821 HISTORY_NOT_SUPPORTED "History not supported" V1_1;
    822 SEARCHABLE_GROUP_WITHOUT_NAME_OR_TOPIC "Searchable group without name or topic" V1_1;
    823 MAXIMUM_NUMBER_OF_GROUP_MEMBERS_REACHED "Maximum number of group members reached" V1_2;
    824 OWN_REQUEST "Own request" V1_2;
    900 MULTIPLE_ERRORS "Multiple errors" V1_1;
    901 GENERAL_ADDRESS_ERROR "General address error" V1_1;
    902 NOT_ENOUGH_CREDIT "Not enough credit" V1_2;
    903 OPERATION_REQUIRES_A_HIGHER_CLASS_OF_SERVICE "Operation requires a higher class of service" V1_2;
    910 INVALID_OWN_PROPERTIES "Invalid own properties" V1_3;
    920 MSISDN_ERROR "MSISDN error" V1_2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_specification() {
        let file: toml::Table = include_str!("../../../spec/status-codes.toml").parse().unwrap();
        let rows = file["status"].as_array().unwrap();
        assert_eq!(rows.len(), STATUSES.len());
        for (row, (status, text, since)) in rows.iter().zip(STATUSES) {
            assert_eq!(row["code"].as_integer(), Some(i64::from(status.code())));
            assert_eq!(row["name"].as_str(), Some(*text));
            assert_eq!(row["since"].as_str(), Some(since.as_str()));
            assert_eq!(status.text(), *text);
        }
    }
}
