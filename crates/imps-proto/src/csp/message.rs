//! The message around primitives: WV-CSP-Message. CSP 3.
//!
//! An [`Envelope`] is read from the top, and its transactions are handed out one after another, so nothing is kept of
//! it. What is known of a transaction before its primitive is read comes as a [`TransactionHead`]: when the primitive
//! turns out to be wrong, the answer can still name the TransactionID.
//!
//! ```
//! use imps_proto::csp::{Envelope, MessageWriter, Mode, Namespaces, Request, StatusPrimitive};
//! use imps_proto::grammar::Primitive;
//! use imps_proto::wire::{self, Form, Limits};
//! use imps_types::Status;
//!
//! let bytes = br#"<WV-CSP-Message xmlns="http://www.openmobilealliance.org/DTD/WV-CSP1.2"><Session>
//!     <SessionDescriptor><SessionType>Inband</SessionType><SessionID>s17</SessionID></SessionDescriptor>
//!     <Transaction>
//!         <TransactionDescriptor><TransactionMode>Request</TransactionMode><TransactionID>9</TransactionID>
//!         </TransactionDescriptor>
//!         <TransactionContent xmlns="http://www.openmobilealliance.org/DTD/WV-TRC1.2"><KeepAlive-Request/>
//!         </TransactionContent>
//!     </Transaction></Session></WV-CSP-Message>"#;
//! let mut reader = wire::reader(Form::Xml, bytes, &Limits::default())?;
//! let mut envelope = Envelope::open(reader.as_dyn())?;
//! assert_eq!(envelope.session_id(), Some("s17"));
//! while let Some(head) = envelope.next_transaction()? {
//!     assert_eq!(head.transaction_id.as_str(), "9");
//!     assert!(matches!(envelope.read_request()?, Request::KeepAlive(_)));
//! }
//!
//! let namespaces = envelope.namespaces();
//! let mut answer = MessageWriter::new(Form::Xml, envelope.version(), &namespaces, envelope.session_id(), Vec::new());
//! answer.transaction(Mode::Response, "9", Some(false), |writer| StatusPrimitive::of(Status::SUCCESSFUL).write(writer));
//! let bytes = answer.finish(Some(false));
//! # assert!(bytes.ends_with(b"<Poll>F</Poll></Session></WV-CSP-Message>"));
//! # Ok::<(), wire::DecodeError>(())
//! ```

use super::GetSegmentResponse;
use super::catalogue::{Answer, Request, Response, ServerRequest};
use crate::element::{Element, Space};
use crate::elements::{SegmentInfo, decode_block, encode_blocks, next_start};
use crate::grammar::{Decode, Encode, missing, next_child, truncated};
use crate::wire::{
    self, AnyWriter, DecodeError, DecodeErrorKind, Form, Fragment, Namespace, Reader, Start, Tag, Token, Writer,
};
use imps_types::element::ResultInfo;
use imps_types::presence::Extension;
use imps_types::{Status, TransactionId, Version};
use std::borrow::Cow;

/// Whether a transaction is begun or answered (`TransactionMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is begun.
    Request,
    /// It is answered.
    Response,
}

/// How a message is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// WV-CSP-Message with a Session.
    Session,
    /// WV-CSP-Message with version discovery in it.
    DiscoveryInMessage,
    /// Version discovery alone.
    Discovery,
}

/// The namespaces of a message, where they are not spelled as its version has it: an answer uses those of its request.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Namespaces {
    csp: Option<Box<str>>,
    trc: Option<Box<str>>,
}

impl Namespaces {
    /// Those that a version has, spelled as it has them.
    pub fn standard() -> &'static Self {
        static STANDARD: Namespaces = Namespaces { csp: None, trc: None };
        &STANDARD
    }

    fn see(place: &mut Option<Box<str>>, space: Space, seen: Option<&Namespace<'_>>, version: Version) {
        *place = seen.filter(|seen| **seen != Namespace::of(space, version)).map(|seen| seen.to_string().into());
    }

    fn of<'a>(text: &'a Option<Box<str>>, space: Space, version: Version) -> Namespace<'a> {
        match text {
            Some(text) => Namespace::new(text),
            None => Namespace::of(space, version),
        }
    }
}

/// What is known of a transaction before its primitive is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionHead<'a> {
    /// Begun, or answered.
    pub mode: Mode,
    /// Its name among those of its initiator; empty where there is none.
    pub transaction_id: TransactionId,
    /// The Poll flag, if it stands here: in 1.1.
    pub poll: Option<bool>,
    /// Which piece of a message this is, if it is not a whole one, 1.3.
    pub segment: Option<SegmentInfo>,
    /// The primitive; `None` when TransactionContent is empty or missing.
    pub primitive: Option<Tag<'a>>,
}

impl TransactionHead<'_> {
    /// Whether it answers a transaction of the server. Some clients send Status as a request (CSP 17, Colibria).
    pub fn is_answer(&self) -> bool {
        self.mode == Mode::Response || self.primitive == Some(Tag::Known(Element::Status))
    }
}

/// A message that is being read.
pub struct Envelope<'r, 'a> {
    reader: &'r mut dyn Reader<'a>,
    shape: Shape,
    /// The version by the namespace or the public identifier; else what the message otherwise betrays.
    version: Option<Version>,
    is_unsupported: bool,
    csp: Option<Namespace<'a>>,
    trc: Option<Namespace<'a>>,
    is_inband: bool,
    session_id: Option<Cow<'a, str>>,
    has_descriptor: bool,
    poll: Option<bool>,
    cir: Option<bool>,
    /// Elements that are open around a transaction.
    depth: usize,
    /// The start of a transaction was taken already.
    is_begun: bool,
    /// The primitive whose start was taken, and that was not read yet.
    pending: Option<Tag<'a>>,
    /// What is wrong with the head of the transaction, which is told with its primitive.
    unsound: Option<DecodeError>,
    /// ExtBlock that stood before the content of the transaction.
    blocks: Vec<Extension>,
    is_over: bool,
}

impl<'r, 'a> Envelope<'r, 'a> {
    /// Reads as far as the first transaction.
    ///
    /// # Errors
    /// When there is no envelope that could be answered.
    pub fn open(reader: &'r mut dyn Reader<'a>) -> Result<Self, DecodeError> {
        let Token::Start(root) = reader.next()? else { return Err(malformed("no root element", reader)) };
        let mut envelope = Self {
            version: reader.version(),
            is_unsupported: root
                .xmlns
                .as_ref()
                .is_some_and(|xmlns| xmlns.version_text().is_some() && xmlns.version().is_none()),
            csp: root.xmlns,
            trc: None,
            shape: Shape::Session,
            is_inband: false,
            session_id: None,
            has_descriptor: false,
            poll: None,
            cir: None,
            depth: 1,
            is_begun: false,
            pending: None,
            unsound: None,
            blocks: Vec::new(),
            is_over: false,
            reader,
        };
        match root.tag {
            Tag::Known(Element::WvCspMessage) => envelope.open_message()?,
            tag @ Tag::Known(Element::WvCspVersionDiscoveryRequest | Element::WvCspVersionDiscoveryResponse) => {
                envelope.shape = Shape::Discovery;
                envelope.depth = 0;
                envelope.pending = Some(tag);
            }
            _ => return Err(malformed("no WV-CSP-Message", envelope.reader)),
        }
        Ok(envelope)
    }

    fn open_message(&mut self) -> Result<(), DecodeError> {
        loop {
            match next_child(self.reader)? {
                Some(Element::Session) => break,
                Some(element @ (Element::WvCspVersionDiscoveryRequest | Element::WvCspVersionDiscoveryResponse)) => {
                    self.shape = Shape::DiscoveryInMessage;
                    self.pending = Some(Tag::Known(element));
                    return Ok(());
                }
                Some(_) => self.reader.skip()?,
                None => return Err(missing(Element::Session, self.reader.position())),
            }
        }
        self.depth = 2;
        self.is_begun = self.seek()?;
        if !self.has_descriptor {
            return Err(missing(Element::SessionDescriptor, self.reader.position()));
        }
        Ok(())
    }

    /// On to the next transaction; `false` when there is none.
    fn seek(&mut self) -> Result<bool, DecodeError> {
        loop {
            match next_child(self.reader)? {
                Some(Element::Transaction) => return Ok(true),
                Some(Element::SessionDescriptor) => self.read_descriptor()?,
                Some(Element::Poll) => self.poll = bool::decode_optional(self.reader)?.or(self.poll),
                Some(Element::Cir) => self.cir = bool::decode_optional(self.reader)?.or(self.cir),
                Some(_) => self.reader.skip()?,
                None => return Ok(false),
            }
        }
    }

    fn read_descriptor(&mut self) -> Result<(), DecodeError> {
        self.has_descriptor = true;
        let mut kind = None;
        while let Some(element) = next_child(self.reader)? {
            match element {
                Element::SessionType => kind = Some(self.reader.text()?.eq_ignore_ascii_case("Inband")),
                Element::SessionId => self.session_id = Some(self.reader.text()?).filter(|id| !id.is_empty()),
                _ => self.reader.skip()?,
            }
        }
        self.is_inband = kind.unwrap_or(self.session_id.is_some());
        Ok(())
    }

    /// The head of the next transaction, past what was left unread of the former. `None` when there is no more, and the
    /// message was seen to its end.
    ///
    /// # Errors
    /// When the message is broken from here on; or with `Missing` or `BadValue` when only this transaction is, and the
    /// next call goes on behind it.
    pub fn next_transaction(&mut self) -> Result<Option<TransactionHead<'a>>, DecodeError> {
        if self.is_over {
            return Ok(None);
        }
        if self.shape != Shape::Session {
            return self.next_discovery();
        }
        if !self.is_begun {
            self.pending = None;
            self.reader.unwind(self.depth)?;
            if !self.seek()? {
                return self.close();
            }
        }
        self.is_begun = false;
        self.read_head().map(Some)
    }

    fn next_discovery(&mut self) -> Result<Option<TransactionHead<'a>>, DecodeError> {
        if self.is_begun {
            return self.close();
        }
        self.is_begun = true;
        let mode = match self.pending {
            Some(Tag::Known(Element::WvCspVersionDiscoveryResponse)) => Mode::Response,
            _ => Mode::Request,
        };
        let primitive = self.pending;
        Ok(Some(TransactionHead {
            mode,
            transaction_id: TransactionId::default(),
            poll: None,
            segment: None,
            primitive,
        }))
    }

    /// To the end of the message, which must follow.
    fn close(&mut self) -> Result<Option<TransactionHead<'a>>, DecodeError> {
        self.reader.unwind(0)?;
        match self.reader.next()? {
            Token::Eof => {
                self.is_over = true;
                Ok(None)
            }
            _ => Err(malformed("something after the message", self.reader)),
        }
    }

    fn read_head(&mut self) -> Result<TransactionHead<'a>, DecodeError> {
        let mut head = None;
        self.blocks.clear();
        self.unsound = None;
        loop {
            let Some(start) = self.next_start()? else {
                return head.ok_or(missing(Element::TransactionDescriptor, self.reader.position()));
            };
            match start.tag {
                Tag::Known(Element::TransactionDescriptor) => head = Some(self.read_transaction_descriptor()?),
                Tag::Known(Element::TransactionContent) => {
                    self.trc = start.xmlns;
                    break;
                }
                Tag::Known(Element::ExtBlock) => decode_block(start, &mut self.blocks, self.reader)?,
                _ => self.reader.skip()?,
            }
        }
        // The descriptor comes first, or we would have to keep the primitive.
        let mut head = head.ok_or(missing(Element::TransactionDescriptor, self.reader.position()))?;
        head.primitive = self.next_start()?.map(|start| start.tag);
        self.pending = head.primitive;
        Ok(head)
    }

    /// The next child, known or not.
    fn next_start(&mut self) -> Result<Option<Start<'a>>, DecodeError> {
        loop {
            match self.reader.next()? {
                Token::Start(start) => return Ok(Some(start)),
                Token::End => return Ok(None),
                Token::Eof => return Err(truncated(self.reader)),
                Token::Text(_) | Token::Integer(_) | Token::Date(_) | Token::Opaque(_) => {}
            }
        }
    }

    fn read_transaction_descriptor(&mut self) -> Result<TransactionHead<'a>, DecodeError> {
        let mut head = TransactionHead {
            mode: Mode::Request,
            transaction_id: TransactionId::default(),
            poll: None,
            segment: None,
            primitive: None,
        };
        while let Some(element) = next_child(self.reader)? {
            match element {
                Element::TransactionMode => {
                    if self.reader.text()?.eq_ignore_ascii_case("Response") {
                        head.mode = Mode::Response;
                    }
                }
                Element::TransactionId => head.transaction_id = TransactionId::decode(self.reader)?,
                Element::SegmentInfo => head.segment = self.read_segment_info()?,
                Element::Poll => {
                    head.poll = bool::decode_optional(self.reader)?;
                    // Only 1.1 has it there (CSP 3).
                    self.betray_1_1();
                }
                _ => self.reader.skip()?,
            }
        }
        Ok(head)
    }

    /// What is wrong with it is told with the primitive, under the TransactionID.
    fn read_segment_info(&mut self) -> Result<Option<SegmentInfo>, DecodeError> {
        let outside = self.reader.depth().saturating_sub(1);
        match SegmentInfo::decode(self.reader) {
            Ok(info) => Ok(Some(info)),
            Err(error) if is_recoverable(&error) => {
                self.unsound = Some(error);
                self.reader.unwind(outside)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Something was seen that only 1.1 has. JSON, which came later, says its version or means the newest.
    fn betray_1_1(&mut self) {
        if self.version.is_none() && self.form() != Form::Json {
            self.version = Some(Version::V1_1);
        }
    }

    fn take_pending(&mut self) -> Result<Tag<'a>, DecodeError> {
        if let Some(error) = self.unsound.take() {
            return Err(error);
        }
        self.pending.take().ok_or(missing(Element::TransactionContent, self.reader.position()))
    }

    /// Reads the primitive of the transaction whose head came last, as what a client asks.
    ///
    /// # Errors
    /// When it is malformed. Whether the rest of the message can still be read is told by the next
    /// [`Envelope::next_transaction`].
    pub fn read_request(&mut self) -> Result<Request, DecodeError> {
        let tag = self.take_pending()?;
        let mut request = Request::decode(tag, self.reader)?;
        if let Request::SendMessage(send) = &mut request {
            self.read_blocks(&mut send.message.info.ext_blocks)?;
        }
        if matches!(&request, Request::Service(service) if service.client_id.is_some()) {
            self.betray_1_1();
        }
        Ok(request)
    }

    /// The same, as what a client answers. `None`: it is no answer.
    ///
    /// # Errors
    /// As [`Envelope::read_request`].
    pub fn read_answer(&mut self) -> Result<Option<Answer>, DecodeError> {
        match self.take_pending()? {
            Tag::Known(element) => Answer::decode_as(element, self.reader),
            Tag::Unknown(_) => Ok(None),
        }
    }

    /// The same, as what the server answers; for clients.
    ///
    /// # Errors
    /// As [`Envelope::read_request`].
    pub fn read_response(&mut self) -> Result<Option<Response>, DecodeError> {
        match self.take_pending()? {
            Tag::Known(element) => Response::decode_as(element, self.reader),
            Tag::Unknown(_) => Ok(None),
        }
    }

    /// The same, as what the server asks; for clients.
    ///
    /// # Errors
    /// As [`Envelope::read_request`].
    pub fn read_server_request(&mut self) -> Result<Option<ServerRequest>, DecodeError> {
        let Tag::Known(element) = self.take_pending()? else { return Ok(None) };
        let mut request = ServerRequest::decode_as(element, self.reader)?;
        let info = match &mut request {
            Some(ServerRequest::NewMessage(new)) => &mut new.message.info,
            Some(ServerRequest::MessageNotification(notification)) => &mut notification.message_info,
            _ => return Ok(request),
        };
        self.read_blocks(&mut info.ext_blocks)?;
        Ok(request)
    }

    /// ExtBlock beside the content of a transaction with a message: it belongs to that (CSP 3).
    fn read_blocks(&mut self, blocks: &mut Vec<Extension>) -> Result<(), DecodeError> {
        blocks.append(&mut self.blocks);
        self.reader.unwind(self.depth + 1)?;
        while let Some(start) = next_start(self.reader)? {
            if start.tag == Tag::Known(Element::ExtBlock) {
                decode_block(start, blocks, self.reader)?;
            } else {
                self.reader.skip()?;
            }
        }
        Ok(())
    }

    /// The same, as a piece of a message that is too large. `None`: it is none.
    ///
    /// # Errors
    /// As [`Envelope::read_request`].
    pub fn read_segment(&mut self) -> Result<Option<GetSegmentResponse>, DecodeError> {
        match self.take_pending()? {
            Tag::Known(Element::GetSegmentResponse) => GetSegmentResponse::decode(self.reader).map(Some),
            _ => Ok(None),
        }
    }

    /// How the message is built.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The encoding of the message.
    pub fn form(&self) -> Form {
        self.reader.form()
    }

    /// The version of the message: what it says, else 1.1 if something betrays it so far, else 1.2 (CSP 3) or, in JSON,
    /// 1.3.
    pub fn version(&self) -> Version {
        self.version.unwrap_or(self.form().default_version())
    }

    /// Whether the message itself tells its version; else that of its session is to be preferred.
    pub fn tells_version(&self) -> bool {
        self.version.is_some()
    }

    /// Whether the namespace names a version that is not spoken here: Status 505.
    pub fn is_unsupported(&self) -> bool {
        self.is_unsupported
    }

    /// Whether it belongs to a session: it says so, or says nothing and names one.
    pub fn is_inband(&self) -> bool {
        self.is_inband
    }

    /// The SessionID as it stands.
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// The Poll flag of the session, as far as it was read: complete when there is no more transaction.
    pub fn poll(&self) -> Option<bool> {
        self.poll
    }

    /// The CIR flag, likewise.
    pub fn cir(&self) -> Option<bool> {
        self.cir
    }

    /// The namespaces, for the answer.
    pub fn namespaces(&self) -> Namespaces {
        let mut namespaces = Namespaces::default();
        if !self.is_unsupported {
            Namespaces::see(&mut namespaces.csp, Space::Csp, self.csp.as_ref(), self.version());
            Namespaces::see(&mut namespaces.trc, Space::Trc, self.trc.as_ref(), self.version());
        }
        namespaces
    }
}

fn malformed(what: &'static str, reader: &dyn Reader<'_>) -> DecodeError {
    DecodeError { kind: DecodeErrorKind::Malformed(what), position: reader.position() }
}

/// What a client is told of a message or primitive that could not be read: 402 for a value, 505 for a version, 400 for
/// the rest, and what was wrong.
pub fn refusal(error: &DecodeError) -> ResultInfo {
    let status = match error.kind {
        DecodeErrorKind::BadValue(_) => Status::BAD_PARAMETER,
        DecodeErrorKind::UnsupportedVersion => Status::VERSION_NOT_SUPPORTED,
        DecodeErrorKind::Truncated
        | DecodeErrorKind::Malformed(_)
        | DecodeErrorKind::TooDeep
        | DecodeErrorKind::TooManyElements
        | DecodeErrorKind::TooLarge(_)
        | DecodeErrorKind::BadText(_)
        | DecodeErrorKind::Missing(_) => Status::BAD_REQUEST,
    };
    ResultInfo::with_text(status, &error.kind.to_string())
}

/// Whether after this error of one primitive the rest of the message can be read.
pub fn is_recoverable(error: &DecodeError) -> bool {
    matches!(error.kind, DecodeErrorKind::BadValue(_) | DecodeErrorKind::Missing(_))
}

/// Encodes a primitive once, for many messages of this form and version.
pub fn encode_fragment(form: Form, version: Version, write: impl FnOnce(&mut dyn Writer)) -> Fragment {
    Fragment::new(form, version, write)
}

/// A message that is being written.
pub struct MessageWriter<'n> {
    writer: AnyWriter,
    namespaces: &'n Namespaces,
    /// ExtBlock of the next transaction.
    blocks: Vec<Extension>,
}

impl<'n> MessageWriter<'n> {
    /// Begins a message in `buffer`, whose former content is dropped. Without a SessionID it is Outband.
    pub fn new(
        form: Form,
        version: Version,
        namespaces: &'n Namespaces,
        session_id: Option<&str>,
        buffer: Vec<u8>,
    ) -> Self {
        let mut any = wire::writer(form, version, buffer);
        let writer = any.as_dyn();
        writer.start_with_namespace(Element::WvCspMessage, Namespaces::of(&namespaces.csp, Space::Csp, version));
        writer.start(Element::Session);
        writer.start(Element::SessionDescriptor);
        match session_id {
            Some(id) => {
                writer.element_text(Element::SessionType, "Inband");
                writer.element_text(Element::SessionId, id);
            }
            None => writer.element_text(Element::SessionType, "Outband"),
        }
        writer.end(Element::SessionDescriptor);
        Self { writer: any, namespaces, blocks: Vec::new() }
    }

    /// What clients put into a message of their own making goes along with the next transaction: in 1.2, since 1.3 has a
    /// place for it in the message itself.
    pub fn ext_blocks(&mut self, blocks: &[Extension]) {
        if self.writer.as_dyn().version() == Version::V1_2 {
            self.blocks.extend_from_slice(blocks);
        }
    }

    /// Writes a transaction; `write` writes its primitive. `poll` is the flag that 1.1 has here.
    pub fn transaction(
        &mut self,
        mode: Mode,
        transaction_id: &str,
        poll: Option<bool>,
        write: impl FnOnce(&mut dyn Writer),
    ) {
        self.piece(mode, transaction_id, poll, None, write);
    }

    /// The same; `segment` tells which piece of a message this is, 1.3.
    pub fn piece(
        &mut self,
        mode: Mode,
        transaction_id: &str,
        poll: Option<bool>,
        segment: Option<&SegmentInfo>,
        write: impl FnOnce(&mut dyn Writer),
    ) {
        let writer = self.writer.as_dyn();
        let version = writer.version();
        writer.start(Element::Transaction);
        writer.start(Element::TransactionDescriptor);
        let mode = match mode {
            Mode::Request => "Request",
            Mode::Response => "Response",
        };
        writer.element_text(Element::TransactionMode, mode);
        if transaction_id.is_empty() {
            writer.empty(Element::TransactionId);
        } else {
            writer.element_text(Element::TransactionId, transaction_id);
        }
        if let Some(poll) = poll.filter(|_| version == Version::V1_1) {
            writer.element_boolean(Element::Poll, poll);
        }
        if let Some(segment) = segment.filter(|_| version >= Version::V1_3) {
            segment.encode(Element::SegmentInfo, writer);
        }
        writer.end(Element::TransactionDescriptor);
        let namespace = Namespaces::of(&self.namespaces.trc, Space::Trc, version);
        writer.start_with_namespace(Element::TransactionContent, namespace);
        write(writer);
        writer.end(Element::TransactionContent);
        encode_blocks(&std::mem::take(&mut self.blocks), Element::ExtBlock, writer);
        writer.end(Element::Transaction);
    }

    /// Writes a transaction whose primitive was encoded before, in this form and version.
    pub fn transaction_with_fragment(
        &mut self,
        mode: Mode,
        transaction_id: &str,
        poll: Option<bool>,
        primitive: &Fragment,
    ) {
        self.transaction(mode, transaction_id, poll, |writer| writer.fragment(primitive));
    }

    /// The message. `poll` is the flag that 1.2 and later have here.
    pub fn finish(mut self, poll: Option<bool>) -> Vec<u8> {
        let writer = self.writer.as_dyn();
        if let Some(poll) = poll.filter(|_| writer.version() > Version::V1_1) {
            writer.element_boolean(Element::Poll, poll);
        }
        writer.end(Element::Session);
        writer.end(Element::WvCspMessage);
        self.writer.finish()
    }

    /// A message of version discovery, which has no session: in the shape of its request.
    pub fn discovery(
        form: Form,
        version: Version,
        namespaces: &Namespaces,
        shape: Shape,
        element: Element,
        primitive: &dyn Encode,
        buffer: Vec<u8>,
    ) -> Vec<u8> {
        let mut any = wire::writer(form, version, buffer);
        let writer = any.as_dyn();
        let namespace = Namespaces::of(&namespaces.csp, Space::Csp, version);
        if shape == Shape::Discovery {
            writer.start_with_namespace(element, namespace);
            primitive.encode_content(element, writer);
            writer.end(element);
        } else {
            writer.start_with_namespace(Element::WvCspMessage, namespace);
            primitive.encode(element, writer);
            writer.end(Element::WvCspMessage);
        }
        any.finish()
    }
}
