//! *PresenceNotification-Request*: presence of those who are watched. CSP 10.

use std::sync::Arc;

use imps_proto::Element;
use imps_proto::csp::PresenceNotificationRequest;
use imps_proto::grammar::{Encode, Primitive};
use imps_proto::wire::{Form, Writer};
use imps_service::event::PresenceSnapshot;
use imps_types::Address;
use imps_types::presence::PresenceInfo;

use super::kept::write_kept;

/// Each publisher is encoded once for all watchers who see the same in the same version and form.
pub(super) fn write(snapshots: &[Arc<PresenceSnapshot>], form: Form, writer: &mut dyn Writer) {
    match (form, snapshots) {
        // In JSON a list is one member, so what is kept is the whole primitive for one publisher.
        (Form::Json, [one]) => write_kept(&one.kept, form, writer, |writer| primitive(snapshots).write(writer)),
        (Form::Json | Form::Pts(_), _) => primitive(snapshots).write(writer),
        (Form::Xml | Form::Wbxml, _) => {
            writer.start(PresenceNotificationRequest::ELEMENT);
            for snapshot in snapshots {
                write_kept(&snapshot.kept, form, writer, |writer| info(snapshot).encode(Element::Presence, writer));
            }
            writer.end(PresenceNotificationRequest::ELEMENT);
        }
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
