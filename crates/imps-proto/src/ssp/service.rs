//! What a domain offers, what two domains agreed on, and users' profiles. SSP 11, 12.

use super::common::DomainName;
use super::error::Error;
use super::grammar::{Part, Value, primitive, structure};
use super::io::{In, Out, Start};
use imps_types::Address;
use imps_types::element::ResultInfo;
use std::borrow::Cow;

structure! {
    /// A service, and what is said of it (`Service`).
    ServiceLine [
        /// `IM`, `PRESENCE`, ...
        required name: Box<str> = "name",
        /// Whether it belongs to the least that must be there.
        optional minimum: bool = "minimum",
        /// `PSE`: it is provided to the users of another domain.
        optional role: Box<str> = "role",
        /// Which domain's users.
        optional for_domain: Box<str> = "forDomain",
        /// Whether the user subscribed to it.
        optional subscribed: bool = "subscribed",
        /// Whether he uses it now: `Active`, `Inactive`.
        optional status: Box<str> = "status",
    ] {
        /// The functions it has, as the service tree of CSP names them.
        many functions: Box<str> = "Function",
    }
}

structure! {
    /// Services (`ServiceList`, `Offer`, `Want`, `Interop`, `Services`).
    Services [
        /// The version of SSP; only in `ServiceList`.
        optional protocol_version: Box<str> = "protocolVersion",
    ] {
        /// One each.
        many services: ServiceLine = "Service",
    }
}

structure! {
    /// Domains that the sender relays for (`Behind`).
    Behind [] {
        /// Which.
        many domains: DomainName = "Domain",
    }
}

primitive! {
    /// What do you offer?
    GetServiceListRequest (meta) [] {}
}

primitive! {
    /// This.
    GetServiceListResponse [] {
        /// How it went.
        required status: ResultInfo = "Status",
        /// What there is.
        optional services: Services = "ServiceList",
    }
}

/// The longest ID of an agreement, in characters.
const AGREEMENT_ID_MAX: usize = 256;

/// The ID of an agreement: it is kept, and shown to operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementId(pub Box<str>);

impl Value for AgreementId {
    fn parse(text: &str) -> Option<Self> {
        (text.chars().nth(AGREEMENT_ID_MAX).is_none()).then(|| Self(text.into()))
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

primitive! {
    /// Terms for what each provides to the other. None of all: the agreement ends.
    SetServiceAgreementRequest (meta) [
        /// The proposer's name for it.
        required agreement_id: AgreementId = "agreementID",
        /// For how many seconds it is good.
        optional validity: u32 = "validity",
    ] {
        /// What the sender would provide.
        optional offer: Services = "Offer",
        /// What the sender would like to be provided.
        optional want: Services = "Want",
        /// What is used between users of both.
        optional interop: Services = "Interop",
        /// Whom the sender relays for.
        optional behind: Behind = "Behind",
    }
}

primitive! {
    /// What was granted of it.
    SetServiceAgreementResponse [
        /// Of which.
        required agreement_id: AgreementId = "agreementID",
    ] {
        /// How it went.
        required status: ResultInfo = "Status",
        /// What the asker may provide.
        optional offer: Services = "Offer",
        /// What the asker is provided.
        optional want: Services = "Want",
        /// What is used between users of both.
        optional interop: Services = "Interop",
        /// For whom the asker may relay.
        optional behind: Behind = "Behind",
    }
}

/// An element that says all by being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark;

impl Part for Mark {
    fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        input.skip()?;
        Ok(Self)
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        out.end(name);
    }
}

structure! {
    /// Which parts of a profile are wanted (`ProfileItems`).
    ProfileItems [] {
        /// Services and their state.
        optional services: Mark = "Services",
        /// What may be told about him.
        optional privacy: Mark = "Privacy",
        /// What his clients can take.
        optional terminals: Mark = "TerminalCapabilities",
    }
}

structure! {
    /// Whether something may be passed on (`Location`, `UserInteraction`).
    Sharing [
        /// Whether it may.
        required share: bool = "share",
    ] {}
}

structure! {
    /// What may be told about a user (`Privacy`).
    Privacy [] {
        /// Where he is.
        optional location: Sharing = "Location",
        /// What he does with his terminal.
        optional user_interaction: Sharing = "UserInteraction",
    }
}

structure! {
    /// What one client can take (`Client`).
    Terminal [
        /// Its ID.
        optional url: Box<str> = "url",
    ] {
        /// Types of content.
        many content_types: Box<str> = "ContentType",
        /// The longest content, bytes.
        optional max_length: u32 = "MaxLength",
        /// `P` for push, `N` for notify and get.
        optional delivery_method: Box<str> = "DeliveryMethod",
    }
}

structure! {
    /// What a user's clients can take (`TerminalCapabilities`).
    Terminals [] {
        /// One each.
        many clients: Terminal = "Client",
    }
}

structure! {
    /// What a Home Domain tells about a user (`UserProfile`); of an update, what changed.
    UserProfile [
        /// Whose.
        required user_id: Address = "userID",
        /// Grows with every change.
        optional version: u32 = "version",
    ] {
        /// Services and their state.
        optional services: Services = "Services",
        /// What may be told about him.
        optional privacy: Privacy = "Privacy",
        /// What his clients can take.
        optional terminals: Terminals = "TerminalCapabilities",
    }
}

primitive! {
    /// A PSE asks for a profile.
    GetUserProfileRequest (meta) [] {
        /// Whose.
        required user_id: Address = "UserID" | "User",
        /// Which parts; absent: all.
        optional items: ProfileItems = "ProfileItems",
    }
}

primitive! {
    /// The profile.
    GetUserProfileResponse [] {
        /// How it went.
        required status: ResultInfo = "Status",
        /// The profile.
        optional profile: UserProfile = "UserProfile",
    }
}

primitive! {
    /// A Home Domain tells what changed.
    UpdateUserProfileRequest (meta) [] {
        /// What.
        required profile: UserProfile = "UserProfile",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_agreement_has_a_bound() {
        let of = |length: usize| AgreementId::parse(&"ü".repeat(length)).map(|id| id.0.chars().count());
        assert_eq!((of(AGREEMENT_ID_MAX), of(AGREEMENT_ID_MAX + 1)), (Some(256), None));
    }
}
