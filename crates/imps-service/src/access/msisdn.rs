//! Subscribers whom the network names (CSP 4.1, "Automatic login"): the gateway of a mobile network puts the number of the
//! phone into the header of its requests. Whether a gateway is to be believed is decided where its requests come in.

use imps_types::{Address, UserId};

use super::Access;
use super::login::{LoginAttempt, LoginOutcome};
use super::registration::Registration;
use crate::account::Account;
use crate::error::Error;
use crate::seam::{Batch, Key, Space};

/// Digits of a number, with the country's.
const DIGITS: std::ops::RangeInclusive<usize> = 5..=15;

/// The digits of an international number, however gateways and people write it; `None` for anything else.
pub fn number_of(text: &str) -> Option<Box<str>> {
    let text = text.trim();
    let text = text.strip_prefix("tel:").or_else(|| text.strip_prefix("sip:")).unwrap_or(text);
    // From says `+358401234567@operator.example`.
    let text = text.split(['@', ';']).next().unwrap_or_default().trim();
    let digits: String = text.chars().filter(|c| !super::accounts::is_filler(*c)).collect();
    let digits = digits.strip_prefix('+').or_else(|| digits.strip_prefix("00")).unwrap_or(&digits);
    let is_number = DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.into())
}

fn number_key(number: &str) -> Key {
    Key::from(number)
}

/// The row that follows when an account's number changes: by which number its user is known. A row of a number that he had
/// stays, and means nothing: it is asked whether he has it.
pub(super) fn renumber(batch: &mut Batch, user: &UserId, before: &Account, after: &Account) {
    let number = |account: &Account| account.person.mobile_number.as_deref().and_then(number_of);
    let (before, after) = (number(before), number(after));
    if let Some(after) = after.filter(|after| before.as_ref() != Some(after)) {
        batch.put(Space::MobileNumbers, number_key(&after), user.as_str().to_owned());
    }
}

impl Access<'_> {
    /// Who has this number: the user who is called by it, or the one whose account says so.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn user_of_number(&self, number: &str) -> Result<Option<UserId>, Error> {
        if let Ok(called) = self.router.local_user(&Address::new(&format!("wv:+{number}")))
            && self.user_exists(&called).await?
        {
            return Ok(Some(called));
        }
        let Some(row) = self.store.get_one(Space::MobileNumbers, number_key(number)).await? else { return Ok(None) };
        let Ok(user) = std::str::from_utf8(&row).map(UserId::from_canonical) else { return Ok(None) };
        // Two accounts may have had the number, and one of them has it no more.
        let Ok(state) = self.user(&user).await else { return Ok(None) };
        let has_it = state.lock().account.person.mobile_number.as_deref().and_then(number_of);
        Ok((has_it.as_deref() == Some(number)).then_some(user))
    }

    /// Lets a subscriber in whom the network has named: without a password, at the first request. `None`: the login goes on
    /// as any other, since it is for somebody else.
    pub(super) async fn login_by_number(&self, attempt: &mut LoginAttempt) -> Result<Option<LoginOutcome>, Error> {
        let Some(number) = attempt.msisdn.take() else { return Ok(None) };
        let known = self.user_of_number(&number).await?;
        let named = attempt.user.as_ref().map(|address| self.router.local_user(address));
        let (user, registered) = match (named, known) {
            (Some(Ok(named)), Some(known)) if named == known => (known, None),
            (Some(_), _) => return Ok(None),
            (None, Some(known)) => (known, None),
            (None, None) if self.config.register_at_login && self.config.registration == Registration::Open => {
                let made = self.register_number(&number, attempt.from).await?;
                (made.user.clone(), Some(made))
            }
            (None, None) => return Err(Error::UnknownNumber),
        };
        let state = self.user(&user).await?;
        self.metrics.logins_by_number.up();
        let opened = self.open_session(state, attempt.clone()).await?;
        Ok(Some(match opened {
            LoginOutcome::Opened { session, resumed, .. } => LoginOutcome::Opened { session, resumed, registered },
            other => other,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::PersonChange;
    use crate::testing::{World, user};
    use imps_types::{ClientId, Version};
    use std::net::IpAddr;

    #[test]
    fn numbers_as_gateways_write_them() {
        for text in [
            "358401234567",
            "+358401234567",
            " 00358 40 123-4567 ",
            "tel:+358401234567",
            "+358401234567@operator.example",
            "+358401234567;npi=1",
        ] {
            assert_eq!(number_of(text).as_deref(), Some("358401234567"), "{text}");
        }
        for text in ["", "1234", "alice", "3584012345678901234", "+35840x123", "358401234567,358409999999"] {
            assert_eq!(number_of(text), None, "{text}");
        }
    }

    fn attempt(named: Option<&str>, number: &str) -> LoginAttempt {
        LoginAttempt {
            user: named.map(Address::new),
            client: ClientId::of_url("phone"),
            application: None,
            password: None,
            digest: None,
            schemas: Vec::new(),
            time_to_live: None,
            cookie: "cookie".into(),
            resume: None,
            version: Version::V1_3,
            responses: Vec::new(),
            language: None,
            msisdn: number_of(number),
            from: Some(IpAddr::from([10, 0, 0, 1])),
        }
    }

    async fn has(world: &World, name: &str, number: &str) {
        let change = PersonChange { mobile_number: Some(number.to_owned()), ..PersonChange::default() };
        world.services.access().set_person(&user(name), &change).await.unwrap();
    }

    fn of(outcome: Result<LoginOutcome, Error>) -> UserId {
        match outcome {
            Ok(LoginOutcome::Opened { session, .. }) => session.user.id.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_subscriber_is_let_in_by_his_number() {
        let world = World::of(&["alice", "bob", "+4917000001"]).await;
        has(&world, "alice", "+358 40 1234567").await;
        let world = world.restarted().await;
        let access = world.services.access();
        assert_eq!(of(access.login(attempt(None, "358401234567")).await), user("alice"));
        assert_eq!(of(access.login(attempt(Some("alice"), "358401234567")).await), user("alice"));
        assert_eq!(of(access.login(attempt(None, "4917000001")).await), user("+4917000001"));
        let other = access.login(attempt(Some("bob"), "358401234567")).await;
        assert!(matches!(other, Ok(LoginOutcome::Challenge { .. })), "somebody else needs his password");
        assert_eq!(access.login(attempt(None, "4917000009")).await.unwrap_err(), Error::UnknownNumber);

        has(&world, "alice", "").await;
        assert_eq!(access.login(attempt(None, "358401234567")).await.unwrap_err(), Error::UnknownNumber);
        has(&world, "alice", "+4917000002").await;
        has(&world, "bob", "+4917000002").await;
        assert_eq!(of(access.login(attempt(None, "4917000002")).await), user("bob"), "the last who got it");
        access.set_barred(&user("bob"), true).await.unwrap();
        assert_eq!(access.login(attempt(None, "4917000002")).await.unwrap_err(), Error::Barred);
        access.remove_user(&user("bob")).await.unwrap();
        assert_eq!(access.login(attempt(None, "4917000002")).await.unwrap_err(), Error::UnknownNumber);
    }

    #[tokio::test]
    async fn a_new_subscriber_is_told_who_he_is() {
        let world = World::with(&[], |config| {
            config.registration = Registration::Open;
            config.register_at_login = true;
        })
        .await;
        let access = world.services.access();
        let Ok(LoginOutcome::Opened { registered: Some(made), .. }) = access.login(attempt(None, "358401234567")).await
        else {
            panic!("no account")
        };
        assert_eq!(made.user, user("+358401234567"));
        assert_eq!(made.phone_password.len(), 10);
        assert_eq!(of(access.login(attempt(None, "358401234567")).await), made.user);
    }
}
