//! What every resolver begins with: the use cases, and who asks.

use std::sync::Arc;

use async_graphql::Context;
use async_graphql::dataloader::DataLoader;

use super::asking::Asking;
use super::loader::Batch;
use crate::auth::Viewer;
use crate::service::{Error, Services};

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
    /// What this request changes about who asks.
    fn asking(&self) -> &'a Asking;
    /// Loads rows of many parents by one statement.
    fn batch(&self) -> &'a DataLoader<Batch>;
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
        self.asking().find_viewer()
    }

    fn asking(&self) -> &'a Asking {
        self.data_unchecked::<Arc<Asking>>()
    }

    fn batch(&self) -> &'a DataLoader<Batch> {
        self.data_unchecked::<DataLoader<Batch>>()
    }
}
