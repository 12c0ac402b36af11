//! What is counted: one row each. Names and meaning are for operators.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows, or that goes up and down.
#[derive(Debug, Default)]
pub struct Meter(AtomicU64);

impl Meter {
    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// One less.
    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Replaces the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! metrics {
    ($($field:ident $kind:ident $name:literal $help:literal;)*) => {
        /// Every metric of the service elements and the clients' face.
        #[derive(Debug, Default)]
        pub struct Metrics { $(#[doc = $help] pub $field: Meter),* }

        impl Metrics {
            /// Every metric: name, kind (`counter` or `gauge`), meaning, value.
            pub fn rows(&self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
                vec![$(($name, stringify!($kind), $help, self.$field.value())),*]
            }
        }
    };
}

metrics! {
    sessions             gauge   "hamlet_sessions"                     "Sessions that are logged in";
    logins               counter "hamlet_logins_total"                 "Logins that succeeded";
    logins_by_number     counter "hamlet_logins_by_number_total"       "Logins of subscribers whom the network named";
    registrations        counter "hamlet_registrations_total"          "Accounts that users made themselves";
    login_challenges     counter "hamlet_login_challenges_total"       "Nonces handed out for the 4-way login";
    login_failures       counter "hamlet_login_failures_total"         "Logins refused for user, password or digest";
    login_throttled      counter "hamlet_login_throttled_total"        "Logins refused after too many failures";
    sessions_expired     counter "hamlet_sessions_expired_total"       "Sessions that ended because nothing came from the client";
    users_loaded         gauge   "hamlet_users_loaded"                 "Users whose state is in memory";
    messages_accepted    counter "hamlet_messages_accepted_total"      "Messages committed, each recipient counted";
    messages_repeated    counter "hamlet_messages_repeated_total"      "Repeats of SendMessage that were answered and not carried out again";
    messages_refused     counter "hamlet_messages_refused_total"       "Recipients for whom a message was refused";
    messages_offered     counter "hamlet_messages_offered_total"       "NewMessage and MessageNotification handed to clients, repeats included";
    messages_delivered   counter "hamlet_messages_delivered_total"     "Messages acknowledged by MessageDelivered";
    messages_rejected    counter "hamlet_messages_rejected_total"      "Messages rejected by their recipient";
    messages_forwarded   counter "hamlet_messages_forwarded_total"     "Messages forwarded by their recipient";
    contents_downloaded  counter "hamlet_contents_downloaded_total"    "Large contents fetched by their URL";
    messages_expired     counter "hamlet_messages_expired_total"       "Messages whose validity ended before delivery";
    reports              counter "hamlet_delivery_reports_total"       "Delivery reports made";
    searches             counter "hamlet_searches_total"               "Searches begun";
    searches_open        gauge   "hamlet_searches_open"                "Searches that have more to tell";
    searchable_users     gauge   "hamlet_searchable_users"             "Users that searches find; none until somebody searches";
    searchable_bytes     gauge   "hamlet_searchable_bytes"             "Memory that it takes to find them";
    invitations          counter "hamlet_invitations_total"            "Invitations committed, each invited user counted";
    presence_updates     counter "hamlet_presence_updates_total"       "Changes of presence values";
    presence_queued      counter "hamlet_presence_notices_total"       "Notifications queued for watchers, before merging";
    notifications        counter "hamlet_notifications_total"          "General notifications queued for clients, before merging";
    notifications_dropped counter "hamlet_notifications_dropped_total" "General notifications dropped because a client did not fetch them";
    groups               gauge   "hamlet_groups"                       "Groups";
    group_notices        counter "hamlet_group_notices_total"          "Changes of groups noted for subscribers, before merging";
    requests             counter "hamlet_csp_requests_total"           "CSP messages answered";
    transactions         counter "hamlet_csp_transactions_total"       "CSP transactions carried out";
    requests_limited     counter "hamlet_csp_limited_total"            "CSP messages refused because too many came, or too much was under way";
    overloaded           gauge   "hamlet_overloaded"                   "Whether requests are refused because there is no memory for more";
    malformed            counter "hamlet_csp_malformed_total"          "CSP messages that could not be read";
    refused_http         counter "hamlet_http_refused_total"           "HTTP requests refused because they were no CSP";
    clp_lines            gauge   "hamlet_clp_lines"                    "Lines of the Command Line Protocol that are open";
    clp_commands         counter "hamlet_clp_commands_total"           "Commands of the Command Line Protocol carried out";
    clp_events           counter "hamlet_clp_events_total"             "Events written to lines";
    websockets           gauge   "hamlet_websockets"                   "WebSocket connections that are open";
    websocket_received   counter "hamlet_websocket_received_total"     "Messages received over WebSocket";
    websocket_sent       counter "hamlet_websocket_sent_total"         "Messages sent over WebSocket, answers and pushed ones";
    websocket_pushed     counter "hamlet_websocket_pushed_total"       "Transactions of the server sent over WebSocket without being polled for";
    websocket_refused    counter "hamlet_websocket_refused_total"      "WebSocket connections closed because of what their client did or did not do";
    cir_tcp_connections  gauge   "hamlet_cir_tcp_connections"          "CIR connections by TCP that are open";
    cir_tcp_sessions     gauge   "hamlet_cir_tcp_sessions"             "CIR connections by TCP that named a session";
    cir_tcp_refused      counter "hamlet_cir_tcp_refused_total"        "CIR connections by TCP closed because of what came or did not come";
    cir_http_waiting     gauge   "hamlet_cir_http_waiting"             "Requests for CIR URLs that wait for something to say";
    cir_http_refused     counter "hamlet_cir_http_refused_total"       "Requests for CIR URLs that name no session";
    cir_called_tcp       counter "hamlet_cir_called_tcp_total"         "Clients called by TCP";
    cir_called_udp       counter "hamlet_cir_called_udp_total"         "Clients called by UDP";
    cir_called_http      counter "hamlet_cir_called_http_total"        "Clients called by HTTP";
    cir_failed           counter "hamlet_cir_failed_total"             "Calls that could not be sent, or that no poll followed";
    cir_answered         counter "hamlet_cir_answered_total"           "Calls that a poll followed";
    tls_failures         counter "hamlet_tls_failures_total"           "TLS connections that did not come about";
    tls_reloads          counter "hamlet_tls_reloads_total"            "Certificates that were read again because their files changed";
    tls_expiry           gauge   "hamlet_tls_certificate_expiry_seconds" "When the certificate ends, seconds since 1970; 0: there is none";
    messages_cut         counter "hamlet_csp_messages_cut_total"       "Messages cut into pieces because their clients could not parse them whole";
    redelivered          counter "hamlet_csp_redelivered_total"        "Server transactions sent again because they were not acknowledged";
    panics               counter "hamlet_panics_total"                 "Transactions that ended by a defect in the server";
    store_failures       counter "hamlet_store_failures_total"         "Commits that the store could not take";
}
