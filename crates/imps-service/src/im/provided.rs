//! Messages that another domain has for our users, and those that we have for users of others (SSP 9.6, 16.2).
//!
//! What that domain pushes is taken here, and waits here like any other message. What it only tells of waits there: the
//! clients hear of it, and fetch, reject and forward it there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imps_types::element::{Content, DeliveryMethod, MessageInfo};
use imps_types::{MessageId, Status, UserId};

use super::delivery::{Kind, only_asks, parser_room};
use super::fetch::{LISTED_MAX, written_size};
use super::offer::is_addressed;
use super::{Im, charset};
use crate::error::Error;
use crate::event::{Event, Kept, Message};
use crate::session::{Session, Taking};

impl Im<'_> {
    /// A message that waits here for the session's user, as it is.
    ///
    /// # Errors
    /// `UnknownMessage`, or the store's failure.
    pub async fn one_that_waits(&self, session: &Session, id: &str) -> Result<Arc<Message>, Error> {
        self.find(session, MessageId::parse(id).ok_or(Error::UnknownMessage)?).await
    }

    /// A message that was fetched where it waits, as the session's client gets it (SSP 10).
    ///
    /// # Errors
    /// `TooLarge` for the client.
    pub fn fetched_there(
        &self,
        session: &Session,
        info: MessageInfo,
        content: Content,
    ) -> Result<(MessageInfo, Content), Error> {
        let message = self.of_elsewhere(session.user.id.clone(), info, content);
        let agreed = session.negotiated();
        let message = charset::for_client(&message, &agreed);
        if Kind::of(&message).taking(&agreed) == Taking::TooLarge {
            return Err(Error::TooLarge);
        }
        let content = Content { data: message.content.clone(), binary: message.binary };
        Ok((message.info.clone(), content))
    }

    /// The messages that wait here and those that wait elsewhere as one list: each once, so many at most, and no more than
    /// the session's client can parse.
    pub fn listed_together(
        &self,
        session: &Session,
        here: Vec<MessageInfo>,
        there: Vec<MessageInfo>,
        count: Option<u32>,
    ) -> Vec<MessageInfo> {
        let most = count.map_or(LISTED_MAX, |count| usize::try_from(count).unwrap_or(LISTED_MAX));
        let mut room = parser_room(&session.negotiated());
        let mut list: Vec<MessageInfo> = Vec::with_capacity(here.len() + there.len());
        for info in here.into_iter().chain(there).take(2 * LISTED_MAX) {
            let size = written_size(&info);
            if list.len() >= most || (size > room && !list.is_empty()) {
                break;
            }
            // It may have been taken here a moment ago.
            if info.message_id.is_none() || list.iter().all(|one| one.message_id != info.message_id) {
                room = room.saturating_sub(size);
                list.push(info);
            }
        }
        list
    }

    /// The domain that has a user's messages says that one waits there. Whether any of his clients hears of it.
    pub fn told_of_waiting(&self, user: &UserId, sender: UserId, info: MessageInfo) -> bool {
        let Some(user) = self.users.loaded(user) else { return false };
        let message = self.of_elsewhere(sender, info, Content::default());
        let is_told = |session: &&Arc<Session>| {
            is_addressed(&message.info.recipient, session) && !only_asks(&session.negotiated())
        };
        let sessions = user.sessions();
        let mut any = false;
        for session in sessions.iter().filter(is_told) {
            any |= session.outbox().told(Event::MessageNotification(message.clone()), self.config.outbox_bytes);
            session.wake();
        }
        any
    }

    /// A message that waited elsewhere does so no more: none of the user's clients is told of it any more.
    pub fn gone_there(&self, user: &UserId, id: &str) {
        let sessions = self.users.loaded(user).map_or_else(Vec::new, |user| user.sessions());
        sessions.iter().for_each(|session| session.outbox().forget_waiting(id.trim()));
    }

    fn of_elsewhere(&self, sender: UserId, info: MessageInfo, content: Content) -> Arc<Message> {
        let validity = info.validity.map_or(self.config.validity_default, |it| Duration::from_secs(it.into()));
        Arc::new(Message {
            id: info.message_id.as_deref().and_then(MessageId::parse).unwrap_or(MessageId::new(0)),
            sender,
            info,
            content: content.data,
            binary: content.binary,
            shared: false,
            report: false,
            expires: self.clock.now().plus(validity.min(self.config.validity_max)),
            kept: Kept::default(),
        })
    }

    /// A message that waits here was sent on by another way than [`Im::forward`]: it is gone here, and its sender hears that
    /// it was forwarded.
    ///
    /// # Errors
    /// The store's failure: it waits still then.
    pub async fn forwarded(&self, session: &Session, message: &Message) -> Result<(), Error> {
        let user = &session.user.id;
        let message = Message { content: Bytes::new(), ..message.clone() };
        if self.settle_once(user, &message, Status::MESSAGE_HAS_BEEN_FORWARDED, true).await? {
            self.metrics.messages_forwarded.up();
        }
        self.withdraw_everywhere(user, message.id.sequence()).await;
        Ok(())
    }

    /// How messages of a guest go to his home domain: as his clients take them, by what that domain says of them.
    /// `of_clients`: the method and the largest content of each.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn set_guest_delivery(
        &self,
        guest: &Session,
        of_clients: impl Iterator<Item = (DeliveryMethod, Option<u32>)>,
    ) -> Result<(), Error> {
        let Some((method, length)) = best_of(of_clients) else { return Ok(()) };
        let is_so = {
            let agreed = guest.negotiated();
            agreed.delivery == method && agreed.push_length == length
        };
        if is_so {
            return Ok(());
        }
        self.set_delivery_method(guest, Some(method), Some(length), None).await
    }

    /// How a user's messages go to his home, for all his clients: pushed, if any of them has them pushed. None: he has no
    /// client.
    pub fn delivery_of(&self, user: &UserId) -> Option<(DeliveryMethod, u32)> {
        let sessions = self.users.loaded(user)?.sessions();
        best_of(sessions.iter().map(|session| {
            let agreed = session.negotiated();
            (agreed.delivery, Some(agreed.push_length))
        }))
    }

    /// Who has something for a user hears that his clients take messages in another way now (SSP 12).
    pub(crate) fn delivery_changed(&self, session: &Session) {
        if !session.user.is_guest
            && let Some(gateway) = self.router.gateway()
        {
            gateway.user_changed(&session.user.id);
        }
    }
}

/// The method of several clients together: what one of them takes is brought to where all are, and what none of them takes is
/// fetched.
fn best_of(clients: impl Iterator<Item = (DeliveryMethod, Option<u32>)>) -> Option<(DeliveryMethod, u32)> {
    let mut best: Option<(DeliveryMethod, u32)> = None;
    for (method, length) in clients {
        let length = length.unwrap_or(u32::MAX);
        best = Some(match best {
            Some((before, most)) if before == method => (method, most.max(length)),
            Some(before) if before.0 == DeliveryMethod::Push => before,
            _ => (method, length),
        });
    }
    best
}

#[cfg(test)]
mod tests {
    use imps_types::ClientId;
    use imps_types::element::{CapabilityList, Recipient, User};

    use super::*;
    use crate::testing::World;

    #[test]
    fn what_one_client_takes_is_brought() {
        use DeliveryMethod::{Notify, Push};
        let best = |clients: &[(DeliveryMethod, Option<u32>)]| best_of(clients.iter().copied());
        assert_eq!(best(&[]), None);
        assert_eq!(best(&[(Notify, Some(9))]), Some((Notify, 9)));
        assert_eq!(best(&[(Notify, Some(9)), (Push, Some(3)), (Push, Some(5)), (Notify, None)]), Some((Push, 5)));
        assert_eq!(best(&[(Push, Some(3)), (Push, None)]), Some((Push, u32::MAX)));
    }

    fn waits_there(id: &str, to: User) -> MessageInfo {
        let recipient = Recipient::user(to);
        MessageInfo { message_id: Some(id.into()), recipient, content_size: 7, ..MessageInfo::default() }
    }

    #[tokio::test]
    async fn clients_hear_once_of_what_waits_elsewhere() {
        let world = World::of(&["alice"]).await;
        let (im, bob) = (world.services.im(), UserId::from_canonical("wv:bob@b.example"));
        let alice = UserId::from_canonical("wv:alice@x");
        assert!(!im.told_of_waiting(&alice, bob.clone(), waits_there("m1", User::of(&alice))), "nobody is there");
        let session = world.login("alice").await;
        let other = User { client_id: Some(ClientId::of_url("no such client")), ..User::of(&alice) };
        assert!(!im.told_of_waiting(&alice, bob.clone(), waits_there("m1", other)));
        for id in ["m1", "m3", "m2", "m1"] {
            assert!(im.told_of_waiting(&alice, bob.clone(), waits_there(id, User::of(&alice))));
        }
        im.gone_there(&alice, "m3");
        let mut told = Vec::new();
        while let Some(event) = im.next_event(&session).await {
            let Event::MessageNotification(message) = event else { panic!("{event:?}") };
            told.push((message.info.message_id.clone().unwrap(), message.sender.clone()));
        }
        assert_eq!(told, [("m1".into(), bob.clone()), ("m2".into(), bob)]);
    }

    #[tokio::test]
    async fn what_waits_here_and_elsewhere_is_one_list() {
        let world = World::of(&["alice"]).await;
        let (im, session) = (world.services.im(), world.login("alice").await);
        let infos = |ids: &[&str]| ids.iter().map(|id| waits_there(id, User::of("wv:alice@x"))).collect::<Vec<_>>();
        let ids = |count: Option<u32>| -> Vec<String> {
            let list = im.listed_together(&session, infos(&["m1", "m2"]), infos(&["m2", "m3"]), count);
            list.iter().map(|info| info.message_id.as_deref().unwrap().to_owned()).collect()
        };
        assert_eq!(ids(None), ["m1", "m2", "m3"]);
        assert_eq!(ids(Some(1)), ["m1"]);
        session.negotiated().parser_size = 1100;
        assert_eq!(ids(None), ["m1"], "the client can parse no more");
    }

    #[tokio::test]
    async fn what_is_fetched_elsewhere_is_adapted_here() {
        let world = World::of(&["alice"]).await;
        let (im, session) = (world.services.im(), world.login("alice").await);
        let fetch = |octets: &'static [u8]| {
            let info = MessageInfo {
                content_type: Some("text/plain; charset=iso-8859-1".into()),
                ..waits_there("m1", User::of("wv:alice@x"))
            };
            im.fetched_there(&session, info, Content { data: octets.into(), binary: true })
        };
        let (info, content) = fetch(b"caf\xe9").unwrap();
        assert_eq!((info.content_type.as_deref(), content.binary), (Some("text/plain; charset=utf-8"), false));
        assert_eq!(content.data, "café".as_bytes());
        let little = CapabilityList { push_length: Some(3), pull_length: Some(3), ..CapabilityList::default() };
        session.negotiated().set_capabilities(&little);
        assert_eq!(fetch(b"caf\xe9"), Err(Error::TooLarge));
    }
}
