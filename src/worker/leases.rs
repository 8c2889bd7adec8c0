//! The leases that this worker holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::domain::ids::LeaseId;
use crate::store::leases;
use crate::store::workers::{self, NewWorker};

/// How many times a lease is extended before it would run out.
const BEATS: u32 = 4;
/// How long a worker is silent at most, however long its leases: else it would count as gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// The pause after a beat that failed: when Postgres is back, little may be left of the leases.
const RETRY: Duration = Duration::from_millis(250);

/// What the holder of a lease listens to.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    /// Somebody wants the attempt stopped.
    pub(super) cancel: CancellationToken,
    /// The lease is lost: stop, and write nothing.
    pub(super) lost: CancellationToken,
}

#[derive(Debug)]
struct Lease {
    signals: Signals,
    /// The last moment at which it was certainly ours.
    confirmed: Instant,
    /// The end of the attempt is being stored, and takes its row out of the queue.
    is_ending: bool,
}

/// The leases that this worker holds.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: Mutex<HashMap<LeaseId, Lease>>,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseId, Lease>> {
        // Nothing panics while the map is half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes care of a lease until [`Self::release`]. `cancel` stops the program of its attempt.
    pub(super) fn hold(&self, id: LeaseId, cancel: CancellationToken) -> Signals {
        let signals = Signals { cancel, lost: CancellationToken::new() };
        self.lock().insert(id, Lease { signals: signals.clone(), confirmed: Instant::now(), is_ending: false });
        signals
    }

    /// The end of the attempt is about to be stored: whoever does that finds out whether the lease is in force.
    pub(super) fn end(&self, id: LeaseId) {
        if let Some(lease) = self.lock().get_mut(&id) {
            lease.is_ending = true;
        }
    }

    /// The attempt has ended.
    pub(super) fn release(&self, id: LeaseId) {
        self.lock().remove(&id);
    }

    /// Whether the lease was not lost, as far as is known.
    pub(super) fn is_held(&self, id: LeaseId) -> bool {
        self.lock().contains_key(&id)
    }

    /// Tells the holder that the lease is lost.
    pub(super) fn lose(&self, id: LeaseId) {
        if let Some(lease) = self.lock().remove(&id) {
            tracing::warn!(lease.id = %id, "a lease is lost: its attempt is stopped and leaves no trace");
            metrics::counter!("codecanvas_leases_lost_total").increment(1);
            lease.signals.lost.cancel();
        }
    }

    /// The queue has no row with this lease any more.
    fn miss(&self, id: LeaseId) {
        if self.lock().get(&id).is_some_and(|lease| !lease.is_ending) {
            self.lose(id);
        }
    }

    fn ids(&self) -> Vec<LeaseId> {
        self.lock().keys().copied().collect()
    }

    fn confirm(&self, id: LeaseId, at: Instant, is_cancelled: bool) {
        if let Some(lease) = self.lock().get_mut(&id) {
            lease.confirmed = at;
            if is_cancelled {
                lease.signals.cancel.cancel();
            }
        }
    }

    /// Those that were not confirmed since `since`.
    fn unconfirmed(&self, since: Instant) -> Vec<LeaseId> {
        self.lock().iter().filter(|(_, lease)| lease.confirmed < since).map(|(id, _)| *id).collect()
    }
}

/// Says that the worker lives, and extends its leases, until `end`.
pub(super) async fn keep(worker: Arc<Worker>, end: CancellationToken) {
    let hostname =
        nix::unistd::gethostname().map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned());
    let isolation = worker.executor.isolation();
    let row = NewWorker {
        id: worker.id,
        hostname: &hostname,
        slots: i32::try_from(worker.executor.slots()).unwrap_or(i32::MAX),
        isolation: &isolation,
        languages: worker.executor.languages(),
    };
    let lease = worker.claimant.lease;
    let mut pause = Duration::ZERO;
    while end.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = RETRY.min(lease / BEATS);
        // A beat that takes longer than a lease is as good as none.
        match tokio::time::timeout(lease, beat(&worker, &row, lease)).await {
            Ok(Ok(())) => pause = LONGEST_PAUSE.min(lease / BEATS),
            Ok(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot extend leases"),
            Err(_) => tracing::warn!("extending leases takes too long"),
        }
        if let Some(since) = Instant::now().checked_sub(lease) {
            worker.leases.unconfirmed(since).into_iter().for_each(|id| worker.leases.lose(id));
        }
    }
}

async fn beat(worker: &Worker, row: &NewWorker<'_>, lease: Duration) -> sqlx::Result<()> {
    let ids = worker.leases.ids();
    // Before the question: the answer holds from some time after this moment.
    let asked = Instant::now();
    let mut conn = worker.pool.acquire().await?;
    let held = leases::extend(&mut conn, &ids, lease).await?;
    for lease in &held {
        worker.leases.confirm(lease.lease_id, asked, lease.is_cancelled);
    }
    for id in ids.iter().filter(|id| held.iter().all(|held| held.lease_id != **id)) {
        worker.leases.miss(*id);
    }
    let busy = i32::try_from(held.len()).unwrap_or(i32::MAX);
    workers::report(&mut conn, row, busy).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_went_with_the_end_of_its_attempt_is_no_lost_lease() {
        let leases = Leases::default();
        let (running, ending) = (LeaseId::new(), LeaseId::new());
        let signals = [running, ending].map(|id| leases.hold(id, CancellationToken::new()));
        leases.end(ending);
        for id in [running, ending] {
            leases.miss(id);
        }
        assert_eq!(signals.map(|signals| signals.lost.is_cancelled()), [true, false]);
        assert_eq!([running, ending].map(|id| leases.is_held(id)), [false, true]);
        // Nobody heard of it for too long, or its events were refused.
        leases.lose(ending);
        assert!(!leases.is_held(ending));
    }
}
