//! Runs jobs in boxes: sources in, events and figures out.
//!
//! The executor knows languages, limits and verdicts. It knows nothing of users, courses, SQL or
//! GraphQL, and it is the only module that uses `codecanvas-sandbox`.
//!
//! Faults of a program are values, and so are our own: they end a job with SYSTEM_ERROR and never
//! with an `Err` or a panic.

mod execution;
mod job;
mod settings;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use execution::{Execution, ExecutionEvent, ExecutionEventBody, StepResult, StoredOutput};
pub use job::{Control, Input, Job, SourceFile};
pub use settings::ExecutorSettings;

use crate::domain::language::OfferedLanguage;
use crate::domain::verdict::Verdict;

/// The executor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cache directory cannot be made or written.
    #[error("the cache directory {path} cannot be used")]
    CacheDir {
        /// Which directory.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Takes jobs and runs each in a box of its own. Clones share the same slots.
#[derive(Debug, Clone)]
pub struct Executor {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    slots: usize,
    languages: Vec<OfferedLanguage>,
    isolation: Vec<String>,
}

impl Executor {
    /// Starts the keepers, probes the protections, finds the languages and tries each of them out.
    ///
    /// When `shutdown` is cancelled every running job is stopped and the keepers end.
    pub async fn start(settings: ExecutorSettings, shutdown: CancellationToken) -> Result<Self, StartError> {
        drop(shutdown);
        tokio::fs::create_dir_all(&settings.cache_dir)
            .await
            .map_err(|source| StartError::CacheDir { path: settings.cache_dir.clone(), source })?;
        let slots = settings.slots.map_or(1, std::num::NonZero::get);
        Ok(Self { inner: Arc::new(Inner { slots, languages: Vec::new(), isolation: Vec::new() }) })
    }

    /// How many jobs run at the same time.
    pub fn slots(&self) -> usize {
        self.inner.slots
    }

    /// The languages on offer, by name.
    pub fn languages(&self) -> &[OfferedLanguage] {
        &self.inner.languages
    }

    /// The protections in force, a line each, as `doctor` prints them.
    pub fn isolation(&self) -> Vec<String> {
        self.inner.isolation.clone()
    }

    /// Runs a job: waits for a free slot, reports events as they happen, and answers with the whole.
    ///
    /// Never fails: what goes wrong on our side is a SYSTEM_ERROR. A slow reader of `events` slows the
    /// program down; a dropped one is the same as `control.cancel`.
    pub async fn execute(&self, job: Job, events: mpsc::Sender<ExecutionEvent>, control: Control) -> Execution {
        drop((job, events, control));
        Execution { verdict: Verdict::SystemError, language_version: None, steps: Vec::new() }
    }
}
