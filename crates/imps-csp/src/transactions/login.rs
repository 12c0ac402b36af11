//! *Login-Request*: a client opens a session, in one step or two. CSP 4.1.

use imps_proto::csp::{LoginRequest, LoginResponse};
use imps_service::Error;
use imps_service::access::{LoginAttempt, LoginOutcome};
use imps_types::element::ResultInfo;
use imps_types::{Address, Secret, Status, Version};

use super::{Cx, Reply, Transaction};
use crate::answer::result_of;
use crate::language;
use crate::link::ClientLink;

impl Transaction for LoginRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        // Only 1.3 resumes and negotiates here.
        let is_rich = cx.version >= Version::V1_3;
        let client_id = self.client_id.clone().unwrap_or_default();
        let is_named = self.user_id.is_some();
        let language = self.capability_list.as_ref().and_then(|list| list.default_language.clone());
        let spoken = language::of_code(language.as_deref());
        let attempt = LoginAttempt {
            user: self.user_id,
            client: client_id.clone(),
            application: self.application_id,
            password: self.password,
            digest: self.digest_bytes,
            schemas: self.digest_schemas,
            time_to_live: self.time_to_live,
            cookie: self.session_cookie.unwrap_or_default(),
            resume: self.session_id.filter(|_| is_rich),
            version: cx.version,
            responses: self.system_message_responses,
            language,
            msisdn: cx.msisdn.map(Into::into),
            from: cx.peer,
        };
        let answer = |result: ResultInfo| LoginResponse {
            user_id: None,
            client_id: Some(client_id.clone()).filter(|client| cx.version < Version::V1_3 || !client.is_empty()),
            password: None,
            result,
            nonce: None,
            digest_schema: None,
            session_id: None,
            keep_alive_time: None,
            capability_request: None,
            functions: None,
            agreed_capability_list: None,
        };
        let (session, resumed, registered) = match cx.services.access().login(attempt).await {
            Ok(LoginOutcome::Challenge { nonce, schema }) => {
                return Ok(LoginResponse {
                    nonce: Some(nonce),
                    digest_schema: Some(schema),
                    capability_request: Some(false),
                    ..answer(ResultInfo::of(Status::UNAUTHORIZED))
                }
                .into());
            }
            Ok(LoginOutcome::Opened { session, resumed, registered }) => (session, resumed, registered),
            Err(error) => {
                let mut result = result_of(&error);
                language::translate(&mut result, spoken);
                return Ok(answer(result).into());
            }
        };
        if let Some(link) = ClientLink::known(&session).filter(|_| resumed) {
            link.taken_up(&session.id);
        }
        // 1.3 may negotiate in the same breath.
        let mut functions = None;
        let mut agreed_capability_list = None;
        if let Some(wish) = self.functions.filter(|_| is_rich) {
            let agreed = cx.services.access().negotiate_services(&session, Some(wish)).await?;
            functions = Some(agreed.unavailable).filter(|set| !set.is_empty());
        }
        if let Some(list) = self.capability_list.filter(|_| is_rich) {
            let agreed = cx.services.access().negotiate_capabilities(&session, *list).await?;
            agreed_capability_list = Some(Box::new(agreed));
        }
        // Who has not named himself, or is new here, is told who he is.
        let is_told = is_rich && (!is_named || registered.is_some());
        Ok(LoginResponse {
            user_id: is_told.then(|| Address::from(&session.user.id)),
            password: registered.filter(|_| is_rich).map(|made| Secret::new(made.phone_password.into())),
            session_id: Some(session.id.as_str().into()),
            keep_alive_time: Some(session.time_to_live()),
            // A session that goes on has negotiated before.
            capability_request: Some(!resumed && agreed_capability_list.is_none()),
            functions,
            agreed_capability_list,
            ..answer(ResultInfo::of(Status::SUCCESSFUL))
        }
        .into())
    }
}
