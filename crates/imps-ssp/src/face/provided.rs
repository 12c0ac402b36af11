//! Messages of our users that another domain has: they hear of them here, and what they do with them is done there; and what
//! that domain, or the one that has their presence, is told of their clients (SSP 9.6, 10, 16.2).
//!
//! What was pushed before, and what was said in groups, waits here. A message is looked for here first.

use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::csp::{
    ForwardMessageRequest, ForwardMessageResponse, GetMessageListRequest, GetMessageListResponse, GetMessageRequest,
    GetMessageResponse, MessageDelivered, RejectMessageRequest, SendMessageRequest, SendMessageResponse,
    SetDeliveryMethodRequest, StatusPrimitive,
};
use imps_proto::elements::Message as MessageElement;
use imps_proto::ssp::{Primitive, UpdatePresenceRequest, UserProfile};
use imps_service::event::Message;
use imps_service::{Error, Session};
use imps_types::element::{Content, DeliveryMethod, DetailedResult, MessageInfo, Recipient, ResultInfo, User};
use imps_types::{Address, Domain, Service as Offered, Status, UserId, Version};

use super::abroad::{Asked, Here};
use super::{Face, is_passing};
use crate::machine::status;
use crate::ssp::Ask;

fn refused(status: Status) -> Response {
    Response::Status(StatusPrimitive::of(status))
}

fn result_of(response: &Response) -> Option<&ResultInfo> {
    match response {
        Response::Status(it) => Some(&it.result),
        Response::SendMessage(it) => Some(&it.result),
        _ => None,
    }
}

fn is_unknown(response: &Response) -> bool {
    result_of(response).is_some_and(|result| result.status == Error::UnknownMessage.status())
}

/// A message that somebody sends on, in his own name.
fn sent_on(request: &ForwardMessageRequest, original: MessageElement) -> SendMessageRequest {
    let MessageElement { info, content } = original;
    let info = MessageInfo {
        message_id: None,
        recipient: request.recipient.clone(),
        sender: request.sender.clone(),
        date_time: None,
        ..info
    };
    SendMessageRequest { delivery_report: false, message: MessageElement { info, content } }
}

/// The answer to who sends something on, by what sending it said.
fn forwarded_as(sent: SendMessageResponse, version: Version) -> Response {
    match sent.message_id {
        Some(message_id) if version == Version::V1_3 && sent.result.status == Status::SUCCESSFUL => {
            ForwardMessageResponse { message_id }.into()
        }
        _ => Response::Status(StatusPrimitive::new(sent.result)),
    }
}

impl Face {
    /// The domain where a request about messages that wait, or how they come, belongs as well; none: it is no such request,
    /// or they are all here.
    pub(super) fn messages_at(&self, request: &Request) -> Option<Domain> {
        let is_it = match request {
            // The messages of a group are where the group is.
            Request::SetDeliveryMethod(it) => it.group_id.is_none(),
            Request::GetMessageList(it) => it.group_id.is_none(),
            Request::GetMessage(_)
            | Request::MessageDelivered(_)
            | Request::RejectMessage(_)
            | Request::ForwardMessage(_) => true,
            _ => false,
        };
        if is_it { self.provider(Offered::Im) } else { None }
    }

    /// Carries out such a request.
    pub(super) async fn carry_messages(
        &self,
        by: Asked<'_>,
        provider: &Domain,
        request: Request,
        here: &dyn Here,
    ) -> Response {
        match request {
            Request::SetDeliveryMethod(it) => self.set_delivery(by, provider, it, here).await,
            Request::GetMessageList(it) => self.list_both(by, provider, it, here).await,
            Request::RejectMessage(it) => self.reject_both(by, provider, it, here).await,
            Request::ForwardMessage(it) => self.forward_from(by, provider, it, here).await,
            request => {
                let response = here.perform(Box::new(request.clone())).await;
                if !is_unknown(&response) {
                    return response;
                }
                match (self.ask_for(by, provider, &request).await, request) {
                    (Response::GetMessage(it), _) => self.fetched(by.session, it),
                    (response, Request::MessageDelivered(it)) => {
                        self.is_gone_if_done(by.session, &response, [&*it.message_id]);
                        response
                    }
                    (response, _) => response,
                }
            }
        }
    }

    /// What is done with these there is done, or was before: nobody is told of them any more.
    fn is_gone_if_done<'a>(&self, session: &Session, response: &Response, ids: impl IntoIterator<Item = &'a str>) {
        if result_of(response).is_some_and(|result| result.status.is_success()) || is_unknown(response) {
            ids.into_iter().for_each(|id| self.services.im().gone_there(&session.user.id, id));
        }
    }

    /// A message as the client can take it: that is for its home to see to (SSP 10).
    fn fetched(&self, session: &Session, it: GetMessageResponse) -> Response {
        let MessageElement { info, content } = it.message;
        match self.services.im().fetched_there(session, info, content.unwrap_or_default()) {
            Ok((info, content)) => {
                GetMessageResponse { message: MessageElement { info, content: Some(content) } }.into()
            }
            Err(error) => refused(error.status()),
        }
    }

    /// The domain hears how messages come to all the user's clients together: for it he is one.
    async fn set_delivery(
        &self,
        by: Asked<'_>,
        provider: &Domain,
        request: SetDeliveryMethodRequest,
        here: &dyn Here,
    ) -> Response {
        let response = here.perform(Box::new(request.clone().into())).await;
        if !result_of(&response).is_some_and(|result| result.status.is_success()) {
            return response;
        }
        let Some((method, length)) = self.services.im().delivery_of(&by.session.user.id) else { return response };
        let said = SetDeliveryMethodRequest {
            delivery_method: Some(method),
            accepted_content_length: Some(length),
            ..request
        };
        let there = self.ask_for(by, provider, &said.into()).await;
        if let Some(result) = result_of(&there).filter(|result| !result.status.is_success()) {
            // It hears so with his profile, too. What it pushes meanwhile waits here, and his client is told of it.
            tracing::info!(%provider, status = result.status.code(), "how messages are delivered is not set there yet");
        }
        response
    }

    async fn list_both(
        &self,
        by: Asked<'_>,
        provider: &Domain,
        request: GetMessageListRequest,
        here: &dyn Here,
    ) -> Response {
        let count = request.message_count;
        let own = match here.perform(Box::new(request.clone().into())).await {
            Response::GetMessageList(own) => own,
            other => return other,
        };
        match self.ask_for(by, provider, &request.into()).await {
            Response::GetMessageList(there) => {
                let at_least = u32::try_from(there.messages.len()).unwrap_or(u32::MAX);
                let others = there.message_total_count.unwrap_or(at_least);
                let message_total_count = own.message_total_count.map(|own| own.saturating_add(others));
                let messages = self.services.im().listed_together(by.session, own.messages, there.messages, count);
                GetMessageListResponse { messages, message_total_count }.into()
            }
            // The list has no place for what is not known; but what is here can be fetched.
            other if own.messages.is_empty() => other,
            _ => own.into(),
        }
    }

    async fn reject_both(
        &self,
        by: Asked<'_>,
        provider: &Domain,
        request: RejectMessageRequest,
        here: &dyn Here,
    ) -> Response {
        let response = here.perform(Box::new(request.clone().into())).await;
        let unknown: Vec<Box<str>> = result_of(&response).map_or_else(Vec::new, |result| {
            let detailed = result.detailed.iter().filter(|one| one.status == Error::UnknownMessage.status());
            detailed.flat_map(|one| one.message_ids.iter().cloned()).collect()
        });
        if unknown.is_empty() {
            return response;
        }
        let is_any_here = request.message_ids.iter().any(|id| !unknown.contains(id));
        let there = self.ask_for(by, provider, &RejectMessageRequest { message_ids: unknown.clone() }.into()).await;
        self.is_gone_if_done(by.session, &there, unknown.iter().map(|id| &**id));
        let Some(result) = result_of(&there).filter(|_| is_any_here) else { return there };
        let detailed = match result.status {
            Status::SUCCESSFUL => Vec::new(),
            _ if !result.detailed.is_empty() => result.detailed.clone(),
            status => vec![DetailedResult { message_ids: unknown, ..DetailedResult::of(status) }],
        };
        Response::Status(StatusPrimitive::new(ResultInfo::partial(true, detailed)))
    }

    /// Who has our users' messages forwards to our users, and to nobody else: others hear our users from us (SSP 13.2).
    async fn forward_from(
        &self,
        by: Asked<'_>,
        provider: &Domain,
        request: ForwardMessageRequest,
        here: &dyn Here,
    ) -> Response {
        match self.services.im().one_that_waits(by.session, &request.message_id).await {
            Ok(message) => return self.forward_one(by, request, &message, here).await,
            Err(Error::UnknownMessage) => {}
            Err(error) => return refused(error.status()),
        }
        if self.are_all_ours(&request.recipient) {
            let message_id = request.message_id.clone();
            let response = self.ask_for(by, provider, &request.into()).await;
            self.is_gone_if_done(by.session, &response, [&*message_id]);
            return response;
        }
        let fetch = GetMessageRequest { message_id: request.message_id.clone() };
        let original = match self.ask_for(by, provider, &fetch.into()).await {
            Response::GetMessage(it) => it.message,
            other => return other,
        };
        let sent = match self.carry_parts(by, sent_on(&request, original).into(), here).await {
            Response::SendMessage(sent) => sent,
            other => return other,
        };
        let delivered = MessageDelivered { message_id: request.message_id.clone() };
        let there = self.ask_for(by, provider, &delivered.into()).await;
        self.is_gone_if_done(by.session, &there, [&*request.message_id]);
        if let Some(status) = result_of(&there).map(|result| result.status).filter(|status| !status.is_success()) {
            tracing::warn!(user = %by.session.user.id, status = status.code(), "what was forwarded waits still");
        }
        forwarded_as(sent, by.version)
    }

    /// What waits here is sent on into groups of other domains, and to whoever is named besides: only here it is known what
    /// that is.
    pub(super) async fn forward_abroad(
        &self,
        by: Asked<'_>,
        request: ForwardMessageRequest,
        here: &dyn Here,
    ) -> Response {
        match self.services.im().one_that_waits(by.session, &request.message_id).await {
            Ok(message) => self.forward_one(by, request, &message, here).await,
            Err(error) => refused(error.status()),
        }
    }

    /// Sends on a message that waits here, each part of it where it belongs.
    async fn forward_one(
        &self,
        by: Asked<'_>,
        request: ForwardMessageRequest,
        message: &Message,
        here: &dyn Here,
    ) -> Response {
        let content = Content { data: message.content.clone(), binary: message.binary };
        let original = MessageElement { info: message.info.clone(), content: Some(content) };
        let sent = match self.carry_parts(by, sent_on(&request, original).into(), here).await {
            Response::SendMessage(sent) => sent,
            other => return other,
        };
        if let Err(error) = self.services.im().forwarded(by.session, message).await {
            tracing::warn!(user = %by.session.user.id, %error, "what was forwarded waits still");
        }
        forwarded_as(sent, by.version)
    }

    fn are_all_ours(&self, recipient: &Recipient) -> bool {
        let is_ours = |user: &User| self.services.router.local_user(&user.user_id).is_ok();
        recipient.groups.is_empty() && recipient.contact_lists.is_empty() && recipient.users.iter().all(is_ours)
    }

    /// The domain that has the messages of our users tells them that one waits there.
    pub(super) fn take_notification(
        &self,
        peer: &Domain,
        users: &[Address],
        sender: &UserId,
        info: &MessageInfo,
    ) -> Primitive {
        if self.provider(Offered::Im).as_ref() != Some(peer) {
            return status(Status::SERVICE_NOT_SUPPORTED, "messages are taken from this domain, not fetched there");
        }
        let (mut detailed, mut any) = (Vec::new(), false);
        for address in users {
            match self.services.router.local_user(address) {
                Ok(user) => {
                    any = true;
                    let recipient = match info.recipient.users.iter().find(|user| user.user_id == *address) {
                        Some(user) => Recipient::user(user.clone()),
                        None => info.recipient.clone(),
                    };
                    // Who is not there hears of it when he comes: then he is told anew of all that waits.
                    self.services.im().told_of_waiting(
                        &user,
                        sender.clone(),
                        MessageInfo { recipient, ..info.clone() },
                    );
                }
                Err(error) => {
                    detailed
                        .push(DetailedResult { user_ids: vec![address.clone()], ..DetailedResult::of(error.status()) });
                }
            }
        }
        Primitive::Status(ResultInfo::partial(any, detailed))
    }

    /// A user for whom we keep something is there: what waits for him goes out, as his clients take it.
    pub(super) async fn welcome(&self, user: &UserId, profile: &UserProfile) -> Result<(), Error> {
        let session = self.services.access().visit(user, self.visit_of(user)).await?;
        if self.services.router.keeps(user.domain(), Offered::Im)
            && let Some(terminals) = &profile.terminals
        {
            let of_clients = terminals.clients.iter().map(|client| {
                let is_told = client.delivery_method.as_deref().is_some_and(|method| method.eq_ignore_ascii_case("N"));
                let method = if is_told { DeliveryMethod::Notify } else { DeliveryMethod::Push };
                (method, client.max_length)
            });
            self.services.im().set_guest_delivery(&session, of_clients).await?;
        }
        self.attach(&session);
        Ok(())
    }

    /// The domain that has a user's presence is told what he publishes by being there (CSP 4.1, SSP 16.2). Whether it is not
    /// to be told again.
    pub(super) async fn tell_presence(&self, peer: &Domain, user: &UserId) -> bool {
        if self.provider(Offered::Presence).as_ref() != Some(peer) {
            return true;
        }
        let list = match self.services.presence().automatic(user).await {
            Ok(Some(list)) => list,
            Ok(None) => return true,
            Err(error) => {
                tracing::warn!(%peer, %user, %error, "what a user publishes by being there is not told yet");
                return false;
            }
        };
        let Some(ssp) = self.ssp() else { return true };
        let said = UpdatePresenceRequest { meta: self.meta_of(user), list };
        match ssp.ask(peer, Ask::of(said)).await {
            Ok(answer) => {
                let refused = answer.outcome().map(|outcome| outcome.status).filter(|status| !status.is_success());
                if let Some(status) = refused {
                    tracing::info!(%peer, %user, status = status.code(), "presence is not taken");
                }
                true
            }
            Err(failure) => failure.taken || !is_passing(failure.status),
        }
    }
}
