//! *UpdatePresence* and *GetPresence* (CSP 10), and what changes by itself when sessions come and go.

use std::sync::Arc;

use imps_types::element::{ClientType, ResultInfo};
use imps_types::presence::{Attribute, AttributeSet, Field, PresenceAttribute, PresenceSubList};
use imps_types::{Address, Status, UserId};
use rustc_hash::FxHashSet;

use super::outcomes::Outcomes;
use super::values::{AsOf, Changed, client_status};
use super::{Presence, WatchTargets};
use crate::Error;
use crate::happening::Happening;
use crate::im::parser_room;
use crate::session::Session;
use crate::user::UserState;

/// Bytes of a Presence with its UserID, in XML.
const PRESENCE: usize = 64;

/// The attributes of an update that change something, checked.
fn accepted(all: Vec<PresenceAttribute>) -> Result<Vec<PresenceAttribute>, Error> {
    let mut attributes = Vec::with_capacity(all.len());
    for mut one in all {
        one.check().map_err(Error::PresenceValue)?;
        // Without any value there is nothing to take over: `<StatusText/>`, or a Qualifier T alone.
        let value_only = matches!(one.attribute.row().fields, [row] if row.field == Field::PresenceValue);
        let says_nothing = one.fields.is_empty()
            && one.extensions.is_empty()
            && (one.qualifier.is_none() || (one.qualifier == Some(true) && value_only));
        // OnlineStatus is the server's.
        if says_nothing || one.attribute == Attribute::OnlineStatus {
            continue;
        }
        one.qualifier = Some(one.qualifier.unwrap_or(true));
        attributes.push(one);
    }
    Ok(attributes)
}

impl Presence<'_> {
    /// Takes over presence values of a user, all of them or none, and queues what changed for his watchers.
    ///
    /// # Errors
    /// When a value is none that its attribute takes (751), or the session is over.
    pub async fn update(&self, session: &Arc<Session>, list: PresenceSubList) -> Result<ResultInfo, Error> {
        let attributes = accepted(list.attributes)?;
        let services = self.0;
        let publisher = &session.user;
        let touched: AttributeSet = attributes.iter().map(|one| one.attribute).collect();
        let woken = {
            let mut guard = publisher.lock();
            let inner = &mut *guard;
            if session.is_closed() {
                return Err(Error::NotLoggedIn);
            }
            let mut next = inner.presence.values.clone();
            next.keep_clients(|id| inner.sessions.iter().any(|session| session.id == *id));
            let moment = next.moment(services.clock.now().0, &inner.sessions);
            for one in attributes {
                next.put(session, &inner.sessions, moment, one);
            }
            let has_extensions = next.put_extensions(list.extensions);
            if next == inner.presence.values {
                return Ok(ResultInfo::of(Status::SUCCESSFUL));
            }
            self.write_values(&publisher.id, &next)?;
            services.metrics.presence_updates.up();
            let before = inner.presence.values.view(&publisher.id, &inner.sessions, touched);
            inner.presence.values = next;
            let after = inner.presence.values.view(&publisher.id, &inner.sessions, touched);
            let changed = Changed::between(&before, &after);
            self.notify(publisher, inner, if has_extensions { changed.and_extensions() } else { changed })
        };
        self.wake(&woken);
        if touched.contains(Attribute::Alias) {
            services.tell(Happening::FindableChanged { user: publisher.id.clone() }).await;
        }
        Ok(ResultInfo::of(Status::SUCCESSFUL))
    }

    /// The presence of users now, as the session's user may see it. Attributes that he may not see are left out, those
    /// without value have Qualifier F. What the client cannot parse in one answer is left out too: users who come too
    /// late for it are in the result (432), and an attribute for which there never is room is missing.
    ///
    /// # Errors
    /// When nobody is named (402), or the store fails. Targets fail one by one, in the result.
    pub async fn get(
        &self,
        session: &Session,
        targets: &WatchTargets,
        wanted: AttributeSet,
    ) -> Result<(ResultInfo, Vec<(UserId, PresenceSubList)>), Error> {
        if targets.users.is_empty() && targets.contact_lists.is_empty() {
            return Err(Error::BadParameter("no user and no contact list is named"));
        }
        let mut outcomes = Outcomes::default();
        let mut publishers: Vec<UserId> =
            self.known_users(targets.users.iter(), &mut outcomes).await?.into_iter().flatten().collect();
        for address in &targets.contact_lists {
            match self.own_members(session, address) {
                Ok((_, members)) => {
                    outcomes.good();
                    publishers.extend(members);
                }
                Err(error) => outcomes.list(address, error)?,
            }
        }
        let mut told = FxHashSet::default();
        publishers.retain(|user| told.insert(user.clone()));
        let mut room = parser_room(&session.negotiated());
        let mut found = Vec::with_capacity(publishers.len());
        // Whose account is gone though he is on a list still is passed over.
        for publisher in self.0.users(&publishers).await?.into_iter().flatten() {
            // Who asks for them asks the domain that keeps them.
            if self.is_abroad(&publisher) {
                continue;
            }
            let (user, mut list) = self.seen_by(session, &publisher, wanted);
            let base = user.as_str().len() + PRESENCE;
            if found.is_empty() {
                list.shorten(room.saturating_sub(base));
            }
            match room.checked_sub(list.weight() + base) {
                Some(rest) => {
                    room = rest;
                    found.push((user, list));
                }
                None if found.is_empty() => found.push((user, list)),
                None => outcomes.user(&Address::from(&user), Error::TooLarge)?,
            }
        }
        Ok((outcomes.done(), found))
    }

    fn seen_by(&self, session: &Session, publisher: &UserState, wanted: AttributeSet) -> (UserId, PresenceSubList) {
        let inner = publisher.lock();
        let seen = wanted.and(self.visible(&publisher.id, &inner, &session.user.id));
        let attributes = inner.presence.values.view(&publisher.id, &inner.sessions, seen);
        let extensions = if seen.has_extensions() { inner.presence.values.extensions().to_vec() } else { Vec::new() };
        drop(inner);
        if !seen.is_empty() {
            self.accessed(publisher, session);
        }
        let mut list = PresenceSubList { attributes, extensions };
        if !wanted.has_extensions() {
            list.strip_extensions();
        }
        (publisher.id.clone(), list.for_version(session.version))
    }

    /// A session was opened: its client is online.
    pub(super) fn opened(&self, session: &Arc<Session>) {
        self.came_or_went(session, true);
    }

    /// A session ended: it watches nobody any more, and what it published of its client is gone.
    pub(super) fn closed(&self, session: &Arc<Session>) {
        let subscriptions = std::mem::take(&mut *session.subscriptions.lock());
        for user in subscriptions.publishers() {
            if let Some(publisher) = self.0.users.loaded(&user) {
                publisher.lock().presence.unwatch(&session.id);
                self.watching_changed(&publisher);
            }
        }
        self.came_or_went(session, false);
    }

    fn came_or_went(&self, session: &Arc<Session>, came: bool) {
        let publisher = &session.user;
        if self.is_abroad(publisher) {
            return;
        }
        let woken = {
            let mut guard = publisher.lock();
            let inner = &mut *guard;
            let others: Vec<_> = inner.sessions.iter().filter(|one| one.id != session.id).cloned().collect();
            let is_open = |id: &imps_types::SessionId| others.iter().any(|one| one.id == *id);
            let status = client_status();
            let with: Vec<_> = others.iter().chain([session]).cloned().collect();
            let before = if came {
                inner.presence.values.view(&publisher.id, &others, status)
            } else {
                inner.presence.values.view_as_of(&publisher.id, &with, status, AsOf::Open(session.id))
            };
            // Values of clients that ended while the server was down are of nobody, and go with the others.
            if inner.presence.values.keep_clients(|id| is_open(id) || (came && *id == session.id)) {
                self.write_soon(publisher, inner);
            }
            let now = if came { &with } else { &others };
            let after = inner.presence.values.view(&publisher.id, now, status);
            self.notify(publisher, inner, Changed::between(&before, &after))
        };
        self.wake(&woken);
    }

    fn write_soon(&self, publisher: &Arc<UserState>, inner: &crate::user::UserInner) {
        if let Err(error) = self.write_values(&publisher.id, &inner.presence.values) {
            tracing::warn!(user = %publisher.id, %error, "presence is not written");
        }
    }

    /// The session told its kind of client and its priority: what the server publishes for it, and whose values older
    /// watchers see, may be others now.
    pub fn client_changed(&self, session: &Session, before: (Option<ClientType>, u32)) {
        let woken = {
            let mut guard = session.user.lock();
            let inner = &mut *guard;
            let (user, values) = (&session.user.id, &inner.presence.values);
            let as_of = AsOf::Agreed(session.id, before.0, before.1);
            let before = values.view_as_of(user, &inner.sessions, client_status(), as_of);
            let after = values.view(user, &inner.sessions, client_status());
            self.notify(&session.user, inner, Changed::between(&before, &after))
        };
        self.wake(&woken);
    }
}
