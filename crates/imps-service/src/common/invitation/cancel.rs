//! *CancelInvite*: an invitation is no longer offered to anybody, and who heard of it is told (CSP 7.2).

use imps_types::element::{Group, Notification, NotificationType, Recipient, ResultInfo};
use imps_types::{Address, Service, Status, UserId};

use super::super::Common;
use super::super::outcomes::Outcomes;
use super::invite::{check_note, is_shown_as};
use super::record::{Kept, of_inviter};
use super::{InvitationCancelled, InviteCancel, Shown};
use crate::error::Error;
use crate::event::NoticeContent;
use crate::im::NewNotice;
use crate::seam::{Batch, Order, Space};
use crate::session::Session;

impl Common<'_> {
    /// Takes an invitation back, from everybody or from those who are named.
    ///
    /// # Errors
    /// `UnknownInvitation`, `BadParameter`, or the store's failure. What concerns single users is in the result.
    pub async fn cancel_invitation(&self, session: &Session, cancel: InviteCancel) -> Result<ResultInfo, Error> {
        check_note(cancel.note.as_deref())?;
        let inviter = &session.user.id;
        let _change = session.user.change.lock().await;
        let range = of_inviter(inviter, Some(&cancel.invite_id));
        let rows = self.store.scan(Space::Invitations, range, Order::Forwards, self.config.invitations_max).await?;
        let now = self.clock.now();
        let mut open = Vec::with_capacity(rows.len());
        for row in &rows {
            let kept = Kept::read(&row.value)?;
            if kept.expires > now {
                open.push(kept);
            }
        }
        if open.is_empty() {
            return Err(Error::UnknownInvitation);
        }
        let mut outcomes = Outcomes::default();
        let chosen = match cancel.recipient.as_ref().filter(|recipient| !recipient.is_empty()) {
            Some(recipient) => self.chosen(session, recipient, open, &mut outcomes).await?,
            None => open,
        };
        if chosen.is_empty() {
            return Ok(outcomes.done());
        }
        outcomes.good();
        let mut batch = Batch::new();
        let mut notices = Vec::new();
        for kept in &chosen {
            kept.delete(&mut batch);
            // Who was never told of it need not hear that it is over.
            let was_told = self.im().was_offered(&kept.invited, kept.notice)
                || !self.im().is_unheard(&kept.invited, kept.notice).await?;
            self.im().take_back(&mut batch, &kept.invited, kept.notice, kept.expires).await;
            if was_told {
                notices.push(self.cancelled(kept, &cancel));
            }
        }
        self.im().give(batch, notices).await?;
        let what = Notification::of_invite(NotificationType::InvitationCancelled, &cancel.invite_id);
        self.access().notify(inviter, Some(session), what);
        Ok(outcomes.done())
    }

    fn cancelled(&self, kept: &Kept, cancel: &InviteCancel) -> NewNotice {
        let invitation = &kept.invitation;
        // A client may name what is shared no longer; that it is not shared at all is known here.
        let mut occasion = invitation.occasion.clone();
        occasion.urls.retain(|url| cancel.urls.is_empty() || cancel.urls.contains(url));
        let content = InvitationCancelled {
            shown: invitation.shown.clone(),
            invite_id: invitation.invite_id.clone(),
            named: invitation.named.clone(),
            occasion,
            note: cancel.note.clone(),
        };
        let content = NoticeContent::InvitationCancelled(Box::new(content));
        NewNotice { recipient: kept.invited.clone(), content, expires: self.told_until(kept.expires) }
    }

    /// Those of the invitations that the recipients name; whoever was not invited is noted.
    async fn chosen(
        &self,
        session: &Session,
        recipient: &Recipient,
        open: Vec<Kept>,
        outcomes: &mut Outcomes,
    ) -> Result<Vec<Kept>, Error> {
        let mut is_chosen = vec![false; open.len()];
        let mut choose = |fits: &dyn Fn(&Kept) -> bool| {
            let mut any = false;
            for (kept, chosen) in open.iter().zip(&mut is_chosen) {
                let fits = fits(kept);
                *chosen |= fits;
                any |= fits;
            }
            any
        };
        for user in &recipient.users {
            match self.known_user(&user.user_id).await {
                Ok(id)
                    if choose(&|kept| kept.invited == id && matches!(kept.invitation.named.shown, Shown::User(_))) => {}
                Ok(_) => outcomes.of(Status::INVALID_INVITATION_ID).user_ids.push(user.user_id.clone()),
                Err(error) => outcomes.failed(error, |one| one.user_ids.push(user.user_id.clone()))?,
            }
        }
        for list in &recipient.contact_lists {
            let id = self.router.list(list).ok();
            match id.and_then(|id| self.presence().members(&session.user, &id)) {
                Some(members) if choose(&|kept| members.contains(&kept.invited)) => {}
                Some(_) => outcomes.of(Status::INVALID_INVITATION_ID).contact_lists.push(list.clone()),
                None => outcomes.of(Status::UNKNOWN_CONTACT_LIST).contact_lists.push(list.clone()),
            }
        }
        for named in &recipient.groups {
            match named {
                Group::Id(address) => {
                    let group = self.router.group(address).ok();
                    let fits = |kept: &Kept| match &kept.invitation.named.shown {
                        Shown::ScreenName(one, _) => kept.invitation.named.with_group && Some(one) == group.as_ref(),
                        Shown::User(_) => false,
                    };
                    if !choose(&fits) {
                        outcomes.of(Status::INVALID_INVITATION_ID).group_ids.push(address.clone());
                    }
                }
                Group::ScreenName(name) => {
                    let group = self.router.group(&name.group_id).ok();
                    let fits = |kept: &Kept| {
                        group.as_ref().is_some_and(|group| is_shown_as(&kept.invitation.named.shown, group, &name.name))
                    };
                    if !choose(&fits) {
                        outcomes.of(Status::INVALID_INVITATION_ID).screen_names.push(name.clone());
                    }
                }
            }
        }
        let chosen = open.into_iter().zip(is_chosen);
        Ok(chosen.filter_map(|(kept, is_chosen)| is_chosen.then_some(kept)).collect())
    }

    async fn known_user(&self, address: &Address) -> Result<UserId, Error> {
        let user = self.router.user_or_guest(address, Service::Common)?;
        if self.user_exists(&user).await? { Ok(user) } else { Err(Error::UnknownUser) }
    }
}
