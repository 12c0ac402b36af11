//! System messages: what the service says to its users, and what they say to it (CSP 4.9).
//!
//! ```text
//!   broadcast ──> users who are named, or there: a notice each ──(acknowledged)──> given
//!           └───> others: a notice at their next login             └──SystemMessage-User──> answered
//! ```
//!
//! What must be answered is given again at each login until it is. A broadcast that must be agreed to keeps 1.3 clients
//! out until they have: they are told with the refusal, and answer with their next Login-Request.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use imps_types::element::{SystemMessage, SystemMessageResponse};
use imps_types::{UserId, Version};

use super::Access;
use super::broadcast::{
    Broadcast, GivenAnswer, LAST_NUMBER, Receipt, Says, broadcast_key, broadcast_range, key_parts, receipt_key,
    receipt_range,
};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::{Notice, NoticeContent, Said, SystemNotice};
use crate::im::NewNotice;
use crate::seam::{Batch, Key, KeyRange, Order, Space, StoreError};
use crate::session::Session;

/// Bytes of one text.
const TEXT_MAX: usize = 4000;
/// Languages of a text, options of a message.
const CHOICES_MAX: usize = 32;
/// Broadcasts that are kept at once.
const BROADCASTS_MAX: usize = 200;
/// How long a broadcast and its answers are kept when nobody is told it any more.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// Users that are given a broadcast in one commit.
const PAGE: usize = 200;

/// A broadcast before it has its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBroadcast {
    /// What it says.
    pub says: Says,
    /// To whom.
    pub audience: Audience,
    /// How long it is told.
    pub valid: Duration,
}

/// To whom something is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody, also those who come later.
    Everybody,
    /// Those who have a session now.
    Online,
    /// These.
    Users(Vec<UserId>),
}

/// What a user said to a broadcast, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAnswer {
    /// The user.
    pub user: UserId,
    /// When it was given to him.
    pub given: Timestamp,
    /// What he said to it.
    pub answer: Option<GivenAnswer>,
}

impl Access<'_> {
    /// The address from which the service speaks to clients that know no system messages.
    pub fn service_user(&self) -> UserId {
        let text = format!("wv:{}@{}", self.config.service_user, self.config.domain);
        UserId::parse(&text, &self.config.domain).unwrap_or_else(|_| UserId::from_canonical(&text))
    }

    /// Says something. When this returns, it is committed; and given to those who are named or there.
    ///
    /// # Errors
    /// `BadParameter`, `UnknownUser` when one of those who are named does not exist, or the store's failure.
    pub async fn broadcast(&self, new: NewBroadcast) -> Result<Broadcast, Error> {
        check(&new.says)?;
        let is_for_all = new.audience == Audience::Everybody;
        let users = match new.audience {
            Audience::Users(users) => {
                for user in &users {
                    if !self.user_exists(user).await? {
                        return Err(Error::UnknownUser);
                    }
                }
                users
            }
            Audience::Everybody | Audience::Online => {
                let all = self.sessions.all();
                all.iter().map(|session| session.user.id.clone()).collect::<BTreeSet<_>>().into_iter().collect()
            }
        };
        let broadcasts = &self.0.broadcasts;
        let _change = broadcasts.change.lock().await;
        if broadcasts.all().len() >= BROADCASTS_MAX {
            return Err(Error::BadParameter("there are too many broadcasts, forget one of them"));
        }
        let now = self.clock.now();
        let number = self.last_broadcast().await?.saturating_add(1);
        let broadcast = Broadcast { number, created: now, expires: now.plus(new.valid), is_for_all, says: new.says };
        let mut batch = Batch::new();
        batch.put(Space::Server, LAST_NUMBER, number.to_be_bytes().to_vec());
        batch.put(Space::SystemMessages, broadcast_key(number), broadcast.to_record());
        let mut pages = users.chunks(PAGE);
        // The first of them go with the broadcast itself.
        self.give_broadcast(batch, &broadcast, pages.next().unwrap_or_default()).await?;
        broadcasts.put(broadcast.clone());
        for page in pages {
            self.give_broadcast(Batch::new(), &broadcast, page).await?;
        }
        Ok(broadcast)
    }

    async fn last_broadcast(&self) -> Result<u32, Error> {
        let last = self.store.get_one(Space::Server, LAST_NUMBER).await?;
        Ok(last.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u32::from_be_bytes))
    }

    /// A receipt and a notice for each of these users, with what else is in the batch.
    async fn give_broadcast(&self, mut batch: Batch, broadcast: &Broadcast, users: &[UserId]) -> Result<(), Error> {
        let receipt = Receipt { given: self.clock.now(), answer: None }.to_record();
        let mut notices = Vec::with_capacity(users.len());
        for user in users {
            batch.put(Space::SystemMessages, receipt_key(broadcast.number, user), receipt.clone());
            let content = NoticeContent::SystemMessage(SystemNotice { number: broadcast.number, said: None });
            notices.push(NewNotice { recipient: user.clone(), content, expires: broadcast.expires });
        }
        self.im().give(batch, notices).await?;
        Ok(())
    }

    /// A user has come: he is given what he was not given yet, and again what he should have said something to.
    pub(super) async fn give_what_is_due(&self, session: &Session) -> Result<(), Error> {
        let live = self.0.broadcasts.live(self.clock.now());
        if live.is_empty() {
            return Ok(());
        }
        let user = &session.user.id;
        let keys: Vec<Key> = live.iter().map(|one| receipt_key(one.number, user)).collect();
        let receipts = self.store.get(Space::SystemMessages, &keys).await?;
        for (broadcast, receipt) in live.iter().zip(receipts) {
            let is_due = match receipt.map(|record| Receipt::read(&record)).transpose()? {
                None => broadcast.is_for_all,
                Some(receipt) => {
                    receipt.answer.is_none()
                        && broadcast.says.requires_response
                        && self.waiting_notices(user, broadcast.number).await?.is_empty()
                }
            };
            if is_due {
                self.give_broadcast(Batch::new(), broadcast, std::slice::from_ref(user)).await?;
            }
        }
        Ok(())
    }

    /// The notices of a broadcast that wait for a user: one, or none.
    async fn waiting_notices(&self, user: &UserId, number: u32) -> Result<Vec<Notice>, Error> {
        let is_it = |content: &NoticeContent| content.system_message().is_some_and(|one| one.number == number);
        self.im().waiting_notices(user, is_it).await
    }

    /// A notice as it is told to this session: a system message in its language. `None` when nobody is told it any more.
    pub(crate) fn addressed(&self, session: &Session, notice: Arc<Notice>) -> Option<Arc<Notice>> {
        let Some(waiting) = notice.content.system_message() else { return Some(notice) };
        let broadcast = self.0.broadcasts.find(waiting.number).filter(|one| one.expires > self.clock.now())?;
        let said = Said {
            message: broadcast.message(session.negotiated().language.as_deref()),
            sender: self.service_user(),
            time: broadcast.created.date_time(),
        };
        let content = NoticeContent::SystemMessage(SystemNotice { said: Some(said), ..waiting.clone() });
        Some(Arc::new(Notice { content, ..Notice::clone(&notice) }))
    }

    /// A user says something to system messages.
    ///
    /// # Errors
    /// `UnknownSystemMessage` when one of them was never said to him, `BadParameter` when it takes no such answer, or the
    /// store's failure; nothing is kept then.
    pub async fn answer_system_messages(
        &self,
        session: &Session,
        responses: &[SystemMessageResponse],
    ) -> Result<(), Error> {
        if responses.is_empty() {
            return Err(Error::BadParameter("no system message is answered"));
        }
        let user = &session.user.id;
        let mut batch = Batch::new();
        let mut answered = Vec::with_capacity(responses.len());
        for response in responses {
            let broadcast = self.broadcast_named(&response.id)?;
            let receipt = self.receipt(&broadcast, user).await?.ok_or(Error::UnknownSystemMessage)?;
            let answer = broadcast.takes(response, self.clock.now()).map_err(Error::BadParameter)?;
            let receipt = Receipt { answer: Some(answer), ..receipt };
            batch.put(Space::SystemMessages, receipt_key(broadcast.number, user), receipt.to_record());
            answered.push(broadcast.number);
        }
        // Nobody else of the user's clients need show it.
        for number in answered {
            for notice in self.waiting_notices(user, number).await? {
                self.im().take_back(&mut batch, user, notice.id, notice.expires).await;
            }
        }
        Ok(self.store.commit(batch).await?)
    }

    fn broadcast_named(&self, id: &str) -> Result<Arc<Broadcast>, Error> {
        let number = id.trim().parse().map_err(|_| Error::UnknownSystemMessage)?;
        let found = self.0.broadcasts.find(number).filter(|one| one.expires > self.clock.now());
        found.ok_or(Error::UnknownSystemMessage)
    }

    async fn receipt(&self, broadcast: &Broadcast, user: &UserId) -> Result<Option<Receipt>, Error> {
        let record = self.store.get_one(Space::SystemMessages, receipt_key(broadcast.number, user)).await?;
        Ok(record.map(|record| Receipt::read(&record)).transpose()?)
    }

    /// Whether a user who has shown who he is may log in: a 1.3 client must have agreed to what must be agreed to, now or
    /// before. What it says now is kept.
    ///
    /// # Errors
    /// `AnswerFirst` with what must be answered, or the store's failure.
    pub(super) async fn let_in(
        &self,
        user: &UserId,
        version: Version,
        language: Option<&str>,
        responses: &[SystemMessageResponse],
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let live = self.0.broadcasts.live(now);
        if live.is_empty() || version < Version::V1_3 {
            return Ok(());
        }
        let mut open: Vec<SystemMessage> = Vec::new();
        let mut batch = Batch::new();
        for broadcast in live {
            let before = self.receipt(&broadcast, user).await?;
            if before.is_none() && !broadcast.is_for_all {
                continue;
            }
            let id = broadcast.number.to_string();
            let said = responses.iter().find(|one| one.id.trim() == id);
            let said = said.and_then(|response| broadcast.takes(response, now).ok());
            if let Some(answer) = &said {
                let given = before.as_ref().map_or(now, |receipt| receipt.given);
                let receipt = Receipt { given, answer: Some(answer.clone()) };
                batch.put(Space::SystemMessages, receipt_key(broadcast.number, user), receipt.to_record());
            }
            let answer = said.or(before.and_then(|receipt| receipt.answer));
            if !broadcast.lets_in(answer.as_ref()) {
                open.push(broadcast.message(language));
            }
        }
        if !batch.is_empty() {
            self.store.commit(batch).await?;
        }
        if open.is_empty() { Ok(()) } else { Err(Error::AnswerFirst(open)) }
    }

    /// What was said, oldest first.
    pub fn broadcasts(&self) -> Vec<Broadcast> {
        self.0.broadcasts.all().iter().map(|one| Broadcast::clone(one)).collect()
    }

    /// To whom a broadcast was given and what they said to it, in the order of their addresses.
    ///
    /// # Errors
    /// `UnknownSystemMessage`, or the store's failure.
    pub async fn broadcast_answers(
        &self,
        number: u32,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserAnswer>, Error> {
        self.0.broadcasts.find(number).ok_or(Error::UnknownSystemMessage)?;
        let rows = self.store.scan(Space::SystemMessages, receipt_range(number, after), Order::Forwards, limit).await?;
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows {
            let Some((_, user)) = key_parts(&row.key) else { continue };
            let Receipt { given, answer } = Receipt::read(&row.value)?;
            answers.push(UserAnswer { user: UserId::from_canonical(&user), given, answer });
        }
        Ok(answers)
    }

    /// Nobody is told a broadcast any more; what was said to it is kept, unless it is to be forgotten.
    ///
    /// # Errors
    /// `UnknownSystemMessage`, or the store's failure.
    pub async fn end_broadcast(&self, number: u32, forget: bool) -> Result<(), Error> {
        let broadcasts = &self.0.broadcasts;
        let _change = broadcasts.change.lock().await;
        let known = broadcasts.find(number).ok_or(Error::UnknownSystemMessage)?;
        let now = self.clock.now();
        if known.expires > now {
            let ended = Broadcast { expires: now, ..Broadcast::clone(&known) };
            let mut batch = Batch::new();
            batch.put(Space::SystemMessages, broadcast_key(number), ended.to_record());
            self.store.commit(batch).await?;
            broadcasts.put(ended);
            self.take_back_broadcast(number).await?;
        }
        if forget {
            self.forget_broadcast(number).await?;
        }
        Ok(())
    }

    /// Takes the notices of a broadcast out of the queues of those who have not seen it.
    async fn take_back_broadcast(&self, number: u32) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.broadcast_answers(number, after.as_ref(), PAGE).await?;
            let Some(last) = page.last().map(|one| one.user.clone()) else { return Ok(()) };
            let mut batch = Batch::new();
            for one in &page {
                for notice in self.waiting_notices(&one.user, number).await? {
                    self.im().take_back(&mut batch, &one.user, notice.id, notice.expires).await;
                }
            }
            if !batch.is_empty() {
                self.store.commit(batch).await?;
            }
            after = Some(last);
        }
    }

    async fn forget_broadcast(&self, number: u32) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.delete_range(Space::SystemMessages, broadcast_range(number));
        self.store.commit(batch).await?;
        self.0.broadcasts.remove(number);
        Ok(())
    }

    /// What is removed with a user.
    pub(super) fn forget_receipts(&self, user: &UserId, batch: &mut Batch) {
        for broadcast in self.0.broadcasts.all() {
            batch.delete(Space::SystemMessages, receipt_key(broadcast.number, user));
        }
    }

    /// Reads what was said before the server stopped.
    pub(crate) async fn resume_broadcasts(&self) -> Result<(), Error> {
        let mut number = 0;
        loop {
            // Receipts stand between the broadcasts, and may be many.
            let range = KeyRange::from(broadcast_key(number));
            let rows = self.store.scan(Space::SystemMessages, range, Order::Forwards, 1).await?;
            let Some((found, user, record)) =
                rows.first().and_then(|row| key_parts(&row.key).map(|(found, user)| (found, user, &row.value)))
            else {
                return Ok(());
            };
            if user.is_empty() {
                match Broadcast::read(found, record) {
                    Ok(broadcast) => self.0.broadcasts.put(broadcast),
                    Err(error) => tracing::warn!(number = found, %error, "a system message is left out"),
                }
            }
            let Some(next) = found.checked_add(1) else { return Ok(()) };
            number = next;
        }
    }

    /// Forgets broadcasts that ended long ago.
    pub(crate) async fn forget_old_broadcasts(&self) {
        let now = self.clock.now();
        for broadcast in self.0.broadcasts.all() {
            if broadcast.expires.plus(KEPT) <= now
                && let Err(error) = self.forget_broadcast(broadcast.number).await
            {
                tracing::warn!(%error, "an old system message could not be removed");
                return;
            }
        }
    }
}

/// Whether this can be said.
fn check(says: &Says) -> Result<(), Error> {
    let texts = || std::iter::once(&says.texts).chain(says.options.iter().map(|(_, texts)| texts));
    if says.texts.is_empty() {
        return Err(Error::BadParameter("a system message needs a text"));
    }
    if texts().any(|texts| texts.longest() > TEXT_MAX || texts.len() > CHOICES_MAX || texts.is_empty()) {
        return Err(Error::BadParameter("a text of a system message has up to 4000 bytes, in up to 32 languages"));
    }
    let ids: BTreeSet<u32> = says.options.iter().map(|(id, _)| *id).collect();
    if ids.len() != says.options.len() || ids.len() > CHOICES_MAX {
        return Err(Error::BadParameter("there are up to 32 answers, and each has a number of its own"));
    }
    if says.required_option.is_some_and(|required| !ids.contains(&required)) {
        return Err(Error::BadParameter("the answer that must be chosen is none of the answers"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{LoginAttempt, LoginOutcome};
    use crate::event::Event;
    use crate::language::Texts;
    use crate::testing::{World, user};
    use imps_types::element::DigestSchema;
    use imps_types::{Address, ClientId, Secret};

    fn terms() -> Says {
        let mut texts = Texts::of("Agree?");
        texts.add("fin", "Hyväksytkö?");
        let options = vec![(1, Texts::of("Yes")), (2, Texts::of("No"))];
        Says { texts, options, requires_response: true, ..Says::default() }
    }

    fn new(says: Says, audience: Audience) -> NewBroadcast {
        NewBroadcast { says, audience, valid: Duration::from_secs(3600) }
    }

    fn says(number: u32, option: u32) -> SystemMessageResponse {
        SystemMessageResponse { id: number.to_string().into(), chosen_option: Some(option), verification_key: None }
    }

    async fn next(world: &World, session: &Session) -> Option<(Arc<Notice>, SystemMessage)> {
        match world.services.im().next_event(session).await {
            Some(Event::Notice(notice)) => {
                let said = notice.content.system_message().unwrap().said.clone().unwrap();
                Some((notice, said.message))
            }
            None => None,
            other => panic!("{other:?}"),
        }
    }

    async fn hear(world: &World, session: &Session) -> SystemMessage {
        let (notice, message) = next(world, session).await.unwrap();
        world.services.im().notice_acknowledged(&notice).await.unwrap();
        message
    }

    #[tokio::test]
    async fn it_reaches_those_who_are_there_and_those_who_come_and_is_answered_once() {
        let world = World::of(&["alice", "bob"]).await;
        let alice = world.login_as("alice", "alice", Version::V1_3).await;
        alice.negotiated().language = Some("fi".into());
        let access = world.services.access();
        let number = access.broadcast(new(terms(), Audience::Everybody)).await.unwrap().number;
        assert_eq!(hear(&world, &alice).await.text.as_deref(), Some("Hyväksytkö?"));

        let world = world.restarted().await;
        let access = world.services.access();
        let bob = world.login_as("bob", "bob", Version::V1_1).await;
        let heard = hear(&world, &bob).await;
        assert_eq!((heard.text.as_deref(), heard.options.len()), (Some("Agree?"), 2));
        let unknown = access.answer_system_messages(&bob, &[says(9, 1)]).await;
        assert_eq!(unknown, Err(Error::UnknownSystemMessage));
        assert!(matches!(access.answer_system_messages(&bob, &[says(number, 3)]).await, Err(Error::BadParameter(_))));

        // What must be answered is asked again, until it is.
        let again = world.login_as("bob", "again", Version::V1_3).await;
        assert_eq!(hear(&world, &again).await.id, heard.id);
        access.answer_system_messages(&again, &[says(number, 2)]).await.unwrap();
        let third = world.login_as("bob", "third", Version::V1_3).await;
        assert!(next(&world, &third).await.is_none());
        let answers = access.broadcast_answers(number, None, 10).await.unwrap();
        let chosen: Vec<_> = answers.iter().map(|one| one.answer.as_ref().and_then(|answer| answer.option)).collect();
        assert_eq!(chosen, [None, Some(2)]);
        assert_eq!(access.broadcast_answers(number, Some(&user("alice")), 10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn who_answers_is_not_told_by_his_other_client() {
        let world = World::of(&["alice"]).await;
        let phone = world.login_as("alice", "phone", Version::V1_3).await;
        let web = world.login_as("alice", "web", Version::V1_3).await;
        let access = world.services.access();
        let number = access.broadcast(new(terms(), Audience::Users(vec![user("alice")]))).await.unwrap().number;
        next(&world, &phone).await.unwrap();
        access.answer_system_messages(&phone, &[says(number, 1)]).await.unwrap();
        assert!(next(&world, &web).await.is_none());
    }

    #[tokio::test]
    async fn it_ends_with_its_time_or_when_it_is_ended() {
        let world = World::of(&["alice", "bob"]).await;
        let access = world.services.access();
        let alice = world.login_as("alice", "alice", Version::V1_3).await;
        access.broadcast(new(terms(), Audience::Online)).await.unwrap();
        let second = access.broadcast(new(terms(), Audience::Everybody)).await.unwrap().number;
        access.end_broadcast(second, false).await.unwrap();
        assert_eq!(next(&world, &alice).await.unwrap().1.id, "1".into());
        assert!(next(&world, &alice).await.is_none());
        assert_eq!(access.end_broadcast(3, false).await, Err(Error::UnknownSystemMessage));
        access.end_broadcast(second, true).await.unwrap();
        assert_eq!(access.broadcasts().len(), 1);
        let bob = world.login_as("bob", "bob", Version::V1_3).await;
        assert!(next(&world, &bob).await.is_none(), "he was not there");
        let third = access.broadcast(new(terms(), Audience::Everybody)).await.unwrap().number;
        assert_eq!(third, 3, "a number is not used twice");
        world.services.clock.advance(Duration::from_secs(3601));
        world.services.sweep().await;
        assert!(next(&world, &bob).await.is_none());
        assert!(access.answer_system_messages(&bob, &[says(third, 1)]).await.is_err());
        world.services.clock.advance(KEPT * 2);
        access.forget_old_broadcasts().await;
        assert!(access.broadcasts().is_empty());
    }

    #[tokio::test]
    async fn nobody_gets_in_without_agreeing() {
        let world = World::of(&["alice"]).await;
        let access = world.services.access();
        let says_it = Says { required_option: Some(1), ..terms() };
        let number = access.broadcast(new(says_it, Audience::Everybody)).await.unwrap().number;
        let try_it = async |version: Version, schemas: Vec<DigestSchema>, responses: Vec<SystemMessageResponse>| {
            let attempt = LoginAttempt {
                user: Some(Address::new("alice")),
                client: ClientId::of_url("phone"),
                application: None,
                password: schemas.is_empty().then(|| Secret::new("secret".into())),
                digest: None,
                schemas,
                time_to_live: None,
                cookie: "cookie".into(),
                resume: None,
                version,
                responses,
                language: Some("fin".into()),
                msisdn: None,
                from: None,
            };
            access.login(attempt).await
        };
        let login = async |version: Version, responses| try_it(version, Vec::new(), responses).await;
        let Err(Error::AnswerFirst(asked)) = login(Version::V1_3, Vec::new()).await else { panic!("let in") };
        assert_eq!(asked[0].text.as_deref(), Some("Hyväksytkö?"));
        assert!(matches!(login(Version::V1_3, vec![says(number, 2)]).await, Err(Error::AnswerFirst(_))));
        assert!(matches!(login(Version::V1_1, Vec::new()).await, Ok(LoginOutcome::Opened { .. })), "cannot be asked");
        // What is said in the first step holds in the second, where the server wants the password itself too.
        let first = try_it(Version::V1_3, vec![DigestSchema::Pwd], vec![says(number, 1)]).await;
        assert!(matches!(first, Ok(LoginOutcome::Challenge { schema: DigestSchema::Pwd, .. })), "{first:?}");
        assert!(login(Version::V1_3, Vec::new()).await.is_ok());
        assert!(login(Version::V1_3, Vec::new()).await.is_ok(), "he has agreed");
    }

    #[tokio::test]
    async fn what_cannot_be_said() {
        let world = World::of(&["alice"]).await;
        let access = world.services.access();
        let long = "x".repeat(TEXT_MAX + 1);
        for says in [
            Says::default(),
            Says { texts: Texts::of(&long), ..Says::default() },
            Says { options: vec![(1, Texts::of("a")), (1, Texts::of("b"))], ..terms() },
            Says { options: vec![(1, Texts::default())], ..terms() },
            Says { required_option: Some(3), ..terms() },
        ] {
            assert!(matches!(access.broadcast(new(says, Audience::Everybody)).await, Err(Error::BadParameter(_))));
        }
        let nobody = access.broadcast(new(terms(), Audience::Users(vec![user("nobody")]))).await;
        assert_eq!(nobody, Err(Error::UnknownUser));
        let service = access.service_user();
        let refused = access.add_user(&service, None, crate::access::PhonePassword::None).await;
        assert!(matches!(refused, Err(Error::BadParameter(_))));
    }
}
