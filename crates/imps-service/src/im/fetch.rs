//! What a client fetches itself: single messages, the list of those that wait, and how it wants to get them (CSP 12.2).

use std::sync::Arc;

use imps_types::element::{DeliveryMethod, MessageInfo};
use imps_types::presence::Extension;
use imps_types::{Address, MessageId};

use super::delivery::{Kind, parser_room};
use super::offer::is_for;
use super::queue::{IndexRow, Waiting, WaitingKind, index_key, index_range, index_sequence};
use super::{Im, charset};
use crate::error::Error;
use crate::event::Message;
use crate::seam::{Order, Space};
use crate::session::{Session, Taking};

/// Messages that are listed when the client names no number.
const LISTED: usize = 100;
/// Messages that are listed at most.
pub(super) const LISTED_MAX: usize = 1000;

/// Rows of the index whose messages are read at once for a list: with their contents, which nobody sees.
const READ: usize = 20;
/// Rows of the index that are counted at once.
const COUNTED: usize = 500;

/// A message that waits, as operators see it: never its content.
#[derive(Clone, Debug)]
pub struct WaitingMessage {
    /// The message.
    pub id: MessageId,
    /// What it is.
    pub kind: WaitingKind,
    /// Bytes of its content.
    pub size: u64,
    /// When it is of no use any more.
    pub expires: crate::Timestamp,
}

/// About how many bytes a MessageInfo takes in XML, the longest of the encodings.
pub(super) fn written_size(info: &MessageInfo) -> usize {
    let texts = [&info.message_id, &info.message_uri, &info.content_type, &info.content_name];
    let texts: usize = texts.into_iter().flatten().map(|text| text.len() + 40).sum();
    let blocks: usize = info.ext_blocks.iter().map(Extension::weight).sum();
    let users = info.recipient.users.iter().map(|user| user.user_id.as_str().len() + 90);
    // Size, times, sender with its tags.
    texts + users.sum::<usize>() + blocks + 400
}

impl Im<'_> {
    /// A message that waits for this user, or is in the history of a group that the session has joined. It is there until
    /// it is acknowledged.
    ///
    /// # Errors
    /// `UnknownMessage`, `TooLarge` for the client, or the store's failure.
    pub async fn message(&self, session: &Session, id: &str) -> Result<Arc<Message>, Error> {
        let id = MessageId::parse(id).ok_or(Error::UnknownMessage)?;
        let message = match self.find(session, id).await {
            Err(Error::UnknownMessage) => self.in_history(session, id).await?.ok_or(Error::UnknownMessage)?,
            found => found?,
        };
        let agreed = session.negotiated();
        let message = charset::for_client(&message, &agreed);
        if Kind::of(&message).taking(&agreed) == Taking::TooLarge {
            return Err(Error::TooLarge);
        }
        Ok(message)
    }

    /// The messages that wait for this session, oldest first: so many at most, and no more than its client can parse.
    ///
    /// # Errors
    /// Where a group's history is asked for `UnknownGroup`, `ForeignDomain`, `NotJoined`, `NoHistory`; or the store's
    /// failure.
    pub async fn message_list(
        &self,
        session: &Session,
        group: Option<&Address>,
        count: Option<u32>,
    ) -> Result<Vec<MessageInfo>, Error> {
        let most = count.map_or(LISTED, |count| usize::try_from(count).unwrap_or(LISTED_MAX).min(LISTED_MAX));
        let mut room = parser_room(&session.negotiated());
        if let Some(group) = group {
            return self.history(session, group, most, room).await;
        }
        let mut infos = Vec::new();
        let mut range = index_range(&session.user.id);
        while infos.len() < most {
            let rows = self.store.scan(Space::MessageIndex, range.clone(), Order::Forwards, READ).await?;
            let Some(last) = rows.last().map(|row| row.key.clone()) else { break };
            let messages =
                rows.iter().filter(|row| IndexRow::read(&row.value).is_ok_and(|row| row.kind == WaitingKind::Message));
            let sequences: Vec<u64> = messages.filter_map(|row| index_sequence(&row.key)).collect();
            let now = self.clock.now();
            for waiting in self.load_all(&session.user.id, &sequences).await?.into_iter().flatten() {
                if let Waiting::Message(message) = waiting
                    && message.expires > now
                    && is_for(&message.info, session)
                {
                    let size = written_size(&message.info);
                    if size > room && !infos.is_empty() {
                        return Ok(infos);
                    }
                    room = room.saturating_sub(size);
                    infos.push(message.info);
                    if infos.len() >= most {
                        return Ok(infos);
                    }
                }
            }
            range = range.after(&last);
        }
        Ok(infos)
    }

    /// How many messages wait for this session in all, or are in the history of a group that it has joined.
    ///
    /// # Errors
    /// As [`Im::message_list`].
    pub async fn message_count(&self, session: &Session, group: Option<&Address>) -> Result<u32, Error> {
        if let Some(group) = group {
            return self.history_count(session, group).await;
        }
        let (user, now) = (&session.user.id, self.clock.now());
        let mut count: usize = 0;
        let mut range = index_range(user);
        loop {
            let rows = self.store.scan(Space::MessageIndex, range.clone(), Order::Forwards, COUNTED).await?;
            let mut selective = Vec::new();
            for row in &rows {
                let (Some(sequence), Ok(index)) = (index_sequence(&row.key), IndexRow::read(&row.value)) else {
                    continue;
                };
                let is_elsewhere = index.group.as_ref().is_some_and(|group| !session.has_joined(group.as_str()));
                if index.kind != WaitingKind::Message || index.expires <= now || is_elsewhere {
                    continue;
                }
                // Whom it is for stands in its body.
                if index.selective { selective.push(sequence) } else { count += 1 }
            }
            for waiting in self.load_all(user, &selective).await?.into_iter().flatten() {
                count += usize::from(matches!(waiting, Waiting::Message(message) if is_for(&message.info, session)));
            }
            match rows.last() {
                Some(last) if rows.len() == COUNTED => range = range.after(&last.key),
                _ => return Ok(u32::try_from(count).unwrap_or(u32::MAX)),
            }
        }
    }

    /// How messages come to this session from now on, and up to which size.
    ///
    /// # Errors
    /// Where it is for the messages of a group `UnknownGroup`, `ForeignDomain`, `NotJoined`; or the store's failure:
    /// nothing is changed then.
    pub async fn set_delivery_method(
        &self,
        session: &Session,
        method: Option<DeliveryMethod>,
        content_length: Option<u32>,
        group: Option<&Address>,
    ) -> Result<(), Error> {
        if let Some(group) = group {
            return self.group().set_delivery(session, group, method, content_length).await;
        }
        if method.is_none() && content_length.is_none() {
            return Err(Error::BadParameter("the request says nothing of the delivery"));
        }
        let before = session.negotiated().clone();
        {
            let mut agreed = session.negotiated();
            agreed.delivery = method.unwrap_or(agreed.delivery);
            agreed.push_length = content_length.unwrap_or(agreed.push_length);
        }
        let saved = self.access().save_session(session).await;
        match &saved {
            Ok(()) => self.delivery_changed(session),
            Err(_) => *session.negotiated() = before,
        }
        saved
    }

    /// What waits for a user, for operators: oldest first, behind `after` only, so many at most.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn waiting_messages(
        &self,
        user: &imps_types::UserId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<WaitingMessage>, Error> {
        let all = index_range(user);
        let range = after.map_or(all.clone(), |after| all.after(&index_key(user, after.sequence())));
        let rows = self.store.scan(Space::MessageIndex, range, Order::Forwards, limit).await?;
        let read = |row: &crate::seam::Row| {
            let index = IndexRow::read(&row.value).ok()?;
            let id = MessageId::new(index_sequence(&row.key)?);
            Some(WaitingMessage { id, kind: index.kind, size: index.size, expires: index.expires })
        };
        Ok(rows.iter().filter_map(read).collect())
    }
}
