//! What client and server agreed upon (CSP 4.7, 6), in the form in which it is obeyed.

use imps_types::element::{CapabilityList, CirMethod, ClientType, DeliveryMethod};
use imps_types::service_tree::FunctionSet;

use crate::record::{RecordError, RecordReader, RecordWriter};

/// Bytes of a content type or a language that are kept: more is nobody's.
const WORD_MAX: usize = 128;
/// Content types of one client.
const TYPES_MAX: usize = 64;

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
    pub content_types: Vec<Box<str>>,
    /// Bytes of the largest content to push.
    pub push_length: u32,
    /// Bytes of the largest content that it fetches.
    pub pull_length: u32,
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
            push_length: 32_767,
            pull_length: u32::MAX,
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
        let types = list.content_types.iter().map(|one| &one.content_type).filter(|one| one.len() <= WORD_MAX);
        self.content_types = types.take(TYPES_MAX).cloned().collect();
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

    /// Whether content of this type and size is pushed to the client; if not, it is told and fetches.
    pub fn takes_pushed(&self, content_type: &str, size: usize) -> bool {
        self.delivery == DeliveryMethod::Push
            && size as u64 <= u64::from(self.push_length)
            && self.accepts(content_type)
    }

    /// Whether the client can show this type at all.
    pub fn accepts(&self, content_type: &str) -> bool {
        let bare = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // Every client takes plain text: it is the mandatory type.
        if self.any_content || content_type.is_empty() || content_type == "text/plain" {
            return true;
        }
        let wanted = bare(content_type);
        wanted == "text/plain"
            || self.content_types.iter().any(|one| {
                let one = bare(one);
                one == wanted
                    || one == "*/*"
                    || one
                        .strip_suffix("/*")
                        .is_some_and(|class| wanted.strip_prefix(class).is_some_and(|rest| rest.starts_with('/')))
            })
    }

    pub(super) fn write(&self, writer: &mut RecordWriter) {
        let place = |position: Option<usize>| position.map(|place| place as u64);
        writer.option(place(ClientType::ALL.iter().position(|one| Some(*one) == self.client_type)), |w, n| {
            w.number(n);
        });
        writer.flag(self.delivery == DeliveryMethod::Push).flag(self.any_content);
        writer.list(self.content_types.iter(), |w, one| {
            w.text(one);
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

    pub(super) fn read(reader: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let client_type = reader.option(RecordReader::number)?;
        let push = reader.flag()?;
        let any_content = reader.flag()?;
        let content_types = reader.list(|r| Ok(r.text()?.into()))?;
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
        })
    }
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
        assert!(agreed.content_types.iter().all(|one| one.len() <= WORD_MAX));
        assert_eq!(agreed.language, None);
    }

    #[test]
    fn it_is_written_and_read() {
        let agreed = Negotiated {
            client_type: Some(ClientType::Pda),
            delivery: DeliveryMethod::Notify,
            content_types: vec!["text/html".into()],
            multi_trans: Some(3),
            cir_methods: vec![CirMethod::StandaloneTcp],
            udp_port: Some(3717),
            requested: Some(FunctionSet::from_bits(5)),
            ..Negotiated::default()
        };
        let mut writer = RecordWriter::new(1);
        agreed.write(&mut writer);
        let record = writer.done();
        let (mut reader, _) = RecordReader::new(&record, 1).unwrap();
        assert_eq!(Negotiated::read(&mut reader), Ok(agreed));
    }
}
