//! Settings: one table of what can be set, and the layers that set it.
//!
//! A value comes from the defaults, the file, the environment or an option of the command line, each stronger than those
//! before it; where it came from is remembered. The defaults are those of the crates whose settings they are.

mod explain;
mod kind;
mod layers;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use imps_csp::CspConfig;
use imps_csp::clp::ClpConfig;
use imps_csp::transport::http::HttpConfig;
use imps_service::ServiceConfig;
use imps_service::access::Registration;
use imps_ssp::SspConfig;
use imps_types::Domain;

pub(crate) use explain::{Explained, explain, markdown};
pub(crate) use kind::{Field, Kind, ServiceNames, Value};
pub(crate) use layers::{Config, ConfigError, Flags, Source};

/// What is used when nothing is set.
const DATA: &str = "./hamlet-data";
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Every setting, where the program uses it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) log: String,
    pub(crate) log_format: String,
    pub(crate) threads: usize,
    pub(crate) metrics_remote: bool,
    pub(crate) logo: String,
    pub(crate) memory_max: u64,
    pub(crate) store_readers: usize,
    pub(crate) service: ServiceConfig,
    pub(crate) csp: CspConfig,
    pub(crate) http: HttpConfig,
    pub(crate) https: HttpsSettings,
    pub(crate) cir: CirSettings,
    pub(crate) clp: ClpSettings,
    pub(crate) content_url: String,
    pub(crate) ssp: SspSettings,
    pub(crate) store: imps_store::Options,
}

/// Where HTTPS is spoken, and with what.
#[derive(Clone, Debug)]
pub(crate) struct HttpsSettings {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) reload: Duration,
}

/// How other domains are spoken with.
#[derive(Clone, Debug)]
pub(crate) struct SspSettings {
    pub(crate) enabled: bool,
    /// What this domain has itself.
    pub(crate) services: ServiceNames,
    /// Its domain, and what is offered, come when it is opened.
    pub(crate) config: SspConfig,
}

/// Which ways of being called clients are granted, and what they are told of them.
#[derive(Clone, Debug)]
pub(crate) struct CirSettings {
    pub(crate) tcp_port: u16,
    pub(crate) udp: bool,
    pub(crate) udp_port: u16,
    pub(crate) http: bool,
    pub(crate) http_url: String,
    pub(crate) host: String,
}

/// Where the Command Line Protocol is spoken.
#[derive(Clone, Debug)]
pub(crate) struct ClpSettings {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) tls_listen: Option<SocketAddr>,
    pub(crate) lines: ClpConfig,
}

impl Settings {
    fn new(domain: Domain) -> Self {
        Self {
            data: PathBuf::from(DATA),
            listen: LISTEN,
            log: "info".to_owned(),
            log_format: "text".to_owned(),
            threads: 0,
            metrics_remote: false,
            logo: String::new(),
            memory_max: 0,
            store_readers: 0,
            ssp: SspSettings {
                enabled: true,
                services: ServiceNames::default(),
                config: SspConfig::of(domain.clone()),
            },
            service: ServiceConfig::new(domain),
            csp: CspConfig::default(),
            http: HttpConfig::default(),
            https: HttpsSettings {
                listen: None,
                certificate: PathBuf::new(),
                key: PathBuf::new(),
                reload: Duration::from_secs(5),
            },
            cir: CirSettings {
                tcp_port: 3171,
                udp: true,
                udp_port: 0,
                http: true,
                http_url: String::new(),
                host: String::new(),
            },
            clp: ClpSettings { listen: None, tls_listen: None, lines: ClpConfig::default() },
            content_url: String::new(),
            store: imps_store::Options::default(),
        }
    }

    /// How the store is opened.
    pub(crate) fn store_options(&self) -> imps_store::Options {
        match self.store_readers {
            0 => self.store,
            readers => imps_store::Options { readers, ..self.store },
        }
    }

    /// How CSP is read: a document is never larger than the request that carries it.
    pub(crate) fn csp_config(&self) -> CspConfig {
        let mut csp = self.csp.clone();
        csp.limits.bytes = self.http.body_max;
        csp.segments.message = self.http.body_max;
        csp
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(Domain::parse("localhost").expect("localhost is a domain name"))
    }
}

/// One row of the table.
pub(crate) struct Setting {
    /// Its name in the file; `.` separates the table from the key.
    pub(crate) key: &'static str,
    /// What it can be.
    pub(crate) kind: Kind,
    /// What it does.
    pub(crate) meaning: &'static str,
    read: fn(&Settings, Kind) -> Value,
    write: fn(&mut Settings, Kind, &Value),
}

impl Setting {
    /// Its value.
    pub(crate) fn read(&self, settings: &Settings) -> Value {
        (self.read)(settings, self.kind)
    }

    fn write(&self, settings: &mut Settings, value: &Value) {
        (self.write)(settings, self.kind, value);
    }

    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key.replace('.', "__").to_uppercase())
    }
}

/// What the names of our environment variables begin with.
pub(crate) const PREFIX: &str = "HAMLET_";

macro_rules! settings {
    ($($key:literal $kind:ident $(($($bound:expr),*))? => $($field:ident).+, $meaning:literal;)*) => {
        /// All settings.
        pub(crate) const TABLE: &[Setting] = &[$(Setting {
            key: $key,
            kind: Kind::$kind $(($($bound),*))?,
            meaning: $meaning,
            read: |settings, kind| Field::read(&settings.$($field).+, kind),
            write: |settings, kind, value| Field::write(&mut settings.$($field).+, kind, value),
        }),*];
    };
}

const YEAR: u64 = 366 * 86_400;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

settings! {
    "data"                            Folder => data, "The data folder: database, key file, control socket.";
    "domain"                          Domain => service.domain, "The home domain: the one of addresses that name none.";
    "listen"                          Listen => listen, "Where clients connect by HTTP. 127.0.0.1 is reached from this machine only.";
    "log"                             Filter => log, "What is written to the log, on standard error.";
    "log_format"                      Choice(&["text", "json"]) => log_format, "How log lines are written.";
    "threads"                         Count(0, 1024) => threads, "Threads that carry requests out; 0: one for each processor.";

    "provider.name"                   Text(200) => service.provider_name, "The name of the service, told by GetSPInfo. Without one: Hamlet at the domain.";
    "provider.description"            Text(1000) => service.provider_description, "A line about the service, told by GetSPInfo.";
    "provider.url"                    Text(1000) => service.provider_url, "The provider's page, told by GetSPInfo.";

    "provider.logo"                   Text(1000) => logo, "The file with the provider's picture, told by GetSPInfo: PNG, GIF, JPEG, SVG or WBMP, up to 64 KiB.";
    "provider.user"                   Text(50) => service.service_user, "The name of the user from whom the service's messages come, for phones that know no system messages.";

    "service.off"                     Functions => service.functions_off, "Functions of the service tree that nobody has, with commas between, such as GroupFeat, SRCH: clients are told, and refused with 506 or 405. `hamlet user services` takes them from single users.";

    "registration.who"                Choice(Registration::WORDS) => service.registration, "Who may register: nobody, who has a code (`hamlet invite create`), or everybody.";
    "registration.at_login"           Flag => service.register_at_login, "Whether, where registration is open, whoever logs in for the first time gets an account by that.";
    "registration.per_hour"           Count(1, 1_000_000) => service.registrations_per_hour, "Accounts that may be made from one address in an hour.";

    "gateway.networks"                Networks => csp.gateways, "Gateways of mobile networks that are believed when they name the subscriber of a request, by their addresses. Whoever is named is let in without a password.";
    "gateway.headers"                 Text(500) => csp.gateway_headers, "The headers in which they do, with commas between.";

    "limit.session_rate"              Count(0, 1_000_000) => csp.requests.session_rate, "Messages of one session in a second; what is beyond is answered 503 with the time to try again. 0: any number.";
    "limit.session_burst"             Count(1, 1_000_000) => csp.requests.session_burst, "Messages of one session that may come at once.";
    "limit.address_rate"              Count(0, 1_000_000) => csp.requests.address_rate, "Messages from one address in a second, but not from this machine or a gateway of gateway.networks. 0: any number.";
    "limit.address_burst"             Count(1, 1_000_000) => csp.requests.address_burst, "Messages from one address that may come at once.";
    "limit.busy"                      Count(10, 1_000_000) => csp.requests.busy_max, "Messages that are being answered at once; what is beyond is answered 503.";
    "limit.memory"                    Bytes(0, 1024 * GIB) => memory_max, "Memory of the program beyond which requests are answered 503 until there is less. 0: four fifths of what the machine has.";

    "session.ttl_min"                 Seconds(1, 86_400) => service.ttl_min, "Shortest time to live that a client gets.";
    "session.ttl_max"                 Seconds(1, YEAR) => service.ttl_max, "Longest time to live that a client gets.";
    "session.ttl_default"             Seconds(1, YEAR) => service.ttl_default, "Time to live of a client that asks for none.";
    "session.ttl_called"              Seconds(1, YEAR) => service.ttl_called, "Time to live of a client that can be called and keeps its session alive without saying for how long.";
    "session.grace"                   Percent(0, 1000) => service.ttl_grace_percent, "How much longer than its time to live a session lives without a sign; 5 s at least.";
    "session.per_user"                Count(1, 1000) => service.sessions_per_user, "Sessions that one user may have at once.";
    "session.server_poll_min"         Count(0, 3600) => service.server_poll_min, "ServerPollMin, in seconds: what clients are asked to wait between polls. Never enforced.";
    "session.outbox_events"           Count(1, 100_000) => service.outbox_max, "Events that wait in memory for one session; messages beyond it wait in the store.";
    "session.outbox_bytes"            Bytes(4 * KIB, GIB) => service.outbox_bytes, "Bytes of message bodies that wait in memory for one session.";

    "login.nonce_life"                Seconds(5, 3600) => service.nonce_life, "How long a nonce of the 4-way login is good for.";
    "login.failures"                  Count(1, 1_000_000) => service.login_failures, "Failed logins of one user from one address until further ones are refused for a while.";
    "login.account_failures"          Count(1, 1_000_000) => service.login_account_failures, "Failed logins of one user from places where he has not logged in before until all from such places are refused for a while.";
    "login.account_window"            Seconds(1, 86_400) => service.login_account_window, "How long those are counted.";
    "login.penalty"                   Seconds(1, 86_400) => service.login_penalty, "How long logins are refused after too many failures.";
    "login.password_workers"          Count(1, 256) => service.password_workers, "Account passwords that are checked at the same time. Each check takes tens of milliseconds of a processor and 19 MiB.";

    "message.validity_default"        Seconds(1, YEAR) => service.validity_default, "How long a message waits whose sender does not say how long.";
    "message.validity_max"            Seconds(1, 10 * YEAR) => service.validity_max, "How long a message waits at most.";
    "message.body_max"                Bytes(KIB, 64 * MIB) => service.message_max, "Largest content of a message.";
    "message.content_url"             Text(1000) => content_url, "What the URLs of large contents begin with, if clients reach `/content/` of this server under another address, such as https://im.example.org/content/ for a proxy.";
    "message.content_url_life"        Seconds(60, 30 * 86_400) => service.content_url_life, "How long the URL of a large content is good for; never longer than its message.";
    "message.queue_max"               Count(1, 10_000_000) => service.queue_max, "Messages and reports that may wait for one user.";
    "message.queue_abroad_max"        Count(1, 10_000_000) => service.queue_abroad_max, "Messages that may wait for one other domain; what is beyond is answered 507.";
    "message.queue_abroad_bytes"      Bytes(64 * KIB, 64 * GIB) => service.queue_abroad_bytes, "Bytes of messages that may wait for one other domain.";
    "message.queue_bytes"             Bytes(64 * KIB, 64 * GIB) => service.queue_bytes, "Bytes of contents that may wait for one user.";
    "message.recipients_max"          Count(1, 100_000) => service.recipients_max, "Recipients of one message, contact lists expanded.";
    "message.repeat_window"           Seconds(10, 86_400) => service.repeat_window, "How long a request may be repeated under its TransactionID without being carried out twice.";

    "list.per_user"                   Count(1, 100_000) => service.lists_max, "Contact lists of one user.";
    "list.members_max"                Count(1, 100_000) => service.members_max, "Members of one contact list.";
    "list.attribute_lists_max"        Count(1, 100_000) => service.attribute_lists_max, "Attribute lists of one user.";
    "list.blocking_max"               Count(1, 100_000) => service.blocking_max, "Users, groups and others on a block list, and on a grant list.";
    "group.per_user"                  Count(1, 100_000) => service.groups_per_user, "Private groups of one user.";
    "group.server_max"                Count(1, 10_000_000) => service.groups_max, "Groups of the server.";
    "group.joined_by_session"         Count(1, 10_000) => service.groups_joined_max, "Groups that one session may have joined at once.";
    "group.members_max"               Count(1, 1_000_000) => service.group_members_max, "Members of one group.";
    "group.people_max"                Count(1, 10_000_000) => service.group_people_max, "Users of whom one group keeps something: members, rejected and invited ones, those with own properties.";
    "group.joined_max"                Count(2, 1_000_000) => service.group_joined_max, "Users who may have joined one group at once.";
    "group.property_max"              Bytes(16, 64 * KIB) => service.group_property_max, "One property of a group.";
    "group.welcome_max"               Bytes(0, MIB) => service.group_welcome_max, "The content of a welcome note.";
    "group.history_max"               Count(0, 100_000) => service.group_history_max, "Messages that a group keeps whose History is T.";
    "presence.default_for_everybody"  Flag => service.default_list_for_everybody, "Whether a user's default attribute list lets everybody see, or the members of the user's contact lists only.";
    "presence.subscriptions_max"      Count(1, 1_000_000) => service.subscriptions_max, "Subscriptions, to users and to contact lists, that one session may have.";
    "presence.authorisations_max"     Count(1, 1_000_000) => service.authorisations_max, "Decisions about single watchers, and questions about them, that one user may have.";
    "presence.question_keep"          Seconds(60, 10 * YEAR) => service.question_keep, "How long a user is asked who may see the user's presence, before the same question may come again.";
    "presence.watchers_max"           Count(1, 10_000_000) => service.watchers_max, "Watchers of one user that are listed.";
    "presence.watcher_keep"           Seconds(60, 10 * YEAR) => service.watcher_keep, "How long somebody stays on a watcher list whose last session that watched has ended.";
    "presence.watcher_history"        Seconds(0, 10 * YEAR) => service.watcher_history, "How far back the history of watchers goes: former subscribers, and those who got presence once.";

    "search.page"                     Count(1, 10_000) => service.search_page, "Items of one answer of a search whose client names no number.";
    "search.page_max"                 Count(1, 10_000) => service.search_page_max, "Items of one answer of a search at most.";
    "search.results_max"              Count(1, 1_000_000) => service.search_results_max, "Items that one search may find; with more, the client is told to say more of what it looks for.";
    "search.per_session"              Count(1, 1000) => service.searches_per_session, "Searches that one session may have open; with one more, the oldest ends.";
    "search.life"                     Seconds(10, 86_400) => service.search_life, "How long a search stays open that nobody goes on with.";
    "search.time_max"                 Seconds(1, 60) => service.search_time_max, "How long a search may take, the wait for its turn included.";
    "search.workers"                  Count(1, 256) => service.search_workers, "Searches that are carried out at the same time.";
    "search.online_of_everybody"      Flag => service.search_online_of_everybody, "Whether everybody may search by online status, or only whoever may see it in presence too.";
    "invitation.validity_default"     Seconds(1, YEAR) => service.invitation_validity, "How long an invitation is good whose inviter does not say how long.";
    "invitation.validity_max"         Seconds(1, 10 * YEAR) => service.invitation_validity_max, "How long an invitation is good at most.";
    "invitation.per_user"             Count(1, 1_000_000) => service.invitations_max, "Invitations of one user that are open at once, each invited user counted.";
    "profile.value_max"               Bytes(16, 64 * KIB) => service.profile_value_max, "One value of a public profile.";
    "profile.free_text_max"           Bytes(16, 64 * KIB) => service.profile_free_text_max, "The free text of a public profile.";

    "csp.redeliver_after"             Seconds(1, 86_400) => csp.redeliver_after, "When a transaction of the server that its client did not answer is sent again.";
    "csp.segments_memory"             Bytes(64 * KIB, GIB) => csp.segments.bytes, "Bytes of all messages that are kept in pieces because their clients, or the server, could not take them whole (segmentation, 1.3).";
    "csp.segments_life"               Seconds(10, 3600) => csp.segments.life, "How long the pieces of a message are kept after one of them was sent or came.";
    "csp.redeliveries"                Count(0, 1000) => csp.redeliveries, "How often it is sent again. Messages: until they are acknowledged or their validity ends.";
    "csp.open_max"                    Count(1, 1000) => csp.open_max, "Transactions of the server that are open at once with a client that does not say how many it takes.";
    "csp.answer_within"               Seconds(1, 3600) => csp.answer_within, "How long an answer may take; a client that waited so long gets Status 408, and what it asked for is carried out all the same. Phones give up after 20 to 45 s.";
    "csp.depth_max"                   Count(8, 1000) => csp.limits.depth, "Elements inside each other, in XML and WBXML.";
    "csp.elements_max"                Count(100, 10_000_000) => csp.limits.elements, "Elements of one document.";
    "csp.attributes_max"              Count(4, 1000) => csp.limits.attributes, "Attributes of one element.";
    "csp.string_table_max"            Bytes(0, 64 * MIB) => csp.limits.string_table, "The string table of a WBXML document.";
    "csp.text_max"                    Bytes(KIB, GIB) => csp.limits.text, "Text of one document, after its references are resolved.";
    "csp.two_level_clients"           Text(2000) => csp.two_level_clients, "ClientIDs, or how they begin, between commas: clients that read UserMapList without UserMapping, as that of Android 1.x does.";

    "pts.project_codes"               Flag => csp.pts_project_codes, "Whether PTS, the text form for SMS, has codes of our own and names in full for what no real client is known to say in it: messages, groups and all else. A client that does not know them cannot read them: turn it on only where all that speak PTS do.";
    "pts.message_max"                 Bytes(KIB, 64 * MIB) => csp.limits.pts_bytes, "The longest message in PTS that is read.";

    "http.body_max"                   Bytes(4 * KIB, 256 * MIB) => http.body_max, "The body of a request: an XML or WBXML document.";
    "http.bodies_max"                 Bytes(MIB, 64 * GIB) => http.bodies_max, "Bytes of large bodies that are in memory at once. When there is no more room, those that have stalled make room and are told to come back, or else further ones are.";
    "http.header_timeout"             Seconds(1, 3600) => http.header_timeout, "How long a connection may wait for, or take over, the head of a request; it is closed after this time at the earliest and twice as long at the latest.";
    "http.body_timeout"               Seconds(1, 3600) => http.body_timeout, "How long a connection may take to send the body of a request.";
    "http.connections_max"            Count(1, 1_000_000) => http.connections_max, "Connections at the same time; further ones are told to come back.";
    "http.stop_timeout"               Seconds(0, 600) => http.stop_timeout, "How long open requests may take to end when the server stops.";
    "https.listen"                    MaybeListen => https.listen, "Where clients connect by HTTPS, and by WebSocket inside TLS.";
    "https.certificate"               File => https.certificate, "The certificate and those that vouch for it, in PEM. Needed for HTTPS.";
    "https.key"                       File => https.key, "The private key of the certificate, in PEM. Needed for HTTPS.";
    "https.reload"                    Seconds(1, 86_400) => https.reload, "How often it is looked whether these files have changed. A new certificate is taken at once; one that cannot be used leaves the old one in place.";
    "https.handshake_timeout"         Seconds(1, 600) => http.handshake_timeout, "How long a client may take to agree on TLS.";

    "websocket.message_max"           Bytes(4 * KIB, 256 * MIB) => http.websocket.message_max, "Largest message over WebSocket.";
    "websocket.pipeline"              Count(1, 10_000) => http.websocket.pipeline, "Requests of one WebSocket that are carried out at the same time; further ones wait.";
    "websocket.buffer_max"            Bytes(4 * KIB, GIB) => http.websocket.buffer_max, "Bytes that wait to be sent on one WebSocket; with more, nothing is read from its client and nothing pushed to it.";
    "websocket.ping"                  Seconds(1, 86_400) => http.websocket.ping, "How long a WebSocket may be silent before its client is asked whether it is there; it is closed when it is silent twice as long.";
    "websocket.login_within"          Seconds(1, 86_400) => http.websocket.login_within, "How long a WebSocket may have no session.";
    "websocket.write_timeout"         Seconds(1, 86_400) => http.websocket.write_timeout, "How long the client of a WebSocket may take nothing of what is sent.";
    "websocket.sessions_max"          Count(1, 10_000) => http.websocket.sessions_max, "Sessions on one WebSocket.";
    "websocket.connections_max"       Count(1, 1_000_000) => http.websocket.connections_max, "WebSockets at the same time, of the connections of http.connections_max; further ones are answered 503.";
    "websocket.memory"                Bytes(MIB, 64 * GIB) => http.websocket.memory, "Bytes that all WebSockets together have read and not answered, or are yet to write; those that have more than 64 KiB of it are closed beyond that, with code 1013, and their clients come back.";

    "cir.host"                        Text(255) => cir.host, "The host that clients are told to connect to, to be called (CIR) by TCP and HTTP. Without one: the address of `listen`, or this machine's own when that is all addresses.";
    "cir.tcp_port"                    Count(0, 65_535) => cir.tcp_port, "The port, on the address of `listen`, where clients keep a connection on which they are called (STCP); 0: none.";
    "cir.tcp_connections_max"         Count(1, 1_000_000) => csp.cir.tcp_connections_max, "Such connections at the same time.";
    "cir.hello_within"                Seconds(1, 86_400) => csp.cir.hello_within, "How long such a connection may name no session.";
    "cir.pause"                       Millis(0, 10_000) => csp.cir.pause, "What lies at least between two things said on such a connection. Nokia phones see only the first of what comes together.";
    "cir.udp"                         Flag => cir.udp, "Whether clients are called by datagrams to the address that their requests come from (SUDP). Not behind a proxy: that is where they would go.";
    "cir.udp_port"                    Count(0, 65_535) => cir.udp_port, "The port, on the address of `listen`, that datagrams come from; 0: any.";
    "cir.http"                        Flag => cir.http, "Whether clients are called by the answer to a request that waits (SHTTP).";
    "cir.http_url"                    Text(1000) => cir.http_url, "What the URLs for this begin with, if clients reach `/cir/` of this server under another address, such as https://im.example.org/cir/ for a proxy.";
    "cir.http_hold"                   Seconds(0, 3600) => csp.cir.http_hold, "How long such a request waits. Proxies and phones give up after 30 to 60 s.";
    "cir.repeat_after"                Seconds(1, 3600) => csp.cir.repeat_after, "When a client that was called and does not poll is called again, another way first; each further time after twice as long, up to 32 times this.";

    "clp.listen"                      MaybeListen => clp.listen, "Where people connect who have only a line of text: the Command Line Protocol over TCP, on port 5520 by custom, for telnet and netcat.";
    "clp.tls_listen"                  MaybeListen => clp.tls_listen, "The same inside TLS, on port 5521 by custom. It needs https.certificate and https.key.";
    "clp.allow_plain"                 Flag => clp.lines.allow_plain, "Whether passwords are taken over lines without TLS from other machines than this.";
    "clp.idle"                        Seconds(10, 86_400) => clp.lines.idle, "How long a line may be silent before it is closed and its user logged out.";
    "clp.login_within"                Seconds(1, 3600) => clp.lines.login_within, "How long a line may have no session.";
    "clp.login_failures"              Count(1, 1000) => clp.lines.login_failures, "Wrong passwords on one line until it is closed.";
    "clp.address_failures"            Count(1, 1_000_000) => clp.lines.address_failures, "Wrong passwords from one address until its lines are refused.";
    "clp.address_window"              Seconds(1, 86_400) => clp.lines.address_window, "How long these are counted.";
    "clp.talk_idle"                   Seconds(10, 86_400) => clp.lines.talk_idle, "How long TALK stays on while nothing is said.";
    "clp.push_length"                 Count(160, 4000) => clp.lines.push_length, "Bytes of the largest text that is written to a line without being asked for; larger ones are announced.";
    "clp.pull_length"                 Count(160, 1_000_000) => clp.lines.pull_length, "Bytes of the largest text that is read on a line; larger ones, and what is no text, are told by their URL.";
    "clp.connections_max"             Count(1, 1_000_000) => clp.lines.connections_max, "Lines at the same time; further ones are told to come back.";
    "clp.write_timeout"               Seconds(1, 86_400) => clp.lines.write_timeout, "How long a line may take nothing of what is written to it.";

    "ssp.enabled"                     Flag => ssp.enabled, "Whether other domains are spoken with (SSP), on the addresses where clients connect and at any path. `hamlet peer add` says with which.";
    "ssp.services"                    Services => ssp.services, "Which services this domain has itself, with commas between, such as COMMON, PRESENCE, GROUP; or all. What is left out may be provided for it by another domain (`hamlet peer add --provides`), and is refused with 405 or 506 where none does.";
    "ssp.open"                        Flag => ssp.config.open, "Whether every domain is a peer that DNS has an SRV record `_imps-server._tcp` of, by TLS only; or only those of `hamlet peer add`.";
    "ssp.open_private"                Flag => ssp.config.open_private, "Whether domains that are no line of the table of peers may be at addresses that are not public: of this machine, of a private network. Records in DNS are written by anybody; it is for networks that have their own.";
    "ssp.strangers_max"               Count(1, 1_000_000) => ssp.config.strangers_max, "Domains that are no line of the table of peers and are spoken with at once; what is beyond is answered 503. Each of them has a sixteenth of `ssp.rate` and `ssp.open_max`.";
    "ssp.negotiate"                   Flag => ssp.config.negotiates, "Whether a new peer is asked what it has, and for an agreement on what both have.";
    "ssp.session"                     Seconds(60, YEAR) => ssp.config.link.time_to_live, "For how long a session with a peer is wanted; it has a successor before it ends.";
    "ssp.setup_within"                Seconds(5, 3600) => ssp.config.link.setup_within, "How long it may take to open a session.";
    "ssp.setup_pause"                 Seconds(1, 3600) => ssp.config.link.setup_pause, "The pause after a session could not be opened; it doubles each time.";
    "ssp.setup_pause_max"             Seconds(1, 86_400) => ssp.config.link.setup_pause_max, "The longest such pause.";
    "ssp.setups_per_minute"           Count(1, 10_000) => ssp.config.link.setups_per_minute, "Sessions that one peer may begin to open in a minute; what is beyond is answered 503.";
    "ssp.answer_within"               Seconds(1, 3600) => ssp.config.link.reply_within, "How long a peer may take to answer a request (T1).";
    "ssp.keep_alive"                  Seconds(10, 86_400) => ssp.config.link.keep_alive, "When half of this time nothing was sent to a peer, it is asked whether it is there.";
    "ssp.body_max"                    Bytes(4 * KIB, 256 * MIB) => ssp.config.body_max, "The largest message of a peer.";
    "ssp.rate"                        Count(1, 1_000_000) => ssp.config.link.rate, "Transactions of one peer in a second; what is beyond is answered 503 with the time to try again.";
    "ssp.open_max"                    Count(1, 100_000) => ssp.config.link.open_max, "Transactions of one peer that are being carried out at once, and of ours that it has not answered.";
    "ssp.recipients_max"              Count(1, 100_000) => ssp.config.link.recipients_max, "Recipients of one message of a peer.";
    "ssp.guests_max"                  Count(1, 100_000_000) => service.guests_max, "Users of other domains for whom something is kept here at once: who are in a group, watch somebody, or have asked for something lately; what is beyond is answered 503.";
    "ssp.guests_domain_max"           Count(1, 100_000_000) => service.guests_domain_max, "The same of one domain.";
    "ssp.guests_stranger_max"         Count(1, 100_000_000) => service.guests_stranger_max, "The same of one domain that is no line of the table of peers and came by `ssp.open`; and all such domains find room in half of `ssp.guests_max` only.";
    "ssp.posts_max"                   Count(1, 64) => ssp.config.link.posts_max, "POSTs that are under way to one peer at once.";
    "ssp.pool"                        Count(0, 64) => ssp.config.post.pool, "Connections to one peer that are kept open.";
    "ssp.connect_within"              Seconds(1, 600) => ssp.config.post.connect_within, "How long a connection to a peer may take.";
    "ssp.post_within"                 Seconds(1, 3600) => ssp.config.post.within, "How long a POST to a peer may take, all in all.";

    "metrics.remote"                  Flag => metrics_remote, "Whether GET /metrics answers others than this machine.";

    "store.cache"                     Bytes(64 * KIB, 64 * GIB) => store.cache, "Pages of the database that its writer keeps in memory.";
    "store.reader_cache"              Bytes(64 * KIB, 64 * GIB) => store.reader_cache, "Pages that each reader keeps in memory.";
    "store.readers"                   Count(0, 256) => store_readers, "Reads at the same time; 0: by the number of processors.";
    "store.wal"                       Bytes(MIB, 64 * GIB) => store.wal, "With so many bytes in the write-ahead log, its pages are brought home.";
    "store.wal_bound"                 Bytes(MIB, 64 * GIB) => store.wal_bound, "The write-ahead log does not grow beyond this.";
    "store.settle"                    Millis(0, 60_000) => store.settle, "How long what was committed stays in the journal of the database before it is brought into its table. What is deleted sooner, as most messages are, never comes there.";
    "store.queue_batches"             Count(1, 10_000_000) => store.queue.batches, "Changes that may wait for the disk; with more, clients get Status 503.";
    "store.queue_bytes"               Bytes(MIB, 64 * GIB) => store.queue.bytes, "Bytes that may wait for the disk.";
    "store.group_batches"             Count(1, 1_000_000) => store.queue.group_batches, "Changes that are committed together at most.";
    "store.group_bytes"               Bytes(4 * KIB, GIB) => store.queue.group_bytes, "With so many bytes a commit is full.";
    "store.later_max"                 Count(1, 10_000_000) => store.queue.later, "Changes of presence that may wait to be written with others.";
    "store.later_delay"               Millis(1, 60_000) => store.queue.delay, "How long they wait when nothing else is written.";
}

/// Pairs of which the first must not be above the second.
const ORDERED: &[(&str, &str)] = &[
    ("session.ttl_default", "session.ttl_max"),
    ("session.ttl_min", "session.ttl_default"),
    ("session.ttl_min", "session.ttl_max"),
    ("message.validity_default", "message.validity_max"),
    ("message.body_max", "http.body_max"),
    ("search.page", "search.page_max"),
    ("invitation.validity_default", "invitation.validity_max"),
    ("message.body_max", "websocket.message_max"),
    ("store.wal", "store.wal_bound"),
    ("ssp.body_max", "http.body_max"),
    ("ssp.setup_pause", "ssp.setup_pause_max"),
];

/// The setting with this key.
pub(crate) fn setting(key: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.key == key)
}

/// The key that was probably meant.
pub(crate) fn nearest(key: &str) -> Option<&'static str> {
    let key = key.to_lowercase();
    let distance = |known: &&'static str| {
        let last = known.rsplit('.').next().unwrap_or(known);
        // A key that only lacks its table is meant more often than one that looks alike.
        if last == key { 0 } else { edits(&key, known) }
    };
    let best = TABLE.iter().map(|setting| setting.key).min_by_key(distance)?;
    (distance(&best) <= 1 + key.len() / 5).then_some(best)
}

/// How many letters must be added, removed or changed to make one word of the other.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, (known, pair)) in other.iter().zip(row.windows(2)).enumerate() {
            let (&[diagonal, above], Some(&left)) = (pair, next.get(j)) else { continue };
            next.push((diagonal + usize::from(letter != *known)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_defaults_hold() {
        let settings = Settings::default();
        for (key, text) in [
            ("data", "./hamlet-data"),
            ("domain", "localhost"),
            ("listen", "127.0.0.1:8080"),
            ("log", "info"),
            ("session.ttl_min", "10"),
            ("session.ttl_max", "86400"),
            ("session.ttl_default", "3600"),
            ("session.grace", "10"),
            ("session.server_poll_min", "2"),
            ("csp.redeliver_after", "60"),
            ("login.nonce_life", "120"),
            ("message.validity_default", "604800"),
            ("message.validity_max", "2592000"),
            ("message.body_max", "1048576"),
            ("http.body_max", "4194304"),
            ("csp.depth_max", "32"),
            ("csp.elements_max", "10000"),
            ("metrics.remote", "false"),
            ("https.listen", "off"),
            ("cir.tcp_port", "3171"),
            ("clp.listen", "off"),
            ("clp.allow_plain", "false"),
            ("clp.idle", "1800"),
            ("clp.login_within", "60"),
            ("cir.repeat_after", "30"),
            ("cir.hello_within", "300"),
            ("ssp.enabled", "true"),
            ("ssp.open", "false"),
            ("ssp.open_private", "false"),
            ("ssp.strangers_max", "1000"),
            ("ssp.guests_stranger_max", "1000"),
            ("ssp.services", "all"),
            ("ssp.open_max", "1000"),
            ("ssp.recipients_max", "500"),
            ("ssp.answer_within", "30"),
        ] {
            assert_eq!(setting(key).unwrap().read(&settings).to_string(), text, "{key}");
        }
        assert_eq!(settings.csp_config().limits.bytes, 4 << 20);
    }

    #[test]
    fn every_row_takes_its_default_and_is_alone() {
        for (index, row) in TABLE.iter().enumerate() {
            let mut settings = Settings::default();
            let value = row.read(&settings);
            assert_eq!(row.kind.parse(&value.to_string()), Ok(value.clone()), "{}", row.key);
            row.write(&mut settings, &value);
            assert_eq!(row.read(&settings), value, "{}", row.key);
            assert!(TABLE.iter().skip(index + 1).all(|other| other.key != row.key), "{} is there twice", row.key);
            assert!(row.meaning.ends_with('.') && row.key.chars().all(|c| matches!(c, 'a'..='z' | '.' | '_')));
        }
        for (low, high) in ORDERED {
            assert!(setting(low).is_some() && setting(high).is_some(), "{low} {high}");
        }
    }

    #[test]
    fn a_written_value_is_read_back_from_every_number() {
        for row in TABLE {
            let Value::Number(default) = row.read(&Settings::default()) else { continue };
            let text = (default + 1).to_string();
            let Ok(value) = row.kind.parse(&text) else { continue };
            let mut settings = Settings::default();
            row.write(&mut settings, &value);
            assert_eq!(row.read(&settings), value, "{}", row.key);
        }
    }

    #[test]
    fn a_mistyped_key_is_guessed() {
        assert_eq!(nearest("session.ttl_mx"), Some("session.ttl_max"));
        assert_eq!(nearest("ttl_max"), Some("session.ttl_max"));
        assert_eq!(nearest("Listen"), Some("listen"));
        assert_eq!(nearest("completely.different"), None);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
