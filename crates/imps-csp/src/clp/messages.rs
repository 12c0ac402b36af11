//! Messages (CLP 6.4).

use bytes::Bytes;
use imps_proto::clp::{Arguments, Command, DATA_MAX, Reply, Target, wrapped};
use imps_proto::csp::catalogue::Response;
use imps_proto::csp::{
    BlockEntityRequest, ForwardMessageRequest, GetBlockedListRequest, GetMessageListRequest, GetMessageRequest,
    RejectMessageRequest, SendMessageRequest,
};
use imps_proto::element::Element;
use imps_proto::elements;
use imps_service::event::Message;
use imps_service::im::Forward;
use imps_service::terminal::{Item, ItemKind};
use imps_types::element::{
    AccessList, AccessLists, Content, DeliveryMethod, EntityList, Group, MessageInfo, Recipient, ResultInfo,
    ScreenName, Sender,
};
use imps_types::{Address, Status};

use super::dialogue::{Dialogue, Failure, Outcome, Person, Read, Talk};
use super::texts::Say;
use super::{CLIENT, shown};
use crate::link::ClientLink;

/// Characters of a data line of a text, with room for what stands before it.
const TEXT_LINE: usize = DATA_MAX - 10;
/// Lines of INBOX.
const INBOX_MAX: u32 = 100;

impl Dialogue {
    pub(super) async fn messages(&mut self, command: Command, mut arguments: Arguments) -> Outcome {
        let text = arguments.text.take().unwrap_or_default();
        match command {
            Command::Msg | Command::MsgR => {
                let recipient = match self.talked_to.take() {
                    Some(recipient) => recipient,
                    None => self.recipient(&arguments.targets).await?,
                };
                self.send(recipient, &text, command == Command::MsgR).await
            }
            Command::Reply => {
                let number = match arguments.item {
                    Some(number) => number,
                    None => self.item_or_newest(None, is_message)?.0,
                };
                let recipient = self.recipient(&[Target::Item(number)]).await?;
                self.send(recipient, &text, false).await
            }
            Command::Talk => self.talk(arguments.targets.pop()).await,
            Command::Inbox => self.inbox().await,
            Command::Read => self.read(arguments.item).await,
            Command::Fwd => self.forward(&arguments).await,
            Command::Drop => self.reject(&arguments).await,
            Command::Block | Command::Unblock | Command::Grant | Command::Ungrant => {
                self.change_access(command, &arguments).await
            }
            Command::Blocks => self.access_lists(&arguments).await,
            Command::Push => {
                let push = arguments.words.first().is_some_and(|word| &**word == "on");
                self.set_push(push).await?;
                self.ok(Say::Ok, &[])
            }
            _ => Err(Failure::Usage),
        }
    }

    /// Sends a text. What was sent gets a number, under which its report comes.
    pub(super) async fn send(&self, recipient: Recipient, text: &str, report: bool) -> Outcome {
        self.agreed(Element::SendMessageRequest)?;
        let person = self.person()?;
        if text.is_empty() {
            return Err(Failure::Said(Status::BAD_PARAMETER, Say::NoText, String::new()));
        }
        let data = Bytes::copy_from_slice(text.as_bytes());
        let (who, group) = addressed(&recipient);
        let info = MessageInfo {
            content_type: Some("text/plain".into()),
            content_size: u32::try_from(data.len()).unwrap_or(u32::MAX),
            recipient,
            ..MessageInfo::default()
        };
        let request = SendMessageRequest {
            delivery_report: report || self.services().terminals().settings(&person.terminal).report,
            message: elements::Message { info, content: Some(Content { data, binary: false }) },
        };
        let (result, id) = match self.ask(request).await? {
            (result, Response::SendMessage(it)) => (result, it.message_id.unwrap_or_default()),
            (result, _) => (result, Box::default()),
        };
        let item = Item { who, group, ..Item::new(ItemKind::Sent, &id) };
        let number = self.number_if_any(person, item);
        self.done(result, Say::Sent, number)
    }

    /// The number of what is done already. That it gets none does not undo it, so nobody is told to do it again.
    pub(super) fn number_if_any(&self, person: &Person, item: Item) -> Option<u16> {
        let number = self.services().terminals().number(&person.terminal, item);
        number.inspect_err(|error| tracing::warn!(%error, "something has no number")).ok()
    }

    /// It is done, perhaps in part, under this number.
    pub(super) fn done(&self, result: ResultInfo, say: Say, number: Option<u16>) -> Outcome {
        match number {
            Some(number) => self.result(result, say, &[&number.to_string()]),
            None => self.result(result, Say::Ok, &[]),
        }
    }

    /// From now on lines go there, or no longer.
    async fn talk(&mut self, target: Option<Target>) -> Outcome {
        // Alone it ends, whether or not it was on: what is typed next must not go to anybody.
        let Some(target) = target else {
            self.talk = None;
            return self.ok(Say::TalkOff, &[]);
        };
        // What cannot be reached is told now; and it stays who it is.
        let recipient = self.recipient(std::slice::from_ref(&target)).await?;
        let shown = match &target {
            // Who that is, and not by which number.
            Target::Item(_) => match recipient.groups.first() {
                Some(Group::ScreenName(name)) => {
                    shown::screen_name(&self.group_shown(name.group_id.as_str()), &name.name)
                }
                Some(Group::Id(id)) => self.group_shown(id.as_str()),
                None => shown::recipient(&recipient, self.home()),
            },
            named => named.to_string(),
        };
        self.talk = Some(Talk { target, recipient, since: self.services().clock.now() });
        self.ok(Say::TalkOn, &[&shown])
    }

    async fn inbox(&self) -> Outcome {
        let (infos, count) = self.all_waiting().await?;
        let mut lines = Vec::with_capacity(infos.len());
        for info in &infos {
            let number = self.number_of(info, ItemKind::Waiting)?;
            let at = info.date_time.map(|at| shown::moment(at, self.now(), self.offset)).unwrap_or_default();
            let kind = shown::content_type(info.content_type.as_deref());
            lines.push(format!("{number} {} {at} {kind} {}", self.from(info), info.content_size));
        }
        Ok(Reply::ok(self.say(Say::Waiting, &[&count.to_string()])).with(lines))
    }

    /// What is known of the messages that wait, wherever they do, and how many they are.
    async fn all_waiting(&self) -> Result<(Vec<MessageInfo>, u32), Failure> {
        let request = GetMessageListRequest { group_id: None, message_count: Some(INBOX_MAX) };
        if let Some((_, response)) = self.elsewhere(request).await? {
            let Response::GetMessageList(it) = response else { return Ok((Vec::new(), 0)) };
            let listed = u32::try_from(it.messages.len()).unwrap_or(INBOX_MAX);
            return Ok((it.messages, it.message_total_count.unwrap_or(listed).max(listed)));
        }
        let (session, im) = (&self.person()?.session, self.services().im());
        let infos = im.message_list(session, None, Some(INBOX_MAX)).await?;
        Ok((infos, im.message_count(session, None).await?))
    }

    /// A message that waits, wherever it does: what is known of it, and its text, if it is one.
    async fn waiting_one(&self, id: &str) -> Result<(MessageInfo, Option<String>), Failure> {
        if let Some((_, response)) = self.elsewhere(GetMessageRequest { message_id: id.into() }).await? {
            let Response::GetMessage(it) = response else {
                return Err(Failure::Result(ResultInfo::of(Status::INVALID_MESSAGE_ID)));
            };
            let (info, content) = (it.message.info, it.message.content.unwrap_or_default());
            let text = text_in(&info, &content.data, content.binary);
            return Ok((info, text));
        }
        let message = self.services().im().message(&self.person()?.session, id).await?;
        Ok((message.info.clone(), text_of(&message)))
    }

    /// Who sent a message, and through which group: `bob`, `bob /cars`. What came to him alone in a group names the one
    /// there to whom an answer goes, as it would be typed: `/cars!Speedy`.
    pub(super) fn from(&self, info: &MessageInfo) -> String {
        let sender = shown::sender(info.sender.as_ref(), self.home());
        let named = |name: &ScreenName| shown::screen_name(&self.group_shown(name.group_id.as_str()), &name.name);
        match (info.recipient.groups.first(), &info.sender) {
            (Some(Group::Id(id)), _) => format!("{sender} {}", self.group_shown(id.as_str())),
            (_, Some(Sender::Group(Group::ScreenName(name)))) => named(name),
            (Some(Group::ScreenName(mine)), _) => format!("{sender} {}", named(mine)),
            (None, _) => sender,
        }
    }

    /// The number of a message that came, or that waits.
    pub(super) fn number_of(&self, info: &MessageInfo, kind: ItemKind) -> Result<u16, Failure> {
        let terminal = &self.person()?.terminal;
        let id = info.message_id.as_deref().unwrap_or_default();
        // Where a content that is too large for a line can be fetched is told with the message alone.
        let mut item = Item { detail: info.message_uri.clone().unwrap_or_default(), ..Item::new(kind, id) };
        let said_to_all = info.recipient.groups.first().and_then(|group| match group {
            Group::Id(id) => Some(id.as_str()),
            // To him alone: so is the answer.
            Group::ScreenName(_) => None,
        });
        match (&info.sender, said_to_all) {
            (Some(Sender::User(user)), _) => item.who = user.user_id.as_str().into(),
            (Some(Sender::Group(Group::ScreenName(name))), None) => {
                (item.screen_name, item.group) = (name.name.clone(), name.group_id.as_str().into());
            }
            (Some(Sender::Group(Group::Id(id))), None) => item.group = id.as_str().into(),
            _ => {}
        }
        if let Some(group) = said_to_all {
            item.group = group.into();
        }
        Ok(self.services().terminals().number(terminal, item)?)
    }

    /// Fetches a message and shows it.
    async fn read(&mut self, number: Option<u16>) -> Outcome {
        let person = self.person()?.clone();
        loop {
            let (found, item) = match number {
                Some(_) => self.item_or_newest(number, is_message)?,
                None => self.item_or_newest(None, |item| item.kind == ItemKind::Waiting && item.is_open)?,
            };
            match self.waiting_one(&item.id).await {
                Ok((info, text)) => return Ok(self.shown_message(found, &item, &info, text)),
                Err(failure) if failure.status() == Status::RESPONSE_TOO_LARGE => {
                    return self.read_by_url(found, &item).await;
                }
                Err(failure) if failure.status() == Status::INVALID_MESSAGE_ID => {
                    self.services().terminals().close(&person.terminal, found);
                    if number.is_some() {
                        return Err(Failure::Said(Status::INVALID_MESSAGE_ID, Say::NoItem, found.to_string()));
                    }
                    // Taken by another of his clients: the next one, then.
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// A message with its text. When that is written it is delivered, not before.
    fn shown_message(&mut self, number: u16, item: &Item, info: &MessageInfo, text: Option<String>) -> Reply {
        let Some(text) = text else { return self.described(number, item, info) };
        let at = info.date_time.map(|at| shown::moment(at, self.now(), self.offset)).unwrap_or_default();
        let head = format!("{number} {} {at}: {}", self.from(info), shown::text(&text));
        let mut lines = wrapped(&head, TEXT_LINE);
        lines.retain(|line| !line.is_empty());
        self.keep(&item.id, &text);
        self.read = Some(Read { id: item.id.clone(), number });
        Reply::ok(self.say(Say::Ok, &[])).with(lines)
    }

    /// Keeps a text that is shown, so that it can be sent on.
    pub(super) fn keep(&mut self, id: &str, text: &str) {
        if u32::try_from(text.len()).is_ok_and(|bytes| bytes <= self.clp.config().push_length) {
            self.recent.keep(id, text);
        }
    }

    /// What cannot be fetched on a line is told by its URL, where there is one.
    async fn read_by_url(&self, number: u16, item: &Item) -> Outcome {
        let (infos, _) = self.all_waiting().await?;
        match infos.iter().find(|info| info.message_id.as_deref() == Some(&*item.id)) {
            Some(info) => Ok(self.described(number, item, info)),
            None => Err(Failure::Said(Status::UNSUPPORTED_MEDIA_TYPE, Say::TextOnly, String::new())),
        }
    }

    fn described(&self, number: u16, item: &Item, info: &MessageInfo) -> Reply {
        let kind = shown::content_type(info.content_type.as_deref());
        let url = info.message_uri.as_deref().unwrap_or(&item.detail);
        let url = if url.is_empty() { String::new() } else { format!(" {url}") };
        let line = format!("{number} {} {kind} {}{url}", self.from(info), shown::size(info.content_size));
        Reply::ok(self.say(Say::Ok, &[])).with(vec![line])
    }

    /// A message needs nothing more, and none of the person's clients is offered it again.
    pub(super) fn is_through_with(&self, person: &Person, number: u16, id: &str) {
        self.services().terminals().close(&person.terminal, number);
        for session in person.session.user.sessions() {
            if let Some(link) = ClientLink::known(&session) {
                link.close_message(id);
            }
        }
    }

    async fn forward(&self, arguments: &Arguments) -> Outcome {
        let number = arguments.item.ok_or(Failure::Usage)?;
        let item = self.item(number)?;
        let person = self.person()?;
        let recipient = self.recipient(&arguments.targets).await?;
        let (who, group) = addressed(&recipient);
        let (result, id) = match self.forwarded(&item.id, &recipient).await {
            Err(failure) if failure.status() == Status::INVALID_MESSAGE_ID => {
                // What was shown is delivered, and waits no longer.
                let missing = || Failure::Said(Status::INVALID_MESSAGE_ID, Say::NoItem, number.to_string());
                let text = self.recent.text(&item.id).ok_or_else(missing)?;
                return self.send(recipient, text, false).await;
            }
            sent => sent?,
        };
        self.is_through_with(person, number, &item.id);
        // A domain that has the messages of our users does not say by which name this one went.
        let item = id.map(|id| Item { who, group, ..Item::new(ItemKind::Sent, &id) });
        let number = item.and_then(|item| self.number_if_any(person, item));
        self.done(result, Say::Sent, number)
    }

    /// Sends a message on, wherever it waits: how it went, and its MessageID.
    async fn forwarded(&self, id: &str, recipient: &Recipient) -> Result<(ResultInfo, Option<Box<str>>), Failure> {
        let (message_id, recipient): (Box<str>, _) = (id.into(), recipient.clone());
        let request =
            ForwardMessageRequest { message_id: message_id.clone(), sender: None, recipient: recipient.clone() };
        if let Some((result, response)) = self.elsewhere(request).await? {
            let id = match response {
                Response::ForwardMessage(it) => Some(it.message_id),
                _ => None,
            };
            return Ok((result, id));
        }
        let forward = Forward { message_id, recipient, sender: None };
        let sent = self.services().im().forward(&self.person()?.session, forward, None).await?;
        let Some(id) = sent.id else { return Err(Failure::Result(sent.result)) };
        Ok((sent.result, Some(id.to_string().into())))
    }

    async fn reject(&self, arguments: &Arguments) -> Outcome {
        let number = arguments.item.ok_or(Failure::Usage)?;
        let item = self.item(number)?;
        let person = self.person()?;
        let missing = || Failure::Said(Status::INVALID_MESSAGE_ID, Say::NoItem, number.to_string());
        let asked = self.elsewhere(RejectMessageRequest { message_ids: vec![item.id.clone()] }).await;
        let result =
            match asked.map_err(|why| if why.status() == Status::INVALID_MESSAGE_ID { missing() } else { why })? {
                Some((result, _)) => result,
                None => self.services().im().reject(&person.session, std::slice::from_ref(&item.id)).await?,
            };
        if !result.status.is_success() {
            return Err(missing());
        }
        self.is_through_with(person, number, &item.id);
        self.ok(Say::Ok, &[])
    }

    async fn change_access(&self, command: Command, arguments: &Arguments) -> Outcome {
        let users = Some(EntityList::users(self.users_of(&arguments.targets).await?));
        // Whom a list names is refused, or let through, once the list is used.
        let lists = match command {
            Command::Block => {
                let in_use = Some(true);
                AccessLists { block: Some(AccessList { in_use, add: users, ..AccessList::default() }), grant: None }
            }
            Command::Unblock => {
                AccessLists { block: Some(AccessList { remove: users, ..AccessList::default() }), grant: None }
            }
            Command::Grant => {
                AccessLists { grant: Some(AccessList { add: users, ..AccessList::default() }), block: None }
            }
            _ => AccessLists { grant: Some(AccessList { remove: users, ..AccessList::default() }), block: None },
        };
        self.told(BlockEntityRequest { lists }).await
    }

    /// Shows the block and grant lists, or sets whether they are used.
    async fn access_lists(&self, arguments: &Arguments) -> Outcome {
        if let [which, how] = arguments.words.as_slice() {
            self.agreed(Element::BlockEntityRequest)?;
            let list = Some(AccessList { in_use: Some(&**how == "on"), ..AccessList::default() });
            let lists = match &**which {
                "block" => AccessLists { block: list, grant: None },
                _ => AccessLists { grant: list, block: None },
            };
            return self.told(BlockEntityRequest { lists }).await;
        }
        if !arguments.words.is_empty() {
            return Err(Failure::Usage);
        }
        let lists = match self.ask(GetBlockedListRequest {}).await? {
            (_, Response::GetBlockedList(it)) => it.lists,
            _ => AccessLists::default(),
        };
        let line = |name: &str, list: Option<AccessList>| {
            let list = list.unwrap_or_default();
            let entities = list.entities.unwrap_or_default();
            let names = entities.user_ids.iter().chain(&entities.group_ids).chain(&entities.contact_lists);
            let mut names: Vec<_> = names.map(|one| shown::address(one.as_str(), self.home())).collect();
            names.extend(entities.screen_names.iter().map(|name| name.name.to_string()));
            names.extend(entities.domains.iter().chain(&entities.application_ids).map(|other| other.to_string()));
            let how = if list.in_use == Some(true) { "on" } else { "off" };
            let names = if names.is_empty() { "-".to_owned() } else { names.join(", ") };
            wrapped(&format!("{name} {how}: {names}"), DATA_MAX)
        };
        let mut lines = line("block", lists.block);
        lines.extend(line("grant", lists.grant));
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(lines))
    }

    /// Messages are pushed from now on, or announced.
    pub(super) async fn set_push(&self, push: bool) -> Result<(), Failure> {
        let person = self.person()?;
        let method = if push { DeliveryMethod::Push } else { DeliveryMethod::Notify };
        self.services().im().set_delivery_method(&person.session, Some(method), None, None).await?;
        self.services().terminals().set(&person.terminal, |settings| settings.push = push).await?;
        // It is a setting of the person's, so all his lines do it; what one is pushed, no other could read.
        for session in person.session.user.sessions() {
            if session.id != person.session.id && session.client.to_string().starts_with(CLIENT) {
                self.services().im().set_delivery_method(&session, Some(method), None, None).await?;
            }
        }
        Ok(())
    }
}

fn is_message(item: &Item) -> bool {
    matches!(item.kind, ItemKind::Message | ItemKind::Waiting)
}

/// The text of a message; none if it is no text. What came as octets is text all the same if it is UTF-8.
pub(super) fn text_of(message: &Message) -> Option<String> {
    text_in(&message.info, &message.content, message.binary)
}

fn text_in(info: &MessageInfo, content: &[u8], is_binary: bool) -> Option<String> {
    if shown::content_type(info.content_type.as_deref()) != "text" {
        return None;
    }
    match std::str::from_utf8(content) {
        Ok(text) => Some(text.to_owned()),
        Err(_) if is_binary => None,
        Err(_) => Some(String::from_utf8_lossy(content).into_owned()),
    }
}

/// Whom a message is for, as its item has it: users with commas between, or a group.
fn addressed(recipient: &Recipient) -> (Box<str>, Box<str>) {
    let users: Vec<_> = recipient.users.iter().map(|user| user.user_id.as_str()).collect();
    let group = recipient.groups.iter().find_map(|group| match group {
        Group::Id(id) => Some(id.as_str()),
        Group::ScreenName(_) => None,
    });
    (users.join(",").into(), group.unwrap_or_default().into())
}

/// An address, if there is one.
pub(super) fn address(text: &str) -> Option<Address> {
    (!text.is_empty()).then(|| Address::new(text))
}
