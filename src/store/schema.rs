//! Whether the database is one that this version can work with, and migrations.
//!
//! Every process asks [`connect`] and then [`check`] before it does anything else. Both only read;
//! only [`migrate`] changes the schema, and not before everything else was found in order.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Row as _};

use crate::config::{Database, Secret};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The oldest version of Postgres that does.
const MINIMUM_MAJOR: i32 = 15;

/// Why the database does not do. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Not a URL of a Postgres.
    #[error("DATABASE_URL is not of the form postgres://user:password@host/name")]
    Url,
    /// No answer, or not an answer to this user.
    #[error("the database cannot be reached")]
    Unreachable(#[source] sqlx::Error),
    /// A Postgres that lacks what the schema needs.
    #[error("the database is Postgres {found}; codecanvas needs {MINIMUM_MAJOR} or newer")]
    TooOld {
        /// What it says it is.
        found: String,
    },
    /// Some migration is missing between others, or was left in the middle.
    #[error(
        "the database stopped in the middle of migration {version}: restore a backup, or undo what it did and delete its row from _sqlx_migrations"
    )]
    HalfMigrated {
        /// The migration.
        version: i64,
    },
    /// A newer codecanvas was here.
    #[error(
        "the database was migrated to {found} by a newer codecanvas; this one knows {known}: install the newer one"
    )]
    Newer {
        /// The newest migration in the database.
        found: i64,
        /// The newest migration that this version knows.
        known: i64,
    },
    /// The database was migrated by another text under the same number.
    #[error("migration {version} of the database is not the one of this codecanvas")]
    Different {
        /// The migration.
        version: i64,
    },
    /// Migrations are missing at the end.
    #[error("the database lacks {} migration(s): run \"codecanvas migrate\"", .pending.len())]
    Behind {
        /// Their numbers.
        pending: Vec<i64>,
    },
    /// A migration failed; it was rolled back.
    #[error("the database could not be migrated")]
    Migrate(#[source] MigrateError),
    /// A statement failed on the way.
    #[error("the state of the database could not be read")]
    Query(#[source] sqlx::Error),
}

impl SchemaError {
    /// The exit code of a command that ends with this error, one per cause, for scripts.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Url => 78,
            Self::Unreachable(_) | Self::Query(_) => 10,
            Self::TooOld { .. } => 11,
            Self::HalfMigrated { .. } => 12,
            Self::Newer { .. } => 13,
            Self::Different { .. } => 14,
            Self::Behind { .. } => 15,
            Self::Migrate(_) => 16,
        }
    }
}

/// A migration that [`migrate`] applies, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub description: String,
}

/// How long the server may take to answer at the start of a process.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an unused connection is taken to be sound: a Postgres that is started again needs longer.
const TRUSTED: Duration = Duration::from_millis(100);

/// Connects, and makes sure that the server is new enough.
pub async fn connect(url: &Secret, settings: &Database) -> Result<PgPool, SchemaError> {
    let options: PgConnectOptions = url.expose().parse().map_err(|_| SchemaError::Url)?;
    let options = options.application_name("codecanvas");
    // A connection outside the pool: the pool would try again and again and tell nothing but "timed out".
    let mut connection = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options))
        .await
        .unwrap_or_else(|elapsed| Err(sqlx::Error::Io(elapsed.into())))
        .map_err(SchemaError::Unreachable)?;
    let row = query(
        "SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(SchemaError::Query)?;
    let number: i32 = row.try_get("number").map_err(SchemaError::Query)?;
    if number / 10_000 < MINIMUM_MAJOR {
        return Err(SchemaError::TooOld { found: row.try_get("version").map_err(SchemaError::Query)? });
    }
    connection.close().await.map_err(SchemaError::Query)?;
    Ok(PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(CONNECT_TIMEOUT)
        // Where it was in use a moment ago the round trip tells nothing new.
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move {
                if state.idle_for > TRUSTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}

/// Makes sure that the schema is exactly the one of this version.
pub async fn check(pool: &PgPool) -> Result<(), SchemaError> {
    let pending = pending(pool).await?;
    if pending.is_empty() {
        Ok(())
    } else {
        Err(SchemaError::Behind { pending: pending.into_iter().map(|migration| migration.version).collect() })
    }
}

/// The migrations that the database lacks. Fails where migrating would be wrong.
pub async fn pending(pool: &PgPool) -> Result<Vec<Pending>, SchemaError> {
    let mut applied = applied(pool).await?.into_iter().peekable();
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let mut pending: Vec<Pending> = Vec::new();
    for migration in MIGRATIONS.iter() {
        match applied.next_if(|row| row.version <= migration.version) {
            Some(row) if row.version < migration.version => {
                return Err(SchemaError::Different { version: row.version });
            }
            Some(row) if !row.success => return Err(SchemaError::HalfMigrated { version: row.version }),
            Some(row) if row.checksum != *migration.checksum => {
                return Err(SchemaError::Different { version: row.version });
            }
            Some(row) => {
                if let Some(hole) = pending.first() {
                    tracing::debug!(row.version, "applied behind a hole");
                    return Err(SchemaError::HalfMigrated { version: hole.version });
                }
            }
            None => pending
                .push(Pending { version: migration.version, description: migration.description.clone().into_owned() }),
        }
    }
    match applied.last() {
        Some(row) => Err(SchemaError::Newer { found: row.version, known }),
        None => Ok(pending),
    }
}

/// Brings the schema up to this version and says what was done. Processes that do it at the same
/// time wait for each other.
pub async fn migrate(pool: &PgPool) -> Result<Vec<Pending>, SchemaError> {
    let pending = pending(pool).await?;
    if !pending.is_empty() {
        MIGRATIONS.run(pool).await.map_err(SchemaError::Migrate)?;
    }
    Ok(pending)
}

/// What stands in the way of replacing everything in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupancy {
    /// Connections of others to it.
    pub connections: i64,
    /// Accounts in it.
    pub accounts: i64,
}

/// Who uses the database, and how much would be lost with it.
pub async fn occupancy(pool: &PgPool) -> Result<Occupancy, SchemaError> {
    let read = async {
        // One connection for all of it: the others of this pool would count as somebody.
        let mut connection = pool.acquire().await?;
        let connections = query(
            "SELECT count(*)
             FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
        let exists: bool =
            query("SELECT to_regclass('public.users') IS NOT NULL").fetch_one(&mut *connection).await?.try_get(0)?;
        let accounts = if exists {
            query("SELECT count(*) FROM public.users").fetch_one(&mut *connection).await?.try_get(0)?
        } else {
            0
        };
        Ok(Occupancy { connections, accounts })
    };
    read.await.map_err(SchemaError::Query)
}

struct Applied {
    version: i64,
    success: bool,
    checksum: Vec<u8>,
}

async fn applied(pool: &PgPool) -> Result<Vec<Applied>, SchemaError> {
    let read = async {
        let exists: bool =
            query("SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS exists").fetch_one(pool).await?.try_get(0)?;
        if !exists {
            return Ok(Vec::new());
        }
        let rows =
            query("SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version").fetch_all(pool).await?;
        rows.iter()
            .map(|row| {
                Ok(Applied {
                    version: row.try_get("version")?,
                    success: row.try_get("success")?,
                    checksum: row.try_get("checksum")?,
                })
            })
            .collect()
    };
    read.await.map_err(SchemaError::Query)
}

#[expect(clippy::disallowed_methods, reason = "these run before the schema is known, so nothing can check them")]
fn query(sql: &'static str) -> sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(sql)
}
