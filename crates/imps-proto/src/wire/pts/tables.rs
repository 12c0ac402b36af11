//! The letters: transactions, parameters, and the words inside parameters. Encoding 2.3; `spec/pts.toml`.
//!
//! Codes are compared without regard to case, and written in upper case.

use super::PtsCodes;
use crate::element::{Element, Space};
use imps_types::Version;
use std::sync::LazyLock;

/// Two letters, in upper case.
pub(super) type Code = [u8; 2];

/// Two bytes as a code.
pub(super) fn code(text: &str) -> Option<Code> {
    match *text.as_bytes() {
        [a, b] => Some([a.to_ascii_uppercase(), b.to_ascii_uppercase()]),
        _ => None,
    }
}

/// Who writes something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By {
    Client,
    Server,
    Both,
}

impl By {
    /// Whether what `self` writes may hold what `other` writes.
    pub(super) fn meets(self, other: Self) -> bool {
        self == other || self == Self::Both || other == Self::Both
    }
}

/// A transaction code.
pub(super) struct Transaction {
    pub(super) code: Code,
    pub(super) primitive: Element,
    pub(super) by: By,
    attested: bool,
}

/// How the value of a parameter is written. Encoding 2.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// As it is: text, or (name,value) pairs, or several of these in a group.
    Plain,
    /// The SessionID of the session descriptor, save in Login-Response.
    Session,
    /// `code` or `(code,description)`.
    Outcome,
    /// A URL, or else an MSISDN.
    Client,
    /// Addresses of users.
    Users,
    /// Addresses of contact lists.
    Lists,
    /// Pairs of nickname and address.
    Nicks,
    /// Pairs of name and value.
    Properties,
    /// Pairs of capability and value.
    Capabilities,
    /// Features of the service tree.
    Features,
    /// Attributes without values.
    Names,
    /// Attributes with values.
    Values,
    /// A user, and attributes with values.
    Presence,
    /// Users as Sender or Recipient.
    Party,
}

/// A parameter code.
pub(super) struct Parameter {
    pub(super) code: Code,
    pub(super) element: Element,
    pub(super) by: By,
    pub(super) shape: Shape,
    attested: bool,
}

macro_rules! is_attested {
    (attested) => {
        true
    };
    (project) => {
        false
    };
}

macro_rules! transactions {
    ($($code:literal $primitive:ident $by:ident $attested:ident;)*) => {
        pub(super) static TRANSACTIONS: &[Transaction] = &[$(Transaction {
            code: *$code, primitive: Element::$primitive, by: By::$by, attested: is_attested!($attested),
        },)*];
    };
}

transactions! {
    b"LR" LoginRequest                   Client attested;
    b"RL" LoginResponse                  Server attested;
    b"CP" ClientCapabilityRequest        Client attested;
    b"PC" ClientCapabilityResponse       Server attested;
    b"SQ" ServiceRequest                 Client attested;
    b"QS" ServiceResponse                Server attested;
    b"OR" LogoutRequest                  Client attested;
    b"DI" Disconnect                     Server attested;
    b"ST" Status                         Both   attested;
    b"PO" PollingRequest                 Client attested;
    b"KA" KeepAliveRequest               Client attested;
    b"AK" KeepAliveResponse              Server attested;
    b"GL" GetListRequest                 Client attested;
    b"LG" GetListResponse                Server attested;
    b"CL" CreateListRequest              Client attested;
    b"DL" DeleteListRequest              Client attested;
    b"LM" ListManageRequest              Client attested;
    b"ML" ListManageResponse             Server attested;
    b"GP" GetPresenceRequest             Client attested;
    b"PG" GetPresenceResponse            Server attested;
    b"SB" SubscribePresenceRequest       Client attested;
    b"PN" PresenceNotificationRequest    Server attested;
    b"UP" UpdatePresenceRequest          Client attested;
    b"GB" GetBlockedListRequest          Client attested;
    b"CA" CreateAttributeListRequest     Client attested;
    b"BG" GetBlockedListResponse         Server project;
    b"BE" BlockEntityRequest             Client project;
    b"LC" CreateListResponse             Server project;
    b"SM" SendMessageRequest             Client project;
    b"MS" SendMessageResponse            Server project;
    b"NM" NewMessage                     Server project;
    b"MD" MessageDelivered               Client project;
    b"MN" MessageNotification            Server project;
    b"GM" GetMessageRequest              Client project;
    b"MG" GetMessageResponse             Server project;
    b"LQ" GetMessageListRequest          Client project;
    b"QL" GetMessageListResponse         Server project;
    b"RM" RejectMessageRequest           Client project;
    b"SD" SetDeliveryMethodRequest       Client project;
    b"FM" ForwardMessageRequest          Client project;
    b"MF" ForwardMessageResponse         Server project;
    b"DR" DeliveryReportRequest          Server project;
    b"US" UnsubscribePresenceRequest     Client project;
    b"DA" DeleteAttributeListRequest     Client project;
    b"GA" GetAttributeListRequest        Client project;
    b"AG" GetAttributeListResponse       Server project;
    b"GW" GetWatcherListRequest          Client project;
    b"WG" GetWatcherListResponse         Server project;
    b"PA" PresenceAuthRequest            Server project;
    b"AU" PresenceAuthUser               Client project;
    b"CX" CancelAuthRequest              Client project;
    b"RA" GetReactiveAuthStatusRequest   Client project;
    b"AR" GetReactiveAuthStatusResponse  Server project;
    b"CG" CreateGroupRequest             Client project;
    b"DG" DeleteGroupRequest             Client project;
    b"JG" JoinGroupRequest               Client project;
    b"GJ" JoinGroupResponse              Server project;
    b"LV" LeaveGroupRequest              Client project;
    b"VL" LeaveGroupResponse             Server project;
    b"GR" GetGroupMembersRequest         Client project;
    b"RG" GetGroupMembersResponse        Server project;
    b"JU" GetJoinedUsersRequest          Client project;
    b"UJ" GetJoinedUsersResponse         Server project;
    b"AM" AddGroupMembersRequest         Client project;
    b"XM" RemoveGroupMembersRequest      Client project;
    b"MA" MemberAccessRequest            Client project;
    b"GO" GetGroupPropsRequest           Client project;
    b"OG" GetGroupPropsResponse          Server project;
    b"SG" SetGroupPropsRequest           Client project;
    b"RJ" RejectListRequest              Client project;
    b"JR" RejectListResponse             Server project;
    b"SN" SubscribeGroupNoticeRequest    Client project;
    b"NS" SubscribeGroupNoticeResponse   Server project;
    b"GC" GroupChangeNotice              Server project;
    b"IV" InviteRequest                  Client project;
    b"VI" InviteResponse                 Server project;
    b"IU" InviteUserRequest              Server project;
    b"UI" InviteUserResponse             Client project;
    b"CI" CancelInviteRequest            Client project;
    b"IC" CancelInviteUserRequest        Server project;
    b"SR" SearchRequest                  Client project;
    b"RS" SearchResponse                 Server project;
    b"SS" StopSearchRequest              Client project;
    b"SP" GetSpInfoRequest               Client project;
    b"PS" GetSpInfoResponse              Server project;
    b"ID" VerifyIdRequest                Client project;
    b"VD" WvCspVersionDiscoveryRequest   Client project;
    b"DV" WvCspVersionDiscoveryResponse  Server project;
    b"EX" ExtendedRequest                Client project;
    b"XE" ExtendedResponse               Server project;
    b"NQ" SubscribeNotificationRequest   Client project;
    b"NU" UnsubscribeNotificationRequest Client project;
    b"NT" NotificationRequest            Server project;
    b"SY" SystemMessageRequest           Server project;
    b"YS" SystemMessageUser              Client project;
    b"GF" GetPublicProfileRequest        Client project;
    b"FG" GetPublicProfileResponse       Server project;
    b"UF" UpdatePublicProfileRequest     Client project;
    b"EC" ExtendConversationRequest      Client project;
    b"CE" ExtendConversationResponse     Server project;
    b"SE" GetSegmentRequest              Both   project;
    b"ES" GetSegmentResponse             Both   project;
    b"DS" DropSegmentRequest             Both   project;
    b"MP" GetMapRequest                  Client project;
    b"PM" GetMapResponse                 Server project;
}

macro_rules! parameters {
    ($($code:literal $element:ident $by:ident $shape:ident $attested:ident;)*) => {
        pub(super) static PARAMETERS: &[Parameter] = &[$(Parameter {
            code: *$code, element: Element::$element, by: By::$by, shape: Shape::$shape,
            attested: is_attested!($attested),
        },)*];
    };
}

parameters! {
    b"SI" SessionId             Both   Session      attested;
    b"ST" Result                Both   Outcome      attested;
    b"CI" ClientId              Both   Client       attested;
    b"UI" UserId                Client Users        attested;
    b"PW" Password              Client Plain        attested;
    b"DB" DigestBytes           Client Plain        attested;
    b"SH" DigestSchema          Client Plain        attested;
    b"DI" DigestSchema          Server Plain        attested;
    b"NO" Nonce                 Server Plain        attested;
    b"SC" SessionCookie         Client Plain        attested;
    b"TL" TimeToLive            Client Plain        attested;
    b"KA" KeepAliveTime         Server Plain        attested;
    b"CR" CapabilityRequest     Server Plain        attested;
    b"CA" CapabilityList        Client Capabilities attested;
    b"AP" AgreedCapabilityList  Server Capabilities attested;
    b"RF" Functions             Client Features     attested;
    b"AF" AllFunctions          Server Features     attested;
    b"NF" Functions             Server Features     attested;
    b"AR" AllFunctionsRequest   Client Plain        attested;
    b"CL" ContactList           Both   Lists        attested;
    b"DC" DefaultContactList    Server Plain        attested;
    b"DL" DefaultList           Client Plain        attested;
    // Another name for DC, which is what we write.
    b"DL" DefaultContactList    Server Plain        attested;
    b"UN" NickList              Both   Nicks        attested;
    b"AN" AddNickList           Client Nicks        attested;
    b"RN" RemoveNickList        Client Nicks        attested;
    b"CP" ContactListProperties Both   Properties   attested;
    b"RL" ReceiveList           Client Plain        attested;
    b"PS" PresenceSubList       Client Names        attested;
    b"UV" PresenceSubList       Client Values       attested;
    b"AS" AutoSubscribe         Client Plain        attested;
    b"PR" Presence              Server Presence     attested;
    b"DR" DeliveryReport        Client Plain        project;
    b"MF" Sender                Both   Party        project;
    b"MT" Recipient             Both   Party        project;
    b"MI" MessageId             Both   Plain        project;
    b"CT" ContentType           Both   Plain        project;
    b"CE" ContentEncoding       Both   Plain        project;
    b"CZ" ContentSize           Both   Plain        project;
    b"MC" ContentData           Both   Plain        project;
    b"DT" DateTime              Both   Plain        project;
    b"VA" Validity              Both   Plain        project;
    b"GI" GroupId               Both   Plain        project;
    b"MU" MessageUri            Both   Plain        project;
    b"BL" BlockList             Both   Plain        project;
    b"GT" GrantList             Both   Plain        project;
    b"IN" InviteId              Both   Plain        project;
    b"IT" InviteType            Both   Plain        project;
    b"IE" InviteNote            Both   Plain        project;
    b"AC" Acceptance            Both   Plain        project;
    b"RE" ResponseNote          Both   Plain        project;
}

/// A transaction by its code.
pub(super) fn transaction(code: Code, codes: PtsCodes) -> Option<&'static Transaction> {
    TRANSACTIONS.iter().find(|row| row.code == code && row.is_among(codes))
}

/// A transaction by its primitive.
pub(super) fn transaction_of(primitive: Element, codes: PtsCodes) -> Option<&'static Transaction> {
    TRANSACTIONS.iter().find(|row| row.primitive == primitive && row.is_among(codes))
}

impl Transaction {
    fn is_among(&self, codes: PtsCodes) -> bool {
        self.attested || codes == PtsCodes::Project
    }

    /// Whether its primitive usually answers another: the mode is not written (Encoding 2.2). Some primitives whose names
    /// say otherwise begin a transaction, and MessageDelivered answers NewMessage nearly always.
    pub(super) fn is_response(&self) -> bool {
        match self.primitive {
            Element::InviteResponse | Element::InviteUserResponse => false,
            Element::Status | Element::MessageDelivered | Element::Disconnect => true,
            primitive => primitive.name().ends_with("-Response"),
        }
    }
}

/// What a parameter is in a primitive of this side: the row for that side, else the row for the other.
pub(super) fn parameter(code: Code, by: By, codes: PtsCodes) -> Option<&'static Parameter> {
    let rows = || PARAMETERS.iter().filter(|row| row.code == code && row.is_among(codes));
    rows().find(|row| row.by.meets(by)).or_else(|| rows().next())
}

impl Parameter {
    fn is_among(&self, codes: PtsCodes) -> bool {
        self.attested || codes == PtsCodes::Project
    }

    /// Whether it may be written into a primitive of this side: the known client refuses a message with any parameter that
    /// it does not expect. With codes of our own it is enough that it is read as the same again.
    pub(super) fn is_written(&self, by: By, codes: PtsCodes) -> bool {
        let is_expected = codes == PtsCodes::Project || self.by.meets(by);
        is_expected && parameter(self.code, by, codes).is_some_and(|row| std::ptr::eq(row, self))
    }
}

/// What a parameter of this name says of the envelope, with codes of our own.
pub(super) fn of_envelope(name: &str) -> Option<Element> {
    [Element::Poll, Element::Cir, Element::TransactionMode, Element::SegmentInfo]
        .into_iter()
        .find(|element| name.eq_ignore_ascii_case(element.name()))
}

/// Primitives with one MessageInfo, whose children are parameters.
pub(super) const WITH_MESSAGE_INFO: [Element; 5] = [
    Element::SendMessageRequest,
    Element::NewMessage,
    Element::MessageNotification,
    Element::GetMessageResponse,
    Element::DeliveryReportRequest,
];

/// The children of MessageInfo, in order.
pub(super) const MESSAGE_INFO: [Element; 12] = [
    Element::MessageId,
    Element::MessageUri,
    Element::ContentType,
    Element::ContentEncoding,
    Element::ContentSize,
    Element::ContentName,
    Element::Recipient,
    Element::Sender,
    Element::DateTime,
    Element::Font,
    Element::Validity,
    Element::ExtBlockEtem,
];

/// How a primitive names users or contact lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Naming {
    /// UserID or ContactList for each.
    Bare,
    /// `User(UserID)` for each.
    Wrapped,
    /// UserIDList or ContactListIDList around all of them.
    Listed,
}

/// Primitives that name users otherwise than by UserID each: before 1.3, and in 1.3.
const USERS: &[(Element, Naming, Naming)] = &[
    (Element::GetAttributeListRequest, Naming::Wrapped, Naming::Listed),
    (Element::GetPresenceRequest, Naming::Wrapped, Naming::Listed),
    (Element::SubscribePresenceRequest, Naming::Wrapped, Naming::Listed),
    (Element::UnsubscribePresenceRequest, Naming::Wrapped, Naming::Listed),
    (Element::GetWatcherListResponse, Naming::Wrapped, Naming::Bare),
    (Element::CreateAttributeListRequest, Naming::Bare, Naming::Listed),
    (Element::DeleteAttributeListRequest, Naming::Bare, Naming::Listed),
    (Element::AddGroupMembersRequest, Naming::Bare, Naming::Listed),
    (Element::RemoveGroupMembersRequest, Naming::Bare, Naming::Listed),
    (Element::ExtendConversationRequest, Naming::Bare, Naming::Listed),
    (Element::NotificationRequest, Naming::Bare, Naming::Listed),
];

/// Primitives that name contact lists by a ContactListIDList in 1.3.
const LISTED_LISTS: &[Element] = &[
    Element::GetListResponse,
    Element::CreateAttributeListRequest,
    Element::DeleteAttributeListRequest,
    Element::GetAttributeListRequest,
    Element::GetPresenceRequest,
    Element::SubscribePresenceRequest,
    Element::UnsubscribePresenceRequest,
    Element::NotificationRequest,
];

/// How a primitive names users.
pub(super) fn naming_of_users(primitive: Element, version: Version) -> Naming {
    let row = USERS.iter().find(|(other, ..)| *other == primitive);
    row.map_or(Naming::Bare, |&(_, before, newest)| if version < Version::V1_3 { before } else { newest })
}

/// How a primitive names contact lists.
pub(super) fn naming_of_lists(primitive: Element, version: Version) -> Naming {
    if version >= Version::V1_3 && LISTED_LISTS.contains(&primitive) { Naming::Listed } else { Naming::Bare }
}

/// Codes of one kind, and what they stand for.
pub(super) struct Words(&'static [(&'static str, &'static str)]);

impl Words {
    /// What a code stands for.
    pub(super) fn word(&self, code: &str) -> Option<&'static str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|&(_, word)| word)
    }

    /// The code for a word.
    pub(super) fn code(&self, word: &str) -> Option<&'static str> {
        self.0.iter().find(|(_, known)| *known == word).map(|&(code, _)| code)
    }
}

/// Codes of one kind, and the elements they stand for.
pub(super) struct Elements(&'static [(&'static str, Element)]);

impl Elements {
    /// What a code stands for.
    pub(super) fn element(&self, code: &str) -> Option<Element> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|&(_, element)| element)
    }

    /// The code for an element.
    pub(super) fn code(&self, element: Element) -> Option<&'static str> {
        self.0.iter().find(|(_, known)| *known == element).map(|&(code, _)| code)
    }
}

/// First items of pairs in CA and AP. CIRURL has the code of CIRHTTPAddress, which it is called in 1.2.
pub(super) static CAPABILITIES: Elements = Elements(&[
    ("CT", Element::ClientType),
    ("CI", Element::CirHttpAddress),
    ("DL", Element::DefaultLanguage),
    ("ID", Element::InitialDeliveryMethod),
    ("MT", Element::MultiTrans),
    ("PS", Element::ParserSize),
    ("PM", Element::ServerPollMin),
    ("SB", Element::SupportedBearer),
    ("SC", Element::SupportedCirMethod),
    ("TA", Element::TcpAddress),
    ("TP", Element::TcpPort),
    ("UP", Element::UdpPort),
]);

/// Values of SupportedCIRMethod.
pub(super) static CIR_METHODS: Words =
    Words(&[("SS", "SSMS"), ("ST", "STCP"), ("SU", "SUDP"), ("WS", "WAPSMS"), ("WU", "WAPUDP")]);

/// Values of ClientType.
pub(super) static CLIENT_TYPES: Words =
    Words(&[("MP", "MOBILE_PHONE"), ("CO", "COMPUTER"), ("PD", "PDA"), ("CL", "CLI"), ("OT", "OTHER")]);

/// Features in RF, AF and NF.
pub(super) static FEATURES: Elements = Elements(&[
    ("WV", Element::WvCspFeat),
    ("FF", Element::FundamentalFeat),
    ("PF", Element::PresenceFeat),
    ("IF", Element::ImFeat),
    ("GE", Element::GroupFeat),
]);

/// First items of pairs in CP.
pub(super) static LIST_PROPERTIES: Words = Words(&[("DN", "DisplayName"), ("DE", "Default")]);

/// Attributes in PS, UV and PR.
pub(super) static ATTRIBUTES: Elements = Elements(&[
    ("OS", Element::OnlineStatus),
    ("CF", Element::ClientInfo),
    ("UA", Element::UserAvailability),
    ("ST", Element::StatusText),
    ("SC", Element::StatusContent),
]);

/// Parts of the attributes that have parts.
pub(super) static PARTS: [(Element, Elements); 2] = [
    (
        Element::ClientInfo,
        Elements(&[("CT", Element::ClientType), ("CP", Element::ClientProducer), ("CV", Element::ClientVersion)]),
    ),
    (Element::StatusContent, Elements(&[("RC", Element::ReferredContent), ("CY", Element::ContentType)])),
];

/// The codes for parts of this attribute.
pub(super) fn parts_of(attribute: Element) -> Option<&'static Elements> {
    PARTS.iter().find(|(other, _)| *other == attribute).map(|(_, parts)| parts)
}

/// Values of UserAvailability.
pub(super) static AVAILABILITY: Words = Words(&[("AV", "AVAILABLE"), ("DI", "DISCREET"), ("NA", "NOT_AVAILABLE")]);

/// Whether the known client would take this text for the code of a value, in any attribute (Encoding 2.5).
pub(super) fn is_presence_code(text: &str) -> bool {
    AVAILABILITY.word(text).or_else(|| CLIENT_TYPES.word(text)).is_some()
}

/// Names of elements in upper case, sorted.
static BY_UPPER_NAME: LazyLock<Vec<(String, &'static str)>> = LazyLock::new(|| {
    let mut names: Vec<_> = Element::ALL.iter().map(|it| (it.name().to_ascii_uppercase(), it.name())).collect();
    names.sort_unstable();
    names
});

/// The element of this name, in any case.
pub(super) fn element_by_name(name: &str, within: Space) -> Option<Element> {
    Element::by_name(name, within).or_else(|| {
        let upper = name.to_ascii_uppercase();
        let place = BY_UPPER_NAME.binary_search_by(|(known, _)| known.as_str().cmp(&upper)).ok()?;
        Element::by_name(BY_UPPER_NAME.get(place)?.1, within)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::Path;
    use toml::{Table, Value};

    fn load(name: &str) -> Table {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec").join(name);
        std::fs::read_to_string(path).unwrap().parse().unwrap()
    }

    fn shown(code: Code) -> String {
        String::from_utf8(code.to_vec()).unwrap()
    }

    fn element(name: &str) -> Element {
        // The specification's word for what a response has in Functions.
        let name = if name == "NotAvailableFunctions" { "Functions" } else { name };
        Element::by_name(name, Space::Trc).unwrap_or_else(|| panic!("{name} is not in the table"))
    }

    fn by(row: &Value) -> By {
        match row["dir"].as_str().unwrap() {
            "c" => By::Client,
            "s" => By::Server,
            "cs" => By::Both,
            other => panic!("direction {other}"),
        }
    }

    #[test]
    fn transactions_are_those_of_the_specification() {
        let table = load("pts.toml");
        let mut expected = BTreeMap::new();
        for (code, row) in table["transaction"].as_table().unwrap() {
            expected.insert(code.clone(), (element(row["primitive"].as_str().unwrap()), true, Some(by(row))));
        }
        for (code, primitive) in table["project"]["transaction"].as_table().unwrap() {
            expected.insert(code.clone(), (element(primitive.as_str().unwrap()), false, None));
        }
        // Two that it lacks, and that we have.
        expected.insert("RA".to_owned(), (Element::GetReactiveAuthStatusRequest, false, None));
        expected.insert("AR".to_owned(), (Element::GetReactiveAuthStatusResponse, false, None));
        for row in TRANSACTIONS {
            let (primitive, attested, by) =
                expected.remove(&shown(row.code)).unwrap_or_else(|| panic!("{}", row.primitive));
            assert_eq!((row.primitive, row.attested), (primitive, attested));
            assert!(by.is_none_or(|by| by == row.by), "{primitive}");
            assert_eq!(transaction_of(row.primitive, PtsCodes::Project).unwrap().code, row.code, "{primitive}");
            assert_eq!(transaction(row.code, PtsCodes::Attested).is_some(), attested, "{primitive}");
        }
        assert!(expected.is_empty(), "{expected:?}");
    }

    #[test]
    fn every_primitive_has_a_code_and_a_side() {
        for row in load("csp-elements.toml")["transaction"].as_array().unwrap() {
            let side = match row["initiator"].as_str().unwrap() {
                "client" => (By::Client, By::Server),
                "server" => (By::Server, By::Client),
                _ => (By::Both, By::Both),
            };
            let request = element(row["request"].as_str().unwrap());
            let known = transaction_of(request, PtsCodes::Project).unwrap_or_else(|| panic!("{request}"));
            assert!(known.by.meets(side.0), "{request}");
            for response in row["responses"].as_array().unwrap() {
                let response = element(response.as_str().unwrap());
                let known = transaction_of(response, PtsCodes::Project).unwrap_or_else(|| panic!("{response}"));
                assert!(known.by.meets(side.1), "{response}");
            }
        }
    }

    #[test]
    fn parameters_are_those_of_the_specification() {
        let table = load("pts.toml");
        let mut ours = BTreeMap::new();
        for row in PARAMETERS {
            let mean = (row.element, row.attested);
            // DL is written in two columns of one row there.
            if row.code == *b"DL" && row.by == By::Server {
                assert_eq!(mean, (Element::DefaultContactList, true));
                continue;
            }
            assert!(ours.insert(shown(row.code), (mean, row.by)).is_none(), "{} twice", shown(row.code));
        }
        for (code, row) in table["element"].as_table().unwrap() {
            let (mean, by_whom) = ours.remove(code).unwrap_or_else(|| panic!("{code}"));
            assert_eq!((mean, by_whom), ((element(row["element"].as_str().unwrap()), true), by(row)), "{code}");
        }
        for (code, name) in table["project"]["element"].as_table().unwrap() {
            if code == "generic_element_names" {
                continue;
            }
            let (mean, _) = ours.remove(code).unwrap_or_else(|| panic!("{code}"));
            assert_eq!(mean, (element(name.as_str().unwrap()), false), "{code}");
        }
        assert!(ours.is_empty(), "{ours:?}");
    }

    #[test]
    fn words_are_those_of_the_specification() {
        let table = load("pts.toml");
        let rows = |name: &str| table[name].as_table().unwrap().iter();
        for (code, name) in rows("capability") {
            let element = element(name.as_str().unwrap());
            assert_eq!((CAPABILITIES.element(code), CAPABILITIES.code(element)), (Some(element), Some(&**code)));
        }
        for (code, word) in rows("capability_value") {
            let word = word.as_str().unwrap();
            assert_eq!(CIR_METHODS.word(code).or(CLIENT_TYPES.word(code)), Some(word));
            assert_eq!(CIR_METHODS.code(word).or(CLIENT_TYPES.code(word)), Some(&**code));
        }
        for (code, name) in rows("service") {
            let element = element(name.as_str().unwrap());
            assert_eq!((FEATURES.element(code), FEATURES.code(element)), (Some(element), Some(&**code)));
        }
        for (code, word) in rows("contact_list_property") {
            assert_eq!(LIST_PROPERTIES.word(code), word.as_str());
        }
        for (code, name) in rows("presence_attribute") {
            let attribute = Element::by_name(name.as_str().unwrap(), Space::Pa).unwrap();
            assert_eq!((ATTRIBUTES.element(code), ATTRIBUTES.code(attribute)), (Some(attribute), Some(&**code)));
        }
        for (code, row) in rows("presence_sub_attribute") {
            let part = Element::by_name(row["element"].as_str().unwrap(), Space::Pa).unwrap();
            let attribute = Element::by_name(row["of"].as_str().unwrap(), Space::Pa).unwrap();
            assert_eq!(parts_of(attribute).unwrap().element(code), Some(part));
        }
        for (code, word) in rows("presence_value") {
            assert_eq!(AVAILABILITY.word(code).or(CLIENT_TYPES.word(code)), word.as_str());
            assert!(is_presence_code(code) && is_presence_code(&code.to_lowercase()));
        }
        let count = |name: &str| table[name].as_table().unwrap().len();
        assert_eq!(CAPABILITIES.0.len(), count("capability"));
        assert_eq!(CIR_METHODS.0.len() + CLIENT_TYPES.0.len(), count("capability_value"));
        assert_eq!(FEATURES.0.len(), count("service"));
        assert_eq!(LIST_PROPERTIES.0.len(), count("contact_list_property"));
        assert_eq!(ATTRIBUTES.0.len(), count("presence_attribute"));
        assert_eq!(PARTS.iter().map(|(_, parts)| parts.0.len()).sum::<usize>(), count("presence_sub_attribute"));
        assert_eq!(AVAILABILITY.0.len() + CLIENT_TYPES.0.len(), count("presence_value"));
    }

    #[test]
    fn people_and_lists_are_named_as_the_grammar_names_them() {
        let grammar = load("csp-elements.toml");
        let mut seen = 0;
        for entry in grammar["element"].as_array().unwrap() {
            let name = entry["name"].as_str().unwrap();
            let Some(row) = Element::by_name(name, Space::Trc).and_then(|it| transaction_of(it, PtsCodes::Project))
            else {
                continue;
            };
            for definition in entry["version"].as_array().unwrap() {
                let none = Vec::new();
                let children = definition.get("children").and_then(Value::as_array).unwrap_or(&none);
                let has = |name: &str| children.iter().any(|child| child["name"].as_str() == Some(name));
                let how = |list: &str, wrapper: &str, bare: &str| match (has(list), has(wrapper), has(bare)) {
                    (true, _, _) => Some(Naming::Listed),
                    (_, true, _) => Some(Naming::Wrapped),
                    (_, _, true) => Some(Naming::Bare),
                    _ => None,
                };
                for version in definition["versions"].as_array().unwrap() {
                    let version: Version = version.as_str().unwrap().parse().unwrap();
                    // Login has a UserID of its own.
                    if let Some(naming) = how("UserIDList", "User", "UserID") {
                        assert_eq!(naming_of_users(row.primitive, version), naming, "{name} {version}");
                        seen += 1;
                    }
                    if let Some(naming) = how("ContactListIDList", "", "ContactList") {
                        assert_eq!(naming_of_lists(row.primitive, version), naming, "{name} {version}");
                        seen += 1;
                    }
                    let info = children.iter().find(|child| child["name"].as_str() == Some("MessageInfo"));
                    let is_single = info.is_some_and(|child| child["card"].as_str() == Some("1"));
                    assert_eq!(WITH_MESSAGE_INFO.contains(&row.primitive), is_single, "{name} {version}");
                }
            }
        }
        assert!(seen > 60, "{seen}");
        let info = grammar["element"].as_array().unwrap().iter().find(|it| it["name"].as_str() == Some("MessageInfo"));
        let newest = info.unwrap()["version"].as_array().unwrap().iter().rev().find(|definition| {
            definition["versions"].as_array().unwrap().iter().any(|version| version.as_str() == Some("1.3"))
        });
        let children: Vec<Element> = newest.unwrap()["children"]
            .as_array()
            .unwrap()
            .iter()
            .map(|child| element(child["name"].as_str().unwrap()))
            .collect();
        assert_eq!(children, MESSAGE_INFO);
    }

    #[test]
    fn names_in_any_case_are_unambiguous() {
        for element in Element::ALL {
            for name in [element.name().to_owned(), element.name().to_lowercase(), element.name().to_uppercase()] {
                assert_eq!(element_by_name(&name, element.space()), Some(element), "{name}");
            }
        }
        assert_eq!(element_by_name("Usr", Space::Trc), None);
    }
}
