//! *PresenceNotification-Request*: presence of those who are watched. CSP 10.

use std::sync::Arc;

use imps_proto::Element;
use imps_proto::csp::PresenceNotificationRequest;
use imps_proto::csp::message::encode_fragment;
use imps_proto::grammar::{Encode, Primitive};
use imps_proto::wire::{Form, Fragment, Writer};
use imps_service::event::PresenceSnapshot;
use imps_types::presence::PresenceInfo;
use imps_types::{Address, Version};

/// Each publisher is encoded once for all watchers who see the same in the same version and form.
pub(super) fn write(snapshots: &[Arc<PresenceSnapshot>], form: Form, writer: &mut dyn Writer) {
    match (form, snapshots) {
        // In JSON a list is one member, so what is kept is the whole primitive for one publisher.
        (Form::Json, [one]) => write_kept(one, form, writer, |writer| primitive(snapshots).write(writer)),
        (Form::Json | Form::Pts(_), _) => primitive(snapshots).write(writer),
        (Form::Xml | Form::Wbxml, _) => {
            writer.start(PresenceNotificationRequest::ELEMENT);
            for snapshot in snapshots {
                write_kept(snapshot, form, writer, |writer| info(snapshot).encode(Element::Presence, writer));
            }
            writer.end(PresenceNotificationRequest::ELEMENT);
        }
    }
}

fn write_kept(snapshot: &PresenceSnapshot, form: Form, writer: &mut dyn Writer, encode: impl Fn(&mut dyn Writer)) {
    let version = writer.version();
    let Some(kept) = snapshot.kept.get(place(form, version)) else { return encode(writer) };
    let fragment = kept.get_or_init(|| Box::new(encode_fragment(form, version, &encode)));
    match fragment.downcast_ref::<Fragment>() {
        Some(fragment) => writer.fragment(fragment),
        None => encode(writer),
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

fn info(snapshot: &PresenceSnapshot) -> PresenceInfo {
    PresenceInfo {
        user_id: Some(Address::from(&snapshot.user)),
        lists: vec![snapshot.list.clone()],
        ..PresenceInfo::default()
    }
}

fn primitive(snapshots: &[Arc<PresenceSnapshot>]) -> PresenceNotificationRequest {
    PresenceNotificationRequest { presence: snapshots.iter().map(|snapshot| info(snapshot)).collect() }
}
