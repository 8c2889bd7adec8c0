//! The use cases, shared by GraphQL, plain HTTP and the command line.
//!
//! A use case takes [`Services`], the [`Viewer`](crate::auth::Viewer) and its input; checks the
//! input, the policy and the throttles; does its work in one transaction; and answers with domain
//! types or an [`Error`] that a student understands. SQL is in [`crate::store`].

pub mod admin;
pub mod announcements;
pub mod attempts;
pub mod courses;
pub mod diff;
mod error;
pub mod exports;
pub mod feedback;
pub mod history;
pub mod input;
pub mod languages;
mod logs;
pub mod people;
pub mod recent;
pub mod server;
pub mod sessions;
pub mod statistics;
pub mod streams;
pub mod submissions;
pub mod tails;
pub mod throttle;
pub mod tokens;
pub mod upkeep;

pub use error::{BoxError, Error};
pub use throttle::{Rate, Settings as ThrottleSettings};

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, PgTransaction, Postgres};

use crate::auth::password::{self, Passwords};
use crate::config::{Accounts, Config, Queue, Quotas};
use crate::domain::ids::UserId;
use crate::store;
use crate::store::kept::Kept;
use crate::store::listen::Hub;

/// What the use cases depend on. One per process, behind an `Arc`.
#[derive(Debug)]
pub struct Services {
    /// Connections to Postgres.
    pub pool: PgPool,
    /// Connections for what is asked for each program.
    pub kept: Kept,
    /// What the operator decided.
    pub settings: Settings,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Wakes those who wait for something to happen; fed by [`crate::store::listen::listen`].
    pub hub: Hub,
    /// The newest events of attempts that somebody watches.
    pub tails: tails::Tails,
    /// How many look for a text at once.
    pub searches: history::Searches,
    /// What the workers offered a moment ago.
    pub languages: languages::OfferedLanguages,
    /// What was found out a moment ago, for those who begin to watch.
    pub recent: recent::Recent,
    /// Whether programs are announced to the worker beside this process.
    pub announcements: announcements::Announcements,
}

/// What the operator decided, as far as the use cases depend on it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may have an account.
    pub accounts: Accounts,
    /// What one user may ask for at the same time.
    pub quota: Quotas,
    /// What all users may ask for at the same time.
    pub queue: Queue,
    /// Limits on what could be guessed.
    pub throttles: ThrottleSettings,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            accounts: config.accounts.clone(),
            quota: config.quota,
            queue: config.queue,
            throttles: ThrottleSettings::default(),
        }
    }
}

impl Services {
    /// Connects the use cases with their surroundings. Computes one password hash.
    pub fn new(pool: PgPool, settings: Settings) -> Result<Self, password::Error> {
        let hub = Hub::default();
        Ok(Self {
            passwords: Passwords::new()?,
            tails: tails::Tails::default(),
            searches: history::Searches::new(pool.options().get_max_connections()),
            languages: languages::OfferedLanguages::new(pool.clone()),
            recent: recent::Recent::new(hub.clone()),
            announcements: announcements::Announcements::default(),
            kept: Kept::new(pool.clone(), hub.clone(), (pool.options().get_max_connections() / 4) as usize),
            hub,
            pool,
            settings,
        })
    }

    /// A connection for reading.
    pub async fn connection(&self) -> Result<PoolConnection<Postgres>, Error> {
        Ok(self.pool.acquire().await?)
    }

    /// A transaction. It is rolled back where it is dropped.
    pub async fn begin(&self) -> Result<PgTransaction<'static>, Error> {
        Ok(self.pool.begin().await?)
    }

    /// Commits what makes the rights of these users less: streams that were opened under the old ones end, in all processes.
    async fn commit_rights_of(&self, mut tx: PgTransaction<'static>, users: &[UserId]) -> Result<(), Error> {
        for user in users {
            store::rights::notify(&mut tx, *user).await?;
        }
        tx.commit().await?;
        // The notice comes a moment later; in this process it holds before whoever asked for it is answered.
        for user in users {
            self.hub.change_rights_of(*user);
        }
        Ok(())
    }
}
