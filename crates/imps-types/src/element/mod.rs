//! Information elements: what several primitives and protocols share (CSP 3 to 12).
//!
//! The fields have the names of the specification's elements. Addresses are as received; who uses them checks them.

mod blocking;
mod capability;
mod common;
mod group;
mod message;
mod notification;
mod outcome;
mod people;
mod presence;
mod system_message;

pub use blocking::{AccessList, AccessLists, EntityList};
pub use capability::{
    AcceptedContentType, Bearer, CapabilityList, CirMethod, ClientType, DeliveryMethod, DigestSchema, OfflineHandling,
    OnlineHandling,
};
pub use common::{IdList, InviteType, ProfileProperty, PublicProfile, SearchElement, SearchPair, SearchResult};
pub use group::{AdminMapList, GroupProperties, Mapping, Role, SubscribeType, UserList, WelcomeNote};
pub use message::{Content, ContentEncoding, Font, MessageInfo};
pub use notification::{
    Authorization, NOTIFICATION_TYPES, Notification, NotificationRow, NotificationType, NotificationTypes, Payload,
    PayloadKind,
};
pub use outcome::{DetailedResult, ResultInfo};
pub use people::{Group, NickEntry, Property, Recipient, ScreenName, Sender, User};
pub use presence::{ReactiveAuthState, ReactiveAuthStatus, Watcher, WatcherStatus};
pub use system_message::{AnswerOption, SystemMessage, SystemMessageResponse, Verification};

/// An enumeration whose words are those of the specification, read without regard to case.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $(#[doc = concat!("`", $word, "`")] $variant),* }

        impl $name {
            /// Every word, in the specification's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// Reads a word; `None` for one that is not in the table.
            pub fn parse(text: &str) -> Option<Self> {
                let text = text.trim();
                Self::ALL.iter().copied().find(|word| word.as_str().eq_ignore_ascii_case(text))
            }
        }
    };
}
pub(crate) use words;
