//! General notifications: clients of a user hear what the others did, and what happened to the user's things (CSP 4.10).
//!
//! A client subscribes by type, for as long as its session lives; what it subscribed to is saved with the session. What is
//! told waits in the outbox, merged where a later notification says all that an earlier one did. It is not stored for
//! users who are not there: nobody has subscribed then, and a client reads the present state after its login.

use imps_types::element::{Notification, NotificationType, NotificationTypes};
use imps_types::{UserId, Version};

use super::Access;
use crate::error::Error;
use crate::presence::agrees_to_be_asked;
use crate::session::Session;

impl Access<'_> {
    /// Notifications of these types are told to the session from now on, beside those it has.
    ///
    /// # Errors
    /// `NotInVersion` for a client that knows no notifications, `BadParameter` when no type is named, or the store's
    /// failure: nothing is changed then.
    pub async fn subscribe_notifications(&self, session: &Session, types: &[NotificationType]) -> Result<(), Error> {
        let before = session.notifications();
        self.set_notifications(session, types, before.or(types.iter().copied().collect())).await
    }

    /// Notifications of these types are told no longer. One that was not subscribed to is no error.
    ///
    /// # Errors
    /// As [`Access::subscribe_notifications`].
    pub async fn unsubscribe_notifications(&self, session: &Session, types: &[NotificationType]) -> Result<(), Error> {
        let gone = types.iter().copied().collect();
        self.set_notifications(session, types, session.notifications().without(gone)).await?;
        session.outbox().forget_notifications(gone);
        Ok(())
    }

    async fn set_notifications(
        &self,
        session: &Session,
        named: &[NotificationType],
        next: NotificationTypes,
    ) -> Result<(), Error> {
        if session.version < Version::V1_3 {
            return Err(Error::NotInVersion);
        }
        if named.is_empty() {
            return Err(Error::BadParameter("no type of notification is named"));
        }
        let before = session.notifications();
        if before == next {
            return Ok(());
        }
        let was_asked = agrees_to_be_asked(session);
        session.set_notifications(next);
        let saved = self.save_session(session).await;
        if saved.is_err() {
            session.set_notifications(before);
        } else if was_asked != agrees_to_be_asked(session) {
            self.im().look_again(session).await;
        }
        saved
    }

    /// Tells the user's clients that subscribed to it, all but the one that did it. Call it when what it tells of is
    /// committed.
    pub fn notify(&self, user: &UserId, except: Option<&Session>, what: Notification) {
        let Some(state) = self.users.loaded(user) else { return };
        let told: Vec<_> = {
            let inner = state.lock();
            let wants = |session: &Session| {
                session.notifications().contains(what.kind) && except.is_none_or(|except| except.id != session.id)
            };
            inner.sessions.iter().filter(|session| wants(session)).cloned().collect()
        };
        for session in told {
            self.metrics.notifications.up();
            let is_kept = session.outbox().notification(what.clone(), self.config.outbox_max);
            if !is_kept {
                self.metrics.notifications_dropped.up();
            }
            session.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::testing::{World, user};
    use imps_types::element::{NickEntry, Payload};
    use imps_types::{Address, ContactListId};
    use std::sync::Arc;

    async fn next(world: &World, session: &Session) -> Option<Arc<Notification>> {
        match world.services.im().next_event(session).await {
            Some(Event::Notification(notification)) => Some(notification),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    fn list(name: &str) -> ContactListId {
        ContactListId::from_canonical(&format!("wv:alice/{name}@x"))
    }

    const LISTS: [NotificationType; 3] = [
        NotificationType::ContactListChanged,
        NotificationType::ContactListCreated,
        NotificationType::ContactListDeleted,
    ];

    #[tokio::test]
    async fn the_other_clients_hear_it_and_after_a_restart_too() {
        let world = World::of(&["alice", "bob"]).await;
        let phone = world.login_as("alice", "phone", Version::V1_3).await;
        let web = world.login_as("alice", "web", Version::V1_3).await;
        for session in [&phone, &web] {
            world.services.access().subscribe_notifications(session, &LISTS).await.unwrap();
        }
        let presence = world.services.presence();
        presence.create_list(&phone, &Address::new("alice/one"), Vec::new(), Vec::new()).await.unwrap();
        let heard = next(&world, &web).await.unwrap();
        assert_eq!(*heard, Notification::of_lists(NotificationType::ContactListCreated, [&list("one")]));
        assert_eq!(next(&world, &phone).await, None, "it did it itself");

        let id = web.id;
        let world = world.restarted().await;
        let web = world.services.sessions.find(&id).unwrap();
        let phone = world.services.sessions.find(&phone.id).unwrap();
        world.services.presence().delete_list(&phone, &Address::new("alice/one")).await.unwrap();
        assert_eq!(next(&world, &web).await.unwrap().kind, NotificationType::ContactListDeleted);
        world.services.access().unsubscribe_notifications(&web, &LISTS[2..]).await.unwrap();
        world.services.presence().create_list(&phone, &Address::new("alice/two"), Vec::new(), vec![]).await.unwrap();
        world.services.presence().delete_list(&phone, &Address::new("alice/two")).await.unwrap();
        assert_eq!(next(&world, &web).await.unwrap().kind, NotificationType::ContactListCreated);
        assert_eq!(next(&world, &web).await, None);
    }

    #[tokio::test]
    async fn whoever_is_added_to_a_list_hears_of_its_owner() {
        let world = World::of(&["alice", "bob"]).await;
        let alice = world.login_as("alice", "alice", Version::V1_1).await;
        let bob = world.login_as("bob", "bob", Version::V1_3).await;
        let added = NotificationType::AddedToContactList;
        world.services.access().subscribe_notifications(&bob, &[added]).await.unwrap();
        let entry = |name: &str| NickEntry { name: None, user_id: Address::new(name) };
        let presence = world.services.presence();
        presence.create_list(&alice, &Address::new("alice/f"), vec![entry("bob")], Vec::new()).await.unwrap();
        assert_eq!(*next(&world, &bob).await.unwrap(), Notification::of_users(added, [&user("alice")]));
        let change = crate::presence::ListChange { add: vec![entry("bob")], ..Default::default() };
        presence.manage_list(&alice, &Address::new("alice/f"), change).await.unwrap();
        assert_eq!(next(&world, &bob).await, None, "he was there already");
    }

    #[tokio::test]
    async fn what_cannot_be_subscribed_to() {
        let world = World::of(&["alice"]).await;
        let old = world.login_as("alice", "old", Version::V1_2).await;
        let new = world.login_as("alice", "new", Version::V1_3).await;
        let access = world.services.access();
        assert_eq!(access.subscribe_notifications(&old, &LISTS).await, Err(Error::NotInVersion));
        assert!(matches!(access.subscribe_notifications(&new, &[]).await, Err(Error::BadParameter(_))));
        assert_eq!(access.unsubscribe_notifications(&new, &LISTS).await, Ok(()), "nothing to be taken away");
    }

    #[tokio::test]
    async fn a_client_that_does_not_look_costs_little() {
        let world = World::of(&["alice"]).await;
        let alice = world.login_as("alice", "alice", Version::V1_3).await;
        let access = world.services.access();
        let invited = NotificationType::InvitationAccepted;
        access.subscribe_notifications(&alice, &[invited, NotificationType::BlockListUsage]).await.unwrap();
        for in_use in [true, false, true] {
            access.notify(&user("alice"), None, Notification::block_list_in_use(in_use));
        }
        assert_eq!(next(&world, &alice).await.unwrap().payload, Payload::BlockListInUse(true));
        assert_eq!(next(&world, &alice).await, None);
        for number in 0..1000 {
            access.notify(&user("alice"), None, Notification::of_invite(invited, &number.to_string()));
        }
        assert_eq!(alice.outbox().len(), world.services.config.outbox_max);
        assert_eq!(next(&world, &alice).await.unwrap().payload, Payload::Invite("936".into()));
    }
}
