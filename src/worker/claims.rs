//! Takes an attempt from the queue for each free slot.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sqlx::PgConnection;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use super::retry::Pauses;
use super::running::Running;
use super::seat::Seat;
use super::speculation::Speculations;
use super::{Worker, attempt};
use crate::announcements::Announced;
use crate::store::kept::Kept;
use crate::store::queue::{self, Claim, Claimed};
use crate::telemetry::traces;

/// How often to look although nothing said that there is work.
const POLL: Duration = Duration::from_secs(1);

/// Claims until `drain`. Answers with the attempts that still run.
pub(super) async fn run(worker: Arc<Worker>, announced: Announced, drain: CancellationToken) -> JoinSet<()> {
    let slots = Arc::new(Semaphore::new(worker.executor.slots()));
    let mut attempts = JoinSet::new();
    // Before the first look: a wake-up in between is then not lost.
    let mut waker = worker.hub.queue();
    let mut speculations = Speculations::new(announced);
    let mut pauses = Pauses::default();
    let kept = Kept::new(worker.pool.clone(), worker.hub.clone(), 1);
    let mut has_more = true;
    loop {
        // A permit first, a claim then: what is claimed runs at once.
        let permit = tokio::select! {
            permit = Arc::clone(&slots).acquire_owned() => permit.expect("nobody closes the semaphore"),
            () = drain.cancelled() => return attempts,
        };
        // Without this the set would grow with every attempt that was ever run.
        while attempts.try_join_next().is_some() {}
        speculations.pass_over();
        let (claim, running, span) = loop {
            if drain.is_cancelled() {
                return attempts;
            }
            if !has_more {
                // The last look found nothing else; what has come since has woken us.
                tokio::select! {
                    _ = waker.wait(POLL) => has_more = true,
                    () = speculations.step(&worker) => {}
                    () = drain.cancelled() => {}
                }
                continue;
            }
            match claim(&worker, &kept, &mut speculations).await {
                Ok(Some(claimed)) => {
                    pauses = Pauses::default();
                    break claimed;
                }
                Ok(None) => has_more = false,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot claim");
                    speculations.stop();
                    pauses.wait().await;
                }
            }
        };
        has_more = claim.has_more;
        metrics::histogram!("codecanvas_queue_wait_seconds").record(claim.waited);
        let worker = Arc::clone(&worker);
        let seat = Seat::take(permit);
        attempts.spawn(async move { attempt::run(&worker, claim, running, seat).await }.instrument(span));
    }
}

/// Leases the next attempt whose user may run one more. Answers with its program, which has begun, and the span of all that
/// becomes of it.
async fn claim(
    worker: &Worker,
    kept: &Kept,
    speculations: &mut Speculations,
) -> sqlx::Result<Option<(Claim, Running, Span)>> {
    let mut connection = kept.take().await?;
    let claimed = claim_by(worker, &mut connection, speculations).await?;
    kept.keep(connection);
    Ok(claimed)
}

async fn claim_by(
    worker: &Worker,
    connection: &mut PgConnection,
    speculations: &mut Speculations,
) -> sqlx::Result<Option<(Claim, Running, Span)>> {
    let mut at_their_quota = Vec::new();
    loop {
        let began = SystemTime::now();
        match queue::claim(connection, &worker.claimant, &at_their_quota).await? {
            Claimed::Nothing => return Ok(None),
            Claimed::AtQuota(user) => at_their_quota.push(user),
            Claimed::Ours(mut claim) => {
                let program = std::mem::take(&mut claim.program);
                let (running, span) = if let Some(speculation) = speculations.take(claim.attempt_id) {
                    (speculation.running, speculation.span)
                } else {
                    let span = attempt::span(worker, claim.attempt_id, &program.language);
                    (Running::begin(&worker.executor, program, span.clone()), span)
                };
                traces::record("claim", &span, began);
                return Ok(Some((*claim, running, span)));
            }
        }
    }
}
