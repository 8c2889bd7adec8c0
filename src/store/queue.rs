//! The queue: attempts that wait or run, in a small table of its own.
//!
//! A row is there as long as its attempt has no verdict. What happens to it once a worker has it is in
//! [`super::leases`].
//!
//! Users are served in turn. A user's nth waiting attempt gets a turn n behind the front, so 500 of one
//! user delay nobody else's first one. Turns are given per user under an advisory lock, and places among the
//! running ones under another. The statements that hold such a lock are functions in the database
//! (`migrations/0008_one_round_trip.sql` and behind): what is behind the lock sees what was before it, and it is one round trip.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgTransaction;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use crate::domain::ids::{AttemptId, LeaseId, SubmissionId, UserId, WorkerId};
use crate::domain::limits::RequestedLimits;

/// How much of one user, and of all, may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Attempts of the user that wait.
    pub waiting: i32,
    /// Attempts that the user asked for within a minute.
    pub per_minute: i32,
    /// Attempts of anybody that wait.
    pub capacity: i64,
}

/// Why one more attempt may not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The user asked for too many within a minute; how long until they asked for fewer.
    Rate(Duration),
    /// Too many of the user's wait.
    Waiting,
    /// Too many of everybody's wait.
    Capacity,
}

impl Refusal {
    /// What the database says by its name for it.
    pub(super) fn new(name: &str, retry_after_ms: Option<i64>) -> sqlx::Result<Self> {
        match name {
            "RATE" => Ok(Self::Rate(Duration::from_millis(retry_after_ms.unwrap_or_default().max(1).cast_unsigned()))),
            "WAITING" => Ok(Self::Waiting),
            "CAPACITY" => Ok(Self::Capacity),
            unknown => Err(sqlx::Error::Decode(format!("{unknown} is no reason to refuse an attempt").into())),
        }
    }
}

/// Begins a transaction that holds off others who put attempts of the user into the queue, until it ends.
pub async fn begin_for(pool: &PgPool, user: UserId) -> sqlx::Result<PgTransaction<'static>> {
    // Both in one round trip. An id is digits and hyphens.
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock(uuid_hash_extended('{}', 0))", user.as_uuid());
    pool.begin_with(AssertSqlSafe(lock)).await
}

/// Why one more attempt of a user may not wait; `None` where it may. Exact for the user while [`begin_for`] holds, but for
/// what is being claimed.
pub async fn find_refusal(conn: &mut PgConnection, user: UserId, bounds: Bounds) -> sqlx::Result<Option<Refusal>> {
    let row = sqlx::query!(
        "SELECT refusal, retry_after_ms FROM find_refusal($1, $2, $3, $4)",
        user.as_uuid(),
        bounds.waiting,
        bounds.per_minute,
        bounds.capacity,
    )
    .fetch_one(conn)
    .await?;
    row.refusal.map(|name| Refusal::new(&name, row.retry_after_ms)).transpose()
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

/// All that is needed to run an attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
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

/// An attempt that a worker has leased.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who asked for it.
    pub user_id: UserId,
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
    /// What it runs.
    pub program: Program,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claimed {
    /// There was nothing that the worker could run.
    Nothing,
    /// Another worker took the last place of this user's quota a moment ago: claim again without them.
    AtQuota(UserId),
    /// It is ours.
    Ours(Box<Claim>),
}

/// Leases the next attempt that the worker can run and that its user may run now, but none of these users. One statement,
/// and a transaction of its own: the lock by which it counts what the user runs is held until that ends.
pub async fn claim(conn: &mut PgConnection, claimant: &Claimant, excluded: &[UserId]) -> sqlx::Result<Claimed> {
    let lease_id = LeaseId::new();
    let excluded: Vec<_> = excluded.iter().map(|id| id.as_uuid()).collect();
    let row = sqlx::query!(
        r#"SELECT
             user_id AS "user_id!: UserId", attempt_id AS "attempt_id: AttemptId",
             submission_id AS "submission_id: SubmissionId", language, main_path, stdin, arguments, is_interactive,
             requested_limits AS "requested_limits: Json<RequestedLimits>", next_sequence, queued_at, waited_ms,
             paths, contents, has_more
         FROM claim_attempt($1, $2, make_interval(secs => $3), $4, $5, $6)"#,
        lease_id.as_uuid(),
        claimant.worker_id.as_uuid(),
        claimant.lease.as_secs_f64(),
        &claimant.languages,
        &claimant.versions,
        &excluded,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(Claimed::Nothing) };
    let user_id = row.user_id;
    let claim = move || {
        Some(Claim {
            user_id,
            attempt_id: row.attempt_id?,
            lease_id,
            submission_id: row.submission_id?,
            next_sequence: row.next_sequence?,
            queued_at: row.queued_at?,
            has_more: row.has_more?,
            waited: Duration::from_millis(row.waited_ms?.max(0).cast_unsigned()),
            program: Program {
                language: row.language?,
                files: row.paths?.into_iter().zip(row.contents?).collect(),
                main_path: row.main_path?,
                stdin: row.stdin?,
                arguments: row.arguments?,
                is_interactive: row.is_interactive?,
                limits: row.requested_limits?.0,
            },
        })
    };
    Ok(claim().map_or(Claimed::AtQuota(user_id), |claim| Claimed::Ours(Box::new(claim))))
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
