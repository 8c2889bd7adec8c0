//! How often somebody tries what could be guessed, over all api processes.
//!
//! One time stamp for each key: when all tries so far are made good. A try moves it on by what one costs, and
//! is refused where that would put it further ahead than a burst may (the generic cell rate algorithm, ITU-T
//! I.371). Time is Postgres' clock.

use std::time::Duration;

use sqlx::PgConnection;

/// Takes one try. `None`: it is allowed; else how long to wait before the next one is. A refused try costs nothing.
pub async fn take(
    conn: &mut PgConnection,
    kind: &str,
    key: &[u8],
    burst: u32,
    every: Duration,
) -> sqlx::Result<Option<Duration>> {
    let row = sqlx::query!(
        r#"WITH taken AS (
             INSERT INTO throttles AS t (kind, key, free_at)
             VALUES ($1, $2, clock_timestamp() + make_interval(secs => $4))
             ON CONFLICT (kind, key) DO UPDATE
             SET free_at = greatest(t.free_at, clock_timestamp()) + make_interval(secs => $4)
             WHERE t.free_at <= clock_timestamp() + make_interval(secs => $4 * ($3::float8 - 1))
             RETURNING true
         )
         SELECT
             EXISTS (SELECT FROM taken) AS "is_allowed!",
             -- As it was before this try: what a refused one did not change.
             (
                 SELECT extract(epoch FROM free_at - clock_timestamp())::float8
                 FROM throttles
                 WHERE kind = $1 AND key = $2
             ) AS free_in_secs"#,
        kind,
        key,
        f64::from(burst),
        every.as_secs_f64(),
    )
    .fetch_one(conn)
    .await?;
    if row.is_allowed {
        return Ok(None);
    }
    let burst_secs = every.as_secs_f64() * (f64::from(burst) - 1.0);
    let wait = row.free_in_secs.unwrap_or_default() - burst_secs;
    Ok(Some(Duration::try_from_secs_f64(wait).unwrap_or_default().max(Duration::from_millis(1))))
}

/// Forgets who has not tried anything for a while.
pub async fn delete_idle(conn: &mut PgConnection) -> sqlx::Result<u64> {
    Ok(sqlx::query!("DELETE FROM throttles WHERE free_at < clock_timestamp()").execute(conn).await?.rows_affected())
}
