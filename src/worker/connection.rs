//! Connections that are kept between uses.

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::time::Instant;

use crate::store::schema::TRUSTED;

/// A connection of somebody who needs one for each attempt, one after the other.
///
/// To give one back and to take it again is a round trip each way, by which the pool finds out whether it is
/// sound: at a hundred attempts a second that is work worth saving.
#[derive(Debug)]
pub(super) struct Kept {
    pool: PgPool,
    connection: Option<(PoolConnection<Postgres>, Instant)>,
}

impl Kept {
    /// None yet.
    pub(super) const fn new(pool: PgPool) -> Self {
        Self { pool, connection: None }
    }

    /// The connection, or one from the pool where it has not been used for a while.
    pub(super) async fn take(&mut self) -> sqlx::Result<PoolConnection<Postgres>> {
        match self.connection.take() {
            Some((connection, since)) if since.elapsed() < TRUSTED => Ok(connection),
            // Goes back first: it may be the one that comes.
            stale => {
                drop(stale);
                self.pool.acquire().await
            }
        }
    }

    /// Keeps a connection that nothing went wrong with.
    pub(super) fn keep(&mut self, connection: PoolConnection<Postgres>) {
        self.connection = Some((connection, Instant::now()));
    }
}
