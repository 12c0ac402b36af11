//! *CreateList-Request*, and *CreateList-Response* in 1.3: a new contact list. CSP 8.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{NickEntry, Property};

primitive! {
    /// A user makes a contact list.
    CreateListRequest {
        /// Its address.
        required contact_list: Address = ContactList,
        /// Who is on it.
        list nick_list: NickEntry = NickList,
        /// DisplayName and Default.
        list properties: Property = ContactListProperties,
    }
}

primitive! {
    /// The list was made, 1.3.
    CreateListResponse {
        /// Its address.
        required contact_list: Address = ContactList,
        /// Its properties as they are.
        list properties: Property = ContactListProperties,
    }
}
