//! Invitations, shared content, search (CLP 6.6).

use imps_proto::clp::{Arguments, Command, Occasion as Wish, Pair, Reply, quoted};
use imps_proto::csp::catalogue::Response;
use imps_proto::csp::{InviteRequest, SearchRequest, SearchResponse, StopSearchRequest};
use imps_proto::element::Element;
use imps_service::Error;
use imps_service::common::{InviteCancel, InviteReply, Occasion};
use imps_service::presence::WatchTargets;
use imps_service::terminal::{Item, ItemKind};
use imps_types::element::{
    Group, InviteType, Recipient, ScreenName, SearchElement, SearchPair, SearchResult, Sender, User,
};
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{Address, Status};

use super::dialogue::{Dialogue, Failure, OpenSearch, Outcome, Pages};
use super::messages::address;
use super::shown;
use super::texts::Say;

/// The criteria of FIND, by their keys.
const USER_KEYS: &[(&str, SearchElement)] = &[
    ("id", SearchElement::UserId),
    ("first", SearchElement::UserFirstName),
    ("last", SearchElement::UserLastName),
    ("mail", SearchElement::UserEmailAddress),
    ("alias", SearchElement::UserAlias),
    ("online", SearchElement::UserOnlineStatus),
];
const GROUP_KEYS: &[(&str, SearchElement)] = &[
    ("id", SearchElement::GroupId),
    ("name", SearchElement::GroupName),
    ("topic", SearchElement::GroupTopic),
    ("owner", SearchElement::GroupUserIdOwner),
    ("user", SearchElement::GroupUserIdJoined),
];

/// What an item of an invitation remembers beside who and which group: its type, the attributes and its InviteID.
pub(super) struct Detail {
    pub(super) invite_type: InviteType,
    pub(super) attributes: Option<AttributeSet>,
    pub(super) invite_id: Box<str>,
}

impl Detail {
    pub(super) fn write(&self) -> Box<str> {
        let bits = self.attributes.map(|set| set.bits().to_string()).unwrap_or_else(|| "-".to_owned());
        format!("{} {bits} {}", self.invite_type.as_str(), self.invite_id).into()
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (invite_type, rest) = text.split_once(' ')?;
        let (bits, invite_id) = rest.split_once(' ')?;
        Some(Self {
            invite_type: InviteType::parse(invite_type)?,
            attributes: bits.parse().ok().map(AttributeSet::from_bits),
            invite_id: invite_id.into(),
        })
    }
}

fn is_answerable(item: &Item) -> bool {
    matches!(item.kind, ItemKind::Invited | ItemKind::Shared | ItemKind::Asked)
}

impl Dialogue {
    pub(super) async fn invitations(&mut self, command: Command, arguments: Arguments) -> Outcome {
        match command {
            Command::Invite => self.invite(&arguments).await,
            Command::Share => self.share(&arguments).await,
            Command::Accept | Command::Reject => self.answer(command == Command::Accept, arguments).await,
            Command::Uninvite => self.take_back(ItemKind::Inviting, arguments).await,
            Command::Unshare => self.take_back(ItemKind::Sharing, arguments).await,
            Command::Invites => self.open_invitations(),
            Command::Find => self.find(&arguments).await,
            Command::Stop => {
                let Some(search) = self.search.take() else {
                    return Err(Failure::Said(Status::INVALID_SEARCH_ID, Say::Nothing, String::new()));
                };
                self.told(StopSearchRequest { search_id: search.id }).await
            }
            _ => Err(Failure::Usage),
        }
    }

    async fn invite(&self, arguments: &Arguments) -> Outcome {
        let users = self.users_of(&arguments.targets).await?;
        let recipient = Recipient { users: users.into_iter().map(User::of).collect(), ..Recipient::default() };
        let (invite_type, group, attributes) = match arguments.occasion.as_ref().ok_or(Failure::Usage)? {
            Wish::Group(name) => (InviteType::Group, Some(self.group_meant(name).await?), None),
            Wish::Presence => (InviteType::Presence, None, Some(AttributeSet::ALL)),
        };
        let occasion = Occasion { group_id: group, attributes, ..Occasion::default() };
        let note = arguments.text.as_deref();
        self.send_invitation(ItemKind::Inviting, invite_type, recipient, occasion, note).await
    }

    async fn share(&self, arguments: &Arguments) -> Outcome {
        let recipient = self.recipient(&arguments.targets).await?;
        let occasion = Occasion { urls: arguments.urls.clone(), ..Occasion::default() };
        let note = arguments.text.as_deref();
        self.send_invitation(ItemKind::Sharing, InviteType::Content, recipient, occasion, note).await
    }

    async fn send_invitation(
        &self,
        kind: ItemKind,
        invite_type: InviteType,
        recipient: Recipient,
        occasion: Occasion,
        note: Option<&str>,
    ) -> Outcome {
        let person = self.person()?;
        let invite_id: Box<str> = fresh_id()?.into();
        let detail = Detail { invite_type, attributes: occasion.attributes, invite_id: invite_id.clone() };
        let item = Item {
            who: shown::recipient(&recipient, self.home()).into(),
            group: occasion.group_id.as_ref().map(|group| group.as_str().into()).unwrap_or_default(),
            detail: detail.write(),
            ..Item::new(kind, &invite_id)
        };
        let request = InviteRequest {
            invite_id,
            invite_type,
            sender: None,
            recipient,
            application_id: None,
            group_id: occasion.group_id,
            // All of them, which is what names none of them.
            presence_sub_list: occasion.attributes.map(|_| PresenceSubList::default()),
            urls: occasion.urls,
            invite_note: note.filter(|note| !note.is_empty()).map(Into::into),
            screen_name: None,
            validity: None,
        };
        let (result, _) = self.ask(request).await?;
        let number = self.number_if_any(person, item);
        self.done(result, if kind == ItemKind::Sharing { Say::Shared } else { Say::Invited }, number)
    }

    /// Says yes or no to an invitation, or to a question about presence.
    async fn answer(&self, accept: bool, arguments: Arguments) -> Outcome {
        let (number, item) = match arguments.item {
            Some(number) => self.item_or_newest(Some(number), is_answerable)?,
            None => self.item_or_newest(None, |item| is_answerable(item) && item.is_open)?,
        };
        if item.kind == ItemKind::Asked {
            self.agreed(Element::PresenceAuthUser)?;
            return self.answer_question(number, &item, accept, None).await;
        }
        let person = self.person()?;
        let detail = Detail::read(&item.detail).ok_or(Failure::Usage)?;
        if accept {
            // What comes of it must be on offer too, or half of it would be done.
            match detail.invite_type {
                InviteType::Presence => self.agreed(Element::SubscribePresenceRequest)?,
                InviteType::Group | InviteType::ExtendedGroup | InviteType::Membership => {
                    self.agreed(Element::JoinGroupRequest)?;
                }
                _ => {}
            }
        }
        let reply = InviteReply {
            invite_id: detail.invite_id,
            acceptance: accept,
            sender: Some(inviter(&item)),
            recipient: None,
            note: arguments.text.filter(|note| !note.is_empty()).map(Into::into),
            screen_name: None,
        };
        let answered = self.services().common().answer_invitation(&person.session, reply).await;
        if matches!(answered, Ok(()) | Err(Error::UnknownInvitation)) {
            self.services().terminals().close(&person.terminal, number);
        }
        match answered {
            Err(Error::UnknownInvitation) => {
                return Err(Failure::Said(Status::INVALID_INVITATION_ID, Say::NoItem, number.to_string()));
            }
            other => other?,
        }
        match detail.invite_type {
            InviteType::Presence if accept && !item.who.is_empty() => {
                let targets = WatchTargets { users: vec![Address::new(&item.who)], contact_lists: Vec::new() };
                let wanted = detail.attributes.unwrap_or(AttributeSet::ALL);
                self.result(self.subscribe(&targets, wanted).await?, Say::Ok, &[])
            }
            InviteType::Group | InviteType::ExtendedGroup | InviteType::Membership if accept => {
                match address(&item.group) {
                    Some(group) => self.join_invited(&group).await,
                    None => self.ok(Say::Ok, &[]),
                }
            }
            _ => self.ok(Say::Ok, &[]),
        }
    }

    async fn take_back(&self, kind: ItemKind, arguments: Arguments) -> Outcome {
        let (number, item) = self.item_or_newest(arguments.item, |item| item.kind == kind)?;
        let person = self.person()?;
        let cancel = InviteCancel {
            invite_id: item.id.clone(),
            recipient: None,
            note: arguments.text.filter(|note| !note.is_empty()).map(Into::into),
            urls: Vec::new(),
        };
        let cancelled = self.services().common().cancel_invitation(&person.session, cancel).await;
        if matches!(cancelled, Ok(_) | Err(Error::UnknownInvitation)) {
            self.services().terminals().close(&person.terminal, number);
        }
        match cancelled {
            Err(Error::UnknownInvitation) => {
                Err(Failure::Said(Status::INVALID_INVITATION_ID, Say::NoItem, number.to_string()))
            }
            other => self.result(other?, Say::Ok, &[]),
        }
    }

    /// What is open, in and out.
    fn open_invitations(&self) -> Outcome {
        let is_open = |item: &Item| {
            item.is_open
                && matches!(item.kind, ItemKind::Invited | ItemKind::Shared | ItemKind::Inviting | ItemKind::Sharing)
        };
        let line = |(number, item): (u16, Item)| {
            let way = if is_answerable(&item) { "in" } else { "out" };
            let who = match item.screen_name.is_empty() {
                true => shown::address(&item.who, self.home()),
                false => item.screen_name.to_string(),
            };
            let detail = Detail::read(&item.detail);
            let about = match detail.map(|detail| detail.invite_type) {
                Some(InviteType::Presence) => "presence".to_owned(),
                Some(InviteType::Content) => "content".to_owned(),
                _ => self.group_shown(&item.group),
            };
            format!("{number} {way} {who} {about}")
        };
        let open = self.services().terminals().all(&self.person()?.terminal, is_open);
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(open.into_iter().map(line).collect()))
    }

    async fn find(&mut self, arguments: &Arguments) -> Outcome {
        let is_group = arguments.words.first().is_some_and(|word| &**word == "group");
        let pairs = self.criteria(if is_group { GROUP_KEYS } else { USER_KEYS }, &arguments.pairs)?;
        if pairs.is_empty() {
            return Err(Failure::Usage);
        }
        let person = self.person()?.clone();
        // One at a time, and MORE is about this one.
        self.drop_search();
        self.pages = Pages::default();
        let found = self.search(SearchRequest { pairs, ..nothing() }).await?;
        let findings = found.search_findings;
        let item = Item { detail: findings.to_string().into(), ..Item::new(ItemKind::Found, &fresh_id()?) };
        let number = self.number_if_any(&person, item);
        self.search = open_search(&found, number);
        Ok(Reply::ok(self.found(number, findings)).with(self.found_lines(found.search_result)))
    }

    async fn search(&self, request: SearchRequest) -> Result<SearchResponse, Failure> {
        match self.ask(request).await? {
            (_, Response::Search(found)) => Ok(found),
            (result, _) => Err(Failure::Result(result)),
        }
    }

    /// The search is of no interest any more.
    pub(super) fn drop_search(&mut self) {
        if let Some(search) = self.search.take() {
            self.end_search(search.id);
        }
    }

    /// How much was found, and whether there is more.
    fn found(&self, number: Option<u16>, findings: u32) -> String {
        let said = match number {
            Some(number) => self.say(Say::Found, &[&number.to_string(), &findings.to_string()]),
            None => self.say(Say::Ok, &[]),
        };
        if self.search.is_some() { format!("{said}, MORE") } else { said }
    }

    fn found_lines(&self, items: Option<SearchResult>) -> Vec<String> {
        match items {
            Some(SearchResult::Users(list) | SearchResult::Groups(list)) => {
                list.iter().map(|one| shown::address(one.as_str(), self.home())).collect()
            }
            None => Vec::new(),
        }
    }

    /// The next page of what a search found, if one is open.
    pub(super) async fn find_more(&mut self) -> Option<Outcome> {
        let search = self.search.take()?;
        let request = SearchRequest { search_id: Some(search.id), search_index: search.index, ..nothing() };
        let found = match self.search(request).await {
            Ok(found) => found,
            Err(failure) => return Some(Err(failure)),
        };
        self.search = open_search(&found, search.number);
        let said = self.found(search.number, found.search_findings);
        Some(Ok(Reply::ok(said).with(self.found_lines(found.search_result))))
    }

    fn criteria(&self, keys: &[(&str, SearchElement)], pairs: &[Pair]) -> Result<Vec<SearchPair>, Failure> {
        let one = |(key, value): &Pair| {
            let element = keys.iter().find(|(known, _)| *known == &**key).map(|(_, element)| *element);
            let element = element.ok_or(Failure::Usage)?;
            let value: Box<str> = match (element, value.to_ascii_lowercase().as_str()) {
                (SearchElement::UserOnlineStatus, "y" | "yes" | "on" | "t") => "T".into(),
                (SearchElement::UserOnlineStatus, _) => "F".into(),
                _ => value.clone(),
            };
            Ok(SearchPair { element: element.as_str().into(), string: Some(value), pair_id: None })
        };
        pairs.iter().map(one).collect()
    }
}

/// A search by nothing yet.
pub(super) fn nothing() -> SearchRequest {
    SearchRequest {
        pairs: Vec::new(),
        advanced_criteria: None,
        search_limit: None,
        search_id: None,
        search_index: None,
    }
}

/// What a search has more to tell, if it has.
fn open_search(found: &SearchResponse, number: Option<u16>) -> Option<OpenSearch> {
    let id = found.search_id.clone().filter(|_| !found.completion_flag)?;
    Some(OpenSearch { id, index: found.search_index, number })
}

/// A name that nothing else has.
fn fresh_id() -> Result<String, Failure> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Error::BadParameter("no random numbers"))?;
    Ok(format!("clp-{:016x}", u64::from_be_bytes(random)))
}

/// Who invited, as an answer names him.
fn inviter(item: &Item) -> Sender {
    if item.screen_name.is_empty() {
        return Sender::User(User::of(Address::new(&item.who)));
    }
    let name = ScreenName { name: item.screen_name.clone(), group_id: Address::new(&item.group) };
    Sender::Group(Group::ScreenName(name))
}

/// What somebody is invited to, in words.
pub(super) fn about(invite_type: InviteType, group: Option<&str>, note: Option<&str>) -> String {
    let what = match (invite_type, group) {
        (InviteType::Presence, _) => "presence",
        (InviteType::Application, _) => "an application",
        (_, Some(group)) => group,
        (_, None) => "a conversation",
    };
    format!("{what}{}", shown::note(note))
}

/// What somebody shares, in words.
pub(super) fn shared(urls: &[Box<str>], note: Option<&str>) -> String {
    let urls = urls.join(" ");
    match note.filter(|note| !note.is_empty()) {
        Some(note) => format!("{urls} {}", quoted(note)),
        None => urls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_read_as_they_were_written() {
        let detail = Detail {
            invite_type: InviteType::Presence,
            attributes: Some(AttributeSet::from_bits(5)),
            invite_id: "an id with blanks".into(),
        };
        let read = Detail::read(&detail.write()).unwrap();
        assert_eq!(
            (read.invite_type, read.attributes, read.invite_id),
            (detail.invite_type, detail.attributes, detail.invite_id)
        );
        assert!(Detail::read("").is_none());
        assert_eq!(about(InviteType::Group, Some("bob/cars"), Some("come")), "bob/cars: \"come\"");
        assert_eq!(shared(&["http://x/y".into()], Some("photo")), "http://x/y \"photo\"");
    }
}
