//! What a phone is told, in a line; and everything that phones of these tests do.

use imps_testkit::phone::Node;

pub(crate) use super::home::*;

/// A primitive that the server began, in a line.
pub(crate) fn said(primitive: &Node) -> String {
    let at = |path: &str| primitive.text_at(path).unwrap_or_default().to_owned();
    match primitive.name.as_str() {
        "NewMessage" => format!("{} from {}", at("ContentData"), who(primitive, "Sender")),
        "MessageNotification" => format!("a message from {}", who(primitive, "Sender")),
        "DeliveryReport-Request" => format!("{} for {}", at("Result/Code"), at("Recipient/UserID")),
        "PresenceNotification-Request" => presence(primitive),
        "PresenceAuth-Request" => format!("{} wants to see presence", at("UserID")),
        "GroupChangeNotice" => change(primitive),
        "LeaveGroup-Response" => format!("out of {}: {}", at("GroupID"), at("Result/Code")),
        "InviteUser-Request" => {
            let to = [at("GroupID"), at("URLList/URL")].concat();
            format!("invited to {to} by {}: {}", who(primitive, "Sender"), at("InviteNote"))
        }
        "Invite-Response" => {
            let verb = if at("Acceptance") == "T" { "accepts" } else { "rejects" };
            format!("{} {verb}: {}", who(primitive, "Sender"), at("ResponseNote"))
        }
        "CancelInviteUser-Request" => {
            format!("not invited by {} any more: {}", who(primitive, "Sender"), at("InviteNote"))
        }
        other => format!("{other}: {}", primitive.pretty()),
    }
}

/// A user, or a name in a group.
fn who(primitive: &Node, side: &str) -> String {
    let at = |path: &str| primitive.text_at(&format!("{side}/{path}")).map(str::to_owned);
    match (at("SName"), at("UserID"), at("GroupID")) {
        (Some(name), _, Some(group)) => format!("{name} in {group}"),
        (_, Some(user), _) => user,
        (_, _, group) => group.unwrap_or_default(),
    }
}

/// Presence as it is notified or answered: `wv:bob@b.example OnlineStatus=T StatusText=here`.
pub(crate) fn presence(primitive: &Node) -> String {
    let mut all: Vec<_> = primitive.find("Presence").into_iter().map(one_presence).collect();
    all.sort();
    all.join("; ")
}

fn one_presence(one: &Node) -> String {
    let user = one.text_at("UserID").unwrap_or_default().to_owned();
    let attributes = one.find("PresenceSubList").into_iter().flat_map(|list| &list.children);
    let value = |attribute: &Node| {
        let value = attribute.child_text("PresenceValue").unwrap_or("-");
        format!("{}={value}", attribute.name)
    };
    let mut words: Vec<_> = attributes.map(value).collect();
    words.sort();
    [vec![user], words].concat().join(" ")
}

fn change(primitive: &Node) -> String {
    let names = |side: &str| {
        let mut names: Vec<_> = primitive.find(&format!("{side}/SName")).iter().map(|it| it.text.clone()).collect();
        names.sort();
        names.join(" ")
    };
    let mut said = primitive.text_at("GroupID").unwrap_or_default().to_owned();
    for (side, verb) in [("Joined", "joined"), ("Left", "left")] {
        let names = names(side);
        if !names.is_empty() {
            said.push_str(&format!(" {verb} by {names}"));
        }
    }
    said
}
