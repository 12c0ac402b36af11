//! What real clients do differently, by name. CSP 17, 18.
//!
//! Every deviation that a decoder allows for because of a real client is a row here, with its test below; one that needs
//! more than a wider row in a table has its function here too. What needs a session (a Status as a request, a repeated
//! TransactionID) is for the face that has one.

use imps_types::Address;
use imps_types::element::Property;

/// A deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirk {
    /// What we call it.
    pub name: &'static str,
    /// Who does it.
    pub client: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Where we allow for it.
    pub handled_in: &'static str,
}

macro_rules! quirks {
    ($($name:literal $client:literal $what:literal $handled_in:literal;)*) => {
        /// All of them.
        pub const QUIRKS: &[Quirk] = &[$(
            Quirk { name: $name, client: $client, what: $what, handled_in: $handled_in },
        )*];
    };
}

quirks! {
    "wrapped_user_id" "Android 1.x"
        "NickName in CreateList holds User(UserID) instead of UserID" "elements/people.rs, NickEntry";
    "property_as_user_id" "Android 1.x"
        "User holds Property(Name UserID, Value address) in UnsubscribePresence" "elements/people.rs, User";
    "lists_of_12_in_13" "Android 1.x"
        "1.3 messages hold User, UserList and bare ContactList" "elements/people.rs, Users, UserIds, ContactLists";
    "lists_of_13_in_12" "Android 1.x"
        "1.2 messages hold UserIDList and ContactListIDList" "elements/people.rs, Users, UserIds, ContactLists";
    "any_order" "Android 1.x, Colibria"
        "children come in an order of their own: Recipient before Sender, ReceiveList before AddNickList" "grammar.rs, decode!";
    "several_changes_at_once" "Android 1.x"
        "ListManage adds, removes and sets properties in one request" "csp/list_manage.rs";
    "sparse_capabilities" "Android 1.x"
        "CapabilityList lacks what the grammar requires" "elements/capability.rs";
    "comma_separated_schemas" "Nokia S60, Android 1.x"
        "one DigestSchema with a list between commas" "elements/words.rs, DigestSchemas";
    "empty_transaction_id" "Nokia S60, Colibria, Android 1.x"
        "Polling-Request with an empty TransactionID, or none" "csp/message.rs, Envelope";
    "ext_block" "Nokia S60"
        "ExtBlock with foreign markup after TransactionContent" "csp/message.rs, Envelope";
    "client_id_in_12" "Colibria"
        "ClientID in ClientCapability-Request and Service-Request, which 1.2 has not" "csp/client_capability.rs, csp/service.rs";
    "private_elements" "Colibria"
        "ColibriaExtensions among capabilities, ClientTypeDetail in a foreign namespace inside ClientInfo" "grammar.rs, next_child";
    "qualifier_alone" "Colibria"
        "OnlineStatus with a Qualifier and no value" "elements/presence.rs";
    "bare_client_id" "several"
        "text directly inside ClientID" "elements/people.rs, ClientId";
    "constant_content_size" "Colibria, Android 1.x"
        "ContentSize is a constant, or counts characters" "elements/message.rs, Message";
    "text_labelled_as_nothing" "Android 1.x"
        "SendMessage without ContentEncoding" "elements/message.rs, Message";
    "poll_tells_11" "InterVillage and other 1.1 clients without namespaces"
        "no xmlns at all: Poll in TransactionDescriptor or ClientID in Service-Request means 1.1" "csp/message.rs, Envelope";
    "names_of_one_source" "several"
        "other spellings: AcceptedCharSet, CName, Auto-Subscribe, PreferredContent, NSDiscovery" "element.rs";
}

/// The address in a Property that Android's helper puts into User (`property_as_user_id`).
pub(crate) fn user_id_of_property(property: &Property) -> Option<Address> {
    let is_user_id = property.name.eq_ignore_ascii_case("UserID");
    property.value.as_deref().filter(|_| is_user_id).map(Address::new)
}
