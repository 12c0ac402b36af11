//! The envelope: a set-up, or a session with transactions. SSP 5.

use super::catalogue::{Kind, Primitive};
use super::error::{Error, ErrorKind};
use super::grammar::required;
use super::io::{In, Out, Start};
use crate::wire::Limits;
use imps_types::{Status, TransactionId, Version};

/// The root element.
const ROOT: &str = "WV-SSP-Message";
/// The longest ID of a transaction (SSP 2).
pub const TRANSACTION_ID_MAX: usize = 128;
/// The longest ID of a session.
pub const SESSION_ID_MAX: usize = 512;
/// How many transactions a message may have.
pub const TRANSACTIONS_MAX: usize = 1000;

/// What a message may cost: as in CSP, but many small elements are usual here.
pub fn limits(bytes: usize) -> Limits {
    Limits { bytes, elements: 100_000, text: bytes, ..Limits::default() }
}

/// The namespace of a peer's messages. It is answered in the one it used first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Dialect {
    /// SSP 1.3, or one that is not known.
    #[default]
    V1_3,
    /// SSP 1.2.
    V1_2,
    /// SSP 1.1.
    V1_1,
    /// None at all.
    Bare,
}

impl Dialect {
    const ALL: &[Self] = &[Self::V1_3, Self::V1_2, Self::V1_1, Self::Bare];

    /// The namespace, if it has one.
    pub fn namespace(self) -> Option<&'static str> {
        match self {
            Self::V1_3 => Some("http://www.openmobilealliance.org/DTD/WV-SSP1.3"),
            Self::V1_2 => Some("http://www.openmobilealliance.org/DTD/WV-SSP1.2"),
            Self::V1_1 => Some("http://www.wireless-village.org/SSP1.1"),
            Self::Bare => None,
        }
    }

    /// The version of CSP that its peers speak: presence is written in it.
    pub fn version(self) -> Version {
        match self {
            Self::V1_3 | Self::Bare => Version::V1_3,
            Self::V1_2 => Version::V1_2,
            Self::V1_1 => Version::V1_1,
        }
    }

    fn of(namespace: Option<&str>) -> Self {
        match namespace.map(str::trim).filter(|it| !it.is_empty()) {
            Some(text) => Self::ALL.iter().copied().find(|it| it.namespace() == Some(text)).unwrap_or_default(),
            None => Self::Bare,
        }
    }
}

/// Which half of a transaction it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The first.
    Request,
    /// The second.
    Response,
}

impl Mode {
    /// As it stands in the attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "Request",
            Self::Response => "Response",
        }
    }
}

/// A primitive that could not be read, in a message that could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is called; empty: there is none.
    pub name: Box<str>,
    /// What it is answered with: 402 or 405.
    pub status: Status,
    /// What is wrong.
    pub reason: Box<str>,
}

/// One transaction of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Which half.
    pub mode: Mode,
    /// Its ID.
    pub id: TransactionId,
    /// What it says.
    pub content: Result<Primitive, Refusal>,
}

/// What a message holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A step of a set-up.
    Setup {
        /// Which half.
        mode: Mode,
        /// Its ID.
        id: TransactionId,
        /// One of the three that make a set-up.
        primitive: Box<Primitive>,
    },
    /// Transactions in a session.
    Session {
        /// The sender's own ID of it.
        id: Box<str>,
        /// In order.
        transactions: Vec<Transaction>,
    },
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// In which namespace.
    pub dialect: Dialect,
    /// What is in it.
    pub body: Body,
}

impl Message {
    /// Reads a message, which must be UTF-8 ([`wire::utf8`](crate::wire::utf8) makes it so). A primitive that cannot be
    /// read does not spoil the others.
    ///
    /// # Errors
    /// When it is no SSP message: HTTP 400.
    pub fn read(input: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut input = In::new(input, limits)?;
        let (root, namespace) = input.root()?;
        if !root.is(&[ROOT]) {
            return Err(Error::new(ErrorKind::NotSsp, root.position()));
        }
        let mut body = None;
        while let Some(child) = input.child()? {
            if child.is(&["Session"]) {
                twice(&body, "Session", child.position())?;
                body = Some(read_session(&child, &mut input)?);
            } else if child.is(&["SetupTransaction"]) {
                twice(&body, "SetupTransaction", child.position())?;
                body = Some(read_setup(&child, &mut input)?);
            } else {
                input.skip()?;
            }
        }
        let body = body.ok_or(input.error(ErrorKind::MissingElement("Session")))?;
        input.finish()?;
        Ok(Self { dialect: Dialect::of(namespace.as_deref()), body })
    }

    /// Writes it; a primitive that was refused becomes the Status that says so.
    pub fn write(&self) -> Vec<u8> {
        match &self.body {
            Body::Setup { mode, id, primitive } => write_setup(self.dialect, *mode, id, primitive),
            Body::Session { id, transactions } => {
                let mut writer = SessionWriter::new(self.dialect, id);
                for it in transactions {
                    match &it.content {
                        Ok(primitive) => writer.transaction(it.mode, &it.id, primitive),
                        Err(refusal) => writer.transaction(it.mode, &it.id, &refusal.answer()),
                    }
                }
                writer.finish()
            }
        }
    }
}

impl Refusal {
    /// What the peer is answered.
    pub fn answer(&self) -> Primitive {
        let reason =
            if self.name.is_empty() { self.reason.to_string() } else { format!("{}: {}", self.name, self.reason) };
        Primitive::Status(super::session::Status::with_text(self.status, &reason))
    }
}

fn twice(body: &Option<Body>, name: &'static str, at: usize) -> Result<(), Error> {
    if body.is_some() { Err(Error::new(ErrorKind::Twice(name), at)) } else { Ok(()) }
}

fn read_id(start: &Start<'_>) -> Result<(Mode, TransactionId), Error> {
    let bad = |kind| Error::new(kind, start.position());
    let mode = match start.attribute(&["mode"]).as_deref() {
        Some("Request") => Mode::Request,
        Some("Response") => Mode::Response,
        Some(_) => return Err(bad(ErrorKind::BadAttribute("mode"))),
        None => return Err(bad(ErrorKind::MissingAttribute("mode"))),
    };
    let id: Box<str> = required(start, &["transactionID"])?;
    if id.is_empty() {
        return Err(bad(ErrorKind::BadAttribute("transactionID")));
    }
    if id.len() > TRANSACTION_ID_MAX {
        return Err(bad(ErrorKind::TooLarge("transactionID")));
    }
    Ok((mode, TransactionId::new(&id)))
}

fn read_setup<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Body, Error> {
    let (mode, id) = read_id(start)?;
    let mut found = None;
    while let Some(child) = input.child()? {
        if found.is_some() {
            return Err(Error::new(ErrorKind::Twice("primitive"), child.position()));
        }
        match Primitive::read(&child, input)? {
            Some(primitive) if primitive.name().row().kind == Kind::Setup => found = Some(Box::new(primitive)),
            Some(_) => return Err(Error::new(ErrorKind::BadElement("SetupTransaction"), child.position())),
            None => input.skip()?,
        }
    }
    match found {
        Some(primitive) => Ok(Body::Setup { mode, id, primitive }),
        None => Err(input.error(ErrorKind::MissingElement("SendSecretToken"))),
    }
}

fn read_session<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Body, Error> {
    let id: Box<str> = required(start, &["sessionID"])?;
    if id.len() > SESSION_ID_MAX {
        return Err(Error::new(ErrorKind::TooLarge("sessionID"), start.position()));
    }
    let mut transactions = Vec::new();
    while let Some(child) = input.child()? {
        if !child.is(&["Transaction"]) {
            input.skip()?;
            continue;
        }
        if transactions.len() >= TRANSACTIONS_MAX {
            return Err(Error::new(ErrorKind::TooLarge("transactions"), child.position()));
        }
        let (mode, id) = read_id(&child)?;
        transactions.push(Transaction { mode, id, content: read_primitive(input)? });
    }
    Ok(Body::Session { id, transactions })
}

/// What a transaction says: its first child. What follows it is not looked at.
fn read_primitive(input: &mut In<'_>) -> Result<Result<Primitive, Refusal>, Error> {
    let outside = input.depth().saturating_sub(1);
    let refuse = |name: &str, status, reason: &str| Refusal { name: name.into(), status, reason: reason.into() };
    let Some(child) = input.child()? else {
        return Ok(Err(refuse("", Status::BAD_PARAMETER, "the transaction is empty")));
    };
    let content = match Primitive::read(&child, input) {
        Ok(Some(primitive)) if primitive.name().row().kind != Kind::Setup => Ok(primitive),
        Ok(Some(_)) => Err(refuse(child.name(), Status::BAD_PARAMETER, "it belongs into a set-up")),
        Ok(None) => Err(refuse(child.name(), Status::SERVICE_NOT_SUPPORTED, "it is not known here")),
        Err(error) if error.is_fatal() => return Err(error),
        Err(error) => Err(refuse(child.name(), Status::BAD_PARAMETER, &error.kind.to_string())),
    };
    input.unwind(outside)?;
    Ok(content)
}

fn begin(dialect: Dialect) -> Out {
    let mut out = Out::new(dialect.version(), Vec::new());
    out.begin(ROOT);
    if let Some(namespace) = dialect.namespace() {
        out.attribute("xmlns", namespace);
    }
    out
}

fn write_transaction(name: &'static str, mode: Mode, id: &TransactionId, primitive: &Primitive, out: &mut Out) {
    out.begin(name);
    out.attribute("mode", mode.as_str());
    out.attribute("transactionID", id.as_str());
    primitive.write(out);
    out.end(name);
}

/// Writes a step of a set-up.
pub fn write_setup(dialect: Dialect, mode: Mode, id: &TransactionId, primitive: &Primitive) -> Vec<u8> {
    let mut out = begin(dialect);
    write_transaction("SetupTransaction", mode, id, primitive, &mut out);
    out.end(ROOT);
    out.finish()
}

/// Writes transactions of a session.
pub struct SessionWriter {
    out: Out,
}

impl SessionWriter {
    /// Begins a message under the sender's own ID of the session.
    pub fn new(dialect: Dialect, session_id: &str) -> Self {
        let mut out = begin(dialect);
        out.begin("Session");
        out.attribute("sessionID", session_id);
        Self { out }
    }

    /// Adds a transaction.
    pub fn transaction(&mut self, mode: Mode, id: &TransactionId, primitive: &Primitive) {
        write_transaction("Transaction", mode, id, primitive, &mut self.out);
    }

    /// How many bytes it has so far.
    #[allow(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// The whole message.
    pub fn finish(mut self) -> Vec<u8> {
        self.out.end("Session");
        self.out.end(ROOT);
        self.out.finish()
    }
}
