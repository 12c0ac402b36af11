//! Values of presence attributes, and sets of attribute names.

use super::attributes::{ATTRIBUTES, Attribute, AttributeClass, Field, FieldKind, FieldRow};
use crate::id::ClientId;
use crate::version::Version;

/// A set of attributes: what is asked for, subscribed to, or authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct AttributeSet(u32);

/// The bit of [`AttributeSet::EXTENSIONS`].
const EXTENSIONS_BIT: u32 = 1 << 31;

impl AttributeSet {
    /// No attribute.
    pub const EMPTY: Self = Self(0);
    /// Every attribute, extensions included.
    pub const ALL: Self = Self(((1 << ATTRIBUTES.len()) - 1) | EXTENSIONS_BIT);
    /// What is no attribute of the table: attributes and fields that clients made up themselves (CSP 11, "Extensions").
    /// They have no names here: whoever asks for all attributes, or names any of them, asks for all of them.
    pub const EXTENSIONS: Self = Self(EXTENSIONS_BIT);

    /// The attributes that a version has. Only newer ones have means for extensions.
    pub fn of_version(version: Version) -> Self {
        let known: Self = Self::ALL.iter().filter(|attribute| attribute.row().since <= version).collect();
        if version < EXTENSIONS_SINCE { known } else { known.or(Self::EXTENSIONS) }
    }

    /// Whether extensions are meant.
    pub fn has_extensions(self) -> bool {
        self.0 & EXTENSIONS_BIT != 0
    }

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

/// The first version whose receivers are given extensions.
const EXTENSIONS_SINCE: Version = Version::V1_2;

/// An element of somebody's own: an attribute, or a field of one, that is in no table (CSP 11, "Extensions"). It is passed
/// on as it was published, to those who want it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Extension {
    /// Its name, without a prefix.
    pub name: Box<str>,
    /// The namespace that it declares.
    pub namespace: Option<Box<str>>,
    /// Its text, if it has no children.
    pub text: Box<str>,
    /// What is in it.
    pub children: Vec<Extension>,
}

impl Extension {
    /// Elements inside each other.
    pub const DEPTH_MAX: usize = 4;
    /// Elements and bytes that the extensions of one attribute may have, or those beside the attributes.
    pub const ELEMENTS_MAX: usize = 32;
    /// See [`Extension::ELEMENTS_MAX`].
    pub const BYTES_MAX: usize = 4096;
    /// Bytes of a name or a namespace.
    pub const NAME_MAX: usize = 128;

    /// The same without its value: what somebody is told who may not see it any more.
    #[must_use]
    pub fn withdrawn(&self) -> Self {
        let qualifier = Self { name: "Qualifier".into(), namespace: None, text: "F".into(), children: Vec::new() };
        Self { text: "".into(), children: vec![qualifier], ..self.clone() }
    }

    /// Whether the two are the same attribute or field, whatever its value.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.namespace == other.namespace
    }

    /// About how many bytes it takes in XML, the longest of the encodings.
    pub fn weight(&self) -> usize {
        let namespace = self.namespace.as_deref().map_or(0, |namespace| escaped(namespace) + 9);
        element(&self.name) + namespace + escaped(&self.text) + self.children.iter().map(Self::weight).sum::<usize>()
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
    /// Fields that no table knows.
    pub extensions: Vec<Extension>,
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
        Self { attribute, qualifier: None, fields: Vec::new(), client_id: None, extensions: Vec::new() }
    }

    /// A value that is unknown, never set, or withdrawn.
    pub fn unknown(attribute: Attribute) -> Self {
        Self { qualifier: Some(false), ..Self::name_only(attribute) }
    }

    /// A valid value of an attribute that consists of a PresenceValue.
    pub fn with_value(attribute: Attribute, value: &str) -> Self {
        let fields = vec![(Field::PresenceValue, FieldValue::Text(value.into()))];
        Self { qualifier: Some(true), fields, ..Self::name_only(attribute) }
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
            self.extensions.clear();
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
        let extensions: usize = self.extensions.iter().map(Extension::weight).sum();
        element(self.attribute.row().name) + 24 + fields_weight(&self.fields) + extensions + client
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
        let extensions = if version < EXTENSIONS_SINCE { Vec::new() } else { self.extensions.clone() };
        Some(Self { attribute: self.attribute, qualifier: self.qualifier, fields, client_id: None, extensions })
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
    // An empty element says nothing, and phones stumble over it (CSP 11); but a text may be made empty.
    fields
        .retain(|(field, value)| *field == Field::PresenceValue || value.as_text().is_none_or(|text| !text.is_empty()));
    let has = |field: &Field| fields.iter().any(|(one, _)| one == field);
    for [one, other] in EXCLUSIVE {
        if has(one) && has(other) {
            return Err(ValueError::BadValue(attribute, *other));
        }
    }
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

/// Fields of which there is one or the other.
const EXCLUSIVE: &[[Field; 2]] =
    &[[Field::DirectContent, Field::ReferredContent], [Field::ContainedVCard, Field::ReferredVCard]];

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
                FieldKind::Language => text.is_empty() || is_language(text),
                FieldKind::Country => matches!(text.len(), 2 | 3) && text.bytes().all(|b| b.is_ascii_alphabetic()),
                FieldKind::Degrees => is_degrees(text),
                FieldKind::Metres => is_metres(text),
                FieldKind::Mime => is_mime(text),
                FieldKind::Binary => is_base64(text),
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

fn is_language(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let is_code = |part: &str| matches!(part.len(), 2..=8) && part.bytes().all(|b| b.is_ascii_alphabetic());
    parts.next().is_some_and(is_code)
        && parts.all(|part| matches!(part.len(), 1..=8) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Degrees, minutes and seconds with the hemisphere, or degrees with decimals and a sign.
fn is_degrees(text: &str) -> bool {
    let number = text.trim_end_matches(['N', 'S', 'E', 'W', 'n', 's', 'e', 'w', ' ']);
    let number = number.strip_prefix(['+', '-']).unwrap_or(number);
    let mut parts = number.split(' ').filter(|part| !part.is_empty());
    text.len() <= 32 && (1..=3).contains(&parts.clone().count()) && parts.all(is_decimal)
}

fn is_metres(text: &str) -> bool {
    let number = text.trim_end_matches(['m', 'M', ' ']);
    text.len() <= 32 && is_decimal(number.strip_prefix(['+', '-']).unwrap_or(number))
}

fn is_decimal(text: &str) -> bool {
    let (whole, rest) = text.split_once(['.', ',']).unwrap_or((text, ""));
    !whole.is_empty() && whole.bytes().chain(rest.bytes()).all(|b| b.is_ascii_digit())
}

fn is_mime(text: &str) -> bool {
    let (class, rest) = text.split_once('/').unwrap_or((text, ""));
    text.len() <= 128
        && !class.is_empty()
        && !rest.is_empty()
        && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

fn is_base64(text: &str) -> bool {
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let text = text.trim_end();
    let digits = text.trim_end_matches('=');
    text.len() - digits.len() <= 2 && digits.bytes().all(|b| is_digit(b) || b.is_ascii_whitespace())
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
    /// Attributes that the table does not know, behind those that it knows.
    pub extensions: Vec<Extension>,
}

impl PresenceSubList {
    /// The attributes that it names.
    pub fn names(&self) -> AttributeSet {
        self.attributes.iter().map(|attribute| attribute.attribute).collect()
    }

    /// What a request for this list asks for: a list without names means every attribute (CSP 10).
    pub fn wanted(&self) -> AttributeSet {
        if self.is_empty() {
            return AttributeSet::ALL;
        }
        let has_extensions =
            !self.extensions.is_empty() || self.attributes.iter().any(|attribute| !attribute.extensions.is_empty());
        if has_extensions { self.names().or(AttributeSet::EXTENSIONS) } else { self.names() }
    }

    /// What somebody may see for whom the user authorises this list: extensions are seen only by those who may see
    /// everything that the user's version has, since nobody can tell one from another. `None` when it names nothing but
    /// what nobody knows.
    pub fn authorised(&self, version: Version) -> Option<AttributeSet> {
        let names = self.names();
        let everything = AttributeSet::of_version(version).without(AttributeSet::EXTENSIONS);
        match (everything.without(names).is_empty(), names.is_empty() && !self.extensions.is_empty()) {
            (true, _) => Some(names.or(AttributeSet::EXTENSIONS)),
            (false, true) => None,
            (false, false) => Some(names),
        }
    }

    /// Those of its attributes that are in the set.
    #[must_use]
    pub fn only(&self, set: AttributeSet) -> Self {
        let mut list = self.clone();
        list.attributes.retain(|one| set.contains(one.attribute));
        if !set.has_extensions() {
            list.strip_extensions();
        }
        list
    }

    /// Takes over what a later list says: each attribute whole, with the values of all clients.
    pub fn update(&mut self, later: Self) {
        let named = later.names();
        self.attributes.retain(|one| !named.contains(one.attribute));
        self.attributes.extend(later.attributes);
        self.extensions.retain(|one| !later.extensions.iter().any(|new| new.is_same(one)));
        self.extensions.extend(later.extensions);
        self.sort();
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.extensions.is_empty()
    }

    /// A list of names.
    pub fn of_names(set: AttributeSet) -> Self {
        Self { attributes: set.iter().map(PresenceAttribute::name_only).collect(), extensions: Vec::new() }
    }

    /// As a receiver of this version may get it; client status comes several times in 1.3 only.
    #[must_use]
    pub fn for_version(&self, version: Version) -> Self {
        let mut attributes: Vec<_> = self.attributes.iter().filter_map(|one| one.for_version(version)).collect();
        if version < Version::V1_3 {
            attributes.dedup_by_key(|one| one.attribute);
        }
        let extensions = if version < EXTENSIONS_SINCE { Vec::new() } else { self.extensions.clone() };
        Self { attributes, extensions }
    }

    /// About how many bytes it takes in XML; see [`PresenceAttribute::weight`].
    pub fn weight(&self) -> usize {
        let extensions: usize = self.extensions.iter().map(Extension::weight).sum();
        LIST_WEIGHT + self.attributes.iter().map(PresenceAttribute::weight).sum::<usize>() + extensions
    }

    /// Takes what no table knows out, fields included.
    pub fn strip_extensions(&mut self) {
        self.extensions.clear();
        for attribute in &mut self.attributes {
            attribute.extensions.clear();
        }
    }

    /// Takes the extensions and the longest values out until what is left has no more than so many bytes. Short ones stay in any case.
    pub fn shorten(&mut self, room: usize) {
        const SHORT: usize = 256;
        if self.weight() > room {
            self.extensions.clear();
        }
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

    /// An attribute with these fields: the last one is what `good` and `bad` are for.
    fn check(attribute: Attribute, field: Field, good: &[&str], bad: &[&str]) {
        let with = |text: &str| PresenceAttribute {
            qualifier: Some(true),
            fields: vec![(field, FieldValue::Text(text.into()))],
            ..PresenceAttribute::name_only(attribute)
        };
        for text in good {
            assert_eq!(with(text).check(), Ok(()), "{attribute:?} {text}");
        }
        for text in bad {
            let expected = Err(ValueError::BadValue(attribute, field));
            assert_eq!(with(text).check(), expected, "{attribute:?} {text}");
        }
    }

    #[test]
    fn every_format_is_checked() {
        use Attribute::{Address, ClientInfo, ContactInfo, GeoLocation, PreferredLanguage, StatusContent, TimeZone};
        check(TimeZone, Field::Zone, &["+02", "-0530", "+05:30"], &["02", "CET", "+123", "++2"]);
        check(GeoLocation, Field::Longitude, &["35 24 15.652W", "24.9", "-24.9"], &["W", "a b c", "1 2 3 4W", "35W24"]);
        check(GeoLocation, Field::Latitude, &["12 36 22.5N"], &["north"]);
        check(GeoLocation, Field::Altitude, &["123", "-4.5", "10 m"], &["high", "1-2"]);
        check(GeoLocation, Field::Accuracy, &["10"], &["?"]);
        check(Address, Field::Country, &["FI", "fi", "FIN"], &["F", "Finland", "F1"]);
        check(Address, Field::Accuracy, &["100"], &["far"]);
        check(ClientInfo, Field::Language, &["eng", "en-US"], &["e", "12", "en us"]);
        check(ClientInfo, Field::ClientType, &["PDA", "cli"], &["TABLET"]);
        check(ClientInfo, Field::ClientImPriority, &["0", "4294967295"], &["-1", "1.5", "4294967296"]);
        check(PreferredLanguage, Field::PresenceValue, &["fin", ""], &["!"]);
        check(StatusContent, Field::DirectContent, &["R0lG", "R0lGODlh\nAQ=="], &["<gif>", "R0=lG", "===="]);
        check(StatusContent, Field::ReferredContent, &["http://a.example/x.gif"], &["x.gif", "http: //a"]);
        check(StatusContent, Field::ContentType, &["image/gif"], &["gif", "image/", "a/b\nc"]);
        check(ContactInfo, Field::ReferredVCard, &["http://a.example/me.vcf"], &["me"]);
    }

    #[test]
    fn of_two_that_exclude_each_other_there_is_one() {
        let text = |field, text: &str| (field, FieldValue::Text(text.into()));
        let mut both = PresenceAttribute {
            qualifier: Some(true),
            fields: vec![text(Field::DirectContent, "R0lG"), text(Field::ReferredContent, "http://a")],
            ..PresenceAttribute::name_only(Attribute::StatusContent)
        };
        let expected = Err(ValueError::BadValue(Attribute::StatusContent, Field::ReferredContent));
        assert_eq!(both.check(), expected);
        both.fields[1] = text(Field::ReferredContent, "");
        assert_eq!(both.check(), Ok(()));
        assert_eq!(both.fields.len(), 1, "an empty one is none");
    }

    #[test]
    fn required_fields_must_be_there() {
        let inner = vec![(Field::Cap, FieldValue::Text("IM".into()))];
        let mut one = PresenceAttribute {
            attribute: Attribute::CommCap,
            qualifier: Some(true),
            fields: vec![(Field::CommC, FieldValue::Struct(inner))],
            ..PresenceAttribute::name_only(Attribute::CommCap)
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
            extensions: Vec::new(),
        };
        let old = info.for_version(Version::V1_2).unwrap();
        assert_eq!(old.fields.len(), 1);
        assert_eq!(old.client_id, None);
        assert!(PresenceAttribute::name_only(Attribute::InfoLink).for_version(Version::V1_1).is_none());
    }

    #[test]
    fn extensions_are_meant_by_those_who_mean_all() {
        let own = Extension { name: "Own".into(), namespace: None, text: "x".into(), children: Vec::new() };
        let with = |names: AttributeSet, extensions: Vec<Extension>| PresenceSubList {
            extensions,
            ..PresenceSubList::of_names(names)
        };
        let alias: AttributeSet = [Attribute::Alias].into_iter().collect();
        assert!(!with(alias, vec![]).wanted().has_extensions());
        assert_eq!(with(alias, vec![own.clone()]).wanted(), alias.or(AttributeSet::EXTENSIONS));
        let only = with(AttributeSet::EMPTY, vec![own.clone()]);
        assert_eq!(only.wanted(), AttributeSet::EXTENSIONS, "not everything");
        assert_eq!(only.authorised(Version::V1_2), None);
        assert_eq!(with(alias, vec![own]).authorised(Version::V1_2), Some(alias), "one is not told from another");
        let all = with(AttributeSet::ALL, vec![]);
        assert_eq!(all.authorised(Version::V1_2), Some(AttributeSet::ALL));
        let old = with(AttributeSet::of_version(Version::V1_1), vec![]);
        assert!(old.authorised(Version::V1_1).unwrap().has_extensions());
        assert!(!old.authorised(Version::V1_2).unwrap().has_extensions());
        assert_eq!(with(AttributeSet::EMPTY, vec![]).authorised(Version::V1_2), Some(AttributeSet::EMPTY));
        assert_eq!(AttributeSet::from_bits(AttributeSet::ALL.bits()), AttributeSet::ALL);
        assert_eq!(AttributeSet::ALL.iter().count(), ATTRIBUTES.len());
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
            extensions: Vec::new(),
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
