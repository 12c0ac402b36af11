//! What happened, as lines between replies (CLP 4, 6.2, 6.4, 6.6), and that it was heard.

use imps_proto::clp::{Writer, quoted};
use imps_proto::csp::MessageDelivered;
use imps_service::Error;
use imps_service::common::{Invitation, InvitationAnswer, InvitationCancelled, Shown};
use imps_service::event::{Event, ForcedLeave, GroupChange, Message, Notice, NoticeContent, Report, SystemNotice};
use imps_service::terminal::{Item, ItemKind};
use imps_types::element::{InviteType, ResultInfo, Sender};
use imps_types::presence::AttributeSet;
use imps_types::{Status, UserId};

use super::dialogue::{Dialogue, Failure, Read};
use super::invitations::{Detail, about, shared};
use super::messages::text_of;
use super::subject::Subject;
use super::texts::Say;
use super::{groups, shown};
use crate::events::as_text;

/// A message that somebody else was through with is none to be afraid for.
fn known_or_not(delivered: Result<(), Error>) -> Result<(), Error> {
    match delivered {
        Err(Error::UnknownMessage) => Ok(()),
        other => other,
    }
}

/// Something that was told: it is heard when it is written.
pub(crate) enum Heard {
    /// What happened.
    Event(Event),
    /// A message that the person read.
    Read(Read),
}

impl Dialogue {
    /// What waits, up to so many; and whether the session is over.
    pub(crate) async fn waiting(&mut self, most: usize) -> (Vec<Event>, bool) {
        let Some(person) = self.person.clone() else { return (Vec::new(), false) };
        let mut events = Vec::new();
        while events.len() < most && !person.session.is_closed() {
            match self.services().im().next_event(&person.session).await {
                Some(Event::Disconnect(_)) | None => break,
                Some(event) => events.push(event),
            }
        }
        (events, person.session.is_closed())
    }

    /// The last words to a session that the server ended.
    pub(crate) fn last_words(&mut self, writer: &mut Writer) {
        let Some(person) = self.person.take() else { return };
        let ended = self.services().access().ended(person.session.id.as_str());
        let result = ended.map_or_else(|| ResultInfo::of(Status::NOT_LOGGED_IN), |ended| ended.result);
        let plain = result.description.as_deref().unwrap_or_else(|| result.status.text()).to_owned();
        writer.event(None, &format!("bye {}", self.text_of(result.status, "", &plain)));
    }

    /// Writes what happened. Whether it was written: what gets no number cannot be acted upon, and is told later.
    pub(crate) fn tell(&mut self, event: &Event, writer: &mut Writer) -> bool {
        if let Err(failure) = self.write_event(event, writer) {
            let reply = self.failure(failure, &Subject::default());
            tracing::warn!(code = reply.status.code(), text = reply.text, "an event was not told");
            return false;
        }
        if let Event::NewMessage(message) = event
            && let Some(text) = text_of(message)
        {
            self.keep(&message.id.to_string(), &text);
        }
        true
    }

    fn write_event(&self, event: &Event, writer: &mut Writer) -> Result<(), Failure> {
        match event {
            Event::NewMessage(message) | Event::MessageNotification(message) => {
                self.write_message(message, matches!(event, Event::NewMessage(_)), writer)?;
            }
            Event::DeliveryReport(report) => self.write_report(report, writer)?,
            Event::Notice(notice) => self.write_notice(notice, writer)?,
            Event::GroupChange(change) => {
                if let Some(text) = self.group_change(change) {
                    writer.event(None, &text);
                }
            }
            Event::ForcedLeave(leave) => writer.event(None, &self.put_out(leave)),
            Event::Presence(snapshots) => {
                for one in snapshots {
                    let who = shown::address(one.user.as_str(), self.home());
                    writer.event(None, &format!("p {who}: {}", shown::presence(&one.list)));
                }
            }
            // General notifications are of 1.3, and for clients that keep lists of their own.
            Event::Notification(_) | Event::Disconnect(_) => {}
        }
        Ok(())
    }

    /// It was told: whatever needs to know that knows it.
    ///
    /// # Errors
    /// The store's failure: it is offered again.
    pub(crate) async fn heard(&self, heard: &Heard) -> Result<(), Error> {
        let Some(person) = &self.person else { return Ok(()) };
        let im = self.services().im();
        match heard {
            Heard::Read(read) => {
                match self.elsewhere(MessageDelivered { message_id: read.id.clone() }).await {
                    Ok(None) => known_or_not(im.delivered(&person.session, &read.id, None).await)?,
                    Ok(Some(_)) => {}
                    Err(failure) if failure.status() == Status::INVALID_MESSAGE_ID => {}
                    // It waits there, and is offered again.
                    Err(_) => return Ok(()),
                }
                self.is_through_with(person, read.number, &read.id);
                Ok(())
            }
            Heard::Event(Event::NewMessage(message)) if text_of(message).is_some() => {
                let id = message.id.to_string();
                known_or_not(im.delivered(&person.session, &id, Some(message)).await)?;
                // It may have been announced before.
                let terminals = self.services().terminals();
                if let Some(number) = terminals.number_of(&person.terminal, ItemKind::Waiting, &id) {
                    terminals.close(&person.terminal, number);
                }
                Ok(())
            }
            Heard::Event(Event::DeliveryReport(report)) => im.report_acknowledged(report).await,
            Heard::Event(Event::Notice(notice)) => im.notice_acknowledged(notice).await,
            Heard::Event(Event::ForcedLeave(leave)) => {
                self.services().group().leave_heard(&person.session, &leave.group).await
            }
            Heard::Event(_) => Ok(()),
        }
    }

    /// A message: itself, or that it waits to be read.
    fn write_message(&self, message: &Message, is_pushed: bool, writer: &mut Writer) -> Result<(), Failure> {
        let text = text_of(message).filter(|_| is_pushed);
        let kind = if text.is_some() { ItemKind::Message } else { ItemKind::Waiting };
        let number = self.number_of(&message.info, kind)?;
        let from = self.from(&message.info);
        let said = match text {
            Some(text) => format!("{from}: {}", shown::text(&text)),
            None => {
                let size = shown::size(message.info.content_size);
                let kind = shown::content_type(message.info.content_type.as_deref());
                self.say(Say::Sends, &[&from, &size, &kind, &number.to_string()])
            }
        };
        writer.event(Some(number), &said);
        Ok(())
    }

    fn write_report(&self, report: &Report, writer: &mut Writer) -> Result<(), Failure> {
        let terminal = &self.person()?.terminal;
        let terminals = self.services().terminals();
        let about = report.info.message_id.as_deref().unwrap_or_default();
        let sent = terminals.number_of(terminal, ItemKind::Sent, about);
        let sent = sent.map_or_else(|| "?".to_owned(), |number| number.to_string());
        let who = shown::recipient(&report.info.recipient, self.home());
        let item = Item { detail: about.into(), ..Item::new(ItemKind::Report, &report.id.to_string()) };
        let number = terminals.number(terminal, item)?;
        let text = if report.result.is_success() {
            let at = shown::moment(report.time, self.now(), self.offset);
            self.say(Say::Delivered, &[&sent, &who, &at])
        } else {
            self.say(Say::Failed, &[&sent, &who, &report.result.code().to_string()])
        };
        writer.event(Some(number), &text);
        Ok(())
    }

    fn write_notice(&self, notice: &Notice, writer: &mut Writer) -> Result<(), Failure> {
        let id = notice.id.to_string();
        let (number, text) = match &notice.content {
            NoticeContent::SystemMessage(content) => match self.system_message(&id, content)? {
                Some(told) => told,
                None => return Ok(()),
            },
            NoticeContent::PresenceAuth { watcher, attributes } => self.question(&id, watcher, *attributes)?,
            NoticeContent::Invitation(one) => self.invitation(&id, one)?,
            NoticeContent::InvitationAnswer(one) => self.invitation_answer(one)?,
            NoticeContent::InvitationCancelled(one) => self.invitation_cancelled(one)?,
        };
        writer.event(number, &text);
        Ok(())
    }

    fn give(&self, item: Item) -> Result<u16, Failure> {
        Ok(self.services().terminals().number(&self.person()?.terminal, item)?)
    }

    fn system_message(&self, id: &str, content: &SystemNotice) -> Result<Option<(Option<u16>, String)>, Failure> {
        // What waits is never told without having been addressed.
        let Some(said) = &content.said else { return Ok(None) };
        let item = Item { who: said.sender.as_str().into(), ..Item::new(ItemKind::Message, id) };
        let number = self.give(item)?;
        let from = shown::address(said.sender.as_str(), self.home());
        Ok(Some((Some(number), format!("{from}: {}", shown::text(&as_text(&said.message))))))
    }

    fn question(
        &self,
        id: &str,
        watcher: &UserId,
        attributes: Option<AttributeSet>,
    ) -> Result<(Option<u16>, String), Failure> {
        let detail = attributes.map(|set| set.bits().to_string()).unwrap_or_default().into();
        let item = Item { who: watcher.as_str().into(), detail, ..Item::new(ItemKind::Asked, id) };
        let number = self.give(item)?;
        let (who, shown) = (shown::address(watcher.as_str(), self.home()), number.to_string());
        let text = self.say(Say::Asks, &[&who, &shown::attributes(attributes), &shown, &shown]);
        Ok((Some(number), text))
    }

    fn invitation(&self, id: &str, one: &Invitation) -> Result<(Option<u16>, String), Failure> {
        let is_shared = one.invite_type == InviteType::Content;
        let kind = if is_shared { ItemKind::Shared } else { ItemKind::Invited };
        let group = one.occasion.group_id.as_ref().map(|group| group.as_str().to_owned());
        let detail = Detail {
            invite_type: one.invite_type,
            attributes: one.occasion.attributes,
            invite_id: one.invite_id.clone(),
        };
        let (mut who, mut screen_name): (Box<str>, Box<str>) = (one.inviter.as_str().into(), Box::default());
        let mut through = group.clone().unwrap_or_default();
        if let Shown::ScreenName(id, name) = &one.shown {
            // His address is nobody's business.
            (who, screen_name) = (Box::default(), name.clone());
            if through.is_empty() {
                through = id.as_str().to_owned();
            }
        }
        let item = Item { who, screen_name, group: through.into(), detail: detail.write(), ..Item::new(kind, id) };
        let number = self.give(item)?;
        let (who, note) = (self.inviter(&one.shown.sender()), one.note.as_deref());
        let text = if is_shared {
            self.say(Say::Shares, &[&who, &shared(&one.occasion.urls, note)])
        } else {
            let group = group.map(|group| shown::address(&group, self.home()));
            let number = number.to_string();
            let what = about(one.invite_type, group.as_deref(), note);
            self.say(Say::InvitesTo, &[&who, &what, &number, &number])
        };
        Ok((Some(number), text))
    }

    fn inviter(&self, sender: &Sender) -> String {
        shown::sender(Some(sender), self.home())
    }

    fn invitation_answer(&self, one: &InvitationAnswer) -> Result<(Option<u16>, String), Failure> {
        let terminal = &self.person()?.terminal;
        let terminals = self.services().terminals();
        let known = [ItemKind::Inviting, ItemKind::Sharing];
        let number = known.iter().find_map(|kind| terminals.number_of(terminal, *kind, &one.invite_id));
        if let Some(number) = number
            && terminals.item(terminal, number).is_some_and(|item| !item.who.contains(','))
        {
            // Nobody else was asked.
            terminals.close(terminal, number);
        }
        let say = if one.acceptance { Say::Accepted } else { Say::Rejected };
        let said = self.say(say, &[&self.inviter(&one.shown.sender())]);
        Ok((number, format!("{said}{}", shown::note(one.note.as_deref()))))
    }

    fn invitation_cancelled(&self, one: &InvitationCancelled) -> Result<(Option<u16>, String), Failure> {
        let terminal = &self.person()?.terminal;
        let terminals = self.services().terminals();
        let is_it = |item: &Item| {
            matches!(item.kind, ItemKind::Invited | ItemKind::Shared)
                && Detail::read(&item.detail).is_some_and(|detail| detail.invite_id == one.invite_id)
        };
        let number = terminals.newest(terminal, is_it).map(|(number, _)| number);
        if let Some(number) = number {
            terminals.close(terminal, number);
        }
        let said = self.say(Say::Cancelled, &[&self.inviter(&one.shown.sender())]);
        Ok((number, format!("{said}{}", shown::note(one.note.as_deref()))))
    }

    /// `g /cars +Speedy -Bob topic "..."`; nothing where nothing of that kind changed.
    fn group_change(&self, change: &GroupChange) -> Option<String> {
        let mut words: Vec<String> = change.joined.iter().map(|one| format!("+{}", one.name)).collect();
        words.extend(change.left.iter().map(|name| format!("-{name}")));
        words.extend(change.joined_blocked.iter().map(|name| format!("+{name} blocked")));
        words.extend(change.left_blocked.iter().map(|name| format!("-{name} blocked")));
        if let Some(properties) = &change.properties {
            words.extend(groups::pairs(properties).into_iter().map(|pair| match pair.split_once('=') {
                Some(("topic", topic)) if !topic.starts_with('"') => format!("topic {}", quoted(topic)),
                Some(("topic", topic)) => format!("topic {topic}"),
                _ => pair,
            }));
        }
        let group = self.group_shown(change.group.as_str());
        (!words.is_empty()).then(|| format!("g {group} {}", words.join(" ")))
    }

    fn put_out(&self, leave: &ForcedLeave) -> String {
        let group = shown::address(leave.group.as_str(), self.home());
        let why = self.text_of(leave.reason, &group, leave.reason.text());
        format!("g {}", self.say(Say::PutOut, &[&group, &why]))
    }
}
