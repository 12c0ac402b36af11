//! Client capabilities. CSP 6.
//!
//! One reader takes every element in every version; what is written is a list in the order of each version, and
//! AgreedCapabilityList has only what the server decides.

use crate::element::Element;
use crate::grammar::{Codec, Decode, Encode, Put, decode, mixed};
use crate::wire::{DecodeError, Reader, Writer};
use imps_types::Version;
use imps_types::element::{
    AcceptedContentType, Bearer, CapabilityList, CirMethod, ClientType, DeliveryMethod, OfflineHandling, OnlineHandling,
};

decode! {
    CapabilityList {
        optional client_type: ClientType = ClientType,
        optional initial_delivery_method: DeliveryMethod = InitialDeliveryMethod,
        optional any_content: bool = AnyContent,
        many charsets: u32 = AcceptedCharset | PlainTextCharset as alias,
        many content_types: AcceptedContentType = AcceptedContentType,
        many transfer_encodings: Box<str> = AcceptedTransferEncoding,
        optional content_length: u32 = AcceptedContentLength,
        optional push_length: u32 = AcceptedPushLength,
        optional pull_length: u32 = AcceptedPullLength,
        optional text_content_length: u32 = AcceptedTextContentLength,
        many bearers: Bearer = SupportedBearer,
        many offline_bearers: Box<str> = SupportedOfflineBearer,
        optional multi_trans: u32 = MultiTrans,
        optional multi_trans_per_message: u32 = MultiTransPerMessage,
        optional parser_size: u32 = ParserSize,
        many cir_methods: CirMethod = SupportedCirMethod,
        optional udp_port: u32 = UdpPort,
        optional udp_address: Box<str> = UdpAddress,
        optional tcp_address: Box<str> = TcpAddress,
        optional tcp_port: u32 = TcpPort,
        optional cir_sms_address: Box<str> = CirSmsAddress,
        via cir_url: Option<Box<str>> = CirUrl,
        optional server_poll_min: u32 = ServerPollMin,
        optional default_language: Box<str> = DefaultLanguage,
        optional online_handling: OnlineHandling = OnlineEtemHandling,
        optional offline_handling: OfflineHandling = OfflineEtemHandling,
        optional session_priority: u32 = SessionPriority,
        optional user_session_limit: u32 = UserSessionLimit,
    }
}

/// Writes fields in the order of the rows.
macro_rules! fields {
    ($list:expr, $writer:expr; $($field:ident $element:ident;)*) => {
        $($list.$field.put(Element::$element, $writer);)*
    };
}

impl Encode for CapabilityList {
    fn encode_content(&self, element: Element, writer: &mut dyn Writer) {
        match (element == Element::AgreedCapabilityList, writer.version()) {
            (false, version @ (Version::V1_1 | Version::V1_2)) => put_wishes(self, version, writer),
            (false, Version::V1_3) => put_wishes_1_3(self, writer),
            (true, Version::V1_1 | Version::V1_2) => put_agreed(self, writer),
            (true, Version::V1_3) => put_agreed_1_3(self, writer),
        }
    }
}

fn put_wishes(list: &CapabilityList, version: Version, writer: &mut dyn Writer) {
    fields! { list, writer;
        client_type ClientType;
        initial_delivery_method InitialDeliveryMethod;
        any_content AnyContent;
        charsets AcceptedCharset;
        content_types AcceptedContentType;
        transfer_encodings AcceptedTransferEncoding;
        content_length AcceptedContentLength;
        bearers SupportedBearer;
        multi_trans MultiTrans;
        parser_size ParserSize;
        cir_methods SupportedCirMethod;
        udp_port UdpPort;
    }
    if version == Version::V1_1 {
        fields! { list, writer;
            tcp_address TcpAddress;
            tcp_port TcpPort;
        }
    }
    fields! { list, writer;
        server_poll_min ServerPollMin;
        default_language DefaultLanguage;
    }
}

fn put_wishes_1_3(list: &CapabilityList, writer: &mut dyn Writer) {
    fields! { list, writer;
        content_types AcceptedContentType;
        any_content AnyContent;
        pull_length AcceptedPullLength;
        push_length AcceptedPushLength;
        text_content_length AcceptedTextContentLength;
        transfer_encodings AcceptedTransferEncoding;
        client_type ClientType;
        default_language DefaultLanguage;
        initial_delivery_method InitialDeliveryMethod;
        multi_trans MultiTrans;
        multi_trans_per_message MultiTransPerMessage;
        offline_handling OfflineEtemHandling;
        online_handling OnlineEtemHandling;
        charsets PlainTextCharset;
        parser_size ParserSize;
        server_poll_min ServerPollMin;
        bearers SupportedBearer;
        offline_bearers SupportedOfflineBearer;
        cir_methods SupportedCirMethod;
        udp_port UdpPort;
        session_priority SessionPriority;
    }
}

fn put_agreed(list: &CapabilityList, writer: &mut dyn Writer) {
    fields! { list, writer;
        bearers SupportedBearer;
        cir_methods SupportedCirMethod;
        tcp_address TcpAddress;
        tcp_port TcpPort;
        server_poll_min ServerPollMin;
    }
    CirUrl::put(&list.cir_url, writer);
}

fn put_agreed_1_3(list: &CapabilityList, writer: &mut dyn Writer) {
    fields! { list, writer;
        content_types AcceptedContentType;
        any_content AnyContent;
        pull_length AcceptedPullLength;
        push_length AcceptedPushLength;
        text_content_length AcceptedTextContentLength;
        transfer_encodings AcceptedTransferEncoding;
    }
    CirUrl::put(&list.cir_url, writer);
    fields! { list, writer;
        cir_sms_address CirSmsAddress;
        multi_trans MultiTrans;
        multi_trans_per_message MultiTransPerMessage;
        offline_handling OfflineEtemHandling;
        online_handling OnlineEtemHandling;
        server_poll_min ServerPollMin;
        bearers SupportedBearer;
        offline_bearers SupportedOfflineBearer;
        cir_methods SupportedCirMethod;
        tcp_address TcpAddress;
        tcp_port TcpPort;
        udp_address UdpAddress;
        udp_port UdpPort;
        session_priority SessionPriority;
        user_session_limit UserSessionLimit;
    }
}

/// Text before 1.3, a struct since.
impl Decode for AcceptedContentType {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut accepted = Self::default();
        let mut inner = None;
        let text = mixed(reader, &mut |element, reader| {
            match element {
                Element::ContentType => inner = Some(Box::decode(reader)?),
                Element::AcceptedRichContentLength => accepted.rich_length = u32::decode_optional(reader)?,
                Element::ContentPolicy => accepted.policy = Some(Box::decode(reader)?),
                Element::ContentPolicyLimit => accepted.policy_limit = u32::decode_optional(reader)?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        accepted.content_type = inner.unwrap_or_else(|| text.into());
        Ok(accepted)
    }
}

impl Encode for AcceptedContentType {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        if writer.version() < Version::V1_3 {
            return writer.text(&self.content_type);
        }
        self.content_type.encode(Element::ContentType, writer);
        self.rich_length.put(Element::AcceptedRichContentLength, writer);
        self.policy.put(Element::ContentPolicy, writer);
        self.policy_limit.put(Element::ContentPolicyLimit, writer);
    }
}

/// `CIRURL (URL)` in 1.2, `CIRHTTPAddress (URL)` in 1.3; the address may stand there without its URL element.
struct CirUrl;

impl Codec for CirUrl {
    type Slot = Option<Box<str>>;
    type Value = Option<Box<str>>;

    fn takes(element: Element) -> bool {
        matches!(element, Element::CirUrl | Element::CirHttpAddress)
    }

    fn take(slot: &mut Self::Slot, _: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        let mut inner = None;
        let text = mixed(reader, &mut |element, reader| {
            if element == Element::Url {
                inner = Some(Box::decode(reader)?);
                Ok(())
            } else {
                reader.skip()
            }
        })?;
        *slot = Some(inner.unwrap_or_else(|| text.into()));
        Ok(())
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        let element = match writer.version() {
            Version::V1_1 => return,
            Version::V1_2 => Element::CirUrl,
            Version::V1_3 => Element::CirHttpAddress,
        };
        if let Some(url) = value {
            writer.start(element);
            url.encode(Element::Url, writer);
            writer.end(element);
        }
    }
}
