//! *ListManage-Request* and *-Response*: a contact list is changed or read. CSP 8.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{NickEntry, Property, ResultInfo};

primitive! {
    /// A user changes a contact list; real clients change several things at once (CSP 17).
    ListManageRequest {
        /// Which list.
        required contact_list: Address = ContactList,
        /// Contacts to add, or to rename.
        list add_nick_list: NickEntry = AddNickList,
        /// Contacts to remove.
        list remove_nick_list: Address = RemoveNickList,
        /// Properties to set.
        list properties: Property = ContactListProperties,
        /// Whether the answer is to have the list as it is then; since 1.2.
        optional receive_list: bool = ReceiveList since V1_2,
        /// Whether the added contacts may at once see presence and send messages, 1.3.
        optional authorize_and_grant: bool = AuthorizeAndGrant since V1_3,
    }
}

primitive! {
    /// The list after the change.
    ListManageResponse {
        /// How it went.
        required result: ResultInfo = Result,
        /// All contacts, if they are told.
        optional nick_list: Vec<NickEntry> = NickList,
        /// All properties, if they are told.
        list properties: Property = ContactListProperties,
    }
}
