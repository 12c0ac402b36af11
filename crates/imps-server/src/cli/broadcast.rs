//! `hamlet message broadcast` and what belongs to it.

use clap::Args;

use super::{Common, Done, Format, Refusal, desk, output};
use crate::broadcast::{AnswerView, BroadcastView, Text, Wish};
use crate::command::{Command, Outcome, Who};
use crate::config::{Kind, Value};

const YEAR: u64 = 366 * 86_400;

#[derive(Args, Debug)]
#[command(after_help = "\
Whoever is not there is told at the next login, until it is not valid any more. Phones of CSP 1.3 show system messages, and can answer them; others get a message from the service.

Examples:
  hamlet message broadcast \"We move at noon\" --text fin=\"Muutamme keskipäivällä\" --valid \"12 h\"
  hamlet message broadcast \"May we?\" --option 1=Yes --option fin:1=Kyllä --option 2=No --response
  hamlet message broadcast \"These are our terms: ...\" --option 1=Agreed --required 1 --valid \"365 d\"
  hamlet message broadcast \"Your phone is out of date\" --to alice --to bob")]
pub(super) struct SayIt {
    /// The text, for everybody who reads none of the other languages
    #[arg(value_name = "TEXT")]
    plain: String,
    /// The text in another language: fin=Hei
    #[arg(long = "text", value_name = "LANGUAGE=TEXT")]
    more: Vec<String>,
    /// Something to choose, by its number: 1=Yes, or fin:1=Kyllä in another language
    #[arg(long = "option", value_name = "[LANGUAGE:]NUMBER=TEXT")]
    options: Vec<String>,
    /// It must be answered: it is said again at each login, until it is
    #[arg(long)]
    response: bool,
    /// Whoever has not chosen this is not let in any more (phones of CSP 1.3)
    #[arg(long, value_name = "NUMBER")]
    required: Option<u32>,
    /// A text in which the user finds the key that the answer must have
    #[arg(long, value_name = "TEXT", requires = "verify_key", conflicts_with = "verify_url")]
    verify_text: Option<String>,
    /// An address at which the user finds the key that the answer must have
    #[arg(long, value_name = "URL", requires = "verify_key")]
    verify_url: Option<String>,
    /// The key that the answer must have
    #[arg(long, value_name = "KEY")]
    verify_key: Option<String>,
    /// Only to this user; may be repeated
    #[arg(long, value_name = "NAME")]
    to: Vec<String>,
    /// Only to those who are there now
    #[arg(long, conflicts_with = "to")]
    online: bool,
    /// How long it is said
    #[arg(long, default_value = "7 d", value_name = "TIME")]
    valid: String,
    #[command(flatten)]
    format: Format,
}

impl SayIt {
    pub(super) fn run(self, common: &Common) -> Done {
        let format = self.format;
        let command = Command::Broadcast(self.wish(common)?);
        said(desk::ask(common.load(&[])?, command)?, format)
    }

    fn wish(self, common: &Common) -> Result<Wish, Refusal> {
        let mut texts = vec![Text { language: String::new(), text: self.plain }];
        for given in &self.more {
            let text = Text::parse(given);
            if text.language.is_empty() {
                return Err(Refusal::Usage(format!("--text {given}: write it as LANGUAGE=TEXT, such as fin=Hei")));
            }
            texts.push(text);
        }
        let options = self.options.iter().map(|given| option(given)).collect::<Result<_, _>>()?;
        let valid = match Kind::Seconds(1, 10 * YEAR).parse(&self.valid) {
            Ok(Value::Number(seconds)) => seconds,
            Ok(_) => return Err(Refusal::Usage(format!("--valid {}: write it as 7 d or 12 h", self.valid))),
            Err(why) => return Err(Refusal::Usage(format!("--valid: {why}"))),
        };
        let who = |name: &String| Who { name: name.clone(), domain: common.domain.clone() };
        Ok(Wish {
            texts,
            options,
            requires_response: self.response,
            verify_text: self.verify_text,
            verify_url: self.verify_url,
            verify_key: self.verify_key,
            required_option: self.required,
            to: self.to.iter().map(who).collect(),
            online: self.online,
            valid,
        })
    }
}

/// `1=Yes`, or `fin:1=Kyllä`.
fn option(given: &str) -> Result<(u32, Text), Refusal> {
    let read = || {
        let (head, text) = given.split_once('=')?;
        let (language, number) = head.split_once(':').unwrap_or(("", head));
        Some((number.trim().parse().ok()?, Text { language: language.trim().to_owned(), text: text.to_owned() }))
    };
    read().ok_or_else(|| Refusal::Usage(format!("--option {given}: write it as 1=Yes, or fin:1=Kyllä")))
}

pub(super) fn list(format: Format, common: &Common) -> Done {
    said(desk::ask(common.load(&[])?, Command::Broadcasts)?, format)
}

pub(super) fn end(number: u32, forget: bool, format: Format, common: &Common) -> Done {
    said(desk::ask(common.load(&[])?, Command::BroadcastEnd { number, forget })?, format)
}

fn said(outcome: Outcome, format: Format) -> Done {
    let Outcome::Broadcasts { broadcasts } = outcome else { return Err(desk::unexpected().into()) };
    if format.json {
        output::json(&broadcasts);
        return Ok(());
    }
    let row = |one: BroadcastView| {
        let to = if one.to_all { "everybody" } else { "some" };
        [one.message.to_string(), to.to_owned(), output::yes(one.requires_response), one.expires, one.text]
    };
    let rows: Vec<_> = broadcasts.into_iter().map(row).collect();
    output::table(["NUMBER", "TO", "ANSWER", "SAID UNTIL", "TEXT"], &rows);
    Ok(())
}

pub(super) fn answers(number: u32, format: Format, common: &Common) -> Done {
    let first = Command::BroadcastAnswers { number, after: None };
    let mut all: Vec<AnswerView> = Vec::new();
    desk::Desk::open(common.load(&[])?, &first)?.ask_all(first, |outcome| {
        let Outcome::BroadcastAnswers { answers, next } = outcome else { return None };
        all.extend(answers);
        next.map(|after| Command::BroadcastAnswers { number, after: Some(after) })
    })?;
    if format.json {
        output::json(&all);
        return Ok(());
    }
    let row = |one: AnswerView| {
        let option = one.option.map_or_else(|| "-".to_owned(), |option| option.to_string());
        [one.user, one.given, one.answered.unwrap_or_else(|| "-".to_owned()), option, output::yes(one.verified)]
    };
    let rows: Vec<_> = all.into_iter().map(row).collect();
    output::table(["USER", "GIVEN", "ANSWERED", "CHOSE", "VERIFIED"], &rows);
    Ok(())
}
