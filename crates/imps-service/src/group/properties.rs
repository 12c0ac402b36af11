//! What a group is like, and what somebody's place in it is like (CSP 13.1): a table for each.

use imps_types::Version;
use imps_types::element::{GroupProperties, Property, Role, WelcomeNote};

use super::GroupError;

/// The properties of a group that its administrators set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommonProperties {
    /// `Name`; may be empty.
    pub name: Box<str>,
    /// `Topic`; may be empty.
    pub topic: Box<str>,
    /// `Accesstype` Restricted: only members may join.
    pub restricted: bool,
    /// `PrivateMessaging`: messages to a screen name are allowed.
    pub private_messaging: bool,
    /// `Searchable`: others than its members find it.
    pub searchable: bool,
    /// `MaxActiveUsers`; none: as many as the server allows.
    pub max_active_users: Option<u32>,
    /// `AutoDelete`, 1.2: it ends when the last joined user leaves.
    pub auto_delete: bool,
    /// `Validity`, 1.2: seconds after which it ends.
    pub validity: Option<u32>,
    /// `History`, 1.3: its last messages are kept.
    pub history: bool,
    /// `RequireInvitation`, 1.3: only who is a member or was invited may join.
    pub require_invitation: bool,
    /// `MinimumAge`, 1.3: years.
    pub minimum_age: Option<u32>,
    /// `WelcomeNote`.
    pub welcome_note: Option<WelcomeNote>,
}

impl Default for CommonProperties {
    fn default() -> Self {
        Self {
            name: Box::default(),
            topic: Box::default(),
            restricted: false,
            private_messaging: true,
            searchable: false,
            max_active_users: None,
            auto_delete: false,
            validity: None,
            history: false,
            require_invitation: false,
            minimum_age: None,
            welcome_note: None,
        }
    }
}

/// What somebody has set for himself in a group. Absent: what the group says, or no.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct OwnSettings {
    /// `PrivateMessaging`: others may send him messages by his screen name.
    pub private_messaging: Option<bool>,
    /// `AutoJoin`: he joins when he logs in.
    pub auto_join: bool,
    /// `ShowID`, 1.2: his address is shown with his screen name.
    pub show_id: bool,
    /// `DoNotNotify`, 1.3: he is not told of changes, whatever he subscribed to.
    pub do_not_notify: bool,
}

/// What only the server knows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) is_public: bool,
    pub(super) active_users: usize,
    /// The most that may be joined, whatever the group says.
    pub(super) active_max: usize,
}

/// Who may set a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetBy {
    /// Moderators and administrators.
    Moderator,
    /// Administrators.
    Admin,
    /// Nobody: the server knows it. What a client writes there is what it read before, and changes nothing.
    Server,
}

/// What a request says of a property.
#[derive(Clone, Copy)]
struct Given<'a> {
    text: &'a str,
    longest: usize,
}

impl Given<'_> {
    fn text(self) -> Option<Box<str>> {
        let is_text = self.text.len() <= self.longest && !self.text.chars().any(char::is_control);
        is_text.then(|| self.text.into())
    }

    fn flag(self) -> Option<bool> {
        match self.text {
            "T" | "t" => Some(true),
            "F" | "f" => Some(false),
            _ => None,
        }
    }

    /// A number; nothing, and zero, stand for none.
    fn number(self) -> Option<Option<u32>> {
        if self.text.is_empty() {
            return Some(None);
        }
        self.text.parse().ok().map(|number| Some(number).filter(|number| *number > 0))
    }

    /// Whether it is the second of two words, whatever the case.
    fn choice(self, no: &str, yes: &str) -> Option<bool> {
        let is = |word: &str| self.text.eq_ignore_ascii_case(word);
        if is(yes) { Some(true) } else { is(no).then_some(false) }
    }
}

fn flag(value: bool) -> Option<String> {
    Some(if value { "T" } else { "F" }.to_owned())
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn number(value: Option<u32>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn chosen(value: bool, no: &str, yes: &str) -> Option<String> {
    Some(if value { yes } else { no }.to_owned())
}

/// Puts a value that could be read where it belongs.
fn set<T>(place: &mut T, value: Option<T>) -> bool {
    value.map(|value| *place = value).is_some()
}

/// A common property.
pub(super) struct CommonRow {
    pub(super) name: &'static str,
    pub(super) since: Version,
    pub(super) set_by: SetBy,
    read: fn(&CommonProperties, Facts) -> Option<String>,
    write: fn(&mut CommonProperties, Given<'_>) -> bool,
}

macro_rules! common {
    ($($name:literal $since:ident $set_by:ident $read:expr, $write:expr;)*) => {
        /// The common properties, in the order in which they are told.
        pub(super) const COMMON: &[CommonRow] = &[$(CommonRow {
            name: $name, since: Version::$since, set_by: SetBy::$set_by, read: $read, write: $write,
        }),*];
    };
}

common! {
    "Name"              V1_1 Admin     |p, _| text(&p.name), |p, given| set(&mut p.name, given.text());
    "Topic"             V1_1 Moderator |p, _| text(&p.topic), |p, given| set(&mut p.topic, given.text());
    "Accesstype"        V1_1 Admin     |p, _| chosen(p.restricted, "Open", "Restricted"), |p, given| set(&mut p.restricted, given.choice("Open", "Restricted"));
    "Type"              V1_1 Server    |_, facts| chosen(facts.is_public, "Private", "Public"), |_, _| true;
    "PrivateMessaging"  V1_1 Admin     |p, _| flag(p.private_messaging), |p, given| set(&mut p.private_messaging, given.flag());
    "Searchable"        V1_1 Admin     |p, _| flag(p.searchable), |p, given| set(&mut p.searchable, given.flag());
    "MaxActiveUsers"    V1_1 Admin     |p, facts| Some(p.most_active(facts.active_max).to_string()), |p, given| set(&mut p.max_active_users, given.number());
    "ActiveUsers"       V1_1 Server    |_, facts| Some(facts.active_users.to_string()), |_, _| true;
    "AutoDelete"        V1_2 Admin     |p, _| flag(p.auto_delete), |p, given| set(&mut p.auto_delete, given.flag());
    "Validity"          V1_2 Admin     |p, _| number(p.validity), |p, given| set(&mut p.validity, given.number());
    "History"           V1_3 Admin     |p, _| flag(p.history), |p, given| set(&mut p.history, given.flag());
    "RequireInvitation" V1_3 Admin     |p, _| flag(p.require_invitation), |p, given| set(&mut p.require_invitation, given.flag());
    "MinimumAge"        V1_3 Admin     |p, _| number(p.minimum_age), |p, given| set(&mut p.minimum_age, given.number());
}

/// The spelling that 1.3 has of a property that is spelt otherwise before (CSP 18, row 15).
fn spelt(name: &str, version: Version) -> &str {
    if name == "Accesstype" && version >= Version::V1_3 { "AccessType" } else { name }
}

impl CommonProperties {
    /// How many may be joined at once, where the server allows `most`.
    pub(super) fn most_active(&self, most: usize) -> usize {
        self.max_active_users.map_or(most, |own| usize::try_from(own).unwrap_or(usize::MAX).min(most))
    }

    /// As a version tells them.
    pub(super) fn tell(&self, version: Version, facts: Facts) -> GroupProperties {
        let told = COMMON.iter().filter(|row| row.since <= version);
        let properties =
            told.filter_map(|row| (row.read)(self, facts).map(|value| Property::new(spelt(row.name, version), &value)));
        GroupProperties { properties: properties.collect(), welcome_note: self.welcome_note.clone() }
    }

    /// Whether all that is given may be set by whoever has this role.
    pub(super) fn may_set(role: Role, given: &GroupProperties) -> bool {
        role == Role::Admin
            || given.properties.iter().all(|property| {
                // What is unknown is refused for that reason.
                common_row(&property.name).is_none_or(|row| match row.set_by {
                    SetBy::Admin => false,
                    SetBy::Moderator => role >= Role::Mod,
                    SetBy::Server => true,
                })
            }) && (given.welcome_note.is_none() || role >= Role::Mod)
    }

    /// These properties with what is given instead; of each property the last value counts. `longest` bounds texts,
    /// `longest_note` the welcome note: an empty one removes it.
    ///
    /// # Errors
    /// `Property` for one that is unknown or cannot have this value, `Unnamed`.
    pub(super) fn with(
        &self,
        given: &GroupProperties,
        longest: usize,
        longest_note: usize,
    ) -> Result<Self, GroupError> {
        let mut next = self.clone();
        for property in &given.properties {
            let row = common_row(&property.name).ok_or(GroupError::Property("no such property of a group"))?;
            let given = Given { text: property.value.as_deref().unwrap_or_default().trim(), longest };
            if !(row.write)(&mut next, given) {
                return Err(GroupError::Property("a property of the group cannot have this value"));
            }
        }
        if let Some(note) = &given.welcome_note {
            if note.content.data.len() > longest_note || note.content_type.len() > longest {
                return Err(GroupError::Property("the welcome note is larger than this server takes"));
            }
            next.welcome_note = (!note.content.data.is_empty()).then(|| note.clone());
        }
        if next.searchable && next.name.is_empty() && next.topic.is_empty() {
            return Err(GroupError::Unnamed);
        }
        Ok(next)
    }
}

fn common_row(name: &str) -> Option<&'static CommonRow> {
    COMMON.iter().find(|row| row.name.eq_ignore_ascii_case(name.trim()))
}

/// What somebody is told of his own place in a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnView<'a> {
    pub(super) role: Option<Role>,
    pub(super) settings: &'a OwnSettings,
    pub(super) screen_name: Option<&'a str>,
    /// Whether the group allows private messages.
    pub(super) private_messaging: bool,
}

/// What somebody says of his own place in a group.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct OwnChange {
    pub(super) settings: OwnSettings,
    /// The screen name that he wants from now on.
    pub(super) screen_name: Option<Box<str>>,
}

/// An own property.
struct OwnRow {
    name: &'static str,
    since: Version,
    read: fn(OwnView<'_>) -> Option<String>,
    write: fn(&mut OwnChange, Given<'_>) -> bool,
}

macro_rules! own {
    ($($name:literal $since:ident $read:expr, $write:expr;)*) => {
        /// The own properties, in the order in which they are told.
        const OWN: &[OwnRow] = &[$(OwnRow { name: $name, since: Version::$since, read: $read, write: $write }),*];
    };
}

own! {
    "IsMember"         V1_1 |own| flag(own.role.is_some()), |_, _| true;
    "PrivilegeLevel"   V1_1 |own| Some(own.role.unwrap_or(Role::User).as_str().to_owned()), |_, _| true;
    "ScreenName"       V1_1 |own| own.screen_name.map(ToOwned::to_owned), |own, given| set(&mut own.screen_name, given.text().map(Some));
    "PrivateMessaging" V1_1 |own| flag(own.settings.private_messaging.unwrap_or(own.private_messaging)), |own, given| set(&mut own.settings.private_messaging, given.flag().map(Some));
    "AutoJoin"         V1_1 |own| flag(own.settings.auto_join), |own, given| set(&mut own.settings.auto_join, given.flag());
    "ShowID"           V1_2 |own| flag(own.settings.show_id), |own, given| set(&mut own.settings.show_id, given.flag());
    "DoNotNotify"      V1_3 |own| flag(own.settings.do_not_notify), |own, given| set(&mut own.settings.do_not_notify, given.flag());
}

impl OwnView<'_> {
    /// As a version tells them.
    pub(super) fn tell(self, version: Version) -> Vec<Property> {
        let told = OWN.iter().filter(|row| row.since <= version);
        told.filter_map(|row| (row.read)(self).map(|value| Property::new(row.name, &value))).collect()
    }
}

impl OwnSettings {
    /// These settings with what is given instead, by a client of this version.
    ///
    /// # Errors
    /// `OwnProperty` for one that is unknown or cannot have this value.
    pub(super) fn with(&self, given: &[Property], longest: usize, version: Version) -> Result<OwnChange, GroupError> {
        let mut next = OwnChange { settings: self.clone(), screen_name: None };
        for property in given {
            let row = OWN.iter().find(|row| row.name.eq_ignore_ascii_case(property.name.trim()));
            let row = row.ok_or(GroupError::OwnProperty("no such own property", version))?;
            let given = Given { text: property.value.as_deref().unwrap_or_default().trim(), longest };
            if !(row.write)(&mut next, given) {
                return Err(GroupError::OwnProperty("an own property cannot have this value", version));
            }
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts = Facts { is_public: false, active_users: 2, active_max: 50 };

    fn given(pairs: &[(&str, &str)]) -> GroupProperties {
        let properties = pairs.iter().map(|(name, value)| Property::new(name, value)).collect();
        GroupProperties { properties, welcome_note: None }
    }

    fn told(properties: &CommonProperties, version: Version) -> Vec<String> {
        let told = properties.tell(version, FACTS).properties;
        told.iter().map(|one| format!("{} {}", one.name, one.value.as_deref().unwrap_or_default())).collect()
    }

    #[test]
    fn each_version_is_told_what_it_knows() {
        let wish =
            given(&[("accessTYPE", "restricted"), ("Topic", " Friday "), ("maxactiveusers", "20"), ("Type", "Closed")]);
        let properties = CommonProperties::default().with(&wish, 100, 100).unwrap();
        assert_eq!(
            told(&properties, Version::V1_1),
            [
                "Topic Friday",
                "Accesstype Restricted",
                "Type Private",
                "PrivateMessaging T",
                "Searchable F",
                "MaxActiveUsers 20",
                "ActiveUsers 2"
            ]
        );
        let newest = told(&properties, Version::V1_3);
        assert!(newest.contains(&"AccessType Restricted".to_owned()));
        assert_eq!(newest.last().unwrap(), "RequireInvitation F");
        assert!(told(&properties, Version::V1_2).contains(&"AutoDelete F".to_owned()));
    }

    #[test]
    fn impossible_values_change_nothing() {
        let before = CommonProperties::default();
        for pair in [
            ("MaxActiveUsers", "many"),
            ("MaxActiveUsers", "-1"),
            ("Accesstype", "Ajar"),
            ("Searchable", "yes"),
            ("History", ""),
            ("Colour", "red"),
            ("Topic", &"x".repeat(101)),
        ] {
            assert!(matches!(before.with(&given(&[pair]), 100, 100), Err(GroupError::Property(_))), "{pair:?}");
        }
        assert_eq!(before.with(&given(&[("Searchable", "T")]), 100, 100), Err(GroupError::Unnamed));
        assert!(before.with(&given(&[("Searchable", "T"), ("Topic", "x")]), 100, 100).is_ok());
        let note =
            WelcomeNote { content_type: "text/plain".into(), content: imps_types::element::Content::text("hello") };
        let wish = GroupProperties { welcome_note: Some(note), ..GroupProperties::default() };
        assert!(before.with(&wish, 100, 4).is_err());
        assert!(before.with(&wish, 100, 5).unwrap().welcome_note.is_some());
        let none = GroupProperties { welcome_note: Some(WelcomeNote::default()), ..GroupProperties::default() };
        assert!(before.with(&wish, 100, 5).unwrap().with(&none, 100, 5).unwrap().welcome_note.is_none());
    }

    #[test]
    fn a_moderator_sets_topic_and_welcome_note() {
        let may = |role, pairs: &[(&str, &str)]| CommonProperties::may_set(role, &given(pairs));
        assert!(may(Role::Mod, &[("Topic", "x"), ("ActiveUsers", "3")]));
        assert!(!may(Role::Mod, &[("Topic", "x"), ("Name", "x")]));
        assert!(!may(Role::User, &[("Topic", "x")]));
        assert!(may(Role::Admin, &[("Name", "x")]));
        let note = GroupProperties { welcome_note: Some(WelcomeNote::default()), ..GroupProperties::default() };
        assert!(CommonProperties::may_set(Role::Mod, &note) && !CommonProperties::may_set(Role::User, &note));
    }

    #[test]
    fn own_properties_are_told_and_set() {
        let properties =
            [Property::new("autojoin", "T"), Property::new("IsMember", "T"), Property::new("ScreenName", "Al")];
        let change = OwnSettings::default().with(&properties, 100, Version::V1_2).unwrap();
        assert!(change.settings.auto_join && change.screen_name.as_deref() == Some("Al"));
        assert!(OwnSettings::default().with(&[Property::new("ShowID", "maybe")], 100, Version::V1_2).is_err());
        assert!(OwnSettings::default().with(&[Property::new("Hat", "T")], 100, Version::V1_2).is_err());
        let view = OwnView { role: None, settings: &change.settings, screen_name: Some("Al"), private_messaging: true };
        let told: Vec<_> = view.tell(Version::V1_1).into_iter().map(|one| (one.name, one.value.unwrap())).collect();
        let told: Vec<_> = told.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(
            told,
            [
                ("IsMember", "F"),
                ("PrivilegeLevel", "User"),
                ("ScreenName", "Al"),
                ("PrivateMessaging", "T"),
                ("AutoJoin", "T")
            ]
        );
    }
}
