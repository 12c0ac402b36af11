//! Presence (CLP 6.2).

use imps_proto::clp::{Arguments, Command, Reply};
use imps_proto::csp::catalogue::Response;
use imps_proto::csp::{
    CancelAuthRequest, CreateAttributeListRequest, DeleteAttributeListRequest, GetAttributeListRequest,
    GetAttributeListResponse, GetWatcherListRequest, PresenceAuthUser, UnsubscribePresenceRequest,
    UpdatePresenceRequest,
};
use imps_service::presence::WatchTargets;
use imps_service::terminal::ItemKind;
use imps_types::Address;
use imps_types::element::{User, Watcher};
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
                let user_id = self.one_user(arguments.targets.first()).await?;
                self.told(CancelAuthRequest { user_id }).await
            }
            Command::Give | Command::Take | Command::Given => self.attribute_lists(command, &arguments).await,
            _ => Err(Failure::Usage),
        }
    }

    async fn publish(&self, attributes: Vec<PresenceAttribute>) -> Outcome {
        let presence_sub_list = PresenceSubList { attributes, extensions: Vec::new() };
        self.told(UpdatePresenceRequest { presence_sub_list }).await
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
        let mut people = self.people(&arguments.targets).await?;
        if arguments.targets.is_empty() {
            people.lists.push(self.list(None).await?);
        }
        let targets = WatchTargets { users: people.users, contact_lists: people.lists };
        let wanted = arguments.attributes.unwrap_or(AttributeSet::ALL);
        let (result, found) = self.presence_of(&targets, wanted).await?;
        let line = |(user, list): &(Address, PresenceSubList)| {
            format!("{} {}", shown::address(user.as_str(), self.home()), shown::presence(list))
        };
        Ok(self.result(result, Say::Ok, &[])?.with(found.iter().map(line).collect()))
    }

    async fn watch_people(&self, command: Command, arguments: &Arguments) -> Outcome {
        let people = self.people(&arguments.targets).await?;
        if command == Command::Unsub {
            let users = people.users.into_iter().map(User::of).collect();
            return self.told(UnsubscribePresenceRequest { users, contact_lists: people.lists }).await;
        }
        let targets = WatchTargets { users: people.users, contact_lists: people.lists };
        let wanted = arguments.attributes.unwrap_or(AttributeSet::ALL);
        self.result(self.subscribe(&targets, wanted).await?, Say::Ok, &[])
    }

    async fn watchers(&self) -> Outcome {
        let watchers = match self.ask(GetWatcherListRequest { history_period: None, max_watcher_list: None }).await? {
            (_, Response::GetWatcherList(list)) => list.watchers,
            _ => Vec::new(),
        };
        let line = |one: &Watcher| {
            let status = one.status.map(|status| format!(" {}", status.as_str().to_lowercase()));
            format!("{}{}", shown::address(one.user_id.as_str(), self.home()), status.unwrap_or_default())
        };
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(watchers.iter().map(line).collect()))
    }

    /// Lets somebody see presence, or not: who asked under this number, or who is named.
    async fn decide(&self, accept: bool, arguments: &Arguments) -> Outcome {
        if let Some(number) = arguments.item {
            let (_, item) = self.item_or_newest(Some(number), |item| item.kind == ItemKind::Asked)?;
            return self.answer_question(number, &item, accept, arguments.attributes).await;
        }
        let user = self.one_user(arguments.targets.first()).await?;
        let set = arguments.attributes.filter(|set| !set.is_empty());
        self.authorise(&user, accept, set).await?;
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
        self.authorise(&watcher, accept, set).await?;
        self.services().terminals().close(&self.person()?.terminal, number);
        self.close_questions_of(&watcher)?;
        self.ok(Say::Ok, &[])
    }

    /// Decides where the person's presence is kept. All of it, if no attributes are named.
    async fn authorise(&self, user: &Address, accept: bool, set: Option<AttributeSet>) -> Result<(), Failure> {
        let request = PresenceAuthUser {
            user_id: user.clone(),
            acceptance: accept,
            presence_sub_list: set.map(PresenceSubList::of_names),
        };
        if self.elsewhere(request).await?.is_none() {
            // The set as it is: a list of names has no word for extensions.
            self.services().presence().authorise(&self.person()?.session, user, accept, set).await?;
        }
        Ok(())
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
        let people = self.people(&arguments.targets).await?;
        let (users, contact_lists, default_list) = (people.users, people.lists, arguments.is_default);
        match command {
            Command::Give => {
                let request = CreateAttributeListRequest {
                    presence_sub_list: PresenceSubList::of_names(arguments.attributes.unwrap_or_default()),
                    user_ids: users,
                    contact_lists,
                    default_list,
                    default_notify: None,
                    user_notify: None,
                    contact_list_notify: None,
                };
                self.told(request).await
            }
            Command::Take => {
                self.told(DeleteAttributeListRequest { user_ids: users, contact_lists, default_list }).await
            }
            _ => {
                let request = GetAttributeListRequest {
                    default_list: default_list || arguments.targets.is_empty(),
                    contact_lists,
                    users: users.into_iter().map(User::of).collect(),
                };
                let (result, response) = self.ask(request).await?;
                let lines = match &response {
                    Response::GetAttributeList(found) => self.given_lines(found, default_list),
                    _ => Vec::new(),
                };
                Ok(self.result(result, Say::Ok, &[])?.with(lines))
            }
        }
    }

    fn given_lines(&self, found: &GetAttributeListResponse, is_default: bool) -> Vec<String> {
        let of = |name: String, lists: &[PresenceSubList]| {
            let set = lists.iter().flat_map(|list| &list.attributes).map(|one| one.attribute).collect();
            format!("{name} {}", shown::attributes(Some(set)))
        };
        let default = found.default_attribute_list.iter().map(|list| of("default".to_owned(), &list.lists));
        let attached = found.presence.iter().filter(|_| !is_default).filter_map(|one| {
            let list = || Some(shown::list_name(one.contact_list.as_ref()?.as_str()));
            let user = one.user_id.as_ref().map(|user| shown::address(user.as_str(), self.home()));
            Some(of(user.or_else(list)?, &one.lists))
        });
        default.chain(attached).collect()
    }

    /// Minutes that the person's clock is before UTC, as his presence says.
    pub(super) async fn zone(&self) -> i64 {
        let Some(person) = &self.person else { return 0 };
        let targets = WatchTargets { users: vec![Address::from(&person.session.user.id)], contact_lists: Vec::new() };
        let wanted: AttributeSet = [Attribute::TimeZone].into_iter().collect();
        let Ok(found) = self.presence_known(&targets, wanted).await else { return 0 };
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
