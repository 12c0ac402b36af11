//! System messages and what users say to them. CSP 4.9, 1.3.

use crate::element::Element;
use crate::grammar::{Decode, Encode, Put, codec, items, next_child};
use crate::wire::{DecodeError, Reader, Writer};
use imps_types::element::{AnswerOption, SystemMessage, SystemMessageResponse, Verification};

codec! {
    SystemMessage {
        default id: Box<str> = SystemMessageId,
        default requires_response: bool = RequiresResponse,
        optional text: Box<str> = SystemMessageText,
        list options: AnswerOption = AnswerOptions,
        optional verification: Verification = VerificationMechanism,
    }
}

codec! {
    AnswerOption {
        default id: u32 = AnswerOptionId,
        default text: Box<str> = AnswerOptionText,
    }
}

codec! {
    SystemMessageResponse {
        default id: Box<str> = SystemMessageId,
        optional chosen_option: u32 = ChosenOptionId,
        optional verification_key: Box<str> = VerificationKey,
    }
}

impl Decode for Verification {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.position();
        Self::decode_optional(reader)?.ok_or(crate::grammar::bad_value("verification mechanism", at))
    }

    fn decode_optional(reader: &mut dyn Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let mut found = None;
        while let Some(element) = next_child(reader)? {
            match element {
                Element::InText => found = Some(Self::InText(Box::decode(reader)?)),
                Element::Url => found = Some(Self::Url(Box::decode(reader)?)),
                _ => reader.skip()?,
            }
        }
        Ok(found)
    }
}

impl Encode for Verification {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        match self {
            Self::InText(text) => text.encode(Element::InText, writer),
            Self::Url(url) => url.encode(Element::Url, writer),
        }
    }
}

macro_rules! lists {
    ($($item:ident)*) => {$(
        impl Decode for Vec<$item> {
            fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
                let mut all = Self::new();
                items(reader, &mut all, |element| element == Element::$item)?;
                Ok(all)
            }
        }

        impl Encode for Vec<$item> {
            fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
                self.put(Element::$item, writer);
            }
        }
    )*};
}

lists! { SystemMessage AnswerOption SystemMessageResponse }
