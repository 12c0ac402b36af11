//! The scenario language: lines to statements. `scenarios/README.md` has the whole grammar.

use std::path::{Path, PathBuf};
use std::time::Duration;

use imps_proto::wire::{Form, PtsCodes};
use imps_types::Version;

use super::verbs::{self, Verb};
use crate::phone::{Channel, Personality};

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it says, without quotation marks.
    pub text: String,
    /// Whether it stood in quotation marks: then it is nothing but text.
    pub is_quoted: bool,
}

/// A story.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The name of its file, without folder and ending.
    pub name: String,
    /// Its file, as error messages name it.
    pub file: String,
    /// What it tells: the first comment.
    pub title: String,
    /// The features of `docs/features.md` that it shows.
    pub shows: Vec<String>,
    /// Where it does not apply.
    pub needs: Vec<Need>,
    /// What happens.
    pub statements: Vec<Statement>,
}

/// A condition for a scenario to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A clock that can be moved.
    Clock,
    /// One of these versions, and why.
    Versions(Vec<Version>, String),
    /// This encoding, and why.
    Forms(Vec<Form>, String),
}

/// A line.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its number, from 1.
    pub line: usize,
    /// As it is written, with the names of a `for` filled in.
    pub source: String,
    /// What it says.
    pub kind: Kind,
}

/// What a line says.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Somebody takes part.
    Phone(PhoneLine),
    /// Somebody does something.
    Does {
        /// Who.
        who: String,
        /// What.
        verb: Verb,
        /// The words after the verb.
        arguments: Vec<Word>,
        /// The outcome.
        expect: Expect,
    },
    /// Somebody must receive a primitive next.
    Gets {
        /// Who.
        who: String,
        /// What.
        primitive: String,
        /// What must be in it.
        fields: Vec<Word>,
    },
    /// Somebody must receive nothing.
    GetsNothing {
        /// Who.
        who: String,
    },
    /// Somebody sends bytes as they are.
    Raw {
        /// Who.
        who: String,
        /// The file.
        file: String,
        /// The Content-Type, if it is not the phone's own.
        label: Option<String>,
        /// The outcome.
        expect: Expect,
    },
    /// Something becomes of the server.
    Server(ServerLine),
    /// The operator types a command.
    Operator(Vec<Word>),
    /// What the operator reads on the last command.
    OperatorReads(Vec<Word>),
    /// Time passes.
    Clock(Duration),
}

/// `phone NAME csp VERSION FORM CHANNEL { option }`
#[derive(Clone, Debug)]
pub struct PhoneLine {
    /// What it is called.
    pub name: String,
    /// The version; none: each in turn.
    pub version: Option<Version>,
    /// The encoding; none: each in turn.
    pub form: Option<Form>,
    /// What it speaks CSP over.
    pub channel: Channel,
    /// The kind of client.
    pub personality: Personality,
    /// Whose it is.
    pub user: String,
    /// The ClientID, if it is not the personality's.
    pub client: Option<String>,
    /// The Content-Type that it uses, if not the right one.
    pub label: Option<String>,
    /// The account password, if there is one.
    pub account: Option<String>,
    /// Whether it acknowledges nothing by itself.
    pub is_silent: bool,
    /// Whether its user has an account.
    pub has_account: bool,
    /// The number that the gateway of its network puts into the header of its requests.
    pub number: Option<String>,
}

/// What becomes of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerLine {
    /// It stops and starts again.
    Restarts,
    /// It is killed and started again.
    IsKilled,
    /// It starts with this setting.
    Set(String, String),
}

/// What a statement expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// What the verb expects by itself: success.
    Default,
    /// These status codes, one for each request.
    Status(Vec<u16>),
    /// No CSP, but this HTTP status.
    Http(u16),
    /// An empty answer.
    Nothing,
    /// Anything but an empty answer.
    Something,
}

/// A mistake in a scenario: file, line, what is wrong.
pub type Mistake = String;

/// Reads the scenarios of a folder, in the order of their names.
///
/// # Errors
/// The first mistake found.
pub fn read_folder(folder: &Path) -> Result<Vec<Scenario>, Mistake> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            parse(&name, &text)
        })
        .collect()
}

/// Reads a scenario.
///
/// # Errors
/// The first mistake found.
pub fn parse(name: &str, text: &str) -> Result<Scenario, Mistake> {
    let file = format!("scenarios/{name}.txt");
    let title = text.lines().next().unwrap_or_default();
    let title = title.strip_prefix('#').map(str::trim).unwrap_or_default().to_owned();
    if title.is_empty() {
        return Err(format!("{file}:1: a scenario begins with a comment that says what it tells"));
    }
    let lines: Vec<Line> = text.lines().enumerate().filter_map(|(index, line)| Line::new(index + 1, line)).collect();
    let shows = text.lines().filter_map(|line| line.trim().strip_prefix("# shows "));
    let shows =
        shows.flat_map(|line| line.split([' ', ','])).filter(|one| !one.is_empty()).map(str::to_owned).collect();
    let mut scenario =
        Scenario { name: name.to_owned(), file, title, shows, needs: Vec::new(), statements: Vec::new() };
    scenario.block(&lines)?;
    Ok(scenario)
}

#[derive(Clone)]
struct Line {
    number: usize,
    indent: usize,
    text: String,
}

impl Line {
    fn new(number: usize, line: &str) -> Option<Self> {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        (!text.is_empty() && !text.starts_with('#')).then(|| Self { number, indent, text: text.to_owned() })
    }
}

impl Scenario {
    fn block(&mut self, lines: &[Line]) -> Result<(), Mistake> {
        let mut rest = lines;
        while let Some((line, after)) = rest.split_first() {
            rest = after;
            let at = |text: String| format!("{}:{}: {text}", self.file, line.number);
            let words = words(&line.text).map_err(at)?;
            if words.first().is_some_and(|word| word.text == "for" && !word.is_quoted) {
                let (name, values) = loop_head(&line.text).map_err(at)?;
                let inside = rest.iter().take_while(|one| one.indent > line.indent).count();
                let (body, after) = rest.split_at(inside);
                rest = after;
                if body.is_empty() {
                    return Err(at("nothing stands in the block of this `for`".to_owned()));
                }
                for value in values {
                    let fill = |one: &Line| Line { text: one.text.replace(&format!("${name}"), &value), ..one.clone() };
                    let filled: Vec<Line> = body.iter().map(fill).collect();
                    self.block(&filled)?;
                }
            } else {
                self.line(line, words)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &Line, words: Vec<Word>) -> Result<(), Mistake> {
        let at = |text: String| format!("{}:{}: {text}", self.file, line.number);
        if words.first().is_some_and(|word| word.text == "needs") {
            let need = need(&words).map_err(at)?;
            self.needs.push(need);
            return Ok(());
        }
        let kind = kind(&words).map_err(at)?;
        self.statements.push(Statement { line: line.number, source: line.text.clone(), kind });
        Ok(())
    }

    /// The phones, in order.
    pub fn phones(&self) -> impl Iterator<Item = &PhoneLine> {
        self.statements.iter().filter_map(|statement| match &statement.kind {
            Kind::Phone(phone) => Some(phone),
            _ => None,
        })
    }

    /// Whether it does something to the server, so that it cannot share it.
    pub fn needs_own_server(&self) -> bool {
        self.statements.iter().any(|statement| matches!(statement.kind, Kind::Server(_) | Kind::Operator(_)))
    }

    /// What it sets before the server starts.
    pub fn settings(&self) -> Vec<(String, String)> {
        let set = |statement: &Statement| match &statement.kind {
            Kind::Server(ServerLine::Set(key, value)) => Some((key.clone(), value.clone())),
            _ => None,
        };
        self.statements.iter().filter_map(set).collect()
    }
}

/// Words, and text in quotation marks. `\"`, `\\` and `\n` are known there. `#` after a blank begins a comment.
fn words(line: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '#' {
            break;
        }
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut text = String::new();
            let mut characters = quoted.char_indices();
            let end = loop {
                match characters.next() {
                    Some((at, '"')) => break at,
                    Some((_, '\\')) => match characters.next() {
                        Some((_, 'n')) => text.push('\n'),
                        Some((_, other)) => text.push(other),
                        None => return Err("the line ends after a backslash".to_owned()),
                    },
                    Some((_, other)) => text.push(other),
                    None => return Err("a quotation mark is not closed".to_owned()),
                }
            };
            words.push(Word { text, is_quoted: true });
            rest = quoted.get(end + 1..).unwrap_or_default();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            words.push(Word { text: word.to_owned(), is_quoted: false });
            rest = after;
        }
        rest = rest.trim_start();
    }
    Ok(words)
}

/// `for NAME in [a, b]:`
fn loop_head(line: &str) -> Result<(String, Vec<String>), String> {
    let wrong = || "a loop is written `for NAME in [one, another]:`".to_owned();
    let rest = line.strip_prefix("for ").ok_or_else(wrong)?;
    let (name, rest) = rest.split_once(" in ").ok_or_else(wrong)?;
    let values = rest.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix("]:")).ok_or_else(wrong)?;
    Ok((name.trim().to_owned(), values.split(',').map(|value| value.trim().to_owned()).collect()))
}

fn need(words: &[Word]) -> Result<Need, String> {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let reason = || words.last().filter(|word| word.is_quoted).map(|word| word.text.clone());
    match texts.as_slice() {
        [_, "clock"] => Ok(Need::Clock),
        [_, "csp", versions @ .., _] => {
            let versions: Option<Vec<Version>> = versions.iter().map(|text| Version::parse(text)).collect();
            let versions = versions.ok_or("`needs csp` is followed by versions and a reason in quotation marks")?;
            Ok(Need::Versions(versions, reason().ok_or("the reason is missing")?))
        }
        [_, "form", forms @ .., _] => {
            let forms: Result<Vec<_>, _> = forms.iter().map(|form| parse_form(form)).collect();
            let forms: Option<Vec<Form>> = forms?.into_iter().collect();
            let forms = forms.ok_or("`needs form` is followed by encodings and a reason in quotation marks")?;
            Ok(Need::Forms(forms, reason().ok_or("the reason is missing")?))
        }
        _ => Err("a scenario may need: clock, csp VERSION.. \"REASON\", form FORM.. \"REASON\"".to_owned()),
    }
}

fn parse_form(text: &str) -> Result<Option<Form>, String> {
    match text {
        "*" => Ok(None),
        "xml" => Ok(Some(Form::Xml)),
        "wbxml" => Ok(Some(Form::Wbxml)),
        "json" => Ok(Some(Form::Json)),
        "pts" => Ok(Some(Form::Pts(PtsCodes::Project))),
        "pts-attested" => Ok(Some(Form::Pts(PtsCodes::Attested))),
        _ => Err(format!("`{text}` is no encoding: xml, wbxml, json, pts, pts-attested or *")),
    }
}

fn kind(words: &[Word]) -> Result<Kind, String> {
    let (words, expect) = split_expectation(words)?;
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    match texts.as_slice() {
        ["phone", ..] => phone(words).map(Kind::Phone),
        ["clock", "+", number, unit] => duration(number, unit).map(Kind::Clock),
        ["operator", "types", ..] => Ok(Kind::Operator(words.get(2..).unwrap_or_default().to_vec())),
        ["operator", "reads", ..] => Ok(Kind::OperatorReads(words.get(2..).unwrap_or_default().to_vec())),
        ["server", "restarts"] => Ok(Kind::Server(ServerLine::Restarts)),
        ["server", "is", "killed"] => Ok(Kind::Server(ServerLine::IsKilled)),
        ["server", "set", key, value] => Ok(Kind::Server(ServerLine::Set((*key).to_owned(), (*value).to_owned()))),
        [who, "gets", "nothing"] => Ok(Kind::GetsNothing { who: (*who).to_owned() }),
        [who, "gets", primitive, ..] => Ok(Kind::Gets {
            who: (*who).to_owned(),
            primitive: (*primitive).to_owned(),
            fields: words.get(3..).unwrap_or_default().to_vec(),
        }),
        [who, "sends", "raw", file, rest @ ..] => Ok(Kind::Raw {
            who: (*who).to_owned(),
            file: (*file).to_owned(),
            label: match rest {
                [] => None,
                ["as", label] => Some((*label).to_owned()),
                _ => return Err("after the file may only stand: as CONTENT-TYPE".to_owned()),
            },
            expect,
        }),
        [who, ..] => {
            let rest = words.get(1..).unwrap_or_default();
            let (verb, length) = verbs::find(rest).ok_or_else(|| {
                format!("`{}` is no verb; README.md lists them", texts.get(1..).unwrap_or_default().join(" "))
            })?;
            let arguments = rest.get(length..).unwrap_or_default().to_vec();
            Ok(Kind::Does { who: (*who).to_owned(), verb, arguments, expect })
        }
        [] => Err("nothing stands before the arrow".to_owned()),
    }
}

fn split_expectation(words: &[Word]) -> Result<(&[Word], Expect), String> {
    let Some(at) = words.iter().position(|word| word.text == "->" && !word.is_quoted) else {
        return Ok((words, Expect::Default));
    };
    let (before, after) = words.split_at(at);
    let texts: Vec<&str> = after.iter().skip(1).map(|word| word.text.as_str()).collect();
    let expect = match texts.as_slice() {
        ["nothing"] => Expect::Nothing,
        ["something"] => Expect::Something,
        ["HTTP", code] => Expect::Http(code.parse().map_err(|_| format!("`{code}` is no HTTP status"))?),
        [] => return Err("nothing stands behind the arrow".to_owned()),
        codes => {
            let codes: Result<Vec<u16>, _> = codes.iter().map(|code| code.parse()).collect();
            Expect::Status(codes.map_err(|_| format!("`{}` are no status codes", texts.join(" ")))?)
        }
    };
    Ok((before, expect))
}

fn duration(number: &str, unit: &str) -> Result<Duration, String> {
    let number: u64 = number.parse().map_err(|_| format!("`{number}` is no number"))?;
    let seconds = match unit {
        "s" | "second" | "seconds" => 1,
        "min" | "minute" | "minutes" => 60,
        "hour" | "hours" => 3600,
        "day" | "days" => 86_400,
        _ => return Err(format!("`{unit}` is no unit of time: seconds, minutes, hours, days")),
    };
    Ok(Duration::from_secs(number * seconds))
}

fn phone(words: &[Word]) -> Result<PhoneLine, String> {
    let wrong = "a phone is written: phone NAME csp VERSION FORM http|https|websocket|wss { option }";
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let ["phone", name, "csp", version, form, channel, options @ ..] = texts.as_slice() else {
        return Err(wrong.to_owned());
    };
    let version = match *version {
        "*" => None,
        text => Some(Version::parse(text).ok_or_else(|| format!("`{text}` is no version: 1.1, 1.2, 1.3 or *"))?),
    };
    let mut line = PhoneLine {
        name: (*name).to_owned(),
        version,
        form: parse_form(form)?,
        channel: match *channel {
            "http" => Channel::Http,
            "https" => Channel::Https,
            "websocket" => Channel::WebSocket,
            "wss" => Channel::SecureWebSocket,
            other => return Err(format!("`{other}` is no channel: http, https, websocket or wss")),
        },
        personality: Personality::Plain,
        user: (*name).to_owned(),
        client: None,
        label: None,
        account: None,
        is_silent: false,
        has_account: true,
        number: None,
    };
    let mut options = options;
    loop {
        options = match options {
            [] => return Ok(line),
            ["silent", rest @ ..] => {
                line.is_silent = true;
                rest
            }
            ["without", "account", rest @ ..] => {
                line.has_account = false;
                rest
            }
            ["number", number, rest @ ..] => {
                line.number = Some((*number).to_owned());
                rest
            }
            ["as", kind, rest @ ..] => {
                line.personality = Personality::parse(kind).ok_or_else(|| format!("`{kind}` is no kind of client"))?;
                rest
            }
            ["user", user, rest @ ..] => {
                line.user = (*user).to_owned();
                rest
            }
            ["client", client, rest @ ..] => {
                line.client = Some((*client).to_owned());
                rest
            }
            ["labelled", label, rest @ ..] => {
                line.label = Some((*label).to_owned());
                rest
            }
            ["account", password, rest @ ..] => {
                line.account = Some((*password).to_owned());
                rest
            }
            [other, ..] => return Err(format!("`{other}` is no option of a phone")),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> String {
        parse("story", &format!("# Title.\n{text}")).expect_err("a mistake")
    }

    #[test]
    fn the_example_of_the_style_guide() {
        let text = "# An instant message waits for a phone that is off.\n\
                    phone alice csp 1.2 wbxml http\n\
                    phone bob   csp 1.1 xml   http\n\
                    alice logs in\n\
                    alice sends bob \"are you there?\"      -> 200\n\
                    bob   logs in   # later\n\
                    bob   gets  NewMessage from alice \"are you there?\"\n";
        let scenario = parse("story", text).expect("a scenario");
        assert_eq!(scenario.title, "An instant message waits for a phone that is off.");
        assert_eq!(scenario.statements.len(), 6);
        let Kind::Does { who, verb, arguments, expect } = &scenario.statements[3].kind else { panic!("a verb") };
        assert_eq!((who.as_str(), *verb, expect), ("alice", Verb::Sends, &Expect::Status(vec![200])));
        assert_eq!(arguments[1], Word { text: "are you there?".to_owned(), is_quoted: true });
    }

    #[test]
    fn loops_fill_their_block() {
        let text = "# Title.\nfor one in [1, 2]:\n  for other in [a, b]:\n    alice sends bob \"$one$other\"\n  bob logs out\n";
        let scenario = parse("story", text).expect("a scenario");
        let sources: Vec<&str> = scenario.statements.iter().map(|statement| statement.source.as_str()).collect();
        let logs_out = "bob logs out";
        assert_eq!(
            sources,
            [
                "alice sends bob \"1a\"",
                "alice sends bob \"1b\"",
                logs_out,
                "alice sends bob \"2a\"",
                "alice sends bob \"2b\"",
                logs_out
            ]
        );
        assert_eq!(scenario.statements[3].line, 4);
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, what) in [
            ("alice dances", ":2: `dances` is no verb"),
            ("\nalice sends bob \"hi", ":3: a quotation mark is not closed"),
            ("phone alice csp 1.4 xml http", ":2: `1.4` is no version"),
            ("phone alice csp 1.2 xml sms", ":2: `sms` is no channel"),
            ("clock + 3 weeks", ":2: `weeks` is no unit"),
            ("alice logs in -> yes", ":2: `yes` are no status codes"),
            ("for x in [1]:\nalice logs in", ":2: nothing stands in the block"),
            ("needs luck", ":2: a scenario may need"),
        ] {
            let mistake = mistake(text);
            assert!(mistake.contains(&format!("scenarios/story.txt{what}")), "{mistake}");
        }
    }
}
