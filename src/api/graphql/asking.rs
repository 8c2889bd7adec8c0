//! Who asks in the course of one request.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::api::identity::Identity;
use crate::auth::Viewer;
use crate::service::Error;
use crate::service::sessions::Client;

/// How many lists of one request are read at the same time. What is asked for in every entry of a list takes a
/// connection each, and others want some as well.
const LISTS_AT_A_TIME: usize = 4;

/// Who asks in the course of one request: whoever sent it, until somebody signs in or out within it. What
/// is read of a sign-in's answer, and what follows in the same request, is asked by who signed in; what
/// follows a sign-out is asked by nobody.
#[derive(Debug)]
pub struct Asking {
    identity: Identity,
    signed_in: OnceLock<Viewer>,
    has_left: AtomicBool,
    turns: Semaphore,
}

impl Asking {
    /// A request of theirs.
    pub const fn new(identity: Identity) -> Self {
        Self {
            identity,
            signed_in: OnceLock::new(),
            has_left: AtomicBool::new(false),
            turns: Semaphore::const_new(LISTS_AT_A_TIME),
        }
    }

    /// Who asks now; `None` where nobody is signed in.
    pub fn find_viewer(&self) -> Option<&Viewer> {
        let viewer = self.signed_in.get().or(self.identity.viewer.as_ref());
        viewer.filter(|_| !self.has_left.load(Ordering::Relaxed))
    }

    /// From where.
    pub const fn client(&self) -> &Client {
        &self.identity.client
    }

    /// Waits until it is this list's turn to be read. Not for what is loaded for all entries at once.
    pub(super) async fn turn(&self) -> SemaphorePermit<'_> {
        self.turns.acquire().await.expect("it is never closed")
    }

    /// Makes sure that nobody has signed in within this request: it can be done once.
    pub fn check_first_sign_in(&self) -> Result<(), Error> {
        match self.signed_in.get() {
            None => Ok(()),
            Some(_) => Err(Error::conflict("One request can sign in once. Send another one.")),
        }
    }

    /// From here on this viewer asks.
    pub fn go_on_as(&self, viewer: Viewer) {
        // The fields of a mutation are executed one after the other, and each checks first.
        self.signed_in.get_or_init(|| viewer);
        self.has_left.store(false, Ordering::Relaxed);
    }

    /// From here on nobody asks.
    pub fn go_on_as_nobody(&self) {
        self.has_left.store(true, Ordering::Relaxed);
    }
}
