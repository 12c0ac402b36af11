//! Messages and what is in them: MessageInfo, ContentData, presence, groups' data. SSP 8.3 to 8.5.

use super::common::Party;
use super::error::{Error, ErrorKind};
use super::grammar::{Part, Value, optional, structure};
use super::io::{In, Out, Start};
use crate::Element;
use crate::elements::{decode_base64, is_plain_text};
use imps_types::element::{
    Content, ContentEncoding, Group, GroupProperties, Mapping, MessageInfo, Property, Recipient, ScreenName, Sender,
    User, UserList, WelcomeNote,
};
use imps_types::presence::PresenceSubList;
use imps_types::{Address, DateTime};

/// The recipients of a message, one element each. A contact list is made into users before (SSP 10), and so has no form
/// here.
fn put_recipients(recipient: &Recipient, out: &mut Out) {
    for user in &recipient.users {
        Party::User(user.clone()).write("Recipient", out);
    }
    for group in &recipient.groups {
        let party = match group {
            Group::Id(id) => Party::Group(id.clone()),
            Group::ScreenName(name) => Party::ScreenName(name.clone()),
        };
        party.write("Recipient", out);
    }
}

/// `Recipient`: some put several into one.
fn take_recipients<'a>(recipient: &mut Recipient, input: &mut In<'a>) -> Result<(), Error> {
    while let Some(child) = input.child()? {
        match Party::read_as(&child, input)? {
            Some(Party::User(user)) => recipient.users.push(user),
            Some(Party::Group(id)) => recipient.groups.push(Group::Id(id)),
            Some(Party::ScreenName(name)) => recipient.groups.push(Group::ScreenName(name)),
            None => input.skip()?,
        }
    }
    Ok(())
}

/// `Sender`: in a group, what is shown of him counts (SSP 8.3).
impl Part for Sender {
    fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let (mut plain, mut shown) = (None, None);
        while let Some(child) = input.child()? {
            if child.is(&["SenderDisplay"]) {
                shown = shown.or(Some(Party::read(&child, input)?));
            } else {
                match Party::read_as(&child, input)? {
                    Some(party) => plain = plain.or(Some(party)),
                    None => input.skip()?,
                }
            }
        }
        match shown.or(plain) {
            Some(Party::User(user)) => Ok(Self::User(user)),
            Some(Party::Group(id)) => Ok(Self::Group(Group::Id(id))),
            Some(Party::ScreenName(name)) => Ok(Self::Group(Group::ScreenName(name))),
            None => Err(input.error(ErrorKind::MissingElement("User"))),
        }
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        match self {
            Self::User(user) => user.write("User", out),
            Self::Group(Group::Id(id)) => id.write("GroupID", out),
            Self::Group(Group::ScreenName(name)) => {
                name.group_id.write("GroupID", out);
                Party::ScreenName(name.clone()).write("SenderDisplay", out);
            }
        }
        out.end(name);
    }
}

/// What is known of a message. Font and extensions are of CSP alone.
impl Part for MessageInfo {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let mut info = Self {
            message_id: optional(start, &["messageID", "MessageID"])?,
            message_uri: optional(start, &["messageURI", "MessageURI"])?,
            content_type: optional(start, &["contentType", "ContentType"])?,
            content_name: optional(start, &["contentName", "ContentName"])?,
            content_size: optional(start, &["contentSize", "ContentSize"])?.unwrap_or_default(),
            validity: optional(start, &["validity", "validlity"])?,
            ..Self::default()
        };
        while let Some(child) = input.child()? {
            if child.is(&["Recipient"]) {
                take_recipients(&mut info.recipient, input)?;
            } else if child.is(&["Sender"]) && info.sender.is_none() {
                info.sender = Some(Part::read(&child, input)?);
            } else if child.is(&["DateTime"]) {
                // The clocks of others are not to be relied upon, and their formats neither.
                info.date_time = DateTime::parse(&input.text()?);
            } else {
                input.skip()?;
            }
        }
        Ok(info)
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        let mut put = |name, value: &Option<Box<str>>| {
            if let Some(value) = value {
                out.attribute(name, value);
            }
        };
        put("messageID", &self.message_id);
        put("messageURI", &self.message_uri);
        put("contentType", &self.content_type);
        put("contentName", &self.content_name);
        out.attribute("contentSize", &self.content_size.format());
        if let Some(validity) = self.validity {
            out.attribute("validity", &validity.format());
        }
        put_recipients(&self.recipient, out);
        if let Some(sender) = &self.sender {
            sender.write("Sender", out);
        }
        if let Some(date_time) = &self.date_time {
            date_time.write("DateTime", out);
        }
        out.end(name);
    }
}

/// `ContentData`: the octets, and their type where it is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentData {
    /// The type.
    pub content_type: Option<Box<str>>,
    /// The octets.
    pub content: Content,
}

impl ContentData {
    /// The content of a message of which this is known.
    pub fn of(info: &MessageInfo, content: Content) -> Self {
        Self { content_type: info.content_type.clone(), content }
    }

    /// Takes the content into what is known of the message: its size and its encoding are those of the octets that came.
    pub fn settle(self, info: &mut MessageInfo) -> Content {
        let mut content = self.content;
        info.content_type = info.content_type.take().or(self.content_type);
        info.content_size = u32::try_from(content.data.len()).unwrap_or(u32::MAX);
        content.binary = !is_plain_text(&content.data, info.content_type.as_deref());
        info.content_encoding = content.binary.then_some(ContentEncoding::Base64);
        content
    }
}

impl Part for ContentData {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let content_type: Option<Box<str>> = optional(start, &["contentType", "ContentType"])?;
        let is_base64 = start.attribute(&["encoding", "Encoding"]).is_some();
        let at = input.position();
        let text = input.text()?;
        let data = if is_base64 {
            decode_base64(&text).ok_or(Error::new(ErrorKind::BadElement("ContentData in BASE64"), at))?
        } else {
            text.as_bytes().to_vec()
        };
        let binary = !is_plain_text(&data, content_type.as_deref());
        Ok(Self { content_type, content: Content { data: data.into(), binary } })
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        if let Some(content_type) = &self.content_type {
            out.attribute("contentType", content_type);
        }
        out.attribute("encoding", "base64");
        out.base64(&self.content.data);
        out.end(name);
    }
}

/// `PresenceSubList`, or `AttributeList` around it.
impl Part for PresenceSubList {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        if start.is(&["PresenceSubList"]) {
            return input.csp();
        }
        let mut list: Option<Self> = None;
        while let Some(child) = input.child()? {
            if child.is(&["PresenceSubList"]) && list.is_none() {
                list = Some(input.csp()?);
            } else {
                input.skip()?;
            }
        }
        Ok(list.unwrap_or_default())
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        if name == "PresenceSubList" {
            return out.csp(Element::PresenceSubList, self);
        }
        out.begin(name);
        out.csp(Element::PresenceSubList, self);
        out.end(name);
    }
}

structure! {
    /// The presence of one user (`PresenceValue`).
    PresenceValue [
        /// Whose.
        required user_id: Address = "userID" | "userid",
    ] {
        /// The attributes with their values.
        many lists: PresenceSubList = "PresenceSubList",
    }
}

/// `GroupProperties` and `OwnProperties`.
impl Part for GroupProperties {
    fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let mut read = Self::default();
        while let Some(child) = input.child()? {
            if child.is(&["Property"]) {
                read.properties.push(input.csp()?);
            } else if child.is(&["WelcomeNote"]) && read.welcome_note.is_none() {
                read.welcome_note = Some(Part::read(&child, input)?);
            } else {
                input.skip()?;
            }
        }
        Ok(read)
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        for property in &self.properties {
            out.csp::<Property>(Element::Property, property);
        }
        if let Some(note) = &self.welcome_note {
            note.write("WelcomeNote", out);
        }
        out.end(name);
    }
}

impl Part for WelcomeNote {
    fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let mut note = None;
        while let Some(child) = input.child()? {
            if child.is(&["ContentData"]) && note.is_none() {
                let data = ContentData::read(&child, input)?;
                note = Some(Self { content_type: data.content_type.unwrap_or_default(), content: data.content });
            } else {
                input.skip()?;
            }
        }
        note.ok_or(input.error(ErrorKind::MissingElement("ContentData")))
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        let content_type = Some(self.content_type.clone()).filter(|it| !it.is_empty());
        ContentData { content_type, content: self.content.clone() }.write("ContentData", out);
        out.end(name);
    }
}

/// Who has joined, and by which name (`UserMapList`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct JoinedMap(pub Vec<Mapping>);

impl Part for JoinedMap {
    fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let mut map = Self::default();
        map.take(input)?;
        Ok(map)
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        out.begin("UserMapList");
        out.begin("UserMapping");
        for mapping in &self.0 {
            out.begin("Mapping");
            mapping.name.write("SName", out);
            if let Some(user_id) = &mapping.user_id {
                user_id.write("UserID", out);
            }
            out.end("Mapping");
        }
        out.end("UserMapping");
        out.end("UserMapList");
        out.end(name);
    }
}

impl JoinedMap {
    /// Some leave a level out, some have a `UserMapping` for each: whatever holds mappings is gone through. It cannot go
    /// deeper than the reader lets it.
    fn take<'a>(&mut self, input: &mut In<'a>) -> Result<(), Error> {
        while let Some(child) = input.child()? {
            if child.is(&["Mapping"]) {
                self.0.push(read_mapping(input)?);
            } else if child.is(&["UserMapList", "UserMapping"]) {
                self.take(input)?;
            } else {
                input.skip()?;
            }
        }
        Ok(())
    }
}

fn read_mapping<'a>(input: &mut In<'a>) -> Result<Mapping, Error> {
    let mut mapping = Mapping { name: Box::default(), user_id: None };
    while let Some(child) = input.child()? {
        if child.is(&["SName", "Name", "ScreenName"]) {
            mapping.name = input.text()?.into();
        } else if child.is(&["UserID", "User"]) {
            mapping.user_id = Some(Part::read(&child, input)?);
        } else {
            input.skip()?;
        }
    }
    Ok(mapping)
}

structure! {
    /// Users by their addresses: `Admins`, `Moderators`, `OrdinaryUsers`, `RejectList` and their like.
    UserIds [] {
        /// Who.
        many user_ids: Address = "UserID" | "User",
    }
}

structure! {
    /// Bare screen names: `JoinedList`, `Joined`, `Left`.
    Names [] {
        /// Which.
        many names: Box<str> = "Name" | "ScreenName",
    }
}

/// `JoinedBlocked` and `LeftBlocked`: a UserList, which some leave out.
impl Part for UserList {
    fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let mut list = Self::default();
        take_users(&mut list, input)?;
        Ok(list)
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        out.begin("UserList");
        self.users.iter().for_each(|user| user.write("User", out));
        self.screen_names.iter().for_each(|name| name.write("ScreenName", out));
        out.end("UserList");
        out.end(name);
    }
}

fn take_users<'a>(list: &mut UserList, input: &mut In<'a>) -> Result<(), Error> {
    while let Some(child) = input.child()? {
        if child.is(&["UserList"]) {
            take_users(list, input)?;
        } else if child.is(&["User", "UserID"]) {
            list.users.push(User::read(&child, input)?);
        } else if child.is(&["ScreenName", "ScreenNames"]) {
            list.screen_names.push(ScreenName::read(&child, input)?);
        } else if child.is(&["Name"]) {
            list.screen_names.push(ScreenName { name: input.text()?.into(), group_id: Address::default() });
        } else {
            input.skip()?;
        }
    }
    Ok(())
}
