//! What is the same as what came before: by prints of it, which are short however long it is.

use std::fmt::Write as _;

use imps_types::element::{Group, MessageInfo, Recipient};
use imps_types::{Status, UserId};
use md5::{Digest as _, Md5};

use super::FromAbroad;
use crate::error::Error;
use crate::im::OutgoingMessage;

/// The longest MessageID of another domain.
const ID_MAX: usize = 255;

/// The same for the same recipients, groups among them.
pub(super) fn print_of_all(recipient: &Recipient) -> [u8; 16] {
    let users = print_of(recipient);
    if recipient.groups.is_empty() {
        return users;
    }
    let mut print = Md5::new();
    print.update(users);
    add_groups(&mut print, &recipient.groups);
    print.finalize().into()
}

fn add_groups(print: &mut Md5, groups: &[Group]) {
    for group in groups {
        let (address, name) = match group {
            Group::Id(id) => (id, ""),
            Group::ScreenName(name) => (&name.group_id, &*name.name),
        };
        for part in [address.as_str(), name] {
            print.update(part);
            print.update([0]);
        }
    }
}

/// A name of this beginning and a print.
pub(super) fn hex(mut name: String, octets: [u8; 16]) -> String {
    for octet in octets {
        let _ = write!(name, "{octet:02x}");
    }
    name
}

/// The same for the same recipients, and short however many they are.
pub(super) fn print_of(recipient: &Recipient) -> [u8; 16] {
    let mut print = Md5::new();
    for user in &recipient.users {
        let client = user.client_id.as_ref();
        let (url, msisdn) = (client.and_then(|it| it.url.as_deref()), client.and_then(|it| it.msisdn.as_deref()));
        for part in [user.user_id.as_str(), url.unwrap_or_default(), msisdn.unwrap_or_default()] {
            print.update(part);
            print.update([0]);
        }
    }
    print.finalize().into()
}

/// Whether a name of another domain for a message is short enough to be a key here.
pub(super) fn check_id(id: Option<&str>) -> Result<(), Error> {
    match id {
        Some(id) if id.len() > ID_MAX => Err(Error::BadParameter("the MessageID is longer than this server takes")),
        _ => Ok(()),
    }
}

/// By what a report of another domain on what it alone knows is the same as one before. The name of a message that was taken
/// has a space in it, this has none.
pub(super) fn report_name(info: &MessageInfo, sender: &UserId, outcome: Status) -> Option<String> {
    let mut print = Md5::new();
    for part in [info.message_id.as_deref()?, sender.as_str()] {
        print.update(part);
        print.update([0]);
    }
    print.update(outcome.code().to_be_bytes());
    print.update(print_of(&info.recipient));
    add_groups(&mut print, &info.recipient.groups);
    Some(hex("report-".to_owned(), print.finalize().into()))
}

/// The same for the same message of the same sender to the same recipients, whenever it is posted.
pub(super) fn print_of_message(from: &FromAbroad, message: &OutgoingMessage) -> [u8; 16] {
    let OutgoingMessage { info, content, .. } = message;
    let mut print = Md5::new();
    let mut add = |part: &[u8]| {
        print.update((part.len() as u64).to_be_bytes());
        print.update(part);
    };
    let by = if from.id.is_some() { from.id.as_deref() } else { from.transaction.as_deref() };
    for text in [by, info.content_type.as_deref(), info.content_name.as_deref(), info.message_uri.as_deref()] {
        add(text.unwrap_or_default().as_bytes());
    }
    add(from.sender.as_str().as_bytes());
    add(&print_of_all(&info.recipient));
    add(&content.data);
    print.finalize().into()
}
