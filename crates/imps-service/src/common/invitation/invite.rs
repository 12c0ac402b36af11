//! *Invite*: who is invited, the commit, and then the notices (CSP 7.2).

use std::sync::Arc;
use std::time::Duration;

use imps_types::element::{Group, InviteType, ResultInfo, ScreenName, Sender};
use imps_types::{Address, GroupId, MessageId, Service, Status, UserId};
use rustc_hash::FxHashSet;

use super::super::Common;
use super::super::outcomes::Outcomes;
use super::record::{Kept, key, of_inviter};
use super::{ID_MAX, Invitation, NAME_MAX, NOTE_MAX, Named, Occasion, OutgoingInvitation, Shown};
use crate::clock::Timestamp;
use crate::content;
use crate::error::Error;
use crate::event::NoticeContent;
use crate::group::{GroupError, GroupState, is_same_name};
use crate::im::{NewNotice, Origin};
use crate::seam::{Batch, Key, Order, Space};
use crate::session::Session;
use crate::user::UserState;

/// Somebody who is invited.
struct Invited {
    state: Arc<UserState>,
    named: Named,
}

/// Who is invited so far, and who cannot be.
#[derive(Default)]
struct Everybody {
    invited: Vec<Invited>,
    outcomes: Outcomes,
}

/// The service that an invitation of this type belongs to (SSP 9.8).
fn service_of(invite_type: InviteType) -> Service {
    if invite_type == InviteType::Content { Service::Content } else { Service::Common }
}

impl Common<'_> {
    /// Invites users. When this returns 200 or 201, the invitations are committed, and reach those who are not there
    /// when they log in.
    ///
    /// # Errors
    /// What concerns the whole invitation: `BadParameter`, `NotYourself`, `MissingGroup`, `MissingApplication`,
    /// `UnknownGroup`, `ForeignDomain`, `NotJoined`, `TooManyInvitations`, or the store's failure. What concerns single
    /// users is in the result.
    pub async fn invite(&self, session: &Session, invitation: OutgoingInvitation) -> Result<ResultInfo, Error> {
        check_texts(&invitation)?;
        if invitation.recipient.is_empty() {
            return Err(Error::BadParameter("the invitation names nobody"));
        }
        let shown = self.inviter(session, &invitation)?;
        let (group, occasion) = self.occasion(session, &invitation)?;
        let Everybody { invited, mut outcomes } = self.invited(session, &invitation, &shown).await?;
        if !invited.is_empty() {
            outcomes.good();
            if let Some(group) = &group {
                for one in &invited {
                    // The invitation is good without it: most groups let everybody in.
                    if let Err(error) = self.admit(group, &one.state.id).await {
                        tracing::warn!(group = %group.id, %error, "an invited user is not let in");
                    }
                }
            }
            self.commit_invitations(session, invitation, shown, occasion, invited).await?;
        }
        Ok(outcomes.done())
    }

    /// As whom the inviter shows himself: by his name in a group, if he uses it.
    fn inviter(&self, session: &Session, invitation: &OutgoingInvitation) -> Result<Shown, Error> {
        let user = &session.user.id;
        let by_name = match (&invitation.screen_name, &invitation.sender) {
            (_, Some(Sender::User(sender))) if !self.router.user(&sender.user_id).is_ok_and(|id| id == *user) => {
                return Err(Error::NotYourself);
            }
            (Some(name), _) => Some(name.clone()),
            (None, Some(Sender::Group(Group::ScreenName(name)))) => Some(name.clone()),
            (None, Some(Sender::Group(Group::Id(group)))) => {
                Some(ScreenName { name: Box::default(), group_id: group.clone() })
            }
            (None, Some(Sender::User(_)) | None) => None,
        };
        let Some(ScreenName { name, group_id }) = by_name else { return Ok(Shown::User(user.clone())) };
        // Phones leave out what stands beside it.
        let unnamed = group_id.as_str().is_empty();
        let address = if unnamed { invitation.occasion.group_id.as_ref().unwrap_or(&group_id) } else { &group_id };
        if let Some(group) = self.abroad(address) {
            // What he is called there is for the domain that keeps the group: of a guest his own may say so.
            let is_known = session.has_joined(group.as_str()) || self.is_believed(session, &group);
            return if is_known { Ok(Shown::ScreenName(group, name)) } else { Err(GroupError::NotJoined.into()) };
        }
        let group = self.group_of(address)?;
        let own = group.screen_name_of(user).ok_or(GroupError::NotJoined)?;
        if !name.is_empty() && !is_same_name(&name, &own) {
            return Err(Error::NotYourself);
        }
        Ok(Shown::ScreenName(group.id.clone(), (*own).into()))
    }

    /// Whether the domain that speaks for a guest is the one that keeps a group, and so knows what he is called there.
    fn is_believed(&self, session: &Session, group: &GroupId) -> bool {
        let user = &session.user;
        user.is_guest && user.id.domain() == group.domain()
    }

    /// To what it is: what its type needs, and no more.
    fn occasion(
        &self,
        session: &Session,
        invitation: &OutgoingInvitation,
    ) -> Result<(Option<Arc<GroupState>>, Occasion), Error> {
        let given = &invitation.occasion;
        let mut occasion = Occasion { urls: Vec::new(), ..given.clone() };
        let group = match invitation.invite_type {
            InviteType::Group
            | InviteType::Membership
            | InviteType::ExtendedConversation
            | InviteType::ExtendedGroup => {
                let address = given.group_id.as_ref().ok_or(Error::MissingGroup)?;
                if let Some(group) = self.abroad(address) {
                    // Who is in a group that another domain keeps, that one knows; a guest speaks through his.
                    if !session.has_joined(group.as_str()) && !session.user.is_guest {
                        return Err(GroupError::NotJoined.into());
                    }
                    occasion.group_id = Some((&group).into());
                    return Ok((None, occasion));
                }
                let group = self.group_of(address)?;
                if !group.is_familiar_to(&session.user.id) {
                    return Err(GroupError::NotJoined.into());
                }
                occasion.group_id = Some((&group.id).into());
                Some(group)
            }
            InviteType::Presence if given.attributes.is_none_or(|set| set.is_empty()) => {
                return Err(Error::BadParameter("the invitation names no presence attribute"));
            }
            InviteType::Content => {
                occasion.urls = content::shareable(&given.urls)?;
                None
            }
            InviteType::Application if given.application_id.as_deref().is_none_or(str::is_empty) => {
                return Err(Error::MissingApplication);
            }
            InviteType::Conversation | InviteType::Presence | InviteType::Application => None,
        };
        Ok((group, occasion))
    }

    /// Turns recipients into users, each once.
    async fn invited(
        &self,
        session: &Session,
        invitation: &OutgoingInvitation,
        shown: &Shown,
    ) -> Result<Everybody, Error> {
        let recipient = &invitation.recipient;
        // Those who are not invited cost as much as those who are.
        if recipient.users.len() + recipient.contact_lists.len() + recipient.groups.len() > self.config.recipients_max {
            return Err(Error::TooManyInvitations);
        }
        let mut all = Everybody::default();
        let mut origin = Origin::of(&session.user.id);
        origin.application = invitation.occasion.application_id.clone();
        if let Shown::ScreenName(group, name) = shown {
            origin.screen_name = Some((group.clone(), name.clone()));
        }
        let service = service_of(invitation.invite_type);
        for user in &recipient.users {
            self.add_user(&mut all, &origin, (&user.user_id, service)).await?;
        }
        let mut lists = FxHashSet::default();
        for list in &recipient.contact_lists {
            let id = self.router.list(list).ok();
            if id.as_ref().is_some_and(|id| !lists.insert(id.clone())) {
                continue;
            }
            match id.and_then(|id| self.presence().members(&session.user, &id)) {
                Some(members) => {
                    for member in members {
                        self.add_user(&mut all, &origin, (&Address::from(&member), service)).await?;
                    }
                }
                None => all.outcomes.of(Status::UNKNOWN_CONTACT_LIST).contact_lists.push(list.clone()),
            }
        }
        let mut groups = FxHashSet::default();
        for group in &recipient.groups {
            let whole = match group {
                Group::Id(id) => self.router.group(id).ok(),
                Group::ScreenName(_) => None,
            };
            if whole.is_some_and(|id| !groups.insert(id)) {
                continue;
            }
            self.add_group(&mut all, session, &origin, group).await?;
        }
        if all.invited.is_empty() && all.outcomes.is_empty() {
            return Err(Error::BadParameter("nobody is on the contact list, or in the group"));
        }
        Ok(all)
    }

    /// Somebody by his address, who may be of a domain with which the service is agreed on.
    async fn add_user(
        &self,
        all: &mut Everybody,
        origin: &Origin,
        (named, service): (&Address, Service),
    ) -> Result<(), Error> {
        let added = match self.router.user_or_guest(named, service) {
            Ok(id) => {
                let shown = Shown::User(id.clone());
                self.add(all, origin, id, Named { shown, with_group: false }).await
            }
            Err(error) => Err(error),
        };
        added.or_else(|error| {
            all.outcomes.failed(error, |one| {
                if !one.user_ids.contains(named) {
                    one.user_ids.push(named.clone());
                }
            })
        })
    }

    /// All who have joined a group, or one of them by his name there. Only to whom has joined it himself.
    async fn add_group(
        &self,
        all: &mut Everybody,
        session: &Session,
        origin: &Origin,
        named: &Group,
    ) -> Result<(), Error> {
        let (Group::Id(address) | Group::ScreenName(ScreenName { group_id: address, .. })) = named;
        let user = &session.user.id;
        let group = self
            .group_of(address)
            .and_then(|group| if group.is_joined(user) { Ok(group) } else { Err(GroupError::NotJoined.into()) });
        let group = match group {
            Ok(group) => group,
            Err(error) => {
                return all.outcomes.failed(error, |one| match named {
                    Group::Id(id) => one.group_ids.push(id.clone()),
                    Group::ScreenName(name) => one.screen_names.push(name.clone()),
                });
            }
        };
        // He speaks under his name there, though he may show himself by his address.
        let own_name = || Some((group.id.clone(), (*group.screen_name_of(user)?).into()));
        let screen_name = origin.screen_name.clone().or_else(own_name);
        let origin = Origin { group: Some(group.id.clone()), screen_name, ..origin.clone() };
        match named {
            Group::Id(_) => {
                for other in group.joined_users().into_iter().filter(|other| other != user) {
                    let Some(name) = group.screen_name_of(&other) else { continue };
                    let shown = Shown::ScreenName(group.id.clone(), (*name).into());
                    if let Err(error) = self.add(all, &origin, other, Named { shown, with_group: true }).await {
                        let failed = super::screen_name(&group.id, &name);
                        all.outcomes.failed(error, |one| one.screen_names.push(failed))?;
                    }
                }
            }
            Group::ScreenName(name) => {
                let found = group.user_of_screen_name(&name.name);
                let added = match found.and_then(|id| Some((group.screen_name_of(&id)?, id))) {
                    Some((own, id)) => {
                        let shown = Shown::ScreenName(group.id.clone(), (*own).into());
                        self.add(all, &origin, id, Named { shown, with_group: false }).await
                    }
                    None => {
                        all.outcomes.of(Status::UNABLE_TO_DELIVER).screen_names.push(name.clone());
                        Ok(())
                    }
                };
                if let Err(error) = added {
                    all.outcomes.failed(error, |one| one.screen_names.push(name.clone()))?;
                }
            }
        }
        Ok(())
    }

    async fn add(&self, all: &mut Everybody, origin: &Origin, id: UserId, named: Named) -> Result<(), Error> {
        if all.invited.iter().any(|one| one.state.id == id) {
            return Ok(());
        }
        if all.invited.len() >= self.config.recipients_max {
            return Err(Error::TooManyInvitations);
        }
        let state = self.user(&id).await?;
        if self.im().refuses(&state, origin) {
            return Err(Error::Blocked);
        }
        if self.im().is_full(&state, 0).await? {
            return Err(Error::Undeliverable);
        }
        all.invited.push(Invited { state, named });
        Ok(())
    }

    async fn commit_invitations(
        &self,
        session: &Session,
        invitation: OutgoingInvitation,
        shown: Shown,
        occasion: Occasion,
        invited: Vec<Invited>,
    ) -> Result<(), Error> {
        let inviter = &session.user.id;
        // Who cancels meanwhile cancels either this one or what it takes the place of.
        let _change = session.user.change.lock().await;
        let most = self.config.invitations_max;
        let open = self.store.scan(Space::Invitations, of_inviter(inviter, None), Order::Forwards, most).await?;
        let keys: Vec<Key> = invited.iter().map(|one| key(inviter, &invitation.invite_id, &one.state.id)).collect();
        let again = keys.iter().filter(|key| open.iter().any(|row| row.key == **key)).count();
        if open.len() - again + keys.len() > most {
            return Err(Error::TooManyInvitations);
        }
        let now = self.clock.now();
        let validity = self.validity(invitation.validity);
        let expires = now.plus(Duration::from_secs(validity.into()));
        let mut batch = Batch::new();
        let mut new = Vec::with_capacity(invited.len());
        for (one, before) in invited.into_iter().zip(self.store.get(Space::Invitations, &keys).await?) {
            let Some(before) = before else {
                new.push(one);
                continue;
            };
            let before = Kept::read(&before)?;
            // What a domain posts again, since it did not see our answer, is known to whom it is for.
            let is_recent = before.made.plus(self.config.repeat_window) > now;
            if session.user.is_guest && is_recent && is_same(&before.invitation, &invitation, &shown, &occasion, &one) {
                continue;
            }
            new.push(one);
            // The same InviteID again: what it said before is no longer offered.
            before.delete(&mut batch);
            self.im().take_back(&mut batch, &before.invited, before.notice, before.expires).await;
        }
        if new.is_empty() {
            return Ok(());
        }
        let mut kept = Vec::with_capacity(new.len());
        let mut notices = Vec::with_capacity(new.len());
        for one in new {
            let invitation = Invitation {
                inviter: inviter.clone(),
                shown: shown.clone(),
                invite_id: invitation.invite_id.clone(),
                invite_type: invitation.invite_type,
                named: one.named,
                occasion: occasion.clone(),
                note: invitation.note.clone(),
                validity,
            };
            let invited = one.state.id.clone();
            let content = NoticeContent::Invitation(Box::new(invitation.clone()));
            notices.push(NewNotice { recipient: invited.clone(), content, expires });
            kept.push(Kept { invitation, invited, made: now, expires, notice: MessageId::new(0) });
        }
        self.metrics.invitations.add(notices.len() as u64);
        let rows = |numbers: &[MessageId]| {
            for (mut one, number) in kept.into_iter().zip(numbers) {
                one.notice = *number;
                one.put(&mut batch);
            }
            batch
        };
        self.im().give_with(notices, rows).await?;
        Ok(())
    }

    /// For how many seconds an invitation is good.
    fn validity(&self, asked: Option<u32>) -> u32 {
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        let asked = asked.filter(|asked| *asked > 0).unwrap_or(seconds(self.config.invitation_validity));
        asked.min(seconds(self.config.invitation_validity_max))
    }

    /// How long a notice waits that is not an invitation itself.
    pub(super) fn told_until(&self, at_least: Timestamp) -> Timestamp {
        self.clock.now().plus(self.config.invitation_validity).max(at_least)
    }
}

/// Whether an invitation says what another one of the same inviter said to the same user under the same InviteID.
fn is_same(
    before: &Invitation,
    invitation: &OutgoingInvitation,
    shown: &Shown,
    occasion: &Occasion,
    one: &Invited,
) -> bool {
    before.invite_type == invitation.invite_type
        && before.note == invitation.note
        && before.shown == *shown
        && before.occasion == *occasion
        && before.named == one.named
}

/// The texts of an invitation have bounds, whatever it is about.
fn check_texts(invitation: &OutgoingInvitation) -> Result<(), Error> {
    if invitation.invite_id.is_empty() || invitation.invite_id.len() > ID_MAX {
        return Err(Error::BadParameter("an InviteID has 1 to 255 bytes"));
    }
    check_note(invitation.note.as_deref())?;
    if invitation.occasion.application_id.as_deref().is_some_and(|id| id.len() > NAME_MAX) {
        return Err(Error::BadParameter("the ApplicationID is too long"));
    }
    Ok(())
}

pub(super) fn check_note(note: Option<&str>) -> Result<(), Error> {
    if note.is_some_and(|note| note.len() > NOTE_MAX) {
        return Err(Error::BadParameter("the note is too long"));
    }
    Ok(())
}

/// Whether somebody who was named is the user behind a name in a group.
pub(super) fn is_shown_as(shown: &Shown, group: &GroupId, name: &str) -> bool {
    matches!(shown, Shown::ScreenName(own_group, own) if own_group == group && is_same_name(own, name))
}
