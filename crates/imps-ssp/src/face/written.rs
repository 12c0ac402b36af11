//! What other domains were told of our users, in the store: what ends while they are away, or we are, they hear of after
//! that.
//!
//! | space | key | value |
//! |---|---|---|
//! | PeersTold | 0, domain, watcher, publisher | nothing: that domain was told that our user watches its |
//! | PeersTold | 1, domain, user | nothing: that domain was told that our user is here |
//!
//! A row is written before its domain is told, and deleted after it has heard the end: one too many costs a request.

use imps_service::Error;
use imps_service::seam::{Batch, Key, KeyRange, Order, Space};
use imps_service::store::Store;
use imps_types::{Domain, UserId};

const WATCHED: u8 = 0;
const HERE: u8 = 1;
/// Rows of one scan.
const PAGE: usize = 500;

/// What other domains were told.
#[derive(Clone, Copy)]
pub(super) struct Written<'a>(pub(super) &'a Store);

pub(super) fn watched_key(domain: &Domain, watcher: &UserId, publisher: &UserId) -> Key {
    Key::build().u8(WATCHED).text(domain.as_str()).text(watcher.as_str()).text(publisher.as_str()).done()
}

fn here_key(domain: &Domain, user: &UserId) -> Key {
    Key::build().u8(HERE).text(domain.as_str()).text(user.as_str()).done()
}

impl Written<'_> {
    /// Which domains were told that who watches whom.
    pub(super) async fn watched(self) -> Result<Vec<(Domain, UserId, UserId)>, Error> {
        let mut watched = Vec::new();
        self.each(Key::build().u8(WATCHED).range(), |key| {
            let mut key = key.read();
            let parts = (|| Some((key.u8()?, key.text()?, key.text()?, key.text()?)))();
            let Some((_, domain, watcher, publisher)) = parts else { return };
            if let Ok(domain) = Domain::parse(&domain) {
                watched.push((domain, UserId::from_canonical(&watcher), UserId::from_canonical(&publisher)));
            }
        })
        .await?;
        Ok(watched)
    }

    /// Of whom a domain was told that they are here.
    pub(super) async fn here(self, domain: &Domain) -> Result<Vec<UserId>, Error> {
        let mut users = Vec::new();
        self.each(Key::build().u8(HERE).text(domain.as_str()).range(), |key| {
            let mut key = key.read();
            if let Some(user) = (|| Some((key.u8()?, key.text()?, key.text()?)))().map(|(_, _, user)| user) {
                users.push(UserId::from_canonical(&user));
            }
        })
        .await?;
        Ok(users)
    }

    /// A domain is told now whether a user is here, or was told that he is not.
    pub(super) async fn note_here(self, domain: &Domain, user: &UserId, is_here: bool) -> Result<(), Error> {
        let mut batch = Batch::new();
        match is_here {
            true => batch.put(Space::PeersTold, here_key(domain, user), Vec::new()),
            false => batch.delete(Space::PeersTold, here_key(domain, user)),
        };
        self.0.commit(batch).await?;
        Ok(())
    }

    async fn each(self, mut range: KeyRange, mut take: impl FnMut(&Key)) -> Result<(), Error> {
        loop {
            let rows = self.0.scan(Space::PeersTold, range.clone(), Order::Forwards, PAGE).await?;
            rows.iter().for_each(|row| take(&row.key));
            let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else { return Ok(()) };
            range = range.after(&last.key);
        }
    }
}
