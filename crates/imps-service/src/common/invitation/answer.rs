//! *InviteUser-Response*: what was answered goes to who invited (CSP 7.2).

use imps_types::element::{Group, Notification, NotificationType, Recipient, Sender};
use imps_types::{GroupId, UserId};

use super::super::Common;
use super::invite::{check_note, is_shown_as};
use super::record::{Kept, key, of_invited, parts, read_made};
use super::{InvitationAnswer, InviteReply, NAME_MAX};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::NoticeContent;
use crate::im::NewNotice;
use crate::seam::{Batch, Order, Space};
use crate::session::Session;

/// Invitations under one InviteID that are looked at for one answer.
const LOOKED_AT: usize = 200;

impl Common<'_> {
    /// Routes an answer to the inviter, who is told when he is there. The invitation goes on until its end, so that
    /// whoever accepted can change his mind, and the inviter can cancel.
    ///
    /// # Errors
    /// `UnknownInvitation`, `BadParameter`, `Undeliverable` while too much waits for the inviter, or the store's failure.
    pub async fn answer_invitation(&self, session: &Session, reply: InviteReply) -> Result<(), Error> {
        check_note(reply.note.as_deref())?;
        let is_long = |text: &str| text.len() > NAME_MAX;
        if reply.screen_name.as_ref().is_some_and(|name| is_long(&name.name) || is_long(name.group_id.as_str())) {
            return Err(Error::BadParameter("the screen name is too long"));
        }
        let kept = self.invitation_of(session, &reply).await?;
        let inviter = self.user(&kept.invitation.inviter).await?;
        if self.im().is_full(&inviter, 0).await? {
            return Err(Error::Undeliverable);
        }
        let mut batch = Batch::new();
        // Whoever answers has heard of it, though his client may not have said so yet.
        self.im().take_back(&mut batch, &kept.invited, kept.notice, kept.expires).await;
        let answer = InvitationAnswer {
            invite_id: kept.invitation.invite_id.clone(),
            acceptance: reply.acceptance,
            shown: kept.invitation.named.shown,
            inviter: kept.invitation.shown,
            invite_note: kept.invitation.note,
            note: reply.note,
            screen_name: reply.screen_name,
        };
        let content = NoticeContent::InvitationAnswer(Box::new(answer));
        let expires = self.told_until(kept.expires);
        self.im().give(batch, vec![NewNotice { recipient: kept.invitation.inviter, content, expires }]).await?;
        let kind = match reply.acceptance {
            true => NotificationType::InvitationAccepted,
            false => NotificationType::InvitationRejected,
        };
        let what = Notification::of_invite(kind, &kept.invitation.invite_id);
        self.access().notify(&session.user.id, Some(session), what);
        Ok(())
    }

    /// The invitation that an answer is about: the one of this InviteID. If several users invited under the same one: of
    /// whom the answer names, else the newest.
    async fn invitation_of(&self, session: &Session, reply: &InviteReply) -> Result<Kept, Error> {
        let invited = &session.user.id;
        let range = of_invited(invited, Some(&reply.invite_id));
        let rows = self.store.scan(Space::Invited, range, Order::Forwards, LOOKED_AT).await?;
        let mut candidates: Vec<(Timestamp, UserId)> = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some((_, _, inviter)) = parts(&row.key) {
                candidates.push((read_made(&row.value)?, inviter));
            }
        }
        let keys: Vec<_> = candidates.iter().map(|(_, inviter)| key(inviter, &reply.invite_id, invited)).collect();
        let mut open = Vec::with_capacity(keys.len());
        for record in self.store.get(Space::Invitations, &keys).await?.into_iter().flatten() {
            let kept = Kept::read(&record)?;
            if kept.expires > self.clock.now() {
                open.push(kept);
            }
        }
        if open.iter().any(|kept| self.is_named(reply, kept)) {
            open.retain(|kept| self.is_named(reply, kept));
        }
        open.into_iter().max_by_key(|kept| kept.made).ok_or(Error::UnknownInvitation)
    }

    /// Whether an answer names the inviter, in one of the places in which clients do.
    fn is_named(&self, reply: &InviteReply, kept: &Kept) -> bool {
        let is_user = |user: &imps_types::element::User| {
            self.router.user(&user.user_id).is_ok_and(|user| user == kept.invitation.inviter)
        };
        let is_group = |group: &Group| match group {
            Group::ScreenName(name) => self
                .router
                .group(&name.group_id)
                .is_ok_and(|group: GroupId| is_shown_as(&kept.invitation.shown, &group, &name.name)),
            Group::Id(_) => false,
        };
        let by_sender = match &reply.sender {
            Some(Sender::User(user)) => is_user(user),
            Some(Sender::Group(group)) => is_group(group),
            None => false,
        };
        let by_recipient =
            |recipient: &Recipient| recipient.users.iter().any(is_user) || recipient.groups.iter().any(is_group);
        by_sender || reply.recipient.as_ref().is_some_and(by_recipient)
    }
}
