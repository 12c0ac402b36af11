//! `hamlet group`, for the server that runs in this process.

use std::fmt::Write as _;

use imps_service::Services;
use imps_service::group::Manager;
use imps_types::element::{Content, GroupProperties, Property, Role, User, UserList, WelcomeNote};
use imps_types::{Address, GroupId};

use super::in_process::text;
use super::operator::{Typed, user};

pub(super) async fn operate(services: &Services, verb: &str, typed: &Typed) -> Result<String, String> {
    let groups = services.group();
    let given = typed.first()?;
    let address = if given.contains(['/', ':']) { given.to_owned() } else { format!("/{given}") };
    let id = GroupId::parse(&address, services.router.home()).map_err(text)?;
    let address = Address::from(&id);
    match verb {
        "add" => groups.create_public(&id, &properties(typed)?).await.map_err(text)?,
        "set" => groups.set_by_operator(&address, &properties(typed)?).await.map_err(text)?,
        "remove" => groups.delete_by_operator(&id).await.map_err(text)?,
        "kick" => {
            let who = typed.second()?;
            groups.kick(&address, &user(services, who)?).await.map_err(text)?;
        }
        "members" => members(services, &address, typed).await?,
        "show" => {}
        other => return Err(format!("the server in this process has no command `group {other}`")),
    }
    if verb == "remove" { Ok(String::new()) } else { shown(services, &id) }
}

fn properties(typed: &Typed) -> Result<GroupProperties, String> {
    let mut properties = Vec::new();
    for (option, name) in [("name", "Name"), ("topic", "Topic")] {
        properties.extend(typed.one(option).map(|value| Property::new(name, value)));
    }
    for given in typed.all("set") {
        let (name, value) = given.split_once('=').ok_or("--set NAME=VALUE")?;
        properties.push(Property::new(name, value));
    }
    let note = |text: &str| WelcomeNote { content_type: "text/plain".into(), content: Content::text(text) };
    Ok(GroupProperties { properties, welcome_note: typed.one("note").map(note) })
}

async fn members(services: &Services, address: &Address, typed: &Typed) -> Result<(), String> {
    let (groups, by) = (services.group(), Manager::Operator);
    let list = |options: &[&str]| -> Result<UserList, String> {
        let named = options.iter().flat_map(|option| typed.all(option));
        let users = named.map(|name| Ok(User::of(&user(services, name)?))).collect::<Result<_, String>>()?;
        Ok(UserList { users, screen_names: Vec::new() })
    };
    groups.add_members(by, address, list(&["add", "admin", "mod", "user"])?).await.map_err(text)?;
    let roles = [(Role::Admin, "admin"), (Role::Mod, "mod"), (Role::User, "user")];
    let roles = roles.into_iter().map(|(role, option)| Ok((role, list(&[option])?))).collect::<Result<_, String>>()?;
    groups.set_access(by, address, roles).await.map_err(text)?;
    groups.remove_members(by, address, list(&["remove"])?).await.map_err(text)?;
    groups.reject(by, address, list(&["reject"])?, list(&["accept"])?).await.map_err(text)?;
    Ok(())
}

fn shown(services: &Services, id: &GroupId) -> Result<String, String> {
    let told = services.group().all_properties(&Address::from(id)).map_err(text)?;
    let mut shown = format!("{id}\n");
    for one in &told.properties {
        let _ = writeln!(shown, "{}  {}", one.name, one.value.as_deref().unwrap_or_default());
    }
    for one in services.group().people(id).map_err(text)? {
        let role = one.role.map_or("-", Role::as_str).to_lowercase();
        let _ = writeln!(shown, "{}  {role}  {}", one.user, one.screen_name.as_deref().unwrap_or("-"));
    }
    Ok(shown)
}
