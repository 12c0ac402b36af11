//! Presence (CLP 6.2).

use imps_proto::clp::{Arguments, Command, Reply};
use imps_service::presence::{AttributeListTargets, NotifyFlags, WatchTargets};
use imps_service::terminal::ItemKind;
use imps_types::Address;
use imps_types::element::WatcherStatus;
use imps_types::presence::{Attribute, AttributeSet, Field, FieldValue, PresenceAttribute, PresenceSubList};

use super::dialogue::{Dialogue, Failure, Outcome};
use super::shown;
use super::texts::Say;

impl Dialogue {
    pub(super) async fn presence(&mut self, command: Command, arguments: Arguments) -> Outcome {
        match command {
            Command::On | Command::Away | Command::Hide => {
                let how = match command {
                    Command::On => "AVAILABLE",
                    Command::Away => "DISCREET",
                    _ => "NOT_AVAILABLE",
                };
                let mut list = vec![PresenceAttribute::with_value(Attribute::UserAvailability, how)];
                list.extend(arguments.text.map(|text| PresenceAttribute::with_value(Attribute::StatusText, &text)));
                self.publish(list).await
            }
            Command::Text => self.publish_text(Attribute::StatusText, arguments.text).await,
            Command::At => self.publish_text(Attribute::FreeTextLocation, arguments.text).await,
            Command::Alias => self.publish_text(Attribute::Alias, arguments.text).await,
            Command::Mood => {
                let mood = arguments.words.first().map(|word| word.to_string());
                self.publish_text(Attribute::StatusMood, mood).await
            }
            Command::Prefer => {
                let how = arguments.words.first().cloned().unwrap_or_default();
                let contact = self.contact(&how)?;
                self.publish(vec![preferred(&how, &contact)]).await
            }
            Command::Show => self.show(&arguments).await,
            Command::Sub | Command::Unsub => self.watch_people(command, &arguments).await,
            Command::Watchers => self.watchers().await,
            Command::Allow | Command::Deny => self.decide(command == Command::Allow, &arguments).await,
            Command::Unallow => {
                let user = self.one_user(arguments.targets.first()).await?;
                self.services().presence().cancel_authorisation(&self.person()?.session, &user).await?;
                self.ok(Say::Ok, &[])
            }
            Command::Give | Command::Take | Command::Given => self.attribute_lists(command, &arguments).await,
            _ => Err(Failure::Usage),
        }
    }

    async fn publish(&self, attributes: Vec<PresenceAttribute>) -> Outcome {
        let list = PresenceSubList { attributes, extensions: Vec::new() };
        let result = self.services().presence().update(&self.person()?.session, list).await?;
        self.result(result, Say::Ok, &[])
    }

    /// Publishes a text, or takes it back.
    async fn publish_text(&self, attribute: Attribute, text: Option<String>) -> Outcome {
        let value = match text.filter(|text| !text.is_empty()) {
            Some(text) => PresenceAttribute::with_value(attribute, &text),
            None => PresenceAttribute::unknown(attribute),
        };
        self.publish(vec![value]).await
    }

    /// Where the person is reached in this way: what the account says, else the address.
    fn contact(&self, how: &str) -> Result<String, Failure> {
        let user = &self.person()?.session.user;
        let person = user.lock().account.person.clone();
        let known = match how {
            "SMS" | "CALL" | "MMS" => person.mobile_number,
            "EMAIL" => person.email,
            _ => None,
        };
        Ok(known.map_or_else(|| user.id.as_str().to_owned(), String::from))
    }

    async fn show(&self, arguments: &Arguments) -> Outcome {
        let session = &self.person()?.session;
        let mut people = self.people(&arguments.targets).await?;
        if arguments.targets.is_empty() {
            people.lists.push(self.list(None)?);
        }
        let targets = WatchTargets { users: people.users, contact_lists: people.lists };
        let wanted = arguments.attributes.unwrap_or(AttributeSet::ALL);
        let (result, found) = match self.presence_elsewhere(&targets, wanted).await? {
            Some(told) => told,
            None => {
                let (result, found) = self.services().presence().get(session, &targets, wanted).await?;
                (result, found.into_iter().map(|(user, list)| (Address::from(&user), list)).collect())
            }
        };
        let line = |(user, list): &(Address, PresenceSubList)| {
            format!("{} {}", shown::address(user.as_str(), self.home()), shown::presence(list))
        };
        Ok(self.result(result, Say::Ok, &[])?.with(found.iter().map(line).collect()))
    }

    async fn watch_people(&self, command: Command, arguments: &Arguments) -> Outcome {
        let session = &self.person()?.session;
        let people = self.people(&arguments.targets).await?;
        let targets = WatchTargets { users: people.users, contact_lists: people.lists };
        let presence = self.services().presence();
        let wanted = arguments.attributes.unwrap_or(AttributeSet::ALL);
        let result = match command {
            Command::Sub => match self.subscribe_elsewhere(&targets, wanted).await? {
                Some(result) => result,
                None => presence.subscribe(session, &targets, wanted, false).await?,
            },
            _ => presence.unsubscribe(session, &targets).await?,
        };
        self.result(result, Say::Ok, &[])
    }

    async fn watchers(&self) -> Outcome {
        let list = self.services().presence().watcher_list(&self.person()?.session, None, None).await?;
        let line = |(user, status): &(imps_types::UserId, WatcherStatus)| {
            format!("{} {}", shown::address(user.as_str(), self.home()), status.as_str().to_lowercase())
        };
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(list.watchers.iter().map(line).collect()))
    }

    /// Lets somebody see presence, or not: who asked under this number, or who is named.
    async fn decide(&self, accept: bool, arguments: &Arguments) -> Outcome {
        if let Some(number) = arguments.item {
            let (_, item) = self.item_or_newest(Some(number), |item| item.kind == ItemKind::Asked)?;
            return self.answer_question(number, &item, accept, arguments.attributes).await;
        }
        let user = self.one_user(arguments.targets.first()).await?;
        let set = arguments.attributes.filter(|set| !set.is_empty());
        self.services().presence().authorise(&self.person()?.session, &user, accept, set).await?;
        self.close_questions_of(&user)?;
        self.ok(Say::Ok, &[])
    }

    /// Answers a question about presence: all that was asked, unless attributes are named.
    pub(super) async fn answer_question(
        &self,
        number: u16,
        item: &imps_service::terminal::Item,
        accept: bool,
        attributes: Option<AttributeSet>,
    ) -> Outcome {
        let asked = item.detail.parse().ok().map(AttributeSet::from_bits);
        let watcher = Address::new(&item.who);
        let set = attributes.or(asked);
        self.services().presence().authorise(&self.person()?.session, &watcher, accept, set).await?;
        self.services().terminals().close(&self.person()?.terminal, number);
        self.close_questions_of(&watcher)?;
        self.ok(Say::Ok, &[])
    }

    fn close_questions_of(&self, user: &Address) -> Result<(), Failure> {
        let terminal = &self.person()?.terminal;
        let Ok(user) = self.services().router.user(user) else { return Ok(()) };
        let terminals = self.services().terminals();
        let is_his = |item: &imps_service::terminal::Item| {
            item.kind == ItemKind::Asked && item.is_open && *item.who == *user.as_str()
        };
        for (number, _) in terminals.all(terminal, is_his) {
            terminals.close(terminal, number);
        }
        Ok(())
    }

    async fn attribute_lists(&self, command: Command, arguments: &Arguments) -> Outcome {
        let session = &self.person()?.session;
        let people = self.people(&arguments.targets).await?;
        let targets = AttributeListTargets {
            users: people.users,
            contact_lists: people.lists,
            default: arguments.is_default || (command == Command::Given && arguments.targets.is_empty()),
        };
        let presence = self.services().presence();
        match command {
            Command::Give => {
                let set = arguments.attributes.unwrap_or_default();
                let notify = NotifyFlags::default();
                self.result(presence.create_attribute_list(session, set, &targets, notify).await?, Say::Ok, &[])
            }
            Command::Take => self.result(presence.delete_attribute_list(session, &targets).await?, Say::Ok, &[]),
            _ => {
                let found = presence.attribute_lists(session, &targets).await?;
                let of = |name: String, set: AttributeSet| format!("{name} {}", shown::attributes(Some(set)));
                let mut lines: Vec<_> =
                    found.default.iter().map(|list| of("default".to_owned(), list.attributes)).collect();
                lines.extend(
                    found
                        .users
                        .iter()
                        .filter(|_| !arguments.is_default)
                        .map(|(user, list)| of(shown::address(user.as_str(), self.home()), list.attributes)),
                );
                lines.extend(
                    found
                        .contact_lists
                        .iter()
                        .filter(|_| !arguments.is_default)
                        .map(|(id, list)| of(shown::list_name(id.as_str()), list.attributes)),
                );
                Ok(self.result(found.result, Say::Ok, &[])?.with(lines))
            }
        }
    }

    /// Minutes that the person's clock is before UTC, as his presence says.
    pub(super) async fn zone(&self) -> i64 {
        let Some(person) = &self.person else { return 0 };
        let targets = WatchTargets { users: vec![Address::from(&person.session.user.id)], contact_lists: Vec::new() };
        let wanted: AttributeSet = [Attribute::TimeZone].into_iter().collect();
        let Ok((_, found)) = self.services().presence().get(&person.session, &targets, wanted).await else { return 0 };
        let zones = found.iter().flat_map(|(_, list)| &list.attributes).filter(|one| one.qualifier != Some(false));
        zones.filter_map(|one| one.field(Field::Zone)).find_map(shown::offset).unwrap_or(0)
    }
}

/// PreferredContacts that names one way before all others.
fn preferred(how: &str, contact: &str) -> PresenceAttribute {
    let text = |text: &str| FieldValue::Text(text.into());
    let inner = vec![
        (Field::PrefC, text(how)),
        (Field::Caddr, text(contact)),
        (Field::Cstatus, text("OPEN")),
        (Field::Cpriority, text("1")),
    ];
    PresenceAttribute {
        qualifier: Some(true),
        fields: vec![(Field::AddrPref, FieldValue::Struct(inner))],
        ..PresenceAttribute::name_only(Attribute::PreferredContacts)
    }
}
