//! Parameters to elements.

use super::PtsCodes;
use super::syntax::{self, Parameter, Preamble, PtsVersion, Text, Value};
use super::tables::{self, By, Naming, Shape};
use super::writer::{holds_properties, is_msisdn};
use crate::element::{Element, Space};
use crate::wire::{DecodeError, DecodeErrorKind, Form, Limits, Namespace, Reader, Start, Tag, Token, text};
use imps_types::Version;
use std::borrow::Cow;

/// Reads PTS.
///
/// A message is short, and is taken apart at once; what is wrong with it is told where its elements would be.
pub struct PtsReader<'a> {
    tokens: std::vec::IntoIter<(Token<'a>, usize)>,
    /// What comes instead of the end.
    failure: Option<DecodeError>,
    codes: PtsCodes,
    version: Option<Version>,
    depth: usize,
    position: usize,
    length: usize,
}

impl<'a> PtsReader<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// Only when it has no preamble: everything else is told by and by, when its TransactionID is known.
    pub fn new(codes: PtsCodes, input: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        let preamble = Preamble::read(input)?;
        let version = match preamble.version {
            PtsVersion::Known(version) => Some(version),
            PtsVersion::Discovery | PtsVersion::Unknown(_) => None,
        };
        let row = tables::transaction(preamble.code, codes);
        let builder = Builder {
            tokens: Vec::with_capacity(64),
            codes,
            version,
            primitive: row.map(|row| row.primitive),
            by: row.map_or(By::Both, |row| row.by),
            at: 0,
            open: Vec::with_capacity(16),
            elements: limits.elements,
            depth: limits.depth,
        };
        let (tokens, failure) = builder.message(&preamble, input, limits);
        let length = input.len();
        Ok(Self { tokens: tokens.into_iter(), failure, codes, version, depth: 0, position: 0, length })
    }
}

impl<'a> Reader<'a> for PtsReader<'a> {
    fn next(&mut self) -> Result<Token<'a>, DecodeError> {
        let Some((token, at)) = self.tokens.next() else {
            self.position = self.length;
            return self.failure.map_or(Ok(Token::Eof), Err);
        };
        self.position = at;
        match token {
            Token::Start(_) => self.depth += 1,
            Token::End => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        Ok(token)
    }

    fn form(&self) -> Form {
        Form::Pts(self.codes)
    }

    fn version(&self) -> Option<Version> {
        self.version
    }

    fn depth(&self) -> usize {
        self.depth
    }

    fn position(&self) -> usize {
        self.position
    }
}

/// Makes the tokens.
struct Builder<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    codes: PtsCodes,
    version: Option<Version>,
    /// None: the code is unknown.
    primitive: Option<Element>,
    by: By,
    /// Where the parameter begins that is taken apart.
    at: usize,
    /// What is open; none for what is not in the table.
    open: Vec<Option<Element>>,
    elements: usize,
    depth: usize,
}

type Built = Result<(), DecodeError>;

impl<'a> Builder<'a> {
    fn message(
        mut self,
        preamble: &Preamble,
        input: &'a [u8],
        limits: &Limits,
    ) -> (Vec<(Token<'a>, usize)>, Option<DecodeError>) {
        let mut parameters = syntax::parameters(input, preamble.length);
        let broken = if input.len() > limits.pts_bytes {
            Some(DecodeError::new(DecodeErrorKind::TooLarge("message"), limits.pts_bytes))
        } else if preamble.segment.is_some_and(|segment| segment != (1, 1)) {
            Some(self.malformed("a piece of a message"))
        } else {
            parameters.error
        };
        let list = std::mem::take(&mut parameters.list);
        let outcome = self.whole(preamble, input, list, broken);
        (self.tokens, outcome.err())
    }

    fn whole(
        &mut self,
        preamble: &Preamble,
        input: &'a [u8],
        list: Vec<Parameter<'a>>,
        mut broken: Option<DecodeError>,
    ) -> Built {
        let row = tables::transaction(preamble.code, self.codes);
        let is_response = row.is_some_and(tables::Transaction::is_response);
        let mut envelope = EnvelopeParts::default();
        let mut rest = Vec::with_capacity(list.len());
        for parameter in list {
            match self.envelope_part(&parameter) {
                Some(part) => *envelope.place(part) = parameter.value,
                None => rest.push(parameter),
            }
        }
        let is_12 = self.version.is_none_or(|version| version > Version::V1_1);
        self.start_in(Element::WvCspMessage, self.namespace_of_message(preamble))?;
        self.start(Element::Session)?;
        self.start(Element::SessionDescriptor)?;
        let session = envelope.session.as_ref().and_then(Value::text).filter(|id| !id.text.is_empty());
        self.leaf(Element::SessionType, Cow::Borrowed(if session.is_some() { "Inband" } else { "Outband" }))?;
        if let Some(id) = session {
            self.leaf(Element::SessionId, id.text.clone())?;
        }
        self.end();
        self.start(Element::Transaction)?;
        self.start(Element::TransactionDescriptor)?;
        let said = envelope.mode.as_ref().and_then(Value::text);
        let said = said.and_then(|said| MODES.into_iter().find(|mode| said.text.eq_ignore_ascii_case(mode)));
        let [request, response] = MODES;
        let mode = said.unwrap_or(if is_response { response } else { request });
        self.leaf(Element::TransactionMode, Cow::Borrowed(mode))?;
        self.leaf(Element::TransactionId, Cow::Owned(preamble.transaction_id.to_string()))?;
        if !is_12 {
            broken = broken.or(self.aside(Element::Poll, envelope.poll.as_ref()));
        }
        broken = broken.or(self.aside(Element::SegmentInfo, envelope.segment.as_ref()));
        self.end();
        let namespace = self.version.map(|version| Namespace::of(Space::Trc, version));
        self.start_in(Element::TransactionContent, namespace)?;
        match row {
            Some(row) => self.start(row.primitive)?,
            // What follows a code that nobody knows may be as nobody knows: it is not looked at.
            None => {
                let code = input.get(4..6).and_then(|code| std::str::from_utf8(code).ok()).unwrap_or_default();
                self.start_unknown(code, None)?;
            }
        }
        if let Some(broken) = broken.filter(|_| row.is_some()) {
            return Err(broken);
        }
        if row.is_some() {
            self.parameters(rest)?;
        }
        for _ in [Element::PollingRequest, Element::TransactionContent, Element::Transaction] {
            self.end();
        }
        if is_12 {
            self.flag(Element::Poll, envelope.poll.as_ref())?;
        }
        self.flag(Element::Cir, envelope.cir.as_ref())?;
        self.end();
        self.end();
        Ok(())
    }

    fn namespace_of_message(&self, preamble: &Preamble) -> Option<Namespace<'a>> {
        match preamble.version {
            PtsVersion::Known(version) => Some(Namespace::of(Space::Csp, version)),
            PtsVersion::Discovery => None,
            // One that names a version which is not spoken: the envelope tells its client so.
            PtsVersion::Unknown([major, minor]) => {
                let prefix = Namespace::of(Space::Csp, Version::V1_3).prefix;
                let version = [char::from(major), '.', char::from(minor)];
                Some(Namespace { prefix, rest: Cow::Owned(version.iter().collect()) })
            }
        }
    }

    /// Which part of the envelope a parameter is, if it is one.
    fn envelope_part(&self, parameter: &Parameter<'_>) -> Option<Part> {
        if parameter.code() == Some(*b"SI") {
            return (self.primitive != Some(Element::LoginResponse)).then_some(Part::Session);
        }
        let part = match tables::of_envelope(parameter.name)? {
            Element::Poll => Part::Poll,
            Element::Cir => Part::Cir,
            Element::SegmentInfo => Part::Segment,
            _ => Part::Mode,
        };
        (self.codes == PtsCodes::Project).then_some(part)
    }

    /// The children of the primitive. What belongs into MessageInfo is put there, in order, where the first of it stands.
    fn parameters(&mut self, list: Vec<Parameter<'a>>) -> Built {
        let has_info = self.primitive.is_some_and(|primitive| tables::WITH_MESSAGE_INFO.contains(&primitive));
        let belongs = |this: &Self, parameter: &Parameter<'a>| {
            let coded = this.row(parameter).map(|row| row.element);
            let named = || tables::element_by_name(parameter.name, Space::Trc) == Some(Element::MessageInfo);
            has_info && coded.map_or_else(named, |element| tables::MESSAGE_INFO.contains(&element))
        };
        let (mut info, others): (Vec<_>, Vec<_>) = if self.codes == PtsCodes::Project {
            list.into_iter().map(|it| (belongs(self, &it), it)).partition(|(belongs, _)| *belongs)
        } else {
            (Vec::new(), list.into_iter().map(|it| (false, it)).collect())
        };
        let first = info.first().map(|(_, parameter)| parameter.at);
        for (_, parameter) in others {
            if first.is_some_and(|first| first < parameter.at) && !info.is_empty() {
                self.message_info(std::mem::take(&mut info))?;
            }
            self.parameter(&parameter)?;
        }
        if info.is_empty() { Ok(()) } else { self.message_info(info) }
    }

    fn row(&self, parameter: &Parameter<'_>) -> Option<&'static tables::Parameter> {
        tables::parameter(parameter.code()?, self.by, self.codes)
    }

    fn message_info(&mut self, list: Vec<(bool, Parameter<'a>)>) -> Built {
        let mut children: Vec<Child<'_, 'a>> = Vec::new();
        for (_, parameter) in &list {
            match (self.row(parameter), &parameter.value) {
                (Some(row), _) => children.push(Child::Coded(row, parameter)),
                (None, Some(Value::Group(pairs))) => children.extend(pairs.iter().map(Child::Pair)),
                (None, _) => {}
            }
        }
        children.sort_by_key(|child| child.place());
        self.at = list.first().map_or(self.at, |(_, parameter)| parameter.at);
        self.start(Element::MessageInfo)?;
        for child in children {
            match child {
                Child::Coded(_, parameter) => self.parameter(parameter)?,
                Child::Pair(pair) => self.pair(pair)?,
            }
        }
        self.end();
        Ok(())
    }

    fn parameter(&mut self, parameter: &Parameter<'a>) -> Built {
        self.at = parameter.at;
        let row = self.row(parameter);
        if let Some(row) = row {
            return match &parameter.value {
                Some(value) => self.shaped(row, value),
                None => self.element(row.element.name(), None),
            };
        }
        if self.codes == PtsCodes::Attested {
            // Somebody's own.
            return Ok(());
        }
        self.elements(parameter.name, parameter.value.as_ref())
    }

    fn shaped(&mut self, row: &tables::Parameter, value: &Value<'a>) -> Built {
        let version = self.version.unwrap_or(Version::V1_2);
        let primitive = self.primitive.unwrap_or(Element::Status);
        match row.shape {
            Shape::Plain | Shape::Session => self.elements(row.element.name(), Some(value)),
            // What the short form cannot say may stand under the code as well as under the name.
            Shape::Outcome | Shape::Client | Shape::Party if self.codes == PtsCodes::Project && is_struct(value) => {
                self.elements(row.element.name(), Some(value))
            }
            Shape::Outcome => self.outcome(value),
            Shape::Client => self.client(value),
            Shape::Users => {
                let naming = tables::naming_of_users(primitive, version);
                self.addresses(value, naming, Element::UserId, Element::User, Element::UserIdList)
            }
            Shape::Lists => {
                let naming = tables::naming_of_lists(primitive, version);
                self.addresses(value, naming, Element::ContactList, Element::ContactList, Element::ContactListIdList)
            }
            Shape::Nicks => self.nicks(row.element, value),
            Shape::Properties => self.list_properties(row.element, value),
            Shape::Capabilities => self.capabilities(row.element, value),
            Shape::Features => self.features(row.element, value),
            Shape::Names => self.names(value),
            Shape::Values => self.values(value),
            Shape::Presence => self.presences(value),
            Shape::Party => self.party(row.element, value),
        }
    }

    fn outcome(&mut self, value: &Value<'a>) -> Built {
        let [code, description @ ..] = value.items() else { return Err(self.bad()) };
        self.start(Element::Result)?;
        self.leaf_of(Element::Code, code)?;
        match description {
            [] => {}
            [description] => self.leaf_of(Element::Description, description)?,
            _ => return Err(self.bad()),
        }
        self.end();
        Ok(())
    }

    fn client(&mut self, value: &Value<'a>) -> Built {
        let id = value.text().ok_or_else(|| self.bad())?;
        self.start(Element::ClientId)?;
        let element = if is_msisdn(&id.text) { Element::Msisdn } else { Element::Url };
        self.leaf(element, id.text.clone())?;
        self.end();
        Ok(())
    }

    fn addresses(
        &mut self,
        value: &Value<'a>,
        naming: Naming,
        bare: Element,
        wrapper: Element,
        list: Element,
    ) -> Built {
        if naming == Naming::Listed {
            self.start(list)?;
        }
        for item in value.items().iter().filter(|item| !item.is_absent()) {
            if naming == Naming::Wrapped {
                self.start(wrapper)?;
            }
            self.leaf_of(bare, item)?;
            if naming == Naming::Wrapped {
                self.end();
            }
        }
        if naming == Naming::Listed {
            self.end();
        }
        Ok(())
    }

    fn nicks(&mut self, element: Element, value: &Value<'a>) -> Built {
        self.start(element)?;
        let pairs = match value {
            // One pair, without the group around it.
            Value::Group(items) if matches!(&**items, [Value::Text(_), Value::Text(_)]) => std::slice::from_ref(value),
            _ => value.items(),
        };
        for pair in pairs.iter().filter(|pair| !is_nothing(pair)) {
            match pair.items() {
                [id] => self.leaf_of(Element::UserId, id)?,
                [name, id] if name.is_absent() => self.leaf_of(Element::UserId, id)?,
                [name, id] => {
                    self.start(Element::NickName)?;
                    self.leaf_of(Element::Name, name)?;
                    self.leaf_of(Element::UserId, id)?;
                    self.end();
                }
                _ => return Err(self.bad()),
            }
        }
        self.end();
        Ok(())
    }

    fn list_properties(&mut self, element: Element, value: &Value<'a>) -> Built {
        self.start(element)?;
        for pair in value.items().iter().filter(|pair| !is_nothing(pair)) {
            let [name, value] = pair.items() else { return Err(self.bad()) };
            let name = name.text().ok_or_else(|| self.bad())?;
            let word = tables::LIST_PROPERTIES.word(&name.text).map(Cow::Borrowed);
            self.property(word.unwrap_or_else(|| name.text.clone()), value)?;
        }
        self.end();
        Ok(())
    }

    fn property(&mut self, name: Cow<'a, str>, value: &Value<'a>) -> Built {
        self.start(Element::Property)?;
        self.leaf(Element::Name, name)?;
        self.leaf_of(Element::Value, value)?;
        self.end();
        Ok(())
    }

    fn capabilities(&mut self, element: Element, value: &Value<'a>) -> Built {
        self.start(element)?;
        let pairs = match value {
            Value::Group(items) if matches!(&**items, [Value::Text(_), _]) => std::slice::from_ref(value),
            _ => value.items(),
        };
        for pair in pairs.iter().filter(|pair| !is_nothing(pair)) {
            let [name, value] = pair.items() else { return Err(self.bad()) };
            let name = name.text().ok_or_else(|| self.bad())?;
            match tables::CAPABILITIES.element(&name.text) {
                Some(element) => self.capability(element, value)?,
                None if self.codes == PtsCodes::Attested => {}
                None => self.pair(pair)?,
            }
        }
        self.end();
        Ok(())
    }

    fn capability(&mut self, element: Element, value: &Value<'a>) -> Built {
        let text = value.text().ok_or_else(|| self.bad())?.text.clone();
        let words = match element {
            Element::SupportedCirMethod => &tables::CIR_METHODS,
            Element::ClientType => &tables::CLIENT_TYPES,
            Element::CirHttpAddress => {
                self.start(element)?;
                self.leaf(Element::Url, text)?;
                self.end();
                return Ok(());
            }
            _ => return self.leaf(element, text),
        };
        let word = words.word(&text).map(Cow::Borrowed);
        self.leaf(element, word.unwrap_or(text))
    }

    fn features(&mut self, element: Element, value: &Value<'a>) -> Built {
        self.start(element)?;
        self.start(Element::WvCspFeat)?;
        for code in value.items().iter().filter(|item| !is_nothing(item)) {
            let code = code.text().ok_or_else(|| self.bad())?;
            match tables::FEATURES.element(&code.text) {
                // All of it is an element with nothing in it.
                Some(Element::WvCspFeat) => {}
                Some(feature) => self.leaf(feature, Cow::Borrowed(""))?,
                None => return Err(self.bad()),
            }
        }
        self.end();
        self.end();
        Ok(())
    }

    fn party(&mut self, element: Element, value: &Value<'a>) -> Built {
        self.start(element)?;
        for user in value.items() {
            self.start(Element::User)?;
            self.leaf_of(Element::UserId, user)?;
            self.end();
        }
        self.end();
        Ok(())
    }

    fn start_list(&mut self) -> Built {
        let namespace = self.version.map(|version| Namespace::of(Space::Pa, version));
        self.start_in(Element::PresenceSubList, namespace)
    }

    /// Attributes without values: `OS`, `(OS,UA)`, `(OS,(CF,(CT,CV)))`; and `(CF,(CT))`, one alone.
    fn names(&mut self, value: &Value<'a>) -> Built {
        self.start_list()?;
        let is_one = match value {
            Value::Group(items) => match &**items {
                [Value::Text(name), Value::Group(_)] => {
                    tables::ATTRIBUTES.element(&name.text).and_then(tables::parts_of).is_some()
                }
                _ => false,
            },
            Value::Text(_) => true,
        };
        let items = if is_one { std::slice::from_ref(value) } else { value.items() };
        for item in items.iter().filter(|item| !is_nothing(item)) {
            self.name_only(item, &|_, code| tables::ATTRIBUTES.element(code))?;
        }
        self.end();
        Ok(())
    }

    /// An attribute, or a part of one, and its parts.
    fn name_only(&mut self, item: &Value<'a>, known: &dyn Fn(&Self, &str) -> Option<Element>) -> Built {
        let (name, parts) = match item.items() {
            [name] => (name, None),
            [name, parts] => (name, Some(parts)),
            _ => return Err(self.bad()),
        };
        let Some(name) = name.text() else { return Err(self.bad()) };
        let coded = known(self, &name.text);
        if !self.start_coded(coded, name)? {
            return Ok(());
        }
        for part in parts.into_iter().flat_map(Value::items) {
            let codes = coded.and_then(tables::parts_of);
            self.name_only(part, &|_, code| codes?.element(code))?;
        }
        self.end();
        Ok(())
    }

    /// Begins an element that has a code or, with codes of our own, is called by its name. Whether it did.
    fn start_coded(&mut self, coded: Option<Element>, name: &Text<'a>) -> Result<bool, DecodeError> {
        match coded {
            Some(element) => self.start(element)?,
            None if self.codes == PtsCodes::Attested => return Ok(false),
            None => self.start_named(name, Space::Pa)?,
        }
        Ok(true)
    }

    /// Attributes with values.
    fn values(&mut self, value: &Value<'a>) -> Built {
        self.start_list()?;
        let tuples = match value {
            // One tuple, without the group around it.
            Value::Group(items) if matches!(&**items, [Value::Text(_), ..]) => std::slice::from_ref(value),
            _ => value.items(),
        };
        for tuple in tuples.iter().filter(|tuple| !is_nothing(tuple)) {
            self.attribute(tuple)?;
        }
        self.end();
        Ok(())
    }

    /// `(code,qualifier,value)`, or `(code,value)`.
    fn attribute(&mut self, tuple: &Value<'a>) -> Built {
        let (name, qualifier, value) = match tuple.items() {
            [name] => (name, None, None),
            [name, value] => (name, None, Some(value)),
            [name, qualifier, value] => (name, Some(qualifier), Some(value)),
            _ => return Err(self.bad()),
        };
        let name = name.text().ok_or_else(|| self.bad())?;
        let coded = tables::ATTRIBUTES.element(&name.text);
        if !self.start_coded(coded, name)? {
            return Ok(());
        }
        if let Some(qualifier) = qualifier {
            let text = qualifier.text().ok_or_else(|| self.bad())?;
            if !text.text.is_empty() {
                self.leaf(Element::Qualifier, text.text.clone())?;
            }
        }
        match value {
            None => {}
            Some(Value::Text(text)) if text.is_absent() => {}
            Some(Value::Text(text)) => {
                let word = (self.open.last() == Some(&Some(Element::UserAvailability)))
                    .then(|| tables::AVAILABILITY.word(&text.text))
                    .flatten();
                self.leaf(Element::PresenceValue, word.map_or_else(|| text.text.clone(), Cow::Borrowed))?;
            }
            Some(Value::Group(pairs)) => {
                for pair in pairs {
                    self.part(coded, pair)?;
                }
            }
        }
        self.end();
        Ok(())
    }

    /// A part of an attribute: `(code,text)`.
    fn part(&mut self, attribute: Option<Element>, pair: &Value<'a>) -> Built {
        let [Value::Text(code), value] = pair.items() else { return Err(self.bad()) };
        let Some(element) = attribute.and_then(tables::parts_of).and_then(|parts| parts.element(&code.text)) else {
            return if self.codes == PtsCodes::Attested { Ok(()) } else { self.pair(pair) };
        };
        if self.codes == PtsCodes::Project && value.text().is_none() {
            return self.elements(element.name(), Some(value));
        }
        let text = value.text().ok_or_else(|| self.bad())?;
        let word = (element == Element::ClientType).then(|| tables::CLIENT_TYPES.word(&text.text)).flatten();
        self.leaf(element, word.map_or_else(|| text.text.clone(), Cow::Borrowed))
    }

    /// `(user)`, `(user,sublist)`, or several of these in a group.
    fn presences(&mut self, value: &Value<'a>) -> Built {
        let all = match value {
            Value::Group(items) if matches!(&**items, [Value::Group(_), ..]) => &**items,
            _ => std::slice::from_ref(value),
        };
        for one in all {
            self.start(Element::Presence)?;
            match one.items() {
                [user] => self.leaf_of(Element::UserId, user)?,
                [user, list] => {
                    self.leaf_of(Element::UserId, user)?;
                    self.values(list)?;
                }
                _ => return Err(self.bad()),
            }
            self.end();
        }
        Ok(())
    }

    /// One element of this name, or several: text, a group of pairs, or a group of such values.
    fn elements(&mut self, name: &'a str, value: Option<&Value<'a>>) -> Built {
        match value {
            Some(list @ Value::Group(items)) if !is_struct(list) => {
                for item in items {
                    self.element(name, Some(item))?;
                }
                Ok(())
            }
            one => self.element(name, one),
        }
    }

    fn element(&mut self, name: &'a str, value: Option<&Value<'a>>) -> Built {
        let pairs = match value {
            Some(value @ Value::Group(pairs)) if is_struct(value) => Some(&**pairs),
            Some(Value::Group(_)) => return Err(self.bad()),
            _ => None,
        };
        let xmlns = pairs.into_iter().flatten().find_map(xmlns_of);
        self.start_by_name(name, xmlns, self.space())?;
        if let Some(text) = value.and_then(Value::text) {
            self.push_text(text.text.clone());
        }
        for pair in pairs.into_iter().flatten().filter(|pair| xmlns_of(pair).is_none()) {
            self.pair(pair)?;
        }
        self.end();
        Ok(())
    }

    /// `(name,value)`; without a name it is text of the element around it.
    fn pair(&mut self, pair: &Value<'a>) -> Built {
        let [Value::Text(name), value] = pair.items() else { return Err(self.bad()) };
        if name.is_absent() {
            let text = value.text().ok_or_else(|| self.bad())?;
            self.push_text(text.text.clone());
            return Ok(());
        }
        let holds_properties = self.open.last().copied().flatten().is_some_and(holds_properties);
        if holds_properties && value.text().is_some() && tables::element_by_name(&name.text, Space::Trc).is_none() {
            return self.property(name.text.clone(), value);
        }
        let Cow::Borrowed(name) = name.text else { return Err(self.bad()) };
        self.elements(name, Some(value))
    }

    /// The namespace that names belong to here.
    fn space(&self) -> Space {
        self.open.last().copied().flatten().map_or(Space::Trc, Element::space)
    }

    fn start_named(&mut self, name: &Text<'a>, within: Space) -> Built {
        let Cow::Borrowed(name) = name.text else { return Err(self.bad()) };
        self.start_by_name(name, None, within)
    }

    fn start_by_name(&mut self, name: &'a str, xmlns: Option<Namespace<'a>>, within: Space) -> Built {
        match tables::element_by_name(name, within) {
            Some(Element::PresenceSubList) if xmlns.is_none() => self.start_list(),
            Some(element) => self.start_in(element, xmlns),
            None if text::is_name(name) => self.start_unknown(name, xmlns),
            None => Err(self.malformed("name of an element")),
        }
    }

    fn start(&mut self, element: Element) -> Built {
        self.start_in(element, None)
    }

    fn start_in(&mut self, element: Element, xmlns: Option<Namespace<'a>>) -> Built {
        let element = self.version.map_or(element, |version| element.in_version(version));
        self.begin(Some(element), Start { tag: Tag::Known(element), xmlns })
    }

    fn start_unknown(&mut self, name: &'a str, xmlns: Option<Namespace<'a>>) -> Built {
        self.begin(None, Start { tag: Tag::Unknown(name), xmlns })
    }

    fn begin(&mut self, element: Option<Element>, start: Start<'a>) -> Built {
        if self.open.len() >= self.depth {
            return Err(DecodeError::new(DecodeErrorKind::TooDeep, self.at));
        }
        self.elements =
            self.elements.checked_sub(1).ok_or(DecodeError::new(DecodeErrorKind::TooManyElements, self.at))?;
        self.open.push(element);
        self.tokens.push((Token::Start(start), self.at));
        Ok(())
    }

    fn end(&mut self) {
        self.open.pop();
        self.tokens.push((Token::End, self.at));
    }

    fn push_text(&mut self, text: Cow<'a, str>) {
        if !text.is_empty() {
            self.tokens.push((Token::Text(text), self.at));
        }
    }

    fn leaf(&mut self, element: Element, text: Cow<'a, str>) -> Built {
        self.start(element)?;
        self.push_text(text);
        self.end();
        Ok(())
    }

    fn leaf_of(&mut self, element: Element, value: &Value<'a>) -> Built {
        let text = value.text().ok_or_else(|| self.bad())?;
        self.leaf(element, text.text.clone())
    }

    fn flag(&mut self, element: Element, value: Option<&Value<'a>>) -> Built {
        match value {
            Some(value) => self.leaf_of(element, value),
            None => Ok(()),
        }
    }

    /// A part of the envelope that stands before the primitive; nothing of it if something is wrong with it. That is told
    /// later, when it is known which transaction cannot be understood.
    fn aside(&mut self, element: Element, value: Option<&Value<'a>>) -> Option<DecodeError> {
        let (tokens, open) = (self.tokens.len(), self.open.len());
        let error = self.element(element.name(), Some(value?)).err()?;
        self.tokens.truncate(tokens);
        self.open.truncate(open);
        Some(error)
    }

    fn malformed(&self, what: &'static str) -> DecodeError {
        DecodeError::new(DecodeErrorKind::Malformed(what), self.at)
    }

    fn bad(&self) -> DecodeError {
        self.malformed("value of a parameter")
    }
}

/// The words of TransactionMode.
const MODES: [&str; 2] = ["Request", "Response"];

/// What a parameter says of the envelope.
#[derive(Clone, Copy)]
enum Part {
    Session,
    Mode,
    Poll,
    Cir,
    Segment,
}

#[derive(Default)]
struct EnvelopeParts<'a> {
    session: Option<Value<'a>>,
    mode: Option<Value<'a>>,
    poll: Option<Value<'a>>,
    cir: Option<Value<'a>>,
    segment: Option<Value<'a>>,
}

impl<'a> EnvelopeParts<'a> {
    fn place(&mut self, part: Part) -> &mut Option<Value<'a>> {
        match part {
            Part::Session => &mut self.session,
            Part::Mode => &mut self.mode,
            Part::Poll => &mut self.poll,
            Part::Cir => &mut self.cir,
            Part::Segment => &mut self.segment,
        }
    }
}

/// A child of MessageInfo: a parameter of its own, or a pair of what MessageInfo still holds.
enum Child<'p, 'a> {
    Coded(&'static tables::Parameter, &'p Parameter<'a>),
    Pair(&'p Value<'a>),
}

impl Child<'_, '_> {
    /// Where it stands among its siblings.
    fn place(&self) -> usize {
        let element = match self {
            Self::Coded(row, _) => Some(row.element),
            Self::Pair(pair) => match pair.items() {
                [Value::Text(name), _] => tables::element_by_name(&name.text, Space::Trc),
                _ => None,
            },
        };
        let place = element.and_then(|element| tables::MESSAGE_INFO.iter().position(|other| *other == element));
        place.unwrap_or(tables::MESSAGE_INFO.len())
    }
}

/// Whether a value is an item that was left out, or an empty text where a group should be.
fn is_nothing(value: &Value<'_>) -> bool {
    value.text().is_some_and(|text| text.text.is_empty())
}

/// Whether a group is an element's children in pairs, rather than several elements: its first item begins with a name.
fn is_struct(value: &Value<'_>) -> bool {
    match value {
        Value::Group(items) => match items.first() {
            Some(Value::Group(first)) => matches!(first.first(), Some(Value::Text(_))),
            _ => false,
        },
        Value::Text(_) => false,
    }
}

/// The namespace in the pair that says it.
fn xmlns_of<'a>(pair: &Value<'a>) -> Option<Namespace<'a>> {
    match pair.items() {
        [Value::Text(name), Value::Text(value)] if name.text == "xmlns" => {
            Some(Namespace::from_value(value.text.clone()))
        }
        _ => None,
    }
}
