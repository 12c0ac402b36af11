//! How somebody gets an account, and another password. IMPS has no primitive for it (CSP 4.1, "Registration"): the operator
//! adds users, or they register themselves, with a code or freely, as he has set.

use std::net::IpAddr;
use std::time::Duration;

use imps_types::{Address, Secret, UserId};

use super::accounts::PersonChange;
use super::{Access, PhonePassword, password};
use crate::account::{Account, user_key};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::happening::Happening;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, KeyRange, Order, Space, StoreError};

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Registration {
    /// Nobody: the operator adds users.
    #[default]
    Closed,
    /// Who has a code.
    Invite,
    /// Everybody.
    Open,
}

impl Registration {
    /// The words for it.
    pub const WORDS: &'static [&'static str] = &["closed", "invite", "open"];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Invite => "invite",
            Self::Open => "open",
        }
    }

    /// Reads its word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Closed, Self::Invite, Self::Open].into_iter().find(|one| one.as_str() == text)
    }
}

/// Somebody who wants an account.
#[derive(Clone, Debug)]
pub struct Registrant {
    /// What he wants to be called: a name, or an address of the home domain.
    pub user: String,
    /// The account password.
    pub password: Secret<String>,
    /// The code, if he has one.
    pub code: Option<String>,
    /// First name, last name, e-mail.
    pub person: PersonChange,
    /// Where he is.
    pub from: Option<IpAddr>,
}

/// An account that was just made.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its address.
    pub user: UserId,
    /// The phone password: told once.
    pub phone_password: String,
}

/// A code with which accounts can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteCode {
    /// The code.
    pub code: Box<str>,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is good.
    pub expires: Timestamp,
    /// How often it can still be used.
    pub left: u32,
    /// What the operator noted.
    pub note: Box<str>,
    /// Who has used it, the last ones.
    pub used_by: Vec<UserId>,
}

/// Letters of a code: enough to be no use guessing.
const CODE_LENGTH: usize = 12;
/// Letters of a name for somebody who registers himself.
const NAME_MIN: usize = 2;
/// Bytes of a password that somebody chooses.
const PASSWORD_MIN: usize = 8;
/// Bytes of a note.
const NOTE_MAX: usize = 200;
/// Users that a code remembers.
const USED_BY_MAX: usize = 100;
/// How often an account is tried to be made whose code others use at the same time.
const TRIES: usize = 8;
/// The time in which so many registrations of one address are counted.
const HOUR: Duration = Duration::from_secs(3600);

fn code_key(code: &str) -> Key {
    Key::from(code)
}

impl InviteCode {
    fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        writer.number(self.created.0).number(self.expires.0).number(self.left.into()).text(&self.note);
        writer.list(self.used_by.iter(), |writer, user| {
            writer.text(user.as_str());
        });
        writer.done()
    }

    fn read(code: &str, record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        Ok(Self {
            code: code.into(),
            created: Timestamp(reader.number()?),
            expires: Timestamp(reader.number()?),
            left: reader.small()?,
            note: reader.text()?.into(),
            used_by: reader.list(|reader| Ok(UserId::from_canonical(reader.text()?)))?,
        })
    }
}

impl Access<'_> {
    /// Makes an account for somebody who asks for it himself.
    ///
    /// # Errors
    /// `RegistrationClosed`, `BadInviteCode`, `TooManyRequests`, `UserExists`, `ForeignDomain`, `BadParameter`, or the
    /// store's failure.
    pub async fn register(&self, registrant: Registrant) -> Result<Registered, Error> {
        if self.config.registration == Registration::Closed {
            return Err(Error::RegistrationClosed);
        }
        self.throttle(registrant.from)?;
        let user = self.new_name(&registrant.user)?;
        if registrant.password.expose().len() < PASSWORD_MIN {
            return Err(Error::BadParameter("a password has 8 characters at least"));
        }
        let person = registrant.person.apply(&Default::default())?;
        let code = match (self.config.registration, registrant.code.as_deref().map(str::trim)) {
            (Registration::Invite, code) => Some(code.unwrap_or_default().to_ascii_lowercase()),
            _ => None,
        };
        if let Some(code) = &code {
            // Before the password is hashed: whoever has no code is not to cost that.
            self.usable_code(code).await?;
        }
        if self.user_exists(&user).await? {
            return Err(Error::UserExists);
        }
        let password_hash = Some(self.hash(registrant.password).await?);
        let (phone_password, clear) = self.seal(&user, PhonePassword::Generate)?;
        let created = self.clock.now().seconds();
        let account = Account { password_hash, phone_password, created, person, ..Account::default() };
        self.make_account(&user, account, code.as_deref()).await?;
        Ok(Registered { user, phone_password: clear.unwrap_or_default() })
    }

    /// Registrations of one address are counted, whatever becomes of them.
    fn throttle(&self, from: Option<IpAddr>) -> Result<(), Error> {
        let Some(from) = from else { return Ok(()) };
        let most = self.config.registrations_per_hour;
        let rate = super::Rate::new(most, HOUR, most);
        self.guard.registrations.take(from, rate, self.clock.now()).map_err(Error::TooManyRequests)
    }

    /// The address that somebody wants, if it can be had by who registers himself.
    fn new_name(&self, wanted: &str) -> Result<UserId, Error> {
        let wanted = Address::new(wanted.trim());
        let user = match self.router.local_user(&wanted) {
            Ok(user) => user,
            Err(Error::ForeignDomain) => return Err(Error::ForeignDomain),
            Err(_) => return Err(Error::BadParameter("this is no name for a user")),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        // Numbers belong to subscribers, who are known by them.
        if user.local().len() < NAME_MIN || user.local().len() > 50 || !user.local().chars().all(is_plain) {
            return Err(Error::BadParameter("a name has 2 to 50 letters, digits, dots, hyphens and underscores"));
        }
        if user == self.service_user() {
            return Err(Error::UserExists);
        }
        Ok(user)
    }

    async fn usable_code(&self, code: &str) -> Result<(InviteCode, bytes::Bytes), Error> {
        let record = self.store.get_one(Space::InviteCodes, code_key(code)).await?.ok_or(Error::BadInviteCode)?;
        let found = InviteCode::read(code, &record)?;
        if found.left == 0 || found.expires <= self.clock.now() {
            return Err(Error::BadInviteCode);
        }
        Ok((found, record))
    }

    /// The account and one use of its code, in one commit.
    async fn make_account(&self, user: &UserId, account: Account, code: Option<&str>) -> Result<(), Error> {
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            batch.if_absent(Space::Users, user_key(user)).put(Space::Users, user_key(user), account.to_record());
            if let Some(code) = code {
                let (mut known, before) = self.usable_code(code).await?;
                known.left -= 1;
                known.used_by.push(user.clone());
                let surplus = known.used_by.len().saturating_sub(USED_BY_MAX);
                known.used_by.drain(..surplus);
                batch.if_equals(Space::InviteCodes, code_key(code), before);
                batch.put(Space::InviteCodes, code_key(code), known.to_record());
            }
            match self.store.commit(batch).await {
                Ok(()) => {
                    self.metrics.registrations.up();
                    self.tell(Happening::FindableChanged { user: user.clone() }).await;
                    return Ok(());
                }
                Err(StoreError::Condition) if self.user_exists(user).await? => return Err(Error::UserExists),
                // Somebody else used the code just now.
                Err(StoreError::Condition) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// An account for somebody whom this server does not know and who logs in with a password, where that is how accounts
    /// come about.
    pub(super) async fn register_at_login(
        &self,
        user: &UserId,
        given: &Secret<Box<str>>,
        from: Option<IpAddr>,
    ) -> Result<(), Error> {
        self.throttle(from)?;
        let user = &self.new_name(user.as_str())?;
        if given.expose().len() < PASSWORD_MIN {
            return Err(Error::BadParameter("a password has 8 characters at least"));
        }
        let password_hash = Some(self.hash(Secret::new(given.expose().to_string())).await?);
        // The same for logins with a digest, if phones can write it.
        let phone = PhonePassword::Set(Secret::new(given.expose().to_string()));
        let phone_password = self.seal(user, phone).map(|(sealed, _)| sealed).unwrap_or_default();
        let created = self.clock.now().seconds();
        let account = Account { password_hash, phone_password, created, ..Account::default() };
        match self.make_account(user, account, None).await {
            // Two of his clients at once: whoever comes second has to know the password of the first.
            Err(Error::UserExists) => Ok(()),
            other => other,
        }
    }

    /// An account for a subscriber whom the network has told us: he is called by his number.
    pub(super) async fn register_number(&self, number: &str, from: Option<IpAddr>) -> Result<Registered, Error> {
        self.throttle(from)?;
        let user = self.router.local_user(&Address::new(&format!("wv:+{number}")))?;
        let (phone_password, clear) = self.seal(&user, PhonePassword::Generate)?;
        let created = self.clock.now().seconds();
        let account = Account { phone_password, created, ..Account::default() };
        self.make_account(&user, account, None).await?;
        Ok(Registered { user, phone_password: clear.unwrap_or_default() })
    }

    /// A user chooses another password, or gets another phone password, and shows that he may: by the account password or
    /// the phone password. The new phone password, if there is one.
    ///
    /// # Errors
    /// `WrongPassword`, `TooManyFailures`, `Barred`, `BadParameter`, or the store's failure.
    pub async fn change_password(
        &self,
        user: &str,
        present: &Secret<Box<str>>,
        next: Option<Secret<String>>,
        new_phone: bool,
        from: Option<IpAddr>,
    ) -> Result<Option<String>, Error> {
        let user = self.router.local_user(&Address::new(user)).map_err(|_| Error::WrongPassword)?;
        self.check_password(&user, present, from).await?;
        if let Some(next) = next {
            if next.expose().len() < PASSWORD_MIN {
                return Err(Error::BadParameter("a password has 8 characters at least"));
            }
            self.set_password(&user, next).await?;
        }
        if new_phone { self.set_phone_password(&user, PhonePassword::Generate).await } else { Ok(None) }
    }

    /// Makes a code for so many users.
    ///
    /// # Errors
    /// `BadParameter`, or the store's failure.
    pub async fn create_invite_code(&self, uses: u32, valid: Duration, note: &str) -> Result<InviteCode, Error> {
        if note.len() > NOTE_MAX {
            return Err(Error::BadParameter("a note has up to 200 bytes"));
        }
        let created = self.clock.now();
        let code = InviteCode {
            code: password::generate_password(CODE_LENGTH)?.into(),
            created,
            expires: created.plus(valid),
            left: uses.max(1),
            note: note.into(),
            used_by: Vec::new(),
        };
        let mut batch = Batch::new();
        batch.put(Space::InviteCodes, code_key(&code.code), code.to_record());
        self.store.commit(batch).await?;
        Ok(code)
    }

    /// The codes there are, used up or not.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn invite_codes(&self) -> Result<Vec<InviteCode>, Error> {
        let rows = self.store.scan(Space::InviteCodes, KeyRange::all(), Order::Forwards, 10_000).await?;
        let read = |row: &crate::seam::Row| {
            let code = std::str::from_utf8(row.key.as_bytes()).ok()?;
            InviteCode::read(code, &row.value).ok()
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// A code is good for nothing any more.
    ///
    /// # Errors
    /// `BadInviteCode` when there is none, or the store's failure.
    pub async fn revoke_invite_code(&self, code: &str) -> Result<(), Error> {
        let key = code_key(code);
        self.store.get_one(Space::InviteCodes, key.clone()).await?.ok_or(Error::BadInviteCode)?;
        let mut batch = Batch::new();
        batch.delete(Space::InviteCodes, key);
        Ok(self.store.commit(batch).await?)
    }

    /// Forgets codes that ended.
    pub(crate) async fn forget_old_codes(&self) {
        let now = self.clock.now();
        let Ok(codes) = self.invite_codes().await else { return };
        let mut batch = Batch::new();
        for code in codes.iter().filter(|code| code.expires <= now) {
            batch.delete(Space::InviteCodes, code_key(&code.code));
        }
        if !batch.is_empty()
            && let Err(error) = self.store.commit(batch).await
        {
            tracing::warn!(%error, "old invitation codes could not be removed");
        }
    }
}

/// What the buckets of registrations are.
pub(super) type Registrations = super::Buckets<IpAddr>;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ServiceConfig;
    use crate::access::{LoginAttempt, LoginOutcome};
    use crate::testing::{World, user};
    use imps_types::{ClientId, Version};

    fn registrant(name: &str, code: Option<&str>) -> Registrant {
        Registrant {
            user: name.to_owned(),
            password: Secret::new("long enough".to_owned()),
            code: code.map(str::to_owned),
            person: PersonChange::default(),
            from: Some(IpAddr::from([10, 0, 0, 1])),
        }
    }

    fn open(config: &mut ServiceConfig) {
        config.registration = Registration::Open;
    }

    fn attempt(name: &str, password: &str) -> LoginAttempt {
        LoginAttempt {
            user: Some(Address::new(name)),
            client: ClientId::of_url("phone"),
            application: None,
            password: Some(Secret::new(password.into())),
            digest: None,
            schemas: Vec::new(),
            time_to_live: None,
            cookie: "cookie".into(),
            resume: None,
            version: Version::V1_3,
            responses: Vec::new(),
            language: None,
            msisdn: None,
            from: None,
        }
    }

    #[test]
    fn golden_octets_of_version_1() {
        let code = InviteCode {
            code: "abc".into(),
            created: Timestamp(1),
            expires: Timestamp(300),
            left: 2,
            note: "n".into(),
            used_by: vec![UserId::from_canonical("wv:a@x")],
        };
        let golden = b"\x01\x01\xac\x02\x02\x01n\x01\x06wv:a@x";
        assert_eq!(code.to_record(), golden);
        assert_eq!(InviteCode::read("abc", golden), Ok(code));
    }

    #[tokio::test]
    async fn nobody_registers_where_it_is_closed() {
        let world = World::of(&[]).await;
        let refused = world.services.access().register(registrant("alice", None)).await;
        assert_eq!(refused.unwrap_err(), Error::RegistrationClosed);
    }

    #[tokio::test]
    async fn who_registers_logs_in_with_both_passwords() {
        let world = World::with(&["bob"], open).await;
        let access = world.services.access();
        let made = access.register(registrant("Alice", None)).await.unwrap();
        assert_eq!(made.user, user("alice"));
        for password in ["long enough", &*made.phone_password] {
            assert!(access.login(attempt("alice", password)).await.is_ok(), "{password}");
        }
        let refused = access.register(registrant("bob", None)).await;
        assert_eq!(refused.unwrap_err(), Error::UserExists);
        for name in ["a", "+491701234567", "wv:/group", "wv:a/b@x", "ä", "service"] {
            assert!(access.register(registrant(name, None)).await.is_err(), "{name}");
        }
        assert_eq!(access.register(registrant("eve@elsewhere.org", None)).await.unwrap_err(), Error::ForeignDomain);
        let short = Registrant { password: Secret::new("short".to_owned()), ..registrant("carl", None) };
        assert!(matches!(access.register(short).await, Err(Error::BadParameter(_))));
    }

    #[tokio::test]
    async fn a_code_is_good_for_so_many() {
        let world = World::with(&[], |config| config.registration = Registration::Invite).await;
        let access = world.services.access();
        assert_eq!(access.register(registrant("alice", None)).await.unwrap_err(), Error::BadInviteCode);
        let code = access.create_invite_code(2, Duration::from_secs(60), "friends").await.unwrap().code;
        access.register(registrant("alice", Some(&code))).await.unwrap();
        assert_eq!(access.register(registrant("alice", Some(&code))).await.unwrap_err(), Error::UserExists);
        access.register(registrant("bob", Some(&format!(" {} ", code.to_uppercase())))).await.unwrap();
        assert_eq!(access.register(registrant("carl", Some(&code))).await.unwrap_err(), Error::BadInviteCode);
        let [known] = &access.invite_codes().await.unwrap()[..] else { panic!("one code") };
        assert_eq!((known.left, known.used_by.as_slice()), (0, &[user("alice"), user("bob")][..]));
        let other = access.create_invite_code(2, Duration::from_secs(60), "").await.unwrap().code;
        world.services.clock.advance(Duration::from_secs(61));
        assert_eq!(access.register(registrant("carl", Some(&other))).await.unwrap_err(), Error::BadInviteCode);
        access.forget_old_codes().await;
        assert!(access.invite_codes().await.unwrap().is_empty());
        let third = access.create_invite_code(1, Duration::from_secs(60), "").await.unwrap().code;
        access.revoke_invite_code(&third).await.unwrap();
        assert_eq!(access.revoke_invite_code(&third).await, Err(Error::BadInviteCode));
    }

    #[tokio::test]
    async fn an_address_registers_so_many_an_hour() {
        let world = World::with(&[], |config| {
            open(config);
            config.registrations_per_hour = 2;
        })
        .await;
        let access = world.services.access();
        access.register(registrant("alice", None)).await.unwrap();
        access.register(registrant("bob", None)).await.unwrap();
        let refused = access.register(registrant("carl", None)).await.unwrap_err();
        assert!(matches!(refused, Error::TooManyRequests(_)) && refused.try_again().is_some());
        let elsewhere = Registrant { from: Some(IpAddr::from([10, 0, 0, 2])), ..registrant("dora", None) };
        access.register(elsewhere).await.unwrap();
        world.services.clock.advance(HOUR / 2);
        access.register(registrant("carl", None)).await.unwrap();
    }

    #[tokio::test]
    async fn another_password() {
        let world = World::with(&[], open).await;
        let access = world.services.access();
        access.register(registrant("alice", None)).await.unwrap();
        let change = async |present: &str, next: Option<&str>, new_phone: bool| {
            let next = next.map(|next| Secret::new(next.to_owned()));
            access.change_password("alice", &Secret::new(present.into()), next, new_phone, None).await
        };
        assert_eq!(change("wrong password", Some("another one"), false).await, Err(Error::WrongPassword));
        assert!(matches!(change("long enough", Some("short"), false).await, Err(Error::BadParameter(_))));
        assert_eq!(change("long enough", Some("another one"), false).await, Ok(None));
        assert!(access.login(attempt("alice", "long enough")).await.is_err());
        let phone = change("another one", None, true).await.unwrap().unwrap();
        assert!(access.login(attempt("alice", &phone)).await.is_ok());
        assert_eq!(
            access.change_password("ghost", &Secret::new("x".into()), None, true, None).await,
            Err(Error::WrongPassword)
        );
    }

    #[tokio::test]
    async fn who_logs_in_for_the_first_time_gets_an_account_where_that_is_set() {
        let world = World::with(&[], |config| {
            open(config);
            config.register_at_login = true;
        })
        .await;
        let access = world.services.access();
        assert!(access.login(attempt("alice", "short")).await.is_err());
        let LoginOutcome::Opened { registered, .. } = access.login(attempt("alice", "long-enough")).await.unwrap()
        else {
            panic!("a session")
        };
        assert!(registered.is_some());
        assert!(access.login(attempt("alice", "another-password")).await.is_err());
        let LoginOutcome::Opened { registered, .. } = access.login(attempt("alice", "long-enough")).await.unwrap()
        else {
            panic!("a session")
        };
        assert!(registered.is_none());
        let world = World::with(&[], open).await;
        assert!(world.services.access().login(attempt("alice", "long-enough")).await.is_err(), "it is not set");
    }

    #[tokio::test]
    async fn many_use_a_code_at_the_same_time() {
        let world = World::with(&[], |config| config.registration = Registration::Invite).await;
        let code = world.services.access().create_invite_code(3, Duration::from_secs(60), "").await.unwrap().code;
        let tasks: Vec<_> = (0..6)
            .map(|number| {
                let (services, code) = (Arc::clone(&world.services), code.clone());
                tokio::spawn(async move {
                    let from = Some(IpAddr::from([10, 0, 1, number]));
                    let registrant = Registrant { from, ..registrant(&format!("user{number}"), Some(&code)) };
                    services.access().register(registrant).await.is_ok()
                })
            })
            .collect();
        let mut made = 0;
        for task in tasks {
            made += usize::from(task.await.unwrap());
        }
        assert_eq!(made, 3);
    }
}
