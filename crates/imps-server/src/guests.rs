//! Between the faces: what guests from other domains ask for is carried out by CSP's, and what our users ask of other
//! domains goes out by SSP's.

use std::sync::{Arc, Weak};

use futures_util::future::{BoxFuture, FutureExt as _};
use imps_csp::{Csp, Elsewhere};
use imps_proto::csp::StatusPrimitive;
use imps_proto::csp::catalogue::{Request, Response};
use imps_service::Session;
use imps_ssp::{Asked, Desk, Face};
use imps_types::{Domain, Service, Status, Version};

/// CSP's face, for guests.
pub(crate) struct GuestDesk(pub(crate) Weak<Csp>);

impl Desk for GuestDesk {
    fn perform<'a>(
        &'a self,
        session: &'a Arc<Session>,
        transaction: &'a str,
        content: u64,
        request: Box<Request>,
    ) -> BoxFuture<'a, Response> {
        async move {
            match self.0.upgrade() {
                Some(csp) => csp.perform(session, transaction, content, request).await,
                None => Response::Status(StatusPrimitive::of(Status::SERVER_UNAVAILABLE)),
            }
        }
        .boxed()
    }
}

/// SSP's face, for our users.
pub(crate) struct OtherDomains {
    pub(crate) face: Arc<Face>,
    /// It is there as long as this.
    pub(crate) _desk: Arc<GuestDesk>,
}

impl Elsewhere for OtherDomains {
    fn concerns(&self, session: &Session, request: &Request) -> bool {
        self.face.concerns(session, request)
    }

    fn has(&self, service: Service) -> bool {
        self.face.has(service)
    }

    fn asked_of(&self, request: &Request) -> Option<Domain> {
        self.face.asked_of(request)
    }

    fn carry<'a>(
        &'a self,
        session: &'a Arc<Session>,
        version: Version,
        name: Option<u64>,
        request: Box<Request>,
        here: &'a dyn imps_csp::Here,
    ) -> BoxFuture<'a, Response> {
        async move {
            let asked = Asked { session, version, name };
            self.face.carry_request(asked, *request, &AtHome(here)).await
        }
        .boxed()
    }
}

/// The services, as SSP's face asks them.
struct AtHome<'a>(&'a dyn imps_csp::Here);

impl imps_ssp::Here for AtHome<'_> {
    fn perform(&self, request: Box<Request>) -> BoxFuture<'_, Response> {
        self.0.perform(request)
    }
}
