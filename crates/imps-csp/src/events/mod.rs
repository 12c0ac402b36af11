//! Events of the services as primitives of the server: one file each.

mod cancel_invite_user;
mod delivery_report;
mod disconnect;
mod group_change_notice;
mod invite_response;
mod invite_user;
mod kept;
mod leave_group;
mod message_notification;
mod new_message;
mod notice;
mod notification;
mod presence_auth_request;
mod presence_notification;
mod system_message;

pub(crate) use new_message::with_content;
pub(crate) use system_message::as_text;

use imps_proto::wire::{Form, Writer};
use imps_service::event::Event;
use imps_service::language::Language;

/// How a client reads what it is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Lists of joined users without the level of UserMapping (CSP 18, row 7).
    pub(crate) two_levels: bool,
    /// The language of texts.
    pub(crate) language: Language,
}

/// Writes an event in the writer's version.
pub(crate) fn write_event(event: &Event, form: Form, manner: Manner, writer: &mut dyn Writer) {
    match event {
        Event::NewMessage(message) => new_message::write(message, form, writer),
        Event::MessageNotification(message) => message_notification::write(message, writer),
        Event::DeliveryReport(report) => delivery_report::write(report, manner.language, writer),
        Event::Notice(notice) => notice::write(notice, writer),
        Event::Notification(what) => notification::write(what, writer),
        Event::GroupChange(change) => group_change_notice::write(change, manner.two_levels, writer),
        Event::ForcedLeave(leave) => leave_group::write(leave, manner.language, writer),
        Event::Presence(snapshots) => presence_notification::write(snapshots, form, writer),
        Event::Disconnect(result) => disconnect::write(result, writer),
    }
}
