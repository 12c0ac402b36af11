//! Another domain, for tests: it is asked, and answers as it was told to.

use std::collections::VecDeque;

use futures_util::future::{BoxFuture, ready};
use imps_proto::csp::StatusPrimitive;
use imps_proto::csp::catalogue::{Request, Response};
use imps_types::{Service, Status};

use super::*;
use crate::{Elsewhere, Here};

/// A domain that is asked, and answers as it was told to; else that all is well.
pub(super) struct Other {
    asked: Mutex<Vec<Request>>,
    answers: Mutex<VecDeque<Response>>,
    /// Whether our users' contact lists are there.
    has_lists: bool,
    /// Whether there is such a domain at all; else nobody has any service for our users.
    is_there: bool,
}

impl Default for Other {
    fn default() -> Self {
        Self { asked: Mutex::default(), answers: Mutex::default(), has_lists: false, is_there: true }
    }
}

impl Other {
    /// Our domain has no service at all, and no other one has one for it.
    pub(super) fn nobody() -> Self {
        Self { has_lists: true, is_there: false, ..Self::default() }
    }

    /// Our users' contact lists are there as well.
    pub(super) fn with_lists() -> Self {
        Self { has_lists: true, ..Self::default() }
    }

    pub(super) fn answers(&self, answer: impl Into<Response>) {
        self.answers.lock().push_back(answer.into());
    }

    pub(super) fn refuses(&self, status: Status) {
        self.answers(StatusPrimitive::of(status));
    }

    /// What it was asked since the last time.
    pub(super) fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut *self.asked.lock())
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.asked().iter().map(|request| request.row().map_or("?", |row| row.request.name())).collect()
    }
}

impl Elsewhere for Other {
    fn concerns(&self, _: &Session, request: &Request) -> bool {
        match request {
            Request::GetList(_) | Request::ListManage(_) => self.has_lists,
            // Of groups, those of others.
            Request::GetGroupProps(it) => !it.group_id.as_str().ends_with("@b.example"),
            _ => true,
        }
    }

    fn has(&self, _: Service) -> bool {
        self.is_there
    }

    fn asked_of(&self, _: &Request) -> Option<Domain> {
        Domain::parse("a.example").ok().filter(|_| self.is_there)
    }

    fn carry<'a>(
        &'a self,
        _: &'a Arc<Session>,
        _: Version,
        _: Option<u64>,
        request: Box<Request>,
        _: &'a dyn Here,
    ) -> BoxFuture<'a, Response> {
        self.asked.lock().push(*request);
        let otherwise = if self.is_there { Status::SUCCESSFUL } else { Status::SERVICE_NOT_SUPPORTED };
        let answer = self.answers.lock().pop_front();
        Box::pin(ready(answer.unwrap_or_else(|| StatusPrimitive::of(otherwise).into())))
    }
}
