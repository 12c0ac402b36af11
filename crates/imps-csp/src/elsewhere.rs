//! What is served by other domains: requests are taken apart before the services see them (CSP 2, SSP 10), and what the
//! users of other domains ask for is carried out as if they were ours.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use imps_proto::csp::StatusPrimitive;
use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::wire::Form;
use imps_service::{Error, Session};
use imps_types::{Domain, Service, Status, Version};

use crate::Csp;
use crate::transactions::{Cx, Reply, dispatch};

/// Requests that are about something of other domains, or are served by them.
pub trait Elsewhere: Send + Sync {
    /// Whether any part of a request of this session is. Asked of every request: it must cost next to nothing.
    fn concerns(&self, session: &Session, request: &Request) -> bool;

    /// Whether our users have a service: from this domain, or from another one.
    fn has(&self, service: Service) -> bool;

    /// The domain that such a request goes to, the first one if there are several: for the words of a failure.
    fn asked_of(&self, request: &Request) -> Option<Domain>;

    /// Carries it out, with those parts here that belong here. `name`: what tells the request from every other of all
    /// sessions, and is the same when it comes again; none: nothing does.
    fn carry<'a>(
        &'a self,
        session: &'a Arc<Session>,
        version: Version,
        name: Option<u64>,
        request: Box<Request>,
        here: &'a dyn Here,
    ) -> BoxFuture<'a, Response>;
}

/// Carries out requests by the services of this domain.
pub trait Here: Send + Sync {
    /// One request, or a part of one.
    fn perform(&self, request: Box<Request>) -> BoxFuture<'_, Response>;
}

/// The services of this domain, for the parts of one transaction.
pub(crate) struct Parts<'a> {
    pub(crate) csp: &'a Csp,
    pub(crate) cx: &'a Cx<'a>,
}

impl Here for Parts<'_> {
    fn perform(&self, request: Box<Request>) -> BoxFuture<'_, Response> {
        let row = request.row();
        // Two parts of a message are two messages here: what is sent to some is no repeat of what is sent to others.
        let content = self.cx.content ^ recipient_print(&request);
        async move {
            let cx = Cx { content, ..*self.cx };
            response(self.csp.guarded_here(&cx, request, row).await)
        }
        .boxed()
    }
}

/// Whom a message is for, as a number.
fn recipient_print(request: &Request) -> u64 {
    let recipient = match request {
        Request::SendMessage(it) => &it.message.info.recipient,
        Request::ForwardMessage(it) => &it.recipient,
        _ => return 0,
    };
    rustc_hash::FxBuildHasher.hash_one(recipient)
}

/// What is left of a reply where there is no poll.
fn response(reply: Reply) -> Response {
    match reply {
        Reply::Response(response) => response,
        Reply::Poll | Reply::Discovery(_) => Response::Status(StatusPrimitive::of(Status::NOT_IMPLEMENTED)),
    }
}

impl Csp {
    /// Has requests about other domains carried out by this. The first one stays.
    pub fn set_elsewhere(&self, elsewhere: Arc<dyn Elsewhere>) {
        let _ = self.elsewhere.set(elsewhere);
    }

    /// Carries out what a guest asks for, through his domain: `transaction` and `content` tell it from every other.
    pub async fn perform(
        &self,
        session: &Arc<Session>,
        transaction: &str,
        content: u64,
        request: Box<Request>,
    ) -> Response {
        let cx = self.cx_of_no_message(session, transaction, content);
        response(self.carry_out(&cx, Some(request)).await)
    }

    /// What a request is carried out with that came in no message of CSP.
    fn cx_of_no_message<'a>(&'a self, session: &'a Arc<Session>, transaction: &'a str, content: u64) -> Cx<'a> {
        Cx {
            services: &self.services,
            config: &self.config,
            segments: &self.segments,
            session: Some(session),
            version: session.version,
            form: Form::Xml,
            transaction,
            content,
            msisdn: None,
            peer: None,
        }
    }

    /// Whether another domain has a part in a request of this session.
    pub(crate) fn is_elsewhere(&self, session: &Session, request: &Request) -> bool {
        self.elsewhere().is_some_and(|elsewhere| elsewhere.concerns(session, request))
    }

    /// Carries out a request that is from no message of CSP: here, or in the domains that it is about.
    ///
    /// # Errors
    /// What the services of this domain say, where they are asked alone.
    pub(crate) async fn ask(&self, session: &Arc<Session>, request: Request) -> Result<Response, Error> {
        let cx = self.cx_of_no_message(session, "", 0);
        let request = Box::new(request);
        match self.elsewhere().filter(|elsewhere| elsewhere.concerns(session, &request)) {
            Some(elsewhere) => {
                let here = Parts { csp: self, cx: &cx };
                Ok(elsewhere.carry(session, session.version, None, request, &here).await)
            }
            None => dispatch(request, &cx).await.map(response),
        }
    }

    pub(crate) fn elsewhere(&self) -> Option<&dyn Elsewhere> {
        self.elsewhere.get().map(|elsewhere| &**elsewhere)
    }
}
