//! Events of the services as primitives of the server: one file each.

mod delivery_report;
mod disconnect;
mod message_notification;
mod new_message;
mod notice;
mod notification;
mod presence_auth_request;
mod presence_notification;

pub(crate) use new_message::with_content;

use imps_proto::wire::{Form, Writer};
use imps_service::event::Event;

/// Writes an event in the writer's version.
pub(crate) fn write_event(event: &Event, form: Form, writer: &mut dyn Writer) {
    match event {
        Event::NewMessage(message) => new_message::write(message, writer),
        Event::MessageNotification(message) => message_notification::write(message, writer),
        Event::DeliveryReport(report) => delivery_report::write(report, writer),
        Event::Notice(notice) => notice::write(notice, writer),
        Event::Notification(what) => notification::write(what, writer),
        Event::Presence(snapshots) => presence_notification::write(snapshots, form, writer),
        Event::Disconnect(result) => disconnect::write(result, writer),
    }
}
