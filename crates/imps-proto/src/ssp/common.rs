//! What many primitives have in common. SSP 8.1, 8.2, 7.2.

use super::error::Error;
use super::grammar::{Part, Value, optional, required, structure};
use super::io::{In, Out, Start};
use imps_types::element::{DetailedResult, ResultInfo, ScreenName, User};
use imps_types::{Address, ClientId};

/// The namespace of what only our own relays say to each other (SSP 13.4).
pub const ROUTE_NAMESPACE: &str = "urn:x-imps:ssp-route:1";

/// A user, a group, or any other address that stands alone: `UserID`, `VerUserID`, `GroupID`.
impl Part for Address {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let named = start.attribute(&["userID", "groupID", "userid", "groupid"]);
        let text = input.text()?;
        Ok(Self::new(named.as_deref().unwrap_or(&text)))
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        out.attribute(if name == "GroupID" { "groupID" } else { "userID" }, self.as_str());
        out.end(name);
    }
}

/// `<ClientID url="...">` of a user, with the application inside where there is one.
fn read_client<'a>(user: &mut User, start: &Start<'a>, input: &mut In<'a>) -> Result<(), Error> {
    let url = start.attribute(&["url"]).filter(|url| !url.is_empty());
    let text = input.mixed(&mut |child, input| {
        if child.is(&["ApplicationID"]) {
            user.application_id = Some(required(&child, &["applicationID"])?);
        }
        input.skip()
    })?;
    let is_number = !text.is_empty() && text.strip_prefix('+').unwrap_or(&text).bytes().all(|it| it.is_ascii_digit());
    user.client_id = match url {
        Some(url) => Some(ClientId::of_url(&url)),
        None if is_number => Some(ClientId { url: None, msisdn: Some(text.into()) }),
        None if !text.is_empty() => Some(ClientId::of_url(&text)),
        None => None,
    };
    Ok(())
}

impl Part for User {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let named: Option<Address> = optional(start, &["userID", "userid"])?;
        let mut user = Self { friendly_name: optional(start, &["friendlyName"])?, ..Self::default() };
        let text = input.mixed(&mut |child, input| {
            if child.is(&["ClientID"]) {
                return read_client(&mut user, &child, input);
            }
            input.skip()
        })?;
        user.user_id = named.unwrap_or_else(|| Address::new(&text));
        Ok(user)
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        out.attribute("userID", self.user_id.as_str());
        if let Some(name) = &self.friendly_name {
            out.attribute("friendlyName", name);
        }
        if self.client_id.is_some() || self.application_id.is_some() {
            let client = self.client_id.as_ref();
            let url = client.and_then(|client| client.url.as_deref());
            out.begin("ClientID");
            out.attribute("url", url.unwrap_or_default());
            match &self.application_id {
                Some(application) => {
                    out.begin("ApplicationID");
                    out.attribute("applicationID", application);
                    out.end("ApplicationID");
                }
                None => out.text(url.or(client.and_then(|client| client.msisdn.as_deref())).unwrap_or_default()),
            }
            out.end("ClientID");
        }
        out.end(name);
    }
}

impl Part for ScreenName {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let group_id: Option<Address> = optional(start, &["groupID", "groupid"])?;
        Ok(Self { name: input.text()?.into(), group_id: group_id.unwrap_or_default() })
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        if !self.group_id.as_str().is_empty() {
            out.attribute("groupID", self.group_id.as_str());
        }
        out.text(&self.name);
        out.end(name);
    }
}

/// One party of an invitation, a recipient or a sender: a user, a group, or somebody by the name he has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// `User`.
    User(User),
    /// `GroupID`.
    Group(Address),
    /// `ScreenName`.
    ScreenName(ScreenName),
}

impl Party {
    /// Reads one, if that is what stands here; else nothing is read.
    pub(super) fn read_as<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Option<Self>, Error> {
        Ok(if start.is(&["User", "UserID"]) {
            Some(Self::User(User::read(start, input)?))
        } else if start.is(&["GroupID"]) {
            Some(Self::Group(Address::read(start, input)?))
        } else if start.is(&["ScreenName", "ScreenNames"]) {
            Some(Self::ScreenName(ScreenName::read(start, input)?))
        } else {
            None
        })
    }

    pub(super) fn write_alone(&self, out: &mut Out) {
        match self {
            Self::User(user) => user.write("User", out),
            Self::Group(group) => group.write("GroupID", out),
            Self::ScreenName(name) => name.write("ScreenName", out),
        }
    }

    /// The address that it stands under: of the user, or of the group.
    pub fn address(&self) -> &Address {
        match self {
            Self::User(user) => &user.user_id,
            Self::Group(group) => group,
            Self::ScreenName(name) => &name.group_id,
        }
    }
}

impl Part for Party {
    fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let mut party = None;
        while let Some(child) = input.child()? {
            if party.is_some() {
                input.skip()?;
                continue;
            }
            party = Self::read_as(&child, input)?;
            if party.is_none() {
                input.skip()?;
            }
        }
        party.ok_or(input.error(super::ErrorKind::MissingElement("User")))
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        self.write_alone(out);
        out.end(name);
    }
}

structure! {
    /// Who asks: a domain, and the user whose client caused it (`Requestor`).
    Requestor [
        /// The domain, as `wv:@a.example`.
        required service_id: Address = "serviceID",
    ] {
        /// The user, when a client caused the request.
        optional user: User = "User",
    }
}

structure! {
    /// What stands first in every request (`MetaInfo`).
    MetaInfo [
        /// Whether a client caused it; else the server did, or a group.
        optional client_originated: bool = "clientOriginated",
    ] {
        /// Who asks.
        required requestor: Requestor = "Requestor",
        /// By which way it came, from our own kind.
        optional route: Route = "Route",
    }
}

impl MetaInfo {
    /// A request that a user's client caused.
    pub fn of_user(service_id: Address, user: User) -> Self {
        Self { client_originated: Some(true), requestor: Requestor { service_id, user: Some(user) }, route: None }
    }

    /// A request of a domain's own.
    pub fn of_domain(service_id: Address) -> Self {
        Self { client_originated: Some(false), requestor: Requestor { service_id, user: None }, route: None }
    }
}

/// The way of a request through relays (`Route`), in a namespace of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What the first relay called the request.
    pub id: Box<str>,
    /// How many more relays may take it.
    pub hops_left: u32,
    /// Milliseconds until the requestor gives up.
    pub ms_left: u32,
    /// The domains that relayed it, in order, as `wv:@h1.example`.
    pub via: Vec<Address>,
}

/// One relay (`Via`).
struct Via(Address);

impl Part for Via {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let service_id = required(start, &["serviceID"])?;
        input.skip()?;
        Ok(Self(service_id))
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        out.attribute("serviceID", self.0.as_str());
        out.end(name);
    }
}

impl Part for Route {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let id = required(start, &["id"])?;
        let hops_left = required(start, &["hopsLeft"])?;
        let ms_left = required(start, &["msLeft"])?;
        let mut via = Vec::new();
        while let Some(child) = input.child()? {
            if child.is(&["Via"]) {
                via.push(Via::read(&child, input)?.0);
            } else {
                input.skip()?;
            }
        }
        Ok(Self { id, hops_left, ms_left, via })
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        out.attribute("xmlns", ROUTE_NAMESPACE);
        out.attribute("id", &self.id);
        out.attribute("hopsLeft", &self.hops_left.format());
        out.attribute("msLeft", &self.ms_left.format());
        for service_id in &self.via {
            Via(service_id.clone()).write("Via", out);
        }
        out.end(name);
    }
}

/// A domain: its name, which some write as an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainName(pub Box<str>);

impl Part for DomainName {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let named = start.attribute(&["domain"]);
        let text = input.text()?;
        Ok(Self(named.as_deref().unwrap_or(&text).into()))
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        self.0.write(name, out);
    }
}

/// `Status`: the outcome of a transaction. What only clients are told, system messages, stays at home.
impl Part for ResultInfo {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let mut result = Self::of(required(start, &["code"])?);
        result.description = None;
        while let Some(child) = input.child()? {
            if child.is(&["StatusDescription"]) {
                result.description = Some(Part::read(&child, input)?);
            } else if child.is(&["DetailedResult"]) {
                result.detailed.push(Part::read(&child, input)?);
            } else if child.is(&["TryAgainTimeout"]) {
                result.try_again = Some(Part::read(&child, input)?);
            } else {
                input.skip()?;
            }
        }
        Ok(result)
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        out.attribute("code", &self.status.format());
        if let Some(description) = &self.description {
            description.write("StatusDescription", out);
        }
        for detail in &self.detailed {
            detail.write("DetailedResult", out);
        }
        if let Some(seconds) = &self.try_again {
            seconds.write("TryAgainTimeout", out);
        }
        out.end(name);
    }
}

impl Part for DetailedResult {
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let mut result = Self::of(required(start, &["code"])?);
        result.description = None;
        while let Some(child) = input.child()? {
            if child.is(&["StatusDescription"]) {
                result.description = Some(Part::read(&child, input)?);
            } else if child.is(&["UserID", "User"]) {
                result.user_ids.push(Part::read(&child, input)?);
            } else if child.is(&["GroupID"]) {
                result.group_ids.push(Part::read(&child, input)?);
            } else if child.is(&["ScreenName", "ScreenNames"]) {
                result.screen_names.push(Part::read(&child, input)?);
            } else if child.is(&["Domain"]) {
                result.domains.push(DomainName::read(&child, input)?.0);
            } else if child.is(&["MessageID"]) {
                result.message_ids.push(Part::read(&child, input)?);
            } else {
                input.skip()?;
            }
        }
        Ok(result)
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        out.attribute("code", &self.status.format());
        if let Some(description) = &self.description {
            description.write("StatusDescription", out);
        }
        self.user_ids.iter().for_each(|id| id.write("UserID", out));
        self.group_ids.iter().for_each(|id| id.write("GroupID", out));
        self.screen_names.iter().for_each(|name| name.write("ScreenName", out));
        self.domains.iter().for_each(|domain| domain.write("Domain", out));
        // Of messages that a PSE has, as CSP says it: it is in no answer that plain peers get.
        self.message_ids.iter().for_each(|id| id.write("MessageID", out));
        out.end(name);
    }
}
