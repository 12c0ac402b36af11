//! Service negotiation and client capabilities (CSP 4.7, 4.8, 5, 6).

use imps_types::Version;
use imps_types::element::{Bearer, CapabilityList, ClientType, ContentEncoding, Notification};
use imps_types::service_tree::FunctionSet;

use super::Access;
use crate::error::Error;
use crate::presence::agrees_to_be_asked;
use crate::session::{Negotiated, Session};

/// Transactions in one message that a client may agree to.
const PER_MESSAGE_MAX: u32 = 16;

/// The answer to a service negotiation, as sets of leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceAnswer {
    /// What was asked for and is not available.
    pub unavailable: FunctionSet,
    /// All that the server has.
    pub all: FunctionSet,
}

impl Access<'_> {
    /// Agrees on functions: `wish` holds the leaves that the client asks for; `None` when it names none.
    ///
    /// # Errors
    /// The store's failure; the former agreement holds then.
    pub async fn negotiate_services(
        &self,
        session: &Session,
        wish: Option<FunctionSet>,
    ) -> Result<ServiceAnswer, Error> {
        let off = self.off_for(session);
        let all = FunctionSet::leaves(session.version, true).without(off);
        let unavailable = wish.unwrap_or_default().without(all);
        let was_asked = agrees_to_be_asked(session);
        let before = {
            let mut agreed = session.negotiated();
            let before = (agreed.refused, agreed.requested);
            (agreed.refused, agreed.requested) = (unavailable.with_marks(off), wish);
            before
        };
        if let Err(error) = self.save_session(session).await {
            let mut agreed = session.negotiated();
            (agreed.refused, agreed.requested) = before;
            return Err(error);
        }
        if was_asked != agrees_to_be_asked(session) {
            self.im().look_again(session).await;
        }
        self.im().choose_again(&session.user).await;
        Ok(ServiceAnswer { unavailable, all })
    }

    /// Functions that this session's user does not have: nobody has them, or his profile lacks them.
    pub fn off_for(&self, session: &Session) -> FunctionSet {
        self.config.functions_off.or(session.user.lock().account.refused)
    }

    /// Takes over what the client can do. The answer: in 1.1 the client's list with corrections, later only what the server
    /// decides.
    ///
    /// # Errors
    /// The store's failure; the former agreement holds then.
    pub async fn negotiate_capabilities(
        &self,
        session: &Session,
        list: CapabilityList,
    ) -> Result<CapabilityList, Error> {
        let before = session.negotiated().clone();
        let cir = self.grant_cir(session, &list);
        {
            let mut agreed = session.negotiated();
            agreed.set_capabilities(&list);
            (agreed.cir_methods, agreed.udp_port) = (cir.methods.clone(), cir.udp_port());
        }
        if let Err(error) = self.save_session(session).await {
            let mut agreed = session.negotiated();
            // The functions may have been agreed upon meanwhile.
            *agreed = Negotiated { refused: agreed.refused, requested: agreed.requested, ..before };
            return Err(error);
        }
        self.im().set_handling(session, list.online_handling, list.offline_handling).await?;
        self.im().choose_again(&session.user).await;
        self.im().delivery_changed(session);
        self.presence().client_changed(session, (before.client_type, before.priority));
        self.notify_priority(session, before.priority);
        self.group().auto_join(session).await;
        let mut answer = self.agreed(session.version, list);
        cir.tell(session.version, &mut answer);
        Ok(answer)
    }

    /// The user's other clients hear when this session takes the first place among them (CSP 16, "Session priority").
    fn notify_priority(&self, session: &Session, before: u32) {
        let priority = session.negotiated().priority;
        let others = session.user.sessions().into_iter().filter(|other| other.id != session.id);
        let highest = others.map(|other| other.negotiated().priority).max();
        if highest.is_some_and(|highest| before <= highest && highest < priority) {
            self.notify(&session.user.id, Some(session), Notification::session_priority(priority));
        }
    }

    fn agreed(&self, version: Version, list: CapabilityList) -> CapabilityList {
        // WSP comes as HTTP from a gateway (CSP 15.2).
        let mut bearers: Vec<Bearer> =
            list.bearers.iter().copied().filter(|one| matches!(one, Bearer::Http | Bearer::Wsp)).collect();
        if bearers.is_empty() {
            // Who speaks HTTPS only, and is here, came through something that ends TLS.
            let is_secure = list.bearers.contains(&Bearer::Https);
            bearers.push(if is_secure { Bearer::Https } else { Bearer::Http });
        }
        // The answer may only raise the time between two polls.
        let server_poll_min = list.server_poll_min.map(|asked| asked.max(self.config.server_poll_min));
        // What is agreed of them is filled in by `GrantedCir::tell`.
        let cir_methods = Vec::new();
        match version {
            Version::V1_1 => CapabilityList {
                bearers,
                cir_methods,
                server_poll_min,
                udp_port: None,
                tcp_address: None,
                tcp_port: None,
                ..whole(list)
            },
            Version::V1_2 => CapabilityList { bearers, cir_methods, server_poll_min, ..CapabilityList::default() },
            Version::V1_3 => CapabilityList {
                content_types: list.content_types,
                any_content: list.any_content,
                push_length: list.push_length,
                pull_length: list.pull_length,
                text_content_length: list.text_content_length,
                transfer_encodings: list.transfer_encodings,
                multi_trans: list.multi_trans,
                multi_trans_per_message: list.multi_trans_per_message.map(|asked| asked.clamp(1, PER_MESSAGE_MAX)),
                online_handling: list.online_handling,
                offline_handling: list.offline_handling,
                session_priority: list.session_priority,
                user_session_limit: u32::try_from(self.config.sessions_per_user).ok(),
                bearers,
                cir_methods,
                server_poll_min,
                ..CapabilityList::default()
            },
        }
    }
}

/// The list as 1.1 has it in answers, where nothing may be missing: what the client left out is what holds for it now.
fn whole(list: CapabilityList) -> CapabilityList {
    let holds = Negotiated::default();
    let is_known = |one: &str| ContentEncoding::parse(one).is_some();
    CapabilityList {
        client_type: list.client_type.or(Some(ClientType::Other)),
        initial_delivery_method: list.initial_delivery_method.or(Some(holds.delivery)),
        // One without a name is none that could be agreed upon.
        content_types: list.content_types.into_iter().filter(|one| !one.content_type.trim().is_empty()).collect(),
        content_length: list.content_length.or(Some(holds.push_length)),
        multi_trans: list.multi_trans.or(Some(1)),
        parser_size: list.parser_size.or(Some(holds.parser_size)),
        transfer_encodings: list.transfer_encodings.into_iter().filter(|one| is_known(one.as_ref())).collect(),
        ..list
    }
}
