//! Elements to parameters.
//!
//! A message is kept as a tree until it is whole: a parameter stands for several elements, and an element can turn out to
//! hold what its letters cannot say. With codes of our own it is then written by its name in full; without them what can
//! be said is said, since the known client refuses a message with anything else in it.

use super::syntax::needs_quotes;
use super::tables::{self, By, Naming, Parameter, Shape, Transaction};
use super::{MAX_TRANSACTION_ID, PtsCodes};
use crate::element::{Element, Space};
use crate::wire::{Form, Fragment, Namespace, RawContent, Writer, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use imps_types::{DateTime, Version};
use std::borrow::Cow;

/// What an element is called.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Name {
    Known(Element),
    Unknown(Box<str>),
}

/// An element with all that is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::wire) struct Node {
    name: Name,
    /// The namespace that it declares, where it is not the one that its version has for it.
    xmlns: Option<Box<str>>,
    text: String,
    children: Vec<Node>,
}

impl Node {
    fn new(name: Name, xmlns: Option<Box<str>>) -> Self {
        Self { name, xmlns, text: String::new(), children: Vec::new() }
    }

    fn element(&self) -> Option<Element> {
        match self.name {
            Name::Known(element) => Some(element),
            Name::Unknown(_) => None,
        }
    }

    fn is(&self, element: Element) -> bool {
        self.name == Name::Known(element)
    }

    fn child(&self, element: Element) -> Option<&Self> {
        self.children.iter().find(|child| child.is(element))
    }

    /// Its text, if it holds nothing else.
    fn leaf(&self) -> Option<&str> {
        (self.children.is_empty() && self.xmlns.is_none()).then_some(self.text.as_str())
    }

    /// Its children, if it holds nothing else.
    fn only_children(&self) -> Option<&[Self]> {
        (text::is_blank(&self.text) && self.xmlns.is_none()).then_some(self.children.as_slice())
    }

    /// The text of its only child, if that is such a leaf.
    fn only_leaf(&self, element: Element) -> Option<&str> {
        match self.only_children()? {
            [child] if child.is(element) => child.leaf(),
            _ => None,
        }
    }

    /// The text of the first such leaf somewhere inside.
    fn some_leaf(&self, element: Element) -> Option<&str> {
        if self.is(element) {
            return self.leaf();
        }
        self.children.iter().find_map(|child| child.some_leaf(element))
    }

    /// How many bytes it takes up, about.
    pub(in crate::wire) fn weight(&self) -> usize {
        let name = match &self.name {
            Name::Known(element) => element.name().len(),
            Name::Unknown(name) => name.len(),
        };
        name + self.text.len() + 3 + self.children.iter().map(Self::weight).sum::<usize>()
    }
}

/// Writes PTS.
pub struct PtsWriter {
    out: Vec<u8>,
    codes: PtsCodes,
    version: Version,
    /// What is open, outermost first.
    open: Vec<Node>,
    /// What is closed and in nothing: the message, or the elements of a fragment.
    done: Vec<Node>,
}

impl PtsWriter {
    /// Begins a message in `buffer`, whose former content is dropped.
    pub fn new(codes: PtsCodes, version: Version, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { out: buffer, codes, version, open: Vec::new(), done: Vec::new() }
    }

    /// The whole message; nothing, if its primitive has no code. It holds one transaction: others are left out.
    pub fn finish(mut self) -> Vec<u8> {
        while let Some(node) = self.open.pop() {
            self.close(node);
        }
        let Some(root) = self.done.first() else { return self.out };
        if let Some(text) = Rendering::of(root, self.codes, self.version) {
            self.out.extend_from_slice(text.as_bytes());
        }
        self.out
    }

    pub(in crate::wire) fn finish_fragment(mut self) -> Vec<Node> {
        while let Some(node) = self.open.pop() {
            self.close(node);
        }
        self.done
    }

    fn close(&mut self, node: Node) {
        // Names are read in any case: somebody's own that differs from one of ours in nothing else would be taken for it.
        let within = self.open.last().and_then(Node::element).map_or(Space::Trc, Element::space);
        if matches!(&node.name, Name::Unknown(name) if tables::element_by_name(name, within).is_some()) {
            return;
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.done.push(node),
        }
    }

    fn end_any(&mut self) {
        if let Some(node) = self.open.pop() {
            self.close(node);
        }
    }
}

impl Writer for PtsWriter {
    fn start(&mut self, element: Element) {
        self.open.push(Node::new(Name::Known(element.in_version(self.version)), None));
    }

    fn start_with_namespace(&mut self, element: Element, namespace: Namespace<'_>) {
        self.start(element);
        let is_usual = element != Element::PresenceSubList || namespace == Namespace::of(Space::Pa, self.version);
        if let Some(node) = self.open.last_mut().filter(|_| !is_usual) {
            node.xmlns = Some(namespace.to_string().into());
        }
    }

    fn start_unknown(&mut self, name: &str, namespace: Option<Namespace<'_>>) {
        let xmlns = namespace.map(|namespace| namespace.to_string().into());
        self.open.push(Node::new(Name::Unknown(text::name_or_unknown(name).into()), xmlns));
    }

    fn end(&mut self, _: Element) {
        self.end_any();
    }

    fn end_unknown(&mut self, _: &str) {
        self.end_any();
    }

    fn text(&mut self, text: &str) {
        if let Some(node) = self.open.last_mut() {
            node.text.push_str(text);
        }
    }

    fn integer(&mut self, number: u32) {
        self.text(&number.to_string());
    }

    fn boolean(&mut self, value: bool) {
        self.text(if value { "T" } else { "F" });
    }

    fn date(&mut self, date: DateTime) {
        self.text(&date.to_string());
    }

    fn content(&mut self, content: &RawContent<'_>) {
        match content {
            RawContent::Text(text) => self.text(text),
            RawContent::Bytes(bytes) => self.opaque(bytes),
        }
    }

    fn opaque(&mut self, bytes: &[u8]) {
        self.text(&BASE64.encode(bytes));
    }

    fn fragment(&mut self, fragment: &Fragment) {
        debug_assert_eq!(
            (fragment.form, fragment.version),
            (self.form(), self.version),
            "fragment of another encoding"
        );
        for node in &fragment.nodes {
            self.close(node.clone());
        }
    }

    fn version(&self) -> Version {
        self.version
    }

    fn form(&self) -> Form {
        Form::Pts(self.codes)
    }
}

/// What a message is written from.
struct Rendering {
    codes: PtsCodes,
    version: Version,
    primitive: Element,
    by: By,
}

/// Parameters: name and value.
type Written = Vec<(String, String)>;

impl Rendering {
    fn of(root: &Node, codes: PtsCodes, version: Version) -> Option<String> {
        let session = root.child(Element::Session);
        let transaction = session.and_then(|session| session.child(Element::Transaction));
        let descriptor = transaction.and_then(|transaction| transaction.child(Element::TransactionDescriptor));
        let content = transaction.and_then(|transaction| transaction.child(Element::TransactionContent));
        let is_message = root.is(Element::WvCspMessage);
        let primitive = match content {
            Some(content) => content.children.first()?,
            // Version discovery, which needs no envelope elsewhere.
            None if is_message => root.children.first()?,
            None => root,
        };
        let mode = descriptor.and_then(|it| it.some_leaf(Element::TransactionMode));
        let is_response = mode.map(|mode| mode == "Response");
        let Some(row) = primitive.element().and_then(|element| tables::transaction_of(element, codes)) else {
            return instead(primitive, is_response).and_then(|status| {
                let mut root = root.clone();
                replace_primitive(&mut root, status)?;
                Self::of(&root, codes, version)
            });
        };
        let id = descriptor.and_then(|it| it.some_leaf(Element::TransactionId)).unwrap_or_default();
        let id = text::decimal(id.trim()).filter(|&id| id <= u32::from(MAX_TRANSACTION_ID)).unwrap_or_default();
        let this = Self { codes, version, primitive: row.primitive, by: row.by };
        let mut parameters = Written::new();
        let session_id = session.and_then(|it| it.child(Element::SessionDescriptor));
        let session_id = session_id.and_then(|it| it.some_leaf(Element::SessionId)).filter(|id| !id.is_empty());
        if let Some(id) = session_id.filter(|_| row.primitive != Element::LoginResponse) {
            parameters.push(("SI".to_owned(), this.text(id)));
        }
        this.children(primitive, &mut parameters);
        if codes == PtsCodes::Project {
            if is_response.is_some_and(|is_response| is_response != row.is_response()) {
                // A mode that is neither says nothing, and might be no word at all.
                let mode = mode.filter(|mode| matches!(*mode, "Request" | "Response"));
                parameters.extend(mode.map(|mode| (Element::TransactionMode.name().to_owned(), mode.to_owned())));
            }
            // GetSegment-Response may tell by itself which piece it is: here that has one place.
            let places = descriptor.into_iter().chain(session).chain([primitive]);
            let parts = [Element::Poll, Element::Cir, Element::SegmentInfo];
            let is_part = |node: &&Node| node.element().is_some_and(|element| parts.contains(&element));
            for part in places.flat_map(|place| &place.children).filter(is_part) {
                let parameter = (this.name(part), this.value(part));
                if is_new(&parameter, &parameters) {
                    parameters.push(parameter);
                }
            }
        }
        Some(this.message(row, id, &parameters))
    }

    fn message(&self, row: &Transaction, id: u32, parameters: &Written) -> String {
        let digits = match (self.primitive, self.version) {
            (Element::WvCspVersionDiscoveryRequest | Element::WvCspVersionDiscoveryResponse, _) => "XX",
            (_, Version::V1_1) => "11",
            (_, Version::V1_2) => "12",
            (_, Version::V1_3) => "13",
        };
        let mut message = format!("WV{digits}{}{id}", letters(row.code));
        for (name, value) in parameters {
            message.push(' ');
            message.push_str(name);
            message.push('=');
            message.push_str(value);
        }
        message
    }

    /// The parameters that the children of the primitive are.
    fn children(&self, primitive: &Node, parameters: &mut Written) {
        let mut done: Vec<&Name> = Vec::new();
        for child in &primitive.children {
            if done.contains(&&child.name) || self.is_ambiguous(child) {
                continue;
            }
            done.push(&child.name);
            let same: Vec<&Node> = primitive.children.iter().filter(|other| other.name == child.name).collect();
            match *same {
                [info] if self.is_message_info(info) => self.message_info(info, parameters),
                _ => self.parameter(&same, parameters),
            }
        }
    }

    /// Whether its name would be taken for a code, or for a part of the envelope. Nobody's elements are called so here.
    fn is_ambiguous(&self, node: &Node) -> bool {
        let name = self.name(node);
        let is_code = tables::code(&name).is_some_and(|code| tables::parameter(code, self.by, self.codes).is_some());
        let is_other = || match &node.name {
            Name::Known(_) => false,
            Name::Unknown(name) => tables::element_by_name(name, Space::Trc).is_some(),
        };
        is_code || tables::of_envelope(&name).is_some() || is_other()
    }

    fn is_message_info(&self, node: &Node) -> bool {
        node.is(Element::MessageInfo)
            && tables::WITH_MESSAGE_INFO.contains(&self.primitive)
            && node.only_children().is_some_and(|children| !children.is_empty())
    }

    /// The children of MessageInfo beside the others, as far as there are codes; the rest as what MessageInfo still holds.
    fn message_info(&self, info: &Node, parameters: &mut Written) {
        let mut rest = Node::new(info.name.clone(), None);
        // In the order in which they are read, so that a message which is passed on stays as it is.
        let place = |child: &&Node| {
            let place = tables::MESSAGE_INFO.iter().position(|element| child.is(*element));
            place.unwrap_or(tables::MESSAGE_INFO.len())
        };
        let mut children: Vec<&Node> = info.children.iter().collect();
        children.sort_by_key(place);
        for child in children {
            let is_known = child.element().is_some_and(|element| tables::MESSAGE_INFO.contains(&element));
            let is_alone = info.children.iter().filter(|other| other.name == child.name).count() == 1;
            let coded = if is_known && is_alone { self.coded(&[child]) } else { None };
            let coded = coded.filter(|coded| is_new(coded, parameters));
            match coded {
                Some(parameter) => parameters.push(parameter),
                None => rest.children.push(child.clone()),
            }
        }
        let rest = (self.codes == PtsCodes::Project && !rest.children.is_empty())
            .then(|| (self.name(info), self.value(&rest)))
            .filter(|rest| is_new(rest, parameters));
        parameters.extend(rest);
    }

    /// Elements of one name as a parameter: by letters, or else by name.
    fn parameter(&self, nodes: &[&Node], parameters: &mut Written) {
        let named = || {
            let first = nodes.first().filter(|_| self.codes == PtsCodes::Project)?;
            Some((self.name(first), one_or_group(nodes.iter().map(|node| self.value(node)).collect())))
        };
        // A parameter that comes twice is refused: of User and UserID beside each other only one is UI.
        let coded = self.coded(nodes).filter(|coded| is_new(coded, parameters));
        if let Some(parameter) = coded.or_else(named).filter(|parameter| is_new(parameter, parameters)) {
            parameters.push(parameter);
        }
    }

    /// By letters, if they can say it.
    fn coded(&self, nodes: &[&Node]) -> Option<(String, String)> {
        let element = match nodes.first()?.element()? {
            Element::User | Element::UserIdList => Element::UserId,
            Element::ContactListIdList => Element::ContactList,
            element => element,
        };
        let rows = tables::PARAMETERS.iter().filter(|row| row.element == element);
        let rows = rows.filter(|row| row.is_written(self.by, self.codes));
        // Those for this side first.
        let (own, others): (Vec<_>, Vec<_>) = rows.partition(|row| row.by.meets(self.by));
        own.into_iter().chain(others).find_map(|row| Some((letters(row.code), self.shaped(row, nodes)?)))
    }

    fn shaped(&self, row: &Parameter, nodes: &[&Node]) -> Option<String> {
        let single = || match *nodes {
            [node] => Some(node),
            _ => None,
        };
        match row.shape {
            Shape::Plain => self.plain(nodes),
            Shape::Session => {
                single().filter(|_| self.primitive == Element::LoginResponse)?.leaf().map(|id| self.text(id))
            }
            Shape::Outcome => self.outcome(single()?),
            Shape::Client => self.client(single()?),
            Shape::Users => {
                let naming = tables::naming_of_users(self.primitive, self.version);
                self.addresses(nodes, Element::UserId, Element::User, Element::UserIdList, naming)
            }
            Shape::Lists => {
                let naming = tables::naming_of_lists(self.primitive, self.version);
                // Nothing wraps a ContactList; its own name stands for what does.
                self.addresses(nodes, Element::ContactList, Element::ContactList, Element::ContactListIdList, naming)
            }
            Shape::Nicks => self.nicks(single()?),
            Shape::Properties => self.properties(single()?),
            Shape::Capabilities => self.capabilities(single()?),
            Shape::Features => self.features(single()?),
            Shape::Names => self.names(single()?),
            Shape::Values => self.values(single()?),
            Shape::Presence => self.presence(nodes),
            Shape::Party => self.party(single()?),
        }
    }

    /// Whether what cannot be said is left out, rather than said otherwise.
    fn is_lossy(&self) -> bool {
        self.codes == PtsCodes::Attested
    }

    fn plain(&self, nodes: &[&Node]) -> Option<String> {
        if self.is_lossy() && nodes.iter().any(|node| node.leaf().is_none()) {
            return None;
        }
        Some(one_or_group(nodes.iter().map(|node| self.value(node)).collect()))
    }

    fn outcome(&self, result: &Node) -> Option<String> {
        let known = |child: &Node| child.is(Element::Code) || child.is(Element::Description);
        if !self.is_lossy() && !result.only_children()?.iter().all(|child| known(child) && child.leaf().is_some()) {
            return None;
        }
        let code = self.text(result.child(Element::Code)?.leaf()?);
        match result.child(Element::Description).and_then(Node::leaf) {
            Some(text) => Some(group(&[code, self.text(text)])),
            None => Some(code),
        }
    }

    fn client(&self, client: &Node) -> Option<String> {
        let url = || client.only_leaf(Element::Url).filter(|url| !url.is_empty() && !is_msisdn(url));
        let msisdn = || client.only_leaf(Element::Msisdn).filter(|number| is_msisdn(number));
        let id = url().or_else(msisdn);
        let some = || client.some_leaf(Element::Url).or_else(|| client.some_leaf(Element::Msisdn));
        let id = id.or_else(|| some().filter(|id| self.is_lossy() && !id.is_empty()));
        id.map(|id| self.text(id))
    }

    /// Addresses, named as the primitive names them.
    fn addresses(
        &self,
        nodes: &[&Node],
        bare: Element,
        wrapper: Element,
        list: Element,
        naming: Naming,
    ) -> Option<String> {
        let first = *nodes.first()?;
        let found = if first.is(list) {
            let children = first.only_children().filter(|_| nodes.len() == 1)?;
            children.iter().map(|child| child.leaf().filter(|_| child.is(bare))).collect::<Option<Vec<_>>>()
        } else if first.is(bare) {
            nodes.iter().map(|node| node.leaf()).collect()
        } else {
            nodes.iter().map(|node| node.only_leaf(bare)).collect()
        };
        let is_usual = match naming {
            Naming::Bare => first.is(bare),
            Naming::Wrapped => first.is(wrapper),
            Naming::Listed => first.is(list),
        };
        let found = found.filter(|found| !found.is_empty() && (is_usual || self.is_lossy()))?;
        Some(one_or_group(found.into_iter().map(|address| self.text(address)).collect()))
    }

    fn nicks(&self, list: &Node) -> Option<String> {
        let mut pairs = Vec::new();
        for entry in list.only_children()? {
            let pair = match (entry.element(), entry.only_children()) {
                (Some(Element::UserId), _) => entry.leaf().map(|id| (String::new(), id)),
                (Some(Element::NickName), Some([name, id])) if name.is(Element::Name) && id.is(Element::UserId) => {
                    name.leaf().zip(id.leaf()).map(|(name, id)| (self.text(name), id))
                }
                _ => None,
            };
            match pair {
                Some((name, id)) => pairs.push(group(&[name, self.text(id)])),
                None if self.is_lossy() => {}
                None => return None,
            }
        }
        Some(group_or_nothing(&pairs))
    }

    fn properties(&self, list: &Node) -> Option<String> {
        let mut pairs = Vec::new();
        for property in list.only_children()? {
            let pair = property_pair(property).and_then(|(name, value)| {
                let code = tables::LIST_PROPERTIES.code(name);
                // A property that is called like the code of another.
                let is_clear = code.is_some() || !self.is_lossy() && tables::LIST_PROPERTIES.word(name).is_none();
                is_clear.then(|| group(&[code.map_or_else(|| self.text(name), str::to_owned), self.text(value)]))
            });
            match pair {
                Some(pair) => pairs.push(pair),
                None if self.is_lossy() => {}
                None => return None,
            }
        }
        Some(group_or_nothing(&pairs))
    }

    fn capabilities(&self, list: &Node) -> Option<String> {
        let mut pairs = Vec::new();
        for capability in list.only_children()? {
            match self.capability(capability) {
                Some((code, value)) => pairs.push(group(&[code.to_owned(), value])),
                None if self.is_lossy() => {}
                None => pairs.push(group(&[self.name(capability), self.value(capability)])),
            }
        }
        Some(group_or_nothing(&pairs))
    }

    fn capability(&self, capability: &Node) -> Option<(&'static str, String)> {
        let element = match capability.element()? {
            Element::CirUrl => Element::CirHttpAddress,
            element => element,
        };
        let code = tables::CAPABILITIES.code(element)?;
        let value = match element {
            Element::CirHttpAddress => capability.only_leaf(Element::Url)?,
            _ => capability.leaf()?,
        };
        let words = match element {
            Element::SupportedCirMethod => &tables::CIR_METHODS,
            Element::ClientType => &tables::CLIENT_TYPES,
            _ => return Some((code, self.text(value))),
        };
        match words.code(value) {
            Some(word) => Some((code, word.to_owned())),
            // What would be read as a code.
            None if words.word(value).is_some() => None,
            None => Some((code, self.text(value))),
        }
    }

    /// Whole features only; of AllFunctions the known client does not look at more than that it is there.
    fn features(&self, functions: &Node) -> Option<String> {
        let tree = match functions.only_children()? {
            [tree] if tree.is(Element::WvCspFeat) => tree.only_children()?,
            _ => return None,
        };
        if tree.is_empty() {
            return Some("(WV)".to_owned());
        }
        let mut codes = Vec::new();
        for feature in tree {
            let code = feature.element().and_then(|element| tables::FEATURES.code(element));
            let is_whole = feature.leaf().is_some_and(str::is_empty);
            match code.filter(|_| is_whole || self.is_lossy() && functions.is(Element::AllFunctions)) {
                Some(code) => codes.push(code.to_owned()),
                None if self.is_lossy() => {}
                None => return None,
            }
        }
        (!codes.is_empty()).then(|| group(&codes))
    }

    fn party(&self, party: &Node) -> Option<String> {
        let users = party.only_children()?;
        let found: Option<Vec<_>> = users.iter().map(|user| user.only_leaf(Element::UserId)).collect();
        let is_users = users.iter().all(|user| user.is(Element::User));
        let most = if party.is(Element::Sender) { 1 } else { usize::MAX };
        let found = found.filter(|found| is_users && (1..=most).contains(&found.len()))?;
        Some(one_or_group(found.into_iter().map(|address| self.text(address)).collect()))
    }

    /// A list of attributes without anything in them.
    fn names(&self, list: &Node) -> Option<String> {
        if self.primitive == Element::UpdatePresenceRequest || !list.only_children()?.iter().all(is_name_only) {
            return None;
        }
        let mut items = Vec::new();
        for attribute in &list.children {
            items.extend(self.attribute_name(attribute));
        }
        if let [first, second] = &mut items[..]
            && tables::ATTRIBUTES.element(first).and_then(tables::parts_of).is_some()
            && second.starts_with('(')
        {
            // Otherwise the second would be the parts of the first.
            *first = group(std::slice::from_ref(first));
        }
        // One alone with its parts keeps its outer parentheses for the same reason.
        match &*items {
            [one] if !one.starts_with('(') => Some(one.clone()),
            _ => Some(group_or_nothing(&items)),
        }
    }

    /// `OS`, or `(CF,(CT,CV))`.
    fn attribute_name(&self, attribute: &Node) -> Option<String> {
        let name = self.attribute_code(attribute)?;
        let parts = attribute.children.iter().filter_map(|part| self.part_name(attribute, part));
        let parts: Vec<String> = parts.collect();
        Some(if parts.is_empty() { name } else { group(&[name, group(&parts)]) })
    }

    fn part_name(&self, attribute: &Node, part: &Node) -> Option<String> {
        let name = self.part_code(attribute, part)?;
        let inner = part.children.iter().filter_map(|inner| self.part_name(part, inner));
        let inner: Vec<String> = inner.collect();
        Some(if inner.is_empty() { name } else { group(&[name, group(&inner)]) })
    }

    fn attribute_code(&self, attribute: &Node) -> Option<String> {
        let code = attribute.element().and_then(|element| tables::ATTRIBUTES.code(element));
        self.code_or_name(code, attribute)
    }

    fn part_code(&self, attribute: &Node, part: &Node) -> Option<String> {
        let parts = attribute.element().and_then(tables::parts_of);
        let code = parts.zip(part.element()).and_then(|(parts, element)| parts.code(element));
        self.code_or_name(code, part)
    }

    fn code_or_name(&self, code: Option<&str>, node: &Node) -> Option<String> {
        match code {
            Some(code) => Some(code.to_owned()),
            None if self.is_lossy() => None,
            None => Some(self.name(node)),
        }
    }

    /// Always a group of tuples.
    fn values(&self, list: &Node) -> Option<String> {
        let tuples: Vec<String> =
            list.only_children()?.iter().filter_map(|attribute| self.attribute_value(attribute)).collect();
        Some(group_or_nothing(&tuples))
    }

    /// `(code,qualifier,value)`, or `(code,value)` without a qualifier.
    fn attribute_value(&self, attribute: &Node) -> Option<String> {
        let code = self.attribute_code(attribute)?;
        let qualifiers = attribute.children.iter().filter(|child| child.is(Element::Qualifier)).count();
        let qualifier = attribute.child(Element::Qualifier).and_then(Node::leaf);
        let qualifier = qualifier.filter(|text| qualifiers == 1 && !text.is_empty());
        let rest = attribute.children.iter().filter(|child| qualifier.is_none() || !child.is(Element::Qualifier));
        let rest: Vec<&Node> = rest.collect();
        let mut tuple = vec![code];
        tuple.extend(qualifier.map(|text| self.text(text)));
        let value = match (&*rest, attribute.only_children()) {
            ([], Some(_)) => None,
            ([value], Some(_)) if value.is(Element::PresenceValue) => match self.presence_value(attribute, value) {
                Some(text) => Some(text),
                None => self.parts(attribute, &rest),
            },
            _ => self.parts(attribute, &rest),
        };
        // A qualifier as the second of two items would be a value.
        tuple.extend(value.or_else(|| qualifier.map(|_| String::new())));
        Some(group(&tuple))
    }

    /// The text of a PresenceValue; none if it would be read as something else.
    fn presence_value(&self, attribute: &Node, value: &Node) -> Option<String> {
        let text = value.leaf()?;
        if attribute.is(Element::UserAvailability) {
            return match tables::AVAILABILITY.code(text) {
                Some(code) => Some(code.to_owned()),
                None if tables::AVAILABILITY.word(text).is_some() && !self.is_lossy() => None,
                None => Some(self.text(text)),
            };
        }
        if tables::is_presence_code(text) {
            // The known client takes it for the code of a value wherever it stands, in quotes too; space at the end
            // says nothing to anybody else.
            return Some(self.text(&format!("{text} ")));
        }
        Some(self.text(text))
    }

    /// What an attribute consists of, as pairs.
    fn parts(&self, attribute: &Node, parts: &[&Node]) -> Option<String> {
        let mut pairs = Vec::new();
        if !self.is_lossy() {
            self.own_pairs(attribute, &mut pairs);
        }
        for part in parts {
            let is_coded = attribute.element().and_then(tables::parts_of).is_some();
            match (is_coded, part.element(), part.leaf()) {
                (true, Some(Element::ClientType), Some(text)) => match tables::CLIENT_TYPES.code(text) {
                    Some(word) => pairs.push(group(&["CT".to_owned(), word.to_owned()])),
                    // By its name in full, so that the text is not taken for a code.
                    None if tables::CLIENT_TYPES.word(text).is_some() && !self.is_lossy() => {
                        pairs.push(group(&[self.name(part), self.text(text)]));
                    }
                    None => pairs.push(group(&["CT".to_owned(), self.text(text)])),
                },
                (_, _, leaf) => {
                    let value = if self.is_lossy() { leaf.map(|text| self.text(text)) } else { Some(self.value(part)) };
                    if let Some((code, value)) = self.part_code(attribute, part).zip(value) {
                        pairs.push(group(&[code, value]));
                    }
                }
            }
        }
        (!pairs.is_empty()).then(|| group(&pairs))
    }

    fn presence(&self, nodes: &[&Node]) -> Option<String> {
        let mut all = Vec::new();
        for presence in nodes {
            match self.one_presence(presence) {
                Some(items) => all.push(group(&items)),
                None if self.is_lossy() => {}
                None => return None,
            }
        }
        (!all.is_empty()).then(|| one_or_group(all))
    }

    /// A user, and what is told of him.
    fn one_presence(&self, presence: &Node) -> Option<Vec<String>> {
        let (user, rest) = presence.only_children()?.split_first()?;
        let user = user.leaf().filter(|_| user.is(Element::UserId))?;
        let mut items = vec![self.text(user)];
        match rest {
            [] => {}
            [list] if list.is(Element::PresenceSubList) => items.push(self.values(list)?),
            _ if self.is_lossy() => {
                items.extend(presence.child(Element::PresenceSubList).and_then(|it| self.values(it)))
            }
            _ => return None,
        }
        Some(items)
    }

    /// An element as text, or as its children in pairs.
    fn value(&self, node: &Node) -> String {
        if let Some(text) = node.leaf() {
            return self.text(text);
        }
        let mut pairs = Vec::new();
        self.own_pairs(node, &mut pairs);
        for child in &node.children {
            pairs.push(self.pair(node, child));
        }
        group_or_nothing(&pairs)
    }

    /// What is of the element itself rather than of its children: its namespace, and text between them.
    fn own_pairs(&self, node: &Node, pairs: &mut Vec<String>) {
        if let Some(xmlns) = &node.xmlns {
            pairs.push(group(&["xmlns".to_owned(), self.text(xmlns)]));
        }
        if !text::is_blank(&node.text) {
            pairs.push(group(&[String::new(), self.text(&node.text)]));
        }
    }

    fn pair(&self, parent: &Node, child: &Node) -> String {
        if parent.element().is_some_and(holds_properties)
            && let Some((name, value)) = property_pair(child)
            && !name.is_empty()
            && tables::element_by_name(name, Space::Trc).is_none()
        {
            return group(&[self.text(name), self.text(value)]);
        }
        group(&[self.name(child), self.value(child)])
    }

    fn name(&self, node: &Node) -> String {
        match &node.name {
            Name::Known(element) => element.name().to_owned(),
            Name::Unknown(name) => name.to_string(),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text::sanitized(text);
        if self.is_lossy() && text.contains(['\r', '\n']) {
            // The known client cannot read lines (Encoding 2.1).
            text = Cow::Owned(text.replace("\r\n", " ").replace(['\r', '\n'], " "));
        }
        if needs_quotes(&text) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into_owned() }
    }
}

/// Whether no parameter has this name yet.
fn is_new((name, _): &(String, String), parameters: &Written) -> bool {
    !parameters.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
}

/// Whether the children of this element may be properties, of which the names are enough.
pub(super) fn holds_properties(element: Element) -> bool {
    matches!(element, Element::GroupProperties | Element::OwnProperties | Element::ContactListProperties)
}

/// The name and the value of a Property that has both and nothing else.
fn property_pair(property: &Node) -> Option<(&str, &str)> {
    let children = property.only_children().filter(|_| property.is(Element::Property))?;
    match children {
        [name, value] if name.is(Element::Name) && value.is(Element::Value) => name.leaf().zip(value.leaf()),
        _ => None,
    }
}

/// Whether it and everything in it is empty.
fn is_name_only(node: &Node) -> bool {
    let is_name = |child: &Node| !child.is(Element::Qualifier) && !child.is(Element::PresenceValue);
    node.xmlns.is_none()
        && node.text.is_empty()
        && node.children.iter().all(|child| is_name(child) && is_name_only(child))
}

/// Whether a ClientID is a telephone number.
pub(super) fn is_msisdn(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn letters(code: tables::Code) -> String {
    code.iter().map(|&letter| char::from(letter)).collect()
}

/// Written items as a group.
fn group(items: &[String]) -> String {
    format!("({})", items.join(","))
}

/// The same, or an empty text: `()` would be a group of one item.
fn group_or_nothing(items: &[String]) -> String {
    if items.is_empty() { "\"\"".to_owned() } else { group(items) }
}

fn one_or_group(mut values: Vec<String>) -> String {
    if values.len() == 1 { values.pop().unwrap_or_default() } else { group(&values) }
}

/// What is answered in place of a response that has no code: that it went well where no more was to be said, else that it
/// cannot be said here.
fn instead(primitive: &Node, is_response: Option<bool>) -> Option<Node> {
    const NOT_IMPLEMENTED: &str = "501";
    if is_response != Some(true) {
        return None;
    }
    let code = if primitive.is(Element::CreateListResponse) { "200" } else { NOT_IMPLEMENTED };
    let mut leaf = Node::new(Name::Known(Element::Code), None);
    leaf.text.push_str(code);
    let mut result = Node::new(Name::Known(Element::Result), None);
    result.children.push(leaf);
    let mut status = Node::new(Name::Known(Element::Status), None);
    status.children.push(result);
    Some(status)
}

fn replace_primitive(root: &mut Node, primitive: Node) -> Option<()> {
    let mut place = root;
    for element in [Element::Session, Element::Transaction, Element::TransactionContent] {
        place = place.children.iter_mut().find(|child| child.is(element))?;
    }
    place.children = vec![primitive];
    Some(())
}
