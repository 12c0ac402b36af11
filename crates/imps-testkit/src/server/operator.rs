//! What an operator types at the program, for the server that runs in this process: the same commands, as far as scenarios
//! use them, with as much of what is printed as they look at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use imps_service::Services;
use imps_service::access::{Audience, NewBroadcast, PersonChange, Says};
use imps_service::language::Texts;
use imps_types::UserId;
use imps_types::element::Verification;
use imps_types::service_tree::FunctionSet;

use super::in_process::text;

/// What was typed, taken apart.
pub(super) struct Typed {
    plain: Vec<String>,
    options: BTreeMap<String, Vec<String>>,
}

/// Options that have no value.
const FLAGS: &[&str] = &["json", "response", "online", "forget"];

impl Typed {
    fn read(words: &[String]) -> Result<Self, String> {
        let mut typed = Self { plain: Vec::new(), options: BTreeMap::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else {
                typed.plain.push(word.clone());
                continue;
            };
            let value = if FLAGS.contains(&name) {
                String::new()
            } else {
                words.next().cloned().ok_or_else(|| format!("--{name} has no value"))?
            };
            typed.options.entry(name.to_owned()).or_default().push(value);
        }
        Ok(typed)
    }

    pub(super) fn first(&self) -> Result<&str, String> {
        self.plain.first().map(String::as_str).ok_or_else(|| "something is missing".to_owned())
    }

    pub(super) fn second(&self) -> Result<&str, String> {
        self.plain.get(1).map(String::as_str).ok_or_else(|| "something is missing".to_owned())
    }

    pub(super) fn all(&self, name: &str) -> &[String] {
        self.options.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str)
    }

    fn has(&self, name: &str) -> bool {
        self.options.contains_key(name)
    }

    fn number(&self, name: &str) -> Result<Option<u32>, String> {
        self.one(name).map(|value| value.parse().map_err(text)).transpose()
    }
}

/// Carries a command out; what would be printed.
pub(super) async fn operate(services: &Arc<Services>, words: &[String]) -> Result<String, String> {
    let (command, rest) = words.split_at(words.len().min(2));
    let typed = Typed::read(rest)?;
    match command.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["group", verb] => super::operator_groups::operate(services, verb, &typed).await,
        ["message", "broadcast"] => broadcast(services, &typed).await,
        ["message", "answers"] => answers(services, &typed).await,
        ["message", "withdraw"] => {
            let number = typed.first()?.parse().map_err(text)?;
            services.access().end_broadcast(number, typed.has("forget")).await.map_err(text)?;
            Ok(String::new())
        }
        ["user", "set"] => {
            let value = |name: &str| typed.one(name).map(str::to_owned);
            let change = PersonChange {
                first_name: value("first-name"),
                last_name: value("last-name"),
                email: value("email"),
                mobile_number: value("mobile"),
                searchable: typed.one("searchable").map(|text| text == "yes"),
            };
            let user = user(services, typed.first()?)?;
            services.access().set_person(&user, &change).await.map(|_| String::new()).map_err(text)
        }
        ["invite", "create"] => {
            let uses = typed.number("uses")?.unwrap_or(1);
            let made = services.access().create_invite_code(uses, Duration::from_secs(3600), "").await;
            made.map(|code| format!("\"code\": \"{}\"", code.code)).map_err(text)
        }
        ["user", "services"] => {
            let refused = FunctionSet::parse(typed.one("without").unwrap_or_default()).map_err(text)?;
            services.access().set_refused(&user(services, typed.first()?)?, refused).await.map_err(text)?;
            Ok(String::new())
        }
        _ => Err(format!("the server in this process has no command `{}`", words.join(" "))),
    }
}

pub(super) fn user(services: &Services, name: &str) -> Result<UserId, String> {
    UserId::parse(name, services.router.home()).map_err(text)
}

async fn broadcast(services: &Arc<Services>, typed: &Typed) -> Result<String, String> {
    let mut texts = Texts::of(typed.first()?);
    for more in typed.all("text") {
        let (language, text) = more.split_once('=').ok_or("--text LANGUAGE=TEXT")?;
        texts.add(language, text);
    }
    let mut options: Vec<(u32, Texts)> = Vec::new();
    for option in typed.all("option") {
        let (head, said) = option.split_once('=').ok_or("--option NUMBER=TEXT")?;
        let (language, number) = head.split_once(':').unwrap_or(("", head));
        let number = number.parse().map_err(text)?;
        match options.iter_mut().find(|(known, _)| *known == number) {
            Some((_, texts)) => texts.add(language, said),
            None => {
                let mut texts = Texts::default();
                texts.add(language, said);
                options.push((number, texts));
            }
        }
    }
    let required_option = typed.number("required")?;
    let in_text = typed.one("verify-text").map(|text| Verification::InText(text.into()));
    let says = Says {
        texts,
        options,
        requires_response: typed.has("response") || required_option.is_some(),
        verification: in_text.or(typed.one("verify-url").map(|url| Verification::Url(url.into()))),
        verification_key: typed.one("verify-key").map(Into::into),
        required_option,
    };
    let named: Vec<UserId> = typed.all("to").iter().map(|name| user(services, name)).collect::<Result<_, _>>()?;
    let audience = match (named.is_empty(), typed.has("online")) {
        (false, _) => Audience::Users(named),
        (true, true) => Audience::Online,
        (true, false) => Audience::Everybody,
    };
    let valid = typed.number("valid")?.unwrap_or(7 * 86_400);
    let new = NewBroadcast { says, audience, valid: Duration::from_secs(valid.into()) };
    let made = services.access().broadcast(new).await.map_err(text)?;
    Ok(made.number.to_string())
}

async fn answers(services: &Arc<Services>, typed: &Typed) -> Result<String, String> {
    let number = typed.first()?.parse().map_err(text)?;
    let answers = services.access().broadcast_answers(number, None, 1000).await.map_err(text)?;
    let line = |one: &imps_service::access::UserAnswer| {
        let option = one.answer.as_ref().and_then(|answer| answer.option);
        format!("{} {}", one.user, option.map_or_else(|| "-".to_owned(), |option| option.to_string()))
    };
    Ok(answers.iter().map(line).collect::<Vec<_>>().join("\n"))
}
