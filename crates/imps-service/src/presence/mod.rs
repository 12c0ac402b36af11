//! The Presence service element: contact lists (CSP 8), attribute lists and authorisation (CSP 9), presence (CSP 10).
#![allow(missing_docs, clippy::todo, clippy::unused_async, unused_variables)] // signatures while the bodies are being written

use std::sync::Arc;

use imps_types::element::{NickEntry, Property, ResultInfo};
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{Address, ContactListId, UserId};

use crate::event::PresenceSnapshot;
use crate::happening::Happening;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::session::Session;
use crate::user::UserState;
use crate::{Error, Services};

/// Access to the Presence service element.
#[derive(Clone, Copy)]
pub struct Presence<'a>(pub(crate) &'a Services);

#[derive(Debug, Default)]
pub struct ContactLists {}
impl ContactLists {
    pub async fn load(services: &Services, owner: &UserId) -> Result<Self, Error> { todo!() }
}
#[derive(Debug, Default)]
pub struct AttributeLists {}
impl AttributeLists {
    pub async fn load(services: &Services, owner: &UserId) -> Result<Self, Error> { todo!() }
}
#[derive(Debug, Default)]
pub struct PresenceState {}
impl PresenceState {
    pub async fn load(services: &Services, user: &UserId) -> Result<Self, Error> { todo!() }
    pub fn is_watched(&self) -> bool { todo!() }
}
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSubscriptions {}
impl SessionSubscriptions {
    pub fn write(&self, writer: &mut RecordWriter) { todo!() }
    pub fn read(reader: &mut RecordReader<'_>) -> Result<Self, RecordError> { todo!() }
}
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ListNames { pub lists: Vec<ContactListId>, pub default: Option<ContactListId> }
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOutcome { pub id: ContactListId, pub properties: Vec<Property>, pub result: ResultInfo }
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ListChange { pub add: Vec<NickEntry>, pub remove: Vec<Address>, pub properties: Vec<Property> }
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedList { pub result: ResultInfo, pub members: Vec<NickEntry>, pub properties: Vec<Property> }
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AttributeListTargets { pub users: Vec<Address>, pub contact_lists: Vec<Address>, pub default: bool }
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAttributeLists { pub result: ResultInfo, pub default: Option<AttributeSet>, pub users: Vec<(UserId, AttributeSet)>, pub contact_lists: Vec<(ContactListId, AttributeSet)> }
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WatchTargets { pub users: Vec<Address>, pub contact_lists: Vec<Address> }

impl Presence<'_> {
    pub async fn on(&self, what: &Happening) { todo!() }
    pub fn list_names(&self, session: &Session) -> ListNames { todo!() }
    pub async fn create_list(&self, session: &Session, list: &Address, members: Vec<NickEntry>, properties: Vec<Property>) -> Result<ListOutcome, Error> { todo!() }
    pub async fn delete_list(&self, session: &Session, list: &Address) -> Result<(), Error> { todo!() }
    pub async fn manage_list(&self, session: &Session, list: &Address, change: ListChange) -> Result<ManagedList, Error> { todo!() }
    pub async fn create_attribute_list(&self, session: &Session, attributes: AttributeSet, targets: &AttributeListTargets) -> Result<ResultInfo, Error> { todo!() }
    pub async fn delete_attribute_list(&self, session: &Session, targets: &AttributeListTargets) -> Result<ResultInfo, Error> { todo!() }
    pub fn attribute_lists(&self, session: &Session, targets: &AttributeListTargets) -> Result<FoundAttributeLists, Error> { todo!() }
    pub async fn subscribe(&self, session: &Arc<Session>, targets: &WatchTargets, wanted: AttributeSet, auto: bool) -> Result<ResultInfo, Error> { todo!() }
    pub async fn unsubscribe(&self, session: &Arc<Session>, targets: &WatchTargets) -> Result<ResultInfo, Error> { todo!() }
    pub async fn get(&self, session: &Session, targets: &WatchTargets, wanted: AttributeSet) -> Result<(ResultInfo, Vec<(UserId, PresenceSubList)>), Error> { todo!() }
    pub async fn update(&self, session: &Arc<Session>, list: PresenceSubList) -> Result<ResultInfo, Error> { todo!() }
    pub fn members(&self, owner: &UserState, list: &ContactListId) -> Option<Vec<UserId>> { todo!() }
    pub fn snapshot(&self, session: &Session, publisher: &Arc<UserState>, changed: AttributeSet, lost: AttributeSet) -> Option<Arc<PresenceSnapshot>> { todo!() }
    /// Takes along in `batch` everything of a user who is removed.
    pub(crate) fn remove_user(&self, user: &UserId, batch: &mut crate::seam::Batch) { todo!() }
    /// The session told its kind of client: ClientInfo that the server publishes for it may be another one now.
    pub fn client_changed(&self, session: &Arc<Session>) { todo!() }
}
