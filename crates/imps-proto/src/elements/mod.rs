//! Information elements as they are read and written (CSP 3 to 12). The types are those of `imps-types`.
//!
//! Most are tables; where versions or clients differ in more than a row can say, there is a function or a
//! [`Codec`](crate::grammar::Codec).

mod blocking;
mod capability;
mod common;
mod extension;
mod group;
mod message;
mod notification;
mod outcome;
mod people;
mod presence;
mod segment;
mod service_tree;
mod system_message;
mod watchers;
mod words;

pub(crate) use blocking::BlockAndGrant;
pub(crate) use common::{AnswerSender, BareUserIds, SearchPairs, Urls};
pub(crate) use extension::{decode_block, encode_blocks, next_start};
pub(crate) use group::{JoinedOfResponse, NamedUsers, PlainMembers};
pub use group::{JoinedUsers, Listed, UserMapList};
pub(crate) use message::{ContentField, MessageInfos, SizelessContent};
pub use message::{Message, decode_base64, encode_base64};
pub(crate) use message::{is_plain_text, put_message};
pub use notification::{UserIdPair, UserList};
pub(crate) use people::{ContactLists, UserIds, Users};
pub use segment::{SegmentContent, SegmentId, SegmentInfo};
pub(crate) use watchers::Watchers;
pub(crate) use words::DigestSchemas;
