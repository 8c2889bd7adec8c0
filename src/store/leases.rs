//! Leases of the attempts in the queue: extended, given back, found to have run out.
//!
//! They are measured by Postgres' clock alone. Whoever changes an attempt locks its row of the queue
//! first: the submitter who cancels, the worker that holds the lease, the one that finds it run out.

use std::time::Duration;

use sqlx::PgConnection;

use crate::domain::ids::{AttemptId, LeaseId};

/// A lease that is still in force after [`extend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Of which attempt.
    pub attempt_id: AttemptId,
    /// Which lease.
    pub lease_id: LeaseId,
    /// Whether somebody wants it stopped.
    pub is_cancelled: bool,
}

/// Extends those of the leases that have not run out. The others are lost for good.
pub async fn extend(conn: &mut PgConnection, leases: &[LeaseId], lease: Duration) -> sqlx::Result<Vec<Held>> {
    let leases: Vec<_> = leases.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"WITH held AS (
             SELECT attempt_id
             FROM queue
             WHERE lease_id = ANY ($1) AND lease_expires_at > clock_timestamp()
             -- The same order as the recorder's, so that neither waits for the other in a circle.
             ORDER BY attempt_id
             FOR UPDATE
         )
         UPDATE queue q
         SET lease_expires_at = clock_timestamp() + make_interval(secs => $2)
         FROM held
         WHERE q.attempt_id = held.attempt_id
         RETURNING
             q.attempt_id AS "attempt_id: AttemptId", q.lease_id AS "lease_id!: LeaseId",
             q.cancel_requested_at IS NOT NULL AS "is_cancelled!""#,
        &leases,
        lease.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Held { attempt_id: row.attempt_id, lease_id: row.lease_id, is_cancelled: row.is_cancelled })
        .collect())
}

/// The row of an attempt that has no verdict yet, locked until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Which attempt.
    pub attempt_id: AttemptId,
    /// The sequence of the next event.
    pub next_sequence: i32,
    /// The lease of the worker that has it; `None` while it waits.
    pub lease_id: Option<LeaseId>,
    /// How often a worker that had it was lost.
    pub tries: i32,
    /// Whether somebody wants it stopped.
    pub is_cancelled: bool,
}

/// The condition is all that differs between the ways to lock rows.
macro_rules! lock {
    ($condition:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            Open,
            r#"SELECT
                 attempt_id AS "attempt_id: AttemptId", next_sequence, lease_id AS "lease_id: LeaseId", tries,
                 cancel_requested_at IS NOT NULL AS "is_cancelled!"
             FROM queue
             WHERE "# + $condition,
            $($argument),*
        )
    };
}

/// Locks the row of an attempt. `None`: it has a verdict.
pub async fn lock(conn: &mut PgConnection, attempt: AttemptId) -> sqlx::Result<Option<Open>> {
    lock!("attempt_id = $1 FOR UPDATE", attempt.as_uuid()).fetch_optional(conn).await
}

/// Locks rows whose lease has run out, at most `limit`; those that somebody else has locked are theirs.
pub async fn lock_expired(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Open>> {
    lock!(
        "lease_id IS NOT NULL AND lease_expires_at <= clock_timestamp()
         ORDER BY lease_expires_at
         LIMIT $1
         FOR UPDATE SKIP LOCKED",
        limit
    )
    .fetch_all(conn)
    .await
}

/// Locks the row of an attempt if the lease is in force. `None`: it is lost, and nothing may be written.
pub async fn lock_leased(conn: &mut PgConnection, attempt: AttemptId, lease: LeaseId) -> sqlx::Result<Option<Open>> {
    lock!(
        "attempt_id = $1 AND lease_id = $2 AND lease_expires_at > clock_timestamp() FOR UPDATE",
        attempt.as_uuid(),
        lease.as_uuid()
    )
    .fetch_optional(conn)
    .await
}

/// Asks the worker that has the attempt to stop it. The row must be locked.
pub async fn request_cancel(conn: &mut PgConnection, attempt: AttemptId) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH asked AS (
             UPDATE queue
             SET cancel_requested_at = clock_timestamp()
             WHERE attempt_id = $1 AND cancel_requested_at IS NULL
         )
         SELECT pg_notify('attempt_control', ($1::uuid)::text)",
        attempt.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the lease off an attempt, so that the next worker can claim it. The row must be locked.
/// `sequence` is that of the event which says so.
pub(super) async fn release(
    conn: &mut PgConnection,
    attempt: AttemptId,
    tries: i32,
    next_sequence: i32,
) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH released AS (
             UPDATE queue
             SET lease_id = NULL, worker_id = NULL, lease_expires_at = NULL, tries = $2, next_sequence = $3
             WHERE attempt_id = $1
         )
         SELECT pg_notify('queue', '')",
        attempt.as_uuid(),
        tries,
        next_sequence,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether somebody wants a leased attempt stopped. `None`: the lease is lost.
pub async fn find_cancel(conn: &mut PgConnection, attempt: AttemptId, lease: LeaseId) -> sqlx::Result<Option<bool>> {
    sqlx::query_scalar!(
        r#"SELECT cancel_requested_at IS NOT NULL AS "is_cancelled!"
         FROM queue
         WHERE attempt_id = $1 AND lease_id = $2 AND lease_expires_at > clock_timestamp()"#,
        attempt.as_uuid(),
        lease.as_uuid(),
    )
    .fetch_optional(conn)
    .await
}
