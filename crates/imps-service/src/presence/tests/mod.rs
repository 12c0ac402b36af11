//! The rules of CSP 8 to 11 as a user notices them.

mod abroad;
mod lists;
mod presence;
mod reactive;
mod watchers;

use std::sync::Arc;

use imps_types::element::{CapabilityList, ClientType, NickEntry, Property, ResultInfo};
use imps_types::presence::Attribute::{
    self, Alias, ClientInfo, CommCap, FreeTextLocation, InfoLink, OnlineStatus, StatusMood, StatusText, TimeZone,
};
use imps_types::presence::{AttributeSet, Field, FieldValue, PresenceAttribute, PresenceSubList};
use imps_types::{Address, Status, Version};

use super::{AttributeListTargets, AuthorisationStatus, ListChange, NotifyFlags, Presence, WatchTargets};
use crate::Timestamp;
use crate::event::{Event, NoticeContent, PresenceSnapshot};
use crate::seam::StoreError;
use crate::testing::{World, start, user};
use crate::{Error, Session};

fn addresses(names: &[&str]) -> Vec<Address> {
    names.iter().map(|name| Address::new(name)).collect()
}

fn set(attributes: &[Attribute]) -> AttributeSet {
    attributes.iter().copied().collect()
}

fn users(names: &[&str]) -> WatchTargets {
    WatchTargets { users: addresses(names), contact_lists: Vec::new() }
}

fn lists(names: &[&str]) -> WatchTargets {
    WatchTargets { users: Vec::new(), contact_lists: addresses(names) }
}

fn nick(names: &[&str]) -> Vec<NickEntry> {
    let entry = |text: &&str| match text.split_once('=') {
        Some((user, name)) => NickEntry { name: Some(name.into()), user_id: Address::new(user) },
        None => NickEntry { name: None, user_id: Address::new(text) },
    };
    names.iter().map(entry).collect()
}

fn properties(list: &[(&str, &str)]) -> Vec<Property> {
    list.iter().map(|(name, value)| Property::new(name, value)).collect()
}

fn text(attribute: Attribute, value: &str) -> PresenceAttribute {
    PresenceAttribute::with_value(attribute, value)
}

fn zone(value: &str) -> PresenceAttribute {
    let fields = vec![(Field::Zone, FieldValue::Text(value.into()))];
    PresenceAttribute { qualifier: Some(true), fields, ..PresenceAttribute::name_only(TimeZone) }
}

/// `OnlineStatus=T StatusText=-`; a ClientID comes after `@`, `-` is Qualifier F.
fn shown(list: &PresenceSubList) -> String {
    let one = |one: &PresenceAttribute| {
        let value = match (one.qualifier, one.fields.first()) {
            (Some(false), _) => "-".to_owned(),
            (_, Some((_, FieldValue::Text(text)))) => text.to_string(),
            (_, Some((field, FieldValue::Struct(_)))) => field.name().to_owned(),
            (_, None) => String::new(),
        };
        let client = one.client_id.as_ref().map(|id| format!("@{id}")).unwrap_or_default();
        format!("{}={value}{client}", one.attribute.row().name)
    };
    let own = list.extensions.iter().map(|own| match own.children.is_empty() {
        true => format!("{}={}", own.name, own.text),
        false => format!("{}=-", own.name),
    });
    list.attributes.iter().map(one).chain(own).collect::<Vec<_>>().join(" ")
}

/// Lets a future get on, once.
async fn poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))).await
}

/// `200`, or `201 531[wv:x] 700[wv:y/z]`.
fn outcome(result: &ResultInfo) -> String {
    let mut text = result.status.to_string();
    for one in &result.detailed {
        let items: Vec<_> = one.user_ids.iter().chain(&one.contact_lists).map(Address::as_str).collect();
        text.push_str(&format!(" {}[{}]", one.status, items.join(",")));
    }
    text
}

/// The names of attributes, or `all`.
fn names(attributes: Option<AttributeSet>) -> String {
    let Some(set) = attributes else { return "all".to_owned() };
    set.iter().map(|attribute| attribute.row().name).collect::<Vec<_>>().join(" ")
}

impl World {
    fn presence(&self) -> Presence<'_> {
        self.services.presence()
    }

    /// What a session is told now, one text for each publisher.
    async fn told(&self, session: &Session) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(event) = self.services.im().next_event(session).await {
            match event {
                Event::Presence(snapshots) => {
                    let one = |one: &Arc<PresenceSnapshot>| format!("{}: {}", one.user.local(), shown(&one.list));
                    told.extend(snapshots.iter().map(one));
                }
                other => panic!("{other:?}"),
            }
        }
        told
    }

    /// What a publisher is asked now, and has acknowledged with that: `bob: StatusText`, `bob: all`.
    async fn asked(&self, session: &Session) -> Vec<String> {
        let mut asked = Vec::new();
        while let Some(event) = self.services.im().next_event(session).await {
            let Event::Notice(notice) = event else { panic!("{event:?}") };
            let NoticeContent::PresenceAuth { watcher, attributes } = &notice.content else { panic!("{notice:?}") };
            asked.push(format!("{}: {}", watcher.local(), names(*attributes)));
            self.services.im().notice_acknowledged(&notice).await.unwrap();
        }
        asked
    }

    async fn decide(&self, session: &Session, watcher: &str, accept: bool, attributes: Option<&[Attribute]>) -> u16 {
        let decided = self.presence().authorise(session, &watcher.into(), accept, attributes.map(set)).await;
        decided.map_or_else(|error| error.status().code(), |()| 200)
    }

    async fn cancel(&self, session: &Session, watcher: &str) -> u16 {
        let cancelled = self.presence().cancel_authorisation(session, &watcher.into()).await;
        cancelled.map_or_else(|error| error.status().code(), |()| 200)
    }

    async fn statuses(&self, session: &Session, watchers: &[&str]) -> Vec<String> {
        let statuses = self.presence().authorisation_statuses(session, &addresses(watchers)).await;
        let one = |one: &AuthorisationStatus| {
            format!("{} {}: {}", one.watcher.local(), one.state.as_str(), names(one.attributes))
        };
        statuses.map_or_else(|error| vec![error.status().to_string()], |all| all.iter().map(one).collect())
    }

    /// `bob CURRENT_SUBSCRIBER`, each.
    async fn watchers(&self, session: &Session, history: Option<u32>) -> Vec<String> {
        let list = self.presence().watcher_list(session, history, None).await.unwrap();
        assert_eq!((list.count, list.history_period.is_some()), (list.watchers.len(), history.is_some()));
        list.watchers.iter().map(|(user, status)| format!("{} {}", user.local(), status.as_str())).collect()
    }

    async fn list(&self, session: &Session, name: &str, members: &[&str]) -> String {
        let made = self.presence().create_list(session, &Address::new(name), nick(members), Vec::new()).await;
        made.map_or_else(|error| error.status().to_string(), |made| outcome(&made.result))
    }

    async fn manage(&self, session: &Session, name: &str, add: &[&str], remove: &[&str]) -> String {
        let change = ListChange { add: nick(add), remove: addresses(remove), ..ListChange::default() };
        match self.presence().manage_list(session, &Address::new(name), change).await {
            Ok(managed) => {
                let member = |one: &NickEntry| match &one.name {
                    Some(name) => format!("{}={name}", one.user_id),
                    None => one.user_id.to_string(),
                };
                let members: Vec<_> = managed.members.iter().map(member).collect();
                format!("{} ({})", outcome(&managed.result), members.join(" "))
            }
            Err(error) => error.status().to_string(),
        }
    }

    /// Attaches an attribute list to `targets`: users, lists (with a `/`) or `default`.
    async fn allow(&self, session: &Session, targets: &[&str], attributes: &[Attribute]) -> String {
        let (targets, all) = (targets.iter().copied(), AttributeListTargets::default());
        let targets = targets.fold(all, |mut all, target| {
            match target {
                "default" => all.default = true,
                list if list.contains('/') => all.contact_lists.push(Address::new(list)),
                user => all.users.push(Address::new(user)),
            }
            all
        });
        let made =
            self.presence().create_attribute_list(session, set(attributes), &targets, NotifyFlags::default()).await;
        made.map_or_else(|error| error.status().to_string(), |result| outcome(&result))
    }

    async fn update(&self, session: &Arc<Session>, attributes: Vec<PresenceAttribute>) -> u16 {
        let result = self.presence().update(session, PresenceSubList { attributes, extensions: Vec::new() }).await;
        result.map_or_else(|error| error.status(), |result| result.status).code()
    }

    async fn subscribe(&self, session: &Arc<Session>, targets: WatchTargets, wanted: &[Attribute]) -> String {
        outcome(&self.presence().subscribe(session, &targets, set(wanted), false).await.unwrap())
    }

    async fn follow(&self, session: &Arc<Session>, targets: WatchTargets, wanted: &[Attribute]) -> String {
        outcome(&self.presence().subscribe(session, &targets, set(wanted), true).await.unwrap())
    }

    async fn seen(&self, session: &Session, targets: WatchTargets, wanted: &[Attribute]) -> (String, Vec<String>) {
        let (result, found) = self.presence().get(session, &targets, set(wanted)).await.unwrap();
        let found = found.iter().map(|(user, list)| format!("{}: {}", user.local(), shown(list))).collect();
        (outcome(&result), found)
    }
}
