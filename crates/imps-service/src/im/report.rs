//! Delivery reports (CSP 12.3): one for each recipient, as soon as it is known what became of the message for him.
//!
//! A report is committed in the batch that decides: with the deletion of the message, or, for recipients who never got
//! it, with the message that the others get. It waits in the sender's queue like a message.

use std::sync::Arc;

use imps_types::element::{DetailedResult, Group, MessageInfo, Recipient, Sender, User};
use imps_types::{Address, MessageId, Status, UserId};

use super::Im;
use super::abroad::{KnownAs, put_report};
use super::group::ToGroup;
use super::queue::Records;
use crate::event::{Message, Report};
use crate::routing::Place;
use crate::seam::Batch;

/// A report until it is committed.
pub(super) struct NewReport {
    report: Report,
    /// Written before the number is taken, unless the number is that of the message.
    records: Option<Records>,
    /// What the message is called in the domain of whoever gets it, if that is not ours.
    pub(super) abroad: Option<KnownAs>,
}

impl NewReport {
    fn new(report: Report) -> Self {
        let records = report.info.message_id.is_some().then(|| Records::of_report(&report));
        Self { report, records, abroad: None }
    }

    /// Gives it its number, and adds its rows. `message`: the number of the message that it is about, if that is new too.
    pub(super) fn put(&mut self, batch: &mut Batch, next: &mut dyn FnMut() -> u64, message: Option<u64>) {
        let report = &mut self.report;
        if let Some(message) = message {
            report.info.message_id = Some(MessageId::new(message).to_string().into());
        }
        let sequence = next();
        report.id = MessageId::new(sequence);
        if let Some(known) = &self.abroad {
            return put_report(batch, known, sequence, report);
        }
        let records = self.records.take().unwrap_or_else(|| Records::of_report(report));
        records.put(batch, sequence, &report.recipient, report.expires);
    }
}

impl Im<'_> {
    /// The report on a stored message whose fate is known, if its sender wants one and is still there.
    pub(super) async fn report_on(&self, message: &Message, outcome: Status) -> Option<NewReport> {
        if !message.report {
            return None;
        }
        let sender = &message.sender;
        if let Some(known) = self.known_abroad(message).await {
            let info = MessageInfo { message_id: Some(known.id.clone()), ..message.info.clone() };
            let mut report = self.new_report(sender, info, outcome);
            report.abroad = Some(known);
            return Some(report);
        }
        let is_ours = matches!(self.router.place(sender), Place::Here(_)) || self.router.is_guest(sender);
        // If the store does not answer, a report too many is better than one too few: it ends by itself.
        if !is_ours || !self.user_exists(sender).await.unwrap_or(true) {
            return None;
        }
        Some(self.new_report(sender, message.info.clone(), outcome))
    }

    /// The reports on recipients whom a message that others get did not reach. Its number is not known yet.
    pub(super) fn reports_on_refused(
        &self,
        sender: &UserId,
        info: &MessageInfo,
        refused: &[DetailedResult],
    ) -> Vec<NewReport> {
        let of_one = |status: Status, recipient: Recipient| {
            self.new_report(sender, MessageInfo { recipient, message_id: None, ..info.clone() }, status)
        };
        let mut reports = Vec::new();
        for one in refused {
            let users = one.user_ids.iter().map(|id| Recipient::user(User::of(id.clone())));
            let groups = one.group_ids.iter().cloned().map(Group::Id);
            let groups = groups.chain(one.screen_names.iter().cloned().map(Group::ScreenName));
            let groups = groups.map(|group| Recipient { groups: vec![group], ..Recipient::default() });
            let lists = one.contact_lists.iter().cloned();
            let lists = lists.map(|list| Recipient { contact_lists: vec![list], ..Recipient::default() });
            reports.extend(users.chain(groups).chain(lists).map(|recipient| of_one(one.status, recipient)));
        }
        reports
    }

    /// The reports that a message has reached groups: one for each, and none on the users in it (CSP 12.3).
    pub(super) fn reports_on_groups(&self, sender: &UserId, info: &MessageInfo, groups: &[ToGroup]) -> Vec<NewReport> {
        let reached = |to: &ToGroup| {
            let recipient = Recipient { groups: vec![Group::Id(Address::from(&to.group.id))], ..Recipient::default() };
            let shown = Some(Sender::Group(to.sender.clone()));
            let info = MessageInfo { recipient, sender: shown, message_id: None, ..info.clone() };
            self.new_report(sender, info, Status::SUCCESSFUL)
        };
        groups.iter().map(reached).collect()
    }

    pub(super) fn new_report(&self, sender: &UserId, info: MessageInfo, result: Status) -> NewReport {
        let now = self.clock.now();
        // What the clients told each other is none of the report's.
        let info = MessageInfo { ext_blocks: Vec::new(), ..info };
        NewReport::new(Report {
            id: MessageId::new(0),
            recipient: sender.clone(),
            result,
            time: now.date_time(),
            info,
            expires: now.plus(self.config.validity_default),
        })
    }

    /// What was committed is offered.
    pub(super) fn offer_reports(&self, reports: impl IntoIterator<Item = NewReport>) {
        for NewReport { report, abroad, .. } in reports {
            self.metrics.reports.up();
            if let Some(known) = abroad {
                self.waits_abroad(&known.domain, 0);
                continue;
            }
            if let Some(user) = self.users.loaded(&report.recipient) {
                self.offer_report(&user, &Arc::new(report));
            }
        }
    }
}
