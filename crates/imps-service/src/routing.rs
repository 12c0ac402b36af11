//! Where an address lives: on this node, or in a domain to which a gateway may lead.

use std::sync::{Arc, OnceLock};

use imps_types::{Address, ContactListId, Domain, GroupId, Service, Slot, UserId};

use crate::error::Error;
use crate::seam::{Bus, Gateway, Reach};

/// Answers every "where?".
pub struct Router {
    home: Domain,
    bus: Arc<dyn Bus>,
    gateway: OnceLock<Arc<dyn Gateway>>,
}

/// Where an address lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this node, in this slot.
    Here(Slot),
    /// In another domain.
    Foreign,
}

impl Router {
    /// A router for this home domain.
    pub fn new(home: Domain, bus: Arc<dyn Bus>) -> Self {
        Self { home, bus, gateway: OnceLock::new() }
    }

    /// The home domain.
    pub fn home(&self) -> &Domain {
        &self.home
    }

    /// The bus to other nodes.
    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// Has other domains reached by this gateway. The first one stays.
    pub fn set_gateway(&self, gateway: Arc<dyn Gateway>) {
        let _ = self.gateway.set(gateway);
    }

    /// The gateway, if there is one.
    pub fn gateway(&self) -> Option<&Arc<dyn Gateway>> {
        self.gateway.get()
    }

    /// The domain of a user who is not ours, if it can be reached for this service.
    ///
    /// # Errors
    /// `ForeignDomain`, `NotAgreed`.
    pub fn reach(&self, user: &UserId, service: Service) -> Result<Domain, Error> {
        let domain = Domain::parse(user.domain()).map_err(|_| Error::ForeignDomain)?;
        let gateway = self.gateway.get().ok_or(Error::ForeignDomain)?;
        match gateway.reaches(&domain, service) {
            Reach::Agreed => Ok(domain),
            Reach::NotAgreed => Err(Error::NotAgreed),
            Reach::Unknown => Err(Error::ForeignDomain),
        }
    }

    /// Whether this is a user of another domain that can be reached, or for which something is kept here: a guest.
    pub fn is_guest(&self, user: &UserId) -> bool {
        let is_served = || Service::ALL.iter().any(|service| self.keeps(user.domain(), *service));
        user.domain() != self.home.as_str()
            && (!matches!(self.reach(user, Service::Common), Err(Error::ForeignDomain)) || is_served())
    }

    /// Whether this server keeps a service for the users and groups of a domain: for its own, unless another domain is their
    /// PSE, and for those whose PSE it is (SSP 1).
    pub fn keeps(&self, domain: &str, service: Service) -> bool {
        match self.gateway.get() {
            Some(gateway) => gateway.keeps(domain, service),
            None => domain == self.home.as_str(),
        }
    }

    /// A user for whom this server keeps a service, by his address as it was written.
    ///
    /// # Errors
    /// `UnknownUser` when it is no user's address, `ForeignDomain` when another domain keeps it.
    pub fn kept_user(&self, address: &Address, service: Service) -> Result<UserId, Error> {
        let user = self.user(address)?;
        if self.keeps(user.domain(), service) { Ok(user) } else { Err(Error::ForeignDomain) }
    }

    /// A user of ours, or one of a domain with which this service is agreed on, by his address as it was written.
    ///
    /// # Errors
    /// `UnknownUser` when it is no user's address, `ForeignDomain`, `NotAgreed`.
    pub fn user_or_guest(&self, address: &Address, service: Service) -> Result<UserId, Error> {
        let user = self.user(address)?;
        if user.domain() != self.home.as_str() && !self.keeps(user.domain(), service) {
            self.reach(&user, service)?;
        }
        Ok(user)
    }

    /// Where a user lives.
    pub fn place(&self, user: &UserId) -> Place {
        if user.domain() == self.home.as_str() { Place::Here(Slot::of(user.as_str())) } else { Place::Foreign }
    }

    /// A user's address as it was written.
    ///
    /// # Errors
    /// `UnknownUser` when it is no user's address.
    pub fn user(&self, address: &Address) -> Result<UserId, Error> {
        UserId::parse(address.as_str(), &self.home).map_err(|_| Error::UnknownUser)
    }

    /// A local user's address as it was written.
    ///
    /// # Errors
    /// `UnknownUser` when it is no user's address, `ForeignDomain` when the user is not ours.
    pub fn local_user(&self, address: &Address) -> Result<UserId, Error> {
        let user = self.user(address)?;
        match self.place(&user) {
            Place::Here(_) => Ok(user),
            Place::Foreign => Err(Error::ForeignDomain),
        }
    }

    /// A contact list's address as it was written.
    ///
    /// # Errors
    /// `UnknownList` when it is no contact list's address.
    pub fn list(&self, address: &Address) -> Result<ContactListId, Error> {
        ContactListId::parse(address.as_str(), &self.home).map_err(|_| Error::UnknownList)
    }

    /// A group's address as it was written.
    ///
    /// # Errors
    /// `UnknownGroup` when it is no group's address.
    pub fn group(&self, address: &Address) -> Result<GroupId, Error> {
        GroupId::parse(address.as_str(), &self.home).map_err(|_| Error::UnknownGroup)
    }
}
