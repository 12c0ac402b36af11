//! A scripted phone: speaks CSP over a real socket, and looks closely at every answer.
//!
//! What it checks of each answer without being asked: HTTP as phones need it ([`http`]), the grammar of its version
//! ([`conformity`]), namespaces, SessionID and TransactionID, the Poll flag where the version has it, and that a flag that
//! promised something was true.

pub mod called;
pub mod conformity;
pub mod digest;
pub mod download;
pub mod forms;
pub mod http;
mod json;
pub mod personality;
mod pieces;
pub mod pts;
pub mod schema;
pub mod tree;
pub mod websocket;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use imps_proto::wire::{Form, PtsCodes};
use imps_types::Version;

use called::Called;
use forms::{Speaker, Vocabulary, namespace};
use http::Http;
pub use personality::Personality;
pub use tree::Node;
use websocket::WebSocket;

/// How a phone is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The version it speaks.
    pub version: Version,
    /// The encoding it speaks.
    pub form: Form,
    /// The kind of client it is.
    pub personality: Personality,
    /// The user's address.
    pub user: String,
    /// His password for phones.
    pub password: String,
    /// The ClientID, if it is not the personality's.
    pub client: Option<String>,
    /// The Content-Type that it labels its messages with, if it is not the right one.
    pub content_type: Option<String>,
    /// It acknowledges nothing unless told to.
    pub is_silent: bool,
    /// What it speaks CSP over.
    pub channel: Channel,
    /// The number that the gateway of its network puts into the header of its requests.
    pub number: Option<String>,
}

/// What carries a phone's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Channel {
    /// HTTP: it polls.
    #[default]
    Http,
    /// HTTP inside TLS.
    Https,
    /// WebSocket: the server sends by itself.
    WebSocket,
    /// WebSocket inside TLS.
    SecureWebSocket,
}

impl Channel {
    /// Whether it is inside TLS.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::SecureWebSocket)
    }
}

/// The connection of a phone.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one in each phone")]
enum Line {
    Http(Http),
    WebSocket(WebSocket),
}

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// A response.
    Response,
    /// What waits.
    Poll,
    /// Nothing: it is a response itself.
    Nothing,
}

/// A transaction that the server began.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its TransactionID.
    pub transaction: String,
    /// The primitive.
    pub primitive: Node,
}

/// A transaction that went over the wire, with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Whether the server began it.
    pub by_server: bool,
    /// The primitive that began it.
    pub request: String,
    /// The primitive that answered it, if one did.
    pub response: Option<String>,
    /// The status of the answer.
    pub status: u16,
}

/// What a poll brought.
#[derive(Clone, Debug)]
pub enum Polled {
    /// An empty answer.
    Nothing,
    /// At least one transaction; it is in the inbox.
    Something,
    /// The poll itself was answered.
    Refused(Node),
}

/// Whether a message belongs to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// It names the session.
    In,
    /// It stands outside any.
    Out,
}

/// A transaction that is sent.
struct Outbound {
    mode: &'static str,
    transaction: Option<String>,
    primitive: Node,
    /// SegmentInfo, where it is a piece.
    segment: Option<Node>,
}

/// A phone.
#[derive(Debug)]
pub struct Phone {
    /// Who speaks, and how.
    pub speaker: Speaker,
    /// What it speaks CSP over.
    pub channel: Channel,
    /// The encoding.
    pub form: Form,
    /// The password that it logs in with.
    pub password: String,
    /// Whether it acknowledges nothing unless told to.
    pub is_silent: bool,
    /// What came and was not looked at yet.
    pub inbox: VecDeque<Received>,
    /// What was taken out of the inbox last.
    pub current: Option<Received>,
    /// The last response.
    pub answer: Option<Node>,
    /// The last message of the server, whole: for error messages.
    pub heard: Option<Node>,
    /// The session, once there was one.
    pub session: Option<String>,
    /// Whether the server said last that something waits.
    pub told_to_poll: Option<bool>,
    /// When the request went out in whose answer the last Poll flag was T.
    pub promised_after: Option<Instant>,
    /// When the last request went out.
    asked_at: Option<Instant>,
    /// The last nonce and schema.
    pub challenge: Option<(String, String)>,
    /// Requests that are held back, to go out together.
    pub gathered: Option<Vec<Node>>,
    /// The last answer to a capability negotiation.
    pub granted: Option<Node>,
    /// Presence as it was notified: by user and attribute.
    pub seen: HashMap<(String, String), Node>,
    /// The transactions that were carried through since somebody took them from here.
    pub spoken: Vec<Spoken>,
    /// The last message with a request, and whether it was in the session.
    pub last_request: Option<(Vec<u8>, Band)>,
    /// Requests that are larger go out in pieces of so many bytes.
    pub piece_size: Option<usize>,
    /// Pieces of messages are left to the story; else they are put together.
    pub leaves_pieces: bool,
    /// Bytes of the largest message that it can parse, as it has told the server.
    parser_size: Option<usize>,
    last_transaction: String,
    line: Line,
    /// The channels on which it is called.
    pub called: Called,
    content_type: String,
    next_transaction: u32,
    reuses_transaction: bool,
    /// Requests of a scenario's own making need not be what the grammar allows.
    is_strict: bool,
}

/// The Content-Type of an encoding in a version (CSP 15.1).
pub fn content_type(form: Form, version: Version) -> &'static str {
    match (form, version) {
        (Form::Xml, Version::V1_1 | Version::V1_2) => "application/vnd.wv.csp.xml",
        (Form::Wbxml, Version::V1_1 | Version::V1_2) => "application/vnd.wv.csp.wbxml",
        (Form::Xml, Version::V1_3) => "application/vnd.wv.csp+xml",
        (Form::Wbxml, Version::V1_3) => "application/vnd.wv.csp+wbxml",
        (Form::Json, _) => "application/vnd.hamlet.csp+json",
        (Form::Pts(_), _) => "application/vnd.wv.csp.sms",
    }
}

/// The status code of a response; those without a Result say by being there that all went well.
pub fn status_of(primitive: &Node) -> u16 {
    primitive.child("Result").and_then(|result| result.child_text("Code")).map_or(200, |code| code.parse().unwrap_or(0))
}

/// Whether a message answers something; else the server begins.
fn has_response(root: &Node) -> bool {
    root.name != "WV-CSP-Message" || root.find("TransactionMode").iter().any(|mode| mode.text == "Response")
}

/// A Status with this code.
pub fn status(code: u16) -> Node {
    Node::new("Status", [Node::new("Result", [Node::leaf("Code", code.to_string())])])
}

impl Phone {
    /// A phone that is switched on and knows where the server is.
    pub fn new(settings: Settings, server: SocketAddr) -> Self {
        let personality = settings.personality;
        let client = settings.client.unwrap_or_else(|| personality.client_id().to_owned());
        let line = match settings.channel {
            Channel::Http | Channel::Https => {
                let mut http = Http::new(server, settings.channel.is_secure());
                http.expects_continue = personality == Personality::Colibria;
                http.number = settings.number;
                Line::Http(http)
            }
            Channel::WebSocket | Channel::SecureWebSocket => {
                Line::WebSocket(WebSocket::new(server, settings.channel.is_secure(), settings.form))
            }
        };
        let version = settings.version;
        Self {
            speaker: Speaker {
                version,
                personality,
                cookie: format!("wv:cookie.{}", settings.user.len() * 7919 % 10_007),
                user: settings.user,
                client,
            },
            channel: settings.channel,
            form: settings.form,
            password: settings.password,
            is_silent: settings.is_silent,
            inbox: VecDeque::new(),
            current: None,
            answer: None,
            heard: None,
            session: None,
            told_to_poll: None,
            promised_after: None,
            asked_at: None,
            challenge: None,
            gathered: None,
            granted: None,
            seen: HashMap::new(),
            spoken: Vec::new(),
            last_request: None,
            piece_size: None,
            leaves_pieces: false,
            parser_size: None,
            last_transaction: String::new(),
            line,
            called: Called::default(),
            content_type: settings.content_type.unwrap_or_else(|| content_type(settings.form, version).to_owned()),
            next_transaction: 0,
            reuses_transaction: false,
            is_strict: true,
        }
    }

    /// The server is to be found elsewhere from now on.
    pub fn moves_to(&mut self, server: SocketAddr) {
        match &mut self.line {
            Line::Http(http) => http.moves_to(server),
            Line::WebSocket(web_socket) => web_socket.moves_to(server),
        }
        // A promise of the former server's.
        self.told_to_poll = None;
    }

    /// Time passes: what the server promised before may be over.
    pub fn forget_promises(&mut self) {
        self.told_to_poll = None;
    }

    /// The next request goes out under the TransactionID of the last one.
    pub fn reuse_transaction(&mut self) {
        self.reuses_transaction = true;
    }

    fn transaction_id(&mut self) -> String {
        if std::mem::take(&mut self.reuses_transaction) {
            return self.last_transaction.clone();
        }
        self.next_transaction += 1;
        // PTS has three digits for it.
        let is_pts = matches!(self.form, Form::Pts(_));
        let number = if is_pts { (self.next_transaction - 1) % 999 + 1 } else { self.next_transaction };
        self.last_transaction = number.to_string();
        self.last_transaction.clone()
    }

    fn envelope(&self, band: Band, transactions: Vec<Outbound>) -> Node {
        let version = self.speaker.version;
        let mut descriptor = vec![Node::leaf("SessionType", if band == Band::In { "Inband" } else { "Outband" })];
        if band == Band::In {
            descriptor.push(Node::leaf("SessionID", self.session.as_deref().unwrap_or("none")));
        }
        let transaction = |one: Outbound| {
            let id = one.transaction.map(|id| Node::leaf("TransactionID", id));
            let descriptor = [Node::leaf("TransactionMode", one.mode)].into_iter().chain(id).chain(one.segment);
            // Nokia names the application that a message is for (CSP 17).
            let is_tagged = self.speaker.personality == Personality::Nokia
                && version > Version::V1_1
                && one.primitive.name == "SendMessage-Request";
            let block = is_tagged.then(|| {
                Node::new("ExtBlock", [Node::leaf("APIClient", "chat")]).in_namespace("www.nokia.com/apiclient")
            });
            let content =
                Node::new("TransactionContent", [one.primitive]).in_namespace(&namespace(Vocabulary::Trc, version));
            Node::new("Transaction", [Node::new("TransactionDescriptor", descriptor), content].into_iter().chain(block))
        };
        let session = [Node::new("SessionDescriptor", descriptor)];
        let session = Node::new("Session", session.into_iter().chain(transactions.into_iter().map(transaction)));
        Node::new("WV-CSP-Message", [session]).in_namespace(&namespace(Vocabulary::Csp, version))
    }

    fn to_bytes(&self, message: &Node) -> Result<Vec<u8>, String> {
        let version = self.speaker.version;
        if self.is_strict && self.speaker.personality == Personality::Plain {
            let complaints = conformity::complaints(message, version);
            if !complaints.is_empty() {
                return Err(format!(
                    "the phone's own request is not in order: {}\n{}",
                    complaints.join("; "),
                    message.pretty()
                ));
            }
        }
        if let Form::Pts(codes) = self.form {
            let is_android = self.speaker.personality == Personality::Android;
            return pts::write(message, version, codes == PtsCodes::Project, is_android);
        }
        let bytes = message.to_bytes(self.form, version);
        if self.form == Form::Json && self.is_strict && self.speaker.personality == Personality::Plain {
            schema::check(&bytes).map_err(|error| format!("the phone's own request is {error}"))?;
        }
        if self.speaker.personality == Personality::Colibria {
            let text = String::from_utf8_lossy(&bytes).replacen(
                "<WV-CSP-Message ",
                "<WV-CSP-Message xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" ",
                1,
            );
            return Ok(text.into_bytes());
        }
        Ok(bytes)
    }

    /// Sends bytes; the answer's document, if there is one, after everything that can be checked of it.
    async fn post(&mut self, bytes: &[u8], band: Band, wants: Wants) -> Result<Option<Node>, String> {
        self.asked_at = Some(crate::load::now());
        let http = match &mut self.line {
            Line::Http(http) => http,
            Line::WebSocket(web_socket) => {
                web_socket.send(bytes).await?;
                return self.await_answer(band, wants).await;
            }
        };
        let answer = http.post(&self.content_type, bytes).await?;
        answer.check_csp(&self.content_type)?;
        if answer.body.is_empty() {
            return Ok(None);
        }
        let root = self.read(&answer.body, band)?;
        self.put_together(root).await.map(Some)
    }

    fn read(&mut self, bytes: &[u8], band: Band) -> Result<Node, String> {
        if let Some(most) = self.parser_size.filter(|most| band == Band::In && bytes.len() > *most) {
            let text = String::from_utf8_lossy(bytes);
            return Err(format!("the answer has {} bytes, more than the {most} of ParserSize:\n{text}", bytes.len()));
        }
        let root = self.document(bytes)?;
        self.heard = Some(root.clone());
        if self.form == Form::Json {
            schema::check(bytes).map_err(|error| format!("the answer is {error}"))?;
        }
        self.examine(&root, band)?;
        Ok(root)
    }

    /// Over WebSocket: the message that answers what was sent. What the server began meanwhile goes into the inbox.
    async fn await_answer(&mut self, band: Band, wants: Wants) -> Result<Option<Node>, String> {
        if wants == Wants::Nothing {
            return Ok(None);
        }
        loop {
            let Line::WebSocket(web_socket) = &mut self.line else { return Ok(None) };
            let message = web_socket.next(None).await?.ok_or("no answer came over WebSocket")?;
            if message.is_empty() {
                match wants {
                    Wants::Poll => return Ok(None),
                    // The answer to a poll that something pushed came before.
                    Wants::Response | Wants::Nothing => continue,
                }
            }
            // A pushed message is inband whatever was asked.
            let is_pushed = !has_response(&self.document(&message)?);
            let root = self.read(&message, if is_pushed { Band::In } else { band })?;
            if wants == Wants::Poll || !is_pushed {
                return Ok(Some(root));
            }
            self.sort(&root)?;
        }
    }

    /// Takes what waits into the inbox: polls for it, or over WebSocket, listens for so long.
    ///
    /// # Errors
    /// Whatever is wrong with what comes.
    pub async fn fetch(&mut self, within: std::time::Duration) -> Result<Polled, String> {
        let Line::WebSocket(web_socket) = &mut self.line else { return self.poll().await };
        match web_socket.next(Some(within)).await? {
            Some(message) if !message.is_empty() => {
                let root = self.read(&message, Band::In)?;
                match self.sort(&root)?.pop() {
                    Some(response) => Err(format!("a response that nobody asked for: {}", response.primitive.name)),
                    None => Ok(Polled::Something),
                }
            }
            _ => Ok(Polled::Nothing),
        }
    }

    /// Whether it has to poll.
    pub fn polls(&self) -> bool {
        matches!(self.line, Line::Http(_))
    }

    /// Loses its connection without a word.
    pub fn lose_connection(&mut self) {
        match &mut self.line {
            Line::Http(http) => http.hang_up(),
            Line::WebSocket(web_socket) => web_socket.hang_up(),
        }
    }

    /// The document of an answer.
    fn document(&self, body: &[u8]) -> Result<Node, String> {
        if self.form == Form::Pts(PtsCodes::Attested) {
            pts::check_attested(body)?;
        }
        let root = Node::read(self.form, body)?;
        if root.xmlns.is_some() || !matches!(self.form, Form::Pts(_)) {
            return Ok(root);
        }
        // Version discovery, which is of no version in PTS: taken as it would stand elsewhere.
        let primitive = root.find("TransactionContent").first().and_then(|content| content.children.first().cloned());
        let primitive = primitive.ok_or("an answer of no version and without a primitive")?;
        Ok(primitive.in_namespace(&namespace(Vocabulary::Csp, self.speaker.version)))
    }

    fn examine(&mut self, root: &Node, band: Band) -> Result<(), String> {
        let version = self.speaker.version;
        let complaints = conformity::complaints(root, version);
        if !complaints.is_empty() {
            return Err(format!("the answer is not what {version} allows: {}", complaints.join("; ")));
        }
        for (path, vocabulary) in [("TransactionContent", Vocabulary::Trc), ("PresenceSubList", Vocabulary::Pa)] {
            let expected = namespace(vocabulary, version);
            if let Some(wrong) = root.find(path).iter().find(|node| node.xmlns.as_deref() != Some(&expected)) {
                return Err(format!("{path} has the namespace {:?} instead of {expected}", wrong.xmlns));
            }
        }
        if root.xmlns.as_deref() != Some(&namespace(Vocabulary::Csp, version)) {
            return Err(format!("the answer has the namespace {:?}", root.xmlns));
        }
        if root.name != "WV-CSP-Message" {
            return Ok(());
        }
        let has_ended = root
            .find("TransactionContent")
            .iter()
            .flat_map(|content| &content.children)
            .any(|primitive| primitive.name == "Disconnect" || matches!(status_of(primitive), 600 | 601 | 604));
        self.examine_session(root, band, has_ended)
    }

    fn examine_session(&mut self, root: &Node, band: Band, has_ended: bool) -> Result<(), String> {
        let session_type = root.text_at("SessionDescriptor/SessionType").unwrap_or_default();
        let expected = if band == Band::In { "Inband" } else { "Outband" };
        if session_type != expected {
            return Err(format!("the answer is {session_type} instead of {expected}"));
        }
        if band == Band::Out {
            return Ok(());
        }
        if root.text_at("SessionDescriptor/SessionID") != Some(self.session_id()) {
            return Err(format!("the answer is for another session than {:?}", self.session));
        }
        let place = if self.speaker.version == Version::V1_1 { "TransactionDescriptor/Poll" } else { "Session/Poll" };
        let flags = root.find(place);
        self.told_to_poll = if has_ended { None } else { Some(flags.iter().any(|flag| flag.text == "T")) };
        if self.told_to_poll == Some(true) {
            self.promised_after = self.asked_at;
        }
        // What is attested of PTS has no code for it.
        if flags.is_empty() && !has_ended && self.form != Form::Pts(PtsCodes::Attested) {
            return Err("the answer has no Poll flag".to_owned());
        }
        Ok(())
    }

    /// Sorts the transactions of an answer: responses are returned, requests go into the inbox.
    fn sort(&mut self, root: &Node) -> Result<Vec<Received>, String> {
        let mut responses = Vec::new();
        for transaction in root.find("Transaction") {
            let content = transaction.child("TransactionContent").map_or(&[][..], |content| &content.children);
            let [primitive] = content else {
                return Err("a TransactionContent holds exactly one primitive".to_owned());
            };
            let id = transaction.text_at("TransactionDescriptor/TransactionID").unwrap_or_default().to_owned();
            let mut primitive = primitive.clone();
            // What stands beside a message belongs to it.
            primitive.children.extend(transaction.find("ExtBlock").into_iter().cloned());
            let received = Received { transaction: id, primitive };
            match transaction.text_at("TransactionDescriptor/TransactionMode") {
                Some("Response") => responses.push(received),
                _ if received.transaction.is_empty() => {
                    return Err("the server's request has no TransactionID".to_owned());
                }
                _ => self.inbox.push_back(received),
            }
        }
        Ok(responses)
    }

    /// Sends a request and returns its response. While requests are gathered, it is kept instead, and there is none.
    ///
    /// # Errors
    /// Whatever is wrong with the answer.
    pub async fn request(&mut self, primitive: Node, band: Band) -> Result<Option<Node>, String> {
        if let Some(gathered) = &mut self.gathered {
            gathered.push(primitive);
            return Ok(None);
        }
        let responses = self.request_all(vec![primitive], band).await?;
        self.answer = responses.into_iter().next();
        if let Some(answer) = self.answer.as_ref().filter(|answer| answer.name == "ClientCapability-Response") {
            self.granted = Some(answer.clone());
        }
        Ok(self.answer.clone())
    }

    /// Sends requests of a scenario's own making, which may break the grammar.
    ///
    /// # Errors
    /// Whatever is wrong with the answer.
    pub async fn request_anything(&mut self, primitive: Node, band: Band) -> Result<Option<Node>, String> {
        self.is_strict = false;
        let answer = self.request(primitive, band).await;
        self.is_strict = true;
        answer
    }

    /// Sends several requests in one message and returns the responses, in the order of the requests.
    ///
    /// # Errors
    /// Whatever is wrong with the answer.
    pub async fn request_all(&mut self, primitives: Vec<Node>, band: Band) -> Result<Vec<Node>, String> {
        let names: Vec<String> = primitives.iter().map(|primitive| primitive.name.clone()).collect();
        let mut ids = Vec::new();
        let mut transactions = Vec::new();
        for primitive in primitives {
            let id = self.transaction_id();
            ids.push(id.clone());
            transactions.push(Outbound { mode: "Request", transaction: Some(id), primitive, segment: None });
        }
        let told = transactions.iter().find_map(|one| pieces::parser_size(&one.primitive));
        if transactions.iter().any(|one| one.primitive.name == "Login-Request") {
            self.parser_size = None;
        }
        let bytes = self.to_bytes(&self.envelope(band, transactions))?;
        self.last_request = Some((bytes.clone(), band));
        let posted = match (self.piece_size, ids.as_slice()) {
            (Some(size), [id]) if bytes.len() > size && band == Band::In => {
                Some(self.post_in_pieces(id, &bytes, size).await?)
            }
            _ => self.post(&bytes, band, Wants::Response).await?,
        };
        let Some(root) = posted else {
            return Err("the request was answered with an empty body".to_owned());
        };
        if let Some(told) = told {
            // It holds from the answer on: that may be the first that must fit.
            self.parser_size = Some(told).filter(|size| *size > 0);
        }
        let mut responses = self.sort(&root)?;
        let mut sorted = Vec::new();
        for id in &ids {
            let Some(at) = responses.iter().position(|response| response.transaction == *id) else {
                return Err(format!("no response has the TransactionID {id}"));
            };
            sorted.push(responses.remove(at).primitive);
        }
        for (name, response) in names.iter().zip(&sorted) {
            self.speak(false, name, Some(response), status_of(response));
        }
        match responses.first() {
            None => Ok(sorted),
            Some(more) => {
                Err(format!("a response that nobody asked for, with the TransactionID {:?}", more.transaction))
            }
        }
    }

    /// Notes a transaction that was carried through.
    fn speak(&mut self, by_server: bool, request: &str, response: Option<&Node>, status: u16) {
        let response = response.map(|response| response.name.clone());
        self.spoken.push(Spoken { by_server, request: request.to_owned(), response, status });
    }

    /// Sends the last request again, byte by byte.
    ///
    /// # Errors
    /// Whatever is wrong with the answer.
    pub async fn repeat_request(&mut self) -> Result<Option<Node>, String> {
        let Some((bytes, band)) = self.last_request.clone() else { return Err("nothing was requested yet".to_owned()) };
        let Some(root) = self.post(&bytes, band, Wants::Response).await? else {
            return Err("the request was answered with an empty body".to_owned());
        };
        let mut responses = self.sort(&root)?;
        self.answer = responses.pop().map(|response| response.primitive);
        Ok(self.answer.clone())
    }

    /// Asks for something that IMPS has no primitive for: JSON to a path of the server. The HTTP status, and what was said.
    ///
    /// # Errors
    /// Whatever is wrong with the answer.
    pub async fn ask_in_json(
        &mut self,
        path: &str,
        request: &serde_json::Value,
    ) -> Result<(u16, serde_json::Value), String> {
        let Line::Http(http) = &mut self.line else { return Err("this is asked over HTTP".to_owned()) };
        let before = std::mem::replace(&mut http.path, path.to_owned());
        let answer = http.post("application/json", request.to_string().as_bytes()).await;
        http.path = before;
        let answer = answer?;
        let said = serde_json::from_slice(&answer.body).map_err(|error| format!("the answer is no JSON: {error}"))?;
        Ok((answer.status, said))
    }

    /// Asks for the versions that the server speaks.
    ///
    /// # Errors
    /// Whatever is wrong with the answer.
    pub async fn discover_versions(&mut self, known: &[Version]) -> Result<Option<Node>, String> {
        let bytes = self.to_bytes(&self.speaker.version_discovery(known))?;
        self.answer = self.post(&bytes, Band::Out, Wants::Response).await?;
        if let Some(answer) = self.answer.clone() {
            self.speak(false, "WV-CSP-VersionDiscovery-Request", Some(&answer), status_of(&answer));
        }
        Ok(self.answer.clone())
    }

    /// Polls once.
    ///
    /// # Errors
    /// Whatever is wrong with the answer; and when something was promised and nothing came.
    pub async fn poll(&mut self) -> Result<Polled, String> {
        let polled = self.poll_for_what_is_left().await?;
        polled.ok_or_else(|| "the Poll flag was T, but the poll was answered with nothing".to_owned())
    }

    /// Polls once, where others may take back what the server has promised. `None`: nothing came, though the last Poll flag
    /// was T.
    ///
    /// # Errors
    /// Whatever is wrong with the answer.
    pub async fn poll_for_what_is_left(&mut self) -> Result<Option<Polled>, String> {
        let transaction = match self.speaker.personality {
            Personality::Android => None,
            Personality::Colibria => Some(self.transaction_id()),
            Personality::Plain | Personality::Nokia | Personality::Razr => Some(String::new()),
        };
        let primitive = Node::empty("Polling-Request");
        let outbound = Outbound { mode: "Request", transaction, primitive, segment: None };
        let bytes = self.to_bytes(&self.envelope(Band::In, vec![outbound]))?;
        // What it has not answered yet may be as much as it takes at once: then the server waits for that.
        let was_promised = self.told_to_poll == Some(true) && self.inbox.is_empty();
        let Some(root) = self.post(&bytes, Band::In, Wants::Poll).await? else {
            self.told_to_poll = Some(false);
            self.speak(false, "Polling-Request", None, 200);
            return Ok((!was_promised).then_some(Polled::Nothing));
        };
        match self.sort(&root)?.pop() {
            Some(response) => {
                self.answer = Some(response.primitive.clone());
                Ok(Some(Polled::Refused(response.primitive)))
            }
            None => {
                self.speak(false, "Polling-Request", None, 200);
                Ok(Some(Polled::Something))
            }
        }
    }

    /// Takes the next transaction out of the inbox and, unless the phone is silent, acknowledges it.
    ///
    /// # Errors
    /// Whatever is wrong with the answer to the acknowledgement.
    pub async fn take(&mut self) -> Result<Option<Received>, String> {
        let Some(received) = self.inbox.pop_front() else { return Ok(None) };
        self.note(&received.primitive);
        self.current = Some(received.clone());
        if !self.is_silent {
            self.acknowledge(None).await?;
        }
        Ok(Some(received))
    }

    /// Acknowledges what was taken last: as its kind wants it, or with a Status of this code.
    ///
    /// # Errors
    /// Whatever is wrong with the answer.
    pub async fn acknowledge(&mut self, code: Option<u16>) -> Result<(), String> {
        let Some(received) = self.current.clone() else { return Err("there is nothing to acknowledge".to_owned()) };
        let primitive = &received.primitive;
        let (began, accepted) = (primitive.name.clone(), code.unwrap_or(200));
        if primitive.name == "Disconnect" {
            self.speak(true, "Disconnect", None, 200);
            return Ok(());
        }
        let is_stray = self.speaker.personality == Personality::Colibria;
        let answer = match primitive.text_at("MessageInfo/MessageID") {
            Some(id) if primitive.name == "NewMessage" && !is_stray && code.is_none() => {
                Node::new("MessageDelivered", [Node::leaf("MessageID", id)])
            }
            _ => status(code.unwrap_or(200)),
        };
        let answered = answer.clone();
        let outbound = if is_stray {
            // A new TransactionID, and the wrong mode (CSP 17, Colibria).
            Outbound { mode: "Request", transaction: Some(self.transaction_id()), primitive: answer, segment: None }
        } else {
            Outbound { mode: "Response", transaction: Some(received.transaction), primitive: answer, segment: None }
        };
        let bytes = self.to_bytes(&self.envelope(Band::In, vec![outbound]))?;
        let before = self.told_to_poll;
        let wants = if is_stray { Wants::Response } else { Wants::Nothing };
        let wants = if self.polls() { wants } else { Wants::Nothing };
        let Some(root) = self.post(&bytes, Band::In, wants).await? else {
            // An empty answer says nothing of what waits.
            self.told_to_poll = before;
            self.speak(true, &began, Some(&answered), accepted);
            return Ok(());
        };
        match self.sort(&root)?.first() {
            None => {
                self.speak(true, &began, Some(&answered), accepted);
                Ok(())
            }
            Some(response) => Err(format!("an acknowledgement was answered with {}", response.primitive.name)),
        }
    }

    /// Keeps what a notification tells.
    fn note(&mut self, primitive: &Node) {
        if primitive.name != "PresenceNotification-Request" {
            return;
        }
        for presence in primitive.find("Presence") {
            let user = presence.child_text("UserID").unwrap_or_default().to_lowercase();
            for attribute in presence.find("PresenceSubList").iter().flat_map(|list| &list.children) {
                self.seen.insert((user.clone(), attribute.name.clone()), attribute.clone());
            }
        }
    }

    /// Posts bytes as they are, with this Content-Type or the phone's own. The HTTP status, and the document if there is one.
    ///
    /// # Errors
    /// When there is no HTTP answer, or one that no client could read.
    pub async fn post_raw(&mut self, bytes: &[u8], label: Option<&str>) -> Result<(u16, Option<Node>), String> {
        let label = label.unwrap_or(&self.content_type).to_owned();
        let Line::Http(http) = &mut self.line else { return Err("raw bytes go over HTTP".to_owned()) };
        let answer = http.post(&label, bytes).await?;
        answer.check_form()?;
        if answer.status != 200 {
            return Ok((answer.status, None));
        }
        answer.check_csp(&label)?;
        if answer.body.is_empty() {
            return Ok((200, None));
        }
        let form = match answer.body.first() {
            Some(b'<') => Form::Xml,
            Some(b'{') => Form::Json,
            Some(b'W') => Form::Pts(PtsCodes::Project),
            _ => Form::Wbxml,
        };
        let root = Node::read(form, &answer.body)?;
        self.heard = Some(root.clone());
        let primitive = root.find("TransactionContent").first().and_then(|content| content.children.first().cloned());
        self.answer = primitive.or(Some(root));
        Ok((200, self.answer.clone()))
    }

    /// The address of the session for messages made by hand.
    pub fn session_id(&self) -> &str {
        self.session.as_deref().unwrap_or("none")
    }

    /// A session was opened by this response.
    pub fn open_session(&mut self, response: &Node) {
        self.session = response.child_text("SessionID").map(str::to_owned);
        self.inbox.clear();
        self.seen.clear();
        self.told_to_poll = None;
    }
}
