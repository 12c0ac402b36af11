//! Enumerations: a word each. One that is not in the table counts as absent.

use crate::element::Element;
use crate::grammar::{Codec, Decode, Encode, bad_value};
use crate::wire::{DecodeError, Reader, Writer};
use imps_types::Version;
use imps_types::element::{
    Bearer, CirMethod, ClientType, ContentEncoding, DeliveryMethod, DigestSchema, InviteType, NotificationType,
    OfflineHandling, OnlineHandling, ReactiveAuthState, SubscribeType, WatcherStatus,
};

macro_rules! words {
    ($($word:ident $what:literal;)*) => {$(
        impl Decode for $word {
            fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
                let at = reader.position();
                Self::decode_optional(reader)?.ok_or(bad_value($what, at))
            }

            fn decode_optional(reader: &mut dyn Reader<'_>) -> Result<Option<Self>, DecodeError> {
                Ok(Self::parse(&reader.text()?))
            }
        }

        impl Encode for $word {
            fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
                writer.text(self.as_str());
            }
        }
    )*};
}

words! {
    Bearer "bearer";
    CirMethod "CIR method";
    ClientType "client type";
    ContentEncoding "content encoding";
    DeliveryMethod "delivery method";
    DigestSchema "digest schema";
    NotificationType "notification type";
    OfflineHandling "offline handling";
    OnlineHandling "online handling";
    ReactiveAuthState "state of an authorisation";
    SubscribeType "kind of subscription";
    WatcherStatus "watcher status";
}

/// An unknown one is refused and not passed over: nobody can be invited to what is not known (CSP 7.2).
impl Decode for InviteType {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.position();
        Self::parse(&reader.text()?).ok_or(bad_value("InviteType", at))
    }
}

impl Encode for InviteType {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        writer.text(self.as_str());
    }
}

/// What a client can digest: an element for each, or in 1.1 one with a list between commas (CSP 4.1).
pub(crate) struct DigestSchemas;

impl Codec for DigestSchemas {
    type Slot = Vec<DigestSchema>;
    type Value = Vec<DigestSchema>;

    fn takes(element: Element) -> bool {
        element == Element::DigestSchema
    }

    fn take(slot: &mut Self::Slot, _: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError> {
        let text = reader.text()?;
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        // A name that is not in the table is as good as MD6, which nobody computes: something was offered, and it does
        // not fit (543), other than when nothing was.
        slot.extend(names.map(|name| DigestSchema::parse(name).unwrap_or(DigestSchema::Md6)));
        Ok(())
    }

    fn finish(slot: Self::Slot, _: usize) -> Result<Self::Value, DecodeError> {
        Ok(slot)
    }

    fn put(value: &Self::Value, writer: &mut dyn Writer) {
        if writer.version() > Version::V1_1 || value.len() < 2 {
            for schema in value {
                schema.encode(Element::DigestSchema, writer);
            }
        } else {
            let names: Vec<_> = value.iter().map(|schema| schema.as_str()).collect();
            writer.element_text(Element::DigestSchema, &names.join(","));
        }
    }
}
