//! What clients ask for: one file for each transaction, of the name that its primitive has in `imps-proto`.
//!
//! The dispatch is made of the catalogue: a row there without its [`Transaction`] here does not compile.

mod add_group_members;
mod block_entity;
mod cancel_auth;
mod cancel_invite;
mod client_capability;
mod create_attribute_list;
mod create_group;
mod create_list;
mod delete_attribute_list;
mod delete_group;
mod delete_list;
mod drop_segment;
mod extend_conversation;
mod forward_message;
mod get_attribute_list;
mod get_blocked_list;
mod get_group_members;
mod get_group_props;
mod get_joined_users;
mod get_list;
mod get_map;
mod get_message;
mod get_message_list;
mod get_presence;
mod get_public_profile;
mod get_reactive_auth_status;
mod get_segment;
mod get_sp_info;
mod get_watcher_list;
mod invite;
mod invite_user_response;
mod join_group;
mod keep_alive;
mod leave_group;
mod list_manage;
mod login;
mod logout;
mod member_access;
mod message_delivered;
mod polling;
mod presence_auth_user;
mod reject_list;
mod reject_message;
mod remove_group_members;
mod search;
mod send_message;
mod service;
mod set_delivery_method;
mod set_group_props;
mod stop_search;
mod subscribe_group_notice;
mod subscribe_notification;
mod subscribe_presence;
mod system_message_user;
mod unsubscribe_notification;
mod unsubscribe_presence;
mod update_presence;
mod update_public_profile;
mod verify_id;
mod version_discovery;

pub(crate) use invite_user_response::reply;

use std::future::ready;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use imps_proto::client_transactions;
use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::csp::{StatusPrimitive, VersionDiscoveryResponse};
use imps_proto::elements::UserMapList;
use imps_proto::wire::Form;
use imps_service::im::Once;
use imps_service::{Error, Services, Session};
use imps_types::element::{Mapping, ResultInfo, User, UserList};
use imps_types::{Address, Status, UserId, Version};

use crate::CspConfig;
use crate::segments::Segments;

/// What a transaction is carried out with.
pub(crate) struct Cx<'a> {
    pub(crate) services: &'a Arc<Services>,
    pub(crate) config: &'a CspConfig,
    /// Messages in pieces.
    pub(crate) segments: &'a Segments,
    /// The session; none outside one.
    pub(crate) session: Option<&'a Arc<Session>>,
    /// The version of the answer.
    pub(crate) version: Version,
    /// The encoding of the answer.
    pub(crate) form: Form,
    /// The TransactionID.
    pub(crate) transaction: &'a str,
    /// A hash over the content.
    pub(crate) content: u64,
    /// The number of the subscriber, as a gateway tells it.
    pub(crate) msisdn: Option<&'a str>,
    /// Where the client is.
    pub(crate) peer: Option<IpAddr>,
}

impl Cx<'_> {
    /// The session that the transaction is in.
    pub(crate) fn session(&self) -> Result<&Arc<Session>, Error> {
        self.session.ok_or(Error::NotLoggedIn)
    }

    /// Screen names of joined users, as the client reads them.
    pub(crate) fn map_list(&self, mappings: Vec<Mapping>) -> UserMapList {
        let two_levels = self.session.is_some_and(|session| self.config.reads_two_levels(session));
        UserMapList { mappings, two_levels }
    }

    /// What makes this request the same as another; nothing does without a TransactionID.
    pub(crate) fn once(&self) -> Option<Once> {
        let can_be_repeated = (1..=crate::answer::REMEMBERED_ID_MAX).contains(&self.transaction.len());
        can_be_repeated.then(|| Once { transaction: self.transaction.into(), content: self.content })
    }
}

/// The outcome of a transaction.
#[expect(clippy::large_enum_variant, reason = "there is one, for the time of one transaction")]
pub(crate) enum Reply {
    /// A primitive of its own, or Status.
    Response(Response),
    /// What waits for the session.
    Poll,
    /// The answer to a message that has no envelope.
    Discovery(VersionDiscoveryResponse),
}

impl Reply {
    /// Just a code.
    pub(crate) fn status(status: Status) -> Self {
        Self::result(ResultInfo::of(status))
    }

    /// A result.
    pub(crate) fn result(result: ResultInfo) -> Self {
        Self::Response(Response::Status(StatusPrimitive::new(result)))
    }
}

impl<T: Into<Response>> From<T> for Reply {
    fn from(response: T) -> Self {
        Self::Response(response.into())
    }
}

/// A primitive that begins a transaction: it translates, asks a service element, and translates back.
pub(crate) trait Transaction {
    fn run(self, cx: &Cx<'_>) -> impl Future<Output = Result<Reply, Error>> + Send;
}

macro_rules! dispatch {
    ($request:ident, $cx:ident; $($variant:ident $module:ident $type:ident;)*) => {
        match *$request {
            $(Request::$variant(primitive) => Box::pin(primitive.run($cx)),)*
            Request::Unbuilt(_) | Request::Unknown => Box::pin(ready(Ok(Reply::status(Status::NOT_IMPLEMENTED)))),
        }
    };
}

/// Carries out a transaction; what is not of this server is 501. Whoever waits for it holds no more than a pointer,
/// however much one of them needs.
pub(crate) fn dispatch<'a>(request: Box<Request>, cx: &'a Cx<'a>) -> BoxFuture<'a, Result<Reply, Error>> {
    client_transactions!(dispatch! { request, cx })
}

/// Users by address alone.
pub(crate) fn user_list(users: &[UserId]) -> UserList {
    UserList { users: users.iter().map(User::of).collect(), screen_names: Vec::new() }
}

/// The addresses of users.
pub(crate) fn user_ids(users: Vec<User>) -> Vec<Address> {
    users.into_iter().map(|user| user.user_id).collect()
}
