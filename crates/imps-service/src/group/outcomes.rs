//! How the users of a request went, collected for the DetailedResult (CSP 3), and who is meant by them.

use std::sync::Arc;

use imps_types::element::{DetailedResult, ResultInfo, ScreenName, UserList};
use imps_types::{Address, Status, UserId};

use super::Groups;
use super::state::GroupState;
use crate::Error;

/// What became of the users so far.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    any: bool,
    detailed: Vec<DetailedResult>,
}

/// A user as he was named.
#[derive(Clone, Debug)]
pub(super) enum Named {
    Address(Address),
    ScreenName(ScreenName),
}

impl Outcomes {
    /// Something went well.
    pub(super) fn good(&mut self) {
        self.any = true;
    }

    fn of(&mut self, status: Status) -> Option<&mut DetailedResult> {
        if !self.detailed.iter().any(|one| one.status == status) {
            self.detailed.push(DetailedResult::of(status));
        }
        self.detailed.iter_mut().find(|one| one.status == status)
    }

    /// A user could not be dealt with. A failure of the store concerns the whole request: it is handed back.
    pub(super) fn bad(&mut self, named: &Named, error: impl Into<Error>) -> Result<(), Error> {
        let error = error.into();
        if let Error::Store(_) = error {
            return Err(error);
        }
        if let Some(one) = self.of(error.status()) {
            match named {
                Named::Address(address) => one.user_ids.push(address.clone()),
                Named::ScreenName(name) => one.screen_names.push(name.clone()),
            }
        }
        Ok(())
    }

    /// Something about the group itself was not done.
    pub(super) fn group(&mut self, group: &GroupState, status: Status) {
        if let Some(one) = self.of(status) {
            one.group_ids.push(Address::from(&group.id));
        }
    }

    /// 200, 201, or why nothing went well.
    pub(super) fn done(mut self) -> ResultInfo {
        self.detailed.sort_by_key(|one| one.status);
        ResultInfo::partial(self.any, self.detailed)
    }
}

impl Groups<'_> {
    /// The users who are named, each once; the others are noted as unknown (531), or of a domain that cannot be reached (516).
    pub(super) async fn named_users(
        &self,
        group: &Arc<GroupState>,
        list: UserList,
        outcomes: &mut Outcomes,
    ) -> Result<Vec<(UserId, Named)>, Error> {
        let mut found: Vec<(UserId, Named)> = Vec::new();
        for user in list.users {
            let named = Named::Address(user.user_id);
            let Named::Address(address) = &named else { continue };
            match self.router.user_or_guest(address, imps_types::Service::Group) {
                Ok(id) if self.user_exists(&id).await? => found.push((id, named)),
                Ok(_) => outcomes.bad(&named, Error::UnknownUser)?,
                // Whom the group knows can be dealt with though his domain is not reached any more.
                Err(error) => match self.router.user(address).ok().filter(|id| group.lock().knows(id)) {
                    Some(id) => found.push((id, named)),
                    None => outcomes.bad(&named, error)?,
                },
            }
        }
        for name in list.screen_names {
            match group.user_of_screen_name(&name.name) {
                Some(id) => found.push((id, Named::ScreenName(name))),
                None => outcomes.bad(&Named::ScreenName(name), Error::UnknownUser)?,
            }
        }
        let mut seen = rustc_hash::FxHashSet::default();
        found.retain(|(user, _)| seen.insert(user.clone()));
        Ok(found)
    }
}
