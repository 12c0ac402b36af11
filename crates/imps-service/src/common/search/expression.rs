//! AdvancedCriteria, 1.3: how the criteria of a search belong together (CSP 7.1).
//!
//! ```text
//!   any  = all { ( "OR" | "|" ) all }
//!   all  = one { [ "AND" | "&" ] one }
//!   one  = ( "NOT" | "!" ) one | "(" any ")" | PairID
//! ```

/// How deep an expression may be nested.
const DEPTH_MAX: usize = 32;
/// Criteria that an expression may name.
const NAMED_MAX: usize = 64;

/// What must hold of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression<T> {
    /// One criterion.
    One(T),
    /// All of these.
    All(Vec<Expression<T>>),
    /// One of these at least.
    Any(Vec<Expression<T>>),
    /// Not this.
    Not(Box<Expression<T>>),
}

impl<T> Expression<T> {
    /// The same about something else.
    pub(super) fn map<U, E>(self, to: &mut impl FnMut(T) -> Result<U, E>) -> Result<Expression<U>, E> {
        let mut each = |list: Vec<Self>| list.into_iter().map(|one| one.map(to)).collect::<Result<Vec<_>, E>>();
        Ok(match self {
            Self::One(one) => Expression::One(to(one)?),
            Self::All(list) => Expression::All(each(list)?),
            Self::Any(list) => Expression::Any(each(list)?),
            Self::Not(inner) => Expression::Not(Box::new(inner.map(to)?)),
        })
    }

    /// Whether it holds.
    pub(super) fn holds(&self, one: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::One(leaf) => one(leaf),
            Self::All(list) => list.iter().all(|inner| inner.holds(one)),
            Self::Any(list) => list.iter().any(|inner| inner.holds(one)),
            Self::Not(inner) => !inner.holds(one),
        }
    }

    /// Every criterion in it.
    pub(super) fn leaves(&self) -> Vec<&T> {
        match self {
            Self::One(leaf) => vec![leaf],
            Self::All(list) | Self::Any(list) => list.iter().flat_map(Self::leaves).collect(),
            Self::Not(inner) => inner.leaves(),
        }
    }

    /// What must hold in any case: the criteria that stand alone or are joined to the rest by AND.
    pub(super) fn conjuncts(&self) -> Vec<&T> {
        match self {
            Self::One(leaf) => vec![leaf],
            Self::All(list) => list.iter().flat_map(Self::conjuncts).collect(),
            Self::Any(_) | Self::Not(_) => Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Pair(u32),
    And,
    Or,
    Not,
    Open,
    Close,
}

fn words(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let kind = |c: char| (c.is_ascii_digit(), c.is_ascii_alphabetic());
        let length = match kind(first) {
            (false, false) => first.len_utf8() * if rest.starts_with("&&") || rest.starts_with("||") { 2 } else { 1 },
            of_first => rest.find(|c| kind(c) != of_first).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(length);
        words.push(match word {
            "(" => Word::Open,
            ")" => Word::Close,
            "&" | "&&" => Word::And,
            "|" | "||" => Word::Or,
            "!" => Word::Not,
            _ if word.eq_ignore_ascii_case("and") => Word::And,
            _ if word.eq_ignore_ascii_case("or") => Word::Or,
            _ if word.eq_ignore_ascii_case("not") => Word::Not,
            digits => Word::Pair(digits.parse().ok()?),
        });
        rest = after.trim_start();
    }
    Some(words)
}

/// Reads an expression; `None` for what is none.
pub(super) fn parse(text: &str) -> Option<Expression<u32>> {
    let words = words(text)?;
    if words.iter().filter(|word| matches!(word, Word::Pair(_))).count() > NAMED_MAX {
        return None;
    }
    let mut rest = words.as_slice();
    let expression = any(&mut rest, 0)?;
    rest.is_empty().then_some(expression)
}

fn one_of(mut list: Vec<Expression<u32>>, many: fn(Vec<Expression<u32>>) -> Expression<u32>) -> Expression<u32> {
    match list.pop() {
        Some(only) if list.is_empty() => only,
        last => {
            list.extend(last);
            many(list)
        }
    }
}

fn any(rest: &mut &[Word], depth: usize) -> Option<Expression<u32>> {
    let mut list = vec![all(rest, depth)?];
    while let [Word::Or, after @ ..] = *rest {
        *rest = after;
        list.push(all(rest, depth)?);
    }
    Some(one_of(list, Expression::Any))
}

fn all(rest: &mut &[Word], depth: usize) -> Option<Expression<u32>> {
    let mut list = vec![one(rest, depth)?];
    loop {
        match *rest {
            [Word::And, after @ ..] => *rest = after,
            [Word::Pair(_) | Word::Open | Word::Not, ..] => {}
            _ => return Some(one_of(list, Expression::All)),
        }
        list.push(one(rest, depth)?);
    }
}

fn one(rest: &mut &[Word], depth: usize) -> Option<Expression<u32>> {
    if depth > DEPTH_MAX {
        return None;
    }
    let (first, after) = rest.split_first()?;
    *rest = after;
    match first {
        Word::Pair(id) => Some(Expression::One(*id)),
        Word::Not => Some(Expression::Not(Box::new(one(rest, depth + 1)?))),
        Word::Open => {
            let inner = any(rest, depth + 1)?;
            let [Word::Close, after @ ..] = *rest else { return None };
            *rest = after;
            Some(inner)
        }
        Word::And | Word::Or | Word::Close => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Expression::{All, Any, Not, One};
    use super::*;

    #[test]
    fn what_is_read() {
        let check = |text: &str, expected: Option<Expression<u32>>| assert_eq!(parse(text), expected, "{text}");
        check("7", Some(One(7)));
        check("(1 AND 2)", Some(All(vec![One(1), One(2)])));
        check("1 and 2 or 3", Some(Any(vec![All(vec![One(1), One(2)]), One(3)])));
        check("1&(2||3)", Some(All(vec![One(1), Any(vec![One(2), One(3)])])));
        check("1 2 NOT 3", Some(All(vec![One(1), One(2), Not(Box::new(One(3)))])));
        check("!(1|2)", Some(Not(Box::new(Any(vec![One(1), One(2)])))));
        for bad in ["", "()", "1 AND", "OR 2", "(1", "1)", "1 XOR 2", "99999999999", "ä", "1 AND AND 2"] {
            check(bad, None);
        }
        assert_eq!(parse(&"(".repeat(10_000)), None);
        assert_eq!(parse(&"!".repeat(10_000)), None);
        assert_eq!(parse(&"1 ".repeat(65)), None);
    }

    #[test]
    fn what_holds() {
        let holds = |text: &str, true_ones: &[u32]| parse(text).unwrap().holds(&|id| true_ones.contains(id));
        assert!(holds("1 AND NOT 2", &[1]) && !holds("1 AND NOT 2", &[1, 2]));
        assert!(holds("(1 OR 2) AND 3", &[2, 3]) && !holds("(1 OR 2) AND 3", &[3]));
        assert_eq!(parse("1 AND (2 OR 3) AND NOT 4").unwrap().conjuncts(), [&1]);
        assert_eq!(parse("1 AND (2 OR 3) AND NOT 4").unwrap().leaves(), [&1, &2, &3, &4]);
    }
}
