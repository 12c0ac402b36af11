//! *VerifyID*: whether names are those of somebody or something (CSP 7.3).

use imps_types::element::{IdList, ResultInfo, ScreenName};
use imps_types::{Address, Domain, Service, Status};

use super::Common;
use super::outcomes::Outcomes;
use crate::error::Error;
use crate::seam::Reach;
use crate::session::Session;

impl Common<'_> {
    /// 200 when all names are good; else those that are not, by what is wrong with them.
    ///
    /// # Errors
    /// `BadParameter` when there is none, or too many, or the store's failure.
    pub async fn verify(&self, session: &Session, ids: &IdList) -> Result<ResultInfo, Error> {
        if ids.is_empty() {
            return Err(Error::BadParameter("no name is given to verify"));
        }
        if ids.len() > self.config.recipients_max {
            return Err(Error::BadParameter("too many names are given to verify"));
        }
        let mut outcomes = Outcomes::default();
        for address in &ids.user_ids {
            match self.verify_user(address).await {
                Ok(()) => outcomes.good(),
                Err(error) => outcomes.failed(error, |one| one.user_ids.push(address.clone()))?,
            }
        }
        for address in &ids.contact_lists {
            // Another user's list is unknown to him, whether it exists or not (CSP 8).
            let known = self.router.list(address).ok().filter(|list| list.owner() == session.user.id);
            match known.filter(|list| session.user.lock().lists.find(list).is_some()) {
                Some(_) => outcomes.good(),
                None => outcomes.of(Status::UNKNOWN_CONTACT_LIST).contact_lists.push(address.clone()),
            }
        }
        for address in &ids.group_ids {
            match self.group_of(address) {
                Ok(_) => outcomes.good(),
                Err(error) => outcomes.failed(error, |one| one.group_ids.push(address.clone()))?,
            }
        }
        for name in &ids.screen_names {
            if self.is_screen_name(name) {
                outcomes.good();
            } else {
                outcomes.of(Status::GENERAL_ADDRESS_ERROR).screen_names.push(name.clone());
            }
        }
        for domain in &ids.domains {
            match Domain::parse(domain) {
                Ok(named) if self.is_reached(&named) => outcomes.good(),
                Ok(_) => outcomes.of(Status::DOMAIN_NOT_SUPPORTED).domains.push(domain.clone()),
                Err(_) => outcomes.of(Status::NOT_FOUND).domains.push(domain.clone()),
            }
        }
        Ok(outcomes.done())
    }

    async fn verify_user(&self, address: &Address) -> Result<(), Error> {
        let user = self.router.local_user(address)?;
        if self.user_exists(&user).await? { Ok(()) } else { Err(Error::UnknownUser) }
    }

    /// Whether a domain is ours, or one to which a way is known, whatever is agreed on with it.
    fn is_reached(&self, domain: &Domain) -> bool {
        let reach = || self.router.gateway().map(|gateway| gateway.reaches(domain, Service::Common));
        domain == self.router.home() || reach().is_some_and(|reach| reach != Reach::Unknown)
    }

    /// Whether somebody who is joined to the group has this name.
    fn is_screen_name(&self, name: &ScreenName) -> bool {
        self.group_of(&name.group_id).is_ok_and(|group| group.user_of_screen_name(&name.name).is_some())
    }
}
