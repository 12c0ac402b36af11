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
