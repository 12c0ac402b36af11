//! How users, groups, times, presence are shown to people.

use imps_proto::clp::{GroupName, Target, escaped, quoted, word_of_attribute};
use imps_service::language::Language;
use imps_types::DateTime;
use imps_types::element::{Group, Recipient, Sender};
use imps_types::presence::{Attribute, AttributeSet, Field, FieldValue, PresenceAttribute, PresenceSubList};

use super::texts::Say;

/// An address without its scheme, and without the home domain.
pub(super) fn address(address: &str, home: &str) -> String {
    let bare = match address.get(..3) {
        Some(scheme) if scheme.eq_ignore_ascii_case("wv:") => address.get(3..).unwrap_or_default(),
        _ => address,
    };
    match bare.rsplit_once('@') {
        Some((local, domain)) if domain.eq_ignore_ascii_case(home) => local.to_owned(),
        _ => bare.to_owned(),
    }
}

/// Who sent something; the screen name if he is known by it.
pub(super) fn sender(sender: Option<&Sender>, home: &str) -> String {
    match sender {
        Some(Sender::User(user)) => address(user.user_id.as_str(), home),
        Some(Sender::Group(Group::ScreenName(name))) => name.name.to_string(),
        Some(Sender::Group(Group::Id(id))) => address(id.as_str(), home),
        None => "?".to_owned(),
    }
}

/// Whom something is for.
pub(super) fn recipient(recipient: &Recipient, home: &str) -> String {
    let users = recipient.users.iter().map(|user| address(user.user_id.as_str(), home));
    let groups = recipient.groups.iter().map(|group| match group {
        Group::Id(id) => address(id.as_str(), home),
        Group::ScreenName(name) => name.name.to_string(),
    });
    let lists = recipient.contact_lists.iter().map(|list| list_name(list.as_str()));
    users.chain(groups).chain(lists).collect::<Vec<_>>().join(",")
}

/// A contact list by its own name: `~friends`.
pub(super) fn list_name(address: &str) -> String {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    let name = local.rsplit_once('/').map_or(local, |(_, name)| name);
    format!("~{name}")
}

/// A group by its own name: `/cars`.
pub(super) fn group_name(address: &str) -> String {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    let name = local.rsplit_once('/').map_or(local, |(_, name)| name);
    format!("/{name}")
}

/// Somebody in a group, as a target is typed: `/cars!Max`.
pub(super) fn screen_name(group: &str, name: &str) -> String {
    match GroupName::parse(group) {
        Some(group) => Target::ScreenName(group, name.into()).to_string(),
        None => format!("{group}!{name}"),
    }
}

/// A size in as few characters as say it.
pub(super) fn size(bytes: u32) -> String {
    match bytes {
        0..=1023 => format!("{bytes}B"),
        1024..=1_048_575 => format!("{}kB", bytes.div_ceil(1024)),
        _ => format!("{}MB", bytes.div_ceil(1_048_576)),
    }
}

/// A content type as people say it.
pub(super) fn content_type(content_type: Option<&str>) -> String {
    let bare = content_type.unwrap_or("text/plain").split(';').next().unwrap_or_default().trim().to_owned();
    if bare.is_empty() || bare.eq_ignore_ascii_case("text/plain") { "text".to_owned() } else { bare }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Minutes of an offset as presence has it: `+02`, `-0530`.
pub(super) fn offset(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.trim().split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let number = |text: &str| text.parse::<i64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let (hours, minutes) = match digits.len() {
        2 => (number(digits)?, 0),
        4 => (number(digits.get(..2)?)?, number(digits.get(2..)?)?),
        _ => return None,
    };
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// A time, today's without its day. Both are seconds since 1970, `offset` is the zone's minutes.
pub(super) fn time(at: u64, now: u64, offset: i64) -> String {
    let local = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_add(offset * 60).max(0);
    let (at, now) = (local(at), local(now));
    let (hour, minute) = (at % 86_400 / 3600, at % 3600 / 60);
    if at / 86_400 == now / 86_400 {
        return format!("{hour:02}:{minute:02}");
    }
    let (month, day) = month_and_day(at / 86_400);
    let month = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month)).copied().unwrap_or("?");
    format!("{day} {month} {hour:02}:{minute:02}")
}

/// The same of a moment.
pub(super) fn moment(at: DateTime, now: u64, offset: i64) -> String {
    time(at.to_unix(), now, offset)
}

/// Month and day of a day since 1970-01-01, in the Gregorian calendar; eras of 400 years begin in March.
fn month_and_day(days: i64) -> (i64, i64) {
    let day_of_era = (days + 719_468).rem_euclid(146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    (if shifted < 10 { shifted + 3 } else { shifted - 9 }, day)
}

/// The words for attributes, `all` for all of them.
pub(super) fn attributes(set: Option<AttributeSet>) -> String {
    let words: Vec<_> = set.into_iter().flat_map(AttributeSet::iter).map(word_of_attribute).collect();
    if set.is_none() || words.len() >= imps_types::presence::ATTRIBUTES.len() {
        return "all".to_owned();
    }
    if words.is_empty() { "-".to_owned() } else { words.join(",") }
}

/// Presence in one line: how he is there, what he says, his mood, and what else is known.
pub(super) fn presence(list: &PresenceSubList) -> String {
    let known = |attribute: Attribute| {
        list.attributes.iter().find(|one| one.attribute == attribute && one.qualifier != Some(false))
    };
    let value = |attribute: Attribute| known(attribute).and_then(PresenceAttribute::value);
    let mut words: Vec<String> = Vec::new();
    let online = value(Attribute::OnlineStatus);
    let available = value(Attribute::UserAvailability);
    words.extend(match (online, available) {
        (Some("F"), _) => Some("off".to_owned()),
        (_, Some("DISCREET")) => Some("away".to_owned()),
        (_, Some("NOT_AVAILABLE")) => Some("hidden".to_owned()),
        (Some(_), _) | (_, Some(_)) => Some("on".to_owned()),
        (None, None) => None,
    });
    words.extend(value(Attribute::StatusText).filter(|text| !text.is_empty()).map(quoted));
    words.extend(value(Attribute::StatusMood).map(str::to_lowercase));
    for one in list.attributes.iter().filter(|one| one.qualifier != Some(false)) {
        let is_shown = matches!(
            one.attribute,
            Attribute::OnlineStatus | Attribute::UserAvailability | Attribute::StatusText | Attribute::StatusMood
        );
        if is_shown {
            continue;
        }
        let said = match one.attribute {
            Attribute::ClientInfo => one.field(Field::ClientType).map(str::to_lowercase),
            Attribute::PreferredContacts | Attribute::CommCap => first(one).map(|word| word.to_lowercase()),
            _ => first(one).filter(|text| !text.is_empty()).map(|text| quoted(&text)),
        };
        words.extend(said.map(|said| format!("{} {said}", word_of_attribute(one.attribute))));
    }
    if words.is_empty() { "?".to_owned() } else { words.join(" ") }
}

/// One's own presence: ` available "lunch"`.
pub(super) fn own_presence(list: &PresenceSubList) -> String {
    let value = |attribute: Attribute| {
        let known = |one: &&PresenceAttribute| one.attribute == attribute && one.qualifier != Some(false);
        list.attributes.iter().find(known).and_then(PresenceAttribute::value)
    };
    let how = match value(Attribute::UserAvailability) {
        Some("DISCREET") => "away",
        Some("NOT_AVAILABLE") => "hidden",
        _ => "available",
    };
    let text = value(Attribute::StatusText).filter(|text| !text.is_empty());
    format!(" {how}{}", text.map(|text| format!(" {}", quoted(text))).unwrap_or_default())
}

/// The first text in an attribute, however deep.
fn first(attribute: &PresenceAttribute) -> Option<String> {
    fn of(fields: &[(Field, FieldValue)]) -> Option<String> {
        fields.iter().find_map(|(_, value)| match value {
            FieldValue::Text(text) => Some(text.to_string()),
            FieldValue::Struct(fields) => of(fields),
        })
    }
    of(&attribute.fields)
}

/// A note as it stands behind something: `: "come"`.
pub(super) fn note(note: Option<&str>) -> String {
    note.filter(|note| !note.is_empty()).map(|note| format!(": {}", quoted(note))).unwrap_or_default()
}

/// A text of somebody in one line.
pub(super) fn text(text: &str) -> String {
    escaped(text)
}

/// What became of single recipients: `zoe 531`.
pub(super) fn refused(result: &imps_types::element::ResultInfo, home: &str) -> String {
    let mut words = Vec::new();
    for one in &result.detailed {
        let code = one.status.code();
        let users = one.user_ids.iter().map(|user| address(user.as_str(), home));
        let groups = one.group_ids.iter().map(|group| address(group.as_str(), home));
        let names = one.screen_names.iter().map(|name| name.name.to_string());
        let lists = one.contact_lists.iter().map(|list| list_name(list.as_str()));
        let others = one.message_ids.iter().chain(&one.domains).map(|other| other.to_string());
        words.extend(users.chain(groups).chain(names).chain(lists).chain(others).map(|name| format!("{name} {code}")));
    }
    words.join(", ")
}

/// What a success says, and who was left out.
pub(super) fn partly(said: String, result: &imps_types::element::ResultInfo, language: Language, home: &str) -> String {
    let refused = refused(result, home);
    if refused.is_empty() { said } else { Say::Not.with(language, &[&said, &refused]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_short() {
        assert_eq!(address("wv:bob@b.example", "b.example"), "bob");
        assert_eq!(address("wv:bob@a.example", "b.example"), "bob@a.example");
        assert_eq!(address("wv:bob/cars@b.example", "b.example"), "bob/cars");
        assert_eq!(list_name("wv:bob/friends@b.example"), "~friends");
        assert_eq!(group_name("wv:/lobby@b.example"), "/lobby");
        assert_eq!((size(24), size(31_000), size(3 << 20)), ("24B".into(), "31kB".into(), "3MB".into()));
        assert_eq!(content_type(Some("Text/Plain; charset=utf-8")), "text");
        assert_eq!(content_type(Some("image/jpeg")), "image/jpeg");
    }

    #[test]
    fn times_are_those_of_the_zone() {
        // 2026-01-30 14:05 UTC.
        let at = 1_769_781_900;
        assert_eq!(time(at, at + 60, 0), "14:05");
        assert_eq!(time(at, at + 86_400, 0), "30 Jan 14:05");
        assert_eq!(time(at, at + 9 * 3600, 330), "30 Jan 19:35");
        assert_eq!(time(at, at, -15 * 60), "23:05");
        assert_eq!(
            (offset("+02"), offset("-0530"), offset("+2"), offset("+9999")),
            (Some(120), Some(-330), None, None)
        );
        assert_eq!(month_and_day(0), (1, 1));
        assert_eq!(month_and_day(59), (3, 1));
        // 2000-02-29.
        assert_eq!(month_and_day(11_016), (2, 29));
    }

    #[test]
    fn presence_in_a_line() {
        let list = PresenceSubList {
            attributes: vec![
                PresenceAttribute::with_value(Attribute::OnlineStatus, "T"),
                PresenceAttribute::with_value(Attribute::UserAvailability, "DISCREET"),
                PresenceAttribute::with_value(Attribute::StatusText, "in a \"meeting\"\n+200"),
                PresenceAttribute::with_value(Attribute::StatusMood, "HAPPY"),
                PresenceAttribute::with_value(Attribute::Alias, "Ann"),
            ],
            extensions: Vec::new(),
        };
        assert_eq!(presence(&list), r#"away "in a \"meeting\" +200" happy alias "Ann""#);
        assert_eq!(presence(&PresenceSubList::default()), "?");
        let off = PresenceSubList {
            attributes: vec![PresenceAttribute::with_value(Attribute::OnlineStatus, "F")],
            extensions: Vec::new(),
        };
        assert_eq!(presence(&off), "off");
    }
}
