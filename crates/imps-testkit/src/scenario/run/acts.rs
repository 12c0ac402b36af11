//! The verbs: from the words of a line to a request, and what becomes of it.

use std::time::Duration;

use imps_types::Version;

use super::super::arguments::Arguments;
use super::super::expect;
use super::super::parse::{Expect, Word};
use super::super::verbs::Verb;
use super::{INTERVAL, POLLS, World, check_response, check_status};
use crate::phone::digest::digest;
use crate::phone::download::download;
use crate::phone::forms::{AccessChange, Body, Contact, ListChange, Outgoing, Proof, Targets};
use crate::phone::{Band, Node, Personality, Phone, Polled, Received, status_of};

/// What may be said of a login.
struct LoginOptions {
    password: String,
    ttl: Option<u32>,
    resume: Option<String>,
    nonce: Option<String>,
    /// What is said to a system message: its ID, and the option.
    answer: Option<(String, String)>,
    application: Option<String>,
}

impl World<'_> {
    pub(super) async fn act(
        &mut self,
        phone: &mut Phone,
        verb: Verb,
        words: &[Word],
        expect: &Expect,
    ) -> Result<(), String> {
        let mut arguments = Arguments::new(words);
        let arguments = &mut arguments;
        match verb {
            Verb::LogsIn
            | Verb::LogsInByNumber
            | Verb::LogsInWithDigest
            | Verb::AsksForNonce
            | Verb::AnswersNonce
            | Verb::Registers
            | Verb::ChangesPassword
            | Verb::LogsOut
            | Verb::KeepsAlive
            | Verb::Polls
            | Verb::AsksForServiceInfo
            | Verb::DiscoversVersions
            | Verb::NegotiatesCapabilities
            | Verb::NegotiatesServices => self.act_on_session(phone, verb, arguments, expect).await,
            Verb::CreatesList
            | Verb::DeletesList
            | Verb::AsksForLists
            | Verb::AsksForList
            | Verb::Adds
            | Verb::Removes
            | Verb::SetsList => self.act_on_lists(phone, verb, arguments, expect).await,
            Verb::CreatesAttributeList
            | Verb::DeletesAttributeList
            | Verb::AsksForAttributeLists
            | Verb::Subscribes
            | Verb::Unsubscribes
            | Verb::AsksForPresence
            | Verb::UpdatesPresence => self.act_on_presence(phone, verb, arguments, expect).await,
            Verb::Sends
            | Verb::SetsDeliveryMethod
            | Verb::AsksForMessages
            | Verb::Fetches
            | Verb::Confirms
            | Verb::Forwards
            | Verb::Rejects => self.act_on_messages(phone, verb, arguments, expect).await,
            Verb::Downloads => self.download(arguments, expect).await,
            Verb::ChangesBlockList | Verb::ChangesGrantList | Verb::AsksForBlockedList => {
                self.act_on_access_lists(phone, verb, arguments, expect).await
            }
            Verb::CreatesGroup
            | Verb::DeletesGroup
            | Verb::JoinsGroup
            | Verb::LeavesGroup
            | Verb::SetsGroup
            | Verb::AsksForGroup
            | Verb::AddsMembers
            | Verb::RemovesMembers
            | Verb::AsksForMembers
            | Verb::GivesAccess
            | Verb::ChangesRejectList
            | Verb::AsksForJoinedUsers
            | Verb::SubscribesChanges
            | Verb::UnsubscribesChanges
            | Verb::AsksForSubscription => self.act_on_groups(phone, verb, arguments, expect).await,
            Verb::Listens
            | Verb::StopsListening
            | Verb::IsCalled
            | Verb::IsNotCalled
            | Verb::Pings
            | Verb::IsHungUp
            | Verb::LosesConnection => self.act_on_calls(phone, verb, arguments).await,
            Verb::Requests
            | Verb::IsTold
            | Verb::IsToldToPoll
            | Verb::IsNotToldToPoll
            | Verb::Sees
            | Verb::SpeaksInPieces
            | Verb::LeavesPieces
            | Verb::FallsSilent
            | Verb::SpeaksAgain
            | Verb::Acknowledges
            | Verb::Gathers
            | Verb::SendsGathered
            | Verb::Repeats
            | Verb::ReusesTransaction => self.act_otherwise(phone, verb, arguments, expect).await,
        }
    }

    /// Sends a request and holds the response against what is expected.
    pub(super) async fn ask(
        &mut self,
        phone: &mut Phone,
        request: Node,
        response: &'static str,
        expect: &Expect,
    ) -> Result<(), String> {
        // What is to be refused may be out of order.
        let is_wrong = matches!(expect, Expect::Status(codes) if !codes.contains(&200));
        let answer = if is_wrong {
            phone.request_anything(request, Band::In).await?
        } else {
            phone.request(request, Band::In).await?
        };
        match answer {
            Some(answer) => check_response(&answer, response, expect),
            None => {
                self.gathered.push(response);
                Ok(())
            }
        }
    }

    async fn act_on_session(
        &mut self,
        phone: &mut Phone,
        verb: Verb,
        arguments: &mut Arguments<'_>,
        expect: &Expect,
    ) -> Result<(), String> {
        let version = phone.speaker.version;
        match verb {
            Verb::LogsIn => self.log_in(phone, arguments, expect).await,
            Verb::LogsInByNumber => {
                arguments.end()?;
                let mut request = phone.speaker.login(Proof::Schemas(&[]), None, None);
                request.children.retain(|child| child.name != "UserID");
                finish_login(phone, request, expect).await
            }
            Verb::LogsInWithDigest => {
                let mut words: Vec<Word> = arguments.all().to_vec();
                let at = words.iter().position(|word| matches!(word.text.as_str(), "password" | "ttl" | "answering"));
                let rest = words.split_off(at.unwrap_or(words.len()));
                ask_for_nonce(phone, &mut Arguments::new(&words), &Expect::Status(vec![401])).await?;
                self.answer_nonce(phone, &mut Arguments::new(&rest), expect).await
            }
            Verb::AsksForNonce => ask_for_nonce(phone, arguments, expect).await,
            Verb::AnswersNonce => self.answer_nonce(phone, arguments, expect).await,
            Verb::Registers | Verb::ChangesPassword => self.account(phone, verb, arguments, expect).await,
            Verb::LogsOut => {
                arguments.end()?;
                let response = if version == Version::V1_1 { "Disconnect" } else { "Status" };
                self.ask(phone, Node::empty("Logout-Request"), response, expect).await
            }
            Verb::KeepsAlive => {
                let ttl = if arguments.takes("ttl") { Some(arguments.number("the time to live")?) } else { None };
                arguments.end()?;
                self.ask(phone, phone.speaker.keep_alive(ttl), "KeepAlive-Response", expect).await
            }
            Verb::Polls => {
                arguments.end()?;
                polls(phone, expect).await
            }
            Verb::AsksForServiceInfo => {
                let band = if arguments.takes("outband") { Band::Out } else { Band::In };
                arguments.end()?;
                let request = phone.speaker.service_info();
                match phone.request(request, band).await? {
                    Some(answer) => check_response(&answer, "GetSPInfo-Response", expect),
                    None => Ok(()),
                }
            }
            Verb::DiscoversVersions => {
                let known: Option<Vec<Version>> =
                    arguments.all().iter().map(|word| Version::parse(&word.text)).collect();
                let known = known.ok_or("versions are written 1.1, 1.2, 1.3")?;
                match phone.discover_versions(&known).await? {
                    Some(answer) => check_response(&answer, "WV-CSP-VersionDiscovery-Response", expect),
                    None => Err("version discovery was answered with an empty body".to_owned()),
                }
            }
            Verb::NegotiatesCapabilities => {
                let mut wishes = Vec::new();
                while let Some(name) = arguments.next() {
                    let value = match arguments.text("its value")? {
                        "own" => phone.called.udp_port().ok_or("it does not listen by udp")?.to_string(),
                        value => value.to_owned(),
                    };
                    wishes.push((name.text.clone(), value));
                }
                let request = phone.speaker.capabilities(&wishes);
                self.ask(phone, request, "ClientCapability-Response", expect).await
            }
            _ => {
                let mut paths: Vec<String> = arguments.all().iter().map(|word| word.text.clone()).collect();
                let wants_all = paths.last().is_some_and(|last| last == "all");
                paths.truncate(paths.len() - usize::from(wants_all));
                let request = phone.speaker.services(&paths, wants_all);
                self.ask(phone, request, "Service-Response", expect).await
            }
        }
    }

    /// `{ password PW | ttl SECONDS | resuming ID | given NONCE }`
    fn login_options(&self, phone: &Phone, arguments: &mut Arguments<'_>) -> Result<LoginOptions, String> {
        let (mut password, mut resume, mut nonce, mut answer) = (phone.password.clone(), None, None, None);
        let mut application = None;
        let mut ttl = Some(phone.speaker.personality.time_to_live());
        loop {
            if arguments.takes("password") {
                password = arguments.text("the password")?.to_owned();
            } else if arguments.takes("ttl") {
                ttl = match arguments.text("the time to live")? {
                    "none" => None,
                    text => Some(text.parse().map_err(|_| format!("`{text}` is no time to live"))?),
                };
            } else if arguments.takes("resuming") {
                resume = Some(self.fill(arguments.text("the session")?));
            } else if arguments.takes("application") {
                application = Some(arguments.text("the application")?.to_owned());
            } else if arguments.takes("given") {
                nonce = Some(self.fill(arguments.text("the nonce")?));
            } else if arguments.takes("answering") {
                let message = arguments.text("the system message")?.to_owned();
                answer = Some((message, arguments.text("the option")?.to_owned()));
            } else {
                arguments.end()?;
                return Ok(LoginOptions { password, ttl, resume, nonce, answer, application });
            }
        }
    }

    async fn log_in(
        &mut self,
        phone: &mut Phone,
        arguments: &mut Arguments<'_>,
        expect: &Expect,
    ) -> Result<(), String> {
        let LoginOptions { password, ttl, resume, answer, application, .. } = self.login_options(phone, arguments)?;
        let mut request = phone.speaker.login(Proof::Password(&password), ttl, resume.as_deref());
        say_to_system_message(&mut request, answer);
        if let Some(application) = application {
            let client = request.children.iter().position(|child| child.name == "ClientID");
            let place = client.map_or(0, |client| client + 1);
            request.children.insert(place, Node::leaf("ApplicationID", application));
        }
        finish_login(phone, request, expect).await
    }

    /// What IMPS has no primitive for.
    async fn account(
        &mut self,
        phone: &mut Phone,
        verb: Verb,
        arguments: &mut Arguments<'_>,
        expect: &Expect,
    ) -> Result<(), String> {
        let mut request = serde_json::json!({ "user": phone.speaker.user, "password": "a long password" });
        loop {
            if arguments.takes("password") {
                request["password"] = arguments.text("the password")?.into();
            } else if arguments.takes("code") {
                request["code"] = self.fill(arguments.text("the code")?).into();
            } else if arguments.takes("to") {
                request["new_password"] = arguments.text("the new password")?.into();
            } else if arguments.takes("phone") {
                request["new_phone_password"] = true.into();
            } else {
                arguments.end()?;
                break;
            }
        }
        let (path, usual) = match verb {
            Verb::Registers => ("/account/register", 201),
            _ => ("/account/password", 200),
        };
        let (status, said) = phone.ask_in_json(path, &request).await?;
        let expected = match expect {
            Expect::Http(code) => *code,
            _ => usual,
        };
        if status != expected {
            return Err(format!("HTTP {expected} was expected, and {status} came: {said}"));
        }
        if let Some(password) = said.get("phone_password").and_then(serde_json::Value::as_str) {
            phone.password = password.to_owned();
        }
        Ok(())
    }

    async fn answer_nonce(
        &mut self,
        phone: &mut Phone,
        arguments: &mut Arguments<'_>,
        expect: &Expect,
    ) -> Result<(), String> {
        let LoginOptions { password, ttl, nonce: given, answer, .. } = self.login_options(phone, arguments)?;
        let own = || phone.challenge.clone().ok_or_else(|| "there is no nonce yet".to_owned());
        let (nonce, schema) = match given {
            Some(nonce) => (nonce, "MD5".to_owned()),
            None => own()?,
        };
        let mut request = match digest(&schema, &nonce, &password) {
            Some(digest) => phone.speaker.login(Proof::Digest(&digest), ttl, None),
            None if schema == "PWD" => phone.speaker.login(Proof::Password(&password), ttl, None),
            None => return Err(format!("the server chose `{schema}`, which no phone computes")),
        };
        say_to_system_message(&mut request, answer);
        if phone.speaker.personality == Personality::Nokia {
            phone.reuse_transaction();
        }
        finish_login(phone, request, expect).await
    }

    /// Being called (CSP 15.4).
    async fn act_on_calls(
        &mut self,
        phone: &mut Phone,
        verb: Verb,
        arguments: &mut Arguments<'_>,
    ) -> Result<(), String> {
        let way = if arguments.takes("by") { Some(arguments.text("tcp, udp or http")?.to_owned()) } else { None };
        let as_session = if arguments.takes("as") { Some(self.fill(arguments.text("the session")?)) } else { None };
        arguments.end()?;
        if let Some(wrong) = way.as_deref().filter(|way| !matches!(*way, "tcp" | "udp" | "http")) {
            return Err(format!("`{wrong}` is no way to be called: tcp, udp or http"));
        }
        match verb {
            Verb::Listens => {
                let way = way.ok_or("`by tcp`, `by udp` or `by http` is missing")?;
                listens(phone, &way, as_session).await
            }
            Verb::StopsListening => {
                phone.called.hang_up(way.as_deref());
                Ok(())
            }
            Verb::IsCalled => {
                let call = phone.called.next(None).await?.ok_or("it was not called")?;
                let expected = format!("WVCI {} {}", phone.speaker.version, phone.speaker.cookie);
                if call.said != expected {
                    return Err(format!("{:?} came by {}, instead of {expected:?}", call.said, call.way));
                }
                match way {
                    Some(way) if way != call.way => Err(format!("it was called by {}", call.way)),
                    _ => Ok(()),
                }
            }
            Verb::IsNotCalled => match phone.called.next(Some(UNCALLED)).await? {
                None => Ok(()),
                Some(call) => Err(format!("it was called by {}: {:?}", call.way, call.said)),
            },
            Verb::Pings => phone.called.ping().await,
            Verb::LosesConnection => {
                phone.lose_connection();
                Ok(())
            }
            _ => phone.called.is_hung_up().await,
        }
    }

    async fn act_on_lists(
        &mut self,
        phone: &mut Phone,
        verb: Verb,
        arguments: &mut Arguments<'_>,
        expect: &Expect,
    ) -> Result<(), String> {
        let mut change = ListChange::default();
        match verb {
            Verb::CreatesList => {
                change.list = self.list(phone, arguments.text("the list")?);
                if arguments.takes("with") {
                    change.add = self.contacts(arguments.until(&["property"]));
                }
                self.list_options(arguments, &mut change)?;
                let is_13 = phone.speaker.version == Version::V1_3;
                let response = if is_13 { "CreateList-Response" } else { "Status" };
                self.ask(phone, phone.speaker.create_list(&change), response, expect).await
            }
            Verb::DeletesList => {
                let list = self.list(phone, arguments.text("the list")?);
                arguments.end()?;
                self.ask(phone, phone.speaker.delete_list(&list), "Status", expect).await
            }
            Verb::AsksForLists => {
                arguments.end()?;
                self.ask(phone, phone.speaker.get_lists(), "GetList-Response", expect).await
            }
            Verb::Adds | Verb::Removes => {
                let whom = arguments.until(&["to", "from"]);
                if !arguments.takes("to") && !arguments.takes("from") || !arguments.takes("list") {
                    return Err("`to list NAME` or `from list NAME` is missing".to_owned());
                }
                change.list = self.list(phone, arguments.text("the list")?);
                if verb == Verb::Adds {
                    change.add = self.contacts(whom);
                } else {
                    change.remove = whom.iter().map(|word| self.address(&word.text)).collect();
                }
                self.list_options(arguments, &mut change)?;
                self.ask(phone, phone.speaker.manage_list(&change), "ListManage-Response", expect).await
            }
            _ => {
                change.list = self.list(phone, arguments.text("the list")?);
                self.list_options(arguments, &mut change)?;
                self.ask(phone, phone.speaker.manage_list(&change), "ListManage-Response", expect).await
            }
        }
    }

    async fn act_on_presence(
        &mut self,
        phone: &mut Phone,
        verb: Verb,
        arguments: &mut Arguments<'_>,
        expect: &Expect,
    ) -> Result<(), String> {
        if verb == Verb::UpdatesPresence {
            let attributes = self.attributes(arguments.all())?;
            return self.ask(phone, phone.speaker.update_presence(attributes), "Status", expect).await;
        }
        let has_for = arguments.takes("for");
        let targets = self.targets(phone, arguments.until(&["of", "automatically"]))?;
        let mut names = Vec::new();
        if arguments.takes("of") {
            names = arguments.until(&["automatically"]).iter().map(|word| word.text.clone()).collect();
        }
        let auto = arguments.takes("automatically").then_some(true);
        arguments.end()?;
        let speaker = &phone.speaker;
        let (request, response) = match verb {
            Verb::CreatesAttributeList => (speaker.create_attribute_list(&targets, &names), "Status"),
            Verb::DeletesAttributeList => (speaker.delete_attribute_list(&targets), "Status"),
            Verb::AsksForAttributeLists => {
                let targets = Targets { default: targets.default || !has_for, ..targets };
                (speaker.get_attribute_lists(&targets), "GetAttributeList-Response")
            }
            Verb::Subscribes => (speaker.subscribe(&targets, &names, auto), "Status"),
            Verb::Unsubscribes => (speaker.unsubscribe(&targets), "Status"),
            _ => (speaker.get_presence(&targets, &names), "GetPresence-Response"),
        };
        self.ask(phone, request, response, expect).await
    }

    /// `{ PATH VALUE | ATTRIBUTE none | ATTRIBUTE empty }`
    fn attributes(&self, words: &[Word]) -> Result<Vec<Node>, String> {
        let mut root = Node::empty("PresenceSubList");
        let mut rest = words.iter();
        while let Some(path) = rest.next() {
            let value = rest.next().ok_or_else(|| format!("a value for `{}` is missing", path.text))?;
            let mut names: Vec<&str> = path.text.split('/').collect();
            match value.text.as_str() {
                "none" if !value.is_quoted => {
                    root.children.push(Node::new(&path.text, [Node::leaf("Qualifier", "F")]));
                    continue;
                }
                "empty" if !value.is_quoted => {
                    root.children.push(Node::empty(&path.text));
                    continue;
                }
                _ => {}
            }
            if names.len() == 1 {
                names.push("PresenceValue");
            }
            let attribute = *names.first().unwrap_or(&"");
            if root.children.last().is_none_or(|last| last.name != attribute) {
                root.children.push(Node::new(attribute, [Node::leaf("Qualifier", "T")]));
            }
            let Some(place) = root.children.last_mut() else { continue };
            let leaf = match value.text.strip_prefix("hex:") {
                Some(digits) if !value.is_quoted => {
                    use base64::Engine as _;
                    let bytes = expect::hex(digits)?;
                    base64::engine::general_purpose::STANDARD.encode(bytes)
                }
                _ => self.fill(&value.text),
            };
            insert(place, names.get(1..).unwrap_or_default(), &leaf);
        }
        Ok(root.children)
    }

    async fn act_on_messages(
        &mut self,
        phone: &mut Phone,
        verb: Verb,
        arguments: &mut Arguments<'_>,
        expect: &Expect,
    ) -> Result<(), String> {
        match verb {
            Verb::Sends => {
                let message = self.message(phone, arguments)?;
                let request = phone.speaker.send_message(&message);
                self.ask(phone, request, "SendMessage-Response", expect).await
            }
            Verb::SetsDeliveryMethod => {
                let method = arguments.text("P or N")?.to_owned();
                let limit = if arguments.takes("limit") { Some(arguments.number("the limit")?) } else { None };
                let group = self.of_group(arguments)?;
                let request = phone.speaker.set_delivery_method(&method, limit, group.as_deref());
                self.ask(phone, request, "Status", expect).await
            }
            Verb::Forwards => {
                let id = self.fill(arguments.text("the MessageID")?);
                if !arguments.takes("to") {
                    return Err("to whom?".to_owned());
                }
                let request = phone.speaker.forward_message(&id, &self.targets(phone, arguments.all())?);
                let is_of_13 = phone.speaker.version == Version::V1_3;
                let response = if is_of_13 { "ForwardMessage-Response" } else { "Status" };
                self.ask(phone, request, response, expect).await
            }
            Verb::AsksForMessages => {
                let count = if arguments.takes("count") { Some(arguments.number("the count")?) } else { None };
                let group = self.of_group(arguments)?;
                let request = phone.speaker.get_message_list(count, group.as_deref());
                self.ask(phone, request, "GetMessageList-Response", expect).await
            }
            _ => {
                let ids: Vec<String> = arguments.all().iter().map(|word| self.fill(&word.text)).collect();
                if ids.is_empty() {
                    return Err("a MessageID is missing".to_owned());
                }
                let (request, response) = match verb {
                    Verb::Fetches => ("GetMessage-Request", "GetMessage-Response"),
                    Verb::Confirms => ("MessageDelivered", "Status"),
                    _ => ("RejectMessage-Request", "Status"),
                };
                self.ask(phone, phone.speaker.of_messages(request, &ids), response, expect).await
            }
        }
    }

    /// Whatever fetches it is not the phone's CSP client, and knows no session.
    async fn download(&self, arguments: &mut Arguments<'_>, expect: &Expect) -> Result<(), String> {
        let url = self.fill(arguments.text("the URL")?);
        let mut content = None;
        if arguments.takes("bytes") {
            content = Some(expect::hex(arguments.text("the bytes")?)?);
        } else if let Some(word) = arguments.peek().filter(|word| word.is_quoted) {
            arguments.next();
            let times = if arguments.takes("times") { arguments.number("how often")? } else { 1 };
            content = Some(word.text.repeat(times).into_bytes());
        }
        let content_type = if arguments.takes("type") { Some(arguments.text("the type")?) } else { None };
        arguments.end()?;
        let got = download(&url).await?;
        let wanted = if let Expect::Http(code) = expect { *code } else { 200 };
        if got.status != wanted {
            return Err(format!("HTTP {} came, not {wanted}", got.status));
        }
        if content.is_some_and(|content| content != got.body) {
            return Err(format!("another content came, of {} bytes", got.body.len()));
        }
        if content_type.is_some_and(|wanted| got.header("content-type") != Some(wanted)) {
            return Err(format!("it is said to be {:?}", got.header("content-type")));
        }
        // Nothing that a browser would run or guess at.
        let is_tame = got.header("x-content-type-options") == Some("nosniff")
            && got.header("content-security-policy").is_some_and(|policy| policy.contains("sandbox"))
            && got.header("content-disposition").is_some_and(|how| how.starts_with("attachment"));
        if got.status == 200 && !is_tame { Err("a browser would run it".to_owned()) } else { Ok(()) }
    }

    async fn act_on_access_lists(
        &mut self,
        phone: &mut Phone,
        verb: Verb,
        arguments: &mut Arguments<'_>,
        expect: &Expect,
    ) -> Result<(), String> {
        let list = match verb {
            Verb::ChangesBlockList => "BlockList",
            Verb::ChangesGrantList => "GrantList",
            _ => {
                arguments.end()?;
                let request = Node::empty("GetBlockedList-Request");
                return self.ask(phone, request, "GetBlockedList-Response", expect).await;
            }
        };
        let mut change = AccessChange::default();
        if arguments.takes("in") {
            if !arguments.takes("use") {
                return Err("`in` what?".to_owned());
            }
            change.in_use = Some(arguments.text("T or F")? == "T");
        }
        while let Some(word) = arguments.next() {
            let words = arguments.until(&["add", "remove"]);
            let entities = self.entities(phone, words)?;
            match word.text.as_str() {
                "add" => change.add = Some(entities),
                "remove" => change.remove = Some(entities),
                other => return Err(format!("`{other}` has no meaning here")),
            }
        }
        let request = phone.speaker.block_entity(list, change);
        self.ask(phone, request, "Status", expect).await
    }

    /// Entities of a block or grant list, in the order in which the grammar wants them.
    fn entities(&self, phone: &Phone, words: &[Word]) -> Result<Vec<Node>, String> {
        const ORDER: [&str; 6] = ["UserID", "ScreenName", "GroupID", "ContactList", "ApplicationID", "Domain"];
        let mut entities = Vec::new();
        let mut words = Arguments::new(words);
        while let Some(word) = words.next() {
            entities.push(match word.text.as_str() {
                "list" if !word.is_quoted => Node::leaf("ContactList", self.list(phone, words.text("the list")?)),
                "group" if !word.is_quoted => Node::leaf("GroupID", self.fill(words.text("the group")?)),
                "application" if !word.is_quoted => Node::leaf("ApplicationID", words.text("the application")?),
                "domain" if !word.is_quoted => Node::leaf("Domain", words.text("the domain")?),
                "name" if !word.is_quoted => {
                    let name = Node::leaf("SName", words.text("the name")?);
                    if !words.takes("in") {
                        return Err("`name NAME in ID`: the group is missing".to_owned());
                    }
                    let group = Node::leaf("GroupID", self.fill(words.text("the group")?));
                    Node::new("ScreenName", [name, group])
                }
                name => Node::leaf("UserID", self.address(name)),
            });
        }
        entities.sort_by_key(|entity| ORDER.iter().position(|one| *one == entity.name));
        Ok(entities)
    }

    fn message(&self, phone: &Phone, arguments: &mut Arguments<'_>) -> Result<Outgoing, String> {
        let mut whom = Vec::new();
        while let Some(word) = arguments.peek().filter(|word| !word.is_quoted) {
            if matches!(word.text.as_str(), "bytes" | "opaque") {
                break;
            }
            whom.push(word.clone());
            arguments.next();
            // A screen name may have quotation marks too.
            if word.text == "name" {
                whom.extend(arguments.next().cloned());
            }
        }
        let mut message = Outgoing { to: self.targets(phone, &whom)?, ..Outgoing::default() };
        message.content = match arguments.next() {
            Some(word) if word.is_quoted => Body::Text(word.text.clone()),
            Some(word) if word.text == "bytes" => Body::Base64(expect::hex(arguments.text("the bytes")?)?),
            Some(_) => Body::Opaque(expect::hex(arguments.text("the bytes")?)?),
            None => {
                return Err("what to send is missing: text in quotation marks, `bytes HEX` or `opaque HEX`".to_owned());
            }
        };
        let is_colibria = phone.speaker.personality == Personality::Colibria;
        if is_colibria || phone.speaker.version < Version::V1_3 {
            message.sender = Some(phone.speaker.user.clone());
        }
        message.content_type = match phone.speaker.personality {
            Personality::Colibria => Some("text/html".to_owned()),
            _ => Some("text/plain".to_owned()),
        };
        loop {
            if arguments.takes("report") {
                message.report = true;
            } else if arguments.takes("validity") {
                message.validity = Some(arguments.number("the validity")?);
            } else if arguments.takes("type") {
                message.content_type = Some(arguments.text("the type")?.to_owned());
            } else if arguments.takes("from") {
                message.sender = Some(self.address(arguments.text("the sender")?));
            } else if arguments.takes("as") {
                let name = arguments.text("the screen name")?.to_owned();
                message.sender_name = Some((name, self.in_group(arguments)?));
            } else if arguments.takes("times") {
                let times: usize = arguments.number("how often")?;
                if let Body::Text(text) = &mut message.content {
                    *text = text.repeat(times);
                }
            } else {
                arguments.end()?;
                return Ok(message);
            }
        }
    }

    async fn act_otherwise(
        &mut self,
        phone: &mut Phone,
        verb: Verb,
        arguments: &mut Arguments<'_>,
        expect: &Expect,
    ) -> Result<(), String> {
        match verb {
            Verb::Requests => {
                let mut request = Node::empty(arguments.text("the primitive")?);
                while let Some(path) = arguments.next() {
                    let value = self.fill(arguments.text("its value")?);
                    let names: Vec<&str> = path.text.split('/').collect();
                    insert(&mut request, &names, &value);
                }
                for list in request.children.iter_mut().filter(|child| child.name == "PresenceSubList") {
                    *list = phone.speaker.presence_list(std::mem::take(&mut list.children));
                }
                match phone.request_anything(request, Band::In).await? {
                    Some(answer) => check_status(&answer, expect),
                    None => {
                        self.gathered.push("Status");
                        Ok(())
                    }
                }
            }
            Verb::IsTold => {
                let Some(answer) = phone.answer.clone() else { return Err("there was no response yet".to_owned()) };
                let primitive = arguments.text("the primitive")?;
                if answer.name != primitive {
                    return Err(format!("{primitive} was expected:\n{}", answer.pretty()));
                }
                let fields = expect::fields(arguments.all(), &|text| self.fill(text))?;
                self.check(&answer, &fields)
            }
            Verb::IsToldToPoll if phone.told_to_poll == Some(true) => Ok(()),
            Verb::IsNotToldToPoll if phone.told_to_poll == Some(false) => Ok(()),
            Verb::IsToldToPoll | Verb::IsNotToldToPoll => {
                Err(format!("the last Poll flag was {:?}", phone.told_to_poll))
            }
            Verb::Sees => self.sees(phone, arguments).await,
            Verb::SpeaksInPieces => {
                phone.piece_size = Some(arguments.number("the size")?);
                arguments.end()
            }
            Verb::LeavesPieces => {
                phone.leaves_pieces = true;
                arguments.end()
            }
            Verb::FallsSilent => {
                phone.is_silent = true;
                Ok(())
            }
            Verb::SpeaksAgain => {
                phone.is_silent = false;
                Ok(())
            }
            Verb::Acknowledges => {
                let code = if arguments.peek().is_some() { Some(arguments.number("the status")?) } else { None };
                phone.acknowledge(code).await
            }
            Verb::Gathers => {
                phone.gathered = Some(Vec::new());
                Ok(())
            }
            Verb::SendsGathered => self.send_gathered(phone, expect).await,
            Verb::Repeats => {
                let before = phone.answer.clone();
                let answer = phone.repeat_request().await?.ok_or("there was no response")?;
                if arguments.takes("with") && before.as_ref() != Some(&answer) {
                    return Err(format!("the answer is another one:\n{}", answer.pretty()));
                }
                check_status(&answer, expect)
            }
            _ => {
                phone.reuse_transaction();
                Ok(())
            }
        }
    }

    async fn send_gathered(&mut self, phone: &mut Phone, expect: &Expect) -> Result<(), String> {
        let requests = phone.gathered.take().unwrap_or_default();
        let names = std::mem::take(&mut self.gathered);
        let codes = match expect {
            Expect::Status(codes) => codes.clone(),
            _ => vec![200; requests.len()],
        };
        let answers = phone.request_all(requests, Band::In).await?;
        if codes.len() != answers.len() {
            return Err(format!("{} status codes are expected of {} responses", codes.len(), answers.len()));
        }
        for ((answer, name), code) in answers.iter().zip(names).zip(codes) {
            check_response(answer, name, &Expect::Status(vec![code]))?;
        }
        phone.answer = answers.last().cloned();
        Ok(())
    }

    async fn sees(&mut self, phone: &mut Phone, arguments: &mut Arguments<'_>) -> Result<(), String> {
        let user = self.address(arguments.text("the user")?).to_lowercase();
        let fields = expect::fields(arguments.all(), &|text| self.fill(text))?;
        let mut error = String::new();
        for _ in 0..POLLS {
            take_notifications(phone).await?;
            let known = phone.seen.iter().filter(|((of, _), node)| *of == user && has_value(node));
            let view = Node::new("Presence", known.map(|(_, node)| node.clone()));
            let is_empty = matches!(phone.fetch(INTERVAL).await?, Polled::Nothing);
            match expect::check(&view, &fields, &mut self.names) {
                // Nothing that is still on its way may change it.
                Ok(()) if is_empty => return Ok(()),
                Ok(()) => {}
                Err(text) => error = format!("{text}; what was notified so far:\n{}", view.pretty()),
            }
            if is_empty {
                tokio::time::sleep(INTERVAL).await;
            }
        }
        Err(error)
    }

    fn targets(&self, phone: &Phone, words: &[Word]) -> Result<Targets, String> {
        let mut targets = Targets::default();
        let mut words = Arguments::new(words);
        while let Some(word) = words.next() {
            match word.text.as_str() {
                "list" if !word.is_quoted => targets.lists.push(self.list(phone, words.text("the list")?)),
                "everybody" if !word.is_quoted => targets.default = true,
                "group" if !word.is_quoted => targets.groups.push(self.group(words.text("the group")?)),
                "name" if !word.is_quoted => {
                    let name = words.text("the screen name")?.to_owned();
                    targets.names.push((name, self.in_group(&mut words)?));
                }
                name => targets.users.push(self.address(name)),
            }
        }
        Ok(targets)
    }

    fn contacts(&self, words: &[Word]) -> Vec<Contact> {
        let mut contacts: Vec<Contact> = Vec::new();
        for word in words {
            match contacts.last_mut() {
                Some(last) if word.is_quoted => last.nick = Some(word.text.clone()),
                _ => contacts.push(Contact { address: self.address(&word.text), nick: None }),
            }
        }
        contacts
    }

    /// `{ property NAME VALUE } [ receive T|F ]`
    fn list_options(&self, arguments: &mut Arguments<'_>, change: &mut ListChange) -> Result<(), String> {
        loop {
            if arguments.takes("property") {
                let name = arguments.text("the property")?.to_owned();
                change.properties.push((name, arguments.text("its value")?.to_owned()));
            } else if arguments.takes("receive") {
                change.receive = Some(arguments.text("T or F")? == "T");
            } else {
                return arguments.end();
            }
        }
    }
}

/// How long a phone waits before it says that it was not called: longer than the server's pause between two lines.
const UNCALLED: Duration = Duration::from_millis(1200);

/// Goes onto a channel, as the last capability negotiation said.
async fn listens(phone: &mut Phone, way: &str, as_session: Option<String>) -> Result<(), String> {
    if way == "udp" {
        return phone.called.listen_by_udp().await.map(drop);
    }
    let granted = phone.granted.clone().ok_or("there was no capability negotiation yet")?;
    let told = |path: &str| granted.text_at(path).map(str::to_owned);
    if way == "http" {
        let url = told("CIRURL/URL").or_else(|| told("CIRHTTPAddress/URL")).ok_or("no CIR URL was told")?;
        return phone.called.listen_by_http(&url).await;
    }
    let (host, port) = told("TCPAddress").zip(told("TCPPort")).ok_or("no TCP address was told")?;
    let address = format!("{host}:{port}").parse().map_err(|_| format!("`{host}:{port}` is no address"))?;
    let session = as_session.unwrap_or_else(|| phone.session_id().to_owned());
    phone.called.listen_by_tcp(address, &session).await
}

/// Whether an attribute tells anything: Qualifier F withdraws its value.
fn has_value(attribute: &Node) -> bool {
    attribute.child_text("Qualifier") == Some("T")
}

/// Puts a leaf below a node; an element that has such a leaf already gets a twin.
fn insert(place: &mut Node, names: &[&str], value: &str) {
    match names {
        [] => {}
        [leaf] => place.children.push(Node::leaf(leaf.strip_prefix('+').unwrap_or(leaf), value)),
        [first, rest @ ..] => {
            let fits = place.children.last().is_some_and(|last| {
                last.name == *first && (rest.len() > 1 || rest[0].starts_with('+') || last.child(rest[0]).is_none())
            });
            if !fits {
                place.children.push(Node::empty(first));
            }
            if let Some(last) = place.children.last_mut() {
                insert(last, rest, value);
            }
        }
    }
}

/// Takes every notification of presence out of the inbox; the rest stays, in its order.
async fn take_notifications(phone: &mut Phone) -> Result<(), String> {
    let is_notification = |one: &Received| one.primitive.name == "PresenceNotification-Request";
    while let Some(at) = phone.inbox.iter().position(is_notification) {
        if let Some(notification) = phone.inbox.remove(at) {
            phone.inbox.push_front(notification);
            phone.take().await?;
        }
    }
    Ok(())
}

async fn polls(phone: &mut Phone, expect: &Expect) -> Result<(), String> {
    match (phone.poll().await?, expect) {
        (Polled::Nothing, Expect::Nothing | Expect::Default)
        | (Polled::Something, Expect::Something | Expect::Default) => Ok(()),
        (Polled::Refused(answer), expect) => check_status(&answer, expect),
        (polled, expect) => Err(format!("{expect:?} was expected, and {polled:?} came")),
    }
}

async fn ask_for_nonce(phone: &mut Phone, arguments: &mut Arguments<'_>, expect: &Expect) -> Result<(), String> {
    let mut schemas: Vec<String> = arguments.all().iter().map(|word| word.text.clone()).collect();
    if schemas.is_empty() {
        schemas.push("MD5".to_owned());
    }
    let request = phone.speaker.login(Proof::Schemas(&schemas), Some(phone.speaker.personality.time_to_live()), None);
    let answer = phone.request(request, Band::Out).await?.ok_or("logins cannot be gathered")?;
    let default = Expect::Status(vec![401]);
    check_response(&answer, "Login-Response", if *expect == Expect::Default { &default } else { expect })?;
    if status_of(&answer) == 401 {
        if answer.child("SessionID").is_some() {
            return Err("the first step must not give a SessionID".to_owned());
        }
        let text = |name| answer.child_text(name).map(str::to_owned).ok_or_else(|| format!("{name} is missing"));
        phone.challenge = Some((text("Nonce")?, text("DigestSchema")?));
    }
    Ok(())
}

/// Puts what is said to a system message into a Login-Request of 1.3.
fn say_to_system_message(request: &mut Node, answer: Option<(String, String)>) {
    if let Some((message, option)) = answer {
        let response = [Node::leaf("SystemMessageID", message), Node::leaf("ChosenOptionID", option)];
        let response = Node::new("SystemMessageResponse", response);
        request.children.push(Node::new("SystemMessageResponseList", [response]));
    }
}

async fn finish_login(phone: &mut Phone, request: Node, expect: &Expect) -> Result<(), String> {
    let answer = phone.request(request, Band::Out).await?.ok_or("logins cannot be gathered")?;
    check_response(&answer, "Login-Response", expect)?;
    let has_session = answer.child("SessionID").is_some();
    if status_of(&answer) == 200 {
        if !has_session {
            return Err("a successful login must give a SessionID".to_owned());
        }
        let length = answer.child_text("SessionID").unwrap_or_default().len();
        if !(16..=50).contains(&length) {
            return Err(format!("the SessionID has {length} characters: phones keep 50, and 16 are hard to guess"));
        }
        phone.open_session(&answer);
    } else if has_session {
        return Err("a failed login must not give a SessionID".to_owned());
    }
    Ok(())
}
