//! What a scenario proves: the transactions that went over the wire in it and whose effect was seen.
//!
//! Phones note each transaction when its answer has been read: who began it, the primitives, the status. It counts when it
//! succeeded and a later statement of the same scenario holds that shows what it did. By what a transaction can be shown is
//! the table below; most need another phone. `docs/conformance.md` is made of it.

use std::collections::BTreeSet;

use imps_proto::wire::Form;
use imps_types::Version;

use super::parse::{Expect, Kind, Statement};
use super::verbs::Verb;
use crate::phone::{Phone, Spoken};

/// A transaction in one version and encoding, and by what its effect was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proof {
    /// Whether the server began it.
    pub by_server: bool,
    /// The primitive that began it.
    pub request: String,
    /// The version of the phone.
    pub version: Version,
    /// Its encoding.
    pub form: &'static str,
    /// What showed the effect: a primitive, or a word of the table.
    pub seen_by: String,
}

/// The encoding as columns name it.
pub fn form_name(form: Form) -> &'static str {
    match form {
        Form::Xml => "XML",
        Form::Wbxml => "WBXML",
        Form::Json => "JSON",
        Form::Pts(_) => "PTS",
    }
}

/// By what a transaction of a client can be shown. Apart from primitives:
///
/// - `itself`: its own response has what was asked for, and the scenario looks at it
/// - `session`: the phone is served in its session afterwards
/// - `refused`: somebody's later request is refused, as the scenario expects
/// - `nothing`: somebody gets nothing, as the scenario expects
/// - `operator`: the operator reads of it
/// - `design`: it succeeds in no server without a source of maps
///
/// What the server begins is shown by being received and looked at.
const SHOWN_BY: &[(&str, &[&str])] = &[
    ("WV-CSP-VersionDiscovery-Request", &["itself"]),
    ("Login-Request", &["session"]),
    ("Logout-Request", &["refused", "PresenceNotification-Request", "GetPresence-Response"]),
    ("KeepAlive-Request", &["itself", "session"]),
    ("Polling-Request", &["received"]),
    ("GetSPInfo-Request", &["itself"]),
    ("Service-Request", &["itself", "refused"]),
    ("ClientCapability-Request", &["itself", "NewMessage", "MessageNotification"]),
    ("GetSegment-Request", &["itself"]),
    ("DropSegment-Request", &["refused"]),
    ("SystemMessage-User", &["operator", "nothing"]),
    ("SubscribeNotification-Request", &["Notification-Request"]),
    ("UnsubscribeNotification-Request", &["nothing"]),
    ("Search-Request", &["itself"]),
    ("StopSearch-Request", &["refused"]),
    ("Invite-Request", &["InviteUser-Request"]),
    ("InviteUser-Response", &["Invite-Response"]),
    ("CancelInvite-Request", &["CancelInviteUser-Request", "nothing"]),
    ("VerifyID-Request", &["itself", "refused"]),
    ("GetMap-Request", &["design"]),
    ("GetPublicProfile-Request", &["itself"]),
    ("UpdatePublicProfile-Request", &["GetPublicProfile-Response", "Search-Response"]),
    ("GetList-Request", &["itself"]),
    ("CreateList-Request", &["GetList-Response", "ListManage-Response"]),
    ("DeleteList-Request", &["GetList-Response", "refused"]),
    ("ListManage-Request", &["itself", "ListManage-Response", "NewMessage", "PresenceNotification-Request"]),
    (
        "CreateAttributeList-Request",
        &["GetAttributeList-Response", "PresenceNotification-Request", "GetPresence-Response", "nothing"],
    ),
    (
        "DeleteAttributeList-Request",
        &["GetAttributeList-Response", "PresenceNotification-Request", "GetPresence-Response", "nothing"],
    ),
    ("GetAttributeList-Request", &["itself"]),
    ("SubscribePresence-Request", &["PresenceNotification-Request", "PresenceAuth-Request", "GetWatcherList-Response"]),
    ("UnsubscribePresence-Request", &["nothing", "GetWatcherList-Response"]),
    ("GetWatcherList-Request", &["itself"]),
    ("GetPresence-Request", &["itself"]),
    ("UpdatePresence-Request", &["PresenceNotification-Request", "GetPresence-Response"]),
    (
        "PresenceAuth-User",
        &["PresenceNotification-Request", "GetPresence-Response", "GetReactiveAuthStatus-Response", "nothing"],
    ),
    ("CancelAuth-Request", &["PresenceAuth-Request", "GetReactiveAuthStatus-Response"]),
    ("GetReactiveAuthStatus-Request", &["itself"]),
    ("SendMessage-Request", &["NewMessage", "MessageNotification", "GetMessageList-Response", "GetMessage-Response"]),
    ("SetDeliveryMethod-Request", &["NewMessage", "MessageNotification", "GetMessageList-Response"]),
    ("GetMessageList-Request", &["itself"]),
    ("RejectMessage-Request", &["DeliveryReport-Request", "GetMessageList-Response", "refused"]),
    ("GetMessage-Request", &["itself"]),
    ("MessageDelivered", &["DeliveryReport-Request", "GetMessageList-Response", "refused", "nothing"]),
    ("ForwardMessage-Request", &["NewMessage", "MessageNotification", "GetMessageList-Response"]),
    ("GetBlockedList-Request", &["itself"]),
    ("BlockEntity-Request", &["GetBlockedList-Response", "refused", "NewMessage", "nothing"]),
    (
        "CreateGroup-Request",
        &["GetGroupProps-Response", "JoinGroup-Response", "Search-Response", "InviteUser-Request", "NewMessage"],
    ),
    ("DeleteGroup-Request", &["refused", "LeaveGroup-Response"]),
    ("JoinGroup-Request", &["GroupChangeNotice", "NewMessage", "GetJoinedUsers-Response", "GetGroupMembers-Response"]),
    ("LeaveGroup-Request", &["GroupChangeNotice", "GetJoinedUsers-Response", "refused", "nothing"]),
    ("GetGroupMembers-Request", &["itself"]),
    ("GetJoinedUsers-Request", &["itself"]),
    ("AddGroupMembers-Request", &["GetGroupMembers-Response", "JoinGroup-Response", "NewMessage"]),
    ("RemoveGroupMembers-Request", &["GetGroupMembers-Response", "LeaveGroup-Response", "refused"]),
    ("MemberAccess-Request", &["GetGroupMembers-Response", "GetGroupProps-Response", "GroupChangeNotice"]),
    ("GetGroupProps-Request", &["itself"]),
    ("SetGroupProps-Request", &["GetGroupProps-Response", "GroupChangeNotice", "refused"]),
    ("RejectList-Request", &["itself", "RejectList-Response", "LeaveGroup-Response", "refused"]),
    ("SubscribeGroupNotice-Request", &["GroupChangeNotice", "itself", "nothing"]),
    ("ExtendConversation-Request", &["itself", "InviteUser-Request", "NewMessage"]),
];

/// The answer that a request has by design where it can do nothing.
const BY_DESIGN: &[(&str, u16)] = &[("GetMap-Request", 501)];

struct Exchange {
    statement: usize,
    phone: String,
    version: Version,
    form: &'static str,
    spoken: Spoken,
}

/// Something that a statement has shown.
struct Sight {
    statement: usize,
    phone: String,
    /// A primitive, or a word of the table.
    what: String,
    /// The last response of this phone was looked into.
    is_own_response: bool,
}

/// Watches a scenario while it runs.
#[derive(Default)]
pub(super) struct Recorder {
    exchanges: Vec<Exchange>,
    sights: Vec<Sight>,
}

impl Recorder {
    /// A statement has held. `phones` are all that take part.
    pub(super) fn held<'a>(
        &mut self,
        number: usize,
        statement: &Statement,
        phones: impl Iterator<Item = (&'a String, &'a mut Phone)>,
    ) {
        for (name, phone) in phones {
            let (version, form) = (phone.speaker.version, form_name(phone.form));
            for spoken in std::mem::take(&mut phone.spoken) {
                self.exchanges.push(Exchange { statement: number, phone: name.clone(), version, form, spoken });
            }
        }
        let mut see = |phone: &str, what: &str, is_own_response: bool| {
            let (phone, what) = (phone.to_owned(), what.to_owned());
            self.sights.push(Sight { statement: number, phone, what, is_own_response });
        };
        match &statement.kind {
            Kind::Gets { who, primitive, .. } => {
                see(who, primitive, false);
                see(who, "received", false);
            }
            Kind::GetsNothing { who } => see(who, "nothing", false),
            Kind::OperatorReads(_) => see("", "operator", false),
            Kind::Does { who, verb: Verb::Sees, .. } => see(who, "PresenceNotification-Request", false),
            Kind::Does { who, verb: Verb::IsTold, arguments, .. } if arguments.len() > 1 => {
                if let Some(primitive) = arguments.first() {
                    see(who, &primitive.text, true);
                }
            }
            Kind::Does { who, verb: Verb::Polls, expect: Expect::Nothing, .. } => see(who, "nothing", false),
            Kind::Does { who, expect: Expect::Status(codes), .. }
            | Kind::Raw { who, expect: Expect::Status(codes), .. }
                if codes.iter().any(|code| *code >= 400) =>
            {
                see(who, "refused", false);
            }
            _ => {}
        }
    }

    /// What was proven, now that the scenario has ended well.
    pub(super) fn proofs(&self) -> BTreeSet<Proof> {
        let mut proofs = BTreeSet::new();
        for exchange in &self.exchanges {
            for seen_by in self.seen_by(exchange) {
                proofs.insert(Proof {
                    by_server: exchange.spoken.by_server,
                    request: exchange.spoken.request.clone(),
                    version: exchange.version,
                    form: exchange.form,
                    seen_by,
                });
            }
        }
        proofs
    }

    fn seen_by(&self, exchange: &Exchange) -> Vec<String> {
        let Spoken { by_server, request, status, .. } = &exchange.spoken;
        if BY_DESIGN.contains(&(request, *status)) {
            return vec!["design".to_owned()];
        }
        if !matches!(status, 200 | 201) {
            return Vec::new();
        }
        if *by_server {
            let is_received = self.sights.iter().any(|sight| {
                sight.phone == exchange.phone && sight.what == *request && sight.statement <= exchange.statement
            });
            return if is_received { vec!["received".to_owned()] } else { Vec::new() };
        }
        let shown_by = SHOWN_BY.iter().find(|(known, _)| known == request).map_or(&[][..], |(_, shown_by)| shown_by);
        let holds = |what: &&&str| match **what {
            "itself" => self.is_looked_into(exchange),
            "session" => self.is_served_later(exchange),
            "received" => self.sights.iter().any(|sight| {
                sight.what == "received" && sight.phone == exchange.phone && sight.statement >= exchange.statement
            }),
            what => self.sights.iter().any(|sight| sight.what == what && sight.statement > exchange.statement),
        };
        shown_by.iter().filter(holds).map(|what| (**what).to_owned()).collect()
    }

    /// Whether the scenario looks into the response before the phone asks for something else.
    fn is_looked_into(&self, exchange: &Exchange) -> bool {
        let next = self.exchanges.iter().filter(|other| {
            other.phone == exchange.phone && !other.spoken.by_server && other.statement > exchange.statement
        });
        // Polls answer nothing that could be looked into.
        let next = next.filter(|other| other.spoken.request != "Polling-Request").map(|other| other.statement).min();
        self.sights.iter().any(|sight| {
            sight.is_own_response
                && sight.phone == exchange.phone
                && exchange.spoken.response.as_ref() == Some(&sight.what)
                && sight.statement > exchange.statement
                && next.is_none_or(|next| sight.statement < next)
        })
    }

    fn is_served_later(&self, exchange: &Exchange) -> bool {
        self.exchanges.iter().any(|other| {
            other.phone == exchange.phone
                && other.statement > exchange.statement
                && matches!(other.spoken.status, 200 | 201)
                && other.spoken.request != exchange.spoken.request
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::{Channel, Personality, Settings};
    use crate::scenario::parse;
    use imps_proto::csp::{CATALOGUE, Initiator};
    use std::collections::HashMap;

    /// What a scenario would prove in which each line begins with what its first word has spoken meanwhile.
    #[expect(clippy::type_complexity, reason = "a story in a test")]
    fn proven(lines: &[(&[(bool, &str, &str, u16)], &str)]) -> Vec<String> {
        let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
        let scenario = parse("test", &format!("# A test.\n{text}")).expect("a scenario");
        let mut phones: HashMap<String, Phone> = HashMap::new();
        for name in ["alice", "bob"] {
            let settings = Settings {
                version: Version::V1_2,
                form: Form::Json,
                personality: Personality::Plain,
                user: name.to_owned(),
                password: String::new(),
                client: None,
                content_type: None,
                is_silent: false,
                number: None,
                channel: Channel::Http,
            };
            phones.insert(name.to_owned(), Phone::new(settings, ([127, 0, 0, 1], 1).into()));
        }
        let mut recorder = Recorder::default();
        for (number, (statement, (spoken, line))) in scenario.statements.iter().zip(lines).enumerate() {
            let phone = phones.get_mut(line.split(' ').next().expect("a word")).expect("a phone");
            phone.spoken.extend(spoken.iter().map(|(by_server, request, response, status)| Spoken {
                by_server: *by_server,
                request: (*request).to_owned(),
                response: Some((*response).to_owned()),
                status: *status,
            }));
            recorder.held(number, statement, phones.iter_mut());
        }
        recorder.proofs().into_iter().map(|proof| format!("{} by {}", proof.request, proof.seen_by)).collect()
    }

    const SENT: (bool, &str, &str, u16) = (false, "SendMessage-Request", "SendMessage-Response", 200);

    #[test]
    fn an_effect_must_be_seen_later() {
        let gets = "bob gets NewMessage from alice \"hi\"";
        let delivered = (true, "NewMessage", "MessageDelivered", 200);
        assert_eq!(
            proven(&[(&[SENT], "alice sends bob \"hi\""), (&[delivered], gets)]),
            ["SendMessage-Request by NewMessage", "NewMessage by received"]
        );
        assert_eq!(proven(&[(&[SENT], "alice sends bob \"hi\"")]), Vec::<String>::new());
        assert_eq!(
            proven(&[(&[delivered], gets), (&[SENT], "alice sends bob \"hi\"")]),
            ["NewMessage by received"],
            "what came before was something else"
        );
        let refused = (false, "SendMessage-Request", "Status", 531);
        let lines = [(&[refused][..], "alice sends bob \"hi\" -> 531"), (&[delivered], gets)];
        assert_eq!(proven(&lines), ["NewMessage by received"], "refused is not carried through");
    }

    #[test]
    fn a_response_must_be_looked_into() {
        let asked = (false, "GetList-Request", "GetList-Response", 200);
        let other = (false, "GetBlockedList-Request", "GetBlockedList-Response", 200);
        let told = "alice is told GetList-Response ContactList none";
        assert_eq!(proven(&[(&[asked], "alice asks for lists"), (&[], told)]), ["GetList-Request by itself"]);
        for lines in [
            vec![(&[asked][..], "alice asks for lists"), (&[], "alice is told GetList-Response")],
            vec![(&[asked], "alice asks for lists"), (&[other], "alice asks for blocked list"), (&[], told)],
            vec![(&[asked], "alice asks for lists"), (&[], "bob is told GetList-Response ContactList none")],
        ] {
            assert_eq!(proven(&lines), Vec::<String>::new(), "{lines:?}");
        }
    }

    #[test]
    fn a_session_must_serve_and_a_map_need_not() {
        let login = (false, "Login-Request", "Login-Response", 200);
        let lists = (false, "GetList-Request", "GetList-Response", 200);
        assert_eq!(
            proven(&[(&[login], "alice logs in"), (&[lists], "alice asks for lists")]),
            ["Login-Request by session"]
        );
        assert_eq!(proven(&[(&[login], "alice logs in"), (&[login], "alice logs in")]), Vec::<String>::new());
        let map = (false, "GetMap-Request", "Status", 501);
        assert_eq!(proven(&[(&[map], "alice requests GetMap-Request -> 501")]), ["GetMap-Request by design"]);
    }

    #[test]
    fn every_transaction_of_clients_can_be_shown() {
        let mut known: Vec<&str> = SHOWN_BY.iter().map(|(request, _)| *request).collect();
        let of_clients = CATALOGUE.iter().filter(|row| row.initiator != Initiator::Server);
        let mut all: Vec<&str> = of_clients.map(|row| row.request.name()).collect();
        known.sort_unstable();
        all.sort_unstable();
        all.dedup();
        assert_eq!(known, all);
    }
}
