//! Public profiles, 1.3: what a user tells everybody of himself (CSP 7.5).

use imps_types::element::{Notification, NotificationType, ProfileProperty, Property, PublicProfile, ResultInfo};
use imps_types::{Address, Service, UserId};

use super::Common;
use super::outcomes::Outcomes;
use crate::account::user_key;
use crate::error::Error;
use crate::happening::Happening;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, Space};
use crate::session::Session;

/// What a property takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// Years of a life.
    Age,
    /// Two letters (ISO 3166).
    Country,
    /// Text, of the usual length.
    Text,
    /// Text, of the length that free text may have.
    FreeText,
}

/// The properties and what they take.
const PROPERTIES: &[(ProfileProperty, Takes)] = &[
    (ProfileProperty::Age, Takes::Age),
    (ProfileProperty::City, Takes::Text),
    (ProfileProperty::Country, Takes::Country),
    (ProfileProperty::FriendlyName, Takes::Text),
    (ProfileProperty::FreeText, Takes::FreeText),
    (ProfileProperty::Gender, Takes::Text),
    (ProfileProperty::Intention, Takes::Text),
    (ProfileProperty::Interests, Takes::Text),
    (ProfileProperty::MaritalStatus, Takes::Text),
];

const AGE_MAX: u32 = 150;

/// A profile as it is kept: values in the order of the table.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Profile(Vec<(ProfileProperty, Box<str>)>);

impl Profile {
    pub(super) fn value(&self, property: ProfileProperty) -> Option<&str> {
        self.0.iter().find(|(one, _)| *one == property).map(|(_, value)| &**value)
    }

    /// Sets a value, or takes it away.
    fn set(&mut self, property: ProfileProperty, value: Option<Box<str>>) {
        self.0.retain(|(one, _)| *one != property);
        if let Some(value) = value {
            let place = self.0.partition_point(|(one, _)| *one < property);
            self.0.insert(place, (property, value));
        }
    }

    fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        writer.list(self.0.iter(), |writer, (property, value)| {
            writer.number(*property as u64).text(value);
        });
        writer.done()
    }

    pub(super) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let mut profile = Self::default();
        for (number, value) in reader.list(|reader| Ok((reader.number()?, reader.text()?)))? {
            let property = usize::try_from(number).ok().and_then(|number| ProfileProperty::ALL.get(number));
            profile.set(*property.ok_or(RecordError("unknown property of a profile"))?, Some(value.into()));
        }
        Ok(profile)
    }

    fn properties(&self) -> Vec<Property> {
        self.0.iter().map(|(property, value)| Property::new(property.as_str(), value)).collect()
    }
}

impl Common<'_> {
    /// The public profiles of users, which everybody may read. Users who are not there are named in the result.
    ///
    /// # Errors
    /// `BadParameter` when nobody is named, or too many are, or the store's failure.
    pub async fn public_profiles(&self, users: &[Address]) -> Result<(ResultInfo, Vec<PublicProfile>), Error> {
        if users.is_empty() || users.len() > self.config.recipients_max {
            return Err(Error::BadParameter("no user is named whose profile is asked for, or too many are"));
        }
        let mut outcomes = Outcomes::default();
        let mut found: Vec<UserId> = Vec::with_capacity(users.len());
        for address in users {
            let known = match self.router.kept_user(address, Service::Common) {
                Ok(user) => self.user_exists(&user).await?.then_some(user).ok_or(Error::UnknownUser),
                Err(error) => Err(error),
            };
            match known {
                Ok(user) if found.contains(&user) => {}
                Ok(user) => {
                    outcomes.good();
                    found.push(user);
                }
                Err(error) => outcomes.failed(error, |one| one.user_ids.push(address.clone()))?,
            }
        }
        let keys: Vec<Key> = found.iter().map(user_key).collect();
        let records = self.store.get(Space::Profiles, &keys).await?;
        let mut profiles = Vec::with_capacity(found.len());
        for (user, record) in found.iter().zip(records) {
            let profile = record.map_or_else(|| Ok(Profile::default()), |record| Profile::read(&record))?;
            profiles.push(PublicProfile { user_id: Some(user.into()), properties: profile.properties() });
        }
        Ok((outcomes.done(), profiles))
    }

    /// The age that a user's public profile tells.
    ///
    /// # Errors
    /// The store's failure.
    pub(crate) async fn age(&self, user: &UserId) -> Result<Option<u32>, Error> {
        let Some(record) = self.store.get_one(Space::Profiles, user_key(user)).await? else { return Ok(None) };
        Ok(Profile::read(&record)?.value(ProfileProperty::Age).and_then(|age| age.parse().ok()))
    }

    /// The public profile of a local user.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn profile_of(&self, user: &UserId) -> Result<PublicProfile, Error> {
        let record = self.store.get_one(Space::Profiles, user_key(user)).await?;
        let profile = record.map_or_else(|| Ok(Profile::default()), |record| Profile::read(&record))?;
        Ok(PublicProfile { user_id: Some(user.into()), properties: profile.properties() })
    }

    /// Changes the profile of the session's user, all of it or nothing. `clear`: what was there goes first.
    ///
    /// # Errors
    /// `NotYourself` when another user is named, `BadUserProperty` (702), or the store's failure.
    pub async fn update_profile(&self, session: &Session, clear: bool, change: &PublicProfile) -> Result<(), Error> {
        if let Some(named) = &change.user_id
            && !self.router.user(named).is_ok_and(|user| user == session.user.id)
        {
            return Err(Error::NotYourself);
        }
        let mut changes = Vec::with_capacity(change.properties.len());
        for property in &change.properties {
            changes.push(self.checked(property)?);
        }
        let user = &session.user.id;
        {
            let _change = session.user.change.lock().await;
            let record = self.store.get_one(Space::Profiles, user_key(user)).await?;
            let before = record.map_or_else(|| Ok(Profile::default()), |record| Profile::read(&record))?;
            let mut after = if clear { Profile::default() } else { before.clone() };
            changes.into_iter().for_each(|(property, value)| after.set(property, value));
            if after == before {
                return Ok(());
            }
            let mut batch = Batch::new();
            if after.0.is_empty() {
                batch.delete(Space::Profiles, user_key(user));
            } else {
                batch.put(Space::Profiles, user_key(user), after.to_record());
            }
            self.store.commit(batch).await?;
        }
        self.tell(Happening::FindableChanged { user: user.clone() }).await;
        self.access().notify(user, Some(session), Notification::of_users(NotificationType::ProfileUpdated, [user]));
        Ok(())
    }

    /// A property that is known, with a value that it takes or none.
    fn checked(&self, property: &Property) -> Result<(ProfileProperty, Option<Box<str>>), Error> {
        let known = ProfileProperty::parse(&property.name);
        let row = known.and_then(|known| PROPERTIES.iter().find(|(one, _)| *one == known));
        let Some((name, takes)) = row else {
            return Err(Error::BadUserProperty("a public profile has no such property"));
        };
        let value = property.value.as_deref().map(str::trim).filter(|value| !value.is_empty());
        let Some(value) = value else { return Ok((*name, None)) };
        let fits = match takes {
            Takes::Age => value.parse::<u32>().is_ok_and(|age| age <= AGE_MAX),
            Takes::Country => value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_alphabetic()),
            Takes::Text => value.len() <= self.config.profile_value_max,
            Takes::FreeText => value.len() <= self.config.profile_free_text_max,
        };
        if fits {
            Ok((*name, Some(value.into())))
        } else {
            Err(Error::BadUserProperty("a property of a public profile does not take this value"))
        }
    }

    pub(super) fn remove_profile(&self, user: &UserId, batch: &mut Batch) {
        batch.delete(Space::Profiles, user_key(user));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, user};
    use imps_types::Status;

    fn profile(properties: &[(&str, Option<&str>)]) -> PublicProfile {
        let property =
            |(name, value): &(&str, Option<&str>)| Property { name: (*name).into(), value: value.map(Into::into) };
        PublicProfile { user_id: None, properties: properties.iter().map(property).collect() }
    }

    #[test]
    fn every_property_has_its_row() {
        let rows: Vec<_> = PROPERTIES.iter().map(|(property, _)| *property).collect();
        assert_eq!(rows, ProfileProperty::ALL);
    }

    #[test]
    fn golden_octets_of_version_1() {
        let mut one = Profile::default();
        one.set(ProfileProperty::City, Some("Oulu".into()));
        one.set(ProfileProperty::Age, Some("30".into()));
        let golden = b"\x01\x02\x00\x0230\x01\x04Oulu";
        assert_eq!(one.to_record(), golden);
        assert_eq!(Profile::read(golden), Ok(one));
        for length in 0..golden.len() {
            assert!(Profile::read(&golden[..length]).is_err());
        }
    }

    #[tokio::test]
    async fn it_is_changed_cleared_and_read_by_everybody() {
        let world = World::of(&["alice", "bob"]).await;
        let alice = world.login("alice").await;
        let common = world.services.common();
        let change = profile(&[("PP_AGE", Some("30")), ("pp_city", Some("Oulu")), ("PP_AGE", Some("31"))]);
        common.update_profile(&alice, false, &change).await.unwrap();
        let ask = [Address::new("bob"), Address::new("wv:Alice@x"), Address::new("ghost")];
        let (result, found) = common.public_profiles(&ask).await.unwrap();
        assert_eq!(result.status, Status::PARTIALLY_SUCCESSFUL);
        assert_eq!(result.detailed[0].user_ids, [Address::new("ghost")]);
        assert_eq!(found[0], PublicProfile { user_id: Some((&user("bob")).into()), properties: vec![] });
        assert_eq!(found[1].properties, [Property::new("PP_AGE", "31"), Property::new("PP_CITY", "Oulu")]);
        common.update_profile(&alice, false, &profile(&[("PP_CITY", None)])).await.unwrap();
        let world = world.restarted().await;
        let alice = world.login("alice").await;
        let common = world.services.common();
        let ask = [Address::new("alice")];
        let found = common.public_profiles(&ask).await.unwrap().1;
        assert_eq!(found[0].properties, [Property::new("PP_AGE", "31")]);
        common.update_profile(&alice, true, &profile(&[("PP_COUNTRY", Some("FI"))])).await.unwrap();
        let found = common.public_profiles(&ask).await.unwrap().1;
        assert_eq!(found[0].properties, [Property::new("PP_COUNTRY", "FI")]);
        world.services.access().remove_user(&user("alice")).await.unwrap();
        let rows = world.services.store.get_one(Space::Profiles, user_key(&user("alice"))).await.unwrap();
        assert_eq!(rows, None);
    }

    #[tokio::test]
    async fn what_does_not_fit_changes_nothing() {
        let world = World::with(&["alice"], |config| config.profile_value_max = 16).await;
        let alice = world.login("alice").await;
        let common = world.services.common();
        for bad in [
            ("PP_SHOE_SIZE", Some("42")),
            ("PP_AGE", Some("old")),
            ("PP_AGE", Some("151")),
            ("PP_COUNTRY", Some("Finland")),
            ("PP_CITY", Some("Llanfairpwllgwyngyllgogerych")),
        ] {
            let change = profile(&[("PP_GENDER", Some("F")), bad]);
            let error = common.update_profile(&alice, false, &change).await.unwrap_err();
            assert_eq!(error.status(), Status::INVALID_OR_UNSUPPORTED_USER_PROPERTIES, "{bad:?}");
        }
        let other = PublicProfile { user_id: Some(Address::new("bob")), properties: vec![] };
        assert_eq!(common.update_profile(&alice, false, &other).await, Err(Error::NotYourself));
        assert!(common.public_profiles(&[Address::new("alice")]).await.unwrap().1[0].properties.is_empty());
    }
}
