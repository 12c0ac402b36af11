//! The attribute table: one row for each attribute, in the order in which they stand in a PresenceSubList.

use crate::version::Version;

/// Who it describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeClass {
    /// Client status: one value for each client in 1.3, one at most before.
    Client,
    /// User status.
    User,
}

/// What a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// `T` or `F`.
    Boolean,
    /// Any text.
    Text,
    /// An unsigned number.
    Integer,
    /// An absolute URL.
    Url,
    /// BASE64 text.
    Binary,
    /// A sign, two digits of hours, and two of minutes if need be: `+02`, `-0530`.
    Zone,
    /// A language: ISO 639, perhaps with what follows a hyphen.
    Language,
    /// A country: ISO 3166.
    Country,
    /// Degrees, minutes and seconds: `35 24 15.652W`.
    Degrees,
    /// Metres.
    Metres,
    /// A MIME type.
    Mime,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Fields of its own, and whether it may come more than once.
    Struct {
        /// What stands in it.
        fields: &'static [FieldRow],
        /// Whether it may come more than once.
        repeats: bool,
    },
}

/// A field of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRow {
    /// The element.
    pub field: Field,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether it must be there when its parent has a value.
    pub required: bool,
    /// First version that knows it there.
    pub since: Version,
}

/// A row of the attribute table.
#[derive(Clone, Copy, Debug)]
pub struct AttributeRow {
    /// The attribute.
    pub attribute: Attribute,
    /// The element's name.
    pub name: &'static str,
    /// Client or user status.
    pub class: AttributeClass,
    /// First version that knows it.
    pub since: Version,
    /// What stands after the Qualifier (and before the ClientID).
    pub fields: &'static [FieldRow],
}

macro_rules! fields {
    ($($field:ident $name:literal;)*) => {
        /// An element inside a presence attribute.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field { $(#[doc = concat!("`", $name, "`")] $field),* }

        impl Field {
            /// Every field, each at the index that is its number.
            pub const ALL: &[Self] = &[$(Self::$field),*];

            /// The element's name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$field => $name),* }
            }
        }
    };
}

fields! {
    PresenceValue "PresenceValue";
    ClientContentLimit "ClientContentLimit"; ClientType "ClientType"; DevManufacturer "DevManufacturer";
    ClientProducer "ClientProducer"; Model "Model"; ClientVersion "ClientVersion"; Language "Language";
    ClientImPriority "ClientIMPriority"; ApplicationId "ApplicationID";
    AcceptedContentType "AcceptedContentType"; AnyContent "AnyContent";
    AcceptedTextContentLength "AcceptedTextContentLength"; AcceptedTransferEncoding "AcceptedTransferEncoding";
    MaxPullLength "MaxPullLength"; MaxPushLength "MaxPushLength"; PlainTextCharset "PlainTextCharset";
    Zone "Zone";
    Longitude "Longitude"; Latitude "Latitude"; Altitude "Altitude"; Accuracy "Accuracy";
    Country "Country"; City "City"; Street "Street"; Crossing1 "Crossing1"; Crossing2 "Crossing2";
    Building "Building"; NamedArea "NamedArea";
    CommC "CommC"; Cap "Cap"; Status "Status"; Contact "Contact"; Note "Note";
    AddrPref "AddrPref"; PrefC "PrefC"; Caddr "Caddr"; Cstatus "Cstatus"; Cname "Cname"; Cpriority "Cpriority";
    DirectContent "DirectContent"; ReferredContent "ReferredContent"; ContentType "ContentType";
    ContainedVCard "ContainedvCard"; ReferredVCard "ReferredvCard";
    InfLink "Inf_link"; Link "Link"; Text "Text";
}

const fn row(field: Field, kind: FieldKind) -> FieldRow {
    FieldRow { field, kind, required: false, since: Version::V1_1 }
}

const fn must(field: Field, kind: FieldKind) -> FieldRow {
    FieldRow { field, kind, required: true, since: Version::V1_1 }
}

const fn in_1_3(field: Field, kind: FieldKind) -> FieldRow {
    FieldRow { field, kind, required: false, since: Version::V1_3 }
}

const fn each(fields: &'static [FieldRow]) -> FieldKind {
    FieldKind::Struct { fields, repeats: true }
}

use FieldKind::{Binary, Boolean, Country, Degrees, Integer, Language, Metres, Mime, Text, Url, Words};

// The last five are names of the 1.0 drafts that phones' dictionaries still list.
const CAPABILITIES: FieldKind = Words(&[
    "CALL",
    "SMS",
    "MMS",
    "EMAIL",
    "IM",
    "IM_ONLINE",
    "IM_OFFLINE",
    "AUDIO_CALL",
    "VIDEO_CALL",
    "VIDEO_STREAM",
]);
const OPEN_CLOSED: FieldKind = Words(&["OPEN", "CLOSED"]);

const TEXT_VALUE: &[FieldRow] = &[row(Field::PresenceValue, Text)];
const FLAG_VALUE: &[FieldRow] = &[row(Field::PresenceValue, Boolean)];

const CONTENT_LIMIT: FieldKind = FieldKind::Struct {
    fields: &[
        row(Field::AcceptedContentType, Text),
        row(Field::AnyContent, Boolean),
        row(Field::AcceptedTextContentLength, Integer),
        row(Field::AcceptedTransferEncoding, Text),
        row(Field::MaxPullLength, Integer),
        row(Field::MaxPushLength, Integer),
        row(Field::PlainTextCharset, Integer),
    ],
    repeats: false,
};

const CLIENT_INFO: &[FieldRow] = &[
    in_1_3(Field::ClientContentLimit, CONTENT_LIMIT),
    row(Field::ClientType, Words(&["MOBILE_PHONE", "COMPUTER", "PDA", "CLI", "OTHER"])),
    row(Field::DevManufacturer, Text),
    row(Field::ClientProducer, Text),
    row(Field::Model, Text),
    row(Field::ClientVersion, Text),
    row(Field::Language, Language),
    in_1_3(Field::ClientImPriority, Integer),
    in_1_3(Field::ApplicationId, Text),
];

const GEO_LOCATION: &[FieldRow] = &[
    row(Field::Longitude, Degrees),
    row(Field::Latitude, Degrees),
    row(Field::Altitude, Metres),
    row(Field::Accuracy, Metres),
];

const ADDRESS: &[FieldRow] = &[
    row(Field::Country, Country),
    row(Field::City, Text),
    row(Field::Street, Text),
    row(Field::Crossing1, Text),
    row(Field::Crossing2, Text),
    row(Field::Building, Text),
    row(Field::NamedArea, Text),
    row(Field::Accuracy, Metres),
];

const COMM_CAP: &[FieldRow] = &[row(
    Field::CommC,
    each(&[
        must(Field::Cap, CAPABILITIES),
        must(Field::Status, OPEN_CLOSED),
        row(Field::Contact, Text),
        row(Field::Note, Text),
    ]),
)];

const PREFERRED_CONTACTS: &[FieldRow] = &[row(
    Field::AddrPref,
    each(&[
        must(Field::PrefC, CAPABILITIES),
        must(Field::Caddr, Text),
        must(Field::Cstatus, OPEN_CLOSED),
        row(Field::Cname, Text),
        row(Field::Cpriority, Integer),
    ]),
)];

const MOODS: FieldKind = Words(&[
    "ANGRY",
    "ANXIOUS",
    "ASHAMED",
    "BORED",
    "EXCITED",
    "HAPPY",
    "IN_LOVE",
    "INVINCIBLE",
    "JEALOUS",
    "SAD",
    "SLEEPY",
]);

const INFO_LINK: &[FieldRow] =
    &[row(Field::InfLink, each(&[must(Field::Link, Url), row(Field::Text, Text), row(Field::ContentType, Mime)]))];

macro_rules! attributes {
    ($($attribute:ident $name:literal $class:ident $since:ident $fields:expr;)*) => {
        /// A presence attribute.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Attribute { $(#[doc = concat!("`", $name, "`")] $attribute),* }

        /// Every attribute, in the order in which they stand in a PresenceSubList.
        pub const ATTRIBUTES: &[AttributeRow] = &[$(AttributeRow {
            attribute: Attribute::$attribute, name: $name, class: AttributeClass::$class,
            since: Version::$since, fields: $fields,
        }),*];
    };
}

attributes! {
    // attribute         name                class  since fields
    OnlineStatus         "OnlineStatus"      Client V1_1 FLAG_VALUE;
    Registration         "Registration"      Client V1_1 FLAG_VALUE;
    ClientInfo           "ClientInfo"        Client V1_1 CLIENT_INFO;
    TimeZone             "TimeZone"          Client V1_1 &[row(Field::Zone, FieldKind::Zone)];
    GeoLocation          "GeoLocation"       Client V1_1 GEO_LOCATION;
    Address              "Address"           Client V1_1 ADDRESS;
    FreeTextLocation     "FreeTextLocation"  Client V1_1 TEXT_VALUE;
    Plmn                 "PLMN"              Client V1_1 TEXT_VALUE;
    CommCap              "CommCap"           Client V1_1 COMM_CAP;
    UserAvailability     "UserAvailability"  User   V1_1 &[row(Field::PresenceValue, Words(&["AVAILABLE", "DISCREET", "NOT_AVAILABLE"]))];
    PreferredContacts    "PreferredContacts" User   V1_1 PREFERRED_CONTACTS;
    PreferredLanguage    "PreferredLanguage" User   V1_1 &[row(Field::PresenceValue, Language)];
    StatusText           "StatusText"        User   V1_1 TEXT_VALUE;
    StatusMood           "StatusMood"        User   V1_1 &[row(Field::PresenceValue, MOODS)];
    Alias                "Alias"             User   V1_1 TEXT_VALUE;
    StatusContent        "StatusContent"     User   V1_1 &[row(Field::DirectContent, Binary), row(Field::ReferredContent, Url), row(Field::ContentType, Mime)];
    ContactInfo          "ContactInfo"       User   V1_1 &[row(Field::ContainedVCard, Text), row(Field::ReferredVCard, Url)];
    InfoLink             "InfoLink"          User   V1_2 INFO_LINK;
}

impl Attribute {
    /// The attribute's row.
    pub fn row(self) -> &'static AttributeRow {
        // The table is generated together with the enum, in the same order.
        &ATTRIBUTES[self as usize]
    }

    /// The attribute with this element name.
    pub fn by_name(name: &str) -> Option<Self> {
        ATTRIBUTES.iter().find(|row| row.name == name).map(|row| row.attribute)
    }

    /// The attribute at this place of the table.
    pub fn by_number(number: u8) -> Option<Self> {
        ATTRIBUTES.get(usize::from(number)).map(|row| row.attribute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(path: &str, ours: &[FieldRow], theirs: &[(String, toml::Value)]) {
        for (name, row) in theirs {
            let found = ours.iter().find(|field| field.field.name() == name);
            let found = found.unwrap_or_else(|| panic!("{path} lacks {name}"));
            if let Some(words) = row.get("values").and_then(|values| values.as_array()) {
                let known: &[&str] = match found.kind {
                    FieldKind::Words(known) => known,
                    FieldKind::Boolean => &["T", "F"],
                    kind => panic!("{path}/{name} is {kind:?}"),
                };
                for word in words {
                    assert!(known.contains(&word.as_str().unwrap()), "{path}/{name} lacks {word}");
                }
            }
        }
    }

    #[test]
    fn the_table_is_the_specification() {
        let file: toml::Table = include_str!("../../../../spec/presence-attributes.toml").parse().unwrap();
        let rows = file["attribute"].as_array().unwrap();
        assert_eq!(rows.len(), ATTRIBUTES.len());
        for (row, ours) in rows.iter().zip(ATTRIBUTES) {
            assert_eq!(row["name"].as_str(), Some(ours.name));
            assert_eq!(row["since"].as_str(), Some(ours.since.as_str()));
            let class = if ours.class == AttributeClass::Client { "client" } else { "user" };
            assert_eq!(row["class"].as_str(), Some(class));
            let mut flat = Vec::new();
            for field in row["field"].as_array().unwrap() {
                let name = field["name"].as_str().unwrap();
                if let Some((parent, child)) = name.split_once('/') {
                    let inner = ours.fields.iter().find(|row| row.field.name() == parent).unwrap();
                    let FieldKind::Struct { fields, repeats: true } = inner.kind else { panic!("{parent}") };
                    compare(ours.name, fields, &[(child.to_owned(), field.clone())]);
                } else if name != "Qualifier" && name != "ClientID" {
                    flat.push((name.to_owned(), field.clone()));
                }
            }
            compare(ours.name, ours.fields, &flat);
        }
    }
}
