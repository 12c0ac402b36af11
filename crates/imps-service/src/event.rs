//! What can happen to a client: the events that wait in its outbox until it fetches them.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use imps_types::element::{Group, MessageInfo, Notification, ResultInfo, SystemMessage};
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{DateTime, GroupId, MessageId, Status, UserId};

use crate::clock::Timestamp;
use crate::common::{Invitation, InvitationAnswer, InvitationCancelled};
pub use crate::group::GroupChange;

/// A message as it waits for a recipient, or for all joined users of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its ID, which is its sequence number.
    pub id: MessageId,
    /// Who sent it.
    pub sender: UserId,
    /// As the recipient is told: MessageID, Recipient, DateTime and ContentSize are ours.
    pub info: MessageInfo,
    /// The content's octets.
    pub content: Bytes,
    /// Whether the content is no text.
    pub binary: bool,
    /// Whether the content lies in a row of its own, which the other recipients share.
    pub shared: bool,
    /// Whether the sender wants a delivery report.
    pub report: bool,
    /// When it is of no use any more.
    pub expires: Timestamp,
    /// What a face made of it, if many get the same.
    pub kept: Kept,
}

/// What a face made of an event that many clients get, for each version and form: the index is the face's.
pub type KeptForms = [OnceLock<Box<dyn Any + Send + Sync>>; 12];

/// What a face may keep of a message. It is no part of what the message is: a copy has nothing yet, and equals.
#[derive(Default)]
pub struct Kept(Option<Box<KeptForms>>);

impl Kept {
    /// Of a message that many get.
    pub fn for_many() -> Self {
        Self(Some(Box::default()))
    }

    /// Where it is kept; nowhere for a message that one gets.
    pub fn forms(&self) -> Option<&KeptForms> {
        self.0.as_deref()
    }
}

impl Clone for Kept {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Kept {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Kept {}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Kept(for many)" } else { "Kept" })
    }
}

impl Message {
    /// The group whose joined users get it; also of a message to one of them by his screen name.
    pub fn group(&self) -> Option<&str> {
        group_of(&self.info)
    }

    /// Whether all joined users of a group that is kept here get it, and have one row together. What was said in a group of
    /// another domain comes from that group, and each has a row of his own.
    pub fn is_to_group(&self) -> bool {
        let group = self.info.recipient.groups.first();
        matches!(group, Some(Group::Id(id)) if id.as_str() != self.sender.as_str())
    }
}

/// The group of the recipient of a message that is addressed to a group, or to somebody in it by his screen name.
pub(crate) fn group_of(info: &MessageInfo) -> Option<&str> {
    info.recipient.groups.first().map(|group| match group {
        Group::Id(id) => id.as_str(),
        Group::ScreenName(name) => name.group_id.as_str(),
    })
}

/// A delivery report as it waits for the sender of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its own sequence number.
    pub id: MessageId,
    /// Who gets it: the sender of the message that it is about.
    pub recipient: UserId,
    /// 200 delivered, 538 rejected, 542 expired, or why it failed.
    pub result: Status,
    /// When that was.
    pub time: DateTime,
    /// Of the message that it is about.
    pub info: MessageInfo,
    /// When it is of no use any more.
    pub expires: Timestamp,
}

/// Something a user must hear of that is no message, as it waits for him.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Its own sequence number.
    pub id: MessageId,
    /// Who gets it.
    pub recipient: UserId,
    /// What it says.
    pub content: NoticeContent,
    /// When it is of no use any more.
    pub expires: Timestamp,
}

/// What a notice says. How each is written, and which clients can be told, stands in `im/notice.rs`.
#[derive(Clone, Debug, PartialEq)]
pub enum NoticeContent {
    /// The service says something.
    SystemMessage(SystemNotice),
    /// Somebody wants to see presence about which the recipient decided nothing (CSP 9).
    PresenceAuth {
        /// Who.
        watcher: UserId,
        /// Which attributes; `None`: all.
        attributes: Option<AttributeSet>,
    },
    /// Somebody invites.
    Invitation(Box<Invitation>),
    /// Somebody who was invited has answered.
    InvitationAnswer(Box<InvitationAnswer>),
    /// An invitation was taken back.
    InvitationCancelled(Box<InvitationCancelled>),
    /// For tests of the queue.
    #[cfg(test)]
    Probe(Box<str>),
}

impl NoticeContent {
    /// What the service says, if this is it.
    pub fn system_message(&self) -> Option<&SystemNotice> {
        match self {
            Self::SystemMessage(notice) => Some(notice),
            #[allow(unreachable_patterns, reason = "there are more kinds in tests")]
            _ => None,
        }
    }
}

/// Something that the service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemNotice {
    /// The number of the broadcast, which has the texts.
    pub number: u32,
    /// What a client is told, in its language; absent while it waits.
    pub said: Option<Said>,
}

/// A system message as one client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What it says.
    pub message: SystemMessage,
    /// From whom it comes where it must look like a message of somebody.
    pub sender: UserId,
    /// When it was said.
    pub time: DateTime,
}

/// Presence of one user as one kind of watcher may see it. One is made for all who see the same.
#[derive(Debug)]
pub struct PresenceSnapshot {
    /// The publisher.
    pub user: UserId,
    /// The attributes, in order.
    pub list: PresenceSubList,
    /// Which attributes it is about, those that the version of its watchers does not have included.
    pub about: AttributeSet,
    /// About how many bytes it takes, in the longest of the encodings.
    pub weight: usize,
    /// What a face made of it, for each version and form, kept for the next watcher. The index is the face's.
    pub kept: KeptForms,
}

impl PresenceSnapshot {
    /// A snapshot of these attributes.
    pub fn new(user: UserId, about: AttributeSet, list: PresenceSubList) -> Self {
        let weight = list.weight() + user.as_str().len() + 64;
        Self { user, list, about, weight, kept: Default::default() }
    }

    /// This, and then a later one of the same publisher.
    pub(crate) fn followed_by(&self, later: &Self) -> Self {
        let mut list = self.list.clone();
        list.update(later.list.clone());
        Self::new(self.user.clone(), self.about.or(later.about), list)
    }
}

/// A client was forced out of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForcedLeave {
    /// The group.
    pub group: GroupId,
    /// 800 it was deleted, 809 rejected, 810 no member any more, and the like.
    pub reason: Status,
}

/// Something for a client.
#[derive(Clone, Debug)]
pub enum Event {
    /// A message is pushed; done when the client says MessageDelivered.
    NewMessage(Arc<Message>),
    /// A message waits to be fetched; done when the client has heard of it.
    MessageNotification(Arc<Message>),
    /// What became of a message; done when the client has heard of it.
    DeliveryReport(Arc<Report>),
    /// Something else that waits until the client has heard of it.
    Notice(Arc<Notice>),
    /// What happened to something of the user's; done when the client has heard of it.
    Notification(Arc<Notification>),
    /// A group changed; done when the client has heard of it.
    GroupChange(Arc<GroupChange>),
    /// The client was forced out of a group; done when it has heard of it.
    ForcedLeave(Arc<ForcedLeave>),
    /// Presence changed, or was subscribed to; several publishers if the client can parse them together.
    Presence(Vec<Arc<PresenceSnapshot>>),
    /// The session is over. Nothing comes after it.
    Disconnect(ResultInfo),
}

impl Event {
    /// About how many bytes it is, for the bounds of queues.
    pub fn weight(&self) -> usize {
        match self {
            Self::NewMessage(message) => 512 + message.content.len(),
            Self::MessageNotification(_) | Self::DeliveryReport(_) | Self::Notice(_) | Self::Disconnect(_) => 512,
            Self::ForcedLeave(_) => 512,
            Self::Notification(_) => 1024,
            Self::Presence(all) => 512 + all.iter().map(|one| one.weight).sum::<usize>(),
            Self::GroupChange(change) => 512 + change.weight(),
        }
    }
}
