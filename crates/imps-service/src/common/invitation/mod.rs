//! Invitations (CSP 7.2): a user invites others to a group, a conversation, presence, content, an application.
//!
//! ```text
//!   inviter --Invite--------> rows, and a notice for each invited user ------> InviteUser
//!   inviter <--the answer---- a notice <------------------------------------- InviteUser-Response
//!   inviter --CancelInvite--> the rows go, and a notice tells of it ---------> CancelInviteUser
//! ```
//!
//! An invitation is kept for each invited user by himself: by inviter, InviteID and invited user. So an InviteID that a
//! client uses again is a new invitation for whomever it names now, and does no harm to the others. It ends with its
//! validity or when it is cancelled; an answer does not end it. What waits for somebody who is not there is a
//! [`Notice`](crate::event::Notice).

mod answer;
mod cancel;
mod expire;
mod invite;
mod record;
#[cfg(test)]
mod tests;

use imps_types::element::{Group, InviteType, Recipient, ScreenName, Sender, User};
use imps_types::presence::AttributeSet;
use imps_types::{Address, GroupId, UserId};

pub(crate) use record::{
    read_answer, read_cancelled, read_invitation, write_answer, write_cancelled, write_invitation,
};

/// Bytes of an InviteID.
const ID_MAX: usize = 255;
/// Bytes of a note.
const NOTE_MAX: usize = 4096;
/// Bytes of a screen name or an ApplicationID.
const NAME_MAX: usize = 255;

/// As whom somebody shows himself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// By his address.
    User(UserId),
    /// By his name in a group; the address is nobody's business then.
    ScreenName(GroupId, Box<str>),
}

impl Shown {
    /// As a sender.
    pub fn sender(&self) -> Sender {
        match self {
            Self::User(user) => Sender::User(User::of(user)),
            Self::ScreenName(group, name) => Sender::Group(Group::ScreenName(screen_name(group, name))),
        }
    }

    /// As a recipient.
    pub fn recipient(&self) -> Recipient {
        match self {
            Self::User(user) => Recipient::user(User::of(user)),
            Self::ScreenName(group, name) => {
                Recipient { groups: vec![Group::ScreenName(screen_name(group, name))], ..Recipient::default() }
            }
        }
    }
}

fn screen_name(group: &GroupId, name: &str) -> ScreenName {
    ScreenName { name: name.into(), group_id: group.into() }
}

/// How an invited user was named by his inviter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// As whom the inviter knows him: by his name in the group, if he was named by it or was invited with the group.
    pub shown: Shown,
    /// Whether he was invited with all who have joined the group.
    pub with_group: bool,
}

impl Named {
    /// As a recipient.
    pub fn recipient(&self) -> Recipient {
        match &self.shown {
            Shown::ScreenName(group, _) if self.with_group => {
                Recipient { groups: vec![Group::Id(group.into())], ..Recipient::default() }
            }
            shown => shown.recipient(),
        }
    }
}

/// To what somebody is invited.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Occasion {
    /// `ApplicationID`, 1.3.
    pub application_id: Option<Box<str>>,
    /// `GroupID`.
    pub group_id: Option<Address>,
    /// `PresenceSubList`: which attributes.
    pub attributes: Option<AttributeSet>,
    /// `URLList`.
    pub urls: Vec<Box<str>>,
}

/// An invitation as its inviter gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingInvitation {
    /// `InviteID`: his client's name for it.
    pub invite_id: Box<str>,
    /// `InviteType`.
    pub invite_type: InviteType,
    /// `Sender`, 1.3.
    pub sender: Option<Sender>,
    /// `Recipient`.
    pub recipient: Recipient,
    /// To what.
    pub occasion: Occasion,
    /// `InviteNote`.
    pub note: Option<Box<str>>,
    /// `ScreenName`: the inviter's, if he shows himself by it.
    pub screen_name: Option<ScreenName>,
    /// `Validity`: seconds.
    pub validity: Option<u32>,
}

/// An invitation as an invited user is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Who invites.
    pub inviter: UserId,
    /// As whom he shows himself.
    pub shown: Shown,
    /// `InviteID`.
    pub invite_id: Box<str>,
    /// `InviteType`.
    pub invite_type: InviteType,
    /// How the invited user was named.
    pub named: Named,
    /// To what.
    pub occasion: Occasion,
    /// `InviteNote`.
    pub note: Option<Box<str>>,
    /// `Validity`: seconds.
    pub validity: u32,
}

/// An answer as the invited user gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteReply {
    /// `InviteID`.
    pub invite_id: Box<str>,
    /// `Acceptance`.
    pub acceptance: bool,
    /// `Sender`, or a bare `User`: clients differ in whom they name.
    pub sender: Option<Sender>,
    /// `Recipient`, 1.3.
    pub recipient: Option<Recipient>,
    /// `ResponseNote`.
    pub note: Option<Box<str>>,
    /// `ScreenName`: the one that he wants to have in the group.
    pub screen_name: Option<ScreenName>,
}

/// An answer as the inviter is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationAnswer {
    /// `InviteID`.
    pub invite_id: Box<str>,
    /// `Acceptance`.
    pub acceptance: bool,
    /// Who answers, as the inviter named him.
    pub shown: Shown,
    /// The inviter, as he showed himself.
    pub inviter: Shown,
    /// `InviteNote` of the invitation.
    pub invite_note: Option<Box<str>>,
    /// `ResponseNote`.
    pub note: Option<Box<str>>,
    /// `ScreenName`.
    pub screen_name: Option<ScreenName>,
}

/// What an inviter takes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteCancel {
    /// `InviteID`.
    pub invite_id: Box<str>,
    /// `Recipient`: who is not invited any more; nobody named: nobody is.
    pub recipient: Option<Recipient>,
    /// `InviteNote`: a word to them.
    pub note: Option<Box<str>>,
    /// `URLList`: what is shared no longer, if the client says so.
    pub urls: Vec<Box<str>>,
}

/// That an invitation was taken back, as who was invited is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationCancelled {
    /// As whom the inviter shows himself.
    pub shown: Shown,
    /// `InviteID`.
    pub invite_id: Box<str>,
    /// How the invited user was named.
    pub named: Named,
    /// To what he was invited.
    pub occasion: Occasion,
    /// `InviteNote`.
    pub note: Option<Box<str>>,
}
