//! What can happen to a client: the events that wait in its outbox until it fetches them.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use imps_types::element::{MessageInfo, Notification, ResultInfo};
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{DateTime, MessageId, Status, UserId};

use crate::clock::Timestamp;

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
    /// Somebody wants to see presence about which the recipient decided nothing (CSP 9).
    PresenceAuth {
        /// Who.
        watcher: UserId,
        /// Which attributes; `None`: all.
        attributes: Option<AttributeSet>,
    },
    /// For tests of the queue.
    #[cfg(test)]
    Probe(Box<str>),
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
    pub kept: [OnceLock<Box<dyn Any + Send + Sync>>; 12],
}

impl PresenceSnapshot {
    /// A snapshot of these attributes.
    pub fn new(user: UserId, about: AttributeSet, list: PresenceSubList) -> Self {
        let weight = list.weight() + user.as_str().len() + 64;
        Self { user, list, about, weight, kept: Default::default() }
    }
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
            Self::Presence(_) | Self::Notification(_) => 1024,
        }
    }
}
