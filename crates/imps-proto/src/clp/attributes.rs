//! The words for presence attributes (CLP 6.2).

use imps_types::presence::Attribute;

/// Word and attribute.
const WORDS: &[(&str, Attribute)] = &[
    ("online", Attribute::OnlineStatus),
    ("avail", Attribute::UserAvailability),
    ("text", Attribute::StatusText),
    ("mood", Attribute::StatusMood),
    ("place", Attribute::FreeTextLocation),
    ("alias", Attribute::Alias),
    ("prefer", Attribute::PreferredContacts),
    ("client", Attribute::ClientInfo),
    ("contact", Attribute::ContactInfo),
    ("lang", Attribute::PreferredLanguage),
    ("zone", Attribute::TimeZone),
    ("reg", Attribute::Registration),
    ("net", Attribute::Plmn),
    ("geo", Attribute::GeoLocation),
    ("addr", Attribute::Address),
    ("link", Attribute::InfoLink),
    ("content", Attribute::StatusContent),
    // CLP 6.2 has no word for it.
    ("cap", Attribute::CommCap),
];

/// The attribute that a word means.
pub fn attribute_of_word(word: &str) -> Option<Attribute> {
    WORDS.iter().find(|(one, _)| one.eq_ignore_ascii_case(word)).map(|(_, attribute)| *attribute)
}

/// The word for an attribute.
pub fn word_of_attribute(attribute: Attribute) -> &'static str {
    let word = WORDS.iter().find(|(_, one)| *one == attribute).map(|(word, _)| *word);
    word.unwrap_or(attribute.row().name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::presence::ATTRIBUTES;

    #[test]
    fn every_attribute_has_a_word_of_its_own() {
        for row in ATTRIBUTES {
            assert_eq!(attribute_of_word(word_of_attribute(row.attribute)), Some(row.attribute));
        }
        assert_eq!(WORDS.len(), ATTRIBUTES.len());
        assert_eq!(attribute_of_word("MOOD"), Some(Attribute::StatusMood));
        assert_eq!(attribute_of_word("all"), None);
    }
}
