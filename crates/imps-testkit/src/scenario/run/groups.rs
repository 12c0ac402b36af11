//! The verbs of groups.

use super::super::arguments::Arguments;
use super::super::parse::{Expect, Word};
use super::super::verbs::Verb;
use super::{DOMAIN, World};
use crate::phone::forms::{GroupWish, Person};
use crate::phone::{Node, Phone};

impl World<'_> {
    pub(super) async fn act_on_groups(
        &mut self,
        phone: &mut Phone,
        verb: Verb,
        arguments: &mut Arguments<'_>,
        expect: &Expect,
    ) -> Result<(), String> {
        let (request, response) = match verb {
            Verb::CreatesGroup => {
                let group = self.list(phone, arguments.text("the group")?);
                let wish = self.group_wish(group, arguments)?;
                (phone.speaker.group_request("CreateGroup-Request", &wish), "Status")
            }
            Verb::JoinsGroup => {
                let group = self.group(arguments.text("the group")?);
                let wish = self.group_wish(group, arguments)?;
                (phone.speaker.group_request("JoinGroup-Request", &wish), "JoinGroup-Response")
            }
            Verb::SetsGroup => {
                let group = self.group(arguments.text("the group")?);
                let wish = self.group_wish(group, arguments)?;
                (phone.speaker.group_request("SetGroupProps-Request", &wish), "Status")
            }
            Verb::DeletesGroup | Verb::LeavesGroup | Verb::AsksForGroup => {
                let group = self.group(arguments.text("the group")?);
                arguments.end()?;
                let (request, response) = match verb {
                    Verb::DeletesGroup => ("DeleteGroup-Request", "Status"),
                    Verb::LeavesGroup => ("LeaveGroup-Request", "LeaveGroup-Response"),
                    _ => ("GetGroupProps-Request", "GetGroupProps-Response"),
                };
                (phone.speaker.of_group(request, &group), response)
            }
            Verb::AddsMembers | Verb::RemovesMembers => {
                let (request, keyword) = match verb {
                    Verb::AddsMembers => ("AddGroupMembers-Request", "to"),
                    _ => ("RemoveGroupMembers-Request", "from"),
                };
                let people = self.people(arguments.until(&[keyword]))?;
                arguments.next();
                let group = self.group(arguments.text("the group")?);
                arguments.end()?;
                (phone.speaker.members_request(request, &group, &people), "Status")
            }
            Verb::AsksForMembers | Verb::AsksForJoinedUsers => {
                let group = self.of_group(arguments)?.ok_or("of which group?")?;
                let (request, response) = match verb {
                    Verb::AsksForMembers => ("GetGroupMembers-Request", "GetGroupMembers-Response"),
                    _ => ("GetJoinedUsers-Request", "GetJoinedUsers-Response"),
                };
                (phone.speaker.of_group(request, &group), response)
            }
            Verb::GivesAccess => {
                let group = self.in_group(arguments)?;
                let lists = self.lists_of_people(arguments, ["admin", "mod", "user"])?;
                let [admins, mods, users] = &lists;
                (phone.speaker.member_access(&group, admins, mods, users), "Status")
            }
            Verb::ChangesRejectList => {
                if !arguments.takes("of") {
                    return Err("of which group?".to_owned());
                }
                let group = self.group(arguments.text("the group")?);
                let [add, remove] = &self.lists_of_people(arguments, ["add", "remove"])?;
                (phone.speaker.reject_list(&group, add, remove), "RejectList-Response")
            }
            _ => {
                let group = self.of_group(arguments)?.ok_or("of which group?")?;
                let (kind, response) = match verb {
                    Verb::SubscribesChanges => ("S", "Status"),
                    Verb::UnsubscribesChanges => ("U", "Status"),
                    _ => ("G", "SubscribeGroupNotice-Response"),
                };
                let mut request = phone.speaker.of_group("SubscribeGroupNotice-Request", &group);
                request.children.push(Node::leaf("SubscribeType", kind));
                (request, response)
            }
        };
        self.ask(phone, request, response, expect).await
    }

    /// `bob/party`, `/lobby`, or whole.
    pub(super) fn group(&self, name: &str) -> String {
        let name = self.fill(name);
        if name.contains(':') {
            return name;
        }
        self.fill(&format!("wv:{name}@{DOMAIN}"))
    }

    /// `[ of GROUP ]`, and nothing behind it.
    pub(super) fn of_group(&self, arguments: &mut Arguments<'_>) -> Result<Option<String>, String> {
        let group = if arguments.takes("of") { Some(self.group(arguments.text("the group")?)) } else { None };
        arguments.end()?;
        Ok(group)
    }

    /// `in GROUP`
    pub(super) fn in_group(&self, arguments: &mut Arguments<'_>) -> Result<String, String> {
        if !arguments.takes("in") {
            return Err("in which group?".to_owned());
        }
        Ok(self.group(arguments.text("the group")?))
    }

    fn group_wish(&self, group: String, arguments: &mut Arguments<'_>) -> Result<GroupWish, String> {
        let mut wish = GroupWish { group, subscribe: true, ..GroupWish::default() };
        if arguments.takes("as") {
            wish.screen_name = Some(arguments.text("the screen name")?.to_owned());
        }
        loop {
            let into = if arguments.takes("property") {
                &mut wish.properties
            } else if arguments.takes("own") {
                &mut wish.own
            } else if arguments.takes("note") {
                wish.note = Some(arguments.text("the note")?.to_owned());
                continue;
            } else if arguments.takes("silently") {
                wish.subscribe = false;
                continue;
            } else {
                arguments.end()?;
                return Ok(wish);
            };
            let name = arguments.text("the property")?.to_owned();
            into.push((name, arguments.text("its value")?.to_owned()));
        }
    }

    /// Lists of people, each behind its keyword.
    fn lists_of_people<const N: usize>(
        &self,
        arguments: &mut Arguments<'_>,
        keywords: [&str; N],
    ) -> Result<[Vec<Person>; N], String> {
        let mut lists = [const { Vec::new() }; N];
        while let Some(word) = arguments.next() {
            let place = keywords.iter().position(|keyword| word.text == *keyword);
            let place = place.ok_or_else(|| format!("`{}` has no meaning here", word.text))?;
            lists[place] = self.people(arguments.until(&keywords))?;
        }
        Ok(lists)
    }

    fn people(&self, words: &[Word]) -> Result<Vec<Person>, String> {
        let mut people = Vec::new();
        let mut words = Arguments::new(words);
        while let Some(word) = words.next() {
            people.push(match word.text.as_str() {
                "name" if !word.is_quoted => Person::Named(words.text("the screen name")?.to_owned()),
                user => Person::User(self.address(user)),
            });
        }
        Ok(people)
    }
}
