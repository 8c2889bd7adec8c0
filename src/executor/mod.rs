//! Runs jobs in boxes: sources in, events and figures out.
//!
//! The executor knows languages, limits and verdicts. It knows nothing of users, courses, SQL or
//! GraphQL, and it is the only module that uses `codecanvas-sandbox`.
//!
//! Faults of a program are values, and so are our own: they end a job with SYSTEM_ERROR and never
//! with an `Err` or a panic.

mod ahead;
mod assignment;
mod attempt;
mod cache;
mod content;
mod execution;
mod job;
pub mod language;
mod pipes;
mod pool;
mod reporter;
mod settings;
mod slot;
mod start;
mod step;
mod stream;
pub mod toolchain;
mod trial;
mod uids;
mod verdict;
mod warm_up;
mod workspace;

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use execution::{Execution, ExecutionEvent, ExecutionEventBody, StepResult, StoredOutput};
pub use job::{Control, Input, Job, SourceFile};
pub use settings::ExecutorSettings;
pub use slot::SlotError;

use self::assignment::Assignment;
use self::attempt::Surroundings;
use self::cache::ArtefactCache;
use self::pool::Pool;
use self::reporter::Reporter;
use self::toolchain::{Toolchain, Unavailable};
use self::uids::ClaimedUids;
use crate::domain::language::OfferedLanguage;
use crate::domain::verdict::Verdict;

/// The executor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cache directory cannot be made or written.
    #[error("the cache directory {path} cannot be used")]
    CacheDir {
        /// Which directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A language file is wrong.
    #[error("the languages cannot be read")]
    Languages(#[from] language::LoadError),
    /// Every user id that slots could have belongs to another worker.
    #[error("other workers of this host use the user ids from {first} on; give this one others by worker.uid_base")]
    UserIds {
        /// The first that was tried.
        first: u32,
    },
    /// No box can be had, or not with all the protections that are asked for.
    #[error("no box can be made")]
    Box(#[from] SlotError),
}

/// Takes jobs and runs each in a box of its own. Clones share the same slots.
#[derive(Debug, Clone)]
pub struct Executor {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    slots: usize,
    settings: Arc<ExecutorSettings>,
    /// Toolchains that nobody may have read since the host booted.
    unread: Vec<Toolchain>,
    /// Nobody else's as long as this lives.
    _uids: Option<ClaimedUids>,
    pool: Arc<Pool>,
    surroundings: Arc<Surroundings>,
    toolchains: Vec<Toolchain>,
    languages: Vec<OfferedLanguage>,
    unavailable: Vec<Unavailable>,
    isolation: Vec<String>,
    protections: Vec<(String, f64)>,
}

impl Executor {
    /// Starts the keepers, probes the protections, finds the languages and tries each of them out.
    ///
    /// The first start on a machine takes its time, since it makes what later makes compilers fast; the
    /// others do not. When `shutdown` is cancelled every running job is stopped and the keepers end.
    pub async fn start(mut settings: ExecutorSettings, shutdown: CancellationToken) -> Result<Self, StartError> {
        let in_cache_dir = |source| StartError::CacheDir { path: settings.cache_dir.clone(), source };
        start::make_directories(&settings.cache_dir).map_err(in_cache_dir)?;
        let cache = ArtefactCache::open(&settings.cache_dir.join("artefacts"), settings.artefact_cache_bytes)
            .map_err(in_cache_dir)?;
        let mut languages = language::load(settings.languages_dir.as_deref())?;
        start::tidy(&settings.cache_dir, &languages);
        if let Some(only) = &settings.only_languages {
            languages = language::choose(languages, only)?;
        }
        let slots = settings.slots.or(available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let count = u32::try_from(slots).unwrap_or(u32::MAX);
        let uids = start::claim_uids(&settings, count)?;
        if let Some(uids) = &uids {
            settings.first_uid = Some(uids.first);
        }
        let (armed, protections) = start::start_slots(&settings, &languages, count).await?;
        let pool =
            Arc::new(Pool::new(settings.keeper_executable.clone(), armed, settings.start_ahead, shutdown.clone()));
        let surroundings =
            Arc::new(Surroundings { cache: Arc::new(cache), tasks: TaskTracker::new(), shutdown: shutdown.clone() });
        let settings = Arc::new(settings);
        let start::Prepared { offered: toolchains, unavailable, unread } =
            start::prepare(&settings, languages, &pool, &surroundings).await;

        let expiring = Arc::clone(&pool);
        surroundings.tasks.spawn(async move { expiring.expire().await });
        let closing = Arc::clone(&pool);
        surroundings.tasks.spawn(async move {
            shutdown.cancelled().await;
            closing.close();
        });
        Ok(Self {
            inner: Arc::new(Inner {
                slots,
                settings,
                unread,
                _uids: uids,
                pool,
                surroundings,
                languages: toolchains.iter().map(|toolchain| toolchain.offered.clone()).collect(),
                toolchains,
                unavailable,
                isolation: protections.protections.iter().map(start::describe).collect(),
                protections: protections.protections.iter().map(start::extent).collect(),
            }),
        })
    }

    /// Reads the toolchains that nobody has read since the host booted, one after the other, while jobs run: a program whose
    /// toolchain comes from the disk would be slow, and its files count as that program's memory. For who stays; ends at shutdown.
    pub fn read_toolchains(&self) {
        let Inner { settings, unread, pool, surroundings, .. } = &*self.inner;
        if unread.is_empty() {
            return;
        }
        let reading =
            start::read_again(Arc::clone(settings), unread.clone(), Arc::clone(pool), Arc::clone(surroundings));
        surroundings.tasks.spawn(async move {
            if let Err(error) = reading.await {
                tracing::warn!(error = %error, "that the toolchains were read cannot be kept");
            }
        });
    }

    /// How many jobs run at the same time.
    pub fn slots(&self) -> usize {
        self.inner.slots
    }

    /// The languages on offer, by name.
    pub fn languages(&self) -> &[OfferedLanguage] {
        &self.inner.languages
    }

    /// The languages that are not on offer, and why.
    pub fn unavailable(&self) -> &[Unavailable] {
        &self.inner.unavailable
    }

    /// The protections in force, a line each, as `doctor` prints them.
    pub fn isolation(&self) -> Vec<String> {
        self.inner.isolation.clone()
    }

    /// The protections by name: 1 in force, 0.5 reduced, 0 missing.
    pub fn protections(&self) -> Vec<(String, f64)> {
        self.inner.protections.clone()
    }

    /// Runs a job: waits for a free slot, reports events as they happen, and answers with the whole.
    ///
    /// Never fails: what goes wrong on our side is a SYSTEM_ERROR. A slow reader of `events` slows the
    /// program down; a dropped one is the same as `control.cancel`.
    pub async fn execute(&self, job: Job, events: mpsc::Sender<ExecutionEvent>, mut control: Control) -> Execution {
        let inner = &self.inner;
        let without_steps = |verdict| Execution { verdict, language_version: None, steps: Vec::new() };
        let Some(toolchain) = inner.toolchains.iter().find(|toolchain| toolchain.offered.is_called(&job.language))
        else {
            tracing::error!(language = job.language, "a job came for a language that is not offered");
            return without_steps(Verdict::SystemError);
        };
        let assignment = Assignment { toolchain, job, idle_limit: inner.settings.idle_limit };
        let ahead = assignment.ahead();
        let slot = tokio::select! {
            slot = inner.pool.take(ahead.as_ref()) => slot,
            () = control.cancel.cancelled() => None,
        };
        let Some(slot) = slot else {
            return without_steps(Verdict::Cancelled);
        };
        let mut reporter = Reporter::new(events);
        let execution =
            attempt::run(&slot, assignment, ahead.as_ref(), &mut reporter, &mut control, &inner.surroundings).await;
        // The caller does not wait for the next box.
        let pool = Arc::clone(&inner.pool);
        inner.surroundings.tasks.spawn(async move { pool.give(slot, ahead).await });
        execution
    }

    /// Waits until the keepers have ended and everything is written. Call it after `shutdown` was cancelled.
    pub async fn closed(&self) {
        self.inner.surroundings.tasks.close();
        self.inner.surroundings.tasks.wait().await;
    }
}
