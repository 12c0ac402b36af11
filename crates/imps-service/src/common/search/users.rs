//! Which users fit: criteria over the arena.

use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memmem::Finder;

use super::arena::{Arena, Column, fold};
use super::expression::Expression;

/// Places that one criterion may bring before it is no longer worth to begin with it.
const BEGIN_MAX: usize = 50_000;
/// Users that are looked at between two looks at the time.
const STEP: usize = 4096;

/// A criterion about a user.
#[derive(Clone, Debug)]
pub(super) enum UserCriterion {
    /// A text holds this.
    Holds(Column, Finder<'static>),
    /// A text is this.
    Is(Column, Finder<'static>),
    /// So many years at least.
    AgeMin(u32),
    /// So many years at most.
    AgeMax(u32),
    /// Whether a session is open. Not decided here.
    Online(bool),
}

impl UserCriterion {
    pub(super) fn holds(column: Column, text: &str) -> Self {
        Self::Holds(column, Finder::new(&fold(text)).into_owned())
    }

    pub(super) fn is(column: Column, text: &str) -> Self {
        Self::Is(column, Finder::new(&fold(text)).into_owned())
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Holds(_, needle) | Self::Is(_, needle) => needle.needle().is_empty(),
            Self::AgeMin(_) | Self::AgeMax(_) | Self::Online(_) => false,
        }
    }
}

/// What is known of OnlineStatus of a user, as the searcher may see it: nothing, offline, online.
const ONLINE_CASES: [Option<bool>; 3] = [None, Some(false), Some(true)];

/// A user who fits, in each of the [`ONLINE_CASES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) id: Box<str>,
    fits: [bool; 3],
}

impl Hit {
    /// Whether he fits when this is known of his OnlineStatus.
    pub(super) fn fits(&self, online: Option<bool>) -> bool {
        ONLINE_CASES.iter().zip(self.fits).any(|(case, fits)| *case == online && fits)
    }

    /// Whether it matters what is known of it.
    pub(super) fn depends(&self) -> bool {
        self.fits != [true; 3]
    }
}

/// Why there is no list of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHits {
    /// There would be more than asked for.
    TooMany,
    /// Nobody waits for it any more.
    Stopped,
}

/// A search on its way over an arena.
pub(super) struct Scan<'a> {
    pub(super) arena: &'a Arena,
    pub(super) wanted: &'a Expression<UserCriterion>,
    /// Users that may be found.
    pub(super) most: usize,
    /// Set when nobody waits for it any more.
    pub(super) stop: &'a AtomicBool,
}

impl Scan<'_> {
    /// Everybody who fits.
    pub(super) fn everybody(&self) -> Result<Vec<Hit>, NoHits> {
        match self.candidates(self.wanted)? {
            Some(places) => self.among(places.into_iter()),
            None => self.among((0..self.arena.len()).filter(|place| self.arena.is_alive(*place))),
        }
    }

    /// Who of these fits.
    pub(super) fn these(&self, ids: &[Box<str>]) -> Result<Vec<Hit>, NoHits> {
        self.among(ids.iter().filter_map(|id| self.arena.position(id)))
    }

    fn among(&self, places: impl Iterator<Item = usize>) -> Result<Vec<Hit>, NoHits> {
        let mut hits = Vec::new();
        let online_matters = self.wanted.leaves().iter().any(|one| matches!(one, UserCriterion::Online(_)));
        for (count, place) in places.enumerate() {
            if count % STEP == 0 {
                self.look()?;
            }
            let fits = if online_matters {
                ONLINE_CASES.map(|online| self.wanted.holds(&|one| self.fits(one, place, online)))
            } else {
                [self.wanted.holds(&|one| self.fits(one, place, None)); 3]
            };
            if !fits.contains(&true) {
                continue;
            }
            if hits.len() >= self.most {
                return Err(NoHits::TooMany);
            }
            hits.push(Hit { id: self.arena.id(place).into(), fits });
        }
        Ok(hits)
    }

    fn look(&self) -> Result<(), NoHits> {
        if self.stop.load(Ordering::Relaxed) { Err(NoHits::Stopped) } else { Ok(()) }
    }

    fn fits(&self, criterion: &UserCriterion, place: usize, online: Option<bool>) -> bool {
        match criterion {
            UserCriterion::Holds(column, needle) => needle.find(self.arena.text(place, *column)).is_some(),
            UserCriterion::Is(column, needle) => self.arena.text(place, *column) == needle.needle(),
            UserCriterion::AgeMin(years) => self.age(place).is_some_and(|age| age >= *years),
            UserCriterion::AgeMax(years) => self.age(place).is_some_and(|age| age <= *years),
            UserCriterion::Online(wanted) => online == Some(*wanted),
        }
    }

    fn age(&self, place: usize) -> Option<u32> {
        std::str::from_utf8(self.arena.text(place, Column::Age)).ok()?.parse().ok()
    }

    /// Places among which all are that fit, in order; `None` when everybody must be looked at.
    fn candidates(&self, expression: &Expression<UserCriterion>) -> Result<Option<Vec<usize>>, NoHits> {
        Ok(match expression {
            Expression::One(UserCriterion::Holds(column, needle) | UserCriterion::Is(column, needle)) => {
                self.look()?;
                let (places, is_all) = self.arena.find(*column, needle, BEGIN_MAX);
                is_all.then_some(places)
            }
            Expression::One(_) | Expression::Not(_) => None,
            Expression::All(list) => {
                let mut best: Option<Vec<usize>> = None;
                for inner in list {
                    let Some(places) = self.candidates(inner)? else { continue };
                    if best.as_ref().is_none_or(|best| places.len() < best.len()) {
                        best = Some(places);
                    }
                    if best.as_ref().is_some_and(Vec::is_empty) {
                        break;
                    }
                }
                best
            }
            Expression::Any(list) => {
                let mut union = Vec::new();
                for inner in list {
                    let Some(mut places) = self.candidates(inner)? else { return Ok(None) };
                    union.append(&mut places);
                }
                union.sort_unstable();
                union.dedup();
                Some(union)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::arena::Texts;
    use super::*;

    fn arena() -> Arena {
        let mut arena = Arena::default();
        for (id, first, city, age) in
            [("wv:ann@x", "Ann", "Oulu", "20"), ("wv:hanna@x", "Hanna", "Turku", "30"), ("wv:joe@x", "Joe", "Oulu", "")]
        {
            let mut texts = Texts::default();
            texts.set(Column::Id, id);
            texts.set(Column::FirstName, first);
            texts.set(Column::City, city);
            texts.set(Column::Age, age);
            arena.put(&texts);
        }
        arena
    }

    fn search(wanted: Expression<UserCriterion>, most: usize) -> Result<Vec<Hit>, NoHits> {
        let arena = arena();
        Scan { arena: &arena, wanted: &wanted, most, stop: &AtomicBool::new(false) }.everybody()
    }

    fn names(wanted: Expression<UserCriterion>) -> Vec<String> {
        search(wanted, 10).unwrap().iter().map(|hit| hit.id[3..hit.id.len() - 2].to_owned()).collect()
    }

    fn holds(column: Column, text: &str) -> Expression<UserCriterion> {
        Expression::One(UserCriterion::holds(column, text))
    }

    #[test]
    fn criteria_are_joined() {
        let ann = || holds(Column::FirstName, "ANN");
        let oulu = || holds(Column::City, "oul");
        assert_eq!(names(ann()), ["ann", "hanna"]);
        assert_eq!(names(Expression::All(vec![ann(), oulu()])), ["ann"]);
        assert_eq!(names(Expression::Any(vec![ann(), oulu()])), ["ann", "hanna", "joe"]);
        assert_eq!(names(Expression::All(vec![oulu(), Expression::Not(Box::new(ann()))])), ["joe"]);
        assert_eq!(names(Expression::Not(Box::new(ann()))), ["joe"]);
        assert_eq!(names(Expression::One(UserCriterion::is(Column::City, "OULU"))), ["ann", "joe"]);
        assert_eq!(names(Expression::One(UserCriterion::is(Column::City, "Oul"))), [""; 0]);
        assert_eq!(names(Expression::One(UserCriterion::AgeMin(21))), ["hanna"]);
        assert_eq!(names(Expression::One(UserCriterion::AgeMax(30))), ["ann", "hanna"]);
    }

    #[test]
    fn bounds_are_kept() {
        assert_eq!(search(holds(Column::Id, "wv:"), 2), Err(NoHits::TooMany));
        let arena = arena();
        let wanted = holds(Column::Id, "wv:");
        let scan = Scan { arena: &arena, wanted: &wanted, most: 9, stop: &AtomicBool::new(true) };
        assert_eq!(scan.everybody(), Err(NoHits::Stopped));
    }

    #[test]
    fn what_depends_on_online_status_is_left_open() {
        let online = |wanted| Expression::One(UserCriterion::Online(wanted));
        let hits = search(Expression::All(vec![holds(Column::Id, "ann"), online(true)]), 9).unwrap();
        assert_eq!(hits.len(), 2);
        assert!(hits[0].depends() && hits[0].fits(Some(true)) && !hits[0].fits(Some(false)) && !hits[0].fits(None));
        let hits = search(Expression::Any(vec![holds(Column::Id, "joe"), online(false)]), 9).unwrap();
        assert_eq!(hits.len(), 3);
        assert!(!hits[2].depends() && hits[0].fits(Some(false)) && !hits[0].fits(None));
    }
}
