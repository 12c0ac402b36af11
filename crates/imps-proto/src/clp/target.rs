//! Whom or what a command is about (CLP 3).

use std::fmt;

use super::ITEM_MAX;

/// A user as he was named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// By his address, the domain perhaps left out.
    Address {
        /// What stands before the domain.
        local: Box<str>,
        /// The domain.
        domain: Option<Box<str>>,
    },
    /// By his mobile number: digits.
    Number(Box<str>),
    /// By the name that a contact list has for him: in quotes.
    Nick(Box<str>),
}

/// A group as it was named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupName {
    /// Under whose address it lies.
    pub owner: Option<Box<str>>,
    /// Its name.
    pub name: Box<str>,
    /// The domain.
    pub domain: Option<Box<str>>,
}

/// Whom or what a command is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A user.
    User(Who),
    /// A contact list of one's own; none: the default list.
    List(Option<Box<str>>),
    /// A group.
    Group(GroupName),
    /// Somebody in a group, by his screen name.
    ScreenName(GroupName, Box<str>),
    /// A numbered item: who sent it.
    Item(u16),
}

/// The scheme of addresses, which may be left out.
const SCHEME: &str = "wv:";

fn without_scheme(text: &str) -> &str {
    match text.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => text.get(SCHEME.len()..).unwrap_or_default(),
        _ => text,
    }
}

fn is_name(text: &str) -> bool {
    let is_bad =
        |character: char| character.is_whitespace() || character.is_control() || matches!(character, '"' | ',');
    !text.is_empty() && text.len() <= 300 && !text.contains(is_bad)
}

fn domain_of(text: &str) -> Option<(&str, Option<&str>)> {
    match text.rsplit_once('@') {
        None => Some((text, None)),
        Some((before, domain)) => (is_name(domain) && !domain.contains('/')).then_some((before, Some(domain))),
    }
}

impl Who {
    /// Reads a user who is not named in quotes.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(digits) = text.strip_prefix('+') {
            let is_number = (5..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            return is_number.then(|| Self::Number(digits.into()));
        }
        let text = without_scheme(text);
        let text = text.strip_prefix('@').unwrap_or(text);
        let (local, domain) = domain_of(text)?;
        let is_local = is_name(local) && !local.contains(['@', '/', '~', '#', '!']);
        is_local.then(|| Self::Address { local: local.into(), domain: domain.map(Into::into) })
    }
}

impl GroupName {
    /// Reads a group.
    pub fn parse(text: &str) -> Option<Self> {
        let (path, domain) = domain_of(without_scheme(text))?;
        let (owner, name) = path.split_once('/')?;
        let owner = owner.strip_prefix('@').unwrap_or(owner);
        let is_owner = owner.is_empty() || (is_name(owner) && !owner.contains(['@', '~', '#', '!']));
        let is_group = is_owner && is_name(name) && !name.contains(['/', '@']);
        is_group.then(|| Self {
            owner: (!owner.is_empty()).then(|| owner.into()),
            name: name.into(),
            domain: domain.map(Into::into),
        })
    }
}

/// Reads the number of an item, with or without its sign.
pub(super) fn item(text: &str) -> Option<u16> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let is_number = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u16 = digits.parse().ok().filter(|_| is_number)?;
    // There is none beyond, but that is another mistake than not having named one.
    Some(number.min(ITEM_MAX + 1))
}

impl Target {
    /// Reads a target that is not in quotes.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix('~') {
            let is_list = name.is_empty() || (is_name(name) && !name.contains(['/', '@', '~', '!']));
            return is_list.then(|| Self::List((!name.is_empty()).then(|| name.into())));
        }
        if text.starts_with('#') {
            return item(text).map(Self::Item);
        }
        if !text.contains('/') {
            return Who::parse(text).map(Self::User);
        }
        match text.split_once('!') {
            Some((group, name)) => {
                let is_screen_name = !name.is_empty() && name.len() <= 300 && !name.contains(char::is_control);
                let group = GroupName::parse(group).filter(|_| is_screen_name)?;
                Some(Self::ScreenName(group, name.into()))
            }
            None => GroupName::parse(text).map(Self::Group),
        }
    }
}

/// A text in quotes, as the grammar reads it.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '\n' => quoted.push(' '),
            '"' | '\\' => quoted.extend(['\\', character]),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { local, domain: None } => f.write_str(local),
            Self::Address { local, domain: Some(domain) } => write!(f, "{local}@{domain}"),
            Self::Number(digits) => write!(f, "+{digits}"),
            Self::Nick(name) => f.write_str(&quoted(name)),
        }
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner.as_deref().unwrap_or_default(), self.name)?;
        self.domain.as_ref().map_or(Ok(()), |domain| write!(f, "@{domain}"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(who) => who.fmt(f),
            Self::List(name) => write!(f, "~{}", name.as_deref().unwrap_or_default()),
            Self::Group(group) => group.fmt(f),
            Self::ScreenName(group, name) if name.contains([' ', '"', ',', '\\', '\t']) => {
                write!(f, "{group}!{}", quoted(name))
            }
            Self::ScreenName(group, name) => write!(f, "{group}!{name}"),
            Self::Item(number) => write!(f, "#{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(local: &str, domain: Option<&str>) -> Option<Target> {
        Some(Target::User(Who::Address { local: local.into(), domain: domain.map(Into::into) }))
    }

    fn group(owner: Option<&str>, name: &str, domain: Option<&str>) -> GroupName {
        GroupName { owner: owner.map(Into::into), name: name.into(), domain: domain.map(Into::into) }
    }

    #[test]
    fn users_in_all_their_ways() {
        for text in ["bob", "@bob", "wv:bob", "WV:bob", "wv:@bob"] {
            assert_eq!(Target::parse(text), user("bob", None), "{text}");
        }
        assert_eq!(Target::parse("bob@b.example"), user("bob", Some("b.example")));
        assert_eq!(Target::parse("@bob@b.example"), user("bob", Some("b.example")));
        assert_eq!(Target::parse("+358401234"), Some(Target::User(Who::Number("358401234".into()))));
        for bad in
            ["", "@", "wv:", "bob@", "+12", "+12345678901234567", "a@b@c", "b\u{7}b", "a\"b", "#", "#12345", "#1a"]
        {
            assert_eq!(Target::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn groups_lists_items() {
        assert_eq!(Target::parse("/cars"), Some(Target::Group(group(None, "cars", None))));
        assert_eq!(
            Target::parse("bob/cars@b.example"),
            Some(Target::Group(group(Some("bob"), "cars", Some("b.example"))))
        );
        assert_eq!(Target::parse("wv:bob/cars"), Some(Target::Group(group(Some("bob"), "cars", None))));
        assert_eq!(
            Target::parse("/cars@x!Speedy"),
            Some(Target::ScreenName(group(None, "cars", Some("x")), "Speedy".into()))
        );
        assert_eq!(Target::parse("~"), Some(Target::List(None)));
        assert_eq!(Target::parse("~friends"), Some(Target::List(Some("friends".into()))));
        assert_eq!(Target::parse("#12"), Some(Target::Item(12)));
        assert_eq!(Target::parse("#9999"), Some(Target::Item(1000)));
        for bad in ["/", "a/b/c", "/cars!", "~a/b", "~a@b", "/cars@"] {
            assert_eq!(Target::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for text in ["bob", "bob@b.example", "+358401234", "~", "~x", "/cars", "bob/cars@b", "/cars!Speedy", "#7"] {
            assert_eq!(Target::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Target::ScreenName(group(None, "c", None), "Big \"M\"".into()).to_string(), r#"/c!"Big \"M\"""#);
    }
}
