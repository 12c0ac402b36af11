//! The words that have a token of their own in WBXML (EXT_T_0). Encoding 1.4.
//!
//! Decoding is flat: one number, one word, with two exceptions that depend on version and place. Encoding is careful: a
//! token is written only where every known decoder expects one, otherwise the word itself.

use crate::element::Element;
use crate::names;
use imps_types::Version;

struct Value {
    token: u16,
    word: &'static str,
    since: Version,
    until: Version,
}

macro_rules! values {
    ($($token:literal $word:literal $since:ident $until:ident;)*) => {
        static VALUES: [Value; COUNT] = VALUES_CONST;
        const COUNT: usize = [$($token,)*].len();
        const VALUES_CONST: [Value; COUNT] =
            [$(Value { token: $token, word: $word, since: Version::$since, until: Version::$until },)*];
    };
}

values! {
    // token word                          since until
    0x00 "AccessType"                        V1_1 V1_3;
    0x01 "ActiveUsers"                       V1_1 V1_3;
    0x02 "Admin"                             V1_1 V1_3;
    0x03 "application/"                      V1_1 V1_3;
    0x04 "application/vnd.wap.mms-message"   V1_1 V1_3;
    0x05 "application/x-sms"                 V1_1 V1_3;
    0x06 "AutoJoin"                          V1_1 V1_3;
    0x07 "BASE64"                            V1_1 V1_3;
    0x08 "Closed"                            V1_1 V1_3;
    0x09 "Default"                           V1_1 V1_3;
    0x0A "DisplayName"                       V1_1 V1_3;
    0x0B "F"                                 V1_1 V1_3;
    0x0C "G"                                 V1_1 V1_3;
    0x0D "GR"                                V1_1 V1_3;
    0x0E "http://"                           V1_1 V1_3;
    0x0F "https://"                          V1_1 V1_3;
    0x10 "image/"                            V1_1 V1_3;
    0x11 "Inband"                            V1_1 V1_3;
    0x12 "IM"                                V1_1 V1_3;
    0x13 "MaxActiveUsers"                    V1_1 V1_3;
    0x14 "Mod"                               V1_1 V1_3;
    0x15 "Name"                              V1_1 V1_3;
    0x16 "None"                              V1_1 V1_3;
    0x17 "N"                                 V1_1 V1_3;
    0x18 "Open"                              V1_1 V1_3;
    0x19 "Outband"                           V1_1 V1_3;
    0x1A "PR"                                V1_1 V1_3;
    0x1B "Private"                           V1_1 V1_3;
    0x1C "PrivateMessaging"                  V1_1 V1_3;
    0x1D "PrivilegeLevel"                    V1_1 V1_3;
    0x1E "Public"                            V1_1 V1_3;
    0x1F "P"                                 V1_1 V1_3;
    0x20 "Request"                           V1_1 V1_3;
    0x21 "Response"                          V1_1 V1_3;
    0x22 "Restricted"                        V1_1 V1_3;
    0x23 "ScreenName"                        V1_1 V1_3;
    0x24 "Searchable"                        V1_1 V1_3;
    0x25 "S"                                 V1_1 V1_3;
    0x26 "SC"                                V1_1 V1_3;
    0x27 "text/"                             V1_1 V1_3;
    0x28 "text/plain"                        V1_1 V1_3;
    0x29 "text/x-vCalendar"                  V1_1 V1_3;
    0x2A "text/x-vCard"                      V1_1 V1_3;
    0x2B "Topic"                             V1_1 V1_3;
    0x2C "T"                                 V1_1 V1_3;
    0x2D "Type"                              V1_1 V1_3;
    0x2E "U"                                 V1_1 V1_3;
    0x2F "US"                                V1_1 V1_3;
    0x30 "www.wireless-village.org"          V1_1 V1_3;
    0x31 "AutoDelete"                        V1_2 V1_3;
    0x32 "GM"                                V1_2 V1_3;
    0x33 "Validity"                          V1_2 V1_3;
    0x34 "DENIED"                            V1_2 V1_3;
    0x35 "GRANTED"                           V1_2 V1_3;
    0x36 "PENDING"                           V1_2 V1_3;
    0x37 "ShowID"                            V1_2 V1_3;
    0x38 "RequireInvitation"                 V1_3 V1_3;
    0x39 "Tiny"                              V1_3 V1_3;
    0x3A "PPU"                               V1_3 V1_3;
    0x3B "SPA"                               V1_3 V1_3;
    0x3C "ANC"                               V1_3 V1_3;
    0x3D "GROUP_ID"                          V1_1 V1_3;
    0x3E "GROUP_NAME"                        V1_1 V1_3;
    0x3F "GROUP_TOPIC"                       V1_1 V1_3;
    0x40 "GROUP_USER_ID_JOINED"              V1_1 V1_3;
    0x41 "GROUP_USER_ID_OWNER"               V1_1 V1_3;
    0x42 "HTTP"                              V1_1 V1_3;
    0x43 "SMS"                               V1_1 V1_3;
    0x44 "STCP"                              V1_1 V1_3;
    0x45 "SUDP"                              V1_1 V1_3;
    0x46 "USER_ALIAS"                        V1_1 V1_3;
    0x47 "USER_EMAIL_ADDRESS"                V1_1 V1_3;
    0x48 "USER_FIRST_NAME"                   V1_1 V1_3;
    0x49 "USER_ID"                           V1_1 V1_3;
    0x4A "USER_LAST_NAME"                    V1_1 V1_3;
    0x4B "USER_MOBILE_NUMBER"                V1_1 V1_3;
    0x4C "USER_ONLINE_STATUS"                V1_1 V1_3;
    0x4D "WAPSMS"                            V1_1 V1_3;
    0x4E "WAPUDP"                            V1_1 V1_3;
    0x4F "WSP"                               V1_1 V1_3;
    0x50 "GROUP_USER_ID_AUTOJOIN"            V1_2 V1_3;
    0x51 "AND"                               V1_3 V1_3;
    0x52 "AC"                                V1_3 V1_3;
    0x53 "BLC"                               V1_3 V1_3;
    0x54 "BLUC"                              V1_3 V1_3;
    0x55 "CLCR"                              V1_3 V1_3;
    0x56 "CLD"                               V1_3 V1_3;
    0x57 "GC"                                V1_3 V1_3;
    0x58 "GD"                                V1_3 V1_3;
    0x59 "GLC"                               V1_3 V1_3;
    0x5A "ANU"                               V1_3 V1_3;
    0x5B "ANGRY"                             V1_1 V1_3;
    0x5C "ANXIOUS"                           V1_1 V1_3;
    0x5D "ASHAMED"                           V1_1 V1_3;
    0x5E "AUDIO_CALL"                        V1_1 V1_2;
    0x5F "AVAILABLE"                         V1_1 V1_3;
    0x60 "BORED"                             V1_1 V1_3;
    0x61 "CALL"                              V1_1 V1_3;
    0x62 "CLI"                               V1_1 V1_3;
    0x63 "COMPUTER"                          V1_1 V1_3;
    0x64 "DISCREET"                          V1_1 V1_3;
    0x65 "EMAIL"                             V1_1 V1_3;
    0x66 "EXCITED"                           V1_1 V1_3;
    0x67 "HAPPY"                             V1_1 V1_3;
    0x68 "IM"                                V1_1 V1_1;
    0x68 "AP"                                V1_3 V1_3;
    0x69 "IM_OFFLINE"                        V1_1 V1_2;
    0x6A "IM_ONLINE"                         V1_1 V1_2;
    0x6B "IN_LOVE"                           V1_1 V1_3;
    0x6C "INVINCIBLE"                        V1_1 V1_3;
    0x6D "JEALOUS"                           V1_1 V1_3;
    0x6E "MMS"                               V1_1 V1_3;
    0x6F "MOBILE_PHONE"                      V1_1 V1_3;
    0x70 "NOT_AVAILABLE"                     V1_1 V1_3;
    0x71 "OTHER"                             V1_1 V1_3;
    0x72 "PDA"                               V1_1 V1_3;
    0x73 "SAD"                               V1_1 V1_3;
    0x74 "SLEEPY"                            V1_1 V1_3;
    0x75 "SMS"                               V1_1 V1_3;
    0x76 "VIDEO_CALL"                        V1_1 V1_2;
    0x77 "VIDEO_STREAM"                      V1_1 V1_2;
    0x78 "www.openmobilealliance.org"        V1_3 V1_3;
    0x79 "Small"                             V1_3 V1_3;
    0x7A "Medium"                            V1_3 V1_3;
    0x7B "Big"                               V1_3 V1_3;
    0x7C "Huge"                              V1_3 V1_3;
    0x7D "Bold"                              V1_3 V1_3;
    0x7E "Italic"                            V1_3 V1_3;
    0x7F "Underline"                         V1_3 V1_3;
    0x80 "Black"                             V1_3 V1_3;
    0x81 "Silver"                            V1_3 V1_3;
    0x82 "Gray"                              V1_3 V1_3;
    0x83 "White"                             V1_3 V1_3;
    0x84 "Maroon"                            V1_3 V1_3;
    0x85 "Red"                               V1_3 V1_3;
    0x86 "Purple"                            V1_3 V1_3;
    0x87 "Fuchsia"                           V1_3 V1_3;
    0x88 "Green"                             V1_3 V1_3;
    0x89 "Lime"                              V1_3 V1_3;
    0x8A "Olive"                             V1_3 V1_3;
    0x8B "Yellow"                            V1_3 V1_3;
    0x8C "Navy"                              V1_3 V1_3;
    0x8D "Blue"                              V1_3 V1_3;
    0x8E "Teal"                              V1_3 V1_3;
    0x8F "Aqua"                              V1_3 V1_3;
    0x90 "ATCL"                              V1_3 V1_3;
    0x91 "CLC"                               V1_3 V1_3;
    0x93 "USER_CITY"                         V1_3 V1_3;
    0x94 "USER_COUNTRY"                      V1_3 V1_3;
    0x95 "USER_FRIENDLY_NAME"                V1_3 V1_3;
    0x96 "USER_GENDER"                       V1_3 V1_3;
    0x97 "USER_INTENTION"                    V1_3 V1_3;
    0x98 "USER_INTERESTS_HOBBIES"            V1_3 V1_3;
    0x99 "USER_MARITAL_STATUS"               V1_3 V1_3;
    0x9A "PRIORITYREJECT"                    V1_3 V1_3;
    0x9B "PRIORITYSTORE"                     V1_3 V1_3;
    0x9C "REJECT"                            V1_3 V1_3;
    0x9D "SENDREJECT"                        V1_3 V1_3;
    0x9E "SENDSTORE"                         V1_3 V1_3;
    0x9F "IR"                                V1_3 V1_3;
    0xA0 "EC"                                V1_3 V1_3;
    0xA1 "GLUC"                              V1_3 V1_3;
    0xA2 "IA"                                V1_3 V1_3;
    0xA3 "IC"                                V1_3 V1_3;
    0xA4 "SSMS"                              V1_2 V1_3;
    0xA5 "SHTTP"                             V1_2 V1_3;
    0xA6 "DoNotNotify"                       V1_3 V1_3;
    0xA7 "GMAU"                              V1_3 V1_3;
    0xA8 "GMG"                               V1_3 V1_3;
    0xA9 "GMR"                               V1_3 V1_3;
    0xAA "GMU"                               V1_3 V1_3;
    0xAB "DETECT"                            V1_3 V1_3;
    0xAC "FORKALL"                           V1_3 V1_3;
    0xAD "OEU"                               V1_3 V1_3;
    0xAE "SERVERLOGIC"                       V1_3 V1_3;
    0xAF "PP_AGE"                            V1_3 V1_3;
    0xB0 "PP_CITY"                           V1_3 V1_3;
    0xB1 "PP_COUNTRY"                        V1_3 V1_3;
    0xB2 "PP_FRIENDLY_NAME"                  V1_3 V1_3;
    0xB3 "PP_FREE_TEXT"                      V1_3 V1_3;
    0xB4 "PP_GENDER"                         V1_3 V1_3;
    0xB5 "PP_INTENTION"                      V1_3 V1_3;
    0xB6 "PP_INTERESTS"                      V1_3 V1_3;
    0xB7 "PP_MARITAL_STATUS"                 V1_3 V1_3;
    0xB8 "USER_AGE_MAX"                      V1_3 V1_3;
    0xB9 "USER_AGE_MIN"                      V1_3 V1_3;
    0xBA "EG"                                V1_3 V1_3;
    0xBB "MinimumAge"                        V1_3 V1_3;
    0xBC "C"                                 V1_3 V1_3;
    0xBD "CURRENT_SUBSCRIBER"                V1_3 V1_3;
    0xBE "FORMER_SUBSCRIBER"                 V1_3 V1_3;
    0xBF "PRESENCE_ACCESS"                   V1_3 V1_3;
    0xC0 "R"                                 V1_3 V1_3;
}

const TRUE: u16 = 0x2C;
const FALSE: u16 = 0x0B;
const GROUP_ID: u32 = 0x3D;
const SMS_BEARER: u16 = 0x43;
const SMS_CONTACT: u16 = 0x75;
const IM_OR_AP: u32 = 0x68;

const TOKENS: usize = 0xC1;

/// The word of each token. Versions differ only in what they lack, and what they lack is accepted too.
static WORDS: [Option<&str>; TOKENS] = {
    let mut words = [None; TOKENS];
    let mut i = 0;
    while i < COUNT {
        // Rows are in the order of versions: the newest meaning stays.
        words[VALUES_CONST[i].token as usize] = Some(VALUES_CONST[i].word);
        i += 1;
    }
    words
};

static WORD_SLOTS: [u16; names::SLOTS] = names::slots(&KEYS);

const KEYS: [&str; COUNT] = {
    let mut keys = [""; COUNT];
    let mut i = 0;
    while i < COUNT {
        let value = &VALUES_CONST[i];
        // SMS and IM have a second token each, which is chosen below or never.
        let second =
            value.token == SMS_CONTACT || value.token as u32 == IM_OR_AP && matches!(value.since, Version::V1_1);
        keys[i] = if second { "" } else { value.word };
        i += 1;
    }
    keys
};

/// The word that a token stands for, inside `element` which is a child of `parent`.
pub fn word(token: u32, version: Version, element: Option<Element>, parent: Option<Element>) -> Option<&'static str> {
    match token {
        // The one value whose meaning changed.
        IM_OR_AP if version != Version::V1_3 => Some("IM"),
        // Given out twice by 1.3: as a search element, and as a property of groups.
        GROUP_ID
            if version == Version::V1_3
                && parent == Some(Element::Property)
                && matches!(element, Some(Element::Name | Element::Value)) =>
        {
            Some("History")
        }
        _ => *WORDS.get(usize::try_from(token).ok()?)?,
    }
}

/// The token to write for `text` as the whole content of `element`, if it has one that all decoders of `version` know.
pub fn token(text: &str, version: Version, element: Element) -> Option<u16> {
    let value = names::find(text, &WORD_SLOTS, |index| VALUES.get(index), |value| value.word)?;
    let (page, _) = element.token(version)?;
    if version < value.since || value.until < version {
        return None;
    }
    let fits = match value.token {
        // History has no token of its own, and not every decoder takes this one for GROUP_ID elsewhere.
        0x3D => element == Element::SearchElement,
        // SSMS and SHTTP are in the tables of 1.2, but libwbxml does not know them.
        0xA4 | 0xA5 => version == Version::V1_3 && is_access(page),
        SMS_BEARER if page == 5 => return Some(SMS_CONTACT),
        0x3E..=0x50 | 0x93..=0x9E | 0xAF..=0xB9 => is_access(page),
        0x5B..=0x67 | 0x69..=0x77 => matches!(page, 0 | 4 | 5),
        _ => true,
    };
    fits.then_some(value.token)
}

/// The token of a boolean.
pub const fn boolean(value: bool) -> u16 {
    if value { TRUE } else { FALSE }
}

/// Pages on which access words are expected: Baraza reads them on no other.
fn is_access(page: u8) -> bool {
    matches!(page, 1 | 3 | 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_two_meanings() {
        let (v12, v13) = (Version::V1_2, Version::V1_3);
        assert_eq!(word(0x68, Version::V1_1, None, None), Some("IM"));
        assert_eq!(word(0x68, v12, None, None), Some("IM"));
        assert_eq!(word(0x68, v13, None, None), Some("AP"));
        assert_eq!(word(0x3D, v13, Some(Element::Name), Some(Element::Property)), Some("History"));
        assert_eq!(word(0x3D, v13, Some(Element::SearchElement), Some(Element::SearchPairList)), Some("GROUP_ID"));
        assert_eq!(word(0x3D, v12, Some(Element::Name), Some(Element::Property)), Some("GROUP_ID"));
        assert_eq!(word(0x92, v13, None, None), None);
        assert_eq!(word(0xC1, v13, None, None), None);
        assert_eq!(word(u32::MAX, v13, None, None), None);
    }

    #[test]
    fn tokens_only_where_all_know_them() {
        let (v11, v12, v13) = (Version::V1_1, Version::V1_2, Version::V1_3);
        assert_eq!(token("T", v11, Element::Poll), Some(boolean(true)));
        assert_eq!(token("F", v11, Element::Poll), Some(boolean(false)));
        assert_eq!(token("IM", v11, Element::Cap), Some(0x12));
        assert_eq!(token("SMS", v12, Element::SupportedBearer), Some(0x43));
        assert_eq!(token("SMS", v12, Element::Cap), Some(0x75));
        assert_eq!(token("SSMS", v12, Element::SupportedCirMethod), None);
        assert_eq!(token("SSMS", v13, Element::SupportedCirMethod), Some(0xA4));
        assert_eq!(token("GROUP_ID", v12, Element::SearchElement), Some(0x3D));
        assert_eq!(token("GROUP_ID", v12, Element::Name), None);
        assert_eq!(token("History", v13, Element::Name), None);
        assert_eq!(token("CURRENT_SUBSCRIBER", v12, Element::WatcherStatus), None);
        assert_eq!(token("CURRENT_SUBSCRIBER", v13, Element::WatcherStatus), Some(0xBD));
        assert_eq!(token("AP", v13, Element::InviteType), Some(0x68));
        assert_eq!(token("", v13, Element::Name), None);
    }

    #[test]
    fn words_are_found_at_once() {
        assert!(names::longest_search(&KEYS, &WORD_SLOTS) <= 4);
    }
}
