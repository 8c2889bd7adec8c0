//! What was found out a moment ago, for those who begin to watch.
//!
//! Whoever runs a program asks twice within milliseconds: to hand it in, and to watch it. Who they are and that they may read
//! the log of what they have handed in was found out the first time. A stream looks at both again within ten seconds, and when
//! notice is given that the rights of its viewer changed; so it may as well begin by what was known a second ago, unless notice
//! was given of anybody's rights since. Nothing else goes by this.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use tokio::time::Instant;

use crate::auth::Viewer;
use crate::auth::secret::Digest;
use crate::domain::ids::{AttemptId, UserId};
use crate::store::events::ReadableAttempt;
use crate::store::listen::Hub;

/// How long it is gone by.
const FRESH: Duration = Duration::from_secs(1);
/// How many of a kind are kept.
const MOST: usize = 1024;

/// What was found out a moment ago.
#[derive(Debug)]
pub struct Recent {
    hub: Hub,
    viewers: Memory<Digest, Viewer>,
    attempts: Memory<(UserId, AttemptId), ReadableAttempt>,
}

/// When something was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    at: Instant,
    /// How often anybody's rights had changed by then.
    changes: u64,
}

impl Moment {
    /// Whether what was looked at then can be gone by now.
    fn holds(self, now: Self) -> bool {
        self.changes == now.changes && now.at.saturating_duration_since(self.at) < FRESH
    }
}

impl Recent {
    /// Nothing yet. The hub tells that rights change.
    pub fn new(hub: Hub) -> Self {
        Self { hub, viewers: Memory::default(), attempts: Memory::default() }
    }

    /// To be asked before what is kept is looked at.
    pub(super) fn now(&self) -> Moment {
        Moment { at: Instant::now(), changes: self.hub.changes_of_rights() }
    }

    /// Keeps whose secret that is.
    pub(super) fn keep_viewer(&self, secret: Digest, viewer: &Viewer, looked: Moment) {
        self.viewers.keep(secret, viewer.clone(), looked);
    }

    /// Whose secret that is, if it was looked at just now and has not ended by its date since.
    pub(super) fn viewer(&self, secret: &Digest) -> Option<Viewer> {
        let viewer = self.viewers.find(secret, self.now())?;
        viewer.expires_at.is_none_or(|end| Utc::now() < end).then_some(viewer)
    }

    /// Keeps that the viewer may read the log of an attempt.
    pub(super) fn keep_readable(&self, viewer: &Viewer, attempt: ReadableAttempt, looked: Moment) {
        self.attempts.keep((viewer.user_id, attempt.id()), attempt, looked);
    }

    /// The attempt, if it was found just now that the viewer may read its log.
    pub(super) fn readable(&self, viewer: &Viewer, attempt: AttemptId) -> Option<ReadableAttempt> {
        self.attempts.find(&(viewer.user_id, attempt), self.now())
    }
}

#[derive(Debug)]
struct Memory<K, V>(Mutex<HashMap<K, (V, Moment)>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone> Memory<K, V> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, (V, Moment)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, key: K, value: V, looked: Moment) {
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.retain(|_, (_, moment)| moment.holds(looked));
        }
        if kept.len() < MOST {
            kept.insert(key, (value, looked));
        }
    }

    fn find(&self, key: &K, now: Moment) -> Option<V> {
        self.lock().get(key).filter(|(_, looked)| looked.holds(now)).map(|(value, _)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Credential;
    use crate::domain::ids::SessionId;
    use crate::domain::user::SiteRole;

    const SECRET: Digest = [1; 32];

    fn viewer() -> Viewer {
        Viewer {
            user_id: UserId::new(),
            username: "ada".to_owned(),
            role: SiteRole::User,
            credential: Credential::Session(SessionId::new()),
            expires_at: None,
        }
    }

    #[test]
    fn what_was_found_out_ends_where_rights_change_even_while_it_is_looked_at() {
        let hub = Hub::default();
        let recent = Recent::new(hub.clone());
        let looked = recent.now();
        hub.change_rights_of(UserId::new());
        recent.keep_viewer(SECRET, &viewer(), looked);
        assert!(recent.viewer(&SECRET).is_none());
        recent.keep_viewer(SECRET, &viewer(), recent.now());
        assert!(recent.viewer(&SECRET).is_some() && recent.viewer(&[2; 32]).is_none());
        // The connection that would have told of a change was lost.
        hub.wake_all();
        assert!(recent.viewer(&SECRET).is_none());
    }

    #[test]
    fn a_credential_ends_by_its_date() {
        let recent = Recent::new(Hub::default());
        recent.keep_viewer(SECRET, &Viewer { expires_at: Some(Utc::now()), ..viewer() }, recent.now());
        assert!(recent.viewer(&SECRET).is_none());
    }

    #[test]
    fn what_is_kept_is_fresh_and_bounded() {
        let memory = Memory::default();
        let now = Moment { at: Instant::now(), changes: 0 };
        let later = Moment { at: now.at + FRESH, changes: 0 };
        for number in 0..2 * MOST {
            memory.keep(number, (), now);
        }
        assert_eq!(memory.lock().len(), MOST);
        assert_eq!((memory.find(&0, now), memory.find(&0, later)), (Some(()), None));
        memory.keep(MOST, (), later);
        assert_eq!(memory.lock().len(), 1);
    }
}
