//! What can go wrong, in the domain's words, and the status code for it.

use std::fmt;
use std::time::Duration;

use imps_types::Status;

use crate::seam::StoreError;

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No such user, or not one to be told of.
    UnknownUser,
    /// There is an account with this address already.
    UserExists,
    /// User and password do not fit together; also when there is no such user.
    WrongPassword,
    /// The account is barred.
    Barred,
    /// Too many failed logins; try again after this time.
    TooManyFailures(Duration),
    /// Users do not register themselves here.
    RegistrationClosed,
    /// Without a code that is good nobody registers here.
    BadInviteCode,
    /// Too many requests; try again after this time.
    TooManyRequests(Duration),
    /// The network named a subscriber whom nobody knows here.
    UnknownNumber,
    /// The address is of a domain that is not served from here.
    ForeignDomain,
    /// The address is of a domain with which this service is not agreed on.
    NotAgreed,
    /// Client and server have no digest schema in common.
    NoDigestSchema,
    /// The session named in a login cannot be taken up again.
    CannotResume,
    /// The session named in a login is another client's.
    ClientMismatch,
    /// The user has as many sessions as are allowed.
    TooManySessions,
    /// Too many users of another domain have something here, or of all others.
    TooManyGuests,
    /// There is no such session, or no longer.
    NotLoggedIn,
    /// The time to live is outside the limits; this one (in seconds) is in force.
    TimeToLive(u32),
    /// No such system message was said to the user.
    UnknownSystemMessage,
    /// These must be answered before the user is let in.
    AnswerFirst(Vec<imps_types::element::SystemMessage>),
    /// The version that the client speaks does not have this.
    NotInVersion,
    /// An element has a value that cannot be.
    BadParameter(&'static str),
    /// The sender is not the session's user.
    NotYourself,
    /// No such contact list, or somebody else's.
    UnknownList,
    /// The contact list exists already.
    ListExists,
    /// As many lists as are allowed.
    TooManyLists,
    /// As many members as are allowed.
    TooManyMembers,
    /// As many attribute lists as are allowed.
    TooManyAttributeLists,
    /// A list or group must lie under its creator's own address.
    ForeignList,
    /// A property is unknown or cannot have this value.
    BadListProperty(&'static str),
    /// A presence value is none that the attribute takes.
    PresenceValue(imps_types::presence::ValueError),
    /// No message with this ID waits for this user.
    UnknownMessage,
    /// The recipient does not want anything from the sender.
    Refused,
    /// The recipient's queue is full.
    QueueFull,
    /// There is no such group.
    UnknownGroup,
    /// No attribute is named that anybody knows.
    UnknownAttribute,
    /// The answer is larger than the client can parse.
    TooLarge,
    /// Something about a group is refused.
    Group(crate::group::GroupError),
    /// The history of groups is not kept.
    NoHistory,
    /// A property of a user is unknown or cannot have this value.
    BadUserProperty(&'static str),
    /// A search looks at something that cannot be searched by: its name.
    UnknownSearchElement(Box<str>),
    /// The criteria of a search do not fit together.
    InvalidSearch(&'static str),
    /// No search with this ID is open for this user.
    UnknownSearch,
    /// The search has not found so many items.
    BadSearchIndex,
    /// The search took too long.
    SearchTimedOut,
    /// The search finds more than can be told.
    TooManyHits,
    /// The search says too little of what is looked for.
    TooBroadSearch,
    /// No such invitation, or it is over.
    UnknownInvitation,
    /// An invitation to a group that names none.
    MissingGroup,
    /// An invitation to an application that names none.
    MissingApplication,
    /// As many invitations are open as are allowed.
    TooManyInvitations,
    /// The user does not want to hear from the sender.
    Blocked,
    /// So much waits for the user already that nothing more is kept.
    Undeliverable,
    /// The store cannot take it now; nothing was done. Try again.
    Store(StoreError),
}

impl Error {
    /// The status code that the specification gives this failure. Every face starts from here.
    pub fn status(&self) -> Status {
        match self {
            Self::UnknownUser => Status::UNKNOWN_USER,
            Self::UserExists => Status::BAD_PARAMETER,
            Self::WrongPassword => Status::INVALID_PASSWORD,
            Self::Barred => Status::FORBIDDEN,
            Self::RegistrationClosed | Self::BadInviteCode => Status::FORBIDDEN,
            Self::UnknownNumber => Status::MSISDN_ERROR,
            Self::TooManyFailures(_) | Self::TooManyRequests(_) | Self::TooManyGuests | Self::Store(_) => {
                Status::SERVER_UNAVAILABLE
            }
            Self::ForeignDomain => Status::DOMAIN_NOT_SUPPORTED,
            Self::NotAgreed => Status::SERVICE_NOT_AGREED,
            Self::NoDigestSchema => Status::NO_MATCHING_DIGEST_SCHEMA,
            Self::CannotResume => Status::COULD_NOT_RECOVER_SESSION,
            Self::ClientMismatch => Status::CLIENT_ID_MISMATCH,
            Self::TooManySessions => Status::ALREADY_LOGGED_IN,
            Self::UnknownAttribute => Status::INVALID_PRESENCE_ATTRIBUTE,
            Self::NotLoggedIn => Status::NOT_LOGGED_IN,
            Self::TimeToLive(_) => Status::NEW_VALUE_NOT_ACCEPTED,
            Self::UnknownSystemMessage => Status::NOT_FOUND,
            Self::AnswerFirst(_) => Status::FORBIDDEN,
            Self::NotInVersion => Status::SERVICE_NOT_SUPPORTED,
            Self::BadParameter(_) => Status::BAD_PARAMETER,
            Self::NotYourself => Status::BAD_PARAMETER,
            Self::UnknownList => Status::UNKNOWN_CONTACT_LIST,
            Self::ListExists => Status::CONTACT_LIST_EXISTS,
            Self::TooManyLists => Status::TOO_MANY_CONTACT_LISTS,
            Self::TooManyMembers => Status::TOO_MANY_CONTACTS,
            Self::TooManyAttributeLists => Status::TOO_MANY_ATTRIBUTE_LISTS,
            Self::ForeignList | Self::BadListProperty(_) => Status::INVALID_CONTACT_LIST_PROPERTY,
            Self::PresenceValue(_) => Status::INVALID_PRESENCE_VALUE,
            Self::UnknownMessage => Status::INVALID_MESSAGE_ID,
            Self::Refused => Status::RECIPIENT_BLOCKED_THE_SENDER,
            Self::TooLarge => Status::RESPONSE_TOO_LARGE,
            Self::QueueFull => Status::MESSAGE_QUEUE_IS_FULL,
            Self::UnknownGroup => Status::GROUP_DOES_NOT_EXIST,
            Self::Group(error) => error.status(),
            Self::NoHistory => Status::HISTORY_NOT_SUPPORTED,
            Self::BadUserProperty(_) => Status::INVALID_OR_UNSUPPORTED_USER_PROPERTIES,
            Self::UnknownSearchElement(_) => Status::BAD_PARAMETER,
            Self::InvalidSearch(_) => Status::INVALID_SEARCH,
            Self::UnknownSearch => Status::INVALID_SEARCH_ID,
            Self::BadSearchIndex => Status::INVALID_SEARCH_INDEX,
            Self::SearchTimedOut => Status::SEARCH_TIMED_OUT,
            Self::TooManyHits => Status::TOO_MANY_HITS,
            Self::TooBroadSearch => Status::TOO_BROAD_SEARCH_CRITERIA,
            Self::UnknownInvitation => Status::INVALID_INVITATION_ID,
            Self::MissingGroup => Status::MISSING_GROUP_ID,
            Self::MissingApplication => Status::INVALID_OR_MISSING_APPLICATION_ID,
            Self::TooManyInvitations => Status::FORBIDDEN,
            Self::Blocked => Status::RECIPIENT_BLOCKED_THE_SENDER,
            Self::Undeliverable => Status::UNABLE_TO_DELIVER,
        }
    }

    /// Seconds after which trying again makes sense, where that is known.
    pub fn try_again(&self) -> Option<u32> {
        match self {
            Self::TooManyFailures(after) | Self::TooManyRequests(after) => {
                Some(u32::try_from(after.as_secs()).unwrap_or(u32::MAX).max(1))
            }
            Self::Store(_) => Some(10),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownUser => f.write_str("no such user"),
            Self::UserExists => f.write_str("there is a user with this address already"),
            Self::WrongPassword => f.write_str("wrong user or password"),
            Self::Barred => f.write_str("this account is barred"),
            Self::TooManyFailures(after) => {
                write!(f, "too many failed logins, try again in {} s", after.as_secs().max(1))
            }
            Self::RegistrationClosed => f.write_str("accounts are made by the operator here"),
            Self::BadInviteCode => f.write_str("this needs an invitation code that is still good"),
            Self::TooManyRequests(after) => write!(f, "too many requests, try again in {} s", after.as_secs().max(1)),
            Self::UnknownNumber => f.write_str("nobody has this mobile number here"),
            Self::ForeignDomain => f.write_str("this domain is not served here"),
            Self::NotAgreed => f.write_str("the service is not agreed on with this domain"),
            Self::NoDigestSchema => f.write_str("no digest schema in common; this server knows MD5 and SHA"),
            Self::CannotResume => f.write_str("the session cannot be taken up again, log in without SessionID"),
            Self::ClientMismatch => f.write_str("the session belongs to another client"),
            Self::TooManyGuests => f.write_str("too many users of other domains have something here"),
            Self::TooManySessions => f.write_str("this user has too many sessions, log out another client"),
            Self::NotLoggedIn => f.write_str("no session with this ID, log in again"),
            Self::TimeToLive(seconds) => write!(f, "time to live outside the limits, {seconds} s apply"),
            Self::UnknownSystemMessage => f.write_str("no such system message"),
            Self::AnswerFirst(_) => f.write_str("answer the system messages first, and log in again"),
            Self::NotInVersion => f.write_str("the version of this session does not have this"),
            Self::BadParameter(what) => f.write_str(what),
            Self::NotYourself => f.write_str("the sender is not the user of this session"),
            Self::UnknownList => f.write_str("no such contact list"),
            Self::ListExists => f.write_str("the contact list exists already"),
            Self::TooManyLists => f.write_str("no more contact lists allowed"),
            Self::TooManyMembers => f.write_str("no more contacts allowed in this list"),
            Self::TooManyAttributeLists => f.write_str("no more attribute lists allowed"),
            Self::ForeignList => f.write_str("a contact list must lie under your own address"),
            Self::BadListProperty(what) => f.write_str(what),
            Self::PresenceValue(error) => error.fmt(f),
            Self::UnknownMessage => f.write_str("no message with this ID"),
            Self::Refused => f.write_str("the recipient does not want this"),
            Self::QueueFull => f.write_str("too many messages wait for this user"),
            Self::UnknownGroup => f.write_str("no such group"),
            Self::TooLarge => f.write_str("the answer is larger than your client can take"),
            Self::Group(error) => error.fmt(f),
            Self::NoHistory => f.write_str("this group keeps no history"),
            Self::BadUserProperty(what) | Self::InvalidSearch(what) => f.write_str(what),
            Self::UnknownSearchElement(name) => write!(f, "there is no search by {name}"),
            Self::UnknownSearch => f.write_str("no search with this ID is open"),
            Self::BadSearchIndex => f.write_str("the search has not found so many items"),
            Self::SearchTimedOut => f.write_str("the search took too long, try again later"),
            Self::TooManyHits => f.write_str("too many are found, say more of what you look for"),
            Self::TooBroadSearch => f.write_str("say more of what you look for"),
            Self::UnknownInvitation => f.write_str("no such invitation, or it is over"),
            Self::MissingGroup => f.write_str("the invitation names no group"),
            Self::MissingApplication => f.write_str("the invitation names no application"),
            Self::Blocked => f.write_str("this user does not want to hear from you"),
            Self::Undeliverable => f.write_str("too much waits for this user"),
            Self::TooManyInvitations => {
                f.write_str("as many of your invitations are open as are allowed, cancel some or wait")
            }
            Self::UnknownAttribute => f.write_str("no presence attribute of this name is known"),
            Self::Store(error) => write!(f, "the store cannot take it now: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<crate::group::GroupError> for Error {
    fn from(error: crate::group::GroupError) -> Self {
        Self::Group(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
