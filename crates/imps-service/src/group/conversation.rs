//! A chat of two becomes a group, 1.3 (CSP 13.7).

use std::sync::Arc;

use imps_types::element::{GroupProperties, InviteType, Property, Recipient, ResultInfo, User, WelcomeNote};
use imps_types::{Address, GroupId};

use super::join::JoinWish;
use super::leave::Departure;
use super::lifecycle::NewGroup;
use super::{GroupError, Groups};
use crate::Error;
use crate::common::{Occasion, OutgoingInvitation};
use crate::seam::Batch;
use crate::session::Session;

/// What a user wants of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Extension {
    /// His name for the conversation; one is made if he has none.
    pub id: Option<Box<str>>,
    /// The partner.
    pub partner: Option<User>,
    /// Whom to invite beside him.
    pub others: Vec<Address>,
    /// What those who join are shown.
    pub welcome_note: Option<WelcomeNote>,
    /// Screen name and notices of the user himself.
    pub wish: JoinWish,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extended {
    /// The conversation's name.
    pub id: Box<str>,
    /// The group that it is now; none when nobody could be invited.
    pub group: Option<GroupId>,
    /// Who could be invited.
    pub result: ResultInfo,
}

/// Bytes of the name of a conversation.
const ID_MAX: usize = 100;
/// Groups that are tried until one has a free name.
const TRIES: usize = 8;

impl Groups<'_> {
    /// Makes a private group, which its maker joins and to which the others are invited. Only they are let in, and it
    /// ends when the last of them has left.
    ///
    /// # Errors
    /// `BadParameter` when nobody is named, a [`GroupError`] for what is not allowed, or the store's failure. Users fail one
    /// by one, in the result.
    pub async fn extend_conversation(&self, session: &Arc<Session>, wish: Extension) -> Result<Extended, Error> {
        let mut users: Vec<User> = wish.partner.into_iter().map(|partner| User::of(partner.user_id)).collect();
        users.extend(wish.others.into_iter().map(User::of));
        if users.is_empty() {
            return Err(Error::BadParameter("the conversation has nobody else in it"));
        }
        if wish.id.as_ref().is_some_and(|id| id.len() > ID_MAX) {
            return Err(Error::BadParameter("the name of the conversation is too long"));
        }
        let properties = GroupProperties {
            properties: vec![
                Property::new("RequireInvitation", "T"),
                Property::new("AutoDelete", "T"),
                Property::new("Searchable", "F"),
            ],
            welcome_note: wish.welcome_note,
        };
        let new = NewGroup { properties, join: true, wish: wish.wish };
        let (address, name) = self.make_conversation(session, new).await?;
        let id = wish.id.filter(|id| !id.is_empty()).unwrap_or(name);
        let invitation = OutgoingInvitation {
            invite_id: id.clone(),
            invite_type: InviteType::ExtendedConversation,
            recipient: Recipient { users, ..Recipient::default() },
            occasion: Occasion { group_id: Some(address.clone()), ..Occasion::default() },
            sender: None,
            note: None,
            screen_name: None,
            validity: None,
        };
        let invited = self.common().invite(session, invitation).await;
        let group = self.find(&address)?;
        if let Ok(result) = &invited
            && result.status.is_success()
        {
            return Ok(Extended { id, group: Some(group.id.clone()), result: result.clone() });
        }
        // A group for oneself alone is none; that it is gone again its maker need not be told.
        {
            let _change = group.change.lock().await;
            let departure = Departure { user: session.user.id.clone(), session: None, forced: None };
            self.depart(&group, Batch::new(), vec![departure], Vec::new()).await?;
        }
        Ok(Extended { id, group: None, result: invited? })
    }

    /// A group under the user's address with a name of its own.
    async fn make_conversation(&self, session: &Arc<Session>, new: NewGroup) -> Result<(Address, Box<str>), Error> {
        let user = &session.user.id;
        for _ in 0..TRIES {
            let mut random = [0_u8; 8];
            getrandom::fill(&mut random).map_err(|_| GroupError::Exists)?;
            let name: Box<str> = format!("conversation-{:016x}", u64::from_be_bytes(random)).into();
            let address = Address::new(&format!("wv:{}/{name}@{}", user.local(), user.domain()));
            match self.create(session, &address, new.clone()).await {
                Err(Error::Group(GroupError::Exists)) => {}
                Ok(()) => return Ok((address, name)),
                Err(error) => return Err(error),
            }
        }
        Err(GroupError::Exists.into())
    }
}
