//! Takes an attempt from the queue for each free slot.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::retry::Pauses;
use super::{Worker, attempt};
use crate::store::queue::{self, Claim};

/// How often to look although nothing said that there is work.
const POLL: Duration = Duration::from_secs(1);

/// Claims until `drain`. Answers with the attempts that still run.
pub(super) async fn run(worker: &Arc<Worker>, drain: &CancellationToken) -> JoinSet<()> {
    let slots = Arc::new(Semaphore::new(worker.executor.slots()));
    let mut attempts = JoinSet::new();
    // Before the first look: a wake-up in between is then not lost.
    let mut waker = worker.hub.queue();
    let mut pauses = Pauses::default();
    loop {
        // A permit first, a claim then: what is claimed runs at once.
        let permit = tokio::select! {
            permit = Arc::clone(&slots).acquire_owned() => permit.expect("nobody closes the semaphore"),
            () = drain.cancelled() => return attempts,
        };
        // Without this the set would grow with every attempt that was ever run.
        while attempts.try_join_next().is_some() {}
        let claim = loop {
            if drain.is_cancelled() {
                return attempts;
            }
            match claim(worker).await {
                Ok(Some(claim)) => {
                    pauses = Pauses::default();
                    break claim;
                }
                Ok(None) => {
                    drain.run_until_cancelled(waker.wait(POLL)).await;
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot claim");
                    pauses.wait().await;
                }
            }
        };
        metrics::histogram!("codecanvas_queue_wait_seconds").record(claim.waited);
        let worker = Arc::clone(worker);
        // On the heap: it holds the whole program.
        attempts.spawn(async move { Box::pin(attempt::run(&worker, claim, permit)).await });
    }
}

/// Leases the next attempt whose user may run one more.
async fn claim(worker: &Worker) -> sqlx::Result<Option<Claim>> {
    let mut at_their_quota = Vec::new();
    loop {
        let mut tx = worker.pool.begin().await?;
        let candidate = queue::lock_next(&mut tx, &worker.claimant.languages, &at_their_quota).await?;
        let Some(candidate) = candidate else { return Ok(None) };
        if let Some(claim) = queue::claim(&mut tx, candidate, &worker.claimant).await? {
            tx.commit().await?;
            return Ok(Some(claim));
        }
        // Another worker took the last place of this user's quota a moment ago.
        tx.rollback().await?;
        at_their_quota.push(candidate.user_id);
    }
}
