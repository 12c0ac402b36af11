//! What a command was about, for the words of a failure (CLP 6.7).

use std::borrow::Cow;

use imps_proto::clp::{Arguments, GroupName, Occasion, Target};
use imps_types::Status;

/// Whom and what a command named.
#[derive(Debug, Default)]
pub(super) struct Subject {
    group: Option<String>,
    list: Option<String>,
    /// The first one named, whatever it is.
    first: Option<String>,
}

/// Whether it is a group that a code is about, whoever else was named.
pub(super) fn is_of_group(status: Status) -> bool {
    matches!(status, Status::GROUP_DOES_NOT_EXIST | Status::GROUP_IS_NOT_JOINED)
}

fn group_of(target: &Target) -> Option<&GroupName> {
    match target {
        Target::Group(name) | Target::ScreenName(name, _) => Some(name),
        Target::User(_) | Target::List(_) | Target::Item(_) => None,
    }
}

impl Subject {
    pub(super) fn of(arguments: &Arguments) -> Self {
        let occasion = match &arguments.occasion {
            Some(Occasion::Group(name)) => Some(name),
            Some(Occasion::Presence) | None => None,
        };
        let through = arguments.targets.iter().find_map(group_of);
        let group = arguments.group.as_ref().or(occasion).or(through);
        let list = arguments.list.as_ref().map(|name| Target::List(name.clone()));
        let among = || arguments.targets.iter().find(|target| matches!(target, Target::List(_)));
        Self {
            group: group.map(ToString::to_string),
            list: list.as_ref().or_else(among).map(ToString::to_string),
            first: arguments.targets.first().map(ToString::to_string),
        }
    }

    /// What a failure with this code is about.
    pub(super) fn named(&self, status: Status) -> Cow<'_, str> {
        let (group, list, first) = (self.group.as_deref(), self.list.as_deref(), self.first.as_deref());
        let named = match status {
            // Where none was named, the default list was meant.
            Status::UNKNOWN_CONTACT_LIST => list.or(Some("~")),
            status if is_of_group(status) => group.or(first),
            _ => first.or(group).or(list),
        };
        Cow::Borrowed(named.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use imps_proto::clp::{Request, parse};

    use super::*;

    fn named(line: &str, status: Status) -> String {
        let subject = match parse(line, false, true).request {
            Ok(Request::Command(_, arguments)) => Subject::of(&arguments),
            Ok(Request::Text(target, _)) => Subject::of(&Arguments { targets: vec![target], ..Arguments::default() }),
            other => panic!("{other:?}"),
        };
        subject.named(status).into_owned()
    }

    #[test]
    fn a_failure_names_what_it_is_about() {
        let (no_user, no_list, no_group) =
            (Status::UNKNOWN_USER, Status::UNKNOWN_CONTACT_LIST, Status::GROUP_DOES_NOT_EXIST);
        for (line, status, about) in [
            ("add bob", no_list, "~"),
            ("add ~work bob", no_list, "~work"),
            ("add ~work bob", no_user, "bob"),
            ("msg bob,~work hi", no_list, "~work"),
            ("show", no_list, "~"),
            ("invite bob /nogroup", no_group, "/nogroup"),
            ("invite bob /nogroup", no_user, "bob"),
            ("/cars!Speedy hi", no_group, "/cars"),
            ("join /cars", no_group, "/cars"),
            ("ban /cars zoe", no_user, "zoe"),
        ] {
            assert_eq!(named(line, status), about, "{line}");
        }
    }
}
