//! Groups as an operator makes, shows and manages them.

use imps_service::group::{GroupError, GroupSummary, Manager, PersonSummary};
use imps_service::{Error, Services};
use imps_types::element::{Content, GroupProperties, Property, ResultInfo, Role, User, UserList, WelcomeNote};
use imps_types::{Address, GroupId, Service, Status, UserId};
use serde::{Deserialize, Serialize};

use crate::command::{Failure, Outcome, PAGE, Who, named};

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wish {
    Add { group: String, like: Like },
    Remove { group: String },
    List { after: Option<String> },
    Show { group: String },
    Set { group: String, like: Like },
    People { group: String, change: Change },
    Kick { group: String, who: Who },
}

/// What a group is to be like.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Like {
    pub(crate) properties: Vec<(String, String)>,
    /// The text of the welcome note; empty: none.
    pub(crate) note: Option<String>,
}

/// A change of a group's people, in this order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) add: Vec<Who>,
    pub(crate) admins: Vec<Who>,
    pub(crate) mods: Vec<Who>,
    pub(crate) users: Vec<Who>,
    pub(crate) remove: Vec<Who>,
    pub(crate) reject: Vec<Who>,
    pub(crate) accept: Vec<Who>,
}

/// A group, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupView {
    pub(crate) group: String,
    /// Absent: the operator's.
    pub(crate) owner: Option<String>,
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) searchable: bool,
    pub(crate) joined: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) properties: Vec<PropertyView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) people: Option<Vec<PersonView>>,
}

/// A property, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PropertyView {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Somebody of whom a group knows, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PersonView {
    pub(crate) user: String,
    pub(crate) role: Option<String>,
    pub(crate) rejected: bool,
    pub(crate) invited: bool,
    pub(crate) auto_join: bool,
    pub(crate) screen_name: Option<String>,
}

/// Carries a wish out.
pub(crate) async fn run(services: &Services, wish: Wish) -> Result<Outcome, Failure> {
    let groups = services.group();
    match wish {
        Wish::Add { group, like } => {
            let id = group_id(services, &group)?;
            groups.create_public(&id, &properties(&like)).await.map_err(|error| refused(error, &id))?;
            shown(services, &id)
        }
        Wish::Remove { group } => {
            let id = group_id(services, &group)?;
            groups.delete_by_operator(&id).await.map_err(|error| refused(error, &id))?;
            Ok(Outcome::GroupRemoved { group: id.to_string() })
        }
        Wish::List { after } => {
            let after = after.as_deref().map(GroupId::from_canonical);
            let found = groups.list(after.as_ref(), PAGE);
            let next = found.last().filter(|_| found.len() == PAGE).map(|last| last.id.to_string());
            Ok(Outcome::Groups { groups: found.iter().map(view).collect(), next })
        }
        Wish::Show { group } => shown(services, &group_id(services, &group)?),
        Wish::Set { group, like } => {
            let id = group_id(services, &group)?;
            let set = groups.set_by_operator(&Address::from(&id), &properties(&like)).await;
            set.map_err(|error| refused(error, &id))?;
            shown(services, &id)
        }
        Wish::People { group, change } => {
            let id = group_id(services, &group)?;
            manage(services, &id, change).await?;
            shown(services, &id)
        }
        Wish::Kick { group, who } => {
            let id = group_id(services, &group)?;
            let user = person_of(services, &id, &who)?;
            let kicked = groups.kick(&Address::from(&id), &user).await;
            kicked.map_err(|error| match error {
                Error::Group(GroupError::NotJoined) => Failure::new(format!("{user} has not joined {id}"))
                    .hint(format!("`hamlet group show {id}` shows who has")),
                other => refused(other, &id),
            })?;
            shown(services, &id)
        }
    }
}

async fn manage(services: &Services, id: &GroupId, change: Change) -> Result<(), Failure> {
    let (groups, by, address) = (services.group(), Manager::Operator, Address::from(id));
    let list = |who: &[Who]| {
        let users = who.iter().map(|who| person_of(services, id, who)).collect::<Result<Vec<_>, _>>()?;
        let users = users.iter().map(User::of).collect();
        Ok::<_, Failure>(UserList { users, screen_names: Vec::new() })
    };
    // All names are looked at before anything is done.
    let add = list(&[&*change.add, &*change.admins, &*change.mods, &*change.users].concat())?;
    let roles =
        [(Role::Admin, list(&change.admins)?), (Role::Mod, list(&change.mods)?), (Role::User, list(&change.users)?)];
    let (remove, reject, accept) = (list(&change.remove)?, list(&change.reject)?, list(&change.accept)?);
    if !add.is_empty() {
        done(&groups.add_members(by, &address, add).await.map_err(|error| refused(error, id))?)?;
    }
    let roles: Vec<_> = roles.into_iter().filter(|(_, users)| !users.is_empty()).collect();
    if !roles.is_empty() {
        done(&groups.set_access(by, &address, roles).await.map_err(|error| refused(error, id))?)?;
    }
    if !remove.is_empty() {
        done(&groups.remove_members(by, &address, remove).await.map_err(|error| refused(error, id))?)?;
    }
    if !reject.is_empty() || !accept.is_empty() {
        let (result, _) = groups.reject(by, &address, reject, accept).await.map_err(|error| refused(error, id))?;
        done(&result)?;
    }
    Ok(())
}

/// Users who could not be dealt with are said.
fn done(result: &ResultInfo) -> Result<(), Failure> {
    let Some(first) = result.detailed.first() else { return Ok(()) };
    let all = result.detailed.iter().flat_map(|one| one.user_ids.iter().map(move |user| (one.status, user)));
    let each: Vec<String> = all.map(|(status, user)| format!("{user}: {}", status.text().to_lowercase())).collect();
    let hint = match first.status {
        Status::UNKNOWN_USER => "`hamlet user list` shows who is there",
        Status::INSUFFICIENT_GROUP_PRIVILEGES => "a group's owner cannot be removed, rejected or given another role",
        _ => "the others were dealt with",
    };
    Err(Failure::new(each.join("; ")).hint(hint))
}

/// Somebody who may be in a group: a user of ours, or of a domain that is reached, or whom the group knows already.
fn person_of(services: &Services, id: &GroupId, who: &Who) -> Result<UserId, Failure> {
    // The domain that is named besides is the server's, which a guest is not of.
    let domain = who.domain.clone().filter(|_| !who.name.contains('@'));
    let user = named(services, &Who { name: who.name.clone(), domain })?;
    let is_reached = services.router.user_or_guest(&Address::from(&user), Service::Group).is_ok();
    let is_known = || services.group().people(id).is_ok_and(|people| people.iter().any(|one| one.user == user));
    if is_reached || is_known() {
        return Ok(user);
    }
    Err(Failure::new(format!("{user} is of the domain {}, with which groups are not shared", user.domain())).hint(
        format!("`hamlet group show {id}` shows whom the group knows, `hamlet peer list` which domains are reached"),
    ))
}

/// `lobby` is the public group; `alice/party` and whole addresses are what they say.
fn group_id(services: &Services, text: &str) -> Result<GroupId, Failure> {
    let is_name = !text.contains(['/', ':']);
    let address = if is_name { format!("/{text}") } else { text.to_owned() };
    GroupId::parse(&address, services.router.home()).map_err(|error| {
        Failure::new(format!("`{text}` is no group: {error}"))
            .hint("write lobby for a public group, alice/party for a user's, or the whole address")
    })
}

fn properties(like: &Like) -> GroupProperties {
    let note = |text: &String| WelcomeNote { content_type: "text/plain".into(), content: Content::text(text) };
    GroupProperties {
        properties: like.properties.iter().map(|(name, value)| Property::new(name, value)).collect(),
        welcome_note: like.note.as_ref().map(note),
    }
}

fn refused(error: Error, id: &GroupId) -> Failure {
    match error {
        Error::UnknownGroup => {
            Failure::new(format!("there is no group {id}")).hint("`hamlet group list` shows which there are")
        }
        Error::Group(GroupError::Exists) => Failure::new(format!("there is a group {id} already"))
            .hint(format!("`hamlet group set {id} --set NAME=VALUE` changes what it is like")),
        Error::Group(GroupError::Property(what)) => {
            Failure::new(what).hint(format!("properties are {}", imps_service::group::settable_properties().join(", ")))
        }
        Error::ForeignDomain => {
            Failure::new(format!("{id} is of the domain {}, which is not served here", id.domain()))
                .hint("name the group without a domain")
        }
        other => other.into(),
    }
}

fn shown(services: &Services, id: &GroupId) -> Result<Outcome, Failure> {
    let groups = services.group();
    let group = groups.known(id).map_err(|error| refused(error, id))?;
    let told = groups.all_properties(&Address::from(id)).map_err(|error| refused(error, id))?;
    let people = groups.people(id).map_err(|error| refused(error, id))?;
    let property = |one: &Property| PropertyView {
        name: one.name.to_string(),
        value: one.value.as_deref().unwrap_or_default().to_owned(),
    };
    let view = GroupView {
        properties: told.properties.iter().map(property).collect(),
        note: told.welcome_note.map(|note| String::from_utf8_lossy(&note.content.data).into_owned()),
        people: Some(people.iter().map(person).collect()),
        ..view(&group.summary())
    };
    Ok(Outcome::Groups { groups: vec![view], next: None })
}

fn view(summary: &GroupSummary) -> GroupView {
    GroupView {
        group: summary.id.to_string(),
        owner: summary.owner.as_ref().map(UserId::to_string),
        name: summary.name.to_string(),
        topic: summary.topic.to_string(),
        searchable: summary.searchable,
        joined: summary.joined,
        properties: Vec::new(),
        note: None,
        people: None,
    }
}

fn person(one: &PersonSummary) -> PersonView {
    PersonView {
        user: one.user.to_string(),
        role: one.role.map(|role| role.as_str().to_lowercase()),
        rejected: one.rejected,
        invited: one.invited,
        auto_join: one.auto_join,
        screen_name: one.screen_name.as_deref().map(str::to_owned),
    }
}
