//! Elements that are encoded once and put into many messages: one presence notification for five hundred watchers.

use super::pts::{Node, PtsWriter};
use super::{Form, JsonWriter, WbxmlWriter, Writer, XmlWriter};
use imps_types::Version;

/// The encoded children of an element, usually of TransactionContent. Only for messages of the same form and version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fragment {
    pub(super) form: Form,
    pub(super) version: Version,
    pub(super) bytes: Vec<u8>,
    /// The code page on which the bytes end, having begun on page 0.
    pub(super) end_page: u8,
    /// Names without a token, in order, and before which byte their place in the string table is to be written.
    pub(super) literals: Vec<(usize, String)>,
    /// What PTS has instead of bytes: there, an element is written by what it stands in.
    pub(super) nodes: Vec<Node>,
}

impl Fragment {
    /// Encodes what `write` writes.
    pub fn new(form: Form, version: Version, write: impl FnOnce(&mut dyn Writer)) -> Self {
        match form {
            Form::Xml => {
                let mut writer = XmlWriter::fragment_of(version);
                write(&mut writer);
                let bytes = writer.finish();
                Self { form, version, bytes, end_page: 0, literals: Vec::new(), nodes: Vec::new() }
            }
            Form::Wbxml => {
                let mut writer = WbxmlWriter::fragment_of(version);
                write(&mut writer);
                writer.finish_fragment()
            }
            Form::Json => {
                let mut writer = JsonWriter::fragment_of(version);
                write(&mut writer);
                let bytes = writer.finish_fragment();
                Self { form, version, bytes, end_page: 0, literals: Vec::new(), nodes: Vec::new() }
            }
            Form::Pts(codes) => {
                let mut writer = PtsWriter::new(codes, version, Vec::new());
                write(&mut writer);
                let nodes = writer.finish_fragment();
                Self { form, version, bytes: Vec::new(), end_page: 0, literals: Vec::new(), nodes }
            }
        }
    }

    /// The encoding it can be put into.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The version it can be put into.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How many bytes it adds to a message; in PTS about so many.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.nodes.iter().map(Node::weight).sum::<usize>()
    }

    /// Whether it adds nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.nodes.is_empty()
    }
}
