//! Accounts, as an operator manages them.

use std::sync::Arc;

use imps_types::service_tree::FunctionSet;
use imps_types::{Secret, Status, UserId};

use super::msisdn::renumber;
use super::{Access, password};
use crate::account::{Account, Person, user_key};
use crate::error::Error;
use crate::happening::Happening;
use crate::seam::{Batch, KeyRange, Order, Space};
use crate::user::UserState;

/// What becomes of the phone password: the one that 4-way login needs, separate from the account's.
#[derive(Clone, Debug)]
pub enum PhonePassword {
    /// A new one is made.
    Generate,
    /// This one: printable ASCII without blanks, 4 to 50 characters, since phones digest and store it each in its own way.
    Set(Secret<String>),
    /// There is none: 4-way login fails.
    None,
}

/// An account as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSummary {
    /// The address.
    pub id: UserId,
    /// Whether an account password is set.
    pub has_password: bool,
    /// Whether a phone password is set.
    pub has_phone_password: bool,
    /// Whether logins are refused.
    pub barred: bool,
    /// When the account was made, seconds since 1970.
    pub created: u64,
    /// Sessions that are open.
    pub sessions: usize,
    /// Who it is, for those who search.
    pub person: Person,
    /// Functions that the user does not have.
    pub refused: FunctionSet,
}

/// What is to change of the person behind an account. `None` leaves a thing as it is, an empty text takes it away.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PersonChange {
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Mobile number; blanks, hyphens, brackets and dots in it are no part of it.
    pub mobile_number: Option<String>,
    /// Whether searches find the user.
    pub searchable: Option<bool>,
}

impl PersonChange {
    /// The person after the change.
    pub(super) fn apply(&self, person: &Person) -> Result<Person, Error> {
        let text = |new: &Option<String>, old: &Option<Box<str>>| match new.as_deref().map(str::trim) {
            None => Ok(old.clone()),
            Some("") => Ok(None),
            Some(text) if text.len() <= PERSON_TEXT_MAX && !text.chars().any(char::is_control) => Ok(Some(text.into())),
            Some(_) => Err(Error::BadParameter("a name or an address has up to 128 bytes in one line")),
        };
        let email = text(&self.email, &person.email)?;
        if email.as_deref().is_some_and(|email| !email.contains('@') || email.contains(char::is_whitespace)) {
            return Err(Error::BadParameter("an e-mail address is written name@domain"));
        }
        let digits = |number: &String| number.chars().filter(|c| !is_filler(*c)).collect::<String>();
        let mobile_number = text(&self.mobile_number.as_ref().map(digits), &person.mobile_number)?;
        if mobile_number.as_deref().is_some_and(|number| !is_number(number)) {
            return Err(Error::BadParameter("a mobile number has digits, and perhaps a + in front"));
        }
        Ok(Person {
            first_name: text(&self.first_name, &person.first_name)?,
            last_name: text(&self.last_name, &person.last_name)?,
            email,
            mobile_number,
            searchable: self.searchable.unwrap_or(person.searchable),
        })
    }
}

/// What people put between the digits of a number.
pub(crate) fn is_filler(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '(' | ')' | '.' | '/')
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A phone password as it is stored, and in clear.
type Sealed = (Option<Box<[u8]>>, Option<String>);

const PHONE_PASSWORD_LENGTH: usize = 10;
const PASSWORD_MAX: usize = 1024;
/// Bytes of a name, an e-mail address or a number.
const PERSON_TEXT_MAX: usize = 128;

impl Access<'_> {
    /// Makes an account. The phone password is returned, for once.
    ///
    /// # Errors
    /// `UserExists`, `ForeignDomain`, `BadParameter` for a password that cannot be, or the store's failure.
    pub async fn add_user(
        &self,
        user: &UserId,
        account_password: Option<Secret<String>>,
        phone: PhonePassword,
    ) -> Result<Option<String>, Error> {
        if user.domain() != self.config.domain.as_str() {
            return Err(Error::ForeignDomain);
        }
        if *user == self.service_user() {
            return Err(Error::BadParameter("this name is the service's own"));
        }
        if user.local().len() > 50 {
            return Err(Error::BadParameter("a user name may have 50 characters: phones keep no more"));
        }
        let password_hash = match account_password {
            Some(password) => Some(self.hash(password).await?),
            None => None,
        };
        let (phone_password, clear) = self.seal(user, phone)?;
        let created = self.clock.now().seconds();
        let account = Account { password_hash, phone_password, created, ..Account::default() };
        let mut batch = Batch::new();
        batch.if_absent(Space::Users, user_key(user)).put(Space::Users, user_key(user), account.to_record());
        match self.store.commit(batch).await {
            Ok(()) => {}
            Err(crate::seam::StoreError::Condition) => return Err(Error::UserExists),
            Err(error) => return Err(error.into()),
        }
        self.tell(Happening::FindableChanged { user: user.clone() }).await;
        Ok(clear)
    }

    pub(super) async fn hash(&self, password: Secret<String>) -> Result<Box<str>, Error> {
        if password.expose().is_empty() || password.expose().len() > PASSWORD_MAX {
            return Err(Error::BadParameter("a password has between 1 and 1024 bytes"));
        }
        self.with_worker(move || password::hash(password.expose())).await?
    }

    pub(super) fn seal(&self, user: &UserId, phone: PhonePassword) -> Result<Sealed, Error> {
        let clear = match phone {
            PhonePassword::None => return Ok((None, None)),
            PhonePassword::Generate => password::generate_password(PHONE_PASSWORD_LENGTH)?,
            PhonePassword::Set(given) => given.expose().clone(),
        };
        if !(4..=50).contains(&clear.len()) || !clear.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::BadParameter("a phone password has 4 to 50 printable ASCII characters without blanks"));
        }
        Ok((Some(password::seal(&self.guard.key, user, &clear)?), Some(clear)))
    }

    async fn change_account(&self, user: &UserId, change: impl FnOnce(&mut Account)) -> Result<Arc<UserState>, Error> {
        let state = self.user(user).await?;
        {
            let _change = state.change.lock().await;
            let before = state.lock().account.clone();
            let mut account = before.clone();
            change(&mut account);
            let mut batch = Batch::new();
            renumber(&mut batch, user, &before, &account);
            batch.put(Space::Users, user_key(user), account.to_record());
            self.store.commit(batch).await?;
            state.lock().account = account;
        }
        Ok(state)
    }

    /// Sets the account password.
    ///
    /// # Errors
    /// `UnknownUser`, `BadParameter`, or the store's failure.
    pub async fn set_password(&self, user: &UserId, account_password: Secret<String>) -> Result<(), Error> {
        let hash = self.hash(account_password).await?;
        self.change_account(user, |account| account.password_hash = Some(hash)).await?;
        Ok(())
    }

    /// Sets, makes or revokes the phone password. The new one is returned, for once.
    ///
    /// # Errors
    /// `UnknownUser`, `BadParameter`, or the store's failure.
    pub async fn set_phone_password(&self, user: &UserId, phone: PhonePassword) -> Result<Option<String>, Error> {
        let (sealed, clear) = self.seal(user, phone)?;
        self.change_account(user, |account| account.phone_password = sealed).await?;
        Ok(clear)
    }

    /// Sets who the person behind an account is.
    ///
    /// # Errors
    /// `UnknownUser`, `BadParameter` for what cannot be a name, an address or a number, or the store's failure.
    pub async fn set_person(&self, user: &UserId, change: &PersonChange) -> Result<Person, Error> {
        // Looked at before anything is written; nobody else changes it in between but another operator.
        let person = change.apply(&self.user(user).await?.lock().account.person)?;
        self.change_account(user, |account| account.person = person.clone()).await?;
        self.tell(Happening::FindableChanged { user: user.clone() }).await;
        Ok(person)
    }

    /// Sets the functions that a user does not have. His sessions hold to it at once; what they were told when they
    /// negotiated stays as it is.
    ///
    /// # Errors
    /// `UnknownUser`, or the store's failure.
    pub async fn set_refused(&self, user: &UserId, refused: FunctionSet) -> Result<(), Error> {
        self.change_account(user, |account| account.refused = refused).await.map(drop)
    }

    /// Bars an account or lets it in again. Its sessions are ended when it is barred.
    ///
    /// # Errors
    /// `UnknownUser`, or the store's failure.
    pub async fn set_barred(&self, user: &UserId, barred: bool) -> Result<(), Error> {
        let state = self.change_account(user, |account| account.barred = barred).await?;
        self.tell(Happening::FindableChanged { user: user.clone() }).await;
        if barred {
            for session in state.sessions() {
                self.disconnect(&session, Status::FORCED_LOGOUT, "this account is barred").await?;
            }
        }
        Ok(())
    }

    /// Removes an account with all that belongs to it: sessions, lists, presence, messages that wait.
    ///
    /// # Errors
    /// `UnknownUser`, or the store's failure.
    pub async fn remove_user(&self, user: &UserId) -> Result<(), Error> {
        let state = self.user(user).await?;
        self.presence().forget_watcher(user).await?;
        // Nobody logs in meanwhile; whoever waits to finds that the state is not the user's any more.
        let _change = state.change.lock().await;
        for session in state.sessions() {
            self.disconnect(&session, Status::FORCED_LOGOUT, "this account was removed").await?;
        }
        self.im().remove_queue(user).await?;
        self.group().remove_user(user).await?;
        let mut batch = Batch::new();
        batch.delete(Space::Users, user_key(user));
        self.presence().remove_user(user, &mut batch);
        self.common().remove_user(user, &mut batch).await?;
        self.forget_receipts(user, &mut batch);
        self.im().remove_user(user, &mut batch);
        self.terminals().remove_user(user, &mut batch);
        self.store.commit(batch).await?;
        self.forget_user(user);
        self.tell(Happening::FindableChanged { user: user.clone() }).await;
        // What was sent between the two must not wait for a later user of that name.
        self.im().remove_queue(user).await
    }

    /// Accounts in the order of their addresses, those after `after` only, so many at most.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn list_users(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<UserSummary>, Error> {
        let all = KeyRange::all();
        let range = after.map_or(all.clone(), |after| all.after(&user_key(after)));
        let rows = self.store.scan(Space::Users, range, Order::Forwards, limit).await?;
        let mut users = Vec::with_capacity(rows.len());
        for row in rows {
            let Ok(id) = std::str::from_utf8(row.key.as_bytes()) else { continue };
            users.push(self.summary(&UserId::from_canonical(id), &Account::from_record(&row.value)?));
        }
        Ok(users)
    }

    /// One account.
    ///
    /// # Errors
    /// `UnknownUser`, or the store's failure.
    pub async fn user_summary(&self, user: &UserId) -> Result<UserSummary, Error> {
        let record = self.store.get_one(Space::Users, user_key(user)).await?.ok_or(Error::UnknownUser)?;
        Ok(self.summary(user, &Account::from_record(&record)?))
    }

    /// Whether the key of this server opens the user's phone password; absent: there is no such password.
    ///
    /// # Errors
    /// `UnknownUser`, or the store's failure.
    pub async fn phone_password_opens(&self, user: &UserId) -> Result<Option<bool>, Error> {
        let record = self.store.get_one(Space::Users, user_key(user)).await?.ok_or(Error::UnknownUser)?;
        let sealed = Account::from_record(&record)?.phone_password;
        Ok(sealed.map(|sealed| password::unseal(&self.guard.key, user, &sealed).is_some()))
    }

    fn summary(&self, id: &UserId, account: &Account) -> UserSummary {
        UserSummary {
            id: id.clone(),
            has_password: account.password_hash.is_some(),
            has_phone_password: account.phone_password.is_some(),
            barred: account.barred,
            created: account.created,
            sessions: self.users.loaded(id).map_or(0, |state| state.sessions().len()),
            person: account.person.clone(),
            refused: account.refused,
        }
    }
}
