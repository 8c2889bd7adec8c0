//! Puts back what other workers lost: any worker does it for all.

use std::sync::Arc;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::domain::verdict::Verdict;
use crate::store::{attempts, leases};

/// How often an attempt goes back to the queue because its worker was lost.
const MAX_TRIES: i32 = 2;
/// How many are put back in one transaction.
const BATCH: i64 = 20;

/// Looks for leases that ran out until `end`.
pub(super) async fn run(worker: Arc<Worker>, end: CancellationToken) {
    let mut ticks = tokio::time::interval(worker.claimant.lease / 4);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while end.run_until_cancelled(ticks.tick()).await.is_some() {
        match reclaim(&worker).await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "took over attempts of workers that were lost"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot take over lost attempts"),
        }
    }
}

async fn reclaim(worker: &Worker) -> sqlx::Result<usize> {
    let mut count = 0;
    loop {
        let mut tx = worker.pool.begin().await?;
        let expired = leases::lock_expired(&mut tx, BATCH).await?;
        if expired.is_empty() {
            return Ok(count);
        }
        for open in &expired {
            if open.is_cancelled {
                let reason = "cancelled; its worker was lost";
                attempts::conclude_without_worker(&mut tx, open, Verdict::Cancelled, reason, Utc::now()).await?;
            } else if open.tries < MAX_TRIES {
                attempts::requeue(&mut tx, open, true).await?;
            } else {
                let reason = "the worker that ran it was lost three times";
                attempts::conclude_without_worker(&mut tx, open, Verdict::SystemError, reason, Utc::now()).await?;
                tracing::error!(attempt.id = %open.attempt_id, "given up: its worker was lost three times");
            }
            metrics::counter!("codecanvas_attempts_reclaimed_total").increment(1);
        }
        tx.commit().await?;
        count += expired.len();
    }
}
