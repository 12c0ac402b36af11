//! How the items of a request went, collected for the DetailedResult (CSP 3), and the look at addresses that all share.

use imps_types::element::{DetailedResult, ResultInfo};
use imps_types::{Address, ContactListId, Service, Status, UserId};

use super::Presence;
use crate::Error;
use crate::account::user_key;
use crate::routing::Place;
use crate::seam::Space;
use crate::session::Session;

/// What became of the items so far.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    any: bool,
    detailed: Vec<DetailedResult>,
}

impl Outcomes {
    /// An item went well.
    pub(super) fn good(&mut self) {
        self.any = true;
    }

    fn of(&mut self, status: Status) -> Option<&mut DetailedResult> {
        if !self.detailed.iter().any(|one| one.status == status) {
            self.detailed.push(DetailedResult::of(status));
        }
        self.detailed.iter_mut().find(|one| one.status == status)
    }

    /// A user could not be dealt with. A failure of the store concerns the whole request: it is handed back.
    pub(super) fn user(&mut self, address: &Address, error: Error) -> Result<(), Error> {
        if let Error::Store(_) = error {
            return Err(error);
        }
        if let Some(one) = self.of(error.status()) {
            one.user_ids.push(address.clone());
        }
        Ok(())
    }

    /// A contact list could not be dealt with; as [`Outcomes::user`].
    pub(super) fn list(&mut self, address: &Address, error: Error) -> Result<(), Error> {
        if let Error::Store(_) = error {
            return Err(error);
        }
        if let Some(one) = self.of(error.status()) {
            one.contact_lists.push(address.clone());
        }
        Ok(())
    }

    /// 200, 201, or why nothing went well.
    pub(super) fn done(mut self) -> ResultInfo {
        self.detailed.sort_by_key(|one| one.status);
        ResultInfo::partial(self.any, self.detailed)
    }
}

impl Presence<'_> {
    /// The users with these addresses, each in the place of its address; those who are not known are noted (531), and those
    /// of domains that cannot be reached (516, 506). Whether a user of another domain exists is for that one to say.
    pub(super) async fn known_users<'a>(
        &self,
        addresses: impl Iterator<Item = &'a Address>,
        outcomes: &mut Outcomes,
    ) -> Result<Vec<Option<UserId>>, Error> {
        let services = self.0;
        let mut found = Vec::new();
        let (mut asked, mut keys) = (Vec::new(), Vec::new());
        for address in addresses {
            let user = match services.router.user_or_guest(address, Service::Presence) {
                Ok(user) => Some(user),
                Err(error) => {
                    outcomes.user(address, error)?;
                    None
                }
            };
            if let Some(user) = &user
                && services.router.place(user) != Place::Foreign
                && services.users.loaded(user).is_none()
            {
                asked.push((found.len(), address));
                keys.push(user_key(user));
            }
            found.push(user);
        }
        if !keys.is_empty() {
            let records = services.store.get(Space::Users, &keys).await?;
            for ((place, address), record) in asked.into_iter().zip(records) {
                if record.is_none() {
                    outcomes.user(address, Error::UnknownUser)?;
                    if let Some(user) = found.get_mut(place) {
                        *user = None;
                    }
                }
            }
        }
        if found.iter().any(Option::is_some) {
            outcomes.good();
        }
        Ok(found)
    }

    /// The address of a list of the session's user; another one's is unknown to him, whether it exists or not.
    pub(super) fn own_list(&self, session: &Session, address: &Address) -> Result<ContactListId, Error> {
        let list = self.0.router.list(address)?;
        if list.owner() == session.user.id { Ok(list) } else { Err(Error::UnknownList) }
    }

    /// The members of a list of the session's user.
    pub(super) fn own_members(
        &self,
        session: &Session,
        address: &Address,
    ) -> Result<(ContactListId, Vec<UserId>), Error> {
        let list = self.own_list(session, address)?;
        let members = self.members(&session.user, &list).ok_or(Error::UnknownList)?;
        Ok((list, members))
    }
}
