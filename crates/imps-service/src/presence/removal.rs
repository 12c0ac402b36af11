//! A user whose account is removed, as others know him: whoever gets his address later is somebody else.

use imps_types::UserId;

use super::Presence;
use super::attribute_lists::{Target, attribute_list_key};
use super::reactive::authorisation_key;
use crate::Error;
use crate::happening::Happening;
use crate::seam::{Batch, Key, KeyRange, Order, Row, Space};

/// Rows of one scan.
const PAGE: usize = 500;

/// Whose rows about a user these are.
fn owners(rows: &[Row], user: &UserId, key: impl Fn(&UserId) -> Key) -> Vec<UserId> {
    let owner = |row: &Row| {
        let owner = UserId::from_canonical(&row.key.read().text()?);
        // His own go with his account.
        (owner != *user && key(&owner) == row.key).then_some(owner)
    };
    rows.iter().filter_map(owner).collect()
}

impl Presence<'_> {
    /// What others authorised this user to see, and what they are asked about him, goes. No user's `change` is held. It
    /// comes before the account goes, so that it can be done again when it fails.
    pub(crate) async fn forget_watcher(&self, user: &UserId) -> Result<(), Error> {
        for space in [Space::Authorisations, Space::AttributeLists] {
            let mut range = KeyRange::all();
            loop {
                let rows = self.0.store.scan(space, range.clone(), Order::Forwards, PAGE).await?;
                match space {
                    Space::Authorisations => self.forget_answers(&rows, user).await?,
                    _ => self.forget_attribute_lists(&rows, user).await?,
                }
                match rows.last() {
                    Some(last) if rows.len() == PAGE => range = range.after(&last.key),
                    _ => break,
                }
            }
        }
        Ok(())
    }

    async fn forget_answers(&self, rows: &[Row], user: &UserId) -> Result<(), Error> {
        let publishers = owners(rows, user, |owner| authorisation_key(owner, user));
        for publisher in self.0.users(&publishers).await?.into_iter().flatten() {
            self.forget_decision(&publisher, user).await?;
        }
        Ok(())
    }

    async fn forget_attribute_lists(&self, rows: &[Row], user: &UserId) -> Result<(), Error> {
        let target = Target::User(user.clone());
        let publishers = owners(rows, user, |owner| attribute_list_key(owner, &target));
        for publisher in self.0.users(&publishers).await?.into_iter().flatten() {
            {
                let _change = publisher.change.lock().await;
                let mut batch = Batch::new();
                batch.delete(Space::AttributeLists, attribute_list_key(&publisher.id, &target));
                self.0.store.commit(batch).await?;
                publisher.lock().attribute_lists.set(&target, None);
            }
            self.0.tell(Happening::AuthorisationChanged { user: publisher }).await;
        }
        Ok(())
    }
}
