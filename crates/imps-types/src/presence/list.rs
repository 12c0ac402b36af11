//! Values of presence attributes, and sets of attribute names.

use super::attributes::{ATTRIBUTES, Attribute, AttributeClass, Field, FieldKind, FieldRow};
use crate::id::ClientId;
use crate::version::Version;

/// A set of attributes: what is asked for, subscribed to, or authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct AttributeSet(u32);

impl AttributeSet {
    /// No attribute.
    pub const EMPTY: Self = Self(0);
    /// Every attribute.
    pub const ALL: Self = Self((1 << ATTRIBUTES.len()) - 1);

    /// Adds an attribute.
    pub fn insert(&mut self, attribute: Attribute) {
        self.0 |= 1 << attribute as u8;
    }

    /// Whether it holds the attribute.
    pub fn contains(self, attribute: Attribute) -> bool {
        self.0 & (1 << attribute as u8) != 0
    }

    /// Whether it holds none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this one only.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The attributes, in their order.
    pub fn iter(self) -> impl Iterator<Item = Attribute> {
        ATTRIBUTES.iter().map(|row| row.attribute).filter(move |attribute| self.contains(*attribute))
    }

    /// The bits, for the store.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// From the bits of [`AttributeSet::bits`]; bits that stand for nothing are dropped.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl FromIterator<Attribute> for AttributeSet {
    fn from_iter<T: IntoIterator<Item = Attribute>>(attributes: T) -> Self {
        let mut set = Self::EMPTY;
        attributes.into_iter().for_each(|attribute| set.insert(attribute));
        set
    }
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FieldValue {
    /// Text of any kind: words, numbers, BASE64, URLs.
    Text(Box<str>),
    /// Fields of its own.
    Struct(Vec<(Field, FieldValue)>),
}

impl FieldValue {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Struct(_) => None,
        }
    }
}

/// One attribute with or without its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PresenceAttribute {
    /// Which one.
    pub attribute: Attribute,
    /// `T` the value is valid, `F` it is unknown or withdrawn, absent in a list of names.
    pub qualifier: Option<bool>,
    /// The fields after the Qualifier, in the table's order; empty in a list of names.
    pub fields: Vec<(Field, FieldValue)>,
    /// Whose value it is: client status in 1.3.
    pub client_id: Option<ClientId>,
}

/// Why a value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// The word or format is not one that the attribute knows.
    BadValue(Attribute, Field),
    /// A field is missing that must be there.
    Missing(Attribute, Field),
    /// Too long to be kept.
    TooLong(Attribute),
}

impl std::fmt::Display for ValueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadValue(attribute, field) => {
                write!(f, "{} does not take this {}", attribute.row().name, field.name())
            }
            Self::Missing(attribute, field) => write!(f, "{} needs a {}", attribute.row().name, field.name()),
            Self::TooLong(attribute) => write!(f, "{} is too long", attribute.row().name),
        }
    }
}

/// Bytes that one text of a presence value may have.
const TEXT_MAX: usize = 4096;
/// Bytes that a picture in StatusContent or a vCard may have.
const BINARY_MAX: usize = 65_536;
/// How often a repeated field may come.
const REPEATS_MAX: usize = 32;

impl PresenceAttribute {
    /// Just the name, as in a request or an attribute list.
    pub fn name_only(attribute: Attribute) -> Self {
        Self { attribute, qualifier: None, fields: Vec::new(), client_id: None }
    }

    /// A value that is unknown, never set, or withdrawn.
    pub fn unknown(attribute: Attribute) -> Self {
        Self { qualifier: Some(false), ..Self::name_only(attribute) }
    }

    /// A valid value of an attribute that consists of a PresenceValue.
    pub fn with_value(attribute: Attribute, value: &str) -> Self {
        let fields = vec![(Field::PresenceValue, FieldValue::Text(value.into()))];
        Self { attribute, qualifier: Some(true), fields, client_id: None }
    }

    /// The PresenceValue, if it has one.
    pub fn value(&self) -> Option<&str> {
        self.field(Field::PresenceValue)
    }

    /// The text of a field, if it is there.
    pub fn field(&self, field: Field) -> Option<&str> {
        self.fields.iter().find(|(name, _)| *name == field).and_then(|(_, value)| value.as_text())
    }

    /// Checks an update's value against the table (CSP 11), and brings words into the specification's spelling.
    ///
    /// # Errors
    /// When a word, number, URL or zone is none, a required field is missing, or something is too long.
    pub fn check(&mut self) -> Result<(), ValueError> {
        if self.qualifier == Some(false) {
            self.fields.clear();
            return Ok(());
        }
        let attribute = self.attribute;
        check_fields(attribute, attribute.row().fields, &mut self.fields)
    }

    /// About how many bytes it takes in XML, the longest of the encodings; never less.
    pub fn weight(&self) -> usize {
        let client = self.client_id.as_ref().map_or(0, |id| {
            let parts = [id.url.as_deref(), id.msisdn.as_deref()];
            64 + parts.into_iter().flatten().map(escaped).sum::<usize>()
        });
        // The Qualifier, and the element around all.
        element(self.attribute.row().name) + 24 + fields_weight(&self.fields) + client
    }

    /// As a receiver of this version may get it: fields and ClientID of later versions are left out. `None` when the
    /// version does not know the attribute.
    pub fn for_version(&self, version: Version) -> Option<Self> {
        let row = self.attribute.row();
        if version < row.since {
            return None;
        }
        if version == Version::V1_3 {
            return Some(self.clone());
        }
        let known = |field: &Field| row.fields.iter().any(|row| row.field == *field && row.since <= version);
        let fields = self.fields.iter().filter(|(field, _)| known(field)).cloned().collect();
        Some(Self { attribute: self.attribute, qualifier: self.qualifier, fields, client_id: None })
    }
}

/// Bytes of a start and an end.
fn element(name: &str) -> usize {
    2 * name.len() + 5
}

/// Bytes of a text where `&`, `<` and `>` are written as references.
fn escaped(text: &str) -> usize {
    text.len() + 5 * text.bytes().filter(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'' | b'\r')).count()
}

fn fields_weight(fields: &[(Field, FieldValue)]) -> usize {
    let field = |(field, value): &(Field, FieldValue)| {
        element(field.name())
            + match value {
                FieldValue::Text(text) => escaped(text),
                FieldValue::Struct(inner) => fields_weight(inner),
            }
    };
    fields.iter().map(field).sum()
}

fn check_fields(
    attribute: Attribute,
    rows: &[FieldRow],
    fields: &mut Vec<(Field, FieldValue)>,
) -> Result<(), ValueError> {
    for row in rows.iter().filter(|row| row.required) {
        if !fields.iter().any(|(field, _)| *field == row.field) {
            return Err(ValueError::Missing(attribute, row.field));
        }
    }
    for (field, value) in fields.iter_mut() {
        let Some(row) = rows.iter().find(|row| row.field == *field) else { continue };
        check_value(attribute, row, value)?;
    }
    // The order is the table's whatever the sender's was; what the table does not know is dropped.
    let place = |field: &Field| rows.iter().position(|row| row.field == *field);
    fields.retain(|(field, _)| place(field).is_some());
    fields.sort_by_key(|(field, _)| place(field));
    let mut last = None;
    let mut count = 0;
    for (field, _) in fields.iter() {
        count = if last == Some(*field) { count + 1 } else { 1 };
        last = Some(*field);
        if count > REPEATS_MAX {
            return Err(ValueError::TooLong(attribute));
        }
    }
    // One that does not repeat counts once: the last wins, as in a document read from the top.
    let mut index = 0;
    while index + 1 < fields.len() {
        let same = fields[index].0 == fields[index + 1].0;
        let repeats = rows.iter().any(|row| {
            row.field == fields[index].0
                && matches!(row.kind, FieldKind::Struct { repeats: true, .. } | FieldKind::Text | FieldKind::Integer)
                && (matches!(row.kind, FieldKind::Struct { .. }) || is_repeatable_leaf(row.field))
        });
        if same && !repeats {
            fields.remove(index);
        } else {
            index += 1;
        }
    }
    Ok(())
}

fn is_repeatable_leaf(field: Field) -> bool {
    matches!(field, Field::AcceptedContentType | Field::AcceptedTransferEncoding | Field::PlainTextCharset)
}

fn check_value(attribute: Attribute, row: &FieldRow, value: &mut FieldValue) -> Result<(), ValueError> {
    let bad = Err(ValueError::BadValue(attribute, row.field));
    match (row.kind, value) {
        (FieldKind::Struct { fields, .. }, FieldValue::Struct(inner)) => check_fields(attribute, fields, inner),
        (FieldKind::Struct { .. }, FieldValue::Text(_)) | (_, FieldValue::Struct(_)) => bad,
        (kind, FieldValue::Text(text)) => {
            let limit = match kind {
                FieldKind::Binary => BINARY_MAX,
                _ if row.field == Field::ContainedVCard => BINARY_MAX,
                _ => TEXT_MAX,
            };
            if text.len() > limit {
                return Err(ValueError::TooLong(attribute));
            }
            let good = match kind {
                FieldKind::Boolean => match boolean(text) {
                    Some(flag) => {
                        *text = if flag { "T" } else { "F" }.into();
                        true
                    }
                    None => false,
                },
                FieldKind::Integer => text.parse::<u32>().is_ok(),
                FieldKind::Url => text.contains(':') && !text.contains(char::is_whitespace),
                FieldKind::Zone => is_zone(text),
                FieldKind::Binary => text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=') || b.is_ascii_whitespace()),
                FieldKind::Words(words) => {
                    // Nokia S60 writes NOTAVAILABLE in one place (CSP 17).
                    let word: &str =
                        if text.eq_ignore_ascii_case("NOTAVAILABLE") { "NOT_AVAILABLE" } else { text.as_ref() };
                    match words.iter().find(|known| known.eq_ignore_ascii_case(word)) {
                        Some(known) => {
                            *text = (*known).into();
                            true
                        }
                        None => false,
                    }
                }
                FieldKind::Text | FieldKind::Struct { .. } => true,
            };
            if good { Ok(()) } else { bad }
        }
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "T" | "t" => Some(true),
        "F" | "f" => Some(false),
        _ => None,
    }
}

fn is_zone(text: &str) -> bool {
    let Some(digits) = text.strip_prefix(['+', '-']) else { return text == "Z" || text == "0" };
    matches!(digits.len(), 1 | 2 | 4 | 5) && digits.bytes().all(|b| b.is_ascii_digit() || b == b':')
}

/// Bytes of a PresenceSubList with its namespace.
const LIST_WEIGHT: usize = 110;

/// A set of attributes, with values or as names (`PresenceSubList`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PresenceSubList {
    /// In the order of the attribute table.
    pub attributes: Vec<PresenceAttribute>,
}

impl PresenceSubList {
    /// The attributes that it names.
    pub fn names(&self) -> AttributeSet {
        self.attributes.iter().map(|attribute| attribute.attribute).collect()
    }

    /// What a request for this list asks for: a list without names means every attribute (CSP 10).
    pub fn wanted(&self) -> AttributeSet {
        let names = self.names();
        if names.is_empty() { AttributeSet::ALL } else { names }
    }

    /// A list of names.
    pub fn of_names(set: AttributeSet) -> Self {
        Self { attributes: set.iter().map(PresenceAttribute::name_only).collect() }
    }

    /// As a receiver of this version may get it; client status comes several times in 1.3 only.
    #[must_use]
    pub fn for_version(&self, version: Version) -> Self {
        let mut attributes: Vec<_> = self.attributes.iter().filter_map(|one| one.for_version(version)).collect();
        if version < Version::V1_3 {
            attributes.dedup_by_key(|one| one.attribute);
        }
        Self { attributes }
    }

    /// About how many bytes it takes in XML; see [`PresenceAttribute::weight`].
    pub fn weight(&self) -> usize {
        LIST_WEIGHT + self.attributes.iter().map(PresenceAttribute::weight).sum::<usize>()
    }

    /// Takes the longest values out until what is left has no more than so many bytes. Short ones stay in any case.
    pub fn shorten(&mut self, room: usize) {
        const SHORT: usize = 256;
        let mut weight = self.weight();
        while weight > room {
            let weights = self.attributes.iter().map(PresenceAttribute::weight);
            let Some((place, longest)) = weights.enumerate().max_by_key(|(_, weight)| *weight) else { return };
            if longest < SHORT {
                return;
            }
            self.attributes.remove(place);
            weight -= longest;
        }
    }

    /// Puts the attributes into the order in which they are emitted; a stable sort.
    pub fn sort(&mut self) {
        self.attributes.sort_by_key(|one| one.attribute);
    }

    /// Whether the attribute describes a client.
    pub fn is_client_status(attribute: Attribute) -> bool {
        attribute.row().class == AttributeClass::Client
    }
}

/// Presence of one user, or the attribute list of a user or contact list (`Presence`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PresenceInfo {
    /// The user.
    pub user_id: Option<crate::Address>,
    /// The contact list, where an attribute list is told.
    pub contact_list: Option<crate::Address>,
    /// 1.3: whether the owner is told when this user asks for more.
    pub user_notify: Option<bool>,
    /// 1.3: whether the owner is told when somebody on this list asks for more.
    pub contact_list_notify: Option<bool>,
    /// The attributes; more than one list only in what others send.
    pub lists: Vec<PresenceSubList>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_the_table() {
        let good = [
            (Attribute::UserAvailability, "discreet", Some("DISCREET")),
            (Attribute::UserAvailability, "NOTAVAILABLE", Some("NOT_AVAILABLE")),
            (Attribute::UserAvailability, "BUSY", None),
            (Attribute::StatusMood, "IN_LOVE", Some("IN_LOVE")),
            (Attribute::OnlineStatus, "t", Some("T")),
            (Attribute::OnlineStatus, "yes", None),
            (Attribute::StatusText, "anything at all", Some("anything at all")),
        ];
        for (attribute, text, outcome) in good {
            let mut one = PresenceAttribute::with_value(attribute, text);
            let result = one.check();
            assert_eq!(result.is_ok().then(|| one.value().unwrap()), outcome, "{attribute:?} {text}");
        }
    }

    #[test]
    fn required_fields_must_be_there() {
        let inner = vec![(Field::Cap, FieldValue::Text("IM".into()))];
        let mut one = PresenceAttribute {
            attribute: Attribute::CommCap,
            qualifier: Some(true),
            fields: vec![(Field::CommC, FieldValue::Struct(inner))],
            client_id: None,
        };
        assert_eq!(one.check(), Err(ValueError::Missing(Attribute::CommCap, Field::Status)));
    }

    #[test]
    fn older_versions_do_not_see_what_came_later() {
        let info = PresenceAttribute {
            attribute: Attribute::ClientInfo,
            qualifier: Some(true),
            fields: vec![
                (Field::ClientType, FieldValue::Text("PDA".into())),
                (Field::ClientImPriority, FieldValue::Text("3".into())),
            ],
            client_id: Some(ClientId::of_url("x")),
        };
        let old = info.for_version(Version::V1_2).unwrap();
        assert_eq!(old.fields.len(), 1);
        assert_eq!(old.client_id, None);
        assert!(PresenceAttribute::name_only(Attribute::InfoLink).for_version(Version::V1_1).is_none());
    }

    #[test]
    fn the_longest_values_go_first() {
        let value = |attribute, length| PresenceAttribute::with_value(attribute, &"<".repeat(length));
        let mut list = PresenceSubList {
            attributes: vec![
                value(Attribute::StatusText, 1),
                value(Attribute::Alias, 200),
                value(Attribute::StatusContent, 300),
            ],
        };
        assert!(list.weight() > 3000, "a reference for each character");
        list.shorten(2000);
        assert_eq!(list.names(), [Attribute::StatusText, Attribute::Alias].into_iter().collect());
        list.shorten(0);
        assert_eq!(list.names(), [Attribute::StatusText].into_iter().collect());
    }

    #[test]
    fn a_list_without_names_asks_for_everything() {
        assert_eq!(PresenceSubList::default().wanted(), AttributeSet::ALL);
        let one: AttributeSet = [Attribute::Alias].into_iter().collect();
        assert_eq!(PresenceSubList::of_names(one).wanted(), one);
    }
}
