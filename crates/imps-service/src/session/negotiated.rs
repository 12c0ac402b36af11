//! What client and server agreed upon (CSP 4.7, 6), in the form in which it is obeyed.

use imps_types::element::{AcceptedContentType, CapabilityList, CirMethod, ClientType, DeliveryMethod};
use imps_types::service_tree::{Function, FunctionSet};

use crate::record::{RecordError, RecordReader, RecordWriter};

/// Bytes of a content type or a language that are kept: more is nobody's.
const WORD_MAX: usize = 128;
/// Content types of one client.
const TYPES_MAX: usize = 64;
/// Character sets of one client.
const CHARSETS_MAX: usize = 32;
/// MIBenum of UTF-8, which everybody reads.
const UTF_8: u32 = 106;

/// What a client does with a content of some type and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// It is pushed to it.
    Pushed,
    /// It is told, and fetches it.
    Fetched,
    /// It is told, and cannot fetch it from here: it is larger than what it takes.
    TooLarge,
    /// It is told, and may fetch it: it does not know the type.
    Unknown,
    /// It does not want it.
    Refused,
}

impl Taking {
    /// Whether the client gets the content and knows what it is.
    pub fn is_possible(self) -> bool {
        matches!(self, Self::Pushed | Self::Fetched)
    }
}

/// The agreement of a session. Until something is negotiated: push, text, 32,767 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The kind of client.
    pub client_type: Option<ClientType>,
    /// How messages come to the client.
    pub delivery: DeliveryMethod,
    /// Whether it takes any content type.
    pub any_content: bool,
    /// The content types that it takes; empty: text only.
    pub content_types: Vec<AcceptedContentType>,
    /// Character sets of plain text that it reads, as MIBenum.
    pub charsets: Vec<u32>,
    /// Ways of encoding a content that it said it reads; absent: it did not say.
    pub transfer_encodings: Option<TransferEncodings>,
    /// Bytes of the largest content to push.
    pub push_length: u32,
    /// Bytes of the largest content that it fetches.
    pub pull_length: u32,
    /// Bytes of the largest text.
    pub text_length: u32,
    /// Bytes of the largest primitive that it can parse.
    pub parser_size: u32,
    /// Transactions open at the same time; absent: it did not say.
    pub multi_trans: Option<u32>,
    /// Primitives in one transport message; absent: it did not say.
    pub multi_trans_per_message: Option<u32>,
    /// How it wants to be called.
    pub cir_methods: Vec<CirMethod>,
    /// Where it listens for CIR by UDP.
    pub udp_port: Option<u32>,
    /// 1.3: the priority of this session among those of its user.
    pub priority: u32,
    /// Language of texts for the user.
    pub language: Option<Box<str>>,
    /// Functions that this session asked for and was told are not available.
    pub refused: FunctionSet,
    /// Functions that it asked for; absent: it did not negotiate.
    pub requested: Option<FunctionSet>,
}

impl Default for Negotiated {
    fn default() -> Self {
        Self {
            client_type: None,
            delivery: DeliveryMethod::Push,
            any_content: false,
            content_types: Vec::new(),
            charsets: vec![UTF_8],
            transfer_encodings: None,
            push_length: 32_767,
            pull_length: u32::MAX,
            text_length: u32::MAX,
            parser_size: 32_767,
            multi_trans: None,
            multi_trans_per_message: None,
            cir_methods: Vec::new(),
            udp_port: None,
            priority: 0,
            language: None,
            refused: FunctionSet::EMPTY,
            requested: None,
        }
    }
}

impl Negotiated {
    /// Takes over what a client said of itself. What it left out gets the defaults: the last negotiation holds alone.
    pub fn set_capabilities(&mut self, list: &CapabilityList) {
        let defaults = Self::default();
        self.client_type = list.client_type;
        self.delivery = list.initial_delivery_method.unwrap_or(defaults.delivery);
        self.any_content = list.any_content.unwrap_or(false);
        let is_kept = |one: &&AcceptedContentType| {
            one.content_type.len() <= WORD_MAX && one.policy.as_ref().is_none_or(|policy| policy.len() <= WORD_MAX)
        };
        self.content_types = list.content_types.iter().filter(is_kept).take(TYPES_MAX).cloned().collect();
        self.charsets = match list.charsets.as_slice() {
            [] => defaults.charsets,
            charsets => charsets.iter().take(CHARSETS_MAX).copied().collect(),
        };
        let is_base64 = |one: &str| one.eq_ignore_ascii_case("BASE64");
        let encodings = || TransferEncodings { base64: list.transfer_encodings.iter().any(|one| is_base64(one)) };
        self.transfer_encodings = (!list.transfer_encodings.is_empty()).then(encodings);
        self.text_length = list.text_content_length.unwrap_or(defaults.text_length);
        self.push_length = list.push_length.or(list.content_length).unwrap_or(defaults.push_length);
        self.pull_length = list.pull_length.unwrap_or(defaults.pull_length);
        self.parser_size = list.parser_size.unwrap_or(defaults.parser_size);
        self.multi_trans = list.multi_trans;
        self.multi_trans_per_message = list.multi_trans_per_message;
        self.cir_methods = list.cir_methods.iter().take(8).copied().collect();
        self.udp_port = list.udp_port;
        self.priority = list.session_priority.unwrap_or(0);
        self.language = list.default_language.clone().filter(|language| language.len() <= WORD_MAX);
    }

    /// What the client does with a content of this type and size. `is_parsed`: whether it can parse a message with it.
    pub fn taking(&self, content_type: &str, size: usize, is_parsed: bool) -> Taking {
        let size = size as u64;
        let accepted = self.accepted(content_type);
        let is_above = accepted.and_then(|one| one.policy_limit).is_some_and(|limit| size > u64::from(limit));
        let policy = accepted.and_then(|one| one.policy.as_deref()).filter(|_| is_above);
        if policy.is_some_and(|policy| policy.trim().eq_ignore_ascii_case("R")) {
            return Taking::Refused;
        }
        let of_type = if is_text(content_type) { self.text_length } else { u32::MAX };
        let most = accepted.and_then(|one| one.rich_length).map_or(of_type, |rich| rich.min(of_type));
        let fits = |length: u32| size <= u64::from(length.min(most));
        let is_fetched = fits(self.pull_length) && (is_parsed || self.takes_pieces());
        if !self.accepts(content_type) {
            return if is_fetched { Taking::Unknown } else { Taking::TooLarge };
        }
        // N and C: the user decides whether he wants so much.
        if self.delivery == DeliveryMethod::Push && !is_above && is_parsed && fits(self.push_length) {
            return Taking::Pushed;
        }
        if is_fetched { Taking::Fetched } else { Taking::TooLarge }
    }

    /// Whether content of this type and size is pushed to the client; if not, it is told and fetches.
    pub fn takes_pushed(&self, content_type: &str, size: usize) -> bool {
        self.taking(content_type, size, true) == Taking::Pushed
    }

    /// Whether it fetches in pieces what it cannot parse whole (CSP 3, "Segmentation").
    fn takes_pieces(&self) -> bool {
        let has_asked = self.requested.is_some_and(|wanted| wanted.contains(Function::Sgmnt));
        has_asked && !self.refused.contains(Function::Sgmnt)
    }

    /// Whether content that is no text can be written for it. Who says nothing of encodings reads BASE64 (CSP 2).
    pub fn takes_base64(&self) -> bool {
        self.transfer_encodings.is_none_or(|encodings| encodings.base64)
    }

    /// Whether the client can show this type at all.
    pub fn accepts(&self, content_type: &str) -> bool {
        // Every client takes plain text: it is the mandatory type.
        self.any_content
            || content_type.is_empty()
            || bare(content_type).eq_ignore_ascii_case("text/plain")
            || self.accepted(content_type).is_some()
    }

    /// What the client said of a type: of itself before what it said of its class, or of any.
    fn accepted(&self, content_type: &str) -> Option<&AcceptedContentType> {
        let wanted = if content_type.is_empty() { "text/plain" } else { bare(content_type) };
        let class = wanted.split('/').next().unwrap_or_default();
        let is_class = |one: &str| one.strip_suffix("/*").is_some_and(|one| one.eq_ignore_ascii_case(class));
        let find = |fits: &dyn Fn(&str) -> bool| self.content_types.iter().find(|one| fits(bare(&one.content_type)));
        find(&|one| one.eq_ignore_ascii_case(wanted)).or_else(|| find(&is_class)).or_else(|| find(&|one| one == "*/*"))
    }

    pub(super) fn write(&self, writer: &mut RecordWriter) {
        let place = |position: Option<usize>| position.map(|place| place as u64);
        writer.option(place(ClientType::ALL.iter().position(|one| Some(*one) == self.client_type)), |w, n| {
            w.number(n);
        });
        writer.flag(self.delivery == DeliveryMethod::Push).flag(self.any_content);
        writer.list(self.content_types.iter(), |w, one| {
            w.text(&one.content_type);
        });
        writer.number(self.push_length.into()).number(self.pull_length.into()).number(self.parser_size.into());
        for optional in [self.multi_trans, self.multi_trans_per_message, self.udp_port] {
            writer.option(optional, |w, n| {
                w.number(n.into());
            });
        }
        writer.list(self.cir_methods.iter(), |w, one| {
            w.text(one.as_str());
        });
        writer.number(self.priority.into()).optional_text(self.language.as_deref());
        writer.bytes(&self.refused.bits().to_be_bytes());
        writer.option(self.requested, |w, set| {
            w.bytes(&set.bits().to_be_bytes());
        });
    }

    /// What came with version 3 of the record of a session; it stands at that record's end.
    pub(super) fn write_contents(&self, writer: &mut RecordWriter) {
        writer.list(self.content_types.iter(), |w, one| {
            for optional in [one.rich_length, one.policy_limit] {
                w.option(optional, |w, n| {
                    w.number(n.into());
                });
            }
            w.optional_text(one.policy.as_deref());
        });
        writer.list(self.charsets.iter(), |w, charset| {
            w.number(u64::from(*charset));
        });
        writer.option(self.transfer_encodings, |w, encodings| {
            w.flag(encodings.base64);
        });
        writer.number(self.text_length.into());
    }

    /// Reads it into what [`Negotiated::read`] has read.
    pub(super) fn read_contents(&mut self, reader: &mut RecordReader<'_>) -> Result<(), RecordError> {
        let limits = reader
            .list(|r| Ok((r.option(RecordReader::small)?, r.option(RecordReader::small)?, r.optional_text()?)))?;
        for (one, (rich_length, policy_limit, policy)) in self.content_types.iter_mut().zip(limits) {
            (one.rich_length, one.policy_limit, one.policy) = (rich_length, policy_limit, policy);
        }
        self.charsets = reader.list(RecordReader::small)?;
        self.transfer_encodings = reader.option(|r| Ok(TransferEncodings { base64: r.flag()? }))?;
        self.text_length = reader.small()?;
        Ok(())
    }

    pub(super) fn read(reader: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let client_type = reader.option(RecordReader::number)?;
        let push = reader.flag()?;
        let any_content = reader.flag()?;
        let content_types =
            reader.list(|r| Ok(AcceptedContentType { content_type: r.text()?.into(), ..Default::default() }))?;
        let (push_length, pull_length, parser_size) = (reader.small()?, reader.small()?, reader.small()?);
        let multi_trans = reader.option(RecordReader::small)?;
        let multi_trans_per_message = reader.option(RecordReader::small)?;
        let udp_port = reader.option(RecordReader::small)?;
        let cir_methods = reader.list(RecordReader::text)?.into_iter().filter_map(CirMethod::parse).collect();
        let (priority, language) = (reader.small()?, reader.optional_text()?);
        let refused = functions(reader)?;
        let requested = reader.option(functions)?;
        let client_type = client_type.and_then(|n| ClientType::ALL.get(usize::try_from(n).ok()?)).copied();
        let delivery = if push { DeliveryMethod::Push } else { DeliveryMethod::Notify };
        Ok(Self {
            client_type,
            delivery,
            any_content,
            content_types,
            push_length,
            pull_length,
            parser_size,
            multi_trans,
            multi_trans_per_message,
            cir_methods,
            udp_port,
            priority,
            language,
            refused,
            requested,
            ..Self::default()
        })
    }
}

/// Ways of encoding a content that a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferEncodings {
    /// BASE64.
    pub base64: bool,
}

/// A type without its parameters.
fn bare(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn is_text(content_type: &str) -> bool {
    content_type.is_empty() || content_type.get(..5).is_some_and(|class| class.eq_ignore_ascii_case("text/"))
}

fn functions(reader: &mut RecordReader<'_>) -> Result<FunctionSet, RecordError> {
    let bytes = reader.bytes()?.try_into().map_err(|_| RecordError("functions of another size"))?;
    Ok(FunctionSet::from_bits(u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::element::AcceptedContentType;

    #[test]
    fn content_is_pushed_when_type_and_size_fit() {
        let mut agreed = Negotiated::default();
        assert!(agreed.takes_pushed("text/plain", 32_767));
        assert!(agreed.takes_pushed("text/plain; charset=utf-8", 1));
        assert!(!agreed.takes_pushed("text/plain", 32_768));
        assert!(!agreed.takes_pushed("image/gif", 1));
        agreed.set_capabilities(&CapabilityList {
            content_types: vec![AcceptedContentType { content_type: "image/*".into(), ..Default::default() }],
            content_length: Some(10),
            ..Default::default()
        });
        assert!(agreed.takes_pushed("image/gif", 10) && !agreed.takes_pushed("image/gif", 11));
        assert!(!agreed.takes_pushed("imagery/gif", 1));
        agreed.delivery = DeliveryMethod::Notify;
        assert!(!agreed.takes_pushed("text/plain", 1));
    }

    #[test]
    fn limits_of_types_and_policies_above_them() {
        let one = |content_type: &str, rich, policy: Option<&str>, policy_limit| AcceptedContentType {
            content_type: content_type.into(),
            rich_length: rich,
            policy: policy.map(Into::into),
            policy_limit,
        };
        let mut agreed = Negotiated::default();
        agreed.set_capabilities(&CapabilityList {
            content_types: vec![
                one("image/*", Some(1000), None, None),
                one("image/png", Some(500), Some("R"), Some(300)),
                one("audio/amr", None, Some("C"), Some(100)),
                one("video/3gpp", None, Some("N"), Some(100)),
            ],
            push_length: Some(800),
            pull_length: Some(2000),
            text_content_length: Some(200),
            ..Default::default()
        });
        for (content_type, size, expected) in [
            ("", 200, Taking::Pushed),
            ("text/plain; charset=utf-8", 201, Taking::TooLarge),
            ("image/gif", 800, Taking::Pushed),
            ("image/gif", 801, Taking::Fetched),
            ("image/gif", 1001, Taking::TooLarge),
            ("IMAGE/PNG", 300, Taking::Pushed),
            ("image/png", 301, Taking::Refused),
            ("audio/amr", 100, Taking::Pushed),
            ("audio/amr", 101, Taking::Fetched),
            ("audio/amr", 2001, Taking::TooLarge),
            ("video/3gpp", 101, Taking::Fetched),
            ("application/pdf", 1, Taking::Unknown),
            ("application/pdf", 2001, Taking::TooLarge),
        ] {
            assert_eq!(agreed.taking(content_type, size, true), expected, "{content_type} {size}");
        }
        assert_eq!(agreed.taking("image/gif", 1, false), Taking::TooLarge, "it cannot parse the message");
    }

    #[test]
    fn what_is_kept_of_a_client_is_bounded() {
        let long = || "x/".repeat(1000).into_boxed_str();
        let mut content_types = vec![AcceptedContentType { content_type: long(), ..Default::default() }];
        content_types.extend(
            (0..1000).map(|n| AcceptedContentType { content_type: format!("image/{n}").into(), ..Default::default() }),
        );
        let mut agreed = Negotiated::default();
        agreed.set_capabilities(&CapabilityList {
            content_types,
            default_language: Some(long()),
            ..Default::default()
        });
        assert_eq!(agreed.content_types.len(), TYPES_MAX);
        assert!(agreed.content_types.iter().all(|one| one.content_type.len() <= WORD_MAX));
        assert_eq!(agreed.language, None);
    }

    #[test]
    fn it_is_written_and_read() {
        let agreed = Negotiated {
            client_type: Some(ClientType::Pda),
            delivery: DeliveryMethod::Notify,
            content_types: vec![AcceptedContentType {
                content_type: "text/html".into(),
                rich_length: Some(500),
                policy: Some("N".into()),
                policy_limit: Some(100),
            }],
            charsets: vec![4, 106],
            transfer_encodings: Some(TransferEncodings { base64: false }),
            text_length: 1000,
            multi_trans: Some(3),
            cir_methods: vec![CirMethod::StandaloneTcp],
            udp_port: Some(3717),
            requested: Some(FunctionSet::from_bits(5)),
            ..Negotiated::default()
        };
        let mut writer = RecordWriter::new(1);
        agreed.write(&mut writer);
        agreed.write_contents(&mut writer);
        let record = writer.done();
        let (mut reader, _) = RecordReader::new(&record, 1).unwrap();
        let mut read = Negotiated::read(&mut reader).unwrap();
        read.read_contents(&mut reader).unwrap();
        assert_eq!(read, agreed);
    }
}
