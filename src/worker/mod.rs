//! Takes attempts from the queue, runs them, and records what happens.
//!
//! ```text
//!  run ─┬─ listen      wake-ups from Postgres
//!       ├─ claims      permit → claim → attempt, one task each ──▶ executor
//!       │                                │ events, verdict
//!       ├─ recorder  ◀───────────────────┘ batches of all attempts, one transaction each
//!       ├─ leases      extends ours, tells an attempt that lost its own
//!       ├─ reclaim     puts back what other workers lost
//!       └─ housekeeping  deletes by age
//! ```
//!
//! Whatever is written about an attempt is guarded by its lease, by Postgres' clock. An attempt whose
//! lease is lost is stopped and leaves no trace: another worker has it.
//!
//! The first signal takes nothing new and lets running attempts finish; what has not finished in time,
//! or at the second signal, goes back to the queue.

mod attempt;
mod claims;
mod control;
mod housekeeping;
mod journal;
mod leases;
mod reclaim;
mod recorder;
mod retry;
mod running;
mod seat;
mod speculation;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use self::journal::Recorder;
use self::leases::Leases;
use self::recorder::Recording;
use crate::announcements::Announced;
use crate::config::Config;
use crate::domain::ids::WorkerId;
use crate::domain::language::OfferedLanguage;
pub use crate::executor::StartError;
use crate::executor::{Executor, ExecutorSettings};
use crate::lifecycle::Shutdown;
use crate::store;
use crate::store::listen::{Audience, Hub, listen};
use crate::store::queue::Claimant;

/// How long an interactive program may wait for input, all its waits together.
const IDLE_LIMIT: Duration = Duration::from_mins(10);
/// How long attempts may take to end once they were told to.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// Settings of a worker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How programs are run.
    pub executor: ExecutorSettings,
    /// How long a worker may be silent before its attempts go back to the queue.
    pub lease: Duration,
    /// How long running attempts may take to finish after the first signal.
    pub drain_timeout: Duration,
    /// How long packed logs are kept; `None` for ever.
    pub keep_logs: Option<Duration>,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        let worker = &config.worker;
        Self {
            executor: ExecutorSettings {
                keeper_executable: PathBuf::from("/proc/self/exe"),
                slots: NonZeroUsize::new(worker.slots),
                cache_dir: worker.cache_dir.clone(),
                artefact_cache_bytes: worker.cache_size.0,
                languages_dir: worker.languages_dir.clone(),
                only_languages: Some(worker.languages.clone()).filter(|names| !names.is_empty()),
                idle_limit: IDLE_LIMIT,
                start_ahead: worker.start_ahead,
                first_uid: Some(worker.uid_base),
                cgroup_parent: Some(worker.cgroup_parent.clone()),
                waived_protections: worker.allow_missing.clone(),
            },
            lease: worker.lease,
            drain_timeout: worker.drain_timeout,
            keep_logs: config.retention.logs,
        }
    }
}

/// What the tasks of a worker share.
#[derive(Debug)]
struct Worker {
    id: WorkerId,
    pool: PgPool,
    hub: Hub,
    executor: Executor,
    claimant: Claimant,
    leases: Arc<Leases>,
    recorder: Recorder,
    /// Cancelled when running attempts have to go back to the queue.
    put_back: CancellationToken,
}

/// Runs a worker until it is told to end. What is announced to it may begin early.
///
/// # Errors
/// Where no program can be run on this machine. Postgres may come and go.
pub async fn run(settings: Settings, pool: PgPool, announced: Announced, shutdown: Shutdown) -> Result<(), StartError> {
    let end = CancellationToken::new();
    set_up_connections(&pool, settings.lease);
    let executor = Executor::start(settings.executor, end.clone()).await?;
    executor.read_toolchains();
    let id = WorkerId::new();
    let leases = Arc::new(Leases::default());
    let (recorder, entries) = Recorder::new();
    let hub = Hub::default();
    let recording = Recording::new(pool.clone(), hub.clone(), Arc::clone(&leases), entries);
    let worker = Arc::new(Worker {
        id,
        claimant: claimant(id, executor.languages(), settings.lease),
        leases,
        hub,
        put_back: CancellationToken::new(),
        pool,
        executor,
        recorder,
    });
    metrics::gauge!("codecanvas_worker_slots")
        .set(f64::from(u32::try_from(worker.executor.slots()).unwrap_or(u32::MAX)));
    for (name, extent) in worker.executor.protections() {
        metrics::gauge!("codecanvas_sandbox_protection", "protection" => name).set(extent);
    }
    // Every line that one of the tasks below logs says which worker it is.
    let span = tracing::info_span!(parent: None, "worker", worker.id = %id);
    tracing::info!(
        worker.id = %id,
        worker.slots = worker.executor.slots(),
        languages = worker.claimant.languages.join(" "),
        "ready to run programs"
    );

    // These go on while attempts drain.
    let mut services = JoinSet::new();
    let mut recording = JoinSet::from_iter([recording.run().instrument(span.clone())]);
    let listening = listen(worker.pool.clone(), worker.hub.clone(), Audience::Worker, end.clone());
    services.spawn(listening.instrument(span.clone()));
    services.spawn(leases::keep(Arc::clone(&worker), end.clone()).instrument(span.clone()));
    services.spawn(reclaim::run(Arc::clone(&worker), end.clone()).instrument(span.clone()));
    let tidying = housekeeping::run(worker.pool.clone(), settings.keep_logs, end.clone());
    services.spawn(tidying.instrument(span.clone()));

    // A task: the thread that hears of work goes on with it. This one would have to be woken.
    let claims = claims::run(Arc::clone(&worker), announced, shutdown.drain.clone());
    let claims = AbortOnDropHandle::new(tokio::spawn(claims.instrument(span)));
    let mut attempts = claims.await.unwrap_or_else(|error| {
        tracing::error!(%error, "the worker can claim no more");
        JoinSet::new()
    });
    tracing::info!(worker.id = %id, running = attempts.len(), "takes no more work");
    tokio::select! {
        () = join(&mut attempts) => {}
        () = tokio::time::sleep(settings.drain_timeout) => {}
        () = shutdown.stop.cancelled() => {}
    }
    worker.put_back.cancel();
    if tokio::time::timeout(STOP_PATIENCE, join(&mut attempts)).await.is_err() {
        tracing::warn!(worker.id = %id, "attempts are left behind; another worker takes them when their leases run out");
    }
    attempts.shutdown().await;
    worker.recorder.close();
    if tokio::time::timeout(STOP_PATIENCE, join(&mut recording)).await.is_err() {
        tracing::warn!(worker.id = %id, "the last events could not be stored");
    }
    end.cancel();
    join(&mut services).await;
    sign_off(&worker).await;
    Ok(())
}

/// How the connections of a worker are.
fn set_up_connections(pool: &PgPool, lease: Duration) {
    let timeout = format!("{}ms", lease.as_millis());
    let options = (*pool.connect_options()).clone().options([
        // A worker that is stopped in the middle of a transaction would keep its locks, and nobody could take over its
        // attempts: Postgres ends such a connection when the leases have run out.
        ("idle_in_transaction_session_timeout", timeout.as_str()),
        // What a worker asks is found by keys, always in the same way. To plan it takes longer than to do it, and a plan that
        // is made while the tables are small has to do when they have grown.
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
    ]);
    pool.set_connect_options(options);
}

fn claimant(worker_id: WorkerId, languages: &[OfferedLanguage], lease: Duration) -> Claimant {
    Claimant {
        worker_id,
        languages: languages.iter().map(|language| language.name.clone()).collect(),
        versions: languages.iter().map(|language| language.version.clone()).collect(),
        lease,
    }
}

async fn join(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(%error, "a task of the worker panicked");
        }
    }
}

/// Nobody waits for a worker that has said goodbye.
async fn sign_off(worker: &Worker) {
    let goodbye = async { store::workers::remove(&mut *worker.pool.acquire().await?, worker.id).await };
    match tokio::time::timeout(STOP_PATIENCE, goodbye).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "could not sign off"),
        Err(_) => tracing::debug!("could not sign off in time"),
    }
}
