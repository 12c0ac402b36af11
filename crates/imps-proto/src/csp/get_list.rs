//! *GetList-Request* and *-Response*: which contact lists there are. CSP 8.

use crate::elements::ContactLists;
use crate::grammar::primitive;
use imps_types::Address;

primitive! {
    /// A user asks for his contact lists.
    GetListRequest {}
}

primitive! {
    /// His contact lists.
    GetListResponse {
        /// All but the default one.
        via contact_lists: Vec<Address> = ContactLists,
        /// The default one.
        optional default_contact_list: Address = DefaultContactList,
    }
}
