//! What other domains tell our users, and what their users ask of us (SSP 9, 10).

use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::ssp::{MessageDelivered, Name, Party, Primitive, SendMessageResponse};
use imps_service::access::Visit;
use imps_service::group::GroupChange;
use imps_service::im::{FromAbroad, OutgoingMessage};
use imps_service::{Error, Session};
use imps_types::element::{Content, DetailedResult, Group, MessageInfo, Recipient, ResultInfo, Sender, User};
use imps_types::{Address, Domain, GroupId, Status, TransactionId, UserId};
use md5::{Digest as _, Md5};

use super::Face;
use crate::machine::{only_reads, status};
use crate::translate::{self, Told};

impl Face {
    /// A user of another domain asks for something: he is a guest here.
    pub(super) async fn as_guest(&self, peer: &Domain, transaction: &TransactionId, said: Primitive) -> Primitive {
        let request = match &said {
            Primitive::InviteResponse(it) => Some(Request::InviteUserResponse(translate::reply_in(it))),
            said => translate::request_in(said),
        };
        let Some(request) = request else {
            return status(Status::SERVICE_NOT_SUPPORTED, said.name().as_str());
        };
        let Some(guest) = speaker(&said, peer) else {
            return status(Status::BAD_PARAMETER, "the request names no user who asks");
        };
        let keeps = |service| self.services.router.keeps(guest.domain(), service);
        if OWN_DATA.contains(&said.name()) && !said.service().is_some_and(keeps) {
            return status(Status::SERVICE_NOT_SUPPORTED, "this is kept by the domain of whoever asks");
        }
        let how = Visit {
            only_asks: only_reads(said.name()) || said.name() == Name::StopSearchRequest,
            by_stranger: self.ssp().is_some_and(|ssp| ssp.is_stranger(peer)),
        };
        let session = match self.guest(&guest, how).await {
            Ok(session) => session,
            Err(error) => return status(error.status(), &error.to_string()),
        };
        let Some(desk) = self.desk.upgrade() else {
            return status(Status::SERVER_UNAVAILABLE, "the server ends");
        };
        let name = name_of(&said, transaction);
        let response = desk.perform(&session, &name, print_of(&said), Box::new(request)).await;
        translate::answer_out(&said, response)
    }

    /// The domain that keeps something tells our users of it, by a primitive of this name.
    pub(super) async fn take_told(
        &self,
        peer: &Domain,
        transaction: &TransactionId,
        said: Told,
        by: Name,
    ) -> Primitive {
        let how = match said {
            Told::Presence { watchers, values } => self.take_presence(peer, &watchers, values).await,
            Told::Group { group, users, joined, left, joined_blocked, left_blocked, properties, own_properties } => {
                self.services.router.group(&group).map(|group| {
                    let change = GroupChange {
                        group,
                        joined,
                        left,
                        joined_blocked,
                        left_blocked,
                        properties,
                        own: own_properties,
                    };
                    self.services.group().told_abroad(&self.ours(&users), change);
                })
            }
            Told::LeftGroup { group, users, reason } => match self.services.router.group(&group) {
                Ok(group) => {
                    self.services.group().forced_abroad(&group, &self.ours(&users), reason).await;
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Told::Authorization { publisher, watcher, attributes } => {
                self.take_question(peer, publisher.as_ref(), &watcher, attributes.as_ref().map(|list| list.wanted()))
                    .await
            }
            Told::Message { users, info, content, report } => {
                return self.take_told_message((peer, transaction, by), users, info, content, report).await;
            }
            Told::InviteAnswer { .. } => Err(Error::UnknownInvitation),
        };
        match how {
            Ok(()) => status(Status::SUCCESSFUL, ""),
            Err(error) => status(error.status(), &error.to_string()),
        }
    }

    /// The users of ours among these.
    fn ours(&self, users: &[Address]) -> Vec<UserId> {
        users.iter().filter_map(|user| self.services.router.local_user(user).ok()).collect()
    }

    async fn take_presence(
        &self,
        peer: &Domain,
        watchers: &[Address],
        values: Vec<(Address, imps_types::presence::PresenceSubList)>,
    ) -> Result<(), Error> {
        let watchers = self.ours(watchers);
        let is_provided = self.provider(imps_types::Service::Presence).as_ref() == Some(peer);
        for (publisher, list) in values {
            let publisher = self.services.router.user(&publisher)?;
            if is_provided {
                self.services.presence().told_by_provider(&publisher, &watchers, &list);
                continue;
            }
            self.services.presence().told(&publisher, &watchers, &list).await?;
        }
        Ok(())
    }

    /// The domain that keeps the presence of a user of ours wants to know who may see it.
    async fn take_question(
        &self,
        peer: &Domain,
        publisher: Option<&Address>,
        watcher: &Address,
        attributes: Option<imps_types::presence::AttributeSet>,
    ) -> Result<(), Error> {
        let publisher = publisher.ok_or(Error::BadParameter("the question names no publisher"))?;
        let publisher = self.services.router.local_user(publisher)?;
        let watcher = UserId::parse(watcher.as_str(), peer).map_err(|_| Error::UnknownUser)?;
        self.services.presence().asked_abroad(&publisher, &watcher, attributes).await
    }

    /// A message of a group of the peer's, or one that the peer keeps for users of ours: each is taken for each of them by
    /// himself, so that one who has it already is told from one who has not.
    async fn take_told_message(
        &self,
        (peer, transaction, by): (&Domain, &TransactionId, Name),
        users: Vec<Address>,
        info: MessageInfo,
        content: Option<Content>,
        report: bool,
    ) -> Primitive {
        let sender = match &info.sender {
            Some(Sender::User(user)) => UserId::parse(user.user_id.as_str(), peer).ok(),
            Some(Sender::Group(Group::Id(group))) => Some(UserId::from_canonical(&canonical_group(group, peer))),
            Some(Sender::Group(Group::ScreenName(name))) => {
                Some(UserId::from_canonical(&canonical_group(&name.group_id, peer)))
            }
            None => None,
        };
        let Some(sender) = sender else { return status(Status::BAD_PARAMETER, "the message has no sender") };
        let Some(content) = content else { return self.take_notification(peer, &users, &sender, &info) };
        let id = info.message_id.clone();
        // By its transaction it is known only where it has no name of its own.
        let transaction: Option<Box<str>> = id.is_none().then(|| transaction.as_str().into());
        let (mut taken, mut detailed) = (false, Vec::<DetailedResult>::new());
        let mut by_name = info.recipient.groups.clone();
        by_name.retain(|group| matches!(group, Group::ScreenName(_)));
        let each = users.into_iter().map(|user| {
            let (sender, transaction) = (sender.clone(), transaction.clone());
            let from = FromAbroad { peer: peer.clone(), sender, id: id.clone(), transaction };
            let recipient = Recipient { groups: by_name.clone(), ..Recipient::user(User::of(user.clone())) };
            let info = MessageInfo { recipient, ..info.clone() };
            let message = OutgoingMessage { info, content: content.clone(), delivery_report: report };
            async move { (user, self.services.im().receive(from, message).await) }
        });
        // Their commits are one, or few.
        for (user, received) in join_all(each).await {
            match received {
                Ok(sent) => {
                    taken |= sent.result.status.is_success();
                    detailed.extend(sent.result.detailed);
                }
                Err(error @ Error::Store(_)) => return status(error.status(), &error.to_string()),
                Err(error) => {
                    detailed.push(DetailedResult { user_ids: vec![user], ..DetailedResult::of(error.status()) });
                }
            }
        }
        let result = ResultInfo::partial(taken, detailed);
        // One that is kept for our user, of a group or not, is delivered, not sent.
        if by == Name::SendMessageRequest {
            return SendMessageResponse { message_id: id, status: result }.into();
        }
        if taken {
            MessageDelivered { meta: None, message_id: id.unwrap_or_default(), status: None }.into()
        } else {
            Primitive::Status(result)
        }
    }
}

/// The longest MessageID by which a message is known; others are known by their transaction.
const NAME_MAX: usize = 255;

/// What somebody asks about his own things: for whoever keeps them for him, and nobody else.
const OWN_DATA: &[Name] = &[
    Name::GetListRequest,
    Name::CreateListRequest,
    Name::DeleteListRequest,
    Name::ListManageRequest,
    Name::CreateAttributeListRequest,
    Name::DeleteAttributeListRequest,
    Name::GetAttributeListRequest,
    Name::UpdatePresenceRequest,
    Name::GetWatcherListRequest,
    Name::AuthorizationResponse,
    Name::CancelAuthorizationRequest,
    Name::GetMessageListRequest,
    Name::GetMessageRequest,
    Name::MessageDelivered,
    Name::RejectMessageRequest,
    Name::ForwardMessageRequest,
    Name::SetMessageDeliveryMethodRequest,
    Name::GetBlockedListRequest,
    Name::BlockEntityRequest,
    Name::UpdatePublicProfileRequest,
];

fn canonical_group(group: &Address, peer: &Domain) -> String {
    GroupId::parse(group.as_str(), peer).map_or_else(|_| group.as_str().to_owned(), |group| group.as_str().to_owned())
}

/// Who asks, as far as the peer may say so. Who answers an invitation is told by his domain: some peers swap the parties
/// (SSP 17).
fn speaker(said: &Primitive, peer: &Domain) -> Option<UserId> {
    let of_peer = |address: &Address| {
        let user = UserId::parse(address.as_str(), peer).ok()?;
        (user.domain() == peer.as_str()).then_some(user)
    };
    if let Primitive::InviteResponse(it) = said {
        let parties = [it.responding.as_ref(), it.inviting.as_ref()];
        return parties.into_iter().flatten().map(Party::address).find_map(of_peer);
    }
    let user = said.meta().and_then(|meta| meta.requestor.user.as_ref()).map(|user| &user.user_id);
    let user = user.or_else(|| match said {
        Primitive::InviteRequest(it) => Some(it.inviting.address()),
        Primitive::CancelInviteRequest(it) => Some(it.canceling.address()),
        _ => None,
    });
    UserId::parse(user?.as_str(), peer).ok()
}

/// By what a request that may come again after a restart of ours is known: a message by its name, where it has one. Nothing:
/// it does no harm twice.
fn name_of(said: &Primitive, transaction: &TransactionId) -> Box<str> {
    match said {
        Primitive::SendMessageRequest(it) => {
            let name = it.info.message_id.as_deref().filter(|id| (1..=NAME_MAX).contains(&id.len()));
            name.unwrap_or(transaction.as_str()).into()
        }
        _ => Box::default(),
    }
}

/// The same for the same request: of a message, what it says, and who gets it. One that goes to two groups may come as two
/// transactions, and both have its MessageID (SSP 7.3).
fn print_of(said: &Primitive) -> u64 {
    let Primitive::SendMessageRequest(it) = said else { return 0 };
    let mut print = Md5::new();
    let mut add = |part: &[u8]| {
        print.update((part.len() as u64).to_be_bytes());
        print.update(part);
    };
    let info = &it.info;
    for text in [&info.content_type, &info.content_name, &info.message_uri] {
        add(text.as_deref().unwrap_or_default().as_bytes());
    }
    add(it.content.as_ref().map_or(&[][..], |content| &content.content.data));
    for user in &info.recipient.users {
        add(user.user_id.as_str().as_bytes());
    }
    for group in &info.recipient.groups {
        let (address, name) = match group {
            Group::Id(id) => (id, ""),
            Group::ScreenName(name) => (&name.group_id, &*name.name),
        };
        add(address.as_str().as_bytes());
        add(name.as_bytes());
    }
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 16]>::from(print.finalize());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// What guests ask for is carried out as what clients ask for is: the face of CSP does it.
pub trait Desk: Send + Sync {
    /// Carries out a request of a guest. `transaction` and `content` tell it from every other; empty: nothing does.
    fn perform<'a>(
        &'a self,
        session: &'a Arc<Session>,
        transaction: &'a str,
        content: u64,
        request: Box<Request>,
    ) -> BoxFuture<'a, Response>;
}

#[cfg(test)]
mod tests {
    use imps_proto::ssp::{ContentData, MetaInfo, SendMessageRequest};
    use imps_types::element::ScreenName;

    use super::*;

    /// A message of a user of b.example to a group, by a name or none.
    fn to_group(group: &str, id: Option<&str>, text: &str) -> Primitive {
        let groups = vec![Group::Id(Address::new(group))];
        let recipient = Recipient { groups, ..Recipient::default() };
        let info = MessageInfo { message_id: id.map(Box::from), recipient, ..MessageInfo::default() };
        let content = Some(ContentData::of(&info, Content::text(text)));
        let meta = MetaInfo::of_user("wv:@b.example".into(), User::of("wv:x@b.example"));
        SendMessageRequest { meta, delivery_report: None, info, content }.into()
    }

    #[test]
    fn a_message_is_known_by_whom_it_is_for_and_what_it_says() {
        let (one, two) = ("wv:alice/one@a.example", "wv:alice/two@a.example");
        let print = |group, text| print_of(&to_group(group, Some("g-1"), text));
        assert_eq!(print(one, "hi"), print(one, "hi"));
        assert_ne!(print(one, "hi"), print(two, "hi"), "one text to two groups is two messages");
        assert_ne!(print(one, "hi"), print(one, "ho"));
        let mut by_name = to_group(one, Some("g-1"), "hi");
        if let Primitive::SendMessageRequest(it) = &mut by_name {
            let name = ScreenName { name: "Al".into(), group_id: Address::new(one) };
            it.info.recipient.groups = vec![Group::ScreenName(name)];
        }
        assert_ne!(print_of(&by_name), print(one, "hi"));
        let mut to_user = to_group(one, Some("g-1"), "hi");
        if let Primitive::SendMessageRequest(it) = &mut to_user {
            it.info.recipient.users = vec![User::of("wv:al@a.example")];
        }
        assert_ne!(print_of(&to_user), print(one, "hi"));
    }

    #[test]
    fn a_message_without_a_name_is_known_by_its_transaction() {
        let transaction = TransactionId::new("TX1");
        let name = |id| name_of(&to_group("wv:alice/one@a.example", id, "hi"), &transaction);
        let long = "m".repeat(NAME_MAX + 1);
        let names = [Some("g-1"), None, Some(""), Some(&*long)].map(name);
        assert_eq!(names.each_ref().map(|name| &**name), ["g-1", "TX1", "TX1", "TX1"]);
        assert_eq!(&*name_of(&crate::machine::status(Status::SUCCESSFUL, ""), &transaction), "");
    }
}
