//! *GroupChangeNotice*: a group has changed. CSP 13.2.

use std::sync::Arc;

use imps_proto::csp::GroupChangeNotice;
use imps_proto::elements::{JoinedUsers, Listed, UserMapList};
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_service::event::GroupChange;
use imps_types::Address;
use imps_types::element::{ScreenName, UserList};

pub(super) fn write(change: &GroupChange, two_levels: bool, writer: &mut dyn Writer) {
    let group_id = Address::from(&change.group);
    let listed = |names: &[Arc<str>]| {
        let named = |name: &Arc<str>| ScreenName { name: (&**name).into(), group_id: group_id.clone() };
        let list = UserList { users: Vec::new(), screen_names: names.iter().map(named).collect() };
        (!list.is_empty()).then_some(Listed(list))
    };
    let joined = (!change.joined.is_empty()).then(|| JoinedUsers {
        group_id: group_id.clone(),
        list: UserMapList { mappings: change.joined.clone(), two_levels },
    });
    GroupChangeNotice {
        left: listed(&change.left),
        joined_blocked: listed(&change.joined_blocked),
        left_blocked: listed(&change.left_blocked),
        group_id,
        joined,
        group_properties: change.properties.clone(),
        own_properties: change.own.clone().unwrap_or_default(),
    }
    .write(writer);
}
