//! Which groups fit: criteria over the groups, which are all in memory. There are far fewer than users.

use std::sync::Arc;

use imps_types::element::SearchElement;
use imps_types::{Address, UserId};
use memchr::memmem;

use super::arena::fold;
use super::expression::Expression;
use super::{Common, Error, Session};
use crate::group::GroupState;

/// A criterion about a group.
enum GroupCriterion {
    Id(String),
    Name(String),
    Topic(String),
    Owner(UserId),
    Joined(UserId),
    AutoJoin(UserId),
}

impl Common<'_> {
    /// Groups that fit, in order: those that are to be found, and those to which the session's user belongs (CSP 7.1).
    pub(super) async fn find_groups(
        &self,
        session: &Session,
        wanted: Expression<(SearchElement, Box<str>)>,
    ) -> Result<Vec<Box<str>>, Error> {
        if wanted.leaves().iter().all(|(_, string)| string.is_empty()) {
            return Err(Error::TooBroadSearch);
        }
        let wanted = wanted.map(&mut |(element, string)| self.group_criterion(element, &string))?;
        let searcher = session.user.id.clone();
        let (groups, most) = (self.group().all(), self.config.search_results_max);
        // A store that is closed for good has none to give.
        let _turn = self.searches.workers.acquire().await.map_err(|_| Error::SearchTimedOut)?;
        let found = tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            for group in groups {
                if fits(&wanted, &group, &searcher) {
                    if found.len() >= most {
                        return Err(Error::TooManyHits);
                    }
                    found.push(Box::from(group.id.as_str()));
                }
            }
            found.sort_unstable();
            Ok(found)
        });
        found.await.unwrap_or(Err(Error::SearchTimedOut))
    }

    fn group_criterion(&self, element: SearchElement, string: &str) -> Result<GroupCriterion, Error> {
        let user = || {
            let address = Address::new(string);
            self.router.user(&address).map_err(|_| Error::BadParameter("this criterion needs the address of a user"))
        };
        match element {
            SearchElement::GroupId => Ok(GroupCriterion::Id(fold(string))),
            SearchElement::GroupName => Ok(GroupCriterion::Name(fold(string))),
            SearchElement::GroupTopic => Ok(GroupCriterion::Topic(fold(string))),
            SearchElement::GroupUserIdOwner => user().map(GroupCriterion::Owner),
            SearchElement::GroupUserIdJoined => user().map(GroupCriterion::Joined),
            SearchElement::GroupUserIdAutojoin => user().map(GroupCriterion::AutoJoin),
            _ => Err(Error::InvalidSearch("this is no criterion about groups")),
        }
    }
}

fn fits(wanted: &Expression<GroupCriterion>, group: &Arc<GroupState>, searcher: &UserId) -> bool {
    let summary = group.summary();
    let holds = |text: &str, part: &str| memmem::find(fold(text).as_bytes(), part.as_bytes()).is_some();
    let fits = |criterion: &GroupCriterion| match criterion {
        GroupCriterion::Id(part) => holds(summary.id.as_str(), part),
        GroupCriterion::Name(part) => holds(&summary.name, part),
        GroupCriterion::Topic(part) => holds(&summary.topic, part),
        GroupCriterion::Owner(user) => summary.owner.as_ref() == Some(user),
        GroupCriterion::Joined(user) => group.is_joined(user),
        GroupCriterion::AutoJoin(user) => group.auto_joins(user),
    };
    wanted.holds(&fits) && (summary.searchable || group.is_familiar_to(searcher))
}
