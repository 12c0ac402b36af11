//! The encodings of connections.

/// What a client may speak, by the name that it asks for.
pub(super) struct Subprotocol {
    pub(super) name: &'static str,
    /// Whether messages are text frames.
    pub(super) is_text: bool,
    pub(super) content_type: &'static str,
}

pub(super) const SUBPROTOCOLS: &[Subprotocol] = &[
    Subprotocol { name: "csp.xml", is_text: true, content_type: "application/vnd.wv.csp+xml" },
    Subprotocol { name: "csp.wbxml", is_text: false, content_type: "application/vnd.wv.csp+wbxml" },
    Subprotocol { name: "csp.json", is_text: true, content_type: "application/vnd.hamlet.csp+json" },
    Subprotocol { name: "csp.pts", is_text: true, content_type: "application/vnd.wv.csp.sms" },
];

/// The names of all.
pub(crate) fn subprotocols() -> String {
    SUBPROTOCOLS.iter().map(|one| one.name).collect::<Vec<_>>().join(", ")
}

/// What was agreed on with a client.
#[derive(Clone, Copy)]
pub(crate) struct Agreed(pub(super) Option<&'static Subprotocol>);

impl Agreed {
    /// The first of a client's wishes that is known. A client that names none may speak any; one that names only what is
    /// unknown here, none: `None`.
    pub(crate) fn new<'a>(wishes: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut names =
            wishes.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()).peekable();
        if names.peek().is_none() {
            return Some(Self(None));
        }
        let found = names.find_map(|name| SUBPROTOCOLS.iter().find(|one| one.name.eq_ignore_ascii_case(name)))?;
        Some(Self(Some(found)))
    }

    /// The name that the client is told.
    pub(crate) fn name(self) -> Option<&'static str> {
        self.0.map(|one| one.name)
    }
}
