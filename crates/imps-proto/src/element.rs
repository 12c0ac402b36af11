//! The element table: every element of CSP 1.1, 1.2 and 1.3. CSP 3 to 13, Encoding 1.2 and 1.6.
//!
//! A row says what an element is called in XML, in whose namespace it lives, which page and token it has in WBXML, from
//! which version to which it is part of the protocol, and what it contains. Lookups in both directions are arrays that
//! the compiler builds from the rows: a tag costs one load, a name one hash and one comparison.
//!
//! What might surprise:
//! - `Status` is two elements with one name and one token: the primitive, and the state of a contact inside CommC
//!   ([`Element::CommCStatus`]).
//! - A token may be withdrawn while the element lives on (`tokens` in a row). The encoder then writes the name as a
//!   LITERAL; the decoder takes the token in every version.
//! - CIRURL and CIRHTTPAddress are one token. Each reader and writer uses the name that fits the version of the message.

use crate::names;
use imps_types::Version;
use std::fmt;

/// The namespace of an element: one of the three that every version has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Space {
    /// The envelope.
    Csp,
    /// Transactions.
    Trc,
    /// Presence attributes.
    Pa,
}

/// What an element contains, in the newest version that has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Other elements.
    Struct,
    /// Nothing: the element itself says all.
    Empty,
    /// Text whose white space at both ends says nothing.
    String,
    /// An unsigned number of 32 bits.
    Integer,
    /// T or F.
    Boolean,
    /// A date and time.
    Date,
    /// One word of a few.
    Enum,
    /// Bytes, in text as base64.
    Binary,
    /// The content of a message, to be kept as it is.
    Content,
    /// Foreign markup.
    Any,
}

/// What an element contains, and what that means for its bytes in WBXML.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Struct,
    /// Elements in 1.3, a word before.
    StructOrWord,
    Empty,
    String,
    /// A string that usually is one of the words with a value token.
    Word,
    /// A string that some encoders send as a number.
    TextOrInteger,
    /// A number, written as opaque bytes.
    Integer,
    /// A number, written as text since not every client reads the bytes.
    IntegerAsText,
    Boolean,
    Date,
    Enum,
    Binary,
    Content,
    Any,
}

struct Row {
    name: &'static str,
    space: Space,
    page: u8,
    token: u8,
    since: Version,
    until: Version,
    token_since: Version,
    token_until: Version,
    content: Inside,
}

macro_rules! elements {
    (@token_range $since:ident $until:ident) => {
        (Version::$since, Version::$until)
    };
    (@token_range $since:ident $until:ident $token_since:ident $token_until:ident) => {
        (Version::$token_since, Version::$token_until)
    };
    ($(
        $element:ident $name:literal $space:ident ($page:literal, $token:literal) $since:ident $until:ident
        $content:ident $(, tokens $token_since:ident $token_until:ident)? ;
    )*) => {
        /// An element of CSP. Two bytes; everything else about it is in the table.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Element {
            $(#[doc = concat!("`", $name, "`")] $element,)*
        }

        impl Element {
            /// All of them, in the order of the table.
            pub const ALL: [Self; COUNT] = [$(Self::$element,)*];
        }

        const COUNT: usize = [$($name,)*].len();

        static ROWS: [Row; COUNT] = ROWS_CONST;

        const ROWS_CONST: [Row; COUNT] = [$(
            Row {
                name: $name,
                space: Space::$space,
                page: $page,
                token: $token,
                since: Version::$since,
                until: Version::$until,
                token_since: elements!(@token_range $since $until $($token_since $token_until)?).0,
                token_until: elements!(@token_range $since $until $($token_since $token_until)?).1,
                content: Inside::$content,
            },
        )*];
    };
}

elements! {
    // element                     in XML                             space WBXML       since until content
    // The envelope, page 0: Common.
    WvCspMessage                   "WV-CSP-Message"                   Csp (0x00, 0x09) V1_1 V1_3 Struct;
    Poll                           "Poll"                             Csp (0x00, 0x21) V1_1 V1_3 Boolean;
    Session                        "Session"                          Csp (0x00, 0x2D) V1_1 V1_3 Struct;
    SessionDescriptor              "SessionDescriptor"                Csp (0x00, 0x2E) V1_1 V1_3 Struct;
    SessionId                      "SessionID"                        Csp (0x00, 0x2F) V1_1 V1_3 String;
    SessionType                    "SessionType"                      Csp (0x00, 0x30) V1_1 V1_3 Enum;
    Transaction                    "Transaction"                      Csp (0x00, 0x32) V1_1 V1_3 Struct;
    TransactionContent             "TransactionContent"               Csp (0x00, 0x33) V1_1 V1_3 Struct;
    TransactionDescriptor          "TransactionDescriptor"            Csp (0x00, 0x34) V1_1 V1_3 Struct;
    TransactionId                  "TransactionID"                    Csp (0x00, 0x35) V1_1 V1_3 String;
    TransactionMode                "TransactionMode"                  Csp (0x00, 0x36) V1_1 V1_3 Enum;
    // The envelope, page 9: Common (continued).
    Cir                            "CIR"                              Csp (0x09, 0x05) V1_2 V1_3 Boolean;
    ExtBlock                       "ExtBlock"                         Csp (0x09, 0x07) V1_2 V1_3 Any;
    SegmentCount                   "SegmentCount"                     Csp (0x09, 0x25) V1_3 V1_3 Integer;
    SegmentId                      "SegmentID"                        Csp (0x09, 0x26) V1_3 V1_3 Struct;
    SegmentInfo                    "SegmentInfo"                      Csp (0x09, 0x27) V1_3 V1_3 Struct;
    SegmentReference               "SegmentReference"                 Csp (0x09, 0x28) V1_3 V1_3 Integer;
    // The envelope, page 10: Access (continued).
    WvCspVersionDiscoveryRequest   "WV-CSP-VersionDiscovery-Request"  Csp (0x0A, 0x05) V1_2 V1_3 Struct;
    WvCspVersionDiscoveryResponse  "WV-CSP-VersionDiscovery-Response" Csp (0x0A, 0x06) V1_2 V1_3 Struct;
    // Transactions, page 0: Common.
    Acceptance                     "Acceptance"                       Trc (0x00, 0x05) V1_1 V1_3 Boolean;
    AddList                        "AddList"                          Trc (0x00, 0x06) V1_1 V1_3 Struct;
    AddNickList                    "AddNickList"                      Trc (0x00, 0x07) V1_1 V1_3 Struct;
    SName                          "SName"                            Trc (0x00, 0x08) V1_1 V1_3 String;
    ClientId                       "ClientID"                         Trc (0x00, 0x0A) V1_1 V1_3 Struct;
    Code                           "Code"                             Trc (0x00, 0x0B) V1_1 V1_3 Integer;
    ContactList                    "ContactList"                      Trc (0x00, 0x0C) V1_1 V1_3 String;
    ContentData                    "ContentData"                      Trc (0x00, 0x0D) V1_1 V1_3 Content;
    ContentEncoding                "ContentEncoding"                  Trc (0x00, 0x0E) V1_1 V1_3 Enum;
    ContentSize                    "ContentSize"                      Trc (0x00, 0x0F) V1_1 V1_3 Integer;
    ContentType                    "ContentType"                      Trc (0x00, 0x10) V1_1 V1_3 Word;
    DateTime                       "DateTime"                         Trc (0x00, 0x11) V1_1 V1_3 Date;
    Description                    "Description"                      Trc (0x00, 0x12) V1_1 V1_3 String;
    DetailedResult                 "DetailedResult"                   Trc (0x00, 0x13) V1_1 V1_3 Struct;
    EntityList                     "EntityList"                       Trc (0x00, 0x14) V1_1 V1_3 Struct;
    Group                          "Group"                            Trc (0x00, 0x15) V1_1 V1_3 Struct;
    GroupId                        "GroupID"                          Trc (0x00, 0x16) V1_1 V1_3 String;
    GroupList                      "GroupList"                        Trc (0x00, 0x17) V1_1 V1_3 Struct;
    InUse                          "InUse"                            Trc (0x00, 0x18) V1_1 V1_2 Boolean;
    Logo                           "Logo"                             Trc (0x00, 0x19) V1_1 V1_3 Struct;
    MessageCount                   "MessageCount"                     Trc (0x00, 0x1A) V1_1 V1_3 Integer;
    MessageId                      "MessageID"                        Trc (0x00, 0x1B) V1_1 V1_3 String;
    MessageUri                     "MessageURI"                       Trc (0x00, 0x1C) V1_1 V1_3 String;
    Msisdn                         "MSISDN"                           Trc (0x00, 0x1D) V1_1 V1_3 String;
    Name                           "Name"                             Trc (0x00, 0x1E) V1_1 V1_3 Word;
    NickList                       "NickList"                         Trc (0x00, 0x1F) V1_1 V1_3 Struct;
    NickName                       "NickName"                         Trc (0x00, 0x20) V1_1 V1_3 Struct;
    Presence                       "Presence"                         Trc (0x00, 0x22) V1_1 V1_3 Struct;
    Property                       "Property"                         Trc (0x00, 0x25) V1_1 V1_3 Struct;
    Recipient                      "Recipient"                        Trc (0x00, 0x27) V1_1 V1_3 Struct;
    RemoveList                     "RemoveList"                       Trc (0x00, 0x28) V1_1 V1_3 Struct;
    RemoveNickList                 "RemoveNickList"                   Trc (0x00, 0x29) V1_1 V1_3 Struct;
    Result                         "Result"                           Trc (0x00, 0x2A) V1_1 V1_3 Struct;
    ScreenName                     "ScreenName"                       Trc (0x00, 0x2B) V1_1 V1_3 Struct;
    Sender                         "Sender"                           Trc (0x00, 0x2C) V1_1 V1_3 Struct;
    Status                         "Status"                           Trc (0x00, 0x31) V1_1 V1_3 Struct;
    Url                            "URL"                              Trc (0x00, 0x37) V1_1 V1_3 String;
    UrlList                        "URLList"                          Trc (0x00, 0x38) V1_1 V1_3 Struct;
    User                           "User"                             Trc (0x00, 0x39) V1_1 V1_3 Struct;
    UserId                         "UserID"                           Trc (0x00, 0x3A) V1_1 V1_3 String;
    UserList                       "UserList"                         Trc (0x00, 0x3B) V1_1 V1_3 Struct;
    Validity                       "Validity"                         Trc (0x00, 0x3C) V1_1 V1_3 Integer;
    Value                          "Value"                            Trc (0x00, 0x3D) V1_1 V1_3 Word;
    // Transactions, page 1: Access.
    AllFunctions                   "AllFunctions"                     Trc (0x01, 0x05) V1_1 V1_3 Struct;
    AllFunctionsRequest            "AllFunctionsRequest"              Trc (0x01, 0x06) V1_1 V1_3 Boolean;
    CancelInviteRequest            "CancelInvite-Request"             Trc (0x01, 0x07) V1_1 V1_3 Struct;
    CancelInviteUserRequest        "CancelInviteUser-Request"         Trc (0x01, 0x08) V1_1 V1_3 Struct;
    Capability                     "Capability"                       Trc (0x01, 0x09) V1_1 V1_2 Struct;
    CapabilityList                 "CapabilityList"                   Trc (0x01, 0x0A) V1_1 V1_3 Struct;
    CapabilityRequest              "CapabilityRequest"                Trc (0x01, 0x0B) V1_1 V1_3 Boolean;
    ClientCapabilityRequest        "ClientCapability-Request"         Trc (0x01, 0x0C) V1_1 V1_3 Struct;
    ClientCapabilityResponse       "ClientCapability-Response"        Trc (0x01, 0x0D) V1_1 V1_3 Struct;
    DigestBytes                    "DigestBytes"                      Trc (0x01, 0x0E) V1_1 V1_3 Binary;
    DigestSchema                   "DigestSchema"                     Trc (0x01, 0x0F) V1_1 V1_3 Enum;
    Disconnect                     "Disconnect"                       Trc (0x01, 0x10) V1_1 V1_3 Struct;
    Functions                      "Functions"                        Trc (0x01, 0x11) V1_1 V1_3 Struct;
    GetSpInfoRequest               "GetSPInfo-Request"                Trc (0x01, 0x12) V1_1 V1_3 Struct;
    GetSpInfoResponse              "GetSPInfo-Response"               Trc (0x01, 0x13) V1_1 V1_3 Struct;
    InviteId                       "InviteID"                         Trc (0x01, 0x14) V1_1 V1_3 String;
    InviteNote                     "InviteNote"                       Trc (0x01, 0x15) V1_1 V1_3 String;
    InviteRequest                  "Invite-Request"                   Trc (0x01, 0x16) V1_1 V1_3 Struct;
    InviteResponse                 "Invite-Response"                  Trc (0x01, 0x17) V1_1 V1_3 Struct;
    InviteType                     "InviteType"                       Trc (0x01, 0x18) V1_1 V1_3 Enum;
    InviteUserRequest              "InviteUser-Request"               Trc (0x01, 0x19) V1_1 V1_3 Struct;
    InviteUserResponse             "InviteUser-Response"              Trc (0x01, 0x1A) V1_1 V1_3 Struct;
    KeepAliveRequest               "KeepAlive-Request"                Trc (0x01, 0x1B) V1_1 V1_3 Struct;
    KeepAliveTime                  "KeepAliveTime"                    Trc (0x01, 0x1C) V1_1 V1_3 Integer;
    LoginRequest                   "Login-Request"                    Trc (0x01, 0x1D) V1_1 V1_3 Struct;
    LoginResponse                  "Login-Response"                   Trc (0x01, 0x1E) V1_1 V1_3 Struct;
    LogoutRequest                  "Logout-Request"                   Trc (0x01, 0x1F) V1_1 V1_3 Empty;
    Nonce                          "Nonce"                            Trc (0x01, 0x20) V1_1 V1_3 String;
    Password                       "Password"                         Trc (0x01, 0x21) V1_1 V1_3 String;
    PollingRequest                 "Polling-Request"                  Trc (0x01, 0x22) V1_1 V1_3 Empty;
    ResponseNote                   "ResponseNote"                     Trc (0x01, 0x23) V1_1 V1_3 String;
    SearchElement                  "SearchElement"                    Trc (0x01, 0x24) V1_1 V1_3 Enum;
    SearchFindings                 "SearchFindings"                   Trc (0x01, 0x25) V1_1 V1_3 Integer;
    SearchId                       "SearchID"                         Trc (0x01, 0x26) V1_1 V1_3 TextOrInteger;
    SearchIndex                    "SearchIndex"                      Trc (0x01, 0x27) V1_1 V1_3 Integer;
    SearchLimit                    "SearchLimit"                      Trc (0x01, 0x28) V1_1 V1_3 Integer;
    KeepAliveResponse              "KeepAlive-Response"               Trc (0x01, 0x29) V1_1 V1_3 Struct;
    SearchPairList                 "SearchPairList"                   Trc (0x01, 0x2A) V1_1 V1_3 Struct;
    SearchRequest                  "Search-Request"                   Trc (0x01, 0x2B) V1_1 V1_3 Struct;
    SearchResponse                 "Search-Response"                  Trc (0x01, 0x2C) V1_1 V1_3 Struct;
    SearchResult                   "SearchResult"                     Trc (0x01, 0x2D) V1_1 V1_3 Struct;
    ServiceRequest                 "Service-Request"                  Trc (0x01, 0x2E) V1_1 V1_3 Struct;
    ServiceResponse                "Service-Response"                 Trc (0x01, 0x2F) V1_1 V1_3 Struct;
    SessionCookie                  "SessionCookie"                    Trc (0x01, 0x30) V1_1 V1_3 String;
    StopSearchRequest              "StopSearch-Request"               Trc (0x01, 0x31) V1_1 V1_3 Struct;
    TimeToLive                     "TimeToLive"                       Trc (0x01, 0x32) V1_1 V1_3 Integer;
    SearchString                   "SearchString"                     Trc (0x01, 0x33) V1_1 V1_3 String;
    CompletionFlag                 "CompletionFlag"                   Trc (0x01, 0x34) V1_1 V1_3 Boolean;
    ReceiveList                    "ReceiveList"                      Trc (0x01, 0x36) V1_2 V1_3 Boolean;
    VerifyIdRequest                "VerifyID-Request"                 Trc (0x01, 0x37) V1_2 V1_3 Struct;
    ExtendedRequest                "Extended-Request"                 Trc (0x01, 0x38) V1_2 V1_3 Any;
    ExtendedResponse               "Extended-Response"                Trc (0x01, 0x39) V1_2 V1_3 Any;
    AgreedCapabilityList           "AgreedCapabilityList"             Trc (0x01, 0x3A) V1_2 V1_3 Struct;
    ExtendedData                   "ExtendedData"                     Trc (0x01, 0x3B) V1_2 V1_3 Any;
    OtherServer                    "OtherServer"                      Trc (0x01, 0x3C) V1_2 V1_3 Struct;
    PresenceAttributeNsName        "PresenceAttributeNSName"          Trc (0x01, 0x3D) V1_2 V1_3 String;
    SessionNsName                  "SessionNSName"                    Trc (0x01, 0x3E) V1_2 V1_3 String;
    TransactionNsName              "TransactionNSName"                Trc (0x01, 0x3F) V1_2 V1_3 String;
    // Transactions, page 2: Service.
    Addgm                          "ADDGM"                            Trc (0x02, 0x05) V1_1 V1_3 Empty;
    AttListFunc                    "AttListFunc"                      Trc (0x02, 0x06) V1_1 V1_3 Struct, tokens V1_1 V1_2;
    Blent                          "BLENT"                            Trc (0x02, 0x07) V1_1 V1_3 Empty;
    Caaut                          "CAAUT"                            Trc (0x02, 0x08) V1_1 V1_2 Empty;
    Cainv                          "CAINV"                            Trc (0x02, 0x09) V1_1 V1_3 Empty;
    Cali                           "CALI"                             Trc (0x02, 0x0A) V1_1 V1_3 Empty, tokens V1_1 V1_2;
    Ccli                           "CCLI"                             Trc (0x02, 0x0B) V1_1 V1_3 Empty;
    ContListFunc                   "ContListFunc"                     Trc (0x02, 0x0C) V1_1 V1_3 Struct;
    Creag                          "CREAG"                            Trc (0x02, 0x0D) V1_1 V1_3 Empty;
    Dali                           "DALI"                             Trc (0x02, 0x0E) V1_1 V1_3 Empty, tokens V1_1 V1_2;
    Dcli                           "DCLI"                             Trc (0x02, 0x0F) V1_1 V1_3 Empty;
    Delgr                          "DELGR"                            Trc (0x02, 0x10) V1_1 V1_3 Empty;
    FundamentalFeat                "FundamentalFeat"                  Trc (0x02, 0x11) V1_1 V1_3 Struct;
    Fwmsg                          "FWMSG"                            Trc (0x02, 0x12) V1_1 V1_3 Empty;
    Gals                           "GALS"                             Trc (0x02, 0x13) V1_1 V1_3 Empty, tokens V1_1 V1_2;
    Gcli                           "GCLI"                             Trc (0x02, 0x14) V1_1 V1_3 Empty;
    Getgm                          "GETGM"                            Trc (0x02, 0x15) V1_1 V1_3 Empty;
    Getgp                          "GETGP"                            Trc (0x02, 0x16) V1_1 V1_3 Empty;
    Getlm                          "GETLM"                            Trc (0x02, 0x17) V1_1 V1_3 Empty;
    Getm                           "GETM"                             Trc (0x02, 0x18) V1_1 V1_3 Empty;
    Getpr                          "GETPR"                            Trc (0x02, 0x19) V1_1 V1_3 Empty;
    Getspi                         "GETSPI"                           Trc (0x02, 0x1A) V1_1 V1_3 Empty;
    Getwl                          "GETWL"                            Trc (0x02, 0x1B) V1_1 V1_3 Empty;
    Glblu                          "GLBLU"                            Trc (0x02, 0x1C) V1_1 V1_3 Empty;
    Grchn                          "GRCHN"                            Trc (0x02, 0x1D) V1_1 V1_3 Empty;
    GroupAuthFunc                  "GroupAuthFunc"                    Trc (0x02, 0x1E) V1_1 V1_3 Struct;
    GroupFeat                      "GroupFeat"                        Trc (0x02, 0x1F) V1_1 V1_3 Struct;
    GroupMgmtFunc                  "GroupMgmtFunc"                    Trc (0x02, 0x20) V1_1 V1_3 Struct;
    GroupUseFunc                   "GroupUseFunc"                     Trc (0x02, 0x21) V1_1 V1_3 Struct;
    ImAuthFunc                     "IMAuthFunc"                       Trc (0x02, 0x22) V1_1 V1_3 Struct;
    ImFeat                         "IMFeat"                           Trc (0x02, 0x23) V1_1 V1_3 Struct;
    ImReceiveFunc                  "IMReceiveFunc"                    Trc (0x02, 0x24) V1_1 V1_3 Struct;
    ImSendFunc                     "IMSendFunc"                       Trc (0x02, 0x25) V1_1 V1_3 Struct;
    Invit                          "INVIT"                            Trc (0x02, 0x26) V1_1 V1_3 Empty;
    InviteFunc                     "InviteFunc"                       Trc (0x02, 0x27) V1_1 V1_3 Struct;
    Mbrac                          "MBRAC"                            Trc (0x02, 0x28) V1_1 V1_3 Empty;
    Mcls                           "MCLS"                             Trc (0x02, 0x29) V1_1 V1_3 Empty;
    Mdeliv                         "MDELIV"                           Trc (0x02, 0x2A) V1_1 V1_3 Empty;
    Newm                           "NEWM"                             Trc (0x02, 0x2B) V1_1 V1_3 Empty;
    Notif                          "NOTIF"                            Trc (0x02, 0x2C) V1_1 V1_3 Empty;
    PresenceAuthFunc               "PresenceAuthFunc"                 Trc (0x02, 0x2D) V1_1 V1_3 Struct;
    PresenceDeliverFunc            "PresenceDeliverFunc"              Trc (0x02, 0x2E) V1_1 V1_3 Struct;
    PresenceFeat                   "PresenceFeat"                     Trc (0x02, 0x2F) V1_1 V1_3 Struct;
    React                          "REACT"                            Trc (0x02, 0x30) V1_1 V1_2 Empty;
    Rejcm                          "REJCM"                            Trc (0x02, 0x31) V1_1 V1_3 Empty;
    Rejec                          "REJEC"                            Trc (0x02, 0x32) V1_1 V1_3 Empty;
    Rmvgm                          "RMVGM"                            Trc (0x02, 0x33) V1_1 V1_3 Empty;
    SearchFunc                     "SearchFunc"                       Trc (0x02, 0x34) V1_1 V1_3 Struct;
    ServiceFunc                    "ServiceFunc"                      Trc (0x02, 0x35) V1_1 V1_3 Struct;
    Setd                           "SETD"                             Trc (0x02, 0x36) V1_1 V1_3 Empty;
    Setgp                          "SETGP"                            Trc (0x02, 0x37) V1_1 V1_3 Empty;
    Srch                           "SRCH"                             Trc (0x02, 0x38) V1_1 V1_3 Empty;
    Stsrc                          "STSRC"                            Trc (0x02, 0x39) V1_1 V1_3 Empty;
    Subgcn                         "SUBGCN"                           Trc (0x02, 0x3A) V1_1 V1_3 Empty;
    Updpr                          "UPDPR"                            Trc (0x02, 0x3B) V1_1 V1_3 Empty;
    WvCspFeat                      "WVCSPFeat"                        Trc (0x02, 0x3C) V1_1 V1_3 Struct;
    Mf                             "MF"                               Trc (0x02, 0x3D) V1_2 V1_3 Empty;
    Mg                             "MG"                               Trc (0x02, 0x3E) V1_2 V1_3 Empty;
    Mm                             "MM"                               Trc (0x02, 0x3F) V1_2 V1_3 Empty;
    // Transactions, page 3: Client capability.
    AcceptedCharset                "AcceptedCharset"                  Trc (0x03, 0x05) V1_1 V1_2 Integer;
    AcceptedContentLength          "AcceptedContentLength"            Trc (0x03, 0x06) V1_1 V1_3 Integer, tokens V1_1 V1_2;
    AcceptedContentType            "AcceptedContentType"              Trc (0x03, 0x07) V1_1 V1_3 StructOrWord;
    AcceptedTransferEncoding       "AcceptedTransferEncoding"         Trc (0x03, 0x08) V1_1 V1_3 Enum;
    AnyContent                     "AnyContent"                       Trc (0x03, 0x09) V1_1 V1_3 Boolean;
    DefaultLanguage                "DefaultLanguage"                  Trc (0x03, 0x0A) V1_1 V1_3 String;
    InitialDeliveryMethod          "InitialDeliveryMethod"            Trc (0x03, 0x0B) V1_1 V1_3 Enum;
    MultiTrans                     "MultiTrans"                       Trc (0x03, 0x0C) V1_1 V1_3 Integer;
    ParserSize                     "ParserSize"                       Trc (0x03, 0x0D) V1_1 V1_3 Integer;
    ServerPollMin                  "ServerPollMin"                    Trc (0x03, 0x0E) V1_1 V1_3 Integer;
    SupportedBearer                "SupportedBearer"                  Trc (0x03, 0x0F) V1_1 V1_3 Enum;
    SupportedCirMethod             "SupportedCIRMethod"               Trc (0x03, 0x10) V1_1 V1_3 Enum;
    TcpAddress                     "TCPAddress"                       Trc (0x03, 0x11) V1_1 V1_3 String;
    TcpPort                        "TCPPort"                          Trc (0x03, 0x12) V1_1 V1_3 Integer;
    UdpPort                        "UDPPort"                          Trc (0x03, 0x13) V1_1 V1_3 Integer;
    CirHttpAddress                 "CIRHTTPAddress"                   Trc (0x03, 0x14) V1_3 V1_3 Struct;
    CirUrl                         "CIRURL"                           Trc (0x03, 0x14) V1_2 V1_2 Struct;
    UdpAddress                     "UDPAddress"                       Trc (0x03, 0x15) V1_3 V1_3 TextOrInteger;
    AcceptedPullLength             "AcceptedPullLength"               Trc (0x03, 0x16) V1_3 V1_3 Integer;
    AcceptedPushLength             "AcceptedPushLength"               Trc (0x03, 0x17) V1_3 V1_3 Integer;
    AcceptedRichContentLength      "AcceptedRichContentLength"        Trc (0x03, 0x18) V1_3 V1_3 Integer;
    AcceptedTextContentLength      "AcceptedTextContentLength"        Trc (0x03, 0x19) V1_3 V1_3 Integer;
    OfflineEtemHandling            "OfflineETEMHandling"              Trc (0x03, 0x1A) V1_3 V1_3 Enum;
    PlainTextCharset               "PlainTextCharset"                 Trc (0x03, 0x1B) V1_3 V1_3 Integer;
    SessionPriority                "SessionPriority"                  Trc (0x03, 0x1C) V1_3 V1_3 Integer;
    SupportedOfflineBearer         "SupportedOfflineBearer"           Trc (0x03, 0x1D) V1_3 V1_3 Enum;
    UserSessionLimit               "UserSessionLimit"                 Trc (0x03, 0x1F) V1_3 V1_3 Integer;
    CirSmsAddress                  "CIRSMSAddress"                    Trc (0x03, 0x20) V1_3 V1_3 String;
    MultiTransPerMessage           "MultiTransPerMessage"             Trc (0x03, 0x21) V1_3 V1_3 Integer;
    OnlineEtemHandling             "OnlineETEMHandling"               Trc (0x03, 0x22) V1_3 V1_3 Enum;
    ContentPolicy                  "ContentPolicy"                    Trc (0x03, 0x23) V1_3 V1_3 Enum;
    ContentPolicyLimit             "ContentPolicyLimit"               Trc (0x03, 0x24) V1_3 V1_3 Integer;
    // Transactions, page 4: Presence primitive.
    CancelAuthRequest              "CancelAuth-Request"               Trc (0x04, 0x05) V1_1 V1_2 Struct;
    ContactListProperties          "ContactListProperties"            Trc (0x04, 0x06) V1_1 V1_3 Struct;
    CreateAttributeListRequest     "CreateAttributeList-Request"      Trc (0x04, 0x07) V1_1 V1_3 Struct;
    CreateListRequest              "CreateList-Request"               Trc (0x04, 0x08) V1_1 V1_3 Struct;
    DefaultAttributeList           "DefaultAttributeList"             Trc (0x04, 0x09) V1_1 V1_3 Struct;
    DefaultContactList             "DefaultContactList"               Trc (0x04, 0x0A) V1_1 V1_3 String;
    DefaultList                    "DefaultList"                      Trc (0x04, 0x0B) V1_1 V1_3 Boolean;
    DeleteAttributeListRequest     "DeleteAttributeList-Request"      Trc (0x04, 0x0C) V1_1 V1_3 Struct;
    DeleteListRequest              "DeleteList-Request"               Trc (0x04, 0x0D) V1_1 V1_3 Struct;
    GetAttributeListRequest        "GetAttributeList-Request"         Trc (0x04, 0x0E) V1_1 V1_3 Struct;
    GetAttributeListResponse       "GetAttributeList-Response"        Trc (0x04, 0x0F) V1_1 V1_3 Struct;
    GetListRequest                 "GetList-Request"                  Trc (0x04, 0x10) V1_1 V1_3 Empty;
    GetListResponse                "GetList-Response"                 Trc (0x04, 0x11) V1_1 V1_3 Struct;
    GetPresenceRequest             "GetPresence-Request"              Trc (0x04, 0x12) V1_1 V1_3 Struct;
    GetPresenceResponse            "GetPresence-Response"             Trc (0x04, 0x13) V1_1 V1_3 Struct;
    GetWatcherListRequest          "GetWatcherList-Request"           Trc (0x04, 0x14) V1_1 V1_3 Struct;
    GetWatcherListResponse         "GetWatcherList-Response"          Trc (0x04, 0x15) V1_1 V1_3 Struct;
    ListManageRequest              "ListManage-Request"               Trc (0x04, 0x16) V1_1 V1_3 Struct;
    ListManageResponse             "ListManage-Response"              Trc (0x04, 0x17) V1_1 V1_3 Struct;
    UnsubscribePresenceRequest     "UnsubscribePresence-Request"      Trc (0x04, 0x18) V1_1 V1_3 Struct;
    PresenceAuthRequest            "PresenceAuth-Request"             Trc (0x04, 0x19) V1_1 V1_2 Struct;
    PresenceAuthUser               "PresenceAuth-User"                Trc (0x04, 0x1A) V1_1 V1_2 Struct;
    PresenceNotificationRequest    "PresenceNotification-Request"     Trc (0x04, 0x1B) V1_1 V1_3 Struct;
    UpdatePresenceRequest          "UpdatePresence-Request"           Trc (0x04, 0x1C) V1_1 V1_3 Struct;
    SubscribePresenceRequest       "SubscribePresence-Request"        Trc (0x04, 0x1D) V1_1 V1_3 Struct;
    AutoSubscribe                  "AutoSubscribe"                    Trc (0x04, 0x1E) V1_2 V1_3 Boolean, tokens V1_2 V1_2;
    GetReactiveAuthStatusRequest   "GetReactiveAuthStatus-Request"    Trc (0x04, 0x1F) V1_2 V1_2 Struct;
    GetReactiveAuthStatusResponse  "GetReactiveAuthStatus-Response"   Trc (0x04, 0x20) V1_2 V1_2 Struct;
    CreateListResponse             "CreateList-Response"              Trc (0x04, 0x21) V1_3 V1_3 Struct;
    // Transactions, page 5: Presence attribute.
    ClientType                     "ClientType"                       Trc (0x05, 0x0F) V1_1 V1_3 Enum;
    // Transactions, page 6: Messaging.
    BlockList                      "BlockList"                        Trc (0x06, 0x05) V1_1 V1_3 Struct;
    BlockEntityRequest             "BlockEntity-Request"              Trc (0x06, 0x06) V1_1 V1_3 Struct;
    DeliveryMethod                 "DeliveryMethod"                   Trc (0x06, 0x07) V1_1 V1_3 Enum;
    DeliveryReport                 "DeliveryReport"                   Trc (0x06, 0x08) V1_1 V1_3 Boolean;
    DeliveryReportRequest          "DeliveryReport-Request"           Trc (0x06, 0x09) V1_1 V1_3 Struct;
    ForwardMessageRequest          "ForwardMessage-Request"           Trc (0x06, 0x0A) V1_1 V1_3 Struct;
    GetBlockedListRequest          "GetBlockedList-Request"           Trc (0x06, 0x0B) V1_1 V1_3 Empty;
    GetBlockedListResponse         "GetBlockedList-Response"          Trc (0x06, 0x0C) V1_1 V1_3 Struct;
    GetMessageListRequest          "GetMessageList-Request"           Trc (0x06, 0x0D) V1_1 V1_3 Struct;
    GetMessageListResponse         "GetMessageList-Response"          Trc (0x06, 0x0E) V1_1 V1_3 Struct;
    GetMessageRequest              "GetMessage-Request"               Trc (0x06, 0x0F) V1_1 V1_3 Struct;
    GetMessageResponse             "GetMessage-Response"              Trc (0x06, 0x10) V1_1 V1_3 Struct;
    GrantList                      "GrantList"                        Trc (0x06, 0x11) V1_1 V1_3 Struct;
    MessageDelivered               "MessageDelivered"                 Trc (0x06, 0x12) V1_1 V1_3 Struct;
    MessageInfo                    "MessageInfo"                      Trc (0x06, 0x13) V1_1 V1_3 Struct;
    MessageNotification            "MessageNotification"              Trc (0x06, 0x14) V1_1 V1_3 Struct;
    NewMessage                     "NewMessage"                       Trc (0x06, 0x15) V1_1 V1_3 Struct;
    RejectMessageRequest           "RejectMessage-Request"            Trc (0x06, 0x16) V1_1 V1_3 Struct;
    SendMessageRequest             "SendMessage-Request"              Trc (0x06, 0x17) V1_1 V1_3 Struct;
    SendMessageResponse            "SendMessage-Response"             Trc (0x06, 0x18) V1_1 V1_3 Struct;
    SetDeliveryMethodRequest       "SetDeliveryMethod-Request"        Trc (0x06, 0x19) V1_1 V1_3 Struct;
    DeliveryTime                   "DeliveryTime"                     Trc (0x06, 0x1A) V1_1 V1_3 Date;
    MessageInfoList                "MessageInfoList"                  Trc (0x06, 0x20) V1_3 V1_3 Struct;
    ForwardMessageResponse         "ForwardMessage-Response"          Trc (0x06, 0x21) V1_3 V1_3 Struct;
    // Transactions, page 7: Group.
    AddGroupMembersRequest         "AddGroupMembers-Request"          Trc (0x07, 0x05) V1_1 V1_3 Struct;
    Admin                          "Admin"                            Trc (0x07, 0x06) V1_1 V1_3 Struct;
    CreateGroupRequest             "CreateGroup-Request"              Trc (0x07, 0x07) V1_1 V1_3 Struct;
    DeleteGroupRequest             "DeleteGroup-Request"              Trc (0x07, 0x08) V1_1 V1_3 Struct;
    GetGroupMembersRequest         "GetGroupMembers-Request"          Trc (0x07, 0x09) V1_1 V1_3 Struct;
    GetGroupMembersResponse        "GetGroupMembers-Response"         Trc (0x07, 0x0A) V1_1 V1_3 Struct;
    GetGroupPropsRequest           "GetGroupProps-Request"            Trc (0x07, 0x0B) V1_1 V1_3 Struct;
    GetGroupPropsResponse          "GetGroupProps-Response"           Trc (0x07, 0x0C) V1_1 V1_3 Struct;
    GroupChangeNotice              "GroupChangeNotice"                Trc (0x07, 0x0D) V1_1 V1_3 Struct;
    GroupProperties                "GroupProperties"                  Trc (0x07, 0x0E) V1_1 V1_3 Struct;
    Joined                         "Joined"                           Trc (0x07, 0x0F) V1_1 V1_3 Struct;
    JoinedRequest                  "JoinedRequest"                    Trc (0x07, 0x10) V1_1 V1_3 Boolean;
    JoinGroupRequest               "JoinGroup-Request"                Trc (0x07, 0x11) V1_1 V1_3 Struct;
    JoinGroupResponse              "JoinGroup-Response"               Trc (0x07, 0x12) V1_1 V1_3 Struct;
    LeaveGroupRequest              "LeaveGroup-Request"               Trc (0x07, 0x13) V1_1 V1_3 Struct;
    LeaveGroupResponse             "LeaveGroup-Response"              Trc (0x07, 0x14) V1_1 V1_3 Struct;
    Left                           "Left"                             Trc (0x07, 0x15) V1_1 V1_3 Struct;
    MemberAccessRequest            "MemberAccess-Request"             Trc (0x07, 0x16) V1_1 V1_3 Struct;
    Mod                            "Mod"                              Trc (0x07, 0x17) V1_1 V1_3 Struct;
    OwnProperties                  "OwnProperties"                    Trc (0x07, 0x18) V1_1 V1_3 Struct;
    RejectListRequest              "RejectList-Request"               Trc (0x07, 0x19) V1_1 V1_3 Struct;
    RejectListResponse             "RejectList-Response"              Trc (0x07, 0x1A) V1_1 V1_3 Struct;
    RemoveGroupMembersRequest      "RemoveGroupMembers-Request"       Trc (0x07, 0x1B) V1_1 V1_3 Struct;
    SetGroupPropsRequest           "SetGroupProps-Request"            Trc (0x07, 0x1C) V1_1 V1_3 Struct;
    SubscribeGroupNoticeRequest    "SubscribeGroupNotice-Request"     Trc (0x07, 0x1D) V1_1 V1_3 Struct;
    SubscribeGroupNoticeResponse   "SubscribeGroupNotice-Response"    Trc (0x07, 0x1E) V1_1 V1_3 Struct;
    Users                          "Users"                            Trc (0x07, 0x1F) V1_1 V1_3 Struct, tokens V1_1 V1_2;
    WelcomeNote                    "WelcomeNote"                      Trc (0x07, 0x20) V1_1 V1_3 Struct;
    JoinGroup                      "JoinGroup"                        Trc (0x07, 0x21) V1_1 V1_3 Boolean;
    SubscribeNotification          "SubscribeNotification"            Trc (0x07, 0x22) V1_1 V1_3 Boolean;
    SubscribeType                  "SubscribeType"                    Trc (0x07, 0x23) V1_1 V1_3 Enum;
    GetJoinedUsersRequest          "GetJoinedUsers-Request"           Trc (0x07, 0x24) V1_2 V1_3 Struct;
    GetJoinedUsersResponse         "GetJoinedUsers-Response"          Trc (0x07, 0x25) V1_2 V1_3 Struct;
    AdminMapList                   "AdminMapList"                     Trc (0x07, 0x26) V1_2 V1_3 Struct;
    AdminMapping                   "AdminMapping"                     Trc (0x07, 0x27) V1_2 V1_3 Struct;
    Mapping                        "Mapping"                          Trc (0x07, 0x28) V1_2 V1_3 Struct;
    ModMapping                     "ModMapping"                       Trc (0x07, 0x29) V1_2 V1_3 Struct;
    UserMapList                    "UserMapList"                      Trc (0x07, 0x2A) V1_2 V1_3 Struct;
    UserMapping                    "UserMapping"                      Trc (0x07, 0x2B) V1_2 V1_3 Struct;
    JoinedBlocked                  "JoinedBlocked"                    Trc (0x07, 0x2C) V1_3 V1_3 Struct;
    LeftBlocked                    "LeftBlocked"                      Trc (0x07, 0x2D) V1_3 V1_3 Struct;
    // Transactions, page 8: Service (continued).
    Mp                             "MP"                               Trc (0x08, 0x05) V1_2 V1_3 Empty;
    Getaut                         "GETAUT"                           Trc (0x08, 0x06) V1_2 V1_2 Empty, tokens V1_2 V1_3;
    Getju                          "GETJU"                            Trc (0x08, 0x07) V1_2 V1_3 Empty;
    Vrid                           "VRID"                             Trc (0x08, 0x08) V1_2 V1_3 Empty;
    VerifyIdFunc                   "VerifyIDFunc"                     Trc (0x08, 0x09) V1_2 V1_3 Struct;
    Getmap                         "GETMAP"                           Trc (0x08, 0x0A) V1_3 V1_3 Empty;
    Sgmnt                          "SGMNT"                            Trc (0x08, 0x0B) V1_3 V1_3 Empty;
    Excon                          "EXCON"                            Trc (0x08, 0x0C) V1_3 V1_3 Empty;
    Offnotif                       "OFFNOTIF"                         Trc (0x08, 0x0D) V1_3 V1_3 Empty;
    Advsr                          "ADVSR"                            Trc (0x08, 0x0E) V1_3 V1_3 Empty;
    // Transactions, page 9: Common (continued).
    Domain                         "Domain"                           Trc (0x09, 0x06) V1_2 V1_3 String;
    HistoryPeriod                  "HistoryPeriod"                    Trc (0x09, 0x08) V1_2 V1_3 Integer;
    IdList                         "IDList"                           Trc (0x09, 0x09) V1_2 V1_3 Struct;
    MaxWatcherList                 "MaxWatcherList"                   Trc (0x09, 0x0A) V1_2 V1_3 Integer;
    AnswerOptionText               "AnswerOptionText"                 Trc (0x09, 0x0B) V1_3 V1_3 String;
    ReactiveAuthState              "ReactiveAuthState"                Trc (0x09, 0x0B) V1_2 V1_2 Enum;
    ReactiveAuthStatus             "ReactiveAuthStatus"               Trc (0x09, 0x0C) V1_2 V1_2 Struct;
    ReactiveAuthStatusList         "ReactiveAuthStatusList"           Trc (0x09, 0x0D) V1_2 V1_2 Struct;
    Watcher                        "Watcher"                          Trc (0x09, 0x0E) V1_2 V1_3 Struct;
    WatcherStatus                  "WatcherStatus"                    Trc (0x09, 0x0F) V1_2 V1_3 Enum;
    Font                           "Font"                             Trc (0x09, 0x10) V1_3 V1_3 Struct;
    Size                           "Size"                             Trc (0x09, 0x11) V1_3 V1_3 Enum;
    Style                          "Style"                            Trc (0x09, 0x12) V1_3 V1_3 Enum;
    Color                          "Color"                            Trc (0x09, 0x13) V1_3 V1_3 Enum;
    ContentName                    "ContentName"                      Trc (0x09, 0x14) V1_3 V1_3 String;
    Map                            "Map"                              Trc (0x09, 0x15) V1_3 V1_3 Struct;
    NotificationType               "NotificationType"                 Trc (0x09, 0x16) V1_3 V1_3 Enum;
    NotificationTypeList           "NotificationTypeList"             Trc (0x09, 0x17) V1_3 V1_3 Struct;
    FriendlyName                   "FriendlyName"                     Trc (0x09, 0x18) V1_3 V1_3 String;
    ClearPublicProfile             "ClearPublicProfile"               Trc (0x09, 0x19) V1_3 V1_3 Boolean;
    PublicProfile                  "PublicProfile"                    Trc (0x09, 0x1A) V1_3 V1_3 Struct;
    AnswerOption                   "AnswerOption"                     Trc (0x09, 0x1B) V1_3 V1_3 Struct;
    AnswerOptionId                 "AnswerOptionID"                   Trc (0x09, 0x1C) V1_3 V1_3 Integer;
    AnswerOptions                  "AnswerOptions"                    Trc (0x09, 0x1D) V1_3 V1_3 Struct;
    ApplicationId                  "ApplicationID"                    Trc (0x09, 0x1E) V1_3 V1_3 String;
    AuthorizeAndGrant              "AuthorizeAndGrant"                Trc (0x09, 0x1F) V1_3 V1_3 Boolean;
    ChosenOptionId                 "ChosenOptionID"                   Trc (0x09, 0x20) V1_3 V1_3 Integer;
    ContactListNotify              "ContactListNotify"                Trc (0x09, 0x21) V1_3 V1_3 Boolean;
    DefaultNotify                  "DefaultNotify"                    Trc (0x09, 0x22) V1_3 V1_3 Boolean;
    ExtendConversationUser         "ExtendConversationUser"           Trc (0x09, 0x23) V1_3 V1_3 Struct;
    InText                         "InText"                           Trc (0x09, 0x24) V1_3 V1_3 String;
    SystemMessage                  "SystemMessage"                    Trc (0x09, 0x29) V1_3 V1_3 Struct;
    SystemMessageId                "SystemMessageID"                  Trc (0x09, 0x2A) V1_3 V1_3 String;
    SystemMessageList              "SystemMessageList"                Trc (0x09, 0x2B) V1_3 V1_3 Struct;
    SystemMessageResponse          "SystemMessageResponse"            Trc (0x09, 0x2C) V1_3 V1_3 Struct;
    SystemMessageResponseList      "SystemMessageResponseList"        Trc (0x09, 0x2D) V1_3 V1_3 Struct;
    SystemMessageText              "SystemMessageText"                Trc (0x09, 0x2F) V1_3 V1_3 String;
    TryAgainTimeout                "TryAgainTimeout"                  Trc (0x09, 0x30) V1_3 V1_3 Integer;
    UserNotify                     "UserNotify"                       Trc (0x09, 0x31) V1_3 V1_3 Boolean;
    VerificationKey                "VerificationKey"                  Trc (0x09, 0x32) V1_3 V1_3 String;
    VerificationMechanism          "VerificationMechanism"            Trc (0x09, 0x33) V1_3 V1_3 Struct;
    GetMapRequest                  "GetMap-Request"                   Trc (0x09, 0x34) V1_3 V1_3 Struct;
    GetMapResponse                 "GetMap-Response"                  Trc (0x09, 0x35) V1_3 V1_3 Struct;
    ExtendConversationId           "ExtendConversationID"             Trc (0x09, 0x36) V1_3 V1_3 String;
    WatcherCount                   "WatcherCount"                     Trc (0x09, 0x37) V1_3 V1_3 Integer;
    RequiresResponse               "RequiresResponse"                 Trc (0x09, 0x38) V1_3 V1_3 Boolean;
    ExtBlockEtem                   "ExtBlockETEM"                     Trc (0x09, 0x39) V1_3 V1_3 Any;
    GroupContentLimit              "GroupContentLimit"                Trc (0x09, 0x3A) V1_3 V1_3 Integer;
    MessageTotalCount              "MessageTotalCount"                Trc (0x09, 0x3B) V1_3 V1_3 Integer;
    UnrecognizedUserId             "UnrecognizedUserID"               Trc (0x09, 0x3C) V1_3 V1_3 String;
    UserIdPair                     "UserIDPair"                       Trc (0x09, 0x3D) V1_3 V1_3 Struct;
    ValidUserId                    "ValidUserID"                      Trc (0x09, 0x3E) V1_3 V1_3 String;
    UserIdList                     "UserIDList"                       Trc (0x09, 0x3F) V1_3 V1_3 Struct;
    // Transactions, page 10: Access (continued).
    VersionList                    "VersionList"                      Trc (0x0A, 0x07) V1_2 V1_3 Struct;
    SubscribeNotificationRequest   "SubscribeNotification-Request"    Trc (0x0A, 0x08) V1_3 V1_3 Struct;
    UnsubscribeNotificationRequest "UnsubscribeNotification-Request"  Trc (0x0A, 0x09) V1_3 V1_3 Struct;
    NotificationRequest            "Notification-Request"             Trc (0x0A, 0x0A) V1_3 V1_3 Struct;
    AdvancedCriteria               "AdvancedCriteria"                 Trc (0x0A, 0x0B) V1_3 V1_3 String;
    PairId                         "PairID"                           Trc (0x0A, 0x0C) V1_3 V1_3 Integer;
    GetPublicProfileRequest        "GetPublicProfile-Request"         Trc (0x0A, 0x0D) V1_3 V1_3 Struct;
    GetPublicProfileResponse       "GetPublicProfile-Response"        Trc (0x0A, 0x0E) V1_3 V1_3 Struct;
    UpdatePublicProfileRequest     "UpdatePublicProfile-Request"      Trc (0x0A, 0x0F) V1_3 V1_3 Struct;
    DropSegmentRequest             "DropSegment-Request"              Trc (0x0A, 0x10) V1_3 V1_3 Struct;
    ExtendConversationResponse     "ExtendConversation-Response"      Trc (0x0A, 0x11) V1_3 V1_3 Struct;
    ExtendConversationRequest      "ExtendConversation-Request"       Trc (0x0A, 0x12) V1_3 V1_3 Struct;
    GetSegmentRequest              "GetSegment-Request"               Trc (0x0A, 0x13) V1_3 V1_3 Struct;
    GetSegmentResponse             "GetSegment-Response"              Trc (0x0A, 0x14) V1_3 V1_3 Struct;
    SystemMessageRequest           "SystemMessage-Request"            Trc (0x0A, 0x15) V1_3 V1_3 Struct;
    SystemMessageUser              "SystemMessage-User"               Trc (0x0A, 0x16) V1_3 V1_3 Struct;
    SearchPair                     "SearchPair"                       Trc (0x0A, 0x17) V1_3 V1_3 Struct;
    SegmentContent                 "SegmentContent"                   Trc (0x0A, 0x18) V1_3 V1_3 Content;
    // Transactions, page 11: Common (continued, second).
    GrantListInUse                 "GrantListInUse"                   Trc (0x0B, 0x05) V1_3 V1_3 Boolean;
    BlockListInUse                 "BlockListInUse"                   Trc (0x0B, 0x06) V1_3 V1_3 Boolean;
    ContactListIdList              "ContactListIDList"                Trc (0x0B, 0x07) V1_3 V1_3 Struct;
    // Presence attributes, page 0: Common.
    PresenceSubList                "PresenceSubList"                  Pa  (0x00, 0x23) V1_1 V1_3 Struct;
    PresenceValue                  "PresenceValue"                    Pa  (0x00, 0x24) V1_1 V1_3 Word;
    Qualifier                      "Qualifier"                        Pa  (0x00, 0x26) V1_1 V1_3 Boolean;
    CommCStatus                    "Status"                           Pa  (0x00, 0x31) V1_1 V1_3 Enum;
    // Presence attributes, page 5: Presence attribute.
    Accuracy                       "Accuracy"                         Pa  (0x05, 0x05) V1_1 V1_3 TextOrInteger;
    Address                        "Address"                          Pa  (0x05, 0x06) V1_1 V1_3 Struct;
    AddrPref                       "AddrPref"                         Pa  (0x05, 0x07) V1_1 V1_3 Struct;
    Alias                          "Alias"                            Pa  (0x05, 0x08) V1_1 V1_3 Struct;
    Altitude                       "Altitude"                         Pa  (0x05, 0x09) V1_1 V1_3 TextOrInteger;
    Building                       "Building"                         Pa  (0x05, 0x0A) V1_1 V1_3 String;
    Caddr                          "Caddr"                            Pa  (0x05, 0x0B) V1_1 V1_3 String;
    City                           "City"                             Pa  (0x05, 0x0C) V1_1 V1_3 String;
    ClientInfo                     "ClientInfo"                       Pa  (0x05, 0x0D) V1_1 V1_3 Struct;
    ClientProducer                 "ClientProducer"                   Pa  (0x05, 0x0E) V1_1 V1_3 String;
    ClientVersion                  "ClientVersion"                    Pa  (0x05, 0x10) V1_1 V1_3 String;
    CommC                          "CommC"                            Pa  (0x05, 0x11) V1_1 V1_3 Struct;
    CommCap                        "CommCap"                          Pa  (0x05, 0x12) V1_1 V1_3 Struct;
    ContactInfo                    "ContactInfo"                      Pa  (0x05, 0x13) V1_1 V1_3 Struct;
    ContainedVCard                 "ContainedvCard"                   Pa  (0x05, 0x14) V1_1 V1_3 String;
    Country                        "Country"                          Pa  (0x05, 0x15) V1_1 V1_3 String;
    Crossing1                      "Crossing1"                        Pa  (0x05, 0x16) V1_1 V1_3 String;
    Crossing2                      "Crossing2"                        Pa  (0x05, 0x17) V1_1 V1_3 String;
    DevManufacturer                "DevManufacturer"                  Pa  (0x05, 0x18) V1_1 V1_3 String;
    DirectContent                  "DirectContent"                    Pa  (0x05, 0x19) V1_1 V1_3 Binary;
    FreeTextLocation               "FreeTextLocation"                 Pa  (0x05, 0x1A) V1_1 V1_3 Struct;
    GeoLocation                    "GeoLocation"                      Pa  (0x05, 0x1B) V1_1 V1_3 Struct;
    Language                       "Language"                         Pa  (0x05, 0x1C) V1_1 V1_3 String;
    Latitude                       "Latitude"                         Pa  (0x05, 0x1D) V1_1 V1_3 String;
    Longitude                      "Longitude"                        Pa  (0x05, 0x1E) V1_1 V1_3 String;
    Model                          "Model"                            Pa  (0x05, 0x1F) V1_1 V1_3 String;
    NamedArea                      "NamedArea"                        Pa  (0x05, 0x20) V1_1 V1_3 String;
    OnlineStatus                   "OnlineStatus"                     Pa  (0x05, 0x21) V1_1 V1_3 Struct;
    Plmn                           "PLMN"                             Pa  (0x05, 0x22) V1_1 V1_3 Struct;
    PrefC                          "PrefC"                            Pa  (0x05, 0x23) V1_1 V1_3 Enum;
    PreferredContacts              "PreferredContacts"                Pa  (0x05, 0x24) V1_1 V1_3 Struct;
    PreferredLanguage              "PreferredLanguage"                Pa  (0x05, 0x25) V1_1 V1_3 Struct;
    ReferredContent                "ReferredContent"                  Pa  (0x05, 0x26) V1_1 V1_3 String;
    ReferredVCard                  "ReferredvCard"                    Pa  (0x05, 0x27) V1_1 V1_3 String;
    Registration                   "Registration"                     Pa  (0x05, 0x28) V1_1 V1_3 Struct;
    StatusContent                  "StatusContent"                    Pa  (0x05, 0x29) V1_1 V1_3 Struct;
    StatusMood                     "StatusMood"                       Pa  (0x05, 0x2A) V1_1 V1_3 Struct;
    StatusText                     "StatusText"                       Pa  (0x05, 0x2B) V1_1 V1_3 Struct;
    Street                         "Street"                           Pa  (0x05, 0x2C) V1_1 V1_3 String;
    TimeZone                       "TimeZone"                         Pa  (0x05, 0x2D) V1_1 V1_3 Struct;
    UserAvailability               "UserAvailability"                 Pa  (0x05, 0x2E) V1_1 V1_3 Struct;
    Cap                            "Cap"                              Pa  (0x05, 0x2F) V1_1 V1_3 Enum;
    Cname                          "Cname"                            Pa  (0x05, 0x30) V1_1 V1_3 String;
    Contact                        "Contact"                          Pa  (0x05, 0x31) V1_1 V1_3 String;
    Cpriority                      "Cpriority"                        Pa  (0x05, 0x32) V1_1 V1_3 IntegerAsText;
    Cstatus                        "Cstatus"                          Pa  (0x05, 0x33) V1_1 V1_3 Enum;
    Note                           "Note"                             Pa  (0x05, 0x34) V1_1 V1_3 String;
    Zone                           "Zone"                             Pa  (0x05, 0x35) V1_1 V1_3 String;
    InfLink                        "Inf_link"                         Pa  (0x05, 0x37) V1_2 V1_3 Struct;
    InfoLink                       "InfoLink"                         Pa  (0x05, 0x38) V1_2 V1_3 Struct;
    Link                           "Link"                             Pa  (0x05, 0x39) V1_2 V1_3 String;
    Text                           "Text"                             Pa  (0x05, 0x3A) V1_2 V1_3 String;
    ClientContentLimit             "ClientContentLimit"               Pa  (0x05, 0x3B) V1_3 V1_3 Struct;
    ClientImPriority               "ClientIMPriority"                 Pa  (0x05, 0x3C) V1_3 V1_3 IntegerAsText;
    MaxPullLength                  "MaxPullLength"                    Pa  (0x05, 0x3D) V1_3 V1_3 IntegerAsText;
    MaxPushLength                  "MaxPushLength"                    Pa  (0x05, 0x3E) V1_3 V1_3 IntegerAsText;
}

/// Names that were seen where the table has another. Most come from one client or one tool each. CSP 18, row 15.
const ALIASES: [(&str, Element); 12] = [
    ("WV-CSP-NSDiscovery-Request", Element::WvCspVersionDiscoveryRequest),
    ("WV-CSP-NSDiscovery-Response", Element::WvCspVersionDiscoveryResponse),
    ("Auto-Subscribe", Element::AutoSubscribe),
    ("Extended-Data", Element::ExtendedData),
    ("BlockUser-Request", Element::BlockEntityRequest),
    ("PreferredContent", Element::ReferredContent),
    ("PreferredvCard", Element::ReferredVCard),
    ("AcceptedCharSet", Element::AcceptedCharset),
    ("PlainTextCharSet", Element::PlainTextCharset),
    ("CName", Element::Cname),
    ("PresenceAuth-Response", Element::PresenceAuthUser),
    ("AnswerOptionsText", Element::AnswerOptionText),
];

/// Tokens that no version of the table gives out, but some peer sends.
const ALSO_DECODED: [(u8, u8, Element); 2] = [
    // A draft of 1.2 had ContentType a second time, on the page of presence attributes.
    (0x05, 0x36, Element::ContentType),
    // The 1.3 tables list AnswerOptionText twice, once in the plural.
    (0x0B, 0x08, Element::AnswerOptionText),
];

const PAGES: usize = 12;
const TOKENS: usize = 64;

type Tags = [[Option<Element>; TOKENS]; PAGES];

/// For each version, page and token the element: by the version itself, else by the other versions, newest first.
static TAGS: [Tags; 3] = [tags(Version::V1_1), tags(Version::V1_2), tags(Version::V1_3)];

const fn tags(version: Version) -> Tags {
    let mut tags = [[None; TOKENS]; PAGES];
    fill(&mut tags, version);
    fill(&mut tags, Version::V1_3);
    fill(&mut tags, Version::V1_2);
    fill(&mut tags, Version::V1_1);
    let mut i = 0;
    while i < ALSO_DECODED.len() {
        let (page, token, element) = ALSO_DECODED[i];
        if tags[page as usize][token as usize].is_none() {
            tags[page as usize][token as usize] = Some(element);
        }
        i += 1;
    }
    tags
}

/// Enters the elements that have a token in `version`, where nothing stands yet.
const fn fill(tags: &mut Tags, version: Version) {
    let mut i = 0;
    while i < COUNT {
        let row = &ROWS_CONST[i];
        let (page, token) = (row.page as usize, row.token as usize);
        let in_version = row.token_since as u8 <= version as u8 && version as u8 <= row.token_until as u8;
        if in_version && tags[page][token].is_none() {
            tags[page][token] = Some(Element::ALL[i]);
        }
        i += 1;
    }
}

const NAME_COUNT: usize = COUNT + ALIASES.len();
static NAMES: [(&str, Element); NAME_COUNT] = NAMES_CONST;
static NAME_SLOTS: [u16; names::SLOTS] = names::slots(&KEYS);

const NAMES_CONST: [(&str, Element); NAME_COUNT] = {
    let mut list = [("", Element::Status); NAME_COUNT];
    let mut i = 0;
    while i < COUNT {
        // The second Status is reached through the first.
        let hidden = matches!(Element::ALL[i], Element::CommCStatus);
        list[i] = (if hidden { "" } else { ROWS_CONST[i].name }, Element::ALL[i]);
        i += 1;
    }
    while i < NAME_COUNT {
        list[i] = ALIASES[i - COUNT];
        i += 1;
    }
    list
};

const KEYS: [&str; NAME_COUNT] = {
    let mut keys = [""; NAME_COUNT];
    let mut i = 0;
    while i < NAME_COUNT {
        keys[i] = NAMES_CONST[i].0;
        i += 1;
    }
    keys
};

impl Element {
    #[inline]
    fn row(self) -> &'static Row {
        // Every discriminant is an index of the table, by construction.
        &ROWS[self as usize]
    }

    /// As it stands in XML, without a prefix.
    #[inline]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The namespace it lives in.
    #[inline]
    pub fn space(self) -> Space {
        self.row().space
    }

    /// The first version that has it.
    pub fn since(self) -> Version {
        self.row().since
    }

    /// The last version that has it.
    pub fn until(self) -> Version {
        self.row().until
    }

    /// Whether `version` has it.
    pub fn is_in(self, version: Version) -> bool {
        self.since() <= version && version <= self.until()
    }

    /// What it contains.
    #[inline]
    pub fn kind(self) -> Kind {
        match self.row().content {
            Inside::Struct | Inside::StructOrWord => Kind::Struct,
            Inside::Empty => Kind::Empty,
            Inside::String | Inside::Word | Inside::TextOrInteger => Kind::String,
            Inside::Integer | Inside::IntegerAsText => Kind::Integer,
            Inside::Boolean => Kind::Boolean,
            Inside::Date => Kind::Date,
            Inside::Enum => Kind::Enum,
            Inside::Binary => Kind::Binary,
            Inside::Content => Kind::Content,
            Inside::Any => Kind::Any,
        }
    }

    /// Whether opaque bytes in it are a number.
    #[inline]
    pub fn reads_opaque_integer(self) -> bool {
        matches!(self.row().content, Inside::Integer | Inside::IntegerAsText | Inside::TextOrInteger)
    }

    /// Whether we write its number as opaque bytes.
    #[inline]
    pub fn writes_opaque_integer(self) -> bool {
        matches!(self.row().content, Inside::Integer)
    }

    /// Whether we look for a value token for its text. Free text stays inline, although a token would not be wrong.
    #[inline]
    pub fn writes_value_tokens(self) -> bool {
        matches!(self.row().content, Inside::Enum | Inside::Boolean | Inside::Word | Inside::StructOrWord)
    }

    /// The element with this tag, in a message of `version`. Encoding 1.6 has the order of search.
    #[inline]
    pub fn by_token(version: Version, page: u8, token: u8) -> Option<Self> {
        *TAGS.get(version.index())?.get(usize::from(page))?.get(usize::from(token))?
    }

    /// Page and token in `version`. None: it is written as a LITERAL there.
    #[inline]
    pub fn token(self, version: Version) -> Option<(u8, u8)> {
        let row = self.row();
        (row.token_since <= version && version <= row.token_until).then_some((row.page, row.token))
    }

    /// The element of this name inside an element of namespace `within`: a name that two namespaces have means the
    /// presence attribute inside presence attributes. Aliases are understood.
    #[inline]
    pub fn by_name(name: &str, within: Space) -> Option<Self> {
        let &(_, element) = names::find(name, &NAME_SLOTS, |index| NAMES.get(index), |entry| entry.0)?;
        Some(element.within(within))
    }

    /// The meaning of an ambiguous element inside namespace `within`.
    #[inline]
    pub(crate) fn within(self, within: Space) -> Self {
        if self == Self::Status && within == Space::Pa { Self::CommCStatus } else { self }
    }

    /// The element that has this one's place in `version`: it was renamed between 1.2 and 1.3.
    #[inline]
    #[must_use]
    pub fn in_version(self, version: Version) -> Self {
        match self {
            Self::CirUrl if version == Version::V1_3 => Self::CirHttpAddress,
            Self::CirHttpAddress if version == Version::V1_2 => Self::CirUrl,
            _ => self,
        }
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for element in Element::ALL {
            assert_eq!(Element::by_name(element.name(), element.space()), Some(element));
        }
        assert_eq!(Element::by_name("Status", Space::Trc), Some(Element::Status));
        assert_eq!(Element::by_name("CName", Space::Pa), Some(Element::Cname));
        for unknown in ["", "status", "Statu", "ColibriaExtensions", "SendMessage-Requesu", "A"] {
            assert_eq!(Element::by_name(unknown, Space::Trc), None);
        }
    }

    #[test]
    fn a_token_that_changed_its_meaning() {
        assert_eq!(Element::by_token(Version::V1_2, 9, 0x0B), Some(Element::ReactiveAuthState));
        assert_eq!(Element::by_token(Version::V1_3, 9, 0x0B), Some(Element::AnswerOptionText));
        assert_eq!(Element::by_token(Version::V1_1, 3, 0x14), Some(Element::CirHttpAddress));
        assert_eq!(Element::by_token(Version::V1_2, 3, 0x14), Some(Element::CirUrl));
        assert_eq!(Element::by_token(Version::V1_3, 12, 5), None);
        assert_eq!(Element::by_token(Version::V1_3, 0, 64), None);
    }

    #[test]
    fn names_are_found_at_once() {
        let longest = names::longest_search(&KEYS, &NAME_SLOTS);
        assert!(longest <= 4, "{longest}");
    }
}
