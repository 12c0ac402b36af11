//! What a client can do (CSP 6), and words of the login.

use super::words;

words! {
    /// The kind of client (`ClientType`).
    ClientType {
        MobilePhone = "MOBILE_PHONE", Computer = "COMPUTER", Pda = "PDA", Cli = "CLI", Other = "OTHER",
    }
}
words! {
    /// Push, or notify and let the client fetch (`InitialDeliveryMethod`, `DeliveryMethod`).
    DeliveryMethod { Push = "P", Notify = "N" }
}
words! {
    /// A bearer of the data channel (`SupportedBearer`).
    Bearer { Sms = "SMS", Wsp = "WSP", Http = "HTTP", Https = "HTTPS" }
}
words! {
    /// A way to call a client to poll (`SupportedCIRMethod`, CSP 15.4).
    CirMethod {
        WapSms = "WAPSMS", WapUdp = "WAPUDP", StandaloneUdp = "SUDP", StandaloneTcp = "STCP",
        StandaloneHttp = "SHTTP", StandaloneSms = "SSMS",
    }
}
words! {
    /// Which of the user's clients gets a message (`OnlineETEMHandling`).
    OnlineHandling {
        ServerLogic = "SERVERLOGIC", ForkAll = "FORKALL", PriorityStore = "PRIORITYSTORE",
        PriorityReject = "PRIORITYREJECT",
    }
}
words! {
    /// What happens to messages while the user is offline (`OfflineETEMHandling`).
    OfflineHandling { SendStore = "SENDSTORE", SendReject = "SENDREJECT", Reject = "REJECT" }
}
words! {
    /// How a password is digested (`DigestSchema`).
    DigestSchema { Pwd = "PWD", Sha = "SHA", Md4 = "MD4", Md5 = "MD5", Md6 = "MD6" }
}

/// A content type that a client takes; limits and policy since 1.3 (`AcceptedContentType`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AcceptedContentType {
    /// MIME type, perhaps with parameters.
    pub content_type: Box<str>,
    /// `AcceptedRichContentLength`: bytes.
    pub rich_length: Option<u32>,
    /// `ContentPolicy`: N, C or R.
    pub policy: Option<Box<str>>,
    /// `ContentPolicyLimit`: bytes.
    pub policy_limit: Option<u32>,
}

/// Client capabilities: `CapabilityList` of requests (and of 1.1 responses), and, with what only the server decides,
/// `AgreedCapabilityList`. Absent values are what the table of CSP 6 says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CapabilityList {
    /// `ClientType`.
    pub client_type: Option<ClientType>,
    /// `InitialDeliveryMethod`.
    pub initial_delivery_method: Option<DeliveryMethod>,
    /// `AnyContent`.
    pub any_content: Option<bool>,
    /// `AcceptedCharset` (1.1, 1.2) or `PlainTextCharset` (1.3): MIBenum.
    pub charsets: Vec<u32>,
    /// `AcceptedContentType`.
    pub content_types: Vec<AcceptedContentType>,
    /// `AcceptedTransferEncoding`.
    pub transfer_encodings: Vec<Box<str>>,
    /// `AcceptedContentLength`, 1.1 and 1.2: the largest content to push, bytes.
    pub content_length: Option<u32>,
    /// `AcceptedPushLength`, 1.3.
    pub push_length: Option<u32>,
    /// `AcceptedPullLength`, 1.3.
    pub pull_length: Option<u32>,
    /// `AcceptedTextContentLength`, 1.3.
    pub text_content_length: Option<u32>,
    /// `SupportedBearer`.
    pub bearers: Vec<Bearer>,
    /// `SupportedOfflineBearer`, 1.3.
    pub offline_bearers: Vec<Box<str>>,
    /// `MultiTrans`: transactions open at the same time.
    pub multi_trans: Option<u32>,
    /// `MultiTransPerMessage`, 1.3.
    pub multi_trans_per_message: Option<u32>,
    /// `ParserSize`: the largest primitive the client can take, bytes.
    pub parser_size: Option<u32>,
    /// `SupportedCIRMethod`, preferred first.
    pub cir_methods: Vec<CirMethod>,
    /// `UDPPort`.
    pub udp_port: Option<u32>,
    /// `UDPAddress`, 1.3 answers.
    pub udp_address: Option<Box<str>>,
    /// `TCPAddress`.
    pub tcp_address: Option<Box<str>>,
    /// `TCPPort`.
    pub tcp_port: Option<u32>,
    /// `CIRSMSAddress`, 1.3 answers.
    pub cir_sms_address: Option<Box<str>>,
    /// `CIRURL` (1.2) or `CIRHTTPAddress` (1.3).
    pub cir_url: Option<Box<str>>,
    /// `ServerPollMin`: seconds.
    pub server_poll_min: Option<u32>,
    /// `DefaultLanguage`.
    pub default_language: Option<Box<str>>,
    /// `OnlineETEMHandling`, 1.3.
    pub online_handling: Option<OnlineHandling>,
    /// `OfflineETEMHandling`, 1.3.
    pub offline_handling: Option<OfflineHandling>,
    /// `SessionPriority`, 1.3.
    pub session_priority: Option<u32>,
    /// `UserSessionLimit`, 1.3 answers.
    pub user_session_limit: Option<u32>,
}
