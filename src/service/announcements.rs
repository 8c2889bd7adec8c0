//! When programs are announced to the worker while they are being handed in.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::announcements::{Announcement, Announcer};

/// How long nothing is announced after a submission that had to wait, or was refused: the worker has no time.
const PAUSE: Duration = Duration::from_secs(1);

/// Whom to tell, and whether it is of use.
#[derive(Debug, Default)]
pub struct Announcements {
    announcer: Option<Announcer>,
    not_before: Mutex<Option<Instant>>,
}

impl Announcements {
    /// By that way.
    pub fn by(announcer: Announcer) -> Self {
        Self { announcer: Some(announcer), not_before: Mutex::default() }
    }

    /// Nothing is announced for a while.
    pub(super) fn pause(&self) {
        *self.not_before.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + PAUSE);
    }

    fn is_paused(&self) -> bool {
        self.not_before.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|end| Instant::now() < end)
    }

    /// Announces an attempt, unless there is nobody to tell or they would have no time. Nobody relies on it.
    pub fn announce(&self, announcement: impl FnOnce() -> Announcement) {
        if let Some(announcer) = &self.announcer
            && !self.is_paused()
        {
            announcer.announce(announcement());
        }
    }
}
