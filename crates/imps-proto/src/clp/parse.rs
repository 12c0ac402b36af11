//! A line as a request: tag, keyword or shorthand, arguments (CLP 3).

use imps_types::presence::{ATTRIBUTES, AttributeSet};

use super::attributes::attribute_of_word;
use super::commands::{Arg, Command, Need};
use super::target::{GroupName, Target, Who, item};
use super::words::{Rest, Unfinished, Word, unescaped};
use super::{ARGUMENTS_MAX, LINE_MAX, TARGETS_MAX};

/// What INVITE invites to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A group.
    Group(GroupName),
    /// Sharing presence.
    Presence,
}

/// A key, in small letters, and its value.
pub type Pair = (Box<str>, Box<str>);

/// The arguments of a command, each kind in its place. What must be there by the command's row, is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Users, lists, groups, screen names, items.
    pub targets: Vec<Target>,
    /// The word `default` instead of them.
    pub is_default: bool,
    /// A contact list: its name, or none for the default list.
    pub list: Option<Option<Box<str>>>,
    /// A group.
    pub group: Option<GroupName>,
    /// What is invited to.
    pub occasion: Option<Occasion>,
    /// The number of an item.
    pub item: Option<u16>,
    /// Presence attributes.
    pub attributes: Option<AttributeSet>,
    /// Plain words, choices in the spelling of the table.
    pub words: Vec<Box<str>>,
    /// `key=value`.
    pub pairs: Vec<Pair>,
    /// Users to add.
    pub add: Vec<Target>,
    /// Users to take away.
    pub remove: Vec<Target>,
    /// URLs.
    pub urls: Vec<Box<str>>,
    /// The rest of the line.
    pub text: Option<String>,
}

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Nothing: an empty line.
    Nothing,
    /// A command.
    Command(Command, Box<Arguments>),
    /// A text that goes to somebody: a shorthand.
    Text(Target, String),
    /// A text that goes to whom TALK names.
    Talk(String),
}

/// A line that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// What its answer is marked with.
    pub tag: Option<Box<str>>,
    /// What it asks for.
    pub request: Result<Request, ParseError>,
}

/// Why a line cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// It is no command: 400.
    What,
    /// A command is used otherwise: 402.
    Usage(Command),
    /// A shorthand has no text, or its target is none: 402.
    NoText,
    /// The line is too long, or has too many arguments or targets: 402.
    TooLong,
}

impl From<Unfinished> for ParseError {
    fn from(_: Unfinished) -> Self {
        Self::What
    }
}

/// Reads a line. `is_talking`: TALK is on, and what is no command behind a full stop is text. `has_escapes`: `\n` and `\\`
/// in texts mean something.
pub fn parse(line: &str, is_talking: bool, has_escapes: bool) -> Input {
    let mut rest = Rest::new(line);
    let tag = tag(&mut rest);
    let request =
        if line.chars().count() > LINE_MAX { Err(ParseError::TooLong) } else { request(rest, is_talking, has_escapes) };
    Input { tag, request }
}

fn tag(rest: &mut Rest<'_>) -> Option<Box<str>> {
    let digits = rest.peek().strip_prefix('=')?;
    let is_tag = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_tag.then(|| {
        rest.skip();
        format!("={digits}").into()
    })
}

fn text(rest: Rest<'_>, has_escapes: bool) -> String {
    if has_escapes { unescaped(rest.text()) } else { rest.text().to_owned() }
}

fn request(mut rest: Rest<'_>, is_talking: bool, has_escapes: bool) -> Result<Request, ParseError> {
    if rest.is_empty() {
        return Ok(Request::Nothing);
    }
    let first = rest.peek();
    let keyword = match first.strip_prefix('.') {
        Some(keyword) => keyword,
        None if is_talking => return Ok(Request::Talk(text(rest, has_escapes))),
        None => first,
    };
    if let Some(command) = Command::of_word(keyword) {
        rest.skip();
        let arguments = arguments(command, rest, has_escapes)?;
        return Ok(Request::Command(command, Box::new(arguments)));
    }
    let is_shorthand = keyword.starts_with(['@', '/', '~', '#', '+']) || keyword.contains(['@', '/']);
    if !is_shorthand || keyword != first {
        return Err(ParseError::What);
    }
    let mut words = rest.list()?;
    let word = words.pop().filter(|_| words.is_empty());
    let target = word.and_then(|word| Target::parse(&word.text)).ok_or(ParseError::What)?;
    if rest.is_empty() {
        return Err(ParseError::NoText);
    }
    Ok(Request::Text(target, text(rest, has_escapes)))
}

/// One argument was not what the table wants there.
struct Other;

fn arguments(command: Command, mut rest: Rest<'_>, has_escapes: bool) -> Result<Arguments, ParseError> {
    let usage = ParseError::Usage(command);
    let mut arguments = Arguments::default();
    for param in command.row().shape {
        if rest.is_empty() {
            match param.need {
                Need::Must => return Err(usage),
                Need::May => continue,
            }
        }
        let before = rest;
        match argument(param.arg, &mut rest, &mut arguments, has_escapes) {
            Ok(()) => {}
            Err(Fault::Other) if param.need == Need::May => rest = before,
            Err(Fault::Other | Fault::Unfinished) => return Err(usage),
            Err(Fault::TooMany) => return Err(ParseError::TooLong),
        }
    }
    if !rest.is_empty() {
        return Err(usage);
    }
    Ok(arguments)
}

/// What is wrong with an argument.
enum Fault {
    /// It is something else: if it may be left out, it was.
    Other,
    /// A quote is open.
    Unfinished,
    /// There are too many.
    TooMany,
}

impl From<Other> for Fault {
    fn from(_: Other) -> Self {
        Self::Other
    }
}

impl From<Unfinished> for Fault {
    fn from(_: Unfinished) -> Self {
        Self::Unfinished
    }
}

fn argument(arg: Arg, rest: &mut Rest<'_>, into: &mut Arguments, has_escapes: bool) -> Result<(), Fault> {
    match arg {
        Arg::Item => {
            // A number alone may be the whole text of an answer, but a number that stands where one is asked for is one.
            into.item = Some(item(rest.peek()).ok_or(Other)?);
            rest.skip();
        }
        Arg::ItemOrUser => match item(rest.peek()) {
            Some(number) => {
                into.item = Some(number);
                rest.skip();
            }
            None => into.targets = targets(rest, is_user, 1)?,
        },
        Arg::Targets => into.targets = targets(rest, |_| true, TARGETS_MAX)?,
        Arg::Target => into.targets = targets(rest, |_| true, 1)?,
        Arg::Users => into.targets = targets(rest, is_user, TARGETS_MAX)?,
        Arg::User => into.targets = targets(rest, is_user, 1)?,
        Arg::People => into.targets = targets(rest, is_person, TARGETS_MAX)?,
        Arg::Holders if rest.peek().eq_ignore_ascii_case("default") => {
            into.is_default = true;
            rest.skip();
        }
        Arg::Holders => into.targets = targets(rest, is_person, TARGETS_MAX)?,
        Arg::List => match Target::parse(rest.peek()) {
            Some(Target::List(name)) => {
                into.list = Some(name);
                rest.skip();
            }
            _ => return Err(Fault::Other),
        },
        Arg::Group => {
            into.group = Some(GroupName::parse(rest.peek()).ok_or(Other)?);
            rest.skip();
        }
        Arg::Occasion => {
            let is_presence = rest.peek().eq_ignore_ascii_case("presence");
            into.occasion = Some(match GroupName::parse(rest.peek()) {
                _ if is_presence => Occasion::Presence,
                Some(group) => Occasion::Group(group),
                None => return Err(Fault::Other),
            });
            rest.skip();
        }
        Arg::Attributes => into.attributes = Some(attributes(&rest.list()?)?),
        Arg::Word => into.words.push(rest.word()?.ok_or(Other)?.text.into()),
        Arg::Choice(choices) => {
            let word = rest.peek();
            let choice = choices.iter().find(|choice| choice.eq_ignore_ascii_case(word)).ok_or(Other)?;
            into.words.push((*choice).into());
            rest.skip();
        }
        Arg::Pairs => into.pairs = pairs(rest)?,
        Arg::Changes => changes(rest, into)?,
        Arg::Urls => urls(rest, into)?,
        Arg::Name => {
            // In quotes it is one word, without them.
            let whole = *rest;
            let only = whole.is_quoted().then(|| rest.word()).transpose().ok().flatten().flatten();
            into.text = Some(match only.filter(|_| rest.is_empty()) {
                Some(word) => word.text,
                None => text(whole, has_escapes),
            });
            *rest = Rest::new("");
        }
        Arg::Text => {
            into.text = Some(text(*rest, has_escapes));
            *rest = Rest::new("");
        }
    }
    Ok(())
}

fn is_user(target: &Target) -> bool {
    matches!(target, Target::User(_) | Target::Item(_))
}

fn is_person(target: &Target) -> bool {
    matches!(target, Target::User(_) | Target::List(_) | Target::Item(_))
}

fn target(word: Word) -> Option<Target> {
    if word.is_quoted {
        return (!word.text.is_empty()).then(|| Target::User(Who::Nick(word.text.into())));
    }
    Target::parse(&word.text)
}

fn targets(rest: &mut Rest<'_>, fits: fn(&Target) -> bool, most: usize) -> Result<Vec<Target>, Fault> {
    let words = rest.list()?;
    if words.len() > most {
        return Err(if most > 1 { Fault::TooMany } else { Fault::Other });
    }
    let mut targets = Vec::with_capacity(words.len());
    for word in words {
        let target = target(word).filter(fits).ok_or(Other)?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}

fn attributes(words: &[Word]) -> Result<AttributeSet, Fault> {
    let mut set = AttributeSet::EMPTY;
    for word in words {
        if word.text.eq_ignore_ascii_case("all") {
            ATTRIBUTES.iter().for_each(|row| set.insert(row.attribute));
        } else {
            set.insert(attribute_of_word(&word.text).ok_or(Other)?);
        }
    }
    Ok(set)
}

fn pairs(rest: &mut Rest<'_>) -> Result<Vec<Pair>, Fault> {
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        if pairs.len() >= ARGUMENTS_MAX {
            return Err(Fault::TooMany);
        }
        // In quotes or not: `name="Old cars"`.
        let word = rest.pair()?;
        let (key, value) = word.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or(Other)?;
        pairs.push((key.to_ascii_lowercase().into(), value.into()));
    }
    Ok(pairs)
}

fn changes(rest: &mut Rest<'_>, into: &mut Arguments) -> Result<(), Fault> {
    while !rest.is_empty() {
        if into.add.len() + into.remove.len() >= ARGUMENTS_MAX {
            return Err(Fault::TooMany);
        }
        let word = rest.peek();
        let (list, name) = match (word.strip_prefix('+'), word.strip_prefix('-')) {
            (Some(name), _) => (&mut into.add, name),
            (_, Some(name)) => (&mut into.remove, name),
            _ => return Err(Fault::Other),
        };
        list.push(Target::parse(name).filter(is_user).ok_or(Other)?);
        rest.skip();
    }
    Ok(())
}

fn urls(rest: &mut Rest<'_>, into: &mut Arguments) -> Result<(), Fault> {
    while rest.peek().contains("://") {
        if into.urls.len() >= ARGUMENTS_MAX {
            return Err(Fault::TooMany);
        }
        into.urls.push(rest.peek().into());
        rest.skip();
    }
    if into.urls.is_empty() { Err(Fault::Other) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clp::COMMANDS;
    use proptest::prelude::*;

    fn read(line: &str) -> Result<Request, ParseError> {
        parse(line, false, true).request
    }

    fn args(line: &str) -> (Command, Arguments) {
        match read(line) {
            Ok(Request::Command(command, arguments)) => (command, *arguments),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn target(text: &str) -> Target {
        Target::parse(text).unwrap()
    }

    #[test]
    fn tags() {
        assert_eq!(parse("=7 ping", false, true).tag.as_deref(), Some("=7"));
        assert_eq!(parse("=1234 ping", false, true).request, read("ping"));
        assert_eq!(parse("=12345 ping", false, true), Input { tag: None, request: Err(ParseError::What) });
        assert_eq!(parse("=7", false, true), Input { tag: Some("=7".into()), request: Ok(Request::Nothing) });
    }

    #[test]
    fn messages() {
        let (command, arguments) = args("msg bob,ann@a.example,~friends,/cars!Max  hello  there\\nyou ");
        assert_eq!(command, Command::Msg);
        let wanted = ["bob", "ann@a.example", "~friends", "/cars!Max"].map(target);
        assert_eq!(arguments.targets, wanted);
        assert_eq!(arguments.text.as_deref(), Some("hello  there\nyou"));
        assert_eq!(args(r#"t "Bobby",ann hi"#).1.targets.first(), Some(&Target::User(Who::Nick("Bobby".into()))));
        assert_eq!(args("t bob,bob hi").1.targets.len(), 1);
        assert_eq!(read("msg bob"), Err(ParseError::Usage(Command::Msg)));
        assert_eq!(read("msg"), Err(ParseError::Usage(Command::Msg)));
        assert_eq!(read(r#"msg "bob hi"#), Err(ParseError::Usage(Command::Msg)));
        let many = vec!["b"; TARGETS_MAX + 1].join(",");
        assert_eq!(read(&format!("msg {many} hi")), Err(ParseError::TooLong));
    }

    #[test]
    fn shorthands() {
        assert_eq!(read("@bob hello  you"), Ok(Request::Text(target("bob"), "hello  you".into())));
        assert_eq!(read("/cars hi"), Ok(Request::Text(target("/cars"), "hi".into())));
        assert_eq!(read("#12 thanks"), Ok(Request::Text(Target::Item(12), "thanks".into())));
        assert_eq!(read("bob@b.example hi"), Ok(Request::Text(target("bob@b.example"), "hi".into())));
        assert_eq!(read(r#"/cars!"Big M" hi"#), Ok(Request::Text(target("/cars!Big M"), "hi".into())));
        assert_eq!(read("#12"), Err(ParseError::NoText));
        assert_eq!(read("fly"), Err(ParseError::What));
        assert_eq!(read("fly me to the moon"), Err(ParseError::What));
        assert_eq!(read(""), Ok(Request::Nothing));
        assert_eq!(read(" \t "), Ok(Request::Nothing));
    }

    #[test]
    fn talking() {
        let talk = |line| parse(line, true, true).request;
        assert_eq!(talk("in a minute"), Ok(Request::Talk("in a minute".into())));
        assert_eq!(talk("@bob"), Ok(Request::Talk("@bob".into())));
        assert_eq!(talk(".in"), read("in"));
        assert_eq!(talk(".talk"), read("talk"));
        assert_eq!(talk(".fly"), Err(ParseError::What));
        assert_eq!(read(".ping"), read("ping"));
    }

    #[test]
    fn quotes_belong_to_a_text_and_not_to_a_name() {
        let text = |line| args(line).1.text.unwrap_or_default();
        for line in [r#"msg bob "hello""#, r#"say /cars "hello""#, r#"reply 3 "hello""#, r#"on "hello""#] {
            assert_eq!(text(line), r#""hello""#, "{line}");
        }
        assert_eq!(text(r#"msg bob "so" he said"#), r#""so" he said"#);
        assert_eq!(text(r#"msg bob "open"#), r#""open"#);
        assert_eq!(read(r#"@bob "hello""#), Ok(Request::Text(target("bob"), r#""hello""#.into())));
        for line in
            [r#"nl ~a "Old \"B\"""#, r#"namelist ~a "Old \"B\"""#, r#"add bob "Old \"B\"""#, r#"j /cars "Old \"B\"""#]
        {
            assert_eq!(text(line), r#"Old "B""#, "{line}");
        }
        assert_eq!(text("join /cars Big Max"), "Big Max");
    }

    #[test]
    fn arguments_that_may_be_left_out() {
        assert_eq!(args("add bob").1.list, None);
        let (_, arguments) = args(r#"add ~friends bob "Bobby B""#);
        assert_eq!((arguments.list, arguments.text.as_deref()), (Some(Some("friends".into())), Some("Bobby B")));
        assert_eq!(args("reply 12 ok").1.item, Some(12));
        let (_, arguments) = args("reply ok then");
        assert_eq!((arguments.item, arguments.text.as_deref()), (None, Some("ok then")));
        assert_eq!(args("y 17 see you").1.text.as_deref(), Some("see you"));
        assert_eq!(args("accept").1, Arguments::default());
        let mut set = AttributeSet::EMPTY;
        ["mood", "text"].iter().for_each(|word| set.insert(attribute_of_word(word).unwrap()));
        assert_eq!(args("show mood").1.targets, [target("mood")]);
        assert_eq!(args("show ann mood,text").1.attributes, Some(set));
        assert_eq!(read("show ann mood,nothing"), Err(ParseError::Usage(Command::Show)));
        assert!(args("give default all").1.is_default);
        assert_eq!(args("blocks grant on").1.words, ["grant".into(), "on".into()]);
        assert_eq!(args("invite bob,ann /cars come").1.text.as_deref(), Some("come"));
        assert_eq!(args("invite bob presence").1.occasion, Some(Occasion::Presence));
        assert_eq!(args("f first=Ann online=y").1.pairs.len(), 2);
        assert_eq!(args(r#"find group name="Old cars""#).1.pairs, [("name".into(), "Old cars".into())]);
        assert_eq!(args("member /cars +bob -wv:ann").1.remove, [target("ann")]);
        assert_eq!(args("share bob http://x/y http://x/z the photos").1.urls.len(), 2);
        assert_eq!(read("share bob photos"), Err(ParseError::Usage(Command::Share)));
        assert_eq!(read("ping me"), Err(ParseError::Usage(Command::Ping)));
        let many = vec!["a=b"; ARGUMENTS_MAX + 1].join(" ");
        assert_eq!(read(&format!("find {many}")), Err(ParseError::TooLong));
        assert_eq!(read(&"x".repeat(LINE_MAX + 1)), Err(ParseError::TooLong));
    }

    proptest! {
        #[test]
        fn nothing_panics(line in any::<String>(), talking: bool, escapes: bool) {
            let _ = parse(&line, talking, escapes);
        }

        #[test]
        fn commands_with_rubbish(row in 0..COMMANDS.len(), rubbish in "[\"@/~#+=!,.\\\\a-c1-3 é\u{1}-]{0,40}") {
            let row = COMMANDS.get(row).unwrap();
            match parse(&format!("{} {rubbish}", row.keyword), false, true).request {
                Ok(Request::Command(command, arguments)) => {
                    prop_assert_eq!(command, row.command);
                    prop_assert!(arguments.targets.len() <= TARGETS_MAX);
                }
                Err(ParseError::Usage(command)) => prop_assert_eq!(command, row.command),
                other => prop_assert!(other == Err(ParseError::TooLong), "{:?}", other),
            }
        }

        #[test]
        fn a_message_is_read_as_it_was_written(local in "[a-z][a-z0-9.]{0,10}", text in "[!-\\[\\]-~äé]([ -\\[\\]-~äé]{0,60}[!-\\[\\]-~äé])?") {
            let (_, arguments) = args(&format!("msg {local} {text}"));
            prop_assert_eq!(arguments.text.as_deref(), Some(&*text));
            prop_assert_eq!(arguments.targets, vec![target(&local)]);
        }
    }
}
