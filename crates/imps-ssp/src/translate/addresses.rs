//! The addresses in a request of our user: an address without a domain is none between domains (SSP 2).

use imps_proto::csp::catalogue::Request;
use imps_proto::elements::Listed;
use imps_types::element::{AccessList, EntityList, Group, NickEntry, Recipient, ScreenName, Sender, User, UserList};
use imps_types::{Address, Domain};
use rustc_hash::FxHashMap;

/// The domain of an address that is not of home. An address without one is of home, and what is no address is home's to
/// refuse.
pub(super) fn foreign(address: &Address, home: &Domain) -> Option<Domain> {
    let (_, domain) = address.as_str().rsplit_once('@')?;
    Domain::parse(domain).ok().filter(|domain| domain != home)
}

/// Addresses that were asked about, to be found again whatever an answer made of their scheme and case (SSP 2).
pub(super) struct Asked<'a>(FxHashMap<String, &'a Address>);

impl<'a> Asked<'a> {
    pub(super) fn of(addresses: impl IntoIterator<Item = &'a Address>) -> Self {
        Self(addresses.into_iter().map(|address| (key(address), address)).collect())
    }

    /// The address as it was asked about; none: it was not.
    pub(super) fn find(&self, said: &Address) -> Option<&'a Address> {
        self.0.get(&key(said)).copied()
    }
}

/// Whether two addresses are the same.
pub(super) fn same(one: &Address, other: &Address) -> bool {
    key(one) == key(other)
}

fn key(address: &Address) -> String {
    let text = address.as_str();
    text.get(scheme_of(text)..).unwrap_or_default().to_lowercase()
}

/// How long the scheme of an address is; 0: it has none.
fn scheme_of(text: &str) -> usize {
    if text.get(..3).is_some_and(|scheme| scheme.eq_ignore_ascii_case("wv:")) { 3 } else { 0 }
}

/// Gives every address of a request its scheme and its domain.
pub(super) fn complete(request: &mut Request, home: &Domain) {
    each(request, &mut |address| complete_one(address, home));
}

fn complete_one(address: &mut Address, home: &Domain) {
    let text = address.as_str();
    let scheme = if scheme_of(text) == 0 { "wv:" } else { "" };
    let has_domain = text.contains('@');
    if text.is_empty() || (has_domain && scheme.is_empty()) {
        return;
    }
    let completed = if has_domain { format!("{scheme}{text}") } else { format!("{scheme}{text}@{home}") };
    *address = Address::new(&completed);
}

type Change<'a> = dyn FnMut(&mut Address) + 'a;

/// Calls `change` with every address of a request that can leave home.
fn each(request: &mut Request, change: &mut Change<'_>) {
    match request {
        Request::Invite(it) => {
            it.sender.iter_mut().for_each(|sender| of_sender(sender, change));
            of_recipient(&mut it.recipient, change);
            it.group_id.iter_mut().for_each(&mut *change);
            it.screen_name.iter_mut().for_each(|name| of_name(name, change));
        }
        Request::CancelInvite(it) => {
            it.sender.iter_mut().for_each(|sender| of_sender(sender, change));
            it.recipient.iter_mut().for_each(|recipient| of_recipient(recipient, change));
            it.group_id.iter_mut().for_each(&mut *change);
            it.screen_name.iter_mut().for_each(|name| of_name(name, change));
        }
        Request::InviteUserResponse(it) => {
            it.sender.iter_mut().for_each(|sender| of_sender(sender, change));
            it.recipient.iter_mut().for_each(|recipient| of_recipient(recipient, change));
            it.screen_name.iter_mut().for_each(|name| of_name(name, change));
        }
        Request::VerifyId(it) => {
            let ids = &mut it.id_list;
            ids.user_ids.iter_mut().chain(&mut ids.contact_lists).chain(&mut ids.group_ids).for_each(&mut *change);
            ids.screen_names.iter_mut().for_each(|name| of_name(name, change));
        }
        Request::GetPublicProfile(it) => it.user_ids.iter_mut().for_each(change),
        Request::UpdatePublicProfile(it) => {
            it.public_profile.iter_mut().filter_map(|profile| profile.user_id.as_mut()).for_each(change);
        }
        Request::GetSpInfo(_) | Request::Search(_) | Request::StopSearch(_) => {}
        of_lists => each_of_lists(of_lists, change),
    }
}

fn each_of_lists(request: &mut Request, change: &mut Change<'_>) {
    match request {
        Request::CreateList(it) => {
            change(&mut it.contact_list);
            of_nicks(&mut it.nick_list, change);
        }
        Request::DeleteList(it) => change(&mut it.contact_list),
        Request::ListManage(it) => {
            change(&mut it.contact_list);
            of_nicks(&mut it.add_nick_list, change);
            it.remove_nick_list.iter_mut().for_each(change);
        }
        Request::CreateAttributeList(it) => {
            it.user_ids.iter_mut().chain(&mut it.contact_lists).for_each(change);
        }
        Request::DeleteAttributeList(it) => {
            it.user_ids.iter_mut().chain(&mut it.contact_lists).for_each(change);
        }
        Request::GetAttributeList(it) => of_watched(&mut it.users, &mut it.contact_lists, change),
        Request::SubscribePresence(it) => of_watched(&mut it.users, &mut it.contact_lists, change),
        Request::UnsubscribePresence(it) => of_watched(&mut it.users, &mut it.contact_lists, change),
        Request::GetPresence(it) => of_watched(&mut it.users, &mut it.contact_lists, change),
        Request::PresenceAuthUser(it) => change(&mut it.user_id),
        Request::CancelAuth(it) => change(&mut it.user_id),
        Request::GetList(_) | Request::UpdatePresence(_) | Request::GetWatcherList(_) => {}
        of_messages => each_of_messages(of_messages, change),
    }
}

fn each_of_messages(request: &mut Request, change: &mut Change<'_>) {
    match request {
        Request::SendMessage(it) => {
            let info = &mut it.message.info;
            of_recipient(&mut info.recipient, change);
            info.sender.iter_mut().for_each(|sender| of_sender(sender, change));
        }
        Request::SetDeliveryMethod(it) => it.group_id.iter_mut().for_each(change),
        Request::GetMessageList(it) => it.group_id.iter_mut().for_each(change),
        Request::ForwardMessage(it) => {
            it.sender.iter_mut().for_each(|sender| of_sender(sender, change));
            of_recipient(&mut it.recipient, change);
        }
        Request::BlockEntity(it) => {
            for list in it.lists.block.iter_mut().chain(&mut it.lists.grant) {
                of_access_list(list, change);
            }
        }
        Request::GetMessage(_)
        | Request::MessageDelivered(_)
        | Request::RejectMessage(_)
        | Request::GetBlockedList(_) => {}
        of_groups => each_of_groups(of_groups, change),
    }
}

fn each_of_groups(request: &mut Request, change: &mut Change<'_>) {
    match request {
        Request::CreateGroup(it) => {
            change(&mut it.group_id);
            it.screen_name.iter_mut().for_each(|name| of_name(name, change));
        }
        Request::JoinGroup(it) => {
            change(&mut it.group_id);
            it.screen_name.iter_mut().for_each(|name| of_name(name, change));
        }
        Request::DeleteGroup(it) => change(&mut it.group_id),
        Request::LeaveGroup(it) => change(&mut it.group_id),
        Request::GetGroupMembers(it) => change(&mut it.group_id),
        Request::GetJoinedUsers(it) => change(&mut it.group_id),
        Request::AddGroupMembers(it) => {
            change(&mut it.group_id);
            of_users(&mut it.users, change);
        }
        Request::RemoveGroupMembers(it) => {
            change(&mut it.group_id);
            of_users(&mut it.users, change);
        }
        Request::MemberAccess(it) => {
            change(&mut it.group_id);
            for Listed(list) in it.admins.iter_mut().chain(&mut it.mods) {
                of_users(list, change);
            }
            it.users.iter_mut().for_each(|list| of_users(list, change));
        }
        Request::GetGroupProps(it) => change(&mut it.group_id),
        Request::SetGroupProps(it) => change(&mut it.group_id),
        Request::RejectList(it) => {
            change(&mut it.group_id);
            for list in it.add_list.iter_mut().chain(&mut it.remove_list) {
                of_entities(list, change);
            }
        }
        Request::SubscribeGroupNotice(it) => change(&mut it.group_id),
        // The others have been looked at; what stays at home stays as it is.
        _ => {}
    }
}

fn of_watched(users: &mut [User], contact_lists: &mut [Address], change: &mut Change<'_>) {
    users.iter_mut().map(|user| &mut user.user_id).chain(contact_lists).for_each(change);
}

fn of_nicks(nicks: &mut [NickEntry], change: &mut Change<'_>) {
    nicks.iter_mut().for_each(|nick| change(&mut nick.user_id));
}

/// A name without a group is one in the group that it stands beside.
fn of_name(name: &mut ScreenName, change: &mut Change<'_>) {
    change(&mut name.group_id);
}

fn of_users(list: &mut UserList, change: &mut Change<'_>) {
    list.users.iter_mut().for_each(|user| change(&mut user.user_id));
    list.screen_names.iter_mut().for_each(|name| of_name(name, change));
}

fn of_sender(sender: &mut Sender, change: &mut Change<'_>) {
    match sender {
        Sender::User(user) => change(&mut user.user_id),
        Sender::Group(group) => of_group(group, change),
    }
}

fn of_group(group: &mut Group, change: &mut Change<'_>) {
    match group {
        Group::Id(id) => change(id),
        Group::ScreenName(name) => of_name(name, change),
    }
}

fn of_recipient(recipient: &mut Recipient, change: &mut Change<'_>) {
    recipient.users.iter_mut().for_each(|user| change(&mut user.user_id));
    recipient.groups.iter_mut().for_each(|group| of_group(group, change));
    recipient.contact_lists.iter_mut().for_each(change);
}

fn of_entities(list: &mut EntityList, change: &mut Change<'_>) {
    list.user_ids.iter_mut().chain(&mut list.group_ids).chain(&mut list.contact_lists).for_each(&mut *change);
    list.screen_names.iter_mut().for_each(|name| of_name(name, change));
}

fn of_access_list(list: &mut AccessList, change: &mut Change<'_>) {
    let AccessList { in_use: _, entities, add, remove } = list;
    for entities in entities.iter_mut().chain(add).chain(remove) {
        of_entities(entities, change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(text: &str) -> String {
        let mut address = Address::new(text);
        complete_one(&mut address, &Domain::parse("a.example").unwrap());
        address.as_str().to_owned()
    }

    #[test]
    fn what_is_missing_is_that_of_home() {
        for (given, told) in [
            ("bob", "wv:bob@a.example"),
            ("WV:Bob", "WV:Bob@a.example"),
            ("bob@b.example", "wv:bob@b.example"),
            ("wv:bob@b.example", "wv:bob@b.example"),
            ("wv:/lobby", "wv:/lobby@a.example"),
            ("bob/cars", "wv:bob/cars@a.example"),
            ("", ""),
        ] {
            assert_eq!(completed(given), told, "{given}");
        }
    }

    #[test]
    fn only_other_domains_are_foreign() {
        let home = Domain::parse("a.example").unwrap();
        for (text, domain) in [
            ("wv:bob@b.example", Some("b.example")),
            ("bob@B.Example", Some("b.example")),
            ("wv:bob@a.example", None),
            ("bob@A.EXAMPLE", None),
            ("wv:bob", None),
            ("wv:bob@", None),
            ("wv:bob@b example", None),
        ] {
            let found = foreign(&Address::new(text), &home);
            assert_eq!(found.as_ref().map(Domain::as_str), domain, "{text}");
        }
    }

    #[test]
    fn an_answer_names_those_who_were_asked_about() {
        let asked = [Address::new("wv:bob@b.example"), Address::new("Bea@b.example")];
        let asked = Asked::of(&asked);
        assert_eq!(asked.find(&Address::new("BOB@B.example")).map(Address::as_str), Some("wv:bob@b.example"));
        assert_eq!(asked.find(&Address::new("wv:bea@b.example")).map(Address::as_str), Some("Bea@b.example"));
        assert_eq!(asked.find(&Address::new("wv:zoe@b.example")), None);
    }
}
