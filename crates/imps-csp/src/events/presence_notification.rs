//! *PresenceNotification-Request*: presence of somebody who is watched. CSP 10.

use imps_proto::csp::PresenceNotificationRequest;
use imps_proto::csp::message::encode_fragment;
use imps_proto::grammar::Primitive;
use imps_proto::wire::{Form, Fragment, Writer};
use imps_service::event::PresenceSnapshot;
use imps_types::presence::PresenceInfo;
use imps_types::{Address, Version};

/// Encodes once for all watchers who see the same in the same version and form.
pub(super) fn write(snapshot: &PresenceSnapshot, form: Form, writer: &mut dyn Writer) {
    let version = writer.version();
    let kept = snapshot.kept.get(place(form, version));
    let encode = || encode_fragment(form, version, |writer| primitive(snapshot).write(writer));
    match kept {
        Some(kept) => {
            let fragment = kept.get_or_init(|| Box::new(encode()));
            match fragment.downcast_ref::<Fragment>() {
                Some(fragment) => writer.fragment(fragment),
                None => primitive(snapshot).write(writer),
            }
        }
        None => primitive(snapshot).write(writer),
    }
}

fn place(form: Form, version: Version) -> usize {
    let version = match version {
        Version::V1_1 => 0,
        Version::V1_2 => 1,
        Version::V1_3 => 2,
    };
    match form {
        Form::Xml => version,
        Form::Wbxml => 4 + version,
        Form::Json => 8 + version,
        // Rare enough to be written for each.
        Form::Pts(_) => usize::MAX,
    }
}

fn primitive(snapshot: &PresenceSnapshot) -> PresenceNotificationRequest {
    let info = PresenceInfo {
        user_id: Some(Address::from(&snapshot.user)),
        lists: vec![snapshot.list.clone()],
        ..PresenceInfo::default()
    };
    PresenceNotificationRequest { presence: vec![info] }
}
