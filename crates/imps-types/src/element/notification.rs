//! General notifications (CSP 4.10, 1.3): what clients of a user are told of what another client, or somebody else, did.
//!
//! The table says for each type what it means and which payload it has. Its rows are in the order of the specification.

use super::capability::OnlineHandling;
use super::people::User;
use crate::address::Address;
use crate::presence::PresenceSubList;

macro_rules! notification_types {
    ($($variant:ident $word:literal $payload:ident $meaning:literal;)*) => {
        /// What a general notification is about (`NotificationType`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum NotificationType { $(#[doc = concat!("`", $word, "`: ", $meaning)] $variant),* }

        /// Every type, in the specification's order.
        pub const NOTIFICATION_TYPES: &[NotificationRow] = &[$(NotificationRow {
            kind: NotificationType::$variant, word: $word, payload: PayloadKind::$payload, meaning: $meaning,
        }),*];
    };
}

/// One row of the table of CSP 4.10.
#[derive(Clone, Copy, Debug)]
pub struct NotificationRow {
    /// The type.
    pub kind: NotificationType,
    /// Its code.
    pub word: &'static str,
    /// What it carries.
    pub payload: PayloadKind,
    /// What happened.
    pub meaning: &'static str,
}

/// What a type of notification carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PayloadKind {
    /// Nothing.
    Nothing,
    /// `PresenceSubList`, `UserIDList`, `ContactListIDList`, `DefaultList`: some of them.
    Authorization,
    /// `UserList`.
    Users,
    /// `BlockListInUse`.
    BlockListInUse,
    /// `GrantListInUse`.
    GrantListInUse,
    /// `ContactListIDList`.
    ContactLists,
    /// `GroupID`.
    Group,
    /// `InviteID`.
    Invite,
    /// `OnlineETEMHandling`.
    OnlineHandling,
    /// `SessionPriority`.
    SessionPriority,
}

notification_types! {
    // type                 code    payload          what happened
    AuthorizationChanged    "AC"    Authorization   "authorization changed";
    AuthorizationOfUser     "ANU"   Authorization   "authorization needed, user";
    AuthorizationOfList     "ANC"   Authorization   "authorization needed, contact list";
    AuthorizationOfDefault  "AND"   Authorization   "authorization needed, default list";
    AddedToContactList      "ATCL"  Users           "added to a contact list";
    BlockListChanged        "BLC"   Nothing         "block list changed";
    GrantListChanged        "GLC"   Nothing         "grant list changed";
    BlockListUsage          "BLUC"  BlockListInUse  "block list usage changed";
    GrantListUsage          "GLUC"  GrantListInUse  "grant list usage changed";
    ContactListChanged      "CLC"   ContactLists    "contact list changed";
    ContactListCreated      "CLCR"  ContactLists    "contact list created";
    ContactListDeleted      "CLD"   ContactLists    "contact list deleted";
    GroupCreated            "GC"    Group           "group created";
    GroupDeleted            "GD"    Group           "group deleted";
    MemberAccessUpdated     "GMAU"  Group           "group member access updated";
    MembershipGranted       "GMG"   Group           "group membership granted";
    MembershipRevoked       "GMR"   Group           "group membership revoked";
    MembersUpdated          "GMU"   Group           "group members updated";
    GroupRemoved            "GR"    Group           "group removed";
    InvitationAccepted      "IA"    Invite          "invitation accepted";
    InvitationRejected      "IR"    Invite          "invitation rejected";
    InvitationCancelled     "IC"    Invite          "invitation cancelled";
    OnlineHandlingUpdated   "OEU"   OnlineHandling  "online message handling updated";
    ProfileUpdated          "PPU"   Users           "public profile updated";
    PriorityAdjusted        "SPA"   SessionPriority "session priority adjusted";
}

impl NotificationType {
    /// The type's row.
    pub fn row(self) -> &'static NotificationRow {
        // The table is generated together with the enum, in the same order.
        &NOTIFICATION_TYPES[self as usize]
    }

    /// The code.
    pub fn as_str(self) -> &'static str {
        self.row().word
    }

    /// Reads a code; `None` for one that is not in the table.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        NOTIFICATION_TYPES.iter().find(|row| row.word.eq_ignore_ascii_case(text)).map(|row| row.kind)
    }
}

/// Types of notification, as a client subscribed to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NotificationTypes(u32);

impl NotificationTypes {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this type is among them.
    pub fn contains(self, kind: NotificationType) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// What is in either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this and not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The bits, for the store: a type keeps its number.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// From the bits of [`NotificationTypes::bits`].
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl FromIterator<NotificationType> for NotificationTypes {
    fn from_iter<T: IntoIterator<Item = NotificationType>>(types: T) -> Self {
        Self(types.into_iter().fold(0, |bits, kind| bits | 1 << kind as u8))
    }
}

/// A general notification: what happened, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// `NotificationType`.
    pub kind: NotificationType,
    /// What it carries, as its type has it.
    pub payload: Payload,
}

/// What a notification carries; see [`PayloadKind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing.
    Nothing,
    /// Who may see what, or wants to.
    Authorization(Authorization),
    /// `UserList`.
    Users(Vec<User>),
    /// `BlockListInUse`.
    BlockListInUse(bool),
    /// `GrantListInUse`.
    GrantListInUse(bool),
    /// `ContactListIDList`.
    ContactLists(Vec<Address>),
    /// `GroupID`.
    Group(Address),
    /// `InviteID`.
    Invite(Box<str>),
    /// `OnlineETEMHandling`.
    OnlineHandling(OnlineHandling),
    /// `SessionPriority`.
    SessionPriority(u32),
}

/// Attributes, and those for whom they are authorized or should be.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Authorization {
    /// `PresenceSubList`.
    pub attributes: Option<PresenceSubList>,
    /// `UserIDList`.
    pub users: Vec<Address>,
    /// `ContactListIDList`.
    pub contact_lists: Vec<Address>,
    /// `DefaultList`.
    pub default_list: Option<bool>,
}

impl Notification {
    /// A notification that its type alone says all about, such as that a block list changed.
    pub fn of(kind: NotificationType) -> Self {
        Self { kind, payload: Payload::Nothing }
    }

    /// About contact lists.
    pub fn of_lists<A: Into<Address>>(kind: NotificationType, lists: impl IntoIterator<Item = A>) -> Self {
        Self { kind, payload: Payload::ContactLists(lists.into_iter().map(Into::into).collect()) }
    }

    /// About a group.
    pub fn of_group(kind: NotificationType, group: impl Into<Address>) -> Self {
        Self { kind, payload: Payload::Group(group.into()) }
    }

    /// About an invitation.
    pub fn of_invite(kind: NotificationType, invite_id: &str) -> Self {
        Self { kind, payload: Payload::Invite(invite_id.into()) }
    }

    /// About users: who added somebody to a contact list, whose profile changed.
    pub fn of_users<A: Into<Address>>(kind: NotificationType, users: impl IntoIterator<Item = A>) -> Self {
        Self { kind, payload: Payload::Users(users.into_iter().map(User::of).collect()) }
    }

    /// About who may see what of presence, or wants to.
    pub fn of_authorization(kind: NotificationType, authorization: Authorization) -> Self {
        Self { kind, payload: Payload::Authorization(authorization) }
    }

    /// Whether the block list is used from now on.
    pub fn block_list_in_use(in_use: bool) -> Self {
        Self { kind: NotificationType::BlockListUsage, payload: Payload::BlockListInUse(in_use) }
    }

    /// Whether the grant list is used from now on.
    pub fn grant_list_in_use(in_use: bool) -> Self {
        Self { kind: NotificationType::GrantListUsage, payload: Payload::GrantListInUse(in_use) }
    }

    /// Which of the user's clients get messages from now on.
    pub fn online_handling(handling: OnlineHandling) -> Self {
        Self { kind: NotificationType::OnlineHandlingUpdated, payload: Payload::OnlineHandling(handling) }
    }

    /// The priority of the session that comes first from now on.
    pub fn session_priority(priority: u32) -> Self {
        Self { kind: NotificationType::PriorityAdjusted, payload: Payload::SessionPriority(priority) }
    }
}

impl Payload {
    /// Its kind.
    pub fn kind(&self) -> PayloadKind {
        match self {
            Self::Nothing => PayloadKind::Nothing,
            Self::Authorization(_) => PayloadKind::Authorization,
            Self::Users(_) => PayloadKind::Users,
            Self::BlockListInUse(_) => PayloadKind::BlockListInUse,
            Self::GrantListInUse(_) => PayloadKind::GrantListInUse,
            Self::ContactLists(_) => PayloadKind::ContactLists,
            Self::Group(_) => PayloadKind::Group,
            Self::Invite(_) => PayloadKind::Invite,
            Self::OnlineHandling(_) => PayloadKind::OnlineHandling,
            Self::SessionPriority(_) => PayloadKind::SessionPriority,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_own_row_and_code() {
        for (index, row) in NOTIFICATION_TYPES.iter().enumerate() {
            assert_eq!(row.kind as usize, index);
            assert_eq!(NotificationType::parse(&row.word.to_lowercase()), Some(row.kind));
        }
        assert_eq!(NOTIFICATION_TYPES.len(), 25);
        assert_eq!(NotificationType::parse("XX"), None);
    }

    #[test]
    fn sets_of_types() {
        use NotificationType::{ContactListChanged, PriorityAdjusted, ProfileUpdated};
        let some: NotificationTypes = [ContactListChanged, PriorityAdjusted].into_iter().collect();
        assert!(some.contains(PriorityAdjusted) && !some.contains(ProfileUpdated));
        let fewer = some.without([PriorityAdjusted].into_iter().collect());
        assert_eq!(fewer, [ContactListChanged].into_iter().collect());
        assert_eq!(NotificationTypes::from_bits(some.bits()), some);
    }
}
