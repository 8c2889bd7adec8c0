//! Workers that run, or ran lately, and what they offer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::domain::ids::WorkerId;
use crate::domain::language::OfferedLanguage;

/// A worker process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Which.
    pub id: WorkerId,
    /// On which machine.
    pub hostname: String,
    /// How many programs it runs at the same time.
    pub slots: i32,
    /// How many it runs now.
    pub busy_slots: i32,
    /// When it was last heard of.
    pub last_seen_at: DateTime<Utc>,
    /// The protections in force, a line each.
    pub isolation: Vec<String>,
}

/// A worker that begins.
#[derive(Debug, Clone)]
pub struct NewWorker<'a> {
    /// Which.
    pub id: WorkerId,
    /// On which machine.
    pub hostname: &'a str,
    /// How many programs it runs at the same time.
    pub slots: i32,
    /// The protections in force, a line each.
    pub isolation: &'a [String],
    /// What it offers.
    pub languages: &'a [OfferedLanguage],
}

/// Says that the worker is there and how many programs it runs. Puts its row (back) in place.
pub async fn report(conn: &mut PgConnection, worker: &NewWorker<'_>, busy_slots: i32) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO workers (id, hostname, slots, isolation, languages, busy_slots)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE SET busy_slots = EXCLUDED.busy_slots, last_seen_at = clock_timestamp()",
        worker.id.as_uuid(),
        worker.hostname,
        worker.slots,
        worker.isolation,
        Json(worker.languages) as Json<&[OfferedLanguage]>,
        busy_slots,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes out a worker that ends.
pub async fn remove(conn: &mut PgConnection, id: WorkerId) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM workers WHERE id = $1", id.as_uuid()).execute(conn).await?;
    Ok(())
}

/// Takes out workers that were not heard of for so long.
pub async fn delete_silent(conn: &mut PgConnection, silence: Duration) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM workers WHERE last_seen_at < clock_timestamp() - make_interval(secs => $1)",
        silence.as_secs_f64(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Workers that were heard of within that time.
pub async fn list_live(conn: &mut PgConnection, silence: Duration) -> sqlx::Result<Vec<Worker>> {
    sqlx::query_as!(
        Worker,
        r#"SELECT id AS "id: WorkerId", hostname, slots, busy_slots, last_seen_at, isolation
         FROM workers
         WHERE last_seen_at > clock_timestamp() - make_interval(secs => $1)
         ORDER BY id"#,
        silence.as_secs_f64(),
    )
    .fetch_all(conn)
    .await
}

/// What the live workers offer, those of the newest worker first.
pub async fn list_languages(conn: &mut PgConnection, silence: Duration) -> sqlx::Result<Vec<OfferedLanguage>> {
    let rows = sqlx::query_scalar!(
        r#"SELECT languages AS "languages: Json<Vec<OfferedLanguage>>"
         FROM workers
         WHERE last_seen_at > clock_timestamp() - make_interval(secs => $1)
         ORDER BY id DESC"#,
        silence.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().flat_map(|row| row.0).collect())
}
