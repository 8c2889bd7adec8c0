//! What every resolver begins with: the use cases, and who asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_graphql::Context;
use async_graphql::dataloader::DataLoader;

use super::loader::Batch;
use crate::api::identity::Identity;
use crate::auth::Viewer;
use crate::service::sessions::Client;
use crate::service::{Error, Services};

/// Who asks in the course of one request: whoever sent it, until somebody signs in or out within it. What
/// is read of a sign-in's answer, and what follows in the same request, is asked by who signed in; what
/// follows a sign-out is asked by nobody.
#[derive(Debug)]
pub struct Asking {
    identity: Identity,
    signed_in: OnceLock<Viewer>,
    has_left: AtomicBool,
}

impl Asking {
    /// A request of theirs.
    pub const fn new(identity: Identity) -> Self {
        Self { identity, signed_in: OnceLock::new(), has_left: AtomicBool::new(false) }
    }

    /// Who asks now; `None` where nobody is signed in.
    pub fn find_viewer(&self) -> Option<&Viewer> {
        let viewer = self.signed_in.get().or(self.identity.viewer.as_ref());
        viewer.filter(|_| !self.has_left.load(Ordering::Relaxed))
    }
}

/// Reads from the context of a resolver what the schema and the request put there.
pub trait Asker<'a> {
    /// The use cases.
    fn services(&self) -> &'a Services;
    /// The use cases, for a stream that outlives the resolver.
    fn shared_services(&self) -> Arc<Services>;
    /// Who asks; an error where nobody is signed in.
    fn viewer(&self) -> Result<&'a Viewer, Error>;
    /// Who asks; `None` where nobody is signed in.
    fn find_viewer(&self) -> Option<&'a Viewer>;
    /// Makes sure that nobody has signed in within this request: it can be done once.
    fn check_first_sign_in(&self) -> Result<(), Error>;
    /// From here on this viewer asks.
    fn go_on_as(&self, viewer: Viewer);
    /// From here on nobody asks.
    fn go_on_as_nobody(&self);
    /// From where.
    fn client(&self) -> &'a Client;
    /// Loads rows of many parents by one statement.
    fn batch(&self) -> &'a DataLoader<Batch>;
}

fn asking<'a>(ctx: &Context<'a>) -> &'a Asking {
    ctx.data_unchecked::<Arc<Asking>>()
}

impl<'a> Asker<'a> for Context<'a> {
    fn services(&self) -> &'a Services {
        self.data_unchecked::<Arc<Services>>()
    }

    fn shared_services(&self) -> Arc<Services> {
        Arc::clone(self.data_unchecked::<Arc<Services>>())
    }

    fn viewer(&self) -> Result<&'a Viewer, Error> {
        self.find_viewer().ok_or(Error::Unauthenticated)
    }

    fn find_viewer(&self) -> Option<&'a Viewer> {
        asking(self).find_viewer()
    }

    fn check_first_sign_in(&self) -> Result<(), Error> {
        match asking(self).signed_in.get() {
            None => Ok(()),
            Some(_) => Err(Error::conflict("One request can sign in once. Send another one.")),
        }
    }

    fn go_on_as(&self, viewer: Viewer) {
        // The fields of a mutation are executed one after the other, and each checks first.
        asking(self).signed_in.get_or_init(|| viewer);
        asking(self).has_left.store(false, Ordering::Relaxed);
    }

    fn go_on_as_nobody(&self) {
        asking(self).has_left.store(true, Ordering::Relaxed);
    }

    fn client(&self) -> &'a Client {
        &asking(self).identity.client
    }

    fn batch(&self) -> &'a DataLoader<Batch> {
        self.data_unchecked::<DataLoader<Batch>>()
    }
}
