//! The queue: attempts that wait or run, in a small table of its own.
//!
//! A row is there as long as its attempt has no verdict. What happens to it once a worker has it is in
//! [`super::leases`].
//!
//! Users are served in turn. A user's nth waiting attempt gets a turn n behind the front, so 500 of one
//! user delay nobody else's first one. Turns are given per user under an advisory lock, and places among the
//! running ones under another.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgTransaction;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use crate::domain::ids::{AttemptId, LeaseId, SubmissionId, UserId, WorkerId};
use crate::domain::limits::RequestedLimits;

/// How full the queue is for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// Attempts of the user that wait.
    pub waiting: i64,
    /// Attempts of anybody that wait; counted up to the bound that was given.
    pub waiting_overall: i64,
    /// How long until the user asked for fewer attempts than the bound within a minute; `None` where
    /// that is so now.
    pub rate_exceeded_for: Option<Duration>,
}

/// Begins a transaction that holds off others who put attempts of the user into the queue, until it ends.
pub async fn begin_for(pool: &PgPool, user: UserId) -> sqlx::Result<PgTransaction<'static>> {
    // Both in one round trip. An id is digits and hyphens.
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock(uuid_hash_extended('{}', 0))", user.as_uuid());
    pool.begin_with(AssertSqlSafe(lock)).await
}

/// How full the queue is for a user. Exact for the user while [`begin_for`] holds, but for what is being claimed.
pub async fn crowd(conn: &mut PgConnection, user: UserId, capacity: i64, per_minute: i64) -> sqlx::Result<Crowd> {
    let row = sqlx::query!(
        r#"SELECT
             (SELECT count(*) FROM queue WHERE user_id = $1 AND lease_id IS NULL) AS "waiting!",
             (SELECT count(*) FROM (SELECT FROM queue WHERE lease_id IS NULL LIMIT $2) AS q) AS "waiting_overall!",
             (
                 SELECT (1000 * extract(epoch FROM queued_at + interval '1 minute' - clock_timestamp()))::bigint
                 FROM attempts
                 WHERE requested_by = $1 AND queued_at > clock_timestamp() - interval '1 minute'
                 ORDER BY queued_at DESC
                 OFFSET $3
                 LIMIT 1
             ) AS rate_exceeded_for_ms"#,
        user.as_uuid(),
        capacity,
        (per_minute - 1).max(0),
    )
    .fetch_one(conn)
    .await?;
    let wait = |ms: i64| Duration::from_millis(ms.max(1).cast_unsigned());
    Ok(Crowd {
        waiting: row.waiting,
        waiting_overall: row.waiting_overall,
        rate_exceeded_for: row.rate_exceeded_for_ms.map(wait),
    })
}

/// The languages of a worker with the version of each, and its lease.
#[derive(Debug, Clone)]
pub struct Claimant {
    /// Who claims.
    pub worker_id: WorkerId,
    /// Names of the offered languages.
    pub languages: Vec<String>,
    /// For each of them what its toolchain answered.
    pub versions: Vec<String>,
    /// How long a lease is.
    pub lease: Duration,
}

/// An attempt that waits and that its user may run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which attempt.
    pub attempt_id: AttemptId,
    /// Whose.
    pub user_id: UserId,
}

/// Locks the next attempt that the worker can run, and its user. `None`: nothing to do.
///
/// The lock is taken before anybody counts again what the user runs, which [`claim`] does: two workers
/// cannot both take the last free place of a user's quota. It is another one than [`begin_for`] takes: slots
/// do not wait while the user hands in more, and a count of what waits can be one too many for that.
pub async fn lock_next(
    conn: &mut PgConnection,
    languages: &[String],
    excluded: &[UserId],
) -> sqlx::Result<Option<Candidate>> {
    let excluded: Vec<_> = excluded.iter().map(|id| id.as_uuid()).collect();
    let row = sqlx::query!(
        r#"SELECT
             next.attempt_id AS "attempt_id: AttemptId", next.user_id AS "user_id: UserId",
             pg_advisory_xact_lock(uuid_hash_extended(next.user_id, 1)) IS NULL AS is_locked,
             -- A claim that a crash of Postgres forgets was never made: its lease is not there either.
             set_config('synchronous_commit', 'off', true) AS "synchronous_commit"
         FROM (
             SELECT q.attempt_id, q.user_id
             FROM queue q
             WHERE q.lease_id IS NULL
               AND q.language = ANY ($1)
               AND q.user_id <> ALL ($2)
               AND (
                   SELECT count(*) FROM queue r WHERE r.user_id = q.user_id AND r.lease_id IS NOT NULL
               ) < q.running_quota
             ORDER BY q.turn, q.attempt_id
             LIMIT 1
             FOR UPDATE OF q SKIP LOCKED
         ) AS next"#,
        languages,
        &excluded,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Candidate { attempt_id: row.attempt_id, user_id: row.user_id }))
}

/// An attempt that a worker has leased, and all that is needed to run it.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Which attempt.
    pub attempt_id: AttemptId,
    /// Proves that it is ours.
    pub lease_id: LeaseId,
    /// Of which submission.
    pub submission_id: SubmissionId,
    /// The sequence of the next event.
    pub next_sequence: i32,
    /// When it was queued for the first time.
    pub queued_at: DateTime<Utc>,
    /// How long it has waited.
    pub waited: Duration,
    /// Whether more attempts wait.
    pub has_more: bool,
    /// The language's name.
    pub language: String,
    /// Path and contents of its files, in the order they were sent.
    pub files: Vec<(String, Vec<u8>)>,
    /// Which of the files is compiled or run first.
    pub main_path: String,
    /// Standard input.
    pub stdin: Vec<u8>,
    /// Arguments of the program.
    pub arguments: Vec<String>,
    /// Whether standard input stays open.
    pub is_interactive: bool,
    /// What was asked for.
    pub limits: RequestedLimits,
}

/// Leases the candidate. `None`: meanwhile its user runs as many attempts as they may.
pub async fn claim(conn: &mut PgConnection, candidate: Candidate, claimant: &Claimant) -> sqlx::Result<Option<Claim>> {
    let lease_id = LeaseId::new();
    let row = sqlx::query!(
        r#"WITH claimed AS (
             UPDATE queue q
             SET lease_id = $2,
                 worker_id = $3,
                 lease_expires_at = clock_timestamp() + make_interval(secs => $4)
             WHERE q.attempt_id = $1
               AND q.lease_id IS NULL
               AND (
                   SELECT count(*) FROM queue r WHERE r.user_id = q.user_id AND r.lease_id IS NOT NULL
               ) < q.running_quota
             RETURNING q.attempt_id, q.next_sequence, q.enqueued_at
         ), started AS (
             UPDATE attempts a
             SET started_at = clock_timestamp(),
                 language_version = (
                     SELECT l.version
                     FROM unnest($5::text[], $6::text[]) AS l (name, version)
                     JOIN submissions s ON s.id = a.submission_id AND s.language = l.name
                 )
             FROM claimed c
             WHERE a.id = c.attempt_id
             RETURNING a.submission_id, a.requested_limits, a.queued_at
         )
         SELECT
             s.id AS "submission_id: SubmissionId", s.language, s.main_path, s.stdin, s.arguments, s.is_interactive,
             c.next_sequence, t.requested_limits AS "requested_limits: Json<RequestedLimits>", t.queued_at,
             -- As it was before this statement, so the claimed one is among them.
             (
                 SELECT count(*) > 1
                 FROM (SELECT FROM queue WHERE lease_id IS NULL ORDER BY turn, attempt_id LIMIT 2) AS waiting
             ) AS "has_more!",
             (1000 * extract(epoch FROM clock_timestamp() - c.enqueued_at))::bigint AS "waited_ms!",
             ARRAY(
                 SELECT f.path FROM submission_files f WHERE f.submission_id = s.id ORDER BY f.position
             ) AS "paths!",
             ARRAY(
                 SELECT o.bytes
                 FROM submission_files f
                 JOIN sources o ON o.sha256 = f.sha256
                 WHERE f.submission_id = s.id
                 ORDER BY f.position
             ) AS "contents!"
         FROM claimed c
         CROSS JOIN started t
         JOIN submissions s ON s.id = t.submission_id"#,
        candidate.attempt_id.as_uuid(),
        lease_id.as_uuid(),
        claimant.worker_id.as_uuid(),
        claimant.lease.as_secs_f64(),
        &claimant.languages,
        &claimant.versions,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Claim {
        attempt_id: candidate.attempt_id,
        lease_id,
        submission_id: row.submission_id,
        next_sequence: row.next_sequence,
        queued_at: row.queued_at,
        has_more: row.has_more,
        waited: Duration::from_millis(row.waited_ms.max(0).cast_unsigned()),
        language: row.language,
        files: row.paths.into_iter().zip(row.contents).collect(),
        main_path: row.main_path,
        stdin: row.stdin,
        arguments: row.arguments,
        is_interactive: row.is_interactive,
        limits: row.requested_limits.0,
    }))
}

/// For those of the attempts that wait: how many are ahead of each.
pub async fn positions(conn: &mut PgConnection, attempts: &[AttemptId]) -> sqlx::Result<Vec<(AttemptId, i64)>> {
    let ids: Vec<_> = attempts.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT
             q.attempt_id AS "attempt_id: AttemptId",
             (
                 SELECT count(*)
                 FROM queue p
                 WHERE p.lease_id IS NULL AND (p.turn, p.attempt_id) < (q.turn, q.attempt_id)
             ) AS "ahead!"
         FROM queue q
         WHERE q.attempt_id = ANY ($1) AND q.lease_id IS NULL"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.attempt_id, row.ahead)).collect())
}

/// How the queue fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Attempts that wait.
    pub waiting: i64,
    /// Attempts that a worker has.
    pub running: i64,
    /// Since when the oldest of the waiting ones waits.
    pub oldest: Option<DateTime<Utc>>,
}

/// How the queue fares.
pub async fn depth(conn: &mut PgConnection) -> sqlx::Result<Depth> {
    sqlx::query_as!(
        Depth,
        r#"SELECT
             count(*) FILTER (WHERE lease_id IS NULL) AS "waiting!",
             count(*) FILTER (WHERE lease_id IS NOT NULL) AS "running!",
             min(enqueued_at) FILTER (WHERE lease_id IS NULL) AS oldest
         FROM queue"#,
    )
    .fetch_one(conn)
    .await
}
