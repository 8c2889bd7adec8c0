//! The database of a command: the one that was named, or the embedded one, whether it runs or not.

use sqlx::PgPool;

use crate::config::{Config, Secret};
use crate::postgres::{self, Cluster, PostgresError};
use crate::store::schema::{self, SchemaError};

/// A connection to the database that the settings name.
#[derive(Debug)]
pub struct OpenDatabase {
    /// Its connections.
    pub pool: PgPool,
    /// Where it is.
    pub url: Secret,
    cluster: Option<Cluster>,
}

impl OpenDatabase {
    /// Connects. Without a URL that is the embedded Postgres: of the service if that runs, else started
    /// for as long as the command lasts.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let (url, cluster) = if let Some(url) = &config.database.url {
            (url.clone(), None)
        } else {
            let settings = postgres::Settings::new(config)?;
            match Cluster::start(&settings).await {
                Ok(cluster) => (cluster.url().clone(), Some(cluster)),
                Err(PostgresError::InUse(_)) => (postgres::url(&settings)?, None),
                Err(error) => return Err(error.into()),
            }
        };
        match schema::connect(&url, &config.database).await {
            Ok(pool) => Ok(Self { pool, url, cluster }),
            Err(error) => {
                stop(cluster).await;
                Err(error.into())
            }
        }
    }

    /// Makes sure that the schema is the one of this version. An embedded database that was started for this
    /// command has nobody else who would migrate it.
    pub async fn bring_up_to_date(&self) -> Result<(), SchemaError> {
        if self.cluster.is_some() {
            schema::migrate(&self.pool).await.map(drop)
        } else {
            schema::check(&self.pool).await
        }
    }

    /// Closes the connections, and stops what was started.
    pub async fn close(self) {
        self.pool.close().await;
        stop(self.cluster).await;
    }
}

async fn stop(cluster: Option<Cluster>) {
    if let Some(cluster) = cluster {
        cluster.stop().await;
    }
}

/// The URL, for roles that run beside others and so cannot have a database of their own.
pub fn required_url(config: &Config) -> anyhow::Result<&Secret> {
    config.database.url.as_ref().ok_or_else(|| {
        anyhow::anyhow!(
            "this role needs a database: set DATABASE_URL, or use \"codecanvas serve\", which brings its own"
        )
    })
}
