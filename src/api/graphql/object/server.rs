//! What this server is and how it fares.

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};

use crate::api::graphql::asker::Asker as _;
use crate::api::graphql::connection::{count, list_cost};
use crate::api::graphql::enums::Registration;
use crate::api::graphql::scalar::DateTime;
use crate::service::{Services, server};

/// What this server is and how it fares.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct Server {
    /// The version of codecanvas.
    version: &'static str,
    /// Who may make an account.
    registration: Registration,
    /// Whether one can try it without an account.
    are_guests_allowed: bool,
}

impl Server {
    /// As the operator has set it up.
    pub fn of(services: &Services) -> Self {
        let accounts = &services.settings.accounts;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            registration: accounts.registration.into(),
            are_guests_allowed: accounts.guests,
        }
    }
}

#[ComplexObject]
impl Server {
    /// Attempts that wait.
    async fn queue_depth(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(count(server::queue_depth(ctx.services()).await?.waiting))
    }

    /// Attempts that a worker has.
    async fn running_attempts(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(count(server::queue_depth(ctx.services()).await?.running))
    }

    /// The live ones. Only for admins.
    #[graphql(complexity = "list_cost(20, child_complexity)")]
    async fn workers(&self, ctx: &Context<'_>) -> Result<Vec<Worker>> {
        let workers = server::workers(ctx.services(), ctx.viewer()?).await?;
        Ok(workers.into_iter().map(Into::into).collect())
    }
}

/// A process that runs programs.
#[derive(Debug, SimpleObject)]
pub struct Worker {
    /// Its global id.
    pub id: ID,
    /// On which machine.
    hostname: String,
    /// How many programs it runs at the same time.
    slots: i32,
    /// How many it runs now.
    busy_slots: i32,
    /// When it was last heard of.
    last_seen_at: DateTime,
    /// The isolation in force, one line each, as the doctor command prints it.
    isolation: Vec<String>,
}

impl From<server::Worker> for Worker {
    fn from(worker: server::Worker) -> Self {
        Self {
            id: worker.id.into(),
            hostname: worker.hostname,
            slots: worker.slots,
            busy_slots: worker.busy_slots,
            last_seen_at: worker.last_seen_at.into(),
            isolation: worker.isolation,
        }
    }
}
