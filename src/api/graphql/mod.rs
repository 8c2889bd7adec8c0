//! The schema: names, types and meaning of everything that clients can ask for.
//!
//! A resolver reads viewer and input, calls one use case, and wraps what it returns. Errors of use cases
//! are passed on as they are; [`super::protocol::answer`] gives them their code on the way out. What can
//! be asked for in a list is read through [`loader`], by one statement for the list.
//!
//! - [`query`], [`mutation`], [`subscription`]: the roots
//! - [`object`], [`enums`], [`scalar`], [`connection`]: the types
//! - [`asking`], [`asker`]: who asks, and how a resolver learns of it
//! - [`limit`]: how much one query may ask for
//! - [`loads`]: when loaders read
//! - [`nulls`]: what stands where a field has failed
//! - [`resume`]: cursors beside the request
//! - [`streamed`]: what a subscription keeps while it waits

pub mod asker;
pub mod asking;
pub mod connection;
pub mod enums;
pub mod limit;
pub mod loader;
pub mod loads;
pub mod mutation;
pub mod nulls;
pub mod object;
pub mod query;
pub mod resume;
pub mod scalar;
pub mod streamed;
pub mod subscription;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::dataloader::DataLoader;
use async_graphql::{Request, SDLExportOptions, SchemaBuilder};

use self::asking::Asking;
use self::limit::ComplexityLimit;
use self::loader::Batch;
use self::loads::Loads;
use self::mutation::Mutation;
use self::nulls::NullPropagation;
use self::query::Query;
use self::subscription::Subscription;
use super::Api;
use super::credential::SessionCookie;
use super::identity::Identity;
use crate::service::Services;

/// The schema with everything that it needs.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query, Mutation::default(), Subscription)
}

/// The schema over the use cases.
pub fn schema(services: Arc<Services>, cookie: SessionCookie, complexity: usize) -> Schema {
    builder()
        .data(services)
        .data(cookie)
        .extension(ComplexityLimit(complexity))
        .extension(NullPropagation)
        // The document was measured before it came here, fragments included.
        .limit_recursive_depth(64)
        .finish()
}

/// The schema in the schema definition language.
pub fn sdl() -> String {
    let sdl = builder().finish().sdl_with_options(SDLExportOptions::new().include_specified_by());
    // Between the types and the roots the library writes the directives that every tool knows already.
    match (sdl.find("\"\"\"\nDirects the executor"), sdl.rfind("schema {")) {
        (Some(types), Some(roots)) => format!("{}\n\n{}", sdl[..types].trim_end(), &sdl[roots..]),
        (Some(_) | None, Some(_) | None) => sdl,
    }
}

impl Api {
    /// A request with what its resolvers ask the context for, and the loads by which it must be executed.
    pub fn context(&self, identity: &Identity, request: Request) -> (Request, Loads) {
        let loads = Loads::default();
        let asking = Arc::new(Asking::new(identity.clone()));
        let batch = Batch::new(Arc::clone(&self.services), Arc::clone(&asking));
        // Who asks for the same is known by then; see `loads`.
        let loader = DataLoader::new(batch, loads.starter()).delay(Duration::ZERO);
        (request.data(asking).data(loader), loads)
    }
}
