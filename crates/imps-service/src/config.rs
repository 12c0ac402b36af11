//! Settings of the service elements, with their defaults and limits.

use std::time::Duration;

use bytes::Bytes;
use imps_types::Domain;
use imps_types::service_tree::FunctionSet;

use crate::access::Registration;

/// What an operator can set. Durations and sizes are within the bounds that their comments name.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// The home domain: the one of addresses that name none.
    pub domain: Domain,
    /// Name of the service, told by GetSPInfo.
    pub provider_name: String,
    /// A line about the service, told by GetSPInfo.
    pub provider_description: String,
    /// The provider's picture, told by GetSPInfo.
    pub provider_logo: Option<Logo>,
    /// The name of the user from whom the service's messages come, for clients that know no system messages.
    pub service_user: String,
    /// The provider's page, told by GetSPInfo.
    pub provider_url: String,
    /// Functions that nobody has, whatever he asks for: leaves of the service tree (CSP 5).
    pub functions_off: FunctionSet,
    /// Shortest session time to live that a client gets.
    pub ttl_min: Duration,
    /// Longest session time to live that a client gets.
    pub ttl_max: Duration,
    /// Time to live of a client that asks for none.
    pub ttl_default: Duration,
    /// Time to live of a client that can be called (CSP 15.4) and keeps its session alive without saying for how long.
    pub ttl_called: Duration,
    /// Percent of the time to live that a session lives on without a sign (at least 5 s).
    pub ttl_grace_percent: u32,
    /// Who may register.
    pub registration: Registration,
    /// Whether, where registration is open, whoever logs in for the first time gets an account by that.
    pub register_at_login: bool,
    /// Accounts that may be made from one address in an hour.
    pub registrations_per_hour: u32,
    /// Sessions that one user may have at once.
    pub sessions_per_user: usize,
    /// How long a nonce of the 4-way login is good for.
    pub nonce_life: Duration,
    /// Failed logins of one user from one address until further ones are refused for `login_penalty`.
    pub login_failures: u32,
    /// Failed logins of one user from places where he has not logged in before, until all from such places are refused for
    /// `login_penalty`.
    pub login_account_failures: u32,
    /// How long those are counted.
    pub login_account_window: Duration,
    /// How long logins are refused after too many failures.
    pub login_penalty: Duration,
    /// Argon2 computations at the same time.
    pub password_workers: usize,
    /// Validity of a message whose sender names none.
    pub validity_default: Duration,
    /// Longest validity.
    pub validity_max: Duration,
    /// Largest message body in bytes.
    pub message_max: usize,
    /// How long the URL of a large content is good for.
    pub content_url_life: Duration,
    /// Messages that may wait for one user.
    pub queue_max: u64,
    /// Bytes of contents that may wait for one user.
    pub queue_bytes: u64,
    /// Messages that may wait for one other domain.
    pub queue_abroad_max: u64,
    /// Their bytes.
    pub queue_abroad_bytes: u64,
    /// Users of one other domain who have a session as guests here.
    pub guests_domain_max: usize,
    /// The same of a domain that no operator wrote down.
    pub guests_stranger_max: usize,
    /// The same of all other domains together; strangers find room in half of it.
    pub guests_max: usize,
    /// Recipients of one message, lists expanded.
    pub recipients_max: usize,
    /// Contact lists of one user.
    pub lists_max: usize,
    /// Members of one contact list.
    pub members_max: usize,
    /// Attribute lists of one user.
    pub attribute_lists_max: usize,
    /// Entities on a user's block list, and on his grant list.
    pub blocking_max: usize,
    /// Private groups of one user.
    pub groups_per_user: usize,
    /// Groups of the server.
    pub groups_max: usize,
    /// Groups that one session may have joined at once.
    pub groups_joined_max: usize,
    /// Members of one group.
    pub group_members_max: usize,
    /// Users of whom one group keeps something: members, rejected and invited ones, those with own properties.
    pub group_people_max: usize,
    /// Users who may have joined one group at once.
    pub group_joined_max: usize,
    /// Bytes of one property of a group.
    pub group_property_max: usize,
    /// Bytes of the content of a welcome note.
    pub group_welcome_max: usize,
    /// Messages of a group that keeps a history.
    pub group_history_max: usize,
    /// Whether a default attribute list authorises everybody (true), or members of contact lists only (CSP 18, row 17).
    pub default_list_for_everybody: bool,
    /// Decisions about single watchers, and questions about them, that one user may have (CSP 9, reactive).
    pub authorisations_max: usize,
    /// How long a user is asked who may see his presence, before he may be asked again.
    pub question_keep: Duration,
    /// Subscriptions, to users and to contact lists, that one session may have.
    pub subscriptions_max: usize,
    /// Watchers of one user that are listed.
    pub watchers_max: usize,
    /// How long somebody stays on a watcher list whose last session that watched has ended.
    pub watcher_keep: Duration,
    /// How far back the history of watchers goes.
    pub watcher_history: Duration,
    /// How long a request may be repeated under its TransactionID without being carried out twice.
    pub repeat_window: Duration,
    /// Events that wait in memory for one session; what is beyond stays in the store.
    pub outbox_max: usize,
    /// Bytes of message bodies that wait in memory for one session.
    pub outbox_bytes: usize,
    /// ServerPollMin told to clients that ask: seconds. Never enforced.
    pub server_poll_min: u32,
    /// Items of one answer of a search whose client names no number.
    pub search_page: usize,
    /// Items of one answer of a search at most.
    pub search_page_max: usize,
    /// Items that one search may find; with more, the client is told to say more of what it looks for (536).
    pub search_results_max: usize,
    /// Searches that one session may have open; with one more, the oldest ends.
    pub searches_per_session: usize,
    /// How long a search stays open that nobody goes on with.
    pub search_life: Duration,
    /// How long a search may take, the wait for its turn included (535).
    pub search_time_max: Duration,
    /// Searches that are carried out at the same time.
    pub search_workers: usize,
    /// Whether everybody may search by OnlineStatus, or only whoever may see it in presence too.
    pub search_online_of_everybody: bool,
    /// Validity of an invitation whose inviter names none.
    pub invitation_validity: Duration,
    /// Longest validity of an invitation.
    pub invitation_validity_max: Duration,
    /// Invitations of one user that are open at once, each invited user counted.
    pub invitations_max: usize,
    /// Bytes of one value of a public profile.
    pub profile_value_max: usize,
    /// Bytes of the free text of a public profile.
    pub profile_free_text_max: usize,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// Its MIME type.
    pub content_type: Box<str>,
    /// Its octets.
    pub data: Bytes,
}

impl ServiceConfig {
    /// The defaults, for this home domain.
    pub fn new(domain: Domain) -> Self {
        Self {
            provider_name: format!("Hamlet at {domain}"),
            domain,
            provider_description: "Instant messaging and presence".to_owned(),
            provider_url: String::new(),
            provider_logo: None,
            service_user: "service".to_owned(),
            functions_off: FunctionSet::EMPTY,
            ttl_min: Duration::from_secs(10),
            ttl_max: Duration::from_secs(86_400),
            ttl_default: Duration::from_secs(3600),
            ttl_called: Duration::from_secs(14_400),
            ttl_grace_percent: 10,
            registration: Registration::Closed,
            register_at_login: false,
            registrations_per_hour: 10,
            sessions_per_user: 16,
            nonce_life: Duration::from_secs(120),
            login_failures: 10,
            login_account_failures: 20,
            login_account_window: Duration::from_secs(600),
            login_penalty: Duration::from_secs(300),
            password_workers: 2,
            validity_default: Duration::from_secs(7 * 86_400),
            validity_max: Duration::from_secs(30 * 86_400),
            message_max: 1 << 20,
            content_url_life: Duration::from_secs(86_400),
            queue_max: 10_000,
            queue_bytes: 64 << 20,
            queue_abroad_max: 20_000,
            queue_abroad_bytes: 128 << 20,
            guests_domain_max: 100_000,
            guests_stranger_max: 1000,
            guests_max: 300_000,
            recipients_max: 500,
            lists_max: 100,
            members_max: 1000,
            attribute_lists_max: 1000,
            blocking_max: 1000,
            groups_per_user: 100,
            groups_max: 100_000,
            groups_joined_max: 100,
            group_members_max: 5000,
            group_people_max: 20_000,
            group_joined_max: 5000,
            group_property_max: 1000,
            group_welcome_max: 8 * 1024,
            group_history_max: 100,
            default_list_for_everybody: true,
            authorisations_max: 2000,
            question_keep: Duration::from_secs(30 * 86_400),
            subscriptions_max: 5000,
            watchers_max: 10_000,
            watcher_keep: Duration::from_secs(90 * 86_400),
            watcher_history: Duration::from_secs(30 * 86_400),
            repeat_window: Duration::from_secs(600),
            outbox_max: 64,
            outbox_bytes: 256 * 1024,
            server_poll_min: 2,
            search_page: 10,
            search_page_max: 100,
            search_results_max: 1000,
            searches_per_session: 4,
            search_life: Duration::from_secs(600),
            search_time_max: Duration::from_secs(5),
            search_workers: 2,
            search_online_of_everybody: false,
            invitation_validity: Duration::from_secs(86_400),
            invitation_validity_max: Duration::from_secs(30 * 86_400),
            invitations_max: 2000,
            profile_value_max: 500,
            profile_free_text_max: 4000,
        }
    }
}
