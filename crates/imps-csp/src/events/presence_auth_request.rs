//! *PresenceAuth-Request*: the publisher is asked who may see his presence. CSP 9.

use imps_proto::csp::PresenceAuthRequest;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{Address, UserId};

pub(super) fn write(watcher: &UserId, attributes: Option<AttributeSet>, writer: &mut dyn Writer) {
    PresenceAuthRequest {
        user_id: Address::from(watcher),
        presence_sub_list: attributes.map(PresenceSubList::of_names),
    }
    .write(writer);
}
