//! Requests in the forms that clients send, version by version (CSP 3 to 12, 17).
//!
//! Written from the specification, not from the server's primitives: see [`tree`](super::tree).

use imps_types::Version;

use super::personality::Personality;
use super::tree::Node;

/// Who speaks, and how.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// The version it speaks.
    pub version: Version,
    /// The kind of client it is.
    pub personality: Personality,
    /// The user's address.
    pub user: String,
    /// The ClientID.
    pub client: String,
    /// The SessionCookie.
    pub cookie: String,
}

/// What a login shows for a proof.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// The password in clear.
    Password(&'a str),
    /// Nothing yet: what it can digest with.
    Schemas(&'a [String]),
    /// The digest, in base64.
    Digest(&'a str),
}

/// Whom or what a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Users, as addresses.
    pub users: Vec<String>,
    /// Contact lists, as addresses.
    pub lists: Vec<String>,
    /// Groups, as addresses.
    pub groups: Vec<String>,
    /// People in groups: screen name, and the group's address.
    pub names: Vec<(String, String)>,
    /// Everybody: the default attribute list.
    pub default: bool,
}

/// A contact as a list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The address.
    pub address: String,
    /// The nickname.
    pub nick: Option<String>,
}

/// A change of a contact list.
#[derive(Clone, Debug, Default)]
pub struct ListChange {
    /// The list's address.
    pub list: String,
    /// Who comes.
    pub add: Vec<Contact>,
    /// Who goes.
    pub remove: Vec<String>,
    /// Properties: name and value.
    pub properties: Vec<(String, String)>,
    /// ReceiveList, where something is said of it.
    pub receive: Option<bool>,
}

/// A message.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// To whom.
    pub to: Targets,
    /// Whether a report is wanted.
    pub report: bool,
    /// Its MIME type, if it is said.
    pub content_type: Option<String>,
    /// How long it is good for, in seconds.
    pub validity: Option<u32>,
    /// The Sender; none: left to the server.
    pub sender: Option<String>,
    /// The Sender as a name in a group: screen name, and the group's address.
    pub sender_name: Option<(String, String)>,
    /// What it says.
    pub content: Body,
}

/// What is wanted of a group.
#[derive(Clone, Debug, Default)]
pub struct GroupWish {
    /// Its address.
    pub group: String,
    /// The screen name.
    pub screen_name: Option<String>,
    /// Common properties: name and value.
    pub properties: Vec<(String, String)>,
    /// Own properties.
    pub own: Vec<(String, String)>,
    /// The text of the welcome note.
    pub note: Option<String>,
    /// SubscribeNotification.
    pub subscribe: bool,
}

/// Somebody, as a request about a group names him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Person {
    /// By his address.
    User(String),
    /// By his screen name.
    Named(String),
}

/// A change of a block or grant list.
#[derive(Clone, Debug, Default)]
pub struct AccessChange {
    /// InUse, where something is said of it.
    pub in_use: Option<bool>,
    /// Who comes, if anything is said of it: `UserID` and the like.
    pub add: Option<Vec<Node>>,
    /// Who goes.
    pub remove: Option<Vec<Node>>,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Text.
    Text(String),
    /// Bytes, sent as base64.
    Base64(Vec<u8>),
    /// Bytes, sent as they are where the encoding can (WBXML), with ContentEncoding BASE64 all the same.
    Opaque(Vec<u8>),
}

impl Default for Body {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// The three vocabularies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// The envelope.
    Csp,
    /// Transactions.
    Trc,
    /// Presence.
    Pa,
}

/// The namespace of a vocabulary in a version (CSP 3).
pub fn namespace(vocabulary: Vocabulary, version: Version) -> String {
    let name = match vocabulary {
        Vocabulary::Csp => "CSP",
        Vocabulary::Trc => "TRC",
        Vocabulary::Pa => "PA",
    };
    match version {
        Version::V1_1 => format!("http://www.wireless-village.org/{name}1.1"),
        Version::V1_2 => format!("http://www.openmobilealliance.org/DTD/WV-{name}1.2"),
        Version::V1_3 => format!("http://www.openmobilealliance.org/DTD/IMPS-{name}1.3"),
    }
}

fn flag(name: &str, value: bool) -> Node {
    Node::leaf(name, if value { "T" } else { "F" })
}

fn screen_name(name: &str, group: &str) -> Node {
    Node::new("ScreenName", [Node::leaf("SName", name), Node::leaf("GroupID", group)])
}

fn user_list(group: &str, people: &[Person]) -> Node {
    let users = people.iter().filter_map(|one| match one {
        Person::User(address) => Some(user(address)),
        Person::Named(_) => None,
    });
    let names = people.iter().filter_map(|one| match one {
        Person::User(_) => None,
        Person::Named(name) => Some(screen_name(name, group)),
    });
    Node::new("UserList", users.chain(names))
}

fn user(address: &str) -> Node {
    Node::new("User", [Node::leaf("UserID", address)])
}

impl Speaker {
    fn is(&self, personality: Personality) -> bool {
        self.personality == personality
    }

    /// Whether requests have the forms of 1.3; Android keeps to those of 1.2.
    fn has_forms_of_13(&self) -> bool {
        self.version == Version::V1_3 && !self.is(Personality::Android)
    }

    /// Whether capability and service negotiation name the client.
    fn names_client(&self) -> bool {
        self.version == Version::V1_1 || self.is(Personality::Colibria)
    }

    /// The ClientID element.
    pub fn client_id(&self) -> Node {
        Node::new("ClientID", [Node::leaf("URL", &*self.client)])
    }

    /// Login-Request.
    pub fn login(&self, proof: Proof<'_>, time_to_live: Option<u32>, resume: Option<&str>) -> Node {
        let mut children = vec![Node::leaf("UserID", &*self.user), self.client_id()];
        match proof {
            Proof::Password(password) => children.push(Node::leaf("Password", password)),
            Proof::Digest(digest) => children.push(Node::leaf("DigestBytes", digest)),
            Proof::Schemas(schemas) if self.version == Version::V1_1 => {
                children.push(Node::leaf("DigestSchema", schemas.join(",")));
            }
            Proof::Schemas(schemas) => children.extend(schemas.iter().map(|one| Node::leaf("DigestSchema", one))),
        }
        children.extend(resume.map(|session| Node::leaf("SessionID", session)));
        children.extend(time_to_live.map(|seconds| Node::leaf("TimeToLive", seconds.to_string())));
        children.push(Node::leaf("SessionCookie", &*self.cookie));
        Node::new("Login-Request", children)
    }

    /// KeepAlive-Request.
    pub fn keep_alive(&self, time_to_live: Option<u32>) -> Node {
        Node::new("KeepAlive-Request", time_to_live.map(|seconds| Node::leaf("TimeToLive", seconds.to_string())))
    }

    /// GetSPInfo-Request.
    pub fn service_info(&self) -> Node {
        Node::new("GetSPInfo-Request", [self.client_id()])
    }

    /// WV-CSP-VersionDiscovery-Request, which has no envelope. `known`: versions that it names; none: it asks for all.
    pub fn version_discovery(&self, known: &[Version]) -> Node {
        let names = |element: &'static str, vocabulary| {
            known.iter().map(move |version| Node::leaf(element, namespace(vocabulary, *version)))
        };
        let list = Node::new(
            "VersionList",
            names("SessionNSName", Vocabulary::Csp)
                .chain(names("TransactionNSName", Vocabulary::Trc))
                .chain(names("PresenceAttributeNSName", Vocabulary::Pa)),
        );
        Node::new("WV-CSP-VersionDiscovery-Request", (!known.is_empty()).then_some(list))
            .in_namespace(&namespace(Vocabulary::Csp, self.version))
    }

    /// ClientCapability-Request: what the phone has anyway, with some of it said otherwise.
    pub fn capabilities(&self, wishes: &[(String, String)]) -> Node {
        let mut list = Node::new("CapabilityList", self.usual_capabilities());
        if wishes.iter().any(|(name, _)| name == "SupportedCIRMethod") {
            list.children.retain(|child| !matches!(child.name.as_str(), "SupportedCIRMethod" | "UDPPort"));
        }
        for (name, value) in wishes {
            let name = self.capability_name(name);
            let node = if name == "AcceptedContentType" && self.has_forms_of_13() {
                Node::new(name, [Node::leaf("ContentType", value)])
            } else {
                Node::leaf(name, value)
            };
            if name == "AcceptedContentType" {
                // Exclusive with AnyContent (CSP 6).
                list.children.retain(|child| !matches!(child.name.as_str(), "AnyContent" | "AcceptedCharset"));
            }
            let repeats = matches!(name, "AcceptedContentType" | "SupportedCIRMethod" | "SupportedBearer");
            match list.children.iter_mut().find(|child| child.name == name && !repeats) {
                Some(usual) => *usual = node,
                None => self.insert_capability(&mut list, node),
            }
        }
        let client = self.names_client().then(|| self.client_id());
        Node::new("ClientCapability-Request", client.into_iter().chain([list]))
    }

    /// Puts a capability where the grammar wants it.
    fn insert_capability(&self, list: &mut Node, node: Node) {
        let order = if self.version == Version::V1_3 { ORDER_OF_13 } else { ORDER_OF_12 };
        let place = |name: &str| order.iter().position(|one| *one == name).unwrap_or(usize::MAX);
        let at = list.children.iter().rposition(|child| place(&child.name) <= place(&node.name));
        list.children.insert(at.map_or(0, |at| at + 1), node);
    }

    fn capability_name<'a>(&self, name: &'a str) -> &'a str {
        match name {
            "AcceptedContentLength" if self.has_forms_of_13() => "AcceptedPushLength",
            "AcceptedCharset" if self.has_forms_of_13() => "PlainTextCharset",
            _ => name,
        }
    }

    fn usual_capabilities(&self) -> Vec<Node> {
        let poll_min = self.personality.poll_min().to_string();
        let rows: &[(&str, &str)] = match (self.personality, self.version) {
            (Personality::Android, _) => &[
                ("SupportedBearer", "HTTP"),
                ("MultiTrans", "1"),
                ("ParserSize", "32768"),
                ("AcceptedContentLength", "32768"),
                ("SupportedCIRMethod", "STCP"),
                ("SupportedCIRMethod", "SSMS"),
                ("SupportedCIRMethod", "SHTTP"),
                ("InitialDeliveryMethod", "P"),
                ("ServerPollMin", &poll_min),
                ("ClientType", "MOBILE_PHONE"),
                ("AcceptedCharset", "106"),
                ("AnyContent", "T"),
            ],
            (Personality::Colibria, _) => &[
                ("ClientType", "COMPUTER"),
                ("InitialDeliveryMethod", "P"),
                ("AcceptedContentType", "text/plain"),
                ("AcceptedContentType", "text/html"),
                ("AcceptedContentType", "image/png"),
                ("AcceptedTransferEncoding", "BASE64"),
                ("AcceptedContentLength", "32767"),
                ("SupportedBearer", "HTTP"),
                ("MultiTrans", "1"),
                ("ParserSize", "32767"),
                ("SupportedCIRMethod", "STCP"),
                ("ServerPollMin", &poll_min),
                ("ColibriaExtensions", "1"),
            ],
            (Personality::Nokia, _) => &[
                ("ClientType", "MOBILE_PHONE"),
                ("InitialDeliveryMethod", "P"),
                ("AnyContent", "T"),
                ("AcceptedCharset", "106"),
                ("AcceptedTransferEncoding", "BASE64"),
                ("AcceptedContentLength", "102400"),
                ("SupportedBearer", "HTTP"),
                ("MultiTrans", "3"),
                ("ParserSize", "131072"),
                ("SupportedCIRMethod", "WAPSMS"),
                ("SupportedCIRMethod", "STCP"),
                ("SupportedCIRMethod", "SUDP"),
                ("UDPPort", "3717"),
                ("ServerPollMin", &poll_min),
            ],
            (_, Version::V1_3) => &[
                ("AnyContent", "T"),
                ("AcceptedPullLength", "1048576"),
                ("AcceptedPushLength", "102400"),
                ("AcceptedTransferEncoding", "BASE64"),
                ("ClientType", "MOBILE_PHONE"),
                ("InitialDeliveryMethod", "P"),
                ("MultiTrans", "1"),
                ("PlainTextCharset", "106"),
                ("ParserSize", "131072"),
                ("ServerPollMin", &poll_min),
                ("SupportedBearer", "HTTP"),
                ("SupportedCIRMethod", "STCP"),
            ],
            _ => &[
                ("ClientType", "MOBILE_PHONE"),
                ("InitialDeliveryMethod", "P"),
                ("AnyContent", "T"),
                ("AcceptedCharset", "106"),
                ("AcceptedTransferEncoding", "BASE64"),
                ("AcceptedContentLength", "102400"),
                ("SupportedBearer", "HTTP"),
                ("MultiTrans", "1"),
                ("ParserSize", "131072"),
                ("SupportedCIRMethod", "STCP"),
                ("ServerPollMin", &poll_min),
            ],
        };
        rows.iter().map(|(name, value)| Node::leaf(name, *value)).collect()
    }

    /// Service-Request for functions given as paths, `PresenceFeat/ContListFunc/GCLI`.
    pub fn services(&self, functions: &[String], wants_all: bool) -> Node {
        let mut features = Node::empty("WVCSPFeat");
        for path in functions {
            let mut place = &mut features;
            for name in path.split('/') {
                let at = place.children.iter().position(|child| child.name == name).unwrap_or_else(|| {
                    place.children.push(Node::empty(name));
                    place.children.len() - 1
                });
                place = &mut place.children[at];
            }
        }
        let client = self.names_client().then(|| self.client_id());
        let wished = self.version != Version::V1_1 || !functions.is_empty();
        let wish = wished.then(|| Node::new("Functions", [features]));
        Node::new("Service-Request", client.into_iter().chain(wish).chain([flag("AllFunctionsRequest", wants_all)]))
    }

    fn nick_list(&self, element: &str, contacts: &[Contact]) -> Node {
        let entry = |contact: &Contact| {
            let id = Node::leaf("UserID", &*contact.address);
            match &contact.nick {
                // Android wraps the UserID in CreateList (CSP 17).
                Some(nick) if self.is(Personality::Android) && element == "NickList" => {
                    Node::new("NickName", [Node::leaf("Name", nick), Node::new("User", [id])])
                }
                Some(nick) => Node::new("NickName", [Node::leaf("Name", nick), id]),
                None => id,
            }
        };
        Node::new(element, contacts.iter().map(entry))
    }

    fn properties(properties: &[(String, String)]) -> Option<Node> {
        let property = |(name, value): &(String, String)| {
            Node::new("Property", [Node::leaf("Name", name), Node::leaf("Value", value)])
        };
        (!properties.is_empty()).then(|| Node::new("ContactListProperties", properties.iter().map(property)))
    }

    /// GetList-Request.
    pub fn get_lists(&self) -> Node {
        Node::empty("GetList-Request")
    }

    /// CreateList-Request.
    pub fn create_list(&self, change: &ListChange) -> Node {
        let members = (!change.add.is_empty()).then(|| self.nick_list("NickList", &change.add));
        let list = Node::leaf("ContactList", &*change.list);
        Node::new("CreateList-Request", [list].into_iter().chain(members).chain(Self::properties(&change.properties)))
    }

    /// DeleteList-Request.
    pub fn delete_list(&self, list: &str) -> Node {
        Node::new("DeleteList-Request", [Node::leaf("ContactList", list)])
    }

    /// ListManage-Request.
    pub fn manage_list(&self, change: &ListChange) -> Node {
        let list = Node::leaf("ContactList", &*change.list);
        let add = (!change.add.is_empty()).then(|| self.nick_list("AddNickList", &change.add));
        let gone = |id: &String| Node::leaf("UserID", id);
        let remove = (!change.remove.is_empty()).then(|| Node::new("RemoveNickList", change.remove.iter().map(gone)));
        let changes = add.into_iter().chain(remove).chain(Self::properties(&change.properties));
        let receive = change.receive.or((self.version == Version::V1_2).then_some(true));
        let receive = receive.filter(|_| self.version != Version::V1_1).map(|receive| flag("ReceiveList", receive));
        // Android puts ReceiveList first (CSP 17).
        let children: Vec<Node> = if self.is(Personality::Android) {
            [list].into_iter().chain(receive).chain(changes).collect()
        } else {
            [list].into_iter().chain(changes).chain(receive).collect()
        };
        Node::new("ListManage-Request", children)
    }

    /// A PresenceSubList.
    pub fn presence_list(&self, attributes: impl IntoIterator<Item = Node>) -> Node {
        Node::new("PresenceSubList", attributes).in_namespace(&namespace(Vocabulary::Pa, self.version))
    }

    /// A PresenceSubList of names only, in the order that the specification gives them.
    pub fn presence_names(&self, names: &[String]) -> Node {
        let mut names: Vec<&String> = names.iter().collect();
        names.sort_by_key(|name| ATTRIBUTES.iter().position(|one| one == name));
        self.presence_list(names.into_iter().map(|name| Node::empty(name)))
    }

    /// Users and contact lists as presence requests have them.
    fn watched(&self, targets: &Targets) -> Vec<Node> {
        if self.has_forms_of_13() {
            return self.id_lists(targets);
        }
        let users = targets.users.iter().map(|one| user(one));
        users.chain(targets.lists.iter().map(|one| Node::leaf("ContactList", one))).collect()
    }

    fn id_lists(&self, targets: &Targets) -> Vec<Node> {
        let ids = |list: &str, element: &str, addresses: &[String]| {
            (!addresses.is_empty()).then(|| Node::new(list, addresses.iter().map(|one| Node::leaf(element, one))))
        };
        let users = ids("UserIDList", "UserID", &targets.users);
        users.into_iter().chain(ids("ContactListIDList", "ContactList", &targets.lists)).collect()
    }

    /// Users and contact lists as requests about attribute lists have them.
    fn attribute_targets(&self, targets: &Targets) -> Vec<Node> {
        if self.has_forms_of_13() {
            return self.id_lists(targets);
        }
        let users = targets.users.iter().map(|one| Node::leaf("UserID", one));
        users.chain(targets.lists.iter().map(|one| Node::leaf("ContactList", one))).collect()
    }

    /// CreateAttributeList-Request.
    pub fn create_attribute_list(&self, targets: &Targets, attributes: &[String]) -> Node {
        let children = [self.presence_names(attributes)].into_iter().chain(self.attribute_targets(targets));
        Node::new("CreateAttributeList-Request", children.chain([flag("DefaultList", targets.default)]))
    }

    /// DeleteAttributeList-Request.
    pub fn delete_attribute_list(&self, targets: &Targets) -> Node {
        let children = self.attribute_targets(targets).into_iter();
        Node::new("DeleteAttributeList-Request", children.chain([flag("DefaultList", targets.default)]))
    }

    /// GetAttributeList-Request.
    pub fn get_attribute_lists(&self, targets: &Targets) -> Node {
        let default = flag("DefaultList", targets.default);
        let mut named = if self.has_forms_of_13() {
            self.id_lists(targets)
        } else {
            let users = targets.users.iter().map(|one| user(one));
            users.chain(targets.lists.iter().map(|one| Node::leaf("ContactList", one))).collect()
        };
        // Lists come before users here.
        named.reverse();
        Node::new("GetAttributeList-Request", [default].into_iter().chain(named))
    }

    /// SubscribePresence-Request.
    pub fn subscribe(&self, targets: &Targets, attributes: &[String], auto: Option<bool>) -> Node {
        let names = (!attributes.is_empty()).then(|| self.presence_names(attributes));
        let auto = auto.map(|auto| flag("AutoSubscribe", auto));
        Node::new("SubscribePresence-Request", self.watched(targets).into_iter().chain(names).chain(auto))
    }

    /// UnsubscribePresence-Request.
    pub fn unsubscribe(&self, targets: &Targets) -> Node {
        let children = if self.is(Personality::Android) {
            // By a helper that writes a Property named UserID (CSP 17).
            let wrapped = |address: &String| {
                Node::new("User", [Node::new("Property", [Node::leaf("Name", "UserID"), Node::leaf("Value", address)])])
            };
            let users = targets.users.iter().map(wrapped);
            users.chain(targets.lists.iter().map(|one| Node::leaf("ContactList", one))).collect()
        } else {
            self.watched(targets)
        };
        Node::new("UnsubscribePresence-Request", children)
    }

    /// GetPresence-Request.
    pub fn get_presence(&self, targets: &Targets, attributes: &[String]) -> Node {
        let names = (!attributes.is_empty()).then(|| self.presence_names(attributes));
        Node::new("GetPresence-Request", self.watched(targets).into_iter().chain(names))
    }

    /// UpdatePresence-Request, with the attributes in the order that the specification gives them.
    pub fn update_presence(&self, mut attributes: Vec<Node>) -> Node {
        attributes.sort_by_key(|attribute| ATTRIBUTES.iter().position(|one| *one == attribute.name));
        Node::new("UpdatePresence-Request", [self.presence_list(attributes)])
    }

    /// SendMessage-Request.
    pub fn send_message(&self, message: &Outgoing) -> Node {
        use base64::Engine as _;
        let recipient = self.recipient(&message.to);
        let by_name = message
            .sender_name
            .as_ref()
            .map(|(name, group)| Node::new("Sender", [Node::new("Group", [screen_name(name, group)])]));
        let sender = message.sender.as_deref().filter(|_| by_name.is_none()).map(|sender| {
            let bare = sender.strip_prefix("wv:").filter(|_| self.is(Personality::Colibria)).unwrap_or(sender);
            Node::new("Sender", [user(bare)])
        });
        let (size, is_binary, content) = match &message.content {
            Body::Text(text) => (text.len(), false, Node::leaf("ContentData", text)),
            Body::Base64(bytes) => {
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                (bytes.len(), true, Node::leaf("ContentData", text))
            }
            Body::Opaque(bytes) => (bytes.len(), true, Node::binary("ContentData", bytes.clone())),
        };
        let size = match (&message.content, self.personality) {
            (Body::Text(text), Personality::Android) => text.chars().count(),
            (_, Personality::Colibria) => 1000,
            _ => size,
        };
        let size = Node::leaf("ContentSize", size.to_string());
        let content_type = message.content_type.as_ref().map(|one| Node::leaf("ContentType", one));
        let encoding = match self.personality {
            _ if is_binary => Some("BASE64"),
            Personality::Nokia => Some("None"),
            _ => None,
        };
        let encoding = encoding.map(|one| Node::leaf("ContentEncoding", one));
        let validity = message.validity.map(|seconds| Node::leaf("Validity", seconds.to_string()));
        let info = Node::new(
            "MessageInfo",
            content_type
                .into_iter()
                .chain(encoding)
                .chain([size, recipient])
                .chain(by_name)
                .chain(sender)
                .chain(validity),
        );
        // Android never asks for reports, and says nothing of them.
        let report = (!self.is(Personality::Android)).then(|| flag("DeliveryReport", message.report));
        Node::new("SendMessage-Request", report.into_iter().chain([info, content]))
    }

    /// SetDeliveryMethod-Request, for the messages of a group if one is named.
    pub fn set_delivery_method(&self, method: &str, limit: Option<u32>, group: Option<&str>) -> Node {
        let limit = limit.map(|bytes| Node::leaf("AcceptedContentLength", bytes.to_string()));
        let group = group.map(|group| Node::leaf("GroupID", group));
        let method = Node::leaf("DeliveryMethod", method);
        Node::new("SetDeliveryMethod-Request", [method].into_iter().chain(limit).chain(group))
    }

    /// GetMessageList-Request, for the history of a group if one is named.
    pub fn get_message_list(&self, count: Option<u32>, group: Option<&str>) -> Node {
        let group = group.map(|group| Node::leaf("GroupID", group));
        let count = count.map(|count| Node::leaf("MessageCount", count.to_string()));
        Node::new("GetMessageList-Request", group.into_iter().chain(count))
    }

    /// A request that names a group and nothing else.
    pub fn of_group(&self, request: &str, group: &str) -> Node {
        Node::new(request, [Node::leaf("GroupID", group)])
    }

    /// CreateGroup-Request, JoinGroup-Request and SetGroupProps-Request, as the version has them.
    pub fn group_request(&self, request: &str, wish: &GroupWish) -> Node {
        let property = |(name, value): &(String, String)| {
            Node::new("Property", [Node::leaf("Name", name), Node::leaf("Value", value)])
        };
        let note = wish.note.iter().map(|text| {
            Node::new("WelcomeNote", [Node::leaf("ContentType", "text/plain"), Node::leaf("ContentData", text)])
        });
        let common = Node::new("GroupProperties", wish.properties.iter().map(property).chain(note));
        let own = Node::new("OwnProperties", wish.own.iter().map(property));
        let own = (!wish.own.is_empty()).then_some(own);
        let group = Node::leaf("GroupID", &wish.group);
        let name = wish.screen_name.as_ref().map(|name| screen_name(name, &wish.group));
        let subscribe = flag("SubscribeNotification", wish.subscribe);
        match request {
            "CreateGroup-Request" => {
                let joins = flag("JoinGroup", wish.screen_name.is_some());
                let own = own.filter(|_| self.has_forms_of_13());
                Node::new(request, [group, common].into_iter().chain(own).chain([joins]).chain(name).chain([subscribe]))
            }
            "JoinGroup-Request" => {
                let own = own.filter(|_| self.version > Version::V1_1);
                let asks = flag("JoinedRequest", true);
                Node::new(request, [group].into_iter().chain(name).chain([asks, subscribe]).chain(own))
            }
            _ => {
                let common = (!common.children.is_empty()).then_some(common);
                Node::new(request, [group].into_iter().chain(common).chain(own))
            }
        }
    }

    /// AddGroupMembers-Request and RemoveGroupMembers-Request, as the version has them.
    pub fn members_request(&self, request: &str, group: &str, people: &[Person]) -> Node {
        let has_names = people.iter().any(|one| matches!(one, Person::Named(_)));
        let list = if self.has_forms_of_13() && !has_names {
            let users = people.iter().filter_map(|one| match one {
                Person::User(user) => Some(Node::leaf("UserID", user)),
                Person::Named(_) => None,
            });
            Node::new("UserIDList", users)
        } else {
            user_list(group, people)
        };
        Node::new(request, [Node::leaf("GroupID", group), list])
    }

    /// MemberAccess-Request, as the version has it.
    pub fn member_access(&self, group: &str, admins: &[Person], mods: &[Person], users: &[Person]) -> Node {
        let inside =
            |name: &str, people: &[Person]| (!people.is_empty()).then(|| Node::new(name, [user_list(group, people)]));
        let users = match users {
            [] => None,
            users if self.has_forms_of_13() => Some(user_list(group, users)),
            users => inside("Users", users),
        };
        let lists = inside("Admin", admins).into_iter().chain(inside("Mod", mods)).chain(users);
        Node::new("MemberAccess-Request", [Node::leaf("GroupID", group)].into_iter().chain(lists))
    }

    /// RejectList-Request.
    pub fn reject_list(&self, group: &str, add: &[Person], remove: &[Person]) -> Node {
        let entities = |name: &str, people: &[Person]| {
            let named = people.iter().filter(|one| matches!(one, Person::Named(_)));
            let users = people.iter().filter(|one| matches!(one, Person::User(_)));
            let nodes = users.chain(named).map(|one| match one {
                Person::User(user) => Node::leaf("UserID", user),
                Person::Named(name) => screen_name(name, group),
            });
            (!people.is_empty()).then(|| Node::new(name, nodes))
        };
        let lists = entities("AddList", add).into_iter().chain(entities("RemoveList", remove));
        Node::new("RejectList-Request", [Node::leaf("GroupID", group)].into_iter().chain(lists))
    }

    /// ForwardMessage-Request.
    pub fn forward_message(&self, id: &str, to: &Targets) -> Node {
        Node::new("ForwardMessage-Request", [Node::leaf("MessageID", id), self.recipient(to)])
    }

    fn recipient(&self, to: &Targets) -> Node {
        let users = to.users.iter().map(|one| user(one));
        let lists = to.lists.iter().map(|one| Node::leaf("ContactList", one));
        let groups = to.groups.iter().map(|one| Node::new("Group", [Node::leaf("GroupID", one)]));
        let names = to.names.iter().map(|(name, group)| Node::new("Group", [screen_name(name, group)]));
        Node::new("Recipient", users.chain(groups).chain(names).chain(lists))
    }

    /// BlockEntity-Request for the list of this name, `BlockList` or `GrantList`.
    pub fn block_entity(&self, list: &str, change: AccessChange) -> Node {
        let is_beside = self.has_forms_of_13();
        let flags: Vec<Node> = change.in_use.into_iter().map(|in_use| flag("InUse", in_use)).collect();
        let (inside, beside) = if is_beside { (Vec::new(), flags) } else { (flags, Vec::new()) };
        let add = change.add.map(|entities| Node::new("AddList", entities));
        let remove = change.remove.map(|entities| Node::new("RemoveList", entities));
        let inside = Node::new(list, inside.into_iter().chain(add).chain(remove));
        let beside = beside.into_iter().map(|flag| Node { name: format!("{list}InUse"), ..flag });
        let has_list = !is_beside || !inside.children.is_empty();
        Node::new("BlockEntity-Request", has_list.then_some(inside).into_iter().chain(beside))
    }

    /// A request that consists of MessageIDs: GetMessage-Request, RejectMessage-Request, MessageDelivered.
    pub fn of_messages(&self, request: &str, ids: &[String]) -> Node {
        Node::new(request, ids.iter().map(|id| Node::leaf("MessageID", id)))
    }
}

/// The attributes in their order (CSP 11).
pub const ATTRIBUTES: [&str; 18] = [
    "OnlineStatus",
    "Registration",
    "ClientInfo",
    "TimeZone",
    "GeoLocation",
    "Address",
    "FreeTextLocation",
    "PLMN",
    "CommCap",
    "UserAvailability",
    "PreferredContacts",
    "PreferredLanguage",
    "StatusText",
    "StatusMood",
    "Alias",
    "StatusContent",
    "ContactInfo",
    "InfoLink",
];

/// Capabilities in the order of 1.1 and 1.2 (CSP 6).
const ORDER_OF_12: &[&str] = &[
    "ClientType",
    "InitialDeliveryMethod",
    "AnyContent",
    "AcceptedCharset",
    "AcceptedContentType",
    "AcceptedTransferEncoding",
    "AcceptedContentLength",
    "SupportedBearer",
    "MultiTrans",
    "ParserSize",
    "SupportedCIRMethod",
    "UDPPort",
    "TCPAddress",
    "TCPPort",
    "ServerPollMin",
    "DefaultLanguage",
];

/// Capabilities in the order of 1.3.
const ORDER_OF_13: &[&str] = &[
    "AcceptedContentType",
    "AnyContent",
    "AcceptedPullLength",
    "AcceptedPushLength",
    "AcceptedTextContentLength",
    "AcceptedTransferEncoding",
    "ClientType",
    "DefaultLanguage",
    "InitialDeliveryMethod",
    "MultiTrans",
    "MultiTransPerMessage",
    "OfflineETEMHandling",
    "OnlineETEMHandling",
    "PlainTextCharset",
    "ParserSize",
    "ServerPollMin",
    "SupportedBearer",
    "SupportedOfflineBearer",
    "SupportedCIRMethod",
    "UDPPort",
    "SessionPriority",
];
