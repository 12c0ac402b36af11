//! Presence values as they are kept, and what is seen of them (CSP 10, 11).
//!
//! What every client has without saying so (OnlineStatus; ClientInfo and CommCap of 1.1 and 1.2 clients, CSP 4.1) is
//! computed from the sessions: an idle one keeps no memory for it.

use std::sync::Arc;

use imps_types::element::ClientType;
use imps_types::presence::{Attribute, AttributeSet, Field, FieldValue, PresenceAttribute, PresenceSubList};
use imps_types::{ClientId, SessionId, UserId, Version};

use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::session::Session;
use crate::user::UserState;

/// Values of one attribute that one session may publish for different ClientIDs.
const CLIENTS_MAX: usize = 8;

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
}

/// The attributes that differ for watchers of older versions, and for those of 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Changed {
    pub(super) older: AttributeSet,
    pub(super) newer: AttributeSet,
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
            let (before, after) = (of(before), of(after));
            if before != after {
                changed.newer.insert(attribute);
            }
            let older = |view: &[PresenceAttribute]| view.first().and_then(|one| one.for_version(Version::V1_2));
            if older(&before) != older(&after) {
                changed.older.insert(attribute);
            }
        }
        changed
    }

    /// For a watcher of this version.
    pub(super) fn for_version(self, version: Version) -> AttributeSet {
        if version < Version::V1_3 { self.older } else { self.newer }
    }

    pub(super) fn is_empty(self) -> bool {
        self.older.is_empty() && self.newer.is_empty()
    }
}

/// All attributes that describe a client.
pub(super) fn client_status() -> AttributeSet {
    AttributeSet::ALL.iter().filter(|attribute| PresenceSubList::is_client_status(*attribute)).collect()
}

/// What the server publishes for a client that says nothing itself.
fn automatic(user: &UserId, session: &Session, attribute: Attribute) -> Option<PresenceAttribute> {
    let text = |field, text: &str| (field, FieldValue::Text(text.into()));
    let fields = match attribute {
        Attribute::OnlineStatus => vec![text(Field::PresenceValue, "T")],
        Attribute::ClientInfo if session.version < Version::V1_3 => {
            let client_type = session.negotiated().client_type.unwrap_or(ClientType::MobilePhone);
            vec![text(Field::ClientType, client_type.as_str())]
        }
        // 1.1 phones show a contact online by it. No Note: Nokia dislikes an empty one.
        Attribute::CommCap if session.version < Version::V1_3 => {
            let inner = vec![text(Field::Cap, "IM"), text(Field::Status, "OPEN"), text(Field::Contact, user.as_str())];
            vec![(Field::CommC, FieldValue::Struct(inner))]
        }
        _ => return None,
    };
    Some(PresenceAttribute { attribute, qualifier: Some(true), fields, client_id: None })
}

impl Values {
    /// These attributes as they are now, in order; those without value with Qualifier F. Client status comes once for
    /// each client, newest first, with its ClientID: the form of 1.3.
    pub(super) fn view(
        &self,
        user: &UserId,
        sessions: &[Arc<Session>],
        wanted: AttributeSet,
    ) -> Vec<PresenceAttribute> {
        self.view_with(user, sessions, None, wanted)
    }

    /// As it was when the session `ending`, which is closed already, was still open.
    pub(super) fn view_with(
        &self,
        user: &UserId,
        sessions: &[Arc<Session>],
        ending: Option<SessionId>,
        wanted: AttributeSet,
    ) -> Vec<PresenceAttribute> {
        let is_open = |session: &Session| !session.is_closed() || ending == Some(session.id);
        let mut view = Vec::new();
        for attribute in wanted.iter() {
            let before = view.len();
            if PresenceSubList::is_client_status(attribute) {
                let open = sessions.iter().filter(|session| is_open(session));
                self.view_clients(user, open, attribute, &mut view);
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
        view: &mut Vec<PresenceAttribute>,
    ) {
        let mut found: Vec<(u64, PresenceAttribute)> = Vec::new();
        // The last session first, so that of several at the same moment the later one counts as newer.
        for session in sessions.rev() {
            let client = Some(&session.client).filter(|client| !client.is_empty());
            let own = self.clients.iter().find(|one| one.session == session.id);
            let own =
                own.into_iter().flat_map(|one| one.values.iter().rev()).filter(|(_, one)| one.attribute == attribute);
            let before = found.len();
            found.extend(own.cloned());
            if found.len() == before {
                found.extend(automatic(user, session, attribute).map(|one| (session.opened.0, one)));
            }
            for (_, one) in found.iter_mut().skip(before) {
                one.client_id = one.client_id.take().or_else(|| client.cloned());
            }
        }
        found.retain(|(_, one)| one.qualifier != Some(false));
        found.sort_by_key(|(moment, _)| std::cmp::Reverse(*moment));
        view.extend(found.into_iter().map(|(_, one)| one));
    }

    /// Takes over a checked attribute of an update, whole.
    pub(super) fn put(&mut self, session: &Session, moment: u64, mut new: PresenceAttribute) {
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
        let Some(client) = self.clients.iter_mut().find(|one| one.session == session.id) else { return };
        if client.values.iter().any(|(_, one)| *one == new) {
            return;
        }
        let values = &mut client.values;
        values.retain(|(_, one)| one.attribute != attribute || one.client_id != new.client_id);
        if values.iter().filter(|(_, one)| one.attribute == attribute).count() >= CLIENTS_MAX
            && let Some(oldest) = values.iter().position(|(_, one)| one.attribute == attribute)
        {
            values.remove(oldest);
        }
        values.push((moment, new));
    }

    /// A moment for new values: later than that of any other, whatever the clock says.
    pub(super) fn moment(&self, now: u64, sessions: &[Arc<Session>]) -> u64 {
        let values = self.clients.iter().flat_map(|one| &one.values).map(|(moment, _)| *moment);
        let newest = values.chain(sessions.iter().map(|session| session.opened.0)).max();
        newest.map_or(now, |newest| now.max(newest.saturating_add(1)))
    }

    /// Whether this session published its own value of the attribute.
    pub(super) fn has_own(&self, session: &SessionId, attribute: Attribute) -> bool {
        let own = self.clients.iter().find(|one| one.session == *session);
        own.is_some_and(|one| one.values.iter().any(|(_, value)| value.attribute == attribute))
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
        self.user.is_empty() && self.clients.is_empty()
    }

    pub(super) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        writer.list(self.user.iter(), write_attribute);
        writer.list(self.clients.iter(), |w, client| {
            w.text(client.session.as_str()).list(client.values.iter(), |w, (moment, one)| {
                w.number(*moment);
                write_attribute(w, one);
            });
        });
        writer.done()
    }

    pub(super) fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let user = reader.list(read_attribute)?;
        let clients = reader.list(|r| {
            let session = SessionId::parse(r.text()?).ok_or(RecordError("session of presence values"))?;
            let values = r.list(|r| Ok((r.number()?, read_attribute(r)?)))?;
            Ok(ClientValues { session, values })
        })?;
        Ok(Self { user, clients })
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

fn read_attribute(reader: &mut RecordReader<'_>) -> Result<PresenceAttribute, RecordError> {
    let attribute = u8::try_from(reader.number()?).ok().and_then(Attribute::by_number);
    Ok(PresenceAttribute {
        attribute: attribute.ok_or(RecordError("unknown presence attribute"))?,
        qualifier: reader.option(RecordReader::flag)?,
        fields: read_fields(reader, 0)?,
        client_id: reader.option(|r| Ok(ClientId { url: r.optional_text()?, msisdn: r.optional_text()? }))?,
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

    #[test]
    fn golden_octets_of_version_1() {
        let session = SessionId::new(Slot::of("x"), [0; 25]);
        let inner = vec![(Field::Cap, FieldValue::Text("IM".into()))];
        let comm_cap = PresenceAttribute {
            attribute: Attribute::CommCap,
            qualifier: Some(true),
            fields: vec![(Field::CommC, FieldValue::Struct(inner))],
            client_id: Some(ClientId::of_url("u")),
        };
        let values = Values {
            user: vec![PresenceAttribute::with_value(Attribute::StatusText, "hi")],
            clients: vec![ClientValues {
                session,
                values: vec![(300, comm_cap), (1, PresenceAttribute::unknown(Attribute::TimeZone))],
            }],
        };
        let mut golden = vec![1];
        // StatusText is 12, PresenceValue 0.
        golden.extend_from_slice(b"\x01\x0c\x01\x01\x01\x00\x00\x02hi\x00");
        golden.extend_from_slice(b"\x01\x1c");
        golden.extend_from_slice(session.as_bytes());
        // CommCap is 8, CommC 29, Cap 30.
        golden.extend_from_slice(b"\x02\xac\x02\x08\x01\x01\x01\x1d\x01\x01\x1e\x00\x02IM\x01\x01\x01u\x00");
        // TimeZone is 3.
        golden.extend_from_slice(b"\x01\x03\x01\x00\x00\x00");
        assert_eq!(values.to_record(), golden);
        assert_eq!(Values::from_record(&golden), Ok(values));
        for length in 0..golden.len() {
            assert!(Values::from_record(&golden[..length]).is_err());
        }
    }
}
