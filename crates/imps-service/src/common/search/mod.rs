//! *Search* and *StopSearch* (CSP 7.1).
//!
//! ```text
//!   criteria ──> Expression ──> scan of the arena, on a thread where it may take its time ──> findings
//!   findings ──> first page, SearchID ──(SearchIndex)──> pages ──> the last one, StopSearch, or ten minutes
//! ```
//!
//! The arena is made of the store when it is first needed: see [`Common::prepare_search`]. Whoever changes what can be
//! found of a user says so ([`Happening::FindableChanged`](crate::happening::Happening)); the next search reads these
//! users again before it looks.

mod arena;
mod expression;
mod groups;
mod open;
mod stale;
#[cfg(test)]
mod tests;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use imps_types::element::{SearchElement, SearchPair, SearchResult};
use imps_types::presence::Attribute;
use imps_types::{Address, SessionId, UserId};
use tokio::sync::Semaphore;

use self::arena::Column;
use self::expression::Expression;
use self::open::{Items, OpenSearches, Page, Room};
use self::stale::Findable;
use self::users::{Hit, NoHits, Scan, UserCriterion};
use super::Common;
use crate::access::is_filler;
use crate::clock::Timestamp;
use crate::config::ServiceConfig;
use crate::error::Error;
use crate::session::Session;
use crate::user::UserState;

/// Criteria of one search.
const CRITERIA_MAX: usize = 64;
/// Bytes of one SearchString.
const STRING_MAX: usize = 255;
/// Bytes of an answer beside its items.
const ENVELOPE: usize = 1024;

/// What a client asks for: a new search, or more of one.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// The criteria of a new search.
    pub pairs: Vec<SearchPair>,
    /// How they belong together, if not by AND.
    pub advanced: Option<Box<str>>,
    /// Items of one answer.
    pub limit: Option<u32>,
    /// The search to go on with.
    pub id: Option<Box<str>>,
    /// From which item on, counted from 1.
    pub index: Option<u32>,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// By what the search goes on; `None`: everything is told.
    pub id: Option<u32>,
    /// How much was found in all.
    pub findings: u32,
    /// The index of the item to ask for next, counted from 1, if there is one.
    pub next: Option<u32>,
    /// The items; `None` when nothing was found.
    pub items: Option<SearchResult>,
}

/// Who can be found, and the searches that are open.
#[derive(Debug)]
pub struct Searches {
    findable: Arc<Findable>,
    open: OpenSearches,
    workers: Semaphore,
}

impl Searches {
    pub(crate) fn new(config: &ServiceConfig) -> Self {
        Self {
            findable: Arc::default(),
            open: OpenSearches::default(),
            workers: Semaphore::new(config.search_workers.max(1)),
        }
    }

    /// What is known of this user is no longer true.
    pub(super) fn is_stale(&self, user: &UserId) {
        self.findable.is_stale(user);
    }

    /// A session has ended, and its searches with it.
    pub(super) fn close_all(&self, session: &SessionId) {
        self.open.close_all(session);
    }

    /// Users that can be found, bytes that it takes to find them, and searches that are open: for the metrics.
    pub fn numbers(&self) -> (usize, usize, usize) {
        let (users, bytes) = self.findable.numbers();
        (users, bytes, self.open.len())
    }
}

/// Criteria as they can be looked for.
enum Wanted {
    Users(Box<Expression<UserCriterion>>),
    Groups(Expression<(SearchElement, Box<str>)>),
}

impl Common<'_> {
    /// Begins a search, or goes on with one.
    ///
    /// # Errors
    /// `BadParameter` without criteria and SearchID, `UnknownSearchElement`, `InvalidSearch`, `UnknownSearch`,
    /// `BadSearchIndex`, `TooBroadSearch`, `TooManyHits`, `SearchTimedOut`, or the store's failure.
    pub async fn search(&self, session: &Session, request: SearchRequest) -> Result<Found, Error> {
        let now = self.clock.now();
        let limit = request.limit.filter(|limit| *limit > 0).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        if let Some(id) = request.id.as_deref().map(str::trim).filter(|id| !id.is_empty()) {
            let room = |begun_with| self.room(session, limit.unwrap_or(begun_with));
            let page = self.searches.open.go_on(&session.user.id, id, request.index, room, now)?;
            return Ok(told(page));
        }
        let wanted = wanted(&request)?;
        self.metrics.searches.up();
        let items = match tokio::time::timeout(self.config.search_time_max, self.find(session, wanted)).await {
            Ok(items) => items?,
            Err(_) => return Err(Error::SearchTimedOut),
        };
        let room = self.room(session, limit.unwrap_or(self.config.search_page));
        let most = self.config.searches_per_session;
        let page = self.searches.open.begin(&session.user.id, session.id, items, room, most, now);
        if session.is_closed() {
            // It ended meanwhile, and so has its search.
            self.searches.open.close_all(&session.id);
        }
        Ok(told(page))
    }

    /// Ends a search.
    ///
    /// # Errors
    /// `UnknownSearch` when there is none with this ID, or not of this user.
    pub fn stop_search(&self, session: &Session, id: &str) -> Result<(), Error> {
        self.searches.open.stop(&session.user.id, id)
    }

    /// Makes ready for the first search: reads who can be found. Else the first search does, and takes as long.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn prepare_search(&self) -> Result<(), Error> {
        self.searches.findable.prepare(self.0).await
    }

    pub(super) async fn sweep_searches(&self) {
        let life = u64::try_from(self.config.search_life.as_millis()).unwrap_or(u64::MAX);
        self.searches.open.expire(Timestamp(self.clock.now().0.saturating_sub(life)));
        if let Err(error) = self.searches.findable.take_over_many(self.0).await {
            tracing::warn!(%error, "changes of what can be searched for are not taken over yet");
        }
        let (users, bytes, open) = self.searches.numbers();
        self.metrics.searchable_users.set(users as u64);
        self.metrics.searchable_bytes.set(bytes as u64);
        self.metrics.searches_open.set(open as u64);
    }

    /// How much one answer may have: as the client wishes, and as its parser takes (CSP 6).
    fn room(&self, session: &Session, items: usize) -> Room {
        let parser = usize::try_from(session.negotiated().parser_size).unwrap_or(usize::MAX);
        let bytes = if parser == 0 { usize::MAX } else { parser.saturating_sub(ENVELOPE) };
        Room { items: items.clamp(1, self.config.search_page_max), bytes }
    }

    async fn find(&self, session: &Session, wanted: Wanted) -> Result<Items, Error> {
        match wanted {
            Wanted::Users(wanted) => {
                let mut ids = self.find_users(session, *wanted).await?;
                ids.sort_unstable();
                Ok(Items::new(true, ids.iter().map(|id| &**id)))
            }
            Wanted::Groups(wanted) => {
                let ids = self.find_groups(session, wanted).await?;
                Ok(Items::new(false, ids.iter().map(|id| &**id)))
            }
        }
    }

    async fn find_users(&self, session: &Session, wanted: Expression<UserCriterion>) -> Result<Vec<Box<str>>, Error> {
        let must_be_online = wanted.conjuncts().iter().any(|one| matches!(one, UserCriterion::Online(true)));
        let says_enough = |one: &&UserCriterion| !one.is_empty() && !matches!(one, UserCriterion::Online(false));
        if !wanted.leaves().iter().any(says_enough) {
            return Err(Error::TooBroadSearch);
        }
        self.searches.findable.take_over(self.0).await?;
        let online = if must_be_online { Some(self.online_users(session).await) } else { None };
        // A store that is closed for good has none to give.
        let _turn = self.searches.workers.acquire().await.map_err(|_| Error::SearchTimedOut)?;
        let most = self.config.search_results_max;
        let stop = StopOnDrop::default();
        let (findable, stopped) = (self.searches.findable.clone(), stop.0.clone());
        let scanned = tokio::task::spawn_blocking(move || {
            let arena = findable.arena();
            let scan = Scan { arena: &arena, wanted: &wanted, most, stop: &stopped };
            match online {
                Some(ids) => scan.these(&ids),
                None => scan.everybody(),
            }
        });
        let hits = match scanned.await {
            Ok(Ok(hits)) => hits,
            Ok(Err(NoHits::TooMany)) => return Err(Error::TooManyHits),
            Ok(Err(NoHits::Stopped)) | Err(_) => return Err(Error::SearchTimedOut),
        };
        let mut found = Vec::with_capacity(hits.len());
        for hit in hits {
            if !hit.depends() || self.fits_online(session, &hit, must_be_online).await? {
                found.push(hit.id);
            }
        }
        Ok(found)
    }

    /// Whether a user fits whose OnlineStatus matters. `is_online`: he was among those just looked up.
    async fn fits_online(&self, session: &Session, hit: &Hit, is_online: bool) -> Result<bool, Error> {
        if is_online {
            return Ok(hit.fits(Some(true)));
        }
        match self.user(&UserId::from_canonical(&hit.id)).await {
            Ok(user) => Ok(hit.fits(self.online_as_seen(session, &user))),
            Err(Error::UnknownUser) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a user is online, if this session's user may know.
    fn online_as_seen(&self, session: &Session, user: &UserState) -> Option<bool> {
        let may_know = self.config.search_online_of_everybody
            || user.id == session.user.id
            || self.presence().may_see(user, &session.user.id, Attribute::OnlineStatus);
        may_know.then(|| user.is_online())
    }

    /// All who are online and let this session's user know.
    async fn online_users(&self, session: &Session) -> Vec<Box<str>> {
        let mut online = Vec::new();
        for shard in 0..self.users.shards() {
            for user in self.users.collect(shard, UserState::is_online) {
                if self.online_as_seen(session, &user) == Some(true) {
                    online.push(user.id.as_str().into());
                }
            }
            // Tens of thousands may be online: the others have their turn in between.
            tokio::task::yield_now().await;
        }
        online
    }
}

/// Stops the scan when the search is given up.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn told(page: Page) -> Found {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let addresses: Vec<Address> = page.items.iter().map(|item| Address::new(item)).collect();
    let items = match (addresses.is_empty(), page.are_users) {
        (true, _) => None,
        (false, true) => Some(SearchResult::Users(addresses)),
        (false, false) => Some(SearchResult::Groups(addresses)),
    };
    let next = page.id.map(|_| number(page.next.saturating_add(1)));
    Found { id: page.id, findings: number(page.findings), next, items }
}

/// A criterion's element; the names of the profile's own properties are taken too.
fn element(name: &str) -> Result<SearchElement, Error> {
    SearchElement::parse(name)
        .or_else(|| match name.trim().get(..3) {
            Some(prefix) if prefix.eq_ignore_ascii_case("PP_") => {
                let property = name.trim().get(3..).unwrap_or_default();
                let property = if property.eq_ignore_ascii_case("INTERESTS") { "INTERESTS_HOBBIES" } else { property };
                SearchElement::parse(&format!("USER_{property}")).filter(|element| is_of_profile(*element))
            }
            _ => None,
        })
        .ok_or_else(|| Error::UnknownSearchElement(name.trim().into()))
}

fn is_of_profile(element: SearchElement) -> bool {
    use SearchElement as E;
    matches!(
        element,
        E::UserCity
            | E::UserCountry
            | E::UserFriendlyName
            | E::UserGender
            | E::UserIntention
            | E::UserInterestsHobbies
            | E::UserMaritalStatus
    )
}

fn is_of_groups(element: SearchElement) -> bool {
    use SearchElement as E;
    matches!(
        element,
        E::GroupId | E::GroupName | E::GroupTopic | E::GroupUserIdJoined | E::GroupUserIdOwner | E::GroupUserIdAutojoin
    )
}

/// Reads the criteria: all about users or all about groups, and joined as the client wishes.
fn wanted(request: &SearchRequest) -> Result<Wanted, Error> {
    if request.pairs.is_empty() {
        return Err(Error::BadParameter("neither criteria nor a SearchID are given"));
    }
    if request.pairs.len() > CRITERIA_MAX {
        return Err(Error::BadParameter("the search has too many criteria"));
    }
    let mut criteria = Vec::with_capacity(request.pairs.len());
    for pair in &request.pairs {
        let string = pair.string.as_deref().ok_or(Error::BadParameter("a criterion has no SearchString"))?.trim();
        if string.len() > STRING_MAX {
            return Err(Error::BadParameter("a SearchString is too long"));
        }
        criteria.push((pair.pair_id, element(&pair.element)?, string));
    }
    let of_groups = criteria.iter().filter(|(_, element, _)| is_of_groups(*element)).count();
    if of_groups != 0 && of_groups != criteria.len() {
        return Err(Error::InvalidSearch("criteria about users and about groups do not go together"));
    }
    let joined = joined(&criteria.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), request.advanced.as_deref())?;
    // Every index is one of a criterion.
    let of = |index: usize| criteria.get(index).ok_or(Error::InvalidSearch("AdvancedCriteria names no criterion"));
    if of_groups > 0 {
        return Ok(Wanted::Groups(
            joined.map(&mut |index| of(index).map(|(_, element, string)| (*element, Box::from(*string))))?,
        ));
    }
    let wanted = joined.map(&mut |index| of(index).and_then(|(_, element, string)| criterion(*element, string)))?;
    Ok(Wanted::Users(Box::new(wanted)))
}

/// How the criteria, by their places, belong together: as AdvancedCriteria says, and those that it does not name by AND.
fn joined(ids: &[Option<u32>], advanced: Option<&str>) -> Result<Expression<usize>, Error> {
    let Some(text) = advanced.filter(|text| !text.trim().is_empty()) else {
        return Ok(Expression::All((0..ids.len()).map(Expression::One).collect()));
    };
    let bad = Error::InvalidSearch("AdvancedCriteria is no expression over the PairIDs");
    let mut named = Vec::new();
    let expression = expression::parse(text).ok_or(bad.clone())?.map(&mut |id| {
        let mut places = ids.iter().enumerate().filter(|(_, one)| **one == Some(id)).map(|(place, _)| place);
        match (places.next(), places.next()) {
            (Some(place), None) => {
                named.push(place);
                Ok(place)
            }
            _ => Err(bad.clone()),
        }
    })?;
    let mut all = vec![expression];
    all.extend((0..ids.len()).filter(|place| !named.contains(place)).map(Expression::One));
    Ok(Expression::All(all))
}

/// How a user is looked for by one element.
fn criterion(element: SearchElement, string: &str) -> Result<UserCriterion, Error> {
    use SearchElement as E;
    let holds = |column| Ok(UserCriterion::holds(column, string));
    let is = |column| Ok(UserCriterion::is(column, string));
    let years = || string.parse().map_err(|_| Error::BadParameter("an age is a number of years"));
    match element {
        E::UserId => holds(Column::Id),
        E::UserFirstName => holds(Column::FirstName),
        E::UserLastName => holds(Column::LastName),
        E::UserEmailAddress => holds(Column::Email),
        E::UserAlias => holds(Column::Alias),
        E::UserMobileNumber => {
            let digits: String = string.chars().filter(|c| !is_filler(*c)).collect();
            Ok(UserCriterion::holds(Column::MobileNumber, &digits))
        }
        E::UserOnlineStatus => match string {
            "T" | "t" => Ok(UserCriterion::Online(true)),
            "F" | "f" => Ok(UserCriterion::Online(false)),
            _ => Err(Error::BadParameter("an online status is T or F")),
        },
        E::UserAgeMin => years().map(UserCriterion::AgeMin),
        E::UserAgeMax => years().map(UserCriterion::AgeMax),
        E::UserCity => holds(Column::City),
        E::UserFriendlyName => holds(Column::FriendlyName),
        E::UserIntention => holds(Column::Intention),
        E::UserInterestsHobbies => holds(Column::Interests),
        E::UserCountry => is(Column::Country),
        E::UserGender => is(Column::Gender),
        E::UserMaritalStatus => is(Column::MaritalStatus),
        E::GroupId | E::GroupName | E::GroupTopic => Err(Error::InvalidSearch("this is no criterion about users")),
        E::GroupUserIdJoined | E::GroupUserIdOwner | E::GroupUserIdAutojoin => {
            Err(Error::InvalidSearch("this is no criterion about users"))
        }
    }
}
