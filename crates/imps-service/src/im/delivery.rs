//! How a message comes to a client: pushed, told of, or left to be asked for (CSP 6, 12.2).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use imps_types::element::{MessageInfo, OnlineHandling, Recipient};
use imps_types::service_tree::Function;
use imps_types::{Status, Version};

use super::offer::{group_agreement, is_addressed};
use super::{Im, charset};
use crate::error::Error;
use crate::event::{Event, Message};
use crate::session::{Negotiated, Session, Taking};
use crate::user::{UserInner, UserState};

/// Bytes of a message beside its content, or a little more.
const ENVELOPE: usize = 1024;

/// What becomes of a message at one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// NewMessage.
    Push,
    /// MessageNotification.
    Notify,
    /// Nothing is said of it; GetMessageList has it.
    Leave,
    /// The client said that it does not want such content.
    Refuse,
}

/// What a client needs to know of a content to say whether it takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind<'a> {
    content_type: &'a str,
    content: &'a [u8],
    is_binary: bool,
}

impl<'a> Kind<'a> {
    /// Of a content before it is a message.
    pub(super) fn new(info: &'a MessageInfo, content: &'a [u8], is_binary: bool) -> Self {
        Self { content_type: info.content_type.as_deref().unwrap_or_default(), content, is_binary }
    }

    /// Of a message.
    pub(super) fn of(message: &'a Message) -> Self {
        Self::new(&message.info, &message.content, message.binary)
    }

    /// Bytes of the content.
    pub(super) fn size(self) -> usize {
        self.content.len()
    }

    /// What a client that agreed on this does with it.
    pub(super) fn taking(self, agreed: &Negotiated) -> Taking {
        let taking = agreed.taking(self.content_type, self.content.len(), self.is_parsed(parser_room(agreed)));
        match taking {
            Taking::Pushed | Taking::Fetched if self.is_binary && !agreed.takes_base64() => Taking::Unknown,
            taking => taking,
        }
    }

    /// Whether it fits into so many bytes, in whatever encoding: BASE64 takes a third more, and what XML escapes up to
    /// five bytes each.
    pub(super) fn is_parsed(self, room: usize) -> bool {
        let size = self.content.len();
        if self.is_binary {
            return size / 3 * 4 + 4 <= room;
        }
        if size > room || size.saturating_mul(5) <= room {
            return size <= room;
        }
        let escaped = self.content.iter().filter(|byte| matches!(byte, b'&' | b'<' | b'>' | b'\r')).count();
        size + escaped * 4 <= room
    }
}

/// Bytes that a client can parse beside the envelope. 0 is no size that a client can mean.
pub(crate) fn parser_room(agreed: &Negotiated) -> usize {
    match usize::try_from(agreed.parser_size) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(size) => size.saturating_sub(ENVELOPE),
    }
}

/// How a message comes to a session that has agreed on this: `agreed` may be what holds for one group.
pub(super) fn way(session: &Session, agreed: &Negotiated, message: &Message) -> Way {
    let may = Receiving::of(agreed);
    // It was there before the client: one that named what it wants is told only if it named that too.
    let was_waiting = message.id.sequence() <= session.opened_after.load(Ordering::Relaxed);
    let is_told = |way: Way| match way {
        Way::Notify if was_waiting && session.version == Version::V1_3 && !may.told_of_waiting => Way::Leave,
        way => way,
    };
    // What lies elsewhere has nothing that could be pushed.
    let is_elsewhere = message.info.message_uri.is_some() && message.content.is_empty();
    match Kind::of(message).taking(agreed) {
        Taking::Refused => Way::Refuse,
        _ if may.only_asks => Way::Leave,
        Taking::Pushed if may.pushed && !is_elsewhere => Way::Push,
        Taking::Pushed | Taking::Fetched | Taking::TooLarge | Taking::Unknown => is_told(Way::Notify),
    }
}

/// Which primitives a client wants to get, by the functions that it named (CSP 4.7, 5). One that named none wants all;
/// one that named some, and of these none for receiving, is served like that.
struct Receiving {
    /// NewMessage.
    pushed: bool,
    /// Neither NewMessage nor MessageNotification, but the means to ask.
    only_asks: bool,
    /// MessageNotification of what came while it was not there.
    told_of_waiting: bool,
}

impl Receiving {
    fn of(agreed: &Negotiated) -> Self {
        let Some(requested) = agreed.requested else {
            return Self { pushed: true, only_asks: false, told_of_waiting: true };
        };
        let named = |function| requested.contains(function);
        let (pushed, told) = (named(Function::NewM), named(Function::Notif));
        let asks = named(Function::GetLm) || named(Function::GetM);
        Self {
            pushed: pushed || !told,
            only_asks: asks && !pushed && !told,
            told_of_waiting: named(Function::OffNotif) || !told,
        }
    }
}

/// Whether a client that agreed on this is told of no message, and asks for them.
pub(super) fn only_asks(agreed: &Negotiated) -> bool {
    Receiving::of(agreed).only_asks
}

impl Im<'_> {
    /// Whether a message is to be offered to this session of its recipient at all.
    pub(super) fn is_offered(&self, session: &Session, message: &Message) -> bool {
        let way = with_agreement(session, message, |agreed| way(session, agreed, message));
        let is_wanted = matches!(way, Way::Push | Way::Notify);
        // Messages in a group are for every client that has joined it.
        is_wanted && (message.group().is_some() || self.is_chosen(session, Kind::of(message), &message.info.recipient))
    }

    /// Whether the client is told of a message that waits for it.
    pub(super) fn is_told(&self, session: &Session, message: &Arc<Message>) -> bool {
        let way =
            with_agreement(session, message, |agreed| way(session, agreed, &charset::for_client(message, agreed)));
        matches!(way, Way::Push | Way::Notify)
    }

    /// The message as the client is told of it; none if it is not to be told any more.
    pub(super) fn message_event(&self, session: &Session, message: &Arc<Message>) -> Option<Event> {
        let (way, message) = with_agreement(session, message, |agreed| {
            let message = charset::for_client(message, agreed);
            (way(session, agreed, &message), message)
        });
        match way {
            Way::Push => Some(Event::NewMessage(message)),
            Way::Notify => Some(Event::MessageNotification(self.with_uri(session, message))),
            Way::Leave | Way::Refuse => None,
        }
    }

    /// What is told of a message that the client cannot take from here gets a URL by which the content can be had.
    fn with_uri(&self, session: &Session, message: Arc<Message>) -> Arc<Message> {
        let taking = with_agreement(session, &message, |agreed| Kind::of(&message).taking(agreed));
        if taking != Taking::TooLarge || message.info.message_uri.is_some() {
            return message;
        }
        let message_uri = self.content_uri(&session.user.id, &message);
        let info = MessageInfo { message_uri, ..message.info.clone() };
        Arc::new(Message { info, content: Bytes::new(), ..Message::clone(&message) })
    }

    /// A message that waited, and that no client of the user wants, is refused (415). One that another client takes waits.
    pub(super) async fn refuse_stored(&self, session: &Session, message: &Message) -> Result<(), Error> {
        let recipient = &message.info.recipient;
        if message.group().is_none() && self.nobody_takes(&session.user, Kind::of(message), recipient) {
            self.settle(&session.user.id, message, Status::UNSUPPORTED_MEDIA_TYPE).await?;
        }
        Ok(())
    }

    /// Whether a user whose clients are there has none that takes a content: the message is refused (415).
    pub(super) fn nobody_takes(&self, user: &UserState, kind: Kind<'_>, recipient: &Recipient) -> bool {
        let (sessions, handling) = {
            let inner = user.lock();
            (inner.sessions.clone(), inner.handling.online)
        };
        let mut all = sessions.iter().filter(|session| is_addressed(recipient, session));
        match handling {
            OnlineHandling::ServerLogic | OnlineHandling::ForkAll => {
                let mut all = all.peekable();
                all.peek().is_some() && all.all(|session| kind.taking(&session.negotiated()) == Taking::Refused)
            }
            OnlineHandling::PriorityStore => false,
            OnlineHandling::PriorityReject => match all.by_ref().max_by_key(|session| rank(session)) {
                Some(first) => !kind.taking(&first.negotiated()).is_possible(),
                None => false,
            },
        }
    }

    /// Whether a session is the one to which its user's messages go: any, unless the user said that only the one with the
    /// highest priority gets them, and only what it can take (OnlineETEMHandling).
    fn is_chosen(&self, session: &Session, kind: Kind<'_>, recipient: &Recipient) -> bool {
        let inner = session.user.lock();
        match inner.handling.online {
            OnlineHandling::ServerLogic | OnlineHandling::ForkAll => true,
            OnlineHandling::PriorityStore | OnlineHandling::PriorityReject => {
                let is_first = is_first(&inner, session, recipient);
                drop(inner);
                is_first && kind.taking(&session.negotiated()).is_possible()
            }
        }
    }

    /// Something changed by which other messages are for the sessions of this user: what was passed over is looked at
    /// again, and what is not theirs any more is left to the store. At once, since the first of several clients to
    /// acknowledge a message takes it out of the store.
    pub(crate) async fn choose_again(&self, user: &UserState) {
        for session in user.sessions() {
            let looks = session.outbox().look_again();
            if looks {
                self.fill(&session).await;
                session.wake();
            }
            let waiting = session.outbox().messages();
            for message in waiting.into_iter().filter(|message| !self.is_offered(&session, message)) {
                let mut outbox = session.outbox();
                outbox.remove(message.id.sequence());
                outbox.pass_over(message.id.sequence());
            }
        }
    }
}

/// What the client agreed on, or, for messages of a group, what it said of that.
fn with_agreement<T>(session: &Session, message: &Message, ask: impl FnOnce(&Negotiated) -> T) -> T {
    match group_agreement(session, message) {
        Some(agreed) => ask(&agreed),
        None => ask(&session.negotiated()),
    }
}

fn is_first(inner: &UserInner, session: &Session, recipient: &Recipient) -> bool {
    let others = inner.sessions.iter().filter(|other| other.id != session.id && is_addressed(recipient, other));
    let own = rank(session);
    others.map(|other| rank(other)).all(|other| other < own)
}

/// What comes first: priority, and among equals the newer one.
fn rank(session: &Session) -> (u32, u64, imps_types::SessionId) {
    (session.negotiated().priority, session.opened.0, session.id)
}
