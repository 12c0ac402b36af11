//! SendMessage: who gets it, the commit, and then the offer (CSP 12.1).

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use imps_types::address::PART_MAX;
use imps_types::element::{
    Content, ContentEncoding, Group, MessageInfo, Recipient, ResultInfo, ScreenName, Sender, User,
};
use imps_types::{Address, DateTime, MessageId, SessionId, UserId};

use super::abroad::{self, Taking};
use super::addressees::{Addressees, Letter, named_client};
use super::blocking::Origin;
use super::delivery::Kind;
use super::group::ToGroup;
use super::queue::{Records, delete, index_key, put_shared};
use super::repeat::{Known, UnderWay, put_repeat, repeat_record};
use super::report::NewReport;
use super::{Im, Once, Sent};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::{Kept, Message};
use crate::group::is_same_name;
use crate::seam::{Batch, Space, StoreError};
use crate::session::Session;
use crate::store::Commit;

/// Content that is larger is stored once for all recipients of a message.
const SHARED_FROM: usize = 1024;
/// The longest type, name of a content, word of a font, or word of a User beside his address; and how many styles a font
/// has.
const WORD_MAX: usize = 255;
const STYLES_MAX: usize = 16;
/// The longest MessageURI.
const URI_MAX: usize = 1024;
/// How often, and at which interval, a repeat looks whether the first copy is done.
const REPEAT_LOOKS: u32 = 500;
const REPEAT_INTERVAL: Duration = Duration::from_millis(20);

/// A message as its sender gives it.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    /// Recipient, Sender, type, validity: as written.
    pub info: MessageInfo,
    /// What it consists of.
    pub content: Content,
    /// Whether the sender wants to know what becomes of it.
    pub delivery_report: bool,
}

/// Whether what stands beside the content is of a length that somebody may mean; all of it is passed on.
pub(super) fn check(info: &MessageInfo) -> Result<(), Error> {
    let is_long = |text: &Option<Box<str>>, most: usize| text.as_ref().is_some_and(|text| text.len() > most);
    let font = info.font.as_ref();
    let is_odd = font.is_some_and(|font| {
        let words = font.styles.iter().chain(&font.size).chain(&font.color);
        font.styles.len() > STYLES_MAX || words.into_iter().any(|word| word.len() > WORD_MAX)
    });
    if is_long(&info.content_type, WORD_MAX) || is_long(&info.content_name, WORD_MAX) || is_odd {
        return Err(Error::BadParameter("the type, the name or the font is longer than this server takes"));
    }
    if is_long(&info.message_uri, URI_MAX) {
        return Err(Error::BadParameter("the MessageURI is longer than this server takes"));
    }
    check_people(info.sender.as_ref(), &info.recipient)
}

/// The same of what stands beside the addresses of who sends and who gets it: recipients' rows have it.
pub(super) fn check_people(sender: Option<&Sender>, recipient: &Recipient) -> Result<(), Error> {
    let (sender, in_group) = match sender {
        Some(Sender::User(user)) => (Some(user), None),
        Some(Sender::Group(group)) => (None, Some(group)),
        None => (None, None),
    };
    let is_odd = |user: &User| {
        let client = user.client_id.iter().flat_map(|client| [&client.url, &client.msisdn]).flatten();
        client.chain(&user.friendly_name).chain(&user.application_id).any(|word| word.len() > WORD_MAX)
    };
    let name_of = |group: &Group| matches!(group, Group::ScreenName(name) if name.name.len() > PART_MAX);
    if in_group.into_iter().chain(&recipient.groups).any(name_of) {
        return Err(Error::BadParameter("a ScreenName is longer than this server takes"));
    }
    if sender.into_iter().chain(&recipient.users).any(is_odd) {
        return Err(Error::BadParameter(
            "a FriendlyName, a ClientID or an ApplicationID is longer than this server takes",
        ));
    }
    Ok(())
}

/// A message before it is given to its addressees: what they all get alike.
pub(super) struct Draft {
    /// Without Recipient, and without MessageID unless it is on its way through this domain.
    info: MessageInfo,
    content: Content,
    report: bool,
    expires: Timestamp,
}

impl Draft {
    /// A new message. `validity`: the default, and the longest.
    pub(super) fn new(
        message: OutgoingMessage,
        sender: Sender,
        now: Timestamp,
        validity: (Duration, Duration),
    ) -> Self {
        let OutgoingMessage { info, content, delivery_report: report } = message;
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        let (default, most) = (seconds(validity.0), seconds(validity.1));
        let validity = info.validity.filter(|seconds| *seconds > 0).unwrap_or(default).min(most);
        let info = MessageInfo {
            message_id: None,
            content_encoding: content.binary.then_some(ContentEncoding::Base64),
            content_size: u32::try_from(content.data.len()).unwrap_or(u32::MAX),
            recipient: Recipient::default(),
            sender: Some(sender),
            // Senders' clocks are not to be trusted (Encoding 1.5).
            date_time: Some(now.date_time()),
            validity: Some(validity),
            ..info
        };
        Self { info, content, report, expires: now.plus(Duration::from_secs(validity.into())) }
    }

    /// It keeps the MessageID that it has where it comes from.
    pub(super) fn called(mut self, id: Option<Box<str>>) -> Self {
        self.info.message_id = id;
        self
    }

    /// It was taken at this time already, by another domain.
    pub(super) fn dated(mut self, at: Option<DateTime>) -> Self {
        self.info.date_time = at.or(self.info.date_time);
        self
    }

    /// A message that somebody sends on. It is good for as long as it was, and nobody hears what becomes of it.
    pub(super) fn of_forwarded(original: &Message, sender: Sender, now: Timestamp) -> Self {
        let left = original.expires.since(now).as_secs().max(1);
        let info = MessageInfo {
            message_id: None,
            recipient: Recipient::default(),
            sender: Some(sender),
            date_time: Some(now.date_time()),
            validity: Some(u32::try_from(left).unwrap_or(u32::MAX)),
            ..original.info.clone()
        };
        let content = Content { data: original.content.clone(), binary: original.binary };
        Self { info, content, report: false, expires: original.expires }
    }
}

/// A message of the session's user that ends with the commit of another one.
pub(super) struct Replaced<'a> {
    pub(super) message: &'a Message,
    /// The row of the index, which must be there still.
    pub(super) row: Bytes,
}

/// Whether a request was carried out before.
pub(super) enum Begun<'a> {
    /// It was, and this was the answer.
    Before(Sent),
    /// It is under way now.
    Now(UnderWay<'a>),
}

/// What is committed in one step when a message is accepted.
pub(super) struct Posting<'a> {
    /// Who sends it.
    pub(super) by: &'a UserId,
    pub(super) draft: Draft,
    pub(super) addressees: &'a Addressees,
    /// The request of which session it is.
    pub(super) once: Option<(&'a SessionId, &'a Once)>,
    /// What it is called where it comes from, if that is another domain.
    pub(super) from: Option<&'a Taking>,
    pub(super) result: &'a ResultInfo,
    /// Reports that are known with it: on this message where they have no MessageID yet.
    pub(super) reports: Vec<NewReport>,
    pub(super) replaces: Option<Replaced<'a>>,
}

/// What is left to be done once it is committed.
struct Posted<'a> {
    sequence: u64,
    /// Without MessageID, for each addressee.
    messages: Vec<Arc<Message>>,
    to_groups: Vec<(&'a ToGroup, Arc<Message>)>,
    /// Bytes of the content.
    size: usize,
    reports: Vec<NewReport>,
}

impl Im<'_> {
    /// Accepts a message: when this returns with an ID, it is committed. A request that equals one of the last is answered
    /// like that one and not carried out again.
    ///
    /// # Errors
    /// `NotYourself`, `BadParameter`, `UnknownGroup`, or the store's failure. What concerns single recipients is in the
    /// result.
    pub fn send(
        &self,
        session: &Arc<Session>,
        message: OutgoingMessage,
        once: Option<Once>,
    ) -> impl Future<Output = Result<Sent, Error>> + Send {
        // Futures would hold and move it at each step.
        let message = Box::new(message);
        async move {
            let under_way = match self.begin(session, once.as_ref()).await? {
                Begun::Before(sent) => return Ok(sent),
                Begun::Now(under_way) => under_way,
            };
            let sent = self.send_new(session, message, once.as_ref()).await?;
            under_way.finish(&sent);
            Ok(sent)
        }
    }

    /// Whether a request is a copy of one of the last: that is answered as the first was.
    pub(super) async fn begin<'a>(&self, session: &'a Session, once: Option<&'a Once>) -> Result<Begun<'a>, Error> {
        if let Some(once) = once
            && let Some(sent) = self.repeated(session, once).await?
        {
            self.metrics.messages_repeated.up();
            return Ok(Begun::Before(sent));
        }
        Ok(Begun::Now(UnderWay::new(session, once)))
    }

    /// What the first copy of this request was answered, once it was.
    async fn repeated(&self, session: &Session, once: &Once) -> Result<Option<Sent>, Error> {
        for _ in 0..REPEAT_LOOKS {
            let known = session.sent.lock().begin(once, self.clock.now(), self.config.repeat_window);
            match known {
                Known::New => return Ok(None),
                Known::Done(sent) => return Ok(Some(sent)),
                // Boxed: a timer asks for an alignment that every message would pay for.
                Known::UnderWay => Box::pin(tokio::time::sleep(REPEAT_INTERVAL)).await,
            }
        }
        Err(Error::Store(StoreError::Busy))
    }

    async fn send_new(
        &self,
        session: &Arc<Session>,
        message: Box<OutgoingMessage>,
        once: Option<&Once>,
    ) -> Result<Sent, Error> {
        if message.content.data.len() > self.config.message_max {
            return Err(Error::BadParameter("the content is larger than this server takes"));
        }
        if message.info.recipient.is_empty() {
            return Err(Error::BadParameter("the message names no recipient"));
        }
        check(&message.info)?;
        let (sender, origin) = self.sender(session, message.info.sender.as_ref())?;
        let submits = session.sending.submits.lock().await;
        let kind = Kind::new(&message.info, &message.content.data, message.content.binary);
        let letter = Letter { origin: &origin, kind };
        let mut addressees = self.addressees(session, letter, &message.info.recipient).await?;
        let refusals = std::mem::take(&mut addressees.refusals);
        self.metrics.messages_refused.add(refusals.count() as u64);
        if addressees.is_empty() {
            if refusals.is_empty() {
                return Err(Error::BadParameter("nobody is on the contact list"));
            }
            return Ok(Sent { id: None, result: ResultInfo::partial(false, refusals.done()) });
        }
        let result = ResultInfo::partial(true, refusals.done());
        let validity = (self.config.validity_default, self.config.validity_max);
        let draft = Draft::new(*message, sender, self.clock.now(), validity);
        let mut reports = Vec::new();
        if draft.report {
            reports = self.reports_on_refused(&session.user.id, &draft.info, &result.detailed);
            reports.extend(self.reports_on_groups(&session.user.id, &draft.info, &addressees.groups));
        }
        let posting = Posting {
            by: &session.user.id,
            draft,
            addressees: &addressees,
            once: once.map(|once| (&session.id, once)),
            from: None,
            result: &result,
            reports,
            replaces: None,
        };
        let id = {
            let mut posted = std::pin::pin!(self.post(posting, Some(&session.sending.offers)));
            // It has its place before the next one is looked at.
            let at_once = std::future::poll_fn(|context| Poll::Ready(posted.as_mut().poll(context))).await;
            drop(submits);
            match at_once {
                Poll::Ready(id) => id?,
                Poll::Pending => posted.await?,
            }
        };
        Ok(Sent { id: Some(id), result })
    }

    /// Commits a message for each addressee, and all that goes with it; then offers it, when it is its turn. It is handed
    /// to the store by this call, and has its turn by the first poll.
    ///
    /// # Errors
    /// `UnknownMessage` when the message that it replaces is gone, or the store's failure.
    pub(super) fn post<'a>(
        &'a self,
        posting: Posting<'a>,
        turns: Option<&'a tokio::sync::Mutex<()>>,
    ) -> impl Future<Output = Result<MessageId, Error>> + Send + 'a {
        let Posting { by, draft, addressees, once, from, result, mut reports, replaces } = posting;
        let Draft { info: mut template, content, report, expires } = draft;
        let posting_to = addressees;
        let Addressees { found: addressees, groups, abroad, .. } = addressees;
        let shared = addressees.len() > 1 && content.data.len() > SHARED_FROM;
        // Everything that does not depend on the number is made before the number is taken: others wait for the next one.
        let mut to_groups = Vec::with_capacity(groups.len());
        for to in groups {
            let recipient = Recipient { groups: vec![Group::Id(Address::from(&to.group.id))], ..Recipient::default() };
            let message = Message {
                id: MessageId::new(0),
                sender: by.clone(),
                info: MessageInfo { recipient, sender: Some(Sender::Group(to.sender.clone())), ..template.clone() },
                content: content.data.clone(),
                binary: content.binary,
                shared: false,
                // It is reported on already: that it reached the group (CSP 12.3).
                report: false,
                expires,
                kept: Kept::for_many(),
            };
            let records = to.records(&message);
            to_groups.push((to, message, records));
        }
        let to_domains =
            abroad.iter().map(|to| to.rows(by, &template, &content, (report, expires))).collect::<Vec<_>>();
        let mut messages = Vec::with_capacity(addressees.len());
        let mut records = Vec::with_capacity(addressees.len());
        for (index, addressee) in addressees.iter().enumerate() {
            let is_last = index + 1 == addressees.len();
            let base = if is_last { std::mem::take(&mut template) } else { template.clone() };
            let message = Message {
                id: MessageId::new(0),
                sender: by.clone(),
                // The others are nobody's business (CSP 12.1).
                info: MessageInfo {
                    recipient: addressee.recipient.clone(),
                    sender: addressee.sender.clone().or(base.sender),
                    ..base
                },
                content: content.data.clone(),
                binary: content.binary,
                shared,
                report,
                expires,
                kept: Kept::default(),
            };
            records.push(Records::of_message(&message));
            messages.push(Arc::new(message));
        }
        let repeat = once.map(|(session, once)| repeat_record(session, once, result));
        let mut batch = Batch::new();
        if let Some(Replaced { message, row }) = &replaces {
            let sequence = message.id.sequence();
            batch.if_equals(Space::MessageIndex, index_key(by, sequence), row.clone());
            delete(&mut batch, sequence, by, message.expires, self.clock.now());
        }
        let (sequence, commit) = self.sequence.next(self.clock.now(), |next| {
            let sequence = next();
            if shared {
                put_shared(&mut batch, sequence, &content.data, expires);
            }
            for (addressee, records) in addressees.iter().zip(records) {
                records.put(&mut batch, sequence, &addressee.state.id, expires);
            }
            for (to, _, records) in &mut to_groups {
                to.put(records, &mut batch, sequence, expires);
            }
            for rows in to_domains {
                rows.put(&mut batch, sequence);
            }
            if let Some(from) = from {
                from.put(&mut batch, sequence, result, (report, expires));
            }
            if let Some(repeat) = repeat {
                put_repeat(&mut batch, sequence, repeat);
            }
            for report in &mut reports {
                report.put(&mut batch, next, replaces.is_none().then_some(sequence));
            }
            (sequence, self.store.commit(batch))
        });
        let to_groups = to_groups.into_iter().map(|(to, message, _)| (to, Arc::new(message))).collect();
        let posted = Posted { sequence, messages, to_groups, size: content.data.len(), reports };
        self.posted(commit, turns, posting_to, posted)
    }

    /// Waits for the commit of a message, and offers it.
    async fn posted(
        &self,
        commit: Commit,
        turns: Option<&tokio::sync::Mutex<()>>,
        to: &Addressees,
        posted: Posted<'_>,
    ) -> Result<MessageId, Error> {
        let Addressees { found: addressees, groups, abroad, .. } = to;
        let Posted { sequence, messages, to_groups, size, reports } = posted;
        let turn = async {
            match turns {
                Some(turns) => Some(turns.lock().await),
                None => None,
            }
        };
        let (committed, _turn) = futures_util::future::join(commit, turn).await;
        match committed {
            Ok(()) => {}
            Err(StoreError::Condition) => return Err(Error::UnknownMessage),
            // It may have happened, and then the next try would be a second message.
            Err(StoreError::Unknown) if Box::pin(self.is_any_stored(to, sequence)).await? => {}
            Err(error) => return Err(error.into()),
        }
        let to_joined: usize = groups.iter().map(|to| to.receivers.len()).sum();
        let elsewhere: usize = abroad.iter().map(|to| to.recipient.users.len() + to.recipient.groups.len()).sum();
        self.metrics.messages_accepted.add((messages.len() + to_joined + elsewhere) as u64);
        let id = MessageId::new(sequence);
        let text = id.to_string();
        for (addressee, mut message) in addressees.iter().zip(messages) {
            // Nobody else has it yet, so nothing is copied.
            let new = Arc::make_mut(&mut message);
            new.id = id;
            new.info.message_id = Some(text.as_str().into());
            self.offer(&addressee.state, message);
        }
        for (to, mut message) in to_groups {
            let new = Arc::make_mut(&mut message);
            new.id = id;
            new.info.message_id = Some(text.as_str().into());
            self.offer_to_group(to, &message);
            if to.keeps_history {
                Box::pin(self.trim_history(&to.group)).await;
            }
        }
        self.offer_reports(reports);
        for to in abroad {
            self.waits_abroad(&to.domain, size);
        }
        Ok(id)
    }

    /// Whether the batch of this number was committed: all of it was, if anything was.
    async fn is_any_stored(&self, to: &Addressees, sequence: u64) -> Result<bool, Error> {
        match (to.found.first(), to.groups.iter().find(|to| to.is_kept()), to.abroad.first()) {
            (Some(first), ..) => self.is_stored(&first.state.id, sequence).await,
            (None, Some(to), _) => Ok(self.group_message(sequence, &to.group.id).await?.is_some()),
            (None, None, Some(to)) => {
                Ok(self.store.get_one(Space::Relay, abroad::relay_key(&to.domain, sequence, "")).await?.is_some())
            }
            (None, None, None) => Ok(false),
        }
    }

    /// The sender as recipients see him, and where the message comes from; it must be the session's own user, or his name
    /// in a group that the session has joined (CSP 12.1).
    pub(super) fn sender(&self, session: &Session, sender: Option<&Sender>) -> Result<(Sender, Origin), Error> {
        let (own, origin) = (User::of(&session.user.id), Origin::of_session(session));
        match sender {
            None => Ok((Sender::User(own), origin)),
            Some(Sender::User(user)) => {
                let is_own_user = self.router.user(&user.user_id).is_ok_and(|user| user == session.user.id);
                let client_id = named_client(user);
                let application_id = user.application_id.clone().filter(|application| !application.is_empty());
                if !is_own_user
                    || client_id.as_ref().is_some_and(|client| *client != session.client)
                    || application_id.is_some() && application_id != session.application
                {
                    return Err(Error::NotYourself);
                }
                let user = User { client_id, application_id, friendly_name: user.friendly_name.clone(), ..own };
                Ok((Sender::User(user), origin))
            }
            Some(Sender::Group(group)) => {
                let (address, wanted) = match group {
                    Group::Id(id) => (id, None),
                    Group::ScreenName(name) => (&name.group_id, Some(name.name.trim())),
                };
                let group = self.group().find(address)?;
                let name = group.screen_name_in(session).map_err(|_| Error::NotYourself)?;
                if wanted.is_some_and(|wanted| !is_same_name(wanted, &name)) {
                    return Err(Error::NotYourself);
                }
                let shown = ScreenName { name: (&*name).into(), group_id: Address::from(&group.id) };
                Ok((Sender::Group(Group::ScreenName(shown)), origin.in_group(&group.id, &name)))
            }
        }
    }
}
