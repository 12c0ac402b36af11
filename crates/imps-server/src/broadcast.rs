//! What an operator says to the users, and what they say to it.

use imps_service::Services;
use imps_service::access::{Audience, Broadcast, NewBroadcast, Says, UserAnswer};
use imps_service::language::Texts;
use imps_types::UserId;
use imps_types::element::Verification;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::command::{Failure, Outcome, PAGE, Who, find, moment};

/// A text, and the language that it is in; empty: for everybody else.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Text {
    pub(crate) language: String,
    pub(crate) text: String,
}

impl Text {
    /// `fin=Hei`, or `Hello` for everybody.
    pub(crate) fn parse(given: &str) -> Self {
        let is_code = |code: &str| (2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase());
        match given.split_once('=') {
            Some((language, text)) if is_code(language) => {
                Self { language: language.to_owned(), text: text.to_owned() }
            }
            _ => Self { language: String::new(), text: given.to_owned() },
        }
    }
}

/// What is to be said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Wish {
    pub(crate) texts: Vec<Text>,
    pub(crate) options: Vec<(u32, Text)>,
    pub(crate) requires_response: bool,
    pub(crate) verify_text: Option<String>,
    pub(crate) verify_url: Option<String>,
    pub(crate) verify_key: Option<String>,
    pub(crate) required_option: Option<u32>,
    pub(crate) to: Vec<Who>,
    pub(crate) online: bool,
    /// Seconds.
    pub(crate) valid: u64,
}

/// A broadcast, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BroadcastView {
    pub(crate) message: u32,
    pub(crate) text: String,
    pub(crate) created: String,
    pub(crate) expires: String,
    pub(crate) to_all: bool,
    pub(crate) requires_response: bool,
    pub(crate) options: Vec<OptionView>,
    pub(crate) required_option: Option<u32>,
}

/// Something that can be answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OptionView {
    pub(crate) option: u32,
    pub(crate) text: String,
}

/// What one user said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AnswerView {
    pub(crate) user: String,
    pub(crate) given: String,
    pub(crate) answered: Option<String>,
    pub(crate) option: Option<u32>,
    pub(crate) verified: bool,
}

fn texts(given: &[Text]) -> Texts {
    let mut texts = Texts::default();
    given.iter().for_each(|one| texts.add(&one.language, &one.text));
    texts
}

fn options(given: &[(u32, Text)]) -> Vec<(u32, Texts)> {
    let mut options: Vec<(u32, Texts)> = Vec::new();
    for (id, text) in given {
        match options.iter_mut().find(|(known, _)| known == id) {
            Some((_, texts)) => texts.add(&text.language, &text.text),
            None => {
                let mut texts = Texts::default();
                texts.add(&text.language, &text.text);
                options.push((*id, texts));
            }
        }
    }
    options
}

pub(crate) async fn make(services: &Services, wish: Wish) -> Result<Outcome, Failure> {
    let audience = match (wish.to.as_slice(), wish.online) {
        ([], true) => Audience::Online,
        ([], false) => Audience::Everybody,
        (named, _) => {
            Audience::Users(named.iter().map(|who| find(services, who)).collect::<Result<Vec<_>, Failure>>()?)
        }
    };
    let in_text = wish.verify_text.map(|text| Verification::InText(text.into()));
    let says = Says {
        texts: texts(&wish.texts),
        options: options(&wish.options),
        requires_response: wish.requires_response || wish.required_option.is_some(),
        verification: in_text.or(wish.verify_url.map(|url| Verification::Url(url.into()))),
        verification_key: wish.verify_key.map(Into::into),
        required_option: wish.required_option,
    };
    let new = NewBroadcast { says, audience, valid: Duration::from_secs(wish.valid) };
    let made = services.access().broadcast(new).await?;
    Ok(Outcome::Broadcasts { broadcasts: vec![view(&made)] })
}

pub(crate) fn all(services: &Services) -> Outcome {
    Outcome::Broadcasts { broadcasts: services.access().broadcasts().iter().map(view).collect() }
}

pub(crate) async fn answers(services: &Services, number: u32, after: Option<String>) -> Result<Outcome, Failure> {
    let after = after.as_deref().map(UserId::from_canonical);
    let answers = services.access().broadcast_answers(number, after.as_ref(), PAGE).await.map_err(unknown(number))?;
    let next = answers.last().filter(|_| answers.len() == PAGE).map(|last| last.user.to_string());
    Ok(Outcome::BroadcastAnswers { answers: answers.iter().map(answer_view).collect(), next })
}

pub(crate) async fn end(services: &Services, number: u32, forget: bool) -> Result<Outcome, Failure> {
    services.access().end_broadcast(number, forget).await.map_err(unknown(number))?;
    Ok(all(services))
}

fn unknown(number: u32) -> impl Fn(imps_service::Error) -> Failure {
    move |error| match error {
        imps_service::Error::UnknownSystemMessage => {
            Failure::new(format!("nothing was said under the number {number}"))
                .hint("`hamlet message broadcasts` shows what was said")
        }
        other => other.into(),
    }
}

fn view(one: &Broadcast) -> BroadcastView {
    let option = |(id, texts): &(u32, Texts)| OptionView { option: *id, text: texts.in_language(None).to_owned() };
    BroadcastView {
        message: one.number,
        text: one.says.texts.in_language(None).to_owned(),
        created: moment(one.created),
        expires: moment(one.expires),
        to_all: one.is_for_all,
        requires_response: one.says.requires_response,
        options: one.says.options.iter().map(option).collect(),
        required_option: one.says.required_option,
    }
}

fn answer_view(one: &UserAnswer) -> AnswerView {
    AnswerView {
        user: one.user.to_string(),
        given: moment(one.given),
        answered: one.answer.as_ref().map(|answer| moment(answer.at)),
        option: one.answer.as_ref().and_then(|answer| answer.option),
        verified: one.answer.as_ref().is_some_and(|answer| answer.verified),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_may_name_its_language() {
        for (given, language, text) in
            [("Hello", "", "Hello"), ("fin=Hei", "fin", "Hei"), ("1+1=2", "", "1+1=2"), ("de=a=b", "de", "a=b")]
        {
            assert_eq!(Text::parse(given), Text { language: language.into(), text: text.into() });
        }
    }

    #[test]
    fn texts_of_an_option_are_gathered() {
        let gathered = options(&[(1, Text::parse("Yes")), (2, Text::parse("No")), (1, Text::parse("fin=Kyllä"))]);
        assert_eq!(gathered.len(), 2);
        assert_eq!(gathered[0].1.in_language(Some("fi")), "Kyllä");
    }
}
