//! User profiles: a home domain tells its users' to those who provide something for them, and is asked for them. SSP 12.

use std::collections::VecDeque;

use imps_proto::ssp::{
    GetUserProfileRequest, GetUserProfileResponse, Primitive, ProfileItems, Service as Offered,
    UpdateUserProfileRequest, UserProfile,
};
use imps_types::element::ResultInfo;
use imps_types::{Address, Domain, Status, UserId};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::{Ask, Ssp, Unanswered};
use crate::machine::status;
use crate::relay::home_of;

/// How many profiles of other domains are kept; of the others their domains are asked.
const KEPT_MAX: usize = 100_000;
/// How many services, clients, and types of content of a client a profile may have.
const LINES_MAX: usize = 64;

/// Profiles of users of other domains, for whom we provide something.
#[derive(Default)]
pub(super) struct Profiles(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    of: FxHashMap<UserId, UserProfile>,
    /// In which order they came.
    order: VecDeque<UserId>,
}

impl Profiles {
    fn get(&self, user: &UserId) -> Option<UserProfile> {
        self.0.lock().of.get(user).cloned()
    }

    /// Takes what is told of a user: what is known of him now; `None` when more is known already.
    fn take(&self, user: &UserId, told: UserProfile) -> Option<UserProfile> {
        let mut kept = self.0.lock();
        if let Some(known) = kept.of.get_mut(user) {
            // A version that is not new is a repetition, or was overtaken; unless it says all, and only a part was known.
            let has_all = known.services.is_some() || told.services.is_none();
            let is_old = |(told, known): (u32, u32)| told < known || (told == known && has_all);
            if told.version.zip(known.version).is_some_and(is_old) {
                return None;
            }
            known.version = told.version.or(known.version);
            known.services = told.services.or(known.services.take());
            known.privacy = told.privacy.or(known.privacy.take());
            known.terminals = told.terminals.or(known.terminals.take());
            return Some(known.clone());
        }
        while kept.order.len() >= KEPT_MAX {
            let Some(oldest) = kept.order.pop_front() else { break };
            kept.of.remove(&oldest);
        }
        kept.order.push_back(user.clone());
        kept.of.insert(user.clone(), told.clone());
        Some(told)
    }
}

impl Ssp {
    /// What is known of a user of another domain for whom we provide something; his domain is asked where nothing is.
    pub async fn profile_of(&self, user: &UserId) -> Option<UserProfile> {
        match self.profiles.get(user) {
            Some(known) => Some(known),
            None => self.ask_profile(user).await,
        }
    }

    async fn ask_profile(&self, user: &UserId) -> Option<UserProfile> {
        let Primitive::GetUserProfileResponse(answer) = self.ask_for_profile(user).await? else { return None };
        let told = answer.profile.filter(|told| user_of(told).as_ref() == Some(user) && is_modest(told))?;
        self.profiles.take(user, told).or_else(|| self.profiles.get(user))
    }

    /// Whether there is a user of another domain for whom we would provide something; none: his domain has not said.
    pub async fn is_there(&self, user: &UserId) -> Option<bool> {
        if self.profiles.get(user).is_some() {
            return Some(true);
        }
        match self.ask_for_profile(user).await?.outcome()?.status {
            Status::UNKNOWN_USER => Some(false),
            status => status.is_success().then_some(true),
        }
    }

    async fn ask_for_profile(&self, user: &UserId) -> Option<Primitive> {
        let address = Address::from(user);
        let peer = self.requestor(&home_of(&address)?, Offered::Profile)?;
        let ask = GetUserProfileRequest { meta: self.meta(), user_id: address, items: None };
        self.ask(&peer, Ask::of(ask)).await.ok()
    }

    /// Tells what has changed of a user of our own to every domain that provides something for him: what each answers. The
    /// parts that have not changed may be left out.
    pub async fn tell_profile(&self, profile: &UserProfile) -> Vec<(Domain, Result<Primitive, Unanswered>)> {
        let Some(home) = home_of(&profile.user_id) else { return Vec::new() };
        let tell = |peer: Domain| async move {
            let told = UpdateUserProfileRequest { meta: self.meta(), profile: profile.clone() };
            let answer = self.ask(&peer, Ask::of(told)).await;
            (peer, answer)
        };
        futures_util::future::join_all(self.providers(&home).into_iter().map(tell)).await
    }

    /// A domain that provides something for a user asks for his profile.
    pub(super) async fn tell_profile_of(&self, peer: &Domain, asked: GetUserProfileRequest) -> Primitive {
        let is_own = home_of(&asked.user_id).is_some_and(|home| self.territory.is_own(home.as_str()));
        if !is_own {
            return status(Status::DOMAIN_NOT_SUPPORTED, "the user is not of this domain");
        }
        match self.service.profile(&asked.user_id).await {
            Some(profile) => {
                tracing::debug!(%peer, user = %asked.user_id, "a profile is told");
                let profile = Some(only(profile, asked.items.as_ref()));
                GetUserProfileResponse { status: ResultInfo::of(Status::SUCCESSFUL), profile }.into()
            }
            None => status(Status::UNKNOWN_USER, ""),
        }
    }

    /// The home domain of a user tells what has changed of him. That it may was checked (`access.rs`).
    pub(super) async fn take_profile(&self, peer: &Domain, told: UpdateUserProfileRequest) -> Primitive {
        let (Some(home), Some(user)) = (home_of(&told.profile.user_id), user_of(&told.profile)) else {
            return status(Status::BAD_PARAMETER, "it is no user's profile");
        };
        if !is_modest(&told.profile) {
            return status(Status::BAD_PARAMETER, "the profile is too long");
        }
        if let Some(known) = self.profiles.take(&user, told.profile.clone()) {
            self.service.profile_changed(&home, &known).await;
            self.tell_on(peer, &home, &told);
            if known.services.is_none() {
                self.ask_for_all(home, user);
            }
        }
        status(Status::SUCCESSFUL, "")
    }

    /// What a user's domain has told is a part, and the rest is not known, perhaps since we were started again: it is asked.
    fn ask_for_all(&self, home: Domain, user: UserId) {
        let Some(this) = self.this.upgrade() else { return };
        tokio::spawn(async move {
            match this.ask_profile(&user).await {
                Some(known) => this.service.profile_changed(&home, &known).await,
                None => tracing::info!(%user, "all that his domain says of him is a part of his profile"),
            }
        });
    }

    /// Others may provide something for the same user, and his domain knows only us.
    fn tell_on(&self, from: &Domain, home: &Domain, told: &UpdateUserProfileRequest) {
        for peer in self.providers(home).into_iter().filter(|peer| peer != from) {
            let (Some(this), told) = (self.this.upgrade(), told.clone()) else { return };
            tokio::spawn(async move {
                if let Err(failure) = this.ask(&peer, Ask::of(told)).await {
                    tracing::info!(%peer, refused = %failure.status, "a profile was not passed on");
                }
            });
        }
    }
}

fn user_of(profile: &UserProfile) -> Option<UserId> {
    UserId::parse(profile.user_id.as_str(), &home_of(&profile.user_id)?).ok()
}

fn is_modest(profile: &UserProfile) -> bool {
    let services = profile.services.as_ref().map_or(0, |it| it.services.len());
    let clients = profile.terminals.iter().flat_map(|it| &it.clients);
    let longest = clients.clone().map(|it| it.content_types.len()).max().unwrap_or_default();
    services.max(clients.count()).max(longest) <= LINES_MAX
}

/// The parts that are asked for: all, if none is.
fn only(profile: UserProfile, items: Option<&ProfileItems>) -> UserProfile {
    let asks = |items: &&ProfileItems| items.services.is_some() || items.privacy.is_some() || items.terminals.is_some();
    let Some(items) = items.filter(asks) else { return profile };
    UserProfile {
        services: profile.services.filter(|_| items.services.is_some()),
        privacy: profile.privacy.filter(|_| items.privacy.is_some()),
        terminals: profile.terminals.filter(|_| items.terminals.is_some()),
        ..profile
    }
}

#[cfg(test)]
mod tests {
    use imps_proto::ssp::{Mark, Privacy, Services, Sharing, Terminal, Terminals};

    use super::*;

    fn profile(version: u32) -> UserProfile {
        UserProfile {
            user_id: "wv:bob@b.example".into(),
            version: Some(version),
            services: Some(Services { protocol_version: None, services: Vec::new() }),
            privacy: Some(Privacy { location: Some(Sharing { share: false }), user_interaction: None }),
            terminals: None,
        }
    }

    #[test]
    fn what_is_told_is_kept_and_an_older_version_is_not() {
        let (profiles, user) = (Profiles::default(), UserId::from_canonical("wv:bob@b.example"));
        assert_eq!(profiles.get(&user), None);
        assert_eq!(profiles.take(&user, profile(7)), Some(profile(7)));
        let terminals = Some(Terminals { clients: Vec::new() });
        let part = UserProfile { services: None, privacy: None, terminals: terminals.clone(), ..profile(8) };
        let both = UserProfile { terminals, ..profile(8) };
        assert_eq!(profiles.take(&user, part.clone()), Some(both.clone()), "what is not said has not changed");
        for version in [7, 8] {
            assert_eq!(profiles.take(&user, profile(version)), None);
        }
        assert_eq!(profiles.get(&user), Some(both));
        assert!(profiles.take(&user, UserProfile { version: None, ..part.clone() }).is_some());
        assert_eq!(profiles.get(&user).and_then(|it| it.version), Some(8));
        // Of whom a part was all that was known, the rest has the same version.
        let user = UserId::from_canonical("wv:ben@b.example");
        assert_eq!(profiles.take(&user, part.clone()), Some(part.clone()));
        assert_eq!(profiles.take(&user, part.clone()), None);
        assert_eq!(profiles.take(&user, profile(7)), None);
        assert_eq!(profiles.take(&user, profile(8)), Some(UserProfile { terminals: part.terminals, ..profile(8) }));
        assert_eq!(profiles.take(&user, profile(8)), None);
    }

    #[test]
    fn only_what_is_asked_for_is_told() {
        let items = ProfileItems { services: Some(Mark), privacy: None, terminals: None };
        let told = only(profile(7), Some(&items));
        assert_eq!((told.services.is_some(), told.privacy, told.version), (true, None, Some(7)));
        let nothing = ProfileItems { services: None, privacy: None, terminals: None };
        assert_eq!(only(profile(7), Some(&nothing)), profile(7));
        assert_eq!(only(profile(7), None), profile(7));
    }

    #[test]
    fn a_profile_has_an_end() {
        let client = |types| Terminal {
            url: None,
            content_types: vec!["text/plain".into(); types],
            max_length: None,
            delivery_method: None,
        };
        let of = |clients| UserProfile { terminals: Some(Terminals { clients }), ..profile(1) };
        assert!(is_modest(&profile(1)) && is_modest(&of(vec![client(64); 64])));
        assert!(!is_modest(&of(vec![client(65)])) && !is_modest(&of(vec![client(1); 65])));
    }
}
