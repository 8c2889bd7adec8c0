//! Connections that are kept between uses.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::time::Instant;

use super::listen::Hub;

/// How long an unused connection is taken to be sound, as long as the one that listens is not lost.
const TRUSTED: Duration = Duration::from_secs(10);

/// Connections for what is asked again and again.
///
/// The pool asks a connection whether it is sound each time it is given back, and hands out the one that was not used for the
/// longest time. Here the last one is used again, whose server process has everything at hand, and nothing is asked: when
/// Postgres goes away the connection that listens hears of it at once.
#[derive(Debug)]
pub struct Kept {
    pool: PgPool,
    hub: Hub,
    /// How many are kept at most: these are missing in the pool.
    most: usize,
    /// The last one last.
    unused: Mutex<Vec<Unused>>,
}

#[derive(Debug)]
struct Unused {
    connection: PoolConnection<Postgres>,
    since: Instant,
    /// The connection that listened then.
    session: u64,
}

impl Kept {
    /// None yet, and so many at most. None is kept while nobody listens for the hub.
    pub const fn new(pool: PgPool, hub: Hub, most: usize) -> Self {
        Self { pool, hub, most, unused: Mutex::new(Vec::new()) }
    }

    fn unused(&self) -> MutexGuard<'_, Vec<Unused>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was kept last, or one from the pool where none was for a while.
    pub async fn take(&self) -> sqlx::Result<PoolConnection<Postgres>> {
        let kept = self.unused().pop();
        match kept {
            Some(kept) if kept.since.elapsed() < TRUSTED && self.hub.session() == Some(kept.session) => {
                Ok(kept.connection)
            }
            // It and the older ones go back first: one of them may be the one that comes.
            stale => {
                drop(stale);
                self.clear();
                self.pool.acquire().await
            }
        }
    }

    /// Keeps a connection that nothing went wrong with.
    pub fn keep(&self, connection: PoolConnection<Postgres>) {
        let Some(session) = self.hub.session() else { return };
        let mut unused = self.unused();
        if unused.len() < self.most {
            unused.push(Unused { connection, since: Instant::now(), session });
        }
        drop(unused);
        if self.pool.is_closed() {
            self.clear();
        }
    }

    /// Gives all of them back: a pool that is closed waits for them.
    pub fn clear(&self) {
        let unused = std::mem::take(&mut *self.unused());
        drop(unused);
    }
}
