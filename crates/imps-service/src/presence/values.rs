//! Presence values as they are kept, and what is seen of them (CSP 10, 11).
//!
//! What every client has without saying so (OnlineStatus; ClientInfo and CommCap of 1.1 and 1.2 clients, CSP 4.1) is
//! computed from the sessions: an idle one keeps no memory for it.

use std::sync::Arc;

use imps_types::element::ClientType;
use imps_types::presence::{Attribute, AttributeSet, Extension, Field, FieldValue, PresenceAttribute, PresenceSubList};
use imps_types::{ClientId, SessionId, UserId, Version};

use crate::extension::{read_extensions, write_extensions};
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::session::Session;
use crate::user::UserState;

/// Values of one attribute that one session may publish for different ClientIDs.
const CLIENTS_MAX: usize = 8;
/// Attributes of a user that are in no table.
const EXTENSIONS_MAX: usize = 8;

/// What a client published of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ClientValues {
    session: SessionId,
    /// Each with the moment that makes it newer than others. One that was withdrawn stays, with Qualifier F, so that
    /// what the server publishes by itself does not come back.
    values: Vec<(u64, PresenceAttribute)>,
}

/// What a user published: his own status, and that of his clients.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Values {
    user: Vec<PresenceAttribute>,
    clients: Vec<ClientValues>,
    /// Attributes that no table knows, the one published last behind the others.
    extensions: Vec<Extension>,
}

/// The attributes that differ for watchers of older versions, and for those of 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Changed {
    pub(super) older: AttributeSet,
    pub(super) newer: AttributeSet,
    /// In which only extensions differ.
    extended: AttributeSet,
}

impl Changed {
    /// What differs between two views of the same attributes.
    pub(super) fn between(before: &[PresenceAttribute], after: &[PresenceAttribute]) -> Self {
        let mut changed = Self::default();
        let names = |view: &[PresenceAttribute]| view.iter().map(|one| one.attribute).collect::<AttributeSet>();
        for attribute in names(before).or(names(after)).iter() {
            let of = |view: &'_ [PresenceAttribute]| -> Vec<PresenceAttribute> {
                view.iter().filter(|one| one.attribute == attribute).cloned().collect()
            };
            let (mut before, mut after) = (of(before), of(after));
            if before != after {
                for one in before.iter_mut().chain(&mut after) {
                    one.extensions.clear();
                }
                match before == after {
                    true => changed.extended.insert(attribute),
                    false => changed.newer.insert(attribute),
                }
            }
            let older = |view: &[PresenceAttribute]| view.first().and_then(|one| one.for_version(Version::V1_2));
            if older(&before) != older(&after) {
                changed.older.insert(attribute);
            }
        }
        changed
    }

    /// The same, and the attributes that no table knows.
    pub(super) fn and_extensions(self) -> Self {
        let all = AttributeSet::EXTENSIONS;
        Self { older: self.older.or(all), newer: self.newer.or(all), extended: self.extended }
    }

    /// For a watcher of this version who wants so much.
    pub(super) fn for_watcher(self, version: Version, wanted: AttributeSet) -> AttributeSet {
        let changed = if version < Version::V1_3 { self.older } else { self.newer };
        if wanted.has_extensions() { changed.or(self.extended) } else { changed }
    }

    pub(super) fn is_empty(self) -> bool {
        self.older.is_empty() && self.newer.is_empty() && self.extended.is_empty()
    }
}

/// All attributes that describe a client.
pub(super) fn client_status() -> AttributeSet {
    AttributeSet::ALL.iter().filter(|attribute| PresenceSubList::is_client_status(*attribute)).collect()
}

/// Which moment a view is of.
#[derive(Clone, Copy, Debug)]
pub(super) enum AsOf {
    /// This one.
    Now,
    /// When this session, which is closed already, was still open.
    Open(SessionId),
    /// When this session had agreed on another kind of client, and another priority.
    Agreed(SessionId, Option<ClientType>, u32),
}

/// What the server publishes for a client that says nothing itself.
fn automatic(
    user: &UserId,
    version: Version,
    client_type: Option<ClientType>,
    attribute: Attribute,
) -> Option<PresenceAttribute> {
    let text = |field, text: &str| (field, FieldValue::Text(text.into()));
    let fields = match attribute {
        Attribute::OnlineStatus => vec![text(Field::PresenceValue, "T")],
        Attribute::ClientInfo if version < Version::V1_3 => {
            vec![text(Field::ClientType, client_type.unwrap_or(ClientType::MobilePhone).as_str())]
        }
        // 1.1 phones show a contact online by it. No Note: Nokia dislikes an empty one.
        Attribute::CommCap if version < Version::V1_3 => {
            let inner = vec![text(Field::Cap, "IM"), text(Field::Status, "OPEN"), text(Field::Contact, user.as_str())];
            vec![(Field::CommC, FieldValue::Struct(inner))]
        }
        _ => return None,
    };
    Some(PresenceAttribute { qualifier: Some(true), fields, ..PresenceAttribute::name_only(attribute) })
}

impl Values {
    /// These attributes as they are now, in order; those without value with Qualifier F. Client status comes once for
    /// each client with its ClientID, the form of 1.3: the session of the highest priority first (CSP 16), and of several
    /// the newest value.
    pub(super) fn view(
        &self,
        user: &UserId,
        sessions: &[Arc<Session>],
        wanted: AttributeSet,
    ) -> Vec<PresenceAttribute> {
        self.view_as_of(user, sessions, wanted, AsOf::Now)
    }

    /// The same as of a moment before.
    pub(super) fn view_as_of(
        &self,
        user: &UserId,
        sessions: &[Arc<Session>],
        wanted: AttributeSet,
        as_of: AsOf,
    ) -> Vec<PresenceAttribute> {
        let is_open =
            |session: &Session| !session.is_closed() || matches!(as_of, AsOf::Open(ending) if ending == session.id);
        let priority = |session: &Session| match as_of {
            AsOf::Agreed(id, client_type, priority) if id == session.id => (client_type, priority),
            _ => {
                let agreed = session.negotiated();
                (agreed.client_type, agreed.priority)
            }
        };
        let mut view = Vec::new();
        for attribute in wanted.iter() {
            let before = view.len();
            if PresenceSubList::is_client_status(attribute) {
                let open = sessions.iter().filter(|session| is_open(session));
                self.view_clients(user, open, attribute, priority, &mut view);
            } else {
                view.extend(self.user.iter().find(|one| one.attribute == attribute).cloned());
            }
            if view.len() == before {
                view.push(match attribute {
                    Attribute::OnlineStatus => PresenceAttribute::with_value(attribute, "F"),
                    _ => PresenceAttribute::unknown(attribute),
                });
            }
        }
        view
    }

    fn view_clients<'a>(
        &self,
        user: &UserId,
        sessions: impl DoubleEndedIterator<Item = &'a Arc<Session>>,
        attribute: Attribute,
        agreed: impl Fn(&Session) -> (Option<ClientType>, u32),
        view: &mut Vec<PresenceAttribute>,
    ) {
        let mut found: Vec<(u32, u64, PresenceAttribute)> = Vec::new();
        // The last session first, so that of several at the same moment the later one counts as newer.
        for session in sessions.rev() {
            let client = Some(&session.client).filter(|client| !client.is_empty());
            let own = self.clients.iter().find(|one| one.session == session.id);
            let own =
                own.into_iter().flat_map(|one| one.values.iter().rev()).filter(|(_, one)| one.attribute == attribute);
            let before = found.len();
            let (client_type, priority) = agreed(session);
            found.extend(own.map(|(moment, one)| (priority, *moment, one.clone())));
            if found.len() == before {
                let automatic = automatic(user, session.version, client_type, attribute);
                found.extend(automatic.map(|one| (priority, session.opened.0, one)));
            }
            for (.., one) in found.iter_mut().skip(before) {
                one.client_id = one.client_id.take().or_else(|| client.cloned());
            }
        }
        found.retain(|(.., one)| one.qualifier != Some(false));
        found.sort_by_key(|(priority, moment, _)| std::cmp::Reverse((*priority, *moment)));
        view.extend(found.into_iter().map(|(.., one)| one));
    }

    /// What is published for a user without his saying so: whether he is there, and what older clients are (CSP 4.1).
    pub(super) fn automatic(user: &UserId, sessions: &[Arc<Session>]) -> Vec<PresenceAttribute> {
        let wanted = [Attribute::OnlineStatus, Attribute::ClientInfo, Attribute::CommCap].into_iter().collect();
        let mut attributes = Self::default().view(user, sessions, wanted);
        attributes.retain(|one| one.qualifier != Some(false));
        attributes.iter_mut().for_each(|one| one.client_id = None);
        attributes.dedup_by_key(|one| one.attribute);
        attributes
    }

    /// Whether no client of the user has anything newer of an attribute than what this session published at `moment`.
    fn is_newest(&self, session: &SessionId, moment: u64, attribute: Attribute, sessions: &[Arc<Session>]) -> bool {
        // What the server publishes for a session that says nothing is of the moment when it was opened.
        let opened_later = sessions.iter().any(|other| other.id != *session && other.opened.0 >= moment);
        let mut values = self.clients.iter().flat_map(|client| &client.values);
        !opened_later && !values.any(|(other, one)| one.attribute == attribute && *other > moment)
    }

    /// Takes over a checked attribute of an update, whole; `sessions` are those of the user.
    pub(super) fn put(
        &mut self,
        session: &Session,
        sessions: &[Arc<Session>],
        moment: u64,
        mut new: PresenceAttribute,
    ) {
        let attribute = new.attribute;
        if !PresenceSubList::is_client_status(attribute) {
            new.client_id = None;
            let place = self.user.partition_point(|one| one.attribute < attribute);
            if self.user.get(place).is_some_and(|one| one.attribute == attribute) {
                self.user.remove(place);
            }
            if new.qualifier == Some(true) {
                self.user.insert(place, new);
            }
            return;
        }
        // Only 1.3 clients tell values of several clients apart.
        if session.version < Version::V1_3
            || new.client_id.as_ref().is_some_and(|id| id.is_empty() || *id == session.client)
        {
            new.client_id = None;
        }
        if !self.clients.iter().any(|one| one.session == session.id) {
            self.clients.push(ClientValues { session: session.id, values: Vec::new() });
        }
        let published = self.clients.iter().find(|one| one.session == session.id);
        let same = published.and_then(|client| client.values.iter().find(|(_, one)| *one == new));
        // The same again is news only if it is older than what another client says.
        if same.is_some_and(|(published, _)| self.is_newest(&session.id, *published, attribute, sessions)) {
            return;
        }
        let Some(client) = self.clients.iter_mut().find(|one| one.session == session.id) else { return };
        let values = &mut client.values;
        values.retain(|(_, one)| one.attribute != attribute || one.client_id != new.client_id);
        if values.iter().filter(|(_, one)| one.attribute == attribute).count() >= CLIENTS_MAX
            && let Some(oldest) = values.iter().position(|(_, one)| one.attribute == attribute)
        {
            values.remove(oldest);
        }
        values.push((moment, new));
    }

    /// Takes over attributes that no table knows, each whole; whether any changed.
    pub(super) fn put_extensions(&mut self, new: Vec<Extension>) -> bool {
        let mut changed = false;
        for one in new {
            if self.extensions.contains(&one) {
                continue;
            }
            changed = true;
            self.extensions.retain(|old| !old.is_same(&one));
            if self.extensions.len() >= EXTENSIONS_MAX {
                self.extensions.remove(0);
            }
            self.extensions.push(one);
        }
        changed
    }

    /// Attributes that no table knows.
    pub(super) fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// A moment for new values: later than that of any other, whatever the clock says.
    pub(super) fn moment(&self, now: u64, sessions: &[Arc<Session>]) -> u64 {
        let values = self.clients.iter().flat_map(|one| &one.values).map(|(moment, _)| *moment);
        let newest = values.chain(sessions.iter().map(|session| session.opened.0)).max();
        newest.map_or(now, |newest| now.max(newest.saturating_add(1)))
    }

    /// Drops the values of clients that are gone; whether there were any.
    pub(super) fn keep_clients(&mut self, is_open: impl Fn(&SessionId) -> bool) -> bool {
        let before = self.clients.len();
        self.clients.retain(|one| is_open(&one.session));
        self.clients.len() < before
    }

    /// The text that the user published as an attribute, if it is one of a single text.
    fn text(&self, attribute: Attribute) -> Option<String> {
        let one = self.user.iter().find(|one| one.attribute == attribute && one.qualifier == Some(true))?;
        let (_, value) = one.fields.iter().find(|(field, _)| *field == Field::PresenceValue)?;
        value.as_text().map(str::to_owned)
    }

    /// Whether nothing was published.
    pub(super) fn is_empty(&self) -> bool {
        self.user.is_empty() && self.clients.is_empty() && self.extensions.is_empty()
    }

    pub(super) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(2);
        writer.list(self.user.iter(), write_attribute);
        writer.list(self.clients.iter(), |w, client| {
            w.text(client.session.as_str()).list(client.values.iter(), |w, (moment, one)| {
                w.number(*moment);
                write_attribute(w, one);
            });
        });
        write_extensions(&mut writer, &self.extensions);
        writer.done()
    }

    pub(super) fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, written) = RecordReader::new(record, 2)?;
        let attribute = |r: &mut RecordReader<'_>| read_attribute(r, written);
        let user = reader.list(attribute)?;
        let clients = reader.list(|r| {
            let session = SessionId::parse(r.text()?).ok_or(RecordError("session of presence values"))?;
            let values = r.list(|r| Ok((r.number()?, attribute(r)?)))?;
            Ok(ClientValues { session, values })
        })?;
        let extensions = if written >= 2 { read_extensions(&mut reader)? } else { Vec::new() };
        Ok(Self { user, clients, extensions })
    }
}

/// The text that a user published as an attribute, by the record of his values.
pub(crate) fn text_of_record(record: &[u8], attribute: Attribute) -> Option<String> {
    Values::from_record(record).ok()?.text(attribute)
}

impl super::Presence<'_> {
    /// The text that a user published as an attribute.
    pub(crate) fn own_text(&self, user: &UserState, attribute: Attribute) -> Option<String> {
        user.lock().presence.values.text(attribute)
    }
}

fn write_attribute(writer: &mut RecordWriter, one: &PresenceAttribute) {
    writer.number(one.attribute as u64).option(one.qualifier, |w, flag| {
        w.flag(flag);
    });
    write_fields(writer, &one.fields);
    writer.option(one.client_id.as_ref(), |w, id| {
        w.optional_text(id.url.as_deref()).optional_text(id.msisdn.as_deref());
    });
    write_extensions(writer, &one.extensions);
}

fn write_fields(writer: &mut RecordWriter, fields: &[(Field, FieldValue)]) {
    writer.list(fields.iter(), |w, (field, value)| {
        w.number(*field as u64);
        match value {
            FieldValue::Text(text) => {
                w.flag(false).text(text);
            }
            FieldValue::Struct(inner) => {
                w.flag(true);
                write_fields(w, inner);
            }
        }
    });
}

fn read_attribute(reader: &mut RecordReader<'_>, written: u8) -> Result<PresenceAttribute, RecordError> {
    let attribute = u8::try_from(reader.number()?).ok().and_then(Attribute::by_number);
    Ok(PresenceAttribute {
        attribute: attribute.ok_or(RecordError("unknown presence attribute"))?,
        qualifier: reader.option(RecordReader::flag)?,
        fields: read_fields(reader, 0)?,
        client_id: reader.option(|r| Ok(ClientId { url: r.optional_text()?, msisdn: r.optional_text()? }))?,
        extensions: if written >= 2 { read_extensions(reader)? } else { Vec::new() },
    })
}

fn read_fields(reader: &mut RecordReader<'_>, depth: u8) -> Result<Vec<(Field, FieldValue)>, RecordError> {
    if depth > 3 {
        return Err(RecordError("presence value too deep"));
    }
    reader.list(|r| {
        let field = usize::try_from(r.number()?).ok().and_then(|number| Field::ALL.get(number)).copied();
        let field = field.ok_or(RecordError("unknown presence field"))?;
        let value =
            if r.flag()? { FieldValue::Struct(read_fields(r, depth + 1)?) } else { FieldValue::Text(r.text()?.into()) };
        Ok((field, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::id::Slot;

    fn comm_cap() -> PresenceAttribute {
        PresenceAttribute {
            qualifier: Some(true),
            fields: vec![(Field::CommC, FieldValue::Struct(vec![(Field::Cap, FieldValue::Text("IM".into()))]))],
            client_id: Some(ClientId::of_url("u")),
            ..PresenceAttribute::name_only(Attribute::CommCap)
        }
    }

    fn values(session: SessionId) -> Values {
        Values {
            user: vec![PresenceAttribute::with_value(Attribute::StatusText, "hi")],
            clients: vec![ClientValues {
                session,
                values: vec![(300, comm_cap()), (1, PresenceAttribute::unknown(Attribute::TimeZone))],
            }],
            extensions: Vec::new(),
        }
    }

    #[test]
    fn golden_octets_of_version_1() {
        let session = SessionId::new(Slot::of("x"), [0; 25]);
        let mut golden = vec![1];
        // StatusText is 12, PresenceValue 0.
        golden.extend_from_slice(b"\x01\x0c\x01\x01\x01\x00\x00\x02hi\x00");
        golden.extend_from_slice(b"\x01\x1c");
        golden.extend_from_slice(session.as_bytes());
        // CommCap is 8, CommC 29, Cap 30.
        golden.extend_from_slice(b"\x02\xac\x02\x08\x01\x01\x01\x1d\x01\x01\x1e\x00\x02IM\x01\x01\x01u\x00");
        // TimeZone is 3.
        golden.extend_from_slice(b"\x01\x03\x01\x00\x00\x00");
        assert_eq!(Values::from_record(&golden), Ok(values(session)));
    }

    #[test]
    fn golden_octets_of_version_2() {
        let session = SessionId::new(Slot::of("x"), [0; 25]);
        let child = Extension { name: "C".into(), namespace: None, text: "t".into(), children: Vec::new() };
        let one = Extension { name: "E".into(), namespace: Some("n".into()), text: "".into(), children: vec![child] };
        let mut values = values(session);
        values.extensions.push(one.clone());
        values.user[0].extensions.push(one);
        let extension = b"\x01\x01E\x01\x01n\x00\x01\x01C\x00\x01t\x00";
        let mut golden = vec![2];
        golden.extend_from_slice(b"\x01\x0c\x01\x01\x01\x00\x00\x02hi\x00");
        golden.extend_from_slice(extension);
        golden.extend_from_slice(b"\x01\x1c");
        golden.extend_from_slice(session.as_bytes());
        golden.extend_from_slice(b"\x02\xac\x02\x08\x01\x01\x01\x1d\x01\x01\x1e\x00\x02IM\x01\x01\x01u\x00\x00");
        golden.extend_from_slice(b"\x01\x03\x01\x00\x00\x00\x00");
        golden.extend_from_slice(extension);
        assert_eq!(values.to_record(), golden);
        assert_eq!(Values::from_record(&golden), Ok(values));
        for length in 0..golden.len() {
            assert!(Values::from_record(&golden[..length]).is_err());
        }
    }

    #[test]
    fn extensions_are_bounded_and_replaced_whole() {
        let own = |name: &str, text: &str| Extension {
            name: name.into(),
            namespace: None,
            text: text.into(),
            children: Vec::new(),
        };
        let mut values = Values::default();
        assert!(values.put_extensions(vec![own("A", "1"), own("B", "1")]));
        assert!(!values.put_extensions(vec![own("A", "1")]));
        assert!(values.put_extensions(vec![own("A", "2")]));
        assert_eq!(values.extensions, [own("B", "1"), own("A", "2")]);
        values.put_extensions((0..100).map(|number| own(&number.to_string(), "")).collect());
        assert_eq!(values.extensions.len(), EXTENSIONS_MAX);
    }
}
