//! What people do with phones, each with its weight; and how a phone takes what comes.

use std::cell::RefCell;
use std::rc::Rc;

use imps_types::Version;

use super::super::server::address;
use super::super::{Dice, now};
use super::ledger::{Ledger, Told};
use crate::phone::forms::{Body, Contact, ListChange, Outgoing, Proof, Targets};
use crate::phone::{Band, Node, Phone, Polled, status_of};

/// Phones that share a group.
const CLUB: usize = 10;

/// A phone, whose turn it is now and then.
pub(super) struct Actor {
    pub(super) number: usize,
    phones: usize,
    phone: Phone,
    ledger: Rc<RefCell<Ledger>>,
    is_joined: bool,
    has_group: bool,
    is_subscribed: bool,
    blocks: bool,
    count: u64,
}

/// Something to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deed {
    Poll,
    Send,
    SendToGroup,
    Update,
    GetPresence,
    Subscribe,
    Unsubscribe,
    EditList,
    ReadList,
    KeepAlive,
    Relogin,
    Join,
    Leave,
    Invite,
    Search,
    Block,
    Watchers,
    ListMessages,
    Rubbish,
}

/// How often what is done, of all that is done.
const WEIGHTS: &[(Deed, u64, &str)] = &[
    (Deed::Poll, 30, "polls"),
    (Deed::Send, 20, "messages sent"),
    (Deed::SendToGroup, 6, "messages sent to groups"),
    (Deed::Update, 8, "presence updates"),
    (Deed::GetPresence, 4, "presence asked for"),
    (Deed::Subscribe, 3, "subscriptions"),
    (Deed::Unsubscribe, 1, "subscriptions ended"),
    (Deed::EditList, 4, "changes of contact lists"),
    (Deed::ReadList, 3, "contact lists read"),
    (Deed::KeepAlive, 2, "keep-alives"),
    (Deed::Relogin, 2, "logouts and logins"),
    (Deed::Join, 3, "groups joined"),
    (Deed::Leave, 2, "groups left"),
    (Deed::Invite, 3, "invitations"),
    (Deed::Search, 3, "searches"),
    (Deed::Block, 1, "changes of the block list"),
    (Deed::Watchers, 1, "watcher lists read"),
    (Deed::ListMessages, 2, "message lists read"),
    (Deed::Rubbish, 2, "messages that are no CSP"),
];

/// Whether an answer has one of these codes.
fn expected(answer: &Node, codes: &[u16]) -> Result<(), String> {
    let code = status_of(answer);
    if codes.contains(&code) { Ok(()) } else { Err(format!("{code}\n{}", answer.pretty())) }
}

impl Actor {
    pub(super) fn new(phone: Phone, number: usize, phones: usize, ledger: Rc<RefCell<Ledger>>) -> Self {
        Self {
            number,
            phones,
            phone,
            ledger,
            is_joined: false,
            has_group: false,
            is_subscribed: false,
            blocks: false,
            count: 0,
        }
    }

    /// Does one thing.
    pub(super) async fn act(&mut self, dice: &mut Dice) {
        if self.phone.session.is_none() {
            self.log_in().await;
            return;
        }
        let whole = WEIGHTS.iter().map(|(_, weight, _)| weight).sum();
        let mut point = dice.below(whole);
        for (deed, weight, name) in WEIGHTS {
            if point < *weight {
                let began = now();
                let done = self.carry_out(*deed, dice).await;
                let mut ledger = self.ledger.borrow_mut();
                match done {
                    Ok(()) => ledger.done(name, began.elapsed()),
                    Err(why) => ledger.fault(&format!("user{} ({deed:?}): {why}", self.number)),
                }
                return;
            }
            point -= weight;
        }
    }

    /// Logs in again and fetches until nothing waits: twice, so that what others acknowledge meanwhile is seen too.
    pub(super) async fn drain(&mut self) {
        if self.phone.session.is_none() {
            self.log_in().await;
        }
        for _ in 0..3 {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            if let Err(why) = self.fetch().await {
                self.ledger.borrow_mut().fault(&format!("user{} at the end: {why}", self.number));
            }
        }
    }

    async fn log_in(&mut self) {
        let login = self.phone.speaker.login(Proof::Password(&self.phone.password.clone()), None, None);
        let opened = match self.phone.request(login, Band::Out).await {
            Ok(Some(answer)) if status_of(&answer) == 200 => {
                self.phone.open_session(&answer);
                self.ask(self.phone.speaker.capabilities(&[])).await.map(|_| ())
            }
            Ok(answer) => Err(format!("login: {answer:?}")),
            Err(error) => Err(error),
        };
        (self.is_joined, self.is_subscribed) = (false, false);
        if let Err(why) = opened {
            self.ledger.borrow_mut().fault(&format!("user{}: {why}", self.number));
        }
    }

    /// A request whose answer must say 200.
    async fn ask(&mut self, primitive: Node) -> Result<Node, String> {
        self.ask_for(primitive, &[200]).await
    }

    async fn ask_for(&mut self, primitive: Node, codes: &[u16]) -> Result<Node, String> {
        let name = primitive.name.clone();
        let answer = self.phone.request(primitive, Band::In).await?.ok_or("no answer")?;
        expected(&answer, codes).map_err(|why| format!("{name}: {why}"))?;
        Ok(answer)
    }

    fn somebody(&self, dice: &mut Dice) -> String {
        address(&format!("user{}", dice.below(self.phones as u64)))
    }

    fn version(&self) -> Version {
        self.phone.speaker.version
    }

    fn group(&self) -> String {
        let founder = self.number / CLUB * CLUB;
        format!("wv:user{founder}/club@localhost")
    }

    fn screen_name(&self) -> Node {
        Node::new(
            "ScreenName",
            [Node::leaf("SName", format!("name{}", self.number)), Node::leaf("GroupID", self.group())],
        )
    }

    async fn carry_out(&mut self, deed: Deed, dice: &mut Dice) -> Result<(), String> {
        self.count += 1;
        match deed {
            Deed::Poll => self.fetch().await,
            Deed::Send => self.send(dice).await,
            Deed::SendToGroup => self.send_to_group().await,
            Deed::Update => self.update(dice).await,
            Deed::GetPresence => {
                let target = Targets { users: vec![self.somebody(dice)], ..Targets::default() };
                let request = self.phone.speaker.get_presence(&target, &[]);
                self.ask(request).await.map(|_| ())
            }
            Deed::Subscribe => self.subscribe(dice).await,
            Deed::Unsubscribe => self.unsubscribe().await,
            Deed::EditList => self.edit_list(dice).await,
            Deed::ReadList => self.ask(self.phone.speaker.get_lists()).await.map(|_| ()),
            Deed::KeepAlive => self.ask(self.phone.speaker.keep_alive(None)).await.map(|_| ()),
            Deed::Relogin => self.relogin().await,
            Deed::Join => self.join().await,
            Deed::Leave => self.leave().await,
            Deed::Invite => self.invite(dice).await,
            Deed::Search => self.search(dice).await,
            Deed::Block => self.block().await,
            Deed::Watchers => self.ask(Node::empty("GetWatcherList-Request")).await.map(|_| ()),
            Deed::ListMessages => self.ask(self.phone.speaker.get_message_list(Some(10), None)).await.map(|_| ()),
            Deed::Rubbish => self.rubbish(dice).await,
        }
    }

    /// Polls until nothing comes, and acknowledges everything.
    async fn fetch(&mut self) -> Result<(), String> {
        loop {
            while let Some(received) = self.phone.take().await? {
                self.heard(&received.primitive).await?;
            }
            match self.phone.poll_for_what_is_left().await? {
                Some(Polled::Nothing) => return Ok(()),
                None if self.is_taken_back() => {
                    self.ledger.borrow_mut().count("promises that came to nothing");
                    return Ok(());
                }
                None => return Err("the Poll flag was T, but the poll was answered with nothing".to_owned()),
                Some(Polled::Something) => {}
                Some(Polled::Refused(why)) => return Err(format!("a poll was refused:\n{}", why.pretty())),
            }
        }
    }

    /// Whether what the server promised may have been taken back since: somebody came to the phone's group and has left it,
    /// or asked to watch its user and does not want to any more. Whatever else the phones do leaves a promise as it is.
    fn is_taken_back(&self) -> bool {
        let Some(since) = self.phone.promised_after else { return false };
        let ledger = self.ledger.borrow();
        (self.is_joined && ledger.is_taken_back(Told::Coming(self.number / CLUB), since))
            || ledger.is_taken_back(Told::Question(self.number), since)
    }

    /// A request that takes something back which others may have been promised.
    async fn take_back(&mut self, told: &[Told], request: Node) -> Result<Option<Node>, String> {
        told.iter().for_each(|told| self.ledger.borrow_mut().takes_back(*told));
        let answer = self.phone.request(request, Band::In).await;
        told.iter().for_each(|told| self.ledger.borrow_mut().has_taken_back(*told, now()));
        answer
    }

    /// Something came and was acknowledged.
    async fn heard(&mut self, primitive: &Node) -> Result<(), String> {
        match primitive.name.as_str() {
            "NewMessage" => {
                let is_of_group = !primitive.find("Recipient/Group").is_empty();
                if let (false, Some(id)) = (is_of_group, primitive.text_at("MessageInfo/MessageID")) {
                    self.ledger.borrow_mut().deliver(id);
                }
            }
            "InviteUser-Request" => {
                let id = primitive.child_text("InviteID").unwrap_or_default().to_owned();
                let sender = primitive.child("Sender").cloned();
                let mut answer = vec![Node::leaf("InviteID", id), Node::leaf("Acceptance", "T")];
                answer.extend(sender.filter(|_| self.version() >= Version::V1_2));
                answer.push(Node::leaf("ResponseNote", "gladly"));
                self.ask_for(Node::new("InviteUser-Response", answer), &[200, 423]).await?;
            }
            "LeaveGroup-Response" => self.is_joined = false,
            "Disconnect" => return Err(format!("the session was ended:\n{}", primitive.pretty())),
            _ => {}
        }
        Ok(())
    }

    async fn send(&mut self, dice: &mut Dice) -> Result<(), String> {
        let text = format!("message {} of user{}", self.count, self.number);
        let message = Outgoing {
            to: Targets { users: vec![self.somebody(dice)], ..Targets::default() },
            sender: Some(self.phone.speaker.user.clone()),
            content_type: Some("text/plain".to_owned()),
            content: Body::Text(text),
            ..Outgoing::default()
        };
        let request = self.phone.speaker.send_message(&message);
        // Some are blocked by whom they write to.
        let answer = self.ask_for(request, &[200, 532]).await?;
        if let Some(id) = answer.child_text("MessageID") {
            self.ledger.borrow_mut().accept(id);
        }
        Ok(())
    }

    async fn send_to_group(&mut self) -> Result<(), String> {
        if !self.is_joined {
            return self.join().await;
        }
        let text = format!("message {} of user{} to all", self.count, self.number);
        let info = [
            Node::leaf("ContentType", "text/plain"),
            Node::leaf("ContentSize", text.len().to_string()),
            Node::new("Recipient", [Node::new("Group", [Node::leaf("GroupID", self.group())])]),
            Node::new("Sender", [Node::new("Group", [self.screen_name()])]),
        ];
        let message =
            [Node::leaf("DeliveryReport", "F"), Node::new("MessageInfo", info), Node::leaf("ContentData", text)];
        // The founder may have left meanwhile, and the others been put out with the session's end.
        self.ask_for(Node::new("SendMessage-Request", message), &[200, 808]).await.map(|_| ())
    }

    async fn update(&mut self, dice: &mut Dice) -> Result<(), String> {
        let value = ["AVAILABLE", "DISCREET", "NOT_AVAILABLE"][dice.below(3) as usize];
        let with = |name: &str, value: &str| {
            Node::new(name, [Node::leaf("Qualifier", "T"), Node::leaf("PresenceValue", value)])
        };
        let text = format!("for the {}th time", self.count);
        let attributes = vec![with("UserAvailability", value), with("StatusText", &text)];
        let request = self.phone.speaker.update_presence(attributes);
        self.ask(request).await.map(|_| ())
    }

    /// The phones whose users this one watches.
    fn neighbours(&self) -> impl Iterator<Item = usize> {
        let (number, phones) = (self.number, self.phones);
        (1..=5).map(move |step| (number + step) % phones)
    }

    fn circle(&self) -> Targets {
        let users = self.neighbours().map(|number| address(&format!("user{number}")));
        Targets { users: users.collect(), ..Targets::default() }
    }

    async fn subscribe(&mut self, dice: &mut Dice) -> Result<(), String> {
        if dice.below(4) == 0 {
            // All may see everything from now on.
            let everybody = Targets { default: true, ..Targets::default() };
            let names = ["OnlineStatus", "UserAvailability", "StatusText"].map(str::to_owned);
            let request = self.phone.speaker.create_attribute_list(&everybody, &names);
            self.ask(request).await?;
        }
        let request = self.phone.speaker.subscribe(&self.circle(), &[], None);
        self.is_subscribed = true;
        self.ask(request).await.map(|_| ())
    }

    async fn unsubscribe(&mut self) -> Result<(), String> {
        self.is_subscribed = false;
        let request = self.phone.speaker.unsubscribe(&self.circle());
        let told: Vec<_> = self.neighbours().map(Told::Question).collect();
        let answer = self.take_back(&told, request).await?;
        expected(&answer.ok_or("no answer")?, &[200])
    }

    async fn edit_list(&mut self, dice: &mut Dice) -> Result<(), String> {
        let list = format!("wv:user{}/list{}@localhost", self.number, dice.below(3));
        let contact = Contact { address: self.somebody(dice), nick: Some("a friend".to_owned()) };
        let change = ListChange { list: list.clone(), add: vec![contact], ..ListChange::default() };
        match dice.below(3) {
            0 => self.ask_for(self.phone.speaker.create_list(&change), &[200, 701]).await.map(|_| ()),
            1 => self.ask_for(self.phone.speaker.delete_list(&list), &[200, 700]).await.map(|_| ()),
            _ => self.ask_for(self.phone.speaker.manage_list(&change), &[200, 700]).await.map(|_| ()),
        }
    }

    async fn relogin(&mut self) -> Result<(), String> {
        self.fetch().await?;
        let told = [Told::Coming(self.number / CLUB)];
        let answer = self.take_back(&told, Node::empty("Logout-Request")).await?.ok_or("no answer")?;
        if status_of(&answer) != 200 {
            return Err(format!("logout:\n{}", answer.pretty()));
        }
        self.phone.session = None;
        Ok(())
    }

    async fn join(&mut self) -> Result<(), String> {
        let is_founder = self.number.is_multiple_of(CLUB);
        if is_founder && !self.has_group {
            let property =
                |name: &str, value: &str| Node::new("Property", [Node::leaf("Name", name), Node::leaf("Value", value)]);
            let properties = [property("Name", "Club"), property("Topic", "weather"), property("Searchable", "T")];
            let create = [
                Node::leaf("GroupID", self.group()),
                Node::new("GroupProperties", properties),
                Node::leaf("JoinGroup", "F"),
                Node::leaf("SubscribeNotification", "F"),
            ];
            self.ask_for(Node::new("CreateGroup-Request", create), &[200, 801]).await?;
            self.has_group = true;
        }
        let join = [
            Node::leaf("GroupID", self.group()),
            self.screen_name(),
            Node::leaf("JoinedRequest", "T"),
            Node::leaf("SubscribeNotification", "T"),
        ];
        // The founder may not have come yet; who is joined already may be told so.
        let answer = self.ask_for(Node::new("JoinGroup-Request", join), &[200, 800, 807]).await?;
        self.is_joined = status_of(&answer) != 800;
        Ok(())
    }

    async fn leave(&mut self) -> Result<(), String> {
        let leave = Node::new("LeaveGroup-Request", [Node::leaf("GroupID", self.group())]);
        let codes: &[u16] = if self.is_joined { &[200, 808] } else { &[800, 808] };
        self.is_joined = false;
        let answer = self.take_back(&[Told::Coming(self.number / CLUB)], leave).await?;
        expected(&answer.ok_or("no answer")?, codes)
    }

    async fn invite(&mut self, dice: &mut Dice) -> Result<(), String> {
        let user = Node::new("User", [Node::leaf("UserID", self.somebody(dice))]);
        let invite = [
            Node::leaf("InviteID", format!("invite{}", self.count)),
            Node::leaf("InviteType", "SC"),
            Node::new("Recipient", [user]),
            Node::new("URLList", [Node::leaf("URL", "http://pictures.example/1.jpg")]),
            Node::leaf("InviteNote", "look"),
            Node::leaf("Validity", "600"),
        ];
        self.ask_for(Node::new("Invite-Request", invite), &[200, 532]).await.map(|_| ())
    }

    async fn search(&mut self, dice: &mut Dice) -> Result<(), String> {
        let pair =
            [Node::leaf("SearchElement", "USER_ID"), Node::leaf("SearchString", format!("user{}", dice.below(10)))];
        let request = [Node::new("SearchPairList", pair), Node::leaf("SearchLimit", "5")];
        self.ask(Node::new("Search-Request", request)).await.map(|_| ())
    }

    /// Blocks the last user, or lets him in again.
    async fn block(&mut self) -> Result<(), String> {
        self.blocks = !self.blocks;
        let last = Node::new(
            if self.blocks { "AddList" } else { "RemoveList" },
            [Node::leaf("UserID", address(&format!("user{}", self.phones - 1)))],
        );
        let request = if self.version() < Version::V1_3 {
            vec![Node::new("BlockList", [Node::leaf("InUse", "T"), last])]
        } else {
            vec![Node::new("BlockList", [last]), Node::leaf("BlockListInUse", "T")]
        };
        self.ask(Node::new("BlockEntity-Request", request)).await.map(|_| ())
    }

    /// What is no CSP, or half of it: refused, and nothing else happens.
    async fn rubbish(&mut self, dice: &mut Dice) -> Result<(), String> {
        let mut bytes: Vec<u8> = (0..dice.below(200)).map(|_| dice.below(256) as u8).collect();
        if dice.below(2) == 0 {
            bytes.splice(0..0, b"<WV-CSP-Message><Session>".iter().copied());
        }
        let (code, answer) = self.phone.post_raw(&bytes, None).await?;
        let is_refused = match (code, &answer) {
            (400 | 413 | 415, _) => true,
            (200, Some(answer)) => status_of(answer) != 200,
            _ => false,
        };
        if is_refused { Ok(()) } else { Err(format!("rubbish was answered with {code} {answer:?}")) }
    }
}
