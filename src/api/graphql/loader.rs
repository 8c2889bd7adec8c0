//! Rows of many parents by one statement: what would be a query per list entry is one per list.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;

use crate::auth::Viewer;
use crate::domain::ids::UserId;
use crate::domain::user;
use crate::service::{Error, Services, people};

/// Loads for one viewer.
pub struct Batch {
    services: Arc<Services>,
    viewer: Option<Viewer>,
}

impl Batch {
    /// Loads what this viewer may see.
    pub const fn new(services: Arc<Services>, viewer: Option<Viewer>) -> Self {
        Self { services, viewer }
    }

    fn viewer(&self) -> Result<&Viewer, Error> {
        self.viewer.as_ref().ok_or(Error::Unauthenticated)
    }
}

impl Loader<UserId> for Batch {
    type Value = user::User;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, user::User>, Arc<Error>> {
        Ok(people::users_by_ids(&self.services, self.viewer()?, ids).await?)
    }
}
