//! Deletes what is kept for a while only, in small transactions.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::store::{activity, log, sources, workers};

/// How often.
const EVERY: Duration = Duration::from_mins(5);
/// How many rows a transaction deletes at most.
const BATCH: i64 = 500;
/// How many times as many contents are looked at for whether a submission still has them. Of a million,
/// each is looked at within hours.
const STRETCHES: usize = 20;
/// How long a feed can be resumed: whoever was away for longer loads the list again.
const KEEP_ACTIVITY: TimeDelta = TimeDelta::days(7);
/// How long a worker that says nothing is remembered.
const KEEP_WORKERS: Duration = Duration::from_hours(1);

/// Tidies up until `end`. Several workers do not get in each other's way.
pub(super) async fn run(pool: PgPool, keep_logs: Option<Duration>, end: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut swept = Vec::new();
    while end.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Some(Err(error)) = end.run_until_cancelled(tidy(&pool, keep_logs, &mut swept)).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot tidy up");
        }
    }
}

/// `swept` is the digest up to which contents were looked at; it goes round.
async fn tidy(pool: &PgPool, keep_logs: Option<Duration>, swept: &mut Vec<u8>) -> sqlx::Result<()> {
    // A statement each, committed by itself: no lock is held for long.
    let mut conn = pool.acquire().await?;
    workers::delete_silent(&mut conn, KEEP_WORKERS).await?;
    while activity::delete_older(&mut conn, Utc::now() - KEEP_ACTIVITY, BATCH).await? > 0 {}
    for _ in 0..STRETCHES {
        let Some(last) = sources::delete_orphans(&mut conn, swept, BATCH).await?.last else {
            swept.clear();
            break;
        };
        *swept = last;
    }
    if let Some(before) = keep_logs.and_then(|age| Utc::now().checked_sub_signed(TimeDelta::from_std(age).ok()?)) {
        while log::delete_older(&mut conn, before, BATCH).await? > 0 {}
    }
    Ok(())
}
