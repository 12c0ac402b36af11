//! Why something about a group is refused, with the status code of each (CSP 13, 14): one row each.

use std::fmt;

use imps_types::{Status, Version};

macro_rules! group_errors {
    ($($name:ident $status:ident $text:literal;)*) => {
        /// Why something about a group was not done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum GroupError {
            $(#[doc = concat!($text, ".")] $name,)*
            /// A property of the group is unknown or cannot have this value.
            Property(&'static str),
            /// An own property is unknown or cannot have this value.
            OwnProperty(&'static str, Version),
        }

        impl GroupError {
            /// The status code.
            pub fn status(self) -> Status {
                match self {
                    $(Self::$name => Status::$status,)*
                    // The code of its own is none that earlier versions know.
                    Self::OwnProperty(_, Version::V1_3) => Status::INVALID_OWN_PROPERTIES,
                    Self::Property(_) | Self::OwnProperty(..) => Status::INVALID_OR_UNSUPPORTED_GROUP_PROPERTIES,
                }
            }
        }

        impl fmt::Display for GroupError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                    Self::Property(what) | Self::OwnProperty(what, _) => what,
                })
            }
        }
    };
}

group_errors! {
    Exists              GROUP_ALREADY_EXISTS                          "there is a group with this address already";
    Restricted          GROUP_IS_RESTRICTED                           "only who was invited may join this group";
    Public              GROUP_IS_PUBLIC                               "this group is the provider's";
    Foreign             INVALID_OR_UNSUPPORTED_GROUP_PROPERTIES       "a group must lie under your own address";
    NotJoined           GROUP_IS_NOT_JOINED                           "you have not joined this group";
    Rejected            REJECTED                                      "you are not let into this group";
    NotAMember          NOT_A_GROUP_MEMBER                            "only members may join this group";
    NameInUse           SCREEN_NAME_ALREADY_IN_USE                    "somebody in the group has this screen name";
    PrivateOff          PRIVATE_MESSAGING_IS_DISABLED_FOR_GROUP       "this group does not allow private messages";
    PrivateOffForUser   PRIVATE_MESSAGING_IS_DISABLED_FOR_USER        "this user does not want private messages";
    TooManyGroups       MAXIMUM_NUMBER_OF_GROUPS_REACHED_FOR_THE_USER "you have as many groups as are allowed";
    ServerFull          MAXIMUM_NUMBER_OF_GROUPS_REACHED_FOR_THE_SERVER "the server has as many groups as are allowed";
    NoPrivilege         INSUFFICIENT_GROUP_PRIVILEGES                 "this is for others in the group to do";
    TooYoung            INSUFFICIENT_GROUP_PRIVILEGES                 "this group is for older people, or your age is not known";
    Full                MAXIMUM_NUMBER_OF_JOINED_USERS_REACHED        "the group is full";
    Unnamed             SEARCHABLE_GROUP_WITHOUT_NAME_OR_TOPIC        "a group that is to be found needs a name or a topic";
    TooManyMembers      MAXIMUM_NUMBER_OF_GROUP_MEMBERS_REACHED       "the group has as many members as are allowed";
    NoSuchName          UNABLE_TO_DELIVER                             "nobody in the group has this screen name";
    ScreenName          BAD_PARAMETER                                 "this is no screen name";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_the_code_of_the_specification() {
        for (error, code) in [
            (GroupError::Exists, 801),
            (GroupError::Restricted, 803),
            (GroupError::Public, 804),
            (GroupError::Foreign, 806),
            (GroupError::Property("x"), 806),
            (GroupError::OwnProperty("x", Version::V1_2), 806),
            (GroupError::OwnProperty("x", Version::V1_3), 910),
            (GroupError::NotJoined, 808),
            (GroupError::Rejected, 809),
            (GroupError::NotAMember, 810),
            (GroupError::NameInUse, 811),
            (GroupError::PrivateOff, 812),
            (GroupError::PrivateOffForUser, 813),
            (GroupError::TooManyGroups, 814),
            (GroupError::ServerFull, 815),
            (GroupError::NoPrivilege, 816),
            (GroupError::Full, 817),
            (GroupError::Unnamed, 822),
            (GroupError::TooManyMembers, 823),
        ] {
            assert_eq!(error.status().code(), code, "{error}");
        }
    }
}
